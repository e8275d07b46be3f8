"""Everything that a learner carries from step to step, as one explicit record: save its arrays and nothing is lost.

A learning rule is a NamedTuple of its constants and of its own arrays, whose kernel registers with `learn`; see
`lstm_rl.agents.advantage_lambda`. What rules share is here: the network's view of observations, pending actions, sums.

Dimensions: n streams, I inputs, K outputs.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.agents.config import Config
from lstm_rl.agents.exploration import Explorer
from lstm_rl.agents.scale import Scale, make_scale
from lstm_rl.compiled import by_class, kernel
from lstm_rl.kernels.approximator import RmsProp, Sgd, forward

# Sums over the steps since the logger last looked, in `Learner.sums`
STEPS, ERROR, ABS_ERROR, EXPLORATORY, LEVEL = range(5)
ENTROPY, VALUE = EXPLORATORY, LEVEL  # of an actor-critic


class Normaliser(NamedTuple):
    """Running statistics of the inputs over all streams (Welford)."""

    seen: NDArray[np.float64]  # (1,)
    mean: NDArray[np.float64]  # (I,)
    square: NDArray[np.float64]  # (I,) sum of squared deviations


class LastAction(NamedTuple):
    """The action whose reward each stream waits for, and the episode that it belongs to."""

    action: NDArray[np.int64]  # (n,) a_t, as the environment counts them
    vector: NDArray[np.float64]  # (n, d) a_t, where it is continuous; d = 0 where it is not
    episode: NDArray[np.float64]  # (n, 2) return and length of the episode so far


class Transition(NamedTuple):
    """What the pending actions led to, as SB3's vector environments hand it over."""

    reward: NDArray[np.float32]  # (n,) r_t
    terminated: NDArray[np.bool_]  # (n,) the episode ended: what follows is worth 0
    truncated: NDArray[np.bool_]  # (n,) it was cut off: what follows is worth something, but a new episode begins
    observation: NDArray[np.float32]  # (n, I) of the same episode, its last one if it ended
    first: NDArray[np.float32]  # (n, I) of the next episode, where one ended


class Learner(NamedTuple):
    """Everything that one learner carries from step to step."""

    rule: Any  # see `learn`
    approximator: Any  # see `lstm_rl.kernels.approximator`
    normaliser: Normaliser
    clip: float  # of normalised observations; 0: observations are taken as they are
    scale: Scale
    exploration: Any  # how actions are chosen: `Exploration`, or one of `lstm_rl.agents.distributions`
    explorer: Explorer
    last_action: LastAction
    x: NDArray[np.float64]  # (I,) scratch: the input that the network sees, memory bits included
    sums: NDArray[np.float64]  # (5,)


def make_learner(policy: Any, n: int, rng: np.random.Generator, rule: Any = None) -> Learner:
    """N streams at rest around the memory of a policy's parameters and statistics; without a rule they only act."""
    config = policy.config
    return Learner(
        rule,
        policy.approximator(n, learns=rule is not None),
        policy.normaliser(),
        config.observation_clip if config.normalize_observations else 0.0,
        make_scale(config, policy.horizon, policy.sizes(), n),
        policy.exploration(),
        policy.explorer(n, rng),
        LastAction(np.zeros(n, np.int64), np.zeros((n, policy.decoder.dimensions)), np.zeros((n, 2))),
        np.zeros(policy.inputs),
        np.zeros(5),
    )


def make_optimizer(config: Config, horizon: int) -> Sgd | RmsProp:
    """The steps along traces that a configuration stands for."""
    rms = RmsProp(config.rms_decay_for(horizon), config.rms_epsilon, 1.0 - 1.0 / max(config.rms_memory, 1))
    return Sgd() if config.optimizer == "sgd" else rms


def make_transition(n: int, inputs: int) -> Transition:
    """Room for what n environments hand over."""
    return Transition(
        np.zeros(n, np.float32),
        np.zeros(n, np.bool_),
        np.zeros(n, np.bool_),
        np.zeros((n, inputs), np.float32),
        np.zeros((n, inputs), np.float32),
    )


@by_class
def learn(rule: Any, learner: Learner, i: int, learning_rate: float, transition: Transition, starting: bool) -> None:
    """One step of stream ``i``: learn from what the pending action led to, then choose the next action.

    Args:
        rule: That of the learner; its class decides.
        learner: Changed in place.
        i: Stream, 0 .. n-1.
        learning_rate: Learning rate of this step, >= 0.
        transition: Of all streams. After a terminal step ``observation`` counts for nothing.
        starting: The stream has no pending action yet: only ``first`` counts.
    """
    raise TypeError(f"{type(rule).__name__} has no kernel for this")


@kernel
def network_input(normaliser: Normaliser, clip: float, observation: Any, to: Any) -> None:
    """What the network sees of an observation: (observation - mean) / standard deviation, cut off at +- clip.

    With a ``clip`` of 0 it sees the observation itself.
    """
    if clip > 0.0:
        for m in range(normaliser.mean.shape[0]):
            variance = normaliser.square[m] / max(normaliser.seen[0], 1.0)
            to[m] = min(max((observation[m] - normaliser.mean[m]) / np.sqrt(variance + 1e-8), -clip), clip)
    else:
        for m in range(observation.shape[0]):
            to[m] = observation[m]


def standard_deviation(normaliser: Normaliser) -> NDArray[np.float64]:
    """Of observations, (I,), as `network_input` divides by it."""
    deviation: NDArray[np.float64] = np.sqrt(normaliser.square / max(normaliser.seen[0], 1.0) + 1e-8)
    return deviation


@kernel
def observe(learner: Learner, i: int, observation: Any) -> None:
    """Let stream ``i`` see an observation (I,): statistics, then one step of the network."""
    statistics, x = learner.normaliser, learner.x
    if learner.clip > 0.0:
        statistics.seen[0] += 1.0
        for m in range(statistics.mean.shape[0]):
            deviation = observation[m] - statistics.mean[m]
            statistics.mean[m] += deviation / statistics.seen[0]
            statistics.square[m] += deviation * (observation[m] - statistics.mean[m])
    network_input(statistics, learner.clip, observation, x)
    forward(learner.approximator, i, x)
