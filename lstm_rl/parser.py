"""The command line's parser, whose errors are one sentence."""

import io
import re
from contextlib import redirect_stderr
from typing import Any

import tyro

_ASIDES = ("For full help", "Argument help", "Arguments similar to", "Arguments are applied")
_REWORDED = (
    (r"^Error parsing (\S*(config|study|what|settings)|[A-Z]\w*): (.*); see --help", r"\3"),  # a check of our own
    (r"no type matching .* Got errors: .*: (must be [^;]*)", r"\1"),
    (
        r"no type matching \{None\}\|(\S*) could be instantiated from \[(.*?)\]\. Got errors[^;]*",
        r"must be None or \1, got \2",
    ),
    (r"^Error parsing (--\S+): must", r"\1 must"),
)
"""What the parser says, and how we say it."""


def parse(*arguments: Any, **keywords: Any) -> Any:
    """`tyro.cli` whose errors are one sentence, out of the box that it draws around them."""
    box = io.StringIO()
    try:
        with redirect_stderr(box):
            return tyro.cli(*arguments, **keywords)
    except SystemExit as end:
        if not end.code:
            raise
        parts = re.split(r"\n[ │╰]*[─-]{3,}.*", "\n" + box.getvalue().partition("\n")[2])  # between horizontal lines
        sentences = [" ".join(part.replace("│", " ").split()).rstrip(".") for part in parts]
        sentences[:] = [text for text in sentences if text and not text.startswith(_ASIDES)]
        text = "; ".join([*sentences, "see --help"])
        for pattern, instead in _REWORDED:
            text = re.sub(pattern, instead, text)
        raise ValueError(text) from None
