"""A maze seen through its walls: a cue at the start says on which side of the junction the goal is.

Description:
    A corridor leads East to a junction with an arm to the North and one to the South. The agent feels the walls of its
    cell only. A cue, shown at the first observation, tells in which arm the goal is: after the maze of Schmidhuber's
    controller of 1990, which had four wall sensors.

Action Space: ``Discrete(4)``: 0 North, 1 East, 2 South, 3 West. A move against a wall leaves the agent where it is.

Observation Space: ``Box(-1, 1, (5,), float32)``: walls to the North, East, South and West (1 wall, 0 none), and the cue
    (1 North, -1 South, 0 after the start), no units.

Rewards: 1 in the arm with the goal, -1 in the other one, -.1 for a step against a wall, 0 for the others.

Starting State: the West end; the goal is North or South with probability 1/2 each.

Episode End: terminated in either arm; truncated after ``max_steps``, by default 16 (corridor_length + 1).

Info: ``state`` = (column, row, goal, steps); ``is_success`` at the end.

Optimal Return: 1, in corridor_length + 1 steps. Best Return Without Memory: 0.

Source: after J. Schmidhuber, FKI-126-90 (1990), which we did not have: size, rewards and ends are ours.

Version History: v0, first release.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_int
from lstm_rl.envs.dynamics import (
    CONTINUES,
    FAILED,
    MAX_COUNT,
    SUCCEEDED,
    Marks,
    World,
    observe_rule,
    reset_rule,
    step_rule,
)

NORTH, EAST, SOUTH, WEST = range(4)
COLUMN, ROW, GOAL, STEPS = range(4)  # the state's numbers; ROW and GOAL 1 North, -1 South
LENGTH = 0  # the constant
BUMP = -0.1


@reset_rule
def cue_maze_reset(params: Any, noise: Any, state: Any) -> None:
    """Stand at the West end; noise[0] draws the goal."""
    state[:] = 0.0
    state[GOAL] = 1.0 if noise[0] < 0.5 else -1.0


@step_rule
def cue_maze_step(params: Any, noise: Any, action: int, state: Any) -> tuple[float, int]:
    """Move by one cell where there is one."""
    state[STEPS] += 1.0
    if action == EAST or action == WEST:
        column = state[COLUMN] + (1.0 if action == EAST else -1.0)
        if 0.0 <= column <= params[LENGTH]:
            state[COLUMN] = column
            return 0.0, CONTINUES
    elif state[COLUMN] == params[LENGTH]:
        state[ROW] = 1.0 if action == NORTH else -1.0
        if state[ROW] == state[GOAL]:
            return 1.0, SUCCEEDED
        return -1.0, FAILED
    return BUMP, CONTINUES


@observe_rule
def cue_maze_observe(params: Any, noise: Any, state: Any, observation: Any) -> None:
    """The walls, and the cue at the start."""
    junction, arm = state[COLUMN] == params[LENGTH], state[ROW]
    observation[NORTH] = 0.0 if junction and arm <= 0.0 else 1.0
    observation[SOUTH] = 0.0 if junction and arm >= 0.0 else 1.0
    observation[EAST] = 1.0 if junction else 0.0
    observation[WEST] = 1.0 if state[COLUMN] == 0.0 or arm != 0.0 else 0.0
    observation[4] = state[GOAL] if state[STEPS] == 0.0 else 0.0


def cue_maze_marks(params: NDArray[np.float64], states: NDArray[np.float64]) -> Marks:
    """The step that shows the cue, and those at the junction."""
    at_junction = (states[:, COLUMN] == params[LENGTH]) & (states[:, ROW] == 0.0)
    return {"cue": states[:, STEPS] == 0.0, "junction": at_junction}


def cue_maze(corridor_length: int = 5, *, max_steps: int | None = None) -> World:
    """The maze as a `World`; the module describes it.

    Args:
        corridor_length: Cells from the start to the junction, in [1, 10^12].
        max_steps: Steps in [1, 2^53] after which an episode is truncated; None: 16 (corridor_length + 1).

    Raises:
        ValueError: An argument is out of its range.
    """
    length = check_int("corridor_length", corridor_length, 1, 10**12)
    return World(
        cue_maze_reset,
        cue_maze_step,
        cue_maze_observe,
        params=np.array([length], np.float64),
        state_names=("column", "row", "goal", "steps"),
        noise_size=1,
        observation_space=gym.spaces.Box(-1.0, 1.0, (5,), np.float32),
        action_space=gym.spaces.Discrete(4),
        max_steps=16 * (length + 1) if max_steps is None else check_int("max_steps", max_steps, 1, MAX_COUNT),
        horizon=length + 1,
        optimal_return=1.0,
        memoryless_return=0.0,
        reward_range=(-1.0, 1.0),
        renderer="lstm_rl.envs.rendering_cue_maze",
        marks=cue_maze_marks,
    )
