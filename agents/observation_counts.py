"""How often observations have been seen, as exploration needs it: a bonus for rare ones, a higher epsilon at them.

An observation x is told from others by the signs of k random projections (SimHash): what is alike falls together.

    code(x) = sign(A [x, 1]),   A of k rows, N(0, 1);   bonus(x) = beta / sqrt(N(code(x)))

N counts every visit. The bonus is paid for the first visit in an episode only: an agent with memory can know what it
has seen, and one that is paid at each step would rather wait at a rare place than go on.

Sources: Tang et al. (2017), "#Exploration: A Study of Count-Based Exploration for Deep Reinforcement Learning" (codes
and bonus, there without the 1 and at every visit); first visits only: Zhang et al. (2021), "NovelD". Epsilon from
counts: Singh et al. (2000), "Convergence Results for Single-Step On-Policy Reinforcement-Learning Algorithms".

Dimensions: n environments, I inputs, k bits of a code.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

NONE = -1
"""In the place of a number of a code: the observation is not new in its episode."""


class ObservationCounts:
    """Counts of codes, and which of them the present episodes have met.

    Args:
        inputs: I, numbers of an observation.
        bits: k in [1, 62]: more tell more observations apart.
        rng: Draws A.
    """

    def __init__(self, inputs: int, bits: int, rng: np.random.Generator) -> None:
        self.projection = rng.standard_normal((inputs + 1, bits)).astype(np.float32)
        self.numbers: dict[int, int] = {}  # of codes, in the order of their first visits
        self.counts = np.zeros(64, np.int64)  # visits of each; longer than needed
        self.met: list[set[int]] = []  # by each environment's episode

    def __len__(self) -> int:
        """Number of codes seen."""
        return len(self.numbers)

    def begin(self, rows: NDArray[np.intp]) -> None:
        """Episodes of some environments are about to begin."""
        for row in rows:
            self.met[row].clear()

    def see(self, x: NDArray[Any]) -> NDArray[np.int32]:
        """Count observations ``(k, *shape)``; return the numbers of their codes (k,)."""
        flat = x.reshape(len(x), -1).astype(np.float32)
        signs = flat @ self.projection[:-1] + self.projection[-1] > 0.0  # (k, bits)
        codes = signs @ (1 << np.arange(signs.shape[1], dtype=np.int64))
        found = np.array([self.numbers.setdefault(int(code), len(self.numbers)) for code in codes], np.int32)
        while len(self.counts) < len(self.numbers):
            self.counts = np.append(self.counts, np.zeros_like(self.counts))
        np.add.at(self.counts, found, 1)
        return found

    def new(self, rows: NDArray[np.intp], found: NDArray[np.int32]) -> NDArray[np.int32]:
        """The numbers of codes (k,), or `NONE` where the episode has met them before; now it has met them."""
        fresh = [number not in self.met[row] for row, number in zip(rows, found, strict=True)]
        for row, number in zip(rows, found, strict=True):
            self.met[row].add(int(number))
        return np.where(fresh, found, NONE).astype(np.int32)

    def bonus(self, numbers: NDArray[np.int32], beta: float) -> NDArray[np.float32]:
        """beta / sqrt(N) of numbers of any shape; 0 of `NONE`."""
        paid = beta / np.sqrt(np.maximum(self.counts[numbers], 1))
        return np.where(numbers == NONE, 0.0, paid).astype(np.float32)
