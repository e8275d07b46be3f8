"""95 % intervals of successes, means, medians and interquartile means of some runs."""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Statistic = Literal["mean", "iqm", "median"]
"""iqm: the interquartile mean."""
LIMITS = (0.025, 0.975)
"""Quantiles at the ends of an interval."""
Z = 1.959964
"""Standard deviations from the middle of a normal distribution to these ends."""


def success_interval(successes: int, runs: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a success probability, in [0, 1].

    Source: Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
    """
    share, spread = successes / runs, Z * Z / runs
    middle = (share + spread / 2.0) / (1.0 + spread)
    half = Z * math.sqrt(share * (1.0 - share) / runs + spread / (4.0 * runs)) / (1.0 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def mean_interval(mean: float, deviation: float, runs: int) -> tuple[float, float]:
    """The normal 95 % interval of a mean over many runs, from their standard deviation."""
    half = Z * deviation / math.sqrt(runs)
    return mean - half, mean + half


def median_interval(values: Iterable[float]) -> tuple[float, float]:
    """A 95 % bootstrap interval of the median, by 10,000 resamples of one fixed generator."""
    return _bootstrap(tuple(map(float, values)))


@lru_cache(4096)  # a table shows the same medians again and again
def _bootstrap(values: tuple[float, ...]) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    data = np.array(values, np.float64)
    medians = np.median(rng.choice(data, (10_000, len(data))), axis=1)
    low, high = np.quantile(medians, LIMITS)
    return float(low), float(high)


def interquartile_mean(values: Iterable[float]) -> float:
    """Mean of the middle half: the lowest and the highest quarter, rounded down to whole values, are left out.

    Source: Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice" (2021).
    """
    return float(_middle_half(np.fromiter(values, np.float64)))


def _middle_half(values: NDArray[Any]) -> NDArray[Any]:
    """The interquartile mean along the first axis."""
    ordered = np.sort(values, axis=0)
    cut = len(ordered) // 4
    middle: NDArray[Any] = ordered[cut : len(ordered) - cut].mean(axis=0)
    return middle


def interquartile_interval(groups: Sequence[Sequence[float]]) -> tuple[float, float]:
    """A 95 % bootstrap interval of the interquartile mean of all values together.

    Args:
        groups: Values of each task; 2,000 resamples, of one fixed generator, draw from each group as many as it has.
    """
    rng, data = np.random.default_rng(0), [np.asarray(group, np.float64) for group in groups]
    drawn = np.concatenate([rng.choice(group, (2000, len(group))) for group in data], axis=1)
    means = [interquartile_mean(values) for values in drawn]
    low, high = np.quantile(means, LIMITS)
    return float(low), float(high)


STATISTICS: dict[Statistic, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "mean": lambda values: np.mean(values, axis=0),
    "iqm": _middle_half,
    "median": lambda values: np.median(values, axis=0),
}
"""Along the first axis, by name."""


def band(values: NDArray[np.float64], statistic: Statistic, resamples: int = 2000) -> NDArray[np.float64]:
    """95 % bootstrap intervals of a statistic over runs, point by point.

    Args:
        values: (R, P) of R runs at P points.
        statistic: One of `STATISTICS`.
        resamples: Of the runs, by one fixed generator.

    Returns:
        (2, P): low and high.
    """
    rng, function = np.random.default_rng(0), STATISTICS[statistic]
    drawn = [function(values[rng.integers(len(values), size=len(values))]) for _ in range(resamples)]
    limits: NDArray[np.float64] = np.quantile(drawn, LIMITS, axis=0)
    return limits
