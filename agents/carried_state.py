"""What `predict` is given besides the observation, checked in one place for all policies that carry a state."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def check_carried(
    state: Sequence[Any], shapes: Iterable[tuple[int, ...]], episode_start: Any, n: int
) -> NDArray[np.bool_]:
    """Refuse a state of another network or number of rows; return which of the n rows begin an episode, (n,).

    Args:
        state: What `predict` returned.
        shapes: Of its parts, as they are to be.
        episode_start: (n,) true where an episode begins; ``None``: nowhere.
        n: Rows, >= 1.

    Raises:
        ValueError: ``state`` or ``episode_start`` does not fit.
    """
    if [np.shape(part) for part in state] != list(shapes):
        raise ValueError(
            f"state must be what predict returned for {n} rows of this network, got shapes "
            f"{[np.shape(part) for part in state]}"
        )
    if episode_start is None:
        return np.zeros(n, np.bool_)
    if np.shape(episode_start) != (n,):
        raise ValueError(f"episode_start must be of shape ({n},), got {np.shape(episode_start)}")
    return np.asarray(episode_start, np.bool_)
