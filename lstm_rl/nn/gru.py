"""A layer of gated recurrent units with a linear read-out.

Dimensions: T time, B batch, I inputs, H units, K outputs. Time-major throughout.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lstm_rl.checks import check_choice, check_int
from lstm_rl.nn.fused import fused_gru
from lstm_rl.nn.network import traced, unroll_checked


class GruState(NamedTuple):
    """What a network carries from one step to the next."""

    y: Tensor  # (B, H) outputs of units


class GruLayer(nn.Module):
    """The parameters of one layer of `torch.nn.GRU`, by its names, and its equations with resets.

    A module of its own, so that whatever hangs on it acts: hooks, pruning, parametrisations of its weights.
    """

    def __init__(self, inputs: int, units: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight_ih_l0 = nn.Parameter(torch.empty(3 * units, inputs, dtype=dtype))
        self.weight_hh_l0 = nn.Parameter(torch.empty(3 * units, units, dtype=dtype))
        self.bias_ih_l0 = nn.Parameter(torch.empty(3 * units, dtype=dtype))
        self.bias_hh_l0 = nn.Parameter(torch.empty(3 * units, dtype=dtype))

    def forward(
        self, x: Tensor, h: Tensor, resets: Tensor | None, readout: Callable[[Tensor], Tensor], fused: bool
    ) -> tuple[Tensor, Tensor]:
        """``readout`` of the outputs (T, B, K), and h after the last step; see `fused_gru`."""
        weights = self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0
        if fused:
            return fused_gru(x, h, resets, *weights, readout)
        ys, h = loop_gru(x, h, resets, *weights)
        return readout(ys), h


def loop_gru(
    x: Tensor, h: Tensor, resets: Tensor | None, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> tuple[Tensor, Tensor]:
    """`fused_gru` step by step in plain Torch: the readable reference."""
    ys = []
    for t, a in enumerate((x @ w_ih.T + b_ih).unbind(0)):
        if resets is not None:
            h = h.masked_fill(resets[t, :, None], 0.0)
        (r, z, n), (r_h, z_h, n_h) = a.chunk(3, dim=1), (h @ w_hh.T + b_hh).chunk(3, dim=1)
        r, z = torch.sigmoid(r + r_h), torch.sigmoid(z + z_h)
        h = (1.0 - z) * torch.tanh(n + r * n_h) + z * h
        ys.append(h)
    return torch.stack(ys), h


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
        execution: "loop": plain Torch, step by step, the readable reference. "fused": the kernels of `torch.nn.GRU`.
            ``None``: fused, but the loop where Torch traces the call (torch.compile, torch.export, torch.func).

    Attributes:
        recurrent: A `GruLayer`; its ``state_dict`` is that of `torch.nn.GRU`, and carries weights to and from it.
        readout: A `torch.nn.Linear`.

    Raises:
        ValueError: A size that cannot be, or an unknown execution.

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
        execution: Literal["loop", "fused"] | None = None,
    ) -> None:
        super().__init__()
        self.inputs = check_int("inputs", inputs, 1)
        self.outputs = check_int("outputs", outputs, 1)
        self.units = check_int("units", units, 1)
        self.execution = None if execution is None else check_choice("execution", execution, ("loop", "fused"))
        self.recurrent = GruLayer(inputs, units, dtype)
        # from "meta": initial weights of its own would be drawn from Torch's global generator
        self.readout = nn.Linear(units, outputs, dtype=dtype, device="meta").to_empty(device="cpu")
        rng = np.random.default_rng(seed)
        with torch.no_grad():
            for weights in self.parameters():
                weights.copy_(torch.tensor(rng.uniform(-1.0, 1.0, weights.shape) / np.sqrt(units)))
            if update_gate_bias is not None:
                biases = np.broadcast_to(np.array(update_gate_bias, float), units)
                self.recurrent.bias_ih_l0[units : 2 * units] = torch.tensor(biases.copy())
                self.recurrent.bias_hh_l0[units : 2 * units] = 0.0

    def initial_state(self, batch: int) -> GruState:
        """The state of ``batch`` rows at rest, all zeros."""
        return GruState(next(self.parameters()).new_zeros(batch, self.units))

    def forward(
        self, x: Tensor, state: GruState | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, GruState]:
        """Unroll over T steps; see `Network`."""
        return unroll_checked(self, x, state, resets)

    def _unroll(self, x: Tensor, state: GruState, resets: Tensor | None) -> tuple[Tensor, GruState]:
        fused = self.execution == "fused" or (self.execution is None and not traced())
        outputs, y = self.recurrent(x, state.y, resets, self.readout, fused)
        return outputs, GruState(y)

    def named(self, state: GruState) -> dict[str, Tensor]:
        """The outputs of the units, (B, H)."""
        return {"hidden": state.y}
