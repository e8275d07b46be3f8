"""A `Topology` as an approximator, its complete gradient: errors carried back through time anew at every step.

With q the executed output's weights, and k = t, t-1, ..., down to the episode's start, at each step back

    d y_c(k) = q_c (k = t only) + sum_j w_cj delta_j(k+1)        and so for hidden units, and gates where they are seen
    delta_out(k) = sum_v dy_c,v h(s_v) y_out (1 - y_out)
    d s_v(k)  = ds_v(k+1) y_f(k+1) + dy_c,v y_out h'(s_v) + peepholes
    delta_c(k) = ds_v y_in g',    delta_in(k) = sum_v ds_v g_v y_in (1 - y_in)
    delta_h(k) = dy_h f',         delta_f(k)  = sum_v ds_v s_v(k-1) y_f (1 - y_f)
    d output / d w_mj = sum_k delta_j(k) z_m(k)

with the weights as they are now and the activations as they were. Carrying back stops after ``depth`` steps, or earlier
once no error is above the resolution of its number type relative to the first: what is left out then is rounding.

Dimensions: n streams, M sources, U units, C cells, V output sources, K outputs, T depth, R recurrent sources.
"""

from typing import Any, NamedTuple

import numpy as np

from lstm_rl.checks import check_int
from lstm_rl.compiled import kernel
from lstm_rl.streaming import network
from lstm_rl.streaming.approximator import Step, forward, move, reset, step, sweep
from lstm_rl.streaming.network import Net, Numbers, Streams, Weights, add_rows, make_net, make_streams
from lstm_rl.streaming.squashing import slope
from lstm_rl.streaming.traces import add_column, step_all, step_weights
from lstm_rl.topology import Topology

BLOCK = 4  # steps back whose gradients are added in one pass over the weights


class History(NamedTuple):
    """The last T steps of each stream, rings."""

    z: Numbers  # (n, T, M) sources
    y: Numbers  # (n, T, U) activations
    s_tm1: Numbers  # (n, T, C) cell states before the step
    h: Numbers  # (n, T, C) squashed cell states after it
    age: Numbers  # (n,) steps of this episode so far


class Errors(NamedTuple):
    """Scratch for what is carried back."""

    deltas: Numbers  # (5, U) at the steps k, k-1, ..., k-4
    sources: Numbers  # (R,) of hidden units, gates and cell outputs at k
    states: Numbers  # (C,) of cell states at k, as far as they come from k+1
    transposed: Numbers  # (U, R) weights from hidden units, gates and cells, a row per unit that they lead to
    gradient: Numbers  # (M, U)


class Bptt(NamedTuple):
    """n streams through one network."""

    net: Net
    weights: Weights
    streams: Streams
    outputs: Numbers  # (n, K), those of the streams
    history: History
    errors: Errors


def make_bptt(topology: Topology, weights: Weights, n: int, dtype: Any, depth: int) -> Bptt:
    """N streams at rest around weights that live elsewhere.

    Raises:
        ValueError: Depth is < 1.
    """
    streams = make_streams(topology, n, dtype)
    m, u, c, length = topology.sources, topology.units, topology.cells, check_int("bptt_depth", depth, 1)
    r = topology.rows["bias"].start - topology.rows["hidden"].start
    z, y, s_tm1, h = (np.zeros((n, length, size), dtype) for size in (m, u, c, c))
    scratch = (np.zeros(shape, dtype) for shape in ((BLOCK + 1, u), (r,), (c,), (u, r), (m, u)))
    history = History(z, y, s_tm1, h, np.zeros(n, np.int64))
    return Bptt(make_net(topology, dtype), weights, streams, streams.outputs, history, Errors(*scratch))


@forward.register(Bptt)
def _forward(approximator: Bptt, i: int, x: Any) -> None:
    streams, history = approximator.streams, approximator.history
    network.forward(approximator.net, approximator.weights, streams, i, x)
    at = history.age[i] % history.z.shape[1]
    for m in range(streams.z.shape[1]):
        history.z[i, at, m] = streams.z[i, m]
    for j in range(streams.y.shape[1]):
        history.y[i, at, j] = streams.y[i, j]
    for v in range(streams.s.shape[1]):
        history.s_tm1[i, at, v] = streams.s_tm1[i, v]
        history.h[i, at, v] = streams.h[i, v]
    history.age[i] += 1


@reset.register(Bptt)
def _reset(approximator: Bptt, i: int) -> None:
    network.reset(approximator.streams, i)
    approximator.history.age[i] = 0


@move.register(Bptt)
def _move(approximator: Bptt, i: int, k: int) -> int:
    return k


@step.register(Bptt)
def _step(approximator: Bptt, i: int, by: Step) -> None:
    step_all(approximator.weights, approximator.streams, i, by)


@sweep.register(Bptt)
def _sweep(approximator: Bptt, i: int, k: int, by: Step, decay: float) -> None:
    net, weights, streams = approximator.net, approximator.weights, approximator.streams
    step_weights(weights.output, weights.output_square, streams.output_traces[i], by, decay)
    add_column(streams.output_traces[i], streams.u[i], k)
    step_weights(weights.hidden, weights.hidden_square, streams.traces[i], by, decay)
    _carry_back(approximator, i, k)
    gradient, traces = approximator.errors.gradient, streams.traces[i]
    for m in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            traces[m, j] += gradient[m, j] * net.mask[m, j]


@kernel
def _carry_back(approximator: Bptt, i: int, k: int) -> None:
    """Leave the gradient of output ``k`` by the hidden layer's weights in ``approximator.errors.gradient``."""
    net, weights, history, errors = approximator.net, approximator.weights, approximator.history, approximator.errors
    deltas, length = errors.deltas, history.z.shape[1]
    recurrent = errors.sources.shape[0]
    for j in range(deltas.shape[1]):
        for r in range(recurrent):
            errors.transposed[j, r] = weights.hidden[net.row_hidden + r, j]
    errors.gradient[:] = 0.0
    left, at = min(history.age[i], length), (history.age[i] - 1) % length
    _first_errors(approximator, i, at, k)
    negligible = _largest(deltas[0], errors.states) * np.finfo(deltas.dtype).eps
    while left > 0 and _largest(deltas[0], errors.states) > negligible:
        newest, block = at, min(BLOCK, left)
        for b in range(block):
            before = at - 1 if at > 0 else length - 1
            _errors_before(approximator, i, at, before, b, b + 1 < left)
            at = before
        if block == BLOCK:
            _add_block(errors, history.z[i], newest)
        else:
            for b in range(block):
                _add_outer(errors.gradient, history.z[i, (newest - b) % length], deltas[b])
        for j in range(deltas.shape[1]):
            deltas[0, j] = deltas[block, j]
        left -= block


@kernel
def _first_errors(approximator: Bptt, i: int, at: int, k: int) -> None:
    """The errors at t itself, which come from output ``k``."""
    net, weights, errors = approximator.net, approximator.weights, approximator.errors
    errors.states[:] = 0.0
    hidden, cells = net.out_inputs, net.out_inputs + net.out_hiddens
    _deltas(approximator, i, at, 0, weights.output[:, k], hidden, net.out_hiddens, -1, cells, net.out_cells)


@kernel
def _errors_before(approximator: Bptt, i: int, at: int, before: int, b: int, there_is: bool) -> None:
    """From the errors at place ``at`` (``deltas[b]``, states) to those one step before (``deltas[b + 1]``, states)."""
    net, weights, history, errors = approximator.net, approximator.weights, approximator.history, approximator.errors
    for v in range(errors.states.shape[0]):  # through the cells
        if net.has_forget_gate:
            errors.states[v] *= history.y[i, at, net.forget_gate + net.block_of_cell[v]]
        if net.row_states_tm1 > 0:  # and the peepholes of input and forget gates
            for j in range(net.input_gate, net.output_gate):
                errors.states[v] += weights.hidden[net.row_state_tm1 + v, j] * errors.deltas[b, j]
    errors.deltas[b + 1] = 0.0
    if there_is:
        errors.sources[:] = 0.0
        add_rows(errors.transposed, errors.deltas[b], 0, errors.deltas.shape[1], errors.sources)
        gates, cells = net.row_gate - net.row_hidden, net.row_cell - net.row_hidden
        gates = gates if net.row_gates > 0 else -1
        _deltas(approximator, i, before, b + 1, errors.sources, 0, net.row_hiddens, gates, cells, net.row_cells)


@kernel
def _deltas(
    approximator: Bptt,
    i: int,
    at: int,
    b: int,
    sources: Any,
    hidden: int,
    hiddens: int,
    gates: int,
    cells: int,
    cell_outputs: int,
) -> None:
    """Fill ``deltas[b]`` from the errors of hidden units, gates (-1: none) and cell outputs, which begin there."""
    net, weights, history, errors = approximator.net, approximator.weights, approximator.history, approximator.errors
    y, s_tm1, h, delta = history.y[i, at], history.s_tm1[i, at], history.h[i, at], errors.deltas[b]
    delta[:] = 0.0
    for j in range(hiddens):
        delta[j] = sources[hidden + j] * slope(net.f, y[j])
    for v in range(h.shape[0]):
        block = net.block_of_cell[v]
        y_out = y[net.output_gate + block] if net.has_output_gate else 1.0
        q_v = sources[cells + v] if cell_outputs > 0 else 0.0
        errors.states[v] += q_v * y_out * slope(net.h, h[v])
        if net.has_output_gate:
            delta[net.output_gate + block] += q_v * h[v] * y_out * (1.0 - y_out)
    if gates >= 0 and net.has_output_gate:
        for j in range(net.output_gate, net.cells):
            delta[j] += sources[gates + j - net.input_gate] * y[j] * (1.0 - y[j])
    for v in range(h.shape[0]):
        block = net.block_of_cell[v]
        if net.row_states_t > 0:  # peepholes of output gates
            for j in range(net.output_gate, net.cells):
                errors.states[v] += weights.hidden[net.row_state_t + v, j] * delta[j]
        y_in = y[net.input_gate + block] if net.has_input_gate else 1.0
        g_v, state = y[net.cells + v], errors.states[v]
        delta[net.cells + v] = state * y_in * slope(net.g, g_v)
        if net.has_input_gate:
            delta[net.input_gate + block] += state * g_v * y_in * (1.0 - y_in)
        if net.has_forget_gate:
            y_f = y[net.forget_gate + block]
            delta[net.forget_gate + block] += state * s_tm1[v] * y_f * (1.0 - y_f)
    if gates >= 0:
        for j in range(net.input_gate, net.output_gate):
            delta[j] += sources[gates + j - net.input_gate] * y[j] * (1.0 - y[j])


@kernel
def _add_outer(gradient: Any, z: Any, delta: Any) -> None:
    """Gradient += z delta^T."""
    for m in range(gradient.shape[0]):
        z_m = z[m]
        for j in range(gradient.shape[1]):
            gradient[m, j] += z_m * delta[j]


@kernel
def _add_block(errors: Errors, z: Any, newest: int) -> None:
    """`_add_outer` of the four steps that end at ``newest``, in one pass; z (T, M)."""
    gradient, deltas, length = errors.gradient, errors.deltas, z.shape[0]
    a, b = z[newest], z[(newest - 1) % length]
    c, d = z[(newest - 2) % length], z[(newest - 3) % length]
    for m in range(gradient.shape[0]):
        a_m, b_m, c_m, d_m = a[m], b[m], c[m], d[m]
        for j in range(gradient.shape[1]):
            gradient[m, j] += (a_m * deltas[0, j] + b_m * deltas[1, j]) + (c_m * deltas[2, j] + d_m * deltas[3, j])


@kernel
def _largest(deltas: Any, states: Any) -> Any:
    """The largest absolute value."""
    largest = abs(deltas[0])
    for j in range(deltas.shape[0]):
        largest = max(largest, abs(deltas[j]))
    for v in range(states.shape[0]):
        largest = max(largest, abs(states[v]))
    return largest
