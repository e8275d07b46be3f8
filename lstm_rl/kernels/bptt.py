"""A `Topology` as an approximator, its complete gradient: errors carried back through time anew at every step.

With q the derivative of the error by the sources of the outputs at t, and k = t, t-1, ..., down to the episode's start,
`lstm_rl.kernels.backward` gives the errors delta_j(k) of all net inputs, and

    d error / d w_mj = sum_k delta_j(k) z_m(k)

with the weights as they are now and the activations as they were. Carrying back stops after ``bptt_depth`` steps, or
earlier once no error is above the resolution of its number type relative to the first: the rest is rounding.

Dimensions: n streams, M sources, U units, C cells, V output sources, K outputs, T = bptt_depth, R recurrent sources.
"""

from typing import Any, NamedTuple

import numpy as np

from lstm_rl.checks import check_int
from lstm_rl.compiled import kernel
from lstm_rl.kernels.approximator import accumulate_gradient, add_gradient, forward, learning_arrays, reset
from lstm_rl.kernels.backward import from_outputs, one_back, output_gradient, output_gradients, through_step, transpose
from lstm_rl.kernels.forward import copy, step_forward
from lstm_rl.kernels.layout import Net, Numbers, Streams, Weights, clear, make_net, make_streams, step_of
from lstm_rl.kernels.updates import mask_row
from lstm_rl.topology import Topology

BLOCK = 4  # steps back whose gradients are added in one pass over the weights


class History(NamedTuple):
    """The last T steps of each stream, rings."""

    z: Numbers  # (n, T, M) sources
    y: Numbers  # (n, T, U) activations
    s_tm1: Numbers  # (n, T, C) cell states before the step
    h: Numbers  # (n, T, C) squashed cell states after it
    age: Numbers  # (n,) steps of this episode so far


class Errors(NamedTuple):
    """Scratch for what is carried back."""

    deltas: Numbers  # (5, U) at the steps k, k-1, ..., k-4
    q: Numbers  # (V,) of the sources of the outputs at t
    d: Numbers  # (U,) of what hidden units, gates and cells put out at k
    states: Numbers  # (C,) of cell states at k
    sources: Numbers  # (R,) scratch
    transposed: Numbers  # (U, R) weights from hidden units, gates and cells, a row per unit that they lead to
    gradient: Numbers  # (M, U)


class Bptt(NamedTuple):
    """n streams through one network."""

    net: Net
    weights: Weights
    streams: Streams
    outputs: Numbers  # (n, K), those of the streams
    history: History
    errors: Errors


def make_bptt(topology: Topology, weights: Weights, n: int, dtype: Any, bptt_depth: int) -> Bptt:
    """Make n streams at rest around weights that live elsewhere; errors go back ``bptt_depth`` steps at most.

    Raises:
        ValueError: ``bptt_depth`` is < 1.
    """
    streams = make_streams(topology, n, dtype)._replace(partials=np.zeros((n, 0, 0, 0), dtype))
    m, u, c, length = topology.sources, topology.units, topology.cells, check_int("bptt_depth", bptt_depth, 1)
    r = topology.rows["bias"].start - topology.rows["hidden"].start
    z, y, s_tm1, h = (np.zeros((n, length, size), dtype) for size in (m, u, c, c))
    shapes = ((BLOCK + 1, u), (topology.output_sources,), (u,), (c,), (r,), (u, r), (m, u))
    scratch = (np.zeros(shape, dtype) for shape in shapes)
    history = History(z, y, s_tm1, h, np.zeros(n, np.int64))
    return Bptt(make_net(topology, dtype), weights, streams, streams.outputs, history, Errors(*scratch))


@learning_arrays.register(Bptt)
def _learning_arrays(approximator: Bptt) -> dict[str, Numbers]:
    own = {f"own_{name}": values for name, values in approximator.history._asdict().items()}
    return approximator.streams._asdict() | own


@forward.register(Bptt)
def _forward(approximator: Bptt, i: int, x: Any) -> None:
    step, history = step_of(approximator.streams, i), approximator.history
    step_forward(approximator.net, approximator.weights, x, step)
    at = history.age[i] % history.z.shape[1]
    copy(step.z, history.z[i, at])
    copy(step.y, history.y[i, at])
    copy(step.s_tm1, history.s_tm1[i, at])
    copy(step.h, history.h[i, at])
    history.age[i] += 1


@reset.register(Bptt)
def _reset(approximator: Bptt, i: int) -> None:
    clear(approximator.streams, i)
    approximator.history.age[i] = 0


@add_gradient.register(Bptt)
def _add_gradient(approximator: Bptt, i: int, k: int) -> None:
    output_gradient(approximator.net, approximator.weights, approximator.streams, i, k, approximator.errors.q)
    _carry_back(approximator, i)


@accumulate_gradient.register(Bptt)
def _accumulate_gradient(approximator: Bptt, i: int, errors: Any) -> None:
    output_gradients(approximator.net, approximator.weights, approximator.streams, i, errors, approximator.errors.q)
    _carry_back(approximator, i)


@kernel
def _carry_back(approximator: Bptt, i: int) -> None:
    """Add the gradient that the error ``q`` gives to the traces of the hidden layer's weights."""
    net, weights, history, errors = approximator.net, approximator.weights, approximator.history, approximator.errors
    deltas, length = errors.deltas, history.z.shape[1]
    transpose(net, weights.hidden, errors.transposed)
    errors.gradient[:] = 0.0
    errors.states[:] = 0.0
    errors.d[:] = 0.0
    from_outputs(net, errors.q, errors.d)
    left, at = min(history.age[i], length), (history.age[i] - 1) % length
    _through(approximator, i, at, deltas[0])
    negligible = _largest(deltas[0], errors.states) * np.finfo(deltas.dtype).eps
    while left > 0 and _largest(deltas[0], errors.states) > negligible:
        newest, block = at, min(BLOCK, left)
        for b in range(block):
            y = history.y[i, at]
            transposed, sources, d, states = errors.transposed, errors.sources, errors.d, errors.states
            one_back(net, weights.hidden, transposed, y, deltas[b], sources, d, states, False)
            at = at - 1 if at > 0 else length - 1
            if b + 1 < left:
                _through(approximator, i, at, deltas[b + 1])
            else:
                deltas[b + 1] = 0.0
        if block == BLOCK:
            _add_block(errors, history.z[i], newest)
        else:
            for b in range(block):
                _add_outer(errors.gradient, history.z[i, (newest - b) % length], deltas[b])
        for j in range(deltas.shape[1]):
            deltas[0, j] = deltas[block, j]
        left -= block
    gradient, traces = errors.gradient, approximator.streams.traces[i]
    for m in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            traces[m, j] += gradient[m, j]
        mask_row(net, traces, m)


@kernel
def _through(approximator: Bptt, i: int, at: int, delta: Any) -> None:
    """`through_step` at a place of the history."""
    history, errors = approximator.history, approximator.errors
    y, s_tm1, h = history.y[i, at], history.s_tm1[i, at], history.h[i, at]
    through_step(approximator.net, approximator.weights.hidden, y, s_tm1, h, errors.d, errors.states, delta, False)


@kernel
def _add_outer(gradient: Any, z: Any, delta: Any) -> None:
    """gradient += z delta^T."""
    for m in range(gradient.shape[0]):
        z_m = z[m]
        for j in range(gradient.shape[1]):
            gradient[m, j] += z_m * delta[j]


@kernel
def _add_block(errors: Errors, z: Any, newest: int) -> None:
    """`_add_outer` of the four steps that end at ``newest``, in one pass; z (T, M)."""
    gradient, deltas, length = errors.gradient, errors.deltas, z.shape[0]
    a, b = z[newest], z[(newest - 1) % length]
    c, d = z[(newest - 2) % length], z[(newest - 3) % length]
    for m in range(gradient.shape[0]):
        a_m, b_m, c_m, d_m = a[m], b[m], c[m], d[m]
        for j in range(gradient.shape[1]):
            gradient[m, j] += (a_m * deltas[0, j] + b_m * deltas[1, j]) + (c_m * deltas[2, j] + d_m * deltas[3, j])


@kernel
def _largest(deltas: Any, states: Any) -> Any:
    """The largest absolute value."""
    largest = abs(deltas[0])
    for j in range(deltas.shape[0]):
        largest = max(largest, abs(deltas[j]))
    for v in range(states.shape[0]):
        largest = max(largest, abs(states[v]))
    return largest
