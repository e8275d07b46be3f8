"""Random actions that last, d steps: temporally extended epsilon-greedy, with one of two laws.

The zeta law: with probability epsilon a random action begins, and

    P(d) = d^-mu / zeta(mu),   d = 1, 2, ...

Most last a step or two, some as long as it takes to get somewhere else.

Means of episodes: each episode draws its own mean duration m, log-uniformly from [1, M], and

    P(d) = (1 / m) (1 - 1 / m)^(d - 1)

A random action begins with probability epsilon at the first step of an episode, and at later ones with

    epsilon / (epsilon + m (1 - epsilon))

so that a share epsilon of all steps is random, whatever m.

Sources: Dabney, Ostrovski and Barreto (2021), "Temporally-Extended Epsilon-Greedy Exploration", for the zeta law;
mu = 2 there. Means of episodes are ours.

Dimensions: n environments.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_DURATION = 10_000
"""Steps that a random action lasts at most (ours)."""


class RepeatedActions:
    """The random actions that n environments are doing.

    Args:
        n: Environments, >= 1.
        exponent: mu > 1 of the zeta law; ``None``: means of episodes.
        max_mean: M in [1, `MAX_DURATION`], the largest mean duration of an episode.
    """

    def __init__(self, n: int, exponent: float | None = None, max_mean: float = 1.0) -> None:
        self.exponent, self.max_mean = exponent, max_mean
        self.action, self.left = np.zeros(n, np.int64), np.zeros(n, np.int64)  # what is repeated, and for how long
        self.mean = np.ones(n)  # m of the present episodes
        self.first = np.ones(n, np.bool_)  # whether the next step is an episode's first

    def begin(self, rows: NDArray[np.intp], rng: np.random.Generator, *, single: bool = False) -> None:
        """Episodes of environments ``rows`` (m,) are about to begin: what they were doing is over.

        Args:
            rows: Which.
            rng: Draws their mean durations.
            single: Whether these are 1 instead.
        """
        self.left[rows] = 0
        if self.exponent is None:
            self.mean[rows] = 1.0 if single else self.max_mean ** rng.random(len(rows))
            self.first[rows] = True

    def choose(self, best: NDArray[Any], epsilon: Any, choices: int, rng: np.random.Generator) -> NDArray[Any]:
        """The best choices (n,), random ones that begin now, or those that still last.

        Args:
            best: (n,) greedy choices.
            epsilon: Probability that a random action begins, or the share of random steps, (n,) or one in [0, 1].
            choices: Number of actions, >= 1.
            rng: Draws actions and durations.
        """
        probability, duration = self._draw(epsilon, rng)
        begins = (self.left == 0) & (rng.random(len(best)) < probability)
        self.action = np.where(begins, rng.integers(choices, size=len(best)), self.action)
        self.left = np.where(begins, np.minimum(duration, MAX_DURATION), self.left)
        lasts = self.left > 0
        self.left -= lasts
        return np.where(lasts, self.action, best)

    def _draw(self, epsilon: Any, rng: np.random.Generator) -> tuple[Any, NDArray[np.int64]]:
        """Probability that a random action begins where none lasts, and for how long it would, (n,) each."""
        if self.exponent is not None:
            return epsilon, rng.zipf(self.exponent, len(self.left))
        later = epsilon / (epsilon + self.mean * (1.0 - epsilon))
        probability = np.where(self.first, epsilon, later)
        self.first[:] = False
        return probability, rng.geometric(1.0 / self.mean)
