"""What a sequence task is: one compiled rule that fills a sequence, and what surrounds it.

    rule(params, generator, x, targets, has_target) -> T

    params      (P,)  float64   the task's constants
    generator   (1,)  uint64    its random numbers, see `lstm_rl.rng`
    x           (L, I) float64  becomes the inputs of a new sequence, rows T .. L - 1 are not touched; of a task with
                                one-hot inputs (L, 1), the numbers of its symbols
    targets     (L, K) float64  becomes the targets where there are any
    has_target  (L,)  bool      becomes true at steps with a target
    T                 int64     the sequence's length, 1 .. L; step T has a target

The arrays come in filled with 0 and false. The streaming trainer calls the rule from compiled code, `Task.batch` and
`Task.sequences` call it for anybody's own model: one seed means the same sequences everywhere.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from lstm_rl.checks import check_int
from lstm_rl.compiled import compiled, rule_type
from lstm_rl.tasks.protocol import Criterion, Protocol
from lstm_rl.topology import Topology

sequence_rule, sequence_at = rule_type(
    types.int64(types.float64[::1], types.uint64[::1], types.float64[:, ::1], types.float64[:, ::1], types.boolean[::1])
)


class Sequence(NamedTuple):
    """One sequence of T steps."""

    x: NDArray[np.float64]  # (T, I)
    targets: NDArray[np.float64]  # (T, K), 0 where there is no target
    has_target: NDArray[np.bool_]  # (T,)


class Batch(NamedTuple):
    """B sequences side by side, time-major; each ends with its last target, after which all is 0 and false."""

    x: NDArray[np.float64]  # (T, B, I)
    targets: NDArray[np.float64]  # (T, B, K)
    has_target: NDArray[np.bool_]  # (T, B)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Steps of each sequence (B,)."""
        return np.asarray(len(self.has_target) - self.has_target[::-1].argmax(0))


class Task(ABC):
    """A task with its settings: subclasses are frozen dataclasses of settings that say how sequences are made."""

    name: str
    """As in the tables: hs1997-..."""
    rule: Any
    """Compiled with `sequence_rule`."""
    one_hot_inputs: bool = False
    """Whether inputs are one-hot: the rule writes a symbol's number, 0 .. I - 1, in the place of a row."""

    @property
    @abstractmethod
    def inputs(self) -> int:
        """I."""

    @property
    def width(self) -> int:
        """Numbers per step that the rule writes."""
        return 1 if self.one_hot_inputs else self.inputs

    @property
    @abstractmethod
    def outputs(self) -> int:
        """K."""

    @property
    def judged(self) -> int:
        """In streams: how many of the outputs, the first ones, decide whether an answer is right; all."""
        return self.outputs

    @property
    @abstractmethod
    def max_length(self) -> int:
        """L, steps of the longest sequence."""

    @property
    @abstractmethod
    def params(self) -> NDArray[np.float64]:
        """Constants for the rule, (P,)."""

    @property
    @abstractmethod
    def topology(self) -> Topology:
        """The published network."""

    @property
    def protocol(self) -> Protocol:
        """The published one; ours, this one, where nothing is published."""
        return Protocol(learning_rate=0.1, tolerance=0.3, criteria=(Criterion(2000),))

    @property
    def test_task(self) -> "Task":
        """What it is tested on: itself, or without the noise that only training has."""
        return self

    def batch(self, size: int, rng: np.random.Generator) -> Batch:
        """Draw sequences.

        Args:
            size: B >= 1.
            rng: Where its randomness comes from.
        """
        check_int("size", size, 1)
        shape, generator = (size, self.max_length), rng.integers(2**64, size=1, dtype=np.uint64)
        x: Any = np.zeros((*shape, self.width))
        targets: Any = np.zeros((*shape, self.outputs))
        has_target: Any = np.zeros(shape, np.bool_)
        lengths = np.zeros(size, np.int64)
        _fill(self.rule.address, self.params, generator, x, targets, has_target, lengths)
        end = int(lengths.max())
        x, targets, has_target = (array[:, :end].swapaxes(0, 1).copy() for array in (x, targets, has_target))
        return Batch(one_hot(x, lengths, self.inputs) if self.one_hot_inputs else x, targets, has_target)

    def sequences(self, rng: np.random.Generator) -> Iterator[Sequence]:
        """Draw sequences without end, one after the other."""
        while True:
            x, targets, has_target = self.batch(1, rng)
            yield Sequence(x[:, 0], targets[:, 0], has_target[:, 0])


@compiled
def _fill(address: int, params: Any, generator: Any, x: Any, targets: Any, has_target: Any, lengths: Any) -> None:
    """Fill x (B, L, I), targets (B, L, K), has_target (B, L) and lengths (B,)."""
    for i in range(lengths.shape[0]):
        lengths[i] = sequence_at(address)(params, generator, x[i], targets[i], has_target[i])


def one_hot(x: NDArray[np.float64], lengths: NDArray[np.int64], inputs: int) -> NDArray[np.float64]:
    """Symbols' numbers x (T, B, 1) as rows (T, B, I), which are 0 after each sequence's end; lengths (B,)."""
    t, n = np.nonzero(np.arange(len(x))[:, None] < lengths)
    rows = np.zeros((*x.shape[:2], inputs))
    rows[t, n, x[t, n, 0].astype(np.int64)] = 1.0
    return rows
