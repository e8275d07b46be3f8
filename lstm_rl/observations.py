"""Observations of any space for n rows side by side: drawn, or seen on random walks; rows taken out of them."""

import copy
from typing import Any

import gymnasium as gym
from gymnasium.vector.utils import concatenate, create_empty_array
from numpy.typing import NDArray


def draw_observations(agent: Any, env: Any, rows: int, steps: int, seed: int) -> list[Any]:
    """T observations of n rows each."""
    env = gym.make(env) if isinstance(env, str) else env
    space: Any = getattr(agent if env is None else env, "observation_space", None)
    if not (isinstance(space, gym.Space) and isinstance(env, gym.Env | None)):
        raise ValueError(f"env must be a Gymnasium environment unless the agent has an observation_space, got {env!r}")
    if env is None:
        space = copy.deepcopy(space)
        space.seed(seed)
        walks = [[space.sample() for _ in range(steps)] for _ in range(rows)]
    else:
        env.action_space.seed(seed)
        walks = [_walk(env, steps, seed + row) for row in range(rows)]
    empty: Any = create_empty_array(space, rows)
    return [copy.deepcopy(concatenate(space, [walk[t] for walk in walks], empty)) for t in range(steps)]


def _walk(env: gym.Env[Any, Any], steps: int, seed: int) -> list[Any]:
    """What random actions let one see; several episodes if they are short."""
    seen = [copy.deepcopy(env.reset(seed=seed)[0])]
    while len(seen) < steps:
        observation, _, terminated, truncated, _ = env.step(env.action_space.sample())
        seen.append(copy.deepcopy(env.reset()[0] if terminated or truncated else observation))
    return seen


def take_rows(observation: Any, rows: NDArray[Any]) -> Any:
    """These rows of an observation, which may be a dict or tuple of arrays."""
    if isinstance(observation, dict):
        return {key: take_rows(part, rows) for key, part in observation.items()}
    return tuple(take_rows(part, rows) for part in observation) if isinstance(observation, tuple) else observation[rows]


def count_rows(observation: Any) -> int:
    """N of an observation of n rows."""
    while isinstance(observation, (dict, tuple)):
        observation = next(iter(observation.values() if isinstance(observation, dict) else observation))
    return len(observation)
