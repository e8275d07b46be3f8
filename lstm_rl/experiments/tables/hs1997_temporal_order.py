"""Experiments 6a and 6b of 1997: the order of two or three symbols; the paper counts wrong ones of 2,560."""

from lstm_rl.experiments.sequence_rows import and_ours, and_rms, elman_row, guessed_row, sequence_row
from lstm_rl.experiments.tables.hs1997 import experiment

TWO, THREE = "hs1997-temporal-order-3", "hs1997-temporal-order-4"
ROWS_OF_TWO = (
    *and_ours(sequence_row(TWO, success="100 %", sequences=31_390, wrong=1 / 2560), loss="cross-entropy"),
    elman_row(TWO, "", 10, "bptt", 0.1, 100_000),
    guessed_row(TWO),
)
ROWS_OF_THREE = (
    *and_rms(
        sequence_row(THREE, success="100 %", sequences=571_100, wrong=2 / 2560),
        learning_rate=0.0015,
        loss="cross-entropy",
        average=1000,
    ),
    elman_row(THREE, "", 10, "bptt", 0.1, 100_000),
    guessed_row(THREE),
)
EXPERIMENTS = (
    experiment(TWO, "6a: the order of two symbols among 100", ROWS_OF_TWO),
    experiment(THREE, "6b: the order of three", ROWS_OF_THREE),
)
