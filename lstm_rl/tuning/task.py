"""What a trial of a study does: learn with some settings, seed after seed, and score the evaluations on the way."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from lstm_rl.agents.advantage_learning import AdvantageLearning
from lstm_rl.agents.config import Config
from lstm_rl.agents.parameters import NotFiniteError
from lstm_rl.make import make_rows
from lstm_rl.settings import Settings
from lstm_rl.trials import Player
from lstm_rl.tuning import Objective

Report = Callable[[float, int], bool]
"""Is told the mean over seeds of an evaluation and the number of evaluations so far; whether to go on."""


@dataclass(frozen=True)
class Task:
    """What the value of a trial depends on, besides the fields that are searched."""

    settings: Settings
    """The run, with ``eval_freq`` and the settings of its ``config`` that the trial may change."""
    seeds: int = 1
    """Runs of a trial, with ``settings.seed`` and those after it: all trials have the same."""
    objective: Objective = "return"
    """"return": the mean return, or steps survived where surviving is success, over the last third of evaluations: one
    lucky evaluation counts little, and so does a fast start that is lost again. "steps-to-solve": steps to the last of
    two evaluations in a row without a failure; of a run without, its length times 2 - its success rate over that
    third."""

    @property
    def evaluations(self) -> int:
        """Of each run."""
        assert self.settings.eval_freq is not None
        return self.settings.timesteps // self.settings.eval_freq


class Evaluation(NamedTuple):
    """What greedy play gave, once."""

    score: float  # return, or steps survived
    success_rate: float | None
    solved: bool  # whether the task counts as solved with it


class Evaluations(BaseCallback):
    """Evaluate every ``eval_freq`` steps, and ask each time whether to go on."""

    model: AdvantageLearning

    def __init__(self, task: Task, player: Player, go_on: Callable[[list[Evaluation]], bool]) -> None:
        super().__init__()
        assert task.settings.eval_freq is not None
        self.player, self.go_on, self.done = player, go_on, list[Evaluation]()
        self.eval_freq = max(1, task.settings.eval_freq // task.settings.n_envs)
        self.flawless = 0

    def steps_until_next(self) -> int:
        """Steps of each environment until it wants to be called: chunks end there."""
        return self.eval_freq - self.n_calls % self.eval_freq

    def _on_step(self) -> bool:
        if self.n_calls % self.eval_freq:
            return True
        try:
            self.model.policy.check_finite()
        except NotFiniteError as error:
            raise self.model.divergence() from error
        trial = self.player(self.model, self.num_timesteps)
        self.flawless = self.flawless + 1 if trial.flawless else 0
        self.done.append(Evaluation(trial.score, trial.success_rate, self.flawless >= trial.needed))
        return self.go_on(self.done)


def measure(task: Task, config: Config, player: Player, report: Report) -> float | None:
    """The value of a trial with this configuration: the mean over its seeds; None: the report said to stop.

    Args:
        task: What.
        config: Settings of the learner.
        player: The way to evaluate, as `make_player` makes it.
        report: What is told of each evaluation.

    Raises:
        DivergedError: Weights are no longer finite.
        ValueError: Settings do not fit, or the environment does not tell the successes that are asked for.
    """
    settings, values, past = task.settings, list[float](), list[list[float]]()
    for seed in range(task.seeds):
        stopped = False

        def go_on(done: list[Evaluation], before: int = seed * task.evaluations) -> bool:
            nonlocal stopped
            k = len(done) - 1
            here = [each[min(k, len(each) - 1)] for each in past] + [_value_so_far(task, done, k)]
            stopped = not report(float(np.mean(here)), before + k)
            return not stopped and not (task.objective == "steps-to-solve" and done[-1].solved)

        rows = make_rows(settings.env, settings.env_kwargs, settings.n_envs)
        try:
            model = AdvantageLearning(settings.policy, rows, config, seed=settings.seed + seed)
            callback = Evaluations(task, player, go_on)
            model.set_logger(Logger(None, []))  # SB3 would make a folder for each
            model.learn(settings.timesteps, callback, log_interval=None)
        finally:
            rows.close()
        if stopped:
            return None
        past.append([_value_so_far(task, callback.done, k) for k in range(len(callback.done))])
        values.append(value(task, callback.done))
    return float(np.mean(values))


def _value_so_far(task: Task, done: list[Evaluation], k: int) -> float:
    """What the k-th evaluation, from 0, lets expect of a run."""
    if task.objective == "return":
        return done[k].score
    return _steps(task, done[: k + 1], 1)


def value(task: Task, done: list[Evaluation]) -> float:
    """The value of one run from all its evaluations; see `Task.objective`."""
    last = math.ceil(len(done) / 3)
    if task.objective == "return":
        return float(np.mean([each.score for each in done[-last:]]))
    return _steps(task, done, last)


def _steps(task: Task, done: list[Evaluation], last: int) -> float:
    if done[0].success_rate is None:
        raise ValueError(f"objective must be return for {task.settings.env}, which tells no successes")
    assert task.settings.eval_freq is not None
    for k, each in enumerate(done):
        if each.solved:
            return float((k + 1) * task.settings.eval_freq)
    return task.settings.timesteps * (2.0 - float(np.mean([each.success_rate for each in done[-last:]])))
