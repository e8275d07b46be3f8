"""A `Topology` in Torch: every network of the LSTM literature, for anybody's own model.

Dimensions: T time, B batch, I inputs, M sources, U units, C cells, V output sources, K outputs. Time-major throughout.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from lstm_rl.checks import check_choice, check_int
from lstm_rl.nn import loop
from lstm_rl.nn.fused import fused_lstm
from lstm_rl.nn.loop import LstmState
from lstm_rl.nn.network import traced, unroll_checked
from lstm_rl.nn.unroll import Gradient, Method, unroll
from lstm_rl.topology import GATES, Topology

Execution = Literal["loop", "compiled", "fused"]


class LstmNetwork(nn.Module):
    """A network that `Topology` describes; `lstm_rl.nn.network.Network` says how it is called.

    Args:
        topology: What it is.
        seed: Of the initial weights.
        gradient: What ``backward`` computes.
            "bptt": the complete gradient, errors carried back through time.
            "truncated": that of 1997: errors go back in time through the cell states only.
            "truncated_forward": the same, by partial derivatives carried forward: memory does not grow with T.
            "rtrl": the complete one, by all derivatives carried forward (O(n^4) per step: for small networks).
            The forward forms give gradients by weights only, and take the state they begin with as a constant.
        depth: With "bptt", the steps >= 1 that each error is carried back at most, its own step included; errors then
            do not leave the sequence. ``None``: without end.
        execution: "loop": plain Torch, step by step, the readable reference. "compiled": one autograd function per
            sequence with a backward pass derived by hand, on the CPU. "fused": the kernels of `torch.nn.LSTM`, for
            the standard cell (`Topology.is_standard`) and the complete gradient. ``None``: the fastest that can, which
            is the loop where Torch traces the call (torch.compile, torch.export, torch.func).
        dtype: Of the weights.

    Raises:
        ValueError: An argument does not fit; the message names it.

    The weights are ``hidden_weights`` (M, U) and ``output_weights`` (V, K), laid out as `Topology` says.
    """

    mask: Tensor
    output_mask: Tensor

    def __init__(
        self,
        topology: Topology,
        seed: int | None = None,
        *,
        gradient: Gradient = "bptt",
        depth: int | None = None,
        execution: Execution | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        check_choice("gradient", gradient, ("bptt", "truncated", "truncated_forward", "rtrl"))
        if depth is not None:
            check_int("depth", depth, 1)
            if gradient != "bptt":
                raise ValueError(f"depth must be None unless gradient is 'bptt', got {depth} with {gradient!r}")
        if execution is not None:
            check_choice("execution", execution, ("loop", "compiled", "fused"))
        if execution == "loop" and gradient not in ("bptt", "truncated"):
            raise ValueError(f"execution must be 'compiled' for gradient {gradient!r}, got 'loop'")
        if execution == "fused" and not (topology.is_standard and gradient == "bptt" and depth is None):
            raise ValueError(
                "execution must be 'loop' or 'compiled' unless topology is that of the standard cell and the gradient "
                f"complete, got 'fused' with gradient {gradient!r}, depth {depth} and\n{topology}"
            )
        self.topology, self.gradient, self.depth, self.execution = topology, gradient, depth, execution
        hidden, output = topology.initial_weights(np.random.default_rng(seed))
        self.hidden_weights = nn.Parameter(torch.tensor(hidden, dtype=dtype))
        self.output_weights = nn.Parameter(torch.tensor(output, dtype=dtype))
        self.register_buffer("mask", torch.tensor(topology.mask, dtype=dtype), persistent=False)
        self.register_buffer("output_mask", torch.tensor(topology.output_mask, dtype=dtype), persistent=False)

    @property
    def inputs(self) -> int:
        """I."""
        return self.topology.inputs

    @property
    def outputs(self) -> int:
        """K."""
        return self.topology.outputs

    def initial_state(self, batch: int) -> LstmState:
        """The state at rest, all zeros."""
        t, like = self.topology, self.mask
        return LstmState(*(like.new_zeros(batch, size) for size in (t.units, t.cells, t.cells)))

    def named(self, state: LstmState) -> dict[str, Tensor]:
        """The activations in a state by name, each (B, n)."""
        columns = self.topology.columns
        parts = {"cell state": state.s, "cell output": state.cells, "hidden": state.y[:, columns["hidden"]]}
        parts |= {gate.replace("_", " "): state.y[:, columns[gate]] for gate in GATES}
        return {name: part for name, part in parts.items() if part.shape[1]}

    def forward(
        self, x: Tensor, state: LstmState | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, LstmState]:
        """Unroll over T steps; see `lstm_rl.nn.network.Network`."""
        return unroll_checked(self, x, state, resets)

    def _unroll(self, x: Tensor, state: LstmState, resets: Tensor | None) -> tuple[Tensor, LstmState]:
        w = self.hidden_weights * self.mask  # once, as below: a parametrisation may draw anew
        w_out: Tensor = self.output_weights
        if self.topology.output_without:
            w_out = w_out * self.output_mask
        execution = self.execution or self._fastest(x)
        if execution == "fused":
            return self._fused(w, w_out, x, state, resets)
        if execution == "compiled":
            if not _compilable(x):
                raise ValueError(
                    f"x must be on the CPU and of 32 or 64 bits for compiled execution, got {x.dtype} on {x.device}"
                )
            forward_form = self.gradient in ("truncated_forward", "rtrl")
            if forward_form and x.requires_grad:
                raise ValueError(f"x must not require a gradient with gradient {self.gradient!r}, which has none for x")
            return unroll(Method(self.topology, self.gradient, self.depth), w, w_out, x, state, resets)
        if self.depth is not None:
            return self._windows(w, w_out, x, state, resets, self.depth)
        return self._loop(w, w_out, x, state, resets)

    def _fastest(self, x: Tensor) -> Execution:
        if self.gradient in ("truncated_forward", "rtrl"):
            return "compiled"
        if traced():
            return "loop"
        if self.topology.is_standard and self.gradient == "bptt" and self.depth is None:
            return "fused"
        return "compiled" if _compilable(x) else "loop"

    def _loop(
        self, w: Tensor, w_out: Tensor, x: Tensor, state: LstmState, resets: Tensor | None
    ) -> tuple[Tensor, LstmState]:
        outputs = []
        for t in range(len(x)):
            if resets is not None:
                state = loop.at_rest(state, resets[t])
            y, state = loop.step(self.topology, w, w_out, x[t], state, self.gradient == "truncated")
            outputs.append(y)
        return torch.stack(outputs), state

    def _windows(
        self, w: Tensor, w_out: Tensor, x: Tensor, state: LstmState, resets: Tensor | None, depth: int
    ) -> tuple[Tensor, LstmState]:
        """Each step's output from an unroll of its own, over ``depth`` steps from the state that was there."""
        states, outputs = [LstmState(*(part.detach() for part in state))], []
        for t in range(len(x)):
            start = max(0, t + 1 - depth)
            window = None if resets is None else resets[start : t + 1]
            ys, state = self._loop(w, w_out, x[start : t + 1], states[start], window)
            outputs.append(ys[-1])
            states.append(LstmState(*(part.detach() for part in state)))
        return torch.stack(outputs), state

    def _fused(
        self, w: Tensor, w_out: Tensor, x: Tensor, state: LstmState, resets: Tensor | None
    ) -> tuple[Tensor, LstmState]:
        t, cells_only = self.topology, self.topology.output_rows["input"].stop == 0

        def read_out(ys: Tensor) -> Tensor:
            return loop.outputs(t, w_out, ys[..., :0], ys[..., :0], ys)

        w_ih, w_hh, bias = torch_layout(t, w)
        weights = w_ih.T, w_hh.T, bias[0]
        inside = read_out if cells_only else None  # there it is cheaper
        ys, y_cells, s, before = fused_lstm(x, state.cells, state.s, resets, *weights, inside)
        outputs = ys if cells_only else loop.outputs(t, w_out, x, x[..., :0], ys)
        net = torch.addmm(torch.addmm(bias, x[-1], w_ih), before, w_hh)  # (B, 4C) of the last step
        i, f, g, o = net.chunk(4, dim=1)
        y = torch.cat([torch.sigmoid(i), torch.sigmoid(f), torch.sigmoid(o), torch.tanh(g)], dim=1)
        return outputs, LstmState(y, s, y_cells)


def _compilable(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)


def torch_layout(topology: Topology, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The standard cell's weights (M, U) as (I, 4C), (C, 4C) and (1, 4C), units in the order of `torch.nn.LSTM`.

    By splits, whose gradients are cheaper than those of slices: w's rows are inputs, cells and bias, its columns input,
    forget and output gates and cells.
    """
    y_in, y_f, y_out, g = w.chunk(4, dim=1)
    ordered = torch.cat([y_in, y_f, g, y_out], dim=1)
    w_ih, w_hh, bias = ordered.split_with_sizes([topology.inputs, topology.cells, 1])
    return w_ih, w_hh, bias
