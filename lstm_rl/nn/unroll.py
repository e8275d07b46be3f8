"""A `Topology` over whole sequences as one autograd function, with a backward pass derived by hand and compiled.

The kernels are those of `lstm_rl.kernels`; only the sums over time and batch are Torch's matrix products.

Dimensions: T time, B batch, I inputs, M sources, U units, C cells, V output sources, K outputs.
"""

from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lstm_rl.kernels import batch as kernels
from lstm_rl.kernels.layout import Net, Weights, make_net
from lstm_rl.nn.loop import LstmState
from lstm_rl.topology import Topology

Gradient = Literal["bptt", "truncated", "truncated_forward", "rtrl"]


class Method(NamedTuple):
    """Which network, and how its gradient is taken."""

    topology: Topology
    gradient: Gradient
    depth: int | None


@lru_cache(maxsize=64)
def _net(topology: Topology, dtype: str) -> Net:
    return make_net(topology, dtype)


class Unroll(torch.autograd.Function):
    """(weights, x, state, resets) to (outputs, last state), as in `lstm_rl.nn.network.Network`."""

    @staticmethod
    def forward(
        ctx: Any,
        method: Method,
        w: Tensor,
        w_out: Tensor,
        x: Tensor,
        y: Tensor,
        s: Tensor,
        y_cells: Tensor,
        resets: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Run; w (M, U), w_out (V, K), x (T, B, I), y (B, U), s and y_cells (B, C), resets (T, B)."""
        (steps, batch), t = x.shape[:2], method.topology
        dtype = w.numpy().dtype
        weights = Weights(*(part.contiguous().numpy() for part in (w, w_out, w[:0], w_out[:0])))
        state = kernels.State(*(part.numpy().copy() for part in (y, s, y_cells)))
        starts = np.zeros((steps, batch), np.bool_) if resets is None else np.ascontiguousarray(resets.numpy())
        record, net = kernels.make_record(t, starts, dtype), _net(t, str(dtype))
        kernels.run(net, weights, np.ascontiguousarray(x.numpy()), state, record)
        ctx.method, ctx.net, ctx.weights, ctx.record = method, net, weights, record
        outputs, *parts = map(torch.from_numpy, (record.outputs, *state))
        ctx.save_for_backward(w, w_out, outputs)  # so that Torch refuses if somebody has changed them in place
        return outputs, *parts  # type: ignore[return-value]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_outputs: Tensor, d_y: Tensor, d_s: Tensor, d_cells: Tensor) -> tuple[Any, ...]:
        """Errors of outputs and of the last state, back to weights, inputs and the first state."""
        with torch.autocast("cpu", enabled=False):  # as in the forward pass
            return Unroll._backward(ctx, d_outputs, d_y, d_s, d_cells)

    @staticmethod
    def _backward(ctx: Any, d_outputs: Tensor, d_y: Tensor, d_s: Tensor, d_cells: Tensor) -> tuple[Any, ...]:
        (t, gradient, depth), net, weights, record = ctx.method, ctx.net, ctx.weights, ctx.record
        (w, w_out, outputs), z, u = ctx.saved_tensors, torch.from_numpy(record.z), torch.from_numpy(record.u)
        dy = d_outputs * _slope(net, outputs)  # (T, B, K) of net inputs
        q = dy @ w_out.T  # (T, B, V)
        dw_out = u.flatten(0, 1).T @ dy.flatten(0, 1)
        if gradient in ("truncated_forward", "rtrl"):
            exact = gradient == "rtrl"
            dw = torch.from_numpy(kernels.forward_gradient(t, net, weights.hidden, record, q.numpy(), exact))
            return None, dw, dw_out, None, None, None, None, None
        d = d_y.numpy().copy()  # of the last state's y, but for squashed cell inputs: cell outputs there
        d[:, t.columns["cells"]] = d_cells.numpy()
        errors = kernels.Errors(d, d_y[:, t.columns["cells"]].numpy().copy(), d_s.numpy().copy())
        deltas = torch.zeros(*z.shape[:2], t.units, dtype=w.dtype)
        truncated, scratch = gradient == "truncated", kernels.make_scratch(t, weights.hidden.dtype)
        kernels.errors_back(
            net, weights.hidden, record, q.numpy(), errors, truncated, depth or 0, deltas.numpy(), scratch
        )
        dw = z.flatten(0, 1).T @ deltas.flatten(0, 1)  # (M, U); also of missing weights
        dx = None
        if ctx.needs_input_grad[3]:
            rows, to_outputs = t.rows["input"], t.output_rows["input"]
            dx = deltas @ w[rows].T if rows.stop > rows.start else deltas.new_zeros(*z.shape[:2], t.inputs)
            if to_outputs.stop > to_outputs.start:
                dx = dx + q[..., to_outputs]
        d_cells = torch.from_numpy(errors.d[:, t.columns["cells"]].copy())
        errors.d[:, t.columns["cells"]] = 0.0
        d_y, d_s = torch.from_numpy(errors.d), torch.from_numpy(errors.states)
        return None, dw, dw_out, dx, d_y, d_s, d_cells, None


def _slope(net: Net, y: Tensor) -> Tensor | float:
    """f'_k from the outputs."""
    if net.f_k.gain == 0.0:
        return 1.0
    d = y - net.f_k.offset
    return net.f_k.rate * d * (net.f_k.scale - d)


def unroll(
    method: Method, w: Tensor, w_out: Tensor, x: Tensor, state: LstmState, resets: Tensor | None
) -> tuple[Tensor, LstmState]:
    """`Unroll` with a state as a record."""
    y, *parts = Unroll.apply(method, w, w_out, x, *state, resets)  # type: ignore[no-untyped-call]
    return y, LstmState(*parts)
