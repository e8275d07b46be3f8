"""Experiments 2a, 2b and 2c of 1997: long time lags among many distractors."""

from typing import Any

from lstm_rl.experiments.engine import Row
from lstm_rl.experiments.protocols.sequence_run import Method
from lstm_rl.experiments.sequence_rows import and_ours, and_rms, elman_row, guessed_row, sequence_row
from lstm_rl.experiments.tables.hs1997 import experiment, score_of_two

A, B, C = "hs1997-lag-a", "hs1997-lag-b", "hs1997-lag-c"
SOLVED: dict[str, Any] = {"success": "100 %"}


def _one_unit(task: str, p: int, gradient: Any, rate: float, max_sequences: int, **published: Any) -> Row:
    """The net of RTRL and BPTT in 2a and 2b: one self-recurrent unit beside links from inputs to outputs."""
    method = Method(network="one-unit", gradient=gradient, learning_rate=rate, max_sequences=max_sequences)
    name = f"{gradient.upper()}, one unit, rate {rate:g}"
    return sequence_row(task, f"p={p}", name, method=method, **({"success": "0 %"} | published))


ROWS_A = (
    _one_unit(A, 4, "rtrl", 1.0, 5_000_000, success="78 %", sequences=1_043_000),
    _one_unit(A, 4, "rtrl", 4.0, 5_000_000, success="56 %", sequences=892_000),
    _one_unit(A, 4, "rtrl", 10.0, 5_000_000, success="22 %", sequences=254_000),
    _one_unit(A, 10, "rtrl", 1.0, 1_000_000),
    _one_unit(A, 100, "rtrl", 1.0, 50_000),
    _one_unit(A, 100, "bptt", 1.0, 50_000),
    *and_rms(sequence_row(A, "p=100", **SOLVED, sequences=5_040), 0.003),
    guessed_row(A, "p=100", 100_000),
)
ROWS_B = (
    _one_unit(B, 100, "rtrl", 1.0, 50_000),
    _one_unit(B, 100, "bptt", 1.0, 50_000),
    *and_ours(
        sequence_row(B, "p=100", **SOLVED, sequences=5_680),
        "p=100 targets=end",
        loss="cross-entropy",
        learning_rate=0.7,
    ),
    guessed_row(B, "p=100", 100_000),
)
LAGS = {  # p and q: published sequences
    (50, 50): 30_000,
    (100, 100): 31_000,
    (200, 200): 33_000,
    (500, 500): 38_000,
    (1000, 1000): 49_000,
    (500, 1000): 49_000,
    (200, 1000): 75_000,
    (100, 1000): 135_000,
    (50, 1000): 203_000,
}
TRIGGERED = [sequence_row(C, f"p={p} q={q}", **SOLVED, sequences=sequences) for (p, q), sequences in LAGS.items()]
LINKLESS: dict[str, Any] = {"network": "inputs-only", "max_sequences": 1_000_000}
ROWS_C = (
    *TRIGGERED,
    *(and_ours(row, initial_range=0.005, max_sequences=1_000_000)[1] for row in TRIGGERED[:3]),
    *(and_ours(row, **LINKLESS)[1] for row in TRIGGERED[:-1]),
    and_ours(TRIGGERED[-1], initial_range=0.05, **LINKLESS)[1],
    elman_row(C, "p=50 q=50", 4, "bptt", 0.1, 100_000),
    guessed_row(C, "p=50 q=50"),
)
EXPERIMENTS = (
    experiment(A, "2a: the first symbol of a fixed sequence again, p steps later", ROWS_A),
    experiment(B, "2b: the same among random symbols", ROWS_B),
    experiment(C, "2c: the same at a trigger that comes at random, lags to 1000, p distractors", ROWS_C, score_of_two),
)
