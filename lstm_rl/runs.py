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

import gymnasium as gym

from lstm_rl.atomic import whole
from lstm_rl.checks import check_int
from lstm_rl.envs import SEQUENCES, WORLDS

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecMonitor

    from lstm_rl.agents import AdvantageLearning

LONGEST = 10_000  # steps of an evaluation episode in a world without a step limit and without a horizon


def write_config(folder: Path, settings: Any) -> None:
    """Write a dataclass of settings to ``config.json``."""
    from lstm_rl import __version__

    with whole(folder / "config.json") as part:
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


def is_ours(env_id: str) -> bool:
    """Whether the id is one of `WORLDS`, with or without "module:" before it."""
    return env_id.split(":")[-1] in WORLDS


def limited(env_id: str, env_kwargs: dict[str, Any], max_steps: int | None = None) -> dict[str, Any]:
    """Environment arguments for evaluation, with a step limit: greedy play may go round in circles for ever.

    ``max_steps`` is that limit; ``None``: the environment's own, and in worlds without one 50 horizons.

    Raises:
        ValueError: As `make_env`.
    """
    if max_steps is None:
        world = getattr(make_env(env_id, env_kwargs).unwrapped, "world", None)
        if world is None or world.max_steps is not None:
            return env_kwargs
        max_steps = 50 * world.horizon if world.horizon else LONGEST
    return env_kwargs | {"max_steps" if is_ours(env_id) else "max_episode_steps": check_int("max_steps", max_steps, 1)}


def make_env(env_id: str, env_kwargs: dict[str, Any], render_mode: str | None = None) -> gym.Env[Any, Any]:
    """Make one environment; errors name the id or the argument.

    Raises:
        ValueError: Unknown environment or argument, or a bad value.
    """
    ours = (*WORLDS, SEQUENCES)
    if env_id.split(":")[-1].startswith("lstm_rl/") and env_id.split(":")[-1] not in ours:
        raise ValueError(f"env must be one of {', '.join(ours)}, or another Gymnasium id, got {env_id}")
    for name in ("render_mode", "world"):
        if name in env_kwargs and is_ours(env_id):
            raise ValueError(f"env-kwargs must be arguments of {env_id}, got {name}={env_kwargs[name]!r}")
    # Not every environment takes a render mode
    mode: dict[str, Any] = {} if render_mode is None else {"render_mode": render_mode}
    try:
        return gym.make(env_id, **env_kwargs, **mode)
    except (gym.error.Error, ModuleNotFoundError) as error:
        raise ValueError(f"env must be an id that Gymnasium knows, got {env_id}: {error}") from error
    except TypeError as error:
        reason = str(error).split(" was raised from")[0]
        raise ValueError(f"env-kwargs must be arguments of {env_id}, got {env_kwargs}: {reason}") from error


def make_rows(env_id: str, env_kwargs: dict[str, Any], n: int) -> "VecMonitor":
    """N environments as one monitored SB3 VecEnv; ours in one compiled piece, others one by one.

    Raises:
        ValueError: As `make_env`.
    """
    from gymnasium.vector import AutoresetMode
    from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

    from lstm_rl.envs.sb3 import GymnasiumVecEnv

    make_env(env_id, env_kwargs).close()  # for its errors
    if not is_ours(env_id):
        return VecMonitor(DummyVecEnv([lambda: make_env(env_id, env_kwargs) for _ in range(n)]))
    vector = gym.make_vec(env_id.split(":")[-1], n, autoreset_mode=AutoresetMode.SAME_STEP, **env_kwargs)
    return VecMonitor(GymnasiumVecEnv(vector), info_keywords=("is_success",))


def record(rows: "VecMonitor", path: Path, env_id: str, append: bool = False) -> None:
    """Write one line per episode of the rows into a file named ``monitor.csv``, a new one or behind what it holds."""
    from stable_baselines3.common.monitor import ResultsWriter

    header: dict[str, float | str] = {"t_start": rows.t_start, "env_id": env_id}
    rows.results_writer = ResultsWriter(str(path), header, rows.info_keywords, override_existing=not append)
