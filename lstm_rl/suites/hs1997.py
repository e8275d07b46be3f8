"""The experiments of Hochreiter & Schmidhuber (1997), Long short-term memory, Neural Computation 9: 1 to 6."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from multiprocessing import current_process
from typing import TYPE_CHECKING

from tqdm import tqdm

from lstm_rl.checks import check_int
from lstm_rl.studies.engine import Options, Row, Study
from lstm_rl.suites.case import Case, Method, Run, parse
from lstm_rl.suites.hs1997_cases import CASES
from lstm_rl.suites.networks import network
from lstm_rl.suites.table import figures, markdown

if TYPE_CHECKING:
    from lstm_rl.suites.learner import Learner
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
together. In brackets after successes: 95 % interval. Guessing: all weights of an Elman net from U[-100, 100] anew in
each trial, until one meets the last criterion on fresh sequences; trials stand in the place of sequences."""


def cases_of(suite: str, settings: str, method: Method) -> tuple[Case, ...]:
    """The rows of a suite, or the one that was chosen.

    Raises:
        ValueError: A choice that cannot be.
    """
    if not settings and method == Method():
        return tuple(case for case in CASES if case.suite == suite)
    from lstm_rl.suites.learner import check_learner

    case = Case(suite, settings, "", method=method)
    task = case.task
    if method.max_sequences is not None:
        check_int("max-sequences", method.max_sequences, task.protocol.every)
    check_learner(learner_of(case.run(0), task), task)  # before anything is run
    return (case,)


def runs(cases: Sequence[Case], options: Options) -> list[Run]:
    """The runs of these rows, seed by seed, so that all rows are there early."""
    firsts = [(case, case.run(options.seed)) for case in cases]
    return [
        replace(first, seed=options.seed + n)
        for n in range(options.runs * max(case.runs for case in cases))
        for case, first in firsts
        if n < options.runs * case.runs
    ]


def learner_of(settings: Run, task: "Task") -> "Learner":
    """Who learns in such a run."""
    from lstm_rl.suites.learner import Learner

    return Learner(
        network(task, settings.network, settings.units, settings.initial_range),
        settings.gradient,
        settings.alpha,
        settings.descent,
        settings.rms_decay,
        settings.loss,
        settings.average,
    )


def run(settings: Run, progress: bool = False) -> Row:
    """Train, or guess, until the task's criteria are met or the budget is used up, then test."""
    import torch

    from lstm_rl.suites.guessed import guess
    from lstm_rl.suites.training import train
    from lstm_rl.tasks.names import make_task

    torch.set_num_threads(1)  # one sequence at a time is too little to share: two are up to five times as slow
    task = make_task(settings.suite, **parse(settings.settings))
    learner = learner_of(settings, task)
    worker = current_process().name.rpartition("-")[2]  # each process has a line of its own
    bar = tqdm(
        desc=f"  {settings.settings} {settings.network} seed {settings.seed}".replace("  ", " "),
        unit=" trials" if settings.gradient == "guess" else " sequences",
        leave=False,
        position=int(worker) if worker.isdigit() else 1,
        disable=not progress,
        delay=2.0,
    )
    with bar:
        do = guess if settings.gradient == "guess" else train
        return do(task, learner, settings.seed, settings.max_sequences, lambda done: bar.update(done - bar.n))


def study(suite: str, settings: str, method: Method, options: Options) -> Study:
    """A suite's published rows, or one row of somebody's choice.

    Args:
        suite: One of `LINES`.
        settings: Of the task, as "T=100 N=3"; "" for its own, or, with an empty method, for all published rows.
        method: Instead of what is published.
        options: Where and how.

    Raises:
        ValueError: A choice that cannot be.
    """
    planned = runs(cases_of(suite, settings, method), options)
    protocol = PROTOCOL.format(seed=options.seed)
    return Study(suite, protocol, planned, partial(run, progress=options.progress), markdown, figures, whole=True)
