"""Ordinary hidden units that see each other's last outputs (Elman), errors carried back through time at every step.

    delta_j(t)   = q_j f'(y_j(t))                                    q: the executed output's weights
    delta_h(k-1) = f'(y_h(k-1)) sum_j w_hj delta_j(k)                k = t, t-1, ..., down to the episode's start
    d output / d w_mj = sum_k delta_j(k) z_m(k)

with the weights as they are now and the activations as they were. Carrying back stops after ``depth`` steps, or earlier
once no error is above the resolution of its number type relative to the first: what is left out then is rounding.

Dimensions: n streams, M sources, U = H hidden units, V output sources, K outputs, T depth.
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


class Bptt(NamedTuple):
    """n streams through one network."""

    net: Net
    weights: Weights
    streams: Streams
    outputs: Numbers  # (n, K), those of the streams
    history: Numbers  # (n, T, M) sources of the last T steps, a ring
    slopes: Numbers  # (n, T, H) f' of the hidden units among those sources
    age: Numbers  # (n,) steps of this episode so far
    gradient: Numbers  # (M, U) scratch
    deltas: Numbers  # (5, U) scratch: errors at k, k-1, ..., k-4
    transposed: Numbers  # (U, H) scratch: weights from hidden units, a row per unit that they lead to


def make_bptt(topology: Topology, weights: Weights, n: int, dtype: Any, depth: int) -> Bptt:
    """N streams at rest around weights that live elsewhere.

    Raises:
        ValueError: The network has memory blocks, or depth is < 1.
    """
    if topology.blocks:
        raise ValueError(f"topology must have hidden units only for BPTT, got blocks {topology.blocks}")
    streams = make_streams(topology, n, dtype)
    m, u = topology.sources, topology.units
    length = check_int("bptt_depth", depth, 1)
    shapes = (n, length, m), (n, length, u), (m, u), (BLOCK + 1, u), (u, u)
    history, slopes, *scratch = (np.zeros(shape, dtype) for shape in shapes)
    age = np.zeros(n, np.int64)
    return Bptt(make_net(topology, dtype), weights, streams, streams.outputs, history, slopes, age, *scratch)


@forward.register(Bptt)
def _forward(approximator: Bptt, i: int, x: Any) -> None:
    network.forward(approximator.net, approximator.weights, approximator.streams, i, x)
    net, z, history, slopes = (
        approximator.net,
        approximator.streams.z[i],
        approximator.history[i],
        approximator.slopes[i],
    )
    at = approximator.age[i] % history.shape[0]
    for m in range(z.shape[0]):
        history[at, m] = z[m]
    for h in range(net.row_hiddens):
        slopes[at, h] = slope(net.f, z[net.row_hidden + h])
    approximator.age[i] += 1


@reset.register(Bptt)
def _reset(approximator: Bptt, i: int) -> None:
    network.reset(approximator.streams, i)
    approximator.age[i] = 0


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
    gradient, traces = approximator.gradient, streams.traces[i]
    for m in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            traces[m, j] += gradient[m, j] * net.mask[m, j]


@kernel
def _carry_back(approximator: Bptt, i: int, k: int) -> None:
    """Leave the gradient of output ``k`` by the hidden units' weights in ``approximator.gradient``."""
    net, weights, y = approximator.net, approximator.weights, approximator.streams.y[i]
    transposed, history, deltas = approximator.transposed, approximator.history[i], approximator.deltas
    slopes, units, length = approximator.slopes[i], deltas.shape[1], history.shape[0]
    for j in range(units):
        deltas[0, j] = weights.output[net.out_inputs + j, k] * slope(net.f, y[j])
        for h in range(net.row_hiddens):
            transposed[j, h] = weights.hidden[net.row_hidden + h, j]
    approximator.gradient[:] = 0.0
    negligible = _largest(deltas[0]) * np.finfo(deltas.dtype).eps
    left = min(approximator.age[i], length) if net.row_hiddens > 0 else 1
    at = (approximator.age[i] - 1) % length
    while left > 0 and _largest(deltas[0]) > negligible:
        newest, block = at, min(BLOCK, left)
        for b in range(block):
            for h in range(units):
                deltas[b + 1, h] = 0.0
            add_rows(transposed, deltas[b], 0, net.row_hiddens, deltas[b + 1])
            for h in range(units):
                deltas[b + 1, h] *= slopes[at, h]
            at = at - 1 if at > 0 else length - 1
        if block == BLOCK:
            _add_block(approximator, i, newest)
        else:
            for b in range(block):
                _add_outer(approximator.gradient, history[(newest - b) % length], deltas[b])
        for j in range(units):
            deltas[0, j] = deltas[block, j]
        left -= block


@kernel
def _add_outer(gradient: Any, z: Any, delta: Any) -> None:
    """Gradient += z delta^T."""
    for m in range(gradient.shape[0]):
        z_m = z[m]
        for j in range(gradient.shape[1]):
            gradient[m, j] += z_m * delta[j]


@kernel
def _add_block(approximator: Bptt, i: int, newest: int) -> None:
    """`_add_outer` of the four steps that end at ``newest``, in one pass."""
    gradient, history, deltas = approximator.gradient, approximator.history[i], approximator.deltas
    length = history.shape[0]
    a, b = history[newest], history[(newest - 1) % length]
    c, d = history[(newest - 2) % length], history[(newest - 3) % length]
    for m in range(gradient.shape[0]):
        a_m, b_m, c_m, d_m = a[m], b[m], c[m], d[m]
        for j in range(gradient.shape[1]):
            gradient[m, j] += (a_m * deltas[0, j] + b_m * deltas[1, j]) + (c_m * deltas[2, j] + d_m * deltas[3, j])


@kernel
def _largest(values: Any) -> Any:
    """The largest absolute value."""
    largest = values[0] * 0
    for j in range(values.shape[0]):
        largest = max(largest, abs(values[j]))
    return largest
