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
from lstm_rl.streaming.network import Net, Numbers, Streams, Weights, make_net, make_streams
from lstm_rl.streaming.squashing import slope
from lstm_rl.streaming.traces import add_column, step_weights
from lstm_rl.topology import Topology


class Bptt(NamedTuple):
    """n streams through one network."""

    net: Net
    weights: Weights
    streams: Streams
    outputs: Numbers  # (n, K), those of the streams
    history: Numbers  # (n, T, M) sources of the last T steps, a ring
    age: Numbers  # (n,) steps of this episode so far
    gradient: Numbers  # (M, U) scratch
    deltas: Numbers  # (2, U) scratch: errors at k and at k-1
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
    shapes = (n, check_int("bptt_depth", depth, 1), m), (m, u), (2, u), (u, u)
    history, *scratch = (np.zeros(shape, dtype) for shape in shapes)
    age = np.zeros(n, np.int64)
    return Bptt(make_net(topology, dtype), weights, streams, streams.outputs, history, age, *scratch)


@forward.register(Bptt)
def _forward(approximator: Bptt, i: int, x: Any) -> None:
    network.forward(approximator.net, approximator.weights, approximator.streams, i, x)
    z, history = approximator.streams.z[i], approximator.history[i]
    at = approximator.age[i] % history.shape[0]
    for m in range(z.shape[0]):
        history[at, m] = z[m]
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
    weights, streams = approximator.weights, approximator.streams
    step_weights(weights.output, weights.output_square, streams.output_traces[i], by, 0.0)
    step_weights(weights.hidden, weights.hidden_square, streams.traces[i], by, 0.0)


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
    gradient, transposed, history = approximator.gradient, approximator.transposed, approximator.history[i]
    delta, delta_tm1 = approximator.deltas[0], approximator.deltas[1]
    units, first = delta.shape[0], net.row_hidden
    for j in range(units):
        delta[j] = weights.output[net.out_inputs + j, k] * slope(net.f, y[j])
        for h in range(net.row_hiddens):
            transposed[j, h] = weights.hidden[first + h, j]
    gradient[:] = 0.0
    negligible = _largest(delta) * np.finfo(delta.dtype).eps
    for back in range(min(approximator.age[i], history.shape[0])):
        z = history[(approximator.age[i] - 1 - back) % history.shape[0]]
        for m in range(z.shape[0]):
            z_m = z[m]
            for j in range(units):
                gradient[m, j] += z_m * delta[j]
        if net.row_hiddens == 0:
            break
        delta_tm1[:] = 0.0
        for j in range(units):
            delta_j = delta[j]
            for h in range(units):
                delta_tm1[h] += transposed[j, h] * delta_j
        for h in range(units):
            delta[h] = delta_tm1[h] * slope(net.f, z[first + h])
        if _largest(delta) <= negligible:
            break


@kernel
def _largest(values: Any) -> Any:
    """The largest absolute value."""
    largest = values[0] * 0
    for j in range(values.shape[0]):
        largest = max(largest, abs(values[j]))
    return largest
