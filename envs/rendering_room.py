"""The dark room for people: the cells from above, and a few lines of text."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.envs.dark_room import COLUMN, GOAL_COLUMN, GOAL_ROW, REWARD, ROUND_STEPS, ROW, SIZE, STEPS
from lstm_rl.envs.dynamics import World
from lstm_rl.envs.rendering import BLUE, GREY, INK, LINE, ORANGE, PALE, SAND, SKY, Canvas, step_count

WIDTH, HEIGHT, LEFT, TOP, SIDE, PANEL = 640, 320, 24, 52, 252, 330
MOST = 31  # cells per side that are drawn or written one by one


def picture(world: World, state: Any, observation: Any, elapsed: int) -> NDArray[np.uint8]:
    """Draw a moment: (320, 640, 3). The agent is a disc, the goal, which it does not see, an orange cell."""
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.words(LEFT, 30, "Dark room", size=22)
    size = int(world.params[SIZE])
    cell = SIDE / size
    canvas.box((LEFT, TOP, LEFT + SIDE, TOP + SIDE), PALE)
    x, y = LEFT + state[GOAL_COLUMN] * cell, TOP + state[GOAL_ROW] * cell
    canvas.box((x, y, x + max(cell, 2), y + max(cell, 2)), ORANGE)
    if size <= MOST:
        for i in range(size + 1):
            canvas.line((LEFT + i * cell, TOP), (LEFT + i * cell, TOP + SIDE), LINE, 1)
            canvas.line((LEFT, TOP + i * cell), (LEFT + SIDE, TOP + i * cell), LINE, 1)
    radius = max(cell * 0.34, 3)
    canvas.disc(LEFT + (state[COLUMN] + 0.5) * cell, TOP + (state[ROW] + 0.5) * cell, radius, INK)
    tell(canvas, state[REWARD], _lines(world, state, elapsed))
    return canvas.pixels()


def tell(canvas: Canvas, reward: float, lines: list[str]) -> None:
    """Fill the right of a room's picture: what the agent sees, the last reward, and the numbers."""
    canvas.line((PANEL - 24, 24), (PANEL - 24, HEIGHT - 24), PALE)
    canvas.words(PANEL, 34, "the agent sees its cell, action and reward", GREY)
    fill, color = (SKY, BLUE) if reward else (SAND, ORANGE)
    canvas.badge((PANEL, 52, PANEL + 192, 84), f"last reward {reward:.0f}", fill, color)
    for i, line in enumerate(lines):
        canvas.words(PANEL, 112 + 23 * i, line, GREY)


def text(world: World, state: Any, observation: Any, elapsed: int) -> str:
    """The room (A agent, G goal) if it is small, and the numbers."""
    size = int(world.params[SIZE])
    lines = []
    if size <= MOST:
        room = [["."] * size for _ in range(size)]
        room[int(state[GOAL_ROW])][int(state[GOAL_COLUMN])] = "G"
        room[int(state[ROW])][int(state[COLUMN])] = "A"
        lines = ["".join(row) for row in room]
    return "\n".join([*lines, ", ".join([*_lines(world, state, elapsed), f"last reward {state[REWARD]:.0f}"])])


def _lines(world: World, state: Any, elapsed: int) -> list[str]:
    rounds, inner = divmod(int(state[STEPS]), int(world.params[ROUND_STEPS]))
    return [
        f"round {rounds + 1}",
        f"step {inner} of {world.params[ROUND_STEPS]:.0f} of the round",
        f"agent in column {state[COLUMN]:.0f}, row {state[ROW]:.0f}",
        f"goal in column {state[GOAL_COLUMN]:.0f}, row {state[GOAL_ROW]:.0f}",
        step_count(elapsed, world.max_steps),
    ]
