"""Others on our environments: sb3-contrib's RecurrentPPO beside the default preset, by steps and by wall time."""

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lstm_rl.checks import check_float
from lstm_rl.cli_types import Steps
from lstm_rl.presets import preset
from lstm_rl.studies.engine import Options, Row, Study
from lstm_rl.studies.mazes import check_mazes
from lstm_rl.studies.statistics import median_text, steps_text, success_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
ENVIRONMENTS = 8
"""Of RecurrentPPO, side by side; ours learns from one."""

PROTOCOL = """\
Noisy T-maze with the environment's own step limit of 50 (N + 1), {runs} runs per cell, seeds from {seed}. Everybody
trains until more than 94 of the last 100 training episodes took the right turn, for at most {budget:,} steps and
{limit:g} s on one core. RecurrentPPO learns from 8 environments; "fast" means 64 units, batches of 1,024, 4 epochs,
step size .001, entropy bonus .01; "normalised, forget bias" means VecNormalize and a forget-gate bias of ln(N + 1) + 1.
In brackets: 95 % intervals (success: Wilson; median: bootstrap over the successful runs)."""


@dataclass(frozen=True)
class Compare(Options):
    """Train sb3-contrib's RecurrentPPO on our mazes beside our learner, with the same budget and protocol."""

    runs: int = 3
    """Runs per cell of the table, each with a seed of its own."""
    lengths: tuple[int, ...] = (10, 70)
    """Corridor lengths N."""
    max_steps: Steps = 1_000_000
    """Budget of a run in environment steps."""
    max_seconds: float = 600.0
    """Budget of a run in seconds of training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_mazes(self.lengths, self.max_steps)
        check_float("max_seconds", self.max_seconds, 0.0, open_low=True)


@dataclass(frozen=True)
class Contest:
    """One learner's run."""

    name: str
    corridor_length: int
    seed: int
    max_steps: int
    max_seconds: float


def study(options: Compare) -> Study:
    """The study that the options describe.

    Raises:
        ValueError: sb3-contrib is not installed.
    """
    from importlib.util import find_spec

    if find_spec("sb3_contrib") is None:
        raise ValueError("compare needs sb3-contrib: pip install lstm-rl[baselines]")
    settings = [
        Contest(name, length, seed, options.max_steps, options.max_seconds)
        for seed in options.seeds
        for length in options.lengths
        for name in (OURS, *PEERS)
    ]
    protocol = PROTOCOL.format(
        runs=options.runs, seed=options.seed, budget=options.max_steps, limit=options.max_seconds
    )
    return Study("compare", protocol, settings, run, table, figures)


def run(settings: Contest) -> Row:
    """Train one learner.

    Returns:
        success, steps, seconds of training; rate: share of right turns in the last 100 episodes at the end; curve:
        [steps, seconds, that share] on the way, as JSON.
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

        def __init__(self) -> None:
            super().__init__()
            self.curve: list[list[float]] = []
            self.last: list[bool] = []
            self.next = 0.0

        def _on_step(self) -> bool:
            self.last = [
                *self.last,
                *(bool(info["is_success"]) for info in self.locals["infos"] if "is_success" in info),
            ]
            self.last = self.last[-100:]
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
        model = _peer(settings, make_rows(ENV, kwargs, ENVIRONMENTS))
    watch, begun = Watch(), time.perf_counter()
    model.learn(settings.max_steps, watch)
    return {
        "success": watch.success,
        "steps": model.num_timesteps,
        "seconds": max(round(time.perf_counter() - begun, 4), 1e-4),
        "rate": watch.rate,
        "curve": watch.curve,
    }


def _peer(settings: Contest, rows: Any) -> Any:
    """RecurrentPPO with the settings of this name."""
    import torch
    from sb3_contrib import RecurrentPPO
    from stable_baselines3.common.vec_env import VecNormalize

    arguments, helped = PEERS[settings.name]
    model: Any = RecurrentPPO("MlpLstmPolicy", VecNormalize(rows) if helped else rows, seed=settings.seed, **arguments)
    if helped:
        for lstm in (model.policy.lstm_actor, model.policy.lstm_critic):
            size = lstm.hidden_size
            with torch.no_grad():
                lstm.bias_ih_l0[size : 2 * size] = math.log(settings.corridor_length + 1) + 1.0  # order: i, f, g, o
                lstm.bias_hh_l0[size : 2 * size] = 0.0
    return model


def _cells(rows: list[Row]) -> dict[tuple[int, str], list[Row]]:
    keys = sorted({(row["corridor_length"], (OURS, *PEERS).index(row["name"])) for row in rows})
    names = [(length, (OURS, *PEERS)[k]) for length, k in keys]
    return {key: [row for row in rows if (row["corridor_length"], row["name"]) == key] for key in names}


def table(rows: list[Row]) -> str:
    """A line per length and learner."""
    import numpy as np

    lines = [
        "| N | learner | success | median steps to success | median seconds | steps in all | last 100 | steps/s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (length, name), runs in _cells(rows).items():
        good = [run for run in runs if run["success"]]
        parts = [
            str(length),
            name,
            success_text(len(good), len(runs)),
            median_text([run["steps"] for run in good]),
            median_text([run["seconds"] for run in good]),
            steps_text(float(np.median([run["steps"] for run in runs]))),
            f"{np.mean([run['rate'] for run in runs]):.2f}",
            f"{np.median([run['steps'] / run['seconds'] for run in runs]):,.0f}",
        ]
        lines.append(f"| {' | '.join(parts)} |")
    return "\n".join(lines)


def figures(rows: list[Row]) -> dict[str, "Figure"]:
    """Success while training against steps and against seconds, a picture per length."""
    from lstm_rl.studies.figures import curves

    pictures = {}
    for length in sorted({row["corridor_length"] for row in rows}):
        groups = {name: [run["curve"] for run in runs] for (at, name), runs in _cells(rows).items() if at == length}
        pictures[f"curves_{length}"] = curves(groups, f"noisy T-maze, N = {length}")
    return pictures
