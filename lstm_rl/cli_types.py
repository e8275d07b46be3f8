"""Numbers of steps on the command line: 20000000, 20_000_000 or 20e6."""

from typing import Annotated

from tyro.constructors import PrimitiveConstructorSpec


def _read(words: list[str]) -> int:
    try:
        number = float(words[0])
    except ValueError:
        number = 0.5
    if not number.is_integer():
        raise ValueError(f"must be a whole number, got {words[0]}")
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
