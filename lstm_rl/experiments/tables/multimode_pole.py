"""Bakker (2001), section 5: the multi-mode pole, RL-LSTM against Elman-BPTT; and the default preset on it."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from lstm_rl.experiments.charts import balance
from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.protocols import pole_run
from lstm_rl.experiments.protocols.pole_run import LIMIT, STARTS, PoleRun
from lstm_rl.experiments.statistics import median_text, successes

if TYPE_CHECKING:
    from pandas import DataFrame

PROTOCOL = """\
Multi-mode pole of Bakker (2001), preset `{preset}`, at most {budget:,} steps for each run. Every 25,000 steps the
greedy policy is tried on starts that are not learned from, for up to {limit:,} steps (2,000 s simulated) as long as
none falls; training ends when none does, and the best weights are kept.{again} A run is a success if those balance
all of {starts} fresh starts, in both modes, for {limit:,} steps. In brackets: 95 % intervals (success: Wilson;
medians: bootstrap)."""
AGAIN = " A run that has not got there after {steps:,} steps\nstarts over with new weights; all its steps count."


def score(runs: "DataFrame", _: Mapping[str, Any]) -> dict[str, Any]:
    """Successful runs, steps to success, and how long the kept weights balance the pole."""
    good, success = successes(runs)
    return {
        "success": success,
        "first attempt": str((good["attempts"] == 1).sum()),
        "median steps": median_text(good["steps"]),
        "worst": f"{good['steps'].max():,}" if len(good) else "-",
        "balance, mode A": median_text(runs["mean_a"].dropna()),
        "mode B": median_text(runs["mean_b"].dropna()),
        "seconds": median_text(runs["seconds"]),
    }


def _experiment(name: str, about: str, rows: Sequence[Row], seed: int) -> Experiment:
    run: PoleRun = rows[0].settings
    again = "" if run.attempt_steps is None else AGAIN.format(steps=run.attempt_steps)
    numbers = {"budget": run.max_steps, "limit": LIMIT, "starts": STARTS}
    protocol = PROTOCOL.format(preset=run.preset, again=again, **numbers)
    return Experiment(name, about, protocol, rows, pole_run.run, score, partial(balance, limit=LIMIT), seed=seed)


PUBLISHED = {
    "lstm": "2/10 for good, after 6.25 M steps on average; the others for 100s to 1000s of steps",
    "elman": "balances only the first 50 steps",
}
OPEN = {  # what the paper leaves open, after the search of docs/deviations.md; rule and network are the paper's
    "temperature": 0.03,
    "input_range": 1.0,
    "recurrent_range": 0.5,
    "output_range": 0.5,
    "bias_range": 0.5,
    "input_gate_bias": -2.0,
    "forget_gate_bias": 8.0,
    "spread_forget_gates": True,
}
SHORT = {"max_steps": 500}
SEARCHED = PoleRun(preset="bakker2001", max_steps=10_000_000, overrides=json.dumps(OPEN), world=json.dumps(SHORT))
BAKKER = [
    Row("lstm", PoleRun(learner="lstm", preset="bakker2001", max_steps=10_000_000), {"": PUBLISHED["lstm"]}),
    Row("elman", PoleRun(learner="elman", preset="bakker2001", max_steps=10_000_000), {"": PUBLISHED["elman"]}),
    Row("lstm, open choices searched (ours)", SEARCHED, {"": PUBLISHED["lstm"]}),
]
OURS = [Row("lstm", PoleRun(max_steps=20_000_000, attempt_steps=5_000_000))]
EXPERIMENTS = (
    _experiment("bakker2001-pole", "Bakker (2001), section 5: the pole, LSTM against Elman-BPTT", BAKKER, 1000),
    _experiment("multimode-pole", "the same with the default preset", OURS, 2000),
)
