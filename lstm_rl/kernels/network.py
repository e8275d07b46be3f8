"""One time step of a `Topology`, and the coefficients of its truncated gradient.

Dimensions: n streams, M sources, U units, C cells, B blocks, V output sources, K outputs, S slots = cells of the
largest block. Errors go one step back through everything except the cell states, and back without end through those
(`docs/derivation.md`). Then every weight from source m into unit i obeys the same recurrence, slot v for slot v,

    D[v,m,i] <- a[v,i] D[v,m,i] + b[v,i] z[m]        the derivative of "its" cell's state, or just z[m]
    gradient[m,i] = sum_v c[v,i] D[v,m,i]            of whatever the outputs' error is

with three coefficients per unit. A gate of a block with several cells has one D per cell: slot v is its block's cell v.

    unit           slots            a     b                               c  (q = d error / d y of hidden unit or cell)
    hidden         0                0     1                               q_h f'
    output gate    0                0     1                               sum_v q_v h(s_v) y_out (1 - y_out)
    cell input     0                y_f   y_in g'                         q_c y_out h'(s_c)
    input gate     cells of block   y_f   g(net_v) y_in (1 - y_in)        q_v y_out h'(s_v)
    forget gate    cells of block   y_f   s_v(t-1) y_f (1 - y_f)          q_v y_out h'(s_v)
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.compiled import kernel
from lstm_rl.kernels.squashing import SQUASHINGS, Squashing, logistic, slope, squash
from lstm_rl.topology import Topology

Numbers = NDArray[Any]
BLOCK = 32  # sources that are left out together where all of them are 0, a multiple of 4


class Net(NamedTuple):
    """A `Topology` as plain numbers for compiled code: where each unit's column and each source's row begins."""

    has_input_gate: bool
    has_forget_gate: bool
    has_output_gate: bool
    input_gate: int  # columns; hidden units stand at 0
    forget_gate: int
    output_gate: int
    cells: int
    row_input: int  # rows and how many of each there are
    row_inputs: int
    row_hidden: int
    row_hiddens: int
    row_gate: int
    row_gates: int
    row_cell: int
    row_cells: int
    row_bias: int
    row_biases: int
    row_state_tm1: int
    row_states_tm1: int
    row_state_t: int
    row_states_t: int
    out_inputs: int  # output rows of each kind, in this order, then the bias
    out_hiddens: int
    out_cells: int
    out_biases: int
    block_of_cell: Numbers  # (C,)
    slot_of_cell: Numbers  # (C,)
    masked: bool  # whether some hidden-layer weight does not exist
    mask: Numbers  # (M, U) of 0 and 1
    gain: Numbers  # (U,) squashing of each unit, see `Squashing`
    scale: Numbers  # (U,)
    offset: Numbers  # (U,)
    f: Squashing
    g: Squashing
    h: Squashing
    f_k: Squashing
    slope_k: Squashing  # whose slope errors of outputs are multiplied by: f_k, or the identity with cross-entropy


class Weights(NamedTuple):
    """Weights, shared by all streams, and the running mean squares that normalised steps divide by."""

    hidden: Numbers  # (M, U)
    output: Numbers  # (V, K)
    hidden_square: Numbers  # (M, U)
    output_square: Numbers  # (V, K)


class Streams(NamedTuple):
    """The state of n independent streams through one network, all of it: save these arrays and nothing is lost."""

    z: Numbers  # (n, M) sources of the hidden layer at t
    y: Numbers  # (n, U) activations at t: hidden units, gates, squashed cell inputs
    s_tm1: Numbers  # (n, C) cell states at t-1
    s: Numbers  # (n, C) cell states at t
    h: Numbers  # (n, C) squashed cell states at t
    y_cells: Numbers  # (n, C) cell outputs at t
    u: Numbers  # (n, V) sources of the outputs at t
    outputs: Numbers  # (n, K)
    partials: Numbers  # (n, S, M, U) D
    traces: Numbers  # (n, M, U) eligibility traces of the hidden-layer weights
    output_traces: Numbers  # (n, V, K)


class Coefficients(NamedTuple):
    """Scratch for one step's a, b and c, and for one row of the gradient."""

    a: Numbers  # (S, U)
    b: Numbers  # (S, U)
    c: Numbers  # (S, U)
    gradient: Numbers  # (U,)


def make_weights(topology: Topology, rng: np.random.Generator) -> Weights:
    """Draw a network's weights; the mean squares, which plain steps do not use, are 1."""
    hidden, output = topology.initial_weights(rng)
    return Weights(hidden, output, np.ones_like(hidden), np.ones_like(output))


def make_net(topology: Topology, dtype: Any = np.float32) -> Net:
    """Lay a topology out for compiled code."""
    t, columns, rows = topology, topology.columns, topology.rows
    slots = [v for cells in t.blocks for v in range(cells)]
    squashing = np.array([SQUASHINGS["logistic"]] * t.units)  # (U, 4)
    squashing[columns["hidden"]] = SQUASHINGS[t.hidden_activation]
    squashing[columns["cells"]] = SQUASHINGS[t.cell_input]
    gain, scale, offset, _ = np.ascontiguousarray(squashing.T)
    names = ("input", "hidden", "gate", "cell", "bias", "state_tm1", "state_t")  # as `Topology.rows` orders them
    starts = {f"row_{name}": row.start for name, row in zip(names, rows.values(), strict=True)}
    many = ("inputs", "hiddens", "gates", "cells", "biases", "states_tm1", "states_t")
    counts = {f"row_{name}": row.stop - row.start for name, row in zip(many, rows.values(), strict=True)}
    out = zip(("inputs", "hiddens", "cells", "biases"), t.output_rows.values(), strict=True)
    return Net(
        has_input_gate=t.input_gate,
        has_forget_gate=t.forget_gate,
        has_output_gate=t.output_gate,
        **{name: columns[name].start for name in ("input_gate", "forget_gate", "output_gate", "cells")},
        **starts,
        **counts,
        **{f"out_{name}": row.stop - row.start for name, row in out},
        block_of_cell=np.array(t.block_of_cell, np.int64),
        slot_of_cell=np.array(slots, np.int64),
        masked=not bool(t.mask.all()),
        mask=t.mask.astype(dtype),
        gain=gain,
        scale=scale,
        offset=offset,
        f=SQUASHINGS[t.hidden_activation],
        g=SQUASHINGS[t.cell_input],
        h=SQUASHINGS[t.cell_output],
        f_k=SQUASHINGS[t.output_activation],
        slope_k=SQUASHINGS[t.output_activation],
    )


def make_streams(topology: Topology, n: int, dtype: Any = np.float32) -> Streams:
    """N streams at rest: all states, partials and traces 0."""
    t = topology
    m, u, c, v, k, slots = t.sources, t.units, t.cells, t.output_sources, t.outputs, max((1, *t.blocks))
    shapes = [(m,), (u,), (c,), (c,), (c,), (c,), (v,), (k,), (slots, m, u), (m, u), (v, k)]
    return Streams(*(np.zeros((n, *shape), dtype) for shape in shapes))


def make_coefficients(topology: Topology, dtype: Any = np.float32) -> Coefficients:
    """Scratch of the right sizes."""
    slots, u = max((1, *topology.blocks)), topology.units
    a, b, c = (np.zeros((slots, u), dtype) for _ in range(3))
    return Coefficients(a, b, c, np.zeros(u, dtype))


@kernel
def reset(streams: Streams, i: int) -> None:
    """Put stream ``i`` to rest: states, partials and traces are cleared together, as a sequence begins."""
    for array in (streams.y, streams.s_tm1, streams.s, streams.h, streams.y_cells):
        array[i] = 0.0
    streams.partials[i] = 0.0
    streams.traces[i] = 0.0
    streams.output_traces[i] = 0.0


@kernel
def at_rest(z: Any) -> bool:
    """Whether all of ``z`` are 0."""
    active = False
    for m in range(z.shape[0]):  # no way out on the way, so that it vectorises
        active |= z[m] != 0.0
    return not active


@kernel
def _add_rows(w: Any, z: Any, start: int, stop: int, net: Any) -> None:
    """Four rows at a time; columns vectorise."""
    m = start
    while m + 3 < stop:
        z0, z1, z2, z3 = z[m], z[m + 1], z[m + 2], z[m + 3]
        if z0 != 0.0 or z1 != 0.0 or z2 != 0.0 or z3 != 0.0:
            for i in range(w.shape[1]):
                net[i] += (z0 * w[m, i] + z1 * w[m + 1, i]) + (z2 * w[m + 2, i] + z3 * w[m + 3, i])
        m += 4
    while m < stop:
        z0 = z[m]
        for i in range(w.shape[1]):
            net[i] += z0 * w[m, i]
        m += 1


@kernel
def add_rows(w: Any, z: Any, start: int, stop: int, net: Any) -> None:
    """Net += z[start:stop] w[start:stop, :]. Of many symbols most are 0, which costs next to nothing."""
    if stop - start <= BLOCK:
        _add_rows(w, z, start, stop, net)
        return
    for block in range(start, stop, BLOCK):
        end = min(block + BLOCK, stop)
        if not at_rest(z[block:end]):
            _add_rows(w, z, block, end, net)


@kernel
def _squash_units(net: Net, y: Any, start: int, stop: int) -> None:
    """Replace net inputs by activations, each unit with its own squashing function.

    Of slices from 0 on: an index that might be negative, and so count from the end, would not vectorise.
    """
    y, gain, scale, offset = y[start:stop], net.gain[start:stop], net.scale[start:stop], net.offset[start:stop]
    for i in range(y.shape[0]):
        squashed = scale[i] * logistic(gain[i] * y[i]) + offset[i]
        y[i] = y[i] if gain[i] == 0.0 else squashed


@kernel
def forward(net: Net, w: Weights, streams: Streams, i: int, x: Any) -> None:
    """Move stream ``i`` by one step in place: input ``x`` (I,) to outputs ``streams.outputs[i]`` (K,).

    The three phases of 1997: inputs at t; hidden layer, whose recurrent sources are those of t-1; outputs at t.
    """
    z, y, s, y_cells = streams.z[i], streams.y[i], streams.s[i], streams.y_cells[i]
    s_tm1, h = streams.s_tm1[i], streams.h[i]
    z_inputs = z[net.row_input : net.row_input + net.row_inputs]  # from 0 on, as in `_squash_units`
    for m in range(net.row_inputs):
        z_inputs[m] = x[m]
    for m in range(net.row_hiddens):
        z[net.row_hidden + m] = y[m]
    for m in range(net.row_gates):
        z[net.row_gate + m] = y[net.input_gate + m]
    z_cells = z[net.row_cell :]
    for m in range(net.row_cells):
        z_cells[m] = y_cells[m]
    for m in range(net.row_biases):
        z[net.row_bias + m] = 1.0
    for m in range(net.row_states_tm1):
        z[net.row_state_tm1 + m] = s[m]

    y[:] = 0.0
    add_rows(w.hidden, z, 0, net.row_state_tm1, y)
    cells = s.shape[0]
    if net.row_states_tm1 > 0:  # peepholes of input and forget gates
        for v in range(cells):
            if net.has_input_gate:
                gate = net.input_gate + net.block_of_cell[v]
                y[gate] += s[v] * w.hidden[net.row_state_tm1 + v, gate]
            if net.has_forget_gate:
                gate = net.forget_gate + net.block_of_cell[v]
                y[gate] += s[v] * w.hidden[net.row_state_tm1 + v, gate]
    _squash_units(net, y, 0, y.shape[0] if net.row_states_t == 0 else net.output_gate)
    if net.row_states_t > 0:  # their output gates wait for s(t)
        _squash_units(net, y, net.cells, y.shape[0])
    for v in range(cells):
        block = net.block_of_cell[v]
        y_in = y[net.input_gate + block] if net.has_input_gate else 1.0
        y_f = y[net.forget_gate + block] if net.has_forget_gate else 1.0
        s_tm1[v] = s[v]
        s[v] = y_f * s[v] + y_in * y[net.cells + v]
    for v in range(cells):  # a loop of its own vectorises
        h[v] = squash(net.h, s[v])
    if net.row_states_t > 0:
        for v in range(cells):
            gate = net.output_gate + net.block_of_cell[v]
            z[net.row_state_t + v] = s[v]
            y[gate] += s[v] * w.hidden[net.row_state_t + v, gate]
        _squash_units(net, y, net.output_gate, net.cells)
    for v in range(cells):
        y_out = y[net.output_gate + net.block_of_cell[v]] if net.has_output_gate else 1.0
        y_cells[v] = y_out * h[v]

    u, outputs = streams.u[i], streams.outputs[i]
    m = 0
    for k in range(net.out_inputs):
        u[m] = x[k]
        m += 1
    for k in range(net.out_hiddens):
        u[m] = y[k]
        m += 1
    u_cells = u[m:]
    for k in range(net.out_cells):
        u_cells[k] = y_cells[k]
    for m in range(u.shape[0] - net.out_biases, u.shape[0]):
        u[m] = 1.0
    outputs[:] = 0.0
    add_rows(w.output, u, 0, u.shape[0], outputs)
    if net.f_k.gain != 0.0:
        for k in range(outputs.shape[0]):
            outputs[k] = squash(net.f_k, outputs[k])


@kernel
def coefficients(net: Net, streams: Streams, i: int, q: Any, to: Coefficients) -> None:
    """Fill a, b and c of stream ``i``'s present step (table above); ``q`` (V,): derivative of the error by u.

    In Advantage learning the error is one output, so q is that output's column of weights, times its slope f'_k.
    """
    y, s_tm1, h = streams.y[i], streams.s_tm1[i], streams.h[i]
    a, b, c = (
        to.a,
        to.b,
        to.c,
    )  # a of hidden units and output gates stays 0, and so do slots that a block lacks
    for j in range(net.out_hiddens):
        b[0, j] = 1.0
        c[0, j] = q[net.out_inputs + j] * slope(net.f, y[j])
    if net.has_output_gate:
        for j in range(net.output_gate, net.cells):
            b[0, j] = 1.0
            c[0, j] = 0.0
    first = net.out_inputs + net.out_hiddens
    for v in range(s_tm1.shape[0]):
        block, slot = net.block_of_cell[v], net.slot_of_cell[v]
        y_in = y[net.input_gate + block] if net.has_input_gate else 1.0
        y_f = y[net.forget_gate + block] if net.has_forget_gate else 1.0
        y_out = y[net.output_gate + block] if net.has_output_gate else 1.0
        q_v = q[first + v] if net.out_cells > 0 else 0.0
        g_v = y[net.cells + v]
        through_state = q_v * y_out * slope(net.h, h[v])
        a[0, net.cells + v] = y_f
        b[0, net.cells + v] = y_in * slope(net.g, g_v)
        c[0, net.cells + v] = through_state
        if net.has_input_gate:
            a[slot, net.input_gate + block] = y_f
            b[slot, net.input_gate + block] = g_v * y_in * (1.0 - y_in)
            c[slot, net.input_gate + block] = through_state
        if net.has_forget_gate:
            a[slot, net.forget_gate + block] = y_f
            b[slot, net.forget_gate + block] = s_tm1[v] * y_f * (1.0 - y_f)
            c[slot, net.forget_gate + block] = through_state
        if net.has_output_gate:
            c[0, net.output_gate + block] += q_v * h[v] * y_out * (1.0 - y_out)
