"""Others on our environments: sb3-contrib's RecurrentPPO beside the default preset, by steps and by wall time."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lstm_rl.experiments.charts import curves_by_length
from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.protocols import ppo_run
from lstm_rl.experiments.protocols.ppo_run import OURS, PEERS, PpoRun
from lstm_rl.experiments.statistics import median_text, steps_text, successes

if TYPE_CHECKING:
    from pandas import DataFrame

PROTOCOL = """\
Noisy T-maze with the environment's own step limit of 50 (N + 1). Everybody trains until more than 94 of the last 100
training episodes took the right turn, for at most 1,000,000 steps and 60 s on one core. RecurrentPPO learns from 8
environments; "fast" means 64 units, batches of 1,024, 4 epochs, step size .001, entropy bonus .01; "normalised, forget
bias" means VecNormalize and a forget-gate bias of ln(N + 1) + 1. Last 100: share of right turns in the last 100
episodes. In brackets: 95 % intervals (success: Wilson; median: bootstrap over the successful runs)."""


def score(runs: "DataFrame", _: Mapping[str, Any]) -> dict[str, Any]:
    """Successful runs, steps and seconds to success, and what the budget was worth."""
    good, success = successes(runs)
    return {
        "success": success,
        "median steps to success": median_text(good["steps"]),
        "median seconds": median_text(good["seconds"]),
        "steps in all": steps_text(runs["steps"].median()),
        "last 100": f"{runs['rate'].mean():.2f}",
        "steps/s": f"{(runs['steps'] / runs['seconds']).median():,.0f}",
    }


ROWS = [Row(f"N = {length}: {name}", PpoRun(name, length)) for length in (10, 70) for name in (OURS, *PEERS)]
EXPERIMENTS = (
    Experiment(
        "compare",
        "RecurrentPPO of sb3-contrib beside the default preset on our mazes",
        PROTOCOL,
        ROWS,
        ppo_run.run,
        score,
        curves_by_length,
        ppo_run.check,
        runs=2,
    ),
)
