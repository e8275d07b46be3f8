"""From observations of any space to the numbers that networks see, and from what they choose to actions of any space.

Observations become what `gymnasium.spaces.flatten` makes of them: arrays row by row, Discrete and MultiDiscrete as
one-hot codes, Dict and Tuple entry after entry in the order of the space. There are two differences: words are left out
instead of being turned into numbers of letters, and an image is taken with its channels first or last, since SB3 moves
them to the front for training but not for acting.

Dimensions: n rows, I numbers per observation, d numbers of a MultiDiscrete.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first
from stable_baselines3.common.vec_env import VecTransposeImage

from lstm_rl.envs.sb3 import is_text

MAX_ACTIONS = 4096  # outputs of a network


def channels_first(space: gym.Space[Any]) -> gym.Space[Any]:
    """The space as SB3 trains on it: images, also in a Dict, have their channels first."""
    if isinstance(space, spaces.Dict):
        return spaces.Dict({name: channels_first(part) for name, part in space.spaces.items()})
    if isinstance(space, spaces.Box) and is_image_space(space) and not is_image_space_channels_first(space):
        return VecTransposeImage.transpose_space(space)
    return space


@dataclass(frozen=True, eq=False)
class _Part:
    """An entry of an observation that is no Dict or Tuple itself."""

    path: tuple[Any, ...]  # keys and places that lead to it
    space: gym.Space[Any]
    shape: tuple[int, ...]  # of one observation
    size: int
    counts: NDArray[np.int64] | None  # (d,) values that each number can have, of a one-hot code
    start: NDArray[np.int64] | None  # (d,) the lowest value of each
    image: bool

    def of(self, observation: Any) -> Any:
        """The entry."""
        for key in self.path:
            observation = observation[key]
        return observation

    def array(self, observation: Any) -> NDArray[Any]:
        """The entry as an array of rows or of one row."""
        values = np.asarray(self.of(observation))
        if self.image and values.ndim >= 3 and values.shape[-3:] != self.shape:  # channels at the other end
            first = np.moveaxis(values, -1, -3)
            values = first if first.shape[-3:] == self.shape else np.moveaxis(values, -3, -1)
        return values

    def write(self, observation: Any, out: NDArray[np.float32]) -> None:
        """Fill ``out`` (n, size), which holds zeros."""
        n = len(out)
        if self.counts is None or self.start is None:
            out[:] = self.array(observation).reshape(n, -1)
            return
        index = np.asarray(self.of(observation)).reshape(n, -1) - self.start
        if np.any((index < 0) | (index >= self.counts)):
            raise ValueError(f"observation must be in {self.space}, got {self.of(observation)}")
        out[np.arange(n)[:, None], np.cumsum(self.counts) - self.counts + index] = 1.0


@dataclass(frozen=True, eq=False)
class Encoder:
    """Observations of a space as network inputs; see `make_encoder`."""

    size: int
    """I, network inputs."""
    parts: tuple[_Part, ...]

    @cached_property
    def _numbers_alone(self) -> bool:
        return len(self.parts) == 1 and not self.parts[0].path and self.parts[0].counts is None

    def count(self, observation: Any) -> int | None:
        """Rows n of an observation; ``None`` if it is a single one.

        Raises:
            ValueError: It is neither one observation of the space nor n of them.
        """
        rows: list[int | None] = []
        for part in self.parts:
            try:
                entry = part.of(observation)
            except (TypeError, KeyError, IndexError) as error:
                raise ValueError(f"observation must have an entry {part.path}, got {observation}") from error
            if isinstance(entry, (tuple, dict)):
                raise ValueError(
                    "observation must be an array, got a "
                    f"{type(entry).__name__}: env.reset() returns (observation, info)"
                )
            shape, one = part.array(observation).shape, part.shape
            if shape != one and (shape[1:] != one or shape[0] == 0):
                name = f"observation{''.join(f'[{key!r}]' for key in part.path)}"
                raise ValueError(f"{name} must be of shape {one} or (n, *{one}), got {shape}")
            rows.append(None if shape == one else int(shape[0]))
        if len({*rows}) > 1:
            raise ValueError(f"observation must have as many rows in each entry, got {rows}")
        return rows[0]

    def encode(self, observation: Any, n: int) -> NDArray[np.float32]:
        """Observations of n rows, or one for n = 1, as network inputs (n, I).

        Raises:
            ValueError: An observation is not in the space, or holds NaN or infinity.
        """
        if self._numbers_alone:
            x = np.ascontiguousarray(self.parts[0].array(observation), np.float32).reshape(n, -1)
        else:
            x, start = np.zeros((n, self.size), np.float32), 0
            for part in self.parts:
                part.write(observation, x[:, start : start + part.size])
                start += part.size
        if not np.isfinite(x).all():
            raise ValueError(f"observation must be finite numbers, got {observation}")
        return x


def make_encoder(space: gym.Space[Any]) -> Encoder:
    """How observations of a space become network inputs, prepared once.

    Raises:
        ValueError: Gymnasium cannot flatten the space into numbers; the message names the wrapper to use.
    """
    parts = tuple(_parts(space, ()))
    size = sum(part.size for part in parts)
    if size == 0:
        raise ValueError(f"observation_space must hold numbers, got {space}: a constant will do")
    return Encoder(size, parts)


def _parts(space: gym.Space[Any], path: tuple[Any, ...]) -> Iterator[_Part]:
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        entries = space.spaces.items() if isinstance(space, spaces.Dict) else enumerate(space.spaces)
        for key, entry in entries:
            if not is_text(entry):
                yield from _parts(entry, (*path, key))
    elif isinstance(space, (spaces.Box, spaces.MultiBinary)):
        size = int(np.prod(space.shape))
        yield _Part(path, space, space.shape, size, None, None, is_image_space(space))
    elif isinstance(space, (spaces.Discrete, spaces.MultiDiscrete)):
        counts, start = _numbers_of(space)
        yield _Part(path, space, space.shape or (), int(counts.sum()), counts, start, image=False)
    else:
        wrapper = "FlattenObservation" if space.is_np_flattenable else "TransformObservation"
        raise ValueError(
            "observation_space must be made of Box, Discrete, MultiDiscrete, MultiBinary, Dict and Tuple, got "
            f"{space}: wrap the environment in gymnasium.wrappers.{wrapper}"
        )


def _numbers_of(space: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of a Discrete or MultiDiscrete: how many values each of its d numbers has, and the lowest of each; (d,) both."""
    counts = np.ravel(space.n if isinstance(space, spaces.Discrete) else space.nvec)
    return counts.astype(np.int64), np.ravel(space.start).astype(np.int64)


def input_size(space: gym.Space[Any]) -> int:
    """Network inputs for an observation space.

    Raises:
        ValueError: As `make_encoder`.
    """
    return make_encoder(space).size


def to_input(space: gym.Space[Any], observation: Any, n: int) -> NDArray[np.float32]:
    """Observations of n rows as network input, (n, I); see `Encoder.encode`, which is prepared for many of them."""
    return make_encoder(space).encode(observation, n)


@dataclass(frozen=True, eq=False)
class ActionDecoder:
    """From a network's choice to an action of the environment; see `make_action_decoder`."""

    size: int
    """K, choices."""
    space: gym.Space[Any]
    counts: NDArray[np.int64]  # (d,)
    start: NDArray[np.int64]  # (d,)
    dimensions: int = 0
    """Numbers of a continuous action: it has none."""

    def decode(self, chosen: NDArray[Any]) -> NDArray[Any]:
        """Choices (n,) in 0 .. K - 1 as actions, (n,) or (n, *shape of the space)."""
        if isinstance(self.space, spaces.Discrete):
            return np.asarray(chosen + self.start[0])
        numbers = np.stack(np.unravel_index(chosen, tuple(self.counts)), axis=-1) + self.start  # (n, d)
        actions: NDArray[Any] = numbers.reshape(len(chosen), *(self.space.shape or ())).astype(self.space.dtype)
        return actions

    def encode(self, action: Any) -> int:
        """The choice that an action is; undoes `decode` for one row."""
        return int(np.ravel_multi_index(tuple(np.ravel(action) - self.start), tuple(self.counts)))


@dataclass(frozen=True, eq=False)
class BoxDecoder:
    """From vectors of any numbers to the actions of a Box; see `make_action_decoder`."""

    dimensions: int
    """d."""
    space: spaces.Box

    @property
    def size(self) -> int:
        """Parameters of the distribution that actions are drawn from: a mean and a spread for each number."""
        return 2 * self.dimensions

    def decode(self, vectors: NDArray[Any]) -> NDArray[Any]:
        """Vectors (n, d), squashed by tanh and scaled to the bounds, as actions (n, *shape of the space)."""
        low, high = self.space.low.astype(np.float64), self.space.high.astype(np.float64)
        share = (np.tanh(vectors).reshape(-1, *self.space.shape) + 1.0) / 2.0
        actions = (1.0 - share) * low + share * high  # no overflow, and never beyond the bounds
        whole = np.issubdtype(self.space.dtype, np.integer)
        return np.asarray((np.rint(actions) if whole else actions).astype(self.space.dtype))


def make_action_decoder(space: gym.Space[Any]) -> ActionDecoder | BoxDecoder:
    """How a choice among K, or a vector, becomes an action: each combination of a MultiDiscrete's numbers is a choice.

    Raises:
        ValueError: There are no such actions, no bounds or too many combinations; the message names a wrapper.
    """
    if isinstance(space, spaces.Box):
        if not space.is_bounded() or not space.shape == (*filter(None, space.shape),):
            raise ValueError(
                f"action_space must be a Box of numbers with finite bounds, got {space}: wrap the environment in "
                "gymnasium.wrappers.TransformAction, which takes a Box with bounds"
            )
        return BoxDecoder(int(np.prod(space.shape)), space)
    if isinstance(space, spaces.MultiBinary):
        counts = np.full(int(np.prod(space.shape)), 2)
        start = np.zeros(len(counts), np.int64)
    elif isinstance(space, (spaces.Discrete, spaces.MultiDiscrete)):
        counts, start = _numbers_of(space)
    else:
        raise ValueError(
            f"action_space must be Discrete, MultiDiscrete, MultiBinary or Box, got {space}: wrap the environment in "
            "gymnasium.wrappers.TransformAction"
        )
    size = float(np.prod(counts, dtype=np.float64))
    if size > MAX_ACTIONS and not isinstance(space, spaces.Discrete):
        raise ValueError(
            f"action_space must have at most {MAX_ACTIONS} combinations, got {size:g} in {space}: wrap the environment "
            "in gymnasium.wrappers.TransformAction, which offers fewer"
        )
    return ActionDecoder(int(size), space, counts, start)
