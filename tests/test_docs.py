"""Code that the documentation quotes line by line is code of the functions that it names."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "pseudocode.md"


def function_source(path: Path, name: str) -> str:
    source = path.read_text()
    (found,) = (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef) and n.name == name)
    return ast.get_source_segment(source, found) or ""


def sections() -> dict[tuple[str, str], list[str]]:
    """By (function, file), the quotes in the second column of the tables below that heading."""
    found: dict[tuple[str, str], list[str]] = {}
    quotes: list[str] | None = None
    for line in PAGE.read_text().splitlines():
        if line.startswith("#"):
            heading = re.fullmatch(r"### `(\w+)` in `([\w/.]+)`", line)
            quotes = found.setdefault((heading[1], heading[2]), []) if heading else None
        elif line.startswith("|") and not line.startswith(("| equation | code |", "|---")):
            columns = line.strip("|").split("|")
            assert len(columns) == 3, f"not three columns: {line}"
            cell = re.findall(r"`([^`]+)`", columns[1])
            assert quotes is not None, f"no heading names the function: {line}"
            assert cell, f"no code: {line}"
            quotes += cell
    return found


@pytest.mark.parametrize(("function", "file"), sections())
def test_quoted_code_exists(function: str, file: str) -> None:
    """Each quote is a whole line of the function."""
    lines = [line.strip() for line in function_source(ROOT / file, function).splitlines()]
    missing = [quote for quote in sections()[function, file] if quote not in lines]
    assert not missing, f"docs/pseudocode.md quotes what {function} in {file} does not say: {missing}"


def test_the_page_quotes_something() -> None:
    assert sum(map(len, sections().values())) > 50
