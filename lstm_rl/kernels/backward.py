"""Errors carried back through one time step of a `Topology`.

With d the errors of what units put out, and ds those of cell states, at step t

    delta_out = sum_v d_v h(s_v) y_out (1 - y_out)             ds_v += d_v y_out h'(s_v) + p_out,v delta_out
    delta_c   = ds_v y_in g'
    delta_in  = sum_v ds_v g_v y_in (1 - y_in)                 delta_h = d_h f'
    delta_f   = sum_v ds_v s_v(t-1) y_f (1 - y_f)              gates that are sources: their own d besides

and one step further back, to t-1,

    d_r(t-1) = sum_j w_rj delta_j                              ds_v(t-1) = ds_v y_f + p_in,v delta_in + p_f,v delta_f

Whoever adds up delta_j(t) z_m(t) over t has the gradient by w_mj. The truncated gradient of 1997 leaves out d_r(t-1)
and everything that enters a state through a peephole; `sequence` carries back both, here nothing is left out.

Dimensions: M sources, U units, C cells, R recurrent sources (hidden units, gates, cell outputs, as far as seen).
Errors d (U,) stand in the columns of `Topology`; those of cells mean cell outputs there.
"""

from typing import Any

from lstm_rl.compiled import kernel
from lstm_rl.kernels.network import Net, add_rows
from lstm_rl.kernels.squashing import slope


@kernel
def transpose(net: Net, w: Any, to: Any) -> None:
    """Lay the weights from recurrent sources out as (U, R): a row per unit that they lead to."""
    for j in range(to.shape[0]):
        for r in range(to.shape[1]):
            to[j, r] = w[net.row_hidden + r, j]


@kernel
def through_step(net: Net, w: Any, y: Any, s_tm1: Any, h: Any, d: Any, states: Any, delta: Any) -> None:
    """From errors of outputs d (U,) and of states (C,), which this completes, to errors of net inputs, delta (U,)."""
    for j in range(net.input_gate):
        delta[j] = d[j] * slope(net.f, y[j])
    for j in range(net.input_gate, net.cells):
        delta[j] = d[j]
    for v in range(h.shape[0]):
        block = net.block_of_cell[v]
        d_v = d[net.cells + v]
        if net.has_output_gate:
            states[v] += d_v * y[net.output_gate + block] * slope(net.h, h[v])
            delta[net.output_gate + block] += d_v * h[v]
        else:
            states[v] += d_v * slope(net.h, h[v])
    if net.has_output_gate:
        for j in range(net.output_gate, net.cells):
            delta[j] *= y[j] * (1.0 - y[j])
    for v in range(h.shape[0]):
        block = net.block_of_cell[v]
        if net.row_states_t > 0:
            states[v] += w[net.row_state_t + v, net.output_gate + block] * delta[net.output_gate + block]
        g_v, state = y[net.cells + v], states[v]
        delta[net.cells + v] = state * slope(net.g, g_v)
        if net.has_input_gate:
            delta[net.cells + v] *= y[net.input_gate + block]
            delta[net.input_gate + block] += state * g_v
        if net.has_forget_gate:
            delta[net.forget_gate + block] += state * s_tm1[v]
    for j in range(net.input_gate, net.output_gate):
        delta[j] *= y[j] * (1.0 - y[j])


@kernel
def one_back(net: Net, w: Any, transposed: Any, y: Any, delta: Any, sources: Any, d: Any, states: Any) -> None:
    """From delta (U,) at t to the errors at t-1: d (U,), and states (C,) in place; ``sources`` (R,) is scratch."""
    for v in range(states.shape[0]):
        block = net.block_of_cell[v]
        if net.has_forget_gate:
            states[v] *= y[net.forget_gate + block]
        if net.row_states_tm1 > 0:
            if net.has_input_gate:
                gate = net.input_gate + block
                states[v] += w[net.row_state_tm1 + v, gate] * delta[gate]
            if net.has_forget_gate:
                gate = net.forget_gate + block
                states[v] += w[net.row_state_tm1 + v, gate] * delta[gate]
    d[:] = 0.0
    sources[:] = 0.0
    add_rows(transposed, delta, 0, delta.shape[0], sources)
    for m in range(net.row_hiddens):
        d[m] = sources[m]
    for m in range(net.row_gates):
        d[net.input_gate + m] = sources[net.row_gate - net.row_hidden + m]
    for m in range(net.row_cells):
        d[net.cells + m] = sources[net.row_cell - net.row_hidden + m]


@kernel
def from_outputs(net: Net, q: Any, d: Any) -> None:
    """Add to d (U,) what the sources of the outputs get: q (V,), derivative of the error by u."""
    for j in range(net.out_hiddens):
        d[j] += q[net.out_inputs + j]
    for v in range(net.out_cells):
        d[net.cells + v] += q[net.out_inputs + net.out_hiddens + v]
