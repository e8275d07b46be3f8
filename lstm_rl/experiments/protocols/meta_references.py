"""What could be known of a function after so many examples: reference lines for networks that learn to learn.

Dimensions: J examples of a sequence, B functions, F features.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.tasks.function_families import TABLES, FunctionFamily

Array = NDArray[np.float64]
Reference = Callable[[FunctionFamily, Array, Array, Array], Array]
"""From a family, x (J, B, 2), what is seen of targets (J, B), and targets (J, B) to predictions (J, B)."""
EXACT = 1e-6
"""Standard deviation that least squares takes exact targets to have."""


def constant(family: FunctionFamily, x: Array, seen: Array, targets: Array) -> Array:
    """The middle of all targets, whatever the examples."""
    return np.full_like(targets, 0.5)


def nearest(family: FunctionFamily, x: Array, seen: Array, targets: Array) -> Array:
    """The target of the nearest example so far; .5 at first."""
    guesses = np.full_like(targets, 0.5)
    for j in range(1, len(x)):
        best = np.square(x[:j] - x[j]).sum(2).argmin(0)  # (B,)
        guesses[j] = np.take_along_axis(seen[:j], best[None], 0)[0]
    return guesses


def least_squares(family: FunctionFamily, x: Array, seen: Array, targets: Array) -> Array:
    """Linear regression on a family's true features, which it is not told, with its prior: ridge regression.

    Coefficients have the variance 1/3 of the box that they are drawn from, targets that of the noise, or next to none.
    Without noise all is known after as many examples as there are coefficients. Semi-linear functions are linear in
    w before tanh, to which targets are brought back.
    """
    a, b = x[..., 0], x[..., 1]
    one = np.ones_like(a)
    quadratic = family.family == "quadratic"
    if quadratic:
        features = np.stack([a * a, b * b, a * b, a, b, one], axis=2)  # (J, B, F)
        answers, deviation = (seen - 0.5) / 0.05, max(family.noise / 0.05, EXACT)
    else:
        features = np.stack([a, b, one], axis=2)
        answers = np.arctanh(np.clip(2.0 * seen - 1.0, -0.999, 0.999))
        deviation = max(2.0 * family.noise, EXACT)
    size = features.shape[2]
    precision = np.tile(3.0 * deviation**2 * np.eye(size), (x.shape[1], 1, 1))  # (B, F, F), times deviation^2
    moment, guesses = np.zeros((x.shape[1], size)), np.zeros_like(targets)
    for j, row in enumerate(features):  # row (B, F)
        w = np.linalg.solve(precision, moment[..., None])[..., 0]
        value = (w * row).sum(1)
        guesses[j] = 0.5 + 0.05 * value if quadratic else 0.5 + 0.5 * np.tanh(value)
        precision += row[:, :, None] * row[:, None]
        moment += answers[j, :, None] * row
    return guesses


def bayes(family: FunctionFamily, x: Array, seen: Array, targets: Array) -> Array:
    """The mean over all Boolean functions of the family that agree with the examples: no learner errs less."""
    functions = np.array(TABLES[family.family])
    tables = (functions[:, None] >> np.arange(4)) & 1  # (N, 4)
    patterns = ((x[..., 0] > 0) + 2 * (x[..., 1] > 0)).astype(np.int64)  # (J, B)
    possible, guesses = np.ones((x.shape[1], len(functions)), bool), np.zeros_like(targets)
    for j, pattern in enumerate(patterns):
        says = tables.T[pattern]  # (B, N)
        guesses[j] = (possible * says).sum(1) / possible.sum(1)
        possible &= says == targets[j, :, None]
    return guesses


def references(family: FunctionFamily) -> dict[str, Reference]:
    """By name, the best one last."""
    best = {"Bayes": bayes} if family.boolean else {"least squares": least_squares}
    return {"constant": constant, "nearest neighbour": nearest, **best}


def seen_before(x: Array) -> NDArray[np.bool_]:
    """At which examples (J, B) the inputs x (J, B, 2) were there before."""
    again = np.zeros(x.shape[:2], bool)
    for j in range(1, len(x)):
        again[j] = (x[:j] == x[j]).all(2).any(0)
    return again


def curves(family: FunctionFamily, batch: Any) -> dict[str, list[float]]:
    """The mean absolute error of each reference at example 1, 2, ..."""
    x, targets = batch.x[..., :2], batch.targets[..., 0]
    seen = np.concatenate([batch.x[1:, :, 2], targets[-1:]])  # the last one is never used
    return {
        name: np.abs(guess(family, x, seen, targets) - targets).mean(1).tolist()
        for name, guess in references(family).items()
    }
