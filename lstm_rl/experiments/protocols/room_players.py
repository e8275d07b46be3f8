"""A player of dark rooms who knows how goals are drawn and how the room is built, and searches by a rule.

It goes to the nearest cell that it has not seen, in whatever round, until a cell pays. Then it stays, and in later
rounds goes there straight. So its path does not depend on the goal, and its returns are exact: one line per goal.

Dimensions: C = size^2 cells, R rounds of T steps.
"""

import numpy as np
from numpy.typing import NDArray

SEARCH = "search"


def search_returns(size: int, round_steps: int, rounds: int) -> NDArray[np.float64]:
    """Returns (C, R) of the rounds of a trial, for each goal: cell ``column * size + row``.

    Args:
        size: Cells per side, odd.
        round_steps: T >= 1.
        rounds: R >= 1.
    """
    middle = size // 2
    column, row = np.divmod(np.arange(size**2), size)
    distance = abs(column - middle) + abs(row - middle)
    known = np.maximum(round_steps + 1 - np.maximum(distance, 1), 0)  # per round, for who goes straight
    returns, seen = np.zeros((size**2, rounds)), np.zeros(size**2, np.bool_)
    for number in range(rounds):
        x = y = middle
        for step in range(round_steps):
            if seen.all():
                break
            away = np.where(seen, 4 * size, abs(column - x) + abs(row - y))
            to = int(away.argmin())
            if column[to] != x:
                x += int(np.sign(column[to] - x))
            else:
                y += int(np.sign(row[to] - y))
            cell = x * size + y
            if not seen[cell]:
                seen[cell] = True
                returns[cell, number] = round_steps - step
                returns[cell, number + 1 :] = known[cell]
    return returns
