"""What each ingredient of the default preset is worth in noisy T-mazes."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lstm_rl.experiments.charts import success_bars
from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.protocols import maze_run
from lstm_rl.experiments.protocols.maze_run import MazeRun
from lstm_rl.experiments.statistics import median_text, successes

if TYPE_CHECKING:
    from pandas import DataFrame

PROTOCOL = """\
Noisy T-mazes, preset `default` with one ingredient changed at a time. A run trains until more than 94 of the last 100
episodes took the right turn, exploration on, and at least 99 of 100 fresh greedy episodes do, for at most 5,000,000
steps. In brackets: 95 % intervals (success: Wilson; median: bootstrap over the successful runs)."""
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
    "lambda = 0.8": {"lambda_": 0.8},
    "lambda = 0.95": {"lambda_": 0.95},
    "mean squares fall as they rise": {"rms_memory": 0},
    "the last weights act, no average": {"averaging": 0.0},
    "kappa = 1 (Q(lambda))": {"kappa": 1.0},
    "traces not cut at exploratory actions": {"cut_traces": False},
}


def score(runs: "DataFrame", _: Mapping[str, Any]) -> dict[str, Any]:
    """Successful runs, and steps to success."""
    good, success = successes(runs)
    return {"success": success, "median steps": median_text(good["steps"])}


ROWS = [
    Row(name, settings, column=f"N = {length}")
    for name, overrides in VARIANTS.items()
    for length in (70, 200)
    for settings in [
        MazeRun(length, share=0.94, max_steps=5_000_000, greedy_share=0.99, overrides=json.dumps(overrides))
    ]
]
EXPERIMENTS = (
    Experiment(
        "ablation",
        "what each ingredient of the default preset is worth",
        PROTOCOL,
        ROWS,
        maze_run.run,
        score,
        success_bars,
    ),
)
