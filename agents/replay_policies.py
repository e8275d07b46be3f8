"""The policies of `RecurrentDQN` and `RecurrentTD3`: what stands on the body, and how it acts.

Dimensions: n rows, F features, K actions, d numbers of a continuous action.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstm_rl.agents.replay_networks import ActorHead, QHead, TwinHead
from lstm_rl.agents.replay_policy import ReplayPolicy


class QPolicy(ReplayPolicy):
    """Epsilon-greedy in the values of K actions; ``dueling``: V + A - mean A."""

    def _add_heads(self, *, dueling: bool = False) -> None:  # type: ignore[override]
        if self.continuous:
            raise ValueError(
                f"action_space must be Discrete, MultiDiscrete or MultiBinary, got {self.action_space}: "
                "RecurrentTD3 learns continuous actions"
            )
        self.net["head"] = QHead(self.sizes.features, self.decoder.size, dueling)

    def outputs(self, nets: Any, features: Tensor) -> Tensor:
        """(., F) to (., K)."""
        values: Tensor = nets["head"](features)
        return values

    def choose(self, outputs: NDArray[Any], exploration: Any, rng: np.random.Generator) -> NDArray[Any]:
        """The best choices (n,), or with probability ``exploration`` any."""
        best: NDArray[Any] = outputs.argmax(axis=1)
        if not np.any(exploration):
            return best
        anywhere = rng.random(len(best)) < exploration
        return np.where(anywhere, rng.integers(self.decoder.size, size=len(best)), best)


class ActorPolicy(ReplayPolicy):
    """A deterministic actor with Gaussian noise, and two critics, on one body that the critics' errors train."""

    def _add_heads(self) -> None:  # type: ignore[override]
        if not self.continuous:
            raise ValueError(
                f"action_space must be a Box with bounds, got {self.action_space}: RecurrentDQN learns choices"
            )
        self.net["critic"] = TwinHead(self.sizes.features, self.decoder.dimensions)
        self.net["actor"] = ActorHead(self.sizes.features, self.decoder.dimensions)

    def _add_optimizers(self, make: Callable[[Any], torch.optim.Optimizer]) -> None:
        self.optimizer = make([*self.net["body"].parameters(), *self.net["critic"].parameters()])
        self.actor_optimizer = make(self.net["actor"].parameters())
        self.actor_optimizer.param_groups[0]["eps"] = 1e-8  # gradients are small where tanh is near a bound

    def outputs(self, nets: Any, features: Tensor) -> Tensor:
        """(., F) to (., d)."""
        action: Tensor = nets["actor"](features)
        return action

    def choose(self, outputs: NDArray[Any], exploration: Any, rng: np.random.Generator) -> NDArray[Any]:
        """The actor's actions (n, d), with noise of standard deviation ``exploration``, within [-1, 1]."""
        if not np.any(exploration):
            return outputs
        noise = rng.normal(size=outputs.shape) * np.reshape(exploration, (-1, 1))
        return np.clip(outputs + noise, -1.0, 1.0).astype(outputs.dtype)
