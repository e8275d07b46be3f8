"""Walls of corridors that meet at right angles, and a round robot between them: rays, collisions.

A maze is the union of axis-parallel rectangles of free floor; its walls are the parts of their edges that lie in no
other rectangle. Lengths are in metres, angles in radians, x along the stem and y to its left.

Dimensions: C corridors (x0, y0, x1, y1); M walls (axis, c, low, high): axis 0 is a wall along x at y = c, axis 1 one
along y at x = c.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.compiled import kernel

RADIUS, HALF = 0.0275, 0.06  # of the body and of a corridor's width
BEHIND = 0.1  # from the start to the wall behind it
TURN = 0.4  # into an arm, where a turn counts
BETWEEN = 0.5  # length of the stems after the first
ARMS = {1: (0.5,), 3: (1.3, 0.65, 0.5)}  # from the middle of a junction to the middle of the next stem, or to the end
WALL = 4  # numbers per wall


class Maze(NamedTuple):
    """A T, or a tree of them in which every arm leads into the next stem."""

    corridors: NDArray[np.float64]  # (C, 4)
    walls: NDArray[np.float64]  # (M, 4)
    arms: tuple[float, ...]  # one per junction on the way
    shortest: float  # metres from the start to the end of the right arm


def make_maze(stem: float, junctions: int) -> Maze:
    """The maze with a first stem of this length and 1 or 3 junctions on the way."""
    arms, corridors = ARMS[junctions], [(-BEHIND, -HALF, stem + HALF, HALF)]
    stems, x = [0.0], stem
    for level, arm in enumerate(arms):
        last = level == len(arms) - 1
        reach = HALF + arm
        corridors += [(x, y - reach, x + 2 * HALF, y + reach) for y in stems]
        if not last:
            stems = [y + side * arm for y in stems for side in (1, -1)]
            corridors += [(x, y - HALF, x + 3 * HALF + BETWEEN, y + HALF) for y in stems]
            x += 2 * HALF + BETWEEN
    floor = np.array(corridors)
    path = stem + HALF + sum(arms[:-1]) + (len(arms) - 1) * (BETWEEN + 2 * HALF) + HALF + TURN
    return Maze(floor, _walls(floor), arms, path)


def _walls(floor: NDArray[np.float64]) -> NDArray[np.float64]:
    """The walls (M, 4) of a union of rectangles (C, 4)."""
    walls = []
    for rectangle in floor:
        for axis in (0, 1):  # 0: edges along x
            low, high = rectangle[axis], rectangle[axis + 2]
            cuts = np.unique([low, high, *np.clip(floor[:, [axis, axis + 2]], low, high).ravel()])
            for c in (rectangle[1 - axis], rectangle[3 - axis]):
                covers = (floor[:, 1 - axis] < c) & (c < floor[:, 3 - axis])
                for start, end in zip(cuts[:-1], cuts[1:], strict=True):
                    middle = (start + end) / 2
                    if not np.any(covers & (floor[:, axis] < middle) & (middle < floor[:, axis + 2])):
                        walls.append((float(axis), c, start, end))
    return np.array(walls)


@kernel
def measure(walls: Any, first: int, count: int, x: float, y: float, rays: Any, reach: float, out: Any, at: int) -> None:
    """Distances (R,) from a point to the nearest wall along rays (R, 2), unit vectors, or ``reach``.

    Walls lie in a flat array from ``first`` on, distances in ``out`` from ``at`` on.
    """
    for r in range(rays.shape[0]):
        out[at + r] = reach
    for m in range(count):
        i = first + WALL * m
        along = walls[i] == 0.0
        ahead, place = (walls[i + 1] - y, x) if along else (walls[i + 1] - x, y)  # across the wall; along it
        if abs(ahead) < reach and walls[i + 2] - reach < place < walls[i + 3] + reach:
            for r in range(rays.shape[0]):
                speed, drift = (rays[r, 1], rays[r, 0]) if along else (rays[r, 0], rays[r, 1])
                if ahead * speed > 0.0:
                    t = ahead / speed
                    if t < out[at + r] and walls[i + 2] <= place + t * drift <= walls[i + 3]:
                        out[at + r] = t


@kernel
def push_out(walls: Any, first: int, count: int, x: float, y: float) -> tuple[float, float]:
    """Where a body at (x, y) stands after every wall that it reaches into has pushed it out; it slides along them."""
    for m in range(count):
        i = first + WALL * m
        along = walls[i] == 0.0
        if abs(walls[i + 1] - (y if along else x)) < RADIUS:
            near = min(max(x if along else y, walls[i + 2]), walls[i + 3])
            near_x, near_y = (near, walls[i + 1]) if along else (walls[i + 1], near)
            away_x, away_y = x - near_x, y - near_y
            length = math.hypot(away_x, away_y)
            if 0.0 < length < RADIUS:
                x, y = near_x + away_x * RADIUS / length, near_y + away_y * RADIUS / length
    return x, y
