"""Environments by id and arguments: one, or n as a stable-baselines3 VecEnv; errors name the id or the argument."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
from gymnasium.spaces import Box

from lstm_rl.checks import check_int
from lstm_rl.envs import OTHERS, WORLDS
from lstm_rl.envs.checked import placed
from lstm_rl.envs.rows import plain_world
from lstm_rl.envs.sb3 import GymnasiumVecEnv, fit_for_sb3, is_time_limit

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecMonitor

LONGEST = 10_000  # steps of an evaluation episode where neither a step limit nor a horizon is known


def is_ours(env_id: str) -> bool:
    """Whether the id is one of `WORLDS`, with or without "module:" before it."""
    return env_id.split(":")[-1] in WORLDS


def limited(env_id: str, env_kwargs: dict[str, Any], max_steps: int | None = None) -> dict[str, Any]:
    """Environment arguments for evaluation, with a step limit: greedy play may go round in circles for ever.

    ``max_steps`` is that limit; ``None``: the environment's own, and without one 50 horizons or `LONGEST`.

    Raises:
        ValueError: As `make_env`.
    """
    if max_steps is None:
        env = make_env(env_id, env_kwargs)
        world = plain_world(env)
        if world is None and (env.spec is None or env.spec.max_episode_steps is None):
            return {"max_episode_steps": LONGEST} | env_kwargs
        if world is None or world.max_steps is not None:
            return env_kwargs
        max_steps = 50 * world.horizon if world.horizon else LONGEST
    steps = check_int("max_steps", max_steps, 1)
    if not is_ours(env_id):
        return env_kwargs | {"max_episode_steps": steps}
    return {name: value for name, value in env_kwargs.items() if name != "max_episode_steps"} | {"max_steps": steps}


def make_env(env_id: str, env_kwargs: dict[str, Any], render_mode: str | None = None) -> gym.Env[Any, Any]:
    """Make one environment; errors name the id or the argument.

    Gymnasium's ``max_episode_steps`` becomes the limit of a world itself; words are left out of other observations.

    Raises:
        ValueError: Unknown environment or argument, a bad value, or observations that SB3 cannot carry.
    """
    env = _make(env_id, env_kwargs, render_mode)
    if is_time_limit(env) and (world := plain_world(env.env)):  # so that a world ends as its vector face does
        env.env.unwrapped.world = world.limited(env._max_episode_steps)  # type: ignore[attr-defined]
        return env.env
    return fit_for_sb3(env)


def family(env_id: str, env_kwargs: dict[str, Any]) -> tuple[str | None, bool]:
    """The `family` of the environment's world, and whether its actions are continuous (Box).

    The family is ``None`` if the environment is no world, or one of no family.

    Raises:
        ValueError: As `make_env`.
    """
    env = _make(env_id, env_kwargs, None)
    env.close()
    return getattr(getattr(env.unwrapped, "world", None), "family", None), isinstance(env.action_space, Box)


def _make(env_id: str, env_kwargs: dict[str, Any], render_mode: str | None) -> gym.Env[Any, Any]:
    ours = (*WORLDS, *OTHERS)
    if env_id.split(":")[-1].startswith("lstm_rl/") and env_id.split(":")[-1] not in ours:
        raise ValueError(f"env must be one of {', '.join(ours)}, or another Gymnasium id, got {env_id}")
    for name in ("render_mode", "world"):
        if name in env_kwargs and is_ours(env_id):
            raise ValueError(f"env-kwargs must be arguments of {env_id}, got {name}={env_kwargs[name]!r}")
    # Not every environment takes a render mode
    mode: dict[str, Any] = {} if render_mode is None else {"render_mode": render_mode}
    try:
        if env_id.split(":")[-1] in ours:  # which refuse arguments in words of their own
            return gym.make(env_id, **env_kwargs, **mode)
        with placed(f"{env_id} failed while it was made"):
            return gym.make(env_id, **env_kwargs, **mode)
    except (gym.error.Error, ModuleNotFoundError) as error:
        hint = "" if ":" in env_id else "; ids of another package are written PACKAGE:ID"
        if Path(env_id, "config.json").is_file():
            hint = "; this is a run folder: repeat the command that began the run, and add --resume"
        raise ValueError(f"env must be an id that Gymnasium knows, got {env_id}: {error}{hint}") from error
    except TypeError as error:
        reason = str(error).split(" was raised from")[0]
        raise ValueError(f"env-kwargs must be arguments of {env_id}, got {env_kwargs}: {reason}") from error


def make_rows(env_id: str, env_kwargs: dict[str, Any], n: int) -> "VecMonitor":
    """N environments as one monitored SB3 VecEnv; ours in one compiled piece, others one by one.

    Raises:
        ValueError: As `make_env`.
    """
    from gymnasium.vector import AutoresetMode
    from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

    make_env(env_id, env_kwargs).close()  # for its errors
    if not is_ours(env_id):
        return VecMonitor(DummyVecEnv([lambda: make_env(env_id, env_kwargs) for _ in range(n)]))
    vector = gym.make_vec(env_id.split(":")[-1], n, autoreset_mode=AutoresetMode.SAME_STEP, **env_kwargs)
    return VecMonitor(GymnasiumVecEnv(vector), info_keywords=("is_success",))
