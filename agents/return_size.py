"""The size of returns, measured while a replay learner acts, so that values are of one size in every unit of reward.

    g     <-  gamma g + r                      discounted sum of an episode's rewards so far
    size  =   largest |g| so far; at the end of an episode max(its largest |g|, 0.999 size)
    factor =  `TARGET_SIZE` / size             of rewards in targets; 1 while size is 0

As that of `AdvantageLearning`, see `lstm_rl.agents.scale`, whose kernel works within the compiled loop.

Dimensions: n environments.
"""

import numpy as np
from numpy.typing import NDArray

from lstm_rl.agents.scale import FADING

TARGET_SIZE = 10.0
"""Values are learned in this size: errors well above the epsilon of Adam, and reached within hundreds of updates."""


class ReturnSize:
    """The measurement.

    Args:
        gamma: Discount per step in [0, 1].
    """

    def __init__(self, gamma: float) -> None:
        self.gamma, self.size = gamma, 0.0
        self.discounted, self.largest = np.zeros(0), np.zeros(0)  # (n,) g and the largest |g| of present episodes

    def add(self, rewards: NDArray[np.floating], ended: NDArray[np.bool_]) -> None:
        """Take in a step of all environments, (n,) each; where n has changed, episodes begin anew."""
        if len(self.discounted) != len(rewards):
            self.discounted, self.largest = np.zeros(len(rewards)), np.zeros(len(rewards))
        self.discounted = self.gamma * self.discounted + rewards
        self.largest = np.maximum(self.largest, np.abs(self.discounted))
        for largest in self.largest[ended]:
            self.size = max(FADING * self.size, float(largest))
        self.size = max(self.size, float(self.largest.max()))
        self.discounted[ended] = self.largest[ended] = 0.0

    def add_episode(self, rewards: NDArray[np.floating]) -> None:
        """Take in a recorded episode (T,), beside those that go on."""
        discounted = largest = 0.0
        for reward in rewards.tolist():
            discounted = self.gamma * discounted + reward
            largest = max(largest, abs(discounted))
        self.size = max(FADING * self.size, largest)

    @property
    def factor(self) -> float:
        """By which rewards are to be multiplied."""
        return TARGET_SIZE / self.size if self.size else 1.0
