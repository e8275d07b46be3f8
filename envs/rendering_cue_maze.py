"""The cue maze for people: corridor and arms from above, and a few lines of text."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.envs.cue_maze import COLUMN, GOAL, LENGTH, ROW, STEPS
from lstm_rl.envs.dynamics import World
from lstm_rl.envs.rendering import BLUE, GREY, INK, LINE, ORANGE, PALE, PAPER, SAND, SKY, Canvas, step_count

WIDTH, HEIGHT, LEFT, TOP, PANEL = 960, 260, 24, 60, 732
MOST = 20  # cells of the corridor that are drawn one by one
NAMES = "N", "E", "S", "W", "cue"


def picture(world: World, state: Any, observation: Any, elapsed: int) -> NDArray[np.uint8]:
    """Draw a moment: (260, 960, 3). A long corridor is drawn shorter than it is."""
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.words(LEFT, 30, "Cue maze", size=22)
    length = int(world.params[LENGTH])
    cells = min(length, MOST)
    side = min(54.0, (PANEL - 48.0 - LEFT) / (cells + 1))
    middle = TOP + 90.0

    def corner(column: float, row: float) -> tuple[float, float]:
        return LEFT + column * side, middle - side / 2 - row * side

    places = [(column, 0) for column in range(cells + 1)] + [(cells, 1), (cells, -1)]
    for column, row in places:
        x, y = corner(column, row)
        goal = column == cells and row == state[GOAL]
        canvas.box((x, y, x + side, y + side), ORANGE if goal else SKY if column == 0 else PALE, LINE)
    x, y = corner(state[COLUMN] * cells / length, state[ROW])
    canvas.disc(x + side / 2, y + side / 2, side * 0.3, INK)
    canvas.line((PANEL - 24, 24), (PANEL - 24, HEIGHT - 24), PALE)
    canvas.words(PANEL, 34, "the agent feels walls", GREY)
    for i, (name, value) in enumerate(zip(NAMES, observation, strict=True)):
        left = PANEL + 44 * i
        canvas.box((left, 50, left + 36, 86), INK if value else PAPER, GREY, radius=4)
        canvas.words(left + 18, 68, f"{value:.0f}", PAPER if value else INK, 14, "m")
        canvas.words(left + 18, 100, name, GREY, 13, "m")
    words, fill, color = _status(state)
    canvas.badge((PANEL, 122, PANEL + 192, 154), words, fill, color)
    for i, line in enumerate(_lines(world, state, elapsed)):
        canvas.words(PANEL, 176 + 23 * i, line, GREY)
    return canvas.pixels()


def text(world: World, state: Any, observation: Any, elapsed: int) -> str:
    """One line."""
    return ", ".join([_status(state)[0], *_lines(world, state, elapsed)])


def _status(state: Any) -> tuple[str, str, str]:
    if state[ROW] != 0.0:
        return ("the goal", BLUE, PAPER) if state[ROW] == state[GOAL] else ("the wrong arm", ORANGE, PAPER)
    cue = "North" if state[GOAL] > 0.0 else "South"
    return (f"cue: {cue}", SAND, ORANGE) if state[STEPS] == 0.0 else (f"goal: {cue}, not shown", SKY, BLUE)


def _lines(world: World, state: Any, elapsed: int) -> list[str]:
    return [f"column {state[COLUMN]:.0f} of {world.params[LENGTH]:.0f}", step_count(elapsed, world.max_steps)]
