"""Draw the README's robot: train in the twin, drive in MuJoCo, and show the cell that remembers the lamp.

python scripts/robot_video.py [FILE.gif]
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lstm_rl.atomic import atomic_write
from lstm_rl.envs.rendering import BLUE, GREY, LINE, ORANGE, SKY, Canvas
from lstm_rl.envs.rendering_robot import View, draw_floor, draw_sensors
from lstm_rl.envs.robot import robot_tmaze_events
from lstm_rl.envs.robot_body import CLASS, CLOCK, SIDES, X
from lstm_rl.envs.robot_mujoco import MujocoRobot
from lstm_rl.experiments.protocols.robot_run import RobotRun, learn_online

FILE = Path(__file__).parents[1] / "docs" / "images" / "robot.gif"
WIDTH, HEIGHT, PANEL = 640, 400, 440
FIELD, TRACE = (20.0, 44.0, 420.0, 296.0), (150.0, 330.0, 620.0, 384.0)
EVERY, LAST, SECONDS = 4, 10, 0.08  # control steps between two frames; frames at the end; of a frame
Floats = NDArray[np.float64]


class Filmed(MujocoRobot):
    """Keeps the state before every control step."""

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self.film: list[Floats] = []

    def _move(self) -> None:
        self.film.append(self._state.copy())
        super()._move()


def play(model: Any, env: Filmed, seed: int) -> tuple[Floats, Floats]:
    """An episode that ends right: the robot's state (T, S) and the network's (T, n) at every control step."""
    x, info = env.reset(seed=seed)
    env.film, cells, memory, over = [], list[Floats](), None, False
    while not over:
        action, memory = model.predict(x, memory, deterministic=True)
        x, _, terminated, truncated, info = env.step(action)
        cell = np.concatenate([np.ravel(part) for part in memory[:-1]])
        cells += [cell] * (len(env.film) - len(cells))
        over = terminated or truncated
    assert info["is_success"]
    return np.array([*env.film, info["state"]]), np.array([*cells, cells[-1]])


def remembers(films: list[tuple[Floats, Floats]]) -> int:
    """The number of the network's state whose value at the junction tells the lamp's side best."""
    values, sides = [], []
    for states, cells in films:
        values.append(cells[np.argmax(states[:, X] > states[0, X] + 0.85)])
        sides.append(states[0, SIDES] > 0)
    left, right = (np.array(values)[np.array(sides) == side] for side in (True, False))
    return int(np.argmax(np.abs(left.mean(0) - right.mean(0)) / (left.std(0) + right.std(0) + 0.05)))


def frame(world: Any, states: Floats, trace: Floats, t: int) -> Image.Image:
    """Floor, sensors, event, and the cell's value up to control step t."""
    canvas, state = Canvas(WIDTH, HEIGHT), states[t]
    canvas.words(20, 24, "An LSTM drives a robot in MuJoCo", size=20)
    canvas.words(420, 26, f"{state[CLOCK] / 10:.1f} s", GREY, anchor="r")
    draw_floor(canvas, world, state, View(world, state, FIELD))
    canvas.words(PANEL, 26, "it senses", GREY)
    draw_sensors(canvas, state, PANEL, 48)
    event = f"event: class {state[CLASS]:.0f}" if state[CLASS] >= 0 else "no event yet"
    canvas.badge((PANEL, 244, PANEL + 180, 276), event, SKY, BLUE)
    left, top, right, bottom = TRACE
    canvas.words(20, (top + bottom) / 2 - 10, "the cell that", GREY)
    canvas.words(20, (top + bottom) / 2 + 10, "remembers", GREY)
    middle, half = (top + bottom) / 2, (bottom - top) / 2
    canvas.line((left, middle), (right, middle), LINE, 1)
    across = left + (right - left) * np.arange(len(trace)) / (len(trace) - 1)
    points = [(float(x), float(middle - half * y)) for x, y in zip(across, trace, strict=True)][: t + 1]
    for start, end in zip(points, points[1:], strict=False):
        canvas.line(start, end, ORANGE, 3)
    return Image.fromarray(canvas.pixels())


def main(path: Path) -> None:
    """Train, choose the cell, and write one episode for each side of the lamp."""
    settings = RobotRun(seed=1)
    model, results = learn_online(settings, lambda _: None)
    print(f"solved: {results['solved']}, after {results['episodes']} episodes")
    world = robot_tmaze_events(**settings.env_kwargs)
    env = Filmed(world)
    films = [play(model, env, seed) for seed in range(20)]
    cell = remembers(films)
    size = max(float(np.abs(cells[:, cell]).max()) for _, cells in films)
    shown = [next(film for film in films if film[0][0, SIDES] == side) for side in (1, -1)]
    frames: list[Image.Image] = []
    for states, cells in shown:
        times = [*range(0, len(states) - 1, EVERY), *[len(states) - 1] * LAST]
        frames += [frame(world, states, cells[:, cell] / size, t) for t in times]
    palette = frames[len(frames) // 2].quantize(32)
    frames = [each.quantize(palette=palette, dither=Image.Dither.NONE) for each in frames]
    with atomic_write(path) as part, part.open("wb") as file:
        frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=int(1000 * SECONDS), loop=0)
    print(f"{path}: {len(frames)} frames, {path.stat().st_size / 1e6:.2f} MB, state {cell}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)
