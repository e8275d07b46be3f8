"""Controller and recurrent world model, after Schmidhuber (1990): flip-flop and a pole without velocities."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.protocols import world_model_run
from lstm_rl.experiments.protocols.world_model_run import BALANCED, EVENTS, FAULTS, ROWS, WorldModelRun
from lstm_rl.experiments.statistics import median_text, successes

if TYPE_CHECKING:
    from pandas import DataFrame

PROTOCOL = f"""\
After Schmidhuber (1990), whose report we did not have; published figures are second-hand. A controller C learns by the
gradient of the pain that a model M of the world predicts. Every 20,000 steps C is tried, frozen and without
exploration, on streams that are not learned from. Training ends with the first success, or after 10^6 steps in all,
10^7 with 1,000 steps between A and B. Success with the flip-flop: a mean pain below .01 over {EVENTS:,} events A or B;
with the pole: none of {ROWS} starts falls within {BALANCED:,} steps. Strict: successes with, besides, an error of .1 or
more at no more than {FAULTS} steps of that trial. Steps: of training, medians of the successful runs; seconds of CPU.
In brackets: 95 % intervals (success: Wilson; medians: bootstrap)."""


def score(runs: "DataFrame", _: Mapping[str, Any]) -> dict[str, Any]:
    """Successful runs, steps to success, cost."""
    good, success = successes(runs)
    strict = f"{int(runs['strict'].sum())}/{len(runs)}"
    return {
        "success": success,
        "strict": strict,
        "steps": median_text(good["steps"]),
        "seconds": median_text(runs["seconds"]),
    }


def _row(label: str, published: str = "", n_envs: int = 1, lag: int | None = None, **settings: Any) -> Row:
    overrides = json.dumps(settings.pop("config", {}))
    run = WorldModelRun(overrides=overrides, n_envs=n_envs, lag=lag, **settings)
    return Row(label, run, {"": published} if published else {}, repeats=1 if run.task == "pole" or lag == 1000 else 3)


SEQUENTIAL, PARALLEL = "6/10 within 10^6 steps", "20/30 within 10^6 steps"
UNITS: dict[str, Any] = {"model_units": 8, "model_rate": 0.01, "discount": 0.0}
FIRST: dict[str, Any] = {"model_first": 300_000, "schedule": "linear"}  # steps of M alone
NEXT: dict[str, Any] = {"discount": 0.0}  # C descends the next pain alone
BETTER: dict[str, Any] = {"model_units": 10, "model_first": 600_000}  # what is wrong in M stays wrong
LONG = NEXT | {"model_first": 100_000, "random_share": 0.3, "noise": 0.2, "controller_rate": 0.001}
LONGER = LONG | {"forget_bias": 6.5}
ACTIVE: dict[str, Any] = {"model_units": 12, "random_share": 0.2}
POLE: dict[str, Any] = {"discount": 0.9, "model_units": 8, "model_rate": 0.001, "controller_rate": 0.001}
ROWS_ = (
    _row(
        "flip-flop, units of 1990, sequential", SEQUENTIAL, units="recurrent", regime="sequential", config=UNITS | FIRST
    ),
    _row("flip-flop, units of 1990, parallel", PARALLEL, units="recurrent", config=UNITS | ACTIVE),
    _row("flip-flop, LSTM, sequential", SEQUENTIAL, regime="sequential", config=NEXT | FIRST | BETTER),
    _row("flip-flop, LSTM, parallel", PARALLEL, config=NEXT),
    _row("flip-flop, LSTM, 100 steps between A and B", lag=100, n_envs=20, config=LONG | {"forget_bias": 4.0}),
    _row("flip-flop, LSTM, 1,000 steps between A and B", lag=1000, n_envs=20, max_steps=10**7, config=LONGER),
    _row("pole without velocities, LSTM", "1,000 steps", task="pole", config=POLE),
)
EXPERIMENTS = (
    Experiment(
        "world-model",
        "after Schmidhuber (1990): a controller learns through a recurrent model of the world",
        PROTOCOL,
        ROWS_,
        world_model_run.run,
        score,
        check=world_model_run.check,
        seed=1200,
    ),
)
