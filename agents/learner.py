"""Everything that a learner carries from step to step, as one explicit record: save its arrays and nothing is lost.

Dimensions: n streams, I inputs, K outputs; P, S, Z as in `lstm_rl.envs.dynamics`; L rows of noise on a tape.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.agents.config import Config
from lstm_rl.agents.exploration import Exploration, Explorer, make_exploration
from lstm_rl.envs.dynamics import NoiseTape, World
from lstm_rl.kernels.approximator import RmsProp, Sgd

# Sums over the steps since the logger last looked, in `Learner.sums`
STEPS, ERROR, ABS_ERROR, EXPLORATORY, TEMPERATURE = range(5)
# Columns of a finished episode's record
STREAM, RETURN, LENGTH, SUCCESS = range(4)


class Rule(NamedTuple):
    """Constants of the learning rule; see `Config`."""

    gamma: float
    lambda_: float
    kappa: float
    cut_traces: bool  # at exploratory actions
    optimizer: Any  # see `lstm_rl.kernels.approximator`
    normalize_observations: bool
    observation_clip: float


class Normaliser(NamedTuple):
    """Running statistics of the inputs over all streams (Welford)."""

    seen: NDArray[np.float64]  # (1,)
    mean: NDArray[np.float64]  # (I,)
    square: NDArray[np.float64]  # (I,) sum of squared deviations


class LastAction(NamedTuple):
    """What each stream waits for the reward with."""

    action: NDArray[np.int64]  # (n,) a_t, as the environment counts them
    chosen: NDArray[np.float64]  # (n,) A(s_t, a_t)
    value: NDArray[np.float64]  # (n,) V(s_t)
    episode: NDArray[np.float64]  # (n, 2) return and length of the episode so far


class Transition(NamedTuple):
    """What the pending actions led to, as SB3's vector environments hand it over."""

    reward: NDArray[np.float32]  # (n,) r_t
    terminated: NDArray[np.bool_]  # (n,)
    truncated: NDArray[np.bool_]  # (n,)
    observation: NDArray[np.float32]  # (n, I) of the same episode, its last one if it ended
    first: NDArray[np.float32]  # (n, I) of the next episode, where one ended


class Worlds(NamedTuple):
    """The rows of a `lstm_rl.envs.dynamics.World` for the loop; a world that is not active is never looked at."""

    active: bool
    rules: NDArray[np.int64]  # (3,)
    params: NDArray[np.float64]  # (P,)
    max_steps: int  # 0: no limit
    survival_is_success: bool
    tape: NDArray[np.float64]  # (n, L, Z)
    position: NDArray[np.int64]  # (n,)
    state: NDArray[np.float64]  # (n, S)
    elapsed: NDArray[np.int64]  # (n,)
    observation: NDArray[np.float32]  # (n, I)


class Learner(NamedTuple):
    """All of it."""

    rule: Rule
    approximator: Any  # see `lstm_rl.kernels.approximator`
    normaliser: Normaliser
    exploration: Exploration
    explorer: Explorer
    last_action: LastAction
    x: NDArray[np.float64]  # (I,) scratch: the input that the network sees, memory bits included
    sums: NDArray[np.float64]  # (5,)


def make_learner(
    approximator: Any, inputs: int, config: Config, horizon: int, normaliser: Normaliser, explorer: Explorer
) -> Learner:
    """The streams of an approximator with ``inputs`` inputs, around statistics and an explorer that live elsewhere."""
    n = len(approximator.outputs)
    return Learner(
        Rule(
            config.gamma,
            config.lambda_,
            config.kappa,
            config.cut_traces,
            RmsProp(config.rms_decay_for(horizon)) if config.step_rule == "rms" else Sgd(),
            config.normalize_observations,
            config.observation_clip,
        ),
        approximator,
        normaliser,
        make_exploration(config, horizon),
        explorer,
        LastAction(np.zeros(n, np.int64), np.zeros(n), np.zeros(n), np.zeros((n, 2))),
        np.zeros(inputs),
        np.zeros(5),
    )


def make_transition(n: int, inputs: int) -> Transition:
    """Room for what n environments hand over."""
    return Transition(
        np.zeros(n, np.float32),
        np.zeros(n, np.bool_),
        np.zeros(n, np.bool_),
        np.zeros((n, inputs), np.float32),
        np.zeros((n, inputs), np.float32),
    )


def make_worlds(
    world: World,
    tape: NoiseTape,
    state: NDArray[np.float64],
    elapsed: NDArray[np.int64],
    observation: NDArray[np.float32],
) -> Worlds:
    """The rows of a world for the loop: views of what they are made of, with the noise that is drawn now."""
    return Worlds(
        True,
        world.rules,
        world.params,
        world.max_steps or 0,
        world.survival_is_success,
        tape.values,
        tape.position,
        state,
        elapsed,
        observation,
    )


def no_worlds(n: int, inputs: int) -> Worlds:
    """Rows that are not there: the environment is stepped elsewhere."""
    return Worlds(
        active=False,
        rules=np.zeros(3, np.int64),
        params=np.zeros(0),
        max_steps=0,
        survival_is_success=False,
        tape=np.zeros((n, 0, 0)),
        position=np.zeros(n, np.int64),
        state=np.zeros((n, 0)),
        elapsed=np.zeros(n, np.int64),
        observation=np.zeros((n, inputs), np.float32),
    )
