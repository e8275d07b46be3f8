"""The T-maze for people: a picture and a few lines of text."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.envs.dynamics import World
from lstm_rl.envs.rendering import (
    BLUE,
    GREY,
    INK,
    LINE,
    ORANGE,
    PALE,
    PAPER,
    SAND,
    Canvas,
    number,
    step_count,
)
from lstm_rl.envs.tmaze import CUE_ON_RETURN, GOAL, LENGTH, MOVED, NOISY, POSITION, TURN

WIDTH, HEIGHT, MIDDLE, CELL, PANEL = 960, 260, 140, 48, 732
LEFT, ROOM, SIGN, LABEL = (
    24,
    690,
    60,
    92,
)  # the maze's side of the picture; the cue's sign and the arms' labels in it
COLUMNS = 41  # of text, at most


def picture(world: World, state: Any, observation: Any, elapsed: int) -> NDArray[np.uint8]:
    """Draw a moment: (260, 960, 3). A long corridor is compressed between its start and its junction."""
    canvas = Canvas(WIDTH, HEIGHT)
    name = "Noisy T-maze" if world.params[NOISY] else "T-maze"
    canvas.words(LEFT, 30, name, size=22)
    _draw_maze(canvas, world, state)
    canvas.line((PANEL - 24, 24), (PANEL - 24, HEIGHT - 24), PALE)
    canvas.inputs(PANEL, 34, ("input 0", "input 1", "input 2"), observation, world.observation_space)
    words, fill, color = _status(world, state, elapsed)
    canvas.badge((PANEL, 158, PANEL + 192, 190), words, fill, color)
    canvas.words(PANEL, 210, _place(world, state), GREY)
    canvas.words(PANEL, 232, step_count(elapsed, world.max_steps), GREY)
    return canvas.pixels()


def text(world: World, state: Any, observation: Any, elapsed: int) -> str:
    """Three lines of maze (C the cue's cell, A the agent, G the goal) and one about the moment."""
    length, position = int(world.params[LENGTH]), int(state[POSITION])
    last = min(length, COLUMNS - 1)
    column = 0 if position == 0 else last
    if 0 < position < length:  # only the ends of the corridor are shown as its ends
        column = 1 + (position - 1) * (last - 1) // (length - 1)
    rows = [[" "] * last + ["G" if state[GOAL] > 0 else "."], ["C"] + ["."] * last]
    rows.append([" "] * last + ["." if state[GOAL] > 0 else "G"])
    rows[1 - int(state[TURN])][column] = "A"
    moment = [_place(world, state), step_count(elapsed, world.max_steps), _status(world, state, elapsed)[0]]
    moment.append("sees " + " ".join(number(value) for value in observation))
    return "\n".join(["".join(row).rstrip() for row in rows] + [", ".join(moment)])


def _draw_maze(canvas: Canvas, world: World, state: Any) -> None:
    length, position = int(world.params[LENGTH]), int(state[POSITION])
    between = length - 1  # cells between start and junction
    width = min(CELL, (ROOM - SIGN - LABEL - 2 * CELL) / max(between, 1))  # of each of them
    left = LEFT + SIGN + (ROOM - SIGN - LABEL - 2 * CELL - width * between) / 2
    junction = left + CELL + width * between
    top, bottom = MIDDLE - CELL / 2, MIDDLE + CELL / 2
    canvas.box((left, top, junction + CELL, bottom), PALE)
    for k in range(between + 1 if width > 4 else 0):  # narrower cells merge
        edge = left + CELL + k * width
        canvas.line((edge, top), (edge, bottom), PAPER, min(2, width / 8))
    for side, name in ((1, "North"), (-1, "South")):
        goal, y = state[GOAL] == side, float(MIDDLE - side * CELL)
        canvas.box((junction, y - CELL / 2, junction + CELL, y + CELL / 2), BLUE if goal else PALE)
        canvas.words(junction + CELL + 12, y - 9, name, INK)
        canvas.words(junction + CELL + 12, y + 11, "goal" if goal else "wrong", BLUE if goal else GREY)
    for y in (top, bottom):
        canvas.line((junction, y), (junction + CELL, y), PAPER)
    shown = _cue_shown(world, state)
    canvas.box((left, top, left + CELL, bottom), SAND)
    canvas.words(left + CELL / 2, bottom + 16, "start", GREY, anchor="m")
    sign = left - SIGN / 2 - 2
    canvas.box((sign - 20, top, sign + 20, bottom), ORANGE if shown else PALE, radius=6)
    canvas.arrow(sign, MIDDLE, (0, -state[GOAL]), 30, PAPER if shown else LINE)
    canvas.words(sign, bottom + 16, "cue", ORANGE if shown else GREY, anchor="m")
    x = left + CELL / 2 if position == 0 else junction + CELL / 2
    if 0 < position < length:  # clear of start and junction, however narrow the cells are
        inset = max(width, CELL) / 2
        x = left + CELL + inset + (position - 1) / max(between - 1, 1) * (width * between - 2 * inset)
    y = MIDDLE - state[TURN] * CELL
    canvas.disc(x, y, 18, PAPER)
    canvas.disc(x, y, 15, INK)


def _cue_shown(world: World, state: Any) -> bool:
    return bool(state[POSITION] == 0 and (state[MOVED] == 0 or world.params[CUE_ON_RETURN]))


def _place(world: World, state: Any) -> str:
    return f"cell {state[POSITION]:.0f} of {world.params[LENGTH]:.0f}"


def _status(world: World, state: Any, elapsed: int) -> tuple[str, str, str]:
    """The one thing to know about this moment: words, their ground and their colour."""
    if state[TURN] != 0:
        right = state[TURN] == state[GOAL]
        words = f"turned {_side(state[TURN])}: {'right' if right else 'wrong'}"
        return words, BLUE if right else ORANGE, PAPER
    if world.max_steps and elapsed >= world.max_steps:
        return "out of steps", ORANGE, PAPER
    if _cue_shown(world, state):
        return f"cue shown: {_side(state[GOAL])}", SAND, ORANGE
    return "cue hidden", GREY, PAPER


def _side(sign: float) -> str:
    return "North" if sign > 0 else "South"
