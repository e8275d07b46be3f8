"""Real numbers, noise and long lags (Hochreiter & Schmidhuber 1997, experiments 3, 4 and 5).

3   Two sequences: the first N elements tell the class, +1 or -1 (3b: with noise), all later ones are noise of mean
    0 and variance .2; length T .. 1.1 T; the target at the end is 1 or 0 (3c: .2 or .8 with noise of variance .1).
4   Adding: pairs (value in [-1, 1], marker); two values are marked; the target at the end is .5 + (X1 + X2) / 4.
5   Multiplication: the same with values in [0, 1] and the target X1 X2.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_choice, check_int
from lstm_rl.published import PUBLISHED
from lstm_rl.rng import integer, normal, uniform
from lstm_rl.tasks.protocol import Criterion, Protocol
from lstm_rl.tasks.task import Task, sequence_rule
from lstm_rl.topology import Topology

DEVIATION = math.sqrt(0.2)  # the paper gives the variance
TARGET_DEVIATION = math.sqrt(0.1)


@sequence_rule
def _two_sequences(params: Any, generator: Any, x: Any, targets: Any, has_target: Any) -> int:
    least, informative = int(params[0]), int(params[1])
    noisy, deviation = params[2] == 1.0, params[5]
    length = least + integer(generator, 0, x.shape[0] - least + 1)
    first = uniform(generator, 0) < 0.5
    for t in range(length):
        if t < informative:
            x[t, 0] = 1.0 if first else -1.0
        if t >= informative or noisy:
            x[t, 0] += DEVIATION * normal(generator, 0)
    targets[length - 1, 0] = params[3] if first else params[4]
    if deviation > 0.0:
        targets[length - 1, 0] += deviation * normal(generator, 0)
    has_target[length - 1] = True
    return length


@sequence_rule
def _marked_pairs(params: Any, generator: Any, x: Any, targets: Any, has_target: Any) -> int:
    least, product = int(params[0]), params[1] == 1.0
    length = least + integer(generator, 0, x.shape[0] - least + 1)
    for t in range(length):
        x[t, 0] = uniform(generator, 0) if product else 2.0 * uniform(generator, 0) - 1.0
    first = integer(generator, 0, 10)
    second = integer(generator, 0, least // 2 - 2)  # out of the first T / 2 - 1 pairs but the marked one
    second += 1 if second >= first else 0
    x[first, 1] = 1.0
    x[second, 1] = 1.0
    neutral = 1.0 if product else 0.0
    value_1 = neutral if first == 0 else x[first, 0]
    value_2 = neutral if second == 0 else x[second, 0]
    x[0, 1] = -1.0
    x[length - 1, 1] = -1.0
    targets[length - 1, 0] = value_1 * value_2 if product else 0.5 + (value_1 + value_2) / 4.0
    has_target[length - 1] = True
    return length


@dataclass(frozen=True)
class TwoSequenceProblem(Task):
    """Experiments 3a, 3b and 3c.

    Raises:
        ValueError: A setting is out of its range.
    """

    T: int = 100
    """Shortest length, >= 10."""
    N: int = 3
    """Elements >= 1 that tell the class, fewer than T."""
    variant: Literal["a", "b", "c"] = "a"
    """a: N clean elements; b: noise on them, too; c: clean ones and noisy targets."""
    exact_targets: bool = False
    """c without noise on targets, as it is tested."""
    rule = _two_sequences
    inputs = 1
    outputs = 1

    def __post_init__(self) -> None:
        check_int("T", self.T, 10)
        check_choice("variant", self.variant, ("a", "b", "c"))
        if check_int("N", self.N, 1) >= self.T:
            raise ValueError(f"N must be below T = {self.T}, got {self.N}")

    @property
    def name(self) -> str:  # type: ignore[override]
        """As in the tables."""
        return f"hs1997-two-sequence-{self.variant}"

    @property
    def max_length(self) -> int:
        """L = 1.1 T."""
        return self.T + self.T // 10

    @property
    def params(self) -> NDArray[np.float64]:
        """T, N, noise on the first elements, targets of the classes, deviation of their noise."""
        noisy = self.variant == "c"
        deviation = TARGET_DEVIATION if noisy and not self.exact_targets else 0.0
        return np.array([self.T, self.N, self.variant == "b", *((0.2, 0.8) if noisy else (1.0, 0.0)), deviation])

    @property
    def topology(self) -> Topology:
        """102 weights."""
        return PUBLISHED["hs1997-two-sequence"]

    @property
    def protocol(self) -> Protocol:
        """256 test sequences: a none wrong, b fewer than 6, then mean error below .01, .04; c both at once, .015."""
        if self.variant == "c":
            return Protocol(0.1, (Criterion(256, 0, 0.015),), 0.1, "test", every=1000)
        wrong, mean_error = (0, 0.01) if self.variant == "a" else (5, 0.04)
        return Protocol(1.0, (Criterion(256, wrong), Criterion(256, wrong, mean_error)), 0.2, "test", every=1000)

    @property
    def test_task(self) -> Task:
        """Without noise on targets."""
        return replace(self, exact_targets=True)


@dataclass(frozen=True)
class AddingProblem(Task):
    """Experiment 4.

    Raises:
        ValueError: A setting is out of its range.
    """

    T: int = 100
    """Shortest length, >= 22, so that ten pairs and one more can be marked."""
    name = "hs1997-adding"
    rule = _marked_pairs
    inputs = 2
    outputs = 1
    _product = False

    def __post_init__(self) -> None:
        check_int("T", self.T, 22)

    @property
    def max_length(self) -> int:
        """L = 1.1 T."""
        return self.T + self.T // 10

    @property
    def params(self) -> NDArray[np.float64]:
        """T, and whether marked values are multiplied."""
        return np.array([self.T, self._product], np.float64)

    @property
    def topology(self) -> Topology:
        """93 weights."""
        return PUBLISHED[self.name]

    @property
    def protocol(self) -> Protocol:
        """The 2,000 most recent sequences right, mean error below .01; budget (ours)."""
        return Protocol(0.5, (Criterion(2000, mean_error=0.01),), 0.04, max_sequences=2_000_000)


@dataclass(frozen=True)
class MultiplicationProblem(AddingProblem):
    """Experiment 5."""

    n_seq: int = 140
    """Training stops once fewer of the 2,000 most recent sequences are wrong: 140 or 13 in the paper."""
    name = "hs1997-multiplication"
    _product = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_int("n_seq", self.n_seq, 1)

    @property
    def protocol(self) -> Protocol:
        """Fewer than n_seq of the 2,000 most recent sequences wrong."""
        return Protocol(0.1, (Criterion(2000, self.n_seq - 1),), 0.04)
