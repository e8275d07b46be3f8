"""Whether episodes return anything to learn from: how many returned another sum than most do.

    D  =  episodes ended - episodes with the most frequent return
    epsilon begins to fall at the first step with  D >= least;  while no episode has ended it falls as well

A car that never gets out of its valley returns -200 whatever it does: what the network then takes for the best action
is chance, and random actions are more likely to get out. An environment whose episodes never end is explored as if this
did not exist.

Source: ours.

Dimensions: n environments.
"""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

DIGITS = 6
"""Decimals that tell returns apart."""


class DifferingReturns:
    """The count.

    Args:
        least: D at which epsilon begins to fall, >= 1.
    """

    def __init__(self, least: int) -> None:
        self.least = least
        self.episodes: Counter[float] = Counter()  # by return
        self.returned = np.zeros(0)  # (n,) rewards of the present episodes so far
        self.found = False

    def reset(self, n: int) -> None:
        """Environments, n from now on, are about to begin new episodes; what has been counted stays."""
        self.returned = np.zeros(n)

    def add(self, rewards: NDArray[np.floating], ended: NDArray[np.bool_]) -> None:
        """Take in a step of all environments, (n,) each."""
        self.returned = self.returned + rewards
        if not self.found:
            self.episodes.update(np.round(self.returned[ended], DIGITS).tolist())
            self.found = self.episodes.total() - max(self.episodes.values(), default=0) >= self.least
        self.returned[ended] = 0.0

    @property
    def holds(self) -> bool:
        """Whether epsilon is to stay where it begins: some episodes have ended, and nearly all alike."""
        return bool(self.episodes) and not self.found
