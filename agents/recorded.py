"""Recorded episodes as a buffer of sequences.

Dimensions: T steps of an episode.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from lstm_rl.agents.replay_config import ReplayConfig
from lstm_rl.agents.replay_policy import ReplayPolicy
from lstm_rl.agents.sequence_buffer import SequenceBuffer

FIELDS = ("observations", "actions", "rewards", "terminations", "truncations")


def _read(episode: Any, number: int) -> dict[str, Any]:
    """The fields of an episode, a mapping or an object with attributes.

    Raises:
        ValueError: A field is missing, has gaps or does not fit the others.
    """
    found = {}
    for name in FIELDS:
        value = episode.get(name) if isinstance(episode, dict) else getattr(episode, name, None)
        if value is None:
            raise ValueError(f"episode {number} must have {', '.join(FIELDS)}, got none of {name}")
        found[name] = value
    steps = len(found["rewards"])
    for name in ("actions", "terminations", "truncations"):
        if len(found[name]) != steps:
            raise ValueError(f"episode {number} must have {steps} {name}, one for each reward, got {len(found[name])}")
    if steps == 0 or not np.isfinite(found["rewards"]).all():
        raise ValueError(f"episode {number} must have finite rewards, got {found['rewards']}")
    ends = np.asarray(found["terminations"], bool) | np.asarray(found["truncations"], bool)
    if ends[:-1].any() or not ends[-1]:
        raise ValueError(f"episode {number} must end once, at its last step, got ends at {np.flatnonzero(ends)}")
    return found


def rewards_of(episodes: list[Any]) -> list[Any]:
    """The rewards of each episode, (T,)."""
    return [np.asarray(_read(episode, number)["rewards"], np.float64) for number, episode in enumerate(episodes)]


def add_episodes(
    policy: ReplayPolicy,
    episodes: list[Any],
    make: Callable[[int, int], SequenceBuffer],
    config: ReplayConfig,
) -> SequenceBuffer:
    """A buffer of one row with all episodes in a row; see `RecurrentReplay.learn_from`.

    Raises:
        ValueError: The data do not fit; or there are fewer steps than a sequence has.
    """
    read = [_read(episode, number) for number, episode in enumerate(episodes)]
    steps = sum(len(episode["rewards"]) + 1 for episode in read)
    if steps < config.length:
        raise ValueError(f"episodes must have {config.length} steps, a sequence, or more in all, got {steps}")
    buffer, rest = make(steps + config.length + 2 * config.step_period, 1), policy.initial_state(1)[:-1]
    row = np.zeros(1, np.int64)
    for number, episode in enumerate(read):
        length = len(episode["rewards"])
        actions = policy.from_env(episode["actions"], length)
        terminated = bool(episode["terminations"][-1])
        seen = _rows(policy, episode["observations"], length, number, terminated)
        for t in range(length):
            end = terminated and t == length - 1
            buffer.add(row, seen[t : t + 1], actions[t : t + 1], episode["rewards"][t], np.array([t]), end, rest)
        if not terminated:
            buffer.add(row, seen[length:], None, 0.0, np.array([length]), False, rest)
    for _ in range(config.length):  # so that the last steps have a sequence of their own
        buffer.add(row, seen[:1], None, 0.0, row, False, rest)
    return buffer


def _rows(policy: ReplayPolicy, observations: Any, length: int, number: int, terminated: bool) -> Any:
    """Encoded observations of all steps, and the last one if the episode was cut off."""
    n = policy.encoder.count(observations)
    if n != length + 1 and not (terminated and n == length):
        raise ValueError(
            f"episode {number} must have {length + 1} observations, one more than rewards, got {n}: without the last "
            "one there is a gap between what was done and what came of it"
        )
    return policy.encode(observations, n)
