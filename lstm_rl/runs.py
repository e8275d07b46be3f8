"""A run folder: what was asked for, what came of it, and everything needed to go on.

config.json              settings, complete: enough to repeat the run
model.zip                the latest checkpoint, from which `--resume` goes on exactly
best_model.zip           the checkpoint with the best evaluation
monitor.csv              one row per training episode
evaluations.npz          what the evaluations gave, as SB3's `EvalCallback` writes it
learning_curve.png       the picture of monitor.csv and evaluations.npz
diverged.txt             if the training left the finite numbers: where
events.out.tfevents...   TensorBoard; of attempts after the first in folders of their own
.lock                    while a process works here: which one
"""

import json
import shutil
import warnings
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lstm_rl.atomic import atomic_write, naming
from lstm_rl.checks import one_line
from lstm_rl.run_lock import LOCK
from lstm_rl.settings import Settings

if TYPE_CHECKING:
    import gymnasium as gym
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.vec_env import VecMonitor


RECORD = "config.json"
"""The file in which a run folder keeps its settings."""


class Run(Protocol):
    """What is asked for: `Settings`, or the command line of `lstm-rl world-model`."""

    @property
    def folder(self) -> Path:
        """The run folder."""

    @property
    def resume(self) -> bool:
        """Whether to go on with the run there."""

    @property
    def overwrite(self) -> bool:
        """Whether to delete the run there first."""

    def recorded(self) -> dict[str, Any]:
        """What config.json holds."""


def write_config(folder: Path, settings: Settings) -> None:
    """Write settings to ``config.json``."""
    write_record(folder, settings.recorded())


def write_record(folder: Path, recorded: dict[str, Any]) -> None:
    """Write to ``config.json`` what is to be known of a run, with our version."""
    from lstm_rl import __version__

    with atomic_write(folder / RECORD) as part:
        part.write_text(json.dumps({"version": __version__} | recorded, indent=2) + "\n")


def read_config(folder: Path) -> dict[str, Any]:
    """Read ``config.json``.

    Raises:
        ValueError: The folder is no run, or the file is damaged.
    """
    path = folder / RECORD
    if not path.is_file():
        runs = sorted(each.parent.name for each in folder.glob("*/config.json"))
        hint = f", whose runs are {', '.join(runs[:3])}{' ...' * (len(runs) > 3)}" if runs else ""
        raise ValueError(f"run must be a folder with a config.json, as `lstm-rl train` makes, got {folder}{hint}")
    try:
        config: Any = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # no JSON, no text at all, or nested too deep
        raise ValueError(f"{path} must be JSON, but is damaged: {error}") from error
    kinds = {"env": str, "env_kwargs": dict, "config": dict}
    if not isinstance(config, dict) or any(not isinstance(config.get(key), kind) for key, kind in kinds.items()):
        raise ValueError(f"{path} must hold the settings of a run, with {', '.join(kinds)}, but does not")
    return config


def settings_of(folder: Path) -> Settings:
    """The settings of a run folder.

    Raises:
        ValueError: The folder is no run of `lstm-rl train`.
    """
    settings: Settings = read_run(folder, Settings)
    return settings


def read_run(folder: Path, kind: Any) -> Any:
    """What was asked for when the run began, as an object of this class; it has a field ``config``.

    Raises:
        ValueError: The folder is no run of this kind.
    """
    values = read_config(folder)
    values.pop("version", None)
    config: Any = {each.name: each.default_factory for each in fields(kind)}["config"]
    if kind is Settings:
        values = {"algo": "advantage"} | values  # before there were others
        if values["algo"] != "advantage":
            values["config"] = {}  # of the other learner, which older versions wrote down
    try:
        return kind(**(values | {"config": config(**values["config"])}))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{folder / 'config.json'} must hold the settings of a run, but does not: {error}") from error


def check_folder(run: Run, options: tuple[str, ...] = ("log-dir", "run-name")) -> None:
    """Refuse a folder in which this run may not begin, or not go on.

    Args:
        run: What is asked for.
        options: Of the command line, that name the folder.

    Raises:
        ValueError: The folder holds something else; nothing has been changed.
    """
    folder, another = run.folder, f"choose another --{options[-1]}"
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{' and '.join(options)} must be text in UTF-8, got {str(folder)!a}; in a locale without it set "
            "PYTHONUTF8=1"
        ) from None
    for parent in folder.parents:
        if parent.exists() and not parent.is_dir():
            raise ValueError(f"{options[0]} must be a path of folders, got {parent}, which is a file")
    if run.resume and run.overwrite:
        raise ValueError("overwrite must be left out with resume, got both: one deletes what the other goes on from")
    if run.resume:
        if not (folder / "model.zip").is_file():
            raise ValueError(f"resume must name an interrupted run with a model.zip, got {folder}")
        check_same(run.recorded(), read_run(folder, type(run)).recorded())
    elif folder.exists() and (not folder.is_dir() or any(path.name != LOCK for path in folder.iterdir())):
        try:
            read_config(folder)
        except ValueError as error:
            if run.overwrite:
                raise ValueError(f"overwrite must name a run folder, got {folder}: {error}; {another}") from error
            ways = " or ".join(f"--{option}" for option in reversed(options))
            raise ValueError(f"{folder} exists and is no run folder: choose another {ways}") from error
        if not run.overwrite:
            ways = "--overwrite or --resume" if (folder / "model.zip").is_file() else "--overwrite"
            raise ValueError(f"run folder {folder} exists: {another}, or {ways} it")


def check_same(asked: dict[str, Any], saved: dict[str, Any]) -> None:
    """Refuse to resume with other settings than the run's own, the number of time steps aside.

    Raises:
        ValueError: A setting differs; the message names it and both values.
    """
    asked, saved = (json.loads(json.dumps(values | values["config"])) for values in (asked, saved))
    new, old = asked.get("replay") or {}, saved.get("replay") or {}
    for name in sorted(new.keys() | old.keys()):
        before, now = (f"{name}={of[name]}" if name in of else f"no {name}" for of in (old, new))
        if before != now:
            raise ValueError(f"replay must hold {before}, as in the run to resume, got {now}")
    for name, value in saved.items():
        if asked[name] != value and name not in ("timesteps", "config"):
            raise ValueError(f"{name} must be {value!r}, as in the run to resume, got {asked[name]!r}")


def clear(folder: Path) -> None:
    """Delete all that a run folder holds but its lock; config.json last, so that what is left is still a run."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name == RECORD):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


# --- models ----------------------------------------------------------------------------------------------------------


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


def load_model(path: Path) -> Any:
    """A saved model, of the class that saved it.

    Raises:
        ValueError: The file is damaged, or not such a model, or its weights are not finite.
    """
    from stable_baselines3.common.save_util import load_from_zip_file

    from lstm_rl.agents import AdvantageLearning
    from lstm_rl.agents.algorithms import REPLAY
    from lstm_rl.agents.parameters import NotFiniteError
    from lstm_rl.agents.world_model_config import WorldModelConfig
    from lstm_rl.agents.world_model_controller import WorldModelController

    kinds: dict[Any, Any] = {kind.config_class: kind for kind in REPLAY.values()}
    kinds[WorldModelConfig] = WorldModelController
    try:
        data: Any = load_from_zip_file(path)[0] if path.suffix == ".zip" else {}
        model: Any = kinds.get(type((data or {}).get("config")), AdvantageLearning).load(path)
    except (OSError, NotFiniteError):
        raise
    except Exception as error:  # whatever Torch, pickle and zip make of damaged bytes
        message = f"{path} must be a model saved by lstm-rl train or world-model, but is damaged or of another kind"
        raise ValueError(f"{message}: {str(error) or type(error).__name__}") from error
    return model


def check_finite(model: Any, called: str = "model") -> None:
    """Refuse to play with weights that are not numbers.

    Raises:
        NotFiniteError: A weight is NaN or infinite; the message calls the model as asked.
    """
    from lstm_rl.agents.parameters import check_numbers

    check_numbers(model.policy.state_dict(), called)


def check_spaces(model: Any, env: "gym.Env[Any, Any]", env_id: str) -> None:
    """Refuse to play a model in an environment of other spaces than it has learned in.

    Images may have their channels first or last: SB3 moves them to the front for training, and networks take both.

    Raises:
        ValueError: Observations or actions differ.
    """
    from lstm_rl.agents.spaces import channels_first, input_size

    spaces = channels_first(model.observation_space), channels_first(env.observation_space)
    if spaces[0] != spaces[1] or model.action_space != env.action_space:
        sizes = [input_size(space) for space in spaces]
        seen = [f"{sizes[0]} inputs", sizes[1]] if sizes[0] != sizes[1] else [one_line(s) for s in spaces]
        raise ValueError(
            f"env must be as the one that the model was trained in, with {seen[0]} and {model.action_space}, "
            f"got {env_id} with {seen[1]} and {env.action_space}"
        )


def divergence(folder: Path) -> str | None:
    """Where the training left the finite numbers; ``None`` if it has not."""
    path = folder / "diverged.txt"
    return one_line(path.read_text(encoding="utf-8")) if path.is_file() else None


# --- what is written during a run ------------------------------------------------------------------------------------


def write_divergence(folder: Path, sentence: str | None) -> None:
    """Write ``diverged.txt``, or with ``None`` forget what an earlier attempt has met."""
    if sentence is None:
        (folder / "diverged.txt").unlink(missing_ok=True)
        return
    with atomic_write(folder / "diverged.txt") as part:
        part.write_text(sentence + "\n", encoding="utf-8")


def record(rows: "VecMonitor", path: Path, env_id: str, append: bool = False) -> None:
    """Write one line per episode of the rows into a file named ``monitor.csv``, a new one or behind what it holds."""
    from stable_baselines3.common.monitor import ResultsWriter

    class NamedWriter(ResultsWriter):
        def write_row(self, epinfo: dict[str, float]) -> None:
            with naming(path):
                super().write_row(epinfo)

        def close(self) -> None:
            with naming(path):
                super().close()

    header: dict[str, float | str] = {"t_start": rows.t_start, "env_id": env_id}
    with naming(path):
        rows.results_writer = NamedWriter(str(path), header, rows.info_keywords, override_existing=not append)


def cut_monitor(path: Path, size: int) -> bool:
    """Forget the episodes after the checkpoint, when the file had ``size`` bytes; return whether any lines are left.

    A file that has lost lines is no reason to stop: it is said, and the run goes on.
    """
    lines = path.read_bytes()[:size] if path.is_file() else b""
    whole = lines[: lines.rfind(b"\n") + 1]
    if len(whole) < size:
        warnings.warn(
            f"{path} has lost {size - len(whole)} of the {size} bytes that it had at the checkpoint: the run goes on, "
            "but these episodes will be missing from the file and from the learning curve",
            stacklevel=2,
        )
    if whole.count(b"\n") < 2:
        return False
    with path.open("r+b") as file:
        file.truncate(len(whole))
    return True


def tensorboard(folder: Path) -> "Logger":
    """A log for TensorBoard only; errors of the file system name the file."""
    from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat

    class Named(TensorBoardOutputFormat):
        def write(self, *arguments: Any) -> None:
            with naming(folder / "events.out.tfevents"):
                super().write(*arguments)

        def close(self) -> None:
            with naming(folder / "events.out.tfevents"):
                super().close()

    return Logger(str(folder), [Named(str(folder))])
