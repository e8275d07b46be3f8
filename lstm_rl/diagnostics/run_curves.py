"""Learning curves of single runs, ours and those of other agents that SB3's `Monitor` recorded, and groups of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import nearest
from lstm_rl.diagnostics.monitor import monitor_files, moving_average, read_episodes, read_evaluations
from lstm_rl.runs import read_config

Axis = Literal["steps", "episodes", "seconds"]
Measure = Literal["return", "success", "length"]
Source = Literal["training", "evaluations"]

FIRST = ("env", "preset", "policy")  # of the settings that tell groups apart, these are named first
_NUMBER = re.compile(r"((^|[-_ .])(seed[-_=]?)?|seed[-_=]?)\d+$")  # at the end of a folder's name: which run it is


@dataclass(frozen=True)
class RunCurve:
    """One run: P points of a learning curve."""

    folder: Path
    settings: dict[str, Any]
    """Its config.json, flat, without the seed; empty: somebody else's run."""
    x: NDArray[np.float64]  # (P,)
    y: NDArray[np.float64]  # (P,)

    @property
    def name(self) -> str:
        """The folder's name without a number or a seed at its end, or that of the folder around it."""
        folder = self.folder.resolve()
        return _NUMBER.sub("", folder.name) or folder.parent.name


def find_runs(paths: Sequence[Path]) -> list[Path]:
    """Run folders: those given, and those inside of given folders that are none themselves; each once.

    Raises:
        ValueError: A path is no run and holds none.
    """
    found: dict[Path, None] = {}
    for path in paths:
        inner = [path] if _is_run(path) else sorted((each for each in path.glob("*") if _is_run(each)), key=_in_order)
        if not inner:
            raise ValueError(
                f"run must be a folder with a monitor.csv, as train and SB3's Monitor make, or one of such, got {path}"
            )
        found |= dict.fromkeys(inner)
    return list(found)


def _is_run(path: Path) -> bool:
    return path.is_dir() and bool(monitor_files(path) or (path / "evaluations.npz").is_file())


def _in_order(path: Path) -> list[Any]:
    """Numbers in names count as numbers: seed=9 before seed=10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]


def read_curve(
    folder: Path, x: Axis = "steps", y: Measure = "return", of: Source = "training", window: int = 100
) -> RunCurve:
    """The learning curve of a run.

    Args:
        folder: With monitor.csv or *.monitor.csv, and evaluations.npz for evaluations.
        x: The axis; of evaluations, episodes and seconds are read off the training's monitor.csv.
        y: What is drawn.
        of: Training episodes, or evaluations.
        window: Training episodes that each point averages over, >= 1.

    Raises:
        ValueError: The folder has no such file, or does not tell what is asked for.
    """
    measure = "success rate" if y == "success" else y
    training = read_episodes(folder) if of == "training" or x != "steps" else {}
    values = training
    if of == "evaluations":
        if not (folder / "evaluations.npz").is_file():
            raise ValueError(f"{folder} has no evaluations.npz: draw --of training")
        values = read_evaluations(folder / "evaluations.npz")
    if measure not in values:
        raise ValueError(f"{folder} does not tell successes: draw --y return or length")
    points = values["steps"] if x == "steps" or of == "evaluations" else training[x]
    if of == "evaluations" and x != "steps" and len(training["steps"]):
        points = np.interp(points, training["steps"], training[x])
    if not len(points):
        raise ValueError(f"{folder} has no {'finished episode' if of == 'training' else 'evaluation'} yet")
    if not np.isfinite(points).all():
        raise ValueError(f"{folder} does not tell {x}: draw --x steps")
    drawn = moving_average(values[measure], window) if of == "training" else values[measure]
    settings = _flat(read_config(folder)) if (folder / "config.json").is_file() else {}
    return RunCurve(folder, settings, points, drawn)


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    own = {name: value for name, value in config.items() if name not in ("version", "seed", "config", "env_kwargs")}
    arguments: dict[str, Any] = {f"env_kwargs.{name}": value for name, value in config["env_kwargs"].items()}
    return own | arguments | dict(config["config"])


def groups_of(runs: Sequence[RunCurve], field: str | None = None) -> dict[str, list[RunCurve]]:
    """Runs that differ only in their seed, or those that agree in a field; by a name for the legend.

    A run without settings belongs to those beside it whose folders have the same name up to a number at its end.

    Args:
        runs: Any.
        field: A field of `Settings` or `Config`, or an argument of the environment; None: all of them.

    Raises:
        ValueError: No run has such a field.
    """
    known = sorted({name for run in runs for name in run.settings})
    if field is not None:
        name = field if field in known else f"env_kwargs.{field}"
        if name not in known:
            raise ValueError(f"group-by must be a setting of the runs, got {field!r}; {nearest(field, known)}")
        labels = [f"{field}={run.settings[name]}" if name in run.settings else run.name for run in runs]
        return _collected(labels, runs)
    keys = [repr(sorted(run.settings.items())) if run.settings else f"{run.folder.parent} {run.name}" for run in runs]
    groups = _collected(keys, runs)
    ours = [own[0].settings for own in groups.values() if own[0].settings]
    differing = [name for name in known if len({repr(settings.get(name)) for settings in ours}) > 1]
    differing.sort(key=lambda name: (name not in FIRST, not name.startswith("env_kwargs.")))
    telling = next(
        (
            count
            for count in range(len(differing))
            if len({_label(each, differing[:count]) for each in ours}) == len(ours)
        ),
        len(differing),
    )
    names = [_label(own[0].settings, differing[:telling]) if own[0].settings else "" for own in groups.values()]
    labels = [name or own[0].name for name, own in zip(names, groups.values(), strict=True)]
    folders = [own[0].folder.parent.name for own in groups.values()]
    labels = [
        f"{label}, {folder}" if labels.count(label) > 1 else label
        for label, folder in zip(labels, folders, strict=True)
    ]
    return dict(zip(labels, groups.values(), strict=True))


def _collected(keys: Sequence[str], runs: Sequence[RunCurve]) -> dict[str, list[RunCurve]]:
    groups: dict[str, list[RunCurve]] = {}
    for key, run in zip(keys, runs, strict=True):
        groups.setdefault(key, []).append(run)
    return groups


def _label(settings: dict[str, Any], names: Sequence[str]) -> str:
    return ", ".join(f"{name.removeprefix('env_kwargs.')}={settings.get(name)}" for name in names)
