"""Errors carried back through one time step of a `Topology`, for streams and for batches alike.

With d the errors of what units put out, and ds those of cell states, at step t

    delta_out = sum_v d_v h(s_v) y_out (1 - y_out)             ds_v += d_v y_out h'(s_v) + p_out,v delta_out
    delta_c   = ds_v y_in g'
    delta_in  = sum_v ds_v g_v y_in (1 - y_in)                 delta_h = d_h f'
    delta_f   = sum_v ds_v s_v(t-1) y_f (1 - y_f)              gates that are sources: their own d besides

and one step further back, to t-1,

    d_r(t-1) = sum_j w_rj delta_j                              ds_v(t-1) = ds_v y_f + p_in,v delta_in + p_f,v delta_f

The sum of delta_j(t) z_m(t) over t is the gradient by w_mj. The truncated gradient of 1997 leaves out d_r(t-1) and
everything that enters a state through a peephole p.

Dimensions: M sources, U units, C cells, V output sources, K outputs, R recurrent sources (hidden units, gates, cell
outputs, as far as seen). Errors d (U,) stand in the columns of `Topology`; those of cells mean cell outputs there.
"""

from typing import Any

from lstm_rl.compiled import kernel
from lstm_rl.kernels.forward import add_rows
from lstm_rl.kernels.layout import Net, Streams, Weights
from lstm_rl.kernels.squashing import slope


@kernel
def output_gradient(net: Net, w: Weights, streams: Streams, i: int, k: int, q: Any) -> None:
    """Add output ``k``'s gradient by its own weights to the traces; leave that by its sources in q (V,)."""
    u, traces = streams.u[i], streams.output_traces[i]
    rate = w.output.dtype.type(slope(net.f_k, streams.outputs[i, k]))
    for m in range(u.shape[0]):
        traces[m, k] += rate * u[m]
        q[m] = rate * w.output[m, k]
    mask_output(net, traces)


@kernel
def output_gradients(net: Net, w: Weights, streams: Streams, i: int, errors: Any, q: Any) -> None:
    """The same for sum_k errors[k] outputs[k]; ``errors`` (K,) are left as those of the outputs' net inputs."""
    source_errors(net, w, streams, i, errors, q)
    u, traces = streams.u[i], streams.output_traces[i]
    for m in range(u.shape[0]):
        if u[m] != 0.0:  # most inputs of a symbol are 0
            for k in range(errors.shape[0]):
                traces[m, k] += errors[k] * u[m]
    mask_output(net, traces)


@kernel
def mask_output(net: Net, e: Any) -> None:
    """Clear the traces (V, K) of weights into outputs that do not exist: so they never move."""
    if net.output_masked:
        for m in range(e.shape[0]):
            for k in range(e.shape[1]):
                e[m, k] *= net.output_mask[m, k]


@kernel
def source_errors(net: Net, w: Weights, streams: Streams, i: int, errors: Any, q: Any) -> None:
    """Make errors (K,) of outputs those of their net inputs; leave those of the outputs' sources in q (V,)."""
    for k in range(errors.shape[0]):
        errors[k] *= slope(net.slope_k, streams.outputs[i, k])
    seen, weights = q[net.out_inputs :], w.output[net.out_inputs :]  # errors are not carried on to inputs
    for m in range(seen.shape[0]):
        seen[m] = 0.0
    for k in range(errors.shape[0]):  # outside, so that no sum waits for itself
        for m in range(seen.shape[0]):
            seen[m] += errors[k] * weights[m, k]


@kernel
def from_outputs(net: Net, q: Any, d: Any) -> None:
    """Add to d (U,) the errors of the outputs' sources: q (V,), derivative of the error by u."""
    for j in range(net.out_hiddens):
        d[j] += q[net.out_inputs + j]
    for v in range(net.out_cells):
        d[net.cells + v] += q[net.out_inputs + net.out_hiddens + v]


@kernel
def _times_slopes(net: Net, y: Any, delta: Any, start: int, stop: int) -> None:
    """Multiply errors by the slopes of their units' squashing functions; of slices, as in `forward._squash_units`."""
    y, delta = y[start:stop], delta[start:stop]
    gain, scale, offset, rate = (
        net.gain[start:stop],
        net.scale[start:stop],
        net.offset[start:stop],
        net.rate[start:stop],
    )
    for j in range(delta.shape[0]):
        p = y[j] - offset[j]
        rise = rate[j] * p * (scale[j] - p)
        delta[j] *= 1.0 if gain[j] == 0.0 else rise


@kernel
def through_step(
    net: Net, w: Any, y: Any, s_tm1: Any, h: Any, d: Any, states: Any, delta: Any, truncated: bool
) -> None:
    """From errors of outputs d (U,) and of states (C,), which this completes, to errors of net inputs, delta (U,)."""
    cells = h.shape[0]
    for j in range(delta.shape[0]):
        delta[j] = d[j]
    for v in range(cells):
        gate, d_v = net.output_gate + net.block_of_cell[v], d[net.cells + v]
        if net.has_output_gate:
            states[v] += d_v * y[gate] * slope(net.h, h[v])
            delta[gate] += d_v * h[v]
        else:
            states[v] += d_v * slope(net.h, h[v])
    if net.row_states_t > 0:  # output gates that see the states come first
        _times_slopes(net, y, delta, net.output_gate, net.cells)
        if not truncated:
            for v in range(cells):
                gate = net.output_gate + net.block_of_cell[v]
                states[v] += w[net.row_state_t + v, gate] * delta[gate]
    for v in range(cells):
        block = net.block_of_cell[v]
        delta[net.cells + v] = states[v]
        if net.has_input_gate:
            delta[net.input_gate + block] += states[v] * y[net.cells + v]
        if net.has_forget_gate:
            delta[net.forget_gate + block] += states[v] * s_tm1[v]
    _times_slopes(net, y, delta, 0, delta.shape[0] if net.row_states_t == 0 else net.output_gate)
    if net.row_states_t > 0:
        _times_slopes(net, y, delta, net.cells, delta.shape[0])
    if net.has_input_gate:
        for v in range(cells):
            delta[net.cells + v] *= y[net.input_gate + net.block_of_cell[v]]


@kernel
def transpose(net: Net, w: Any, to: Any) -> None:
    """Lay the weights from recurrent sources out as (U, R): a row per unit that they lead to."""
    for j in range(to.shape[0]):
        for r in range(to.shape[1]):
            to[j, r] = w[net.row_hidden + r, j]


@kernel
def one_back(
    net: Net, w: Any, transposed: Any, y: Any, delta: Any, sources: Any, d: Any, states: Any, truncated: bool
) -> None:
    """From delta (U,) at t to the errors at t-1: d (U,), and states (C,) in place; ``sources`` (R,) is scratch."""
    if net.has_forget_gate:
        for v in range(states.shape[0]):
            states[v] *= y[net.forget_gate + net.block_of_cell[v]]
    elif net.state_decay != 1.0:
        for v in range(states.shape[0]):
            states[v] *= net.state_decay
    d[:] = 0.0
    if truncated:
        return
    if net.row_states_tm1 > 0:
        for v in range(states.shape[0]):
            if net.has_input_gate:
                gate = net.input_gate + net.block_of_cell[v]
                states[v] += w[net.row_state_tm1 + v, gate] * delta[gate]
            if net.has_forget_gate:
                gate = net.forget_gate + net.block_of_cell[v]
                states[v] += w[net.row_state_tm1 + v, gate] * delta[gate]
    sources[:] = 0.0
    add_rows(transposed, delta, 0, delta.shape[0], sources)
    for m in range(net.row_hiddens):
        d[m] = sources[m]
    for m in range(net.row_gates):
        d[net.input_gate + m] = sources[net.row_gate - net.row_hidden + m]
    d_cells, from_cells = d[net.cells :], sources[net.row_cell - net.row_hidden :]
    for m in range(net.row_cells):
        d_cells[m] = from_cells[m]
