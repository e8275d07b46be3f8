"""A `Topology` as an approximator: the truncated gradient, carried forward in time.

Dimensions as in `lstm_rl.streaming.network`.
"""

from typing import Any, NamedTuple

import numpy as np

from lstm_rl.streaming import network
from lstm_rl.streaming.approximator import Step, blame, carry, forward, move, reset, step, sweep
from lstm_rl.streaming.network import (
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
from lstm_rl.streaming.traces import (
    add_gradient,
    blame_output,
    blame_outputs,
    carry_partials,
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


@move.register(Lstm)
def _move(approximator: Lstm, i: int, k: int) -> int:
    return k


@step.register(Lstm)
def _step(approximator: Lstm, i: int, by: Step) -> None:
    step_all(approximator.weights, approximator.streams, i, by)


@sweep.register(Lstm)
def _sweep(approximator: Lstm, i: int, k: int, by: Step, decay: float) -> None:
    net, weights, streams = approximator.net, approximator.weights, approximator.streams
    q, scratch, number = approximator.q, approximator.scratch, weights.hidden.dtype.type
    step_weights(weights.output, weights.output_square, streams.output_traces[i], by, decay)
    blame_output(net, weights, streams, i, k, q)
    coefficients(net, streams, i, q, scratch)
    if by.normalised:
        alpha, error, rms_decay = number(by.alpha), number(by.error), number(by.rms_decay)
        step_hidden_rms(net, weights, streams, i, scratch, error, alpha, rms_decay, number(decay))
    else:
        step_hidden(net, weights, streams, i, scratch, number(by.alpha * by.error), number(decay))


@blame.register(Lstm)
def _blame(approximator: Lstm, i: int, errors: Any) -> None:
    net, streams, scratch = approximator.net, approximator.streams, approximator.scratch
    blame_outputs(net, approximator.weights, streams, i, errors, approximator.q)
    coefficients(net, streams, i, approximator.q, scratch)
    carry_partials(net, streams, i, scratch, True)
    add_gradient(net, streams.partials[i], scratch, streams.traces[i])


@carry.register(Lstm)
def _carry(approximator: Lstm, i: int) -> None:
    net, streams, scratch = approximator.net, approximator.streams, approximator.scratch
    coefficients(net, streams, i, approximator.q, scratch)  # a and b count
    carry_partials(net, streams, i, scratch, net.has_forget_gate)
