"""Tabular MDPs drawn at random: a trial is some episodes in one of them, and the agent has to find out what it is like.

Description:
    A trial draws a Markov decision process with S states and A actions: each pair of state and action has a mean reward
    and a distribution over the next state. An episode lasts ``horizon`` steps and begins in state 0. A trial has
    ``episodes`` of them in the same process, and to Gymnasium it is one episode, so that memory lives on.

Action Space: ``Discrete(A)``.

Observation Space: ``Box(-inf, inf, (S + A + 2,), float32)``

    | indices | what                                                    |
    |---------|---------------------------------------------------------|
    | S       | state, one-hot                                          |
    | then A  | the last action, one-hot; all 0 at the start of a trial |
    | then 1  | the last reward                                         |
    | then 1  | 1 at the first observation of an episode                |

Rewards: Gaussian with variance 1 around the pair's mean, which is drawn from Normal(1, 1).

Starting State: state 0; transitions of each pair are drawn from a flat Dirichlet distribution, independently.

Episode End: terminated after ``episodes * horizon`` steps (which counts as success: nothing can fail).

Info: ``state`` = (state, steps, last_action, last_reward, means A S, transitions S A S), see `tables`.

Optimal Return: not known. An agent that knows the process gets about 23.5 per episode of the default size.

Chance Return: ``horizon`` per episode.

Source: Y. Duan et al., "RL^2: Fast Reinforcement Learning via Slow Reinforcement Learning", arXiv 1611.02779 (2016),
    section 3.2: S = 10, A = 5, horizon 10.

Version History: v0, first release.
"""

import math
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_int
from lstm_rl.envs.dynamics import CONTINUES, MAX_COUNT, SUCCEEDED, World, observe_rule, reset_rule, step_rule
from lstm_rl.rng import mixed

NOW, STEPS, ACTION, REWARD, TABLES = range(5)  # the state's first numbers; mean rewards and transitions follow
STATES, ACTIONS, HORIZON, EPISODES = range(4)


@reset_rule
def tabular_mdp_reset(params: Any, noise: Any, state: Any) -> None:
    """Draw the process. One number of noise seeds a generator (splitmix64) that draws all of it."""
    s, a = int(params[STATES]), int(params[ACTIONS])
    state[NOW] = state[STEPS] = state[REWARD] = 0.0
    state[ACTION] = -1.0
    counter = np.uint64(noise[0] * 9007199254740992.0)  # 53 random bits
    spare = 0.0
    for i in range(s * a * (s + 2)):
        counter += np.uint64(0x9E3779B97F4A7C15)
        u = (float(mixed(counter) >> np.uint64(11)) + 0.5) / 9007199254740992.0  # in (0, 1)
        if i >= 2 * s * a:
            state[TABLES - s * a + i] = -math.log(u)  # normalised below: a flat Dirichlet distribution
        elif i % 2 == 0:
            spare = u
        else:
            state[TABLES + i // 2] = 1.0 + math.sqrt(-2.0 * math.log(spare)) * math.cos(2.0 * math.pi * u)
    for pair in range(s * a):
        first, total = TABLES + s * a + pair * s, 0.0
        for j in range(s):
            total += state[first + j]
        for j in range(s):
            state[first + j] /= total


@step_rule
def tabular_mdp_step(params: Any, noise: Any, action: int, state: Any) -> tuple[float, int]:
    """Move on: noise[0] draws the next state, noise[1] and noise[2] the reward."""
    s, a = int(params[STATES]), int(params[ACTIONS])
    pair = int(state[NOW]) * a + action
    draw, following = noise[0], s - 1
    for j in range(s - 1):
        draw -= state[TABLES + s * a + pair * s + j]
        if draw < 0.0:
            following = j
            break
    gaussian = math.sqrt(-2.0 * math.log(1.0 - noise[1])) * math.cos(2.0 * math.pi * noise[2])
    state[NOW] = following
    state[ACTION] = action
    state[REWARD] = state[TABLES + pair] + gaussian
    state[STEPS] += 1.0
    if state[STEPS] % params[HORIZON] == 0.0:
        state[NOW] = 0.0
    ended = state[STEPS] == params[EPISODES] * params[HORIZON]
    return state[REWARD], SUCCEEDED if ended else CONTINUES


@observe_rule
def tabular_mdp_observe(params: Any, noise: Any, state: Any, observation: Any) -> None:
    """The state, what the last action was and brought, and whether an episode begins."""
    s, a = int(params[STATES]), int(params[ACTIONS])
    observation[:] = 0.0
    observation[int(state[NOW])] = 1.0
    if state[ACTION] >= 0.0:
        observation[s + int(state[ACTION])] = 1.0
    observation[s + a] = state[REWARD]
    observation[s + a + 1] = 1.0 if state[STEPS] % params[HORIZON] == 0.0 else 0.0


def tabular_mdp(
    states: int = 10, *, actions: int = 5, horizon: int = 10, episodes: int = 10, max_steps: int | None = None
) -> World:
    """Random tabular MDPs as a `World`; the module describes it.

    Args:
        states: S in [1, 100].
        actions: A in [2, 100].
        horizon: Steps of an episode, in [1, 10^6].
        episodes: Of a trial, in [1, 10^6].
        max_steps: Steps in [1, 2^53] after which a trial is truncated, if that is earlier.

    Raises:
        ValueError: An argument is out of its range.
    """
    s, a = check_int("states", states, 1, 100), check_int("actions", actions, 2, 100)
    steps, n = check_int("horizon", horizon, 1, 10**6), check_int("episodes", episodes, 1, 10**6)
    limit = n * steps if max_steps is None else check_int("max_steps", max_steps, 1, MAX_COUNT)
    pairs = [(i, j) for i in range(s) for j in range(a)]
    task = (*(f"mean_{i}_{j}" for i, j in pairs), *(f"p_{i}_{j}_{k}" for i, j in pairs for k in range(s)))
    return World(
        tabular_mdp_reset,
        tabular_mdp_step,
        tabular_mdp_observe,
        params=np.array([s, a, steps, n], np.float64),
        state_names=("state", "steps", "last_action", "last_reward", *task),
        noise_size=3,
        observation_space=gym.spaces.Box(-np.inf, np.inf, (s + a + 2,), np.float32),
        action_space=gym.spaces.Discrete(a),
        max_steps=limit,
        renderer="lstm_rl.envs.rendering_mdp",
        task=task,
    )


def tables(world: World, states: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean rewards (..., S, A) and transitions (..., S, A, S) in the state (..., .) of such a world."""
    s, a = int(world.params[STATES]), int(world.params[ACTIONS])
    shape, cut = states.shape[:-1], TABLES + s * a
    return states[..., TABLES:cut].reshape(*shape, s, a), states[..., cut:].reshape(*shape, s, a, s)
