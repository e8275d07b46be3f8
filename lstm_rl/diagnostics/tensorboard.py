"""`TensorBoardCallback`: what scalars do not show - settings, weights, activations and a picture of an episode."""

from dataclasses import asdict, replace
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import HParam, Image, TensorBoardOutputFormat
from stable_baselines3.common.vec_env import VecEnv

from lstm_rl.agents.advantage_learning import AdvantageLearning
from lstm_rl.agents.models import Boxes, Module
from lstm_rl.agents.policies import MemoryPolicy
from lstm_rl.checks import check_int
from lstm_rl.diagnostics.episode import record_episode
from lstm_rl.diagnostics.figures import pixels
from lstm_rl.diagnostics.timeline import episode_figure
from lstm_rl.envs.env import WorldEnv
from lstm_rl.envs.sb3 import GymnasiumVecEnv

METRICS = ("rollout/ep_rew_mean", "rollout/ep_len_mean", "rollout/success_rate", "train/abs_td_error")


class TensorBoardCallback(BaseCallback):
    """Add to the TensorBoard log of an `AdvantageLearning`; without ``tensorboard_log`` it does nothing.

    At the start: the settings in use (tab HPARAMS) and the network in words (TEXT). Then about every ``every`` steps
    and at the end: histograms of the weights from each kind of source to each kind of unit, and of gates and cell
    states over one greedy episode, and a picture of that episode. Training goes on bit for bit as without it.

    Args:
        env: An environment of its own for that episode; ``None`` makes one like the training environment, or leaves the
            episode out if that one does not say how it was made.
        every: Environment steps between two looks, >= 1; looks fall on the borders of chunks.
        seed: Of the episode: the same world at every look.
    """

    model: AdvantageLearning

    def __init__(self, env: gym.Env[Any, Any] | None = None, every: int = 50_000, seed: int = 0) -> None:
        super().__init__()
        self.env, self.every, self.seed = env, check_int("every", every, 1), seed
        self._board: TensorBoardOutputFormat | None = None
        self._own: gym.Env[Any, Any] | None = None
        self._looked = 0  # number of steps at the last look

    def _on_training_start(self) -> None:
        boards = [form for form in self.logger.output_formats if isinstance(form, TensorBoardOutputFormat)]
        self._board = boards[0] if boards else None
        self._looked = self.num_timesteps
        if self._board is not None:
            assert self.model.env is not None
            self._own = _make_like(self.model.env) if self.env is None else self.env
            settings = HParam(_settings(self.model, self._own), dict.fromkeys(METRICS, 0.0))
            self._write({"hparams": settings, "topology": str(self.model.policy.model).replace("\n", "  \n")})

    def _on_step(self) -> bool:
        if self.num_timesteps - self._looked >= self.every:
            self._look()
        return True

    def _on_training_end(self) -> None:
        if self.num_timesteps > self._looked:
            self._look()
        if self._own is not None and self._own is not self.env:
            self._own.close()

    def _look(self) -> None:
        self._looked = self.num_timesteps
        policy = self.model.policy
        values: dict[str, Any] = weight_groups(policy)
        # Training that has diverged is about to say so itself
        if self._board is None or not all(np.isfinite(group).all() for group in values.values()):
            return
        if self._own is not None:
            episode = record_episode(policy, self._own, self.seed)
            values |= {_tag(part): numbers.ravel() for part, numbers in episode.activations.parts.items()}
            values |= {"episode/activations": Image(pixels(episode_figure(episode)), "HWC")}
        self._write(values)

    def _write(self, values: dict[str, Any]) -> None:
        """Hand values to SB3's TensorBoard writer: text, arrays as histograms, pictures, settings."""
        assert self._board is not None
        self._board.write(values, dict.fromkeys(values, ()), self.num_timesteps)


def weight_groups(policy: MemoryPolicy) -> dict[str, NDArray[Any]]:
    """The weights that exist from each kind of source to each kind of unit, as copies: tag -> (number of weights,)."""
    weights = policy.weights()
    if isinstance(policy.model, Boxes):
        return {"weights/table": weights.values.flatten()}
    if isinstance(policy.model, Module):
        return {f"weights/{name}": group for name, group in policy.model.groups(weights).items()}
    topology = policy.topology
    groups = {
        f"weights/{source}_to_{unit}": weights.hidden[row, column][topology.mask[row, column]]
        for source, row in topology.rows.items()
        for unit, column in topology.columns.items()
    }
    groups |= {
        f"weights/{source}_to_output": weights.output[row].flatten() for source, row in topology.output_rows.items()
    }
    return {tag: group for tag, group in groups.items() if group.size}


def _tag(part: str) -> str:
    return f"activations/{part.replace(' ', '_')}"


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
        "env": env.spec.id if env is not None and env.spec is not None else None,
    }
    return {name: value for name, value in used.items() if value is not None}


def _make_like(env: VecEnv) -> gym.Env[Any, Any] | None:
    """A scalar environment like those that ``env`` holds; ``None`` if they do not say how they were made."""
    base = env.unwrapped
    if isinstance(base, GymnasiumVecEnv):
        world = getattr(base.unwrapped_env, "world", None)
        return None if world is None else WorldEnv(world)
    spec = env.get_attr("spec", 0)[0]
    if spec is None:
        return None
    wrappers = tuple(wrapper for wrapper in spec.additional_wrappers if wrapper.name != "Monitor")  # SB3's, a recorder
    if any(wrapper.kwargs is None for wrapper in wrappers):  # one that does not record its arguments
        return None
    silent = {"render_mode": None} if spec.kwargs.get("render_mode") else {}
    return gym.make(replace(spec, additional_wrappers=wrappers), disable_env_checker=True, **silent)
