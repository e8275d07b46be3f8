"""A small robot in a T-shaped corridor: a lamp at the start tells which way to turn at the end.

Description:
    A round robot with two wheels, eight infrared sensors and two light sensors drives through a corridor. A lamp on
    its left or right tells which arm of the T pays. The robot chooses between behaviours that drive the wheels. This
    is the compiled twin (rays and circles) of `lstm_rl.envs.robot_mujoco`, which moves the same robot in MuJoCo; all
    else, sensors' noise, behaviours, rewards, ends and events, is one code for both. Every control step is 0.1 s.
    `robot_tmaze_events` sees events instead of sensors: its step lasts until the class of the stream changes, by
    ARAVQ (`lstm_rl.envs.aravq`). Variants: ``irrelevant_lamp`` puts a second lamp behind the first that tells nothing;
    ``junctions=3`` is a tree of T's with three lamps, whose order is that of the turns.

Action Space: ``Discrete``, the ``behaviours``: "left" and "right" follow the wall on that side around every corner,
    "turn" turns on the spot to the left.

Observation Space: per step ``Box(-.05, 1.05, (12,), float32)``

    | index   | what                                                                                          |
    |---------|-----------------------------------------------------------------------------------------------|
    | 0 .. 7  | infrared at 90, 45, 10, -10, -45, -90, -160, 160 degrees: 0 from 5 cm on, 1 at a wall; noise  |
    | 8, 9    | light on the left, on the right: 1 within 6 cm of a lamp; noise                               |
    | 10, 11  | speed of the left and right wheel, -.08 .. .08 m/s scaled to 0 .. 1 (``motors``)              |

    Events: ``Box(0, 1, (24,))``, the present class one-hot, all 0 until there is one. ``show_goal`` appends the side
    that pays at the next junction, 1 left, 0 right: then no memory is needed.

Rewards: 4 for the arm that pays, -.1 for the other; -.01 for every control step without progress along the way. With
    three junctions every right turn is paid.

Starting State: at x = 0, up to 5 mm and .05 rad off; sides of lamps are drawn evenly, the place of an irrelevant one
    anywhere between 25 cm behind the first and 25 cm before the junction.

Episode End: failure 40 cm into the wrong arm, success 40 cm into the (last) right one. Truncated after 16 times the
    steps of the shortest way, events after 1.6 times as many; a step of events has 50 control steps at most.

Info: ``state``, whose first entries are x, y, heading, wheels, junction, middle of the stem, progress, control steps.

Optimal Return: 4 for every junction, if nothing is lost on the way.

Best Return Without Memory: as if the side were guessed. A trap: the wall that the robot follows remembers the side
    for it; a rule without memory may keep to the wall that it keeps to. With ``gap=0.0325`` the robot drives in
    the middle whichever wall it follows, and its place tells nothing.

Source: after F. Linaker & H. Jacobsson, "Mobile robot learning of delayed response tasks through event extraction",
    IJCAI 2001, and B. Bakker, F. Linaker & J. Schmidhuber, "Reinforcement learning in partially observable mobile
    robot domains using unsupervised event extraction", IROS 2002. Sizes and constants are ours: docs/robots.md.

Version History: v0, first release.
"""

import math
from functools import cache
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_choice, check_float, check_int
from lstm_rl.compiled import compiled, kernel
from lstm_rl.envs.aravq import MOST, Aravq, learn_vectors, winner
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
from lstm_rl.envs.robot_maze import ARMS, BETWEEN, HALF, RADIUS, TURN, make_maze, measure, push_out

ANGLES = (90, 45, 10, -10, -45, -90, -160, 160)  # degrees, of the infrared sensors
AXLE, SPEED = 0.053, 0.08  # metres between the wheels; metres per second of a wheel at most
SUBSTEPS, SUBSTEP = 5, 0.02  # of a control step; seconds
IR_RANGE, LIGHT_RANGE = 0.05, 0.06  # metres
SENSORS, LIGHT, MOTORS = 8, 8, 10  # infrared; where lights and wheels stand in the inputs
INPUTS = 12
PATIENCE = 50  # control steps of a decision at most
LEFT_WALL, RIGHT_WALL, TURN_LEFT = range(3)
BEHAVIOURS = ("left", "right", "turn")

# State
X, Y, HEADING, LEFT, RIGHT, LEVEL, CENTRE, BEST, CLOCK, FALSE_X, FALSE_SIDE = range(11)
SIDES = 11  # of three junctions: 1 left, -1 right
RANGES = 14  # metres from each infrared sensor to a wall
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


@kernel
def hashed(seed: float, k: int) -> float:
    """Number k >= 0 of a stream of uniform numbers in [0, 1) that one such number begins (splitmix64)."""
    x = np.uint64(seed * 9007199254740992.0) + np.uint64(k + 1) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x = x ^ (x >> np.uint64(31))
    return float(x >> np.uint64(11)) / 9007199254740992.0


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
def move(params: Any, state: Any) -> None:
    """The twin's physics: a unicycle that walls push away."""
    walls = MODELS + MOST * INPUTS
    speed, rate = (state[LEFT] + state[RIGHT]) / 2.0, (state[RIGHT] - state[LEFT]) / AXLE
    for _ in range(SUBSTEPS):
        state[HEADING] += SUBSTEP * rate
        x = state[X] + SUBSTEP * speed * math.cos(state[HEADING])
        y = state[Y] + SUBSTEP * speed * math.sin(state[HEADING])
        state[X], state[Y] = push_out(params, walls, int(params[WALLS]), x, y)


@kernel
def look(params: Any, state: Any) -> None:
    """The twin's infrared: a ray per sensor, from the body's edge; rays are kept in the state."""
    rays = state[RAYS : RAYS + 2 * SENSORS].reshape(SENSORS, 2)
    for i in range(SENSORS):
        angle = state[HEADING] + ANGLES[i] * math.pi / 180.0
        rays[i, 0], rays[i, 1] = math.cos(angle), math.sin(angle)
    walls, reach = MODELS + MOST * INPUTS, RADIUS + IR_RANGE
    measure(params, walls, int(params[WALLS]), state[X], state[Y], rays, reach, state, RANGES)
    for i in range(SENSORS):
        state[RANGES + i] -= RADIUS


@kernel
def lit(params: Any, state: Any, side: float) -> float:
    """Whether a lamp on this side is near: 1 or 0."""
    if state[LEVEL] > 0.0:
        return 0.0
    for k in range(int(params[LAMPS])):
        if state[SIDES + k] == side and abs(state[X] - 0.3 * (k + 1)) <= LIGHT_RANGE:
            return 1.0
    return 1.0 if state[FALSE_SIDE] == side and abs(state[X] - state[FALSE_X]) <= LIGHT_RANGE else 0.0


@kernel
def sense(params: Any, seed: float, k: int, state: Any) -> None:
    """What is sensed at this place, with the noise of control step k of the stream that ``seed`` begins."""
    noise = params[NOISE]
    for i in range(SENSORS):
        state[INPUT + i] = min(max(1.0 - state[RANGES + i] / IR_RANGE, 0.0), 1.0)
    state[INPUT + LIGHT], state[INPUT + LIGHT + 1] = lit(params, state, 1.0), lit(params, state, -1.0)
    for i in range(MOTORS):
        state[INPUT + i] += noise * (2.0 * hashed(seed, MOTORS * k + i) - 1.0)
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


@reset_rule
def robot_reset(params: Any, noise: Any, state: Any) -> None:
    """Start an episode; noise (8,), see `begin`; the last begins the sensors' noise."""
    begin(params, noise, state)
    look(params, state)
    sense(params, noise[7], 0, state)
    if params[EVENTS] == 1.0:
        classify(params, state)


@step_rule
def robot_step(params: Any, noise: Any, action: int, state: Any) -> tuple[float, int]:
    """Let a behaviour drive for some control steps, or until an event; noise[7] begins the sensors' noise."""
    total, outcome, over, k = 0.0, CONTINUES, False, 0
    while not over:
        drive(params, action, state)
        move(params, state)
        look(params, state)
        reward, outcome, over = after(params, noise[7], k, state)
        total += reward
        k += 1
    return total, outcome


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


@observe_rule
def robot_observe(params: Any, noise: Any, state: Any, observation: Any) -> None:
    """See `show`."""
    show(params, state, observation)


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
def robot_first(params: Any, seed: float, state: Any) -> None:
    """The first look of an episode, for a simulator in Python."""
    sense(params, seed, 0, state)
    if params[EVENTS] == 1.0:
        classify(params, state)


@compiled
def robot_after(params: Any, seed: float, k: int, state: Any) -> tuple[float, int, bool]:
    """`after`, for a simulator in Python."""
    return after(params, seed, k, state)


def robot_marks(params: NDArray[np.float64], states: NDArray[np.float64]) -> Marks:
    """The steps beside a lamp that tells, and those at a junction."""
    x, level = states[:, X], states[:, LEVEL]
    lamps = 0.3 * np.arange(1, int(params[JUNCTIONS]) + 1)
    cue = (level == 0) & np.any(np.abs(x[:, None] - lamps) <= LIGHT_RANGE, axis=1)
    bar = params[STEM] + level * (2 * HALF + BETWEEN)
    return {"cue": cue, "junction": (x > bar) & (np.abs(states[:, Y] - states[:, CENTRE]) < HALF)}


def robot_tmaze(
    stem: float | None = None,
    *,
    junctions: Literal[1, 3] = 1,
    irrelevant_lamp: bool = False,
    behaviours: tuple[str, ...] = BEHAVIOURS[:2],
    gap: float = 0.02,
    noise: float = 0.05,
    motors: bool = True,
    show_goal: bool = False,
    action_repeat: int = 1,
    max_steps: int | Literal["auto"] | None = "auto",
) -> World:
    """The robot's T-maze as a `World` with a decision every ``action_repeat`` control steps; the module describes it.

    Args:
        stem: Metres from the start to the junction, in [0.5 per junction, and 0.4 more with a lamp that tells
            nothing; 10^6]; ``None``: 1, with three junctions 1.5.
        junctions: Turns, and lamps that tell them, on the way: 1 or 3.
        irrelevant_lamp: Whether one more lamp, on either side, tells nothing.
        behaviours: Names of the actions, in their order, from "left", "right" and "turn".
        gap: Metres that the robot keeps from the wall that it follows, in [0.01, 0.0325]; 0.0325 is the middle.
        noise: Uniform noise of infrared and light, in +- this, in [0, 1].
        motors: Whether the speeds of the wheels are seen.
        show_goal: Whether the side that pays at the next junction is seen.
        action_repeat: Control steps of 0.1 s per step, >= 1.
        max_steps: Steps in [1, 2^53] after which an episode is truncated; "auto": 16 times the shortest way's; None:
            never.

    Raises:
        ValueError: An argument is out of its range.
    """
    repeat = check_int("action_repeat", action_repeat, 1, MAX_COUNT)
    shared = (stem, junctions, irrelevant_lamp, behaviours, gap, noise, motors, show_goal)
    return _robot_world(*shared, repeat, max_steps, None, np.zeros((0, INPUTS)))


def robot_tmaze_events(
    stem: float | None = None,
    *,
    junctions: Literal[1, 3] = 1,
    irrelevant_lamp: bool = False,
    behaviours: tuple[str, ...] = BEHAVIOURS[:2],
    gap: float = 0.02,
    noise: float = 0.05,
    motors: bool = True,
    show_goal: bool = False,
    window: int = 10,
    delta: float = 0.3,
    epsilon: float = 0.2,
    alpha: float = 0.05,
    max_steps: int | Literal["auto"] | None = "auto",
) -> World:
    """The same with a decision at every event: vectors are learned in 50 episodes of random behaviours, then frozen.

    Args:
        stem: See `robot_tmaze`.
        junctions: See `robot_tmaze`.
        irrelevant_lamp: See `robot_tmaze`.
        behaviours: See `robot_tmaze`.
        gap: See `robot_tmaze`.
        noise: See `robot_tmaze`.
        motors: See `robot_tmaze`; events then depend on the behaviour.
        show_goal: See `robot_tmaze`.
        window: Of ARAVQ, control steps; at most those of the shortest way.
        delta: Of ARAVQ, > 0.
        epsilon: Of ARAVQ, > 0.
        alpha: Of ARAVQ, in [0, 1].
        max_steps: Decisions in [1, 2^53] after which an episode is truncated; "auto": 1.6 times the shortest way's
            control steps; None: never.

    Raises:
        ValueError: An argument is out of its range.
    """
    aravq = Aravq(window, delta, epsilon, alpha)
    shared = (stem, junctions, irrelevant_lamp, tuple(behaviours), gap, noise, motors)
    raw = _robot_world(*shared, False, 1, "auto", None, np.zeros((0, INPUTS)))
    shortest = -(-(raw.horizon or 1) // 1)
    if window > shortest:
        raise ValueError(
            f"window must be at most the {shortest} control steps of the shortest episode, got {window}: a longer one "
            "sees no event"
        )
    models = _models(*shared, window, float(delta), float(epsilon), float(alpha))
    return _robot_world(*shared, show_goal, PATIENCE, max_steps, aravq.window, models)


def _robot_world(
    stem: float | None,
    junctions: int,
    irrelevant_lamp: bool,
    behaviours: tuple[str, ...],
    gap: float,
    noise: float,
    motors: bool,
    show_goal: bool,
    repeat: int,
    max_steps: int | str | None,
    window: int | None,
    models: NDArray[np.float64],
) -> World:
    """The world of both functions; ``window`` None: no events."""
    if junctions not in ARMS or isinstance(junctions, bool):
        raise ValueError(f"junctions must be 1 or 3, got {junctions!r}")
    least = 0.5 * junctions - 0.1 * (junctions - 1) + 0.4 * bool(irrelevant_lamp)
    stem = check_float("stem", (1.0 if junctions == 1 else 1.5) if stem is None else stem, least, 1e6)
    if isinstance(behaviours, str) or not behaviours:
        raise ValueError(f"behaviours must be some of {', '.join(BEHAVIOURS)}, got {behaviours!r}")
    codes = [BEHAVIOURS.index(check_choice("behaviours", each, BEHAVIOURS)) for each in behaviours]
    if len(set(codes)) < len(codes):
        raise ValueError(f"behaviours must be different ones, got {', '.join(behaviours)}")
    maze = make_maze(stem, junctions)
    used = INPUTS if motors else MOTORS
    shortest = math.ceil(maze.shortest / (SPEED * SUBSTEPS * SUBSTEP))
    if max_steps == "auto":
        max_steps = -(-16 * shortest // (repeat if window is None else 10))
    elif max_steps is not None:
        max_steps = check_int("max_steps", max_steps, 1, MAX_COUNT)
    constants = [
        stem,
        junctions,
        junctions + bool(irrelevant_lamp),
        check_float("noise", noise, 0.0, 1.0),
        check_float("gap", gap, 0.01, 0.0325),
        repeat,
        used,
        bool(show_goal),
        window is not None,
        window or 0,
        len(models),
        len(maze.walls),
    ]
    codes += [0] * (len(BEHAVIOURS) - len(codes))
    arms, held = np.zeros(3), np.zeros(MOST * INPUTS)
    arms[: len(maze.arms)] = maze.arms
    held[: models.size] = models.ravel()
    size, bound = (MOST, 1.0) if window is not None else (used, 1.0 + noise)
    low = np.full(size + bool(show_goal), 0.0 if window is not None else -noise, np.float32)
    names = [*NAMES, *(f"side_{k}" for k in range(3)), *(f"range_{a}" for a in ANGLES)]
    names += [f"input_{i}" for i in range(INPUTS)] + [f"ray_{i}" for i in range(2 * SENSORS)]
    if window is not None:
        names += ["class", "inputs", *(f"mean_{i}" for i in range(INPUTS))]
        names += [f"window_{i}" for i in range(window * used)]
    guessed = sum(0.5 ** (k + 1) * (4.0 * k - 0.1) for k in range(junctions)) + 0.5**junctions * 4.0 * junctions
    return World(
        robot_reset,
        robot_step,
        robot_observe,
        params=np.array([*constants, *codes, *arms, *held, *maze.walls.ravel()], np.float64),
        state_names=tuple(names),
        noise_size=8,
        observation_space=gym.spaces.Box(low, np.full(low.shape, bound, np.float32), dtype=np.float32),
        action_space=gym.spaces.Discrete(len(behaviours)),
        max_steps=max_steps,  # type: ignore[arg-type]
        horizon=-(-shortest // (repeat if window is None else 10)),
        optimal_return=4.0 * junctions,
        memoryless_return=4.0 * junctions if show_goal else guessed,
        renderer="lstm_rl.envs.rendering_robot",
        marks=robot_marks,
    )


EPISODES = 50  # in which vectors are learned


@compiled
def _watch(
    params: Any, noise: Any, actions: int, limit: int, delta: float, epsilon: float, alpha: float, state: Any
) -> None:
    """Let ARAVQ learn from an episode of behaviours that are drawn at every event: ``params`` change in place."""
    n, d = int(params[LENGTH]), int(params[USED])
    seed, draw, kept = noise[7], 1 << 40, 0
    begin(params, noise, state)
    look(params, state)
    sense(params, seed, 0, state)
    classify(params, state)
    action = int(actions * hashed(seed, draw))
    for k in range(1, limit):
        drive(params, action, state)
        move(params, state)
        look(params, state)
        before, kept = state[CLASS], kept + 1
        _, outcome, _ = after(params, seed, k, state)
        if outcome != CONTINUES:
            return
        if state[SEEN] >= n:
            window, models = state[WINDOW : WINDOW + n * d].reshape(n, d), params[MODELS : MODELS + MOST * d]
            mean, count = state[MEAN : MEAN + d], int(params[CLASSES])
            known = models.reshape(MOST, d)
            params[CLASSES] = learn_vectors(window, known, mean, count, delta, epsilon, alpha)
        if state[CLASS] != before or kept == PATIENCE:
            draw, kept = draw + 1, 0
            action = int(actions * hashed(seed, draw))


@cache
def _models(*arguments: Any) -> NDArray[np.float64]:
    """Vectors (K', D) of `EPISODES` episodes of behaviours that are drawn at random at every event."""
    *shared, window, delta, epsilon, alpha = arguments
    world = _robot_world(*shared, False, PATIENCE, "auto", window, np.zeros((0, INPUTS)))
    params, state = world.params.copy(), np.zeros(len(world.state_names))
    limit, actions = 10 * (world.max_steps or 0), int(world.action_space.n)
    for noise in np.random.default_rng(0).random((EPISODES, world.noise_size)):
        _watch(params, noise, actions, limit, delta, epsilon, alpha, state)
    size = int(params[USED])
    return params[MODELS:][: int(params[CLASSES]) * size].reshape(-1, size)
