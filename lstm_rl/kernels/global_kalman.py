"""Learning by a global extended Kalman filter, whose derivatives are complete: those of `rtrl`, carried forward.

All weights are one group, so that P holds how any two of them go together; otherwise the equations are those of
`kalman`. P takes W^2 numbers and steps, derivatives a number per unit and weight: a filter for small networks.

Dimensions as in `lstm_rl.kernels.kalman`; W = M U + V K weights, those that do not exist included, which have no
variance.

Source: Williams, Training recurrent networks using the extended Kalman filter, IJCNN (1992); Puskorius & Feldkamp 1994.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_int
from lstm_rl.compiled import kernel
from lstm_rl.kernels.approximator import (
    Update,
    accumulate_gradient,
    advance,
    forward,
    learn_step,
    reset,
    update_weights,
)
from lstm_rl.kernels.forward import add_rows
from lstm_rl.kernels.kalman import annealed, check_start, dot, invert, move_group
from lstm_rl.kernels.layout import Numbers, Weights
from lstm_rl.kernels.rtrl import Rtrl, add_output, make_rtrl
from lstm_rl.topology import Topology


class GlobalKalman(NamedTuple):
    """A network with its derivatives, n streams through it, and what the filter believes about its weights."""

    rtrl: Rtrl
    weights: Weights
    outputs: Numbers  # (n, K)
    steps: NDArray[np.int64]  # (1,) with a target so far, by which noises go down
    covariance: Numbers  # (W, W) P
    w: Numbers  # (W,) scratch, as all below
    derivative: Numbers  # (K, W) H^T
    product: Numbers  # (K, W) H^T P
    inverse: Numbers  # (K, K) A
    correction: Numbers  # (K,) A (d - y)


def make_global_kalman(topology: Topology, weights: Weights, covariance: float = 100.0, n: int = 1) -> GlobalKalman:
    """Make a filter for n streams at rest around weights that live elsewhere; all of it in float64.

    Args:
        topology: The network.
        weights: Its weights, (M, U) and (V, K), float64; the filter moves them in place.
        covariance: Initial variance > 0 of each weight.
        n: Streams >= 1.

    Raises:
        ValueError: ``weights`` of another type or ``covariance`` out of range.
    """
    variance = check_start(weights, covariance)
    rtrl = make_rtrl(topology, weights, check_int("n", n, 1), np.float64)
    exists: NDArray[np.float64] = np.concatenate((topology.mask.ravel(), np.ones(weights.output.size)))
    k, size = topology.outputs, len(exists)
    scratch = (np.zeros(shape) for shape in ((size,), (k, size), (k, size), (k, k), (k,)))
    return GlobalKalman(rtrl, weights, rtrl.outputs, np.zeros(1, np.int64), variance * np.diag(exists), *scratch)


@kernel
def _join(hidden: Any, output: Any, to: Any) -> None:
    """Copy M U and V K numbers into one row."""
    for m in range(hidden.shape[0]):
        to[m] = hidden[m]
    for m in range(output.shape[0]):
        to[hidden.shape[0] + m] = output[m]


@kernel
def _differentiate(filter: GlobalKalman, i: int) -> None:
    """Fill H^T: the gradient of each output by all weights."""
    streams = filter.rtrl.streams
    traces, output_traces = streams.traces[i], streams.output_traces[i]
    hidden, output = traces.reshape(-1), output_traces.reshape(-1)
    for k in range(filter.derivative.shape[0]):
        traces[:] = 0.0
        output_traces[:] = 0.0
        add_output(filter.rtrl, i, k)
        _join(hidden, output, filter.derivative[k])


@learn_step.register(GlobalKalman)
def _learn_step(filter: GlobalKalman, i: int, errors: Any, update: Update) -> None:
    """A step of the filter; the learning rate plays no part."""
    r, q = annealed(update.optimizer, filter.steps[0])
    filter.steps[0] += 1
    advance(filter.rtrl, i)
    _differentiate(filter, i)
    a, w, derivative, product = filter.inverse, filter.w, filter.derivative, filter.product
    hidden, output = filter.weights.hidden.reshape(-1), filter.weights.output.reshape(-1)
    product[:] = 0.0
    for k in range(a.shape[0]):
        add_rows(filter.covariance, derivative[k], 0, w.shape[0], product[k])
    for k in range(a.shape[0]):
        for other in range(a.shape[0]):
            a[k, other] = dot(derivative[k], product[other]) + (r if k == other else 0.0)
    invert(a)
    for k in range(a.shape[0]):
        filter.correction[k] = dot(a[k], errors)
    _join(hidden, output, w)
    move_group(w, filter.covariance, product, a, filter.correction, q)
    for m in range(hidden.shape[0]):
        hidden[m] = w[m]
    for m in range(output.shape[0]):
        output[m] = w[hidden.shape[0] + m]


@forward.register(GlobalKalman)
def _forward(filter: GlobalKalman, i: int, x: Any) -> None:
    forward(filter.rtrl, i, x)


@reset.register(GlobalKalman)
def _reset(filter: GlobalKalman, i: int) -> None:
    reset(filter.rtrl, i)


@advance.register(GlobalKalman)
def _advance(filter: GlobalKalman, i: int) -> None:
    advance(filter.rtrl, i)


@accumulate_gradient.register(GlobalKalman)
def _accumulate_gradient(filter: GlobalKalman, i: int, errors: Any) -> None:
    """A filter keeps no gradient, it learns at each target: whoever trains it asks for `learn_step`."""
    advance(filter.rtrl, i)


@update_weights.register(GlobalKalman)
def _update_weights(filter: GlobalKalman, i: int, update: Update, decay: float) -> None:
    """Done in `learn_step`."""
