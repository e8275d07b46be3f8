"""Exploring starts: the first action of an episode is random with probability p, whatever epsilon is.

What pays only if it is done at first is so tried in a fixed share of the episodes. Epsilon per step tries it in as few
as it tries anything, and disturbs what follows; and random actions in a row would be laid to the first by targets over
n steps, which take in what was done.

Source: Monte Carlo control with exploring starts (Sutton and Barto 2018, section 5.3), there in any state: an
environment cannot be put into one.

Dimensions: n environments.
"""

import numpy as np
from numpy.typing import NDArray


class ExploringStarts:
    """Which of n environments are about to begin with a random action."""

    def __init__(self, n: int, probability: float) -> None:
        self.probability = probability
        self.due = np.zeros(n, np.bool_)

    def begin(self, rows: NDArray[np.intp], rng: np.random.Generator) -> None:
        """Episodes of some environments begin with the next action."""
        self.due[rows] = rng.random(len(rows)) < self.probability

    def raised(self, epsilon: NDArray[np.float64]) -> NDArray[np.float64]:
        """Epsilon (n,) of the next action: 1 at an exploring start."""
        now, self.due = self.due, np.zeros_like(self.due)
        return np.where(now, 1.0, epsilon)
