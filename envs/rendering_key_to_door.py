"""The dark room with key and door for people: the cells from above, and a few lines of text."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.envs.dynamics import World
from lstm_rl.envs.key_to_door import (
    COLUMN,
    DOOR_COLUMN,
    DOOR_ROW,
    HAS_KEY,
    KEY_COLUMN,
    KEY_ROW,
    REWARD,
    ROUND,
    ROUND_STEPS,
    ROUNDS,
    ROW,
    SIZE,
    STEPS,
)
from lstm_rl.envs.rendering import BLUE, INK, ORANGE, PALE, Canvas, step_count
from lstm_rl.envs.rendering_room import HEIGHT, LEFT, MOST, SIDE, TOP, WIDTH, tell


def picture(world: World, state: Any, observation: Any, elapsed: int) -> NDArray[np.uint8]:
    """Draw a moment: (320, 640, 3). The agent is a disc, the key orange, the door blue; it sees neither."""
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.words(LEFT, 30, "Key and door in the dark", size=22)
    cell = SIDE / int(world.params[SIZE])
    canvas.box((LEFT, TOP, LEFT + SIDE, TOP + SIDE), PALE)
    places = [(state[DOOR_COLUMN], state[DOOR_ROW], BLUE)]
    if not state[HAS_KEY]:
        places.append((state[KEY_COLUMN], state[KEY_ROW], ORANGE))
    for column, row, color in places:
        x, y = LEFT + column * cell, TOP + row * cell
        canvas.box((x, y, x + max(cell, 2), y + max(cell, 2)), color)
    canvas.disc(LEFT + (state[COLUMN] + 0.5) * cell, TOP + (state[ROW] + 0.5) * cell, max(cell * 0.34, 3), INK)
    tell(canvas, state[REWARD], _lines(world, state, elapsed))
    return canvas.pixels()


def text(world: World, state: Any, observation: Any, elapsed: int) -> str:
    """The room (A agent, K key, D door) if it is small, and the numbers."""
    size = int(world.params[SIZE])
    lines = []
    if size <= MOST:
        room = [["."] * size for _ in range(size)]
        room[int(state[DOOR_ROW])][int(state[DOOR_COLUMN])] = "D"
        if not state[HAS_KEY]:
            room[int(state[KEY_ROW])][int(state[KEY_COLUMN])] = "K"
        room[int(state[ROW])][int(state[COLUMN])] = "A"
        lines = ["".join(row) for row in room]
    return "\n".join([*lines, ", ".join([*_lines(world, state, elapsed), f"last reward {state[REWARD]:.0f}"])])


def _lines(world: World, state: Any, elapsed: int) -> list[str]:
    return [
        f"round {state[ROUND] + 1:.0f} of {world.params[ROUNDS]:.0f}",
        f"step {state[STEPS]:.0f} of at most {world.params[ROUND_STEPS]:.0f} of the round",
        f"agent in column {state[COLUMN]:.0f}, row {state[ROW]:.0f}",
        "has the key" if state[HAS_KEY] else "looks for the key",
        step_count(elapsed, world.max_steps),
    ]
