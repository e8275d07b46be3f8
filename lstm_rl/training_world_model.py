"""`lstm-rl world-model`: one run of controller and world model into a run folder, see `lstm_rl.runs`.

There are no evaluations, so neither best_model.zip nor evaluations.npz; predicted.png shows predicted beside real.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecMonitor
from tqdm import tqdm

from lstm_rl.agents.world_model_controller import WorldModelController
from lstm_rl.atomic import remove_parts
from lstm_rl.diagnostics.figures import save
from lstm_rl.diagnostics.predictions import predicted_beside_real
from lstm_rl.make import limited, make_env, make_rows
from lstm_rl.run_lock import folder_lock
from lstm_rl.runs import check_folder, clear, cut_monitor, load_model, record, tensorboard, write_record
from lstm_rl.signals import Stop

if TYPE_CHECKING:
    from lstm_rl.commands.world_model import WorldModel

CHECKPOINTS = 25  # of a run


class Outcome(NamedTuple):
    """How a run ended."""

    steps: int
    mean_reward: float | None  # of the last 100 training episodes
    episodes: int  # that it is the mean of
    signal: int | None  # that interrupted it


class RunCallback(BaseCallback):
    """Progress bar, checkpoints, and a stop by signals."""

    chunked = True  # calls at the ends of chunks will do
    model: Any

    def __init__(self, command: "WorldModel", bar: "tqdm[Any]", stop: Stop) -> None:
        super().__init__()
        self.folder, self.bar, self.stop = command.folder, bar, stop
        self.every = -(-command.timesteps // CHECKPOINTS)
        self.saved = 0  # steps at the last checkpoint

    def _on_training_start(self) -> None:
        self.checkpoint()  # from here on there is something to go on from

    def _on_step(self) -> bool:
        self.stop.can_wait = True
        self.bar.update(self.num_timesteps - self.bar.n)
        if self.num_timesteps - self.saved >= self.every:
            self.checkpoint()
        return self.stop.signal is None

    def _on_training_end(self) -> None:
        self.checkpoint()

    def checkpoint(self) -> None:
        """Save ``model.zip``, and how long monitor.csv was."""
        monitor = self.folder / "monitor.csv"
        self.model.run_state = {"monitor_bytes": monitor.stat().st_size if monitor.exists() else 0}
        self.model.save(self.folder / "model.zip")
        self.saved = self.model.num_timesteps


def run(command: "WorldModel", stop: Stop) -> Outcome:
    """Train, with a checkpoint now and then; draw the picture unless a signal asks to end.

    Raises:
        ValueError: The settings do not fit; nothing has been written.
        DivergedError: Weights are no longer finite; ``model.zip`` is the last checkpoint.
    """
    folder, rows = command.folder, make_rows(command.env, command.env_kwargs, command.n_envs)
    own = make_env(command.env, limited(command.env, command.env_kwargs))
    model = None if command.resume else _new(command, rows)
    with folder_lock(folder):
        check_folder(command, ("out",))
        remove_parts(folder)
        if model is None:
            model = _checkpoint(command, rows)
        append = command.resume and cut_monitor(folder / "monitor.csv", model.run_state["monitor_bytes"])
        if command.overwrite:
            clear(folder)
        write_record(folder, command.recorded())
        model.set_logger(tensorboard(folder))
        bar = tqdm(
            total=command.timesteps,
            initial=model.num_timesteps,
            unit="step",
            unit_scale=True,
            disable=not command.progress,
        )
        callback = RunCallback(command, bar, stop)
        record(rows, folder / "monitor.csv", command.env, append)
        try:
            model.learn(command.timesteps - model.num_timesteps, callback, reset_num_timesteps=not command.resume)
        except BaseException:
            if not (command.resume or model.num_timesteps):  # an environment that refuses, an early interrupt
                clear(folder)
            raise
        finally:
            bar.close()
            rows.close()
            model.logger.close()
            stop.can_wait = False
        if stop.signal is None:
            save(predicted_beside_real(model.policy, own), folder / "predicted.png")
    rewards = [episode["r"] for episode in model.ep_info_buffer or ()]
    return Outcome(model.num_timesteps, float(np.mean(rewards)) if rewards else None, len(rewards), stop.signal)


def _new(command: "WorldModel", rows: VecMonitor) -> Any:
    ranges: Any = command.reward_range
    return WorldModelController("WorldModelPolicy", rows, command.config, ranges, seed=command.seed)


def _checkpoint(command: "WorldModel", rows: VecMonitor) -> Any:
    path = command.folder / "model.zip"
    model = load_model(path)
    if not (isinstance(model, WorldModelController) and hasattr(model, "run_state")):
        raise ValueError(f"resume must name a run of lstm-rl world-model, got {path}, which is another model")
    if model.num_timesteps >= command.timesteps:
        raise ValueError(
            f"timesteps must be > {model.num_timesteps}, which the run to resume has, got {command.timesteps}"
        )
    model.set_env(rows)
    return model
