"""One run in a T-maze, for every study that asks how many steps a learner needs.

Protocol: train without a step limit, learning and exploration on, until more than ``share`` of the last ``window``
episodes took the right turn, or the budget is spent; then play fresh episodes greedily.
"""

import json
import time
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from lstm_rl.presets import PolicyName, PresetName, preset
from lstm_rl.studies.engine import Row

Learner = Literal["lstm", "elman", "memory-bits"]
POLICIES: dict[Learner, PolicyName] = {
    "lstm": "LstmPolicy",
    "elman": "ElmanPolicy",
    "memory-bits": "MemoryBitsPolicy",
}
CHUNK = 1000  # steps between two looks at the last episodes
PLAYED = 1_000_000  # steps of greedy play that are worth waiting for
EPISODES = 1000  # greedy episodes at most


@dataclass(frozen=True)
class MazeRun:
    """Everything that a run depends on."""

    corridor_length: int
    seed: int
    learner: Learner = "lstm"
    preset: PresetName = "default"
    noisy: bool = True
    share: float = 0.95
    """Of the last ``window`` episodes, that has to be exceeded."""
    window: int = 100
    max_steps: int = 20_000_000
    overrides: str = "{}"
    """Fields of `Config` that override the preset's, as JSON."""


def run_maze(settings: MazeRun) -> Row:
    """Train and play; see the module.

    Returns:
        success: whether the criterion was met; steps and episodes until then; seconds of training, compilation aside;
        training: share of the last ``window`` episodes; greedy: success rate of greedy play; detour: mean length of
        the greedy successes over the shortest possible one (None if there are none).
    """
    import gymnasium as gym
    import numpy as np
    import torch
    from stable_baselines3.common.callbacks import BaseCallback

    from lstm_rl.agents import AdvantageLearning
    from lstm_rl.agents.rollouts import play
    from lstm_rl.envs.tmaze import tmaze

    torch.set_num_threads(1)
    n, name = settings.corridor_length, "NoisyTMaze-v0" if settings.noisy else "TMaze-v0"
    policy = POLICIES[settings.learner]
    config = preset(settings.preset, name, policy).config
    config = replace(config, **({"chunk_size": CHUNK} | json.loads(settings.overrides)))
    _warm_up(policy, config.precision)

    class Until(BaseCallback):
        """Stops at the criterion; counts episodes."""

        episodes = 0

        def _on_step(self) -> bool:
            self.episodes += sum("is_success" in info for info in self.locals["infos"])
            last = self.model.ep_success_buffer
            return not (last is not None and len(last) == settings.window and np.mean(last) > settings.share)

    env = gym.make(f"lstm_rl/{name}", corridor_length=n, max_steps=None)
    model = AdvantageLearning(policy, env, config, seed=settings.seed, stats_window_size=settings.window)
    until, begun = Until(), time.perf_counter()
    model.learn(settings.max_steps, until, log_interval=None)
    seconds = time.perf_counter() - begun
    last = model.ep_success_buffer
    training = float(np.mean(last)) if last else 0.0
    success = len(last or ()) == settings.window and training > settings.share
    world = tmaze(corridor_length=n, noisy=settings.noisy, max_steps=3 * (n + 1))
    played = play(model.policy, world, max(1, min(EPISODES, PLAYED // n)), settings.seed)
    right = played.lengths[played.successes == 1.0]
    return {
        "success": success,
        "steps": model.num_timesteps,
        "episodes": until.episodes,
        "seconds": round(seconds, 2),
        "training": training,
        "greedy": float(played.successes.mean()),
        "detour": float(right.mean()) / (n + 1) if len(right) else None,
    }


@cache
def _warm_up(policy: PolicyName, precision: Any) -> None:
    """Compile what a run needs, or take it from the disk, so that no run's seconds contain it."""
    import gymnasium as gym

    from lstm_rl.agents import AdvantageLearning
    from lstm_rl.agents.rollouts import play
    from lstm_rl.envs.tmaze import tmaze

    config = replace(preset("default", "TMaze-v0", policy).config, precision=precision)
    model = AdvantageLearning(policy, gym.make("lstm_rl/TMaze-v0", corridor_length=3), config, seed=0)
    model.learn(10)
    play(model.policy, tmaze(corridor_length=3), 1, 0)
