"""Random actions that last: temporally extended epsilon-greedy, with one of two laws of durations.

With a zeta law (``exponent``) a random action begins with probability epsilon and is done for d steps,

    P(d) = d^-mu / zeta(mu),   d = 1, 2, ...

so that most last a step or two, some as long as it takes to get somewhere else. With a longest mean M (``longest``)
each episode draws its own mean duration m, log-uniformly from [1, M]; random actions last d steps with

    P(d) = (1 / m) (1 - 1 / m)^(d - 1),   and begin with probability  epsilon / (epsilon + m (1 - epsilon))

so that a share epsilon of all steps is random, whatever m: a pole on a cart wants single steps, a car in a valley some
twenty to gain speed.

Sources: Dabney, Ostrovski and Barreto (2021), "Temporally-Extended Epsilon-Greedy Exploration", for the zeta law;
mu = 2 there. A mean duration of each episode's own is ours.

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
        exponent: mu > 1 of the zeta law; ``None``: durations by ``longest``.
        longest: M >= 1, the largest mean duration of an episode.
    """

    def __init__(self, n: int, exponent: float | None = None, longest: float = 1.0) -> None:
        self.exponent, self.longest = exponent, longest
        self.action, self.left = np.zeros(n, np.int64), np.zeros(n, np.int64)  # what is repeated, and for how long
        self.mean = np.ones(n)  # (n,) m of the present episodes

    def begin(self, rows: NDArray[np.intp], rng: np.random.Generator, *, single: bool = False) -> None:
        """Episodes of environments ``rows`` (m,) are about to begin: what they were doing is over.

        Args:
            rows: Which.
            rng: Draws m of each.
            single: Whether m is 1 instead.
        """
        self.left[rows] = 0
        if self.exponent is None:
            self.mean[rows] = 1.0 if single else self.longest ** rng.random(len(rows))

    def choose(self, best: NDArray[Any], epsilon: Any, choices: int, rng: np.random.Generator) -> NDArray[Any]:
        """The best choices (n,), random ones that begin now, or those that still last.

        Args:
            best: (n,) greedy choices.
            epsilon: Probability that a random action begins, or by ``longest`` the share of random steps; (n,) or one
                number in [0, 1].
            choices: Number of actions, >= 1.
            rng: Draws actions and durations.
        """
        if self.exponent is None:
            epsilon = epsilon / (epsilon + self.mean * (1.0 - epsilon))
            duration = rng.geometric(1.0 / self.mean)
        else:
            duration = rng.zipf(self.exponent, len(best))
        begins = (self.left == 0) & (rng.random(len(best)) < epsilon)
        self.action = np.where(begins, rng.integers(choices, size=len(best)), self.action)
        self.left = np.where(begins, np.minimum(duration, LONGEST), self.left)
        lasts = self.left > 0
        self.left -= lasts
        return np.where(lasts, self.action, best)
