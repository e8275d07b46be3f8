"""`RecurrentDQN`: action values of a recurrent network, learned from replayed sequences.

Source: Kapturowski et al. (2019), "Recurrent Experience Replay in Distributed Reinforcement Learning" (R2D2), with one
process; double Q: van Hasselt et al. (2016); dueling: Wang et al. (2016). The targets are in `sequence_loss`.
"""

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.utils import LinearSchedule, polyak_update
from torch import Tensor

from lstm_rl.agents.recurrent_replay import RecurrentReplay
from lstm_rl.agents.replay_config import DqnConfig
from lstm_rl.agents.replay_networks import CORES
from lstm_rl.agents.replay_policies import QPolicy
from lstm_rl.agents.sequence_batch import Batch
from lstm_rl.agents.sequence_loss import priorities, q_targets, sequence_loss


class RecurrentDQN(RecurrentReplay):
    """Deep Q-learning with memory.

    Args:
        policy: "LstmPolicy", "GruPolicy", "SlstmPolicy", "TorchPolicy" (with ``policy_kwargs["core"]``), or a class.
        env: A Gymnasium environment, its id, or an SB3 VecEnv, with Discrete, MultiDiscrete or MultiBinary actions.
        config: Settings; ``None``: `DqnConfig()`.
        learning_rate: Overrides the configuration's; a number, or a function of the remaining progress (1 .. 0), with
            ``schedule="constant"`` alone.
        policy_kwargs: Arguments of `lstm_rl.agents.replay_policy.ReplayPolicy`, and ``dueling``.
        tensorboard_log: Folder for TensorBoard.
        stats_window_size: Episodes that ``rollout/*`` averages over.
        verbose: 0 silent, 1 prints the log.
        seed: Of weights, exploration, sampling, and environments.
        device: "cpu", "cuda", or "auto".
        **settings: Fields of `DqnConfig` that override it.

    Raises:
        ValueError: An argument does not fit; the message names it.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = dict.fromkeys(CORES, QPolicy)
    config_class = DqnConfig
    config: DqnConfig
    policy: QPolicy

    def _setup_model(self) -> None:
        super()._setup_model()
        c = self.config
        self.exploration_schedule = LinearSchedule(
            c.exploration_initial_eps, c.exploration_final_eps, c.exploration_fraction
        )

    def _exploration_rates(self) -> NDArray[np.float64]:
        """Epsilon of each environment, (n,)."""
        shares = np.arange(self.n_envs) / max(self.n_envs - 1, 1)
        epsilon: NDArray[np.float64] = self.exploration_rate ** (1.0 + self.config.exploration_spread * shares)
        return epsilon

    def _act(self, outputs: NDArray[Any], learning_starts: int) -> NDArray[Any]:
        assert self._rng is not None and self.exploration is not None
        epsilon = self.exploration.raised(self._exploration_rates())
        if self.num_timesteps < learning_starts:
            if self.config.exploration_duration == 1.0:
                return super()._act(outputs, learning_starts)
            epsilon = np.ones_like(epsilon)
        if self.exploration.repeated is None:
            return self.policy.choose(outputs, epsilon, self._rng)
        return self.exploration.repeated.choose(outputs.argmax(axis=1), epsilon, outputs.shape[1], self._rng)

    def _on_step(self) -> None:
        """Lower exploration; update the slow copy every ``target_update_interval`` steps."""
        aids = self.exploration
        assert aids is not None
        if aids.held:
            aids.held_until = self.num_timesteps
            self._explore(self.config.exploration_initial_eps)
        else:
            delay = aids.held_until / self._total_timesteps
            self._explore(float(self.exploration_schedule(self._current_progress_remaining + delay)))
        interval = self.config.target_update_interval
        if self.num_timesteps // interval > (self.num_timesteps - self.n_envs) // interval:
            self._update_target()
        self.logger.record("rollout/exploration_rate", self.exploration_rate)

    def _update_target(self) -> None:
        polyak_update(self.policy.net.parameters(), self.policy.target.parameters(), self.config.tau)

    def q_values(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Action values of the learning network and of its slow copy, each (T + n, B, K)."""
        q = self.policy.net["head"](batch.features)
        with torch.no_grad():
            return q, self.policy.target["head"](batch.target_features)

    def errors(self, batch: Batch) -> Tensor:
        """Target minus value of the action taken, (T, B), for `sequence_loss`."""
        c, (q, slow) = self.config, self.q_values(batch)
        y = q_targets(
            q,
            slow,
            batch.reward,
            batch.terminated,
            batch.valid,
            gamma=self.gamma,
            n_steps=c.n_steps,
            lambda_=c.lambda_,
            kappa=c.kappa,
            double=c.double,
            rescaled=c.rescale_values,
        )
        taken = q[: len(y)].gather(2, batch.action[: len(y), :, None]).squeeze(2)  # (T, B)
        return y - taken

    def train(self, gradient_steps: int, batch_size: int = 32) -> None:
        """Make ``gradient_steps`` updates, each from ``batch_size`` sequences."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        sums = np.zeros(4)
        for _ in range(gradient_steps):
            batch = self._batch(batch_size)
            if batch is None:
                return
            errors = self.errors(batch)
            valid = batch.valid[: len(errors)]
            loss = sequence_loss(errors, valid, batch.weight)
            norm = self._minimise(loss, self.policy.optimizer)
            self.policy.update_average()
            if self.config.prioritized:
                new = priorities(errors, valid, self.config.priority_max_weight)
                self.replay_buffer.set_priority(batch.drawn, new.cpu().double().numpy() + 1e-6)
            self._n_updates += 1
            size = float(errors.detach().abs().mean())
            sums += [float(loss.detach()), size, norm, 1.0]
        if sums[3]:
            for name, value in zip(("loss", "abs_td_error", "gradient_norm"), sums, strict=False):
                self.logger.record(f"train/{name}", value / sums[3])
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
