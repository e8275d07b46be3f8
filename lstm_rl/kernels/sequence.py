"""Whole batches of sequences through a `Topology`: forward, and the errors of all outputs back to all net inputs.

The equations are those of the streams, `network.forward` and `backward`. Here gates are spread to the cells of their
blocks first, and each equation is a plain loop from 0 over contiguous parts of rows: such loops vectorise (an index
that might be negative, and so count from the end, stops the compiler).

Dimensions: T time, B batch, I inputs, M sources, U units, C cells, V output sources, K outputs, R recurrent sources.
"""

from typing import Any, NamedTuple

import numpy as np

from lstm_rl.compiled import compiled, kernel
from lstm_rl.kernels.backward import from_outputs
from lstm_rl.kernels.network import Net, Numbers, Weights, add_rows
from lstm_rl.kernels.squashing import Squashing, logistic, slope, squash
from lstm_rl.topology import Topology


class Record(NamedTuple):
    """What the network did, as far as gradients need it."""

    resets: Numbers  # (T, B) bool, before the step
    z: Numbers  # (T, B, M') but for cell states, which peepholes see
    y: Numbers  # (T, B, U)
    s_tm1: Numbers  # (T, B, C)
    s: Numbers  # (T, B, C)
    h: Numbers  # (T, B, C)
    u: Numbers  # (T, B, V)
    outputs: Numbers  # (T, B, K)


class State(NamedTuple):
    """The state of a batch."""

    y: Numbers  # (B, U)
    s: Numbers  # (B, C)
    y_cells: Numbers  # (B, C)


class Errors(NamedTuple):
    """Errors of a network's state."""

    d: Numbers  # (B, U) of hidden units, gates and cell outputs, in the columns of `Topology`
    g: Numbers  # (B, C) of squashed cell inputs after the last step; nothing in the network sees them
    states: Numbers  # (B, C)


class Scratch(NamedTuple):
    """Scratch of one row's step, and weights laid out for it."""

    y_in: Numbers  # (C,) gates, spread to the cells of their blocks; 1 where there is no such gate
    y_f: Numbers  # (C,)
    y_out: Numbers  # (C,)
    shares: Numbers  # (C,) of cells in the errors of their gates
    delta: Numbers  # (U,) errors of net inputs
    sources: Numbers  # (R,) errors of recurrent sources
    transposed: Numbers  # (U, R) weights from recurrent sources, a row per unit that they lead to
    to_in: Numbers  # (C,) peephole weights
    to_f: Numbers  # (C,)
    to_out: Numbers  # (C,)


def make_record(topology: Topology, resets: Numbers, dtype: Any) -> Record:
    """Room for a batch of sequences."""
    t, (steps, batch) = topology, resets.shape
    sizes = (t.rows["bias"].stop, t.units, t.cells, t.cells, t.cells, t.output_sources, t.outputs)
    return Record(resets, *(np.empty((steps, batch, size), dtype) for size in sizes))


def make_scratch(topology: Topology, w: Numbers) -> Scratch:
    """Scratch around the weights w (M, U); `run` fetches the peephole weights."""
    c, u, rows, dtype = topology.cells, topology.units, topology.rows, w.dtype
    transposed = np.ascontiguousarray(w[rows["hidden"].start : rows["bias"].start].T)
    empty = (np.empty(size, dtype) for size in (c, u, transposed.shape[1]))
    parts = [*np.ones((3, c), dtype), *empty, transposed, *np.zeros((3, c), dtype)]
    return Scratch(*parts)


@compiled
def run(net: Net, weights: Weights, x: Any, state: State, record: Record, scratch: Scratch) -> None:
    """Run sequences x (T, B, I) from ``state``, which moves; fill the record."""
    if net.row_states_tm1 > 0 and net.has_input_gate:
        _fetch(net, weights.hidden[net.row_state_tm1 :], net.input_gate, scratch.to_in)
    if net.row_states_tm1 > 0 and net.has_forget_gate:
        _fetch(net, weights.hidden[net.row_state_tm1 :], net.forget_gate, scratch.to_f)
    if net.row_states_t > 0:
        _fetch(net, weights.hidden[net.row_state_t :], net.output_gate, scratch.to_out)
    for t in range(x.shape[0]):
        for i in range(x.shape[1]):
            y, s, y_cells = state.y[i], state.s[i], state.y_cells[i]
            if record.resets[t, i]:
                y[:] = 0.0
                s[:] = 0.0
                y_cells[:] = 0.0
            _sources(net, x[t, i], y, y_cells, record.z[t, i])
            copy(s, record.s_tm1[t, i])
            _hidden_layer(net, weights.hidden, record.z[t, i], y, s, record.h[t, i], y_cells, scratch)
            copy(y, record.y[t, i])
            copy(s, record.s[t, i])
            _output_layer(net, weights.output, x[t, i], y, y_cells, record.u[t, i], record.outputs[t, i])


@kernel
def _fetch(net: Net, w: Any, gate: int, to: Any) -> None:
    """Peephole weights into gates whose columns begin at ``gate``: each cell's one out of its row of w (C.., U)."""
    for v in range(to.shape[0]):
        to[v] = w[v, gate + net.block_of_cell[v]]


@kernel
def _sources(net: Net, x: Any, y: Any, y_cells: Any, z: Any) -> None:
    """What the hidden layer sees, but for cell states: z (M',)."""
    copy(x, z[net.row_input : net.row_input + net.row_inputs])
    copy(y, z[net.row_hidden : net.row_hidden + net.row_hiddens])
    copy(y[net.input_gate :], z[net.row_gate : net.row_gate + net.row_gates])
    copy(y_cells, z[net.row_cell : net.row_cell + net.row_cells])
    z[net.row_bias : net.row_bias + net.row_biases] = 1.0


@kernel
def _hidden_layer(net: Net, w: Any, z: Any, y: Any, s: Any, h: Any, y_cells: Any, scratch: Scratch) -> None:
    """From sources z (M',) to y (U,), s (C,), h (C,) and y_cells (C,)."""
    y_in, y_f, y_out, g = scratch.y_in, scratch.y_f, scratch.y_out, y[net.cells :]
    in_gates, f_gates = y[net.input_gate : net.forget_gate], y[net.forget_gate : net.output_gate]
    out_gates = y[net.output_gate : net.cells]
    y[:] = 0.0
    add_rows(w, z, 0, z.shape[0], y)
    if net.row_states_tm1 > 0 and net.has_input_gate:
        _look(net, s, scratch.to_in, in_gates)
    if net.row_states_tm1 > 0 and net.has_forget_gate:
        _look(net, s, scratch.to_f, f_gates)
    _squash(net.f, y[: net.input_gate])
    _squash(net.g, g)
    _open(y[net.input_gate : net.output_gate])
    if net.has_input_gate:
        _spread(net, in_gates, y_in)
    if net.has_forget_gate:
        _spread(net, f_gates, y_f)
    for v in range(s.shape[0]):
        s[v] = y_f[v] * s[v] + y_in[v] * g[v]
    copy(s, h)
    _squash(net.h, h)
    if net.has_output_gate:
        if net.row_states_t > 0:
            _look(net, s, scratch.to_out, out_gates)
        _open(out_gates)
        _spread(net, out_gates, y_out)
    for v in range(s.shape[0]):
        y_cells[v] = y_out[v] * h[v]


@kernel
def _output_layer(net: Net, w: Any, x: Any, y: Any, y_cells: Any, u: Any, outputs: Any) -> None:
    """The output layer: its sources u (V,), and outputs (K,)."""
    first, end = net.out_inputs + net.out_hiddens, u.shape[0] - net.out_biases
    copy(x, u[: net.out_inputs])
    copy(y, u[net.out_inputs : first])
    copy(y_cells, u[first:end])
    u[end:] = 1.0
    outputs[:] = 0.0
    add_rows(w, u, 0, u.shape[0], outputs)
    _squash(net.f_k, outputs)


@kernel
def copy(what: Any, to: Any) -> None:
    """As much of ``what`` as there is room for."""
    for m in range(to.shape[0]):
        to[m] = what[m]


@kernel
def _squash(f: Squashing, y: Any) -> None:
    """Net inputs to activations, in place."""
    if f.gain != 0.0:
        for j in range(y.shape[0]):
            y[j] = squash(f, y[j])


@kernel
def _open(y: Any) -> None:
    """The same for gates, whose squashing function is the logistic one."""
    for j in range(y.shape[0]):
        y[j] = logistic(y[j])


@kernel
def _look(net: Net, s: Any, weights: Any, gates: Any) -> None:
    """Peepholes: add to the net inputs of gates what they see of cell states."""
    for v in range(s.shape[0]):
        gates[net.block_of_cell[v]] += s[v] * weights[v]


@kernel
def _spread(net: Net, gates: Any, to: Any) -> None:
    """Gates to all cells of their blocks."""
    for v in range(to.shape[0]):
        to[v] = gates[net.block_of_cell[v]]


@compiled
def errors_back(
    net: Net, record: Record, q: Any, errors: Errors, truncated: bool, depth: int, deltas: Any, scratch: Scratch
) -> None:
    """Backpropagation through time: add to ``deltas`` (T, B, U) the errors of all net inputs.

    Args:
        net: The network.
        record: From `run`.
        q: (T, B, V) derivative of the error by the sources of the outputs.
        errors: Of the state after the last step; becomes those of the state before the first one.
        truncated: Let errors go back in time through cell states only (1997).
        depth: Steps that each error is carried back at most, its own included; 0: without end. With a depth, errors do
            not leave the sequence: those of the state before the first step come out as 0.
        deltas: (T, B, U) zeros, which this fills.
        scratch: That of `run`, with the same weights.
    """
    last = q.shape[0] - 1
    for newest in range(last, -1 if depth > 0 else last - 1, -1):  # one chain of steps back, or one from each step
        if newest < last and not some(q[newest].reshape(-1)):
            continue
        oldest = max(0, newest - depth + 1) if depth > 0 else 0
        for t in range(newest, oldest - 1, -1):
            for i in range(q.shape[1]):
                if t == newest or depth == 0:
                    from_outputs(net, q[t, i], errors.d[i])
                _one_back(net, record, t, i, errors, scratch, truncated, deltas[t, i])
        if depth > 0:
            errors.d[:] = 0.0
            errors.states[:] = 0.0
    errors.g[:] = 0.0


@kernel
def _one_back(
    net: Net, record: Record, t: int, i: int, errors: Errors, scratch: Scratch, truncated: bool, deltas: Any
) -> None:
    """Carry row ``i``'s errors from step ``t`` to the one before; add those of net inputs to ``deltas`` (U,)."""
    y, d, states, delta = record.y[t, i], errors.d[i], errors.states[i], scratch.delta
    _through_step(net, y, record.s_tm1[t, i], record.h[t, i], d, states, scratch, truncated)
    if t == record.y.shape[0] - 1:
        g_errors, g, delta_c = errors.g[i], y[net.cells :], delta[net.cells :]
        for v in range(g.shape[0]):
            delta_c[v] += g_errors[v] * slope(net.g, g[v])
    for j in range(delta.shape[0]):
        deltas[j] += delta[j]
    d[:] = 0.0
    if record.resets[t, i]:
        states[:] = 0.0
        return
    y_f, sources = scratch.y_f, scratch.sources
    for v in range(states.shape[0]):
        states[v] *= y_f[v]
    if truncated:
        return
    if net.row_states_tm1 > 0 and net.has_input_gate:
        _look_back(net, delta[net.input_gate :], scratch.to_in, states)
    if net.row_states_tm1 > 0 and net.has_forget_gate:
        _look_back(net, delta[net.forget_gate :], scratch.to_f, states)
    sources[:] = 0.0
    add_rows(scratch.transposed, delta, 0, delta.shape[0], sources)
    copy(sources, d[: net.row_hiddens])
    copy(sources[net.row_gate - net.row_hidden :], d[net.input_gate : net.input_gate + net.row_gates])
    copy(sources[net.row_cell - net.row_hidden :], d[net.cells : net.cells + net.row_cells])


@kernel
def _through_step(net: Net, y: Any, s_tm1: Any, h: Any, d: Any, states: Any, scratch: Scratch, truncated: bool) -> None:
    """`backward.through_step`: from errors of outputs d (U,) and states (C,) to those of net inputs, scratch.delta."""
    y_in, y_f, y_out, shares, delta = scratch.y_in, scratch.y_f, scratch.y_out, scratch.shares, scratch.delta
    d_c, g, delta_c = d[net.cells :], y[net.cells :], delta[net.cells :]
    in_gates, f_gates = y[net.input_gate : net.forget_gate], y[net.forget_gate : net.output_gate]
    out_gates = y[net.output_gate : net.cells]
    copy(d, delta[: net.cells])
    for j in range(net.input_gate):
        delta[j] *= slope(net.f, y[j])
    if net.has_output_gate:
        _spread(net, out_gates, y_out)
        _into_gates(net, d_c, h, out_gates, shares, delta[net.output_gate :])
    for v in range(h.shape[0]):
        states[v] += d_c[v] * y_out[v] * slope(net.h, h[v])
    if net.row_states_t > 0 and not truncated:
        _look_back(net, delta[net.output_gate :], scratch.to_out, states)
    if net.has_input_gate:
        _spread(net, in_gates, y_in)
        _into_gates(net, states, g, in_gates, shares, delta[net.input_gate :])
    if net.has_forget_gate:
        _spread(net, f_gates, y_f)
        _into_gates(net, states, s_tm1, f_gates, shares, delta[net.forget_gate :])
    for v in range(h.shape[0]):
        delta_c[v] = states[v] * y_in[v] * slope(net.g, g[v])


@kernel
def _into_gates(net: Net, errors: Any, factors: Any, gates: Any, shares: Any, delta: Any) -> None:
    """Errors of gates' net inputs: delta = (delta + sum of errors factors over the block's cells) y (1 - y)."""
    for v in range(shares.shape[0]):
        shares[v] = errors[v] * factors[v]
    for v in range(shares.shape[0]):
        delta[net.block_of_cell[v]] += shares[v]
    for j in range(gates.shape[0]):
        delta[j] *= gates[j] * (1.0 - gates[j])


@kernel
def _look_back(net: Net, delta: Any, weights: Any, states: Any) -> None:
    """Peepholes: add to the errors of cell states what comes from those of gates."""
    for v in range(states.shape[0]):
        states[v] += weights[v] * delta[net.block_of_cell[v]]


@kernel
def some(q: Any) -> bool:
    """Whether some element is not 0."""
    for m in range(q.shape[0]):
        if q[m] != 0.0:
            return True
    return False
