"""What each ingredient of the default preset is worth in noisy T-mazes."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lstm_rl.cli_types import Steps
from lstm_rl.studies.engine import Options, Row, Study
from lstm_rl.studies.mazes import MazeRun, check_mazes, run_maze
from lstm_rl.studies.statistics import median_text, success_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PROTOCOL = """\
Noisy T-mazes, preset `default` with one ingredient changed at a time, {runs} runs per cell, seeds from {seed}. A run
trains until more than 94 of the last 100 episodes took the right turn, exploration on, and at least 99 of 100 fresh
greedy episodes do, for at most {budget:,} steps. In brackets: 95 % intervals (success: Wilson; median: bootstrap over
the successful runs)."""

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "random actions do not last (plain epsilon-greedy)": {"exploration": "epsilon"},
    "Boltzmann exploration, T = 0.1": {"exploration": "boltzmann", "temperature": 0.1},
    "directed exploration of the paper": {"exploration": "directed", "temperature_scale": 0.1, "beta": 0.5},
    "plain steps (SGD), alpha = 0.0002": {"optimizer": "sgd", "learning_rate": 2e-4},
    "plain steps (SGD), alpha = 0.002": {"optimizer": "sgd", "learning_rate": 2e-3},
    "RMS over 1,000 steps instead of 10 horizons": {"rms_decay": 0.999},
    "no observation normalisation": {"normalize_observations": False},
    "observations clipped at 30 instead of 5": {"observation_clip": 30.0},
    "forget gates see the inputs from the start": {"forget_range": None},
    "forget-gate bias 1 instead of ln(horizon) + 1": {"forget_gate_bias": 1.0},
    "input-gate bias 0 instead of -ln(horizon) / 2 - 1": {"input_gate_bias": 0.0},
    "bias on cell inputs": {"cell_bias": True},
    "recurrent links, truncated gradient": {"recurrent": True},
    "recurrent links, complete gradient": {"recurrent": True, "gradient": "bptt", "bptt_depth": 300},
    "lambda = 0": {"lambda_": 0.0},
    "lambda = 0.95": {"lambda_": 0.95},
    "kappa = 1 (Q(lambda))": {"kappa": 1.0},
    "traces not cut at exploratory actions": {"cut_traces": False},
}


@dataclass(frozen=True)
class Ablation(Options):
    """What each ingredient of the default preset is worth: noisy T-mazes, one ingredient changed at a time."""

    lengths: tuple[int, ...] = (70, 200)
    """Corridor lengths N."""
    max_steps: Steps = 5_000_000
    """Budget of a run."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_mazes(self.lengths, self.max_steps)


def study(options: Ablation) -> Study:
    """The study that the options describe."""
    settings = [
        MazeRun(
            length, seed, share=0.94, max_steps=options.max_steps, greedy_share=0.99, overrides=json.dumps(overrides)
        )
        for seed in options.seeds
        for overrides in VARIANTS.values()
        for length in options.lengths
    ]
    protocol = PROTOCOL.format(runs=options.runs, seed=options.seed, budget=options.max_steps)
    return Study("ablation", protocol, settings, run_maze, table, figures)


def _cell(rows: list[Row], overrides: dict[str, Any], length: int) -> list[Row]:
    return [row for row in rows if row["overrides"] == overrides and row["corridor_length"] == length]


def _lengths(rows: list[Row]) -> list[int]:
    return sorted({row["corridor_length"] for row in rows})


def table(rows: list[Row]) -> str:
    """A line per variant, two columns per length."""
    lengths = _lengths(rows)
    heads = " | ".join(f"N = {length}: success | median steps" for length in lengths)
    lines = [f"| variant | {heads} |", "|---|" + "---|---|" * len(lengths)]
    for name, overrides in VARIANTS.items():
        parts = [name]
        for length in lengths:
            runs = _cell(rows, overrides, length)
            good = [run["steps"] for run in runs if run["success"]]
            parts += [success_text(len(good), len(runs)), median_text(good)]
        lines.append(f"| {' | '.join(parts)} |")
    return "\n".join(lines)


def figures(rows: list[Row]) -> dict[str, "Figure"]:
    """Successful runs of each variant as bars."""
    from lstm_rl.studies.figures import bars

    shares = {
        f"N = {length}": [
            sum(run["success"] for run in _cell(rows, overrides, length)) / len(_cell(rows, overrides, length))
            for overrides in VARIANTS.values()
        ]
        for length in _lengths(rows)
    }
    return {"success": bars(list(VARIANTS), shares)}
