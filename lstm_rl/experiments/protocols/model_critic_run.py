"""One run of a learner within so many CPU seconds: does it learn the task, and how good is its greedy policy then?

Model/critic, controller through the model, our default agent and RecurrentPPO learn from one environment each (PPO from
eight), within equal CPU seconds of training. At each twentieth of these the greedy policy is tried on ten episodes,
whose time does not count; training ends with ten successes, or with the time. The policy that was best when tried
then plays fresh episodes through `predict`.
"""

import time
from copy import deepcopy
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, get_args

from lstm_rl.checks import check_choice, check_float, needs_extra

if TYPE_CHECKING:
    from lstm_rl.experiments.engine import Report

Task = Literal["coded T-maze", "pole", "multi-mode pole"]
Method = Literal["model/critic", "through the model", "default agent", "RecurrentPPO"]
EPISODES, TRIED, TRIALS, CODE, PPO_ENVS, NO_LIMIT = 20, 10, 20, 8, 8, 10**9
CORRIDOR = 10
POLE = {"discount": 0.9, "model_units": 8, "model_rate": 0.001, "controller_rate": 0.001}
CRITIC = {"critic": True, "model_units": 8, "controller_units": 8, "model_rate": 0.001, "noise": 0.2}
CRITIC_POLE = CRITIC | {"discount": 0.95, "value_unit": 20.0, "controller_rate": 0.0001}
MAZE = {"discount": 0.98, "forget_bias": 3.0, "random_share": 0.1, "model_rate": 0.003}
SETTINGS: dict[tuple[str, str], dict[str, Any]] = {
    ("model/critic", "coded T-maze"): CRITIC | MAZE | {"trace_decay": 0.9, "controller_rate": 0.0003},
    ("model/critic", "pole"): CRITIC_POLE,
    ("model/critic", "multi-mode pole"): CRITIC_POLE,
    ("through the model", "coded T-maze"): POLE | MAZE,
    ("through the model", "pole"): POLE,
    ("through the model", "multi-mode pole"): POLE,
}


@dataclass(frozen=True)
class CriticRun:
    """Everything that a run depends on."""

    task: Task = "pole"
    method: Method = "model/critic"
    seed: int = 0
    max_seconds: float = 30.0
    """CPU seconds of training."""

    def __post_init__(self) -> None:
        check_choice("task", self.task, get_args(Task))
        check_choice("method", self.method, get_args(Method))
        check_float("max_seconds", self.max_seconds, 0.0, open_low=True)


def check(settings: CriticRun) -> None:
    """Raise ``ValueError`` if sb3-contrib is asked for and not installed."""
    if settings.method == "RecurrentPPO" and find_spec("sb3_contrib") is None:
        raise ValueError(needs_extra(settings.method, "sb3-contrib", "baselines"))


def make(task: Task) -> Any:
    """One environment of a task."""
    import gymnasium as gym

    import lstm_rl.envs  # noqa: F401

    if task == "coded T-maze":
        return gym.make("lstm_rl/CodedTMaze-v0", corridor_length=CORRIDOR, bits=CODE)
    return gym.make("lstm_rl/ForcePole-v0" if task == "pole" else "lstm_rl/MultimodeForcePole-v0")


def run(settings: CriticRun, report: "Report") -> dict[str, Any]:
    """Train, try and play.

    Returns:
        success: whether all episodes of a trial were; returns, rate: mean return and share of successes of the fresh
        episodes; steps until the trial of the policy that played them, and in all; CPU seconds of training; diverged.
    """
    import numpy as np
    import torch
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

    from lstm_rl.agents.advantage_learning import DivergedError
    from lstm_rl.evaluation import play_stepwise

    torch.set_num_threads(1)
    model = _learner(settings)

    def played(episodes: int, seed: int) -> tuple[float, float]:
        """Mean return and share of successes."""
        rows = VecMonitor(DummyVecEnv([lambda: make(settings.task) for _ in range(episodes)]))
        rows.seed(seed)
        returns, _, good = play_stepwise(model, rows, episodes)
        return float(np.mean(returns)), float(np.mean(good)) if good else 0.0

    class Trials(BaseCallback):
        """Keeps the policy that does best in a trial, and stops when it succeeds, or when the time is over."""

        chunked = True  # calls at the ends of chunks will do
        tried, spent, best, kept = 0, 0.0, (-1.0, -np.inf), None
        steps = 0  # until the policy that is kept

        def _on_training_start(self) -> None:
            self.since = time.process_time()

        def _on_step(self) -> bool:
            report(self.num_timesteps)
            spent = self.spent + time.process_time() - self.since
            if spent < settings.max_seconds * (self.tried + 1) / TRIALS:
                return True
            returns, rate = played(TRIED, 2 * 10**6 + self.tried)
            if (rate, returns) > self.best:
                self.best, self.steps, self.kept = (
                    (rate, returns),
                    self.num_timesteps,
                    deepcopy(model.policy.state_dict()),
                )
            self.tried = max(self.tried + 1, int(TRIALS * spent / settings.max_seconds))
            self.spent, self.since = spent, time.process_time()
            return self.tried < TRIALS and rate < 1.0

    trials, diverged = Trials(), False
    try:
        model.learn(NO_LIMIT, trials, log_interval=None)
    except DivergedError:
        diverged = True
    if trials.kept is not None:
        model.policy.load_state_dict(trials.kept)
    returns, rate = played(EPISODES, 10**6 + settings.seed)
    return {
        "success": trials.best[0] == 1.0,
        "returns": round(returns, 4),
        "rate": rate,
        "steps": trials.steps,
        "all_steps": model.num_timesteps,
        "seconds": round(trials.spent, 1),
        "diverged": diverged,
    }


def _learner(settings: CriticRun) -> Any:
    """An untrained learner, whose code is compiled."""
    from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

    from lstm_rl.agents import AdvantageLearning
    from lstm_rl.agents.world_model_controller import WorldModelController

    if settings.method == "RecurrentPPO":
        from sb3_contrib import RecurrentPPO

        envs = VecMonitor(DummyVecEnv([lambda: make(settings.task) for _ in range(PPO_ENVS)]))
        return RecurrentPPO("MlpLstmPolicy", envs, seed=settings.seed)
    if settings.method == "default agent":
        AdvantageLearning("LstmPolicy", make(settings.task), seed=0).learn(10)
        return AdvantageLearning("LstmPolicy", make(settings.task), seed=settings.seed)
    arguments = SETTINGS[settings.method, settings.task]
    WorldModelController("WorldModelPolicy", make(settings.task), seed=0, **arguments).learn(10)
    return WorldModelController("WorldModelPolicy", make(settings.task), seed=settings.seed, **arguments)
