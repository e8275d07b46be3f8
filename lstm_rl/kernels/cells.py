"""What a layer of element-wise cells is: `make_approximator` and policies take it in the place of a `Topology`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_choice, check_float, check_int
from lstm_rl.kernels.min_gru import MinGru

CELLS: dict[str, Any] = {"min_gru": MinGru()}
"""Name -> the value whose class has the cell's kernels; see `cell`."""


@dataclass(frozen=True)
class Cells:
    """A layer of cells of one kind between inputs and linear outputs; `AdvantageLearning` takes it as ``topology``.

    Raises:
        ValueError: A layer that cannot exist; the message names the argument.
    """

    cell: str
    """One of `CELLS`."""
    inputs: int
    """I >= 1, numbers per observation."""
    outputs: int
    """K >= 1."""
    units: int
    """H >= 1."""
    biases: tuple[float, ...] = ()
    """Initial bias of each gate; (): 0."""
    initial_range: float = 0.1
    """Initial weights: uniform in +- this."""

    def __post_init__(self) -> None:
        check_choice("cell", self.cell, tuple(CELLS))
        for name in ("inputs", "outputs", "units"):
            check_int(name, getattr(self, name), 1)
        check_float("initial_range", self.initial_range, 0.0)
        if len(self.biases) not in (0, self.kind.gates):
            raise ValueError(f"biases must be {self.kind.gates} numbers, one per gate, got {self.biases!r}")

    @property
    def kind(self) -> Any:
        """Chooses the kernels."""
        return CELLS[self.cell]

    def initial_weights(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw (gates' weights (I + 1, G H), output weights (H + 1, K)); the last rows are biases."""
        gates, span = self.kind.gates, self.initial_range
        hidden = rng.uniform(-span, span, (self.inputs + 1, gates * self.units))
        output = rng.uniform(-span, span, (self.units + 1, self.outputs))
        hidden[-1] = np.repeat(self.biases or (0.0,) * gates, self.units)
        return hidden, output
