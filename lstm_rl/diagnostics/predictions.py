"""What a world model expected, beside what came: a picture of one greedy episode."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lstm_rl.diagnostics.figures import LINES


def predicted_beside_real(
    policy: Any, env: gym.Env[Any, Any], steps: int = 200, seed: int = 0, names: Sequence[str] | None = None
) -> Figure:
    """Draw each observation, the pain and the action of a greedy episode over its steps.

    Args:
        policy: A `lstm_rl.agents.world_model_policy.WorldModelPolicy`.
        env: Whose spaces fit.
        steps: Most steps that are shown, >= 1.
        seed: Of the episode.
        names: Of the numbers of an observation; ``None``: "observation 0" and so on.

    Raises:
        ValueError: There are not as many names as numbers.
    """
    low, high = policy.reward_range
    observation, _ = env.reset(seed=seed)
    state, over, start = None, False, True
    real, expected, actions = list[list[float]](), list[list[float]](), list[Any]()
    while not over and len(real) < steps:
        action, state = policy.predict(observation, state, np.array([start]))
        seen, pain = policy.foresee(state)
        observation, reward, terminated, truncated, _ = env.step(action)
        real.append([*np.asarray(observation, np.float64), (high - float(reward)) / (high - low)])
        expected.append([*seen[0], pain[0]])
        actions.append(np.ravel(action))
        over, start = terminated or truncated, False
    seen = list(names or [f"observation {k}" for k in range(len(real[0]) - 1)])
    if len(seen) != len(real[0]) - 1:
        raise ValueError(f"names must be {len(real[0]) - 1}, one for each observation, got {', '.join(seen)}")
    titles = [*seen, "pain, which the controller is to avoid", "action"]
    figure = Figure(figsize=(9, 1.55 * len(titles) + 0.8), dpi=100, layout="constrained")
    panels = figure.subplots(len(titles), 1, sharex=True)
    times = np.arange(1, len(real) + 1)
    for k, panel in enumerate(panels[:-1]):
        panel.plot(times, np.array(real)[:, k], color=LINES[0], linewidth=4, alpha=0.4, label="real")
        said = "predicted by the model one step before"
        panel.plot(times, np.array(expected)[:, k], color=LINES[1], linewidth=1.4, label=said)
    panels[-1].step(times, np.array(actions), where="mid", color=LINES[2])
    for panel, title in zip(panels, titles, strict=True):
        panel.set_title(title, loc="left", fontsize=12)
        panel.yaxis.set_major_locator(MaxNLocator(nbins=4))
        panel.tick_params(labelsize=11)
        panel.grid(alpha=0.3)
    panels[-1].set_xlabel("step", fontsize=12)
    panels[-1].set_xlim(0, len(real))
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False, fontsize=12
    )
    return figure
