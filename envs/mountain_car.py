"""Gymnasium's MountainCar with the velocity hidden: swing a weak car up a hill, seeing only where it is.

Description:
    A car in a valley is too weak to drive up the right hill: it has to swing, which means to push in the direction in
    which it moves. The agent sees the position only, so it has to compare positions to know that direction.

Action Space: ``Discrete(3)``: 0 = push left, 1 = do nothing, 2 = push right.

Observation Space: ``Box``, float32: position in [-1.2, 0.6]; with ``hidden="nothing"`` also velocity in [-0.07, 0.07]
    per step (then it is MountainCar-v0). No units.

Rewards: -1 per step, the last one included.

Starting State: position uniform in [-0.6, -0.4), velocity 0.

Episode End: terminated when the position is at least 0.5 (success); truncated after ``max_steps``, 200.

Physics, with action a: v <- clip(v + 0.001 (a - 1) - 0.0025 cos(3 x), -0.07, 0.07), x <- clip(x + v, -1.2, 0.6); the
    car stops at the left wall.

Info: ``state`` = (position, velocity); ``is_success``.

Optimal Return: -97.65 on average over starts, from -83 to -104: the best of all sequences "push one way for i steps,
    the other way for j, then the first way" from 400 starts (one more change of direction gained nothing from 7 of
    them). The start is at rest, so that hiding the velocity costs nothing.

Best Return Without Memory: -200, argued and not proved. A force that depends on the position alone gives back on the
    way down what it gave on the way up, so no policy without memory and without chance gathers speed, and those with
    chance do not in 200 steps.

Source: gymnasium.envs.classic_control.mountain_car (v0); A. Moore, "Efficient Memory-Based Learning for Robot Control",
    PhD thesis, University of Cambridge (1990).

Version History: v0, first release.
"""

import math
from typing import Any, Literal

import gymnasium as gym
import numpy as np

from lstm_rl.checks import check_choice, check_int
from lstm_rl.envs.dynamics import CONTINUES, MAX_COUNT, SUCCEEDED, World, observe_rule, reset_rule, step_rule

POSITION, VELOCITY = range(2)
LEFT, GOAL, RIGHT, FASTEST = -1.2, 0.5, 0.6, 0.07
PUSH, SLOPE = 0.001, 0.0025


@reset_rule
def mountain_car_reset(params: Any, noise: Any, state: Any) -> None:
    """At rest in the valley."""
    state[POSITION] = -0.6 + 0.2 * noise[0]
    state[VELOCITY] = 0.0


@step_rule
def mountain_car_step(params: Any, noise: Any, action: int, state: Any) -> tuple[float, int]:
    """Push, then move."""
    velocity = state[VELOCITY] + (action - 1) * PUSH - SLOPE * math.cos(3.0 * state[POSITION])
    velocity = min(max(velocity, -FASTEST), FASTEST)
    position = min(max(state[POSITION] + velocity, LEFT), RIGHT)
    if position == LEFT and velocity < 0.0:
        velocity = 0.0
    state[POSITION] = position
    state[VELOCITY] = velocity
    return -1.0, SUCCEEDED if position >= GOAL and velocity >= 0.0 else CONTINUES


@observe_rule
def mountain_car_observe(params: Any, noise: Any, state: Any, observation: Any) -> None:
    """The position, and the velocity if it is shown."""
    for k in range(observation.size):
        observation[k] = state[k]


def mountain_car(*, hidden: Literal["velocity", "nothing"] = "velocity", max_steps: int | None = 200) -> World:
    """MountainCar as a `World`; the module describes it.

    Args:
        hidden: "velocity" or "nothing".
        max_steps: Steps in [1, 2^53] after which an episode is truncated; None: never.

    Raises:
        ValueError: An argument is out of its range.
    """
    seen = 1 if check_choice("hidden", hidden, ("velocity", "nothing")) == "velocity" else 2
    limit = None if max_steps is None else check_int("max_steps", max_steps, 1, MAX_COUNT)
    low, high = np.array([LEFT, -FASTEST], np.float32), np.array([RIGHT, FASTEST], np.float32)
    return World(
        mountain_car_reset,
        mountain_car_step,
        mountain_car_observe,
        params=np.zeros(0),
        state_names=("position", "velocity"),
        noise_size=1,
        observation_space=gym.spaces.Box(low[:seen], high[:seen]),
        action_space=gym.spaces.Discrete(3),
        max_steps=limit,
        optimal_return=-97.65 if limit is None or limit >= 104 else None,
        memoryless_return=-200.0 if seen == 1 and limit == 200 else None,
        renderer="lstm_rl.envs.rendering_swing",
    )
