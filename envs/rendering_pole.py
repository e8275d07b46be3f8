"""Multi-mode pole balancing for people: a picture and a few lines of text."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.envs.dynamics import World
from lstm_rl.envs.multimode_pole import MODE, SHOWN
from lstm_rl.envs.pole_physics import HALF, MAX_ANGLE, MAX_X, TAU, THETA, X
from lstm_rl.envs.rendering import (
    BLUE,
    GREY,
    INK,
    LINE,
    ORANGE,
    PALE,
    PAPER,
    SAND,
    SKY,
    Canvas,
    number,
    step_count,
)

WIDTH, HEIGHT, LEFT, PANEL = 960, 320, 24, 732
CENTER, TRACK_Y = 354, 262  # the middle of the track
REACH, TALL = 306, 140  # room beside the middle and above the cart
COLUMNS = 61  # of text


def picture(world: World, state: Any, observation: Any, elapsed: int) -> NDArray[np.uint8]:
    """Draw a moment: (320, 960, 3). Track, pole and angle have their true proportions."""
    canvas = Canvas(WIDTH, HEIGHT)
    draw_pole(canvas, world, state)
    canvas.words(LEFT, 30, "Multi-mode pole", size=22)
    _draw_mode(canvas, state)
    canvas.line((PANEL - 24, 24), (PANEL - 24, HEIGHT - 24), PALE)
    canvas.inputs(PANEL, 34, ("position", "angle", "mode"), observation, world.observation_space)
    words, fill, color = _status(world, state, elapsed)
    canvas.badge((PANEL, 164, PANEL + 192, 196), words, fill, color)
    for i, measure in enumerate(measures(world, state, elapsed)):
        canvas.words(PANEL, 218 + 23 * i, measure, GREY)
    return canvas.pixels()


def text(world: World, state: Any, observation: Any, elapsed: int) -> str:
    """Four lines: the mode, the pole, cart and track, and the numbers."""
    name, actions = ("A", "0 left, 1 right") if state[MODE] > 0 else ("B", "0 right, 1 left")
    pole, track = pole_lines(world, state)
    sees = "sees " + " ".join(number(value) for value in observation)
    numbers = ", ".join([*measures(world, state, elapsed), sees])
    status = _status(world, state, elapsed)[0]
    return "\n".join([f"mode {name} ({actions}), {status}", pole, track, numbers])


def pole_lines(world: World, state: Any) -> tuple[str, str]:
    """The pole, and the cart on its track, as two lines of text."""
    column = round((state[X] / world.params[MAX_X] + 1) / 2 * (COLUMNS - 1))
    column = min(max(column, 0), COLUMNS - 1)
    lean = "|" if abs(state[THETA]) < math.radians(1) else "/" if state[THETA] > 0 else "\\"
    track = list("|" + "-" * COLUMNS + "|")
    track[column : column + 3] = "[o]"
    return " " * (column + 1 + {"|": 0, "/": 1, "\\": -1}[lean]) + lean, "".join(track)


def _draw_mode(canvas: Canvas, state: Any) -> None:
    name, color, tint = ("A", BLUE, SKY) if state[MODE] > 0 else ("B", ORANGE, SAND)
    right = 2 * CENTER - LEFT
    canvas.box((right - 330, 14, right, 46), tint, radius=6)
    canvas.badge((right - 330, 14, right - 240, 46), f"mode {name}", color, PAPER)
    for action, x in ((0, right - 224), (1, right - 112)):
        canvas.words(x, 30, f"{action} pushes", color)
        push = state[MODE] * (1 if action == 1 else -1)
        canvas.arrow(x + 86, 30, (push, 0), 24, color)


def draw_pole(canvas: Canvas, world: World, state: Any) -> None:
    """Track, cart and pole of any world on `lstm_rl.envs.pole_physics`."""
    params = world.params
    half_width = params[MAX_X] + 2 * params[HALF] * math.sin(params[MAX_ANGLE])  # metres that a pole can reach
    scale = min(REACH / half_width, TALL / (2 * params[HALF]))  # pixels per metre
    limit, length = params[MAX_X] * scale, 2 * params[HALF] * scale
    canvas.line((LEFT, TRACK_Y), (2 * CENTER - LEFT, TRACK_Y), LINE, 3)
    for place in (-1, 0, 1):
        x = CENTER + place * limit
        canvas.line((x, TRACK_Y - 14 * abs(place)), (x, TRACK_Y + 10), GREY if place else LINE, 3)
        canvas.words(x, TRACK_Y + 26, f"{place * params[MAX_X]:+g} m" if place else "0", GREY, 14, "m")
    x, y = CENTER + state[X] * scale, TRACK_Y - 32  # the hinge

    def tip(angle: float, reach: float) -> tuple[float, float]:
        return x + reach * math.sin(angle), y - reach * math.cos(angle)

    for side in (-1, 1):
        canvas.line((x, y), tip(side * params[MAX_ANGLE], length + 24), LINE, 1.5)
    inner, anchor = (-1, "r") if state[X] > 0 else (1, "l")  # where the label has room
    limit_words = f"{math.degrees(params[MAX_ANGLE]):g}\N{DEGREE SIGN}"
    canvas.words(*tip(inner * params[MAX_ANGLE], length + 34), limit_words, GREY, 14, anchor)
    canvas.box((x - 34, TRACK_Y - 32, x + 34, TRACK_Y - 8), INK, radius=5)
    for wheel in (-20, 20):
        canvas.disc(x + wheel, TRACK_Y - 7, 7, GREY)
    end = tip(state[THETA], length)
    canvas.line((x, y), end, ORANGE, 9)
    canvas.disc(x, y, 8, INK)
    canvas.disc(x, y, 4.5, ORANGE)
    canvas.disc(*end, 4.5, ORANGE)


def measures(world: World, state: Any, elapsed: int) -> list[str]:
    """Position, angle, time and steps in words."""
    return [
        f"position {number(state[X])} m",
        f"angle {number(math.degrees(state[THETA]))}\N{DEGREE SIGN}",
        f"{number(elapsed * world.params[TAU])} s",
        step_count(elapsed, world.max_steps),
    ]


def ending(world: World, state: Any, elapsed: int) -> tuple[str, str, str] | None:
    """How the episode ended, if it did: words, their ground and their colour."""
    if abs(state[THETA]) > world.params[MAX_ANGLE]:
        return "the pole fell", ORANGE, PAPER
    if abs(state[X]) > world.params[MAX_X]:
        return "off the track", ORANGE, PAPER
    if world.max_steps and elapsed >= world.max_steps:
        return "balanced to the end", BLUE, PAPER
    return None


def _status(world: World, state: Any, elapsed: int) -> tuple[str, str, str]:
    """The one thing to know about this moment: words, their ground and their colour."""
    over = ending(world, state, elapsed)
    if over is not None:
        return over
    if state[SHOWN] > 0:
        return f"mode shown: {state[SHOWN]:.0f} to go", SAND, ORANGE
    return "mode hidden", GREY, PAPER
