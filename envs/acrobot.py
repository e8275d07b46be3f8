"""Gymnasium's Acrobot with both velocities hidden: swing a double pendulum up, seeing only its angles.

Description:
    Two links hang from a fixed joint; a motor at the joint between them has to swing the free end above a line, one
    link above the fixed joint. Its torque is weak, so it has to push in time with the swing, and the agent sees the
    angles only: how fast the links move, it has to tell from successive angles.

Action Space: ``Discrete(3)``: torque -1, 0 or +1 N m at the joint between the links.

Observation Space: ``Box``, float32: cos th1, sin th1, cos th2, sin th2; with ``hidden="nothing"`` (then it is
    Acrobot-v1) also th1' in +-4 pi and th2' in +-9 pi rad/s. th1 is the first link's angle from hanging down, th2 the
    second link's angle relative to the first.

Rewards: -1 per step, 0 for the step that ends the episode.

Starting State: both angles and both angular velocities uniform in [-0.1, 0.1) rad, rad/s.

Episode End: terminated when -cos th1 - cos(th1 + th2) > 1 (success); truncated after ``max_steps``, 500.

Physics: links of 1 m and 1 kg, centres of mass in the middle, moments of inertia 1 kg m^2; equations of Sutton and
    Barto's book; one Runge-Kutta step of fourth order per 0.2 s; velocities are clipped to their ranges.

Info: ``state`` = (angle_1, angle_2, velocity_1, velocity_2), angles in [-pi, pi]; ``is_success``.

Optimal Return: not known. The rule "torque against th1' - 3 th2'" gets -82.0 with velocities shown.

Best Return Without Memory: not known; given is -206.8, of the rule "torque against sin th1 + c sin th2" with the best
    c, 0.8 (mean of 5,000 episodes of at most 500 steps).

Source: gymnasium.envs.classic_control.acrobot (v1, dynamics "book"); R. S. Sutton, "Generalization in Reinforcement
    Learning: Successful Examples Using Sparse Coarse Coding", NIPS 8 (1996).

Version History: v0, first release.
"""

import math
from typing import Any, Literal

import gymnasium as gym
import numpy as np

from lstm_rl.checks import check_choice, check_int
from lstm_rl.compiled import kernel
from lstm_rl.envs.dynamics import CONTINUES, MAX_COUNT, SUCCEEDED, World, observe_rule, reset_rule, step_rule

ANGLE_1, ANGLE_2, VELOCITY_1, VELOCITY_2 = range(4)
FASTEST_1, FASTEST_2 = 4.0 * math.pi, 9.0 * math.pi  # rad/s
STEP, GRAVITY, HALF = 0.2, 9.8, 0.5  # s, m/s^2, m to a centre of mass; lengths, masses and inertias are 1


@kernel
def accelerations(t1: float, t2: float, v1: float, v2: float, torque: float) -> tuple[float, float]:
    """Angular accelerations of both links, rad/s^2."""
    d1 = HALF**2 + (1.0 + HALF**2 + 2.0 * HALF * math.cos(t2)) + 2.0
    d2 = HALF**2 + HALF * math.cos(t2) + 1.0
    phi2 = HALF * GRAVITY * math.cos(t1 + t2 - math.pi / 2.0)
    phi1 = (
        -HALF * v2 * v2 * math.sin(t2)
        - 2.0 * HALF * v2 * v1 * math.sin(t2)
        + (HALF + 1.0) * GRAVITY * math.cos(t1 - math.pi / 2.0)
        + phi2
    )
    a2 = (torque + d2 / d1 * phi1 - HALF * v1 * v1 * math.sin(t2) - phi2) / (HALF**2 + 1.0 - d2 * d2 / d1)
    return -(d2 * a2 + phi1) / d1, a2


@kernel
def wrapped(angle: float) -> float:
    """The same angle in [-pi, pi]."""
    while angle > math.pi:
        angle -= 2.0 * math.pi
    while angle < -math.pi:
        angle += 2.0 * math.pi
    return angle


@reset_rule
def acrobot_reset(params: Any, noise: Any, state: Any) -> None:
    """Nearly hanging down, nearly at rest; rounded to 32 bits as Gymnasium's."""
    for k in range(4):
        state[k] = np.float32(-0.1 + 0.2 * noise[k])


@step_rule
def acrobot_step(params: Any, noise: Any, action: int, state: Any) -> tuple[float, int]:
    """One Runge-Kutta step."""
    torque, half, step = action - 1.0, STEP / 2.0, STEP
    t1, t2, v1, v2 = state[0], state[1], state[2], state[3]
    a1, a2 = accelerations(t1, t2, v1, v2, torque)
    u1, u2 = v1 + half * a1, v2 + half * a2
    b1, b2 = accelerations(t1 + half * v1, t2 + half * v2, u1, u2, torque)
    w1, w2 = v1 + half * b1, v2 + half * b2
    c1, c2 = accelerations(t1 + half * u1, t2 + half * u2, w1, w2, torque)
    z1, z2 = v1 + step * c1, v2 + step * c2
    d1, d2 = accelerations(t1 + step * w1, t2 + step * w2, z1, z2, torque)
    state[ANGLE_1] = wrapped(t1 + step / 6.0 * (v1 + 2.0 * u1 + 2.0 * w1 + z1))
    state[ANGLE_2] = wrapped(t2 + step / 6.0 * (v2 + 2.0 * u2 + 2.0 * w2 + z2))
    state[VELOCITY_1] = min(max(v1 + step / 6.0 * (a1 + 2.0 * b1 + 2.0 * c1 + d1), -FASTEST_1), FASTEST_1)
    state[VELOCITY_2] = min(max(v2 + step / 6.0 * (a2 + 2.0 * b2 + 2.0 * c2 + d2), -FASTEST_2), FASTEST_2)
    if -math.cos(state[ANGLE_1]) - math.cos(state[ANGLE_1] + state[ANGLE_2]) > 1.0:
        return 0.0, SUCCEEDED
    return -1.0, CONTINUES


@observe_rule
def acrobot_observe(params: Any, noise: Any, state: Any, observation: Any) -> None:
    """The angles as points on the circle, and the velocities if they are shown."""
    observation[0] = math.cos(state[ANGLE_1])
    observation[1] = math.sin(state[ANGLE_1])
    observation[2] = math.cos(state[ANGLE_2])
    observation[3] = math.sin(state[ANGLE_2])
    if observation.size == 6:
        observation[4] = state[VELOCITY_1]
        observation[5] = state[VELOCITY_2]


def acrobot(*, hidden: Literal["velocities", "nothing"] = "velocities", max_steps: int | None = 500) -> World:
    """Acrobot as a `World`; the module describes it.

    Args:
        hidden: "velocities" or "nothing".
        max_steps: Steps in [1, 2^53] after which an episode is truncated; None: never.

    Raises:
        ValueError: An argument is out of its range.
    """
    seen = 4 if check_choice("hidden", hidden, ("velocities", "nothing")) == "velocities" else 6
    limit = None if max_steps is None else check_int("max_steps", max_steps, 1, MAX_COUNT)
    high = np.array([1.0, 1.0, 1.0, 1.0, FASTEST_1, FASTEST_2], np.float32)[:seen]
    return World(
        acrobot_reset,
        acrobot_step,
        acrobot_observe,
        params=np.zeros(0),
        state_names=("angle_1", "angle_2", "velocity_1", "velocity_2"),
        noise_size=4,
        observation_space=gym.spaces.Box(-high, high),
        action_space=gym.spaces.Discrete(3),
        max_steps=limit,
        memoryless_return=-206.8 if seen == 4 and limit == 500 else None,
        renderer="lstm_rl.envs.rendering_swing",
    )
