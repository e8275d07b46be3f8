"""How far one network counts: a^n b^n c^n, learned on n <= 10, then on fewer and longer strings, tested beyond 10^9.

A counter drifts by n times the difference of what a cell gains per letter up and loses per letter down. In strings of n
letters the last outputs depend on it n times: so the filter finds it n times as precisely, each stage from weights that
are right for shorter strings, with standard deviations as small as 1 / n. There are targets at the ends of runs only:
millions of equal letters between them say nothing new, and would make the filter sure of everything.

All of it is (ours); the longest published count is that of a net of Perez-Ortiz, Gers, Eck & Schmidhuber (2003).
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from lstm_rl.checks import check_int
from lstm_rl.compiled import flushed
from lstm_rl.experiments.engine import Report
from lstm_rl.experiments.protocols.accepted_strings import frozen
from lstm_rl.experiments.protocols.sequence_learner import learn, make_learner, make_update
from lstm_rl.experiments.protocols.sequence_run import SequenceRun
from lstm_rl.kernels.approximator import Kalman, Update
from lstm_rl.kernels.kalman import make_dekf
from lstm_rl.tasks.acceptance import accepts
from lstm_rl.tasks.languages import FormalLanguage
from lstm_rl.tasks.leaps import accepts_by_leaps
from lstm_rl.tasks.streaming import make_errors, make_source

STAGES = {10: 4000, 100: 50, 1000: 20, 10_000: 10, 100_000: 10, 1_000_000: 10}
"""Largest count of a stage: strings in it; after the first, counts are at least a tenth of the largest."""
ENDS = 3
NOISE = 1e-4
"""Variance of targets in stages after the first, where weights are held not to drift (q > 0 says next to nothing)."""


@dataclass(frozen=True, kw_only=True)
class LongestCount:
    """One net."""

    seed: int = 101
    """Of initial weights and training strings."""
    trained: int = 1_000_000
    """Largest count of the last stage, one of `STAGES`."""
    powers: int = 44
    """Tested are 2^k - 1, 2^k and 2^k + 1 for k up to this, by leaps."""
    tested: int = 1_000_000_000
    """Tested step by step besides, if it is below the first that is not accepted."""


def check(settings: LongestCount) -> None:
    """Check that a run can be done.

    Raises:
        ValueError: It cannot.
    """
    if settings.trained not in STAGES:
        raise ValueError(f"trained must be one of {', '.join(map(str, STAGES))}, got {settings.trained}")
    check_int("powers", settings.powers, 0)
    check_int("tested", settings.tested, 1)


def train(settings: LongestCount) -> tuple[Any, FormalLanguage, int, int]:
    """A net after all stages, its task, and the strings and steps of training."""
    run = SequenceRun(task="gers2001-anbncn", network="open-gates", initial_range=0.01, optimizer="kalman").resolved()
    update, sequences, steps = make_update(run), 0, 0
    task, learner = FormalLanguage("anbncn"), None
    for stage, (high, strings) in enumerate(STAGES.items()):
        if high > settings.trained:
            break
        low = 1 if learner is None else max(1, high // 10)
        task = FormalLanguage("anbncn", low, high, high, ends=None if learner is None else ENDS)
        if learner is None:
            learner = make_learner(run, task, np.random.default_rng([settings.seed, 0]))
        else:
            learner = make_dekf(task.topology, learner.weights, (0.1 / high) ** 2)
            update = Update(Kalman((NOISE, NOISE), (1e-30, 1e-30)), 1.0, 1.0)
        seen = make_errors(strings)
        learn(learner, make_source(task, np.random.default_rng([settings.seed, 1 + stage])), update, True, seen)
        sequences, steps = sequences + strings, steps + int(seen.lengths.sum())
    return learner, task, sequences, steps


def counts(settings: LongestCount) -> list[int]:
    """All n that are tested by leaps, in this order."""
    return sorted({2**k + d for k in range(settings.powers + 1) for d in (-1, 0, 1)} - {0})


def run(settings: LongestCount, report: Report) -> dict[str, Any]:
    """Train one net, then test it until it is wrong.

    Returns:
        success: ``tested`` was accepted step by step; sequences: training strings; longest: the last count accepted
        before the first that was not; step_by_step: ``tested``, 0 if it was not accepted so; steps and seconds of
        training.
    """
    began, longest = time.perf_counter(), 0
    with flushed():
        learner, task, sequences, steps = train(settings)
    seconds = time.perf_counter() - began
    network, memory = frozen(learner, task), np.zeros((4, 8))
    for n in counts(settings):
        if not accepts_by_leaps(network, task.runs.runs, n, memory):
            break
        longest = n
    n = settings.tested if settings.tested < longest else 0
    report(n)
    success = n > 0 and bool(accepts(network, *task.runs, n, n, np.zeros(task.inputs)))
    result = {"success": success, "sequences": sequences, "longest": longest, "step_by_step": n if success else 0}
    return result | {"steps": steps, "seconds": round(seconds, 2)}
