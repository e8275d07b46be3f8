"""`AdvantageLearning`: LSTM Advantage(lambda) as a stable-baselines3 algorithm.

The learning rule is in `advantage_lambda`; this file adapts it: SB3's learn loop, logging, saving and exact resume.
Worlds of `lstm_rl.envs` train inside one compiled loop, in chunks between which SB3's callbacks and logger get their
turn; any other environment is stepped from here. Both give the same weights to the last bit.
"""

import math
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.save_util import load_from_zip_file
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, Schedule
from stable_baselines3.common.utils import safe_mean

from lstm_rl.agents.advantage_lambda import train
from lstm_rl.agents.callbacks import count_calls, waits
from lstm_rl.agents.config import Config
from lstm_rl.agents.env_states import environment_horizon, environment_states, layout, restore_environments
from lstm_rl.agents.execution import execute
from lstm_rl.agents.exploration import BOLTZMANN
from lstm_rl.agents.learner import (
    ABS_ERROR,
    ERROR,
    EXPLORATORY,
    STEPS,
    TEMPERATURE,
    make_learner,
    make_transition,
    make_worlds,
    no_worlds,
)
from lstm_rl.agents.policies import POLICIES, MemoryPolicy
from lstm_rl.agents.spaces import to_input
from lstm_rl.atomic import atomic_write
from lstm_rl.checks import check_choice
from lstm_rl.compiled import entry_point
from lstm_rl.envs.rows import Rows, find_rows

Self = TypeVar("Self", bound="AdvantageLearning")

_NO_EPISODES = np.empty((0, 4))
EPISODES_PER_CHUNK = 4096  # room for records of finished episodes; a fuller chunk goes on in a second one


class DivergedError(RuntimeError):
    """Training left the finite numbers."""


@dataclass(frozen=True)
class LinearDecay:
    """A learning rate that falls in proportion to the remaining progress (1 .. 0), a number or an array of them."""

    start: float
    end: float = 0.05
    """As a share of the start."""

    def __call__(self, progress: Any) -> Any:
        """The learning rate."""
        return self.start * (self.end + (1.0 - self.end) * progress)


class AdvantageLearning(BaseAlgorithm):
    """Online Advantage(lambda) with an LSTM, eligibility traces over every weight, one update per step.

    Source: B. Bakker, "Reinforcement Learning with Long Short-Term Memory", NIPS 14 (2001).

    Args:
        policy: "LstmPolicy", "ElmanPolicy", "GruPolicy", "SlstmPolicy", "TorchPolicy", "MemoryBitsPolicy", or a class.
        env: A Gymnasium environment, its id, or an SB3 VecEnv; Box, Discrete or MultiBinary observations and Discrete
            actions. Several rows learn into the same weights.
        config: Settings; ``None`` is `Config()`.
        learning_rate: Overrides the configuration's; a number, or a schedule from the remaining progress (1 .. 0).
        policy_kwargs: ``{"topology": Topology(...)}`` for any network instead of the configuration's, or
            ``{"network": builder}`` for anybody's Torch module (TorchPolicy).
        tensorboard_log: Folder for TensorBoard.
        stats_window_size: Episodes that ``rollout/*`` averages over.
        verbose: 0 silent, 1 prints the log.
        seed: Of weights, exploration and environments.
        device: "cpu" or "auto"; the kernel runs on the CPU.
        **settings: Fields of `Config` that override it.

    Raises:
        ValueError: An argument does not fit; the message names it.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = dict(POLICIES)
    policy: MemoryPolicy

    def __init__(
        self,
        policy: str | type[MemoryPolicy],
        env: GymEnv | str | None,
        config: Config | None = None,
        learning_rate: float | Schedule | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        tensorboard_log: str | None = None,
        stats_window_size: int = 100,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
        **settings: Any,
    ) -> None:
        if str(device) not in ("auto", "cpu"):
            raise ValueError(
                f"device must be 'cpu' or 'auto', got {str(device)!r}: the compiled kernel runs on the CPU"
            )
        if isinstance(policy, str):
            check_choice("policy", policy, tuple(self.policy_aliases))
        if learning_rate is not None and not callable(learning_rate):
            settings["learning_rate"] = learning_rate
        self.config = _override(config or Config(), settings)
        super().__init__(
            policy,
            env,
            learning_rate=learning_rate if callable(learning_rate) else self.config.learning_rate or 0.0,
            policy_kwargs=policy_kwargs,
            tensorboard_log=tensorboard_log,
            stats_window_size=stats_window_size,
            verbose=verbose,
            seed=seed,
            device="cpu",
            support_multi_env=True,
        )
        if self.env is not None and not isinstance(self.action_space, spaces.Discrete):
            raise ValueError(f"env must have Discrete actions, got {self.action_space}")
        self.horizon = self.config.horizon or 100
        if self.config.horizon is None and self.env is not None:
            self.horizon = environment_horizon(self.env) or 100
        if not callable(learning_rate):
            self.learning_rate = _rate(self.config, self.horizon)
        self._position: dict[str, Any] | None = None  # where a saved model stood, until `learn` goes on from there
        self._n_updates = 0
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        self._setup_lr_schedule()
        self.set_random_seed(self.seed)
        self.policy = self.policy_class(  # type: ignore[assignment]
            self.observation_space,
            self.action_space,
            self.lr_schedule,
            config=self.config,
            horizon=self.horizon,
            seed=self.seed,
            **self.policy_kwargs,
        )
        self._make_learner()

    def _make_learner(self) -> None:
        """Put n streams at rest around the policy's weights."""
        generator = np.random.default_rng(None if self.seed is None else [self.seed, 1])  # not that of the weights
        policy, n = self.policy, self.n_envs
        approximator, explorer = policy.approximator(n), policy.explorer(n, generator)
        self._learner = make_learner(
            approximator, policy.inputs, self.config, self.horizon, policy.normaliser(), explorer
        )
        self._transition = make_transition(n, policy.sensors)
        self._no_worlds = no_worlds(n, policy.sensors)
        self._learning_rate = np.zeros(1)
        self._train_step: Callable[..., Any] | None = None  # the compiled code for one step, once it is needed

    # --- learning ----------------------------------------------------------------------------------------------------

    def learn(
        self: Self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int | None = 1,
        tb_log_name: str = "AdvantageLearning",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Train for ``total_timesteps`` steps over all environments; see SB3's `BaseAlgorithm.learn`.

        Args:
            total_timesteps: Steps to add.
            callback: SB3 callbacks. They are called at the borders of chunks of ``config.chunk_size`` steps, and at
                multiples of a callback's own ``eval_freq`` or ``save_freq``; ``n_calls`` counts every step.
            log_interval: Chunks between two writes of the log.
            tb_log_name: Name of the run in TensorBoard.
            reset_num_timesteps: False goes on: in mid-episode if the model is live, or was loaded and the environment
                takes its saved state.
            progress_bar: Show one.

        Raises:
            DivergedError: Weights are no longer finite.
            ValueError: An observation is not finite.
        """
        fresh = reset_num_timesteps or self._last_obs is None
        total_timesteps, hooks = self._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        assert self.env is not None
        if fresh and (reset_num_timesteps or not self._restore()):
            self._begin()
        self._position = None
        rows = find_rows(self.env)
        hooks.on_training_start(locals(), globals())
        chunks = 0
        while self.num_timesteps < total_timesteps:
            hooks.on_rollout_start()
            steps = min(self.config.chunk_size, -(-(total_timesteps - self.num_timesteps) // self.n_envs))
            steps = min([steps, *waits(hooks, self.num_timesteps, self.n_envs)])
            going_on = self._train_compiled(rows, steps, hooks) if rows else self._train_stepwise(steps, hooks)
            hooks.on_rollout_end()
            chunks += 1
            if log_interval and chunks % log_interval == 0:
                self.dump_logs()
            if not going_on:
                break
        hooks.on_training_end()
        return self

    def _begin(self) -> None:
        """Start episodes in all streams from the last observation, and choose their first actions."""
        self._make_learner()
        self._transition.first[:] = to_input(self.observation_space, self._last_obs, self.n_envs)
        self._give(0.0, starting=True)

    def _give(self, learning_rate: float, starting: bool = False) -> None:
        """Let every stream learn from what `_transition` holds, and choose its next action."""
        self._learning_rate[0] = learning_rate
        arguments = (self._learner, self._no_worlds, self._transition, self._learning_rate, _NO_EPISODES, starting)
        if self._train_step is None:
            self._train_step = entry_point(train, *arguments)
        steps, _ = execute(self._train_step, *arguments)
        if steps == 0:
            raise ValueError(f"observation must be finite numbers, got {self._transition.observation}")

    def _learning_rates(self, steps: int) -> NDArray[np.float64]:
        """The learning rate of each of the next ``steps`` steps; changes progress as SB3 does, once per step."""
        if not callable(self.learning_rate):
            return np.full(steps, float(self.learning_rate))
        done = self.num_timesteps + self.n_envs * np.arange(1, steps + 1)
        if isinstance(self.learning_rate, LinearDecay):
            learning_rates: NDArray[np.float64] = self.learning_rate(1.0 - done / self._total_timesteps)
            return learning_rates
        return np.array([self.lr_schedule(1.0 - at / self._total_timesteps) for at in done])

    def _train_compiled(self, rows: Rows, steps: int, callback: BaseCallback) -> bool:
        learner = self._learner
        rows.gather()
        finished = np.empty((min(self.n_envs * (steps + 1), EPISODES_PER_CHUNK + self.n_envs), 4))
        learning_rates, done, episodes = self._learning_rates(steps), 0, []
        while done < steps:
            rows.tape.draw(steps - done + steps // 8 + 2)
            worlds = make_worlds(rows.world, rows.tape, rows.state, rows.elapsed, rows.observation)
            count, ended = execute(train, learner, worlds, self._transition, learning_rates[done:], finished, False)
            done += count
            for row, total, length, success in finished[:ended].tolist():
                episodes.append((int(row), total, int(length), bool(success)))
        rows.scatter()
        infos = rows.record(episodes, learner.last_action.episode)
        dones = np.ones(len(infos), np.bool_)
        self.num_timesteps += steps * self.n_envs
        self._update_info_buffer(infos, dones)
        self._last_obs = rows.observation.copy()
        self._last_episode_starts = rows.elapsed == 0
        self._after(steps)
        # What callbacks read: each episode that ended in this chunk once, then the rows that go on
        infos += [{} for _ in range(self.n_envs)]
        dones = np.append(dones, np.zeros(self.n_envs, np.bool_))
        new_obs, rewards = self._last_obs, np.zeros(self.n_envs, np.float32)
        callback.update_locals({"dones": dones, "infos": infos, "new_obs": new_obs, "rewards": rewards, "self": self})
        count_calls(callback, steps - 1)
        return callback.on_step()

    def _train_stepwise(self, steps: int, callback: BaseCallback) -> bool:
        assert self.env is not None
        env, transition, space, n = self.env, self._transition, self.observation_space, self.n_envs
        action = self._learner.last_action.action  # a view: it follows the learner
        start = int(self.action_space.start)  # type: ignore[attr-defined]
        flat = isinstance(space, spaces.Box) and len(space.shape) == 1
        transition.truncated[:] = False
        for learning_rate in self._learning_rates(steps):
            new_obs, rewards, dones, infos = env.step(action + start)
            transition.reward[:] = rewards
            transition.first[:] = new_obs if flat else to_input(space, new_obs, n)  # type: ignore[assignment]
            transition.observation[:] = transition.first
            transition.terminated[:] = dones
            ended = True in dones.tolist()  # for few rows faster than dones.any()
            if ended:
                for i in np.flatnonzero(dones):
                    transition.truncated[i] = infos[i].get("TimeLimit.truncated", False)
                    transition.observation[i] = to_input(space, infos[i]["terminal_observation"], 1)[0]
                transition.terminated[:] = dones & ~transition.truncated
                self._update_info_buffer(infos, dones)
            self.num_timesteps += n
            self._give(learning_rate)
            if ended:
                transition.truncated[:] = False
            self._last_obs, self._last_episode_starts = new_obs, dones  # type: ignore[assignment]
            self._after(1)
            callback.update_locals(
                {"self": self, "new_obs": new_obs, "rewards": rewards, "dones": dones, "infos": infos}
            )
            if not callback.on_step():
                return False
        return True

    def _after(self, steps: int) -> None:
        """Count updates and progress; refuse to go on from numbers that are not finite, which errors add up."""
        self._n_updates += steps
        self._update_current_progress_remaining(self.num_timesteps, self._total_timesteps)
        if not math.isfinite(self._learner.sums[ABS_ERROR]):
            raise DivergedError(
                f"training diverged before step {self.num_timesteps}: errors and weights must be finite numbers; lower "
                f"learning_rate, which is {self.lr_schedule(self._current_progress_remaining):g}"
            )

    # --- logging -----------------------------------------------------------------------------------------------------

    def dump_logs(self, iteration: int = 0) -> None:
        """Write the log: ``rollout/*``, ``time/*`` and ``train/*`` since the last write."""
        learner, record = self._learner, self.logger.record
        elapsed = max((time.time_ns() - self.start_time) / 1e9, sys.float_info.epsilon)
        if self.ep_info_buffer:
            record("rollout/ep_rew_mean", safe_mean([episode["r"] for episode in self.ep_info_buffer]))
            record("rollout/ep_len_mean", safe_mean([episode["l"] for episode in self.ep_info_buffer]))
        if self.ep_success_buffer:
            record("rollout/success_rate", safe_mean(list(self.ep_success_buffer)))
        record("time/fps", int((self.num_timesteps - self._num_timesteps_at_start) / elapsed))
        record("time/time_elapsed", int(elapsed), exclude="tensorboard")
        record("time/total_timesteps", self.num_timesteps, exclude="tensorboard")
        if steps := learner.sums[STEPS]:
            record("train/td_error", learner.sums[ERROR] / steps)
            record("train/abs_td_error", learner.sums[ABS_ERROR] / steps)
            record("train/exploratory_share", learner.sums[EXPLORATORY] / steps)
            if learner.exploration.kind >= BOLTZMANN:
                record("train/temperature", learner.sums[TEMPERATURE] / steps)
            else:
                record("train/exploration_rate", learner.exploration.epsilon)
        record("train/learning_rate", self.lr_schedule(self._current_progress_remaining))
        record("train/trace_norm", float(np.linalg.norm(self.policy.model.traces(learner.approximator))))
        named = self.policy.named_parameters()
        weights = np.concatenate([w.detach().numpy().ravel() for name, w in named if name.endswith("_weights")])
        if self._logged_weights is not None and self._logged_weights.shape == weights.shape and steps:
            record("train/step_norm", float(np.linalg.norm(weights - self._logged_weights)) / steps)
        record("train/weight_norm", float(np.linalg.norm(weights)))
        self._logged_weights = weights
        learner.sums[:] = 0.0
        self.logger.dump(step=self.num_timesteps)

    _logged_weights: NDArray[Any] | None = None

    # --- acting ------------------------------------------------------------------------------------------------------

    def predict(
        self,
        observation: Any,
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """Act; see `LstmPolicy.predict`."""
        return self.policy.predict(observation, state, episode_start, deterministic)

    # --- saving and exact resume -------------------------------------------------------------------------------------

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        return ["policy"], []

    def _excluded_save_params(self) -> list[str]:
        return [
            *super()._excluded_save_params(),
            "_learner",
            "_transition",
            "_no_worlds",
            "_train_step",
            "_alpha",
            "_logged_weights",
        ]

    def save(self, path: Any, exclude: Any = None, include: Any = None) -> None:
        """Save everything that training depends on; on disk the old file stays until the new one is complete.

        Besides weights and settings that is every stream's state, partials and traces, all random generators, and the
        environments' state if they give access to it, so that `load` and ``learn(reset_num_timesteps=False)`` continue
        exactly.
        """
        waiting = self._position  # loaded, and not yet gone on from
        self._position = waiting or self._where()
        try:
            if not isinstance(path, (str, Path)):
                super().save(path, exclude, include)
                return
            target = Path(path)
            path = target if target.suffix else target.with_suffix(".zip")
            with atomic_write(path) as part, part.open("wb") as file:  # SB3 would leave a file open when it fails
                super().save(file, exclude, include)
        finally:
            self._position = waiting

    @classmethod
    def load(cls: type[Self], path: Any, env: GymEnv | None = None, device: Any = "auto", **kwargs: Any) -> Self:  # type: ignore[override]  # noqa: E501
        """Load a model; see SB3's `BaseAlgorithm.load`. Keywords may be fields of `Config`.

        Raises:
            ValueError: The file is no model of this class.
        """
        data, _, _ = load_from_zip_file(path, device="cpu")
        if data is None or not isinstance(data.get("config"), Config):
            raise ValueError(f"{path} must be a model saved by {cls.__name__}, but holds no configuration of it")
        names = {field.name for field in fields(Config)}
        settings = {key: kwargs.pop(key) for key in list(kwargs) if key in names and not callable(kwargs[key])}
        if settings.get("horizon") is not None:
            kwargs["horizon"] = settings["horizon"]
        if settings:
            kwargs["config"] = _override(data["config"], settings)
            if "learning_rate" in settings:
                kwargs["learning_rate"] = _rate(kwargs["config"], data["horizon"])
        model: Self = super().load(path, env, device="cpu", **kwargs)
        return model

    def _where(self) -> dict[str, Any]:
        """Where training stands, besides weights: arrays of the streams, and the environments' state if they tell."""
        arrays = {part: {name: value.copy() for name, value in own.items()} for part, own in self._arrays().items()}
        return {"arrays": arrays, "envs": None if self.env is None else environment_states(self.env)}

    def _arrays(self) -> dict[str, dict[str, NDArray[Any]]]:
        """All arrays of the learner that are not part of the policy."""
        learner, explorer = self._learner, self._learner.explorer
        return {
            "approximator": self.policy.model.arrays(learner.approximator),
            "last_action": learner.last_action._asdict(),
            "explorer": {name: getattr(explorer, name) for name in ("x", "y_hidden", "y_v", "repeated", "generator")},
            "log": {"sums": learner.sums},
        }

    def _restore(self) -> bool:
        """Put the saved position into the learner and the environments; False if there is none that fits."""
        assert self.env is not None
        position = self._position
        if position is None:
            return False
        rows, here = len(position["arrays"]["last_action"]["action"]), layout(environment_states(self.env))
        if rows != self.n_envs or here is None or here != layout(position["envs"]):
            warnings.warn(
                "this environment gives no access to its state, or has another number of rows than the saved one: "
                "training goes on from the saved weights, but with new episodes",
                stacklevel=3,
            )
            return False
        self._make_learner()
        for part, own in self._arrays().items():
            for name, array in own.items():
                array[:] = position["arrays"][part][name]
        self._last_obs = restore_environments(self.env, position["envs"])
        return True


def _rate(config: Config, horizon: int) -> float | LinearDecay:
    learning_rate = config.learning_rate_for(horizon)
    return LinearDecay(learning_rate) if config.schedule == "linear" else learning_rate


def _override(config: Config, settings: dict[str, Any]) -> Config:
    names = [field.name for field in fields(Config)]
    for name in settings:
        if name not in names:
            raise TypeError(f"{name} is no argument of AdvantageLearning nor a field of Config: {', '.join(names)}")
    return replace(config, **settings)
