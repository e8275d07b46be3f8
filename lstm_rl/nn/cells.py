"""The networks of `lstm_rl.kernels.exact` in plain Torch: the readable reference, and what is exported.

Dimensions: T time, B batch, I inputs, H units of a layer or of the readout, V sources of the readout, K outputs,
P weights below the outputs. Time-major throughout.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from lstm_rl.kernels.cells import Cells
from lstm_rl.kernels.rtu import LEAST
from lstm_rl.nn.network import unroll_checked

CellsState = tuple[Tensor, ...]
"""Of each layer (B, numbers), as the kernels have it."""
_Step = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def self_lstm(w: Tensor, z: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """One step of the cells of `lstm_rl.kernels.self_lstm`.

    Args:
        w: Flat weights of the layer.
        z: (B, I + 1) inputs and 1.
        state: (B, 2 H) s and tanh(s).

    Returns:
        Outputs (B, H) and the next state.
    """
    s = state.chunk(2, dim=1)[0]
    h = torch.tanh(s)  # kernels keep it beside s; computed here, the derivative by s is the whole one
    w = w.view(z.shape[1] + 1, -1)  # (I + 2, 4 H)
    net, p = z @ w[:-1], w[-1]
    end = 3 * s.shape[1]
    y_in, y_f, g = (net[:, :end] + p[:end] * h.repeat(1, 3)).chunk(3, dim=1)
    s = torch.sigmoid(y_f) * s + torch.sigmoid(y_in) * (2.0 * torch.tanh(g))
    h = torch.tanh(s)
    return torch.sigmoid(net[:, end:] + p[end:] * h) * h, torch.cat([s, h], dim=1)


def rtu(w: Tensor, z: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """One step of the units of `lstm_rl.kernels.rtu`; ``state`` (B, 2 H) is also the output, else as `self_lstm`."""
    units, v = state.shape[1] // 2, z.shape[1]
    nu, vartheta = w[v * 2 * units :].double().chunk(2)
    r, theta = torch.exp(-torch.exp(nu)), torch.exp(vartheta)
    fed = torch.sqrt((1.0 - r * r).clamp(min=LEAST)).to(w.dtype)
    c, d = (r * torch.cos(theta)).to(w.dtype), (r * torch.sin(theta)).to(w.dtype)
    s_1, s_2 = state.chunk(2, dim=1)
    turned = torch.cat([-s_2, s_1], dim=1)
    state = c.repeat(2) * state + d.repeat(2) * turned + z @ (w[: v * 2 * units].view(v, -1) * fed.repeat(2))
    return state, state


def min_gru(w: Tensor, z: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """One step of the units of `lstm_rl.kernels.min_gru`; ``state`` (B, H) is the output, else as `self_lstm`."""
    gate, candidate = (z @ w.view(z.shape[1], -1)).chunk(2, dim=1)
    state = state + torch.sigmoid(gate) * (candidate - state)
    return state, state


STEPS: dict[str, _Step] = {"min_gru": min_gru, "rtu": rtu, "self_lstm": self_lstm}
"""By name, as `lstm_rl.kernels.cells.CELLS`."""


class CellsNetwork(nn.Module):
    """A network that `Cells` describes; `lstm_rl.nn.network.Network` says how it is called.

    The weights are ``hidden_weights`` (P,) and ``output_weights`` (H + V, K), laid out as `lstm_rl.kernels.exact` says.
    Where the action of the step before is an input, its ``cells.actions`` numbers are the last ones of the I inputs.

    Args:
        cells: What it is.
        seed: Of the initial weights.
        dtype: Of the weights.
    """

    def __init__(self, cells: Cells, seed: int | None = None, *, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.cells = cells
        hidden, output = cells.initial_weights(np.random.default_rng(seed))
        self.hidden_weights = nn.Parameter(torch.tensor(hidden, dtype=dtype))
        self.output_weights = nn.Parameter(torch.tensor(output, dtype=dtype))

    @property
    def inputs(self) -> int:
        """I."""
        return self.cells.inputs

    @property
    def outputs(self) -> int:
        """K."""
        return self.cells.outputs

    def initial_state(self, batch: int) -> CellsState:
        """The state of ``batch`` rows at rest, all zeros."""
        return tuple(self.hidden_weights.new_zeros(batch, sizes.state) for _, sizes in self.cells.kinds)

    def named(self, state: CellsState) -> dict[str, Tensor]:
        """The states of the layers, each (B, n); see `Cells.named`."""
        return self.cells.named(state)

    def forward(
        self, x: Tensor, state: CellsState | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, CellsState]:
        """Unroll over T steps; see `lstm_rl.nn.network.Network`."""
        return unroll_checked(self, x, state, resets)

    def _unroll(self, x: Tensor, state: CellsState, resets: Tensor | None) -> tuple[Tensor, CellsState]:
        outputs = []
        for t in range(len(x)):
            if resets is not None:
                keep = (~resets[t]).to(x.dtype)[:, None]  # (B, 1)
                state = tuple(part * keep for part in state)
            y, state = self._step(x[t], state)
            outputs.append(y)
        return torch.stack(outputs), state

    def _step(self, x: Tensor, state: CellsState) -> tuple[Tensor, CellsState]:
        z = torch.cat([x, x.new_ones(x.shape[0], 1)], dim=1)  # (B, I + 1)
        seen, after, start = list[Tensor](), list[Tensor](), 0
        for (cell, _), (_, sizes), part in zip(self.cells.layers, self.cells.kinds, state, strict=True):
            y, part = STEPS[cell](self.hidden_weights[start : start + sizes.weights], z, part)
            start += sizes.weights
            seen.append(y)
            after.append(part)
        u = torch.cat([*seen, z], dim=1)  # (B, V)
        hidden = torch.tanh(u @ self.hidden_weights[start:].view(u.shape[1], -1))
        return torch.cat([hidden, u], dim=1) @ self.output_weights, tuple(after)
