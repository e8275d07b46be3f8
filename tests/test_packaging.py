"""One home for each fact, and everything that belongs into the wheel in the wheel."""

import ast
import graphlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import lstm_rl.agents
import lstm_rl.envs
from lstm_rl.experiments.registry import EXPERIMENTS

ROOT = Path(__file__).parents[1]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: dict[str, Any] = PYPROJECT["project"]
PAGES = sorted(path for path in (ROOT / "README.md", *ROOT.glob("docs/**/*.md")) if path.exists())
EXAMPLES = [
    pytest.param(text, id=f"{page.name}-{i}")
    for page in PAGES
    for i, text in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE))
]


def test_every_package_is_listed() -> None:
    """A new sub-package must be added to pyproject.toml, or wheels silently lack it."""
    config = PYPROJECT["tool"]["setuptools"]
    found = set()
    for name, folder in config["package-dir"].items():
        for init in (ROOT / folder).rglob("__init__.py"):
            inner = init.parent.relative_to(ROOT / folder)
            linked = any((ROOT / folder / parent).is_symlink() for parent in (inner, *inner.parents) if parent.parts)
            if not linked:
                found.add(".".join((name, *inner.parts)))
    assert found == set(config["packages"]) and len(config["packages"]) == len(found)


def test_no_module_lies_outside_of_the_packages() -> None:
    """A folder of modules without ``__init__.py`` would not be in the wheel either."""
    for folder in set(PYPROJECT["tool"]["setuptools"]["package-dir"].values()):
        for module in (ROOT / folder).rglob("*.py"):
            assert (module.parent / "__init__.py").exists(), module


def test_stored_results_are_package_data() -> None:
    """A CSV for each experiment, which the wheel takes along."""
    folder = ROOT / "lstm_rl" / "experiments"
    (pattern,) = PYPROJECT["tool"]["setuptools"]["package-data"]["lstm_rl.experiments"]
    shipped = sorted(folder.glob(pattern))
    assert shipped == sorted(path for path in (folder / "results").iterdir())
    assert {path.stem for path in shipped} == set(EXPERIMENTS)


def test_one_copy_of_each_module() -> None:
    code = "import sys, lstm_rl.agents.advantage_learning, lstm_rl.envs.vector, lstm_rl.cli; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT).split()
    assert not {name for name in loaded if name.split(".")[0] in ("agents", "envs")}
    assert "envs" not in sys.modules and "agents" not in sys.modules
    files = [getattr(module, "__file__", None) for name, module in sys.modules.items() if name.startswith("lstm_rl")]
    real = [Path(file).resolve() for file in files if file]
    assert len(real) == len(set(real))


def _imports(node: ast.AST) -> Iterator[str]:
    """First names below lstm_rl that a piece of code imports, anywhere in it, but not for types alone."""
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.ImportFrom) and part.module == "lstm_rl":
            yield from (each.name for each in part.names)
        elif isinstance(part, ast.ImportFrom) and (part.module or "").startswith("lstm_rl."):
            yield str(part.module).split(".")[1]
        elif not (isinstance(part, ast.If) and ast.unparse(part.test) == "TYPE_CHECKING"):
            yield from _imports(part)


def test_imports_go_one_way() -> None:
    """No circle between packages, nor between files beside them; nobody imports the command line."""
    graph: dict[str, set[str]] = {}
    for path in [*ROOT.glob("lstm_rl/**/*.py"), *ROOT.glob("envs/*.py"), *ROOT.glob("agents/*.py")]:
        name = path.relative_to(ROOT).with_suffix("").parts
        if name[:2] not in (("lstm_rl", "envs"), ("lstm_rl", "agents")):  # the links
            own = name[1] if name[0] == "lstm_rl" else name[0]
            found = set(_imports(ast.parse(path.read_text(encoding="utf-8"))))
            graph.setdefault(own, set()).update(found - {own, "__version__"})
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError
    assert graph["rng"] == {"compiled"} and not graph["topology"] - {"checks"}
    assert graph["envs"] <= {"atomic", "checks", "compiled", "machine_code", "rng"}
    assert graph["kernels"] <= {"atomic", "checks", "compiled", "topology"}
    assert {name for name, found in graph.items() if found & {"cli", "commands"}} == {"__main__", "cli"}


@pytest.mark.parametrize("name", ["envs", "agents"])
def test_the_links_are_committed_and_point_right(name: str) -> None:
    link = ROOT / "lstm_rl" / name
    if (ROOT / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-s", f"lstm_rl/{name}"], cwd=ROOT, capture_output=True, text=True)
        if listed.returncode == 0:
            assert listed.stdout.startswith("120000 ") and len(listed.stdout.splitlines()) == 1
    elif not link.exists():
        pytest.skip("a source archive holds files, no links")
    if link.is_symlink():  # git can be told to write small files instead
        assert link.readlink() == Path("..", name) and link.is_dir()
    else:
        assert link.read_text() == f"../{name}"


def test_the_version_has_one_home() -> None:
    assert "version" not in PROJECT and PROJECT["dynamic"] == ["version"]
    assert PYPROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "lstm_rl.__version__"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", lstm_rl.__version__)
    assert (ROOT / "lstm_rl" / "__init__.py").read_text().count(lstm_rl.__version__) == 1


def test_the_changelog_begins_with_this_version() -> None:
    changelog = ROOT / "CHANGELOG.md"
    if not changelog.exists():
        pytest.skip("no CHANGELOG.md")
    headers = re.findall(r"^## \[?(.+?)\]?(?: .*)?$", changelog.read_text(), re.MULTILINE)
    released = [header for header in headers if header.lower() != "unreleased"]
    assert released and released[0].removeprefix("v") == lstm_rl.__version__


def test_constraints_fit_the_requirements() -> None:
    """Every requirement has one exact version in constraints.txt, and that one is allowed."""
    lines = [line.partition("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines()]
    pins = {canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in lines if line}
    assert all(pins.values()) and len(pins) == len([line for line in lines if line])
    extras = [text for texts in PROJECT["optional-dependencies"].values() for text in texts]
    for requirement in map(Requirement, PROJECT["dependencies"] + extras):
        name = canonicalize_name(requirement.name)
        if name not in ("pre-commit",):  # a tool of its own, not part of the environment that is tested
            assert name in pins, f"{name} has no version in constraints.txt"
            assert pins[name] in requirement.specifier, f"{name} must be {requirement.specifier}, got {pins[name]}"


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_of_the_documentation_are_python(example: str) -> None:
    """They parse, and what they import exists."""
    for statement in ast.walk(ast.parse(example)):
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            exec(ast.unparse(statement), {})
