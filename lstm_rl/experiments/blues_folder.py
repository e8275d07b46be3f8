"""A trained blues player as a folder: config.json, weights.safetensors and score.npz."""

import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from lstm_rl.atomic import atomic_write
from lstm_rl.experiments.protocols.blues_run import BluesRun
from lstm_rl.kernels.layout import Weights
from lstm_rl.kernels.make import make_approximator
from lstm_rl.published import PUBLISHED
from lstm_rl.tasks.blues import Blues

CONFIG, WEIGHTS, SCORE = "config.json", "weights.safetensors", "score.npz"


def check_out(out: Path, overwrite: bool) -> None:
    """Refuse a folder that holds something.

    Raises:
        ValueError: It does.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"out must be a folder, got {out}, which is a file")
    if out.is_dir() and any(out.iterdir()) and not (overwrite and (out / CONFIG).is_file() and _is_blues(out)):
        hint = "--overwrite trains it anew" if _is_blues(out) else "which holds something else"
        raise ValueError(f"out must be a new folder, got {out}; {hint}")


def _is_blues(folder: Path) -> bool:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("experiment") == "blues"


def save_player(out: Path, settings: BluesRun, player: Any, task: Blues, results: dict[str, Any]) -> None:
    """Write a folder.

    Args:
        out: Where.
        settings: Of the run.
        player: An approximator with kernels.
        task: Its pieces, which are written, too: a MIDI file may change.
        results: Of measuring it.
    """
    from safetensors.numpy import save_file

    out.mkdir(parents=True, exist_ok=True)
    with atomic_write(out / WEIGHTS) as part:
        save_file({"hidden": player.weights.hidden, "output": player.weights.output}, part)
    with atomic_write(out / SCORE) as part, part.open("wb") as file:
        np.savez_compressed(file, bars=task.score.bars.astype(np.uint8))
    with atomic_write(out / CONFIG) as part:
        text = {"experiment": "blues", "settings": asdict(settings), "results": results}
        part.write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")


def load_player(folder: Path) -> tuple[Any, Blues]:
    """A player and its pieces.

    Raises:
        ValueError: No such folder, one of another experiment, or files that do not belong together.
    """
    from safetensors.numpy import load_file

    if not _is_blues(folder):
        said = "holds another run" if (folder / CONFIG).is_file() else "holds none"
        raise ValueError(f"run must be a folder of lstm-rl music train, got {folder}, which {said}")
    try:
        settings = json.loads((folder / CONFIG).read_text(encoding="utf-8"))["settings"]
        known = {each.name for each in fields(BluesRun)}
        run = replace(BluesRun(), **{name: value for name, value in settings.items() if name in known})
        weights = load_file(folder / WEIGHTS)
        with np.load(folder / SCORE) as arrays:
            bars = arrays["bars"].astype(float)
        hidden, output = weights["hidden"], weights["output"]
    except Exception as error:
        raise ValueError(f"run must be a whole folder of lstm-rl music train, got {folder}: {error}") from error
    task = Blues(run.melody, run.form).with_bars(bars)
    topology = PUBLISHED[task.name]
    shapes = (topology.sources, topology.units), (topology.output_sources, topology.outputs)
    if (hidden.shape, output.shape) != shapes or bars.ndim != 4 or bars.shape[3] != task.inputs:
        raise ValueError(f"run must be a whole folder of lstm-rl music train, got {folder}: sizes differ")
    kept = Weights(hidden, output, np.ones_like(hidden), np.ones_like(output))
    return make_approximator(topology, kept, 1, np.float64), task
