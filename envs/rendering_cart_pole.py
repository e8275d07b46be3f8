"""Cart poles with a hidden part for people: a picture and a few lines of text."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.envs.cart_pole import HIDDEN, NOISE, POSITIONS_FIRST, STEPS
from lstm_rl.envs.dynamics import World
from lstm_rl.envs.rendering import BLUE, GREY, PALE, PAPER, SKY, Canvas, number
from lstm_rl.envs.rendering_pole import HEIGHT, LEFT, PANEL, WIDTH, draw_pole, ending, measures, pole_lines

WORDS = "velocities hidden", "positions hidden", "nothing hidden"
POSITIONS, VELOCITIES = ("position", "angle"), ("velocity", "ang. vel.")


def picture(world: World, state: Any, observation: Any, elapsed: int) -> NDArray[np.uint8]:
    """Draw a moment: (320, 960, 3). Track, pole and angle have their true proportions."""
    canvas = Canvas(WIDTH, HEIGHT)
    draw_pole(canvas, world, state)
    canvas.words(LEFT, 30, "Cart pole", size=22)
    canvas.line((PANEL - 24, 24), (PANEL - 24, HEIGHT - 24), PALE)
    if len(observation) == 2:
        names = POSITIONS if _shows_positions(world, state) else VELOCITIES
        canvas.inputs(PANEL, 34, names, observation, world.observation_space)
    else:
        canvas.words(PANEL, 34, "the agent sees all", GREY)
    words, fill, color = ending(world, state, elapsed) or (_hides(world), SKY, BLUE)
    canvas.badge((PANEL, 164, PANEL + 192, 196), words, fill, color)
    for i, measure in enumerate(measures(world, state, elapsed)):
        canvas.words(PANEL, 218 + 23 * i, measure, GREY)
    return canvas.pixels()


def text(world: World, state: Any, observation: Any, elapsed: int) -> str:
    """Four lines: what is hidden or how it ended, the pole, cart and track, and the numbers."""
    status = (ending(world, state, elapsed) or (_hides(world), PAPER, BLUE))[0]
    sees = "sees " + " ".join(number(value) for value in observation)
    return "\n".join([status, *pole_lines(world, state), ", ".join([*measures(world, state, elapsed), sees])])


def _hides(world: World) -> str:
    noise = world.params[NOISE]
    return WORDS[int(world.params[HIDDEN])] + (f", noise {noise:g}" if noise > 0 else "")


def _shows_positions(world: World, state: Any) -> bool:
    return bool(world.params[HIDDEN] == 0.0 or (state[STEPS] == 0 and world.params[POSITIONS_FIRST] == 1.0))
