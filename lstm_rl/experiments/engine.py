"""The engine of all experiments: settings x protocol x score.

A published table is an `Experiment`: a list of rows, a function that does one run, and a function that scores the runs
of a row. A run is a pure function of its settings, seed included, so that only the map over runs would change on a
cluster. Each finished run is written at once; what was interrupted goes on with the runs that are missing, and so does
what failed: a run that raises is reported, and the others go on.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from multiprocessing import current_process
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tqdm import tqdm

from lstm_rl.checks import one_line
from lstm_rl.experiments.store import Run, as_text, read_runs, write_runs
from lstm_rl.processes import over_processes

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

Report = Callable[[int], object]
"""Is told how far a run has come: sequences, steps or trials so far."""


@dataclass(frozen=True)
class Row:
    """A row of a published table."""

    label: str
    """Its name in the table; with ``column`` it tells the row's runs from all others of the experiment."""
    settings: Any
    """What its runs depend on, a frozen dataclass with a field ``seed``; None: the row is quoted and never run."""
    published: Mapping[str, Any] = field(default_factory=dict)
    """Published figures by name."""
    column: str = ""
    """Of rows with the same label: the group of columns in which this one's score is shown."""
    repeats: int = 1
    """Times the number of runs that was asked for."""
    facts: Callable[[], Mapping[str, Any]] = dict
    """Columns that follow from the row itself, neither published nor measured; asked for when a table is made."""

    @property
    def key(self) -> str:
        """What stored runs are found by."""
        return f"{self.label}, {self.column}" if self.column else self.label


@dataclass(frozen=True)
class Experiment:
    """A published table, or one of ours."""

    name: str
    about: str
    """One line for the list of experiments."""
    protocol: str
    """What is done, when a run counts as a success, and what the columns mean: Markdown above the table."""
    rows: Sequence[Row]
    run: Callable[[Any, Report], Run]
    """One run: from settings to results; found by its name in other processes."""
    score: Callable[["DataFrame", Mapping[str, Any]], dict[str, Any]]
    """A pure function from the runs of a row and its published figures to its cells, by the names of their columns."""
    figures: Callable[["DataFrame"], Mapping[str, "Figure"]] = lambda _: {}
    """Pictures of all runs by file name without its ending."""
    check: Callable[[Any], object] = lambda _: None
    """Raises ``ValueError`` for settings that cannot be run."""
    notes: str = ""
    """Markdown below the table."""
    runs: int = 10
    """Runs of a row."""
    seed: int = 1000
    """The first of their seeds."""
    summary: Callable[["DataFrame"], str] = lambda _: ""
    """Markdown below the table, from all runs: what they come to together."""


class Plan(NamedTuple):
    """A run that is to be done."""

    key: str
    settings: Any


def plan(rows: Sequence[Row], runs: int, seed: int) -> list[Plan]:
    """All runs of some rows, seed by seed, so that every row has its first run early."""
    rows = [row for row in rows if row.settings is not None]
    return [
        Plan(row.key, replace(row.settings, seed=seed + n))
        for n in range(runs * max((row.repeats for row in rows), default=0))
        for row in rows
        if n < runs * row.repeats
    ]


def missing(plans: Sequence[Plan], done: Sequence[Run], path: Path) -> list[Plan]:
    """The runs that are not among those done.

    Raises:
        ValueError: One of them has been done with other settings.
    """
    known = {(run["row"], run["seed"]): run for run in done}
    for key, settings in plans:
        run = known.get((key, settings.seed), {})
        for name, asked in asdict(settings).items():
            stored = run.get(name, asked)
            if None not in (asked, stored) and as_text(stored) != as_text(asked):
                raise ValueError(
                    f"out must be another folder: {path} holds {key!r} with seed {settings.seed} "
                    f"and {name} {stored!r}, asked is {asked!r}"
                )
    return [each for each in plans if (each.key, each.settings.seed) not in known]


def conduct(
    experiment: Experiment,
    plans: Sequence[Plan],
    path: Path,
    workers: int = 1,
    progress: bool = True,
    over: Callable[..., Iterator[Any]] | None = None,
) -> list[Run]:
    """Do all runs that have not been done; return these and all others in the file, without those that failed.

    Args:
        experiment: What.
        plans: Its runs, whose settings have been checked.
        path: Where results are read and written.
        workers: Runs side by side, each in a process of its own.
        progress: Show progress bars.
        over: ``over(function, plans)`` in the place of `map`, in any order, as `lstm_rl.experiments.cluster` has one;
            default: processes of this machine.

    Raises:
        ValueError: The file holds something else.
    """
    done = read_runs(path, experiment.name)
    todo = missing(plans, done, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    job = _Job(experiment.name, experiment.run, progress and over is None)  # no lines of ours on other machines
    total, first = len(plans), len(plans) - len(todo)
    with tqdm(total=total, initial=first, unit="run", desc=experiment.name, disable=not progress, smoothing=0.0) as bar:
        for run in (over or over_processes(workers))(job, todo):
            if isinstance(run, Failure):
                bar.write(f"lstm-rl: {run.what}", file=sys.stderr)
            else:
                done.append(run)
                write_runs(path, done)
            bar.update()
    return done


class Failure(NamedTuple):
    """In the place of the results of a run that raised."""

    what: str


def failure(what: Plan, error: Exception) -> Failure:
    """A sentence about a run that raised."""
    said = f"{type(error).__name__}: {one_line(error)}".removesuffix(": ")
    return Failure(f"{what.key}, seed {what.settings.seed}, failed: {said}")


@dataclass(frozen=True)
class _Job:
    """An experiment's function behind a progress bar, with the settings in its results."""

    experiment: str
    function: Callable[[Any, Report], Run]
    progress: bool

    def __call__(self, what: Plan) -> Run | Failure:
        worker = current_process().name.rpartition("-")[2]
        with tqdm(
            desc=f"  {what.key}, seed {what.settings.seed}",
            unit_scale=True,
            leave=False,
            position=int(worker) if worker.isdigit() else 1,  # each process has a line of its own
            disable=not self.progress,
            delay=2.0,
        ) as bar:

            def report(done: int) -> None:
                bar.update(done - bar.n)

            try:
                results = self.function(what.settings, report)
            except Exception as error:
                return failure(what, error)
        named = {"experiment": self.experiment, "row": what.key, "seed": what.settings.seed}
        return named | asdict(what.settings) | results


def frame(experiment: Experiment, runs: Sequence[Run]) -> "DataFrame":
    """Runs as a table, in the order of the experiment's rows; settings newer than the runs have their defaults."""
    from pandas import DataFrame

    order = {row.key: number for number, row in enumerate(experiment.rows)}
    settings = next((row.settings for row in experiment.rows if row.settings is not None), None)
    known = fields(settings) if settings is not None else ()
    defaults = {each.name: each.default for each in known if each.default is not MISSING}
    filled = [
        run | {name: default for name, default in defaults.items() if run.get(name) is None}
        for run in sorted(runs, key=lambda run: order.get(run["row"], len(order)))
    ]
    return DataFrame(filled)
