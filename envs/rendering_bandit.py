"""Bandits for people: a bar per arm, and two lines of text."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.envs.bandits import ARMS, LAST, PAID, PULLS
from lstm_rl.envs.dynamics import World
from lstm_rl.envs.rendering import BLUE, GREY, INK, ORANGE, PALE, PAPER, SAND, SKY, Canvas, number, step_count

WIDTH, HEIGHT, LEFT, PANEL = 960, 320, 24, 732
MOST = 120  # arms that are drawn
TOP, FLOOR = 76, 272  # of the bars: p = 1 and p = 0


def picture(world: World, state: Any, observation: Any, elapsed: int) -> NDArray[np.uint8]:
    """Draw a moment: (320, 960, 3). A bar's height is the arm's p; the arm pulled last is coloured."""
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.words(LEFT, 30, "Bandit", size=22)
    canvas.words(LEFT, 58, "probability of a payout, which the agent does not see", GREY, 14)
    arms, last = state[ARMS:], int(state[LAST])
    drawn = min(len(arms), MOST)
    pitch = (PANEL - 48 - LEFT) / drawn
    gap = min(pitch * 0.2, 24.0)
    for i, p in enumerate(arms[:drawn]):
        left, right = LEFT + i * pitch + gap / 2, LEFT + (i + 1) * pitch - gap / 2
        canvas.box((left, TOP, right, FLOOR), PALE)
        color = (BLUE if state[PAID] else ORANGE) if i == last else GREY
        canvas.box((left, FLOOR - max(p * (FLOOR - TOP), 1), right, FLOOR), color)
        if pitch > 20:
            canvas.words((left + right) / 2, FLOOR + 18, str(i), INK if i == last else GREY, 14, "m")
    canvas.line((PANEL - 24, 24), (PANEL - 24, HEIGHT - 24), PALE)
    canvas.words(PANEL, 34, "the last pull", GREY)
    words = _last(state)
    fill, color = (PAPER, GREY) if last < 0 else (SKY, BLUE) if state[PAID] else (SAND, ORANGE)
    canvas.badge((PANEL, 52, PANEL + 192, 84), words, fill, color)
    lines = [_pulls(world, state), f"best arm {int(np.argmax(arms))}, p {number(arms.max())}"]
    if drawn < len(arms):
        lines.append(f"{len(arms)} arms, {drawn} are drawn")
    if last >= 0:
        lines.append(f"this arm {last}, p {number(arms[last])}")
    for i, line in enumerate(lines):
        canvas.words(PANEL, 112 + 23 * i, line, GREY)
    return canvas.pixels()


def text(world: World, state: Any, observation: Any, elapsed: int) -> str:
    """Two lines: the last pull, and the hidden probabilities of up to 30 arms."""
    arms = " ".join(number(p) for p in state[ARMS : ARMS + 30])
    return f"{_pulls(world, state)}, {_last(state)}\np {arms}"


def _pulls(world: World, state: Any) -> str:
    return step_count(int(state[PULLS]), world.max_steps)


def _last(state: Any) -> str:
    if state[LAST] < 0:
        return "no pull yet"
    return f"arm {state[LAST]:.0f} {'paid' if state[PAID] else 'paid nothing'}"
