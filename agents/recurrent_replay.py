"""What `RecurrentDQN` and `RecurrentTD3` share: collecting, the buffer, saving, resuming, recorded episodes.

An adapter to SB3's `OffPolicyAlgorithm`. That class acts without state and drops the step at which a callback stops
training, so collecting is written here. How a batch of sequences becomes an update is in `recurrent_dqn` and
`recurrent_td3`.

Dimensions: n environments, L steps of a sequence, T steps that are learned, B sequences.
"""

import logging
import warnings
from collections.abc import Iterable
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, RolloutReturn, Schedule, TrainFreq
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from lstm_rl.agents.advantage_learning import DivergedError
from lstm_rl.agents.env_states import (
    UNKNOWN_HORIZON,
    environment_horizon,
    environment_states,
    layout,
    restore_environments,
)
from lstm_rl.agents.observation_counts import ObservationCounts
from lstm_rl.agents.recorded import add_episodes, rewards_of
from lstm_rl.agents.replay_config import ReplayConfig
from lstm_rl.agents.replay_exploration import ReplayExploration
from lstm_rl.agents.replay_files import load_buffer
from lstm_rl.agents.replay_networks import CORES
from lstm_rl.agents.replay_policy import ReplayPolicy, State
from lstm_rl.agents.return_size import ReturnSize
from lstm_rl.agents.sb3_model import check_learn, in_position, wrap_env, write_zip
from lstm_rl.agents.schedule import LinearDecay
from lstm_rl.agents.sequence_batch import Batch, unroll
from lstm_rl.agents.sequence_buffer import SequenceBuffer, Sequences
from lstm_rl.agents.spaces import make_action_decoder
from lstm_rl.checks import check_int
from lstm_rl.envs.rows import check_rows

SHARED = ("buffer_size", "learning_starts", "batch_size", "gamma", "train_freq", "gradient_steps")


class RecurrentReplay(OffPolicyAlgorithm):
    """See `RecurrentDQN`, whose arguments these are."""

    config_class: ClassVar[type[ReplayConfig]]
    policy: ReplayPolicy
    replay_buffer: SequenceBuffer  # type: ignore[assignment]

    def __init__(
        self,
        policy: str | type[ReplayPolicy],
        env: GymEnv | str | None,
        config: ReplayConfig | None = None,
        learning_rate: float | Schedule | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        tensorboard_log: str | None = None,
        stats_window_size: int = 100,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "cpu",
        _init_setup_model: bool = True,
        **settings: Any,
    ) -> None:
        kwargs = dict(policy_kwargs or {})
        if isinstance(policy, str):
            if policy not in self.policy_aliases:
                raise ValueError(f"policy must be one of {', '.join(self.policy_aliases)}, or a class, got {policy!r}")
            kwargs.setdefault("core", CORES[policy])
            if kwargs["core"] is None:
                raise ValueError("core must be given in policy_kwargs for TorchPolicy: what builds the module")
        if env is None and _init_setup_model:
            raise ValueError("env must be an environment or the id of one, got None")
        if str(device).startswith("cuda") and not torch.cuda.is_available():
            raise ValueError(f"device must be 'cpu' or 'auto' where Torch finds no GPU, got {str(device)!r}")
        if learning_rate is not None and not callable(learning_rate):
            settings["learning_rate"] = learning_rate
        self.config = (config or self.config_class()).override(settings)
        if callable(learning_rate) and self.config.schedule != "constant":
            raise ValueError(
                f"learning_rate must be a number with schedule={self.config.schedule!r}, got a schedule of its own"
            )
        rate = self.config.learning_rate
        falling = LinearDecay(rate) if self.config.schedule == "linear" else rate
        super().__init__(
            policy,
            env,  # type: ignore[arg-type]
            learning_rate if callable(learning_rate) else falling,
            **{name: getattr(self.config, name) for name in SHARED},
            policy_kwargs=kwargs,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            seed=seed,
            device=device,
            support_multi_env=True,
            sde_support=False,
        )
        if self.env is not None:
            self.policy_kwargs.setdefault("horizon", environment_horizon(self.env) or UNKNOWN_HORIZON)
        self._rng: np.random.Generator | None = None
        self.exploration: ReplayExploration | None = None  # since the first call of `learn`
        self.exploration_rate = 0.0  # as `ReplayPolicy.choose` takes it
        self._state: State | None = None  # of the networks that act, before the next step
        self._age = np.zeros(0, np.int32)  # (n,) steps of the present episodes
        self._returns = ReturnSize(self.config.gamma)  # of reward_scale="auto"
        self._measured = False  # whether values are in a unit of rewards yet
        self.reward_scale = 1.0  # in the values of the networks
        self._seen: list[NDArray[Any]] = []  # observations of the present rollout
        self._position: dict[str, Any] | None = None  # where a saved model stood, until `learn` goes on from there
        if _init_setup_model:
            self._setup_model()

    @staticmethod
    def _wrap_env(env: GymEnv, verbose: int = 0, monitor_wrapper: bool = True) -> VecEnv:
        wrapped = wrap_env(env, verbose, monitor_wrapper)
        make_action_decoder(wrapped.action_space)  # for its errors, which say what to do
        return wrapped

    def _setup_model(self) -> None:
        self._setup_lr_schedule()
        self.set_random_seed(self.seed)
        self._convert_train_freq()
        policy: Any = self.policy_class(
            self.observation_space, self.action_space, self.lr_schedule, seed=self.seed, **self.policy_kwargs
        )
        self.policy = policy.to(self.device)
        self._explore(self.exploration_rate)
        self._rng = self._rng or np.random.default_rng(self.seed)
        if self.replay_buffer is None or self.replay_buffer.n_envs != self.n_envs:
            if self.replay_buffer is not None:
                warnings.warn(
                    f"the saved replay buffer is of {self.replay_buffer.n_envs} environments, not of {self.n_envs}: "
                    "training goes on with an empty one",
                    stacklevel=4,
                )
            self.replay_buffer = self._make_buffer(self.config.buffer_size, self.n_envs)

    def _make_buffer(self, size: int, n: int) -> SequenceBuffer:
        c, spec = self.config, self.policy.spec
        need = SequenceBuffer.bytes_needed(size, spec, c.step_period)
        say = logging.getLogger(__name__).warning if need > 1e9 else print if self.verbose else None
        if say:
            say(f"The replay buffer of {size:,} steps will take {need / 1e6:,.0f} MB of memory")
        return SequenceBuffer(
            size,
            n,
            spec,
            length=c.length,
            period=c.step_period,
            alpha=c.priority_exponent if c.prioritized else 0.0,
            beta=c.importance_exponent,
            counted=c.counts_observations,
        )

    # --- collecting --------------------------------------------------------------------------------------------------

    def _setup_learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        reset_num_timesteps: bool = True,
        tb_log_name: str = "run",
        progress_bar: bool = False,
    ) -> tuple[int, BaseCallback]:
        total_timesteps = check_learn(total_timesteps, self.env)
        fresh, before = reset_num_timesteps or self._last_obs is None, self._last_obs
        aids = self._aids()
        if reset_num_timesteps:
            aids.start_training()
        name = type(self).__name__ if tb_log_name == "run" else tb_log_name
        result = super()._setup_learn(total_timesteps, callback, reset_num_timesteps, name, progress_bar)
        if fresh and not (not reset_num_timesteps and self._restore()):
            if before is not None and self._state is not None:
                self._cut_off(np.arange(self.n_envs), before)
            self._state, self._age = self.policy.initial_state(self.n_envs), np.zeros(self.n_envs, np.int32)
            aids.reset(self.n_envs)
            self._seen = []
        self._position = None
        return result

    def _aids(self) -> ReplayExploration:
        """The aids to exploration, made at the first call, also of a model that an older version has saved."""
        if self.exploration is None:
            assert self._rng is not None
            self.exploration = ReplayExploration(self.config, int(np.prod(self.policy.spec.observation)), self._rng)
            self.exploration.reset(self.n_envs)
        return self.exploration

    def _cut_off(self, rows: NDArray[Any], observation: Any) -> None:
        """Add the last observations of episodes that did not end by themselves; ``self._state`` has seen all before."""
        x = self.policy.encode(observation, len(rows))
        state = tuple(part[rows] for part in self._state[:-1])  # type: ignore[index]
        begun = self._age[rows] > 0  # else nothing of the episode is in the buffer
        parts = tuple(part[begun] for part in state)
        self.replay_buffer.add(rows[begun], x[begun], None, 0.0, self._age[rows][begun], False, parts)

    def _exploration_rates(self) -> Any:
        """The exploration that `ReplayPolicy.choose` takes: one number, or one for each environment (n,)."""
        raise NotImplementedError

    def collect_rollouts(  # type: ignore[override]
        self,
        env: VecEnv,
        callback: BaseCallback,
        train_freq: TrainFreq,
        replay_buffer: SequenceBuffer,
        action_noise: Any = None,
        learning_starts: int = 0,
        log_interval: int | None = None,
    ) -> RolloutReturn:
        """Act for some steps; SB3's method of the same name, but with states. Each step is stored before callbacks."""
        assert self._rng is not None and self._state is not None and self.exploration is not None
        callback.on_rollout_start()
        rows, episodes, going_on, before_now = np.arange(env.num_envs), 0, True, self.num_timesteps
        while len(self._seen) < train_freq.frequency and going_on:  # a rollout that was stopped goes on
            start, before = self._age == 0, self._state
            if isinstance(self._last_obs, np.ndarray):
                call = "reset or step" if start.any() else "step"
                check_rows(env, call, "observation", self._last_obs, self.num_timesteps)
            x = self.policy.encode(self._last_obs, env.num_envs)
            if start.any():
                self.exploration.begin(np.flatnonzero(start), x[start], self._rng)
            outputs, after = self.policy.step(x, before, start)
            chosen = self._act(outputs, learning_starts)
            new_obs, rewards, dones, infos = env.step(self.policy.to_env(chosen))
            self._last_obs = new_obs  # type: ignore[assignment]
            cut = np.array([bool(info.get("TimeLimit.truncated", False)) for info in infos])
            check_rows(env, "step", "reward", rewards, self.num_timesteps + env.num_envs)
            if self.config.reward_scale == "auto":
                self._returns.add(rewards, dones)
            if self.exploration.returns is not None:
                self.exploration.returns.add(rewards, dones)
            stored = tuple(np.where(start[:, None], 0.0, part) for part in before[:-1])
            new = self._find_new(self.exploration.counts, infos, dones)
            replay_buffer.add(rows, x, chosen, rewards, self._age, dones & ~cut, stored, new)
            self._state = (*after[:-1], chosen)
            self._age = self._age + 1
            for i in np.flatnonzero(cut):
                self._cut_off(rows[i : i + 1], infos[i]["terminal_observation"])
            self._age[dones] = 0
            self._last_episode_starts = dones
            self._seen.append(x)
            self.num_timesteps += env.num_envs
            self._update_info_buffer(infos, dones)
            self._update_current_progress_remaining(self.num_timesteps, self._total_timesteps)
            self._on_step()
            callback.update_locals(locals())
            going_on = callback.on_step()
            for _ in range(int(dones.sum())):
                episodes += 1
                self._episode_num += 1
                if log_interval is not None and self._episode_num % log_interval == 0:
                    self.dump_logs()
        if going_on:
            self.policy.observe(np.concatenate(self._seen))
            self._seen = []
        callback.on_rollout_end()
        return RolloutReturn(self.num_timesteps - before_now, episodes, going_on)

    def _find_new(
        self, counts: ObservationCounts | None, infos: list[dict[str, Any]], dones: NDArray[Any]
    ) -> NDArray[np.int32] | None:
        """Which of the observations after a step, last ones of episodes included, are new in theirs, (n,)."""
        if counts is None:
            return None
        x = self.policy.encode(self._last_obs, self.n_envs).copy()
        for i in np.flatnonzero(dones):
            x[i] = self.policy.encode(infos[i]["terminal_observation"], 1)[0]
        self.logger.record("rollout/distinct_observations", len(counts))
        return counts.see(x)

    def _explore(self, rate: float) -> None:
        """Set the exploration rate of training and of `predict`."""
        self.exploration_rate = self.policy.exploration_rate = rate

    def _act(self, outputs: NDArray[Any], learning_starts: int) -> NDArray[Any]:
        """Actions of all environments; random ones before learning starts."""
        assert self._rng is not None
        if self.num_timesteps >= learning_starts:
            return self.policy.choose(outputs, self._exploration_rates(), self._rng)
        if self.policy.continuous:
            return self._rng.uniform(-1.0, 1.0, outputs.shape).astype(np.float32)
        return self._rng.integers(outputs.shape[1], size=len(outputs))

    # --- learning ----------------------------------------------------------------------------------------------------

    def _batch(self, batch_size: int) -> Batch | None:
        """Draw sequences and unroll both bodies over them; ``None`` if the buffer holds none yet."""
        assert self._rng is not None
        drawn = self.replay_buffer.sample(batch_size, self._rng)
        return None if drawn is None else self._unrolled(drawn)

    def _unrolled(self, drawn: Sequences) -> Batch:
        if self.config.novelty_bonus and self.exploration is not None and self.exploration.counts is not None:
            bonus = self.exploration.counts.bonus(self.replay_buffer.found(drawn), self.config.novelty_bonus)
            drawn = drawn._replace(reward=drawn.reward + bonus)
        self._set_reward_scale()
        return unroll(self.policy, self.replay_buffer, drawn, self.config, self.reward_scale)

    def _set_reward_scale(self) -> None:
        """Follow the size of returns and keep what values mean; before the first reward there is no unit to keep."""
        if self.config.reward_scale != "auto":
            self.reward_scale = self.config.reward_scale
        elif self._returns.size > 0.0:
            new = self._returns.factor
            if new != self.reward_scale and self._n_updates and (self._measured or self.config.novelty_bonus):
                self.policy.rescale_values(new / self.reward_scale)
            self.reward_scale, self._measured = new, True

    def _minimise(self, loss: Tensor, optimizer: torch.optim.Optimizer) -> float:
        """Make one optimiser step with the gradient clipped to ``max_grad_norm``; return the norm before clipping."""
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, self.config.max_grad_norm))
        if not np.isfinite(norm):
            raise self.divergence()
        optimizer.step()
        return norm

    def divergence(self) -> DivergedError:
        """The error to raise when a gradient is no longer finite."""
        rate = self.lr_schedule(self._current_progress_remaining)
        return DivergedError(
            f"training diverged before step {self.num_timesteps}: gradients and weights must be finite numbers; lower "
            f"learning_rate, which is {rate:g} at this step, or give observations and rewards in larger units"
        )

    def learn_from(self, episodes: Iterable[Any], gradient_steps: int) -> Self:
        """Learn from recorded episodes alone: no step in the environment.

        Args:
            episodes: With ``observations`` (T + 1, ...), ``actions`` (T, ...), ``rewards`` (T,), ``terminations`` and
                ``truncations`` (T,), as attributes or keys: dicts of arrays, or a Minari data set. The T + 1st
                observation may be missing where the episode terminated.
            gradient_steps: Updates, >= 0.

        The states before sequences are unrolled from the start of their episodes, as with ``state="recomputed"``.

        Raises:
            ValueError: The data are of other spaces, or have gaps; no episode is as long as a sequence; or
                ``novelty_bonus`` is not 0.
        """
        check_int("gradient_steps", gradient_steps, 0)
        if self.config.novelty_bonus:
            raise ValueError(
                f"novelty_bonus must be 0 in learn_from, which does not count what was recorded, got "
                f"{self.config.novelty_bonus}"
            )
        own, config = self.replay_buffer, self.config
        self.config = config.override({"state": "recomputed"})
        try:
            episodes = list(episodes)
            self.replay_buffer = add_episodes(self.policy, episodes, self._make_buffer, config)
            if config.reward_scale == "auto":
                for rewards in rewards_of(episodes):
                    self._returns.add_episode(rewards)
            if not hasattr(self, "_logger"):
                from stable_baselines3.common.utils import configure_logger

                self.set_logger(configure_logger(self.verbose, self.tensorboard_log, "learn_from", True))
            self.train(gradient_steps, config.batch_size)
        finally:
            self.replay_buffer, self.config = own, config
        return self

    # --- saving and exact resume -------------------------------------------------------------------------------------

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_state"]

    def save(self, path: Any, exclude: Any = None, include: Any = None) -> None:
        """Save; with ``include=["replay_buffer"]`` the buffer too, and then training goes on exactly as it would have.

        Without it, or `save_replay_buffer`, training goes on with an empty buffer. On disk the old file stays until the
        new one is complete.
        """
        with in_position(self, self._where):
            write_zip(super().save, path, exclude, include)

    def _where(self) -> dict[str, Any] | None:
        """The position to save; ``None`` before the first step."""
        if self.env is None or self._state is None:
            return None
        where = {"states": environment_states(self.env), "observation": self._last_obs}
        return where | {"age": self._age, "state": self._state, "starts": self._last_episode_starts}

    def _restore(self) -> bool:
        """Put environments, just reset, and states where they stood when the model was saved, if that can be."""
        position, env = self._position, self.env
        if position is None or env is None:
            return False
        here = layout(environment_states(env))
        if len(position["age"]) != self.n_envs or here is None or here != layout(position["states"]):
            warnings.warn(
                "this environment gives no access to its state, or has another number of rows than the saved one: "
                "training goes on from the saved weights, but with new episodes",
                stacklevel=4,
            )
            return False
        restore_environments(env, position["states"])
        self._last_obs, self._last_episode_starts = position["observation"], position["starts"]
        self._age, self._state = position["age"].copy(), position["state"]
        return True

    def load_replay_buffer(self, path: Any, truncate_last_traj: bool = True) -> None:
        """Load what `save_replay_buffer` has saved.

        Raises:
            ValueError: The file holds no such buffer, or one of other spaces, networks or sequences.
        """
        self.replay_buffer = load_buffer(path, self.replay_buffer, self.verbose)

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        return ["policy", "policy.optimizer"], []
