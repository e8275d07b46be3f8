"""`lstm-rl suite`: list, run and tabulate the suites."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from lstm_rl.checks import check_choice
from lstm_rl.studies.engine import Options, Study, conduct, read_rows
from lstm_rl.suites import chunker, hmm, hs1997, parity
from lstm_rl.suites.case import Method
from lstm_rl.suites.table import KEY, comma_separated, markdown

OTHERS: dict[str, Any] = {"parity": parity, "chunker": chunker, "hmm": hmm}
"""Suites that are no experiments of 1997, each a module with ``LINE``, ``RUNS``, ``study`` and ``table``."""
LINES: dict[str, str] = hs1997.LINES | {name: module.LINE for name, module in OTHERS.items()}
"""Suite -> one line about it."""
STORED = Path(__file__).parents[2] / "docs" / "results"


@dataclass(frozen=True)
class List:
    """List the suites, one line each."""


@dataclass(frozen=True)
class Run:
    """Run a suite: all rows of its published table, or one task with settings and a network of your choice."""

    name: tyro.conf.Positional[str]
    """Suite, as in `lstm-rl suite list`."""
    set: tuple[str, ...] = ()
    """Settings of the task, as T=100 N=3; default where a method is chosen below: the task's own."""
    runs: int | None = None
    """Runs per row; default: 10, and 100 of parity."""
    seed: int = 1000
    """The first of their seeds."""
    workers: int = 1
    """Runs side by side, each in a process of its own."""
    out: Path = Path("results")
    """Folder in which the suite has its folder; runs that it holds are not repeated."""
    progress: bool = True
    """Show progress bars."""
    method: tyro.conf.OmitArgPrefixes[Method] = field(default_factory=Method)


@dataclass(frozen=True)
class Table:
    """Print published figures beside ours, row by row."""

    name: tyro.conf.Positional[str]
    """hs1997, or a suite."""
    results: Path = STORED
    """Folder of suites' folders; default: those that come with the project."""
    csv: bool = False
    """Print CSV instead of Markdown."""


Command = (
    Annotated[List, tyro.conf.subcommand("list", prefix_name=False)]
    | Annotated[Run, tyro.conf.subcommand("run", prefix_name=False)]
    | Annotated[Table, tyro.conf.subcommand("table", prefix_name=False)]
)


def suite(command: Any) -> int:
    """Do what one of the three says."""
    if isinstance(command, List):
        for name, line in LINES.items():
            print(f"{name:24} {line}")
    elif isinstance(command, Run):
        _run(command)
    else:
        print(table(command))
    return 0


def _run(command: Run) -> None:
    module = OTHERS.get(check_choice("name", command.name, tuple(LINES)))
    runs = command.runs if command.runs is not None else module.RUNS if module else 10
    options = Options(runs, command.seed, command.workers, command.out / command.name, command.progress)
    if module and (command.set or command.method != Method()):
        raise ValueError(
            "set, network and all else that chooses a row must be left out of suites other than hs1997-..., "
            f"got one of them for {command.name}"
        )
    if command.out.exists() and not command.out.is_dir():
        raise ValueError(f"out must be a folder, got {command.out}, which is a file")
    rows = read_rows(command.out / command.name / "results.csv")
    if rows and rows[0].get("suite") != command.name:
        other = rows[0].get("suite", "another study")
        raise ValueError(f"out must be a new folder or one of {command.name}, got {options.out}, which holds {other}")
    study: Study = (
        module.study(options) if module else hs1997.study(command.name, " ".join(command.set), command.method, options)
    )
    out = conduct(study, options, " ".join(["lstm-rl", *sys.argv[1:]]))
    print(f"{out}: {len(study.settings)} runs; results.csv, table.md and figures")


def table(command: Table) -> str:
    """Published beside ours, of all rows in the folder of results.

    Raises:
        ValueError: There is no such suite, or nothing in the folder.
    """
    check_choice("name", command.name, ("hs1997", *LINES))
    names = list(hs1997.LINES) if command.name == "hs1997" else [command.name]
    rows = [row for name in names for row in read_rows(command.results / name / "results.csv")]
    if not rows:
        raise ValueError(f"results must be a folder with results of {command.name}, got {command.results}")
    if command.name in OTHERS:
        if command.csv:
            return (command.results / command.name / "results.csv").read_text().rstrip()
        return str(OTHERS[command.name].table(rows))
    if lacking := {name for name in KEY if any(name not in row for row in rows)}:
        raise ValueError(
            f"results must be a folder with results of {command.name}, got {command.results}, whose results lack "
            f"columns: {', '.join(sorted(lacking))}"
        )
    return (comma_separated if command.csv else markdown)(rows, whole=command.name == "hs1997")
