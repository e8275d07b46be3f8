"""Temporal order of distant signals (Hochreiter & Schmidhuber 1997, experiments 6a and 6b; with noise, 2000).

One-hot E, B, a, b, c, d, X, Y. A sequence begins with E, ends with the trigger B, and has a random length from 100 to
110; all between is drawn from a .. d, but for two (6a) or three (6b) places with X or Y. Their order is the class, in
binary order with X before Y, and the target at the end.

Gers, Schmidhuber & Cummins (2000) call 6b noisy temporal order, give it a network with forget gates, and then string
its sequences together without marks between them: continual noisy temporal order.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_float, check_int
from lstm_rl.compiled import kernel
from lstm_rl.published import PUBLISHED
from lstm_rl.rng import integer, uniform
from lstm_rl.tasks.protocol import Criterion, Protocol, Stream
from lstm_rl.tasks.task import Task, sequence_rule
from lstm_rl.topology import Topology

SYMBOLS = "EBabcdXY"
PLACES = {2: ((10, 20), (50, 60)), 3: ((10, 20), (33, 43), (66, 76))}  # first and last steps


@kernel
def _add_sequence(params: Any, generator: Any, x: Any, targets: Any, has_target: Any) -> int:
    """Write a sequence; return its length."""
    length, kind = 100 + integer(generator, 0, 11), 0
    x[0, 0] = 0
    for t in range(1, length - 1):
        x[t, 0] = 2 + integer(generator, 0, 4)
    for k in range(params.shape[0] // 2):
        first, last = int(params[2 * k]), int(params[2 * k + 1])
        t = first + integer(generator, 0, last - first + 1)
        is_y = uniform(generator, 0) < 0.5
        x[t, 0] = 7 if is_y else 6
        kind = 2 * kind + (1 if is_y else 0)
    x[length - 1, 0] = 1
    targets[length - 1, kind] = 1.0
    has_target[length - 1] = True
    return length


@sequence_rule
def _order(params: Any, generator: Any, x: Any, targets: Any, has_target: Any) -> int:
    return _add_sequence(params, generator, x, targets, has_target)


@sequence_rule
def _orders(params: Any, generator: Any, x: Any, targets: Any, has_target: Any) -> int:
    t = 0
    for _ in range(int(params[0])):
        t += _add_sequence(params[1:], generator, x[t:], targets[t:], has_target[t:])
    return t


@dataclass(frozen=True)
class TemporalOrder(Task):
    """Experiments 6a and 6b.

    Raises:
        ValueError: Another number of signals.
    """

    signals: int = 2
    """2 (6a, four classes) or 3 (6b, eight)."""
    rule = _order
    one_hot_inputs = True
    inputs = 8
    max_length = 110

    def __post_init__(self) -> None:
        if check_int("signals", self.signals, 2) > 3:
            raise ValueError(f"signals must be 2 or 3, got {self.signals}")

    @property
    def name(self) -> str:  # type: ignore[override]
        """As in the tables."""
        return f"hs1997-temporal-order-{self.signals + 1}"

    @property
    def outputs(self) -> int:
        """K = 4 or 8."""
        return int(2**self.signals)

    @property
    def params(self) -> NDArray[np.float64]:
        """First and last places of each signal."""
        return np.array(PLACES[self.signals], np.float64).ravel()

    @property
    def topology(self) -> Topology:
        """156 or 308 weights."""
        return PUBLISHED[self.name]

    @property
    def protocol(self) -> Protocol:
        """The 2,000 most recent sequences right, mean error below .1; budget (ours)."""
        learning_rate, budget = (0.5, 5_000_000) if self.signals == 2 else (0.1, 2_000_000)
        return Protocol(learning_rate, (Criterion(2000, mean_error=0.1),), 0.3, max_sequences=budget)


@dataclass(frozen=True)
class NoisyTemporalOrder(TemporalOrder):
    """Experiment 6b again, with the network of 2000 and an update at each target.

    Raises:
        ValueError: A bias that is no number, or another number of signals.
    """

    signals: int = 3
    """Always 3, eight classes."""
    forget_bias: float = 5.0
    """Initial bias of all forget gates: 5 or 1 in the paper."""
    name = "gers2000-nto"

    def __post_init__(self) -> None:
        if self.signals != 3:
            raise ValueError(f"signals must be 3 in {self.name}, got {self.signals}")
        check_float("forget_bias", self.forget_bias)

    @property
    def topology(self) -> Topology:
        """468 weights."""
        return replace(PUBLISHED["gers2000-cnto"], forget_gate_bias=self.forget_bias)

    @property
    def protocol(self) -> Protocol:
        """As in 6b."""
        return Protocol(0.1, (Criterion(2000, mean_error=0.1),), 0.3, max_sequences=2_000_000)


@dataclass(frozen=True)
class ContinualTemporalOrder(NoisyTemporalOrder):
    """Its sequences in a row.

    Raises:
        ValueError: A bias that is no number, another number of signals, or no sequences.
    """

    strings: int = 10
    """Sequences in a row in one of ours, >= 1, for batches and episodes; streams draw theirs one by one."""
    name = "gers2000-cnto"
    rule = _orders

    def __post_init__(self) -> None:
        super().__post_init__()
        check_int("strings", self.strings, 1)

    @property
    def max_length(self) -> int:  # type: ignore[override]
        """L."""
        return 110 * self.strings

    @property
    def params(self) -> NDArray[np.float64]:
        """Sequences, and first and last places of each signal."""
        return np.append(float(self.strings), super().params)

    @property
    def protocol(self) -> Protocol:
        """Ten test streams of 100 sequences without a wrong answer, within 100,000 training streams."""
        return Protocol(0.1, (), 0.3, each_step=True, every=1, max_sequences=100_000, stream=Stream(100))
