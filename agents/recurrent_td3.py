"""`RecurrentTD3`: a deterministic actor and two critics on one recurrent body, learned from replayed sequences.

Only the critics' errors train the body; the actor uses its features unchanged, so that one unroll serves both.
Targets, from the slow copies, with clipped noise eps:

    a'(t) = clip(mu-(t) + eps, -1, 1),   V(t) = min(Q1-(t, a'), Q2-(t, a')),   y = G_n(t) of `sequence_loss`

Source: Fujimoto, van Hoof and Meger (2018), TD3; with memory: Ni, Eysenbach and Salakhutdinov (2022), who give actor
and critics a recurrent network each.
"""

from typing import Any, ClassVar

import numpy as np
import torch
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.utils import polyak_update
from torch import Tensor

from lstm_rl.agents.recurrent_replay import RecurrentReplay
from lstm_rl.agents.replay_config import Td3Config
from lstm_rl.agents.replay_networks import CORES
from lstm_rl.agents.replay_policies import ActorPolicy
from lstm_rl.agents.sequence_batch import Batch
from lstm_rl.agents.sequence_loss import n_step_returns, priorities, sequence_loss


class RecurrentTD3(RecurrentReplay):
    """Twin delayed deterministic policy gradients with memory, for Box actions with bounds.

    Args:
        policy: "LstmPolicy", "GruPolicy", "SlstmPolicy", "TorchPolicy" (with ``policy_kwargs["core"]``), or a class.
        env: A Gymnasium environment, its id, or an SB3 VecEnv, with Box actions that have bounds.
        config: Settings; ``None``: `Td3Config()`.
        learning_rate: Overrides the configuration's; a number, or a function of the remaining progress (1 .. 0), with
            ``schedule="constant"`` alone.
        policy_kwargs: Arguments of `lstm_rl.agents.replay_policy.ReplayPolicy`.
        tensorboard_log: Folder for TensorBoard.
        stats_window_size: Episodes that ``rollout/*`` averages over.
        verbose: 0 silent, 1 prints the log.
        seed: Of weights, exploration, noise on targets, sampling, and environments.
        device: "cpu", "cuda", or "auto".
        **settings: Fields of `Td3Config` that override it.

    Raises:
        ValueError: An argument does not fit; the message names it.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = dict.fromkeys(CORES, ActorPolicy)
    config_class = Td3Config
    config: Td3Config
    policy: ActorPolicy

    def _exploration_rates(self) -> float:
        """Standard deviation of the noise on actions."""
        return self.config.exploration_noise

    def _on_step(self) -> None:
        self._explore(self.config.exploration_noise)

    def targets(self, batch: Batch) -> Tensor:
        """Targets (T, B) of both critics for the actions that were taken; see the module."""
        assert self._rng is not None
        c, features, slow = self.config, batch.target_features, self.policy.target
        with torch.no_grad():
            action = slow["actor"](features)  # (T + n, B, d)
            noise = np.clip(
                self._rng.normal(0.0, c.target_policy_noise, tuple(action.shape)),
                -c.target_noise_clip,
                c.target_noise_clip,
            )
            action = (action + torch.as_tensor(noise, dtype=action.dtype, device=action.device)).clamp(-1.0, 1.0)
            value = torch.minimum(*slow["critic"](features, action))
            parts = value, batch.reward, batch.terminated, batch.valid
            return n_step_returns(*parts, self.gamma, c.n_steps, c.lambda_)

    def train(self, gradient_steps: int, batch_size: int = 32) -> None:
        """Make ``gradient_steps`` updates of the critics, each from ``batch_size`` sequences."""
        c, nets = self.config, self.policy.net
        self.policy.set_training_mode(True)
        self._update_learning_rate([self.policy.optimizer, self.policy.actor_optimizer])
        sums, actor_losses = np.zeros(3), []
        for _ in range(gradient_steps):
            batch = self._batch(batch_size)
            if batch is None:
                return
            y = self.targets(batch)
            steps = len(y)
            valid, features = batch.valid[:steps], batch.features[:steps]
            errors = [y - q for q in nets["critic"](features, batch.action[:steps])]  # (T, B) each
            loss = sum(sequence_loss(each, valid, batch.weight) for each in errors)
            norm = self._minimise(loss, self.policy.optimizer)  # type: ignore[arg-type]
            self._n_updates += 1
            if c.prioritized:
                new = priorities(errors[0], valid, c.priority_max_weight)
                self.replay_buffer.set_priority(batch.drawn, new.cpu().double().numpy() + 1e-6)
            if self._n_updates % c.policy_delay == 0:
                actor_losses.append(self._improve_actor(features.detach(), valid))
                for net, slow in zip(nets.values(), self.policy.target.values(), strict=True):
                    polyak_update(net.parameters(), slow.parameters(), c.tau)
            self.policy.update_average()
            sums += [float(errors[0].detach().abs().mean()), norm, 1.0]
        if sums[2]:
            self.logger.record("train/abs_td_error", sums[0] / sums[2])
            self.logger.record("train/gradient_norm", sums[1] / sums[2])
        if actor_losses:
            self.logger.record("train/actor_loss", float(np.mean(actor_losses)))
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")

    def _improve_actor(self, features: Tensor, valid: Tensor) -> float:
        """Move the actor to actions tanh u that the first critic values more; return minus their mean value.

        A small cost of u^2 keeps the way back open: at |u| > 9 the derivative of tanh is 0 in 32 bits.
        """
        nets = self.policy.net
        actor: Any = nets["actor"]
        u = actor.raw(features)  # (T, B, d)
        value = nets["critic"](features, torch.tanh(u))[0] - self.config.saturation_cost * u.square().mean(dim=-1)
        loss = -(value * valid).sum() / valid.sum().clamp(min=1)
        self._minimise(loss, self.policy.actor_optimizer)
        return float(loss.detach())

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        return ["policy", "policy.optimizer", "policy.actor_optimizer"], []
