"""One run of sb3-contrib's RecurrentPPO, or of our learner, in a noisy T-maze, by steps and by wall time."""

import math
import time
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lstm_rl.checks import check_choice, check_float, check_int, needs_extra
from lstm_rl.presets import preset

if TYPE_CHECKING:
    from lstm_rl.experiments.engine import Report

ENV = "lstm_rl/NoisyTMaze-v0"
OURS = "lstm_rl, default preset"
FAST = {
    "policy_kwargs": {"lstm_hidden_size": 64},
    "batch_size": 1024,
    "n_epochs": 4,
    "learning_rate": 1e-3,
    "ent_coef": 0.01,
}
PEERS: dict[str, tuple[dict[str, Any], bool]] = {  # arguments; VecNormalize and forget bias ln(N + 1) + 1
    "RecurrentPPO, defaults": ({}, False),
    "RecurrentPPO, fast": (FAST, False),
    "RecurrentPPO, defaults, normalised, forget bias": ({}, True),
    "RecurrentPPO, fast, normalised, forget bias": (FAST, True),
}
FEWEST = 20
"""Episodes that a share of right turns is worth quoting of; 0 until then."""
CHUNK = 500
"""Steps between two points of our own curve."""
PEER_ENVS = 8
"""Environments of RecurrentPPO, side by side; ours learns from one."""


@dataclass(frozen=True)
class PpoRun:
    """Everything that a run depends on."""

    name: str
    """`OURS` or one of `PEERS`."""
    corridor_length: int
    seed: int = 0
    max_steps: int = 1_000_000
    """Budget in environment steps."""
    max_seconds: float = 60.0
    """Budget in seconds of training."""

    def __post_init__(self) -> None:
        check_choice("name", self.name, (OURS, *PEERS))
        check_int("corridor_length", self.corridor_length, 1)
        check_int("max_steps", self.max_steps, 1)
        check_float("max_seconds", self.max_seconds, 0.0, open_low=True)


def check(_: PpoRun) -> None:
    """Raise ``ValueError`` if sb3-contrib is not installed."""
    if find_spec("sb3_contrib") is None:
        raise ValueError(needs_extra("compare", "sb3-contrib", "baselines"))


def run(settings: PpoRun, report: "Report") -> dict[str, Any]:
    """Train one learner.

    Returns:
        success, steps, seconds of training; rate: share of right turns in the last 100 episodes at the end; curve:
        [steps, seconds, that share] on the way.
    """
    import numpy as np
    import torch
    from stable_baselines3.common.callbacks import BaseCallback

    from lstm_rl.agents import AdvantageLearning
    from lstm_rl.make import make_rows

    torch.set_num_threads(1)
    kwargs = {"corridor_length": settings.corridor_length}

    class Watch(BaseCallback):
        """Records the curve, stops at the criterion or when time is up."""

        chunked = True  # calls at the ends of our learner's chunks will do

        def __init__(self) -> None:
            super().__init__()
            self.curve: list[list[float]] = []
            self.last: list[bool] = []
            self.next = 0.0

        def _on_step(self) -> bool:
            report(self.num_timesteps)
            infos = self.locals.get("episodes", self.locals["infos"])  # of our chunk, or of a peer's step
            ended = [bool(info["is_success"]) for info in infos if "is_success" in info]
            self.last = [*self.last, *ended][-100:]
            seconds = time.perf_counter() - begun
            over = self.success or seconds >= settings.max_seconds
            if over or seconds >= self.next:
                self.curve.append([self.num_timesteps, round(seconds, 3), self.rate])
                self.next = seconds * 1.05
            return not over

        @property
        def success(self) -> bool:
            return len(self.last) == 100 and sum(self.last) > 94

        @property
        def rate(self) -> float:
            return float(np.mean(self.last)) if len(self.last) >= FEWEST else 0.0

    model: Any
    if settings.name == OURS:
        config = replace(preset("default", ENV).config, chunk_size=CHUNK)
        AdvantageLearning("LstmPolicy", make_rows(ENV, kwargs, 1), config, seed=0).learn(10)  # compiles
        model = AdvantageLearning("LstmPolicy", make_rows(ENV, kwargs, 1), config, seed=settings.seed)
    else:
        model = _peer(settings, make_rows(ENV, kwargs, PEER_ENVS))
    watch, begun = Watch(), time.perf_counter()
    model.learn(settings.max_steps, watch)
    return {
        "success": watch.success,
        "steps": model.num_timesteps,
        "seconds": max(round(time.perf_counter() - begun, 4), 1e-4),
        "rate": watch.rate,
        "curve": watch.curve,
    }


def _peer(settings: PpoRun, envs: Any) -> Any:
    """RecurrentPPO with the settings of this name."""
    import torch
    from sb3_contrib import RecurrentPPO
    from stable_baselines3.common.vec_env import VecNormalize

    arguments, helped = PEERS[settings.name]
    model: Any = RecurrentPPO("MlpLstmPolicy", VecNormalize(envs) if helped else envs, seed=settings.seed, **arguments)
    if helped:
        for lstm in (model.policy.lstm_actor, model.policy.lstm_critic):
            size = lstm.hidden_size
            with torch.no_grad():
                lstm.bias_ih_l0[size : 2 * size] = math.log(settings.corridor_length + 1) + 1.0  # order: i, f, g, o
                lstm.bias_hh_l0[size : 2 * size] = 0.0
    return model
