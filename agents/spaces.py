"""From observations and actions of any space to the numbers that networks see and choose."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray


def input_size(space: gym.Space[Any]) -> int:
    """Network inputs for an observation space: Box and MultiBinary flattened, Discrete one-hot.

    Raises:
        ValueError: Any other space.
    """
    if isinstance(space, (spaces.Box, spaces.MultiBinary)):
        return int(np.prod(space.shape))
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    raise ValueError(f"observation_space must be Box, Discrete or MultiBinary, got {space}")


def to_input(space: gym.Space[Any], observation: Any, n: int) -> NDArray[np.float32]:
    """Observations of n rows as network input, (n, I) float32.

    Raises:
        ValueError: An observation holds NaN or infinity.
    """
    if isinstance(space, spaces.Discrete):
        x = np.zeros((n, int(space.n)), np.float32)
        index = np.asarray(observation).reshape(n) - int(space.start)
        if np.any((index < 0) | (index >= space.n)):
            raise ValueError(f"observation must be in {space}, got {observation}")
        x[np.arange(n), index] = 1.0
        return x
    x = np.ascontiguousarray(observation, np.float32).reshape(n, -1)
    if not np.isfinite(x).all():
        raise ValueError(f"observation must be finite numbers, got {observation}")
    return x
