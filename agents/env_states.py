"""Environments under SB3's and Gymnasium's wrappers: their time scale, and their state for exact resume."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import TimeLimit
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from lstm_rl.envs.env import WorldEnv
from lstm_rl.envs.sb3 import GymnasiumVecEnv


def environment_horizon(env: VecEnv) -> int | None:
    """The environment's own time scale: a world's horizon, else the step limit of its registration."""
    base = env.unwrapped
    if isinstance(base, GymnasiumVecEnv):
        world = getattr(base.unwrapped_env, "world", None)
        return getattr(world, "horizon", None)
    if not isinstance(base, DummyVecEnv):
        return None
    inner = base.envs[0]
    if isinstance(inner.unwrapped, WorldEnv) and inner.unwrapped.world.horizon is not None:
        return inner.unwrapped.world.horizon
    return inner.spec.max_episode_steps if inner.spec is not None else None


def environment_states(env: VecEnv) -> list[dict[str, Any]] | None:
    """The state of every environment that gives access to it with ``get_state``; ``None`` if one does not."""
    base = env.unwrapped
    if isinstance(base, GymnasiumVecEnv) and hasattr(base.unwrapped_env, "get_state"):
        return [base.unwrapped_env.get_state()]
    if isinstance(base, DummyVecEnv) and all(hasattr(inner.unwrapped, "get_state") for inner in base.envs):
        return [
            inner.unwrapped.get_state() | {"limits": [limit._elapsed_steps for limit in _limits(inner)]}  # type: ignore[attr-defined]
            for inner in base.envs
        ]
    return None


def _limits(env: gym.Env[Any, Any]) -> "list[TimeLimit[Any, Any]]":  # rl_zoo3 has another class there
    """The step limits around an environment; each counts steps by itself."""
    limits = []
    while isinstance(env, gym.Wrapper):
        if isinstance(env, TimeLimit):
            limits.append(env)
        env = env.env
    return limits


def layout(states: list[dict[str, Any]] | None) -> Any:
    """What has to agree for one environment to take another's states."""
    return states and [{name: np.shape(value) for name, value in state.items()} for state in states]


def restore_environments(env: VecEnv, states: list[dict[str, Any]]) -> NDArray[np.float32]:
    """Undo `environment_states` on freshly reset environments; return their observations."""
    base = env.unwrapped
    if isinstance(base, GymnasiumVecEnv):
        base.unwrapped_env.set_state(states[0])  # type: ignore[attr-defined]
    else:
        for inner, state in zip(base.envs, states, strict=True):  # type: ignore[attr-defined]
            inner.unwrapped.set_state(state)
            for limit, elapsed in zip(_limits(inner), state["limits"], strict=True):
                limit._elapsed_steps = elapsed
    return np.concatenate([state["observation"] for state in states])
