"""The truncated gradient of 1997, carried forward in time: O(1) time and memory per weight, and no horizon.

Errors go one step back through everything except the cell states, and back without end through those
(`docs/derivation.md`). Then every weight from source m into unit i obeys the same recurrence, slot v for slot v,

    D[v,m,i] <- a[v,i] D[v,m,i] + b[v,i] z[m]        the derivative of "its" cell's state, or just z[m]
    gradient[m,i] = sum_v c[v,i] D[v,m,i]            of the error, whose derivative by output u is q

with three coefficients per unit. A gate of a block with several cells has one D per cell: slot v is its block's cell v.

    unit           slots            a     b                               c  (q = d error / d y of hidden unit or cell)
    hidden         0                0     1                               q_h f'
    output gate    0                0     1                               sum_v q_v h(s_v) y_out (1 - y_out)
    cell input     0                y_f   y_in g'                         q_c y_out h'(s_c)
    input gate     cells of block   y_f   g(net_v) y_in (1 - y_in)        q_v y_out h'(s_v)
    forget gate    cells of block   y_f   s_v(t-1) y_f (1 - y_f)          q_v y_out h'(s_v)

Top to bottom: the record, the coefficients, D and its sum, the pass over all weights that does everything at once, and
the kernels of `approximator`.

Dimensions: n streams, M sources, U units, V output sources, K outputs, S slots = cells of the largest block.
"""

from typing import Any, NamedTuple

import numpy as np

from lstm_rl.compiled import by_class, kernel
from lstm_rl.kernels.approximator import (
    Update,
    accumulate_gradient,
    add_gradient,
    advance,
    forward,
    learn_step,
    reset,
    update_and_trace,
)
from lstm_rl.kernels.backward import mask_output, output_gradient, output_gradients, source_errors
from lstm_rl.kernels.forward import BLOCK, any_nonzero, step_forward
from lstm_rl.kernels.layout import Net, Numbers, Streams, Weights, clear, make_net, make_streams, step_of
from lstm_rl.kernels.squashing import slope
from lstm_rl.kernels.updates import in_dtype, mask_row, step_flat, step_weight, step_weights
from lstm_rl.topology import Topology


class Coefficients(NamedTuple):
    """Scratch for one step's a, b and c, and for the gradient of a step."""

    a: Numbers  # (S, U)
    b: Numbers  # (S, U)
    c: Numbers  # (S, U)
    gradient: Numbers  # (M, U)
    output_gradient: Numbers  # (V, K)


class Truncated(NamedTuple):
    """n streams through one network."""

    net: Net
    weights: Weights
    streams: Streams
    outputs: Numbers  # (n, K), those of the streams
    scratch: Coefficients
    q: Numbers  # (V,) scratch: derivative of the error by the sources of the outputs


def make_coefficients(topology: Topology, dtype: Any = np.float32) -> Coefficients:
    """Scratch of the right sizes."""
    slots, u = max((1, *topology.blocks)), topology.units
    a, b, c = (np.zeros((slots, u), dtype) for _ in range(3))
    return Coefficients(
        a, b, c, np.zeros((topology.sources, u), dtype), np.zeros((topology.output_sources, topology.outputs), dtype)
    )


def make_truncated(topology: Topology, weights: Weights, n: int, dtype: Any) -> Truncated:
    """Make n streams at rest around weights that live elsewhere."""
    streams, scratch = make_streams(topology, n, dtype), make_coefficients(topology, dtype)
    q = np.zeros(topology.output_sources, dtype)
    return Truncated(make_net(topology, dtype), weights, streams, streams.outputs, scratch, q)


@by_class
def coefficients(net: Any, y: Any, s_tm1: Any, h: Any, q: Any, to: Coefficients) -> None:
    """Fill a, b and c of a step (table above); ``q`` (V,): derivative of the error by u.

    In Advantage learning the error is one output, so q is that output's column of weights, times its slope f'_k.
    """
    raise TypeError(f"{type(net).__name__} has no kernel for this")


@coefficients.register(Net)
def _coefficients(net: Net, y: Any, s_tm1: Any, h: Any, q: Any, to: Coefficients) -> None:
    a, b, c = to.a, to.b, to.c  # a of hidden units and output gates stays 0, and so do slots that a block lacks
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
        y_f = y[net.forget_gate + block] if net.has_forget_gate else net.state_decay
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


@kernel
def _advance_rows(a: Any, b: Any, z: Any, d: Any, idle_rows: bool) -> None:
    """D <- a D + b z of some rows, with or without those whose z is 0."""
    for m in range(z.shape[0]):
        z_m = z[m]
        if z_m == 0.0 and not idle_rows:
            continue
        for j in range(a.shape[0]):
            d[m, j] = a[j] * d[m, j] + b[j] * z_m


@kernel
def advance_partials(z: Any, partials: Any, to: Coefficients, idle_rows: bool) -> None:
    """D <- a D + b z, for sources z (M,) and partials D (S, M, U).

    Without ``idle_rows`` the sources that are 0 are left out, since of a thousand symbols one is not 0. Where a is 1,
    as in cells without forget gates, that changes nothing. Where a is 0, D keeps an old value, which nobody reads until
    the next gradient: `accumulate_gradient` moves all rows.
    """
    for v in range(partials.shape[0]):
        a, b, d = to.a[v], to.b[v], partials[v]
        if idle_rows or z.shape[0] <= BLOCK:
            _advance_rows(a, b, z, d, idle_rows)
            continue
        for block in range(0, z.shape[0], BLOCK):
            part = z[block : block + BLOCK]
            if any_nonzero(part):
                _advance_rows(a, b, part, d[block : block + BLOCK], False)


@kernel
def add_partials(net: Net, partials: Any, to: Coefficients, traces: Any) -> None:
    """e <- e + sum_v c_v D_v, of partials (S, M, U) that have been advanced; traces e (M, U)."""
    for v in range(partials.shape[0]):
        c = to.c[v]
        for m in range(traces.shape[0]):
            for j in range(c.shape[0]):
                traces[m, j] += c[j] * partials[v, m, j]
    for m in range(traces.shape[0]):
        mask_row(net, traces, m)


@kernel
def _row_gradient(a: Any, b: Any, c: Any, z_m: Any, d: Any, gradient: Any, first: bool) -> None:
    """Advance a slot's row of the partials d (U,); put its gradient into a row (U,), or add it to other slots'."""
    if first:
        for j in range(gradient.shape[0]):
            d_j = a[j] * d[j] + b[j] * z_m
            d[j] = d_j
            gradient[j] = c[j] * d_j
    else:
        for j in range(gradient.shape[0]):
            d_j = a[j] * d[j] + b[j] * z_m
            d[j] = d_j
            gradient[j] += c[j] * d_j


@kernel
def step_rows(
    net: Net, weights: Weights, streams: Streams, i: int, to: Coefficients, update: Update, decay: Any
) -> None:
    """Weights along their traces, D <- a D + b z, e <- decay e + sum_v c_v D_v: one pass over the hidden layer."""
    z, partials, traces = streams.z[i], streams.partials[i], streams.traces[i]
    a, b, c, gradient = to.a[0], to.b[0], to.c[0], to.gradient[0]
    optimizer, number, units = update.optimizer, weights.hidden.dtype.type, gradient.shape[0]
    numbers, decay = in_dtype(optimizer, update, number), number(decay)
    for m in range(z.shape[0]):
        z_m, w, square, e = z[m], weights.hidden[m], weights.hidden_square[m], traces[m]
        if partials.shape[0] == 1:  # one cell per block: a gradient is c D
            for j in range(units):
                step_weight(optimizer, numbers, w, square, e, j)
                d = a[j] * partials[0, m, j] + b[j] * z_m
                partials[0, m, j] = d
                e[j] = decay * e[j] + c[j] * d
        else:
            for v in range(partials.shape[0]):
                _row_gradient(to.a[v], to.b[v], to.c[v], z_m, partials[v, m], gradient, v == 0)
            for j in range(units):
                step_weight(optimizer, numbers, w, square, e, j)
                e[j] = decay * e[j] + gradient[j]
        mask_row(net, traces, m)


@forward.register(Truncated)
def _forward(approximator: Truncated, i: int, x: Any) -> None:
    step_forward(approximator.net, approximator.weights, x, step_of(approximator.streams, i))


@reset.register(Truncated)
def _reset(approximator: Truncated, i: int) -> None:
    clear(approximator.streams, i)


@kernel
def _fill(approximator: Truncated, i: int) -> None:
    net, streams = approximator.net, approximator.streams
    coefficients(net, streams.y[i], streams.s_tm1[i], streams.h[i], approximator.q, approximator.scratch)


@kernel
def _add_to_traces(approximator: Truncated, i: int) -> None:
    """Add the gradient of the hidden layer that the error ``q`` gives."""
    net, streams, scratch = approximator.net, approximator.streams, approximator.scratch
    _fill(approximator, i)
    advance_partials(streams.z[i], streams.partials[i], scratch, True)
    add_partials(net, streams.partials[i], scratch, streams.traces[i])


@add_gradient.register(Truncated)
def _add_gradient(approximator: Truncated, i: int, k: int) -> None:
    output_gradient(approximator.net, approximator.weights, approximator.streams, i, k, approximator.q)
    _add_to_traces(approximator, i)


@update_and_trace.register(Truncated)
def _update_and_trace(approximator: Truncated, i: int, k: int, update: Update, decay: float) -> None:
    net, weights, streams = approximator.net, approximator.weights, approximator.streams
    step_weights(weights.output, weights.output_square, streams.output_traces[i], update, decay)
    output_gradient(net, weights, streams, i, k, approximator.q)
    _fill(approximator, i)
    step_rows(net, weights, streams, i, approximator.scratch, update, decay)


@accumulate_gradient.register(Truncated)
def _accumulate_gradient(approximator: Truncated, i: int, errors: Any) -> None:
    output_gradients(approximator.net, approximator.weights, approximator.streams, i, errors, approximator.q)
    _add_to_traces(approximator, i)


@learn_step.register(Truncated)
def _learn_step(approximator: Truncated, i: int, errors: Any, update: Update) -> None:
    """One pass over partials and weights, which touches no trace."""
    net, weights, streams, to = approximator.net, approximator.weights, approximator.streams, approximator.scratch
    number = weights.hidden.dtype.type
    numbers = in_dtype(update.optimizer, update, number)
    source_errors(net, weights, streams, i, errors, approximator.q)  # by the weights before the step
    u, output_gradient = streams.u[i], to.output_gradient
    for m in range(u.shape[0]):
        for k in range(errors.shape[0]):
            output_gradient[m, k] = errors[k] * u[m]
    mask_output(net, output_gradient)
    step_flat(update.optimizer, numbers, weights.output, weights.output_square, output_gradient)
    _fill(approximator, i)
    z, partials, gradient = streams.z[i], streams.partials[i], to.gradient
    for v in range(partials.shape[0]):
        for m in range(z.shape[0]):
            _row_gradient(to.a[v], to.b[v], to.c[v], z[m], partials[v, m], gradient[m], v == 0)
    for m in range(z.shape[0]):
        mask_row(net, gradient, m)
    step_flat(update.optimizer, numbers, weights.hidden, weights.hidden_square, gradient)


@advance.register(Truncated)
def _advance(approximator: Truncated, i: int) -> None:
    streams, net = approximator.streams, approximator.net
    idle_rows = net.has_forget_gate or net.state_decay != 1.0
    _fill(approximator, i)  # a and b count
    advance_partials(streams.z[i], streams.partials[i], approximator.scratch, idle_rows)
