"""Supervised learning of sequences, one step at a time, with any approximator (see `approximator`), compiled.

    w <- w + learning_rate sum_t sum_k (target_k - y_k) dy_k/dw        descends E = 1/2 sum (target - y)^2

or by RMSprop (`updates`), or for another power p of errors, E = 1/p sum |target - y|^p. The weights change after
each sequence, or after each step that has a target.

Dimensions: S kinds of sequences, T steps, I inputs, K outputs, N sequences.
"""

from typing import Any

import numpy as np

from lstm_rl.compiled import compiled, kernel
from lstm_rl.kernels.approximator import (
    Update,
    accumulate_gradient,
    advance,
    forward,
    learn_step,
    reset,
    update_weights,
)


@kernel
def largest_error(errors: Any, start: int, stop: int) -> float:
    """The largest absolute value of errors[start:stop]; what is not a number counts as infinite."""
    largest = 0.0
    for k in range(start, stop):
        error = abs(errors[k])
        if not error <= largest:
            largest = error if error >= 0.0 else np.inf
    return largest


@kernel
def loss_gradient(error: float, power: float) -> float:
    """The negative slope of |error|^power / power by the output: the error itself if the power is 2."""
    return error if power == 2.0 else np.sign(error) * abs(error) ** (power - 1.0)


@kernel
def one_hot_row(x: Any, t: int, row: Any) -> None:
    """Fill ``row`` (I,) with step t's inputs: x[t] of x (T, I), or of symbols' numbers x (T, 1) the one-hot row.

    One row at a time, since a thousand inputs stay in the fastest cache and a whole sequence of them does not.
    """
    if x.shape[1] == row.shape[0]:
        for m in range(row.shape[0]):
            row[m] = x[t, m]
    else:
        row[:] = 0.0
        row[int(x[t, 0])] = 1.0


@kernel
def learn_sequence(
    approximator: Any,
    x: Any,
    targets: Any,
    has_target: Any,
    update: Update,
    each_step: bool,
    power: float,
    errors: Any,
    row: Any,
) -> tuple[float, float, float]:
    """Learn one sequence from rest; return the largest absolute error of an output, that of the last, and the squares.

    The largest is over all steps, the last over the last step with a target, the squares are summed over all.

    Args:
        approximator: Its stream 0 is used; changed in place.
        x: (T, I), or symbols' numbers (T, 1).
        targets: (T, K).
        has_target: (T,) bool.
        update: Of the weights, with error 1; learning rate 0: nothing is learned.
        each_step: Change the weights after each step that has a target instead of once, at the end.
        power: Of the errors in what is descended, > 1; 2: squared error.
        errors: (K,) scratch.
        row: (I,) scratch.
    """
    largest, last, squares = 0.0, 0.0, 0.0
    reset(approximator, 0)
    for t in range(x.shape[0]):
        one_hot_row(x, t, row)
        forward(approximator, 0, row)
        if has_target[t]:
            for k in range(errors.shape[0]):
                errors[k] = targets[t, k] - approximator.outputs[0, k]
                squares += errors[k] * errors[k]
            last = largest_error(errors, 0, errors.shape[0])
            largest = max(largest, last)
            if update.learning_rate > 0.0:
                for k in range(errors.shape[0]):
                    errors[k] = loss_gradient(errors[k], power)
                if each_step:
                    learn_step(approximator, 0, errors, update)
                else:
                    accumulate_gradient(approximator, 0, errors)
        elif update.learning_rate > 0.0:
            advance(approximator, 0)
    if update.learning_rate > 0.0 and not each_step:
        update_weights(approximator, 0, update, 0.0)
    return largest, last, squares


@compiled
def learn_sequences(
    approximator: Any,
    x: Any,
    targets: Any,
    has_target: Any,
    order: Any,
    update: Update,
    each_step: bool,
    errors: Any,
    row: Any,
    found: Any,
) -> None:
    """Learn N sequences, one after the other, out of S kinds.

    Args:
        approximator: As in `learn_sequence`.
        x: (S, T, I).
        targets: (S, T, K).
        has_target: (T,) bool.
        order: (N,) kind of each sequence.
        update: As in `learn_sequence`.
        each_step: As in `learn_sequence`.
        errors: (K,) scratch.
        row: (I,) scratch.
        found: (N, 2) becomes the largest error and the sum of squares of each.
    """
    for n in range(order.shape[0]):
        kind = order[n]
        largest, _, squares = learn_sequence(
            approximator, x[kind], targets[kind], has_target, update, each_step, 2.0, errors, row
        )
        found[n, 0] = largest
        found[n, 1] = squares
