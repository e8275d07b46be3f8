"""A run folder: what was asked for, what came of it, and everything needed to go on.

config.json              settings, complete: enough to repeat the run
model.zip                the latest checkpoint, from which `--resume` goes on exactly
best_model.zip           the checkpoint with the best evaluation
monitor.csv              one row per training episode
evaluations.npz          what the evaluations gave
learning_curve.png       the picture of monitor.csv
events.out.tfevents...   TensorBoard
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstm_rl.atomic import atomic_write

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecMonitor

    from lstm_rl.agents import AdvantageLearning


def write_config(folder: Path, settings: Any) -> None:
    """Write a dataclass of settings to ``config.json``."""
    from lstm_rl import __version__

    with atomic_write(folder / "config.json") as part:
        part.write_text(json.dumps({"version": __version__} | asdict(settings), indent=2) + "\n")


def read_config(folder: Path) -> dict[str, Any]:
    """Read ``config.json``.

    Raises:
        ValueError: The folder is no run, or the file is damaged.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise ValueError(f"run must be a folder with a config.json, as `lstm-rl train` makes, got {folder}")
    try:
        config: Any = json.loads(path.read_text())
    except ValueError as error:  # no JSON, or no text at all
        raise ValueError(f"{path} must be JSON, but is damaged: {error}") from error
    kinds = {"env": str, "env_kwargs": dict, "config": dict}
    if not isinstance(config, dict) or any(not isinstance(config.get(key), kind) for key, kind in kinds.items()):
        raise ValueError(f"{path} must hold the settings of a run, with {', '.join(kinds)}, but does not")
    return config


def model_path(folder: Path, which: str = "best") -> Path:
    """The best or the last model of a run; the last where no evaluation has saved a best one.

    Raises:
        ValueError: There is none.
    """
    names = ("best_model.zip", "model.zip") if which == "best" else ("model.zip",)
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise ValueError(f"run must hold a {' or a '.join(names)}, got {folder}")


def load_model(path: Path) -> "AdvantageLearning":
    """A saved model.

    Raises:
        ValueError: The file is damaged, or not such a model.
    """
    from lstm_rl.agents import AdvantageLearning

    try:
        return AdvantageLearning.load(path)
    except OSError:
        raise
    except Exception as error:  # whatever Torch, pickle and zip make of damaged bytes
        message = f"{path} must be a model saved by AdvantageLearning, but is damaged or of another kind"
        raise ValueError(f"{message}: {str(error) or type(error).__name__}") from error


def record(rows: "VecMonitor", path: Path, env_id: str, append: bool = False) -> None:
    """Write one line per episode of the rows into a file named ``monitor.csv``, a new one or behind what it holds."""
    from stable_baselines3.common.monitor import ResultsWriter

    header: dict[str, float | str] = {"t_start": rows.t_start, "env_id": env_id}
    rows.results_writer = ResultsWriter(str(path), header, rows.info_keywords, override_existing=not append)
