"""The loop around environments, compiled: any learning rule of `lstm_rl.agents.learner`, any world or none.

Both ways of training are the same compiled function, `train`: with a world inside the loop, or called once per step
with what any other environment returned. Nothing in it depends on chunking or on who calls, so their weights agree to
the last bit. Streams learn one after the other, in order.

Dimensions: n streams, I inputs, T steps; P, S, Z as in `lstm_rl.envs.dynamics`; L rows of noise on a tape.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.agents.learner import Learner, Transition, learn
from lstm_rl.compiled import compiled, kernel
from lstm_rl.envs.dynamics import CONTINUES, SUCCEEDED, NoiseTape, World, reset_row, step_row

# Columns of a finished episode's record
STREAM, RETURN, LENGTH, SUCCESS = range(4)


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


@compiled
def train(
    learner: Learner, worlds: Worlds, transition: Transition, learning_rates: Any, finished: Any, starting: bool
) -> tuple[int, int]:
    """Train all n streams for up to T steps; return (steps done, episodes finished).

    With ``worlds.active`` the world is inside the loop; otherwise each stream's next reward and observation have been
    given (T = 1). One compiled function serves both. The loop stops early before a step whose transition is not finite.

    Args:
        learner: Changed in place.
        worlds: The rows of a world, changed in place.
        transition: Used up, and filled by active worlds.
        learning_rates: (T,) learning rate of each step.
        finished: (F, 4) filled with one record per finished episode. The loop stops early when there might not be room
            for one more episode per row here or in the noise tape (two rows of it per step).
        starting: Only choose first actions, from ``transition.first``.
    """
    n, episodes = learner.last_action.action.shape[0], 0
    for t in range(learning_rates.shape[0]):
        if worlds.active:
            full = episodes + n > finished.shape[0]
            for i in range(n):
                full |= worlds.position[i] + 2 > worlds.tape.shape[1]
            if full:
                return t, episodes
            for i in range(n):
                last = learner.last_action
                episodes = step_world(last.action[i], last.episode[i], worlds, transition, i, finished, episodes)
        if not all_finite(transition):
            return t, episodes
        if not (worlds.active or starting):
            _follow_episodes(learner.last_action.episode, transition)
        for i in range(n):
            learn(learner.rule, learner, i, learning_rates[t], transition, starting)
    return learning_rates.shape[0], episodes


@kernel
def all_finite(transition: Transition) -> bool:
    """Whether all rewards and observations, those of new episodes among them, are finite numbers."""
    finite = True
    for i in range(transition.reward.shape[0]):
        finite &= np.isfinite(transition.reward[i])
        for m in range(transition.first.shape[1]):
            finite &= np.isfinite(transition.first[i, m]) and np.isfinite(transition.observation[i, m])
    return finite


@kernel
def _follow_episodes(episode: Any, transition: Transition) -> None:
    """Keep the running episodes' returns and lengths (n, 2) of an environment that is stepped elsewhere."""
    for i in range(episode.shape[0]):
        if transition.terminated[i] or transition.truncated[i]:
            episode[i] = 0.0
        else:
            episode[i, 0] += transition.reward[i]
            episode[i, 1] += 1.0


@kernel
def step_world(
    action: Any, episode: Any, worlds: Worlds, transition: Transition, i: int, finished: Any, episodes: int
) -> int:
    """Row ``i`` of the world takes an action; reset it if its episode ends; return the number of episodes.

    Args:
        action: A move, or a vector (A,).
        episode: (2,) return and length so far, changed in place.
        worlds: The rows, changed in place.
        transition: Its row ``i`` is filled.
        i: Which row.
        finished: (F, 4) gets a record if the episode ends.
        episodes: How many records there are.
    """
    noise = worlds.tape[i, worlds.position[i]]
    worlds.position[i] += 1
    reward, outcome, truncated = step_row(
        worlds.rules,
        worlds.params,
        worlds.max_steps,
        noise,
        action,
        worlds.state,
        worlds.elapsed,
        i,
        worlds.observation,
    )
    episode[0] += reward
    episode[1] += 1.0
    transition.reward[i] = reward
    transition.terminated[i] = outcome != CONTINUES
    transition.truncated[i] = truncated
    for m in range(transition.observation.shape[1]):
        transition.observation[i, m] = worlds.observation[i, m]
    if outcome != CONTINUES or truncated:
        finished[episodes, STREAM] = i
        finished[episodes, RETURN] = episode[0]
        finished[episodes, LENGTH] = episode[1]
        success = outcome == SUCCEEDED or (truncated and worlds.survival_is_success)
        finished[episodes, SUCCESS] = 1.0 if success else 0.0
        episodes += 1
        episode[:] = 0.0
        noise = worlds.tape[i, worlds.position[i]]
        worlds.position[i] += 1
        reset_row(worlds.rules, worlds.params, noise, worlds.state, worlds.elapsed, i, worlds.observation)
        for m in range(transition.first.shape[1]):
            transition.first[i, m] = worlds.observation[i, m]
    return episodes
