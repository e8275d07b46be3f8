"""Multi-mode pole balancing of Bakker (2001): velocities are hidden, and so, after a second, is what the actions mean.

Description:
    A cart on a track carries a pole. In mode A action 0 pushes left and action 1 right; in mode B the reverse. The
    mode is drawn for each episode and shown for the first second (50 steps) only. The agent sees the cart's position
    and the pole's angle but no velocities, so it has to infer the velocities all the time and remember the mode for as
    long as it balances.

Action Space: ``Discrete(2)``: in mode A 0 = push left, 1 = push right; reversed in mode B.

Observation Space: ``Box(-b, b, (3,), float32)``, b = twice the limits (as in Gymnasium's CartPole) and the mode's code

    | index | quantity                         | unit                         | range while running |
    |-------|----------------------------------|------------------------------|---------------------|
    | 0     | cart position / track limit      | 2.4 m                        | -1 .. 1             |
    | 1     | pole angle / angle limit         | 12 degrees                   | -1 .. 1             |
    | 2     | mode, +1 for A, -1 for B         | shown in observations 0..49  | -1, 0, 1            |

Rewards: -1 when the episode fails, else 0.

Starting State: position, velocity, angle and angular velocity uniform in (-0.05, 0.05) m, m/s, rad, rad/s; mode A or B
    with probability 1/2 each.

Episode End: terminated when the pole leaves +-12 degrees or the cart leaves +-2.4 m; truncated after ``max_steps``
    (10,000 steps = 200 s), which counts as success. ``max_steps=None`` never truncates.

Physics: Barto, Sutton and Anderson (1983), see `lstm_rl.envs.pole_physics`.

Info: ``state`` = (position, velocity, angle, angular_velocity, mode, shown), shown = steps for which the mode is still
    visible; ``is_success`` at the end of an episode.

Optimal Return: 0. Best Return Without Memory: -1 (the pole falls sooner or later).

Source: B. Bakker, "Reinforcement Learning with Long Short-Term Memory", NIPS 14 (2001), section 5. The paper does not
    give the physics, the coding of inputs or the start: ours, see ``docs/deviations.md``.

Version History: v0, first release.
"""

import math
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_float, check_int
from lstm_rl.envs.dynamics import (
    CONTINUES,
    FAILED,
    MAX_COUNT,
    MAX_REWARD,
    Marks,
    World,
    observe_rule,
    reset_rule,
    step_rule,
)
from lstm_rl.envs.pole_physics import THETA, X, push_cart

MODE, SHOWN = 4, 5  # the state's further numbers
START, CUE_STEPS, MODE_A, MODE_B, X_UNIT, ANGLE_UNIT, FAILURE = range(8, 15)  # the further constants
SMALLEST, LARGEST = 1e-6, 1e6  # of physical constants: no step of the equations then leaves the finite numbers


@reset_rule
def pole_reset(params: Any, noise: Any, state: Any) -> None:
    """Draw the four variables (noise[0:4]) and the mode (noise[4])."""
    for k in range(4):
        state[k] = params[START] * (2.0 * noise[k] - 1.0)
    state[MODE] = 1.0 if noise[4] < 0.5 else -1.0
    state[SHOWN] = params[CUE_STEPS]


@step_rule
def pole_step(params: Any, noise: Any, action: int, state: Any) -> tuple[float, int]:
    """One Euler step of the cart and the pole."""
    failed = push_cart(params, state[MODE] * (1.0 if action == 1 else -1.0), state)
    state[SHOWN] = max(state[SHOWN] - 1.0, 0.0)
    if failed:
        return params[FAILURE], FAILED
    return 0.0, CONTINUES


@observe_rule
def pole_observe(params: Any, noise: Any, state: Any, observation: Any) -> None:
    """Position, angle, and the mode as long as it is shown."""
    observation[0] = state[X] / params[X_UNIT]
    observation[1] = state[THETA] / params[ANGLE_UNIT]
    observation[2] = 0.0
    if state[SHOWN] > 0.0:
        observation[2] = params[MODE_A] if state[MODE] > 0.0 else params[MODE_B]


def pole_marks(params: NDArray[np.float64], states: NDArray[np.float64]) -> Marks:
    """The steps at which the mode is shown."""
    return {"cue": states[:, SHOWN] > 0.0}


def multimode_pole(
    *,
    gravity: float = 9.8,
    cart_mass: float = 1.0,
    pole_mass: float = 0.1,
    half_length: float = 0.5,
    force: float = 10.0,
    time_step: float = 0.02,
    angle_limit: float = 12.0,
    track_limit: float = 2.4,
    start_range: float = 0.05,
    cue_steps: int = 50,
    mode_codes: tuple[float, float] = (1.0, -1.0),
    scale_observations: bool = True,
    failure_reward: float = -1.0,
    max_steps: int | None = 10_000,
) -> World:
    """Multi-mode pole balancing as a `World`; the module describes it.

    Physical constants are at most 1e6 in size, and those that are > 0 are at least 1e-6.

    Args:
        gravity: m/s^2, > 0.
        cart_mass: kg, > 0.
        pole_mass: kg, > 0.
        half_length: Half the pole's length, m, > 0.
        force: Size of a push, N, > 0.
        time_step: s, > 0.
        angle_limit: Failure beyond this angle on either side, degrees, in [1e-6, 90] (paper: 12).
        track_limit: Failure beyond this position on either side, m, > 0.
        start_range: Half the width of the uniform start of all four variables, >= 0.
        cue_steps: Observations that show the mode, in [0, 2^53] (paper: the first second).
        mode_codes: Third observation in modes A and B while it is shown; 0 afterwards.
        scale_observations: Divide position and angle by their limits; False: m and rad.
        failure_reward: Reward when the episode fails (paper: -1), in [-1e30, 1e30].
        max_steps: Steps in [1, 2^53] after which an episode is truncated; None: never.

    Raises:
        ValueError: An argument is out of its range.
    """
    positive = {
        "gravity": gravity,
        "cart_mass": cart_mass,
        "pole_mass": pole_mass,
        "half_length": half_length,
        "force": force,
        "time_step": time_step,
    }
    physics = [check_float(name, value, SMALLEST, LARGEST) for name, value in positive.items()]
    angle = math.radians(check_float("angle_limit", angle_limit, SMALLEST, 90.0))
    track = check_float("track_limit", track_limit, SMALLEST, LARGEST)
    if not isinstance(mode_codes, (tuple, list)) or len(mode_codes) != 2:
        raise ValueError(f"mode_codes must be two numbers, got {mode_codes!r}")
    rest = [
        check_float("start_range", start_range, 0.0, LARGEST),
        check_int("cue_steps", cue_steps, 0, MAX_COUNT),
        *(check_float("mode_codes", code, -LARGEST, LARGEST) for code in mode_codes),
        *((track, angle) if scale_observations else (1.0, 1.0)),
        check_float("failure_reward", failure_reward, -MAX_REWARD, MAX_REWARD),
    ]
    units = (1.0, 1.0) if scale_observations else (track, angle)
    bounds = np.array([2 * units[0], 2 * units[1], max(abs(code) for code in mode_codes)], np.float32)
    return World(
        pole_reset,
        pole_step,
        pole_observe,
        params=np.array([*physics, angle, track, *rest], np.float64),
        state_names=("position", "velocity", "angle", "angular_velocity", "mode", "shown"),
        noise_size=5,
        observation_space=gym.spaces.Box(-bounds, bounds),
        action_space=gym.spaces.Discrete(2),
        max_steps=None if max_steps is None else check_int("max_steps", max_steps, 1, MAX_COUNT),
        survival_is_success=True,
        horizon=None,
        optimal_return=0.0,
        memoryless_return=float(failure_reward),
        renderer="lstm_rl.envs.rendering_pole",
        family="pole",
        marks=pole_marks,
    )
