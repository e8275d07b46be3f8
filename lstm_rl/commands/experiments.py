"""`lstm-rl experiments`, `reproduce` and `table`."""

import json
import shlex
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import tyro

from lstm_rl.experiments.engine import Experiment, Row, conduct, plan
from lstm_rl.experiments.protocols.sequence_run import Method, SequenceRun, parse_settings
from lstm_rl.experiments.store import read_runs, stored_runs


@dataclass(frozen=True)
class Experiments:
    """List the experiments, one line each."""


@dataclass(frozen=True)
class Reproduce:
    """Run an experiment: all rows of its table, or one of your choice; what was interrupted goes on where it was."""

    name: tyro.conf.Positional[str]
    """As in `lstm-rl experiments`."""
    set: tuple[str, ...] = ()
    """Settings instead of the table's: of the task, as T=100 N=3, or of the run, as max_steps=1e6; help lists them."""
    rows: str = ""
    """Only the rows whose names contain this."""
    runs: int | None = None
    """Runs per row, each with a seed of its own; default: as many as the shipped table has."""
    seed: int | None = None
    """The first of their seeds; default: the shipped table's."""
    workers: int = 1
    """Runs side by side, each in a process of its own; a cluster that is joined has as many as it has processors."""
    cluster: str | None = None
    """Do the runs on a Ray cluster: ray starts one here, HOST:PORT or ray://HOST:PORT joins one."""
    out: Path | None = None
    """Folder for results.csv, table.md and pictures; default: results/NAME."""
    progress: bool = True
    """Show progress bars."""
    method: tyro.conf.OmitArgPrefixes[Method] = field(default_factory=Method)


@dataclass(frozen=True)
class Table:
    """Print published figures beside ours, row by row."""

    name: tyro.conf.Positional[str]
    """An experiment, or hs1997, gers2000, gers2001-languages, gers2002-timing, series or blues: all of that paper."""
    results: Path | None = None
    """Folder of results, an experiment's own or the one around it; default: those that come with lstm_rl."""
    csv: bool = False
    """Print CSV instead of Markdown."""


def experiments(_: Experiments) -> int:
    """`lstm-rl experiments`."""
    from lstm_rl.experiments.registry import EXPERIMENTS

    for name, experiment in EXPERIMENTS.items():
        print(f"{name:24} {experiment.about}")
    return 0


def reproduce(command: Reproduce) -> int:
    """`lstm-rl reproduce`."""
    from lstm_rl.checks import check_int
    from lstm_rl.experiments.cluster import ray_map
    from lstm_rl.experiments.registry import find
    from lstm_rl.experiments.report import write_report
    from lstm_rl.run_lock import folder_lock

    check_int("workers", command.workers, 1)
    runs = command.runs if command.runs is None else check_int("runs", command.runs, 1)
    seed = command.seed if command.seed is None else check_int("seed", command.seed, 0)
    experiment, *more = find(command.name)
    if more:
        raise ValueError(f"name must be one experiment, got {command.name}, a group; see lstm-rl experiments")
    if command.set == ("help",):
        print(settings_text(experiment, command.rows))
        return 0
    out = command.out or Path("results") / experiment.name
    if out.exists() and not out.is_dir():
        raise ValueError(f"out must be a folder, got {out}, which is a file")
    if (out / "config.json").exists():
        raise ValueError(f"out must be a new folder or one of {experiment.name}, got {out}, which holds a training run")
    rows = chosen_rows(experiment, command)
    for row in rows:
        experiment.check(row.settings)  # before anything is written
    plans = plan(rows, experiment.runs if runs is None else runs, experiment.seed if seed is None else seed)
    path, keys = out / "results.csv", {(each.key, each.settings.seed) for each in plans}
    with ExitStack() as stack:
        over = stack.enter_context(ray_map(command.cluster, command.workers)) if command.cluster else None
        stack.enter_context(folder_lock(out))
        try:
            done = conduct(experiment, plans, path, command.workers, command.progress, over)
        except KeyboardInterrupt:
            count = sum((run["row"], run["seed"]) in keys for run in read_runs(path, experiment.name))
            said = f"{out}: {count} of {len(plans)} runs are done; the same command goes on with the others"
            print(said, file=sys.stderr)
            raise
        if done:
            write_report(experiment, done, out, shlex.join(["lstm-rl", *sys.argv[1:]]))
    asked = [run for run in done if (run["row"], run["seed"]) in keys]
    failed, good = len(plans) - len(asked), sum(bool(run["success"]) for run in asked)
    if failed:
        raise RuntimeError(f"{out}: {failed} of {len(plans)} runs failed; the same command tries these again")
    print(
        f"{out}: {len(plans)} of {len(plans)} runs done, {good} with success, see table.md; "
        f"published beside ours: lstm-rl table {experiment.name} --results {shlex.quote(str(out))}"
    )
    return 0


def chosen_rows(experiment: Experiment, command: Reproduce) -> list[Row]:
    """The rows of a table that are to be run, or the ones that somebody has changed, under names that say so.

    Raises:
        ValueError: A choice that cannot be.
    """
    rows = [row for row in experiment.rows if row.settings is not None and command.rows in row.key]
    if not rows:
        raise ValueError(f"rows must be part of the name of a row of {experiment.name}, got {command.rows!r}")
    if isinstance(rows[0].settings, SequenceRun) and (command.set or command.method != Method()):
        from lstm_rl.experiments.sequence_rows import chosen_row

        return [chosen_row(experiment, command.set, command.method)]
    if chosen := command.method.chosen():
        raise ValueError(
            f"{', '.join(chosen)} must be left out of experiments other than hs1997-... and "
            "gers2000-... to gers2002-..., use --set"
        )
    return changed_rows(rows, parse_settings(" ".join(command.set)))


def settings_text(experiment: Experiment, part: str) -> str:
    """What ``--set`` takes: names, values in the first row whose name contains ``part``, and types, a line each."""
    row = next((row for row in experiment.rows if row.settings is not None and part in row.key), None)
    if row is None:
        raise ValueError(f"rows must be part of the name of a row of {experiment.name}, got {part!r}")
    of: Any = row.settings.make_task() if isinstance(row.settings, SequenceRun) else row.settings
    own = [each for each in fields(of) if each.init and each.name != "seed"]
    kinds = [
        each.type.__name__ if isinstance(each.type, type) else str(each.type).replace("typing.", "") for each in own
    ]
    lines = [f"  {each.name}={getattr(of, each.name)!r}  ({kind})" for each, kind in zip(own, kinds, strict=True)]
    return "\n".join([f"--set of {experiment.name}, as in its row {row.key}:", *(lines or ["  nothing"])])


def changed_rows(rows: list[Row], values: dict[str, Any]) -> list[Row]:
    """Rows with other settings, under names that say so; rows that thereby become one appear once.

    Raises:
        ValueError: There is no such setting, or a value is out of its range.
    """
    if not values:
        return rows
    values = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in values.items()}
    known = [each.name for each in fields(rows[0].settings) if each.name != "seed"]
    for name in values:
        if name not in known:
            raise ValueError(f"set must be one of {', '.join(known)}, got {name!r}; --set help says what they are")
    text = ", ".join(f"{name}={value}" for name, value in values.items())
    settings = [replace(row.settings, **values) for row in rows]
    single = len(rows) > 1 and len(set(settings)) == 1
    changed = {
        new: row if new == row.settings else Row(text if single else f"{row.key}, {text}", new)
        for row, new in zip(rows, settings, strict=True)
    }
    return list(changed.values())


def table(command: Table) -> int:
    """`lstm-rl table`.

    Raises:
        ValueError: There is no such experiment, or nothing in the folder.
    """
    from lstm_rl.experiments.engine import frame
    from lstm_rl.experiments.registry import find
    from lstm_rl.experiments.report import group_table, markdown

    runs = {each.name: stored_runs(each.name, command.results) for each in find(command.name)}
    if not any(runs.values()):
        if command.results is None:
            raise ValueError(f"no runs of {command.name} come with lstm_rl: lstm-rl reproduce {command.name} does them")
        raise ValueError(f"results must be a folder with results of {command.name}, got {command.results}")
    data = group_table(runs)
    print(data.to_csv(index=False).rstrip() if command.csv else markdown(data))
    for experiment in () if command.csv else find(command.name):
        if own := runs[experiment.name]:
            if text := experiment.summary(frame(experiment, own)):
                print(f"\n{text}")
    return 0
