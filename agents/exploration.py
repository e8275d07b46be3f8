"""Exploration: from Advantage values to an action, compiled.

Dimensions: K actions, I inputs, G hidden units of the explorer network; arrays with a leading n have a row per stream.
Every stream has a random generator of its own (`lstm_rl.rng`).

- epsilon: with probability epsilon a uniformly random action.
- extended epsilon (Dabney, Ostrovski, Barreto 2020): that action then lasts for d steps, P(d >= k) = k^(1 - mu).
  In a corridor a single random step is undone by the next greedy one; a lasting one goes somewhere.
- Boltzmann: P(a) ~ exp(A(a) / T).
- directed (Bakker 2001, section 3): Boltzmann with T = max(T_min, scale y_v(x)), where a feedforward network on the
  same input learns y_v(t) -> |E(t)| + beta y_v(t+1): hot where errors are or follow, cool in the corridor.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.agents.config import Config
from lstm_rl.compiled import kernel
from lstm_rl.kernels.squashing import logistic
from lstm_rl.rng import uniform

KINDS = ("epsilon", "ez_greedy", "boltzmann", "directed")
EPSILON, EZ_GREEDY, BOLTZMANN, DIRECTED = range(4)


class Exploration(NamedTuple):
    """What to do, as numbers for compiled code; see `Config`."""

    kind: int
    epsilon: float
    duration_exponent: float
    longest: float  # steps that a random action lasts at most
    temperature: float
    temperature_scale: float
    beta: float
    learning_rate: float


class Explorer(NamedTuple):
    """The directed explorer's weights (shared) and each stream's exploration state; save these and nothing is lost."""

    hidden: NDArray[np.float64]  # (G, I + 1), last column bias
    output: Any  # (G + 1,) float64, last bias
    x: NDArray[np.float64]  # (n, I) input at t
    y_hidden: NDArray[np.float64]  # (n, G) at t
    y_v: NDArray[np.float64]  # (n,) at t
    repeated: NDArray[np.int64]  # (n, 2) the action that lasts, and for how many steps still
    generator: NDArray[np.uint64]  # (n,)
    scratch: NDArray[np.float64]  # (G,)


def make_exploration(config: Config, horizon: int) -> Exploration:
    """The numbers that a configuration stands for."""
    return Exploration(
        KINDS.index(config.exploration),
        config.epsilon_for(horizon),
        config.duration_exponent,
        config.longest * horizon,
        config.temperature,
        config.temperature_scale,
        config.beta,
        config.explorer_learning_rate,
    )


def make_explorer(
    hidden: NDArray[np.float64], output: NDArray[np.float64], n: int, rng: np.random.Generator
) -> Explorer:
    """Exploration state of n streams around the weights of the explorer network."""
    g, inputs = hidden.shape[0], hidden.shape[1] - 1
    generator = rng.integers(2**64, size=n, dtype=np.uint64)
    numbers = (np.zeros((n, inputs)), np.zeros((n, g)), np.zeros(n))
    return Explorer(hidden, output, *numbers, np.zeros((n, 2), np.int64), generator, np.zeros(g))


@kernel
def argmax(values: Any) -> int:
    """Index of the first largest value."""
    best = 0
    for k in range(1, values.shape[0]):
        if values[k] > values[best]:
            best = k
    return best


@kernel
def _boltzmann(advantages: Any, temperature: float, draw: float) -> int:
    """Draw an action with P(a) ~ exp(A(a) / T)."""
    top = advantages[argmax(advantages)]
    total = 0.0
    for k in range(advantages.shape[0]):
        total += math.exp((advantages[k] - top) / temperature)
    draw *= total
    for k in range(advantages.shape[0]):
        draw -= math.exp((advantages[k] - top) / temperature)
        if draw < 0.0:
            return k
    return advantages.shape[0] - 1


@kernel
def temperature(exploration: Exploration, explorer: Explorer, i: int) -> float:
    """T of stream ``i`` now."""
    if exploration.kind == DIRECTED:
        return max(exploration.temperature, exploration.temperature_scale * explorer.y_v[i])
    return exploration.temperature


@kernel
def choose(exploration: Exploration, explorer: Explorer, i: int, advantages: Any) -> int:
    """Choose stream ``i``'s action from its advantages (K,); draws from its generator."""
    actions = advantages.shape[0]
    if exploration.kind >= BOLTZMANN:
        t = temperature(exploration, explorer, i)
        return _boltzmann(advantages, t, uniform(explorer.generator, i))
    repeated = explorer.repeated[i]
    if repeated[1] > 0:
        repeated[1] -= 1
        return repeated[0]
    if uniform(explorer.generator, i) < exploration.epsilon:
        action = int(uniform(explorer.generator, i) * actions)
        if exploration.kind == EZ_GREEDY:
            draw = 1.0 - uniform(explorer.generator, i)  # in (0, 1]
            length = draw ** (-1.0 / (exploration.duration_exponent - 1.0))
            repeated[0] = action
            repeated[1] = int(min(length, max(exploration.longest, 1.0))) - 1
        return action
    return argmax(advantages)


@kernel
def estimate(explorer: Explorer, x: Any, y_hidden: Any) -> float:
    """y_v of the explorer network on input ``x`` (I,); its hidden activations go to ``y_hidden`` (G,)."""
    units, inputs = explorer.hidden.shape[0], explorer.hidden.shape[1] - 1
    for g in range(units):
        total = explorer.hidden[g, inputs]
        for m in range(inputs):
            total += explorer.hidden[g, m] * x[m]
        y_hidden[g] = total
    for g in range(units):  # a loop of its own vectorises
        y_hidden[g] = logistic(y_hidden[g])
    y_v = explorer.output[units]
    for g in range(units):
        y_v += explorer.output[g] * y_hidden[g]
    return y_v


@kernel
def predict_error(explorer: Explorer, i: int, x: Any) -> None:
    """Let stream ``i``'s explorer see ``x`` (I,), and keep what `regress_error` will need."""
    for m in range(explorer.x.shape[1]):
        explorer.x[i, m] = x[m]
    explorer.y_v[i] = estimate(explorer, x, explorer.y_hidden[i])


@kernel
def regress_error(explorer: Explorer, i: int, target: float, learning_rate: float) -> None:
    """One step of backpropagation: move y_v at stream ``i``'s last `predict_error` towards ``target``."""
    seen, y_hidden = explorer.x[i], explorer.y_hidden[i]
    inputs, units = seen.shape[0], y_hidden.shape[0]
    step = learning_rate * (target - explorer.y_v[i])
    for g in range(units):
        delta = step * explorer.output[g] * y_hidden[g] * (1.0 - y_hidden[g])
        explorer.output[g] += step * y_hidden[g]
        for m in range(inputs):
            explorer.hidden[g, m] += delta * seen[m]
        explorer.hidden[g, inputs] += delta
    explorer.output[units] += step
