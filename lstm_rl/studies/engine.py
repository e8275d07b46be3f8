"""A study is a list of runs, a function that does one of them, and what to make of the records.

A run is a pure function of its settings, seed included, so that only the map over runs would change on a cluster. Each
finished run is at once a line of ``results.csv``; a killed study goes on with the lines that are missing.
"""

import csv
import json
import os
import platform
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from lstm_rl.atomic import atomic_write
from lstm_rl.checks import check_int

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = dict[str, Any]
"""The settings and the results of one run: numbers, booleans, strings or None by column name."""


@dataclass(frozen=True)
class Options:
    """What every study takes from the command line."""

    runs: int = 10
    """Runs per cell of the table, each with a seed of its own."""
    seed: int = 1000
    """The first of these seeds."""
    workers: int = 1
    """Runs side by side, each in a process of its own."""
    out: Path | None = None
    """Folder for results.csv, table.md and figures; default: results/NAME."""
    progress: bool = True
    """Show a progress bar."""

    @property
    def seeds(self) -> range:
        """The seeds of a cell's runs."""
        return range(self.seed, self.seed + self.runs)

    def __post_init__(self) -> None:
        for name, low in (("runs", 1), ("seed", 0), ("workers", 1)):
            check_int(name, getattr(self, name), low)


@dataclass(frozen=True)
class Study:
    """Settings, protocol and score."""

    name: str
    protocol: str
    """What was done and when a run counts as a success, in sentences for the head of the table."""
    settings: Sequence[Any]
    """Flat dataclasses, one per run, in the order in which they are run."""
    run: Callable[[Any], Row]
    """From settings to results; importable by name, so that other processes find it."""
    table: Callable[[list[Row]], str]
    """Markdown."""
    figures: Callable[[list[Row]], dict[str, "Figure"]]
    """PNG name (without ending) to picture."""
    notes: str = ""
    """Markdown below the table."""
    whole: bool = False
    """Table and figures show all runs in the folder instead of those of this study alone."""
    map: Callable[..., Iterator[Any]] | None = field(default=None, compare=False)
    """``map(function, list)`` in any order; default: processes of this machine."""


def conduct(study: Study, options: Options, command: str) -> Path:
    """Do all runs that have not been done, then write table and figures; return their folder.

    Args:
        study: What to do.
        options: Where and how.
        command: What the user typed, for the table.

    Raises:
        ValueError: The folder holds another study.
    """
    out = options.out or Path("results") / study.name
    if out.exists() and not out.is_dir():
        raise ValueError(f"out must be a folder, got {out}, which is a file")
    path = out / "results.csv"
    rows = read_rows(path)
    columns = list(asdict(study.settings[0]))
    if rows and not set(columns) <= set(rows[0]):
        raise ValueError(
            f"out must be a new folder or one of {study.name}, got {out}, whose results have other columns"
        )
    done = {_key(row, columns) for row in rows}
    missing = [settings for settings in study.settings if _key(asdict(settings), columns) not in done]
    out.mkdir(parents=True, exist_ok=True)
    bar = tqdm(
        total=len(study.settings),
        initial=len(study.settings) - len(missing),
        unit="run",
        desc=study.name,
        disable=not options.progress,
        smoothing=0.0,
    )
    with bar:
        for row in (study.map or _processes(options.workers))(_Run(study.run), missing):
            rows.append({name: _value(_cell(value)) for name, value in row.items()})  # as if it had been read
            write_rows(path, rows)
            bar.update()
    wanted = {_key(asdict(settings), columns) for settings in study.settings}
    rows = [row for row in rows if study.whole or _key(row, columns) in wanted]
    text = f"# {study.name}\n\n{study.protocol}\n\n{study.table(rows)}\n\n{study.notes}".rstrip()
    with atomic_write(out / "table.md") as part:
        part.write_text(f"{text}\n\n`{command}` with {environment()}.\n")
    from lstm_rl.diagnostics.figures import save

    for name, figure in study.figures(rows).items():
        save(figure, out / f"{name}.png")
    return out


@dataclass(frozen=True)
class _Run:
    """A study's function whose result holds its settings, too."""

    function: Callable[[Any], Row]

    def __call__(self, settings: Any) -> Row:
        return asdict(settings) | self.function(settings)


def _processes(workers: int) -> Callable[..., Iterator[Any]]:
    """A map over this many processes; one worker is this process."""
    if workers == 1:
        return map

    def run(function: Callable[[Any], Any], settings: list[Any]) -> Iterator[Any]:
        ignore = (signal.SIGINT, signal.SIG_IGN)  # an interrupt is this process's to answer: it ends the others
        with get_context("spawn").Pool(workers, signal.signal, ignore) as pool:
            yield from pool.imap_unordered(function, settings)

    return run


# --- results.csv: text as it is, everything else as JSON --------------------------------------------------------------


def _key(row: Row, columns: list[str]) -> tuple[Any, ...]:
    return tuple(_cell(row[column]) for column in columns)


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _value(cell: str) -> Any:
    try:
        return json.loads(cell) if cell else None
    except ValueError:
        return cell


def write_rows(path: Path, rows: list[Row]) -> None:
    """Write all rows, as a whole or not at all."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_write(path) as part, part.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)


def read_rows(path: Path) -> list[Row]:
    """Read them again; none if there is no such file."""
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [{name: _value(cell) for name, cell in row.items()} for row in csv.DictReader(file)]


def environment() -> str:
    """Versions and machine, for people who compare results."""
    from lstm_rl import __version__

    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "numba", "stable-baselines3"))
    return (
        f"lstm_rl {__version__}, Python {platform.python_version()}, {libraries} "
        f"on {os.cpu_count()} {platform.machine()} cores ({sys.platform})"
    )
