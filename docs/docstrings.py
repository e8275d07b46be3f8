"""Docstrings as reStructuredText: equations, tables and lists that are laid out by hand become literal blocks."""

import re
from itertools import pairwise
from typing import Any

SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Yields):$")  # napoleon's, indented without an empty line
ITEM = re.compile(r"(- |\d+\. )")


def literal_blocks(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Change ``lines`` in place: ``::`` above what is laid out by hand, a mark before each | elsewhere."""
    found: list[str] = []
    above, was_literal = 0, False  # indentation at which the last paragraph ended
    for paragraph in re.split(r"\n\s*\n", "\n".join(lines).strip("\n")):
        rows = paragraph.splitlines()
        indents = [len(row) - len(row.lstrip()) for row in rows] or [0]
        first = paragraph.lstrip()
        hangs = any(one != other for one, other in pairwise(indents))
        deeper = bool(found) and indents[0] > above
        literal = (
            deeper
            or first.startswith("|")
            or (hangs and not SECTION.match(first.split("\n")[0]) and not ITEM.match(first))
        )
        if literal:
            found += [] if was_literal else [" " * above + "::", ""]
            found += [" " * (above + 4 - min(indents[0], above + 4)) + row for row in rows]
        else:
            found += [re.sub(r"(``.*?``)|\|", lambda each: each[1] or r"\|", row) for row in rows]
            above = indents[-1]
        found.append("")
        was_literal = literal
    if what in ("attribute", "property"):  # else napoleon takes "Steps: ..." for a type and what it is about
        found[:0] = ["..", ""]
    lines[:] = found


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx; before napoleon takes the docstring apart."""
    app.connect("autodoc-process-docstring", literal_blocks, priority=100)
    return {"parallel_read_safe": True}
