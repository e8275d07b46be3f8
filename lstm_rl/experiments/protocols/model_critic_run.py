"""One run of a learner for so many CPU seconds: how good is its greedy policy then?

Model/critic, controller through the model, our default agent and RecurrentPPO learn from one environment each (PPO from
eight), for equal CPU seconds of training; then the greedy policy plays fresh episodes through `predict`.
"""

import time
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, get_args

from lstm_rl.checks import check_choice, check_float, needs_extra

if TYPE_CHECKING:
    from lstm_rl.experiments.engine import Report

Task = Literal["coded T-maze", "pole", "multi-mode pole"]
Method = Literal["model/critic", "through the model", "default agent", "RecurrentPPO"]
EPISODES, CODE, PPO_ENVS, MOST = 20, 8, 8, 10**9
REWARDS = {"coded T-maze": (-0.1, 4.0), "pole": (0.0, 1.0), "multi-mode pole": (0.0, 1.0)}
POLE = {"discount": 0.9, "model_units": 8, "model_rate": 0.001, "controller_rate": 0.001}
SETTINGS: dict[str, dict[str, Any]] = {  # of the first two methods
    "model/critic": POLE | {"critic": True, "discount": 0.95, "controller_units": 8, "noise": 0.2},
    "through the model": POLE,
}


@dataclass(frozen=True)
class CriticRun:
    """Everything that a run depends on."""

    task: Task = "pole"
    method: Method = "model/critic"
    seed: int = 0
    max_seconds: float = 60.0
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
    from lstm_rl.envs.wrappers import CodedActions

    if task == "coded T-maze":
        return CodedActions(gym.make("lstm_rl/TMaze-v0", corridor_length=10, max_steps=180), CODE)
    return gym.make("lstm_rl/ForcePole-v0" if task == "pole" else "lstm_rl/MultimodeForcePole-v0")


def run(settings: CriticRun, report: "Report") -> dict[str, Any]:
    """Train and play.

    Returns:
        success: whether every fresh episode was one; returns: their mean return; rate: share of successes; steps and
        CPU seconds of training; diverged.
    """
    import numpy as np
    import torch
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

    from lstm_rl.agents.advantage_learning import DivergedError
    from lstm_rl.evaluation import play_stepwise

    torch.set_num_threads(1)
    model = _learner(settings)
    begun, diverged = time.process_time(), False

    class Clock(BaseCallback):
        chunked = True  # calls at the ends of chunks will do

        def _on_step(self) -> bool:
            report(self.num_timesteps)
            return time.process_time() - begun < settings.max_seconds

    try:
        model.learn(MOST, Clock(), log_interval=None)
    except DivergedError:
        diverged = True
    seconds = time.process_time() - begun
    rows = VecMonitor(DummyVecEnv([lambda: make(settings.task) for _ in range(EPISODES)]))
    rows.seed(settings.seed + 10**6)
    returns, _, good = play_stepwise(model, rows, EPISODES)
    return {
        "success": bool(good) and all(good),
        "returns": round(float(np.mean(returns)), 4),
        "rate": float(np.mean(good)) if good else 0.0,
        "steps": model.num_timesteps,
        "seconds": round(seconds, 1),
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
    arguments: dict[str, Any] = {"reward_range": REWARDS[settings.task], **SETTINGS[settings.method]}
    WorldModelController("WorldModelPolicy", make(settings.task), seed=0, **arguments).learn(10)
    return WorldModelController("WorldModelPolicy", make(settings.task), seed=settings.seed, **arguments)
