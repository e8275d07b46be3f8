"""The mountain car and the acrobot for people: a picture and a few lines of text."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.envs.dynamics import World
from lstm_rl.envs.mountain_car import GOAL, LEFT, RIGHT
from lstm_rl.envs.rendering import BLUE, GREY, INK, LINE, ORANGE, PALE, SKY, Canvas, number, step_count

WIDTH, HEIGHT, MARGIN, PANEL = 960, 320, 24, 640
COLUMNS = 61  # of text
JOINT, LINK = (320, 162), 66  # pixels: the acrobot's fixed joint, and 1 m
CAR = ("position", "velocity"), ("position", "velocity")  # names of the state, of what is seen
ACROBOT = ("angle 1", "angle 2", "velocity 1", "velocity 2"), ("cos 1", "sin 1", "cos 2", "sin 2")


def picture(world: World, state: Any, observation: Any, elapsed: int) -> NDArray[np.uint8]:
    """Draw a moment: (320, 960, 3)."""
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.words(MARGIN, 30, "Mountain car" if len(state) == 2 else "Acrobot", size=22)
    (_draw_car if len(state) == 2 else _draw_acrobot)(canvas, state)
    canvas.line((PANEL - 24, 24), (PANEL - 24, HEIGHT - 24), PALE)
    names, seen = CAR if len(state) == 2 else ACROBOT
    shown = observation[:4]
    canvas.inputs(PANEL, 34, seen[: len(shown)], shown, _first(world, len(shown)))
    for i, (name, value) in enumerate(zip(names, state, strict=True)):
        canvas.words(PANEL, 196 + 23 * i, f"{name} {_precise(value, len(state))}", GREY)
    status = _status(world, state, elapsed)
    if status:
        canvas.badge((PANEL, 150, PANEL + 192, 182), status, *((SKY, BLUE) if _reached(state) else (PALE, GREY)))
    canvas.words(PANEL, 292, step_count(elapsed, world.max_steps), GREY)
    return canvas.pixels()


def text(world: World, state: Any, observation: Any, elapsed: int) -> str:
    """Two lines: where it is, and the numbers."""
    names = (CAR if len(state) == 2 else ACROBOT)[0]
    if len(state) == 2:
        row = ["-"] * COLUMNS
        row[round((GOAL - LEFT) / (RIGHT - LEFT) * (COLUMNS - 1))] = "G"
        row[round((state[0] - LEFT) / (RIGHT - LEFT) * (COLUMNS - 1))] = "o"
        place = "".join(row)
    else:
        place = f"free end {number(_heights(state)[1])} m above the joint, has to reach 1 m"
    values = [f"{name} {_precise(value, len(state))}" for name, value in zip(names, state, strict=True)]
    status = [word for word in (_status(world, state, elapsed),) if word]
    sees = "sees " + " ".join(_precise(value, len(state)) for value in observation)
    return place + "\n" + ", ".join([*values, *status, step_count(elapsed, world.max_steps), sees])


def _draw_car(canvas: Canvas, state: Any) -> None:
    def at(x: float) -> tuple[float, float]:
        left = MARGIN + 24 + (x - LEFT) / (RIGHT - LEFT) * (PANEL - 96 - MARGIN)
        return left, 262 - 90 * (1 + math.sin(3 * x))

    places = np.linspace(LEFT, RIGHT, 91)
    for one, other in zip(places, places[1:], strict=False):
        canvas.line(at(one), at(other), LINE, 3)
    flag = at(GOAL)
    canvas.line(flag, (flag[0], flag[1] - 44), GREY, 3)
    canvas.polygon([(flag[0], flag[1] - 44), (flag[0] + 26, flag[1] - 36), (flag[0], flag[1] - 28)], ORANGE)
    x, y = at(state[0])
    canvas.disc(x, y - 12, 12, INK)
    canvas.disc(x, y - 12, 5, ORANGE)
    if abs(state[1]) > 1e-3:
        canvas.arrow(x, y - 42, (math.copysign(1, state[1]), 0), 14 + 300 * abs(state[1]), BLUE)


def _draw_acrobot(canvas: Canvas, state: Any) -> None:
    x, y = JOINT
    canvas.line((MARGIN, y - LINK), (PANEL - 48, y - LINK), LINE, 2)
    canvas.words(MARGIN, y - LINK - 12, "goal", GREY, 14)
    angles = state[0], state[0] + state[1]
    middle = x + LINK * math.sin(angles[0]), y + LINK * math.cos(angles[0])
    end = middle[0] + LINK * math.sin(angles[1]), middle[1] + LINK * math.cos(angles[1])
    canvas.line(JOINT, middle, INK, 9)
    canvas.line(middle, end, ORANGE, 9)
    for place, color in ((JOINT, GREY), (middle, INK), (end, ORANGE)):
        canvas.disc(place[0], place[1], 7, color)


def _heights(state: Any) -> tuple[float, float]:
    first = -math.cos(state[0])
    return first, first - math.cos(state[0] + state[1])


def _reached(state: Any) -> bool:
    return bool(state[0] >= GOAL if len(state) == 2 else _heights(state)[1] > 1.0)


def _status(world: World, state: Any, elapsed: int) -> str:
    if _reached(state):
        return "reached the goal"
    return "out of steps" if world.max_steps and elapsed >= world.max_steps else ""


def _precise(value: float, size: int) -> str:
    return f"{value:.3f}" if size == 2 else number(value)


def _first(world: World, count: int) -> Any:
    space = world.observation_space
    return type(space)(space.low[:count], space.high[:count])
