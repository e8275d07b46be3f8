"""The minGRU (Feng et al., Were RNNs all we needed?, 2024): gates that see the input alone.

z = logistic(W_z x),    c = W_c x,    s(t) = (1 - z) s(t-1) + z c

Dimensions: I inputs, V = I + 1 sources (inputs, bias), H units; columns: H gates z, H candidates c.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.kernels.cell import Cell, LayerSizes, cell_gradient, cell_step
from lstm_rl.kernels.forward import add_rows, copy
from lstm_rl.kernels.squashing import logistic


class MinGru(NamedTuple):
    """Sizes and places of a layer."""

    inputs: int
    units: int
    start: int
    first: int


@cell_step.register(MinGru)
def _step(kind: MinGru, weights: Any, x: Any, state: Any, scratch: Any, partials: Any, u: Any) -> None:
    inputs, units = kind.inputs, kind.units
    w = weights[kind.start : kind.start + (inputs + 1) * 2 * units].reshape((inputs + 1, 2 * units))
    y, z, c, d = scratch, scratch[:units], scratch[units:], partials
    one = weights.dtype.type(1.0)
    copy(w[inputs], y)
    add_rows(w, x, 0, inputs, y)
    for j in range(units):
        z[j] = logistic(z[j])
    for m in range(inputs + 1):
        z_m = x[m] if m < inputs else one
        of_z, of_c = d[m, :units], d[m, units:]
        for j in range(units):
            a = one - z[j]
            of_z[j] = a * of_z[j] + (c[j] - state[j]) * z[j] * a * z_m
            of_c[j] = a * of_c[j] + z[j] * z_m
    outputs = u[kind.first : kind.first + units]
    for j in range(units):
        state[j] += z[j] * (c[j] - state[j])
        outputs[j] = state[j]


@cell_gradient.register(MinGru)
def _gradient(kind: MinGru, weights: Any, x: Any, state: Any, scratch: Any, partials: Any, q: Any, traces: Any) -> None:
    inputs, units = kind.inputs, kind.units
    e = traces[kind.start : kind.start + (inputs + 1) * 2 * units].reshape((inputs + 1, 2 * units))
    q = q[kind.first : kind.first + units]
    for m in range(inputs + 1):
        for half in range(2):
            to, d = e[m, half * units : (half + 1) * units], partials[m, half * units : (half + 1) * units]
            for j in range(units):
                to[j] += q[j] * d[j]


def _sizes(inputs: int, units: int) -> LayerSizes:
    return LayerSizes((inputs + 1) * 2 * units, units, 2 * units, (inputs + 1, 2 * units), units)


def _initial(
    rng: np.random.Generator, inputs: int, time_scales: NDArray[np.float64], ranges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Gates are open by 1 / time scale, as far as the input does not say otherwise."""
    units = len(time_scales)
    w = rng.uniform(-1.0, 1.0, (inputs + 1, 2 * units))
    w[:inputs] *= ranges[:, None]
    w[inputs, :units] = -np.log(time_scales)
    w[inputs, units:] = 0.0
    return w.ravel()


MIN_GRU = Cell(MinGru, _sizes, _initial)
