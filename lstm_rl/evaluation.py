"""`lstm-rl evaluate` and `lstm-rl watch`: play a trained model."""

import warnings
from collections.abc import Sequence
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecEnv

from lstm_rl import pretrained
from lstm_rl.agents.advantage_learning import AdvantageLearning
from lstm_rl.agents.recurrent_replay import RecurrentReplay
from lstm_rl.agents.rollouts import play
from lstm_rl.agents.world_model_controller import WorldModelController
from lstm_rl.atomic import atomic_write
from lstm_rl.checks import check_int, needs_extra
from lstm_rl.envs.rows import plain_world
from lstm_rl.make import make_env, make_rows
from lstm_rl.runs import check_finite, check_spaces, divergence, load_model, model_path, read_config

ROWS = 100  # environments played side by side


def load(folder: Path, which: str = "best", purpose: str = "") -> tuple[Any, str, dict[str, Any]]:
    """A run's model, environment id and environment arguments; a warning says if its training has diverged.

    Args:
        folder: Of a run, or "model:" and the name of one of `lstm_rl.pretrained`.
        which: "best" or "last", of a run.
        purpose: What is to be done that a model of the algorithm advantage alone can do; "": nothing of this kind.

    Raises:
        ValueError: The folder is no run, its model is damaged or of another algorithm, or has learned in an environment
            of other spaces.
    """
    if str(folder).startswith(pretrained.PREFIX):
        name = str(folder).removeprefix(pretrained.PREFIX)
        path, card = pretrained.model_file(name), pretrained.cards()[name]
        return AdvantageLearning.load(path), card["env"], card["env_kwargs"]
    config = read_config(folder)
    env_id, env_kwargs = config["env"], config["env_kwargs"]
    model = load_model(model_path(folder, which))
    if purpose and not isinstance(model, AdvantageLearning):
        raise ValueError(
            f"{purpose} needs a run of the algorithm advantage, as of train --algo advantage, got {folder}, a "
            f"{type(model).__name__}"
        )
    with closing(make_env(env_id, env_kwargs)) as env:
        check_spaces(model, env, env_id)
    if diverged := divergence(folder):
        kept = f"this is its checkpoint after {model.num_timesteps:,} steps"
        warnings.warn(f"{folder}: {diverged}; {kept}", stacklevel=2)
    return model, env_id, env_kwargs


def evaluate(
    model: BaseAlgorithm,
    env_id: str,
    env_kwargs: dict[str, Any],
    episodes: int,
    seed: int,
    deterministic: bool = True,
) -> dict[str, Any]:
    """Play ``episodes`` episodes and report success rate (None if the environment does not tell), rewards and lengths.

    `AdvantageLearning` plays our worlds in compiled code, everybody else step by step.

    Raises:
        ValueError: Environment or numbers do not fit, or a `WorldModelController` is to explore, which it cannot.
    """
    check_int("episodes", episodes, 1)
    check_int("seed", seed, 0)
    if isinstance(model, WorldModelController) and not deterministic:
        raise ValueError("stochastic must be left out for a run of lstm-rl world-model: its controller draws nothing")
    env = make_env(env_id, env_kwargs)
    if isinstance(model, (AdvantageLearning, RecurrentReplay, WorldModelController)):
        check_spaces(model, env, env_id)
        check_finite(model)
    world = plain_world(env)
    world = None if world is not None and world.continuous else world  # the compiled loop carries integers
    successes: Any
    if isinstance(model, AdvantageLearning) and world is not None:
        rewards, lengths, successes, _ = play(model.policy, world, episodes, seed, deterministic)
    else:
        rows = make_rows(env_id, env_kwargs, min(ROWS, episodes))
        rows.seed(ROWS * seed)  # no episode belongs to two seeds
        rewards, lengths, successes = play_stepwise(model, rows, episodes, deterministic)
        rows.close()
    if not np.isfinite(rewards).all():
        raise ValueError(f"reward must be finite numbers, got {float(np.sum(rewards))} in an episode of {env_id}")
    return {
        "episodes": episodes,
        "success_rate": float(np.mean(successes)) if len(successes) else None,
        "mean_reward": float(np.mean(rewards)),
        "std_reward": float(np.std(rewards)),
        "mean_length": float(np.mean(lengths)),
        "env_id": env_id,
        "env_kwargs": env_kwargs,
        "seed": seed,
        "deterministic": deterministic,
    }


def play_stepwise(
    model: BaseAlgorithm, rows: VecEnv, episodes: int, deterministic: bool = True
) -> tuple[Any, Any, list[bool]]:
    """Rewards, lengths and, where the environment tells, successes of episodes played through `predict`."""
    successes: list[bool] = []

    def watch(values: dict[str, Any], _: dict[str, Any]) -> None:
        if values["done"] and "is_success" in values["info"]:
            successes.append(bool(values["info"]["is_success"]))

    rewards, lengths = evaluate_policy(
        model, rows, episodes, deterministic=deterministic, callback=watch, return_episode_rewards=True
    )
    return rewards, lengths, successes


def frames(
    model: BaseAlgorithm,
    env_id: str,
    env_kwargs: dict[str, Any],
    episodes: int,
    seed: int,
    human: bool,
    most: int | None = None,
) -> tuple[list[NDArray[np.uint8]], int]:
    """Play greedy episodes in a window, or return their pictures (H, W, 3) and the pictures per second.

    Without a window, episodes end after ``most`` pictures in all, if given.

    Raises:
        ValueError: Numbers do not fit, or the environment cannot be drawn.
    """
    check_int("episodes", episodes, 1)
    check_int("seed", seed, 0)
    mode = "human" if human else "rgb_array"
    check_render_mode(env_id, env_kwargs, mode)
    env = make_env(env_id, env_kwargs, mode)
    pictures: list[NDArray[np.uint8]] = []
    for episode in range(episodes):
        observation, _ = env.reset(seed=seed + episode)
        state, over = None, False
        while not over and (most is None or len(pictures) < most):
            if not human:
                pictures.append(_picture(env, env_id))
            action, state = model.predict(observation, state, deterministic=True)
            observation, _, terminated, truncated, _ = env.step(action)
            over = terminated or truncated
        if not human:
            pictures.append(_picture(env, env_id))
    fps = int(env.metadata.get("render_fps", 30))
    env.close()
    return pictures, fps


def check_render_mode(env_id: str, env_kwargs: dict[str, Any], mode: str) -> None:
    """Refuse an environment that cannot be drawn in this mode.

    Raises:
        ValueError: It does not offer the mode.
    """
    env = make_env(env_id, env_kwargs)
    offered = list((env.metadata or {}).get("render_modes") or ())
    env.close()
    if mode not in offered and "rgb_array" not in offered:  # of which Gymnasium makes a window
        what = "a video" if mode == "rgb_array" else "a window"
        raise ValueError(
            f"{what} needs an environment with render_mode {mode!r} in its metadata, but {env_id} offers "
            f"{', '.join(map(repr, offered)) or 'none'}"
        )


def _picture(env: gym.Env[Any, Any], env_id: str) -> NDArray[np.uint8]:
    drawn: Any = env.render()
    picture = np.asarray(drawn)
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        got = f"{picture.dtype} of shape {picture.shape}" if isinstance(drawn, np.ndarray) else type(drawn).__name__
        raise ValueError(f"render of {env_id} must return a picture (height, width, 3) of uint8, got {got}")
    return picture


def check_video(path: Path) -> None:
    """Refuse a file that `write_video` cannot write.

    Raises:
        ValueError: Its name ends in something else.
    """
    if path.suffix not in (".gif", ".mp4"):
        raise ValueError(f"video must be a .mp4 or .gif file, got {path}")


def gif(pictures: Sequence[NDArray[np.uint8]], fps: int) -> bytes:
    """A GIF that repeats for ever.

    Args:
        pictures: (H, W, 3) each, one or more.
        fps: Pictures per second.
    """
    stream = BytesIO()
    first, *rest = (Image.fromarray(picture) for picture in pictures)
    first.save(stream, "gif", save_all=True, append_images=rest, duration=1000 // fps, loop=0)
    return stream.getvalue()


def write_video(path: Path, pictures: list[NDArray[np.uint8]], fps: int) -> None:
    """Write a .gif or an .mp4, as a whole or not at all.

    Raises:
        ValueError: Another kind of file, or an .mp4 without moviepy.
    """
    check_video(path)
    with atomic_write(path) as part:
        if path.suffix == ".gif":
            part.write_bytes(gif(pictures, fps))
            return
        try:
            from moviepy.video.io.ImageSequenceClip import ImageSequenceClip
        except ImportError as error:
            raise ValueError(f"{needs_extra('video as .mp4', 'moviepy', 'video')}, or write a .gif") from error
        even = [picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2] for picture in pictures]
        ImageSequenceClip(even, fps=fps).write_videofile(str(part), logger=None)
