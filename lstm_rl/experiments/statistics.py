"""Statistics of a few runs: intervals rather than digits."""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pandas import DataFrame

CONFIDENCE = 0.95


def success_interval(successes: int, runs: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a success probability, in [0, 1].

    Source: Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
    """
    z = 1.959964
    share, spread = successes / runs, z * z / runs
    middle = (share + spread / 2.0) / (1.0 + spread)
    half = z * math.sqrt(share * (1.0 - share) / runs + spread / (4.0 * runs)) / (1.0 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def median_interval(values: Iterable[float]) -> tuple[float, float]:
    """A 95 % bootstrap interval of the median, by 10,000 resamples of one fixed generator."""
    return _bootstrap(tuple(map(float, values)))


@lru_cache(4096)  # a table shows the same medians again and again
def _bootstrap(values: tuple[float, ...]) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    data = np.array(values, np.float64)
    medians = np.median(rng.choice(data, (10_000, len(data))), axis=1)
    low, high = np.quantile(medians, [(1.0 - CONFIDENCE) / 2.0, (1.0 + CONFIDENCE) / 2.0])
    return float(low), float(high)


def steps_text(steps: float) -> str:
    """A number of steps for a table: 640, 42 k, 1.3 M, 2.1 G."""
    for unit, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if steps >= unit:
            return f"{steps / unit:.3g}{name}"
    return f"{steps:.3g}"


def success_text(successes: int, runs: int) -> str:
    """Successes out of runs with the interval of the probability, for a table."""
    low, high = success_interval(successes, runs)
    return f"{successes}/{runs} ({low:.0%} - {high:.0%})".replace("%", " %")


def median_text(values: Iterable[float]) -> str:
    """Median with its interval, for a table; a dash if there is nothing."""
    numbers = list(values)
    if not numbers:
        return "-"
    low, high = median_interval(numbers)
    return f"{steps_text(float(np.median(numbers)))} ({steps_text(low)} - {steps_text(high)})"


def successes(runs: "DataFrame") -> tuple[Any, str]:
    """The successful ones of some runs, and how many they are, for a table."""
    good = runs[runs["success"]]
    return good, success_text(len(good), len(runs))


def returns_text(values: Iterable[float]) -> str:
    """Median return with its interval, three digits each, for a table."""
    numbers = list(values)
    low, high = median_interval(numbers)
    return f"{float(np.median(numbers)):z.3g} ({low:z.3g} to {high:z.3g})"


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
    low, high = np.quantile(means, [(1.0 - CONFIDENCE) / 2.0, (1.0 + CONFIDENCE) / 2.0])
    return float(low), float(high)


STATISTICS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "mean": lambda values: np.mean(values, axis=0),
    "iqm": _middle_half,
    "median": lambda values: np.median(values, axis=0),
}
"""Along the first axis, by name."""


def band(values: NDArray[np.float64], statistic: str, resamples: int = 2000) -> NDArray[np.float64]:
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
    limits: NDArray[np.float64] = np.quantile(drawn, [(1.0 - CONFIDENCE) / 2.0, (1.0 + CONFIDENCE) / 2.0], axis=0)
    return limits
