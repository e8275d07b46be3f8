"""The T-maze of Bakker (2001): a cue at the start says which way to turn at the far end of a corridor.

Description:
    Cells 0..N in a row: start 0 at the left, junction N at the right; the goal is the arm North or South of the
    junction, drawn anew for each episode. The start shows where the goal is, and only the start: an agent has to carry
    one bit over N steps. In the noisy maze two of the three corridor inputs are independent uniform numbers, drawn
    anew at every step, so that no finite table of observations serves as a state.

Action Space: ``Discrete(4)``

    | number | move  | in the corridor | at the junction              |
    |--------|-------|-----------------|------------------------------|
    | 0      | North | stands still    | turn North, episode ends     |
    | 1      | East  | one cell right  | stands still                 |
    | 2      | South | stands still    | turn South, episode ends     |
    | 3      | West  | one cell left; stands still at the start | one cell left |

Observation Space: ``Box(0, 1, (3,), float32)``, no units

    | where    | TMaze-v0                                | NoisyTMaze-v0                   |
    |----------|-----------------------------------------|---------------------------------|
    | start    | 0 1 1 goal is North, 1 1 0 goal is South | the same                        |
    | corridor | 1 0 1                                   | a 0 b, a and b uniform in [0, 1) |
    | junction | 0 1 0                                   | the same                        |

Rewards: correct turn +4, wrong turn -0.1, standing still -0.1, any other move 0.

Starting State: cell 0; goal North or South with probability 1/2 each.

Episode End: terminated by either turn at the junction; truncated after ``max_steps``, by default 50 (N + 1), so that
    a policy which loops cannot hang an evaluation. ``max_steps=None`` is the paper's maze.

Info: ``state`` = (position, goal, moved, turn), goal and turn +1 for North and -1 for South, the Markov state for an
    oracle; ``is_success`` at the end of an episode.

Optimal Return: 4, in N + 1 steps. Best Return Without Memory: (4 - 0.1) / 2 = 1.95, in N + 1 steps.

Chance: a uniformly random policy needs 2 (N + 1)^2 steps on average.

Source: B. Bakker, "Reinforcement Learning with Long Short-Term Memory", NIPS 14 (2001), section 4. Wrong turn, reward
    for standing still and the coding of actions and cue are ours where the paper's text is silent: see
    ``docs/deviations.md``.

Version History: v0, first release.
"""

from typing import Any, Literal

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_float, check_int
from lstm_rl.compiled import kernel
from lstm_rl.envs.dynamics import (
    CONTINUES,
    FAILED,
    MAX_COUNT,
    MAX_REWARD,
    SUCCEEDED,
    Marks,
    World,
    observe_rule,
    reset_rule,
    step_rule,
)

NORTH, EAST, SOUTH, WEST = range(4)
MOVES = 4
POSITION, GOAL, MOVED, TURN = range(4)  # the state's four numbers
LENGTH, CORRECT, WRONG, STILL, MOVE, NOISY, SWAPPED, CUE_ON_RETURN = range(8)  # the constants


@reset_rule
def tmaze_reset(params: Any, noise: Any, state: Any) -> None:
    """Stand at the start, where no noise is seen; so noise[0] can draw the goal."""
    state[POSITION] = 0.0
    state[GOAL] = 1.0 if noise[0] < 0.5 else -1.0
    state[MOVED] = 0.0
    state[TURN] = 0.0


@kernel
def move(params: Any, action: int, state: Any) -> tuple[float, int]:
    """Move by one cell, or turn at the junction."""
    length, position = params[LENGTH], state[POSITION]
    if action == NORTH or action == SOUTH:
        if position < length:
            return params[STILL], CONTINUES
        state[TURN] = 1.0 if action == NORTH else -1.0
        if state[TURN] == state[GOAL]:
            return params[CORRECT], SUCCEEDED
        return params[WRONG], FAILED
    if (action == EAST and position == length) or (action == WEST and position == 0):
        return params[STILL], CONTINUES
    state[POSITION] = position + (1.0 if action == EAST else -1.0)
    state[MOVED] = 1.0
    return params[MOVE], CONTINUES


@step_rule
def tmaze_step(params: Any, noise: Any, action: int, state: Any) -> tuple[float, int]:
    """`move` as a rule."""
    return move(params, action, state)


@observe_rule
def tmaze_observe(params: Any, noise: Any, state: Any, observation: Any) -> None:
    """Cue at the start, constant or noise in the corridor, 010 at the junction; noise[0:2] are the noise."""
    observation[:] = 0.0
    if state[POSITION] == params[LENGTH]:
        observation[1] = 1.0
    elif state[POSITION] == 0.0 and (state[MOVED] == 0.0 or params[CUE_ON_RETURN] == 1.0):
        north = state[GOAL] * (-1.0 if params[SWAPPED] == 1.0 else 1.0) > 0.0
        observation[0] = 0.0 if north else 1.0
        observation[1] = 1.0
        observation[2] = 1.0 if north else 0.0
    else:
        observation[0] = noise[0] if params[NOISY] == 1.0 else 1.0
        observation[2] = noise[1] if params[NOISY] == 1.0 else 1.0


def tmaze_marks(params: NDArray[np.float64], states: NDArray[np.float64]) -> Marks:
    """The steps at which the cue is shown, and those at the junction."""
    position = states[:, POSITION]
    shown = (states[:, MOVED] == 0.0) | (params[CUE_ON_RETURN] == 1.0)
    return {"cue": (position == 0.0) & shown, "junction": position == params[LENGTH]}


def tmaze(
    corridor_length: int = 10,
    *,
    noisy: bool = False,
    correct_reward: float = 4.0,
    wrong_reward: float = -0.1,
    still_reward: float = -0.1,
    move_reward: float = 0.0,
    swap_cues: bool = False,
    cue_on_return: bool = True,
    max_steps: int | Literal["auto"] | None = "auto",
) -> World:
    """The T-maze as a `World`; the module describes it.

    Args:
        corridor_length: N in [1, 2^53], moves from start to junction (paper: 5 .. 70).
        noisy: Whether the corridor shows uniform noise instead of 1 0 1.
        correct_reward: Reward of the turn towards the goal (paper); like the others in [-1e30, 1e30].
        wrong_reward: Reward of the other turn.
        still_reward: Reward of a move against a wall.
        move_reward: Reward of any other move.
        swap_cues: Let 0 1 1 mean South instead of North.
        cue_on_return: Show the cue whenever the agent stands in the start cell; False: only before it first moves.
        max_steps: Steps in [1, 2^53] after which an episode is truncated; "auto": 50 (N + 1); None: never (paper).

    Raises:
        ValueError: An argument is out of its range.
    """
    length = check_int("corridor_length", corridor_length, 1, MAX_COUNT)
    if max_steps == "auto":
        max_steps = min(50 * (length + 1), MAX_COUNT)
    elif max_steps is not None:
        max_steps = check_int("max_steps", max_steps, 1, MAX_COUNT)
    rewards = {
        "correct_reward": correct_reward,
        "wrong_reward": wrong_reward,
        "still_reward": still_reward,
        "move_reward": move_reward,
    }
    constants = [length, *(check_float(name, value, -MAX_REWARD, MAX_REWARD) for name, value in rewards.items())]
    right, wrong = constants[1] + move_reward * length, constants[2] + move_reward * length
    return World(
        tmaze_reset,
        tmaze_step,
        tmaze_observe,
        params=np.array([*constants, bool(noisy), bool(swap_cues), bool(cue_on_return)], np.float64),
        state_names=("position", "goal", "moved", "turn"),
        noise_size=2,
        observation_space=gym.spaces.Box(0.0, 1.0, (3,), np.float32),
        action_space=gym.spaces.Discrete(4),
        max_steps=max_steps,
        horizon=length + 1,
        optimal_return=right,
        memoryless_return=(right + wrong) / 2,
        renderer="lstm_rl.envs.rendering_tmaze",
        family="tmaze",
        marks=tmaze_marks,
    )


def noisy_tmaze(corridor_length: int = 10, **arguments: Any) -> World:
    """The T-maze with a noisy corridor; arguments as in `tmaze`."""
    return tmaze(corridor_length, noisy=True, **arguments)
