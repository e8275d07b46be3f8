"""Random actions that last: temporally extended epsilon-greedy.

With probability epsilon a random action begins, which is done for d steps, d from a zeta law:

    P(d) = d^-mu / zeta(mu),   d = 1, 2, ...

Most last a step or two, some as long as it takes to get somewhere else.

Source: Dabney, Ostrovski and Barreto (2021), "Temporally-Extended Epsilon-Greedy Exploration"; mu = 2 there.

Dimensions: n environments.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

LONGEST = 10_000
"""Steps that a random action lasts at most (ours)."""


class RepeatedActions:
    """The random actions that n environments are doing.

    Args:
        n: Environments, >= 1.
        exponent: mu > 1.
    """

    def __init__(self, n: int, exponent: float) -> None:
        self.exponent = exponent
        self.action, self.left = np.zeros(n, np.int64), np.zeros(n, np.int64)  # what is repeated, and for how long

    def begin(self, rows: NDArray[np.intp]) -> None:
        """Episodes of some environments are about to begin: what they were doing is over."""
        self.left[rows] = 0

    def choose(self, best: NDArray[Any], epsilon: Any, choices: int, rng: np.random.Generator) -> NDArray[Any]:
        """The best choices (n,), random ones that begin with probability ``epsilon``, or those that still last.

        Args:
            best: (n,) greedy choices.
            epsilon: Probability that a random action begins, (n,) or one number in [0, 1].
            choices: Number of actions, >= 1.
            rng: Draws actions and durations.
        """
        begins = (self.left == 0) & (rng.random(len(best)) < epsilon)
        self.action = np.where(begins, rng.integers(choices, size=len(best)), self.action)
        self.left = np.where(begins, np.minimum(rng.zipf(self.exponent, len(best)), LONGEST), self.left)
        lasts = self.left > 0
        self.left -= lasts
        return np.where(lasts, self.action, best)
