"""A `Topology` in plain Torch, step by step: the readable reference of every other execution.

Dimensions: B batch, I inputs, M sources, U units, C cells, V output sources, K outputs.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear

from lstm_rl.topology import Squash, Topology


class LstmState(NamedTuple):
    """What a network carries from one step to the next."""

    y: Tensor  # (B, U) activations of hidden units and gates, and squashed cell inputs
    s: Tensor  # (B, C) cell states
    cells: Tensor  # (B, C) cell outputs; no name here begins with another's, which torch.export would mix up


def squash(kind: Squash, v: Tensor) -> Tensor:
    """The squashing function ``kind``, elementwise; see `Topology`."""
    if kind == "identity":
        return v
    if kind == "logistic":
        return torch.sigmoid(v)
    if kind == "tanh":
        return torch.tanh(v)
    return 2.0 * torch.sigmoid(v) - 1.0 if kind == "symmetric1" else 4.0 * torch.sigmoid(v) - 2.0


def at_rest(state: LstmState, resets: Tensor) -> LstmState:
    """The state with the rows at rest where ``resets`` (B,) is true."""
    keep = (~resets).to(state.s.dtype)[:, None]  # (B, 1)
    return LstmState(*(part * keep for part in state))


def step(
    topology: Topology, w: Tensor, w_out: Tensor, x: Tensor, state: LstmState, truncated: bool
) -> tuple[Tensor, LstmState]:
    """One step without a reset.

    Args:
        topology: What the network is.
        w: (M, U) weights of the hidden layer, 0 where there is none.
        w_out: (V, K) weights of the outputs.
        x: (B, I).
        state: Of the step before.
        truncated: Let errors go back in time through cell states only (1997).

    Returns:
        Outputs (B, K) and the next state.
    """
    t, columns, rows = topology, topology.columns, topology.rows
    recurrent = LstmState(*(part.detach() for part in state)) if truncated else state
    one = x.new_ones(x.shape[0], 1)
    gates = slice(columns["input_gate"].start, columns["output_gate"].stop)
    sources = {
        "input": x,
        "hidden": recurrent.y[:, columns["hidden"]],
        "gates": recurrent.y[:, gates],
        "cells": recurrent.cells,
        "bias": one,
        "state_tm1": recurrent.s,
    }
    seen = [source for name, source in sources.items() if rows[name].stop > rows[name].start]
    net = torch.cat(seen, dim=1) @ w[: rows["state_t"].start]  # (B, U)

    def gate(name: str, net: Tensor) -> Tensor:
        """A gate's activation for every cell, (B, C); 1 if there is none, or the decay of states."""
        if not getattr(t, name):
            return torch.full_like(state.s, t.state_decay if name == "forget_gate" else 1.0)
        return torch.sigmoid(net[:, columns[name]])[:, list(t.block_of_cell)]

    hidden = squash(t.hidden_activation, net[:, columns["hidden"]])
    g = squash(t.cell_input, net[:, columns["cells"]])
    y_in, y_f = gate("input_gate", net), gate("forget_gate", net)
    s = y_f * state.s + y_in * g  # (B, C)
    if rows["state_t"].stop > rows["state_t"].start:  # the output gates' peepholes
        net = net + (s.detach() if truncated else s) @ w[rows["state_t"]]
    y_cells = gate("output_gate", net) * squash(t.cell_output, s)
    y = torch.cat([hidden, torch.sigmoid(net[:, gates]), g], dim=1)
    return outputs(t, w_out, x, hidden, y_cells), LstmState(y, s, y_cells)


def outputs(topology: Topology, w_out: Tensor, x: Tensor, hidden: Tensor, y_cells: Tensor) -> Tensor:
    """The output layer: x (..., I), hidden (..., H) and y_cells (..., C) to (..., K)."""
    rows, sources = topology.output_rows, {"input": x, "hidden": hidden, "cells": y_cells}
    seen = [source for name, source in sources.items() if rows[name].stop > rows[name].start]
    u = x.new_empty(*x.shape[:-1], 0) if not seen else seen[0] if len(seen) == 1 else torch.cat(seen, dim=-1)
    bias = w_out[rows["bias"]][0] if rows["bias"].stop > rows["bias"].start else None
    return squash(topology.output_activation, linear(u, w_out[: rows["bias"].start].T, bias))
