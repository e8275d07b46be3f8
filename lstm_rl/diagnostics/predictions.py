"""What a world model expected, beside what came: a picture of one greedy episode."""

from typing import Any

import gymnasium as gym
import numpy as np
from matplotlib.figure import Figure

from lstm_rl.diagnostics.figures import LINES


def predicted_beside_real(policy: Any, env: gym.Env[Any, Any], steps: int = 200, seed: int = 0) -> Figure:
    """Draw each observation, the pain and the action of a greedy episode over its steps.

    Args:
        policy: A `lstm_rl.agents.world_model_policy.WorldModelPolicy`.
        env: Whose spaces fit.
        steps: Most steps that are shown, >= 1.
        seed: Of the episode.
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
    names = [f"observation {k}" for k in range(len(real[0]) - 1)] + ["pain"]
    figure = Figure(figsize=(8, 1.3 * (len(names) + 1) + 0.6), dpi=100, layout="constrained")
    panels = figure.subplots(len(names) + 1, 1, sharex=True)
    times = np.arange(1, len(real) + 1)
    for k, (panel, name) in enumerate(zip(panels, names, strict=False)):
        panel.plot(times, np.array(real)[:, k], color=LINES[0], linewidth=2.5, alpha=0.5, label="real")
        panel.plot(times, np.array(expected)[:, k], color=LINES[1], linewidth=1, label="predicted")
        panel.set_ylabel(name)
    panels[0].legend(loc="upper right", ncols=2)
    panels[-1].step(times, np.array(actions), where="mid", color=LINES[2])
    panels[-1].set_ylabel("action")
    panels[-1].set_xlabel("step")
    for panel in panels:
        panel.grid(alpha=0.3)
    return figure
