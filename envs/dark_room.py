"""A dark room: find a hidden goal, remember where it was, and go straight back to it in the next episodes.

Description:
    The agent stands in the middle of a dark square room of cells. One cell, drawn anew for each trial, is the goal;
    it shows only in the reward. A trial has several rounds with the same goal: each lasts ``round_steps`` steps,
    after which the agent is put back to the middle. So the first rounds are for searching, the later ones for going
    there at once. To Gymnasium a trial is one episode, so that an agent keeps its memory from round to round.

Action Space: ``Discrete(5)``: 0 = stay, 1 = North, 2 = East, 3 = South, 4 = West; at a wall the agent stands still.

Observation Space: ``Box(0, 1, (2 size + 7,), float32)``

    | indices           | what                                                     |
    |-------------------|----------------------------------------------------------|
    | 0 .. size - 1     | column, one-hot, from the West                           |
    | size .. 2 size -1 | row, one-hot, from the North                             |
    | then 5            | the last action, one-hot; all 0 at the start of a trial  |
    | then 1            | the last reward                                          |
    | then 1            | 1 at the first observation of a round                    |

Rewards: 1 for every step after which the agent stands on the goal, arriving or staying; else 0. (The goal may be the
    cell in the middle, which pays from the first step on if the agent stays.)

Starting State: the middle cell; the goal is uniform over all cells, the middle one included.

Episode End: truncated after ``rounds * round_steps`` steps, no success or failure; with ``terminates=True``, as a
    trial of episodes ends, terminated then (which counts as success).

Info: ``state`` = (column, row, goal_column, goal_row, steps, last_action, last_reward), last_action -1 at the start.

Optimal Return: one round: exact; a path that enters a new cell with each of its T steps finds the goal at step t with
    probability 1 / cells and stays: sum of (T + 1 - t) / cells = 210 / 81 = 2.59 by default. More rounds: an upper
    bound, as if the goal were known from the second round on (16.54 per round by default); given if T is less than
    the number of cells. `search_bounds` is lower: it takes some rounds to see all cells.

Best Return Without Memory: the observation holds the last reward, so that "follow a fixed path and stay where it pays"
    needs no memory. Its return, ``rounds`` times that of one round, is the best that we know without memory.

Source: after the Dark Room of M. Laskin et al., "In-context Reinforcement Learning with Algorithm Distillation",
    ICLR 2023 (9x9, 20 steps, reward 1 at the goal). Rounds as one episode and the observation's flags are ours.

Version History: v0, first release.
"""

from typing import Any

import gymnasium as gym
import numpy as np

from lstm_rl.checks import check_int
from lstm_rl.compiled import kernel
from lstm_rl.envs.dynamics import CONTINUES, MAX_COUNT, SUCCEEDED, World, observe_rule, reset_rule, step_rule

COLUMN, ROW, GOAL_COLUMN, GOAL_ROW, STEPS, ACTION, REWARD = range(7)
SIZE, ROUND_STEPS, END = range(3)  # END: the step that terminates a trial, or 0
STAY, NORTH, EAST, SOUTH, WEST = range(5)


@reset_rule
def dark_room_reset(params: Any, noise: Any, state: Any) -> None:
    """Stand in the middle; noise[0] draws the goal's column, noise[1] its row."""
    size = params[SIZE]
    state[COLUMN] = state[ROW] = size // 2
    state[GOAL_COLUMN] = size * noise[0] // 1.0
    state[GOAL_ROW] = size * noise[1] // 1.0
    state[STEPS] = 0.0
    state[ACTION] = -1.0
    state[REWARD] = 0.0


@kernel
def walk(size: float, action: int, state: Any) -> None:
    """Move to the next cell; at a wall the agent stands still."""
    column = state[COLUMN] + (1.0 if action == EAST else -1.0 if action == WEST else 0.0)
    row = state[ROW] + (1.0 if action == SOUTH else -1.0 if action == NORTH else 0.0)
    state[COLUMN] = min(max(column, 0.0), size - 1.0)
    state[ROW] = min(max(row, 0.0), size - 1.0)


@kernel
def show(size: int, action: float, reward: float, begins: bool, state: Any, observation: Any) -> None:
    """Fill the observation: column, row and last action (-1: none) one-hot, last reward, and whether a round begins."""
    observation[:] = 0.0
    observation[int(state[COLUMN])] = 1.0
    observation[size + int(state[ROW])] = 1.0
    if action >= 0.0:
        observation[2 * size + int(action)] = 1.0
    observation[2 * size + 5] = reward
    observation[2 * size + 6] = 1.0 if begins else 0.0


@step_rule
def dark_room_step(params: Any, noise: Any, action: int, state: Any) -> tuple[float, int]:
    """Walk, be paid, and go back to the middle if the round is over."""
    walk(params[SIZE], action, state)
    found = state[COLUMN] == state[GOAL_COLUMN] and state[ROW] == state[GOAL_ROW]
    state[REWARD] = 1.0 if found else 0.0
    state[ACTION] = action
    state[STEPS] += 1.0
    if state[STEPS] % params[ROUND_STEPS] == 0.0:
        state[COLUMN] = state[ROW] = params[SIZE] // 2
    return state[REWARD], SUCCEEDED if state[STEPS] == params[END] else CONTINUES


@observe_rule
def dark_room_observe(params: Any, noise: Any, state: Any, observation: Any) -> None:
    """Where the agent stands, what it did and got, and whether a round begins."""
    begins = state[STEPS] % params[ROUND_STEPS] == 0.0
    show(int(params[SIZE]), state[ACTION], state[REWARD], begins, state, observation)


def dark_room(
    size: int = 9,
    *,
    round_steps: int = 20,
    rounds: int = 10,
    terminates: bool = False,
    max_steps: int | None = None,
) -> World:
    """The dark room as a `World`; the module describes it.

    Args:
        size: Cells per side, odd, in [3, 1001].
        round_steps: T in [1, 10^6], steps of a round.
        rounds: In [1, 10^6], rounds of a trial.
        terminates: Whether the last round's end is the end of the task: nothing that follows is worth anything.
        max_steps: Steps in [1, 2^53] after which a trial is truncated, if not ``rounds * round_steps``.

    Raises:
        ValueError: An argument is out of its range.
    """
    size = check_int("size", size, 3, 1001)
    if size % 2 == 0:
        raise ValueError(f"size must be odd, so that there is a cell in the middle, got {size!r}")
    steps, rounds = check_int("round_steps", round_steps, 1, 10**6), check_int("rounds", rounds, 1, 10**6)
    limit = rounds * steps if max_steps is None else check_int("max_steps", max_steps, 1, MAX_COUNT)
    one_way = abs(np.arange(size) - size // 2)
    distance = (one_way[:, None] + one_way[None, :]).ravel()  # of each cell from the middle
    known = float(np.maximum(steps + 1 - np.maximum(distance, 1), 0).mean())  # per round, if the goal is known
    search = steps * (steps + 1) / 2 / size**2
    exact = steps < size**2 and limit == rounds * steps
    return World(
        dark_room_reset,
        dark_room_step,
        dark_room_observe,
        params=np.array([size, steps, rounds * steps if terminates else 0], np.float64),
        state_names=("column", "row", "goal_column", "goal_row", "steps", "last_action", "last_reward"),
        noise_size=2,
        observation_space=gym.spaces.Box(0.0, 1.0, (2 * size + 7,), np.float32),
        action_space=gym.spaces.Discrete(5),
        max_steps=limit,
        optimal_return=search + (rounds - 1) * known if exact else None,
        memoryless_return=search * rounds if exact else None,
        renderer="lstm_rl.envs.rendering_room",
        task=("goal_column", "goal_row"),
    )


def search_bounds(size: int = 9, round_steps: int = 20, rounds: int = 10) -> tuple[float, float]:
    """Returns that no policy exceeds: of a trial, and per round of all rounds but the first.

    Until the goal is found, all goals look the same, so that a policy walks a path that does not depend on it. Each
    step sees one new cell at most, and the best that could be is to see the cells in the order of their distance from
    the middle. A goal that is found at step t of a round pays T + 1 - t in it, and T + 1 - distance in each later one.

    Args:
        size: Cells per side, odd.
        round_steps: T, steps of a round.
        rounds: Of a trial, >= 2.
    """
    one_way = abs(np.arange(size) - size // 2)
    distance = np.sort((one_way[:, None] + one_way[None, :]).ravel())
    found, step = np.divmod(np.arange(size**2), round_steps)  # round and step, from 0, in which each cell is seen
    at_once = np.where(found < rounds, round_steps - step, 0)
    later = np.maximum(rounds - 1 - found, 0) * np.maximum(round_steps + 1 - np.maximum(distance, 1), 0)
    without_first = np.where(found > 0, at_once, 0) + later
    return float((at_once + later).mean()), float(without_first.mean()) / (rounds - 1)
