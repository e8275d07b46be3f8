"""What the experiments of Hochreiter & Schmidhuber (1997) have in common: protocol, score and picture.

Source: Long short-term memory, Neural Computation 9, experiments 1 to 6. Rows of methods without published figures are
there because the paper says that they cannot learn the task.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from lstm_rl.experiments.charts import run_marks
from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.protocols import sequence_run
from lstm_rl.experiments.statistics import steps_text, successes

if TYPE_CHECKING:
    from pandas import DataFrame

PROTOCOL = """\
Experiments of Hochreiter & Schmidhuber (1997) with the published networks, rates, sequences, stop rules and test sets,
and again with what is named and marked (ours). Weights change by plain gradient descent, or by RMS-normalised steps,
after each sequence (2a and 2b: after each step). Sequences: training sequences to the criterion, mean of the successful
runs (smallest - largest). First: mean to the first of two criteria, in 2c to 99 % of 10,000 right (ours). Wrong:
fraction of 2,560 fresh test sequences, mean of the successful runs. Steps: of all runs together. In brackets after
successes: 95 % interval. Guessing: all weights of an Elman net from U[-100, 100] anew in each trial, until one meets
the last criterion on fresh sequences; trials stand in the place of sequences."""


def score(runs: "DataFrame", published: Mapping[str, Any]) -> dict[str, Any]:
    """Success, sequences to it and wrong test sequences, as the paper counts them."""
    good, success = successes(runs)
    sequences, seeds, rate = good["sequences"], runs["seed"], runs["learning_rate"].iloc[0]
    tested = good[good["mean_error"].notna()]
    known = published.get("sequences")
    return {
        "rate": f"{rate:g}" if rate else "-",
        "success": success,
        "sequences": f"{sequences.mean():,.0f} ({sequences.min():,} - {sequences.max():,})" if len(good) else "-",
        "wrong": f"{(tested['wrong'] / tested['tested']).mean():.2g}" if len(tested) else "-",
        "ratio of sequences": f"{sequences.mean() / known:.2g}" if len(good) and known else "",
        "runs (seeds)": f"{len(runs)} ({seeds.min()} - {seeds.max()})",
        "steps": steps_text(runs["steps"].sum()),
    }


def score_of_two(runs: "DataFrame", published: Mapping[str, Any]) -> dict[str, Any]:
    """The same where there are two criteria, one after the other."""
    first = runs["first"].dropna()
    return score(runs, published) | {"first": f"{first.mean():,.0f}" if len(first) else "-"}


def experiment(name: str, about: str, rows: Sequence[Row], score: Callable[..., dict[str, Any]] = score) -> Experiment:
    """One of the paper's experiments."""
    known = {row.key: float(row.published["sequences"]) for row in rows if "sequences" in row.published}
    xlabel = "training sequences; of guessing, trials"
    figures = partial(run_marks, xlabel=xlabel, published=known)
    return Experiment(name, about, PROTOCOL, rows, sequence_run.run, score, figures, sequence_run.check)
