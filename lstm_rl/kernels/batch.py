"""Whole batches of sequences through a `Topology`: forward, and the errors of all outputs back to all net inputs.

The step is that of the streams, `forward.step_forward`, and so is its reverse, `backward`. A gradient by weights is the
sum over time and batch of sources times errors, or, in its forward forms, derivatives carried forward row by row.

Dimensions: T time, B batch, I inputs, M sources, U units, C cells, V output sources, K outputs, R recurrent sources.
"""

from typing import Any, NamedTuple

import numpy as np

from lstm_rl.compiled import compiled, kernel
from lstm_rl.kernels.backward import from_outputs, one_back, through_step, transpose
from lstm_rl.kernels.forward import any_nonzero, copy, step_forward
from lstm_rl.kernels.layout import Net, Numbers, Step, Weights
from lstm_rl.kernels.rtrl import (
    Sensitivities,
    add_sensitivities,
    advance_sensitivities,
    clear_sensitivities,
    make_sensitivities,
)
from lstm_rl.kernels.squashing import slope
from lstm_rl.kernels.truncated import Coefficients, add_partials, advance_partials, coefficients, make_coefficients
from lstm_rl.topology import Topology


class Record(NamedTuple):
    """What the network did, as far as gradients need it."""

    resets: Numbers  # (T, B) bool, before the step
    z: Numbers  # (T, B, M)
    y: Numbers  # (T, B, U)
    s_tm1: Numbers  # (T, B, C)
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
    """Scratch for one row's step back."""

    delta: Numbers  # (U,) errors of net inputs
    sources: Numbers  # (R,) errors of recurrent sources
    transposed: Numbers  # (U, R) weights from recurrent sources, a row per unit that they lead to


def make_scratch(topology: Topology, dtype: Any) -> Scratch:
    """Scratch of the right sizes."""
    u, r = topology.units, topology.rows["bias"].start - topology.rows["hidden"].start
    return Scratch(np.empty(u, dtype), np.empty(r, dtype), np.empty((u, r), dtype))


def make_record(topology: Topology, resets: Numbers, dtype: Any) -> Record:
    """Room for a batch of sequences."""
    t, (steps, batch) = topology, resets.shape
    sizes = (t.sources, t.units, t.cells, t.cells, t.output_sources, t.outputs)
    return Record(resets, *(np.empty((steps, batch, size), dtype) for size in sizes))


@compiled
def run(net: Net, weights: Weights, x: Any, state: State, record: Record) -> None:
    """Run sequences x (T, B, I) from ``state``, which moves; fill the record."""
    for t in range(x.shape[0]):
        for i in range(x.shape[1]):
            y, s, y_cells = state.y[i], state.s[i], state.y_cells[i]
            if record.resets[t, i]:
                y[:] = 0.0
                s[:] = 0.0
                y_cells[:] = 0.0
            z, s_tm1, h = record.z[t, i], record.s_tm1[t, i], record.h[t, i]
            u, outputs = record.u[t, i], record.outputs[t, i]
            step_forward(net, weights, x[t, i], Step(z, y, s_tm1, s, h, y_cells, u, outputs))
            copy(y, record.y[t, i])


@compiled
def errors_back(
    net: Net, w: Any, record: Record, q: Any, errors: Errors, truncated: bool, bptt_depth: int, deltas: Any, to: Scratch
) -> None:
    """Backpropagation through time: add to ``deltas`` (T, B, U) the errors of all net inputs.

    Args:
        net: The network.
        w: (M, U), the weights of `run`.
        record: From `run`.
        q: (T, B, V) derivative of the error by the sources of the outputs.
        errors: Of the state after the last step; becomes those of the state before the first one.
        truncated: Let errors go back in time through cell states only (1997).
        bptt_depth: Steps that each error is carried back at most, its own included; 0: no limit. With a depth,
            errors do not leave the sequence: those of the state before the first step come out as 0.
        deltas: (T, B, U) zeros, which this fills.
        to: Scratch.
    """
    transpose(net, w, to.transposed)
    last = q.shape[0] - 1
    ends = -1 if bptt_depth > 0 else last - 1  # one chain of steps back from each step, or one for all
    for newest in range(last, ends, -1):
        if newest < last and not any_nonzero(q[newest].reshape(-1)):
            continue
        oldest = max(0, newest - bptt_depth + 1) if bptt_depth > 0 else 0
        for t in range(newest, oldest - 1, -1):
            for i in range(q.shape[1]):
                if t == newest or bptt_depth == 0:
                    from_outputs(net, q[t, i], errors.d[i])
                _one_back(net, w, record, t, i, errors, truncated, deltas[t, i], to)
        if bptt_depth > 0:
            errors.d[:] = 0.0
            errors.states[:] = 0.0
    errors.g[:] = 0.0


@kernel
def _one_back(
    net: Net, w: Any, record: Record, t: int, i: int, errors: Errors, truncated: bool, deltas: Any, to: Scratch
) -> None:
    """Carry row ``i``'s errors from step ``t`` to the one before; add those of net inputs to ``deltas`` (U,)."""
    y, d, states, delta = record.y[t, i], errors.d[i], errors.states[i], to.delta
    through_step(net, w, y, record.s_tm1[t, i], record.h[t, i], d, states, delta, truncated)
    if t == record.y.shape[0] - 1:
        g_errors, g, delta_c = errors.g[i], y[net.cells :], delta[net.cells :]
        for v in range(g.shape[0]):
            delta_c[v] += g_errors[v] * slope(net.g, g[v])
    for j in range(delta.shape[0]):
        deltas[j] += delta[j]
    if record.resets[t, i]:
        d[:] = 0.0
        states[:] = 0.0
    else:
        one_back(net, w, to.transposed, y, delta, to.sources, d, states, truncated)


@compiled
def truncated_forward(net: Net, record: Record, q: Any, partials: Any, to: Coefficients, gradient: Any) -> None:
    """The truncated gradient of 1997 in its own form: partials (S, M, U) carried forward; add it to (M, U)."""
    for i in range(q.shape[1]):
        partials[:] = 0.0
        for t in range(q.shape[0]):
            if record.resets[t, i]:
                partials[:] = 0.0
            coefficients(net, record.y[t, i], record.s_tm1[t, i], record.h[t, i], q[t, i], to)
            advance_partials(record.z[t, i], partials, to, True)
            if any_nonzero(q[t, i]):
                add_partials(net, partials, to, gradient)


@compiled
def rtrl_forward(net: Net, w: Any, record: Record, q: Any, sensitivities: Sensitivities, gradient: Any) -> None:
    """Real-time recurrent learning: all derivatives carried forward; add the gradient to (M, U)."""
    for i in range(q.shape[1]):
        clear_sensitivities(sensitivities, 0)
        for t in range(q.shape[0]):
            if record.resets[t, i]:
                clear_sensitivities(sensitivities, 0)
            z, y, s_tm1, h = record.z[t, i], record.y[t, i], record.s_tm1[t, i], record.h[t, i]
            advance_sensitivities(net, w, z, y, s_tm1, h, sensitivities, 0)
            if any_nonzero(q[t, i]):
                add_sensitivities(net, sensitivities, 0, q[t, i], gradient)


def forward_gradient(topology: Topology, net: Net, w: Numbers, record: Record, q: Numbers, exact: bool) -> Numbers:
    """The gradient (M, U) by derivatives carried forward: `rtrl_forward` if ``exact``, else `truncated_forward`."""
    gradient = np.zeros_like(w)
    if exact:
        rtrl_forward(net, w, record, q, make_sensitivities(topology, 1, w.dtype), gradient)
    else:
        to = make_coefficients(topology, w.dtype)
        partials = np.zeros((len(to.a), *w.shape), w.dtype)
        truncated_forward(net, record, q, partials, to, gradient)
    return gradient
