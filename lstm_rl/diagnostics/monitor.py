"""What SB3's `Monitor` recorded of training, and `EvalCallback` or a run of evaluations: reading and smoothing it."""

import csv
import json
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray


def read_monitor(path: Path) -> dict[str, NDArray[np.float64]]:
    """Success rate (if recorded), return and length of every episode, each (E,)."""
    columns = _columns(path)
    del columns["seconds"]
    return columns


def read_episodes(folder: Path) -> dict[str, NDArray[np.float64]]:
    """Training episodes of all monitor files of a folder in the order in which they ended.

    Several files are what SB3's `Monitor` writes around each environment by itself.

    Returns:
        ``steps`` of all environments and ``seconds`` up to each end, ``episodes`` counted from 1, ``return``,
        ``length`` and, if recorded, ``success rate``; (E,) each. Seconds that no file tells are NaN; so are those
        of a file that does not say when it began, beside others that do.

    Raises:
        ValueError: There is no such file, or one is damaged.
    """
    paths = monitor_files(folder)
    if not paths:
        raise ValueError(f"{folder} must hold a monitor.csv or *.monitor.csv, but does not")
    parts, begun = [_columns(path) for path in paths], [_start(path) for path in paths]
    known = [start for start in begun if start is not None]
    for part, start in zip(parts, begun, strict=True) if known else ():
        part["seconds"] += np.nan if start is None else start - min(known)
    columns = {
        name: np.concatenate([part[name] for part in parts]) for name in parts[0] if all(name in p for p in parts)
    }
    order = np.argsort(columns["seconds"], kind="stable")
    columns = {name: column[order] for name, column in columns.items()}
    return columns | {"steps": np.cumsum(columns["length"]), "episodes": np.arange(1.0, len(order) + 1.0)}


def monitor_files(folder: Path) -> list[Path]:
    """The files of a folder that SB3's `Monitor` or `VecMonitor` has written, by their names."""
    return sorted(
        path for path in folder.glob("*monitor.csv") if path.name == "monitor.csv" or ".monitor." in path.name
    )


def _start(path: Path) -> float | None:
    """When the first line says that recording began, in seconds since 1970; None: it does not say."""
    with path.open() as file:
        try:
            return float(json.loads(file.readline().removeprefix("#"))["t_start"])
        except (ValueError, KeyError, TypeError):
            return None


def _columns(path: Path) -> dict[str, NDArray[np.float64]]:
    """Success rate (if recorded), return, length and seconds of every episode whose line is whole."""
    with path.open(newline="") as file:
        # Not comments, and no line that is still being written
        rows = csv.DictReader(line for line in file if not line.startswith("#") and line.endswith("\n"))
        names = rows.fieldnames or ("r", "l")
        if not {"r", "l"} <= set(names):
            raise ValueError(f"{path} must be a monitor.csv with columns r and l, got {', '.join(names)}")
        episodes = [row for row in rows if row["r"] != "r"]  # a continued file may repeat its header
    try:
        columns = {"return": [float(row["r"]) for row in episodes], "length": [float(row["l"]) for row in episodes]}
        columns["seconds"] = [float(row.get("t") or "nan") for row in episodes]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} must hold numbers in columns r, l and t, but is damaged: {error}") from error
    if "is_success" in names:
        columns = {"success rate": [float(row["is_success"] in ("True", "1", "1.0")) for row in episodes]} | columns
    return {name: np.array(column) for name, column in columns.items()}


def read_evaluations(path: Path) -> dict[str, NDArray[np.float64]]:
    """Steps before each of E evaluations, and the means of its episodes: success rate (if told), return, length; (E,).

    Raises:
        ValueError: The file has no such arrays.
    """
    try:
        with path.open("rb") as stream, np.load(stream) as file:
            told = {"success rate": "successes", "return": "results", "length": "ep_lengths"}
            rows = {name: np.asarray(file[key], np.float64) for name, key in told.items() if key in file}
            steps = np.asarray(file["timesteps"], np.float64)
    except (OSError, KeyError, EOFError, BadZipFile) as error:
        raise ValueError(f"{path} must hold evaluations, but is damaged: {error}") from error
    # Evaluations of fewer episodes than others end in NaN
    return {"steps": steps} | {name: np.nanmean(values, axis=1) for name, values in rows.items()}


def moving_average(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Mean of the last ``window`` values at each place, (E,); of all so far while there are fewer."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    last = np.arange(1, len(values) + 1)
    first = np.maximum(last - window, 0)
    averages: NDArray[np.float64] = (total[last] - total[first]) / (last - first)
    return averages
