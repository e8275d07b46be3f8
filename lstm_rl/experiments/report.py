"""What an experiment came to: published figures beside ours, as a table, as Markdown and as pictures."""

import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstm_rl.atomic import atomic_write
from lstm_rl.experiments.engine import Experiment, Row, frame
from lstm_rl.experiments.store import Run

if TYPE_CHECKING:
    from pandas import DataFrame


def table(experiment: Experiment, runs: Sequence[Run], unrun: bool = True) -> "DataFrame":
    """A line per row of the experiment, then one per row of somebody's choice, as text.

    Args:
        experiment: Says which rows there are and how to score them.
        runs: Of any of them.
        unrun: Include rows without runs.

    Raises:
        ValueError: The runs lack a result.
    """
    from pandas import DataFrame

    own = frame(experiment, runs)
    groups = dict(list(own.groupby("row", sort=False))) if runs else {}
    known = {row.key for row in experiment.rows}
    chosen = [Row(str(key), None) for key in groups if key not in known]
    lines: dict[str, dict[str, str]] = {}
    for row in (*experiment.rows, *chosen):
        if unrun or row.settings is None or row.key in groups:
            line = lines.setdefault(row.label, {"row": row.label})
            line |= {f"published {name}".rstrip(): cell(value) for name, value in row.published.items()}
            line |= {name: cell(value) for name, value in row.facts().items() if name not in line}
            if row.key in groups:
                try:
                    score = experiment.score(groups[row.key], row.published)
                except KeyError as error:
                    raise ValueError(f"results of {experiment.name} must have a column {error}") from None
                line |= {": ".join(filter(None, (row.column, name))): cell(value) for name, value in score.items()}
    return in_order(DataFrame(list(lines.values())).fillna(""))


def group_table(runs: Mapping[str, Sequence[Run]]) -> "DataFrame":
    """The tables of several experiments as one, each with its name; of a single one without."""
    from pandas import concat

    from lstm_rl.experiments.registry import EXPERIMENTS

    tables = [table(EXPERIMENTS[name], own) for name, own in runs.items()]
    if len(tables) > 1:
        for name, data in zip(runs, tables, strict=True):
            data.insert(0, "experiment", name)
    return in_order(concat(tables).fillna(""))


def in_order(data: "DataFrame") -> "DataFrame":
    """The row's name, then what is published, then the rest."""
    first = [name for name in ("experiment", "row") if name in data]
    published = [name for name in data if name.startswith("published")]
    return data[[*first, *published, *(name for name in data if name not in (*first, *published))]]


def cell(value: Any) -> str:
    """A number for people: whole ones from 1,000 on with commas, others with two digits; text as it is."""
    if value is None or value != value:
        return ""
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.2g}"


def markdown(data: "DataFrame") -> str:
    """A table as Markdown."""
    lines: Iterable[Iterable[str]] = (data.columns, ["---"] * len(data.columns), *data.itertuples(index=False))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_report(experiment: Experiment, runs: Sequence[Run], folder: Path, command: str) -> None:
    """Write table.md and the pictures of all runs.

    Args:
        experiment: What.
        runs: Its runs.
        folder: Where.
        command: What somebody has to type to get the same.
    """
    from lstm_rl.diagnostics.figures import save

    data = frame(experiment, runs)
    seeds, counts = data["seed"], data.groupby("row").size()
    each = " - ".join(f"{count}" for count in sorted({counts.min(), counts.max()}))
    said = f"Runs per row: {each}, seeds {seeds.min()} - {seeds.max()}."
    parts = [f"# {experiment.name}", experiment.protocol, said, markdown(table(experiment, runs, unrun=False))]
    parts += [
        part for part in (experiment.summary(data), experiment.notes, f"`{command}` with {environment()}.") if part
    ]
    with atomic_write(folder / "table.md") as part:
        part.write_text("\n\n".join(text.strip() for text in parts) + "\n", encoding="utf-8")
    for name, figure in experiment.figures(data).items():
        save(figure, folder / f"{name}.png")


def environment() -> str:
    """Versions and machine, for people who compare results."""
    from lstm_rl import __version__

    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "numba", "stable-baselines3"))
    return (
        f"lstm_rl {__version__}, Python {platform.python_version()}, {libraries} "
        f"on {os.cpu_count()} {platform.machine()} cores ({sys.platform})"
    )
