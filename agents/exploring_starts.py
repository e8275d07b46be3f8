"""Exploring starts: episodes that begin with some random actions, after which the agent goes on as it does otherwise.

With probability p an episode begins with d random actions, d from a zeta law: P(d) = d^-2 / zeta(2), d = 1, 2, ...
What is done at first, and can be made good or put to use later, is so tried in a fixed share of the episodes, while
epsilon per step tries it in as few as it tries anything, and disturbs what follows.

Source: the exploring starts of Monte Carlo control (Sutton and Barto 2018, section 5.3), by the agent's own actions
since environments cannot be put into any state; Atari's random number of idle steps at the start (Mnih et al. 2015) is
alike. The law of d is that of `repeated_actions`.

Dimensions: n environments.
"""

import numpy as np
from numpy.typing import NDArray

EXPONENT = 2.0


class ExploringStarts:
    """How many random actions are still to come in each of n environments."""

    def __init__(self, n: int, probability: float) -> None:
        self.probability = probability
        self.left = np.zeros(n, np.int64)

    def begin(self, rows: NDArray[np.intp], rng: np.random.Generator) -> None:
        """Episodes of some environments are about to begin."""
        chosen = rng.random(len(rows)) < self.probability
        self.left[rows] = np.where(chosen, rng.zipf(EXPONENT, len(rows)), 0)

    def raise_epsilon(self, epsilon: NDArray[np.float64]) -> NDArray[np.float64]:
        """Epsilon (n,) of this step: 1 where a random action is to come."""
        raised = np.where(self.left > 0, 1.0, epsilon)
        self.left = np.maximum(self.left - 1, 0)
        return raised
