"""The robot's T-maze for people: floor, lamps, robot and rays from above, and what the robot senses."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.envs.dynamics import World
from lstm_rl.envs.rendering import BLUE, GREY, INK, LINE, ORANGE, PALE, PAPER, SAND, SKY, Canvas, step_count
from lstm_rl.envs.robot_body import (
    ANGLES,
    CENTRE,
    CLASS,
    CLOCK,
    EVENTS,
    FALSE_SIDE,
    FALSE_X,
    HEADING,
    INPUT,
    INPUTS,
    IR_RANGE,
    JUNCTIONS,
    LEVEL,
    LIGHT,
    LIGHT_RANGE,
    RANGES,
    SIDES,
    STEM,
    X,
    Y,
)
from lstm_rl.envs.robot_maze import BETWEEN, HALF, RADIUS, TURN, make_maze

WIDTH, HEIGHT, PANEL = 640, 320, 440
FIELD = (20.0, 56.0, 420.0, 308.0)  # pixels of the floor: left, top, right, bottom
SHOWN = 1.9  # metres along the field
NAMES = (*(f"{angle}" for angle in ANGLES), "lamp L", "lamp R", "wheel L", "wheel R")


class View:
    """From metres to pixels: the whole maze, or what lies around the robot if that is more than the field holds."""

    def __init__(self, world: World, state: Any, field: tuple[float, float, float, float] = FIELD) -> None:
        self.maze = make_maze(float(world.params[STEM]), int(world.params[JUNCTIONS]))
        left, top, right, bottom = field
        self.field, floor = field, self.maze.corridors
        low, high = floor[:, :2].min(0), floor[:, 2:].max(0)
        size = np.array([right - left, bottom - top])
        self.scale = float(max((size / (high - low)).min(), size[0] / SHOWN))
        half = size / self.scale / 2
        middle = (low + high) / 2
        for i in (0, 1):
            if high[i] - low[i] > 2 * half[i]:
                middle[i] = np.clip(state[X + i], low[i] + half[i], high[i] - half[i])
        self.origin = (left + right) / 2 - middle[0] * self.scale, (top + bottom) / 2 + middle[1] * self.scale

    def __call__(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of a point, no farther than the field's edge."""
        left, top, right, bottom = self.field
        across, down = self.origin[0] + x * self.scale, self.origin[1] - y * self.scale
        return min(max(across, left), right), min(max(down, top), bottom)

    def shows(self, x: float, y: float) -> bool:
        """Whether a point lies in the field."""
        left, top, right, bottom = self.field
        across, down = self.origin[0] + x * self.scale, self.origin[1] - y * self.scale
        return bool(left <= across <= right and top <= down <= bottom)


def draw_floor(canvas: Canvas, world: World, state: Any, view: View) -> None:
    """Corridors, the arm that pays next, lamps, rays and the robot."""
    for x0, y0, x1, y1 in view.maze.corridors:
        (left, bottom), (right, top) = view(x0, y0), view(x1, y1)
        if right > left and bottom > top:
            canvas.box((left, top, right, bottom), PALE)
    level = min(int(state[LEVEL]), int(world.params[JUNCTIONS]) - 1)
    bar, end = world.params[STEM] + level * (2 * HALF + BETWEEN), state[CENTRE] + state[SIDES + level] * (HALF + TURN)
    if view.shows(bar + HALF, end):
        canvas.box((*view(bar, end + 0.03), *view(bar + 2 * HALF, end - 0.03)), ORANGE)
    for axis, c, low, high in view.maze.walls:
        start, stop = ((low, c), (high, c)) if axis == 0 else ((c, low), (c, high))
        middle = ((state[X], c), (c, state[Y]))[int(axis)]  # the robot is always in the field
        if view(*start) != view(*stop) and view.shows(*middle):
            canvas.line(view(*start), view(*stop), GREY, 3)
    lamps = [(0.3 * (k + 1), state[SIDES + k], ORANGE) for k in range(int(world.params[JUNCTIONS]))]
    if state[FALSE_SIDE]:
        lamps.append((state[FALSE_X], state[FALSE_SIDE], GREY))
    for x, side, color in lamps:
        if view.shows(x, side * (HALF + 0.03)):
            near = state[LEVEL] == 0 and abs(state[X] - x) <= LIGHT_RANGE
            if near:
                canvas.disc(*view(x, side * (HALF + 0.03)), 13, SAND)
            canvas.disc(*view(x, side * (HALF + 0.03)), 7, color)
    for i, degrees in enumerate(ANGLES):
        angle, ray = state[HEADING] + math.radians(degrees), RADIUS + min(max(state[RANGES + i], 0.0), IR_RANGE)
        tip = state[X] + ray * math.cos(angle), state[Y] + ray * math.sin(angle)
        canvas.line(view(state[X], state[Y]), view(*tip), BLUE, 1.5)
    canvas.disc(*view(state[X], state[Y]), max(RADIUS * view.scale, 6), INK)
    nose = state[X] + RADIUS * math.cos(state[HEADING]), state[Y] + RADIUS * math.sin(state[HEADING])
    canvas.line(view(state[X], state[Y]), view(*nose), PAPER, 3)


def draw_sensors(canvas: Canvas, state: Any, x: float, y: float) -> None:
    """A bar for each input."""
    for i, name in enumerate(NAMES):
        value, top = min(max(float(state[INPUT + i]), 0.0), 1.0), y + 15 * i
        canvas.words(x + 58, top + 5, name, GREY, 12, "r")
        canvas.box((x + 66, top, x + 176, top + 10), PALE)
        if value > 0.01:
            canvas.box((x + 66, top, x + 66 + 110 * value, top + 10), ORANGE if i in (LIGHT, LIGHT + 1) else BLUE)


def picture(world: World, state: Any, observation: Any, elapsed: int) -> NDArray[np.uint8]:
    """Draw a moment: (320, 640, 3). The lamps that tell are orange, and so is the end of the arm that pays next."""
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.words(20, 28, "Robot T-maze", size=22)
    canvas.words(200, 30, f"{step_count(elapsed, world.max_steps)}, {state[CLOCK] / 10:.1f} s", GREY)
    draw_floor(canvas, world, state, View(world, state))
    canvas.line((PANEL - 10, 24), (PANEL - 10, HEIGHT - 24), LINE, 1)
    canvas.words(PANEL, 34, "the robot senses", GREY)
    draw_sensors(canvas, state, PANEL, 56)
    if world.params[EVENTS]:
        known = state[CLASS] >= 0
        words = f"event: class {state[CLASS]:.0f}" if known else "no event yet"
        canvas.badge((PANEL, 250, PANEL + 180, 282), words, SKY, BLUE)
    return canvas.pixels()


def text(world: World, state: Any, observation: Any, elapsed: int) -> str:
    """Place, heading, lamps and what is sensed, in one line."""
    sides = ["left" if state[SIDES + k] > 0 else "right" for k in range(int(world.params[JUNCTIONS]))]
    sensed = " ".join(f"{value:.1f}" for value in state[INPUT : INPUT + INPUTS])
    parts = [
        f"x {state[X]:.2f} m, y {state[Y]:.2f} m, heading {math.degrees(state[HEADING]):.0f} degrees",
        f"turn {', '.join(sides)}",
        f"senses {sensed}",
        *([f"class {state[CLASS]:.0f}"] if world.params[EVENTS] else []),
        step_count(elapsed, world.max_steps),
    ]
    return "; ".join(parts)
