"""A task's sequences straight into a streaming learner, compiled: generated, learned and forgotten, one by one.

Dimensions: N sequences, L steps of the longest, I inputs, K outputs.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.compiled import compiled, kernel
from lstm_rl.kernels.approximator import Update
from lstm_rl.kernels.supervised import learn_sequence
from lstm_rl.tasks.task import Task, one_hot, sequence_at


class Source(NamedTuple):
    """A task's rule, its random numbers, and room for one sequence; save ``generator`` and nothing is lost."""

    address: int
    params: NDArray[np.float64]  # (P,)
    generator: NDArray[np.uint64]  # (1,)
    x: NDArray[np.float64]  # (L, I), or of symbols (L, 1)
    targets: NDArray[np.float64]  # (L, K)
    has_target: NDArray[np.bool_]  # (L,)
    errors: NDArray[np.float64]  # (K,) scratch
    row: NDArray[np.float64]  # (I,) scratch


class SequenceErrors(NamedTuple):
    """Errors of N sequences, each before the weights changed by it."""

    largest: NDArray[np.float64]  # (N,) absolute error of an output
    last: NDArray[np.float64]  # (N,) the same, at the last step with a target
    squares: NDArray[np.float64]  # (N,) sum of squared errors
    lengths: NDArray[np.int64]  # (N,)


def make_source(task: Task, rng: np.random.Generator) -> Source:
    """A task's sequences, beginning anywhere in its random numbers."""
    length, outputs = task.max_length, task.outputs
    return Source(
        task.rule.address,
        task.params,
        rng.integers(2**64, size=1, dtype=np.uint64),
        np.zeros((length, task.width)),
        np.zeros((length, outputs)),
        np.zeros(length, np.bool_),
        np.zeros(outputs),
        np.zeros(task.inputs),
    )


def rows_of(source: Source, length: int) -> NDArray[np.float64]:
    """The inputs (T, I) of the sequence that a source holds, for Python."""
    x, inputs = source.x[:length], len(source.row)
    return x if x.shape[1] == inputs else one_hot(x[:, None], np.array([length]), inputs)[:, 0]


def make_errors(sequences: int) -> SequenceErrors:
    """Room for the errors of N sequences."""
    largest, last, squares = np.zeros((3, sequences))
    return SequenceErrors(largest, last, squares, np.zeros(sequences, np.int64))


@kernel
def next_sequence(source: Source, stale: int) -> int:
    """Draw a sequence into the source's room, whose first ``stale`` rows hold another one; return its length."""
    source.x[:stale] = 0.0
    source.targets[:stale] = 0.0
    source.has_target[:stale] = False
    length: int = sequence_at(source.address)(
        source.params, source.generator, source.x, source.targets, source.has_target
    )
    return length


@compiled
def draw(source: Source, stale: int) -> int:
    """`next_sequence` for Python."""
    length: int = next_sequence(source, stale)
    return length


@compiled
def learn_task(
    approximator: Any, source: Source, update: Update, each_step: bool, power: float, seen: SequenceErrors
) -> None:
    """Learn as many new sequences as ``seen`` has room for.

    Args:
        approximator: See `lstm_rl.kernels.approximator`; its stream 0 is used.
        source: Where sequences come from.
        update: How weights change, with error 1; learning rate 0: nothing is learned.
        each_step: Change the weights after each step that has a target instead of once, at a sequence's end.
        power: Of the errors in the loss, > 1; 2: squared error.
        seen: Is filled.
    """
    length = source.x.shape[0]
    for n in range(seen.largest.shape[0]):
        length = next_sequence(source, length)
        largest, last, squares = learn_sequence(
            approximator,
            source.x[:length],
            source.targets[:length],
            source.has_target[:length],
            update,
            each_step,
            power,
            source.errors,
            source.row,
        )
        seen.largest[n] = largest
        seen.last[n] = last
        seen.squares[n] = squares
        seen.lengths[n] = length
