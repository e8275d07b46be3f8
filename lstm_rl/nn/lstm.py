"""A `Topology` in Torch: the readable reference for the streaming kernels, and a module for anybody's own model.

Dimensions: T time, B batch, I inputs, M sources, U units, C cells, V output sources, K outputs. Time-major throughout.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lstm_rl.topology import Squash, Topology


class LstmState(NamedTuple):
    """What a network carries from one step to the next."""

    y: Tensor  # (B, U) activations of hidden units and gates, and squashed cell inputs
    s: Tensor  # (B, C) cell states
    y_cells: Tensor  # (B, C) cell outputs


def squash(kind: Squash, v: Tensor) -> Tensor:
    """The squashing function ``kind``, elementwise; see `Topology`."""
    if kind == "identity":
        return v
    if kind == "logistic":
        return torch.sigmoid(v)
    if kind == "tanh":
        return torch.tanh(v)
    return 2.0 * torch.sigmoid(v) - 1.0 if kind == "symmetric1" else 4.0 * torch.sigmoid(v) - 2.0


class LstmNetwork(nn.Module):
    """A network that `Topology` describes.

    Args:
        topology: What it is.
        seed: Of the initial weights.
        truncated: Use the truncated gradient of 1997: errors go back in time through the cell states only. Otherwise
            backpropagation through time is complete.
        dtype: Of the weights.

    The weights are ``hidden_weights`` (M, U) and ``output_weights`` (V, K), laid out as `Topology` says.
    """

    def __init__(
        self,
        topology: Topology,
        seed: int | None = None,
        *,
        truncated: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.topology, self.truncated = topology, truncated
        hidden, output = topology.initial_weights(np.random.default_rng(seed))
        self.hidden_weights = nn.Parameter(torch.tensor(hidden, dtype=dtype))
        self.output_weights = nn.Parameter(torch.tensor(output, dtype=dtype))
        self.register_buffer("mask", torch.tensor(topology.mask, dtype=dtype), persistent=False)
        self.register_buffer("block_of_cell", torch.tensor(topology.block_of_cell, dtype=torch.long), persistent=False)

    mask: Tensor
    block_of_cell: Tensor

    def initial_state(self, batch: int) -> LstmState:
        """The state at rest, all zeros."""
        t, like = self.topology, self.hidden_weights
        return LstmState(*(like.new_zeros(batch, size) for size in (t.units, t.cells, t.cells)))

    def forward(
        self, x: Tensor, state: LstmState | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, LstmState]:
        """Unroll over T steps; T = 1 acts, T = n learns.

        Args:
            x: (T, B, I).
            state: Before the first step; ``None``: at rest.
            resets: (T, B) bool, true where the state is put to rest before the step; ``None``: nowhere.

        Returns:
            Outputs (T, B, K) and the state after the last step.

        Raises:
            ValueError: Shapes that do not fit.
        """
        t = self.topology
        if x.dim() != 3 or x.shape[2] != t.inputs:
            raise ValueError(f"x must have shape (T, B, {t.inputs}), got {tuple(x.shape)}")
        state = self.initial_state(x.shape[1]) if state is None else state
        if state.y.shape != (x.shape[1], t.units) or state.s.shape != (x.shape[1], t.cells):
            shapes = tuple(state.y.shape), tuple(state.s.shape)
            raise ValueError(f"state must be of this network and {x.shape[1]} rows, got shapes {shapes}")
        if resets is not None and resets.shape != x.shape[:2]:
            raise ValueError(f"resets must have shape {tuple(x.shape[:2])}, got {tuple(resets.shape)}")
        outputs = []
        for step in range(x.shape[0]):
            if resets is not None:
                keep = (~resets[step]).to(x.dtype)[:, None]  # (B, 1)
                state = LstmState(*(part * keep for part in state))
            y, state = self.step(x[step], state)
            outputs.append(y)
        return torch.stack(outputs), state

    def step(self, x: Tensor, state: LstmState) -> tuple[Tensor, LstmState]:
        """One step without a reset: x (B, I) to outputs (B, K) and the next state."""
        t, w, columns, rows = (
            self.topology,
            self.hidden_weights * self.mask,
            self.topology.columns,
            self.topology.rows,
        )
        recurrent = LstmState(*(part.detach() for part in state)) if self.truncated else state
        one = x.new_ones(x.shape[0], 1)
        gates = slice(columns["input_gate"].start, columns["output_gate"].stop)
        sources = {
            "input": x,
            "hidden": recurrent.y[:, columns["hidden"]],
            "gates": recurrent.y[:, gates],
            "cells": recurrent.y_cells,
            "bias": one,
            "state_tm1": recurrent.s,
        }
        seen = [source for name, source in sources.items() if rows[name].stop > rows[name].start]
        net = torch.cat(seen, dim=1) @ w[: rows["state_t"].start]  # (B, U)

        def gate(name: str, net: Tensor) -> Tensor:
            """A gate's activation for every cell, (B, C); 1 if there is none."""
            if not getattr(t, name):
                return torch.ones_like(state.s)
            return torch.sigmoid(net[:, columns[name]])[:, self.block_of_cell]

        hidden = squash(t.hidden_activation, net[:, columns["hidden"]])
        g = squash(t.cell_input, net[:, columns["cells"]])
        y_in, y_f = gate("input_gate", net), gate("forget_gate", net)
        s = y_f * state.s + y_in * g  # (B, C)
        if rows["state_t"].stop > rows["state_t"].start:  # the output gates' peepholes
            net = net + (s.detach() if self.truncated else s) @ w[rows["state_t"]]
        y_cells = gate("output_gate", net) * squash(t.cell_output, s)
        y = torch.cat([hidden, torch.sigmoid(net[:, gates]), g], dim=1)
        seen = {"input": x, "hidden": hidden, "cells": y_cells, "bias": one}  # type: ignore[assignment]
        u = torch.cat([seen[name] for name, row in t.output_rows.items() if row.stop > row.start], dim=1)  # type: ignore[call-overload]
        return squash(t.output_activation, u @ self.output_weights), LstmState(y, s, y_cells)
