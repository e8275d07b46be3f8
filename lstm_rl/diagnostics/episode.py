"""One greedy episode: everything that the network did in it, and which of its steps the error of a decision reaches.

Dimensions: T steps, n units of a layer, S numbers of a world's Markov state.
"""

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from lstm_rl.agents.policies import MemoryPolicy
from lstm_rl.diagnostics.activations import Activations
from lstm_rl.diagnostics.error_flow import Errors, jacobians
from lstm_rl.diagnostics.replay import as_network, as_seen
from lstm_rl.envs.dynamics import World

MAX_STEPS = 2000  # of an episode that does not end by itself


@dataclass(frozen=True, eq=False)
class Episode:
    """Row t of every array is step t: what the agent saw, what that did to the network, and what followed."""

    activations: Activations  # inputs are observations, outputs what `MemoryPolicy.advantages` returns
    actions: NDArray[np.int64]  # (T,) the output of each choice; of a vector 0, its first mean
    rewards: NDArray[np.float64]  # (T,)
    success: bool | None  # None: the environment did not tell, or the recording stopped before the end
    output: tuple[str, str] = ("advantage", "A")  # what outputs are called, and a letter for one of them


def record_episode(
    policy: MemoryPolicy, env: gym.Env[Any, Any], seed: int | None = None, max_steps: int | None = None
) -> Episode:
    """Play one episode with the greedy action at every step.

    Args:
        policy: Its weights and statistics are not changed.
        env: An environment that nobody else is using; it is reset.
        seed: Of the environment; ``None`` goes on with its present generator.
        max_steps: Steps >= 1 after which the recording stops; ``None``: 2000.

    Returns:
        The episode, of at least one step.
    """
    state, success, steps, world_states = None, None, [], []
    observation, info = env.reset(seed=seed)
    for _ in range(max_steps or MAX_STEPS):
        seen = policy.encoder.encode(observation, 1)[0].copy()
        choices, advantages, state = policy.act(observation, state, deterministic=True)
        world_states.append(info.get("state"))
        observation, reward, terminated, truncated, info = env.step(policy.decoder.decode(choices)[0])
        action = 0 if policy.decoder.dimensions else int(choices[0])
        steps.append((seen, action, float(reward), advantages[0], *(part[0] for part in state[:-1])))
        if terminated or truncated:
            success = bool(info["is_success"]) if "is_success" in info else None
            break
    observations, actions, rewards, values, *parts = map(np.array, zip(*steps, strict=True))
    world, marks = getattr(env.unwrapped, "world", None), {}
    if isinstance(world, World) and world.marks is not None:
        marks = world.marks(world.params, np.array(world_states))
    activations = Activations(
        observations,
        values,
        policy.model.named(parts),
        policy.model.blocks,
        {name: np.flatnonzero(at).tolist() for name, at in marks.items()},
    )
    named = ("advantage", "A") if policy.rule == "advantage" else ("output", "y")
    return Episode(activations, actions, rewards, success, named)


def decision(episode: Episode) -> int:
    """The step whose error is worth following: the last one at the junction, else the last of all."""
    return max(episode.activations.marks.get("junction", []), default=len(episode.actions) - 1)


def episode_errors(policy: MemoryPolicy, episode: Episode, step: int) -> Errors:
    """The error that the executed output of a step sends to every layer at every step before: its derivative.

    It is the complete one: what the output depends on, also where the learner's own gradient is truncated.

    Args:
        policy: Who played the episode.
        episode: From `record_episode`.
        step: 0 <= step < T, as `decision` picks it.

    Returns:
        By name of the layer (step + 1, n), by step; see `jacobians`.

    Raises:
        ValueError: The policy is a table.
    """
    x = as_seen(policy, episode.activations.inputs[: step + 1], episode.actions)
    errors = jacobians(as_network(policy), x, units=[int(episode.actions[step])])
    return {name: derivatives[::-1, 0] for name, derivatives in errors.items()}
