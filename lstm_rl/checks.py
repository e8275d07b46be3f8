"""Checks of arguments: each names the argument, the value given and what was expected."""

import math
import numbers

import numpy as np


def check_int(name: str, value: object, low: int, high: int | None = None) -> int:
    """Return ``value`` if it is an integer in [low, high]; else raise ``ValueError``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < low:
        raise ValueError(f"{name} must be an integer >= {low}, got {value!r}")
    number = int(value)
    if high is not None and number > high:
        raise ValueError(f"{name} must be an integer <= {high}, got {value!r}")
    return number


def check_float(
    name: str, value: object, low: float = -math.inf, high: float = math.inf, *, open_low: bool = False
) -> float:
    """Return ``value`` if it is a finite number in [low, high], or (low, high] if ``open_low``; else ``ValueError``."""
    is_flag = type(value) in (bool, np.bool_)
    number = float(value) if isinstance(value, numbers.Real) and not is_flag else math.nan
    if not math.isfinite(number) or not low <= number <= high or (open_low and number == low):
        bounds = f"{'(' if open_low or low == -math.inf else '['}{low:g}, {high:g}{')' if high == math.inf else ']'}"
        raise ValueError(f"{name} must be a number in {bounds}, got {value!r}")
    return number


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> str:
    """Return ``value`` if it is one of ``choices``; else raise ``ValueError``."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value
