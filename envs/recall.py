"""The smallest test of memory: a cue, and one step later the question what it was."""

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray


class RecallEnv(gym.Env[NDArray[np.float32], np.int64]):
    """Two steps: a cue, then the question what it was.

    Action Space: ``Discrete(2)``. Observation Space: ``Box(-1, 1, (2,), float32)``: (1, 0) or (-1, 0), the cue, then
    (0, 1). Rewards: 1 if the second action is 1 after cue 1 or 0 after cue -1, else 0. Starting State: either cue with
    probability 1/2. Episode End: terminated by the second action. Optimal Return: 1. Best Return Without Memory, and
    Chance: 1/2.
    """

    observation_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Show a new cue; see `gymnasium.Env.reset`."""
        super().reset(seed=seed)
        self._cue, self._asked = int(self.np_random.integers(2)), False
        return np.array([2 * self._cue - 1, 0], np.float32), {}

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Ask, or judge the answer; see `gymnasium.Env.step`."""
        over, self._asked = self._asked, True
        return np.array([0, 1], np.float32), float(over and action == self._cue), over, False, {}
