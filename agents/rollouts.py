"""Playing a world with a trained policy, compiled: many episodes side by side, no learning."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.agents.execution import execute
from lstm_rl.agents.exploration import act
from lstm_rl.agents.learner import Learner, make_learner, network_input
from lstm_rl.agents.loop import Worlds, make_worlds
from lstm_rl.agents.policies import MemoryPolicy
from lstm_rl.checks import check_int
from lstm_rl.compiled import compiled
from lstm_rl.envs.dynamics import CONTINUES, SUCCEEDED, NoiseTape, World, reset_rows, step_row
from lstm_rl.kernels.approximator import forward, to_env_action

STEPS = 1000  # steps per episode between two drawings of noise


class Played(NamedTuple):
    """Episodes that have been played to their ends."""

    returns: NDArray[np.float64]  # (E,) undiscounted
    lengths: NDArray[np.float64]  # (E,) steps
    successes: NDArray[np.float64]  # (E,) 0 or 1
    states: NDArray[np.float64]  # (E, S) the world's last state of each


def play(
    policy: MemoryPolicy,
    world: World,
    episodes: int,
    seed: int,
    greedy: bool = True,
    watch: Callable[[NDArray[np.float64], NDArray[np.float64]], None] | None = None,
) -> Played:
    """Play whole episodes; policy and statistics stay as they are.

    Args:
        policy: Its inputs and outputs fit the world's.
        world: Needs ``max_steps``, or a policy that always comes to an end.
        episodes: How many, >= 1.
        seed: Of the episodes; episode i of a seed is the same whatever ``episodes`` is.
        greedy: False: with the learner's own exploration.
        watch: Is shown, after every step of all, returns so far (E,) and states (E, S).

    Raises:
        ValueError: The world's actions are continuous.
    """
    if world.continuous:
        raise ValueError(f"world must have Discrete actions to be played in compiled code, got {world.action_space}")
    steps = STEPS if watch is None else 1
    n = check_int("episodes", episodes, 1)
    tape = NoiseTape([np.random.default_rng([seed, i]) for i in range(n)], world.noise_size)
    learner = make_learner(policy, n, np.random.default_rng([seed, n]))
    state, elapsed = np.zeros((n, len(world.state_names))), np.zeros(n, np.int64)
    observation = np.zeros((n, policy.sensors), np.float32)
    playing, totals = np.ones(n, np.bool_), np.zeros((n, 3))
    tape.draw(1)
    reset_rows(world.rules, world.params, tape.values, tape.position, playing, state, elapsed, observation)
    while playing.any():
        tape.draw(steps)
        worlds = make_worlds(world, tape, state, elapsed, observation)
        execute(_play, learner, worlds, greedy, steps, playing, totals)
        if watch is not None:
            watch(totals[:, 0], state)
    returns, lengths, successes = totals.T
    return Played(returns, lengths, successes, state)


@compiled
def _play(learner: Learner, worlds: Worlds, greedy: bool, steps: int, playing: Any, totals: Any) -> None:
    """Let all rows that are ``playing`` (n,) go on for up to ``steps`` steps; add up ``totals`` (n, 3)."""
    x = learner.x
    for i in range(playing.shape[0]):
        t = 0
        while playing[i] and t < steps:
            network_input(learner.normaliser, learner.clip, worlds.observation[i], x)
            forward(learner.approximator, i, x)
            outputs, vector = learner.approximator.outputs[i], learner.last_action.vector[i]
            k = act(learner.exploration, learner.explorer, i, x, outputs, greedy, vector)
            action = to_env_action(learner.approximator, i, k)
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
            totals[i, 0] += reward
            totals[i, 1] += 1.0
            if outcome != CONTINUES or truncated:
                playing[i] = False
                totals[i, 2] = 1.0 if outcome == SUCCEEDED or (truncated and worlds.survival_is_success) else 0.0
            t += 1
