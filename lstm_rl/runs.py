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
from lstm_rl.envs import WORLDS

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv


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
        config: dict[str, Any] = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} must be JSON, but is damaged: {error}") from error
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


def make_env(env_id: str, env_kwargs: dict[str, Any], render_mode: str | None = None) -> gym.Env[Any, Any]:
    """Make one environment; errors name the id or the argument.

    Raises:
        ValueError: Unknown environment or argument, or a bad value.
    """
    if "/" in env_id and env_id.split("/")[0].split(":")[-1] == "lstm_rl" and env_id.split(":")[-1] not in WORLDS:
        raise ValueError(f"env must be one of {', '.join(WORLDS)}, or another Gymnasium id, got {env_id}")
    try:
        return gym.make(env_id, render_mode=render_mode, **env_kwargs)
    except gym.error.Error as error:
        raise ValueError(f"env must be an id that Gymnasium knows, got {env_id}: {error}") from error
    except ModuleNotFoundError as error:
        raise ValueError(f"env must be an id that Gymnasium knows, got {env_id}: {error}") from error
    except TypeError as error:
        raise ValueError(f"env-kwargs do not fit {env_id}: {error}") from error


def make_rows(
    env_id: str, env_kwargs: dict[str, Any], n: int, monitor: Path | None = None, append: bool = False
) -> "VecEnv":
    """N environments as one monitored SB3 VecEnv; ours in one compiled piece, others one by one.

    Raises:
        ValueError: As `make_env`.
    """
    from gymnasium.vector import AutoresetMode
    from stable_baselines3.common.monitor import ResultsWriter
    from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor

    from lstm_rl.envs.sb3 import GymnasiumVecEnv

    make_env(env_id, env_kwargs).close()  # for its errors
    ours = env_id.split(":")[-1] in WORLDS
    rows: VecEnv
    if ours:
        vector = gym.make_vec(env_id.split(":")[-1], n, autoreset_mode=AutoresetMode.SAME_STEP, **env_kwargs)
        rows = GymnasiumVecEnv(vector)
    else:
        rows = DummyVecEnv([lambda: make_env(env_id, env_kwargs, "rgb_array") for _ in range(n)])
    keywords = ("is_success",) if ours else ()
    monitored = VecMonitor(rows, info_keywords=keywords)
    if monitor is not None:
        header: dict[str, float | str] = {"t_start": monitored.t_start, "env_id": env_id}
        monitored.results_writer = ResultsWriter(
            str(monitor), header=header, extra_keys=keywords, override_existing=not append
        )
    return monitored
