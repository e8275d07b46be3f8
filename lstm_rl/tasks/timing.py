"""Precise timing (Gers, Schraudolph & Schmidhuber 2002): intervals to measure or to make, and periodic functions.

    MSD, NMSD  spikes come F + I(n) steps after one another; at each spike I(n) is to be told, elsewhere nothing
    GTS        I(n) is told where an interval begins; a spike is to be made at its end, F + I(n) steps long, else 0
    PFG        nothing is told; a function of time with period F is to be made

A sequence is one interval, or one period, or several of them; I(n) is drawn from a set, each value as likely.
"""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_choice, check_float, check_int
from lstm_rl.compiled import kernel
from lstm_rl.published import PUBLISHED
from lstm_rl.rng import integer
from lstm_rl.tasks.protocol import Protocol, Stream
from lstm_rl.tasks.task import Task, sequence_rule
from lstm_rl.topology import Topology

Function = Literal["cosine", "triangle", "rectangle"]
FUNCTIONS: tuple[str, ...] = get_args(Function)
LARGEST = 10  # of I(n), as in the paper
FREE_RUN = 1_000_000  # intervals or periods of the last test stream (ours); a tenth where they are drawn


@sequence_rule
def _measured(params: Any, generator: Any, x: Any, targets: Any, has_target: Any) -> int:
    strings, least, t = int(params[0]), int(params[1]), 0
    for _ in range(strings):
        extra = params[2 + integer(generator, 0, params.shape[0] - 2)]
        t += least + int(extra)
        x[t - 1, 0] = 1.0
        targets[t - 1, 0] = extra
        has_target[t - 1] = True
    return t


@sequence_rule
def _generated(params: Any, generator: Any, x: Any, targets: Any, has_target: Any) -> int:
    strings, least, t = int(params[0]), int(params[1]), 0
    for _ in range(strings):
        extra = params[2 + integer(generator, 0, params.shape[0] - 2)]
        x[t, 0] = extra
        t += least + int(extra)
        targets[t - 1, 0] = 1.0
    has_target[:t] = True
    return t


@kernel
def wave(function: int, period: int, t: int) -> float:
    """Value at step ``t`` of the cosine (0), triangle (1) or rectangle (2), from 0 to 1."""
    phase = (t % period) / period
    if function == 0:
        return float(0.5 * (1.0 - np.cos(2.0 * np.pi * phase)))
    if function == 1:
        return 2.0 * min(phase, 1.0 - phase)
    return 1.0 if phase > 0.5 else 0.0


@sequence_rule
def _periods(params: Any, generator: Any, x: Any, targets: Any, has_target: Any) -> int:
    period, function = int(params[1]), int(params[2])
    length = int(params[0]) * period
    for t in range(length):
        targets[t, 0] = wave(function, period, t + 1)
    has_target[:length] = True
    return length


@dataclass(frozen=True)
class Timing(Task):
    """What all tasks of timing share."""

    F: int = 10
    """Steps of the shortest interval, or of a period, >= 2; 10 .. 50 in the paper."""
    strings: int = 10
    """Intervals, or periods, in a sequence, >= 1, for batches and episodes; streams draw theirs one by one."""
    tested: int = 1000
    """Intervals, or periods, that a test stream has to be right for, >= 1."""
    inputs = 1
    outputs = 1

    def __post_init__(self) -> None:
        check_int("F", self.F, 2)
        check_int("strings", self.strings, 1)
        check_int("tested", self.tested, 1)

    @property
    @abstractmethod
    def momentum(self) -> float:
        """The published momentum of the task, in [0, 1)."""

    @property
    def draws(self) -> bool:
        """Whether there is anything random."""
        return False

    @property
    def classes(self) -> int:
        """Discrete answers 0, 1, ..; 0: answers are numbers."""
        return 0

    @property
    def topology(self) -> Topology:
        """The published network, 17 weights."""
        return PUBLISHED["gers2002-timing"]

    @property
    def protocol(self) -> Protocol:
        """Test streams of ``tested`` intervals without an error, after training streams of 100; 10^9 steps (ours).

        There are ten of them where intervals are drawn (ours), one where each would be the same.
        """
        tests, free_run = (10, FREE_RUN // 10) if self.draws else (1, FREE_RUN)
        stream = Stream(100, tests, 1_000_000_000, self.tested, free_run, whole=True)
        return Protocol(
            1e-5, (), 0.49, momentum=self.momentum, each_step=True, every=1, max_sequences=10**7, stream=stream
        )


@dataclass(frozen=True)
class SpikeDelays(Timing):
    """Measuring spike delays, MSD: spikes in a row, and how late each is.

    Raises:
        ValueError: A setting is out of its range.
    """

    I: int | tuple[int, ...] = (0, 1)  # noqa: E741 - its name in the paper
    """Steps by which intervals are longer than F, one or several out of 0 .. 10; each is as likely."""
    name = "gers2002-msd"
    rule = _measured
    momentum = 0.9999

    def __post_init__(self) -> None:
        super().__post_init__()
        for extra in self.extras:
            check_int("I", extra, 0, LARGEST)
        if len(set(self.extras)) < len(self.extras) or not self.extras:
            raise ValueError(f"I must be one or several different numbers, got {self.I!r}")

    @property
    def extras(self) -> tuple[int, ...]:
        """All values of I."""
        return self.I if isinstance(self.I, tuple) else (self.I,)

    @property
    def draws(self) -> bool:
        """Whether intervals differ."""
        return len(self.extras) > 1

    @property
    def classes(self) -> int:
        """Values up to the largest of I."""
        return max(*self.extras, 1) + 1

    @property
    def max_length(self) -> int:
        """Steps of the longest sequence."""
        return self.strings * (self.F + max(self.extras))

    @property
    def params(self) -> NDArray[np.float64]:
        """Intervals, F and all values of I."""
        return np.array([self.strings, self.F, *self.extras], np.float64)

    @property
    def topology(self) -> Topology:
        """A linear output where I has values above 1."""
        return PUBLISHED["gers2002-timing-linear" if max(self.extras) > 1 else "gers2002-timing"]


@dataclass(frozen=True)
class SingleSpikeDelays(SpikeDelays):
    """NMSD: the same, but the network is put to rest after each spike, so that a sequence is one interval."""

    strings: int = 1
    """Always 1."""
    name = "gers2002-nmsd"
    momentum = 0.99

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.strings != 1:
            raise ValueError(f"strings must be 1 in {self.name}, got {self.strings}")

    @property
    def protocol(self) -> Protocol:
        """The same with a reset after each interval."""
        protocol = super().protocol
        assert protocol.stream is not None
        return replace(protocol, stream=protocol.stream._replace(reset=True))


@dataclass(frozen=True)
class TimedSpikes(SpikeDelays):
    """Generating timed spikes, GTS.

    Raises:
        ValueError: A setting is out of its range.
    """

    I: int | tuple[int, ...] = 0  # noqa: E741
    """As in MSD; 0 alone: nothing is told."""
    name = "gers2002-gts"
    rule = _generated
    momentum = 0.999
    classes = 2
    topology = PUBLISHED["gers2002-timing"]


@dataclass(frozen=True)
class PeriodicFunction(Timing):
    """Generating a periodic function, PFG.

    Raises:
        ValueError: A setting is out of its range.
    """

    function: Function = "cosine"
    """.5 (1 - cos), a triangle, or a rectangle that is 1 in the second half of a period; all from 0 to 1."""
    tolerance: float = 0.3
    """Error of the output, in (0, .5], at which an answer is wrong, which ends training and test streams; .3, and .15
    in one of the paper's runs."""
    name = "gers2002-pfg"
    rule = _periods
    momentum = 0.99
    topology = PUBLISHED["gers2002-timing-linear"]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("function", self.function, FUNCTIONS)
        check_float("tolerance", self.tolerance, 0.0, 0.5, open_low=True)

    @property
    def max_length(self) -> int:
        """Steps of a sequence."""
        return self.strings * self.F

    @property
    def params(self) -> NDArray[np.float64]:
        """Periods, F and the function's number."""
        return np.array([self.strings, self.F, FUNCTIONS.index(self.function)], np.float64)

    @property
    def protocol(self) -> Protocol:
        """Outputs must be off by less than ``tolerance``."""
        return replace(super().protocol, tolerance=self.tolerance)
