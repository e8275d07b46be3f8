"""Gers, Schraudolph & Schmidhuber (2002), Learning precise timing; published figures are recalled, in 1,000 streams."""

from dataclasses import replace
from typing import Any, cast

from lstm_rl.experiments.engine import Row
from lstm_rl.experiments.protocols.sequence_run import Method
from lstm_rl.experiments.sequence_rows import elman_row, guessed_row, sequence_row
from lstm_rl.experiments.timing_score import timing_experiment

MSD, NMSD, GTS, PFG = "gers2002-msd", "gers2002-nmsd", "gers2002-gts", "gers2002-pfg"
# Ours: a global Kalman filter; to measure, around gates that begin open and weights of which little is known
FILTER = Method(optimizer="kalman", gradient="rtrl", restart=3000, max_sequences=100_000)
COUNTER = replace(FILTER, network="open-gates", initial_range=0.3, covariance=1e4, restart=100)
OPENED = replace(FILTER, network="open-gates", covariance=1e3)
GRU = Method(network="gru", learning_rate=0.1, max_sequences=300, optimizer="sgd")
TORCH = (("GRU, 10 units", GRU), ("sLSTM, 10 units", replace(GRU, network="slstm")))
RMS = Method(optimizer="rmsprop", gradient="rtrl", learning_rate=0.001, max_sequences=100_000)
BARE, UNFORGETTING = cast(Any, ("without-peepholes", "standard"))
DELAYS = {10: (160, 125), 20: (732, 763), 30: (17521, 12885), 40: (37533, 25686), 50: (59453, 32485)}
SPIKES = {10: (41, "100 %"), 20: (67, "100 %"), 30: (845, "80 %"), 40: (1152, "100 %"), 50: (2538, "100 %")}
WAVES = {"F=10 function=cosine": (145, 0.18), "F=25 function=cosine": (149, 0.17)}
WAVES |= {"F=25 function=cosine tolerance=0.15": (2704, 0.086), "F=10 function=triangle": (869, 0.13)}
WAVES |= {"F=25 function=triangle": (3063, 0.14), "F=10 function=rectangle": (1107, 0.12)}
WAVES |= {"F=25 function=rectangle": (13188, 0.15)}


def _plain(task: str, settings: str, budget: int, network: Any = None, **published: Any) -> Row:
    name = {None: "LSTM", BARE: "LSTM, no peepholes", UNFORGETTING: "LSTM, no forget gates"}[network]
    row = sequence_row(task, settings, name, method=Method(network=network, max_sequences=budget or 1), **published)
    return row if budget else replace(row, settings=None)  # not run: the paper took more than ten times 10^6


def _ours(task: str, settings: str, method: Method, name: str = "global Kalman") -> Row:
    return sequence_row(task, settings, f"LSTM, {name} (ours)", method=method)


def _others(task: str, at: str) -> tuple[Row, ...]:
    elman = (elman_row(task, at, 10, gradient, 1e-4, 100_000) for gradient in ("rtrl", "bptt"))
    return (*elman, *(sequence_row(task, at, name, method=net) for name, net in TORCH), guessed_row(task, at, 10**6))


NMSD_ROWS = (
    *(_plain(NMSD, f"F={F}", 0 if F > 20 else 10**6, BARE, streams=1000 * n) for F, (n, _) in DELAYS.items()),
    *(_plain(NMSD, f"F={F}", 0 if F > 20 else 10**6, streams=1000 * n) for F, (_, n) in DELAYS.items()),
    *(_ours(NMSD, f"F={F}", COUNTER) for F in DELAYS),
    *_others(NMSD, "F=10"),
)
MSD_ROWS = (
    _plain(MSD, "F=10", 1_000_000, BARE, solved="10 %", streams=8_850_000),
    _plain(MSD, "F=10", 1_000_000, solved="20 %", streams=27_453_000),
    _plain(MSD, "F=10 I=0,1,2", 1_000_000, BARE, solved="20 %"),
    _plain(MSD, "F=10 I=0,1,2", 1_000_000, solved="60 %", streams=9_791_000),
    *(_ours(MSD, at, COUNTER) for at in ("F=10", "F=10 I=0,1,2", "F=10 I=0,10", "F=20", "F=50")),
    *_others(MSD, "F=10"),
)
GTS_ROWS = (
    *(_plain(GTS, f"F={F}", 3_000_000, streams=1000 * n, solved=share) for F, (n, share) in SPIKES.items()),
    _plain(GTS, "F=10 I=0,1", 3_000_000, solved="50 %", streams=1_647_000),
    *(_plain(GTS, "F=10", 1_000_000, net, solved="0 %") for net in (BARE, UNFORGETTING)),
    *(_ours(GTS, f"F={F}", FILTER) for F in SPIKES),
    *(_ours(GTS, "F=10", replace(FILTER, network=net), f"global Kalman, {net}") for net in (BARE, UNFORGETTING)),
    _ours(GTS, "F=10", replace(RMS, loss="cross-entropy"), "RMS-normalised, complete gradient, cross-entropy"),
    *_others(GTS, "F=10"),
)
PFG_ROWS = (
    *(_plain(PFG, at, 3_000_000, streams=1000 * n, RMSE=e) for at, (n, e) in WAVES.items()),
    *(_plain(PFG, "F=10 function=cosine", 1_000_000, net) for net in (BARE, UNFORGETTING)),
    *(_ours(PFG, f"{at} tested=10000", FILTER) for at in list(WAVES)[:6]),
    _ours(PFG, "F=10 function=rectangle tested=10000 tolerance=0.2", OPENED, "global Kalman, open gates"),
    _ours(PFG, "F=25 function=rectangle tested=10000", OPENED, "global Kalman, open gates"),
    _ours(PFG, "F=10 function=cosine", RMS, "RMS-normalised, complete gradient"),
    *_others(PFG, "F=10 function=cosine"),
)
EXPERIMENTS = (
    timing_experiment(MSD, "measuring spike delays: spikes in a row, and how late each is", MSD_ROWS),
    timing_experiment(NMSD, "the same with a reset after each spike: intervals of F or F + 1 steps", NMSD_ROWS),
    timing_experiment(GTS, "generating timed spikes: one each F steps, for ever", GTS_ROWS),
    timing_experiment(PFG, "generating periodic functions: cosine, triangle, rectangle", PFG_ROWS),
)
