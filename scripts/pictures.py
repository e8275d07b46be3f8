"""Write pictures of environments and of the world model: ``python scripts/pictures.py``."""

from pathlib import Path

import gymnasium as gym
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

import lstm_rl.envs  # noqa: F401  registers the environments
from lstm_rl.agents.world_model_controller import WorldModelController
from lstm_rl.diagnostics.figures import save as save_figure
from lstm_rl.diagnostics.predictions import predicted_beside_real
from lstm_rl.envs.multimode_pole import MODE
from lstm_rl.envs.rendering import LINE
from lstm_rl.envs.tmaze import EAST
from lstm_rl.experiments.tables.world_model import POLE

FOLDER = Path(__file__).parents[1] / "docs" / "images"
GAP = 4  # pixels between two pictures


def save(name: str, pictures: list[NDArray[np.uint8]]) -> None:
    """Write pictures of one size (H, W, 3), each below the one before."""
    height, width, _ = pictures[0].shape
    figure = Image.new("RGB", (width, len(pictures) * (height + GAP) - GAP), LINE)
    for i, picture in enumerate(pictures):
        figure.paste(Image.fromarray(picture), (0, i * (height + GAP)))
    FOLDER.mkdir(parents=True, exist_ok=True)
    figure.save(FOLDER / name, optimize=True)


def tmaze_pictures() -> list[NDArray[np.uint8]]:
    """The noisy maze at the start, in the corridor and at the junction."""
    env = gym.make("lstm_rl/NoisyTMaze-v0", corridor_length=10, render_mode="rgb_array")
    env.reset(seed=1)
    pictures = [np.asarray(env.render())]
    for _ in range(10):
        env.step(EAST)
        pictures.append(np.asarray(env.render()))
    return [pictures[position] for position in (0, 5, 10)]


def pole_picture(mode: int, steps: int, target: float) -> NDArray[np.uint8]:
    """The pole after ``steps`` of a controller that heads for ``target`` (m), after a second for 0."""
    env = gym.make("lstm_rl/MultimodePole-v0", render_mode="rgb_array")
    seed = next(seed for seed in range(100) if env.reset(seed=seed)[1]["state"][MODE] == mode)
    state = env.reset(seed=seed)[1]["state"]
    for step in range(steps):
        right = state[:4] @ [0.1, 0.2, 2.0, 0.5] > (0.1 * target if step < 50 else 0.0)
        state = env.step(int(right == (mode > 0)))[4]["state"]
    return np.asarray(env.render())


def world_model_picture() -> Figure:
    """A pole whose velocities are hidden, predicted beside real, after 250,000 steps with the settings of the table."""
    env = gym.make("lstm_rl/ForcePole-v0")
    model = WorldModelController("WorldModelPolicy", env, seed=0, **POLE).learn(250_000)
    names = ("cart position / track limit", "pole angle / angle limit")
    return predicted_beside_real(model.policy, env, steps=150, names=names)


if __name__ == "__main__":
    save_figure(world_model_picture(), FOLDER / "world-model.png")
    save("tmaze.png", tmaze_pictures())
    save("multimode_pole.png", [pole_picture(1, 13, 3.0), pole_picture(-1, 70, -3.0)])
