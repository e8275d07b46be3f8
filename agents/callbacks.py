"""SB3's callbacks when training runs in chunks: when they want to be called, and how many steps they count."""

from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    EveryNTimesteps,
    ProgressBarCallback,
)


def _flat(callback: BaseCallback) -> list[BaseCallback]:
    """A callback and those of a list; what an event callback calls on its events does not count steps."""
    inside = callback.callbacks if isinstance(callback, CallbackList) else []
    return [callback, *(inner for each in inside for inner in _flat(each))]


def waits(callback: BaseCallback, timesteps: int, n: int) -> list[int]:
    """Steps of n rows until the next event of every callback that acts after some number of calls or time steps."""
    steps = []
    for each in _flat(callback):
        events = [event for name in ("eval_freq", "save_freq") if (event := getattr(each, name, 0)) > 0]
        steps += [event - each.n_calls % event for event in events]
        if isinstance(each, EveryNTimesteps):
            steps.append(max(1, -(-(each.last_time_trigger + each.n_steps - timesteps) // n)))
    return steps


def count_calls(callback: BaseCallback, calls: int) -> None:
    """Count the steps of a chunk that no callback saw."""
    for each in _flat(callback):
        each.n_calls += calls
        if isinstance(each, ProgressBarCallback):
            each.pbar.update(calls * each.training_env.num_envs)
