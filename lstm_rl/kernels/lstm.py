"""A `Topology` as an approximator: the truncated gradient, carried forward in time.

Dimensions as in `lstm_rl.kernels.network`.
"""

from typing import Any, NamedTuple

import numpy as np

from lstm_rl.kernels import network
from lstm_rl.kernels.approximator import (
    Update,
    accumulate_gradient,
    advance,
    end_episode,
    forward,
    reset,
    to_env_action,
    update_and_trace,
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
    add_gradient,
    advance_partials,
    output_gradient,
    output_gradients,
    step_all,
    step_hidden,
    step_hidden_rms,
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


@to_env_action.register(Lstm)
def _to_env_action(approximator: Lstm, i: int, k: int) -> int:
    return k


@end_episode.register(Lstm)
def _end_episode(approximator: Lstm, i: int, update: Update) -> None:
    step_all(approximator.weights, approximator.streams, i, update)


@update_and_trace.register(Lstm)
def _update_and_trace(approximator: Lstm, i: int, k: int, update: Update, decay: float) -> None:
    net, weights, streams = approximator.net, approximator.weights, approximator.streams
    q, scratch, number = approximator.q, approximator.scratch, weights.hidden.dtype.type
    step_weights(weights.output, weights.output_square, streams.output_traces[i], update, decay)
    output_gradient(net, weights, streams, i, k, q)
    coefficients(net, streams, i, q, scratch)
    if update.normalised:
        learning_rate, error, rms_decay = number(update.learning_rate), number(update.error), number(update.rms_decay)
        step_hidden_rms(net, weights, streams, i, scratch, error, learning_rate, rms_decay, number(decay))
    else:
        step_hidden(net, weights, streams, i, scratch, number(update.learning_rate * update.error), number(decay))


@accumulate_gradient.register(Lstm)
def _accumulate_gradient(approximator: Lstm, i: int, errors: Any) -> None:
    net, streams, scratch = approximator.net, approximator.streams, approximator.scratch
    output_gradients(net, approximator.weights, streams, i, errors, approximator.q)
    coefficients(net, streams, i, approximator.q, scratch)
    advance_partials(net, streams, i, scratch, True)
    add_gradient(net, streams.partials[i], scratch, streams.traces[i])


@advance.register(Lstm)
def _advance(approximator: Lstm, i: int) -> None:
    net, streams, scratch = approximator.net, approximator.streams, approximator.scratch
    coefficients(net, streams, i, approximator.q, scratch)  # a and b count
    advance_partials(net, streams, i, scratch, net.has_forget_gate)
