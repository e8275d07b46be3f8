"""Random weight guessing in place of learning, for any network with kernels on any sequence task.

    all weights w ~ U[-100, 100], anew for each trial, until the last criterion of the task's protocol is met

A trial ends as soon as too many sequences are wrong, mostly with the first one. A task that is solved within some
thousands of trials is no test of memory. `lane_guessing` does the same for small nets, 248 guesses side by side.

Source: Schmidhuber, Hochreiter & Bengio, "Evaluating benchmark problems by random guessing" (2001).
Dimensions: M sources, U units, V output sources, K outputs, S strings, T steps.
"""

import time
from typing import Any

import numpy as np

from lstm_rl.compiled import compiled, flushed, kernel
from lstm_rl.experiments.engine import Report
from lstm_rl.experiments.protocols.sequence_learner import make_learner, no_update
from lstm_rl.experiments.protocols.sequence_run import SequenceRun, check
from lstm_rl.experiments.protocols.stopping_rules import LegalSymbols, make_rule, wrong_strings
from lstm_rl.experiments.protocols.task_networks import make_network
from lstm_rl.kernels.approximator import Update
from lstm_rl.kernels.supervised import learn_sequence
from lstm_rl.rng import uniform
from lstm_rl.tasks.streaming import Source, make_source, next_sequence
from lstm_rl.topology import Topology

SPAN = 100.0  # weights are uniform in +- this
TRIALS_PER_REPORT = 1000


def guess(run: SequenceRun, report: Report) -> dict[str, Any]:
    """Guess until the last criterion is met or the budget is used up, then test.

    Args:
        run: Task and network; its gradient is "guess".
        report: Is told the number of trials so far, now and then.

    Returns:
        As `sequence_training.train` does, trials in the place of sequences.

    Raises:
        ValueError: The task cannot be guessed so.
    """
    check(run)
    run, task = run.resolved(), run.make_task()
    protocol, rngs = task.protocol, [np.random.default_rng([run.seed, k]) for k in range(4)]
    rule, criterion = make_rule(task, rngs[2]), protocol.criteria[-1]
    approximator = make_learner(run, task, rngs[0])
    topology = make_network(task, str(run.network), run.units, run.initial_range)
    assert isinstance(topology, Topology)
    generator: Any = rngs[0].integers(2**64, size=1, dtype=np.uint64)
    source, max_trials = make_source(task.test_task, rngs[1]), int(run.max_sequences or 0)
    trials, steps, solved = 0, 0, False
    began = time.perf_counter()
    with flushed():
        while not solved and trials < max_trials:
            count = min(TRIALS_PER_REPORT, max_trials - trials)
            if isinstance(rule, LegalSymbols):
                strings = (rule.x, rule.legal, rule.lengths)
                count, more, solved = _guess_strings(
                    approximator, topology.mask, generator, *strings, criterion.wrong, count
                )
            else:
                limits = (criterion.sequences, criterion.wrong, criterion.mean_error, protocol.tolerance)
                count, more, solved = _guess(
                    approximator,
                    topology.mask,
                    generator,
                    source,
                    no_update(approximator),
                    protocol.at_end,
                    *limits,
                    count,
                )
            trials, steps = trials + count, steps + more
            report(trials)
    seconds = time.perf_counter() - began
    tested: dict[str, Any] = rule.result(approximator, rngs[3])
    result = {"success": solved, "sequences": trials, "first": None} | tested
    return result | {"steps": steps, "seconds": round(seconds, 2)}


@kernel
def draw_weights(approximator: Any, mask: Any, generator: Any) -> None:
    """All weights (M, U) and (V, K) of an approximator anew, in +-100; those that do not exist are 0."""
    there, hidden, output = approximator.net.output_mask, approximator.weights.hidden, approximator.weights.output
    for m in range(hidden.shape[0]):
        for i in range(hidden.shape[1]):
            hidden[m, i] = SPAN * (2.0 * uniform(generator, 0) - 1.0) if mask[m, i] else 0.0
    for m in range(output.shape[0]):
        for k in range(output.shape[1]):
            output[m, k] = SPAN * (2.0 * uniform(generator, 0) - 1.0) if there[m, k] else 0.0


@compiled
def redraw(approximator: Any, mask: Any, generator: Any) -> None:
    """`draw_weights` for Python."""
    draw_weights(approximator, mask, generator)


@compiled
def _guess(
    approximator: Any,
    mask: Any,
    generator: Any,
    source: Source,
    no_update: Update,
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
                approximator, x, targets, has_target, no_update, False, 2.0, source.errors, source.row
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
