"""Holds epsilon at its first value while all episodes end alike.

    g  =  sum of gamma^t r_t             return of an episode, to 6 significant digits
    D  =  episodes ended - episodes with the most frequent g
    epsilon is held from the first two episodes with the same g on, until D >= min_episodes

A car that never gets out of its valley returns the same whatever it does: what the network takes for the best action
is chance then, and random actions are more likely to get out. Epsilon falls as usual before two episodes agree, and so
where episodes never end; it goes back up to its first value where it is held later.

Source: ours.

Dimensions: n environments.
"""

from collections import Counter

import numpy as np
from numpy.typing import NDArray


class DifferingReturns:
    """Counts the episodes of n environments by their returns.

    Args:
        min_episodes: Episodes with another return than the most frequent one from which epsilon falls, >= 1.
        gamma: Discount per step in [0, 1].
    """

    def __init__(self, min_episodes: int, gamma: float) -> None:
        self.min_episodes, self.gamma = min_episodes, gamma
        self.episodes: Counter[float] = Counter()  # by return
        self.differ = False  # D has reached min_episodes
        self.reset(0)

    def reset(self, n: int) -> None:
        """Environments, n from now on, are about to begin new episodes; what has been counted stays."""
        self.discounted, self.weight = np.zeros(n), np.ones(n)  # g of the present episodes so far, and gamma^t

    def add(self, rewards: NDArray[np.floating], ended: NDArray[np.bool_]) -> None:
        """Take in a step of all environments, (n,) each."""
        if self.differ:
            return
        self.discounted += self.weight * rewards
        self.weight *= self.gamma
        self.episodes.update(float(f"{g:.6g}") + 0.0 for g in self.discounted[ended].tolist())  # -0 is 0
        self.discounted[ended], self.weight[ended] = 0.0, 1.0
        self.differ = self.episodes.total() - max(self.episodes.values(), default=0) >= self.min_episodes

    @property
    def hold(self) -> bool:
        """Whether epsilon is to stay at its first value."""
        return not self.differ and max(self.episodes.values(), default=0) > 1
