"""The experiments of Hochreiter & Schmidhuber (1997), Long short-term memory, Neural Computation 9: 1 to 6.

Each row of the paper's tables is a task, a network with its learning rule, and the published figures beside which ours
are put. Rows without published figures have competitors' names only there: the paper says that they cannot learn these.
"""

from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import current_process
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from lstm_rl.checks import check_int
from lstm_rl.studies.engine import Options, Row, Study
from lstm_rl.suites.networks import default_gradient, network
from lstm_rl.suites.table import figures, markdown

if TYPE_CHECKING:
    from lstm_rl.suites.training import Learner
    from lstm_rl.tasks.task import Task

LINES = {
    "hs1997-reber": "1: embedded Reber grammar, all legal next symbols",
    "hs1997-lag-a": "2a: the first symbol of a fixed sequence again, p steps later",
    "hs1997-lag-b": "2b: the same among random symbols",
    "hs1997-lag-c": "2c: the same at a trigger that comes at random, lags to 1000, p distractors",
    "hs1997-two-sequence-a": "3a: two classes told by the first N of T numbers, all later ones noise",
    "hs1997-two-sequence-b": "3b: noise on the first N, too",
    "hs1997-two-sequence-c": "3c: noise on targets instead",
    "hs1997-adding": "4: the sum of two marked numbers of T",
    "hs1997-multiplication": "5: their product",
    "hs1997-temporal-order-3": "6a: the order of two symbols among 100",
    "hs1997-temporal-order-4": "6b: the order of three",
}
PROTOCOL = """\
Experiments of Hochreiter & Schmidhuber (1997) with the published networks, rates, sequences, stop rules and test sets,
and again with what is named and marked (ours); seeds from {seed}. Weights change by plain gradient descent, or by
RMS-normalised steps, after each sequence (2a and 2b: after each step). Training sequences to the criterion: mean of the
successful runs (smallest - largest). First: published and measured mean to the first of two criteria, in 2c to 99 % of
10,000 right (ours). Wrong: fraction of 2,560 fresh test sequences, mean of the successful runs. Steps: of all runs
together. In brackets after successes: 95 % interval."""


@dataclass(frozen=True)
class Case:
    """One row of a table: what is run, and what is published about it."""

    suite: str
    settings: str
    """The task's, as `--set` takes them."""
    label: str
    """The method's name in the table."""
    sequences: float | None = None
    """Published mean number of training sequences."""
    success: str = "100 %"
    """Published share of successful trials."""
    wrong: float | None = None
    """Published fraction of wrong test sequences."""
    first: float | None = None
    """Published mean number of sequences to the first of two criteria."""
    network: str = "published"
    units: int | None = None
    initial_range: float | None = None
    """None: the published one."""
    gradient: str = "truncated"
    alpha: float | None = None
    """None: the protocol's."""
    descent: str = "plain"
    rms_decay: float | None = None
    """None: .999 of RMS-normalised steps."""
    loss: str = "squared"
    average: int | None = None
    """None: the weights themselves are tested."""
    max_sequences: int | None = None
    """None: the protocol's."""
    runs: int = 1
    """Times the runs asked for: experiment 1 has three pairs of sets."""

    @property
    def task(self) -> "Task":
        """The task with its settings."""
        from lstm_rl.tasks.names import make_task

        return make_task(self.suite, **parse(self.settings))

    @property
    def rate(self) -> float:
        """Learning rate."""
        return self.task.protocol.alpha if self.alpha is None else self.alpha

    @property
    def budget(self) -> int:
        """Sequences at most."""
        return self.task.protocol.max_sequences if self.max_sequences is None else self.max_sequences


def _elman(suite: str, settings: str, units: int, gradient: str, alpha: float, max_sequences: int, **more: Any) -> Case:
    name = {"truncated": "Elman", "bptt": "BPTT", "rtrl": "RTRL"}[gradient]
    published: dict[str, Any] = {"success": ""} | more
    return Case(
        suite,
        settings,
        f"{name}, {units} units",
        network="elman",
        units=units,
        gradient=gradient,
        alpha=alpha,
        max_sequences=max_sequences,
        **published,
    )


def _one_unit(suite: str, p: int, gradient: str, alpha: float, max_sequences: int, **more: Any) -> Case:
    published: dict[str, Any] = {"success": "0 %"} | more
    label = f"{gradient.upper()}, one unit"
    return Case(
        suite,
        f"p={p}",
        label,
        network="one-unit",
        gradient=gradient,
        alpha=alpha,
        max_sequences=max_sequences,
        **published,
    )


def _and_ours(case: Case, how: str, **changes: Any) -> tuple[Case, Case]:
    """A published row, and the same with what we do otherwise (docs/deviations.md)."""
    averaged = ", averaged" if "average" in changes else ""
    return case, replace(case, label=f"LSTM, {how}{averaged} (ours)", **changes)


def _and_rms(case: Case, alpha: float = 0.001, **changes: Any) -> tuple[Case, Case]:
    """The same with RMS-normalised steps."""
    return _and_ours(case, "RMS-normalised", descent="rms", alpha=alpha, **changes)


def _and_cross_entropy(case: Case, **changes: Any) -> tuple[Case, Case]:
    """The same with cross-entropy."""
    return _and_ours(case, "cross-entropy", loss="cross-entropy", **changes)


def _and_shortcuts(case: Case, **changes: Any) -> tuple[Case, Case]:
    """The same with links from inputs to outputs and cross-entropy."""
    return _and_ours(case, "shortcuts, cross-entropy", network="shortcuts", loss="cross-entropy", **changes)


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
_WITHOUT_LINKS = tuple(
    replace(case, label="LSTM without recurrent links (ours)", network="inputs-only", max_sequences=1_000_000)
    for case in _TRIGGERED
)
CASES: tuple[Case, ...] = (
    *_and_shortcuts(Case(_REBER, "blocks=4x1", "LSTM, 264 weights", 39_740, alpha=0.1, runs=3)),
    *_and_shortcuts(Case(_REBER, "blocks=3x2", "LSTM, 276 weights", 21_730, alpha=0.1, runs=3)),
    *_and_shortcuts(Case(_REBER, "blocks=3x2", "LSTM, 276 weights", 14_060, "97 %", alpha=0.2, runs=3)),
    *_and_shortcuts(Case(_REBER, "blocks=4x1", "LSTM, 264 weights", 9_500, "97 %", alpha=0.5, runs=3), alpha=0.15),
    *_and_shortcuts(Case(_REBER, "blocks=3x2", "LSTM, 276 weights", 8_440, alpha=0.5, runs=3), alpha=0.15),
    _elman(_REBER, "blocks=4x1", 3, "rtrl", 0.05, 200_000, sequences=173_000, success="some"),
    _elman(_REBER, "blocks=4x1", 12, "rtrl", 0.1, 200_000, sequences=25_000, success="some"),
    _elman(_REBER, "blocks=4x1", 15, "truncated", 0.1, 200_000, success="0 %"),
    _one_unit(_A, 4, "rtrl", 1.0, 5_000_000, sequences=1_043_000, success="78 %"),
    _one_unit(_A, 4, "rtrl", 4.0, 5_000_000, sequences=892_000, success="56 %"),
    _one_unit(_A, 4, "rtrl", 10.0, 5_000_000, sequences=254_000, success="22 %"),
    _one_unit(_A, 10, "rtrl", 1.0, 1_000_000),
    _one_unit(_A, 100, "rtrl", 1.0, 50_000),
    _one_unit(_A, 100, "bptt", 1.0, 50_000),
    *_and_rms(Case(_A, "p=100", "LSTM", 5_040), alpha=0.003),
    _one_unit(_B, 100, "rtrl", 1.0, 50_000),
    _one_unit(_B, 100, "bptt", 1.0, 50_000),
    *_and_ours(
        Case(_B, "p=100", "LSTM", 5_680),
        "cross-entropy, target at the end alone",
        loss="cross-entropy",
        alpha=0.7,
        settings="p=100 targets=end",
    ),
    *_TRIGGERED,
    *(
        replace(case, label="LSTM, initial ±.005 (ours)", initial_range=0.005, max_sequences=1_000_000)
        for case in _TRIGGERED[:3]
    ),
    *_WITHOUT_LINKS[:-1],
    replace(
        _WITHOUT_LINKS[-1],
        label="LSTM without recurrent links, initial ±.05 (ours)",
        initial_range=0.05,
    ),
    _elman(_C, "p=50 q=50", 4, "bptt", 0.1, 100_000),
    *_and_rms(Case(f"{_TWO}a", "T=100 N=3", "LSTM", 39_850, wrong=0.000195, first=27_380), average=1000),
    *_and_rms(Case(f"{_TWO}a", "T=100 N=1", "LSTM", 64_330, wrong=0.000117, first=58_370), alpha=0.002, average=1000),
    Case(f"{_TWO}a", "T=1000 N=3", "LSTM", 452_460, wrong=0.000078, first=446_850),
    _elman(f"{_TWO}a", "T=100 N=3", 4, "bptt", 0.1, 100_000),
    *_and_rms(Case(f"{_TWO}b", "T=100 N=3", "LSTM", 43_250, wrong=0.00828, first=41_740)),
    *_and_rms(Case(f"{_TWO}b", "T=100 N=1", "LSTM", 78_430, wrong=0.01500, first=74_950), alpha=0.02),
    *_and_rms(
        Case(f"{_TWO}b", "T=1000 N=1", "LSTM", 485_080, wrong=0.01207, first=481_060),
        alpha=0.01,
        rms_decay=0.99,
        average=1000,
        max_sequences=1_000_000,
    ),
    *_and_rms(Case(f"{_TWO}c", "T=100 N=3", "LSTM", 269_650, wrong=0.00558)),
    *_and_rms(Case(f"{_TWO}c", "T=100 N=1", "LSTM", 565_640, wrong=0.00441)),
    *_and_rms(Case(_ADDING, "T=100", "LSTM", 74_000, wrong=1 / 2560), average=1000),
    *_and_rms(Case(_ADDING, "T=500", "LSTM", 209_000, wrong=0.0), average=1000),
    *_and_rms(Case(_ADDING, "T=1000", "LSTM", 853_000, wrong=1 / 2560), average=1000),
    _elman(_ADDING, "T=100", 10, "bptt", 0.1, 100_000),
    *_and_cross_entropy(Case(_PRODUCT, "n_seq=140", "LSTM", 482_000, wrong=139 / 2560), alpha=0.2, average=1000),
    *_and_cross_entropy(Case(_PRODUCT, "n_seq=13", "LSTM", 1_273_000, wrong=14 / 2560), alpha=0.14, average=1000),
    _elman(_PRODUCT, "n_seq=140", 10, "bptt", 0.1, 100_000),
    *_and_cross_entropy(Case(_ORDER_3, "", "LSTM", 31_390, wrong=1 / 2560)),
    _elman(_ORDER_3, "", 10, "bptt", 0.1, 100_000),
    *_and_ours(
        Case(_ORDER_4, "", "LSTM", 571_100, wrong=2 / 2560),
        "RMS-normalised, cross-entropy",
        descent="rms",
        loss="cross-entropy",
        alpha=0.0015,
        average=1000,
    ),
    _elman(_ORDER_4, "", 10, "bptt", 0.1, 100_000),
)


@dataclass(frozen=True)
class Run:
    """One run."""

    suite: str
    settings: str
    network: str
    units: int | None
    initial_range: float | None
    gradient: str
    alpha: float
    descent: str
    rms_decay: float | None
    loss: str
    average: int | None
    max_sequences: int
    seed: int


@dataclass(frozen=True)
class Choice:
    """What somebody wants run instead of the published rows; None: as published."""

    settings: tuple[str, ...] = ()
    network: str | None = None
    units: int | None = None
    initial_range: float | None = None
    gradient: str | None = None
    alpha: float | None = None
    descent: str | None = None
    rms_decay: float | None = None
    loss: str | None = None
    average: int | None = None
    max_sequences: int | None = None


def cases_of(suite: str, choice: Choice) -> tuple[Case, ...]:
    """The rows of a suite, or the one that was chosen.

    Raises:
        ValueError: A choice that cannot be.
    """
    if choice == Choice():
        return tuple(case for case in CASES if case.suite == suite)
    from lstm_rl.suites.training import check_learner

    name = choice.network or "published"
    case = Case(
        suite,
        " ".join(choice.settings),
        "",
        network=name,
        units=choice.units,
        initial_range=choice.initial_range,
        gradient=choice.gradient or default_gradient(name),
        alpha=choice.alpha,
        descent=choice.descent or "plain",
        rms_decay=choice.rms_decay,
        loss=choice.loss or "squared",
        average=choice.average,
        max_sequences=choice.max_sequences,
    )
    task = case.task
    if choice.max_sequences is not None:
        check_int("max-sequences", choice.max_sequences, task.protocol.every)
    check_learner(learner_of(case, task), task)  # before anything is run
    return (case,)


def runs(cases: tuple[Case, ...], options: Options) -> list[Run]:
    """The runs of these rows, seed by seed, so that all rows are there early."""
    limits = [(case, case.rate, case.budget) for case in cases]
    return [
        Run(
            *(case.suite, case.settings, case.network, case.units, case.initial_range),
            *(case.gradient, alpha, case.descent, case.rms_decay),
            *(case.loss, case.average, budget, options.seed + n),
        )
        for n in range(options.runs * max(case.runs for case in cases))
        for case, alpha, budget in limits
        if n < options.runs * case.runs
    ]


def parse(settings: str) -> dict[str, Any]:
    """Settings as keywords: "T=100 N=3" is {"T": 100, "N": 3}; what is no number is a string.

    Raises:
        ValueError: A part without "=".
    """
    values: dict[str, Any] = {}
    for part in settings.split():
        name, equals, text = part.partition("=")
        if not equals:
            raise ValueError(f"set must be name=value, got {part!r}")
        values[name] = int(text) if text.lstrip("-").isdigit() else text
    return values


def learner_of(settings: Case | Run, task: "Task") -> "Learner":
    """Who learns in such a row, or run."""
    from lstm_rl.suites.training import Learner

    alpha = settings.rate if isinstance(settings, Case) else settings.alpha
    return Learner(
        network(task, settings.network, settings.units, settings.initial_range),
        settings.gradient,
        alpha,
        settings.descent,
        settings.rms_decay,
        settings.loss,
        settings.average,
    )


def run(settings: Run, progress: bool = False) -> Row:
    """Train until the task's criteria are met or the budget is used up, then test."""
    import torch

    from lstm_rl.suites.training import train
    from lstm_rl.tasks.names import make_task

    torch.set_num_threads(1)  # one sequence at a time is too little to share: two are up to five times as slow
    task = make_task(settings.suite, **parse(settings.settings))
    learner = learner_of(settings, task)
    worker = current_process().name.rpartition("-")[2]  # each process has a line of its own
    bar = tqdm(
        desc=f"  {settings.settings} {settings.network} seed {settings.seed}".replace("  ", " "),
        unit=" sequences",
        leave=False,
        position=int(worker) if worker.isdigit() else 1,
        disable=not progress,
        delay=2.0,
    )
    with bar:
        return train(task, learner, settings.seed, settings.max_sequences, lambda done: bar.update(done - bar.n))


def study(suite: str, choice: Choice, options: Options) -> Study:
    """A suite's published rows, or one row of somebody's choice.

    Args:
        suite: One of `LINES`.
        choice: See there.
        options: Where and how.

    Raises:
        ValueError: A choice that cannot be.
    """
    planned = runs(cases_of(suite, choice), options)
    protocol = PROTOCOL.format(seed=options.seed)
    return Study(suite, protocol, planned, partial(run, progress=options.progress), markdown, figures, whole=True)
