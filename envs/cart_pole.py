"""Cart poles whose velocities or positions are hidden: Gymnasium's CartPole and POPGym's three variants of it.

Description:
    A cart on a track carries a pole; the agent pushes the cart left or right to keep the pole upright. It sees only
    half of the state, so it has to infer the other half from what it saw and did before.

    | id                              | sees                              | limit, steps    | noise sd     |
    |---------------------------------|-----------------------------------|-----------------|--------------|
    | CartPole-v0                     | argument ``hidden``               | 500             | 0            |
    | PositionOnlyCartPole-v0         | position, angle                   | 200 / 400 / 600 | 0            |
    | VelocityOnlyCartPole-v0         | velocity, angular velocity        | 200 / 400 / 600 | 0            |
    | NoisyPositionOnlyCartPole-v0    | position, angle, with noise       | 200             | .1 / .2 / .3 |

    Three numbers are POPGym's difficulties easy, medium and hard, argument ``difficulty``.

Action Space: ``Discrete(2)``: 0 = push left, 1 = push right, by 10 N.

Observation Space: ``Box``, float32; position in +-4.8 m, angle in +-24 degrees (given in rad), both twice the limits at
    which an episode ends; velocities in m/s and rad/s without bounds. Noise is Gaussian, independent for both numbers
    and all steps, the same in m and in rad, and what is seen is clipped to the bounds.

    In VelocityOnlyCartPole-v0 the first observation of an episode is *position and angle*, the others velocities: so it
    is in POPGym 1.0.7, and with ``positions_at_reset=False`` it is not.

Rewards: CartPole-v0 1 per step, as in Gymnasium; the others 1 / limit per step, as in POPGym, with the difficulty's
    limit whatever ``max_steps`` is. The step at which the pole falls pays, too.

Starting State: position, velocity, angle and angular velocity uniform in (-0.05, 0.05) m, m/s, rad, rad/s.

Episode End: terminated when the pole leaves +-12 degrees or the cart leaves +-2.4 m; truncated at the limit, a success.
    (POPGym reports a fall at the very last step as truncated, too; here it is terminated only.)

Physics: see `lstm_rl.envs.pole_physics`.

Info: ``state`` = (position, velocity, angle, angular_velocity, steps), steps since the reset; ``is_success``.

Optimal Return: limit times the reward of a step: 500 or 1. With noise, or with positions hidden, an upper bound.

Best Return Without Memory: not known exactly; given is that of the best rule we found of the kind "push right if
    o[1] + c o[0] + s g > 0", g a Gaussian number of its own, as the mean of 20,000 episodes (`MEMORYLESS`). Velocities
    hidden: 51 steps; a random part makes it better (45 without). Positions hidden: 200, 399, 469 and 496 of 200, 400,
    500 and 600 steps, so POPGym's VelocityOnlyCartPole hardly asks for memory at all.

Source: gymnasium.envs.classic_control.cartpole (v1); S. Morad et al., "POPGym: Benchmarking Partially Observable
    Reinforcement Learning", ICLR 2023, rules as in version 1.0.7 of the package.

Version History: v0, first release.
"""

import math
from typing import Any, Literal

import gymnasium as gym
import numpy as np

from lstm_rl.checks import check_choice, check_float, check_int
from lstm_rl.envs.dynamics import (
    CONTINUES,
    FAILED,
    MAX_COUNT,
    MAX_REWARD,
    World,
    observe_rule,
    reset_rule,
    step_rule,
)
from lstm_rl.envs.pole_physics import MAX_ANGLE, MAX_X, THETA, THETA_DOT, X_DOT, X, push_cart

STEPS = 4  # the state's fifth number
REWARD, HIDDEN, NOISE, POSITIONS_FIRST = range(8, 12)  # the constants after those of the physics
HIDES = "velocities", "positions", "nothing"
LEVELS = "easy", "medium", "hard"
START = 0.05
PHYSICS = (9.8, 1.0, 0.1, 0.5, 10.0, 0.02, math.radians(12), 2.4)  # see `pole_physics` for names and units
MEMORYLESS: dict[tuple[str, float, int | None], tuple[float, float, float | None]] = {
    ("velocities", 0.0, 200): (-0.1, 0.06, 51.0),
    ("velocities", 0.0, 400): (-0.1, 0.06, 50.7),
    ("velocities", 0.0, 500): (-0.1, 0.06, 50.7),
    ("velocities", 0.0, 600): (-0.1, 0.06, 50.7),
    ("velocities", 0.1, 200): (-0.05, 0.0, 50.1),
    ("velocities", 0.2, 200): (-0.2, 0.0, 41.3),
    ("velocities", 0.3, 200): (-0.4, 0.0, 34.8),
    ("positions", 0.0, 200): (0.1, 0.0, 200.0),
    ("positions", 0.0, 400): (0.1, 0.0, 398.8),
    ("positions", 0.0, 500): (0.1, 0.0, 469.4),
    ("positions", 0.0, 600): (0.1, 0.0, 496.4),
}
"""(hidden, noise, limit) -> (c, s, mean steps) of the best rule without memory that we found."""

Hidden = Literal["velocities", "positions", "nothing"]
Difficulty = Literal["easy", "medium", "hard"]


@reset_rule
def cart_pole_reset(params: Any, noise: Any, state: Any) -> None:
    """Draw the four variables, noise[0:4]."""
    for k in range(4):
        state[k] = START * (2.0 * noise[k] - 1.0)
    state[STEPS] = 0.0


@step_rule
def cart_pole_step(params: Any, noise: Any, action: int, state: Any) -> tuple[float, int]:
    """Push the cart."""
    failed = push_cart(params, 1.0 if action == 1 else -1.0, state)
    state[STEPS] += 1.0
    return params[REWARD], FAILED if failed else CONTINUES


@observe_rule
def cart_pole_observe(params: Any, noise: Any, state: Any, observation: Any) -> None:
    """The half that is not hidden, or all; noise[4:6] become two Gaussian numbers."""
    if params[HIDDEN] == 2.0:
        for k in range(4):
            observation[k] = state[k]
    elif params[HIDDEN] == 1.0 and (state[STEPS] > 0.0 or params[POSITIONS_FIRST] == 0.0):
        observation[0] = state[X_DOT]
        observation[1] = state[THETA_DOT]
    else:
        observation[0] = state[X]
        observation[1] = state[THETA]
    if params[NOISE] > 0.0:
        radius = params[NOISE] * math.sqrt(-2.0 * math.log(1.0 - noise[4]))  # Box and Muller
        wide, tall = 2.0 * params[MAX_X], 2.0 * params[MAX_ANGLE]
        observation[0] = min(max(observation[0] + radius * math.cos(2.0 * math.pi * noise[5]), -wide), wide)
        observation[1] = min(max(observation[1] + radius * math.sin(2.0 * math.pi * noise[5]), -tall), tall)


def cart_pole(
    *,
    hidden: Hidden = "velocities",
    noise: float = 0.0,
    step_reward: float = 1.0,
    max_steps: int | None = 500,
    positions_at_reset: bool = False,
) -> World:
    """Gymnasium's CartPole with a part of its state hidden, as a `World`; the module describes it.

    Args:
        hidden: "velocities", "positions" or "nothing" (then it is CartPole-v1).
        noise: Standard deviation of what is added to positions, m and rad, in [0, 1e6]; 0 unless velocities are hidden.
        step_reward: Reward of every step, in [-1e30, 1e30].
        max_steps: Steps in [1, 2^53] after which an episode is truncated; None: never.
        positions_at_reset: With ``hidden="positions"``: show the positions in the first observation.

    Raises:
        ValueError: An argument is out of its range.
    """
    hides = HIDES.index(check_choice("hidden", hidden, HIDES))
    noise = check_float("noise", noise, 0.0, 1e6)
    if noise > 0.0 and hidden != "velocities":
        raise ValueError(f'noise must be 0 with hidden="{hidden}", got {noise!r}')
    reward = check_float("step_reward", step_reward, -MAX_REWARD, MAX_REWARD)
    limit = None if max_steps is None else check_int("max_steps", max_steps, 1, MAX_COUNT)
    steps = limit if hidden == "nothing" else MEMORYLESS.get((hidden, noise, limit), (0.0, 0.0, None))[2]
    place, angle = 2 * PHYSICS[MAX_X], 2 * PHYSICS[MAX_ANGLE]
    high = {"velocities": [place, angle], "positions": [np.inf, np.inf], "nothing": [place, np.inf, angle, np.inf]}
    bounds = np.array(high[hidden], np.float32)
    return World(
        cart_pole_reset,
        cart_pole_step,
        cart_pole_observe,
        params=np.array([*PHYSICS, reward, hides, noise, bool(positions_at_reset)], np.float64),
        state_names=("position", "velocity", "angle", "angular_velocity", "steps"),
        noise_size=6,
        observation_space=gym.spaces.Box(-bounds, bounds),
        action_space=gym.spaces.Discrete(2),
        max_steps=limit,
        survival_is_success=True,
        optimal_return=None if limit is None else reward * limit,
        memoryless_return=None if steps is None else reward * steps,
        renderer="lstm_rl.envs.rendering_cart_pole",
    )


def position_only_cart_pole(difficulty: Difficulty = "easy", *, max_steps: int | None = None) -> World:
    """POPGym's PositionOnlyCartPole: 200, 400 or 600 steps, or ``max_steps``."""
    return _popgym(difficulty, max_steps, hidden="velocities")


def velocity_only_cart_pole(
    difficulty: Difficulty = "easy", *, positions_at_reset: bool = True, max_steps: int | None = None
) -> World:
    """POPGym's VelocityOnlyCartPole; ``positions_at_reset=False`` hides positions in the first observation, too."""
    return _popgym(difficulty, max_steps, hidden="positions", positions_at_reset=positions_at_reset)


def noisy_position_only_cart_pole(
    difficulty: Difficulty = "easy", *, noise: float | None = None, max_steps: int | None = None
) -> World:
    """POPGym's NoisyPositionOnlyCartPole: noise .1, .2 or .3 (or ``noise``) and 200 steps (or ``max_steps``)."""
    level = LEVELS.index(check_choice("difficulty", difficulty, LEVELS))
    noise = (0.1, 0.2, 0.3)[level] if noise is None else noise
    return _popgym("easy", max_steps, hidden="velocities", noise=noise)


def _popgym(difficulty: str, max_steps: int | None, **arguments: Any) -> World:
    level = LEVELS.index(check_choice("difficulty", difficulty, LEVELS))
    limit = (200, 400, 600)[level]
    return cart_pole(step_reward=1.0 / limit, max_steps=limit if max_steps is None else max_steps, **arguments)
