"""Counts how often observations were seen: for a bonus for rare ones, and a higher epsilon where visits are few.

Observations x are told apart by the signs of k random projections (SimHash), so that similar ones share a code:

    code(x) = sign(A [x, 1]),   A: k rows from N(0, 1)
    bonus(x) = beta / sqrt(N(code(x))),   epsilon(x) >= c / (c + N(code(x)))

N counts all visits. The bonus is paid for the first visit in an episode only: an agent with memory can know what it has
seen, and would otherwise rather wait at a rare place than go on. Memory, and each checkpoint, grows with the number of
codes that were met, 2^k at most: take fewer bits where observations are continuous. The bonus is in the environment's
unit of reward; a `reward_scale` multiplies it too, and "auto" measures returns without it.

Sources: Tang et al. (2017), "#Exploration: A Study of Count-Based Exploration for Deep Reinforcement Learning" (codes
and bonus; there without the 1, and at every visit); first visits alone: Zhang et al. (2021), "NovelD"; epsilon by
visits: Singh et al. (2000), "Convergence Results for Single-Step On-Policy Reinforcement-Learning Algorithms".

Dimensions: n environments, m of them, I inputs, k bits of a code.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

NONE = -1
"""In place of a code's number: the observation is not new in its episode."""


class ObservationCounts:
    """Visits of codes, which are numbered as they come; and what the present episodes of n environments have met.

    Args:
        inputs: I, numbers of an observation.
        bits: k in [1, 62]: more bits distinguish more observations.
        rng: Draws the projection A.
    """

    def __init__(self, inputs: int, bits: int, rng: np.random.Generator) -> None:
        self.projection = rng.standard_normal((inputs + 1, bits)).astype(np.float32)  # the last row is that of the 1
        self.numbers: dict[int, int] = {}  # of codes
        self.visits = np.zeros(64, np.int64)  # N of each number; longer than needed
        self.reset(0)

    def __len__(self) -> int:
        """Number of codes seen."""
        return len(self.numbers)

    def reset(self, n: int) -> None:
        """Environments, n from now on, are about to begin new episodes; visits stay."""
        self.met: list[set[int]] = [set() for _ in range(n)]  # numbers of codes, by episode
        self.here = np.zeros(n, np.int64)  # N of what each environment sees now

    def count(self, x: NDArray[Any]) -> NDArray[np.int32]:
        """Count observations ``(m, *shape)``; return the numbers of their codes (m,)."""
        flat = x.reshape(len(x), -1).astype(np.float32)
        signs = flat @ self.projection[:-1] + self.projection[-1] > 0.0  # (m, k)
        codes = signs @ (1 << np.arange(signs.shape[1], dtype=np.int64))
        found = np.array([self.numbers.setdefault(code, len(self.numbers)) for code in codes.tolist()], np.int32)
        while len(self.visits) < len(self):
            self.visits = np.append(self.visits, np.zeros_like(self.visits))
        np.add.at(self.visits, found, 1)
        return found

    def begin(self, rows: NDArray[np.intp], x: NDArray[Any]) -> None:
        """Episodes of environments ``rows`` (m,) begin with observations ``(m, *shape)``."""
        found = self.count(x)
        self.here[rows] = self.visits[found]
        for row, number in zip(rows.tolist(), found.tolist(), strict=True):
            self.met[row] = {number}

    def see(self, x: NDArray[Any]) -> NDArray[np.int32]:
        """Count what all environments see ``(n, *shape)``; return its numbers (n,), `NONE` where it was met before."""
        found = self.count(x)
        self.here = self.visits[found]
        fresh = [number not in met for met, number in zip(self.met, found.tolist(), strict=True)]
        for met, number in zip(self.met, found.tolist(), strict=True):
            met.add(number)
        return np.where(fresh, found, NONE).astype(np.int32)

    def bonus(self, found: NDArray[np.int32], beta: float) -> NDArray[np.float32]:
        """beta / sqrt(N) of numbers of any shape, by the visits so far; 0 of `NONE`."""
        paid = beta / np.sqrt(np.maximum(self.visits[found], 1))
        return np.where(found == NONE, 0.0, paid).astype(np.float32)
