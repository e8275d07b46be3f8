"""Recall and card tasks for people: what the agent sees, the state in words, the step.

One picture for all of them. The inputs stand in rows with a name, a square each, black at its lower bound and white at
its upper one; the game of pairs is shown as cards on a table. Numbers of the state that belong together
(``left_0 .. left_3``) stand in one line, with a dot for a card that does not exist yet.
"""

import textwrap
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.envs.cards import COLORS, RANKS
from lstm_rl.envs.dynamics import World
from lstm_rl.envs.rendering import GREY, INK, LINE, ORANGE, PALE, PAPER, Canvas, number, step_count

WIDTH, HEIGHT, LEFT, PANEL = 960, 320, 24, 440
TOP, SQUARE, ACROSS = 62, 27, 13  # of the inputs: where they begin, a square with its gap, squares in a line
COLUMNS, LINES = 70, 11  # of words
SYMBOLS = ("A", *(str(rank) for rank in range(2, 11)), "J", "Q", "K")
NAMES = {  # of the rows of inputs, and how many inputs each has; the last row has the rest
    "MemoryChain": (("time to live", 1), ("query", 1), ("context", None)),
    "NiTMaze": (("far end", 1), ("cue or side", None)),
    "CountRecall": (("value", "half"), ("query", None)),
    "Autoencode": (("play, watch", 2), ("suit", None)),
    "RepeatFirst": (("suit", None),),
    "RepeatPrevious": (("suit", None),),
    "HigherLower": (("rank", None),),
}


def picture(world: World, state: Any, observation: Any, elapsed: int) -> NDArray[np.uint8]:
    """Draw a moment: (320, 960, 3)."""
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.words(LEFT, 30, world.family or "world", size=22)
    canvas.words(PANEL - 48, 30, "what the agent sees", GREY, anchor="r")
    if world.family == "Concentration":
        _draw_table(canvas, observation.reshape(int(world.action_space.n), -1))
    else:
        _draw_inputs(canvas, world, observation)
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


def _draw_inputs(canvas: Canvas, world: World, observation: Any) -> None:
    """Rows of squares under their names."""
    space = world.observation_space
    shades = (np.clip((observation - space.low) / (space.high - space.low), 0, 1) * 255).astype(int)
    top, begin = TOP, 0
    for name, size in NAMES.get(world.family or "", (("inputs", None),)):
        count = len(shades) // 2 if size == "half" else len(shades) - begin if size is None else int(size)
        canvas.words(LEFT, top, name, GREY, 14)
        for i, shade in enumerate(shades[begin : begin + count]):
            _draw_square(canvas, i, top + 12, f"#{shade:02x}{shade:02x}{shade:02x}")
        begin += count
        top += 24 + SQUARE * -(-count // ACROSS)


def _draw_table(canvas: Canvas, places: Any) -> None:
    """Cards in rows, places (n, D + 1): pale ones lie face down."""
    kinds = places.shape[1] - 1
    for i, kind in enumerate(places.argmax(axis=1)):
        if kind == kinds:
            _draw_square(canvas, i, TOP, PALE)
        elif kinds == COLORS:
            _draw_square(canvas, i, TOP, ORANGE if kind else INK)
        else:
            x, y = _draw_square(canvas, i, TOP, PAPER)
            canvas.words(x, y, SYMBOLS[kind] if kinds == RANKS else str(kind), size=14, anchor="m")


def _draw_square(canvas: Canvas, i: int, top: float, fill: str) -> tuple[float, float]:
    """Square number i of a row, wrapped; return its middle."""
    x, y, side = LEFT + i % ACROSS * SQUARE, top + i // ACROSS * SQUARE, SQUARE - 3
    canvas.box((x, y, x + side, y + side), fill, LINE if fill == PALE else GREY)
    return x + side / 2, y + side / 2


def _groups(world: World, state: Any) -> list[str]:
    """The state in words, numbers with the same name in one line."""
    named = zip(world.state_names, state, strict=True)
    lines = []
    for name, group in groupby(named, lambda pair: pair[0].rstrip("0123456789").rstrip("_")):
        lines.append(
            f"{name} " + " ".join("." if value < 0 and name == "card" else f"{value:.0f}" for _, value in group)
        )
    return lines
