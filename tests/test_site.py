"""The documentation as a site and on PyPI: notebooks run, links lead somewhere, pages are made of docstrings."""

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import matplotlib
import pytest

ROOT = Path(__file__).parents[1]
BASES = (
    "https://github.com/lstm-rl/lstm_rl/blob/main/",
    "https://raw.githubusercontent.com/lstm-rl/lstm_rl/main/",
)
BUILT = {"api", "environments"}  # folders that only the site has
PAGES = [page for page in (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))) if page.parent.name not in BUILT]
NOTEBOOKS = sorted(ROOT.glob("docs/notebooks/*.ipynb"))


def cells(notebook: Path) -> list[tuple[str, str]]:
    """(kind, text) of all cells."""
    return [(each["cell_type"], "".join(each["source"])) for each in json.loads(notebook.read_text())["cells"]]


def links(text: str) -> list[str]:
    """Where the links and pictures of a Markdown text lead to, code left out."""
    prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)
    return [each.partition("#")[0] for each in re.findall(r"\]\(([^)\s]+)\)", prose) if not each.startswith("#")]


def load(name: str) -> Any:
    """A module of the folder docs."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- links -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page: Path) -> None:
    for link in links(page.read_text()):
        base = next((base for base in BASES if link.startswith(base)), None)
        if base is not None:
            assert (ROOT / link.removeprefix(base)).exists(), link
        elif "://" not in link and not BUILT & set(link.split("/")):
            assert (page.parent / link).exists(), link


def test_links_of_the_readme_work_on_pypi() -> None:
    found = links((ROOT / "README.md").read_text())
    assert len(found) > 10 and all(link.startswith("https://") for link in found)


def test_links_of_notebooks_lead_to_files() -> None:
    found = [(n, link) for n in NOTEBOOKS for kind, text in cells(n) if kind == "markdown" for link in links(text)]
    assert found
    for notebook, link in found:
        assert BUILT & set(link.split("/")) or (notebook.parent / link).exists(), link


# --- notebooks -------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("default")  # as their readers run them
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_notebooks_run_and_show_what_they_say(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    matplotlib.use("agg")
    names: dict[str, Any] = {"__name__": "notebook"}
    for kind, text in cells(notebook):
        if kind == "code":
            exec(compile(text, notebook.name, "exec"), names)
    if "played" in names:
        assert names["played"].successes.mean() > 0.95 and names["success"](True, 5) > 0.7 > names["success"](False, 5)
    else:
        assert names["with_memory"][-200:].mean() > 3.5 and names["without"][-200:].mean() < 1.95


def test_notebooks_are_kept_without_outputs() -> None:
    """The site runs them; what a run printed changes with each."""
    for notebook in NOTEBOOKS:
        assert all(not cell.get("outputs") for cell in json.loads(notebook.read_text())["cells"])
    assert len(NOTEBOOKS) >= 2


# --- pages from docstrings -------------------------------------------------------------------------------------------


def test_a_docstring_becomes_the_sections_of_a_page() -> None:
    pages = load("environment_pages")
    doc = (
        "A maze.\n\nAction Space: ``Discrete(4)``\n\n    | a | b |\n    |---|---|\n\nRewards: one, in\n    `place`. x."
    )
    assert list(pages.sections(doc)) == [
        ("", "A maze."),
        ("Action Space", "``Discrete(4)``\n\n| a | b |\n|---|---|"),
        ("Rewards", "One, in\n``place``. x."),
    ]


def test_every_environment_has_its_page_and_picture(tmp_path: Path) -> None:
    from lstm_rl.envs import WORLDS

    load("environment_pages").write_pages(tmp_path / "pages")
    texts = {path.stem: path.read_text() for path in (tmp_path / "pages").glob("*.md")}
    assert len(texts) == len(WORLDS) + 2 and len(list((tmp_path / "pages").glob("*.png"))) == len(WORLDS)
    for name, text in texts.items():
        if name != "index":
            assert text.startswith(f"# {name}\n") and "## Action Space" in text and "## Version History" in text, name
            assert len(set(titles := re.findall(r"^## .*", text, re.MULTILINE))) == len(titles), name
    maze = texts["NoisyTMaze"]
    assert "![NoisyTMaze after some steps](NoisyTMaze.png)" in maze and "| 0      | North |" in maze
    assert "| without memory | 1.95 |" in maze and 'gymnasium.make("lstm_rl:lstm_rl/NoisyTMaze-v0")' in maze
    assert "| `corridor_length` | `10` | N in" in texts["TMaze"]


def test_equations_and_tables_of_docstrings_are_left_as_they_are_written() -> None:
    change = load("docstrings").literal_blocks
    text = (
        "Rule of |E|, ``a|b``.\n\n    E = V - A\n    w <- w + E\n\n| a |\n|---|\n\nArgs:\n    x: (n,) or\n        None."
    )
    lines = text.splitlines()
    change(None, "module", "name", None, None, lines)
    assert "\n".join(lines) == (
        "Rule of \\|E\\|, ``a|b``.\n\n::\n\n    E = V - A\n    w <- w + E\n\n    | a |\n    |---|\n\n"
        "Args:\n    x: (n,) or\n        None.\n"
    )
