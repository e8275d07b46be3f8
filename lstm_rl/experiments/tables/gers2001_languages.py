"""Formal languages: Gers & Schmidhuber (2001), with Kalman filters Perez-Ortiz, Gers, Eck & Schmidhuber (2003)."""

from dataclasses import replace
from typing import Any

from lstm_rl.experiments.engine import Row
from lstm_rl.experiments.protocols.longest_count import LongestCount
from lstm_rl.experiments.protocols.sequence_run import Method
from lstm_rl.experiments.range_score import count_experiment, range_experiment
from lstm_rl.experiments.sequence_rows import elman_row, guessed_row, sequence_row

TWO, THREE, NESTED = "gers2001-anbn", "gers2001-anbncn", "gers2001-anbmbmam"
SOLVED: dict[str, Any] = {"learned": "100 %"}
# Largest count in training: published sequences, mean range, best range (recalled)
RANGES_OF_TWO = {
    10: (22_000, 118, 1000),
    20: (18_000, 148, 587),
    30: (16_000, 408, 1000),
    40: (25_000, 628, 1000),
    50: (42_000, 430, 767),
}
RANGES_OF_THREE = {
    10: (54_000, 28, 52),
    20: (28_000, 66, 160),
    30: (37_000, 91, 228),
    40: (51_000, 120, 500),
    50: (60_000, 409, 500),
}
FILTER = Method(optimizer="kalman", max_sequences=10_000)
OPEN = replace(FILTER, network="open-gates", initial_range=0.01)


def _as_published(task: str, ranges: dict[int, tuple[int, int, int]]) -> list[Row]:
    return [
        sequence_row(task, f"high={high}", **SOLVED, sequences=sequences, range=mean, best=best)
        for high, (sequences, mean, best) in ranges.items()
    ]


def _filtered(task: str, high: int, tested: int = 5000, **published: Any) -> tuple[Row, Row]:
    """By the filter as published until it is learned, and with gates that begin open over 4,000 sequences."""
    settings, longer = f"high={high} every=100 tested={tested}", f"high={high} every=100 at_least=4000 tested={tested}"
    return (
        sequence_row(task, settings, "LSTM, Kalman", method=FILTER, **published),
        sequence_row(task, longer, "LSTM, Kalman, open gates (ours)", method=OPEN),
    )


def _others(task: str, high: int) -> tuple[Row, Row]:
    elman = elman_row(task, f"high={high}", 10, "bptt", 0.01, 5_000)
    settings = replace(elman.settings, optimizer="sgd")
    return replace(elman, settings=settings), guessed_row(task, f"high={high}", 100_000)


ROWS_OF_TWO = (
    *_as_published(TWO, RANGES_OF_TWO),
    *_filtered(TWO, 10),
    *_others(TWO, 10),
)
ROWS_OF_THREE = (
    *_as_published(THREE, RANGES_OF_THREE),
    *_filtered(THREE, 10, sequences=2_000, range="1000 and more"),
    *_others(THREE, 10),
)
ROWS_OF_NESTED = (
    sequence_row(NESTED, "high=11 tested=100", sequences=29_000, best=18),
    *_filtered(NESTED, 11, 100),
    *_others(NESTED, 11),
)
ROWS_OF_COUNTS = (
    Row("LSTM, Kalman, best net", None, {"longest": "22,000,000 (recalled)"}),
    Row("LSTM, Kalman, open gates, longer and longer strings (ours)", LongestCount()),
)
EXPERIMENTS = (
    range_experiment(TWO, "a^n b^n: all legal next symbols, and how far a net counts", ROWS_OF_TWO),
    range_experiment(THREE, "a^n b^n c^n: the same, context-sensitive", ROWS_OF_THREE),
    range_experiment(NESTED, "a^n b^m B^m A^n: two counts, one inside the other", ROWS_OF_NESTED),
    count_experiment("gers2001-longest", "the longest count: a^n b^n c^n up to n = 10^9", ROWS_OF_COUNTS),
)
