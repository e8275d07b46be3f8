"""The rows of Hochreiter & Schmidhuber (1997), Long short-term memory, Neural Computation 9: experiments 1 to 6.

Each is a task, a network with its learning rule, and the published figures. Rows without published figures have
competitors' names only there: the paper says that they cannot learn these.
"""

from dataclasses import replace
from typing import Any

from lstm_rl.suites.case import Case, Gradient, Method, loss_name


def _elman(
    suite: str, settings: str, units: int, gradient: Gradient, alpha: float, max_sequences: int, **published: Any
) -> Case:
    name = {"truncated": "Elman", "bptt": "BPTT", "rtrl": "RTRL"}[gradient]
    method = Method("elman", units, gradient=gradient, alpha=alpha, max_sequences=max_sequences)
    return Case(suite, settings, f"{name}, {units} units", method=method, **{"success": ""} | published)


def _one_unit(suite: str, p: int, gradient: Gradient, alpha: float, max_sequences: int, **published: Any) -> Case:
    method = Method("one-unit", gradient=gradient, alpha=alpha, max_sequences=max_sequences)
    label = f"{gradient.upper()}, one unit"
    return Case(suite, f"p={p}", label, method=method, **{"success": "0 %"} | published)


def _guessed(suite: str, settings: str, max_trials: int = 1_000_000) -> Case:
    """All weights of a small Elman net guessed anew in each trial; budgets as the costs of trials are (ours)."""
    method = Method("elman", 3, gradient="guess", max_sequences=max_trials)
    return Case(suite, settings, "Guessing, 3 units", success="", method=method)


def _ours(case: Case, settings: str | None = None, **changes: Any) -> Case:
    """A row with what we do otherwise (docs/deviations.md), and a name that says so."""
    method = replace(case.method, **changes)
    name = "LSTM without recurrent links" if method.network == "inputs-only" else "LSTM"
    parts = {
        "shortcuts": method.network == "shortcuts",
        f"initial ±{method.initial_range or 0.0:g}".replace("0.", "."): method.initial_range,
        "RMS-normalised": method.descent == "rms",
        loss_name(method.loss): method.loss,
        "target at the end alone": settings,
        "averaged": method.average,
    }
    label = ", ".join([name, *(part for part, applies in parts.items() if applies)])
    return replace(case, settings=settings or case.settings, label=f"{label} (ours)", method=method)


def _and_ours(case: Case, **changes: Any) -> tuple[Case, Case]:
    """A published row and ours."""
    return case, _ours(case, **changes)


def _and_rms(case: Case, alpha: float = 0.001, **changes: Any) -> tuple[Case, Case]:
    """The same with RMS-normalised steps."""
    return _and_ours(case, descent="rms", alpha=alpha, **changes)


def _reber(
    blocks: str, weights: int, alpha: float, sequences: float, success: str = "100 %", changed: float | None = None
) -> tuple[Case, Case]:
    """At the published rate, and ours at this or another."""
    label, method = f"LSTM, {weights} weights", Method(alpha=alpha)
    case = Case(_REBER, f"blocks={blocks}", label, sequences, success, method=method, runs=3)
    return _and_ours(case, network="shortcuts", loss="cross-entropy", alpha=changed or alpha)


_REBER, _A, _B, _C = "hs1997-reber", "hs1997-lag-a", "hs1997-lag-b", "hs1997-lag-c"
_TWO, _ADDING, _PRODUCT = "hs1997-two-sequence-", "hs1997-adding", "hs1997-multiplication"
_ORDER_3, _ORDER_4 = "hs1997-temporal-order-3", "hs1997-temporal-order-4"
_LAGS = (  # p, q and thousands of sequences of 2c
    (50, 50, 30),
    (100, 100, 31),
    (200, 200, 33),
    (500, 500, 38),
    (1000, 1000, 49),
    (500, 1000, 49),
    (200, 1000, 75),
    (100, 1000, 135),
    (50, 1000, 203),
)
_TRIGGERED = tuple(Case(_C, f"p={p} q={q}", "LSTM", thousands * 1000) for p, q, thousands in _LAGS)
_SMALL = tuple(_ours(case, initial_range=0.005, max_sequences=1_000_000) for case in _TRIGGERED[:3])
_WITHOUT_LINKS = tuple(_ours(case, network="inputs-only", max_sequences=1_000_000) for case in _TRIGGERED)
CASES: tuple[Case, ...] = (
    *_reber("4x1", 264, 0.1, 39_740),
    *_reber("3x2", 276, 0.1, 21_730),
    *_reber("3x2", 276, 0.2, 14_060, "97 %"),
    *_reber("4x1", 264, 0.5, 9_500, "97 %", changed=0.15),
    *_reber("3x2", 276, 0.5, 8_440, changed=0.15),
    _elman(_REBER, "blocks=4x1", 3, "rtrl", 0.05, 200_000, sequences=173_000, success="some"),
    _elman(_REBER, "blocks=4x1", 12, "rtrl", 0.1, 200_000, sequences=25_000, success="some"),
    _elman(_REBER, "blocks=4x1", 15, "truncated", 0.1, 200_000, success="0 %"),
    _guessed(_REBER, "blocks=4x1"),
    _one_unit(_A, 4, "rtrl", 1.0, 5_000_000, sequences=1_043_000, success="78 %"),
    _one_unit(_A, 4, "rtrl", 4.0, 5_000_000, sequences=892_000, success="56 %"),
    _one_unit(_A, 4, "rtrl", 10.0, 5_000_000, sequences=254_000, success="22 %"),
    _one_unit(_A, 10, "rtrl", 1.0, 1_000_000),
    _one_unit(_A, 100, "rtrl", 1.0, 50_000),
    _one_unit(_A, 100, "bptt", 1.0, 50_000),
    *_and_rms(Case(_A, "p=100", "LSTM", 5_040), alpha=0.003),
    _guessed(_A, "p=100", 100_000),
    _one_unit(_B, 100, "rtrl", 1.0, 50_000),
    _one_unit(_B, 100, "bptt", 1.0, 50_000),
    *_and_ours(Case(_B, "p=100", "LSTM", 5_680), settings="p=100 targets=end", loss="cross-entropy", alpha=0.7),
    _guessed(_B, "p=100", 100_000),
    *_TRIGGERED,
    *_SMALL,
    *_WITHOUT_LINKS[:-1],
    _ours(_WITHOUT_LINKS[-1], initial_range=0.05),
    _elman(_C, "p=50 q=50", 4, "bptt", 0.1, 100_000),
    _guessed(_C, "p=50 q=50"),
    *_and_rms(
        Case(f"{_TWO}a", "T=100 N=3", "LSTM", 39_850, wrong=0.000195, first=27_380), 0.002, loss=3.0, average=1000
    ),
    *_and_rms(
        Case(f"{_TWO}a", "T=100 N=1", "LSTM", 64_330, wrong=0.000117, first=58_370), 0.004, loss=3.0, average=1000
    ),
    *_and_rms(
        Case(f"{_TWO}a", "T=1000 N=3", "LSTM", 452_460, wrong=0.000078, first=446_850),
        alpha=0.01,
        rms_decay=0.99,
        loss=3.0,
        average=1000,
    ),
    _elman(f"{_TWO}a", "T=100 N=3", 4, "bptt", 0.1, 100_000),
    _guessed(f"{_TWO}a", "T=100 N=3"),
    _guessed(f"{_TWO}a", "T=100 N=1"),
    _guessed(f"{_TWO}a", "T=1000 N=3", 100_000),
    *_and_rms(Case(f"{_TWO}b", "T=100 N=3", "LSTM", 43_250, wrong=0.00828, first=41_740)),
    *_and_rms(
        Case(f"{_TWO}b", "T=100 N=1", "LSTM", 78_430, wrong=0.01500, first=74_950), 0.03, rms_decay=0.99, loss=1.2
    ),
    *_and_rms(
        Case(f"{_TWO}b", "T=1000 N=1", "LSTM", 485_080, wrong=0.01207, first=481_060),
        alpha=0.01,
        rms_decay=0.99,
        loss=1.5,
        average=1000,
        max_sequences=1_000_000,
    ),
    _guessed(f"{_TWO}b", "T=100 N=3", 100_000),
    _guessed(f"{_TWO}b", "T=100 N=1", 100_000),
    _guessed(f"{_TWO}b", "T=1000 N=1", 100_000),
    *_and_rms(Case(f"{_TWO}c", "T=100 N=3", "LSTM", 269_650, wrong=0.00558)),
    *_and_rms(Case(f"{_TWO}c", "T=100 N=1", "LSTM", 565_640, wrong=0.00441)),
    _guessed(f"{_TWO}c", "T=100 N=3"),
    _guessed(f"{_TWO}c", "T=100 N=1"),
    *_and_rms(Case(_ADDING, "T=100", "LSTM", 74_000, wrong=1 / 2560), average=1000),
    *_and_rms(Case(_ADDING, "T=500", "LSTM", 209_000, wrong=0.0), average=1000),
    *_and_rms(Case(_ADDING, "T=1000", "LSTM", 853_000, wrong=1 / 2560), average=1000),
    _elman(_ADDING, "T=100", 10, "bptt", 0.1, 100_000),
    _guessed(_ADDING, "T=100"),
    _guessed(_ADDING, "T=500", 100_000),
    _guessed(_ADDING, "T=1000", 100_000),
    *_and_ours(
        Case(_PRODUCT, "n_seq=140", "LSTM", 482_000, wrong=139 / 2560), loss="cross-entropy", alpha=0.2, average=1000
    ),
    *_and_ours(
        Case(_PRODUCT, "n_seq=13", "LSTM", 1_273_000, wrong=14 / 2560), loss="cross-entropy", alpha=0.14, average=1000
    ),
    _elman(_PRODUCT, "n_seq=140", 10, "bptt", 0.1, 100_000),
    _guessed(_PRODUCT, "n_seq=140", 10_000),
    _guessed(_PRODUCT, "n_seq=13", 100_000),
    *_and_ours(Case(_ORDER_3, "", "LSTM", 31_390, wrong=1 / 2560), loss="cross-entropy"),
    _elman(_ORDER_3, "", 10, "bptt", 0.1, 100_000),
    _guessed(_ORDER_3, ""),
    *_and_rms(Case(_ORDER_4, "", "LSTM", 571_100, wrong=2 / 2560), 0.0015, loss="cross-entropy", average=1000),
    _elman(_ORDER_4, "", 10, "bptt", 0.1, 100_000),
    _guessed(_ORDER_4, ""),
)
