"""Wrappers that add to what agents see, hide a part of it, or code what they do, for any Gymnasium environment.

| wrapper           | the observation gets                                        | at the first step of an episode |
|-------------------|-------------------------------------------------------------|---------------------------------|
| `PreviousAction`  | the action that led to it (Discrete: one-hot)               | zeros                           |
| `PreviousReward`  | the reward that came with it                                | zero                            |
| `FirstStepFlag`   | one number                                                  | 1, else 0                       |
| `HideEntries`     | the named entries less                                      | the same                        |
| `CodedActions`    | nothing; a move is a vector, by the code that is nearest    | -                               |

Observations are Box (n,) or Discrete (which becomes one-hot), and come out as Box, float32. For several environments
at once: ``gymnasium.make_vec(id, n, vectorization_mode="sync", wrappers=[PreviousAction])``. Under a wrapper our
learner steps a world of ours one by one, not in its compiled loop; the bandits and the dark room show action and
reward by themselves.

A trap. Such wrappers are themselves a memory of one step, and together they may solve a memory task. Where the answer
is to be given again and again (POPGym's RepeatFirst), an agent without memory that sees its previous action *and* the
flag copies the observation once, when the flag is 1, and its previous action ever after. So say with each result
which wrappers were on, and give the result of an agent without memory under the same wrappers.

POPGym's wrapper of the same name pretends that action 0 was taken before the first step, which needs the flag (there
called Antialias) to be told from a true action 0; zeros do not. Put PreviousAction inside of anything that changes
actions if it is to show what the environment got, outside if what the agent chose.
"""

from collections.abc import Sequence
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from lstm_rl.checks import check_float, check_int
from lstm_rl.envs.coded_tmaze import draw_codes

Observation = NDArray[np.float32]


def as_box(space: gym.Space[Any]) -> Box:
    """The space of what `as_numbers` makes of a member of ``space``."""
    if isinstance(space, Discrete):
        return Box(0.0, 1.0, (int(space.n),), np.float32)
    if isinstance(space, Box) and len(space.shape) == 1:
        return Box(space.low.astype(np.float32), space.high.astype(np.float32))
    raise ValueError(
        f"observation_space must be Discrete or Box with one dimension, got {space}: put "
        "gymnasium.wrappers.FlattenObservation around the environment first"
    )


def as_numbers(space: gym.Space[Any], value: Any) -> Observation:
    """A Box's member as it is, a Discrete's one-hot."""
    if isinstance(space, Discrete):
        one_hot = np.zeros(int(space.n), np.float32)
        one_hot[int(value) - int(space.start)] = 1.0
        return one_hot
    return np.asarray(value, np.float32)


class _Appending(gym.Wrapper[Observation, Any, Any, Any], RecordConstructorArgs):
    """Append numbers, within the bounds ``added``, to every observation."""

    def __init__(self, env: gym.Env[Any, Any], added: Box, **arguments: Any) -> None:
        RecordConstructorArgs.__init__(self, **arguments)
        gym.Wrapper.__init__(self, env)
        inner = as_box(env.observation_space)
        self._first = np.zeros(added.shape, np.float32)  # what is appended to an episode's first observation
        self.observation_space = Box(np.append(inner.low, added.low), np.append(inner.high, added.high))

    def _added(self, action: Any, reward: SupportsFloat) -> Any:
        raise NotImplementedError

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """See `gymnasium.Env.reset`."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._append(observation, self._first), info

    def step(self, action: Any) -> tuple[Observation, SupportsFloat, bool, bool, dict[str, Any]]:
        """See `gymnasium.Env.step`."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._append(observation, self._added(action, reward)), reward, terminated, truncated, info

    def _append(self, observation: Any, numbers: Any) -> Observation:
        return np.append(as_numbers(self.env.observation_space, observation), numbers).astype(np.float32)


class PreviousAction(_Appending):
    """Append the last action, one-hot if actions are Discrete; zeros at the first step. The module warns of a trap.

    Args:
        env: Observations Box (n,) or Discrete, actions Box (m,) or Discrete.

    Raises:
        ValueError: The spaces are of other kinds.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        space = env.action_space
        if not isinstance(space, Discrete) and not (isinstance(space, Box) and len(space.shape) == 1):
            raise ValueError(f"action_space must be Discrete or Box with one dimension, got {space}")
        box = as_box(space)
        super().__init__(env, Box(np.minimum(box.low, 0.0), np.maximum(box.high, 0.0)))

    def _added(self, action: Any, reward: SupportsFloat) -> Any:
        return as_numbers(self.env.action_space, action)


class PreviousReward(_Appending):
    """Append the last reward; zero at the first step.

    Args:
        env: Observations Box (n,) or Discrete.
        low: The smallest reward, if it is known, for the bounds of the observation space; rewards are not clipped.
        high: The largest one.

    Raises:
        ValueError: The observation space is of another kind, or the bounds are no numbers or in the wrong order.
    """

    def __init__(self, env: gym.Env[Any, Any], low: float | None = None, high: float | None = None) -> None:
        least = -np.inf if low is None else min(check_float("low", low), 0.0)
        most = np.inf if high is None else max(check_float("high", high, -np.inf if low is None else low), 0.0)
        super().__init__(env, Box(least, most, (1,), np.float32), low=low, high=high)

    def _added(self, action: Any, reward: SupportsFloat) -> Any:
        return float(reward)


class FirstStepFlag(_Appending):
    """Append 1 to the first observation of an episode, 0 to all others.

    Args:
        env: Observations Box (n,) or Discrete.

    Raises:
        ValueError: The observation space is of another kind.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env, Box(0.0, 1.0, (1,), np.float32))
        self._first = np.ones(1, np.float32)

    def _added(self, action: Any, reward: SupportsFloat) -> Any:
        return 0.0


class HideEntries(gym.ObservationWrapper[Observation, Any, Any], RecordConstructorArgs):
    """Take entries out of the observation: velocities, say, ``HideEntries(gym.make("CartPole-v1"), [1, 3])``.

    Args:
        env: Observations Box (n,) or Discrete (whose one-hot entries are then hidden).
        indices: Entries to hide, each in 0 .. n - 1, at least one and not all.

    Raises:
        ValueError: The observation space is of another kind, or the indices are out of range or name all entries.
    """

    def __init__(self, env: gym.Env[Any, Any], indices: Sequence[int]) -> None:
        RecordConstructorArgs.__init__(self, indices=indices)
        gym.ObservationWrapper.__init__(self, env)
        inner = as_box(env.observation_space)
        size = inner.shape[0]
        hidden = {check_int("indices", index, 0, size - 1) for index in indices}
        if not 0 < len(hidden) < size:
            raise ValueError(f"indices must name 1 .. {size - 1} of the {size} entries, got {indices!r}")
        self._shown = [i for i in range(size) if i not in hidden]
        self.observation_space = Box(inner.low[self._shown], inner.high[self._shown])

    def observation(self, observation: Any) -> Observation:
        """The entries that are not hidden."""
        return as_numbers(self.env.observation_space, observation)[self._shown]


class CodedActions(gym.ActionWrapper[Any, Any, Any], RecordConstructorArgs):
    """Moves coded as many numbers: an action is a vector in [0, 1]^bits, which means the move whose code is nearest.

    Args:
        env: Actions Discrete.
        bits: Length of the codes, >= 1, with more codes than moves.
        seed: Of the codes, distinct and drawn once; >= 0.

    Raises:
        ValueError: The actions are not Discrete, or there are too few bits.
    """

    def __init__(self, env: gym.Env[Any, Any], bits: int = 8, seed: int = 0) -> None:
        RecordConstructorArgs.__init__(self, bits=bits, seed=seed)
        gym.ActionWrapper.__init__(self, env)
        space = env.action_space
        if not isinstance(space, Discrete):
            raise ValueError(f"action_space must be Discrete, got {space}")
        self.codes = draw_codes(int(space.n), bits, seed)  # (K, bits)
        self.start = int(space.start)
        self.action_space = Box(0.0, 1.0, (bits,), np.float32)

    def action(self, action: Any) -> np.int64:
        """The move whose code is nearest to a vector (bits,)."""
        return np.int64(self.start + ((self.codes - np.asarray(action, np.float64)) ** 2).sum(axis=1).argmin())
