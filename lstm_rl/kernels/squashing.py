"""Squashing functions, written so that loops over units vectorise without fastmath.

All are one family, y = scale * logistic(gain * v) + offset, whose derivative follows from y. The identity has gain 0
here, as a mark.
"""

from typing import NamedTuple

from lstm_rl.compiled import kernel
from lstm_rl.topology import Squash


class Squashing(NamedTuple):
    """y = scale * logistic(gain * v) + offset; the identity if gain is 0."""

    gain: float
    scale: float
    offset: float
    rate: float  # gain / scale: y' = rate d (scale - d) with d = y - offset


SQUASHINGS: dict[Squash, Squashing] = {
    "identity": Squashing(0.0, 1.0, 0.0, 0.0),
    "logistic": Squashing(1.0, 1.0, 0.0, 1.0),
    "tanh": Squashing(2.0, 2.0, -1.0, 1.0),
    "symmetric1": Squashing(1.0, 2.0, -1.0, 0.5),
    "symmetric2": Squashing(1.0, 4.0, -2.0, 0.25),
}


@kernel
def logistic(v: float) -> float:
    """1 / (1 + exp(-v)) within 2e-14.

    exp(-v) = exp(-v / 256)^256: a short series and eight squarings in double precision. A loop of this vectorises; one
    of the library's exp does not, and takes three times as long.
    """
    v = 80.0 if v > 80.0 else v
    v = -80.0 if v < -80.0 else v  # this order of the branches lets NaN through
    v *= -1.0 / 256.0
    v2 = v * v
    p = ((1.0 + v) + v2 * (1.0 / 2 + v * (1.0 / 6))) + (v2 * v2) * ((1.0 / 24 + v * (1.0 / 120)) + v2 * (1.0 / 720))
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
    """y = f(v)."""
    return v if f.gain == 0.0 else f.scale * logistic(f.gain * v) + f.offset


@kernel
def slope(f: Squashing, y: float) -> float:
    """f'(v) from y = f(v)."""
    if f.gain == 0.0:
        return 1.0
    d = y - f.offset
    return f.rate * d * (f.scale - d)
