"""`lstm-rl train`: one run from settings to a run folder."""

import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, EvalCallback
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecMonitor
from tqdm import tqdm

from lstm_rl.agents.advantage_learning import AdvantageLearning
from lstm_rl.agents.config import Config
from lstm_rl.checks import check_int
from lstm_rl.diagnostics.figures import learning_curve, save
from lstm_rl.diagnostics.tensorboard import TensorBoardCallback
from lstm_rl.make import limited, make_env, make_rows
from lstm_rl.presets import PolicyName, PresetName
from lstm_rl.runs import load_model, read_config, record, write_config

PATIENCE = 3  # horizons after which an evaluation gives up on a greedy policy that goes round in circles
EVALUATION_ROWS = 100  # environments that evaluation episodes are played in, side by side
EVALUATIONS = ("evaluations_timesteps", "evaluations_results", "evaluations_length", "evaluations_successes")


@dataclass(frozen=True)
class Settings:
    """Everything that a run depends on; ``config.json`` holds it."""

    env: str
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    preset: PresetName = "default"
    policy: PolicyName = "LstmPolicy"
    seed: int = 0
    timesteps: int = 500_000
    n_envs: int = 1
    eval_freq: int = 20_000
    eval_episodes: int = 200
    stop_when_solved: bool = False
    config: Config = field(default_factory=Config)

    def __post_init__(self) -> None:
        for name, low in (("timesteps", 1), ("n_envs", 1), ("eval_freq", 1), ("eval_episodes", 1), ("seed", 0)):
            check_int(name, getattr(self, name), low)


@dataclass
class Outcome:
    """How a run ended."""

    folder: Path
    steps: int
    seconds: float
    interrupted: bool
    solved_at: int | None  # steps at the second evaluation in a row without a failure
    success_rate: float | None  # of the last 100 training episodes
    best_success_rate: float | None  # of the best evaluation


class RunCallback(BaseCallback):
    """Progress bar, checkpoints after every evaluation, and the ways to stop early."""

    def __init__(
        self, folder: Path, evaluation: EvalCallback, rows: VecMonitor, settings: Settings, bar: "tqdm[Any]"
    ) -> None:
        super().__init__()
        self.folder, self.evaluation, self.rows, self.settings, self.bar = folder, evaluation, rows, settings, bar
        self.interrupted = False
        self.solved_at: int | None = None
        self.best_success_rate: float | None = None
        self._seen = 0  # evaluations

    @property
    def finished(self) -> bool:
        """Whether the run is over before its time."""
        return self.settings.stop_when_solved and self.solved_at is not None

    def interrupt(self, *_: Any) -> None:
        """Stop at the next border of chunks, the second time at once; for a signal handler."""
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True

    def restore(self, state: dict[str, Any]) -> None:
        """Undo `checkpoint`."""
        self.rows.t_start = time.time() - state["seconds"]
        self.evaluation.best_mean_reward = state["best_mean_reward"]
        self.best_success_rate, self.solved_at = state["best_success_rate"], state["solved_at"]
        for name in EVALUATIONS:
            setattr(self.evaluation, name, list(state[name]))
        self._seen = len(self.evaluation.evaluations_results)

    def seed_evaluation(self) -> None:
        """New episodes for the next evaluation, far from the training seeds; the same if the run is resumed there."""
        self.evaluation.eval_env.seed(self.settings.seed + 1_000_003 * (1 + self._seen))

    def _on_training_start(self) -> None:
        self.seed_evaluation()
        self.checkpoint()  # from here on there is something to go on from

    def _on_step(self) -> bool:
        self.bar.update(self.num_timesteps - self.bar.n)
        window = self.model.ep_success_buffer
        if window:
            self.bar.set_postfix_str(f"success {np.mean(window):.2f}", refresh=False)
        if len(self.evaluation.evaluations_results) > self._seen:
            self._seen = len(self.evaluation.evaluations_results)
            self.seed_evaluation()
            if self.evaluation.evaluations_successes:
                rate = float(np.mean(self.evaluation.evaluations_successes[-1]))
                self.best_success_rate = max(rate, self.best_success_rate or 0.0)
                last = self.evaluation.evaluations_successes[-2:]
                if self.solved_at is None and len(last) == 2 and np.min(last) == 1:
                    self.solved_at = self.num_timesteps
            self.evaluation.best_mean_reward -= 1e-9  # of two equally good models the later one is kept
            self.checkpoint()
        return not self.interrupted and not self.finished

    def checkpoint(self) -> None:
        """Save ``model.zip``, with what `--resume` needs besides the model."""
        monitor = self.folder / "monitor.csv"
        self.model.run_state = {  # type: ignore[attr-defined]
            "monitor_bytes": monitor.stat().st_size,
            "seconds": time.time() - self.rows.t_start,
            "best_mean_reward": float(self.evaluation.best_mean_reward),
            "best_success_rate": self.best_success_rate,
            "solved_at": self.solved_at,
            **{name: list(getattr(self.evaluation, name)) for name in EVALUATIONS},
        }
        self.model.save(self.folder / "model.zip")


@contextmanager
def _on_interrupt(handler: Any) -> Iterator[None]:
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def run(
    settings: Settings, folder: Path, resume: bool = False, progress: bool = True, overwrite: bool = False
) -> Outcome:
    """Train, evaluate on the way, and fill the run folder.

    Args:
        settings: What to run.
        folder: Made here; on ``resume`` the folder of an interrupted run of the same settings.
        resume: Go on from ``model.zip``, exactly.
        progress: Show a bar on standard error.
        overwrite: Delete the folder if it exists, once it is clear that the settings fit.

    Raises:
        ValueError: Settings do not fit; nothing has been written.
        DivergedError: Weights are no longer finite; ``model.zip`` is the last good checkpoint.
    """
    env_id, env_kwargs, n = settings.env, settings.env_kwargs, settings.n_envs
    rows = make_rows(env_id, env_kwargs, n)
    if not isinstance(rows.action_space, Discrete):
        raise ValueError(f"env must have Discrete actions, got {env_id} with {rows.action_space}")
    own = make_env(env_id, env_kwargs)  # TensorBoard's, to look at episodes
    world = getattr(own.unwrapped, "world", None)
    patience = None
    if world is not None and world.horizon is not None:
        patience = min(PATIENCE * world.horizon, world.max_steps or sys.maxsize)
    games = make_rows(env_id, limited(env_id, env_kwargs, patience), min(EVALUATION_ROWS, settings.eval_episodes))
    if resume:
        model, state = _checkpoint(folder / "model.zip", settings)
        model.set_env(rows)
        _cut(folder / "monitor.csv", state["monitor_bytes"])
    else:
        model, state = AdvantageLearning(settings.policy, rows, settings.config, seed=settings.seed), {}
        if overwrite and folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    write_config(folder, settings)
    record(rows, folder / "monitor.csv", env_id, append=resume)
    model.set_logger(configure(str(folder), ["tensorboard"]))
    evaluation = EvalCallback(
        games,
        n_eval_episodes=settings.eval_episodes,
        eval_freq=max(1, settings.eval_freq // n),
        log_path=str(folder),
        best_model_save_path=str(folder),
        verbose=0,
    )
    start, begun = model.num_timesteps, time.perf_counter()
    bar = tqdm(total=settings.timesteps, initial=start, unit="step", unit_scale=True, disable=not progress)
    bar.set_postfix_str("compiling, on the first run some 15 s")
    callback = RunCallback(folder, evaluation, rows, settings, bar)
    if resume:
        evaluation.n_calls = start // n
        callback.restore(state)
    watcher = TensorBoardCallback(own, every=max(settings.timesteps // 2, 1))
    callbacks = CallbackList([evaluation, callback, watcher])
    with _on_interrupt(callback.interrupt):
        try:
            left = 0 if callback.finished else settings.timesteps - start
            model.learn(left, callbacks, reset_num_timesteps=not resume, tb_log_name="train")
            callback.checkpoint()
        finally:
            bar.close()
            model.logger.close()
            rows.close()
    seconds = time.perf_counter() - begun
    optimal, memoryless = (getattr(world, f"{name}_return", None) for name in ("optimal", "memoryless"))
    figure = learning_curve(
        folder / "monitor.csv", optimal_return=optimal, memoryless_return=memoryless, title=folder.name
    )
    save(figure, folder / "learning_curve.png")
    window = model.ep_success_buffer
    return Outcome(
        folder,
        model.num_timesteps,
        seconds,
        callback.interrupted,
        callback.solved_at,
        float(np.mean(window)) if window else None,
        callback.best_success_rate,
    )


def settings_of(folder: Path) -> Settings:
    """The settings of a run folder.

    Raises:
        ValueError: The folder is no run.
    """
    values = read_config(folder)
    values.pop("version", None)
    try:
        return Settings(**(values | {"config": Config(**values["config"])}))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{folder / 'config.json'} must hold the settings of a run, but does not: {error}") from error


def _checkpoint(path: Path, settings: Settings) -> tuple[AdvantageLearning, dict[str, Any]]:
    """A model to go on from, and what `RunCallback.checkpoint` added to it."""
    model = load_model(path)
    state: dict[str, Any] | None = getattr(model, "run_state", None)
    if state is None:
        raise ValueError(
            f"resume must name a run with a checkpoint of its training, got {path}, which is another model"
        )
    if settings.timesteps + settings.n_envs <= model.num_timesteps:
        raise ValueError(f"timesteps must be >= {model.num_timesteps}, which the run has, got {settings.timesteps}")
    return model, state


def _cut(path: Path, size: int) -> None:
    """Forget the episodes that were recorded after the checkpoint."""
    present = path.stat().st_size if path.is_file() else 0
    if present < size:
        raise ValueError(f"{path} must hold the {size} bytes that it had at the checkpoint, got {present}")
    with path.open("r+b") as file:
        file.truncate(size)


def describe(outcome: Outcome) -> str:
    """One line about how a run ended."""
    parts = [f"{outcome.steps:,} steps in {outcome.seconds:.1f} s"]
    if outcome.solved_at is not None:
        parts.append(f"solved (two evaluations in a row without a failure) at {outcome.solved_at:,} steps")
    elif outcome.best_success_rate is not None:
        parts.append(f"best evaluation {outcome.best_success_rate:.0%} success")
    if outcome.success_rate is not None:
        parts.append(f"{outcome.success_rate:.0%} of the last training episodes correct")
    return f"{outcome.folder}: {', '.join(parts)}"
