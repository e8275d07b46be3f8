"""Parity of a long string of bits (Schmidhuber, Hochreiter & Bengio 2001, after Bengio et al. 1994).

Bits come one by one as +1 (1) and -1 (0); the target at the last one is 1 if the number of ones is odd, else 0. Every
bit counts: flipping any of them flips the answer. Noise, if any, is added to all inputs, uniform in +- ``noise``.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_float, check_int
from lstm_rl.published import PUBLISHED
from lstm_rl.rng import integer, uniform
from lstm_rl.tasks.protocol import Criterion, Protocol
from lstm_rl.tasks.task import Task, sequence_rule
from lstm_rl.topology import Topology


@sequence_rule
def _parity(params: Any, generator: Any, x: Any, targets: Any, has_target: Any) -> int:
    shortest, noise = int(params[0]), params[1]
    length = shortest + integer(generator, 0, x.shape[0] - shortest + 1)
    odd = False
    for t in range(length):
        one = uniform(generator, 0) < 0.5
        odd = odd != one
        x[t, 0] = 1.0 if one else -1.0
        if noise > 0.0:
            x[t, 0] += noise * (2.0 * uniform(generator, 0) - 1.0)
    targets[length - 1, 0] = 1.0 if odd else 0.0
    has_target[length - 1] = True
    return length


@dataclass(frozen=True)
class Parity(Task):
    """Odd or even number of ones.

    Raises:
        ValueError: A setting is out of its range.
    """

    min_length: int = 500
    """Bits of the shortest sequence, >= 1."""
    max_length: int = 600
    """L, bits of the longest sequence, >= min_length; lengths are uniform."""
    noise: float = 0.0
    """Half the range of the noise on inputs, in [0, 1]; published: 0 and .2."""
    name = "parity"
    rule = _parity
    inputs = 1
    outputs = 1

    def __post_init__(self) -> None:
        check_int("min_length", self.min_length, 1)
        check_int("max_length", self.max_length, self.min_length)
        check_float("noise", self.noise, 0.0, 1.0)

    @property
    def params(self) -> NDArray[np.float64]:
        """Shortest length, noise."""
        return np.array([self.min_length, self.noise], np.float64)

    @property
    def protocol(self) -> Protocol:
        """The published tolerance; the rest is (ours)."""
        return Protocol(0.1, (Criterion(2000),), 0.1)

    @property
    def topology(self) -> Topology:
        """Two blocks of two cells (ours): no LSTM network was published."""
        return replace(PUBLISHED["two-blocks"], inputs=1, outputs=1)
