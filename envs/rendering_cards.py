"""Tasks of cards and symbols for people: what the agent sees, the state in words, the step.

One picture for all of them: each input is a square, black at its lower bound and white at its upper one. Numbers of the
state that belong together (``left_0 .. left_3``) stand in one line.
"""

import math
import textwrap
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.envs.dynamics import World
from lstm_rl.envs.rendering import GREY, PALE, Canvas, number, step_count

WIDTH, HEIGHT, LEFT, PANEL = 960, 320, 24, 440
GRID_TOP, GRID_WIDTH, GRID_HEIGHT, LARGEST = 92, 368, 204, 48  # room for the inputs, and the largest square
COLUMNS, LINES = 56, 10  # of words


def picture(world: World, state: Any, observation: Any, elapsed: int) -> NDArray[np.uint8]:
    """Draw a moment: (320, 960, 3)."""
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.words(LEFT, 30, world.family or "world", size=22)
    canvas.words(LEFT, 70, "the agent sees", GREY)
    space = world.observation_space
    size = _square(len(observation))
    across = GRID_WIDTH // size
    shades = np.clip((observation - space.low) / (space.high - space.low), 0, 1) * 255
    for i, shade in enumerate(shades.astype(int)):
        x, y = LEFT + i % across * size, GRID_TOP + i // across * size
        gap = max(size // 8, 1)
        canvas.box((x, y, x + size - gap, y + size - gap), f"#{shade:02x}{shade:02x}{shade:02x}", GREY)
    canvas.line((PANEL - 24, 24), (PANEL - 24, HEIGHT - 24), PALE)
    canvas.words(PANEL, 30, "the state", GREY)
    lines = [line for words in _groups(world, state) for line in textwrap.wrap(words, COLUMNS)]
    if len(lines) > LINES:
        lines = [*lines[: LINES - 1], "..."]
    for i, line in enumerate(lines):
        canvas.words(PANEL, 58 + 23 * i, line)
    canvas.words(WIDTH - LEFT, 30, step_count(elapsed, world.max_steps), GREY, anchor="r")
    return canvas.pixels()


def text(world: World, state: Any, observation: Any, elapsed: int) -> str:
    """The step, a line for each part of the state, and what the agent sees."""
    sees = "sees " + " ".join(number(value) for value in observation)
    name = f"{world.family or 'world'}, {step_count(elapsed, world.max_steps)}"
    return "\n".join([name, *_groups(world, state), sees])


def _square(inputs: int) -> int:
    """The side of the squares, in pixels, with which ``inputs`` of them fit into their room."""
    size = LARGEST
    while math.ceil(inputs / (GRID_WIDTH // size)) * size > GRID_HEIGHT:
        size -= 1
    return size


def _groups(world: World, state: Any) -> list[str]:
    """The state in words, numbers with the same name in one line."""
    named = zip(world.state_names, state, strict=True)
    lines = []
    for name, group in groupby(named, lambda pair: pair[0].rstrip("0123456789").rstrip("_")):
        lines.append(f"{name} " + " ".join(f"{value:g}" for _, value in group))
    return lines
