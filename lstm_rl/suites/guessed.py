"""Random weight guessing in the place of learning: for any network with kernels, on any sequence task.

    all weights w ~ U[-100, 100], anew for each trial, until the last criterion of the task's protocol is met

A trial ends with the sequence that is one wrong too many, which is mostly the first. What is solved within some
thousands of trials is no test of memory. `guessing` does the same for parity, 248 guesses side by side.

Source: Schmidhuber, Hochreiter & Bengio, "Evaluating benchmark problems by random guessing" (2001).
Dimensions: M sources, U units, V output sources, K outputs, S strings, T steps.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from lstm_rl.compiled import compiled, flushed, kernel
from lstm_rl.kernels.approximator import Update
from lstm_rl.kernels.supervised import learn_sequence
from lstm_rl.rng import uniform
from lstm_rl.studies.engine import Row
from lstm_rl.suites.judges import STILL, Legal, make_judge, wrong_strings
from lstm_rl.suites.learner import Learner, check_learner, make_approximator
from lstm_rl.tasks.streaming import Source, make_source, next_sequence
from lstm_rl.tasks.task import Task

SPAN = 100.0  # weights are uniform in +- this
PIECE = 1000  # trials between two reports


def guess(task: Task, learner: Learner, seed: int, max_trials: int, report: Callable[[int], None]) -> Row:
    """Guess until the last criterion is met or the budget is used up, then test.

    Args:
        task: What.
        learner: Whose network; its gradient is "guess".
        seed: Of weights and sequences.
        max_trials: Budget.
        report: Is told the number of trials so far, now and then.

    Returns:
        As `lstm_rl.suites.training.train` does, trials in the place of sequences.

    Raises:
        ValueError: The task cannot be guessed so.
    """
    check_learner(learner, task)
    protocol, rngs = task.protocol, [np.random.default_rng([seed, k]) for k in range(4)]
    judge, criterion = make_judge(task, rngs[2]), protocol.criteria[-1]
    approximator = make_approximator(learner, rngs[0], task)
    mask: Any = learner.network.mask  # type: ignore[union-attr]
    generator: Any = rngs[0].integers(2**64, size=1, dtype=np.uint64)
    source = make_source(task.tested, rngs[1])
    trials, steps, solved = 0, 0, False
    began = time.perf_counter()
    with flushed():
        while not solved and trials < max_trials:
            count = min(PIECE, max_trials - trials)
            if isinstance(judge, Legal):
                strings = (judge.x, judge.legal, judge.lengths)
                count, more, solved = _guess_strings(approximator, mask, generator, *strings, criterion.wrong, count)
            else:
                limits = (criterion.sequences, criterion.wrong, criterion.mean_error, protocol.tolerance)
                count, more, solved = _guess(
                    approximator, mask, generator, source, STILL, protocol.at_end, *limits, count
                )
            trials, steps = trials + count, steps + more
            report(trials)
    seconds = time.perf_counter() - began
    result: Row = {"success": solved, "sequences": trials, "first": None} | judge.result(approximator, rngs[3])
    return result | {"steps": steps, "seconds": round(seconds, 2)}


@kernel
def draw_weights(approximator: Any, mask: Any, generator: Any) -> None:
    """All weights (M, U) and (V, K) of an approximator anew, in +-100; those that its mask lacks are 0."""
    hidden, output = approximator.weights.hidden, approximator.weights.output
    for m in range(hidden.shape[0]):
        for i in range(hidden.shape[1]):
            hidden[m, i] = SPAN * (2.0 * uniform(generator, 0) - 1.0) if mask[m, i] else 0.0
    for m in range(output.shape[0]):
        for k in range(output.shape[1]):
            output[m, k] = SPAN * (2.0 * uniform(generator, 0) - 1.0)


@compiled
def _guess(
    approximator: Any,
    mask: Any,
    generator: Any,
    source: Source,
    still: Update,
    at_end: bool,
    sequences: int,
    allowed: int,
    mean_error: float,
    tolerance: float,
    trials: int,
) -> tuple[int, int, bool]:
    """Return (trials, steps, solved): ``sequences`` fresh ones, of which as many as ``allowed`` may be wrong."""
    steps, length = 0, source.x.shape[0]
    for trial in range(trials):
        draw_weights(approximator, mask, generator)
        seen, wrong, total = 0, 0, 0.0
        while seen < sequences and wrong <= allowed:
            length = next_sequence(source, length)
            x, targets, has_target = source.x[:length], source.targets[:length], source.has_target[:length]
            largest, last, _ = learn_sequence(
                approximator, x, targets, has_target, still, False, 2.0, source.errors, source.row
            )
            error = last if at_end else largest
            wrong += 0 if error < tolerance else 1
            total += error
            seen += 1
            steps += length
        if wrong <= allowed and total < mean_error * sequences:
            return trial + 1, steps, True
    return trials, steps, False


@compiled
def _guess_strings(
    approximator: Any, mask: Any, generator: Any, x: Any, legal: Any, lengths: Any, allowed: int, trials: int
) -> tuple[int, int, bool]:
    """The same for strings x (S, T, I) and what is legal in them (S, T, K)."""
    steps = 0
    for trial in range(trials):
        draw_weights(approximator, mask, generator)
        wrong, more = wrong_strings(approximator, x, legal, lengths, allowed)
        steps += more
        if wrong <= allowed:
            return trial + 1, steps, True
    return trials, steps, False
