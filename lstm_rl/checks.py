"""Checks of arguments: each names the argument, the value given and what was expected."""

import difflib
import math
import numbers
from collections.abc import Iterable
from typing import Any

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


def check_options(options: dict[str, Any] | None, *known: str) -> dict[str, Any]:
    """Return the options of a `gymnasium.Env.reset` if the environment knows them all; else raise ``ValueError``."""
    unknown = [name for name in options or {} if name not in known]
    if unknown:
        expected = f"be among {', '.join(known)}" if known else "be left out here"
        raise ValueError(f"options of reset must {expected}, got {', '.join(map(str, unknown))}")
    return options or {}


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the known one that is nearest, or all if none is near."""
    known = list(known)
    near = difflib.get_close_matches(name, known, 1)
    return f"the nearest is {near[0]}" if near else f"known are {', '.join(known)}"


def needs_extra(what: str, package: str, extra: str) -> str:
    """The sentence about a package that is not installed, with the extra of lstm_rl that brings it."""
    return f'{what} needs {package}: pip install "lstm-rl[{extra}]"'


def one_line(value: object) -> str:
    """The text of a value, an array or an error say, in one line with single spaces."""
    return " ".join(str(value).split())
