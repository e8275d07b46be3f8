"""One greedy episode with everything that the network did in it.

Dimensions: T steps, I inputs, K actions, B memory blocks, C cells, H ordinary hidden units.
"""

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from lstm_rl.agents.models import Boxes
from lstm_rl.agents.policies import MemoryPolicy, to_input
from lstm_rl.envs import multimode_pole, tmaze
from lstm_rl.envs.dynamics import World
from lstm_rl.envs.env import WorldEnv
from lstm_rl.topology import GATES

MAX_STEPS = 2000  # of an episode that does not end by itself


@dataclass(frozen=True, eq=False)
class Episode:
    """Row t of every array is step t: what the agent saw, what that did to the network, and what followed."""

    observations: NDArray[np.float32]  # (T, I) before any normalisation
    actions: NDArray[np.int64]  # (T,) counted from 0
    rewards: NDArray[np.float64]  # (T,)
    advantages: NDArray[Any]  # (T, K)
    gates: dict[str, NDArray[Any]]  # (T, B) of each kind of gate that the network has
    cell_states: NDArray[Any]  # (T, C); of a table, its memory bits as one number
    cell_outputs: NDArray[Any]  # (T, C)
    hidden: NDArray[Any]  # (T, H)
    success: bool | None  # None: the environment did not tell, or the recording stopped before the end
    marks: dict[str, list[int]]  # steps worth a look: "cue" and "junction" in our worlds, nothing elsewhere


def record_episode(
    policy: MemoryPolicy, env: gym.Env[Any, Any], seed: int | None = None, max_steps: int | None = None
) -> Episode:
    """Play one episode with the greedy action at every step.

    Args:
        policy: Its weights and statistics are not changed.
        env: An environment that nobody else is using; it is reset.
        seed: Of the environment; ``None`` goes on with its present generator.
        max_steps: Steps >= 1 after which the recording stops; ``None``: 2000.

    Returns:
        The episode, of at least one step.
    """
    space, start = policy.observation_space, int(policy.action_space.start)  # type: ignore[attr-defined]
    state, success, steps, world_states = None, None, [], []
    observation, info = env.reset(seed=seed)
    for _ in range(max_steps or MAX_STEPS):
        advantages, _ = policy.advantages(observation, state)
        chosen, state = policy.predict(observation, state, deterministic=True)
        action = int(chosen) - start
        world_states.append(info.get("state"))
        seen = to_input(space, observation, 1)[0].copy()
        observation, reward, terminated, truncated, info = env.step(np.int64(action + start))
        steps.append((seen, action, float(reward), advantages[0], *(part[0] for part in state[:-1])))
        if terminated or truncated:
            success = bool(info["is_success"]) if "is_success" in info else None
            break
    observations, actions, rewards, values, *activations = map(np.array, zip(*steps, strict=True))
    gates: dict[str, NDArray[Any]] = {}
    if isinstance(policy.model, Boxes):
        cell_states = activations[0]
        cell_outputs = hidden = np.empty((len(actions), 0))
    else:
        units, cell_states, cell_outputs = activations
        columns = policy.topology.columns
        gates = {gate: units[:, columns[gate]] for gate in GATES if units[:, columns[gate]].size}
        hidden = units[:, columns["hidden"]]
    inner = env.unwrapped
    return Episode(
        observations,
        actions,
        rewards,
        values,
        gates,
        cell_states,
        cell_outputs,
        hidden,
        success,
        _marks(inner.world, np.array(world_states)) if isinstance(inner, WorldEnv) else {},
    )


def _marks(world: World, states: NDArray[np.float64]) -> dict[str, list[int]]:
    """Steps of interest in one of our worlds from its Markov states (T, S); a user's own world has none."""
    marks: dict[str, NDArray[np.bool_]] = {}
    if world.step is tmaze.tmaze_step:
        position, params = states[:, tmaze.POSITION], world.params
        visible = (states[:, tmaze.MOVED] == 0.0) | (params[tmaze.CUE_ON_RETURN] == 1.0)
        marks = {"cue": (position == 0.0) & visible, "junction": position == params[tmaze.LENGTH]}
    elif world.step is multimode_pole.pole_step:
        marks = {"cue": states[:, multimode_pole.SHOWN] > 0.0}
    return {name: np.flatnonzero(at).tolist() for name, at in marks.items()}
