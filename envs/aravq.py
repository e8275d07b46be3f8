"""ARAVQ, the adaptive resource-allocating vector quantiser: events in a stream of vectors.

    mean    x(t)  = 1/n sum of the last n inputs X(t)
    spread  d(V)  = mean over X(t) of the distance to the nearest vector of V
    allocate x(t) if d({x(t)}) <= min(epsilon, d(M) - delta)      the stream is stable, and no model fits by delta
    winner  j(t)  = the model nearest to x(t)
    adapt   m_j  <- m_j + alpha (x(t) - m_j)   if |x(t) - m_j| < epsilon / 2
    event   at every t with j(t) != j(t-1); the first winner is one, too

M starts empty, where d(M) counts as epsilon + delta. Before n inputs are in, nothing happens.

Source: after F. Linaker & L. Niklasson, "Time series segmentation using an adaptive resource allocating vector
quantization network based on change detection", IJCNN 2000. We did not have the text: the equations are from memory.

Dimensions: n inputs in the window, D numbers per input, K vectors at most. Arrays are flat where a world holds them
inside its own.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_float, check_int
from lstm_rl.compiled import compiled, kernel

Floats = NDArray[np.float64]
MAX_VECTORS = 24  # of a world's extractor


@kernel
def winner(models: Any, model: int, count: int, inputs: Any, mean: int, d: int) -> int:
    """The vector, of ``count`` that lie from ``model`` on, nearest to the one at ``mean``; -1 if there is none."""
    best, nearest = -1, math.inf
    for j in range(count):
        square = 0.0
        for i in range(d):
            square += (inputs[mean + i] - models[model + j * d + i]) ** 2
        if square < nearest:
            best, nearest = j, square
    return best


@kernel
def _distance(a: Any, b: Any) -> float:
    """Euclidean distance of two vectors (D,)."""
    square = 0.0
    for i in range(a.shape[0]):
        square += (a[i] - b[i]) ** 2
    return math.sqrt(square)


@kernel
def learn_vectors(window: Any, models: Any, mean: Any, count: int, delta: float, epsilon: float, alpha: float) -> int:
    """Allocate or adapt in place: window (n, D), models (K, D), mean (D,); return the number of models."""
    n, d = window.shape
    own, known = 0.0, 0.0
    for t in range(n):
        own += _distance(window[t], mean) / n
        nearest = math.inf
        for j in range(count):
            nearest = min(nearest, _distance(window[t], models[j]))
        known += nearest / n
    if count == 0:
        known = epsilon + delta
    if count < models.shape[0] and own <= min(epsilon, known - delta):
        for i in range(d):
            models[count, i] = mean[i]
        count += 1
    best, nearest = 0, math.inf
    for j in range(count):
        gap = _distance(mean, models[j])
        if gap < nearest:
            best, nearest = j, gap
    if count > 0 and nearest < epsilon / 2.0:
        for i in range(d):
            models[best, i] += alpha * (mean[i] - models[best, i])
    return count


@compiled
def _learn(window: Any, models: Any, mean: Any, count: int, delta: float, epsilon: float, alpha: float) -> int:
    """`learn_vectors`, for Python."""
    return learn_vectors(window, models, mean, count, delta, epsilon, alpha)


@dataclass
class Aravq:
    """The state of one extractor; the module has its equations.

    Args:
        window: n >= 1, inputs that are averaged; what is shorter cannot be seen.
        delta: Novelty > 0: by how much a new vector has to fit better than the known ones.
        epsilon: Stability > 0: mean distance of the last n inputs from their mean that still counts as one class.
        alpha: Learning rate in [0, 1].
        most: K >= 1, vectors at most.
        models: Vectors (K', D) to begin with; their number is ``len(models)``.
        learning: False: vectors neither appear nor move.

    Raises:
        ValueError: An argument is out of its range.
    """

    window: int = 10
    delta: float = 0.3
    epsilon: float = 0.2
    alpha: float = 0.05
    most: int = MAX_VECTORS
    models: Floats | None = None
    learning: bool = True

    def __post_init__(self) -> None:
        check_int("window", self.window, 1)
        check_float("delta", self.delta, 0.0, open_low=True)
        check_float("epsilon", self.epsilon, 0.0, open_low=True)
        check_float("alpha", self.alpha, 0.0, 1.0)
        check_int("most", self.most, 1)
        if self.models is not None:
            self.models = np.array(self.models, np.float64, ndmin=2)
            if len(self.models) > self.most:
                raise ValueError(f"models must be at most {self.most} vectors, got {len(self.models)}")
        self._last: list[Floats] = []
        self.winner: int | None = None

    def reset(self) -> None:
        """Forget the last inputs, not the vectors: an episode begins."""
        self._last, self.winner = [], None

    def see(self, x: Any) -> bool:
        """Take in one input (D,); return whether it is an event. `winner` is then the class, or None so far.

        Raises:
            ValueError: The input is not of the vectors' size, or not finite.
        """
        x = np.array(x, np.float64).ravel()
        size = len(x) if self.models is None else self.models.shape[1]
        if len(x) != size or not np.isfinite(x).all():
            raise ValueError(f"input must be {size} finite numbers, got {x}")
        self._last = [*self._last[-self.window + 1 :], x] if self.window > 1 else [x]
        if len(self._last) < self.window:
            return False
        inputs = np.stack(self._last)
        mean, models = inputs.mean(0), np.empty((0, size)) if self.models is None else self.models
        if self.learning:
            room = np.zeros((self.most, size))
            room[: len(models)] = models
            constants = float(self.delta), float(self.epsilon), float(self.alpha)
            models = room[: _learn(inputs, room, mean, len(models), *constants)]
            self.models = models if len(models) else None
        if len(models) == 0:
            return False
        before, self.winner = self.winner, int(np.argmin(((models - mean) ** 2).sum(1)))
        return self.winner != before
