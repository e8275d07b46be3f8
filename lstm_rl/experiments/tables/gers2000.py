"""Gers, Schmidhuber & Cummins (2000), Learning to forget: strings in a row without resets."""

from dataclasses import replace
from typing import Any

from lstm_rl.experiments.engine import Row
from lstm_rl.experiments.protocols.sequence_run import Method
from lstm_rl.experiments.sequence_rows import and_ours, elman_row, guessed_row, sequence_row
from lstm_rl.experiments.stream_score import stream_experiment
from lstm_rl.experiments.tables import hs1997

GRAMMAR, ORDER, STREAMS = "gers2000-cerg", "gers2000-nto", "gers2000-cnto"
PROTOCOL = """\
Noisy temporal order of Gers, Schmidhuber & Cummins (2000): experiment 6b of 1997 with 4 blocks of 2 cells, with and
without forget gates. The paper: with a forget bias of 5 as fast as without forget gates, with 1 three times as slow.
Sequences: training sequences until the last 2,000 are right and their mean error is below .1, mean of the successful
runs (smallest - largest). Wrong: fraction of 2,560 fresh ones. In brackets after successes: 95 % interval."""


def _lstm(task: str, name: str, method: Method | None = None, settings: str = "", **published: Any) -> Row:
    return sequence_row(task, settings, f"LSTM, {name}", method=method, **published)


RESET = Method(network="standard", external_reset=True)
DECAY, SLOWING = Method(learning_rate_decay=0.99), Method(learning_rate_decay=0.9)
STANDARD, FORGETTING = Method(network="standard"), Method(network="state-decay")
GRU, SLSTM = (Method(network=name, learning_rate=0.1, max_sequences=300) for name in ("gru", "slstm"))
CHANGED: dict[str, Any] = {"loss": "cross-entropy", "learning_rate": 0.15, "max_sequences": 14_000}
RISING: dict[str, Any] = {"loss": "cross-entropy", "network": "rising-forget"}
GATES = _lstm(GRAMMAR, "forget gates", perfect="18 %", streams=18_889, good="29 % (39,171)", rest="53 % (145)")
ORDERS = _lstm(STREAMS, "forget gates", perfect="24 %", streams=18_077, rest="76 % (12.2)")

GRAMMAR_ROWS = (
    _lstm(GRAMMAR, "standard, external reset", RESET, perfect="74 %", streams=7_441, good="0", rest="26 % (31)"),
    _lstm(GRAMMAR, "standard", STANDARD, perfect="0 %", good="1 % (1,166)", rest="99 % (37)"),
    _lstm(GRAMMAR, "state decay", FORGETTING, perfect="0 %", good="0", rest="100 % (56)"),
    *and_ours(GATES, **CHANGED),
    *(and_ours(GATES, **CHANGED | RISING, restart=restart)[1] for restart in (None, 9000)),
    _lstm(
        GRAMMAR,
        "forget gates, rate decay",
        DECAY,
        perfect="62 %",
        streams=14_087,
        good="6 % (68,464)",
        rest="32 % (30)",
    ),
    *and_ours(sequence_row(GRAMMAR, "framed=False", "LSTM, forget gates"), **CHANGED),
    and_ours(sequence_row(GRAMMAR, "framed=False"), **CHANGED | RISING)[1],
    elman_row(GRAMMAR, "", 10, "rtrl", 0.1, 300),
    elman_row(GRAMMAR, "", 10, "bptt", 0.1, 300),
    *(
        sequence_row(GRAMMAR, name=f"{name}, 10 units", method=method)
        for name, method in (("GRU", GRU), ("sLSTM", SLSTM))
    ),
    guessed_row(GRAMMAR, max_trials=100_000),
)
ORDER_ROWS = (
    *(_lstm(ORDER, "forget gates", settings=f"forget_bias={bias}", success="100 %") for bias in (5.0, 1.0)),
    *(and_ours(_lstm(ORDER, "", success="100 %"), **RISING | {"loss": loss})[1] for loss in (None, "cross-entropy")),
    sequence_row(ORDER, name="LSTM, standard", method=STANDARD, success="100 %"),
)
STREAM_ROWS = (
    _lstm(STREAMS, "standard", STANDARD, perfect="0 %", rest="100 % (4.6)"),
    *and_ours(ORDERS, loss="cross-entropy"),
    and_ours(ORDERS, loss="cross-entropy", learning_rate=0.15, restart=22_000)[1],
    _lstm(STREAMS, "forget gates, rate decay", SLOWING, perfect="37 %", streams=22_654, rest="63 % (11.8)"),
    elman_row(STREAMS, "", 10, "rtrl", 0.1, 1_000),
    guessed_row(STREAMS, max_trials=10_000),
)
ORDER_EXPERIMENT = replace(
    hs1997.experiment(ORDER, "noisy temporal order: 6b of 1997 with forget gates", ORDER_ROWS), protocol=PROTOCOL
)
EXPERIMENTS = (
    stream_experiment(
        GRAMMAR, "continual embedded Reber grammar: strings in a row", GRAMMAR_ROWS, 100_000, 30_000, 1000
    ),
    ORDER_EXPERIMENT,
    stream_experiment(STREAMS, "continual noisy temporal order: 6b in a row", STREAM_ROWS, 100, 100_000, 50),
)
