"""`TensorBoardCallback`: what scalars do not show - settings, weights, activations and a picture of an episode."""

import warnings
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import HParam, Image, TensorBoardOutputFormat
from tensorboard.compat.proto.summary_pb2 import Summary

from lstm_rl.agents.advantage_learning import AdvantageLearning
from lstm_rl.agents.env_states import make_like
from lstm_rl.agents.policies import MemoryPolicy
from lstm_rl.agents.spaces import input_size
from lstm_rl.checks import check_int
from lstm_rl.diagnostics.episode import record_episode
from lstm_rl.diagnostics.figures import pixels
from lstm_rl.diagnostics.timeline import episode_figure
from lstm_rl.evaluation import gif

METRICS = ("rollout/ep_rew_mean", "rollout/ep_len_mean", "rollout/success_rate", "train/abs_td_error")
"""Scalars beside the settings in the tab HPARAMS."""


class TensorBoardCallback(BaseCallback):
    """Add to the TensorBoard log of an `AdvantageLearning`; without ``tensorboard_log`` it does nothing.

    At the start: the settings in use (tab HPARAMS) and the network in words (TEXT). Then about every ``every`` steps
    and at the end: histograms of the weights from each kind of source to each kind of unit, and of gates and cell
    states over one greedy episode; at the end also a picture of that episode. Training goes on bit for bit as without.

    Args:
        env: An environment of its own for that episode, which shows what the policy sees; ``None`` makes one like those
            in training, or warns once that there is none and leaves the episode out.
        every: Environment steps between two looks, >= 1; looks fall on the borders of chunks. ``None``: no looks, not
            even at the end: a picture takes as long as some 100,000 steps of a small network.
        seed: Of the episode: the same world at every look.
        metrics: Names of scalars that are shown beside the settings; whoever names others logs them.

    Raises:
        ValueError: An argument does not fit; that of ``env`` when training starts.
    """

    model: AdvantageLearning
    chunked = True  # calls at the ends of chunks will do

    def __init__(
        self,
        env: gym.Env[Any, Any] | None = None,
        every: int | None = 50_000,
        seed: int = 0,
        metrics: Sequence[str] = METRICS,
    ) -> None:
        super().__init__()
        self.metrics = metrics
        self.env, self.every, self.seed = env, None if every is None else check_int("every", every, 1), seed
        self._board: TensorBoardOutputFormat | None = None
        self._own: gym.Env[Any, Any] | None = None
        self._looked = 0  # number of steps at the last look

    def _on_training_start(self) -> None:
        boards = [form for form in self.logger.output_formats if isinstance(form, TensorBoardOutputFormat)]
        self._board = boards[0] if boards else None
        self._looked = self.num_timesteps
        if self._board is not None:
            self._own = self._environment() if self.every else None
            settings = HParam(_settings(self.model, self._own or self.env), dict.fromkeys(self.metrics, 0.0))
            self._write({"hparams": settings, "topology": str(self.model.policy.model).replace("\n", "  \n")})

    def _environment(self) -> gym.Env[Any, Any] | None:
        """The environment to look at, or none after a warning."""
        policy, env = self.model.policy, self.env
        if env is None:
            assert self.model.env is not None
            try:
                return make_like(self.model.env)
            except ValueError as error:
                warnings.warn(f"TensorBoard shows no episode: {error}", stacklevel=2)
                return None
        if input_size(env.observation_space) != policy.sensors or env.action_space != policy.action_space:
            raise ValueError(
                f"env must show what the policy sees, {policy.observation_space}, and take {policy.action_space}, got "
                f"{env.observation_space} and {env.action_space}"
            )
        return env

    def _on_step(self) -> bool:
        if self.every and self.num_timesteps - self._looked >= self.every:
            self._look()
        return True

    def _on_training_end(self) -> None:
        if self.every:
            self._look(picture=True)
        if self._own is not None and self._own is not self.env:
            self._own.close()

    def _look(self, picture: bool = False) -> None:
        policy, groups = self.model.policy, weight_groups(self.model.policy)
        news, self._looked = self.num_timesteps > self._looked, self.num_timesteps
        # Training that has diverged is about to say so itself
        if self._board is None or not all(np.isfinite(group).all() for group in groups.values()):
            return
        values: dict[str, Any] = dict(groups) if news else {}
        if self._own is not None:
            episode = record_episode(policy, self._own, self.seed)
            parts = episode.activations.parts if news else {}
            values |= {f"activations/{name.replace(' ', '_')}": part.ravel() for name, part in parts.items()}
            if picture:
                values |= {"episode/activations": Image(pixels(episode_figure(episode)), "HWC")}
        self._write(values)

    def _write(self, values: dict[str, Any]) -> None:
        """Hand values to SB3's TensorBoard writer: text, arrays as histograms, pictures, settings."""
        assert self._board is not None
        self._board.write(values, dict.fromkeys(values, ()), self.num_timesteps)


def moving_picture(pictures: Sequence[NDArray[np.uint8]], fps: int) -> Summary:
    """What TensorBoard shows as a moving picture in the tab IMAGES: a GIF; its own way needs moviepy for the same.

    Args:
        pictures: (H, W, 3) each, one or more.
        fps: Pictures per second.
    """
    height, width, colors = pictures[0].shape
    encoded = gif(pictures, fps)
    image = Summary.Image(height=height, width=width, colorspace=colors, encoded_image_string=encoded)
    return Summary(value=[Summary.Value(tag="best/episode", image=image)])


def weight_groups(policy: MemoryPolicy) -> dict[str, NDArray[Any]]:
    """The weights in groups that belong together, as copies: tag -> (number of weights,)."""
    groups = policy.model.groups(policy.weights())
    return {f"weights/{name}": group for name, group in groups.items() if group.size}


def _settings(model: AdvantageLearning, env: gym.Env[Any, Any] | None) -> dict[str, Any]:
    """The settings in use, in the types that TensorBoard takes; formulas are replaced by their values."""
    config, horizon = model.config, model.horizon
    forget = config.forget_gate_bias_for(horizon)
    used: dict[str, Any] = asdict(config) | {
        "horizon": horizon,
        "epsilon": config.epsilon_for(horizon),
        "forget_gate_bias": str(forget) if isinstance(forget, tuple) else forget,
        "input_gate_bias": config.input_gate_bias_for(horizon),
        "learning_rate": "schedule" if callable(model.learning_rate) else model.learning_rate,
        "rms_decay": config.rms_decay_for(horizon),
        "seed": model.seed,
        "rows": model.n_envs,
        "policy": type(model.policy).__name__,
        "env": env.spec.id if env is not None and env.spec is not None else None,
    }
    return {name: value for name, value in used.items() if value is not None}
