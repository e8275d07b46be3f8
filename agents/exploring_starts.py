"""Exploring starts: the first action of an episode is random with probability p, whatever epsilon is.

An action that pays only at the start is so tried in a fixed share of the episodes. Epsilon per step tries it rarely and
disturbs what follows; several random actions in a row would be confounded, since targets over n steps credit the first
with what the others bring.

Source: Monte Carlo control with exploring starts (Sutton and Barto 2018, section 5.3), there in any state: an
environment cannot be put into one.

Dimensions: n environments.
"""

import numpy as np
from numpy.typing import NDArray


class ExploringStarts:
    """Which of n environments are about to begin with a random action.

    Args:
        n: Environments, >= 1.
        probability: Of a random first action, in [0, 1].
    """

    def __init__(self, n: int, probability: float) -> None:
        self.probability = probability
        self.due = np.zeros(n, np.bool_)

    def begin(self, rows: NDArray[np.intp], rng: np.random.Generator) -> None:
        """The next action of environments ``rows`` (m,) is the first of an episode."""
        self.due[rows] = rng.random(len(rows)) < self.probability

    def raised(self, epsilon: NDArray[np.float64]) -> NDArray[np.float64]:
        """Epsilon (n,) of the next action: 1 at an exploring start."""
        now, self.due = self.due, np.zeros_like(self.due)
        return np.where(now, 1.0, epsilon)
