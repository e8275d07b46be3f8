"""Experiments on precise timing (Gers, Schraudolph & Schmidhuber 2002): protocol, score and picture."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from lstm_rl.experiments.charts import run_marks
from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.protocols import sequence_run
from lstm_rl.experiments.statistics import steps_text, successes

if TYPE_CHECKING:
    from pandas import DataFrame

PROTOCOL = """\
Gers, Schraudolph & Schmidhuber (2002): one block of one cell, 17 weights, descent with momentum after each step with a
target; and again with what is named and marked (ours). A training stream ends with the first error or after 100
intervals or periods; after each, frozen weights are tested on fresh streams of `tested` ones, 1,000 unless it is given.
Solved: nets that pass within the row's budget of streams and 10^9 steps; in brackets: 95 % interval. Streams: training
streams to it, mean (smallest - largest). Free run: intervals or periods of one more stream before its first error, up
to 10^6 (10^5 where intervals are drawn), the least of the solved nets. RMSE: root of the mean squared error there,
mean of the solved nets. Published figures are recalled."""


def score(runs: "DataFrame", published: Mapping[str, Any]) -> dict[str, Any]:
    """Who solved it, how fast, and for how long it goes on alone."""
    solved, success = successes(runs)
    streams, seeds, rate, any_solved = solved["sequences"], runs["seed"], runs["learning_rate"].iloc[0], len(solved) > 0
    return {
        "rate": f"{rate:g}" if rate else "-",
        "solved": success,
        "streams": f"{streams.mean():,.0f} ({streams.min():,} - {streams.max():,})" if any_solved else "-",
        "free run": f"{solved['length'].min():,.0f}" if any_solved else "-",
        "RMSE": f"{(solved['mse'] ** 0.5).mean():.3f}" if any_solved else "-",
        "runs (seeds)": f"{len(runs)} ({seeds.min()} - {seeds.max()})",
        "steps": steps_text(runs["steps"].sum()),
    }


def timing_experiment(name: str, about: str, rows: Sequence[Row]) -> Experiment:
    """An experiment on precise timing, which is its task, too."""
    known = {row.key: float(row.published["streams"]) for row in rows if "streams" in row.published}
    figures = partial(run_marks, xlabel="training streams; of guessing, trials", published=known)
    return Experiment(name, about, PROTOCOL, rows, sequence_run.run, score, figures, sequence_run.check)
