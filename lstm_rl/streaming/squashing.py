"""Squashing functions, written so that loops over units vectorise without fastmath.

All are one family, y = scale * logistic(gain * v) + offset; the derivative follows from y:
y' = gain * scale * p (1 - p) with p = (y - offset) / scale. The identity has gain 0 here, as a mark.
"""

from typing import NamedTuple

from lstm_rl.compiled import kernel
from lstm_rl.topology import Squash


class Squashing(NamedTuple):
    """y = scale * logistic(gain * v) + offset; the identity if gain is 0."""

    gain: float
    scale: float
    offset: float


SQUASHINGS: dict[Squash, Squashing] = {
    "identity": Squashing(0.0, 1.0, 0.0),
    "logistic": Squashing(1.0, 1.0, 0.0),
    "tanh": Squashing(2.0, 2.0, -1.0),
    "symmetric1": Squashing(1.0, 2.0, -1.0),
    "symmetric2": Squashing(1.0, 4.0, -2.0),
}


@kernel
def logistic(v: float) -> float:
    """1 / (1 + exp(-v)) within 2e-14.

    exp(-v) = exp(-v / 1024)^1024: a short series and ten squarings in double precision. A loop of this vectorises; one
    of the library's exp does not, and takes three times as long.
    """
    v = 80.0 if v > 80.0 else v
    v = -80.0 if v < -80.0 else v  # this order of the branches lets NaN through
    v *= -1.0 / 1024.0
    p = 1.0 + v * (1.0 + v * (1.0 / 2 + v * (1.0 / 6 + v * (1.0 / 24 + v * (1.0 / 120 + v * (1.0 / 720))))))
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    p *= p
    return 1.0 / (1.0 + p)


@kernel
def squash(f: Squashing, v: float) -> float:
    """Y = f(v)."""
    return v if f.gain == 0.0 else f.scale * logistic(f.gain * v) + f.offset


@kernel
def slope(f: Squashing, y: float) -> float:
    """f'(v) from y = f(v)."""
    if f.gain == 0.0:
        return 1.0
    p = (y - f.offset) / f.scale
    return f.gain * f.scale * p * (1.0 - p)
