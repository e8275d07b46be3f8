"""Types of the command line: numbers of steps as 20000000, 20_000_000 or 20e6, and key=value pairs."""

import ast
import re
from typing import Annotated, Any

from tyro.constructors import PrimitiveConstructorSpec


def _read(words: list[str]) -> int:
    text = words[0]
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        number = 0.5
    if not number.is_integer():
        raise ValueError(f"must be a whole number, as 20000000 or 20e6, got {text}")
    return int(number)


Steps = Annotated[
    int,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="INT",
        instance_from_str=_read,
        is_instance=lambda value: isinstance(value, int),
        str_from_instance=lambda value: [str(value)],
    ),
]
"""An integer that may be written with an exponent."""


def parse_kwargs(pairs: list[str]) -> dict[str, Any]:
    """Arguments from key=value pairs; values are Python literals, ``a,b`` is a tuple, anything else is a string.

    Raises:
        ValueError: A pair without "=".
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.isidentifier():
            raise ValueError(f"must be key=value pairs, got {pair!r}")
        words = re.fullmatch(r"[\w.+-]+(,[\w.+-]+)+", text) is not None  # as 1,2 is two numbers, a,b is two words
        value = _literal(text)
        values[key] = tuple(map(_literal, text.split(","))) if words and value is text else value
    return values


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):  # no literal, or one that is nested too deep
        return text


def format_kwargs(values: dict[str, Any]) -> list[str]:
    """The pairs again."""
    return [f"{key}={value!r}" for key, value in values.items()]


Kwargs = Annotated[
    dict[str, Any],
    PrimitiveConstructorSpec(
        nargs="*",
        metavar="[KEY=VALUE ...]",
        instance_from_str=parse_kwargs,
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=format_kwargs,
    ),
]
"""Keyword arguments of something that the command line does not know."""
