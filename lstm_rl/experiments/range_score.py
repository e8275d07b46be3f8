"""Experiments on formal languages (Gers & Schmidhuber 2001): protocol, score and picture."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from lstm_rl.experiments.charts import run_marks
from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.protocols import longest_count, sequence_run
from lstm_rl.experiments.statistics import steps_text, successes

if TYPE_CHECKING:
    from pandas import DataFrame

PROTOCOL = """\
Gers & Schmidhuber (2001): all symbols that may come next are to be predicted, and no other, at every step of a string.
Networks with peepholes learn by gradient descent with momentum .99 after each symbol, or by an extended Kalman filter
(Perez-Ortiz, Gers, Eck & Schmidhuber 2003); and again with what is named and marked (ours). Counts in training are
uniform from 1 to `high`. After every 1,000 training sequences (Kalman: 100) the weights are frozen; training stops once
all strings of the training range are accepted, or goes on to `at_least` sequences (ours). Learned: nets that accept it
then; in brackets: 95 % interval. Sequences: training sequences until it was accepted first, mean (smallest - largest).
Range: largest N for which a net accepts all counts 1 .. N (of two free counts, all pairs), mean over all nets; best: of
the best net; both up to `tested`. Published figures are recalled."""


def score(runs: "DataFrame", published: Mapping[str, Any]) -> dict[str, Any]:
    """Who learned the training range, how fast, and how far it goes beyond."""
    _, success = successes(runs)
    first, seeds, rate, ranges = runs["first"].dropna(), runs["seed"], runs["learning_rate"].iloc[0], runs["range"]
    return {
        "rate": f"{rate:g}" if rate else "-",
        "learned": success,
        "sequences": f"{first.mean():,.0f} ({first.min():,.0f} - {first.max():,.0f})" if len(first) else "-",
        "range": f"{ranges.mean():,.4g}",
        "best": int(ranges.max()),
        "runs (seeds)": f"{len(runs)} ({seeds.min()} - {seeds.max()})",
        "steps": steps_text(runs["steps"].sum()),
    }


COUNT_PROTOCOL = """\
One net (ours) is trained by an extended Kalman filter on a^n b^n c^n, n <= 10, then on fewer and longer strings up to
the largest count of training; then, frozen and in float64, tested at n = 2^k - 1, 2^k and 2^k + 1 in order, k up to 44,
until a string is not accepted, by leaps over equal steps that give the same states bit by bit. Longest: the last n
before. Step by step: n that was tested without leaps, too. The seed was chosen among 100, 101, 103 and 107."""


def count_score(runs: "DataFrame", published: Mapping[str, Any]) -> dict[str, Any]:
    """How far the nets count."""
    best = runs.loc[runs["longest"].idxmax()]
    return {
        "longest": f"{best['longest']:,}",
        "step by step": f"{best['step_by_step']:,}",
        "largest in training": f"{best['trained']:,}",
        "training strings": f"{best['sequences']:,}",
        "seed": int(best["seed"]),
        "training steps": steps_text(best["steps"]),
    }


def range_experiment(name: str, about: str, rows: Sequence[Row]) -> Experiment:
    """An experiment on a formal language, which is its task, too."""
    known = {row.key: float(row.published["sequences"]) for row in rows if "sequences" in row.published}
    figures = partial(run_marks, xlabel="training sequences; of guessing, trials", published=known)
    return Experiment(name, about, PROTOCOL, rows, sequence_run.run, score, figures, sequence_run.check)


def count_experiment(name: str, about: str, rows: Sequence[Row]) -> Experiment:
    """The experiment on one language and the longest string."""
    run, check = longest_count.run, longest_count.check
    return Experiment(name, about, COUNT_PROTOCOL, rows, run, count_score, check=check, runs=1, seed=101)
