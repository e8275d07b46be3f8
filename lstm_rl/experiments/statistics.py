"""Statistics of a few runs as text, for tables: intervals rather than digits."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from lstm_rl.intervals import median_interval, success_interval

if TYPE_CHECKING:
    from pandas import DataFrame


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
