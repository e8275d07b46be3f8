"""The neural history compressor: an automatiser A, and a chunker C that sees only what A did not expect.

Schmidhuber, "Neural sequence chunkers" (1991) and "Learning complex, extended sequences using the principle of history
compression" (Neural Computation 4, 1992): two recurrent networks that collapse a hierarchy of predictors into one. At
each step t, with x(t) the input, d(t) the targets (the next symbol, and perhaps more) and o joining vectors,

    d_A o q_A = A's outputs after its step with x(t)
    if max_k |d_k(t) - d_A,k| >= threshold:
        C learns from d(t) - d_C, where d_C is what it put out after the last surprise
        C makes a step with the input d(t), which leaves its hidden units at h_C and its outputs at d_C
    A learns from d(t) - d_A and from (h_C o d_C) - q_A

So C lives in a shorter time, in which what is far apart for A may be neighbours; and A is told at every step what C
keeps in mind. C never feeds A: A is the whole system once it has learned. The first symbol after a reset is a surprise,
too. How much of h_C o d_C A is to imitate follows from its number of outputs: all in 1992, h_C in 1997.

Both networks learn on line, by an update after each `accumulate_gradient`, with whatever gradient their approximators
carry: published is backpropagation three steps back, in C's time for C.

(ours) The threshold on the largest error of an output; A's input does not hold the targets of the step before; one
learning rate for both networks.

Dimensions: N sequences, L steps of the longest, I inputs of A, K targets, inputs of C and outputs of C, H hidden units
of C, K_A outputs of A: K + H + K, K + H, or K if it learns alone.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.compiled import compiled, kernel
from lstm_rl.kernels.approximator import Sgd, Update, accumulate_gradient, forward, reset, update_weights
from lstm_rl.kernels.supervised import largest_error, one_hot_row
from lstm_rl.tasks.streaming import Source, next_sequence

EVERY = 100  # sequences between two checks of the goal
TEST_SEQUENCES = 1_000  # for the automatiser alone


class Rules(NamedTuple):
    """What is a surprise, and what the task is like."""

    threshold: float  # (0, 1): the largest error of an output that is still expected
    resets: bool  # both networks are put to rest before each sequence; else sequences are one endless stream
    final: int  # the last outputs, so many, have a target at a sequence's last step only


class Goal(NamedTuple):
    """When a task counts as learned: so many successive sequences without a larger error of A while it learns."""

    sequences: int
    limit: float
    at_end: bool  # only the errors at a sequence's end count, of its final outputs


class Scratch(NamedTuple):
    """Room for one step, and whether the stream has begun."""

    errors: NDArray[np.float64]  # (K_A,) of A
    chunker_errors: NDArray[np.float64]  # (K,) of C
    event: NDArray[np.float64]  # (K,) input of C
    begun: NDArray[np.bool_]  # (1,)


class Outcome(NamedTuple):
    """What came of N sequences: largest absolute errors, each before its own step of the weights."""

    everywhere: NDArray[np.float64]  # (N,) of A's K outputs at all steps
    at_end: NDArray[np.float64]  # (N,) of A's final outputs, or all K if there are none, at the last step
    chunker_at_end: NDArray[np.float64]  # (N,) the same of what C predicted at the last surprise
    surprises: NDArray[np.int64]  # (N,) steps of C, without the one at the beginning


def make_scratch(outputs: int, targets: int) -> Scratch:
    """For an automatiser with so many outputs (K_A) and so many targets (K)."""
    return Scratch(np.zeros(outputs), np.zeros(targets), np.zeros(targets), np.zeros(1, np.bool_))


def make_outcome(sequences: int) -> Outcome:
    """Room for what N sequences come to."""
    everywhere, at_end, chunker_at_end = np.zeros((3, sequences))
    return Outcome(everywhere, at_end, chunker_at_end, np.zeros(sequences, np.int64))


class Result(NamedTuple):
    """What came of a run."""

    success: bool
    sequences: int  # before the window of success; all of them without success
    chunker_sequences: int | None  # before C's first such window, at sequences' ends; None: there is none
    largest_error: float  # of A alone, with frozen weights, on `TEST_SEQUENCES` fresh sequences, where the goal looks
    steps: int  # of training, in A's time


def train(
    automatiser: Any,
    chunker: Any,
    source: Source,
    learning_rate: float,
    rules: Rules,
    goal: Goal,
    max_sequences: int,
    report: Callable[[int], object],
) -> Result:
    """Train until the goal is reached or the budget is used up, then cut C off and test A.

    Args:
        automatiser: As in `learn_stream`.
        chunker: As in `learn_stream`.
        source: Where sequences come from.
        learning_rate: Of both, > 0.
        rules: See `Rules`.
        goal: See `Goal`.
        max_sequences: Budget.
        report: Is told the number of sequences so far, now and then.
    """
    update, no_update = Update(Sgd(), learning_rate, 1.0), Update(Sgd(), 0.0, 1.0)
    scratch = make_scratch(automatiser.outputs.shape[1], source.targets.shape[1])
    outcome, tested = make_outcome(EVERY), make_outcome(TEST_SEQUENCES)
    window, chunker_window = Window(goal), Window(goal)
    done = 0
    while window.reached is None and done + EVERY <= max_sequences:
        learn_stream(automatiser, chunker, source, update, rules, scratch, outcome)
        window.add(outcome.at_end if goal.at_end else outcome.everywhere)
        if chunker is not None:
            chunker_window.add(outcome.chunker_at_end)
        done += EVERY
        report(done)
    learn_stream(automatiser, None, source, no_update, rules, scratch, tested)
    largest = float((tested.at_end if goal.at_end else tested.everywhere).max())
    sequences = done if window.reached is None else window.reached
    return Result(window.reached is not None, sequences, chunker_window.reached, largest, done * source.x.shape[0])


class Window:
    """Finds the first so many successive sequences whose errors are all below the goal's limit."""

    def __init__(self, goal: Goal) -> None:
        self.goal, self.seen, self.good = goal, 0, 0
        self.reached: int | None = None
        """Sequences before the window."""

    def add(self, errors: NDArray[np.float64]) -> None:
        """Take note of the errors (N,) of the next sequences."""
        for error in errors:
            self.seen += 1
            self.good = self.good + 1 if error < self.goal.limit else 0
            if self.reached is None and self.good == self.goal.sequences:
                self.reached = self.seen - self.good


@compiled
def learn_stream(
    automatiser: Any,
    chunker: Any,
    source: Source,
    update: Update,
    rules: Rules,
    scratch: Scratch,
    outcome: Outcome,
) -> None:
    """Learn as many new sequences as ``outcome`` has room for; every step of them must have a target.

    Args:
        automatiser: A, an approximator (see `lstm_rl.kernels.approximator`); its stream 0 is used.
        chunker: C, one of a network that has only ordinary hidden units; None: A learns alone, which is plain on-line
            learning of the targets.
        source: Where sequences come from.
        update: How the weights of both networks change, with error 1; learning rate 0: nothing is learned.
        rules: See `Rules`.
        scratch: Fresh for each stream.
        outcome: Is filled.
    """
    errors, targets, x = scratch.errors, source.targets, source.x
    all_targets = targets.shape[1]
    first_final = all_targets - rules.final if rules.final > 0 else 0
    learns = update.learning_rate > 0.0
    for n in range(outcome.at_end.shape[0]):
        length = next_sequence(source, x.shape[0])
        if rules.resets or not scratch.begun[0]:
            scratch.begun[0] = True
            reset(automatiser, 0)
            if chunker is not None:
                reset(chunker, 0)
                one_hot_row(x, 0, source.row)
                _perceive(chunker, source.row, scratch.event)
        outcome.everywhere[n] = 0.0
        outcome.surprises[n] = 0
        for t in range(length):
            last = t == length - 1
            given = all_targets if last else all_targets - rules.final
            one_hot_row(x, t, source.row)
            _forward(automatiser, source.row)
            _differences(targets[t], automatiser.outputs[0], given, errors)
            error = largest_error(errors, 0, given)
            outcome.everywhere[n] = max(outcome.everywhere[n], error)
            if last:
                outcome.at_end[n] = largest_error(errors, first_final, all_targets)
            if chunker is not None:
                _differences(targets[t], chunker.outputs[0], given, scratch.chunker_errors)
                if last:
                    outcome.chunker_at_end[n] = largest_error(scratch.chunker_errors, first_final, all_targets)
                if error >= rules.threshold:
                    outcome.surprises[n] += 1
                    if learns:
                        _learn(chunker, scratch.chunker_errors, update)
                    _perceive(chunker, targets[t], scratch.event)
                _imitate(automatiser.outputs[0], chunker.streams.y[0], chunker.outputs[0], all_targets, errors)
            if learns:
                _learn(automatiser, errors, update)


@kernel
def _perceive(chunker: Any, what: Any, event: Any) -> None:
    """C's step with the input ``what``, which may be shorter than its input: the first symbol has no final targets."""
    for k in range(event.shape[0]):
        event[k] = what[k] if k < what.shape[0] else 0.0
    _forward(chunker, event)


@compiled  # not a kernel, nor is the next: inlined at every call they would take half a minute to compile
def _forward(approximator: Any, x: Any) -> None:
    """A step with the input x (I,)."""
    forward(approximator, 0, x)


@compiled
def _learn(approximator: Any, errors: Any, update: Update) -> None:
    """A step of the weights by the errors of all outputs, which are used up."""
    accumulate_gradient(approximator, 0, errors)
    update_weights(approximator, 0, update, 0.0)


@kernel
def _differences(targets: Any, outputs: Any, given: int, errors: Any) -> None:
    """Errors (K or more) of the first ``given`` outputs; those that have no target get 0."""
    for k in range(errors.shape[0]):
        errors[k] = targets[k] - outputs[k] if k < given else 0.0


@kernel
def _imitate(outputs: Any, hidden: Any, predicted: Any, start: int, errors: Any) -> None:
    """Errors of A's outputs from ``start`` on, which predict C's hidden units (H,), then C's outputs (K,)."""
    for k in range(start, errors.shape[0]):
        j = k - start
        errors[k] = (hidden[j] if j < hidden.shape[0] else predicted[j - hidden.shape[0]]) - outputs[k]
