"""What a learner measures of any environment: the size of its returns, and of the errors that are left.

Rewards are scaled by the size of returns, so that a step of the weights means the same in every unit of reward:

    g     <- gamma g + r                        discounted sum of an episode's rewards so far
    size  =  largest |g| so far; at the end of an episode max(its largest |g|, 0.999 size)
    r'    =  r return_size / size               0 while size is 0

The learning rate falls with the errors, so that what is learned stays learned. They are counted by episodes, not steps:
an agent that meets no reward for long is not to take its small errors for success.

    m     <- m + (largest |E| of the episode - m) / memory
    rate  =  learning rate (m / largest m)^2

An episode without an end counts as one after `BLOCK` horizons.

Dimensions: n streams.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.agents.config import Config
from lstm_rl.compiled import kernel

FADING = 0.999  # of the size of returns, per episode
BLOCK = 10  # horizons


class Sizes(NamedTuple):
    """Measured over all streams; a policy keeps these arrays, and a saved model has them."""

    returns: NDArray[np.float64]  # (1,)
    errors: NDArray[np.float64]  # (2,) m, largest m


class Scale(NamedTuple):
    """How rewards and learning rates are scaled, and what each stream has measured of its episode."""

    return_size: float  # size that returns are scaled to; 0: rewards are taken as they are
    gamma: float
    error_memory: float  # episodes; 0: the learning rate stays as it is
    block: float  # steps
    sizes: Sizes
    discounted: NDArray[np.float64]  # (n,) g
    largest: NDArray[np.float64]  # (n, 2) |g| and |E|
    steps: NDArray[np.float64]  # (n,)


def make_scale(config: Config, horizon: int, sizes: Sizes, n: int) -> Scale:
    """N streams at the start of an episode."""
    block = float(BLOCK * horizon)
    rows = np.zeros(n), np.zeros((n, 2)), np.zeros(n)
    return Scale(config.return_size, config.gamma, float(config.error_memory), block, sizes, *rows)


@kernel
def scale_reward(scale: Scale, i: int, reward: float) -> float:
    """Record a reward of stream ``i``; return it scaled."""
    if scale.return_size == 0.0:
        return reward
    scale.discounted[i] = scale.gamma * scale.discounted[i] + reward
    scale.largest[i, 0] = max(scale.largest[i, 0], abs(scale.discounted[i]))
    size = max(scale.sizes.returns[0], scale.largest[i, 0])
    return reward * (scale.return_size / size) if size > 0.0 else 0.0


@kernel
def end_step(scale: Scale, i: int, error: float, episode_ended: bool) -> float:
    """Record the TD error of stream ``i``'s step, after `scale_reward`; return the learning rate's factor in [0, 1].

    Closes the episode, or the block of one that has no end.
    """
    errors = scale.sizes.errors
    scale.largest[i, 1] = max(scale.largest[i, 1], abs(error))
    scale.steps[i] += 1.0
    if episode_ended or scale.steps[i] >= scale.block:
        scale.sizes.returns[0] = max(FADING * scale.sizes.returns[0], scale.largest[i, 0])
        if scale.error_memory > 0.0:
            errors[0] += (scale.largest[i, 1] - errors[0]) / scale.error_memory
            errors[1] = max(errors[0], errors[1])
        scale.largest[i] = 0.0
        scale.steps[i] = 0.0
    if episode_ended:
        scale.discounted[i] = 0.0
    if scale.error_memory == 0.0 or errors[1] == 0.0:
        return 1.0
    ratio: float = errors[0] / errors[1]
    return ratio * ratio
