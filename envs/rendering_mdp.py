"""Tabular MDPs for people: a row per state, a column per action, mean rewards as colours; and a few lines of text."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.envs.dynamics import World
from lstm_rl.envs.rendering import BLUE, GREY, INK, ORANGE, PALE, SAND, SKY, Canvas, number, step_count
from lstm_rl.envs.tabular_mdp import ACTION, EPISODES, HORIZON, NOW, REWARD, STEPS, tables

WIDTH, HEIGHT, LEFT, TOP, SIDE, PANEL = 640, 320, 24, 66, 240, 330
LARGEST = 4.0  # mean reward that fills a cell


def picture(world: World, state: Any, observation: Any, elapsed: int) -> NDArray[np.uint8]:
    """Draw a moment: (320, 640, 3). Bars are mean rewards (blue: positive); a disc marks the state."""
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.words(LEFT, 30, "Random MDP", size=22)
    canvas.words(LEFT, 54, "mean reward by state and action, which the agent does not see", GREY, 14)
    means, _ = tables(world, state)
    height, width = SIDE / means.shape[0], (SIDE - 20) / means.shape[1]
    for (s, a), mean in np.ndenumerate(means):
        x, y = LEFT + 20 + a * width, TOP + s * height
        canvas.box((x, y, x + width - 1, y + height - 1), PALE)
        filled = min(abs(mean) / LARGEST, 1.0) * (width - 1)
        canvas.box((x, y, x + max(filled, 1), y + height - 1), BLUE if mean > 0 else ORANGE)
    canvas.disc(LEFT + 8, TOP + (state[NOW] + 0.5) * height, min(max(height * 0.34, 3), 8), INK)
    canvas.line((PANEL - 24, 24), (PANEL - 24, HEIGHT - 24), PALE)
    canvas.words(PANEL, 34, "the agent sees state, action and reward", GREY)
    fill, color = (SKY, BLUE) if state[REWARD] > 0 else (SAND, ORANGE)
    canvas.badge((PANEL, 52, PANEL + 192, 84), f"last reward {number(state[REWARD])}", fill, color)
    for i, line in enumerate(_lines(world, state, elapsed)):
        canvas.words(PANEL, 112 + 23 * i, line, GREY)
    return canvas.pixels()


def text(world: World, state: Any, observation: Any, elapsed: int) -> str:
    """One line."""
    return ", ".join([*_lines(world, state, elapsed), f"last reward {number(state[REWARD])}"])


def _lines(world: World, state: Any, elapsed: int) -> list[str]:
    episode, inner = divmod(int(state[STEPS]), int(world.params[HORIZON]))
    return [
        f"episode {episode + 1} of {world.params[EPISODES]:.0f}",
        f"step {inner} of {world.params[HORIZON]:.0f} of the episode",
        f"state {state[NOW]:.0f}",
        "no action yet" if state[ACTION] < 0 else f"last action {state[ACTION]:.0f}",
        step_count(elapsed, world.max_steps),
    ]
