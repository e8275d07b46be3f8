"""Gradients of recorded sequences in their forward forms: derivatives carried forward through time, row by row.

Dimensions: T time, B batch, M sources, U units, V output sources.
"""

from typing import Any

import numpy as np

from lstm_rl.compiled import compiled, kernel
from lstm_rl.kernels.network import (
    Coefficients,
    Net,
    Numbers,
    Streams,
    Weights,
    coefficients,
    make_coefficients,
    make_streams,
)
from lstm_rl.kernels.rtrl import Sensitivities, add_sensitivities, advance_sensitivities, clear, make_sensitivities
from lstm_rl.kernels.sequence import Record, copy, some
from lstm_rl.kernels.updates import add_partials, advance_partials
from lstm_rl.topology import Topology


@kernel
def _replay(net: Net, record: Record, t: int, i: int, streams: Streams) -> None:
    """Put a recorded step into the only stream."""
    z = streams.z[0]
    copy(record.z[t, i], z[: record.z.shape[2]])
    copy(record.s_tm1[t, i], z[net.row_state_tm1 : net.row_state_tm1 + net.row_states_tm1])
    copy(record.s[t, i], z[net.row_state_t : net.row_state_t + net.row_states_t])
    copy(record.y[t, i], streams.y[0])
    copy(record.s_tm1[t, i], streams.s_tm1[0])
    copy(record.s[t, i], streams.s[0])
    copy(record.h[t, i], streams.h[0])


@compiled
def truncated_forward(net: Net, record: Record, q: Any, streams: Streams, scratch: Coefficients, gradient: Any) -> None:
    """The truncated gradient of 1997 in its own form: state partials carried forward; add it to (M, U)."""
    for i in range(q.shape[1]):
        streams.partials[0] = 0.0
        for t in range(q.shape[0]):
            if record.resets[t, i]:
                streams.partials[0] = 0.0
            _replay(net, record, t, i, streams)
            coefficients(net, streams, 0, q[t, i], scratch)
            advance_partials(net, streams, 0, scratch, True)
            if some(q[t, i]):
                add_partials(net, streams.partials[0], scratch, gradient)


@compiled
def all_forward(
    net: Net,
    weights: Weights,
    record: Record,
    q: Any,
    streams: Streams,
    sensitivities: Sensitivities,
    gradient: Any,
) -> None:
    """Real-time recurrent learning: all derivatives carried forward; add the gradient to (M, U)."""
    for i in range(q.shape[1]):
        clear(sensitivities, 0)
        for t in range(q.shape[0]):
            if record.resets[t, i]:
                clear(sensitivities, 0)
            _replay(net, record, t, i, streams)
            advance_sensitivities(net, weights, streams, 0, sensitivities)
            if some(q[t, i]):
                add_sensitivities(net, sensitivities, 0, q[t, i], gradient)


def forward_gradient(
    topology: Topology, net: Net, weights: Weights, record: Record, q: Numbers, exact: bool
) -> Numbers:
    """The gradient (M, U) by derivatives carried forward: `all_forward` if ``exact``, else `truncated_forward`."""
    gradient, dtype = np.zeros_like(weights.hidden), weights.hidden.dtype
    streams = make_streams(topology, 1, dtype)
    if exact:
        all_forward(net, weights, record, q, streams, make_sensitivities(topology, 1, dtype), gradient)
    else:
        truncated_forward(net, record, q, streams, make_coefficients(topology, dtype), gradient)
    return gradient
