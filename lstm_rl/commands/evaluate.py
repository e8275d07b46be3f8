"""`lstm-rl evaluate` and `lstm-rl watch`: play a trained model, for numbers or to look at."""

import json
import os
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import tyro

from lstm_rl.checks import check_int
from lstm_rl.cli_types import Kwargs, format_kwargs
from lstm_rl.settings import MOST


@dataclass(frozen=True)
class Played:
    """A trained model, and where it plays: what both commands are told."""

    run: tyro.conf.Positional[Path]
    """Run folder, or model:NAME as in `lstm-rl models`."""
    env: str | None = None
    """Play in this environment, of the same spaces, instead of the run's own, such as the robot's in MuJoCo."""
    env_kwargs: Kwargs = field(default_factory=dict)
    """Arguments of the environment, as key=value: with --env all, else those that differ from the run's."""
    seed: int = 0
    """Of the episodes."""
    max_steps: int | None = None
    """Truncate episodes after this many steps; default: as the run's environment does, or 50 horizons."""
    which: Literal["best", "last"] = "best"
    """The best checkpoint or the last."""
    episodes: int = 100
    """How many."""


@dataclass(frozen=True)
class Evaluate(Played):
    """Play fresh episodes with a trained model and report success."""

    stochastic: bool = False
    """Act with the learner's own exploration instead of greedily."""
    json: bool = False
    """Print one JSON object as the last line."""


@dataclass(frozen=True)
class Watch(Played):
    """Watch a trained model play."""

    episodes: int = 3
    """How many."""
    video: Path | None = None
    """Write a .gif or .mp4 file instead of opening a window."""


def evaluate(command: Evaluate) -> int:
    """`lstm-rl evaluate`."""
    from lstm_rl.evaluation import evaluate as play

    model, env_id, env_kwargs = _loaded(command)
    result = play(model, env_id, env_kwargs, command.episodes, command.seed, not command.stochastic)
    rate = result["success_rate"]
    success = "" if rate is None else f"{rate:.1%} success, "
    where = f" of {' '.join([env_id, *format_kwargs(command.env_kwargs)])}" if command.env or command.env_kwargs else ""
    print(
        f"{command.run}: {result['episodes']} episodes{where}, {success}"
        f"mean reward {result['mean_reward']:.4g}, mean length {result['mean_length']:.4g}"
    )
    if command.json:
        print(json.dumps(result))
    return 0


def watch(command: Watch) -> int:
    """`lstm-rl watch`."""
    from lstm_rl.evaluation import check_video, frames, write_video

    if command.video is not None:
        check_video(command.video)
    model, env_id, env_kwargs = _loaded(command)
    if command.video is None:
        _check_display()
    pictures, fps = frames(model, env_id, env_kwargs, command.episodes, command.seed, command.video is None)
    if command.video is not None:
        write_video(command.video, pictures, fps)
        print(f"{command.video}: {command.episodes} episodes, {len(pictures)} pictures")
    return 0


def _loaded(command: Played) -> tuple[Any, str, dict[str, Any]]:
    from lstm_rl.evaluation import load
    from lstm_rl.make import limited, make_env
    from lstm_rl.runs import check_spaces

    model, env_id, env_kwargs = load(command.run, command.which)
    check_int("episodes", command.episodes, 1, MOST["eval_episodes"])
    if command.env is not None or command.env_kwargs:
        env_kwargs = command.env_kwargs if command.env is not None else env_kwargs | command.env_kwargs
        env_id = command.env or env_id
        with closing(make_env(env_id, env_kwargs)) as env:
            check_spaces(model, env, env_id)
    return model, env_id, limited(env_id, env_kwargs, command.max_steps)


def _check_display() -> None:
    """Refuse a window that nobody would see; SDL_VIDEODRIVER is for those who know what they want."""
    lacking = sys.platform == "linux" and not any(
        map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"))
    )
    if lacking:
        raise ValueError("watch needs a display, but DISPLAY and WAYLAND_DISPLAY are not set: use --video FILE.gif")
