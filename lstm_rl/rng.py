"""Random numbers in compiled code: splitmix64 (Steele, Lea & Flood 2014), whose whole state is a number in an array.

So saving an array saves the generator, and streams with a row each do not disturb one another.
"""

import math
from typing import Any

import numpy as np

from lstm_rl.compiled import kernel


@kernel
def mixed(counter: Any) -> Any:
    """The uint64 random number that belongs to a uint64 counter."""
    z = (counter ^ (counter >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel
def uniform(generator: Any, i: int) -> float:
    """The next uniform number in [0, 1) of row ``i``'s generator (n,) uint64."""
    generator[i] += np.uint64(0x9E3779B97F4A7C15)
    return np.float64(mixed(generator[i]) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@kernel
def integer(generator: Any, i: int, n: int) -> int:
    """A uniform integer 0 .. n - 1, n below 2^53."""
    return int(uniform(generator, i) * n)


@kernel
def normal(generator: Any, i: int) -> float:
    """A standard normal number (Box & Muller)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(generator, i)))
    return radius * math.cos(2.0 * math.pi * uniform(generator, i))
