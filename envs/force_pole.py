"""Balance a pole by a force of any size, with velocities hidden, in one mode or in two whose forces point both ways.

Description:
    A cart on a track carries a pole. The agent chooses how hard to push, sees the cart's position and the pole's angle
    but no velocities, and has to infer these from what it saw and did. In MultimodeForcePole-v0 the force is reversed
    in half of the episodes, and only the first second tells: the multi-mode pole of Bakker (2001).

Action Space: ``Box(-1, 1, (1,), float32)``: the force in units of 10 N, > 0 to the right (in mode A).

Observation Space: ``Box(-b, b, float32)``, b = twice the limits (as in Gymnasium's CartPole) and the mode's code

    | index | quantity                         | unit                         | range while running |
    |-------|----------------------------------|------------------------------|---------------------|
    | 0     | cart position / track limit      | 2.4 m                        | -1 .. 1             |
    | 1     | pole angle / angle limit         | 12 degrees                   | -1 .. 1             |
    | 2     | mode (two modes only)            | 1 A, -1 B, shown for 50 steps, then 0 | -1, 0, 1   |

Rewards: 1 - (p^2 + q^2) / 2 with the first two numbers of the next observation, p and q, and 0 in the step that fails.
    So 1 - reward is a pain that grows with the distance from the middle.

Starting State: position, velocity, angle and angular velocity uniform in (-0.05, 0.05) m, m/s, rad, rad/s; mode A or B
    with probability 1/2 each.

Episode End: terminated when the pole leaves +-12 degrees or the cart leaves +-2.4 m; truncated after ``max_steps``, a
    success.

Physics: see `lstm_rl.envs.pole_physics`.

Info: ``state`` = (position, velocity, angle, angular_velocity, mode, shown); ``is_success`` at the end.

Optimal Return: an upper bound, ``max_steps``. Best Return Without Memory: not known exactly. The best rule we found, a
    force of .03 p + .3 q, swings ever wider: it holds the pole with one mode for all of 1,000 steps (return 975.7, mean
    of 2,000 episodes), and without a limit for 2,094 (mean of 50). So up to 1,000 steps there is little need of memory.

Source: after J. Schmidhuber, FKI-126-90 (1990), whose pole is balanced by a controller with a continuous output. We
    did not have the report; the graded pain is ours. Two modes: B. Bakker, NIPS 14 (2001), section 5.

Version History: v0, first release.
"""

from typing import Any

import gymnasium as gym
import numpy as np

from lstm_rl.checks import check_float, check_int
from lstm_rl.envs.cart_pole import PHYSICS
from lstm_rl.envs.dynamics import (
    CONTINUES,
    FAILED,
    MAX_COUNT,
    World,
    continuous_step_rule,
    observe_rule,
    reset_rule,
    step_limit,
)
from lstm_rl.envs.multimode_pole import MODE, SHOWN, pole_marks
from lstm_rl.envs.pole_physics import MAX_ANGLE, MAX_X, THETA, X, push_cart

START, CUE_STEPS, MODES = range(8, 11)  # the constants after those of the physics
MEMORYLESS = {1000: 975.7}  # steps of an episode -> mean return of the best rule without memory that we found


@reset_rule
def force_pole_reset(params: Any, noise: Any, state: Any) -> None:
    """Draw the four variables (noise[0:4]) and, of two, the mode (noise[4])."""
    for k in range(4):
        state[k] = params[START] * (2.0 * noise[k] - 1.0)
    state[MODE] = -1.0 if params[MODES] == 2.0 and noise[4] >= 0.5 else 1.0
    state[SHOWN] = params[CUE_STEPS]


@continuous_step_rule
def force_pole_step(params: Any, noise: Any, action: Any, state: Any) -> tuple[float, int]:
    """Push the cart."""
    failed = push_cart(params, state[MODE] * action[0], state)
    state[SHOWN] = max(state[SHOWN] - 1.0, 0.0)
    if failed:
        return 0.0, FAILED
    position, angle = state[X] / params[MAX_X], state[THETA] / params[MAX_ANGLE]
    return 1.0 - 0.5 * (position * position + angle * angle), CONTINUES


@observe_rule
def force_pole_observe(params: Any, noise: Any, state: Any, observation: Any) -> None:
    """Position, angle, and the mode as long as it is shown."""
    observation[0] = state[X] / params[MAX_X]
    observation[1] = state[THETA] / params[MAX_ANGLE]
    if params[MODES] == 2.0:
        observation[2] = state[MODE] if state[SHOWN] > 0.0 else 0.0


def force_pole(*, start_range: float = 0.05, max_steps: int | None = 1000) -> World:
    """The pole with one mode as a `World`; the module describes it.

    Args:
        start_range: Half the width of the uniform start of all four variables, in [0, 1].
        max_steps: Steps in [1, 2^53] after which an episode is truncated; None: never.

    Raises:
        ValueError: An argument is out of its range.
    """
    return _pole(1, start_range, 0, max_steps)


def multimode_force_pole(*, start_range: float = 0.05, cue_steps: int = 50, max_steps: int | None = 1000) -> World:
    """The pole with two modes as a `World`; arguments as `force_pole`.

    Args:
        start_range: As above.
        cue_steps: Observations that show the mode, in [0, 2^53].
        max_steps: As above.

    Raises:
        ValueError: An argument is out of its range.
    """
    return _pole(2, start_range, check_int("cue_steps", cue_steps, 0, MAX_COUNT), max_steps)


def _pole(modes: int, start_range: float, cue_steps: int, max_steps: int | None) -> World:
    start, limit = check_float("start_range", start_range, 0.0, 1.0), step_limit(max_steps)
    bounds = np.array([2.0, 2.0, 1.0][: 1 + modes], np.float32)
    return World(
        force_pole_reset,
        force_pole_step,
        force_pole_observe,
        params=np.array([*PHYSICS, start, cue_steps, modes], np.float64),
        state_names=("position", "velocity", "angle", "angular_velocity", "mode", "shown"),
        noise_size=5,
        observation_space=gym.spaces.Box(-bounds, bounds),
        action_space=gym.spaces.Box(-1.0, 1.0, (1,), np.float32),
        max_steps=limit,
        survival_is_success=True,
        optimal_return=None if limit is None else float(limit),
        memoryless_return=MEMORYLESS.get(limit or 0) if modes == 1 and start == 0.05 else None,
        reward_range=(0.0, 1.0),
        renderer="lstm_rl.envs.rendering_force_pole",
        marks=pole_marks if modes == 2 else None,
    )
