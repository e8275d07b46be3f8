"""A `Topology` as an approximator, its complete gradient: all derivatives by all weights carried forward.

Real-time recurrent learning (Robinson & Fallside 1987; Williams & Zipser 1989), exact for any topology. With P_i the
derivatives (M, U) of what unit i puts out, and Q_v those of the cell state s_v, by all weights of the hidden layer,

    N_i = sum_r w_ri P_r(t-1) + z(t) in column i                      derivatives of the net input; peepholes: + p Q
    P_h = f' N_h,    P_in = y_in (1 - y_in) N_in,    P_f and P_out alike
    Q_v <- y_f Q_v + s_v(t-1) P_f + g_v P_in + y_in g' N_c
    P_c = h(s_v) P_out + y_out h' Q_v

The costs are those of Williams and Zipser: U R products with arrays of M U numbers, that is O(n^4) operations per step
and O(n^3) memory for n units. For small networks, and as the yardstick of the truncated gradient, which drops P_r(t-1).

Dimensions: n streams, M sources, U units, C cells, V output sources, K outputs, R recurrent sources.
"""

from typing import Any, NamedTuple

import numpy as np

from lstm_rl.compiled import kernel
from lstm_rl.kernels.approximator import (
    Update,
    accumulate_gradient,
    add_gradient,
    advance,
    forward,
    learning_arrays,
    reset,
    update_and_trace,
    update_weights,
)
from lstm_rl.kernels.backward import output_gradient, output_gradients
from lstm_rl.kernels.forward import step_forward
from lstm_rl.kernels.layout import Net, Numbers, Streams, Weights, clear, make_net, make_streams, step_of
from lstm_rl.kernels.squashing import slope
from lstm_rl.kernels.updates import mask_row
from lstm_rl.topology import Topology


class Sensitivities(NamedTuple):
    """Derivatives by all weights of the hidden layer."""

    units: Numbers  # (n, U, M, U) of what units put out, in the columns of `Topology`; those of cells: cell outputs
    states: Numbers  # (n, C, M, U) of cell states
    nets: Numbers  # (U, M, U) scratch: of net inputs


class Rtrl(NamedTuple):
    """n streams through one network."""

    net: Net
    weights: Weights
    streams: Streams
    outputs: Numbers  # (n, K), those of the streams
    sensitivities: Sensitivities
    q: Numbers  # (V,) scratch: derivative of the error by the sources of the outputs


def make_sensitivities(topology: Topology, n: int, dtype: Any) -> Sensitivities:
    """Make those of n streams at rest."""
    m, u, c = topology.sources, topology.units, topology.cells
    return Sensitivities(*(np.zeros(shape, dtype) for shape in ((n, u, m, u), (n, c, m, u), (u, m, u))))


def make_rtrl(topology: Topology, weights: Weights, n: int, dtype: Any) -> Rtrl:
    """Make n streams at rest around weights that live elsewhere."""
    streams = make_streams(topology, n, dtype)._replace(partials=np.zeros((n, 0, 0, 0), dtype))
    q = np.zeros(topology.output_sources, dtype)
    sensitivities = make_sensitivities(topology, n, dtype)
    return Rtrl(make_net(topology, dtype), weights, streams, streams.outputs, sensitivities, q)


@learning_arrays.register(Rtrl)
def _learning_arrays(approximator: Rtrl) -> dict[str, Numbers]:
    own = {f"own_{name}": values for name, values in approximator.sensitivities._asdict().items()}
    return approximator.streams._asdict() | own


@forward.register(Rtrl)
def _forward(approximator: Rtrl, i: int, x: Any) -> None:
    step_forward(approximator.net, approximator.weights, x, step_of(approximator.streams, i))


@reset.register(Rtrl)
def _reset(approximator: Rtrl, i: int) -> None:
    clear(approximator.streams, i)
    clear_sensitivities(approximator.sensitivities, i)


@add_gradient.register(Rtrl)
def _add_gradient(approximator: Rtrl, i: int, k: int) -> None:
    advance(approximator, i)
    add_output(approximator, i, k)


@update_and_trace.register(Rtrl)
def _update_and_trace(approximator: Rtrl, i: int, k: int, update: Update, decay: float) -> None:
    advance(approximator, i)  # by the weights that made the step
    update_weights(approximator, i, update, decay)
    add_output(approximator, i, k)


@kernel
def add_output(approximator: Rtrl, i: int, k: int) -> None:
    """`add_gradient` after sensitivities have been moved."""
    net, weights, streams = approximator.net, approximator.weights, approximator.streams
    output_gradient(net, weights, streams, i, k, approximator.q)
    add_sensitivities(net, approximator.sensitivities, i, approximator.q, streams.traces[i])


@accumulate_gradient.register(Rtrl)
def _accumulate_gradient(approximator: Rtrl, i: int, errors: Any) -> None:
    net, weights, streams = approximator.net, approximator.weights, approximator.streams
    advance(approximator, i)
    output_gradients(net, weights, streams, i, errors, approximator.q)
    add_sensitivities(net, approximator.sensitivities, i, approximator.q, streams.traces[i])


@advance.register(Rtrl)
def _advance(approximator: Rtrl, i: int) -> None:
    w, streams = approximator.weights.hidden, approximator.streams
    z, y, s_tm1, h = streams.z[i], streams.y[i], streams.s_tm1[i], streams.h[i]
    advance_sensitivities(approximator.net, w, z, y, s_tm1, h, approximator.sensitivities, i)


@kernel
def clear_sensitivities(sensitivities: Sensitivities, i: int) -> None:
    """Forget the past of stream ``i``."""
    sensitivities.units[i] = 0.0
    sensitivities.states[i] = 0.0


@kernel
def _add(to: Any, factor: Any, what: Any) -> None:
    """to += factor x what, both (M, U)."""
    for m in range(to.shape[0]):
        for j in range(to.shape[1]):
            to[m, j] += factor * what[m, j]


@kernel
def _scale(to: Any, factor: Any) -> None:
    """to *= factor."""
    for m in range(to.shape[0]):
        for j in range(to.shape[1]):
            to[m, j] *= factor


@kernel
def _set(to: Any, factor: Any, what: Any) -> None:
    """to = factor x what."""
    for m in range(to.shape[0]):
        for j in range(to.shape[1]):
            to[m, j] = factor * what[m, j]


@kernel
def advance_sensitivities(net: Net, w: Any, z: Any, y: Any, s_tm1: Any, h: Any, to: Sensitivities, i: int) -> None:
    """Move stream ``i``'s sensitivities over a step, by the weights w (M, U) that made it."""
    units, states, nets = to.units[i], to.states[i], to.nets
    for j in range(nets.shape[0]):
        nets[j] = 0.0
        for m in range(net.row_hiddens):
            _add(nets[j], w[net.row_hidden + m, j], units[m])
        for m in range(net.row_gates):
            _add(nets[j], w[net.row_gate + m, j], units[net.input_gate + m])
        for m in range(net.row_cells):
            _add(nets[j], w[net.row_cell + m, j], units[net.cells + m])
        for m in range(z.shape[0]):
            nets[j, m, j] += z[m]
    if net.row_states_tm1 > 0:
        for v in range(h.shape[0]):
            if net.has_input_gate:
                gate = net.input_gate + net.block_of_cell[v]
                _add(nets[gate], w[net.row_state_tm1 + v, gate], states[v])
            if net.has_forget_gate:
                gate = net.forget_gate + net.block_of_cell[v]
                _add(nets[gate], w[net.row_state_tm1 + v, gate], states[v])
    for j in range(net.input_gate):
        _set(units[j], slope(net.f, y[j]), nets[j])
    for j in range(net.input_gate, net.output_gate):
        _set(units[j], y[j] * (1.0 - y[j]), nets[j])
    for v in range(h.shape[0]):
        block, g_v = net.block_of_cell[v], y[net.cells + v]
        through_g = slope(net.g, g_v)
        if net.has_forget_gate:
            gate = net.forget_gate + block
            _scale(states[v], y[gate])
            _add(states[v], s_tm1[v], units[gate])
        elif net.state_decay != 1.0:
            _scale(states[v], net.state_decay)
        if net.has_input_gate:
            gate = net.input_gate + block
            through_g *= y[gate]
            _add(states[v], g_v, units[gate])
        _add(states[v], through_g, nets[net.cells + v])
    if net.row_states_t > 0:
        for v in range(h.shape[0]):
            gate = net.output_gate + net.block_of_cell[v]
            _add(nets[gate], w[net.row_state_t + v, gate], states[v])
    if net.has_output_gate:
        for j in range(net.output_gate, net.cells):
            _set(units[j], y[j] * (1.0 - y[j]), nets[j])
    for v in range(h.shape[0]):
        gate = net.output_gate + net.block_of_cell[v]
        y_out = y[gate] if net.has_output_gate else 1.0
        _set(units[net.cells + v], y_out * slope(net.h, h[v]), states[v])
        if net.has_output_gate:
            _add(units[net.cells + v], h[v], units[gate])


@kernel
def add_sensitivities(net: Net, sensitivities: Sensitivities, i: int, q: Any, traces: Any) -> None:
    """e <- e + derivative of the error by all weights, where q (V,) is that by the sources of the outputs."""
    for j in range(net.out_hiddens):
        _add(traces, q[net.out_inputs + j], sensitivities.units[i, j])
    for v in range(net.out_cells):
        _add(traces, q[net.out_inputs + net.out_hiddens + v], sensitivities.units[i, net.cells + v])
    for m in range(traces.shape[0]):
        mask_row(net, traces, m)
