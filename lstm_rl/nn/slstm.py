"""A layer of sLSTM units with a linear read-out: exponential input gates, kept in range by a normaliser.

Dimensions: T time, B batch, I inputs, H units, K outputs. Time-major throughout. Weights: row = source, column = unit,
the 4 H columns in the order cell inputs z, input gates i, forget gates f, output gates o.
"""

import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import logsigmoid

from lstm_rl.checks import check_choice, check_int
from lstm_rl.nn.network import traced, unroll_checked


class SlstmState(NamedTuple):
    """What a network carries from one step to the next; n = 0 marks a unit at rest, whose m counts as -infinity."""

    y: Tensor  # (B, H) outputs of units
    c: Tensor  # (B, H) cell states, scaled by exp(-m)
    n: Tensor  # (B, H) normalisers, scaled by exp(-m); >= 1 after any step
    m: Tensor  # (B, H) stabilisers


class SlstmNetwork(nn.Module):
    """Scalar LSTM of the xLSTM family with one head, resets inside the unroll; see `Network`.

        a = W x(t) + R y(t-1) + b;   z = tanh(a_z), o = logistic(a_o)
        m(t) = max(log logistic(a_f) + m(t-1), a_i),  m(0) = -infinity
        i = exp(a_i - m(t)), f = exp(log logistic(a_f) + m(t-1) - m(t))
        c(t) = f c(t-1) + i z,  n(t) = f n(t-1) + i,  y(t) = o c(t) / n(t);   outputs = W_out y(t) + b_out

    Gradient: m only scales. Whatever m(t) is, c(t) exp(m(t)), n(t) exp(m(t)) and the outputs stay the same; hence the
    derivative of the outputs by m(t) is 0, and m is a constant to the gradient. Gradients by c and n of the first state
    and of the last are those at fixed m; m itself has none. Chunks, each beginning with the last state of the one
    before, so have the gradient of the whole; but a loss made of c or n itself must mean them at the scale they have.

    All weights begin uniform in +-1 / sqrt(H), biases 0, but those of forget gates evenly spread from 3 to 6, so that
    units begin with memories of 20 to 400 steps.

    Args:
        inputs: I >= 1.
        outputs: K >= 1.
        units: H >= 1.
        seed: Of the initial weights.
        dtype: Of the weights.
        execution: "loop" is the readable reference, `step` after step with autograd; "sequence" is one function of the
            whole sequence with its own gradient, the same numbers in about half the time. ``None``: the sequence, but
            the loop for one step, where it is faster, and where Torch traces the call.

    The weights are ``input_weights`` (I, 4 H), ``recurrent_weights`` (H, 4 H), ``bias`` (4 H,), ``output_weights``
    (H, K) and ``output_bias`` (K,).

    Raises:
        ValueError: A size that cannot be, or an unknown execution.

    Source: Beck et al. (2024), xLSTM, equations 8 to 17, with the logistic forget gate, and appendix A.2; biases as
    the mLSTM has them in the authors' code.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        units: int,
        seed: int | None = None,
        *,
        dtype: torch.dtype = torch.float32,
        execution: Literal["loop", "sequence"] | None = None,
    ) -> None:
        super().__init__()
        self.inputs = check_int("inputs", inputs, 1)
        self.outputs = check_int("outputs", outputs, 1)
        self.units = check_int("units", units, 1)
        self.execution = None if execution is None else check_choice("execution", execution, ("loop", "sequence"))
        rng = np.random.default_rng(seed)

        def draw(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.tensor(rng.uniform(-1.0, 1.0, shape) / math.sqrt(units), dtype=dtype))

        self.input_weights = draw(inputs, 4 * units)
        self.recurrent_weights = draw(units, 4 * units)
        self.bias = nn.Parameter(torch.zeros(4 * units, dtype=dtype))
        self.output_weights = draw(units, outputs)
        self.output_bias = nn.Parameter(torch.zeros(outputs, dtype=dtype))
        with torch.no_grad():
            self.bias[2 * units : 3 * units] = torch.linspace(3.0, 6.0, units, dtype=dtype)

    def initial_state(self, batch: int) -> SlstmState:
        """The state of ``batch`` rows at rest, all zeros."""
        like = next(self.parameters())
        return SlstmState(*(like.new_zeros(batch, self.units) for _ in SlstmState._fields))

    def forward(
        self, x: Tensor, state: SlstmState | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, SlstmState]:
        """Unroll over T steps; see `Network`."""
        return unroll_checked(self, x, state, resets)

    def _unroll(self, x: Tensor, state: SlstmState, resets: Tensor | None) -> tuple[Tensor, SlstmState]:
        a = x @ self.input_weights + self.bias  # (T, B, 4 H)
        r = self.recurrent_weights  # once: a parametrisation may give another answer each time
        if self.execution == "sequence" or (self.execution is None and len(x) > 1 and not traced()):
            m = _with_infinity(state)
            ys, c, n, m = _Sequence.apply(a, r, state.y, state.c, state.n, m, resets)  # type: ignore[no-untyped-call]
            state = SlstmState(ys[-1], c, n, m)
        else:
            outputs = []
            for t in range(len(x)):
                if resets is not None:
                    keep = (~resets[t]).to(a.dtype)[:, None]  # (B, 1)
                    state = SlstmState(*(part * keep for part in state))
                state = step(a[t], r, state)
                outputs.append(state.y)
            ys = torch.stack(outputs)
        return ys @ self.output_weights + self.output_bias, state

    def named(self, state: SlstmState) -> dict[str, Tensor]:
        """Outputs of units and normalised cell states c / n, which are 0 at rest; each (B, H)."""
        return {"hidden": state.y, "cell state": state.c / state.n.clamp(min=torch.finfo(state.n.dtype).tiny)}


def step(a: Tensor, r: Tensor, state: SlstmState) -> SlstmState:
    """One step without a reset: net inputs without their recurrent part ``a`` (B, 4 H), ``r`` (H, 4 H)."""
    a_z, a_i, a_f, a_o = (a + state.y @ r).chunk(4, dim=1)
    log_f = logsigmoid(a_f) + _with_infinity(state)
    m = torch.maximum(log_f, a_i).detach()
    i, f = torch.exp(a_i - m), torch.exp(log_f - m)
    c = f * state.c + i * torch.tanh(a_z)
    n = f * state.n + i
    return SlstmState(torch.sigmoid(a_o) * c / n, c, n, m)


def _with_infinity(state: SlstmState) -> Tensor:
    """The stabilisers, -infinity at rest; a constant to the gradient."""
    return state.m.detach().masked_fill(state.n == 0.0, -math.inf)


class _Sequence(torch.autograd.Function):
    """The units over T steps, and their gradient by hand.

    With D_v for the derivative of the loss by v, and m constant, from t = T down to 1:

        D_y(t) += R D_a(t+1)
        D_c(t) = D_y o / n + f(t+1) D_c(t+1),   D_n(t) = -D_y y / n + f(t+1) D_n(t+1)
        D_az = D_c i (1 - z^2),   D_ai = D_c i z + D_n i,   D_ao = D_y y (1 - o)
        D_af = (D_c c(t-1) + D_n n(t-1)) f (1 - logistic(a_f))

    A reset sets y(t-1) to 0 and a_f to -infinity. Then f = 0: nothing of c and n comes through, nor of D_c and D_n.
    """

    @staticmethod
    def forward(
        ctx: Any, a: Tensor, r: Tensor, y: Tensor, c: Tensor, n: Tensor, m: Tensor, resets: Tensor | None
    ) -> tuple[Tensor, ...]:
        """``a`` (T, B, 4 H) without the recurrent part, ``r`` (H, 4 H), a state (B, H) each, ``resets`` (T, B)."""
        gates = a.clone().view(*a.shape[:2], 4, len(r))  # (T, B, 4, H): z, i, a_f, o
        f, fc, fn, ns, ys = (y.new_empty(len(a), *y.shape) for _ in range(5))  # (T, B, H): f, f c(t-1), f n(t-1), n, y
        keep, start = None, y
        if resets is not None:
            gates[:, :, 2].masked_fill_(resets[:, :, None], -math.inf)
            keep = (~resets).to(a.dtype)[:, :, None]  # (T, B, 1)
        steps = zip(_steps(gates.flatten(2), *gates.unbind(2)), _steps(f, fc, fn, ns, ys), strict=True)
        for t, ((a_t, z, i, a_f, o), (f_t, fc_t, fn_t, n_t, y_t)) in enumerate(steps):
            a_t.addmm_(y if keep is None else y * keep[t], r)
            log_f = logsigmoid(a_f).add_(m)
            m = torch.maximum(log_f, i)
            z.tanh_(), i.sub_(m).exp_(), o.sigmoid_()
            torch.exp(log_f.sub_(m), out=f_t)
            c = torch.addcmul(torch.mul(f_t, c, out=fc_t), i, z)
            n = torch.add(torch.mul(f_t, n, out=fn_t), i, out=n_t)
            y = torch.div(c, n, out=y_t).mul_(o)
        ctx.save_for_backward(r, gates, f, fc, fn, ns, ys, start, keep)
        ctx.mark_non_differentiable(m)
        return ys, c, n.clone(), m

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_ys: Tensor, d_c: Tensor, d_n: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        """D_a, D_R, and D_y, D_c, D_n of the first state."""
        with torch.autocast(d_ys.device.type, enabled=False):  # as in the forward pass
            return _Sequence._backward(ctx, d_ys, d_c, d_n)

    @staticmethod
    def _backward(ctx: Any, d_ys: Tensor, d_c: Tensor, d_n: Tensor) -> tuple[Tensor | None, ...]:
        """The factors of all steps at once, then what is sequential."""
        r, gates, f, fc, fn, ns, ys, start, keep = ctx.saved_tensors
        z, i, a_f, o = gates.unbind(2)  # each (T, B, H)
        closed, iz = torch.sigmoid(-a_f), i * z
        by_y = o / ns, ys / ns, torch.addcmul(ys, ys, o, value=-1.0)  # into c, n and a_o
        by_c = torch.addcmul(i, iz, z, value=-1.0), iz, fc * closed  # into a_z, a_i and a_f
        by_n = i, fn * closed  # into a_i and a_f
        d_a = torch.empty_like(gates)  # (T, B, 4, H)
        d_y = torch.zeros_like(start)
        steps = [
            *zip(_steps(d_ys, f), _steps(*by_y, *by_c, *by_n), _steps(d_a.flatten(2), *d_a.unbind(2)), strict=True)
        ]
        for t in reversed(range(len(steps))):
            (d_out, f_t), (yc, yn, yo, cz, ci, cf, ni, nf), (d_at, d_z, d_i, d_f, d_o) = steps[t]
            d_y = d_y + d_out
            d_c = torch.addcmul(d_c, d_y, yc)
            d_n = torch.addcmul(d_n, d_y, yn, value=-1.0)
            torch.mul(d_c, cz, out=d_z)
            torch.mul(d_c, ci, out=d_i).addcmul_(d_n, ni)
            torch.mul(d_c, cf, out=d_f).addcmul_(d_n, nf)
            torch.mul(d_y, yo, out=d_o)
            d_c, d_n, d_y = d_c * f_t, d_n * f_t, d_at @ r.T
            if keep is not None:
                d_y = d_y * keep[t]
        before = torch.cat([start[None], ys[:-1]])
        if keep is not None:
            before = before * keep
        d_a = d_a.flatten(2)  # (T, B, 4 H)
        return d_a, before.flatten(0, 1).T @ d_a.flatten(0, 1), d_y, d_c, d_n, None, None


def _steps(*sequences: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The tensors of step after step."""
    return zip(*(sequence.unbind(0) for sequence in sequences), strict=True)
