"""The robot of `lstm_rl.envs.robot`: wheels, sensors, behaviours, rewards and events, for the twin and for MuJoCo.

A control step is `drive`, then the simulator moves the robot and measures distances (the twin: `move` and `look`),
then `after`. All work on one flat state and one flat array of constants, whose places are named here.
"""

import math
from typing import Any

import numpy as np

from lstm_rl.compiled import compiled, kernel
from lstm_rl.envs.aravq import MAX_VECTORS, winner
from lstm_rl.envs.dynamics import CONTINUES, FAILED, SUCCEEDED
from lstm_rl.envs.robot_maze import BETWEEN, HALF, RADIUS, TURN, measure, push_out
from lstm_rl.rng import mixed

ANGLES = (90, 45, 10, -10, -45, -90, -160, 160)  # degrees, of the infrared sensors
AXLE, SPEED = 0.053, 0.08  # metres between the wheels; metres per second of a wheel at most
MASS, SERVO = 0.08, 8.0  # kg; N s/m: the time constant is 10 ms
SUBSTEPS, SUBSTEP = 5, 0.02  # of a control step; seconds
IR_RANGE, LIGHT_RANGE = 0.05, 0.06  # metres
SENSORS, LIGHT, MOTORS = 8, 8, 10  # infrared; where lights and wheels stand in the inputs
INPUTS = 12
PATIENCE = 50  # control steps of a decision at most
LEFT_WALL, RIGHT_WALL, TURN_LEFT = range(3)
BEHAVIOURS = ("left", "right", "turn")

# State
X, Y, HEADING, LEFT, RIGHT, LEVEL, CENTRE, BEST, CLOCK, FALSE_X, FALSE_SIDE = range(11)
SPEED_X, SPEED_Y, SPIN = 11, 12, 13  # of the twin's servos, m/s and rad/s
SIDES = 14  # of three junctions: 1 left, -1 right
RANGES = 17  # metres from each infrared sensor to a wall
INPUT = RANGES + SENSORS  # what is sensed
RAYS = INPUT + INPUTS  # their directions
CLASS = RAYS + 2 * SENSORS  # of events, as what follows
SEEN, MEAN = CLASS + 1, CLASS + 2
WINDOW = MEAN + INPUTS
# Constants
STEM, JUNCTIONS, LAMPS, NOISE, GAP, REPEAT, USED, SHOW_GOAL, EVENTS, LENGTH, CLASSES, WALLS = range(12)
CODES = 12  # first behaviour; then ARMS_AT
ARMS_AT = CODES + len(BEHAVIOURS)
MODELS = ARMS_AT + 3  # then walls
NAMES = "x y heading left_wheel right_wheel junction middle progress control_steps other_lamp_x other_lamp_side".split()
NAMES += ["speed_x", "speed_y", "spin"]


@kernel
def uniform_at(seed: float, k: int) -> float:
    """Number k >= 0 of the stream of uniform numbers in [0, 1) of a seed in [0, 1) (splitmix64)."""
    counter = np.uint64(seed * 9007199254740992.0) + np.uint64(k + 1) * np.uint64(0x9E3779B97F4A7C15)
    return float(mixed(counter) >> np.uint64(11)) / 9007199254740992.0


@kernel
def drive(params: Any, action: int, state: Any) -> None:
    """Set the wheels as the behaviour wants from what is sensed now."""
    behaviour = int(params[CODES + action])
    if behaviour == TURN_LEFT:
        state[LEFT], state[RIGHT] = -0.5 * SPEED, 0.5 * SPEED
        return
    side, diagonal = (0, 1) if behaviour == LEFT_WALL else (5, 4)
    sign = 1.0 if behaviour == LEFT_WALL else -1.0
    if max(state[INPUT + 2], state[INPUT + 3]) > 0.35:  # a wall ahead: turn away from the one that is followed
        state[LEFT], state[RIGHT] = sign * 0.5 * SPEED, -sign * 0.5 * SPEED
        return
    gap = params[GAP]
    near = 1.0 - gap / IR_RANGE
    across = max(1.0 - ((gap + RADIUS) * math.sqrt(2.0) - RADIUS) / IR_RANGE, 0.0)
    sharpest = SPEED / (gap + RADIUS + AXLE / 2.0)  # around a corner at this gap
    rate = 4.0 * (near - state[INPUT + side]) + 3.0 * (across - state[INPUT + diagonal])
    rate = sign * min(max(rate, -sharpest), sharpest)  # rad/s, to the left
    speed = SPEED - abs(rate) * AXLE / 2.0
    state[LEFT], state[RIGHT] = speed - rate * AXLE / 2.0, speed + rate * AXLE / 2.0


@kernel
def aim(state: Any) -> tuple[float, float, float]:
    """The velocities that the servos are set to: along x, along y (where the robot heads half-way), and rad/s."""
    speed, rate = (state[LEFT] + state[RIGHT]) / 2.0, (state[RIGHT] - state[LEFT]) / AXLE
    heading = state[HEADING] + rate * SUBSTEPS * SUBSTEP / 2.0
    return speed * math.cos(heading), speed * math.sin(heading), rate


@kernel
def move(params: Any, state: Any) -> None:
    """The twin's physics: servos that follow what they are set to as MuJoCo's do, and walls that push away."""
    walls = MODELS + MAX_VECTORS * INPUTS
    follow = SUBSTEP * SERVO / (MASS + SUBSTEP * SERVO)  # of an implicit step
    goal_x, goal_y, goal_spin = aim(state)
    for _ in range(SUBSTEPS):
        state[SPEED_X] += follow * (goal_x - state[SPEED_X])
        state[SPEED_Y] += follow * (goal_y - state[SPEED_Y])
        state[SPIN] += follow * (goal_spin - state[SPIN])
        state[HEADING] += SUBSTEP * state[SPIN]
        x, y = state[X] + SUBSTEP * state[SPEED_X], state[Y] + SUBSTEP * state[SPEED_Y]
        state[X], state[Y] = push_out(params, walls, int(params[WALLS]), x, y)


@kernel
def look(params: Any, state: Any) -> None:
    """The twin's infrared: a ray per sensor, from the body's edge; rays are kept in the state."""
    rays = state[RAYS : RAYS + 2 * SENSORS].reshape(SENSORS, 2)
    for i in range(SENSORS):
        angle = state[HEADING] + ANGLES[i] * math.pi / 180.0
        rays[i, 0], rays[i, 1] = math.cos(angle), math.sin(angle)
    walls, reach = MODELS + MAX_VECTORS * INPUTS, RADIUS + IR_RANGE
    measure(params, walls, int(params[WALLS]), state[X], state[Y], rays, reach, state, RANGES)
    for i in range(SENSORS):
        state[RANGES + i] -= RADIUS


@kernel
def near_lamp(params: Any, state: Any, side: float) -> float:
    """Whether a lamp on this side is near: 1 or 0."""
    if state[LEVEL] > 0.0:
        return 0.0
    for k in range(int(params[JUNCTIONS])):
        if state[SIDES + k] == side and abs(state[X] - 0.3 * (k + 1)) <= LIGHT_RANGE:
            return 1.0
    return 1.0 if state[FALSE_SIDE] == side and abs(state[X] - state[FALSE_X]) <= LIGHT_RANGE else 0.0


@kernel
def sense(params: Any, seed: float, k: int, state: Any) -> None:
    """What is sensed at this place, with the noise of control step k of the stream that ``seed`` begins."""
    noise = params[NOISE]
    for i in range(SENSORS):
        state[INPUT + i] = min(max(1.0 - state[RANGES + i] / IR_RANGE, 0.0), 1.0)
    state[INPUT + LIGHT], state[INPUT + LIGHT + 1] = near_lamp(params, state, 1.0), near_lamp(params, state, -1.0)
    for i in range(MOTORS):
        state[INPUT + i] += noise * (2.0 * uniform_at(seed, MOTORS * k + i) - 1.0)
    state[INPUT + MOTORS] = 0.5 + 0.5 * state[LEFT] / SPEED
    state[INPUT + MOTORS + 1] = 0.5 + 0.5 * state[RIGHT] / SPEED


@kernel
def judge(params: Any, state: Any) -> tuple[float, int]:
    """Progress, turns and ends: (reward, outcome)."""
    state[CLOCK] += 1.0
    level = int(state[LEVEL])
    bar = params[STEM] + level * (2.0 * HALF + BETWEEN)
    off = state[Y] - state[CENTRE]
    inside = state[X] > bar - HALF / 2.0
    progress = state[X] + (abs(off) if inside else -abs(off))
    reward = 0.0
    if progress > state[BEST]:
        state[BEST] = progress
    else:
        reward = -0.01
    if inside and abs(off) >= HALF + TURN:
        side = 1.0 if off > 0.0 else -1.0
        if side != state[SIDES + level]:
            return reward - 0.1, FAILED
        state[LEVEL] += 1.0
        if state[LEVEL] == params[JUNCTIONS]:
            return reward + 4.0, SUCCEEDED
        state[CENTRE] += side * params[ARMS_AT + level]
        state[BEST] = state[X] - abs(state[Y] - state[CENTRE])
        return reward + 4.0, CONTINUES
    return reward, CONTINUES


@kernel
def classify(params: Any, state: Any) -> bool:
    """Take the inputs into the window; return whether the class of its mean is another one than before."""
    n, d = int(params[LENGTH]), int(params[USED])
    place = WINDOW + (int(state[SEEN]) % n) * d
    for i in range(d):
        state[place + i] = state[INPUT + i]
    state[SEEN] += 1.0
    if state[SEEN] < n:
        return False
    for i in range(d):
        state[MEAN + i] = 0.0
        for t in range(n):
            state[MEAN + i] += state[WINDOW + t * d + i] / n
    before = state[CLASS]
    state[CLASS] = winner(params, MODELS, int(params[CLASSES]), state, MEAN, d)
    return state[CLASS] != before


@kernel
def begin(params: Any, noise: Any, state: Any) -> None:
    """Place the robot and the lamps; noise (8,) draws sides, the other lamp, and where the robot stands."""
    state[:] = 0.0
    for k in range(3):
        state[SIDES + k] = 1.0 if noise[k] < 0.5 else -1.0
    lamps = params[LAMPS]
    if lamps > params[JUNCTIONS]:  # the last one tells nothing
        first = 0.3 * params[JUNCTIONS] + 0.25
        state[FALSE_X] = first + noise[3] * max(params[STEM] - 0.25 - first, 0.0)
        state[FALSE_SIDE] = 1.0 if noise[4] < 0.5 else -1.0
    state[Y] = 0.01 * noise[5] - 0.005
    state[HEADING] = 0.1 * noise[6] - 0.05
    state[BEST] = -1.0  # behind every start
    if params[EVENTS] == 1.0:  # a world of steps has no room for it
        state[CLASS] = -1.0


@kernel
def after(params: Any, seed: float, k: int, state: Any) -> tuple[float, int, bool]:
    """What control step k of a decision comes to once the robot has moved: (reward, outcome, whether it is over)."""
    sense(params, seed, k, state)
    reward, outcome = judge(params, state)
    over = outcome != CONTINUES or k + 1 >= params[REPEAT]
    if params[EVENTS] == 1.0 and classify(params, state):
        over = True
    return reward, outcome, over


@kernel
def show(params: Any, state: Any, observation: Any) -> None:
    """Sensors or the class, and the side that pays next if it is shown."""
    size = observation.shape[0]
    observation[:] = 0.0
    if params[EVENTS] == 1.0:
        if state[CLASS] >= 0.0:
            observation[int(state[CLASS])] = 1.0
    else:
        for i in range(int(params[USED])):
            observation[i] = state[INPUT + i]
    if params[SHOW_GOAL] == 1.0:
        level = min(int(state[LEVEL]), int(params[JUNCTIONS]) - 1)
        observation[size - 1] = 1.0 if state[SIDES + level] > 0.0 else 0.0


@compiled
def robot_show(params: Any, state: Any, observation: Any) -> None:
    """`show`, for a simulator in Python."""
    show(params, state, observation)


@compiled
def robot_begin(params: Any, noise: Any, state: Any) -> None:
    """`begin`, for a simulator in Python."""
    begin(params, noise, state)


@compiled
def robot_drive(params: Any, action: int, state: Any) -> None:
    """`drive`, for a simulator in Python."""
    drive(params, action, state)


@compiled
def robot_aim(state: Any) -> tuple[float, float, float]:
    """`aim`, for a simulator in Python."""
    return aim(state)


@compiled
def robot_first(params: Any, seed: float, state: Any) -> None:
    """The first look of an episode, for a simulator in Python."""
    sense(params, seed, 0, state)
    if params[EVENTS] == 1.0:
        classify(params, state)


@compiled
def robot_after(params: Any, seed: float, k: int, state: Any) -> tuple[float, int, bool]:
    """`after`, for a simulator in Python."""
    return after(params, seed, k, state)
