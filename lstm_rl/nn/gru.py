"""A layer of gated recurrent units with a linear read-out.

Dimensions: T time, B batch, I inputs, H units, K outputs. Time-major throughout.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lstm_rl.checks import check_int
from lstm_rl.nn.fused import fused_gru
from lstm_rl.nn.network import check_arguments


class GruState(NamedTuple):
    """What a network carries from one step to the next."""

    y: Tensor  # (B, H) outputs of units


class GruNetwork(nn.Module):
    """Gated recurrent units in the form of `torch.nn.GRU`, resets inside the unroll; see `Network`.

        r, z = logistic(W x(t) + b + R y(t-1) + b_R) each, n = tanh(W x(t) + b + r (R y(t-1) + b_R))
        y(t) = (1 - z) n + z y(t-1),  y(0) = 0;   outputs = W_out y(t) + b_out

    All weights and biases begin uniform in +-1 / sqrt(H), as Torch has it.

    Args:
        inputs: I >= 1.
        outputs: K >= 1.
        units: H >= 1.
        seed: Of the initial weights.
        update_gate_bias: Initial bias of z of all units, or of each; the higher, the longer a unit remembers. ``None``:
            drawn as the rest.
        dtype: Of the weights.

    Attributes:
        recurrent: A `torch.nn.GRU` that holds the weights; its ``state_dict`` carries them from and to other programs.
        readout: A `torch.nn.Linear`.

    Raises:
        ValueError: A size that cannot be.

    Source: Cho et al. (2014), equations 5 to 8. Torch applies r after the product with R, not before, and z to the old
    output; there, too, z near 1 means to remember.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        units: int,
        seed: int | None = None,
        *,
        update_gate_bias: float | Sequence[float] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.inputs = check_int("inputs", inputs, 1)
        self.outputs = check_int("outputs", outputs, 1)
        self.units = check_int("units", units, 1)
        # from "meta": initial weights of their own would be drawn from Torch's global generator
        self.recurrent = nn.GRU(inputs, units, dtype=dtype, device="meta").to_empty(device="cpu")
        self.readout = nn.Linear(units, outputs, dtype=dtype, device="meta").to_empty(device="cpu")
        rng = np.random.default_rng(seed)
        with torch.no_grad():
            for weights in self.parameters():
                weights.copy_(torch.tensor(rng.uniform(-1.0, 1.0, weights.shape) / np.sqrt(units)))
            if update_gate_bias is not None:
                biases = np.broadcast_to(np.array(update_gate_bias, float), units)
                _, _, b_ih, b_hh = self.recurrent.parameters()
                b_ih[units : 2 * units] = torch.tensor(biases.copy())
                b_hh[units : 2 * units] = 0.0

    def initial_state(self, batch: int) -> GruState:
        """The state of ``batch`` rows at rest, all zeros."""
        return GruState(self.readout.weight.new_zeros(batch, self.units))

    def forward(
        self, x: Tensor, state: GruState | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, GruState]:
        """Unroll over T steps; see `Network`."""
        state = check_arguments(self, x, state, resets)
        w_ih, w_hh, b_ih, b_hh = self.recurrent.parameters()
        outputs, y = fused_gru(x, state.y, resets, w_ih, w_hh, b_ih, b_hh, self.readout)
        return outputs, GruState(y)

    def named(self, state: GruState) -> dict[str, Tensor]:
        """The outputs of the units, (B, H)."""
        return {"hidden": state.y}
