"""Poles that are balanced by a force of any size for people: a picture and a few lines of text."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.envs.dynamics import World
from lstm_rl.envs.force_pole import MODES
from lstm_rl.envs.multimode_pole import MODE, SHOWN
from lstm_rl.envs.rendering import BLUE, GREY, ORANGE, PALE, PAPER, SAND, SKY, Canvas, number
from lstm_rl.envs.rendering_pole import HEIGHT, LEFT, PANEL, WIDTH, draw_pole, ending, measures, pole_lines


def picture(world: World, state: Any, observation: Any, elapsed: int) -> NDArray[np.uint8]:
    """Draw a moment: (320, 960, 3). Track, pole and angle have their true proportions."""
    canvas = Canvas(WIDTH, HEIGHT)
    draw_pole(canvas, world, state)
    canvas.words(LEFT, 30, "Pole, any force" if world.params[MODES] == 1.0 else "Multi-mode pole, any force", size=22)
    canvas.line((PANEL - 24, 24), (PANEL - 24, HEIGHT - 24), PALE)
    canvas.inputs(PANEL, 34, ("position", "angle", "mode")[: len(observation)], observation, world.observation_space)
    words, fill, color = _status(world, state, elapsed)
    canvas.badge((PANEL, 164, PANEL + 192, 196), words, fill, color)
    for i, measure in enumerate(measures(world, state, elapsed)):
        canvas.words(PANEL, 218 + 23 * i, measure, GREY)
    return canvas.pixels()


def text(world: World, state: Any, observation: Any, elapsed: int) -> str:
    """Four lines: what is hidden or how it ended, the pole, cart and track, and the numbers."""
    sees = "sees " + " ".join(number(value) for value in observation)
    numbers = ", ".join([*measures(world, state, elapsed), sees])
    return "\n".join([_status(world, state, elapsed)[0], *pole_lines(world, state), numbers])


def _status(world: World, state: Any, elapsed: int) -> tuple[str, str, str]:
    over = ending(world, state, elapsed)
    if over is not None:
        return over
    if world.params[MODES] == 1.0:
        return "velocities hidden", SKY, BLUE
    mode = "mode A" if state[MODE] > 0.0 else "mode B"
    if state[SHOWN] > 0.0:
        return f"{mode}, shown: {state[SHOWN]:.0f} to go", SAND, ORANGE
    return f"{mode}, hidden", GREY, PAPER
