"""What a policy can be made of: a network of any `Topology`, any Torch module, or a table with memory bits.

A model is a description without weights: it draws them, and puts them under an approximator of `lstm_rl.kernels`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lstm_rl.agents.config import Gradient
from lstm_rl.checks import check_int
from lstm_rl.kernels.callback import CallbackApproximator, make_callback_approximator, streams_of
from lstm_rl.kernels.cells import Cells
from lstm_rl.kernels.layout import Weights
from lstm_rl.kernels.make import make_approximator
from lstm_rl.kernels.table import Table, make_table
from lstm_rl.nn.streams import TorchStreams, TorchWeights
from lstm_rl.topology import GATES, Topology

View = Callable[[str], Any]
"""From a name to the memory of that parameter, or to that module."""


def action_inputs(topology: Topology | Cells) -> int:
    """Inputs of a network, its last ones, that say which action was chosen at the step before; 0: none."""
    return topology.actions if isinstance(topology, Cells) else 0


@dataclass(frozen=True)
class Network:
    """A topology and how its gradient is taken; see `Config`."""

    topology: Topology | Cells
    gradient: Gradient = "truncated"
    bptt_depth: int = 100

    def __str__(self) -> str:
        """The network in a few lines, for people."""
        if isinstance(self.topology, Cells):
            return f"{self.topology}\ngradient: exact, carried forward"
        gradients: dict[Gradient, str] = {
            "truncated": "truncated, carried forward",
            "bptt": f"complete, carried back {self.bptt_depth} steps at most",
            "rtrl": "complete, carried forward",
        }
        return f"{self.topology}\ngradient: {gradients[self.gradient]}"

    @property
    def inputs(self) -> int:
        """Numbers that the network sees from outside: its inputs but for the last action."""
        return self.topology.inputs - action_inputs(self.topology)

    def initial_weights(self, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Weights by name: hidden (M, U), or (P,) of cells; output (V, K)."""
        hidden, output = self.topology.initial_weights(rng)
        return {"hidden": hidden, "output": output}

    def weights(self, view: View) -> Weights:
        """Views of the parameters, not copies."""
        return Weights(*(view(name) for name in ("hidden_weights", "output_weights", "hidden_square", "output_square")))

    def approximator(self, weights: Weights, n: int) -> Any:
        """N streams at rest around the weights."""
        return make_approximator(self.topology, weights, n, weights.hidden.dtype, self.gradient, self.bptt_depth)

    def rebind(self, approximator: Any, weights: Weights) -> Any:
        """The same streams around other weights."""
        return approximator._replace(weights=weights)

    @property
    def blocks(self) -> tuple[int, ...]:
        """Cells in each memory block; element-wise cells are in none."""
        return getattr(self.topology, "blocks", ())

    def named(self, state: Sequence[NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The activations in the `state` of T steps by name, each (T, n), as `lstm_rl.nn.lstm.LstmNetwork.named`."""
        if isinstance(self.topology, Cells):
            cells = len(self.topology.layers)
            return self.topology.named(state[:cells]) | dict(zip(["last action"], state[cells:], strict=False))
        (y, s, y_cells), columns = state, self.topology.columns
        parts = {"cell state": s, "cell output": y_cells, "hidden": y[:, columns["hidden"]]}
        parts |= {gate.replace("_", " "): y[:, columns[gate]] for gate in GATES}
        return {name: part for name, part in parts.items() if part.shape[1]}

    def groups(self, weights: Weights) -> dict[str, NDArray[Any]]:
        """The weights that exist from each kind of source to each kind of unit, as copies."""
        t = self.topology
        if isinstance(t, Cells):
            parts, start = dict[str, NDArray[Any]](), 0
            for (cell, _), (_, sizes) in zip(t.layers, t.kinds, strict=True):
                parts[f"input_to_{cell}"] = weights.hidden[start : start + sizes.weights].copy()
                start += sizes.weights
            return parts | {"cells_to_readout": weights.hidden[start:].copy(), "to_output": weights.output.flatten()}
        groups = {
            f"{source}_to_{unit}": weights.hidden[row, column][t.mask[row, column]]
            for source, row in t.rows.items()
            for unit, column in t.columns.items()
        }
        return groups | {f"{source}_to_output": weights.output[row].flatten() for source, row in t.output_rows.items()}


class Builder(Protocol):
    """Makes a module with the interface `lstm_rl.nn.network.Network`, as `GruNetwork` and its like do when called."""

    def __call__(self, inputs: int, outputs: int, *, seed: int | None, dtype: torch.dtype) -> nn.Module:
        """A network with weights of its own."""


@dataclass(frozen=True)
class Module:
    """Any Torch network of the interface; its gradient is Torch's, through the last ``bptt_depth`` steps.

    Raises:
        ValueError: The module lacks the interface, or its sizes do not fit.
    """

    build: Builder
    """To be saved with a model it must be picklable: a class, or `functools.partial` of one."""
    inputs: int
    """I, numbers that the network sees."""
    actions: int
    """K."""
    dtype: torch.dtype
    bptt_depth: int
    """Steps >= 1."""

    def __post_init__(self) -> None:
        network: Any = self.make(0)
        sizes = getattr(network, "inputs", None), getattr(network, "outputs", None)
        if sizes != (self.inputs, self.actions) or not hasattr(network, "initial_state"):
            raise ValueError(
                "network must build modules with the interface of lstm_rl.nn.network.Network, of "
                f"{self.inputs} inputs and {self.actions} outputs, got {network}"
            )

    def make(self, seed: int) -> nn.Module:
        """The network with fresh weights."""
        return self.build(self.inputs, self.actions, seed=seed, dtype=self.dtype)

    def __str__(self) -> str:
        """The network in a few lines, for people."""
        return f"{self.make(0)}\ngradient: complete, carried back {self.bptt_depth} steps at most"

    def weights(self, view: View) -> TorchWeights:
        """The module itself, and a view of its mean squares."""
        return TorchWeights(view("network"), view("network_square"))

    def approximator(self, weights: TorchWeights, n: int) -> CallbackApproximator:
        """N streams at rest around the weights."""
        streams = TorchStreams(weights, n, self.bptt_depth)
        return make_callback_approximator(streams, n, self.inputs, self.actions, weights.square.dtype)

    def rebind(self, approximator: CallbackApproximator, weights: TorchWeights) -> CallbackApproximator:
        """The same streams around other weights."""
        streams_of(approximator).rebind(weights)
        return approximator

    @property
    def blocks(self) -> tuple[int, ...]:
        """None: its cells are not in blocks."""
        return ()

    def named(self, state: Sequence[NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The activations in the `state` of T steps by name, each (T, n), as the module itself names them."""
        network: Any = self.make(0)
        parts = type(network.initial_state(1))(*map(torch.as_tensor, state))
        return {name: part.numpy() for name, part in network.named(parts).items()}

    def groups(self, weights: TorchWeights) -> dict[str, NDArray[Any]]:
        """Weights by the module's own names of its parameters, as copies."""
        return {name: w.detach().flatten().numpy().copy() for name, w in weights.network.named_parameters()}


class TableWeights(NamedTuple):
    """Entries of a table, and the running mean squares that normalised steps divide by."""

    values: NDArray[Any]  # (R, K)
    square: NDArray[Any]  # (R, K)


@dataclass(frozen=True, eq=False)
class Boxes:
    """A table over boxes of observations with memory bits; see `lstm_rl.kernels.table`.

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

    def rebind(self, approximator: Table, weights: TableWeights) -> Table:
        """The same streams around another table."""
        return approximator._replace(**weights._asdict())

    @property
    def blocks(self) -> tuple[int, ...]:
        """None."""
        return ()

    def named(self, state: Sequence[NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The memory bits of T steps as one number each, (T, 1)."""
        return {"memory bits": state[0]}

    def groups(self, weights: TableWeights) -> dict[str, NDArray[Any]]:
        """All entries, as copies."""
        return {"table": weights.values.flatten()}
