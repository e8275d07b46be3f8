"""Recurrent trace units (Elelimy, White, Bowling, White, NeurIPS 2024): pairs of numbers that turn and fade.

    r = exp(-exp(nu)),  theta = exp(vartheta),   c = r cos(theta),  d = r sin(theta),   n = sqrt(1 - r^2)
    s1(t) = c s1(t-1) - d s2(t-1) + n W1 x,      s2(t) = c s2(t-1) + d s1(t-1) + n W2 x

Linear: what they keep is decoded by the readout. A unit of small r forgets within a few steps, one that turns tells the
last symbols apart; so they complement cells with gates.

Dimensions: I inputs, V = I + 1 sources (inputs, bias), H units. Weights: W1 and W2 side by side (V, 2 H), nu, vartheta.
Derivatives: rows 0 .. V-1 by W1, V .. 2V-1 by W2, 2V by nu, 2V+1 by vartheta; left half of s1, right half of s2.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.compiled import kernel
from lstm_rl.kernels.cell import Cell, LayerSizes, cell_gradient, cell_step
from lstm_rl.kernels.forward import add_rows, copy

LEAST = 1e-8  # of 1 - r^2


class Rtu(NamedTuple):
    """Sizes and places of a layer."""

    inputs: int
    units: int
    start: int
    first: int


@kernel
def _turn(c: Any, d: Any, partials: Any, row: int) -> None:
    """Derivatives of both numbers by one weight per unit turn and fade as the numbers themselves."""
    units = c.shape[0]
    of_1, of_2 = partials[row, :units], partials[row, units:]
    for j in range(units):
        first, second = of_1[j], of_2[j]
        of_1[j] = c[j] * first - d[j] * second
        of_2[j] = c[j] * second + d[j] * first


@cell_step.register(Rtu)
def _step(kind: Rtu, weights: Any, x: Any, state: Any, scratch: Any, partials: Any, u: Any) -> None:
    inputs, units, one = kind.inputs, kind.units, weights.dtype.type(1.0)
    v = inputs + 1
    w = weights[kind.start : kind.start + v * 2 * units].reshape((v, 2 * units))
    nu, vartheta = weights[kind.start + v * 2 * units :], weights[kind.start + (2 * v + 1) * units :]
    c, d, n, net = scratch[:units], scratch[units : 2 * units], scratch[2 * units : 3 * units], scratch[3 * units :]
    s_1, s_2 = state[:units], state[units:]
    copy(w[inputs], net)  # (2 H)
    add_rows(w, x, 0, inputs, net)
    for j in range(units):
        r, theta = math.exp(-math.exp(nu[j])), math.exp(vartheta[j])
        c[j], d[j], n[j] = r * math.cos(theta), r * math.sin(theta), math.sqrt(max(1.0 - r * r, LEAST))
    for row in range(2 * v + 2):
        _turn(c, d, partials, row)
    for m in range(v):
        z_m = x[m] if m < inputs else one
        by_1, by_2 = partials[m, :units], partials[v + m, units:]
        for j in range(units):
            by_1[j] += n[j] * z_m
            by_2[j] += n[j] * z_m
    for j in range(units):
        r, theta = math.exp(-math.exp(nu[j])), math.exp(vartheta[j])
        rate = -math.exp(nu[j])  # dr = r rate dnu
        dn = -r * r * rate / n[j] if 1.0 - r * r > LEAST else 0.0
        partials[2 * v, j] += rate * (c[j] * s_1[j] - d[j] * s_2[j]) + dn * net[j]
        partials[2 * v, units + j] += rate * (c[j] * s_2[j] + d[j] * s_1[j]) + dn * net[units + j]
        partials[2 * v + 1, j] += theta * (-d[j] * s_1[j] - c[j] * s_2[j])
        partials[2 * v + 1, units + j] += theta * (-d[j] * s_2[j] + c[j] * s_1[j])
        first, second = s_1[j], s_2[j]
        s_1[j] = c[j] * first - d[j] * second + n[j] * net[j]
        s_2[j] = c[j] * second + d[j] * first + n[j] * net[units + j]
    copy(state, u[kind.first : kind.first + 2 * units])


@cell_gradient.register(Rtu)
def _gradient(kind: Rtu, weights: Any, x: Any, state: Any, scratch: Any, partials: Any, q: Any, traces: Any) -> None:
    units, v = kind.units, kind.inputs + 1
    e, q_1, q_2 = traces[kind.start :], q[kind.first : kind.first + units], q[kind.first + units :]
    for row in range(2 * v + 2):
        start = row * 2 * units if row < v else (row - v) * 2 * units + units
        if row >= 2 * v:
            start = v * 2 * units + (row - 2 * v) * units
        to, of_1, of_2 = e[start : start + units], partials[row, :units], partials[row, units:]
        for j in range(units):
            to[j] += q_1[j] * of_1[j] + q_2[j] * of_2[j]


def _sizes(inputs: int, units: int) -> LayerSizes:
    v = inputs + 1
    return LayerSizes((2 * v + 2) * units, 2 * units, 5 * units, (2 * v + 2, 2 * units), 2 * units)


def _initial(
    rng: np.random.Generator, inputs: int, time_scales: NDArray[np.float64], ranges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """r^2 uniform in [.5, .998), theta in [.001, pi): the last few steps; ``time_scales`` gives the number of units."""
    units = len(time_scales)
    w = rng.uniform(-1.0, 1.0, (inputs + 1, 2 * units))
    w[:inputs] *= ranges[:, None]
    w[inputs] = 0.0
    r = np.sqrt(rng.uniform(0.5, 0.998, units))
    return np.concatenate([w.ravel(), np.log(-np.log(r)), np.log(rng.uniform(0.001, math.pi, units))])


RTU = Cell(Rtu, _sizes, _initial)
