"""`WorldModelController`: a controller that learns through a recurrent model of the world, in SB3's interface.

The algorithm is in `lstm_rl.agents.world_model`, how it is called in `lstm_rl.agents.world_model_trainer`; this file
adapts them to stable-baselines3.
"""

from dataclasses import replace
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback
from stable_baselines3.common.vec_env import VecEnv

from lstm_rl.agents.advantage_learning import DivergedError
from lstm_rl.agents.callbacks import called_every_step, count_calls, steps_until_next
from lstm_rl.agents.sb3_model import check_learn, in_position, record_rollouts, without_logger, wrap_env, write_zip
from lstm_rl.agents.world_model_agent import stage
from lstm_rl.agents.world_model_config import WorldModelConfig
from lstm_rl.agents.world_model_policy import RewardRange, WorldModelPolicy
from lstm_rl.agents.world_model_trainer import Trainer
from lstm_rl.envs.rows import Rows, find_rows

Self = TypeVar("Self", bound="WorldModelController")
CHUNK = 5000  # steps per environment between two calls of callbacks and two writes of the log, at most; counted from
# the first step of all, as are those after which the rates of a linear schedule fall, so that a run resumes exactly


class WorldModelController(BaseAlgorithm):
    """A controller trained by gradients through a recurrent world model, after Schmidhuber (1990) and Bakker (2007).

    Args:
        policy: "WorldModelPolicy", or a class of this kind.
        env: A Gymnasium environment, its id, or an SB3 VecEnv. Observations are a Box with one dimension, actions
            Discrete or a Box with one dimension and bounds. Several rows learn into the same weights.
        config: Settings.
        reward_range: Least and largest reward of a step, which give the pain (largest - reward) / (largest - least).
            ``None``: what the environment's ``metadata["reward_range"]`` says, as our worlds tell it.
        policy_kwargs: Unused but for SB3's own.
        tensorboard_log: Folder for TensorBoard.
        stats_window_size: Episodes that ``rollout/*`` averages over.
        verbose: 0 silent, 1 prints the log.
        seed: Of weights, exploration and environments.
        device: "cpu" or "auto"; the kernel runs on the CPU.
        **settings: Fields of `WorldModelConfig` that override it.

    Raises:
        ValueError: An argument does not fit; the message names it.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"WorldModelPolicy": WorldModelPolicy}
    policy: WorldModelPolicy

    def __init__(
        self,
        policy: str | type[WorldModelPolicy],
        env: GymEnv | str | None,
        config: WorldModelConfig | None = None,
        reward_range: RewardRange | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        tensorboard_log: str | None = None,
        stats_window_size: int = 100,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
        **settings: Any,
    ) -> None:
        if policy not in ("WorldModelPolicy", WorldModelPolicy):
            raise ValueError(f"policy must be WorldModelPolicy, got {policy!r}")
        if str(device) not in ("auto", "cpu"):
            raise ValueError(f"device must be 'cpu' or 'auto', got {str(device)!r}: the kernel runs on the CPU")
        if env is None and _init_setup_model:
            raise ValueError("env must be an environment or the id of one, got None")
        super().__init__(
            WorldModelPolicy,
            env,
            learning_rate=0.0,
            policy_kwargs=policy_kwargs,
            tensorboard_log=tensorboard_log,
            stats_window_size=stats_window_size,
            verbose=verbose,
            seed=seed,
            device="cpu",
            support_multi_env=True,
        )
        unknown = sorted(settings.keys() - WorldModelConfig.__dataclass_fields__.keys())
        if unknown:
            known = ", ".join(WorldModelConfig.__dataclass_fields__)
            raise ValueError(f"settings must be among {known}, got {', '.join(unknown)}")
        self.config = replace(config or WorldModelConfig(), **settings)
        self.reward_range = reward_range
        self._position: dict[str, Any] | None = None
        if _init_setup_model:
            self._setup_model()

    @staticmethod
    def _wrap_env(env: GymEnv, verbose: int = 0, monitor_wrapper: bool = True) -> VecEnv:
        return wrap_env(env, verbose, monitor_wrapper)

    def _setup_model(self) -> None:
        self.set_random_seed(self.seed)
        if self.reward_range is None:
            self.reward_range = _stated_range(self.env)
        self.policy = WorldModelPolicy(
            self.observation_space,
            self.action_space,
            lambda _: 0.0,
            config=self.config,
            reward_range=self.reward_range,
            seed=self.seed,
            **self.policy_kwargs,
        )
        self._trainer = Trainer(self.policy, self.n_envs, self.seed)

    # --- learning ----------------------------------------------------------------------------------------------------

    def learn(
        self: Self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int | None = 1,
        tb_log_name: str = "WorldModelController",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Train for ``total_timesteps`` steps over all environments; see SB3's `BaseAlgorithm.learn`.

        The first ``config.model_first`` steps of the model's life are M's. ``reset_num_timesteps=False`` goes on, in
        mid-episode if the environment takes its saved state.

        Raises:
            DivergedError: Weights are no longer finite.
            ValueError: A reward or an observation is not finite, or an argument does not fit.
        """
        total_timesteps = check_learn(total_timesteps, self.env)
        assert self.env is not None
        fresh = reset_num_timesteps or self._last_obs is None
        total_timesteps, hooks = self._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        if fresh:
            self._start(None if reset_num_timesteps else self._position)
        self._position = None
        rows = None if called_every_step(hooks) else find_rows(self.env)
        hooks.on_training_start(locals(), globals())
        going_on, rollouts = True, 0
        while going_on and self.num_timesteps < total_timesteps:
            hooks.on_rollout_start()
            self._trainer.bind()
            left = -(-(total_timesteps - self.num_timesteps) // self.n_envs)
            steps = min(CHUNK - self.num_timesteps // self.n_envs % CHUNK, left)
            going_on = self._rollout(rows, steps, hooks)
            hooks.on_rollout_end()
            rollouts += 1
            if log_interval and rollouts % log_interval == 0:
                self.dump_logs()
        hooks.on_training_end()
        return self

    def _start(self, position: dict[str, Any] | None) -> None:
        self._trainer = Trainer(self.policy, self.n_envs, self.seed)
        observations = None if position is None else self._trainer.restore(position, self.env)
        if observations is None:
            self._trainer.begin(self._last_obs, self._stage()[0], self.env, self.num_timesteps)
        else:
            self._last_obs = observations

    def _stage(self) -> Any:
        begun = self.num_timesteps - self.num_timesteps % (CHUNK * self.n_envs)
        remaining = 1.0 - begun / max(self._total_timesteps, 1)
        return stage(self.config, self.num_timesteps, remaining, self.n_envs)

    def _rollout(self, rows: Rows | None, steps: int, hooks: BaseCallback) -> bool:
        going_on = True
        while steps > 0 and going_on:
            now, limit = self._stage()
            chunk = 1
            if rows is not None:
                chunk = int(min(steps, steps_until_next(hooks, self.num_timesteps, self.n_envs)))
            chunk = min(chunk, limit) if limit else chunk
            if rows is None:
                told = self._trainer.learn_step(self.env, now, self.num_timesteps)
                self._last_obs, episodes, done = told["new_obs"], told["infos"], told["dones"]
            else:
                ended = self._trainer.learn_rows(rows, now, chunk, self.num_timesteps)
                episodes = rows.record(ended, self._trainer.agent.episode)
                self._last_obs, done = rows.observation.copy(), np.ones(len(episodes), np.bool_)
                told = {"episodes": episodes, "new_obs": self._last_obs}
                count_calls(hooks, chunk - 1)
            self.num_timesteps += chunk * self.n_envs
            self._update_info_buffer(episodes, done)
            self._n_updates += chunk
            self._update_current_progress_remaining(self.num_timesteps, self._total_timesteps)
            agent = self._trainer.agent
            if not (np.isfinite(agent.model.parameters).all() and np.isfinite(agent.controller.parameters).all()):
                raise DivergedError(
                    f"training diverged before step {self.num_timesteps}: weights must be finite numbers; lower "
                    f"model_rate, which is {self.config.model_rate:g}, or controller_rate, which is "
                    f"{self.config.controller_rate:g}"
                )
            hooks.update_locals(told | {"self": self})
            going_on = hooks.on_step()
            steps -= chunk
        return going_on

    def dump_logs(self, iteration: int = 0) -> None:
        """Write the log: ``rollout/*``, ``time/*``, and M's prediction error and C's pain as ``train/*``."""
        record_rollouts(self)
        for name, value in self._trainer.log().items():
            self.logger.record(f"train/{name}", value)
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
        """Save everything that training depends on; on disk the old file stays until the new one is complete."""
        with in_position(self, lambda: self._trainer.position(self.env, self._last_obs)):
            write_zip(super().save, path, exclude, include)


def _stated_range(env: VecEnv | None) -> RewardRange:
    metadata = env.get_attr("metadata", 0)[0] if env is not None and env.has_attr("metadata") else {}
    stated = metadata.get("reward_range")
    if stated is None:
        raise ValueError(
            "reward_range must be given as (least, largest): this environment does not say in metadata['reward_range'] "
            "between which numbers its rewards lie, and a pain can be told from bounds only"
        )
    return float(stated[0]), float(stated[1])
