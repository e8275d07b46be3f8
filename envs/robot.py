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

Best Return Without Memory: as if the side were guessed. The robot drives in the middle whichever wall it
    follows, so that its place tells nothing. A trap: with a smaller ``gap`` the wall that it follows remembers the
    side for it, and a rule without memory may keep to the wall that it keeps to.

Source: after F. Linaker & H. Jacobsson, "Mobile robot learning of delayed response tasks through event extraction",
    IJCAI 2001, and B. Bakker, F. Linaker & J. Schmidhuber, "Reinforcement learning in partially observable mobile
    robot domains using unsupervised event extraction", IROS 2002. Sizes and constants are ours: docs/robots.md.

Version History: v0, first release.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_choice, check_float, check_int
from lstm_rl.compiled import compiled
from lstm_rl.envs.aravq import MAX_VECTORS, Aravq, learn_vectors
from lstm_rl.envs.dynamics import CONTINUES, MAX_COUNT, Marks, World, observe_rule, reset_rule, step_limit, step_rule
from lstm_rl.envs.robot_body import (
    ANGLES,
    BEHAVIOURS,
    CENTRE,
    CLASS,
    CLASSES,
    EVENTS,
    INPUTS,
    JUNCTIONS,
    LENGTH,
    LEVEL,
    LIGHT_RANGE,
    MEAN,
    MODELS,
    MOTORS,
    NAMES,
    PATIENCE,
    SEEN,
    SENSORS,
    SPEED,
    STEM,
    SUBSTEP,
    SUBSTEPS,
    USED,
    WINDOW,
    X,
    Y,
    after,
    begin,
    classify,
    drive,
    look,
    move,
    sense,
    show,
    uniform_at,
)
from lstm_rl.envs.robot_maze import ARMS, BETWEEN, HALF, make_maze

EPISODES = 50  # in which vectors are learned
Shared = tuple[float | None, int, bool, tuple[str, ...], float, float, bool]  # first arguments of `_robot_world`


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


@observe_rule
def robot_observe(params: Any, noise: Any, state: Any, observation: Any) -> None:
    """See `show`."""
    show(params, state, observation)


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
    gap: float = 0.0325,
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
    gap: float = 0.0325,
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
    Aravq(window, delta, epsilon, alpha)  # for its errors
    shared = (stem, junctions, irrelevant_lamp, _names(behaviours), gap, noise, motors)
    raw = _robot_world(*shared, False, 1, "auto", None, np.zeros((0, INPUTS)))
    shortest = raw.horizon or 1
    if window > shortest:
        raise ValueError(
            f"window must be at most the {shortest} control steps of the shortest episode, got {window}: a longer one "
            "sees no event"
        )
    models = _models(shared, window, float(delta), float(epsilon), float(alpha))
    return _robot_world(*shared, show_goal, PATIENCE, max_steps, window, models)


def _names(behaviours: Any) -> tuple[str, ...]:
    if isinstance(behaviours, str) or not isinstance(behaviours, Sequence) or not behaviours:
        names = ", ".join(BEHAVIOURS)
        raise ValueError(f"behaviours must be a sequence of names, some of {names}, got {behaviours!r}")
    return tuple(check_choice("behaviours", each, BEHAVIOURS) for each in behaviours)


def _robot_world(
    stem: float | None,
    junctions: int,
    irrelevant_lamp: bool,
    behaviours: Sequence[str],
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
    least = round(0.5 * junctions - 0.1 * (junctions - 1) + 0.4 * bool(irrelevant_lamp), 6)
    usual = 1.0 if junctions == 1 else 1.5
    if stem is None and usual < least:
        raise ValueError(
            f"irrelevant_lamp needs a stem of {least:g} m or more with {junctions} junctions, got stem=None"
        )
    stem = check_float("stem", usual if stem is None else stem, least, 1e6)
    codes = [BEHAVIOURS.index(each) for each in _names(behaviours)]
    if len(set(codes)) < len(codes):
        raise ValueError(f"behaviours must be different ones, got {', '.join(behaviours)}")
    maze = make_maze(stem, junctions)
    used = INPUTS if motors else MOTORS
    shortest = math.ceil(maze.shortest / (SPEED * SUBSTEPS * SUBSTEP))
    per_step = repeat if window is None else 10
    limit = -(-16 * shortest // per_step) if max_steps == "auto" else step_limit(max_steps)  # type: ignore[arg-type]
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
    arms, held = np.zeros(3), np.zeros(MAX_VECTORS * INPUTS)
    arms[: len(maze.arms)] = maze.arms
    held[: models.size] = models.ravel()
    size, bound = (MAX_VECTORS, 1.0) if window is not None else (used, 1.0 + noise)
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
        max_steps=limit,
        horizon=-(-shortest // per_step),
        optimal_return=4.0 * junctions,
        memoryless_return=4.0 * junctions if show_goal else guessed,
        renderer="lstm_rl.envs.rendering_robot",
        family="tmaze" if window is not None else None,
        marks=robot_marks,
    )


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
    action = int(actions * uniform_at(seed, draw))
    for k in range(1, limit):
        drive(params, action, state)
        move(params, state)
        look(params, state)
        before, kept = state[CLASS], kept + 1
        _, outcome, _ = after(params, seed, k, state)
        if outcome != CONTINUES:
            return
        if state[SEEN] >= n:
            window, models = state[WINDOW : WINDOW + n * d].reshape(n, d), params[MODELS : MODELS + MAX_VECTORS * d]
            mean, count = state[MEAN : MEAN + d], int(params[CLASSES])
            known = models.reshape(MAX_VECTORS, d)
            params[CLASSES] = learn_vectors(window, known, mean, count, delta, epsilon, alpha)
        if state[CLASS] != before or kept == PATIENCE:
            draw, kept = draw + 1, 0
            action = int(actions * uniform_at(seed, draw))


@cache
def _models(shared: Shared, window: int, delta: float, epsilon: float, alpha: float) -> NDArray[np.float64]:
    """Vectors (K', D) of `EPISODES` episodes of behaviours that are drawn at random at every event."""
    world = _robot_world(*shared, False, PATIENCE, "auto", window, np.zeros((0, INPUTS)))
    params, state = world.params.copy(), np.zeros(len(world.state_names))
    limit, actions = 10 * (world.max_steps or 0), int(world.action_space.n)
    for noise in np.random.default_rng(0).random((EPISODES, world.noise_size)):
        _watch(params, noise, actions, limit, delta, epsilon, alpha, state)
    size = int(params[USED])
    return params[MODELS:][: int(params[CLASSES]) * size].reshape(-1, size)
