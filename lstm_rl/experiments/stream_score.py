"""Experiments on streams without resets (Gers, Schmidhuber & Cummins 2000): protocol, score and picture."""

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
Gers, Schmidhuber & Cummins (2000): strings in a row without marks or resets, 4 blocks of 2 cells, plain gradient
descent after each answer; and again with what is named and marked (ours). A training stream ends with the first wrong
answer or after {answers:,} right ones; after each, frozen weights are tested on fresh streams. Perfect: nets of which
all ten test streams come to their end, within {streams:,} training streams (or the row's own budget) and 100 million
steps; in brackets: 95 % interval. Streams: training streams to it, mean (smallest - largest). Fresh: right answers of
perfect nets before the first wrong one, mean of ten more streams each. Good and rest: other nets whose last ten test
streams have more than {good:,}, or no more, of them, and their mean number."""


def score(runs: "DataFrame", published: Mapping[str, Any], good: float) -> dict[str, Any]:
    """Perfect, good and other nets, as the paper counts them."""
    perfect, success = successes(runs)
    streams, seeds, rate = perfect["sequences"], runs["seed"], runs["learning_rate"].iloc[0]
    lengths = runs[~runs["success"].astype(bool)]["length"]
    parts = {"good": lengths[lengths > good], "rest": lengths[lengths <= good]}
    return {
        "rate": f"{rate:g}" if rate else "-",
        "perfect": success,
        "streams": f"{streams.mean():,.0f} ({streams.min():,} - {streams.max():,})" if len(perfect) else "-",
        "fresh": f"{perfect['length'].mean():,.0f}" if len(perfect) else "-",
        **{name: f"{len(own)} ({own.mean():,.0f})" if len(own) else "0" for name, own in parts.items()},
        "runs (seeds)": f"{len(runs)} ({seeds.min()} - {seeds.max()})",
        "steps": steps_text(runs["steps"].sum()),
    }


def stream_experiment(name: str, about: str, rows: Sequence[Row], answers: int, streams: int, good: int) -> Experiment:
    """An experiment on streams.

    Args:
        name: Of its task, too.
        about: See `Experiment`.
        rows: See `Experiment`.
        answers: Right ones after which a stream ends.
        streams: The published budget.
        good: Right answers in a row beyond which a net that is not perfect counts as good.
    """
    protocol = PROTOCOL.format(answers=answers, streams=streams, good=good)
    known = {row.key: float(row.published["streams"]) for row in rows if "streams" in row.published}
    figures = partial(run_marks, xlabel="training streams; of guessing, trials", published=known)
    scored = partial(score, good=float(good))
    return Experiment(name, about, protocol, rows, sequence_run.run, scored, figures, sequence_run.check)
