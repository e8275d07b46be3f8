"""The T-mazes of Ni et al. (2023): as many steps as the shortest way takes, and a penalty for every step behind it.

Description:
    A corridor of T cells leads from the start to a junction, with a goal cell North and South of it; one of the two is
    drawn as the goal. The cell at the left end is the oracle, which shows the goal at the first visit only. In the
    passive maze the agent starts there; in the active maze it starts one cell to the right of it, so that it has to
    visit the oracle first. The number of steps is fixed: an agent that loses one cannot reach the goal any more.

Action Space: ``Discrete(4)``: 0 East, 1 North, 2 West, 3 South. A move against a wall leaves the agent where it is.

Observation Space: ``Box(-1, 1, (2,), float32)``, no units

    | where                         | observation                        |
    |-------------------------------|------------------------------------|
    | oracle, first visit           | 0 c, c = 1 goal is North, -1 South |
    | oracle, later; corridor       | 0 0                                |
    | junction and the goal cells   | 1 y, y = 0, 1 (North), -1 (South)  |

Rewards: after the last step 1 in the goal cell, else 0. After every other step -1 / T if the agent is behind the
    shortest way: x < t - o, where x is its cell, t the number of steps and o the start's cell, 0 in the passive and 1
    in the active maze.

Starting State: cell o; goal North or South with probability 1/2 each.

Episode End: terminated after T + 1 + 2 o steps.

Info: ``state`` = (steps, x, y, goal, visited), goal and y +1 for North and -1 for South; ``is_success`` at the end.

Optimal Return: 1, in T + 1 + 2 o steps. Best Return Without Memory: 1/2. Who gains the 1 has made every move of the
    shortest way, and so comes to the junction with an observation that does not depend on the goal.

Source: T. Ni, M. Ma, B. Eysenbach, P.-L. Bacon, "When Do Transformers Shine in RL? Decoupling Memory from Credit
    Assignment", NeurIPS 2023; ``envs/tmaze.py`` at https://github.com/twni2016/Memory-RL. The penalty of -1 / T is the
    paper's setting.

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
    step_limit,
    step_rule,
)

EAST, NORTH, WEST, SOUTH = range(4)
STEPS, X, Y, GOAL, VISITED = range(5)  # the state's numbers; VISITED: times seen at the oracle, 2 for twice or more
JUNCTION, START, PENALTY = range(3)  # the constants


@reset_rule
def ni_reset(params: Any, noise: Any, state: Any) -> None:
    """Stand at the start; noise[0] draws the goal."""
    state[STEPS] = 0.0
    state[X] = params[START]
    state[Y] = 0.0
    state[GOAL] = 1.0 if noise[0] < 0.5 else -1.0
    state[VISITED] = 1.0 if state[X] == 0.0 else 0.0


@step_rule
def ni_step(params: Any, noise: Any, action: int, state: Any) -> tuple[float, int]:
    """Move by one cell where there is one."""
    state[STEPS] += 1.0
    if action == EAST or action == WEST:
        x = state[X] + (1.0 if action == EAST else -1.0)
        if state[Y] == 0.0 and 0.0 <= x <= params[JUNCTION]:
            state[X] = x
    elif state[X] == params[JUNCTION]:
        y = state[Y] + (1.0 if action == NORTH else -1.0)
        if abs(y) <= 1.0:
            state[Y] = y
    if state[X] == 0.0 and state[VISITED] < 2.0:
        state[VISITED] += 1.0
    if state[STEPS] == params[JUNCTION] + params[START] + 1.0:
        if state[Y] == state[GOAL]:
            return 1.0, SUCCEEDED
        return 0.0, FAILED
    return (params[PENALTY] if state[X] < state[STEPS] - params[START] else 0.0), CONTINUES


@observe_rule
def ni_observe(params: Any, noise: Any, state: Any, observation: Any) -> None:
    """The cue at the first visit of the oracle, the place at the far end."""
    far = state[X] == params[JUNCTION]
    observation[0] = 1.0 if far else 0.0
    observation[1] = state[Y] if far else 0.0
    if state[X] == 0.0 and state[VISITED] == 1.0:
        observation[1] = state[GOAL]


def ni_marks(params: NDArray[np.float64], states: NDArray[np.float64]) -> Marks:
    """The step at which the cue is shown, and those at the junction."""
    at_junction = (states[:, X] == params[JUNCTION]) & (states[:, Y] == 0.0)
    return {"cue": (states[:, X] == 0.0) & (states[:, VISITED] == 1.0), "junction": at_junction}


def _ni_tmaze(corridor_length: int, start: int, max_steps: int | None) -> World:
    length = check_int("corridor_length", corridor_length, 1, MAX_COUNT - 3)
    return World(
        ni_reset,
        ni_step,
        ni_observe,
        params=np.array([start + length, start, -1.0 / length], np.float64),
        state_names=("steps", "x", "y", "goal", "visited"),
        noise_size=1,
        observation_space=gym.spaces.Box(-1.0, 1.0, (2,), np.float32),
        action_space=gym.spaces.Discrete(4),
        max_steps=step_limit(max_steps),
        horizon=length + 1 + 2 * start,
        optimal_return=1.0,
        memoryless_return=0.5,
        renderer="lstm_rl.envs.rendering_cards",
        family="NiTMaze",
        marks=ni_marks,
    )


def ni_tmaze_passive(corridor_length: int = 10, *, max_steps: int | None = None) -> World:
    """The maze whose start shows the goal, as a `World`; the module describes it.

    Args:
        corridor_length: T in [1, 2^53 - 3] (paper: 50 .. 1500).
        max_steps: Steps in [1, 2^53] after which an episode is truncated; None: never.

    Raises:
        ValueError: An argument is out of its range.
    """
    return _ni_tmaze(corridor_length, 0, max_steps)


def ni_tmaze_active(corridor_length: int = 10, *, max_steps: int | None = None) -> World:
    """The maze whose oracle lies one cell behind the start; arguments as in `ni_tmaze_passive` (paper: 20 .. 500)."""
    return _ni_tmaze(corridor_length, 1, max_steps)
