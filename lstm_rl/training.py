"""`lstm-rl train`: one run from settings to a run folder."""

import csv
import shlex
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import TensorBoardOutputFormat
from stable_baselines3.common.vec_env import VecMonitor
from tqdm import tqdm

from lstm_rl.agents.advantage_learning import AdvantageLearning, DivergedError
from lstm_rl.agents.algorithms import make_replay
from lstm_rl.agents.env_states import layers_without_state
from lstm_rl.agents.parameters import NotFiniteError
from lstm_rl.agents.recurrent_replay import RecurrentReplay
from lstm_rl.atomic import remove_parts
from lstm_rl.bounds import check_memory
from lstm_rl.evaluation import check_render_mode, frames
from lstm_rl.learner_choice import reason
from lstm_rl.make import make_env, make_rows
from lstm_rl.run_lock import folder_lock
from lstm_rl.runs import (
    check_folder,
    clear,
    cut_monitor,
    load_model,
    model_path,
    record,
    tensorboard,
    write_config,
    write_divergence,
)
from lstm_rl.settings import Settings
from lstm_rl.signals import Stop
from lstm_rl.trials import History, Player, add_to, make_player, read_history, write_history

SURVIVAL_EVAL_FREQ = 25_000  # steps between two trials in stages, at most: most of them end in the first stage
REPLAY_EVAL_FREQ = 2_500  # steps between two trials of a replay learner, at least, or the whole run
METRICS = ("best/mean_reward", "best/success_rate", "best/steps_to_solve", "eval/mean_reward", "eval/success_rate")
"""What TensorBoard's tab HPARAMS shows beside the settings."""
LOG_EPISODES = 100
FRAMES = 500  # of a moving picture, at most


@dataclass
class Outcome:
    """How a run ended."""

    folder: Path
    steps: int
    seconds: float
    signal: int | None  # that interrupted it
    exact: bool  # whether it can go on exactly: the environment gives access to its state
    solved_at: int | None  # steps at the evaluation that the run counts as solved with
    attempts: int  # how often it began with new weights
    best: dict[str, Any] | None  # evaluation: steps before it, mean_reward, mean_ep_length, success_rate
    trial_steps: int  # of all evaluations, not learned from
    mean_reward: float | None  # of the last 100 training episodes
    success_rate: float | None
    learner: str
    """Which learner, and why."""
    held: bool
    """Whether epsilon has not fallen yet, since episodes end alike; see `lstm_rl.agents.differing_returns`."""


class RunCallback(BaseCallback):
    """Progress bar, evaluations, the best model, a checkpoint after each evaluation, and the ways to stop early."""

    model: Any

    def __init__(
        self,
        settings: Settings,
        player: Player,
        rows: VecMonitor,
        bar: "tqdm[Any]",
        stop: Stop,
        report: Callable[[int], object],
    ) -> None:
        super().__init__()
        self.settings, self.player, self.rows, self.bar, self.stop = settings, player, rows, bar, stop
        self.report = report
        self.folder = settings.folder
        assert settings.eval_freq is not None
        self.eval_freq = max(1, settings.eval_freq // settings.n_envs)  # the learner's chunks end there
        self.history: History = {}
        # All that a resumed run needs besides the model
        self.state: dict[str, Any] = {
            "attempt": 0,
            "before": 0,  # steps of earlier attempts
            "evaluations": 0,
            "flawless": 0,  # evaluations in a row
            "solved_at": None,
            "best_score": -np.inf,
            "best": None,
            "trial_steps": 0,
        }

    @property
    def steps(self) -> int:
        """Steps of all attempts."""
        return int(self.state["before"] + self.model.num_timesteps)

    @property
    def finished(self) -> bool:
        """Whether the run is over before its time."""
        return self.settings.stop_when_solved and self.state["solved_at"] is not None

    def restore(self, state: dict[str, Any]) -> None:
        """Undo `checkpoint`."""
        self.state = {name: state[name] for name in self.state}
        self.rows.t_start = time.time() - state["seconds"]
        path, length = self.folder / "evaluations.npz", state["evaluations"]
        self.history = read_history(path, length) if length else {}
        self.state["evaluations"] = left = len(self.history.get("timesteps", []))
        if left < length:
            warnings.warn(f"{path} has lost {length - left} of {length} evaluations: the run goes on", stacklevel=2)

    def steps_until_next(self) -> int:
        """Steps of each environment until it wants to be called: chunks end there."""
        return self.eval_freq - self.n_calls % self.eval_freq

    def _on_training_start(self) -> None:
        self.checkpoint()  # from here on there is something to go on from

    def _on_step(self) -> bool:
        self.stop.can_wait = True
        self.bar.update(self.steps - self.bar.n)
        self.report(self.steps)
        if self.n_calls % self.eval_freq == 0:
            self.evaluate()
            self.checkpoint()
        window = self.model.ep_success_buffer
        self.bar.set_postfix_str(f"success {np.mean(window):.2f}" if window else "", refresh=False)
        return self.stop.signal is None and not self.finished

    def _on_training_end(self) -> None:
        self.checkpoint()

    def evaluate(self) -> None:
        """Try the greedy policy; keep it if it is the best so far, of equally good ones the later one."""
        self._check_weights()
        self.bar.set_postfix_str("evaluating")
        state, trial = self.state, self.player(self.model, self.steps)
        state["evaluations"] += 1
        state["trial_steps"] += trial.steps
        state["flawless"] = state["flawless"] + 1 if trial.flawless else 0
        if state["solved_at"] is None and state["flawless"] >= trial.needed:
            state["solved_at"] = self.steps
        if trial.score >= state["best_score"]:
            state["best_score"], state["best"] = trial.score, {"steps": self.steps} | trial.means()
            self.model.save(self.folder / "best_model.zip", exclude=["run_state"])
        told: dict[str, Any] = {f"eval/{name}": value for name, value in trial.means().items()}  # SB3's names
        told |= {f"best/{name}": (state["best"] or {}).get(name) for name in ("mean_reward", "success_rate")}
        told["best/steps_to_solve"] = state["solved_at"]
        for name, value in told.items():
            if value is not None:
                self.logger.record(name, value)
        self.logger.dump(self.num_timesteps)
        add_to(self.history, self.steps, trial)
        write_history(self.folder / "evaluations.npz", self.history)

    def _check_weights(self) -> None:
        """Errors show at the next step that weights are no longer finite: too late for what is played or kept now."""
        try:
            self.model.policy.check_finite()
        except NotFiniteError as error:
            raise self.model.divergence() from error

    def checkpoint(self) -> None:
        """Save ``model.zip``, with what `--resume` needs besides the model."""
        self._check_weights()
        monitor, seconds = self.folder / "monitor.csv", time.time() - self.rows.t_start
        self.model.run_state = self.state | {
            "monitor_bytes": monitor.stat().st_size if monitor.exists() else 0,
            "seconds": seconds,
        }
        buffer = ["replay_buffer"] if isinstance(self.model, RecurrentReplay) else None
        self.model.save(self.folder / "model.zip", include=buffer)


def run(settings: Settings, stop: Stop | None = None, report: Callable[[int], object] = lambda _: None) -> Outcome:
    """Train, evaluate on the way, and fill the run folder.

    Args:
        settings: What to run, and where.
        stop: Where a request to stop may come from; it is looked at after each call of ``report``.
        report: Is told the steps so far, after each chunk.

    Raises:
        ValueError: Settings do not fit, or another process works in the folder; nothing has been written.
        DivergedError: Weights are no longer finite; ``model.zip`` is the last good checkpoint.
    """
    settings = settings.resolved()
    env_id, env_kwargs, n, folder = settings.env, settings.env_kwargs, settings.n_envs, settings.folder
    own = _checked_env(settings)  # to look at an episode
    learner = f"{settings.algo}, {reason(settings.algo, own)}"
    world = getattr(own.unwrapped, "world", None)
    settings = replace(settings, eval_freq=_eval_freq(settings, world is not None and world.survival_is_success))
    if settings.attempt_steps is not None and settings.attempt_steps < (settings.eval_freq or 0):
        raise ValueError(
            f"attempt_steps must be >= eval_freq, which is {settings.eval_freq}, got {settings.attempt_steps}: an "
            "attempt would end before it is evaluated"
        )
    player = make_player(env_id, env_kwargs, settings.eval_episodes, settings.algo == "advantage")
    rows = make_rows(env_id, env_kwargs, n)
    model = None if settings.resume else _new_model(settings, rows, 0)
    begun = time.perf_counter()
    with folder_lock(folder), _errors_of_threads():
        check_folder(settings)
        remove_parts(folder)
        append, state = False, None
        if model is None:
            model, state = _checkpoint(settings)
            model.set_env(rows)
            append = cut_monitor(folder / "monitor.csv", state["monitor_bytes"])
        elif settings.overwrite:
            clear(folder)
        write_config(folder, settings)
        start = state["before"] + model.num_timesteps if state else 0
        look = {"unit": "step", "unit_scale": True, "disable": not settings.progress}
        bar = tqdm(total=settings.timesteps, initial=start, desc=settings.algo, **look)
        bar.set_postfix_str("compiling, if this is the first run" if settings.algo == "advantage" else learner)
        callback = RunCallback(settings, player, rows, bar, stop or Stop(), report)
        if state:
            callback.restore(state)
        record(rows, folder / "monitor.csv", env_id, append)
        try:
            model = _attempts(model, callback, own, fresh=not state)
        except BaseException:
            if not state and not callback.steps:  # an environment that refuses, an interrupt: there is nothing to keep
                clear(folder)
            raise
        finally:
            bar.close()
            rows.close()
            callback.stop.can_wait = False
        if settings.pictures:
            _draw_learning_curve(folder, world)
    state, episodes = callback.state, list(model.ep_info_buffer or ())
    return Outcome(
        folder,
        callback.steps,
        time.perf_counter() - begun,
        callback.stop.signal,
        not layers_without_state(rows),
        state["solved_at"],
        state["attempt"] + 1,
        state["best"],
        state["trial_steps"],
        float(np.mean([episode["r"] for episode in episodes])) if episodes else None,
        float(np.mean(model.ep_success_buffer)) if model.ep_success_buffer else None,
        learner,
        isinstance(model, RecurrentReplay) and model.exploration is not None and model.exploration.held,
    )


def check(settings: Settings) -> None:
    """Refuse what `run` refuses before it writes anything, the run folder aside.

    Raises:
        ValueError: Settings do not fit.
    """
    settings = settings.resolved()
    _checked_env(settings).close()
    _new_model(settings, make_rows(settings.env, settings.env_kwargs, settings.n_envs), 0)


def _checked_env(settings: Settings) -> gym.Env[Any, Any]:
    env = make_env(settings.env, settings.env_kwargs)
    if settings.algo == "advantage":
        check_memory(settings, env)
    if settings.video:
        check_render_mode(settings.env, settings.env_kwargs, "rgb_array")
    env.reset(seed=0)
    return env


def _eval_freq(settings: Settings, in_stages: bool) -> int:
    if settings.eval_freq is not None:
        return settings.eval_freq
    freq = max(1, settings.timesteps // 25)
    if in_stages:
        freq = min(freq, SURVIVAL_EVAL_FREQ)
    if settings.algo == "advantage":
        return freq
    return max(freq, min(settings.timesteps, REPLAY_EVAL_FREQ))  # trials are played step by step: few in a short run


def _new_model(settings: Settings, rows: VecMonitor, attempt: int) -> Any:
    seed = settings.seed + 10**6 * attempt
    if settings.algo == "advantage":
        return AdvantageLearning(settings.policy, rows, settings.config, seed=seed)
    assert settings.algo in ("recurrent-dqn", "recurrent-td3")
    return make_replay(settings.algo, settings.policy, rows, settings.replay, seed=seed, device=settings.device)


def _attempts(model: Any, callback: RunCallback, own: gym.Env[Any, Any], fresh: bool) -> Any:
    """Train the model; where it does not get there in ``attempt_steps``, new ones; return the last."""
    settings, state = callback.settings, callback.state
    while True:
        left = settings.timesteps - state["before"]
        goal = min(settings.attempt_steps or left, left)
        failure = f"attempt {state['attempt'] + 1} has not solved the task in {goal:,} steps"
        try:
            _learn(model, goal, callback, own, fresh)
        except DivergedError as error:
            write_divergence(callback.folder, str(error))
            if settings.attempt_steps is None:
                raise
            failure = f"attempt {state['attempt'] + 1}: {error}"
        if callback.stop.signal or state["solved_at"] is not None or callback.steps >= settings.timesteps:
            return model
        state |= {"before": callback.steps, "attempt": state["attempt"] + 1}
        warnings.warn(f"{failure}: starting over with new weights", stacklevel=2)
        model, fresh = _new_model(settings, callback.rows, state["attempt"]), True


def _learn(model: Any, goal: int, callback: RunCallback, own: gym.Env[Any, Any], fresh: bool) -> None:
    """Train one model up to ``goal`` steps of its own."""
    settings, attempt = callback.settings, callback.state["attempt"]
    callback.n_calls = 0 if fresh else model.num_timesteps // settings.n_envs
    callback.init_callback(model)
    if callback.finished or model.num_timesteps >= goal:
        return
    write_divergence(callback.folder, None)
    model.set_logger(tensorboard(callback.folder / f"attempt-{attempt + 1}" if attempt else callback.folder))
    from lstm_rl.diagnostics.tensorboard import TensorBoardCallback

    if isinstance(model, RecurrentReplay):  # which has no pictures, and episodes between two writes of the log
        try:
            model.learn(goal - model.num_timesteps, callback, LOG_EPISODES, reset_num_timesteps=fresh)
            if callback.stop.signal is None and settings.video:
                _show_best(model, settings)
        finally:
            model.logger.close()
        return
    watcher = TensorBoardCallback(own, every=sys.maxsize if settings.pictures else None, metrics=METRICS)
    watcher.init_callback(model)
    watcher.on_training_start({}, {})
    try:
        model.learn(goal - model.num_timesteps, callback, reset_num_timesteps=fresh, tb_log_name="train")
        if callback.stop.signal is None:
            watcher.on_step()
            watcher.on_training_end()
            if settings.video:
                _show_best(model, settings)
    finally:
        model.logger.close()


def _show_best(model: Any, settings: Settings) -> None:
    """Write a greedy episode of the best model, or its beginning, into the model's TensorBoard log."""
    from lstm_rl.diagnostics.tensorboard import moving_picture

    best = load_model(model_path(settings.folder))
    pictures, fps = frames(best, settings.env, settings.env_kwargs, 1, settings.seed, human=False, most=FRAMES)
    for form in model.logger.output_formats:
        if isinstance(form, TensorBoardOutputFormat):
            writer: Any = form.writer
            writer.file_writer.add_summary(moving_picture(pictures, fps), model.num_timesteps)


def _checkpoint(settings: Settings) -> tuple[Any, dict[str, Any]]:
    """A model to go on from, and what `RunCallback.checkpoint` added to it."""
    path = settings.folder / "model.zip"
    model = load_model(path)
    state: dict[str, Any] | None = getattr(model, "run_state", None)
    if state is None:
        raise ValueError(
            f"resume must name a run with a checkpoint of its training, got {path}, which is another model"
        )
    steps = state["before"] + model.num_timesteps
    if settings.timesteps + settings.n_envs <= steps:
        raise ValueError(f"timesteps must be >= {steps}, which the run has, got {settings.timesteps}")
    return model, state


@contextmanager
def _errors_of_threads() -> Iterator[None]:
    """Raise the errors of TensorBoard's thread here, where they are not met before, and let it not print them."""
    met, before = [], threading.excepthook

    def keep(arguments: Any) -> None:
        if isinstance(arguments.exc_value, OSError):
            met.append(arguments.exc_value)
        else:
            before(arguments)

    threading.excepthook = keep
    try:
        yield
    finally:
        threading.excepthook = before
    if met:
        raise met[0]


def _draw_learning_curve(folder: Path, world: Any) -> None:
    from lstm_rl.diagnostics.figures import learning_curve, save

    optimal, memoryless = (getattr(world, f"{name}_return", None) for name in ("optimal", "memoryless"))
    path, trials = folder / "monitor.csv", folder / "evaluations.npz"
    try:
        figure = learning_curve(
            path,
            evaluations=trials if trials.is_file() else None,
            optimal_return=optimal,
            memoryless_return=memoryless,
            title=folder.name,
        )
    except (ValueError, csv.Error) as error:  # the file was damaged by somebody else
        warnings.warn(
            f"{folder / 'learning_curve.png'} cannot be drawn from {path} and {trials.name}: {error}", stacklevel=2
        )
        return
    save(figure, folder / "learning_curve.png")


def describe(outcome: Outcome) -> str:
    """How a run ended; the last line says what came of it and what to do next, to copy."""
    parts = [f"{outcome.steps:,} steps in {outcome.seconds:.1f} s"]
    if outcome.attempts > 1:
        parts.append(f"{outcome.attempts} attempts")
    if outcome.solved_at is not None:
        parts.append(f"solved at {outcome.solved_at:,} steps")
    if outcome.mean_reward is not None:
        told = [f"mean reward {outcome.mean_reward:.4g}"]
        if outcome.success_rate is not None:
            told.append(f"{outcome.success_rate:.0%} success")
        parts.append(f"last training episodes: {', '.join(told)}")
    parts.append(f"learner: {outcome.learner}")
    if outcome.held:
        parts.append("episodes end alike so far, so that exploration has not begun to fall (exploration_returns)")
    best, folder = "no evaluation yet", shlex.quote(str(outcome.folder))
    if outcome.best is not None:
        told = [f"mean reward {outcome.best['mean_reward']:.4g}"]
        if outcome.best["success_rate"] is not None:
            told.append(f"{outcome.best['success_rate']:.0%} success")
        best = f"best evaluation: {', '.join(told)}, {outcome.best['mean_ep_length']:,.6g} steps per episode"
    return (
        f"{'; '.join(parts)}\n{outcome.folder}: {best}; next: lstm-rl evaluate {folder} | "
        f"lstm-rl watch {folder} --video film.gif | tensorboard --logdir {folder}"
    )
