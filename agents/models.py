"""What a policy can be made of: a network of any `Topology`, or a table with memory bits.

A model is a description without weights: it draws them, and puts them under an approximator of `lstm_rl.streaming`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_int
from lstm_rl.streaming.bptt import Bptt, make_bptt
from lstm_rl.streaming.lstm import Lstm, make_lstm
from lstm_rl.streaming.network import Weights
from lstm_rl.streaming.table import Table, make_table
from lstm_rl.topology import Topology

View = Callable[[str], NDArray[Any]]
"""From a parameter's name to its memory."""


@dataclass(frozen=True)
class Network:
    """A topology and how its gradient is taken."""

    topology: Topology
    bptt_depth: int | None = None
    """Steps >= 1 that errors are carried back at most; None: the truncated gradient, carried forward."""

    def __str__(self) -> str:
        """The network in a few lines, for people."""
        depth = self.bptt_depth
        gradient = "truncated, carried forward" if depth is None else f"carried back {depth} steps at most"
        return f"{self.topology}\ngradient: {gradient}"

    @property
    def inputs(self) -> int:
        """I, numbers that the network sees."""
        return self.topology.inputs

    def initial_weights(self, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Weights by name: hidden (M, U), output (V, K)."""
        hidden, output = self.topology.initial_weights(rng)
        return {"hidden": hidden, "output": output}

    def weights(self, view: View) -> Weights:
        """Views of the parameters, not copies."""
        return Weights(*(view(name) for name in ("hidden_weights", "output_weights", "hidden_square", "output_square")))

    def approximator(self, weights: Weights, n: int) -> Lstm | Bptt:
        """N streams at rest around the weights."""
        dtype = weights.hidden.dtype
        if self.bptt_depth is None:
            return make_lstm(self.topology, weights, n, dtype)
        return make_bptt(self.topology, weights, n, dtype, self.bptt_depth)

    def state(self, approximator: Lstm | Bptt) -> tuple[NDArray[Any], ...]:
        """What acting carries from step to step: activations (n, U), cell states (n, C), cell outputs (n, C)."""
        streams = approximator.streams
        return streams.y, streams.s, streams.y_cells

    def arrays(self, approximator: Lstm | Bptt) -> dict[str, NDArray[Any]]:
        """All that learning carries from step to step, by name."""
        own = approximator.history._asdict() if isinstance(approximator, Bptt) else {}
        return approximator.streams._asdict() | {f"history_{name}": ring for name, ring in own.items()}

    def traces(self, approximator: Lstm | Bptt) -> NDArray[Any]:
        """Eligibility traces, for the log."""
        return np.asarray(approximator.streams.traces)


class TableWeights(NamedTuple):
    """Entries of a table, and the running mean squares that normalised steps divide by."""

    values: NDArray[Any]  # (R, K)
    square: NDArray[Any]  # (R, K)


@dataclass(frozen=True, eq=False)
class Boxes:
    """A table over boxes of observations with memory bits; see `lstm_rl.streaming.table`.

    Raises:
        ValueError: An observation without bounds, or a number out of its range.
    """

    space: gym.Space[Any]
    """Of observations: Box with finite bounds."""
    actions: int
    """Moves of the environment."""
    bits: int = 1
    """Memory bits >= 0."""
    regions: int = 3
    """Equal regions >= 1 per input."""

    def __post_init__(self) -> None:
        check_int("memory_bits", self.bits, 0)
        check_int("regions", self.regions, 1)
        if not isinstance(self.space, gym.spaces.Box) or not self.space.is_bounded():
            raise ValueError(f"observation_space must be a Box with finite bounds for boxes, got {self.space}")

    def __str__(self) -> str:
        """The table in a line, for people."""
        return f"table: {self.regions} regions per input, {self.bits} memory bits, {self.actions} moves"

    @property
    def inputs(self) -> int:
        """Numbers of an observation and memory bits: what an explorer sees."""
        return int(np.prod(self.space.shape or ())) + self.bits

    def initial_weights(self, _: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Weights by name: table (R, K), all 0."""
        patterns = 2**self.bits
        return {"table": np.zeros((self.regions ** (self.inputs - self.bits) * patterns, self.actions * patterns))}

    def weights(self, view: View) -> TableWeights:
        """Views of the parameters, not copies."""
        return TableWeights(view("table_weights"), view("table_square"))

    def approximator(self, weights: TableWeights, n: int) -> Table:
        """N streams at rest around the table."""
        low, high = self.space.low.ravel(), self.space.high.ravel()  # type: ignore[attr-defined]
        return make_table(weights.values, weights.square, low, high, self.regions, self.bits, n)

    def state(self, approximator: Table) -> tuple[NDArray[Any], ...]:
        """What acting carries from step to step: the bits as one number (n, 1)."""
        return (approximator.bits,)

    def arrays(self, approximator: Table) -> dict[str, NDArray[Any]]:
        """All that learning carries from step to step, by name."""
        return {name: getattr(approximator, name) for name in ("bits", "row", "outputs", "traces")}

    def traces(self, approximator: Table) -> NDArray[Any]:
        """Eligibility traces, for the log."""
        return approximator.traces
