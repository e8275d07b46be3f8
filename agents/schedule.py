"""Learning rates over a run, by the remaining progress: 1 at its beginning, 0 at its end."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.type_aliases import Schedule

from lstm_rl.agents.config import Config
from lstm_rl.checks import check_float


@dataclass(frozen=True)
class LinearDecay:
    """A learning rate that falls in proportion to the remaining progress, a number or an array of them."""

    start: float
    end: float = 0.05
    """As a share of the start."""

    def __call__(self, progress: Any) -> Any:
        """The learning rate."""
        return self.start * (self.end + (1.0 - self.end) * progress)


def configured_rate(config: Config, horizon: int) -> float | LinearDecay:
    """The learning rate, constant or falling, that a configuration stands for."""
    learning_rate = config.learning_rate_for(horizon)
    return LinearDecay(learning_rate) if config.schedule == "linear" else learning_rate


def learning_rates(rate: float | Schedule, progress: NDArray[np.float64]) -> NDArray[np.float64]:
    """The learning rate at each of (T,) values of the remaining progress.

    Raises:
        ValueError: One is no number in [0, inf).
    """
    if not callable(rate):
        return np.full(len(progress), check_float("learning_rate", rate, 0.0))
    rates = np.array(rate(progress) if isinstance(rate, LinearDecay) else [float(rate(at)) for at in progress])
    for i in np.flatnonzero(~(np.isfinite(rates) & (rates >= 0.0)))[:1]:
        raise ValueError(
            f"learning_rate must be a schedule of numbers in [0, inf), got {rates[i]:g} at the remaining progress "
            f"{progress[i]:g}"
        )
    return rates
