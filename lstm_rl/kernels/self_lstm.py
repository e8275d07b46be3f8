"""LSTM cells without links between cells: each sees the input and, through peepholes, its own squashed state.

    y_in, y_f = logistic(W x + p h(t-1))        g = 2 tanh(W x + p h(t-1))        p: a weight per unit
    s(t) = y_f s(t-1) + y_in g                  h = tanh(s)
    y_out = logistic(W x + p h(t))              output = y_out h

    a = ds(t) / ds(t-1) = y_f + [g y_in (1 - y_in) p_in + s(t-1) y_f (1 - y_f) p_f + y_in g' p_g] (1 - h(t-1)^2)

Each derivative D is kept within +-`LIMIT`: where |a| > 1 for long, as in a cell that is about to tip over, it would
overflow. Within the limit the gradient is exact.

After Irie, Gopalakrishnan, Schmidhuber (eLSTM, 2023), with LSTM's own three gates. The output gate sees h(t) rather
than h(t-1), so that its weights reach no state. Dimensions: I inputs, M = I + 2 sources (inputs, bias, own h), H units;
columns: H input gates, forget gates, cell inputs, output gates.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.kernels.cell import Cell, LayerSizes, cell_gradient, cell_step
from lstm_rl.kernels.forward import add_rows, copy
from lstm_rl.kernels.squashing import logistic

LIMIT = 1e4  # |D| at most


class SelfLstm(NamedTuple):
    """Sizes and places of a layer."""

    inputs: int
    units: int
    start: int
    first: int


@cell_step.register(SelfLstm)
def _step(kind: SelfLstm, weights: Any, x: Any, state: Any, scratch: Any, partials: Any, u: Any) -> None:
    inputs, n, number = kind.inputs, kind.units, weights.dtype.type
    w = weights[kind.start : kind.start + (inputs + 2) * 4 * n].reshape((inputs + 2, 4 * n))
    s, h, one, two, limit = state[:n], state[n:], number(1.0), number(2.0), number(LIMIT)
    y, a, b = scratch[: 4 * n], scratch[4 * n : 5 * n], scratch[5 * n :]  # b (3 n)
    y_in, y_f, g, y_out = y[:n], y[n : 2 * n], y[2 * n : 3 * n], y[3 * n :]
    p_in, p_f, p_g, p_out = (
        w[inputs + 1, :n],
        w[inputs + 1, n : 2 * n],
        w[inputs + 1, 2 * n : 3 * n],
        w[inputs + 1, 3 * n :],
    )
    copy(w[inputs], y)
    add_rows(w, x, 0, inputs, y)
    for j in range(n):
        y_in[j] += p_in[j] * h[j]
        y_f[j] += p_f[j] * h[j]
        g[j] = two * (g[j] + p_g[j] * h[j])
    for j in range(3 * n):
        y[j] = logistic(y[j])
    b_in, b_f, b_g = b[:n], b[n : 2 * n], b[2 * n :]
    for j in range(n):
        g[j] = two * (two * g[j] - one)  # 2 tanh
        b_in[j] = g[j] * y_in[j] * (one - y_in[j])
        b_f[j] = s[j] * y_f[j] * (one - y_f[j])
        b_g[j] = y_in[j] * (two - g[j] * g[j] / two)
        through_gates = b_in[j] * p_in[j] + b_f[j] * p_f[j] + b_g[j] * p_g[j]
        a[j] = y_f[j] + through_gates * (one - h[j] * h[j])
        s[j] = y_f[j] * s[j] + y_in[j] * g[j]
    for m in range(inputs + 2):
        for part in range(3):
            d, b_part = partials[m, part * n : (part + 1) * n], b[part * n : (part + 1) * n]
            if m <= inputs:
                z_m = x[m] if m < inputs else one
                for j in range(n):
                    d[j] = min(max(a[j] * d[j] + b_part[j] * z_m, -limit), limit)
            else:
                for j in range(n):
                    d[j] = min(max(a[j] * d[j] + b_part[j] * h[j], -limit), limit)
    for j in range(n):
        h[j] = two * logistic(two * s[j]) - one
    outputs = u[kind.first : kind.first + n]
    for j in range(n):
        y_out[j] = logistic(y_out[j] + p_out[j] * h[j])
        outputs[j] = y_out[j] * h[j]


@cell_gradient.register(SelfLstm)
def _gradient(
    kind: SelfLstm, weights: Any, x: Any, state: Any, scratch: Any, partials: Any, q: Any, traces: Any
) -> None:
    inputs, n, one = kind.inputs, kind.units, weights.dtype.type(1.0)
    size = (inputs + 2) * 4 * n
    w, e = weights[kind.start : kind.start + size], traces[kind.start : kind.start + size].reshape((inputs + 2, 4 * n))
    p_out, h, y_out, q = w[size - n :], state[n:], scratch[3 * n : 4 * n], q[kind.first : kind.first + n]
    of_state, of_gate = scratch[4 * n : 5 * n], scratch[5 * n : 6 * n]  # a and b have done their work
    for j in range(n):
        of_gate[j] = q[j] * h[j] * y_out[j] * (one - y_out[j])
        of_state[j] = (q[j] * y_out[j] + of_gate[j] * p_out[j]) * (one - h[j] * h[j])
    for m in range(inputs + 2):
        for part in range(3):
            to, d = e[m, part * n : (part + 1) * n], partials[m, part * n : (part + 1) * n]
            for j in range(n):
                to[j] += of_state[j] * d[j]
        to = e[m, 3 * n :]
        if m <= inputs:
            z_m = x[m] if m < inputs else one
            for j in range(n):
                to[j] += of_gate[j] * z_m
        else:
            for j in range(n):
                to[j] += of_gate[j] * h[j]


def _sizes(inputs: int, units: int) -> LayerSizes:
    return LayerSizes((inputs + 2) * 4 * units, 2 * units, 8 * units, (inputs + 2, 3 * units), units)


def _initial(
    rng: np.random.Generator, inputs: int, time_scales: NDArray[np.float64], ranges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Forget gates keep exp(-1/e) = 69 % of a state over a time scale T.

    Input gates start at about 1 / sqrt(T), so that noise summed over T steps has the same size at every T. The second
    half of the cells begin as latches: their own squashed state drives their input, the last one's most, so that the
    first things seen weigh more than all that follow. The first half begin as sums.
    """
    units = len(time_scales)
    latches = units // 2
    w = rng.uniform(-1.0, 1.0, (inputs + 2, 4, units))
    w[:inputs] *= ranges[:, None, None]
    w[:, 1] = 0.0  # forget gates start out constant: a rare input, large once it is normalised, would wipe the cells
    w[inputs:] = 0.0
    w[inputs, 0] = -np.log(time_scales) / 2.0
    w[inputs, 1] = np.log(time_scales) + 1.0
    w[inputs + 1, 2, units - latches :] = np.linspace(1.0, 10.0, latches)
    return w.ravel()


SELF_LSTM = Cell(SelfLstm, _sizes, _initial)
