"""A dark room with a key and a door: find the key, then the door, and go straight to both in the next episodes.

Description:
    The agent stands in the middle of a dark square room of cells. One cell holds a key, another one is the door; both
    are drawn anew for each trial and show only in the reward. The door opens for who has the key. A trial has several
    episodes with the same two cells; to Gymnasium it is one episode, so that memory lives on.

Action Space: ``Discrete(5)``: 0 = stay, 1 = North, 2 = East, 3 = South, 4 = West; at a wall the agent stands still.

Observation Space: ``Box(0, 2, (2 size + 7,), float32)``, as that of the dark room:

    | indices           | what                                                     |
    |-------------------|----------------------------------------------------------|
    | 0 .. size - 1     | column, one-hot, from the West                           |
    | size .. 2 size -1 | row, one-hot, from the North                             |
    | then 5            | the last action, one-hot; all 0 at the start of a trial  |
    | then 1            | the last reward                                          |
    | then 1            | 1 at the first observation of an episode                 |

Rewards: 1 for coming to the key for the first time in an episode, 1 for coming to the door with it; else 0.

Starting State: the middle cell, without the key; key and door are uniform over all cells, and may be the same one.

Episode End: an inner episode ends at the door with the key, or after ``round_steps`` steps. The trial terminates after
    ``rounds`` of them (which counts as success: nothing can fail).

Info: ``state`` = (column, row, key_column, key_row, door_column, door_row, has_key, steps, round, last_action,
    last_reward), last_action -1 at the start, steps those of this inner episode.

Optimal Return: not known; 2 per episode at most.

Source: after the Dark Key-to-Door of M. Laskin et al., "In-context Reinforcement Learning with Algorithm Distillation",
    ICLR 2023 (9x9, 50 steps). Whether the start, and the end at the door, are those of the paper is not known to us.

Version History: v0, first release.
"""

from typing import Any

import gymnasium as gym
import numpy as np

from lstm_rl.checks import check_int
from lstm_rl.envs.dark_room import show, walk
from lstm_rl.envs.dynamics import CONTINUES, MAX_COUNT, SUCCEEDED, World, observe_rule, reset_rule, step_rule

COLUMN, ROW, KEY_COLUMN, KEY_ROW, DOOR_COLUMN, DOOR_ROW, HAS_KEY, STEPS, ROUND, ACTION, REWARD = range(11)
SIZE, ROUND_STEPS, ROUNDS = range(3)
TASK = ("key_column", "key_row", "door_column", "door_row")


@reset_rule
def key_to_door_reset(params: Any, noise: Any, state: Any) -> None:
    """Stand in the middle; noise draws the cells of key and door."""
    size = params[SIZE]
    state[COLUMN] = state[ROW] = size // 2
    for i in range(4):
        state[KEY_COLUMN + i] = size * noise[i] // 1.0
    state[HAS_KEY] = state[STEPS] = state[ROUND] = state[REWARD] = 0.0
    state[ACTION] = -1.0


@step_rule
def key_to_door_step(params: Any, noise: Any, action: int, state: Any) -> tuple[float, int]:
    """Walk, find key and door, and go back to the middle if the episode is over."""
    walk(params[SIZE], action, state)
    reward = 0.0
    if state[HAS_KEY] == 0.0 and state[COLUMN] == state[KEY_COLUMN] and state[ROW] == state[KEY_ROW]:
        state[HAS_KEY] = 1.0
        reward += 1.0
    opened = state[HAS_KEY] == 1.0 and state[COLUMN] == state[DOOR_COLUMN] and state[ROW] == state[DOOR_ROW]
    reward += 1.0 if opened else 0.0
    state[ACTION], state[REWARD] = action, reward
    state[STEPS] += 1.0
    if not opened and state[STEPS] < params[ROUND_STEPS]:
        return reward, CONTINUES
    state[COLUMN] = state[ROW] = params[SIZE] // 2
    state[HAS_KEY] = state[STEPS] = 0.0
    state[ROUND] += 1.0
    return reward, SUCCEEDED if state[ROUND] == params[ROUNDS] else CONTINUES


@observe_rule
def key_to_door_observe(params: Any, noise: Any, state: Any, observation: Any) -> None:
    """Where the agent stands, what it did and got, and whether an episode begins."""
    show(int(params[SIZE]), state[ACTION], state[REWARD], state[STEPS] == 0.0, state, observation)


def key_to_door(size: int = 9, *, round_steps: int = 50, rounds: int = 10, max_steps: int | None = None) -> World:
    """The dark room with key and door as a `World`; the module describes it.

    Args:
        size: Cells per side, odd, in [3, 1001].
        round_steps: Steps of an inner episode at most, in [1, 10^6].
        rounds: Inner episodes of a trial, in [1, 10^6].
        max_steps: Steps in [1, 2^53] after which a trial is truncated, if not ``rounds * round_steps``.

    Raises:
        ValueError: An argument is out of its range.
    """
    size = check_int("size", size, 3, 1001)
    if size % 2 == 0:
        raise ValueError(f"size must be odd, so that there is a cell in the middle, got {size!r}")
    steps, rounds = check_int("round_steps", round_steps, 1, 10**6), check_int("rounds", rounds, 1, 10**6)
    limit = rounds * steps if max_steps is None else check_int("max_steps", max_steps, 1, MAX_COUNT)
    names = ("column", "row", *TASK, "has_key", "steps", "round", "last_action", "last_reward")
    return World(
        key_to_door_reset,
        key_to_door_step,
        key_to_door_observe,
        params=np.array([size, steps, rounds], np.float64),
        state_names=names,
        noise_size=4,
        observation_space=gym.spaces.Box(0.0, 2.0, (2 * size + 7,), np.float32),
        action_space=gym.spaces.Discrete(5),
        max_steps=limit,
        renderer="lstm_rl.envs.rendering_key_to_door",
        task=TASK,
    )
