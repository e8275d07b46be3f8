"""Exact resets inside one call of Torch's fused recurrent kernels.

Dimensions: T time, B batch, I inputs, H units, K outputs, S >= T steps of the kernel. Time-major throughout.

The kernels know no resets, and to cut sequences at resets would mean many short calls. Instead a dummy step stands
before every step that has a reset. One more input, 1 in dummies only, has weights of +-1e4 into the gates, so that
these are 0 or 1 exactly, and with them the state after the dummy is 0 exactly. The derivative of a saturated gate is 0
exactly, too: no gradient comes through a dummy. Rows with fewer resets are filled up at the end:

    resets of two rows    . . R .        . R . R
    steps of the kernel   0 1 D 2 3 H    0 D 1 2 D 3        D dummy, H hold: the state must not change any more

Of 64 rows of 128 steps with a reset in 1 of 50 steps, the kernel makes some 136 steps.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from lstm_rl.compiled import compiled

OFF, ON = -1e4, 1e4  # logistic is 0 and 1 exactly in every floating-point type; float16 ends at 6.5e4


class Layout(NamedTuple):
    """Where the steps of a batch of sequences with resets stand among the S * B steps of the kernel."""

    places: Tensor  # (T * B,) of the steps
    sources: Tensor  # (S * B,) the step that stands there; T * B in a dummy, T * B + 1 in a hold
    others: Tensor  # the places of dummies and holds

    def spread(self, rows: Tensor, batch: int) -> Tensor:
        """``rows`` (T * B + 2, N), the last two of them for dummies and holds, in their places: (S, B, N)."""
        return rows.index_select(0, self.sources).view(-1, batch, rows.shape[1])

    def gather(self, ys: Tensor) -> Tensor:
        """What of ``ys`` (S, B, N) stands in the places of steps: (T, B, N)."""
        rows: Tensor = _Gather.apply(ys.flatten(0, 1), self)  # type: ignore[no-untyped-call]
        return rows.view(-1, *ys.shape[1:])

    def last(self, ys: Tensor, back: int = 0) -> Tensor:
        """What of ``ys`` (S, B, N) stands in the places of last steps, or of those ``back`` steps before: (B, N)."""
        batch, end = ys.shape[1], len(self.places) - back * ys.shape[1]
        return ys.flatten(0, 1).index_select(0, self.places[end - batch : end])


def lay_out(resets: Tensor) -> Layout | None:
    """Give a dummy to each reset (T, B) after step 0; ``None`` if there is none."""
    inside = resets[1:].cpu().numpy()
    most = int(inside.sum(0, dtype=np.int64).max(initial=0))
    if most == 0:
        return None
    (length, batch) = resets.shape
    places, sources = np.empty(length * batch, np.int64), np.empty((length + most) * batch, np.int64)
    others = np.empty(most * batch, np.int64)
    _place(np.ascontiguousarray(inside), places, sources, others)
    return Layout(*(torch.from_numpy(index).to(resets.device) for index in (places, sources, others)))


@compiled
def _place(inside: Any, places: Any, sources: Any, others: Any) -> None:
    """Fill a `Layout`, row after row; ``inside`` (T - 1, B) are the resets after step 0."""
    batch, length, other = inside.shape[1], inside.shape[0] + 1, 0
    for i in range(batch):
        step = i  # of the kernel, where the next step of row i comes to stand
        for t in range(length):
            if t > 0 and inside[t - 1, i]:
                sources[step] = length * batch
                others[other] = step
                step, other = step + batch, other + 1
            sources[step] = t * batch + i
            places[t * batch + i] = step
            step += batch
        while step < sources.shape[0]:
            sources[step] = length * batch + 1
            others[other] = step
            step, other = step + batch, other + 1


def fused_lstm(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    resets: Tensor | None,
    w_ih: Tensor,
    w_hh: Tensor,
    bias: Tensor,
    read_out: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Unroll a layer of LSTM units with the equations, and weights in the order, of `torch.nn.LSTM`.

    i, f, o = logistic(w x + w_h h + b) each, g = tanh(w x + w_h h + b); c = f c + i g, h = o tanh(c).
    In a dummy i = f = o = 0, so that c = h = 0; in a hold f = 1 and i = 0, so that c stays.

    Args:
        x: (T, B, I).
        h: (B, H) outputs before the first step.
        c: (B, H) cell states before the first step.
        resets: (T, B) bool, true where h and c are 0 before the step; ``None``: nowhere.
        w_ih: (4 H, I), rows in the order i, f, g, o.
        w_hh: (4 H, H).
        bias: (4 H,).
        read_out: From outputs of units (., B, H) to what is wanted of each step (., B, K), such as a linear layer.
            Called from within, it makes resets cheaper: K numbers per step are put in order instead of H.

    Returns:
        Outputs (T, B, H), or (T, B, K) after ``read_out``; h and c after the last step; and h before it, as far as its
        reset leaves it, which with x tells the gates of that step. All are differentiable by everything but ``resets``.

    Source: Gers, Schmidhuber and Cummins (2000), one cell per block, without peepholes.
    """
    layout, length = None, len(x)
    if resets is not None:
        h, c = (state.masked_fill(resets[0, :, None], 0.0) for state in (h, c))
        layout = lay_out(resets)
    if layout is not None:
        rows = pad(x.flatten(0, 1), (0, 2, 0, 2))  # (T * B + 2, I + 2)
        rows[-2:, -2:].fill_diagonal_(1.0)
        x = layout.spread(rows, x.shape[1])  # (S, B, I + 2)
        into_gates = w_ih.new_tensor([[OFF, OFF], [OFF, ON], [0.0, 0.0], [OFF, 0.0]])
        w_ih = torch.cat([w_ih, into_gates.repeat_interleave(c.shape[1], 0)], 1)  # (4 H, I + 2)
    weights = _as_kernels_want([w_ih, w_hh, bias, torch.zeros_like(bias)])
    states = h[None].contiguous(), c[None].contiguous()
    ys, _, c_n = torch.lstm(x.contiguous(), states, weights, True, 1, 0.0, torch.is_grad_enabled(), False, False)
    if length > 1:
        h = ys[-2] if layout is None else layout.last(ys, back=1)
        if resets is not None:
            h = h.masked_fill(resets[-1, :, None], 0.0)
    outputs, h_n = _in_order(ys, layout, read_out)
    return outputs, h_n, c_n[0], h


def fused_gru(
    x: Tensor,
    h: Tensor,
    resets: Tensor | None,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor,
    b_hh: Tensor,
    read_out: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Unroll a layer of gated recurrent units with the equations, and weights in the order, of `torch.nn.GRU`.

    r, z = logistic(w x + b + w_h h + b_h) each, n = tanh(w x + b + r (w_h h + b_h)); h = (1 - z) n + z h.
    In a dummy r = z = 0 and n = tanh(0), so that h = 0. The derivative of tanh(0) is not 0: therefore b must not act in
    a dummy, and becomes the weights of one more input, which is 1 in steps and 0 in dummies.

    Args:
        x: (T, B, I).
        h: (B, H) outputs before the first step.
        resets: (T, B) bool, true where h is 0 before the step; ``None``: nowhere.
        w_ih: (3 H, I), rows in the order r, z, n.
        w_hh: (3 H, H).
        b_ih: (3 H,), b above.
        b_hh: (3 H,), b_h above.
        read_out: As in `fused_lstm`.

    Returns:
        Outputs (T, B, H), or (T, B, K) after ``read_out``, and h after the last step; both differentiable by
        everything but ``resets``.

    Source: Cho et al. (2014), equations 5 to 8, but with r and the biases where `torch.nn.GRU` has them.
    """
    layout = None
    if resets is not None:
        h = h.masked_fill(resets[0, :, None], 0.0)
        layout = lay_out(resets)
    if layout is not None:
        rows = pad(x.flatten(0, 1), (0, 2, 0, 2))  # (T * B + 2, I + 2)
        rows[:-2, -2] = 1.0
        rows[-2:, -1] = 1.0  # a hold may do what a dummy does, since h is read off the last step
        x = layout.spread(rows, x.shape[1])  # (S, B, I + 2)
        into_gates = w_ih.new_tensor([[OFF], [OFF], [0.0]])
        w_ih = torch.cat([w_ih, b_ih[:, None], into_gates.repeat_interleave(h.shape[1], 0)], 1)  # (3 H, I + 2)
        b_ih = torch.zeros_like(b_ih)
    weights = _as_kernels_want([w_ih, w_hh, b_ih, b_hh])
    ys, _ = torch.gru(
        x.contiguous(), h[None].contiguous(), weights, True, 1, 0.0, torch.is_grad_enabled(), False, False
    )
    return _in_order(ys, layout, read_out)


def _as_kernels_want(weights: list[Tensor]) -> list[Tensor]:
    """The weights, on a GPU one after the other in one piece of memory, which its kernels ask for."""
    if not weights[0].is_cuda:
        return weights
    whole = torch.cat([weight.flatten() for weight in weights])
    parts = torch.split(whole, [weight.numel() for weight in weights])
    return [part.view(weight.shape) for part, weight in zip(parts, weights, strict=True)]


def _in_order(ys: Tensor, layout: Layout | None, read_out: Callable[[Tensor], Tensor] | None) -> tuple[Tensor, Tensor]:
    """What is wanted of each step, in its order, and the units' outputs in the last step."""
    outputs = ys if read_out is None else read_out(ys)
    return (outputs, ys[-1]) if layout is None else (layout.gather(outputs), layout.last(ys))


class _Gather(torch.autograd.Function):
    """`Layout.gather` of rows; none is taken twice, which makes the gradient faster than `Tensor.index_select`'s."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, layout: Layout) -> Tensor:
        ctx.layout = layout
        return rows.index_select(0, layout.places)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        _, sources, others = ctx.layout
        rows = gradient.contiguous().index_select(0, sources.clamp(max=len(gradient) - 1))
        return rows.index_fill_(0, others, 0.0), None
