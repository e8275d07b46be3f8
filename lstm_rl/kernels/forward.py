"""One time step of a `Topology`, for streams and for batches alike.

Dimensions: I inputs, M sources, U units, C cells, V output sources, K outputs.
"""

from typing import Any

from lstm_rl.compiled import by_class, kernel
from lstm_rl.kernels.layout import Net, Step, Weights
from lstm_rl.kernels.squashing import logistic, squash

BLOCK = 32  # sources that are left out together where all of them are 0, a multiple of 4


@kernel
def any_nonzero(z: Any) -> bool:
    """Whether some element of z (M,) is not 0."""
    found = False
    for m in range(z.shape[0]):  # always to the end, so that it vectorises
        found |= z[m] != 0.0
    return found


@kernel
def copy(what: Any, to: Any) -> None:
    """As much of ``what`` as there is room for."""
    for m in range(to.shape[0]):
        to[m] = what[m]


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
    """net += z[start:stop] w[start:stop, :]. Of many symbols most are 0, which costs next to nothing."""
    if stop - start <= BLOCK:
        _add_rows(w, z, start, stop, net)
        return
    for block in range(start, stop, BLOCK):
        end = min(block + BLOCK, stop)
        if any_nonzero(z[block:end]):
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


@by_class
def step_forward(net: Any, weights: Weights, x: Any, step: Step) -> None:
    """Move a network by one step: input x (I,) to ``step.outputs`` (K,); its state moves in place."""
    raise TypeError(f"{type(net).__name__} has no kernel for this")


@step_forward.register(Net)
def _step_forward(net: Net, weights: Weights, x: Any, step: Step) -> None:
    """The three phases of 1997: inputs at t; hidden layer, whose recurrent sources are those of t-1; outputs at t."""
    z, y, s_tm1, s, h, y_cells, u, outputs = step
    w = weights.hidden
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
    add_rows(w, z, 0, net.row_state_tm1, y)
    cells = s.shape[0]
    if net.row_states_tm1 > 0:  # peepholes of input and forget gates
        for v in range(cells):
            if net.has_input_gate:
                gate = net.input_gate + net.block_of_cell[v]
                y[gate] += s[v] * w[net.row_state_tm1 + v, gate]
            if net.has_forget_gate:
                gate = net.forget_gate + net.block_of_cell[v]
                y[gate] += s[v] * w[net.row_state_tm1 + v, gate]
    _squash_units(net, y, 0, y.shape[0] if net.row_states_t == 0 else net.output_gate)
    if net.row_states_t > 0:  # their output gates wait for s(t)
        _squash_units(net, y, net.cells, y.shape[0])
    for v in range(cells):
        block = net.block_of_cell[v]
        y_in = y[net.input_gate + block] if net.has_input_gate else 1.0
        y_f = y[net.forget_gate + block] if net.has_forget_gate else net.state_decay
        s_tm1[v] = s[v]
        s[v] = y_f * s[v] + y_in * y[net.cells + v]
    for v in range(cells):  # a loop of its own vectorises
        h[v] = squash(net.h, s[v])
    if net.row_states_t > 0:
        for v in range(cells):
            gate = net.output_gate + net.block_of_cell[v]
            z[net.row_state_t + v] = s[v]
            y[gate] += s[v] * w[net.row_state_t + v, gate]
        _squash_units(net, y, net.output_gate, net.cells)
    for v in range(cells):
        y_out = y[net.output_gate + net.block_of_cell[v]] if net.has_output_gate else 1.0
        y_cells[v] = y_out * h[v]

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
    add_rows(weights.output, u, 0, u.shape[0], outputs)
    if net.f_k.gain != 0.0:
        for k in range(outputs.shape[0]):
            outputs[k] = squash(net.f_k, outputs[k])
