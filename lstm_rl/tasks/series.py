"""Time series to be predicted (Gers, Eck & Schmidhuber 2001): the Mackey-Glass equation and a chaotic laser.

A sequence is a stretch of one part of a series, with the value ``horizon`` steps later as the target
of each step. Values are in units of the training part: its mean is 0, its standard deviation 1. A network
sees x(t) alone, or also earlier values, see ``lags``.

The laser is data set A of the Santa Fe competition (Weigend & Gershenfeld 1994), as it comes with reservoirpy.
"""

import warnings
from abc import abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_choice, check_int, needs_extra
from lstm_rl.published import PUBLISHED
from lstm_rl.rng import integer
from lstm_rl.tasks.mackey_glass import mackey_glass
from lstm_rl.tasks.protocol import Protocol
from lstm_rl.tasks.task import Task, sequence_rule
from lstm_rl.topology import Topology

Part = Literal["training", "validation", "test"]


class Series(NamedTuple):
    """A series in units of its training part, which comes first, then validation and test."""

    values: NDArray[np.float64]  # (N,)
    training: int  # values[:training]
    validation: int  # values[training:validation]; the rest is the test

    def part(self, name: Part) -> slice:
        """Where the values of a part are."""
        ends = {"training": (0, self.training), "validation": (self.training, self.validation)}
        return slice(*ends.get(name, (self.validation, len(self.values))))


@cache
def mackey_glass_series(tau: int, points: int) -> Series:
    """``points`` values for training, then 1,000 each for validation and test, with delay ``tau``."""
    return _in_units(mackey_glass(points + 2000, tau), points, points + 1000)


@cache
def laser_series() -> Series:
    """900 values for training and 100 for validation, the 1,000 of the competition, then 9,093 for the test.

    Raises:
        ValueError: reservoirpy is missing.
    """
    datasets = load_reservoirpy("the laser").datasets
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # reservoirpy 0.4.2 leaves the file open
        values = datasets.santafe_laser()[:, 0].astype(np.float64)
    return _in_units(values, 900, 1000)


def _in_units(values: NDArray[np.float64], training: int, validation: int) -> Series:
    scaled = (values - values[:training].mean()) / values[:training].std()
    scaled.flags.writeable = False  # it is shared
    return Series(scaled, training, validation)


def load_reservoirpy(what: str) -> Any:
    """The package reservoirpy with its parts.

    Raises:
        ValueError: It is missing.
    """
    try:
        import reservoirpy.datasets
        import reservoirpy.nodes
    except ImportError:
        raise ValueError(needs_extra(what, "reservoirpy", "series")) from None
    return reservoirpy


def windows(values: NDArray[np.float64], lags: tuple[int, ...]) -> NDArray[np.float64]:
    """Values (N, I) at each lag before each step of values (N,); before the start, the first value."""
    at = np.arange(len(values))[:, None] - np.array(lags)
    seen: NDArray[np.float64] = values[at.clip(min=0)]
    return seen


@sequence_rule
def _stretch(params: Any, generator: Any, x: Any, targets: Any, has_target: Any) -> int:
    """params: horizon, washout, number of lags, the lags, then the values of the part."""
    horizon, washout, lags = int(params[0]), int(params[1]), int(params[2])
    length: int = x.shape[0]
    values = 3 + lags
    span = int(params[values - 1])  # lags are in ascending order
    first = values + span + integer(generator, 0, params.shape[0] - values - span - horizon - length + 1)
    for t in range(length):
        for i in range(lags):
            x[t, i] = params[first + t - int(params[3 + i])]
        targets[t, 0] = params[first + t + horizon]
        has_target[t] = t >= washout
    return length


@dataclass(frozen=True)
class SeriesTask(Task):
    """What the series have in common.

    Raises:
        ValueError: A setting is out of its range.
    """

    horizon: int = 1
    """Steps >= 1 from an input to its target."""
    length: int | None = None
    """Steps of a sequence; None: as many as the part has."""
    washout: int = 0
    """Steps >= 0 at a sequence's start without a target, fewer than its length."""
    lags: tuple[int, ...] = (0,)
    """What is seen: x(t - lag) for each lag >= 0, in ascending order."""
    part: Part = "training"
    """Part of the series that sequences are taken from."""
    rule = _stretch
    outputs = 1

    def __post_init__(self) -> None:
        check_int("horizon", self.horizon, 1)
        check_int("washout", self.washout, 0)
        check_choice("part", self.part, ("training", "validation", "test"))
        lags = self.lags
        if not lags or min(lags) < 0 or tuple(sorted(set(lags))) != tuple(lags):
            raise ValueError(f"lags must be whole numbers >= 0 in ascending order, got {lags!r}")
        if self.length is not None:
            check_int("length", self.length, 1)
        part = self.series.part(self.part)
        room = part.stop - part.start - self.horizon - lags[-1]
        if not self.washout < self.max_length <= room:
            raise ValueError(
                f"length must be above washout = {self.washout} and at most {room}, the values of the {self.part} part "
                f"less horizon and longest lag, got {self.max_length}"
            )

    @property
    @abstractmethod
    def series(self) -> Series:
        """The whole series."""

    @property
    def inputs(self) -> int:
        """I, the number of lags."""
        return len(self.lags)

    @property
    def max_length(self) -> int:
        """All sequences are equally long."""
        part = self.series.part(self.part)
        return part.stop - part.start - self.horizon - self.lags[-1] if self.length is None else self.length

    @property
    def params(self) -> NDArray[np.float64]:
        """Horizon, washout, lags, and the part's values."""
        constants = [self.horizon, self.washout, len(self.lags), *self.lags]
        return np.concatenate([constants, self.series.values[self.series.part(self.part)]])

    @property
    def topology(self) -> Topology:
        """The published network, 98 weights, for one lag."""
        return PUBLISHED["gers2001-series"]

    @property
    def protocol(self) -> Protocol:
        """Steps of gradient descent after each value (ours); there is no criterion but the error."""
        return Protocol(learning_rate=0.01, tolerance=0.1, criteria=(), each_step=True)


@dataclass(frozen=True)
class MackeyGlass(SeriesTask):
    """The Mackey-Glass series.

    Raises:
        ValueError: A setting is out of its range.
    """

    tau: int = 17
    """Delay >= 1: 17 or 30 in the papers."""
    points: int = 3000
    """Values >= 100 for training; 1,000 each for validation and test follow."""
    name = "series-mackey-glass"

    def __post_init__(self) -> None:
        check_int("tau", self.tau, 1)
        check_int("points", self.points, 100)
        super().__post_init__()

    @property
    def series(self) -> Series:
        """The series with this delay."""
        return mackey_glass_series(self.tau, self.points)


@dataclass(frozen=True)
class Laser(SeriesTask):
    """The laser of the Santa Fe competition; needs the extra series.

    Raises:
        ValueError: A setting is out of its range, or reservoirpy is missing.
    """

    name = "series-laser"

    @property
    def series(self) -> Series:
        """All 10,093 values."""
        return laser_series()
