"""The flip-flop for people: the last event and what the output should be, and a line of text."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.envs.dynamics import World
from lstm_rl.envs.flip_flop import DESIRED, EVENT, LAG, LAST, STEPS
from lstm_rl.envs.rendering import BLUE, GREY, INK, ORANGE, PALE, PAPER, SAND, SKY, Canvas, step_count

WIDTH, HEIGHT, LEFT, TOP, PANEL = 640, 220, 24, 60, 330
EVENTS = "nothing", "A", "B", "X"


def picture(world: World, state: Any, observation: Any, elapsed: int) -> NDArray[np.uint8]:
    """Draw a moment: (220, 640, 3). A lamp per event, and the desired output as a switch."""
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.words(LEFT, 30, "Flip-flop", size=22)
    for i, name in enumerate(EVENTS[1:]):
        x, lit = LEFT + 46 + 88 * i, observation[i] > 0.0
        canvas.disc(x, TOP + 50, 36, ORANGE if lit else PALE)
        canvas.words(x, TOP + 50, name, PAPER if lit else GREY, 22, "m")
    on = state[DESIRED] == 1.0
    canvas.box((LEFT + 60, TOP + 108, LEFT + 200, TOP + 142), BLUE if on else PALE, radius=17)
    canvas.disc(LEFT + (183 if on else 77), TOP + 125, 13, PAPER if on else INK)
    canvas.line((PANEL - 24, 24), (PANEL - 24, HEIGHT - 24), PALE)
    fill, color = (SKY, BLUE) if on else (SAND, ORANGE)
    canvas.badge((PANEL, 34, PANEL + 250, 66), f"output should be {state[DESIRED]:.0f}", fill, color)
    for i, line in enumerate(_lines(world, state, elapsed)):
        canvas.words(PANEL, 92 + 23 * i, line, GREY)
    return canvas.pixels()


def text(world: World, state: Any, observation: Any, elapsed: int) -> str:
    """One line."""
    return ", ".join([f"output should be {state[DESIRED]:.0f}", *_lines(world, state, elapsed)])


def _lines(world: World, state: Any, elapsed: int) -> list[str]:
    lag = world.params[LAG]
    apart = f"A and B {lag:.0f} steps apart" if lag else "A and B at random"
    return [
        f"event: {EVENTS[int(state[EVENT])]}",
        f"{state[STEPS] - state[LAST]:.0f} steps since the last A or B",
        apart,
        step_count(elapsed, world.max_steps),
    ]
