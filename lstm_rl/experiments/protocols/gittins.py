"""Gittins indices of a Bernoulli arm whose probability is uniform in [0, 1] at first, discounted, without an end.

The index of an arm that paid s times and failed f times is the sure payment per pull that is worth as much as pulling
on and stopping at the best time. For each payment nu of a fine grid, dynamic programming over (s, f) gives what going
on is worth beyond nu,

    gain(s, f) = p (1 + gamma V(s + 1, f)) + (1 - p) gamma V(s, f + 1) - nu / (1 - gamma),   p = (s + 1) / (s + f + 2)
    V(s, f)    = nu / (1 - gamma) + max(0, gain(s, f))

and the index is where gain falls through 0, between two payments by linear interpolation. After `DEPTH` / (1 - gamma)
more pulls the arm's p counts as known.

Source: J. Gittins, K. Glazebrook, R. Weber, "Multi-armed Bandit Allocation Indices" (2011), chapter 8.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.compiled import compiled

DEPTH = 3.0
PAYMENTS = 1000


def gittins_indices(pulls: int, gamma: float) -> NDArray[np.float64]:
    """Index by (successes, failures), each 0 .. ``pulls`` - 1; nan where there are ``pulls`` or more together.

    Args:
        pulls: >= 1, of a trial.
        gamma: Discount in (0, 1).
    """
    depth = pulls + int(np.ceil(DEPTH / (1.0 - gamma)))
    index, before = np.full((pulls, pulls), np.nan), np.full((pulls, pulls), 1.0)
    _fill(gamma, np.linspace(0.0, 1.0, PAYMENTS + 1)[1:-1], np.zeros(depth + 1), before, index)
    return index


@compiled
def _fill(gamma: float, payments: Any, value: Any, before: Any, index: Any) -> None:
    """Fill ``index``; ``value`` is V - nu / (1 - gamma) by successes, ``before`` the gains at the payment before."""
    depth, pulls, step = value.shape[0] - 1, index.shape[0], payments[1] - payments[0]
    for nu in payments:
        for s in range(depth + 1):  # from here on p is known: go on for ever, or never
            value[s] = max(0.0, ((s + 1.0) / (depth + 2.0) - nu) / (1.0 - gamma))
        for t in range(depth - 1, -1, -1):
            for s in range(t + 1):
                p = (s + 1.0) / (t + 2.0)
                gain = p - nu + gamma * (p * value[s + 1] + (1.0 - p) * value[s])
                value[s] = max(0.0, gain)
                if t < pulls:
                    if gain <= 0.0 < before[s, t - s]:
                        index[s, t - s] = nu - step * gain / (gain - before[s, t - s])
                    before[s, t - s] = gain
    for s in range(pulls):  # payments above the last of the grid
        for f in range(pulls - s):
            if np.isnan(index[s, f]):
                index[s, f] = 1.0
