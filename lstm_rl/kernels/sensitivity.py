"""A small recurrent net whose derivatives are carried forward: by its own weights, and by what its inputs depend on.

Two such nets in a row are a controller and a model of the world: the model's outputs have derivatives by the weights of
the controller, through its own state and through the inputs that it has predicted (`lstm_rl.agents.world_model`).

    units    net_u(t) = sum_l w_ul s_l(t),      s(t) = (x(t), y(t-1), 1)
    logistic y_u(t) = f(net_u(t))
    LSTM     c_k(t) = f_k c_k(t-1) + i_k g_k,   y_k(t) = o_k tanh(c_k(t)),     i, f, o logistic, g = tanh
    output   z_k(t) = squash(sum_l v_kl s'_l(t)),   s'(t) = (x(t), y(t), 1)

    p(t) = d state(t) / d parameter             carried by `advance_derivatives`, one column per parameter
    d net_u / d parameter = sum_l w_ul d s_l / d parameter  [+ s_l for the parameter w_ul itself]

With ``truncated`` the part of d s that comes from y(t-1) is left out: derivatives live on in the cells alone, as in the
LSTM of 1997 (an ordinary unit then remembers none). Without it this is real-time recurrent learning (RTRL) of the whole
net.

Dimensions: n streams, I inputs, R recurrent outputs y, L = I + R + 1 sources, U units, K outputs, S numbers of state,
W = U L + K L parameters, units first; Q parameters that derivatives are carried for, of this net or of another.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.compiled import kernel
from lstm_rl.kernels.squashing import logistic

LOGISTIC, LSTM = range(2)  # kinds of units
IDENTITY, SQUASHED = range(2)  # outputs; SQUASHED: logistic
INPUT, FORGET, OUTPUT, CELL = range(4)  # LSTM units k, k + N, k + 2 N, k + 3 N


class Net(NamedTuple):
    """Parameters and the streams' states; see the module."""

    kind: int
    truncated: bool
    squash: int
    inputs: int  # I
    parameters: NDArray[np.float64]  # (W,)
    state: NDArray[np.float64]  # (n, S): y; of an LSTM cells, then y
    source: NDArray[np.float64]  # (n, L)
    gates: NDArray[np.float64]  # (n, U) activations of the units
    slopes: NDArray[np.float64]  # (n, U) d state / d net, see `advance`
    keep: NDArray[np.float64]  # (n, R, 2) of cells: d c / d c before, d y / d c
    outputs: NDArray[np.float64]  # (n, K)
    output_slopes: NDArray[np.float64]  # (n, K)


def make_net(
    kind: int, truncated: bool, squash: int, inputs: int, units: int, outputs: int, n: int, parameters: Any
) -> Net:
    """A net of R = ``units`` logistic units or cells in n streams at rest around ``parameters`` (W,)."""
    rows, sources, states = sizes(kind, inputs, units)
    source = np.zeros((n, sources))
    source[:, -1] = 1.0
    return Net(
        kind,
        truncated,
        squash,
        inputs,
        parameters,
        np.zeros((n, states)),
        source,
        np.zeros((n, rows)),
        np.zeros((n, rows)),
        np.zeros((n, units, 2)),
        np.zeros((n, outputs)),
        np.zeros((n, outputs)),
    )


def sizes(kind: int, inputs: int, units: int) -> tuple[int, int, int]:
    """U, L and S of a net."""
    per_unit = 4 if kind == LSTM else 1
    return per_unit * units, inputs + units + 1, (2 if kind == LSTM else 1) * units


def parameter_count(kind: int, inputs: int, units: int, outputs: int) -> int:
    """W of a net."""
    rows, sources, _ = sizes(kind, inputs, units)
    return (rows + outputs) * sources


@kernel
def rest(net: Net, i: int) -> None:
    """Put stream ``i`` at rest: its state becomes 0."""
    for k in range(net.state.shape[1]):
        net.state[i, k] = 0.0


@kernel
def advance(net: Net, i: int) -> None:
    """One step of stream ``i``'s units from the inputs in ``source[i, :I]``."""
    units, sources = net.gates.shape[1], net.source.shape[1]
    recurrent = net.keep.shape[1]
    first = net.state.shape[1] - recurrent  # of y in the state
    for r in range(recurrent):
        net.source[i, net.inputs + r] = net.state[i, first + r]
    for u in range(units):
        total = 0.0
        for m in range(sources):
            total += net.parameters[u * sources + m] * net.source[i, m]
        net.gates[i, u] = np.tanh(total) if net.kind == LSTM and u >= CELL * recurrent else logistic(total)
    for k in range(recurrent):
        if net.kind == LSTM:
            g_in, g_forget, g_out = net.gates[i, k], net.gates[i, recurrent + k], net.gates[i, 2 * recurrent + k]
            g_cell, before = net.gates[i, 3 * recurrent + k], net.state[i, k]
            cell = g_forget * before + g_in * g_cell
            squashed = np.tanh(cell)
            net.slopes[i, k] = g_in * (1.0 - g_in) * g_cell  # d c
            net.slopes[i, recurrent + k] = g_forget * (1.0 - g_forget) * before  # d c
            net.slopes[i, 2 * recurrent + k] = g_out * (1.0 - g_out) * squashed  # d y
            net.slopes[i, 3 * recurrent + k] = (1.0 - g_cell * g_cell) * g_in  # d c
            net.keep[i, k, 0] = g_forget
            net.keep[i, k, 1] = g_out * (1.0 - squashed * squashed)
            net.state[i, k], net.state[i, recurrent + k] = cell, g_out * squashed
        else:
            y = net.gates[i, k]
            net.slopes[i, k] = y * (1.0 - y)
            net.state[i, k] = y


@kernel
def read(net: Net, i: int) -> None:
    """The outputs after `advance`, and after all that is carried through that step."""
    sources, recurrent = net.source.shape[1], net.keep.shape[1]
    first, start = net.state.shape[1] - recurrent, net.gates.shape[1] * sources
    for r in range(recurrent):
        net.source[i, net.inputs + r] = net.state[i, first + r]
    for k in range(net.outputs.shape[1]):
        total = 0.0
        for m in range(sources):
            total += net.parameters[start + k * sources + m] * net.source[i, m]
        z = logistic(total) if net.squash == SQUASHED else total
        net.outputs[i, k] = z
        net.output_slopes[i, k] = z * (1.0 - z) if net.squash == SQUASHED else 1.0


@kernel
def advance_derivatives(net: Net, i: int, p: Any, p_inputs: Any, fed: bool, own: bool, scratch: Any) -> None:
    """Carry derivatives through the step that `advance` has just made.

    Args:
        net: The net.
        i: Stream.
        p: (S, Q) derivatives of the state before the step, replaced by those after it.
        p_inputs: (I, Q) derivatives of the inputs; looked at only if ``fed``.
        fed: Whether the inputs depend on the parameters.
        own: Whether the parameters are the net's own, Q = W.
        scratch: (R + 4, Q).
    """
    sources, recurrent = net.source.shape[1], net.keep.shape[1]
    first, columns = net.state.shape[1] - recurrent, p.shape[1]
    if not net.truncated:
        for r in range(recurrent):
            for q in range(columns):
                scratch[r, q] = p[first + r, q]
    for k in range(recurrent):
        for part in range(4 if net.kind == LSTM else 1):
            u, nets = part * recurrent + k, scratch[recurrent + part]
            for q in range(columns):
                nets[q] = 0.0
            if fed:
                for m in range(net.inputs):
                    weight = net.parameters[u * sources + m]
                    for q in range(columns):
                        nets[q] += weight * p_inputs[m, q]
            if not net.truncated:
                for r in range(recurrent):
                    weight = net.parameters[u * sources + net.inputs + r]
                    for q in range(columns):
                        nets[q] += weight * scratch[r, q]
            if own:
                for m in range(sources):
                    nets[u * sources + m] += net.source[i, m]
        if net.kind == LSTM:
            keep, through = net.keep[i, k, 0], net.keep[i, k, 1]
            d_in, d_forget = net.slopes[i, k], net.slopes[i, recurrent + k]
            d_out, d_cell = net.slopes[i, 2 * recurrent + k], net.slopes[i, 3 * recurrent + k]
            for q in range(columns):
                cell = keep * p[k, q] + d_in * scratch[recurrent, q]
                cell += d_forget * scratch[recurrent + 1, q] + d_cell * scratch[recurrent + 3, q]
                p[k, q] = cell
                p[recurrent + k, q] = through * cell + d_out * scratch[recurrent + 2, q]
        else:
            for q in range(columns):
                p[k, q] = net.slopes[i, k] * scratch[recurrent, q]


@kernel
def output_derivatives(net: Net, i: int, k: int, p: Any, p_inputs: Any, fed: bool, own: bool, result: Any) -> None:
    """Derivatives (Q,) of output ``k`` after `read`; as `advance_derivatives`, but ``p`` is after the step."""
    sources, recurrent = net.source.shape[1], net.keep.shape[1]
    first, start = net.state.shape[1] - recurrent, (net.gates.shape[1] + k) * sources
    for q in range(result.shape[0]):
        result[q] = 0.0
    if fed:
        for m in range(net.inputs):
            weight = net.parameters[start + m]
            for q in range(result.shape[0]):
                result[q] += weight * p_inputs[m, q]
    for r in range(recurrent):
        weight = net.parameters[start + net.inputs + r]
        for q in range(result.shape[0]):
            result[q] += weight * p[first + r, q]
    if own:
        for m in range(sources):
            result[start + m] += net.source[i, m]
    for q in range(result.shape[0]):
        result[q] *= net.output_slopes[i, k]
