"""Layers of cells side by side under a readout with hidden units; the gradient of all weights is exact.

    u = [outputs of the cells, x, 1],    t = tanh(W_h u),    outputs = W_o [t, u]

x is an observation and, where ``Cells.actions`` says so, the action of the step before: 1 at its number, else 0.
Cells are those of `cell`; nothing recurs between them, so no derivative reaches from one unit into another, and errors
need not be carried back in time. Shortcuts from u to the outputs keep what is linear easy to learn.

Dimensions: n streams, I inputs of which the last A are actions, H hidden units of the readout, V sources u, K outputs,
P weights below the outputs: those of each layer, then W_h (V, H).
"""

from typing import Any, NamedTuple

import numpy as np

from lstm_rl.compiled import by_class, kernel
from lstm_rl.kernels.approximator import (
    accumulate_gradient,
    add_gradient,
    forward,
    learning_arrays,
    reset,
    state_arrays,
    to_env_action,
)
from lstm_rl.kernels.cell import Memory, cell_gradient, cell_step
from lstm_rl.kernels.forward import add_rows, copy
from lstm_rl.kernels.layout import Numbers, Weights
from lstm_rl.kernels.squashing import logistic


class Layer(NamedTuple):
    """A layer of cells and those after it: a chain, since compiled code needs to know the class of each."""

    kind: Any
    memory: Memory
    rest: Any  # Layer or `End`


class End(NamedTuple):
    """No more layers."""


class ExactStreams(NamedTuple):
    """What n streams carry besides their cells."""

    x: Numbers  # (n, I) input at t; once an action is chosen, its last A are those of t + 1
    u: Numbers  # (n, V)
    hidden: Numbers  # (n, H) t
    outputs: Numbers  # (n, K)
    traces: Numbers  # (n, P)
    output_traces: Numbers  # (n, H + V, K)


class Exact(NamedTuple):
    """n streams through one network; ``weights.hidden`` is (P,), ``weights.output`` (H + V, K)."""

    weights: Weights
    streams: ExactStreams
    layers: Any  # Layer or `End`
    readout: int  # where W_h begins among the P weights
    actions: int  # A
    outputs: Numbers  # (n, K), those of the streams
    q: Numbers  # (V,) scratch: derivative of the error by u
    delta: Numbers  # (H,) scratch: by the net inputs of hidden units


def make_exact(cells: Any, weights: Weights, n: int, dtype: Any) -> Exact:
    """Make n streams at rest around weights that live elsewhere; ``cells`` is a `lstm_rl.kernels.cells.Cells`."""

    def zeros(*shape: int) -> Any:
        return np.zeros((n, *shape), dtype)

    chain: Any = End()
    for kind, sizes in reversed(cells.kinds):
        memory = Memory(zeros(sizes.state), zeros(sizes.scratch), zeros(*sizes.partials))
        chain = Layer(kind, memory, chain)
    v, h, k = cells.sources, cells.hidden, cells.outputs
    streams = ExactStreams(zeros(cells.inputs), zeros(v), zeros(h), zeros(k), zeros(cells.weights), zeros(h + v, k))
    scratch = np.zeros(v, dtype), np.zeros(h, dtype)
    return Exact(weights, streams, chain, cells.weights - v * h, cells.actions, streams.outputs, *scratch)


# --- the chain of layers ---------------------------------------------------------------------------------------------


@by_class
def _step_layers(layer: Any, weights: Any, x: Any, i: int, u: Any) -> None:
    raise TypeError


@_step_layers.register(End)
def _no_step(layer: End, weights: Any, x: Any, i: int, u: Any) -> None:
    """Done."""


@_step_layers.register(Layer)
def _step_layer(layer: Layer, weights: Any, x: Any, i: int, u: Any) -> None:
    memory = layer.memory
    cell_step(layer.kind, weights, x, memory.state[i], memory.scratch[i], memory.partials[i], u)
    _step_layers(layer.rest, weights, x, i, u)


@by_class
def _layers_gradient(layer: Any, weights: Any, x: Any, i: int, q: Any, traces: Any) -> None:
    raise TypeError


@_layers_gradient.register(End)
def _no_gradient(layer: End, weights: Any, x: Any, i: int, q: Any, traces: Any) -> None:
    """Done."""


@_layers_gradient.register(Layer)
def _layer_gradient(layer: Layer, weights: Any, x: Any, i: int, q: Any, traces: Any) -> None:
    memory = layer.memory
    cell_gradient(layer.kind, weights, x, memory.state[i], memory.scratch[i], memory.partials[i], q, traces)
    _layers_gradient(layer.rest, weights, x, i, q, traces)


@by_class
def _reset_layers(layer: Any, i: int) -> None:
    raise TypeError


@_reset_layers.register(End)
def _no_reset(layer: End, i: int) -> None:
    """Done."""


@_reset_layers.register(Layer)
def _reset_layer(layer: Layer, i: int) -> None:
    layer.memory.state[i] = 0.0
    layer.memory.partials[i] = 0.0
    _reset_layers(layer.rest, i)


# --- what `approximator` asks for ------------------------------------------------------------------------------------


@forward.register(Exact)
def _forward(approximator: Exact, i: int, x: Any) -> None:
    weights, streams = approximator.weights, approximator.streams
    w, one, two = weights.hidden, weights.hidden.dtype.type(1.0), weights.hidden.dtype.type(2.0)
    own_x, u, hidden, outputs = streams.x[i], streams.u[i], streams.hidden[i], streams.outputs[i]
    copy(x, own_x[: own_x.shape[0] - approximator.actions])  # in the type of the weights
    _step_layers(approximator.layers, w, own_x, i, u)
    inputs = own_x.shape[0]
    copy(own_x, u[u.shape[0] - 1 - inputs : u.shape[0] - 1])
    u[u.shape[0] - 1] = one
    hidden[:] = 0.0
    add_rows(w[approximator.readout :].reshape((u.shape[0], hidden.shape[0])), u, 0, u.shape[0], hidden)
    for j in range(hidden.shape[0]):
        hidden[j] = two * logistic(two * hidden[j]) - one
    outputs[:] = 0.0
    add_rows(weights.output[: hidden.shape[0]], hidden, 0, hidden.shape[0], outputs)
    add_rows(weights.output[hidden.shape[0] :], u, 0, u.shape[0], outputs)


@reset.register(Exact)
def _reset(approximator: Exact, i: int) -> None:
    _reset_layers(approximator.layers, i)
    approximator.streams.x[i] = 0.0
    approximator.streams.traces[i] = 0.0
    approximator.streams.output_traces[i] = 0.0


@to_env_action.register(Exact)
def _to_env_action(approximator: Exact, i: int, k: int) -> int:
    x = approximator.streams.x[i]
    first = x.shape[0] - approximator.actions
    if approximator.actions > 0:
        x[first:] = 0.0
        x[first + k] = 1.0
    return k


@kernel
def _below(approximator: Exact, i: int) -> None:
    """Add the gradient below the outputs to the traces, from ``delta`` (H,), by t, and ``q`` (V,), by shortcuts."""
    w, streams, q, delta = approximator.weights.hidden, approximator.streams, approximator.q, approximator.delta
    u, hidden, traces = streams.u[i], streams.hidden[i], streams.traces[i]
    shape, one = (u.shape[0], hidden.shape[0]), w.dtype.type(1.0)
    rows, e = w[approximator.readout :].reshape(shape), traces[approximator.readout :].reshape(shape)
    for j in range(hidden.shape[0]):
        delta[j] *= one - hidden[j] * hidden[j]
    for m in range(u.shape[0]):
        row, to, u_m = rows[m], e[m], u[m]
        for j in range(hidden.shape[0]):
            to[j] += delta[j] * u_m
        for j in range(hidden.shape[0]):
            q[m] += delta[j] * row[j]
    _layers_gradient(approximator.layers, w, streams.x[i], i, q, traces)


@add_gradient.register(Exact)
def _add_gradient(approximator: Exact, i: int, k: int) -> None:
    w, streams, q, delta = approximator.weights.output, approximator.streams, approximator.q, approximator.delta
    u, hidden, traces = streams.u[i], streams.hidden[i], streams.output_traces[i]
    for j in range(hidden.shape[0]):
        traces[j, k] += hidden[j]
        delta[j] = w[j, k]
    for m in range(u.shape[0]):
        traces[hidden.shape[0] + m, k] += u[m]
        q[m] = w[hidden.shape[0] + m, k]
    _below(approximator, i)


@accumulate_gradient.register(Exact)
def _accumulate_gradient(approximator: Exact, i: int, errors: Any) -> None:
    w, streams, q, delta = approximator.weights.output, approximator.streams, approximator.q, approximator.delta
    u, hidden, traces = streams.u[i], streams.hidden[i], streams.output_traces[i]
    delta[:] = 0.0
    q[:] = 0.0
    for k in range(errors.shape[0]):
        for j in range(hidden.shape[0]):
            traces[j, k] += errors[k] * hidden[j]
            delta[j] += errors[k] * w[j, k]
        for m in range(u.shape[0]):
            traces[hidden.shape[0] + m, k] += errors[k] * u[m]
            q[m] += errors[k] * w[hidden.shape[0] + m, k]
    _below(approximator, i)


# --- for Python ------------------------------------------------------------------------------------------------------


def layers_of(approximator: Exact) -> list[Layer]:
    """The chain as a list."""
    layers, layer = list[Layer](), approximator.layers
    while isinstance(layer, Layer):
        layers.append(layer)
        layer = layer.rest
    return layers


@state_arrays.register
def _state_arrays(approximator: Exact) -> tuple[Numbers, ...]:
    states, x = tuple(layer.memory.state for layer in layers_of(approximator)), approximator.streams.x
    return (*states, x[:, x.shape[1] - approximator.actions :]) if approximator.actions else states


@learning_arrays.register
def _learning_arrays(approximator: Exact) -> dict[str, Numbers]:
    arrays = approximator.streams._asdict()
    for number, layer in enumerate(layers_of(approximator)):
        arrays |= {f"{name}_{number}": array for name, array in layer.memory._asdict().items()}
    return arrays
