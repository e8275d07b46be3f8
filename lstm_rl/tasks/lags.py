"""Long time lags with many distractors (Hochreiter & Schmidhuber 1997, experiments 2a, 2b and 2c).

2a  p + 1 symbols: y, a1 .. a_{p-1}, y or x, a1 .. a_{p-1}, x with probability .5 each; predict the next symbol at every
    step. No local regularity is needed, only the first symbol tells the last one.
2b  The same, but between them p - 1 symbols drawn at random from a1 .. a_{p-1}; targets at all steps, or at the end.
2c  Symbols a1 .. ap, e (trigger), b (begin), x, y. b, then x or y, then q random a's, then again and again another a
    with probability 9/10 or e with 1/10; after e the x or y is to be told again, and only there is a target.

Symbols are one-hot: 2a and 2b a1 .. a_{p-1}, y, x; 2c a1 .. ap, e, b, x, y, with outputs x, y.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_choice, check_int
from lstm_rl.published import hs1997_lag_a, hs1997_lag_c
from lstm_rl.rng import integer, uniform
from lstm_rl.tasks.protocol import Criterion, Protocol
from lstm_rl.tasks.task import Task, sequence_rule
from lstm_rl.topology import Topology


@sequence_rule
def _lag(params: Any, generator: Any, x: Any, targets: Any, has_target: Any) -> int:
    p, random = int(params[0]), params[1] == 1.0
    signal = p - 1 if uniform(generator, 0) < 0.5 else p
    x[0, 0] = signal
    for t in range(1, p):
        symbol = integer(generator, 0, p - 1) if random else t - 1
        x[t, 0] = symbol
        targets[t - 1, symbol] = 1.0
    targets[p - 1, signal] = 1.0
    for t in range(p - 1 if params[2] == 1.0 else 0, p):
        has_target[t] = True
    return p


@sequence_rule
def _trigger(params: Any, generator: Any, x: Any, targets: Any, has_target: Any) -> int:
    p, q, longest = int(params[0]), int(params[1]), x.shape[0]
    signal = 0 if uniform(generator, 0) < 0.5 else 1
    x[0, 0] = p + 1
    x[1, 0] = p + 2 + signal
    for t in range(2, q + 2):
        x[t, 0] = integer(generator, 0, p)
    t = q + 2
    while t < longest - 1 and uniform(generator, 0) < 0.9:
        x[t, 0] = integer(generator, 0, p)
        t += 1
    x[t, 0] = p
    targets[t, signal] = 1.0
    has_target[t] = True
    return t + 1


@dataclass(frozen=True)
class LagTask(Task):
    """Experiment 2a, noise-free.

    Raises:
        ValueError: A setting is out of its range.
    """

    p: int = 100
    """Lag >= 2."""
    name = "hs1997-lag-a"
    rule = _lag
    one_hot_inputs = True

    def __post_init__(self) -> None:
        check_int("p", self.p, 2)

    @property
    def inputs(self) -> int:
        """I = p + 1."""
        return self.p + 1

    @property
    def outputs(self) -> int:
        """K = p + 1."""
        return self.p + 1

    @property
    def max_length(self) -> int:
        """L = p."""
        return self.p

    @property
    def params(self) -> NDArray[np.float64]:
        """Lag, whether what is between is random, and whether the last step alone has a target."""
        return np.array([self.p, 0.0, 0.0])

    @property
    def topology(self) -> Topology:
        """10504 weights for p = 100; cell inputs in [-1, 1] (ours): in [0, 1] they add up to what rate 1 fails at."""
        return replace(hs1997_lag_a(self.p), cell_input="symmetric1")

    @property
    def protocol(self) -> Protocol:
        """10,000 successive sequences without an error of .25; weights change each step, budget (ours)."""
        return Protocol(
            1.0, (Criterion(10_000),), 0.25, each_step=True, grows=True, window_counts=False, max_sequences=150_000
        )


@dataclass(frozen=True)
class RandomLagTask(LagTask):
    """Experiment 2b: what is between is random, and only the last prediction can be right.

    Raises:
        ValueError: A setting is out of its range.
    """

    targets: str = "all"
    """all: the next symbol at every step, as in the paper; end: at the last one alone (ours)."""
    name = "hs1997-lag-b"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("targets", self.targets, ("all", "end"))

    @property
    def params(self) -> NDArray[np.float64]:
        """As 2a."""
        return np.array([self.p, 1.0, self.targets == "end"])

    @property
    def topology(self) -> Topology:
        """As 2a; with a target at the end alone cell inputs are in [0, 1], as published."""
        return hs1997_lag_a(self.p) if self.targets == "end" else super().topology

    @property
    def protocol(self) -> Protocol:
        """As 2a, but only the last prediction counts."""
        return replace(super().protocol, at_end=True, max_sequences=50_000)


@dataclass(frozen=True)
class TriggerLagTask(Task):
    """Experiment 2c: long lags of random length.

    Raises:
        ValueError: A setting is out of its range.
    """

    p: int = 50
    """Distractor symbols >= 1."""
    q: int = 50
    """Distractors at least between the signal and the trigger, >= 1."""
    name = "hs1997-lag-c"
    rule = _trigger
    one_hot_inputs = True
    outputs = 2

    def __post_init__(self) -> None:
        check_int("p", self.p, 1)
        check_int("q", self.q, 1)

    @property
    def inputs(self) -> int:
        """I = p + 4."""
        return self.p + 4

    @property
    def max_length(self) -> int:
        """L: sequences end there (ours); one in 10^13 would go on."""
        return self.q + 300

    @property
    def params(self) -> NDArray[np.float64]:
        """Symbols, lag."""
        return np.array([self.p, self.q], np.float64)

    @property
    def topology(self) -> Topology:
        """364 to 6064 weights for p = 50 to 1000."""
        return hs1997_lag_c(self.p)

    @property
    def protocol(self) -> Protocol:
        """10,000 successive sequences without an error of .2; before, as an aside, 99 % of them; budget (ours)."""
        criteria, steps = (Criterion(10_000, 100), Criterion(10_000)), 300_000_000
        return Protocol(0.01, criteria, 0.2, window_counts=False, max_sequences=steps // (self.q + 14))
