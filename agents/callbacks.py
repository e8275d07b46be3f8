"""SB3's callbacks when training runs in compiled chunks: which of them need a call at every step, and when others do.

A callback is called at every step, as by PPO, unless it is known to need less:

- those of SB3 that act every so many calls or time steps: a chunk ends where one acts;
- a class with ``chunked = True``: it is called at the ends of chunks, of `Config.chunk_size` steps or less;
- a class with a method ``steps_until_next() -> int``: a chunk ends at the latest so many steps later.

Whoever overrides ``_on_step`` of a known callback is unknown again. At the end of a chunk ``n_calls`` has counted every
step, ``locals`` holds what the last step gave, and ``locals["episodes"]`` the infos of all episodes that ended.
"""

import math
from typing import Any

from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    CheckpointCallback,
    ConvertCallback,
    EvalCallback,
    EventCallback,
    EveryNTimesteps,
    ProgressBarCallback,
)


def _flat(callback: BaseCallback) -> list[BaseCallback]:
    """A callback and those of a list; what an event callback calls on its events does not count steps."""
    inside = callback.callbacks if isinstance(callback, CallbackList) else []
    return [callback, *(inner for each in inside for inner in _flat(each))]


def _until_multiple(period: int, calls: int) -> float:
    return period - calls % period if period > 0 else math.inf


def _wait(callback: Any, timesteps: int, n: int) -> float | None:
    """Steps of n rows until a callback has to be called; ``None``: at every step."""
    kind = type(callback)
    if hasattr(kind, "steps_until_next"):
        return float(max(1, callback.steps_until_next()))
    if getattr(kind, "chunked", False):
        return math.inf
    if kind.on_step is not BaseCallback.on_step:
        return None
    acts = kind._on_step
    if acts is EvalCallback._on_step:
        return _until_multiple(callback.eval_freq, callback.n_calls)
    if acts is CheckpointCallback._on_step:
        return _until_multiple(callback.save_freq, callback.n_calls)
    if acts is EveryNTimesteps._on_step:
        return float(max(1, -(-(callback.last_time_trigger + callback.n_steps - timesteps) // n)))
    if acts is ConvertCallback._on_step and callback.callback is not None:
        return None
    idle = (CallbackList._on_step, ConvertCallback._on_step, EventCallback._on_step, ProgressBarCallback._on_step)
    return math.inf if acts in idle else None


def called_every_step(callback: BaseCallback) -> list[str]:
    """Names of the callbacks that have to be called at every step."""
    names = []
    for each in _flat(callback):
        if _wait(each, 0, 1) is None:
            function = each.callback if isinstance(each, ConvertCallback) else type(each)
            names.append(getattr(function, "__name__", repr(function)))
    return names


def steps_until_next(callback: BaseCallback, timesteps: int, n: int) -> float:
    """Steps of n rows until the next callback has to be called."""
    waits = [_wait(each, timesteps, n) for each in _flat(callback)]
    return min(1 if wait is None else wait for wait in waits)


def count_calls(callback: BaseCallback, calls: int) -> None:
    """Count the steps of a chunk that no callback saw."""
    for each in _flat(callback):
        each.n_calls += calls
        if isinstance(each, ProgressBarCallback):
            each.pbar.update(calls * each.training_env.num_envs)
