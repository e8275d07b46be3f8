"""Experiments 3a, 3b and 3c of 1997: the two-sequence problem."""

from typing import Any

from lstm_rl.experiments.engine import Row
from lstm_rl.experiments.sequence_rows import and_rms, elman_row, guessed_row, sequence_row
from lstm_rl.experiments.tables.hs1997 import experiment, score_of_two

A, B, C = (f"hs1997-two-sequence-{variant}" for variant in "abc")
FAST: dict[str, Any] = {"learning_rate": 0.01, "rms_decay": 0.99}
CUBED: dict[str, Any] = {"loss": 3.0, "average": 1000}


def _lstm(task: str, settings: str, sequences: int, wrong: float, first: int | None = None) -> Row:
    published: dict[str, Any] = {"success": "100 %", "sequences": sequences, "wrong": wrong}
    return sequence_row(task, settings, **published | ({} if first is None else {"first": first}))


ROWS_A = (
    *and_rms(_lstm(A, "T=100 N=3", 39_850, 0.000195, first=27_380), 0.002, **CUBED),
    *and_rms(_lstm(A, "T=100 N=1", 64_330, 0.000117, first=58_370), 0.004, **CUBED),
    *and_rms(_lstm(A, "T=1000 N=3", 452_460, 0.000078, first=446_850), **FAST, **CUBED),
    elman_row(A, "T=100 N=3", 4, "bptt", 0.1, 100_000),
    guessed_row(A, "T=100 N=3"),
    guessed_row(A, "T=100 N=1"),
    guessed_row(A, "T=1000 N=3", 100_000),
)
ROWS_B = (
    *and_rms(_lstm(B, "T=100 N=3", 43_250, 0.00828, first=41_740)),
    *and_rms(_lstm(B, "T=100 N=1", 78_430, 0.01500, first=74_950), 0.03, rms_decay=0.99, loss=1.2),
    *and_rms(
        _lstm(B, "T=1000 N=1", 485_080, 0.01207, first=481_060), **FAST, loss=1.5, average=1000, max_sequences=1_000_000
    ),
    guessed_row(B, "T=100 N=3", 100_000),
    guessed_row(B, "T=100 N=1", 100_000),
    guessed_row(B, "T=1000 N=1", 100_000),
)
ROWS_C = (
    *and_rms(_lstm(C, "T=100 N=3", 269_650, 0.00558)),
    *and_rms(_lstm(C, "T=100 N=1", 565_640, 0.00441)),
    guessed_row(C, "T=100 N=3"),
    guessed_row(C, "T=100 N=1"),
)
EXPERIMENTS = (
    experiment(A, "3a: two classes told by the first N of T numbers, all later ones noise", ROWS_A, score_of_two),
    experiment(B, "3b: noise on the first N, too", ROWS_B, score_of_two),
    experiment(C, "3c: noise on targets instead", ROWS_C),
)
