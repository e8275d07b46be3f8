"""What an actor draws its actions from: a distribution whose parameters are the outputs of a network, compiled.

    Categorical   pi(k) = exp(y_k) / sum_j exp(y_j)                y: an output per action
    Gaussian      a_j = tanh(u_j),  u_j ~ N(mu_j, sigma_j)         mu_j = y_j,  j = 1 .. d
                  log sigma_j = LOWEST / (1 + exp(y_{d+j} + OPEN))

A sigma is in (0.05, 1), and 0.7 at first. `lstm_rl.agents.spaces` scales a in (-1, 1) to the bounds of the space. The
density is that of a: an action that sticks to a bound is improbable, which the entropy's part in the reward prevents.
The last output is the value; nothing here looks at it.

Dimensions: K outputs, d numbers of a continuous action.
"""

import math
from typing import Any, NamedTuple

from lstm_rl.agents.exploration import Explorer, act, argmax
from lstm_rl.compiled import by_class, kernel
from lstm_rl.kernels.squashing import logistic
from lstm_rl.rng import normal, uniform

LOWEST = -3.0  # log sigma: 0.05 of half the range of an action
OPEN = 2.0  # so that actions spread at first


class Categorical(NamedTuple):
    """One of K - 1 actions."""


class Gaussian(NamedTuple):
    """A vector of d = (K - 1) / 2 numbers."""


@by_class
def score(distribution: Any, outputs: Any, action: int, vector: Any, errors: Any) -> float:
    """Write d log pi(a) / d outputs into ``errors`` (K,), 0 for the value; return log pi(a).

    Args:
        distribution: Its class decides.
        outputs: (K,) of the network.
        action: The choice of a `Categorical`.
        vector: (d,) that of a `Gaussian`: u, before it is squashed.
        errors: Filled.
    """
    raise TypeError(f"{type(distribution).__name__} has no kernel for this")


@kernel
def _highest(outputs: Any) -> int:
    return argmax(outputs[: outputs.shape[0] - 1])


@kernel
def _total(outputs: Any, highest: float) -> float:
    """The sum of exp(y_k - highest) over all actions."""
    total = 0.0
    for k in range(outputs.shape[0] - 1):
        total += math.exp(outputs[k] - highest)
    return total


@act.register(Categorical)
def _draw_action(
    exploration: Categorical, explorer: Explorer, i: int, x: Any, outputs: Any, greedy: bool, vector: Any
) -> int:
    best = _highest(outputs)
    if greedy:
        return best
    highest = outputs[best]
    draw = uniform(explorer.generator, i) * _total(outputs, highest)
    for k in range(outputs.shape[0] - 1):
        draw -= math.exp(outputs[k] - highest)
        if draw < 0.0:
            return k
    return best  # rounding


@score.register(Categorical)
def _score_action(distribution: Categorical, outputs: Any, action: int, vector: Any, errors: Any) -> float:
    highest = outputs[_highest(outputs)]
    total = _total(outputs, highest)
    for k in range(outputs.shape[0] - 1):
        errors[k] = (1.0 if k == action else 0.0) - math.exp(outputs[k] - highest) / total
    errors[outputs.shape[0] - 1] = 0.0
    return outputs[action] - highest - math.log(total)


@kernel
def log_sigma(output: float) -> float:
    """The logarithm of the standard deviation that an output stands for."""
    return LOWEST * logistic(-output - OPEN)


@kernel
def log_slope(u: float) -> float:
    """log(1 - tanh(u)^2), without a difference of almost equal numbers."""
    u = abs(u)
    return 2.0 * (math.log(2.0) - u - math.log1p(math.exp(-2.0 * u)))


@act.register(Gaussian)
def _draw_vector(
    exploration: Gaussian, explorer: Explorer, i: int, x: Any, outputs: Any, greedy: bool, vector: Any
) -> int:
    d = vector.shape[0]
    for j in range(d):
        vector[j] = outputs[j]
        if not greedy:
            vector[j] += math.exp(log_sigma(outputs[d + j])) * normal(explorer.generator, i)
    return 0


@score.register(Gaussian)
def _score_vector(distribution: Gaussian, outputs: Any, action: int, vector: Any, errors: Any) -> float:
    d, log_pi = vector.shape[0], 0.0
    for j in range(d):
        spread, slope = log_sigma(outputs[d + j]), logistic(outputs[d + j] + OPEN)
        z = (vector[j] - outputs[j]) * math.exp(-spread)
        log_pi -= 0.5 * z * z + spread + 0.5 * math.log(2.0 * math.pi) + log_slope(vector[j])
        errors[j] = z * math.exp(-spread)
        errors[d + j] = (z * z - 1.0) * -spread * slope  # d spread / d output = -spread slope
    errors[2 * d] = 0.0
    return log_pi
