"""A replay buffer of sequences: the steps of each environment in order, with the network's states.

Each environment has a ring of its own. Sequences begin at every multiple of ``period`` and overlap where they are
longer; they cross the starts of episodes, where the unroll puts the network to rest. The state that acted is stored at
multiples of ``period`` only. Where an episode is cut off before its end (truncation, a reset from outside), its last
observation follows as a step of its own that is not ``valid``: it was never acted on, and targets end with its value.

Source: Kapturowski et al. (2019), "Recurrent Experience Replay in Distributed Reinforcement Learning".

Dimensions: n environments, C steps in each ring, L steps of a sequence, B sequences, S numbers of a part of a state.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.agents.observation_counts import NONE
from lstm_rl.checks import check_int
from lstm_rl.machine_memory import memory

Array = NDArray[Any]


class Spec(NamedTuple):
    """What one step and one state consist of."""

    observation: tuple[int, ...]  # shape, as the network gets it
    pixels: bool  # observations are bytes, else 32-bit numbers
    action: tuple[int, ...]  # shape: () of a choice among K, (d,) of a continuous one
    choices: int  # K, of a choice; 0: actions are continuous
    state: tuple[int, ...]  # S of each part of the network's state


class Sequences(NamedTuple):
    """A sample. Arrays (L, B, ...), but for the last four."""

    observation: Array  # (L, B, *shape)
    action: Array  # (L, B) choices, or (L, B, d); of no meaning where not valid
    previous: Array  # the action before, at the start of an episode -1, or zeros
    reward: Array  # (L, B) after the action
    start: Array  # (L, B) bool, the observation is the first of an episode
    terminated: Array  # (L, B) bool, the episode truly ended with the action
    valid: Array  # (L, B) bool, the observation was acted on
    state: tuple[Array, ...]  # (B, S) each, before the first step, as stored
    row: Array  # (B,) environment
    first: Array  # (B,) number of the first step, counted since the buffer was made
    weight: Array  # (B,) importance, <= 1


class SequenceBuffer:
    """The rings, and how sequences are drawn from them.

    Args:
        buffer_size: Steps of all environments together, rounded down to whole periods.
        n_envs: n.
        spec: Shapes and types of what is stored.
        length: L, burn-in and the steps behind the trace included.
        period: Steps from the start of a sequence to that of the next, >= 1.
        alpha: Sequences are drawn by priority to this power, in [0, 1]; 0: evenly.
        beta: Importance weights are the inverse probability to this power, in [0, 1], the largest being 1.
        counted: Keep also what `lstm_rl.agents.observation_counts` says about what came of each step.

    Raises:
        ValueError: A sequence is longer than a ring, or the rings do not fit into memory.
    """

    counted = False  # in buffers of older files

    def __init__(
        self,
        buffer_size: int,
        n_envs: int,
        spec: Spec,
        *,
        length: int,
        period: int,
        alpha: float,
        beta: float,
        counted: bool = False,
    ) -> None:
        check_int("period", period, 1)
        self.capacity = capacity = buffer_size // n_envs // period * period
        if capacity < length + period:
            raise ValueError(
                f"buffer_size must give each of {n_envs} environments a sequence of {length} steps and a period of "
                f"{period}, that is at least {n_envs * (-(-(length + period) // period) * period)}, got {buffer_size}"
            )
        if (need := self.bytes_needed(buffer_size, spec, period)) > (have := memory()):
            raise ValueError(
                f"buffer_size must be so low that the buffer fits into {have / 1e9:.3g} GB of memory, got "
                f"{buffer_size}, which needs {need / 1e9:.3g} GB"
            )
        self.spec, self.n_envs, self.length, self.period = spec, n_envs, length, period
        self.alpha, self.beta, self.counted = alpha, beta, counted
        size = n_envs, capacity
        self.observation = np.zeros((*size, *spec.observation), np.uint8 if spec.pixels else np.float32)
        self.action = np.zeros((*size, *spec.action), np.float32 if spec.action else np.int32)
        self.reward = np.zeros(size, np.float32)
        self.age = np.zeros(size, np.int32)  # steps since the start of the episode
        self.terminated, self.valid = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
        if counted:
            self.new = np.full(size, NONE, np.int32)  # the observation after the step, if new in its episode
        self.state = tuple(np.zeros((n_envs, capacity // period, part), np.float32) for part in spec.state)
        self.priority = np.zeros((n_envs, capacity // period))
        self.highest = 1.0  # priority so far: that of sequences which have not been drawn yet
        self.count = np.zeros(n_envs, np.int64)  # steps ever written

    @staticmethod
    def bytes_needed(buffer_size: int, spec: Spec, period: int) -> float:
        """Memory that the rings take, in bytes."""
        step = float(np.prod(spec.observation)) * (1 if spec.pixels else 4) + (4 * sum(spec.action) or 4) + 10
        return buffer_size * (step + (4.0 * sum(spec.state) + 8.0) / period)

    def __len__(self) -> int:
        """Number of steps held."""
        return int(np.minimum(self.count, self.capacity).sum())

    def add(
        self,
        rows: Array,
        observation: Array,
        action: Array | None,
        reward: Array | float,
        age: Array,
        terminated: Array | bool,
        state: tuple[Array, ...],
        new: Array | None = None,
    ) -> None:
        """Write one step of some environments.

        Args:
            rows: (k,) which.
            observation: ``(k, *shape)``.
            action: (k,) or (k, d); ``None``: the observation was not acted on.
            reward: (k,) after the action.
            age: (k,) steps since the start of the episode.
            terminated: (k,) whether the episode truly ended.
            state: (k, S) each, of the network before this step.
            new: (k,) number of the observation after the step, see ``counted``; ``None``: not new.
        """
        at = self.count[rows] % self.capacity
        self.observation[rows, at] = observation
        self.action[rows, at] = 0 if action is None else action
        self.reward[rows, at], self.age[rows, at] = reward, age
        self.terminated[rows, at], self.valid[rows, at] = terminated, action is not None
        if self.counted:
            self.new[rows, at] = NONE if new is None else new
        on_grid = at % self.period == 0
        if on_grid.any():
            where = rows[on_grid], at[on_grid] // self.period
            self.priority[where] = self.highest
            for ring, part in zip(self.state, state, strict=True):
                ring[where] = part[on_grid]
        self.count[rows] += 1

    # --- drawing ---------------------------------------------------------------------------------------------------

    def starts(self) -> tuple[Array, Array]:
        """Environments and first steps (N,) of all whole sequences; of a first step the action before is needed."""
        last, oldest = self.count[:, None] - 1, np.maximum(0, self.count - self.capacity)[:, None]
        grid = np.arange(0, self.capacity, self.period)
        first = last - (last - grid) % self.capacity  # (n, slots), the newest step in each slot's place
        known = (first > oldest) | ((first == oldest) & (self.age[:, grid] == 0))
        row, slot = np.nonzero((first >= 0) & (first + self.length <= self.count[:, None]) & known)
        return row, first[row, slot]

    def sample(self, batch_size: int, rng: np.random.Generator) -> Sequences | None:
        """Draw B sequences with replacement; ``None`` if there is none yet."""
        row, first = self.starts()
        if len(row) == 0:
            return None
        if self.alpha == 0.0:
            pick = rng.integers(len(row), size=batch_size)
            return self.take(row[pick], first[pick])
        share = self.priority[row, first % self.capacity // self.period] ** self.alpha
        total = share.cumsum()
        pick = np.minimum(np.searchsorted(total, rng.random(batch_size) * total[-1], "right"), len(row) - 1)
        weight = (share[pick] / total[-1]) ** -self.beta
        return self.take(row[pick], first[pick])._replace(weight=(weight / weight.max()).astype(np.float32))

    def take(self, row: Array, first: Array, length: int | None = None) -> Sequences:
        """The sequences that begin at ``first`` (B,), on the grid if their stored state counts, of environments."""
        at = (first + np.arange(length or self.length)[:, None]) % self.capacity  # (L, B)
        start = self.age[row, at] == 0
        previous = self.action[row, at - 1]
        previous[start] = 0 if self.spec.action else -1
        slot = first % self.capacity // self.period
        return Sequences(
            self.observation[row, at],
            self.action[row, at],
            previous,
            self.reward[row, at],
            start,
            self.terminated[row, at],
            self.valid[row, at],
            tuple(ring[row, slot] for ring in self.state),
            row,
            first,
            np.ones(len(row), np.float32),
        )

    def found(self, drawn: Sequences) -> Array:
        """What is ``new`` after each step (L, B) of sequences."""
        return self.new[drawn.row, (drawn.first + np.arange(len(drawn.reward))[:, None]) % self.capacity]

    def context(self, drawn: Sequences) -> Sequences | None:
        """The steps from the starts of episodes, as far as they are held, up to the sequences.

        All are as long as the longest; the reset at the start of a shorter one cancels what stands before it.
        """
        oldest = np.maximum(0, self.count[drawn.row] - self.capacity)
        back = np.minimum(self.age[drawn.row, drawn.first % self.capacity], drawn.first - oldest)
        if (most := int(back.max())) == 0:
            return None
        steps = self.take(drawn.row, drawn.first - most, most)
        return steps._replace(start=steps.start | (np.arange(most)[:, None] == most - back))

    def set_priority(self, drawn: Sequences, priority: Array) -> None:
        """Priorities (B,) > 0 of sequences, as far as they have not been overwritten since."""
        held = drawn.first >= self.count[drawn.row] - self.capacity
        self.highest = max(self.highest, float(priority.max()))
        self.priority[drawn.row[held], drawn.first[held] % self.capacity // self.period] = priority[held]
