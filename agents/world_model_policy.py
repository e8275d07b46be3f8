"""The policy of `WorldModelController`: parameters of both nets, and acting with them."""

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import Schedule

from lstm_rl.agents.world_model_agent import Agent, Constants, initial_parameters, make_agent, make_moments
from lstm_rl.agents.world_model_config import WorldModelConfig
from lstm_rl.agents.world_model_loop import act_greedily, predict_all
from lstm_rl.compiled import flushed

RewardRange = tuple[float, float]


def make_constants(
    config: WorldModelConfig, observation_space: gym.Space[Any], action_space: gym.Space[Any], rewards: RewardRange
) -> Constants:
    """What compiled code has to know of the spaces.

    Raises:
        ValueError: A space or the range of rewards cannot be used; the message says why.
    """
    if not isinstance(observation_space, spaces.Box) or len(observation_space.shape) != 1:
        raise ValueError(
            f"observation_space must be a Box with one dimension, got {observation_space}: wrap the environment in "
            "gymnasium.wrappers.FlattenObservation"
        )
    discrete = isinstance(action_space, spaces.Discrete)
    if isinstance(action_space, spaces.Discrete):
        low, high = np.zeros(int(action_space.n)), np.ones(int(action_space.n))
    elif isinstance(action_space, spaces.Box) and len(action_space.shape) == 1 and action_space.is_bounded():
        low, high = action_space.low.astype(np.float64), action_space.high.astype(np.float64)
    else:
        raise ValueError(
            f"action_space must be Discrete, or a Box with one dimension and finite bounds, got {action_space}"
        )
    least, largest = rewards
    if not (np.isfinite(least) and np.isfinite(largest) and least < largest):
        raise ValueError(f"reward_range must be two finite numbers, the least and the largest reward, got {rewards}")
    size = observation_space.shape[0]
    shift, scale = np.zeros(size), np.ones(size)
    if config.units == "recurrent":  # whose outputs lie in (0, 1)
        if not observation_space.is_bounded():
            raise ValueError(
                f"observation_space must have finite bounds with units='recurrent', got {observation_space}"
            )
        shift = observation_space.low.astype(np.float64)
        scale = 1.0 / np.maximum(observation_space.high.astype(np.float64) - shift, 1e-12)
    return Constants(
        config.ticks,
        discrete,
        config.optimizer == "adam",
        config.critic,
        config.critic or config.discount == 0.0,
        config.units == "recurrent",
        config.clip,
        config.slope_floor,
        config.discount,
        config.trace_decay,
        config.value_unit * max(abs(least), abs(largest)),
        low,
        high,
        shift,
        scale,
        np.array([least, largest], np.float64),
    )


class WorldModelPolicy(BasePolicy):
    """Controller and world model as parameters of Torch, whose memory the compiled loop works on.

    Args:
        observation_space: Box with one dimension.
        action_space: Discrete, or Box with one dimension and bounds.
        lr_schedule: Unused; SB3 hands it to every policy.
        config: Settings.
        reward_range: Least and largest reward of a step.
        seed: Of initial weights.

    Raises:
        ValueError: A space cannot be used.
    """

    controller: torch.nn.Parameter
    model: torch.nn.Parameter

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        lr_schedule: Schedule,
        config: WorldModelConfig | None = None,
        reward_range: RewardRange = (-1.0, 0.0),
        seed: int | None = None,
    ) -> None:
        super().__init__(observation_space, action_space)
        self.config, self.reward_range, self.seed = config or WorldModelConfig(), reward_range, seed
        self.constants = make_constants(self.config, observation_space, action_space, reward_range)
        self.sizes = len(self.constants.shift), len(self.constants.low)
        for name, values in initial_parameters(self.config, *self.sizes, np.random.default_rng(seed)).items():
            self.register_parameter(name, torch.nn.Parameter(torch.from_numpy(values), requires_grad=False))
        for k, moment in enumerate(make_moments(self.config, *self.sizes)):
            self.register_buffer(f"moment_{k}", torch.from_numpy(moment))

    def agent(self, n: int, seed: Any = None) -> Agent:
        """``n`` streams at rest on this policy's own memory."""
        views: dict[str, NDArray[np.float64]] = {
            name: getattr(self, name).detach().numpy() for name in ("model", "controller")
        }
        moments = tuple(getattr(self, f"moment_{k}").numpy() for k in range(5))
        return make_agent(self.config, self.constants, views, moments, n, np.random.default_rng(seed))

    def predict(
        self,
        observation: Any,
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, tuple[NDArray[Any], ...]]:
        """Actions and the next state; see SB3's `BasePolicy.predict`. C never draws: ``deterministic`` changes nothing.

        Args:
            observation: (O,), or (n, O).
            state: As returned at the step before; None: new episodes.
            episode_start: (n,) whether a new episode begins.
            deterministic: Unused.

        Raises:
            ValueError: Shapes do not fit, or numbers are not finite.
        """
        x = np.asarray(observation, np.float64)
        single, size = x.ndim == 1, self.sizes[0]
        x = x.reshape(1, -1) if single else x
        if x.ndim != 2 or x.shape[1] != size or not np.isfinite(x).all():
            raise ValueError(
                f"observation must be finite numbers of shape ({size},) or (n, {size}), got {np.shape(observation)}"
            )
        n = len(x)
        starts = np.ones(n, np.bool_) if state is None else np.zeros(n, np.bool_)
        if state is not None and episode_start is not None:
            starts |= np.broadcast_to(np.asarray(episode_start, np.bool_), (n,))
        agent, parts = self._in_state(state, n)
        with flushed():
            act_greedily(agent, x, starts)
        actions: Any = agent.pending.values
        if not self.constants.discrete:
            actions = actions.astype(np.float32).reshape(n, *(self.action_space.shape or ()))
        return (actions[0] if single else actions), tuple(part.copy() for part in parts)

    def foresee(self, state: tuple[NDArray[Any], ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What M expects of the actions that `predict` has just chosen: the next observations (n, O), and pains (n,).

        Args:
            state: As `predict` returned it.

        Raises:
            ValueError: It is no such state.
        """
        agent, _ = self._in_state(state, len(state[0]))
        with flushed():
            predict_all(agent)
        seen = agent.model.outputs[:, : self.sizes[0]] / self.constants.scale + self.constants.shift
        return seen, agent.model.outputs[:, self.sizes[0]].copy()

    def _in_state(self, state: tuple[NDArray[Any], ...] | None, n: int) -> tuple[Agent, tuple[NDArray[Any], ...]]:
        """``n`` streams in a state of `predict`, and the arrays that make it up."""
        agent = self.agent(n, 0)
        parts = agent.model.state, agent.controller.state, agent.x, agent.u
        if state is not None:
            if len(state) != len(parts) or any(a.shape != b.shape for a, b in zip(state, parts, strict=True)):
                raise ValueError(f"state must be what predict returned for {n} rows, got {[a.shape for a in state]}")
            for part, value in zip(parts, state, strict=True):
                part[:] = value
        return agent, parts

    def _predict(self, observation: Any, deterministic: bool = False) -> torch.Tensor:
        return torch.as_tensor(self.predict(observation.numpy(), None, None, deterministic)[0])
