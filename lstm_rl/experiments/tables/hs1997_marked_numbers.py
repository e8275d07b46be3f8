"""Experiments 4 and 5 of 1997: the sum and the product of two marked numbers; the paper counts wrong ones of 2,560."""

from lstm_rl.experiments.engine import Row
from lstm_rl.experiments.sequence_rows import and_ours, and_rms, elman_row, guessed_row, sequence_row
from lstm_rl.experiments.tables.hs1997 import experiment

SUM, PRODUCT = "hs1997-adding", "hs1997-multiplication"


def _lstm(task: str, settings: str, sequences: int, wrong: int) -> Row:
    return sequence_row(task, settings, success="100 %", sequences=sequences, wrong=wrong / 2560)


SUM_ROWS = (
    *and_rms(_lstm(SUM, "T=100", 74_000, 1), average=1000),
    *and_rms(_lstm(SUM, "T=500", 209_000, 0), average=1000),
    *and_rms(_lstm(SUM, "T=1000", 853_000, 1), average=1000),
    elman_row(SUM, "T=100", 10, "bptt", 0.1, 100_000),
    guessed_row(SUM, "T=100"),
    guessed_row(SUM, "T=500", 100_000),
    guessed_row(SUM, "T=1000", 100_000),
)
PRODUCT_ROWS = (
    *and_ours(_lstm(PRODUCT, "n_seq=140", 482_000, 139), loss="cross-entropy", learning_rate=0.2, average=1000),
    *and_ours(_lstm(PRODUCT, "n_seq=13", 1_273_000, 14), loss="cross-entropy", learning_rate=0.14, average=1000),
    elman_row(PRODUCT, "n_seq=140", 10, "bptt", 0.1, 100_000),
    guessed_row(PRODUCT, "n_seq=140", 10_000),
    guessed_row(PRODUCT, "n_seq=13", 100_000),
)
EXPERIMENTS = (
    experiment(SUM, "4: the sum of two marked numbers of T", SUM_ROWS),
    experiment(PRODUCT, "5: their product", PRODUCT_ROWS),
)
