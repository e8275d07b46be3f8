"""What a network is: one frozen description for every network of the LSTM literature, executed elsewhere.

Two executions share it: `lstm_rl.nn` (Torch, batched, autograd) and `lstm_rl.kernels` (compiled, one step at a time,
partial derivatives carried forward). Both keep all weights of the hidden layer in one matrix, so that a weight has one
name and one place in both:

    hidden-layer weights  (M, U)   row = source, column = unit
    output weights        (V, K)   row = source, column = output

Columns (units), in this order: ordinary hidden units, input gates, forget gates, output gates (one each per block),
cell inputs. Rows (sources), as far as some unit sees them: inputs x(t), hidden y(t-1), gates y(t-1), cell outputs
y(t-1), bias 1, and with peepholes the cell states s(t-1) (for input and forget gates) and s(t) (for output gates).
Sources of the output layer: inputs x(t), hidden y(t), cell outputs y(t), bias 1. Two masks say which weights exist.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_float, check_int

Layer = Literal["input", "hidden", "gates", "cells"]
Biased = Literal["hidden", "input_gate", "forget_gate", "output_gate", "cells", "output"]
Squash = Literal["identity", "logistic", "tanh", "symmetric1", "symmetric2"]
Bias = float | tuple[float, ...] | None

LAYERS: tuple[str, ...] = ("input", "hidden", "gates", "cells")
UNITS: tuple[str, ...] = ("hidden", "input_gate", "forget_gate", "output_gate", "cells")
SQUASHES: tuple[str, ...] = ("identity", "logistic", "tanh", "symmetric1", "symmetric2")
GATES = UNITS[1:4]


@dataclass(frozen=True)
class Topology:
    """A layer of memory blocks and ordinary hidden units between inputs and outputs.

    Equations, for block j, its cells v, and z = the sources that a unit sees (docs/derivation.md has them all):

        y_h = f(W_h z), y_in = logistic(W_in z), y_f = logistic(W_f z), y_out = logistic(W_out z)
        s_v(t) = y_f s_v(t-1) + y_in g(W_c,v z),  s(0) = 0;   y_c,v = y_out h(s_v(t));   y_k = f_k(W_k u)

    A gate that does not exist is 1. Squashing functions: logistic [0, 1], tanh and symmetric1 = 2 logistic - 1 [-1, 1],
    symmetric2 = 4 logistic - 2 [-2, 2].

    Raises:
        ValueError: A network that cannot exist; the message names the argument.
    """

    inputs: int
    """I >= 1, numbers per observation."""
    outputs: int
    """K >= 1."""
    hidden: int = 0
    """H >= 0, ordinary hidden units beside the blocks."""
    blocks: tuple[int, ...] = ()
    """Cells in each memory block, each >= 1; the cells of a block share its gates."""
    input_gate: bool = True
    """Whether blocks have input gates."""
    forget_gate: bool = True
    """Whether blocks have forget gates (2000); without them the cell's self-weight is ``state_decay``."""
    state_decay: float = 1.0
    """Self-weight of cells without forget gates, in (0, 1]; 1 in 1997."""
    output_gate: bool = True
    """Whether blocks have output gates."""
    peepholes: bool = False
    """Whether gates see their own block's cell states (2002)."""
    hidden_activation: Squash = "logistic"
    """f, of ordinary hidden units."""
    cell_input: Squash = "symmetric2"
    """g."""
    cell_output: Squash = "symmetric1"
    """h."""
    output_activation: Squash = "identity"
    """f_k."""
    hidden_sees: tuple[Layer, ...] = ("input", "hidden", "cells")
    """Layers that ordinary hidden units see."""
    cells_see: tuple[Layer, ...] = ("input", "hidden", "cells")
    """Layers that cell inputs see."""
    gates_see: tuple[Layer, ...] = ("input", "hidden", "cells")
    """Layers that gates see."""
    outputs_see: tuple[Layer, ...] = ("hidden", "cells")
    """Layers that outputs see; "input" makes shortcuts. Outputs see no gates."""
    biased: tuple[Biased, ...] = ("hidden", "input_gate", "forget_gate", "output_gate", "cells", "output")
    """Units that have a bias."""
    without: tuple[tuple[int, int], ...] = ()
    """Hidden-layer weights (row, column) that do not exist although their layers are linked: any connectivity. `rows`
    and `columns` say where units stand."""
    output_without: tuple[tuple[int, int], ...] = ()
    """The same for weights (row, output) into outputs; `output_rows` says where their sources stand."""
    input_range: float = 0.1
    """Initial weights from inputs: uniform in +- this."""
    forget_range: float | None = None
    """Initial weights from inputs to forget gates: uniform in +- this; None: ``input_range``."""
    recurrent_range: float = 0.1
    """Initial weights from hidden units, gates, cells and cell states: uniform in +- this."""
    output_range: float = 0.1
    """Initial weights into outputs: uniform in +- this."""
    bias_range: float = 0.0
    """Initial biases that no field below fixes: uniform in +- this."""
    input_gate_bias: Bias = None
    """Initial bias of all input gates, or of each block's; None: drawn from ``bias_range``."""
    forget_gate_bias: Bias = None
    """The same for forget gates."""
    output_gate_bias: Bias = None
    """The same for output gates."""
    output_bias: float | None = None
    """Initial bias of all outputs; None: drawn from ``output_range``."""

    def __post_init__(self) -> None:
        check_int("inputs", self.inputs, 1)
        check_int("outputs", self.outputs, 1)
        check_int("hidden", self.hidden, 0)
        if not isinstance(self.blocks, tuple):
            raise ValueError(f"blocks must be a tuple of cells per block, got {self.blocks!r}")
        for cells in self.blocks:
            check_int("blocks", cells, 1)
        if not self.blocks and not self.hidden:
            raise ValueError("blocks and hidden must not both be empty: the network would have no hidden layer")
        if self.peepholes and not (self.blocks and any((self.input_gate, self.forget_gate, self.output_gate))):
            raise ValueError("peepholes need at least one block with a gate, got none")
        for name in ("hidden_activation", "cell_input", "cell_output", "output_activation"):
            if getattr(self, name) not in SQUASHES:
                raise ValueError(f"{name} must be one of {', '.join(SQUASHES)}, got {getattr(self, name)!r}")
        for name in ("hidden_sees", "cells_see", "gates_see", "outputs_see"):
            unknown = set(getattr(self, name)) - set(LAYERS)
            if unknown or (name == "outputs_see" and "gates" in self.outputs_see):
                allowed = LAYERS if name != "outputs_see" else ("input", "hidden", "cells")
                raise ValueError(f"{name} must hold layers out of {', '.join(allowed)}, got {getattr(self, name)!r}")
        if check_float("state_decay", self.state_decay, 0.0, 1.0, open_low=True) < 1.0 and self.forget_gate:
            raise ValueError(f"state_decay must be 1 in a network with forget gates, got {self.state_decay}")
        if unknown := set(self.biased) - {*UNITS, "output"}:
            raise ValueError(f"biased must hold units out of {', '.join((*UNITS, 'output'))}, got {sorted(unknown)}")
        for pair in self.without:
            if len(pair) != 2 or not (0 <= pair[0] < self.sources and 0 <= pair[1] < self.units):
                limits = f"0 .. {self.sources - 1}, 0 .. {self.units - 1}"
                raise ValueError(f"without must hold pairs (row, column) in {limits}, got {pair!r}")
        for pair in self.output_without:
            if len(pair) != 2 or not (0 <= pair[0] < self.output_sources and 0 <= pair[1] < self.outputs):
                limits = f"0 .. {self.output_sources - 1}, 0 .. {self.outputs - 1}"
                raise ValueError(f"output_without must hold pairs (row, output) in {limits}, got {pair!r}")
        for name in ("input_range", "recurrent_range", "output_range", "bias_range"):
            check_float(name, getattr(self, name), 0.0)
        if self.forget_range is not None:
            check_float("forget_range", self.forget_range, 0.0)
        for gate in GATES:
            bias = getattr(self, f"{gate}_bias")
            if isinstance(bias, tuple) and len(bias) != len(self.blocks):
                raise ValueError(f"{gate}_bias must be one number or {len(self.blocks)}, one per block, got {bias!r}")
            for value in bias if isinstance(bias, tuple) else () if bias is None else (bias,):
                check_float(f"{gate}_bias", value)
        if self.output_bias is not None:
            check_float("output_bias", self.output_bias)
            if "output" not in self.biased:
                raise ValueError(f"output_bias must be None where outputs have no bias, got {self.output_bias}")

    # --- sizes -------------------------------------------------------------------------------------------------------

    @property
    def cells(self) -> int:
        """C, cells in all blocks."""
        return sum(self.blocks)

    @cached_property
    def columns(self) -> dict[str, slice]:
        """Where each kind of unit stands among the U columns of the hidden-layer weights; empty where it is absent."""
        count = len(self.blocks)
        gates = {gate: count * bool(getattr(self, gate)) for gate in GATES}
        return _slices({"hidden": self.hidden, **gates, "cells": self.cells})

    @property
    def units(self) -> int:
        """U, columns of the hidden-layer weights."""
        return int(self.columns["cells"].stop)

    @cached_property
    def rows(self) -> dict[str, slice]:
        """Where each source stands among the M rows of the hidden-layer weights; empty where nobody sees it."""
        seen: set[str] = set(self.hidden_sees if self.hidden else ())
        if self.blocks:
            seen |= {*self.cells_see, *self.gates_see}
        gates = self.columns["output_gate"].stop - self.columns["input_gate"].start
        sizes = {"input": self.inputs, "hidden": self.hidden, "gates": gates, "cells": self.cells}
        sizes = {name: size if name in seen else 0 for name, size in sizes.items()}
        sizes["bias"] = int(any(name != "output" for name in self.biased))
        sizes["state_tm1"] = self.cells * (self.peepholes and (self.input_gate or self.forget_gate))
        sizes["state_t"] = self.cells * (self.peepholes and self.output_gate)
        return _slices(sizes)

    @property
    def sources(self) -> int:
        """M, rows of the hidden-layer weights."""
        return int(self.rows["state_t"].stop)

    @cached_property
    def output_rows(self) -> dict[str, slice]:
        """Where each source stands among the V rows of the output weights."""
        sizes = {"input": self.inputs, "hidden": self.hidden, "cells": self.cells}
        sizes = {name: size if name in self.outputs_see else 0 for name, size in sizes.items()}
        return _slices(sizes | {"bias": int("output" in self.biased)})

    @property
    def output_sources(self) -> int:
        """V, rows of the output weights."""
        return int(self.output_rows["bias"].stop)

    @cached_property
    def block_of_cell(self) -> tuple[int, ...]:
        """For each cell the block that it belongs to."""
        return tuple(block for block, cells in enumerate(self.blocks) for _ in range(cells))

    @property
    def is_standard(self) -> bool:
        """Whether all is the standard cell of `torch.nn.LSTM` and a full read-out: its fused kernels can run it."""
        gates = self.input_gate and self.forget_gate and self.output_gate and not self.peepholes
        alone = self.hidden == 0 and set(self.blocks) == {1} and not self.without and not self.output_without
        tanh = self.cell_input == self.cell_output == "tanh"
        sees = set(self.cells_see) - {"hidden"} == set(self.gates_see) - {"hidden"} == {"input", "cells"}
        return gates and alone and tanh and sees and {*GATES, "cells"} <= set(self.biased)

    # --- weights -----------------------------------------------------------------------------------------------------

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Which hidden-layer weights exist, (M, U)."""
        mask = np.zeros((self.sources, self.units), np.bool_)
        sees = {"hidden": self.hidden_sees, "cells": self.cells_see} | dict.fromkeys(GATES, self.gates_see)
        for unit, column in self.columns.items():
            for layer in sees[unit]:
                mask[self.rows[layer], column] = True
            mask[self.rows["bias"], column] = unit in self.biased
        own = np.equal.outer(self.block_of_cell, np.arange(len(self.blocks)))  # (C, B)
        for gate, row in {
            "input_gate": "state_tm1",
            "forget_gate": "state_tm1",
            "output_gate": "state_t",
        }.items():
            if self.peepholes and getattr(self, gate):
                mask[self.rows[row], self.columns[gate]] = own
        for pair in self.without:
            mask[pair] = False
        return mask

    @cached_property
    def output_mask(self) -> NDArray[np.bool_]:
        """Which weights into outputs exist, (V, K)."""
        mask = np.ones((self.output_sources, self.outputs), np.bool_)
        for pair in self.output_without:
            mask[pair] = False
        return mask

    @property
    def weight_count(self) -> int:
        """Number of weights, biases and peepholes included."""
        return int(self.mask.sum() + self.output_mask.sum())

    def initial_weights(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw (hidden-layer weights (M, U), output weights (V, K)); weights that do not exist are 0."""
        ranges = dict.fromkeys(self.rows, self.recurrent_range)
        ranges |= {"input": self.input_range, "bias": self.bias_range}
        draws = rng.uniform(-1.0, 1.0, self.mask.shape)
        weights = draws.copy()
        for source, row in self.rows.items():
            weights[row] *= ranges[source]
        if self.forget_range is not None:
            into = self.rows["input"], self.columns["forget_gate"]
            weights[into] = draws[into] * self.forget_range
        for gate in GATES:
            bias = getattr(self, f"{gate}_bias")
            if bias is not None:
                weights[self.rows["bias"], self.columns[gate]] = bias
        output = rng.uniform(-1.0, 1.0, (self.output_sources, self.outputs)) * self.output_range
        if self.output_bias is not None:
            output[self.output_rows["bias"]] = self.output_bias
        return weights * self.mask, output * self.output_mask

    def __str__(self) -> str:
        """The network in a few lines, for people."""
        gates = [name.replace("_", " ") for name in GATES if getattr(self, name)]
        kinds = sorted(set(self.blocks))
        blocks = ", ".join(f"{self.blocks.count(cells)} x {cells}" for cells in kinds) or "none"
        lines = [
            f"{self.inputs} inputs, {self.hidden} hidden units, blocks x cells: {blocks}, {self.outputs} outputs",
            f"gates: {', '.join(gates) if self.blocks and gates else 'none'}{', peepholes' * self.peepholes}",
            f"squashing: hidden {self.hidden_activation}, cell input {self.cell_input}, "
            f"cell output {self.cell_output}, output {self.output_activation}",
            f"hidden sees {'+'.join(self.hidden_sees)}; cells see {'+'.join(self.cells_see)}; "
            f"gates see {'+'.join(self.gates_see)}; outputs see {'+'.join(self.outputs_see)}",
            f"biases: {', '.join(self.biased) or 'none'}",
            f"{self.weight_count} weights",
        ]
        return "\n".join(lines)


def _slices(sizes: dict[str, int]) -> dict[str, slice]:
    """Consecutive slices of the given sizes."""
    stops = np.cumsum(list(sizes.values())).tolist()
    return {name: slice(stop - size, stop) for (name, size), stop in zip(sizes.items(), stops, strict=True)}
