"""What our SB3 algorithms do alike: wrap environments, check the arguments of `learn`, write their files."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.common.utils import safe_mean
from stable_baselines3.common.vec_env import VecEnv

from lstm_rl.atomic import atomic_write
from lstm_rl.checks import check_int
from lstm_rl.envs.sb3 import fit_for_sb3


def wrap_env(env: GymEnv, verbose: int = 0, monitor_wrapper: bool = True) -> VecEnv:
    """As SB3's `BaseAlgorithm._wrap_env`, for environments that SB3 alone refuses, too."""
    return BaseAlgorithm._wrap_env(env if isinstance(env, VecEnv) else fit_for_sb3(env), verbose, monitor_wrapper)


def check_learn(total_timesteps: Any, env: Any) -> int:
    """The number of steps to learn for, >= 0; a float is taken if it is whole, such as 1e6.

    Raises:
        ValueError: It is no such number, or there is no environment.
    """
    if isinstance(total_timesteps, (float, np.floating)) and total_timesteps % 1 == 0:
        total_timesteps = int(total_timesteps)
    steps = check_int("total_timesteps", total_timesteps, 0)
    if env is None:
        raise ValueError("env must be set before learn, by set_env(env) or load(path, env=env), got None")
    return steps


def record_rollouts(model: BaseAlgorithm) -> float:
    """Log means of the last episodes, steps per second and steps so far; return the seconds since learning began."""
    record = model.logger.record
    elapsed = max((time.time_ns() - model.start_time) / 1e9, sys.float_info.epsilon)
    if model.ep_info_buffer:
        record("rollout/ep_rew_mean", safe_mean([episode["r"] for episode in model.ep_info_buffer]))
        record("rollout/ep_len_mean", safe_mean([episode["l"] for episode in model.ep_info_buffer]))
    if model.ep_success_buffer:
        record("rollout/success_rate", safe_mean(list(model.ep_success_buffer)))
    record("time/fps", int((model.num_timesteps - model._num_timesteps_at_start) / elapsed))
    record("time/total_timesteps", model.num_timesteps, exclude="tensorboard")
    return elapsed


def without_logger(model: BaseAlgorithm) -> dict[str, Any]:
    """What `copy` and `pickle` take: all but the logger, which holds open files and is made anew by `learn`."""
    return {name: value for name, value in vars(model).items() if name != "_logger"} | {"_custom_logger": False}


@contextmanager
def in_position(model: Any, position: Callable[[], dict[str, Any] | None]) -> Iterator[None]:
    """In the block ``model._position`` says where training stands, for `save`.

    Args:
        model: One that was loaded, and has not gone on yet, keeps the position that it came with.
        position: Where any other one stands.
    """
    waiting = model._position
    model._position = position() if waiting is None else waiting
    try:
        yield
    finally:
        model._position = waiting


def write_zip(save: Callable[[Any, Any, Any], None], path: Any, exclude: Any, include: Any) -> None:
    """Call SB3's ``save``; on disk the old file stays until the new one is complete.

    Args:
        save: `BaseAlgorithm.save` of a model.
        path: A path, which gets ".zip" if it has no suffix, or an open file.
        exclude: See SB3.
        include: See SB3.

    Raises:
        ValueError: The path promises another format.
    """
    if not isinstance(path, (str, Path)):
        save(path, exclude, include)
        return
    if Path(path).suffix == ".safetensors":
        raise ValueError(f"path must end in .zip for this learner, which saves no .safetensors, got {path}")
    target = Path(path) if Path(path).suffix else Path(path).with_suffix(".zip")
    with atomic_write(target) as part, part.open("wb") as file:  # SB3 would leave a file open when it fails
        save(file, exclude, include)
