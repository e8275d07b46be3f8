"""A `Topology` as an approximator: the truncated gradient, carried forward in time.

Dimensions as in `lstm_rl.kernels.network`.
"""

from typing import Any, NamedTuple

import numpy as np

from lstm_rl.compiled import kernel
from lstm_rl.kernels import network
from lstm_rl.kernels.approximator import (
    Update,
    accumulate_gradient,
    add_gradient,
    advance,
    forward,
    reset,
    update_and_trace,
    update_weights,
)
from lstm_rl.kernels.network import (
    Coefficients,
    Net,
    Numbers,
    Streams,
    Weights,
    coefficients,
    make_coefficients,
    make_net,
    make_streams,
)
from lstm_rl.kernels.updates import (
    add_partials,
    advance_partials,
    output_gradient,
    output_gradients,
    step_all,
    step_rows,
    step_weights,
)
from lstm_rl.topology import Topology


class Lstm(NamedTuple):
    """n streams through one network."""

    net: Net
    weights: Weights
    streams: Streams
    outputs: Numbers  # (n, K), those of the streams
    scratch: Coefficients
    q: Numbers  # (V,) scratch: derivative of the error by the sources of the outputs


def make_lstm(topology: Topology, weights: Weights, n: int, dtype: Any) -> Lstm:
    """N streams at rest around weights that live elsewhere."""
    streams = make_streams(topology, n, dtype)
    scratch = make_coefficients(topology, dtype)
    q = np.zeros(topology.output_sources, dtype)
    return Lstm(make_net(topology, dtype), weights, streams, streams.outputs, scratch, q)


@forward.register(Lstm)
def _forward(approximator: Lstm, i: int, x: Any) -> None:
    network.forward(approximator.net, approximator.weights, approximator.streams, i, x)


@reset.register(Lstm)
def _reset(approximator: Lstm, i: int) -> None:
    network.reset(approximator.streams, i)


@update_weights.register(Lstm)
def _update_weights(approximator: Lstm, i: int, update: Update, decay: float) -> None:
    step_all(approximator.weights, approximator.streams, i, update, decay)


@kernel
def _prepare(approximator: Lstm, i: int, k: int) -> None:
    """Add output ``k``'s gradient by its own weights to the traces; leave the coefficients of all others."""
    output_gradient(approximator.net, approximator.weights, approximator.streams, i, k, approximator.q)
    coefficients(approximator.net, approximator.streams, i, approximator.q, approximator.scratch)


@add_gradient.register(Lstm)
def _add_gradient(approximator: Lstm, i: int, k: int) -> None:
    net, streams, scratch = approximator.net, approximator.streams, approximator.scratch
    _prepare(approximator, i, k)
    advance_partials(net, streams, i, scratch, True)
    add_partials(net, streams.partials[i], scratch, streams.traces[i])


@update_and_trace.register(Lstm)
def _update_and_trace(approximator: Lstm, i: int, k: int, update: Update, decay: float) -> None:
    net, weights, streams = approximator.net, approximator.weights, approximator.streams
    step_weights(weights.output, weights.output_square, streams.output_traces[i], update, decay)
    _prepare(approximator, i, k)
    step_rows(update.optimizer, net, weights, streams, i, approximator.scratch, update, decay)


@accumulate_gradient.register(Lstm)
def _accumulate_gradient(approximator: Lstm, i: int, errors: Any) -> None:
    net, streams, scratch = approximator.net, approximator.streams, approximator.scratch
    output_gradients(net, approximator.weights, streams, i, errors, approximator.q)
    coefficients(net, streams, i, approximator.q, scratch)
    advance_partials(net, streams, i, scratch, True)
    add_partials(net, streams.partials[i], scratch, streams.traces[i])


@advance.register(Lstm)
def _advance(approximator: Lstm, i: int) -> None:
    net, streams, scratch = approximator.net, approximator.streams, approximator.scratch
    coefficients(net, streams, i, approximator.q, scratch)  # a and b count
    advance_partials(net, streams, i, scratch, net.has_forget_gate)
