"""`AdvantageLearning`: Advantage(lambda) with a recurrent network as a stable-baselines3 algorithm.

The rule is in `advantage_lambda`, the compiled loop in `loop`, saving and resuming in `trainer`; this file adapts them
to SB3: its learn loop, callbacks, logging, files. Worlds of `lstm_rl.envs` train inside the compiled loop, in chunks
between which callbacks and logger get their turn, unless a callback has to be called at every step; any other
environment is stepped from here. Both give the same weights to the last bit.
"""

import logging
import math
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from gymnasium.spaces import Box
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.save_util import load_from_zip_file
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, Schedule
from stable_baselines3.common.utils import FloatSchedule
from stable_baselines3.common.vec_env import VecEnv

from lstm_rl.agents import model_file
from lstm_rl.agents.callbacks import called_every_step, count_calls, steps_until_next
from lstm_rl.agents.config import Config
from lstm_rl.agents.defaults import default_config
from lstm_rl.agents.env_states import UNKNOWN_HORIZON, environment_family, environment_horizon
from lstm_rl.agents.learner import ABS_ERROR, Learner
from lstm_rl.agents.parameters import check_numbers
from lstm_rl.agents.policies import POLICIES, MemoryPolicy
from lstm_rl.agents.sb3_model import check_learn, in_position, record_rollouts, without_logger, wrap_env, write_zip
from lstm_rl.agents.schedule import LinearDecay, configured_rate, learning_rates
from lstm_rl.agents.trainer import Trainer
from lstm_rl.checks import check_float
from lstm_rl.envs.rows import Rows, find_rows

Self = TypeVar("Self", bound="AdvantageLearning")


class DivergedError(RuntimeError, ValueError):
    """Training left the finite numbers; a ValueError too, so that who tunes settings counts it as a failed trial."""


class AdvantageLearning(BaseAlgorithm):
    """Online Advantage(lambda) with an LSTM, eligibility traces over every weight, one update per step.

    With ``rule="actor_critic"``, and where actions are continuous (Box), the network is a policy and the value of
    states.

    Source: B. Bakker, "Reinforcement Learning with Long Short-Term Memory", NIPS 14 (2001); of the actor-critic see
    `lstm_rl.agents.actor_critic`.

    Args:
        policy: "LstmPolicy", "ElmanPolicy", "GruPolicy", "SlstmPolicy", "TorchPolicy", "MemoryBitsPolicy", or a class.
        env: A Gymnasium environment, its id, or an SB3 VecEnv; what `lstm_rl.agents.spaces` takes of observations, and
            Discrete, MultiDiscrete, MultiBinary or bounded Box actions. Several rows learn into the same weights.
        config: Settings; ``None``: those of `lstm_rl.agents.defaults` for this environment.
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
        kind = self.policy_aliases.get(policy) if isinstance(policy, str) else policy
        if not (isinstance(kind, type) and issubclass(kind, MemoryPolicy)):
            names = ", ".join(self.policy_aliases)
            raise ValueError(f"policy must be one of {names}, or a class of this kind, got {policy!r}")
        if str(device) not in ("auto", "cpu"):
            raise ValueError(
                f"device must be 'cpu' or 'auto', got {str(device)!r}: the compiled kernel runs on the CPU"
            )
        if env is None and _init_setup_model:
            raise ValueError("env must be an environment or the id of one, got None")
        if learning_rate is not None and not callable(learning_rate):
            settings["learning_rate"] = learning_rate
        super().__init__(
            kind,
            env,
            learning_rate=learning_rate if callable(learning_rate) else 0.0,
            policy_kwargs=policy_kwargs,
            tensorboard_log=tensorboard_log,
            stats_window_size=stats_window_size,
            verbose=verbose,
            seed=seed,
            device="cpu",
            support_multi_env=True,
        )
        if config is None:
            family, continuous = None, False
            if self.env is not None:
                family, continuous = environment_family(self.env), isinstance(self.action_space, Box)
            config = default_config(family, settings.get("rule"), continuous)
        self.config = config.override(settings)
        self.horizon = self.config.horizon or UNKNOWN_HORIZON
        if self.config.horizon is None and self.env is not None:
            self.horizon = environment_horizon(self.env) or UNKNOWN_HORIZON
        if not callable(learning_rate):
            self.learning_rate = configured_rate(self.config, self.horizon)
        self._highest_progress = 1.0  # that may remain in this call of `learn`
        self._position: dict[str, Any] | None = None  # where a saved model stood, until `learn` goes on from there
        if _init_setup_model:
            self._setup_model()

    @staticmethod
    def _wrap_env(env: GymEnv, verbose: int = 0, monitor_wrapper: bool = True) -> VecEnv:
        return wrap_env(env, verbose, monitor_wrapper)

    def _setup_model(self) -> None:
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
        self._trainer = Trainer(self.policy, self.n_envs, self.seed)

    @property
    def lr_schedule(self) -> Schedule:  # type: ignore[override]
        """The learning rate by remaining progress (1 .. 0): always that of ``learning_rate``, which may be changed."""
        rate = self.learning_rate
        return FloatSchedule(rate if callable(rate) else check_float("learning_rate", rate, 0.0))

    @property
    def _learner(self) -> Learner:
        return self._trainer.learner

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
            total_timesteps: Steps to add, >= 0.
            callback: SB3 callbacks, called at every step as by PPO. Those that need less leave whole chunks to the
                compiled loop; see `lstm_rl.agents.callbacks`.
            log_interval: Rollouts, of ``config.chunk_size`` steps per environment, between two writes of the log.
            tb_log_name: Name of the run in TensorBoard.
            reset_num_timesteps: False goes on: in mid-episode if the model is live, or was loaded and the environment
                takes its saved state. A linear schedule then goes on as well: the learning rate never rises again.
            progress_bar: Show one.

        Raises:
            DivergedError: Weights are no longer finite.
            ValueError: A reward, an observation or a weight is not finite at the start, or an argument does not fit.
        """
        total_timesteps = check_learn(total_timesteps, self.env)
        self.policy.check_finite()
        fresh = reset_num_timesteps or self._last_obs is None
        total_timesteps, hooks = self._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        continues = not reset_num_timesteps and isinstance(self.learning_rate, LinearDecay)
        self._highest_progress = self._current_progress_remaining if continues else 1.0
        if fresh:
            self._start(None if reset_num_timesteps else self._position)
        self._position = None
        rows = self._rows_for(hooks)
        hooks.on_training_start(locals(), globals())
        going_on, rollouts = True, 0
        while going_on and self.num_timesteps < total_timesteps:
            hooks.on_rollout_start()
            self._trainer.bind()
            steps = min(self.config.chunk_size, -(-(total_timesteps - self.num_timesteps) // self.n_envs))
            going_on = self._learn_rows(rows, steps, hooks) if rows else self._learn_stepwise(steps, hooks)
            hooks.on_rollout_end()
            rollouts += 1
            if log_interval and rollouts % log_interval == 0:
                self.dump_logs()
        hooks.on_training_end()
        return self

    def _start(self, position: dict[str, Any] | None) -> None:
        """Go on from a position if the environments can stand there; else from their last, first observations."""
        self._trainer = Trainer(self.policy, self.n_envs, self.seed)
        observations = None if position is None else self._trainer.restore(position, self.env)
        if observations is None:
            self._trainer.begin(self._last_obs, self.env)
        else:
            self._last_obs = observations

    def _rows_for(self, hooks: BaseCallback) -> Rows | None:
        """The environments as rows for the compiled loop, if they are worlds and no callback is in the way."""
        assert self.env is not None
        rows, names = find_rows(self.env), called_every_step(hooks)
        if rows is None or rows.world.continuous:  # whose actions the loop does not carry
            return None
        if not names:
            return rows
        if not self._said_stepwise:
            self._said_stepwise = True
            logging.getLogger(__name__).warning(
                "%s: called at every step, which leaves the compiled loop for a slower one; set chunked = True in the "
                "class if calls every %d steps (chunk_size) will do",
                ", ".join(names),
                self.config.chunk_size,
            )
        return None

    _said_stepwise = False

    def _learning_rates(self, steps: int) -> NDArray[np.float64]:
        """The learning rate of each of the next ``steps`` steps; progress changes once per step, as SB3's does."""
        done = self.num_timesteps + self.n_envs * np.arange(1, steps + 1)
        progress = np.minimum(1.0 - done / self._total_timesteps, self._highest_progress)
        return learning_rates(self.learning_rate, progress)

    def _learn_rows(self, rows: Rows, steps: int, callback: BaseCallback) -> bool:
        """One rollout inside the compiled loop, in chunks that end where a callback acts."""
        going_on = True
        while steps > 0 and going_on:
            chunk = int(min(steps, steps_until_next(callback, self.num_timesteps, self.n_envs)))
            ended = self._trainer.learn_rows(rows, self._learning_rates(chunk), self.num_timesteps)
            self.num_timesteps += chunk * self.n_envs
            episodes = rows.record(ended, self._learner.last_action.episode)
            self._update_info_buffer(episodes, np.ones(len(episodes), np.bool_))
            self._last_obs = rows.observation.copy()
            self._last_episode_starts = rows.elapsed == 0
            self._after(chunk)
            count_calls(callback, chunk - 1)
            last = self._trainer.last_step(ended, episodes) | {"episodes": episodes, "new_obs": self._last_obs}
            callback.update_locals(last | {"self": self})
            going_on = callback.on_step()
            steps -= chunk
        return going_on

    def _learn_stepwise(self, steps: int, callback: BaseCallback) -> bool:
        """One rollout step by step."""
        rate, rates = None, np.empty(0)
        for left in range(steps, 0, -1):
            if rate is not self.learning_rate:  # a callback may change it
                rate, rates = self.learning_rate, self._learning_rates(left)
            values = self._trainer.learn_step(self.env, rates[-left], self.num_timesteps)
            self.num_timesteps += self.n_envs
            self._last_obs, self._last_episode_starts = values["new_obs"], values["dones"]
            if values["episodes"]:
                self._update_info_buffer(values["infos"], values["dones"])
            self._after(1)
            values["self"] = self
            callback.update_locals(values)
            if not callback.on_step():
                return False
        return True

    def _after(self, steps: int) -> None:
        """Count updates and progress; refuse to go on from numbers that are not finite, which errors add up."""
        self._n_updates += steps
        progress = 1.0 - self.num_timesteps / self._total_timesteps
        self._current_progress_remaining = min(progress, self._highest_progress)
        if not math.isfinite(self._learner.sums[ABS_ERROR]):
            raise self.divergence()

    def divergence(self) -> DivergedError:
        """The error that says that training has left the finite numbers, and what to do."""
        return DivergedError(
            f"training diverged before step {self.num_timesteps}: errors and weights must be finite numbers; lower "
            f"learning_rate, which is {self.lr_schedule(self._current_progress_remaining):g}"
        )

    # --- logging -----------------------------------------------------------------------------------------------------

    def dump_logs(self, iteration: int = 0) -> None:
        """Write the log: ``rollout/*``, ``time/*`` and ``train/*`` since the last write."""
        record = self.logger.record
        record("time/time_elapsed", int(record_rollouts(self)), exclude="tensorboard")
        record("train/learning_rate", self.lr_schedule(self._current_progress_remaining))
        for name, value in self._trainer.log().items():
            record(f"train/{name}", value)
        self.logger.dump(step=self.num_timesteps)

    # --- copies, saving and exact resume -----------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """What `copy` and `pickle` take."""
        return without_logger(self)

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        return ["policy"], []

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_trainer"]

    def save(self, path: Any, exclude: Any = None, include: Any = None) -> None:
        """Save everything that training depends on; on disk the old file stays until the new one is complete.

        Besides weights and settings that is every stream's state, partials and traces, all random generators, and the
        environments' state if they give access to it, so that `load` and ``learn(reset_num_timesteps=False)`` continue
        exactly. A path that ends in .safetensors gives a file without pickles: loading it runs no code. It has the same
        in it, but TensorBoard's folder, attributes that a user added, and an environments' state that is not data.

        Raises:
            ValueError: A .safetensors file cannot hold what is code: a policy's class, a schedule of the user's.
        """
        with in_position(self, lambda: self._trainer.position(self.env, self._last_obs)):
            if isinstance(path, (str, Path)) and Path(path).suffix == model_file.SUFFIX:
                model_file.write(self, Path(path), exclude)
            else:
                write_zip(super().save, path, exclude, include)

    @classmethod
    def load(cls: type[Self], path: Any, env: GymEnv | None = None, device: Any = "auto", **kwargs: Any) -> Self:  # type: ignore[override]  # noqa: E501
        """Load a model; see SB3's `BaseAlgorithm.load`. Keywords may be fields of `Config`.

        A .zip may run code when it is loaded, a .safetensors cannot: see docs/model-files.md.

        Raises:
            ValueError: The file is no model of this class, or its weights are not finite.
        """
        plain = model_file.is_model_file(path)
        data: dict[str, Any] | None
        if plain:
            data, parameters = model_file.read(Path(path), cls.policy_aliases)
        else:
            data, parameters, _ = load_from_zip_file(path, device="cpu")
        if data is None or not isinstance(data.get("config"), Config):
            raise ValueError(f"{path} must be a model saved by {cls.__name__}, but holds no configuration of it")
        weights: Any = parameters.get("policy", {})
        check_numbers(
            weights, str(path) if isinstance(path, (str, Path)) else "model"
        )  # SB3 would take the error for one of an old DQN's
        names = {field.name for field in fields(Config)}
        settings = {key: kwargs.pop(key) for key in list(kwargs) if key in names and not callable(kwargs[key])}
        if settings.get("horizon") is not None:
            kwargs["horizon"] = settings["horizon"]
        if settings:
            kwargs["config"] = data["config"].override(settings)
            saved = data["learning_rate"]
            own = callable(saved) and not isinstance(saved, LinearDecay)  # a schedule of the user's
            if settings.keys() & {"learning_rate", "schedule"} or ("horizon" in settings and not own):
                horizon = kwargs.get("horizon", data["horizon"])
                kwargs.setdefault("learning_rate", configured_rate(kwargs["config"], horizon))
        model: Self
        if plain:
            model = model_file.restore(cls, Path(path), data, parameters, env, kwargs)
        else:
            model = super().load(path, env, device="cpu", **kwargs)
        return model

    @classmethod
    def from_pretrained(cls: type[Self], name: str | Path, env: GymEnv | None = None, **kwargs: Any) -> Self:
        """Load a trained model by name.

        Args:
            name: One of ``lstm-rl models``; a model's file; a folder with one, such as a run's; or
                "hub:user/name", a repository of the Hugging Face hub, if huggingface_hub is installed.
            env: As `load`.
            **kwargs: As `load`.

        Raises:
            ValueError: There is no such model; or as `load`.
        """
        from lstm_rl.pretrained import find

        return cls.load(find(name), env, **kwargs)
