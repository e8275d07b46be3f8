"""Exploration: from Advantage values to an action, compiled.

Each kind is a class of constants with kernels of its own, chosen when a loop is compiled:

- `Epsilon`: with probability epsilon, a uniformly random action.
- `EzGreedy` (Dabney, Ostrovski, Barreto 2020): that action is then repeated for d steps, P(d >= k) = k^(1 - mu)
  (the paper: a zeta law), at most `max_repeat`. Each episode explores with a share of epsilon of its own, drawn
  log-uniformly from [least_share, 1]. In a corridor a single random step is undone by the next greedy one; a repeated
  one goes somewhere.
- `Boltzmann`: P(a) ~ exp(A(a) / T).
- `Directed` (Bakker 2001, section 3): Boltzmann with T = max(T_min, scale y_v(x)), where a feedforward network on the
  same input learns y_v(t) -> |E(t)| + beta y_v(t+1): hot where errors are or follow, cool in the corridor.

Dimensions: K actions, I inputs, G hidden units of the explorer network; arrays with a leading n have a row per stream.
Every stream has a random generator of its own (`lstm_rl.rng`).
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.agents.config import Config
from lstm_rl.compiled import by_class, kernel
from lstm_rl.kernels.squashing import logistic
from lstm_rl.rng import uniform


class Epsilon(NamedTuple):
    """Random actions of one step."""

    epsilon: float  # probability per step


class EzGreedy(NamedTuple):
    """Random actions that are repeated."""

    epsilon: float  # probability per step that one begins, times the episode's share
    duration_exponent: float  # mu > 1
    max_repeat: float  # steps that a random action lasts at most
    least_share: float  # of epsilon, in an episode


class Boltzmann(NamedTuple):
    """Better actions are likelier."""

    temperature: float  # T > 0


class Directed(NamedTuple):
    """Boltzmann, hotter where errors are expected."""

    temperature: float  # the lowest
    temperature_scale: float
    beta: float
    learning_rate: float


Exploration = Epsilon | EzGreedy | Boltzmann | Directed


class Explorer(NamedTuple):
    """The directed explorer's weights (shared) and each stream's exploration state; save these and nothing is lost."""

    hidden: NDArray[np.float64]  # (G, I + 1), last column bias
    output: Any  # (G + 1,) float64, last bias
    x: NDArray[np.float64]  # (n, I) input at t
    y_hidden: NDArray[np.float64]  # (n, G) at t
    y_v: NDArray[np.float64]  # (n,) at t
    repeated: NDArray[np.int64]  # (n, 2) the action that is repeated, and for how many steps still
    share: NDArray[np.float64]  # (n,) of epsilon that this episode explores with
    generator: NDArray[np.uint64]  # (n,)
    scratch: NDArray[np.float64]  # (G,)


def make_exploration(config: Config, horizon: int) -> Exploration:
    """The kind and the numbers that a configuration stands for."""
    epsilon = config.epsilon_for(horizon)
    if config.exploration == "epsilon":
        return Epsilon(epsilon)
    if config.exploration == "ez_greedy":
        return EzGreedy(
            epsilon, config.duration_exponent, max(config.repeat_horizons * horizon, 1.0), config.least_share
        )
    if config.exploration == "boltzmann":
        return Boltzmann(config.temperature)
    return Directed(config.temperature, config.temperature_scale, config.beta, config.explorer_learning_rate)


def make_explorer(
    hidden: NDArray[np.float64], output: NDArray[np.float64], n: int, rng: np.random.Generator
) -> Explorer:
    """Exploration state of n streams around the weights of the explorer network."""
    g, inputs = hidden.shape[0], hidden.shape[1] - 1
    generator = rng.integers(2**64, size=n, dtype=np.uint64)
    numbers = (np.zeros((n, inputs)), np.zeros((n, g)), np.zeros(n))
    return Explorer(hidden, output, *numbers, np.zeros((n, 2), np.int64), np.ones(n), generator, np.zeros(g))


# --- what a learning rule asks for -----------------------------------------------------------------------------------


@by_class
def start_episode(exploration: Any, explorer: Explorer, i: int) -> None:
    """Stream ``i`` is about to see the first observation of an episode."""
    raise TypeError(f"{type(exploration).__name__} has no kernel for this")


@by_class
def predict_error(exploration: Any, explorer: Explorer, i: int, x: Any) -> None:
    """Stream ``i`` has seen ``x`` (I,) and is about to choose: predict how large its errors will be."""
    raise TypeError(f"{type(exploration).__name__} has no kernel for this")


@by_class
def choose(exploration: Any, explorer: Explorer, i: int, advantages: Any) -> int:
    """Choose stream ``i``'s action from its advantages (K,); draws from its generator."""
    raise TypeError(f"{type(exploration).__name__} has no kernel for this")


@by_class
def regress_error(exploration: Any, explorer: Explorer, i: int, x: Any, error: float, terminated: bool) -> None:
    """Learn from the ``error`` that followed the last `predict_error`; ``x`` (I,) is what stream ``i`` sees now."""
    raise TypeError(f"{type(exploration).__name__} has no kernel for this")


@by_class
def exploration_level(exploration: Any, explorer: Explorer, i: int) -> float:
    """Epsilon or temperature of stream ``i`` now, for the log."""
    raise TypeError(f"{type(exploration).__name__} has no kernel for this")


# --- epsilon-greedy --------------------------------------------------------------------------------------------------


@kernel
def argmax(values: Any) -> int:
    """Index of the first largest value."""
    best = 0
    for k in range(1, values.shape[0]):
        if values[k] > values[best]:
            best = k
    return best


@choose.register(Epsilon)
def _choose_epsilon(exploration: Epsilon, explorer: Explorer, i: int, advantages: Any) -> int:
    if uniform(explorer.generator, i) < exploration.epsilon:
        return int(uniform(explorer.generator, i) * advantages.shape[0])
    return argmax(advantages)


@start_episode.register(object)
def _start_episode(exploration: Any, explorer: Explorer, i: int) -> None:
    explorer.repeated[i] = 0


@start_episode.register(EzGreedy)
def _start_ez_greedy(exploration: EzGreedy, explorer: Explorer, i: int) -> None:
    explorer.repeated[i] = 0
    if exploration.least_share < 1.0:
        explorer.share[i] = exploration.least_share ** uniform(explorer.generator, i)


@choose.register(EzGreedy)
def _choose_ez_greedy(exploration: EzGreedy, explorer: Explorer, i: int, advantages: Any) -> int:
    repeated = explorer.repeated[i]
    if repeated[1] > 0:
        repeated[1] -= 1
        return repeated[0]
    if uniform(explorer.generator, i) >= exploration.epsilon * explorer.share[i]:
        return argmax(advantages)
    repeated[0] = int(uniform(explorer.generator, i) * advantages.shape[0])
    draw = 1.0 - uniform(explorer.generator, i)  # in (0, 1]
    duration = draw ** (-1.0 / (exploration.duration_exponent - 1.0))
    repeated[1] = int(min(duration, exploration.max_repeat)) - 1
    return repeated[0]


@exploration_level.register(Epsilon)
def _epsilon(exploration: Epsilon, explorer: Explorer, i: int) -> float:
    return exploration.epsilon


@exploration_level.register(EzGreedy)
def _epsilon_of_episode(exploration: EzGreedy, explorer: Explorer, i: int) -> float:
    return exploration.epsilon * explorer.share[i]


# --- Boltzmann, directed or not --------------------------------------------------------------------------------------


@exploration_level.register(Boltzmann)
def _constant_temperature(exploration: Boltzmann, explorer: Explorer, i: int) -> float:
    return exploration.temperature


@exploration_level.register(Directed)
def _directed_temperature(exploration: Directed, explorer: Explorer, i: int) -> float:
    return max(exploration.temperature, exploration.temperature_scale * explorer.y_v[i])


@choose.register(Boltzmann, Directed)
def _choose_boltzmann(exploration: Any, explorer: Explorer, i: int, advantages: Any) -> int:
    t = exploration_level(exploration, explorer, i)
    draw, highest = uniform(explorer.generator, i), advantages[argmax(advantages)]
    total = 0.0
    for k in range(advantages.shape[0]):
        total += math.exp((advantages[k] - highest) / t)
    draw *= total
    for k in range(advantages.shape[0]):
        draw -= math.exp((advantages[k] - highest) / t)
        if draw < 0.0:
            return k
    return advantages.shape[0] - 1


# --- the directed explorer's network ---------------------------------------------------------------------------------


@predict_error.register(object)
def _no_prediction(exploration: Any, explorer: Explorer, i: int, x: Any) -> None:
    """Needs none."""


@regress_error.register(object)
def _no_regression(exploration: Any, explorer: Explorer, i: int, x: Any, error: float, terminated: bool) -> None:
    """Learns nothing."""


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


@predict_error.register(Directed)
def _predict_error(exploration: Directed, explorer: Explorer, i: int, x: Any) -> None:
    for m in range(explorer.x.shape[1]):
        explorer.x[i, m] = x[m]
    explorer.y_v[i] = estimate(explorer, x, explorer.y_hidden[i])


@regress_error.register(Directed)
def _regress_error(exploration: Directed, explorer: Explorer, i: int, x: Any, error: float, terminated: bool) -> None:
    """One step of backpropagation: move y_v at stream ``i``'s last prediction towards |E| + beta y_v(x)."""
    target = abs(error)
    if not terminated:
        target += exploration.beta * estimate(explorer, x, explorer.scratch)
    seen, y_hidden = explorer.x[i], explorer.y_hidden[i]
    inputs, units = seen.shape[0], y_hidden.shape[0]
    step = exploration.learning_rate * (target - explorer.y_v[i])
    for g in range(units):
        delta = step * explorer.output[g] * y_hidden[g] * (1.0 - y_hidden[g])
        explorer.output[g] += step * y_hidden[g]
        for m in range(inputs):
            explorer.hidden[g, m] += delta * seen[m]
        explorer.hidden[g, inputs] += delta
    explorer.output[units] += step


@by_class
def act(exploration: Any, explorer: Explorer, i: int, x: Any, outputs: Any, greedy: bool, vector: Any) -> int:
    """Stream ``i``'s choice from the outputs (K,) without learning; ``x`` (I,) is what the network saw.

    A continuous action goes to ``vector`` (d,); what is returned then counts for nothing.
    """
    raise TypeError(f"{type(exploration).__name__} has no kernel for this")


@act.register(object)
def _act_by_advantages(
    exploration: Any, explorer: Explorer, i: int, x: Any, advantages: Any, greedy: bool, vector: Any
) -> int:
    if greedy:
        return argmax(advantages)
    predict_error(exploration, explorer, i, x)
    return choose(exploration, explorer, i, advantages)
