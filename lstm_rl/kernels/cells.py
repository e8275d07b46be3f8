"""What a network of exact cells is: `make_approximator` and policies take it in the place of a `Topology`."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_choice, check_float, check_int
from lstm_rl.kernels.cell import Cell, LayerSizes
from lstm_rl.kernels.min_gru import MIN_GRU
from lstm_rl.kernels.rtu import RTU
from lstm_rl.kernels.self_lstm import SELF_LSTM

CELLS: dict[str, Cell] = {"min_gru": MIN_GRU, "rtu": RTU, "self_lstm": SELF_LSTM}
"""Name -> the kind; see `lstm_rl.kernels.cell`."""


@dataclass(frozen=True)
class Cells:
    """Layers of cells side by side, all of which see the input alone, under a readout; see `lstm_rl.kernels.exact`.

    Raises:
        ValueError: A network that cannot exist; the message names the argument.
    """

    inputs: int
    """I >= 1, numbers per observation, and one per action where the last one is an input."""
    outputs: int
    """K >= 1."""
    layers: tuple[tuple[str, int], ...] = (("self_lstm", 16), ("rtu", 16))
    """Pairs (one of `CELLS`, units >= 1)."""
    hidden: int = 16
    """H >= 0, tanh units of the readout."""
    time_scales: tuple[float, float] = (100.0, 100.0)
    """Steps >= 1 that the first and the last unit of a layer with gates remember at the start; those between are spread
    evenly over their logarithm."""
    input_range: float = 0.1
    """Initial weights from inputs to gates: uniform in +- this; those from actions to `self_lstm` are 0."""
    output_range: float = 0.1
    """Initial weights into outputs: uniform in +- this; those of shortcuts from inputs are 0."""
    actions: int = 0
    """Last inputs, 0 .. I - 1, that say which action was chosen at the step before: 1 at its number, else 0."""

    def __post_init__(self) -> None:
        check_int("inputs", self.inputs, 1)
        check_int("outputs", self.outputs, 1)
        check_int("hidden", self.hidden, 0)
        check_int("actions", self.actions, 0, self.inputs - 1)
        if not self.layers:
            raise ValueError("layers must hold at least one layer of cells, got ()")
        for cell, units in self.layers:
            check_choice("layers", cell, tuple(CELLS))
            check_int("units in layers", units, 1)
        for steps in self.time_scales:
            check_float("time_scales", steps, 1.0)
        check_float("input_range", self.input_range, 0.0)
        check_float("output_range", self.output_range, 0.0)

    @cached_property
    def kinds(self) -> tuple[tuple[Any, LayerSizes], ...]:
        """What compiled code knows of each layer, and its sizes."""
        found, start, first = list[tuple[Any, LayerSizes]](), 0, 0
        for cell, units in self.layers:
            sizes = CELLS[cell].sizes(self.inputs, units)
            found.append((CELLS[cell].kind(self.inputs, units, start, first), sizes))
            start, first = start + sizes.weights, first + sizes.outputs
        return tuple(found)

    @property
    def state_names(self) -> list[str]:
        """What the states of the layers are called: by the kind of cell, numbered where a kind has several layers."""
        cells = [cell for cell, _ in self.layers]
        return [
            f"{cell} {cells[:i].count(cell) + 1} state" if cells.count(cell) > 1 else f"{cell} state"
            for i, cell in enumerate(cells)
        ]

    def named(self, state: Iterable[Any]) -> dict[str, Any]:
        """The states (..., n) of the layers by name; of self_lstm without the tanh that its kernel keeps beside s."""
        parts = zip(self.state_names, self.layers, state, strict=True)
        return {name: part[..., :units] if cell == "self_lstm" else part for name, (cell, units), part in parts}

    @property
    def sources(self) -> int:
        """V, what the readout sees: outputs of cells, inputs, bias."""
        return sum(sizes.outputs for _, sizes in self.kinds) + self.inputs + 1

    @property
    def weights(self) -> int:
        """P, weights below the outputs."""
        return sum(sizes.weights for _, sizes in self.kinds) + self.sources * self.hidden

    @property
    def weight_count(self) -> int:
        """Number of weights, biases included."""
        return self.weights + (self.hidden + self.sources) * self.outputs

    def initial_weights(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw (weights below the outputs (P,), output weights (H + V, K))."""
        shortest, longest = map(math.log, self.time_scales)
        parts = list[NDArray[np.float64]]()
        for cell, units in self.layers:
            scales = np.exp(np.linspace(shortest, longest, units))
            ranges = np.full(self.inputs, self.input_range)
            if cell == "self_lstm":
                ranges[self.inputs - self.actions :] = 0.0  # an action taken again and again would add up to a ramp
            parts.append(CELLS[cell].initial_weights(rng, self.inputs, scales, ranges))
        span = 1.0 / math.sqrt(self.sources)
        readout = rng.uniform(-span, span, (self.sources, self.hidden))
        readout[-1] = 0.0
        output = rng.uniform(-self.output_range, self.output_range, (self.hidden + self.sources, self.outputs))
        output[-1 - self.inputs :] = 0.0
        return np.concatenate([*parts, readout.ravel()]), output

    def __str__(self) -> str:
        """The network in a few lines, for people."""
        layers = ", ".join(f"{units} {cell}" for cell, units in self.layers)
        return (
            f"{self.inputs} inputs, cells: {layers}, readout of {self.hidden} hidden units, {self.outputs} outputs\n"
            f"{self.weight_count} weights"
        )
