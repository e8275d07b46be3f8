"""The optimizers: steps of weights along their traces.

    w <- w + learning_rate E e                                                              `Sgd`
    w <- w + v,  v <- decay v + learning_rate E e                                              `Momentum`
    w <- w + learning_rate E e / (sqrt(v) + epsilon),  v <- rho v + (1 - rho) (E e)^2          `RmsProp`

    rho = decay where v rises, the higher one of decay and falling where it falls

A mean square that falls slowly remembers the large errors that were: steps stay small when errors become rare, and do
not throw over what was learned when one comes.
E is the error, e the eligibility trace as it was before. Then e <- decay e, decay = gamma lambda (0: no trace, the
supervised case). Another optimizer is a class in `approximator` and two kernels here. Loops call them for every weight;
they are inlined and vectorise.
"""

from typing import Any

import numpy as np

from lstm_rl.compiled import by_class, kernel
from lstm_rl.kernels.approximator import Momentum, RmsProp, Sgd, Update, update_weights
from lstm_rl.kernels.layout import Net


@by_class
def in_dtype(optimizer: Any, update: Update, number: Any) -> Any:
    """The numbers of an update, a tuple in the weights' type ``number``."""
    raise TypeError(f"{type(optimizer).__name__} has no kernel for this")


@by_class
def step_weight(optimizer: Any, numbers: Any, w: Any, square: Any, e: Any, j: int) -> None:
    """Move weight ``j`` along its trace; w, mean squares and e are rows (N,), ``numbers`` comes from `in_dtype`."""
    raise TypeError(f"{type(optimizer).__name__} has no kernel for this")


@in_dtype.register(Sgd)
def _sgd_in_dtype(optimizer: Sgd, update: Update, number: Any) -> Any:
    return (number(update.learning_rate * update.error),)


@step_weight.register(Sgd)
def _sgd_weight(optimizer: Sgd, numbers: Any, w: Any, square: Any, e: Any, j: int) -> None:
    w[j] += numbers[0] * e[j]


@in_dtype.register(Momentum)
def _momentum_in_dtype(optimizer: Momentum, update: Update, number: Any) -> Any:
    return number(update.learning_rate * update.error), number(optimizer.decay)


@step_weight.register(Momentum)
def _momentum_weight(optimizer: Momentum, numbers: Any, w: Any, square: Any, e: Any, j: int) -> None:
    v = numbers[1] * square[j] + numbers[0] * e[j]
    square[j] = v
    w[j] += v


@in_dtype.register(RmsProp)
def _rms_in_dtype(optimizer: RmsProp, update: Update, number: Any) -> Any:
    rising, falling = number(optimizer.decay), number(max(optimizer.decay, optimizer.falling))
    return number(update.learning_rate), number(update.error), rising, falling, number(optimizer.epsilon)


@step_weight.register(RmsProp)
def _rms_weight(optimizer: RmsProp, numbers: Any, w: Any, square: Any, e: Any, j: int) -> None:
    learning_rate, error, rising, falling, epsilon = numbers
    g = error * e[j]
    rho = rising if g * g > square[j] else falling
    v = rho * square[j] + (w.dtype.type(1.0) - rho) * (g * g)
    square[j] = v
    w[j] += learning_rate * g / (np.sqrt(v) + epsilon)


@kernel
def step_flat(optimizer: Any, numbers: Any, weights: Any, squares: Any, gradient: Any) -> None:
    """Move weights of any shape along a gradient that is used once."""
    w, square, e = weights.reshape(-1), squares.reshape(-1), gradient.reshape(-1)
    for m in range(w.shape[0]):
        step_weight(optimizer, numbers, w, square, e, m)


@kernel
def step_weights(weights: Any, squares: Any, traces: Any, update: Update, decay: float) -> None:
    """Move weights of any shape along their traces, then decay the traces."""
    optimizer, number = update.optimizer, weights.dtype.type
    w, square, e = weights.reshape(-1), squares.reshape(-1), traces.reshape(-1)
    numbers, decay = in_dtype(optimizer, update, number), number(decay)
    for m in range(w.shape[0]):
        step_weight(optimizer, numbers, w, square, e, m)
        e[m] = decay * e[m]


@update_weights.register(object)
def _update_weights(approximator: Any, i: int, update: Update, decay: float) -> None:
    """Of networks, whose weights are `Weights` and whose traces are those of `Streams`."""
    w, streams = approximator.weights, approximator.streams
    step_weights(w.output, w.output_square, streams.output_traces[i], update, decay)
    step_weights(w.hidden, w.hidden_square, streams.traces[i], update, decay)


@kernel
def mask_row(net: Net, e: Any, m: int) -> None:
    """Clear the traces of row ``m``'s weights that do not exist: so they never move."""
    if net.masked[m]:
        for j in range(e.shape[1]):
            e[m, j] *= net.mask[m, j]
