"""Stored runs: one CSV file per experiment, a line per run, read by column name.

Columns: experiment, row (the row's label) and seed tell runs apart; then come the run's settings and its results. Text
is stored as it is, everything else as JSON, and None is empty. The results that come with the package are in its folder
results.
"""

import csv
import json
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from lstm_rl.atomic import atomic_write

Run = dict[str, Any]
"""Settings and results of one run: numbers, booleans, strings, lists or None by column name."""
STORED = files("lstm_rl.experiments") / "results"


def as_text(value: Any) -> str:
    """A value as a cell."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _from_text(cell: str) -> Any:
    try:
        return json.loads(cell) if cell else None
    except ValueError:
        return cell


def write_runs(path: Path, runs: list[Run]) -> None:
    """Write all runs, or leave the old file as it is."""
    columns = list(dict.fromkeys(name for run in runs for name in run))
    with atomic_write(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([as_text(run.get(column)) for column in columns] for run in runs)


def read_runs(path: Path | Traversable, experiment: str) -> list[Run]:
    """Read the runs of an experiment; none if there is no such file.

    Raises:
        ValueError: The file holds something else.
    """
    if not path.is_file():
        return []
    lines = csv.DictReader(path.read_text(encoding="utf-8").splitlines(keepends=True))
    runs = [{name: _from_text(cell) for name, cell in run.items()} for run in lines]
    for run in runs:
        if run.get("experiment") != experiment or None in (run.get("row"), run.get("seed")):
            raise ValueError(f"{path} must hold runs of {experiment}, got {run.get('experiment', 'something else')}")
    return runs


def stored_runs(experiment: str, results: Path | None = None) -> list[Run]:
    """The runs of an experiment that come with the package, or those in a folder.

    Args:
        experiment: Name.
        results: The experiment's own folder, or the folder around it; None: what comes with the package.
    """
    if results is None:
        return read_runs(STORED / f"{experiment}.csv", experiment)
    inner = results / experiment / "results.csv"
    return read_runs(inner if inner.is_file() else results / "results.csv", experiment)
