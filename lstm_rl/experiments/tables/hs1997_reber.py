"""Experiment 1 of 1997: the embedded Reber grammar."""

from lstm_rl.experiments.engine import Row
from lstm_rl.experiments.protocols.sequence_run import Method
from lstm_rl.experiments.sequence_rows import and_ours, elman_row, guessed_row, sequence_row
from lstm_rl.experiments.tables.hs1997 import experiment

TASK = "hs1997-reber"


def _lstm(blocks: str, rate: float, sequences: int, success: str, ours: float) -> tuple[Row, Row]:
    """A row at the published rate, and ours at the rate ``ours``; the paper has three pairs of sets."""
    name = f"LSTM, {264 if blocks == '4x1' else 276} weights, rate {rate:g}"
    method = Method(learning_rate=rate)
    row = sequence_row(TASK, f"blocks={blocks}", name, 3, method, success=success, sequences=sequences)
    return and_ours(row, note=f"rate {ours:g}", network="shortcuts", loss="cross-entropy", learning_rate=ours)


ROWS = (
    *_lstm("4x1", 0.1, 39_740, "100 %", ours=0.1),
    *_lstm("3x2", 0.1, 21_730, "100 %", ours=0.1),
    *_lstm("3x2", 0.2, 14_060, "97 %", ours=0.2),
    *_lstm("4x1", 0.5, 9_500, "97 %", ours=0.15),
    *_lstm("3x2", 0.5, 8_440, "100 %", ours=0.15),
    elman_row(TASK, "blocks=4x1", 3, "rtrl", 0.05, 200_000, success="some", sequences=173_000),
    elman_row(TASK, "blocks=4x1", 12, "rtrl", 0.1, 200_000, success="some", sequences=25_000),
    elman_row(TASK, "blocks=4x1", 15, "truncated", 0.1, 200_000, success="0 %"),
    guessed_row(TASK, "blocks=4x1"),
)
EXPERIMENTS = (experiment(TASK, "1: embedded Reber grammar, all legal next symbols", ROWS),)
