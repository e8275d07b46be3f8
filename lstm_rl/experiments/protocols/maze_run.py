"""One run in a T-maze: how many steps does a learner need?

Protocol: train without a step limit, learning and exploration on, until more than ``share`` of the last ``window``
episodes took the right turn and, if ``greedy_share`` asks for it, the greedy policy does as well on fresh episodes, or
until the budget is spent. Then play other fresh episodes greedily.
"""

import json
import time
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args

from lstm_rl.checks import check_choice, check_float, check_int
from lstm_rl.presets import PolicyName, PresetName, preset

if TYPE_CHECKING:
    from lstm_rl.experiments.engine import Report

Agent = Literal["lstm", "elman", "memory-bits"]
POLICIES: dict[Agent, PolicyName] = {
    "lstm": "LstmPolicy",
    "elman": "ElmanPolicy",
    "memory-bits": "MemoryBitsPolicy",
}
CHUNK = 1000  # steps between two looks at the last episodes
PLAYED = 1_000_000  # steps of greedy play at the end, at most
EPISODES = 1000  # greedy episodes at the end, at most
TRIAL_EPISODES = 100  # greedy episodes of a trial while training
PAUSE = 10  # training episodes between two trials


@dataclass(frozen=True)
class MazeRun:
    """Everything that a run depends on."""

    corridor_length: int
    seed: int = 0
    learner: Agent = "lstm"
    preset: PresetName = "default"
    noisy: bool = True
    share: float = 0.95
    """Of the last ``window`` episodes, that has to be exceeded."""
    window: int = 100
    max_steps: int = 20_000_000
    greedy_share: float = 0.0
    """Share of `TRIAL_EPISODES` fresh greedy episodes that has to be reached, too; 0: no such trial."""
    overrides: str = "{}"
    """Fields of `Config` that override the preset's, as JSON."""

    def __post_init__(self) -> None:
        check_int("corridor_length", self.corridor_length, 1)
        check_choice("learner", self.learner, tuple(POLICIES))
        check_choice("preset", self.preset, get_args(PresetName))
        check_int("window", self.window, 1)
        check_int("max_steps", self.max_steps, 1)
        for name in ("share", "greedy_share"):
            check_float(name, getattr(self, name), 0.0, 1.0)


def run(settings: MazeRun, report: "Report") -> dict[str, Any]:
    """Train and play; see the module.

    Returns:
        success: whether the criterion was met; steps and episodes until then; seconds of that, compilation aside;
        training: share of the last ``window`` episodes; greedy: success rate of greedy play; detour: mean length of
        the greedy successes over the shortest possible one (None if there are none); trials: how often the criterion on
        training episodes was met until the greedy one was, too; diverged: whether weights left the
        finite numbers, which ends a run without success.
    """
    import gymnasium as gym
    import numpy as np
    import torch
    from stable_baselines3.common.callbacks import BaseCallback

    from lstm_rl.agents import AdvantageLearning, DivergedError
    from lstm_rl.agents.rollouts import play
    from lstm_rl.envs.tmaze import tmaze

    torch.set_num_threads(1)
    n, name = settings.corridor_length, "NoisyTMaze-v0" if settings.noisy else "TMaze-v0"
    policy = POLICIES[settings.learner]
    config = preset(settings.preset, f"lstm_rl/{name}", policy).config
    config = replace(config, **({"chunk_size": CHUNK} | json.loads(settings.overrides)))
    _warm_up(policy, config.precision)

    class Until(BaseCallback):
        """Stops at the criterion; counts episodes."""

        chunked = True  # calls at the ends of chunks will do
        episodes, trials, next_trial, success = 0, 0, 0, False

        def _on_step(self) -> bool:
            report(self.num_timesteps)
            self.episodes += len(self.locals["episodes"])
            last = self.model.ep_success_buffer or ()
            if len(last) == settings.window and np.mean(last) > settings.share and self.episodes >= self.next_trial:
                self.trials += 1
                self.next_trial = self.episodes + PAUSE
                self.success = settings.greedy_share == 0.0 or self._greedy() >= settings.greedy_share
            return not self.success

        def _greedy(self) -> float:
            return float(
                play(model.policy, world, TRIAL_EPISODES, settings.seed + 10**6 * self.trials).successes.mean()
            )

    world = tmaze(corridor_length=n, noisy=settings.noisy, max_steps=3 * (n + 1))
    env = gym.make(f"lstm_rl/{name}", corridor_length=n, max_steps=None)
    model = AdvantageLearning(policy, env, config, seed=settings.seed, stats_window_size=settings.window)
    until, begun, diverged = Until(), time.perf_counter(), False
    try:
        model.learn(settings.max_steps, until, log_interval=None)
    except DivergedError:
        diverged = True
    seconds = time.perf_counter() - begun
    played = play(model.policy, world, max(1, min(EPISODES, PLAYED // n)), settings.seed)
    right = played.lengths[played.successes == 1.0]
    return {
        "success": until.success,
        "steps": model.num_timesteps,
        "episodes": until.episodes,
        "seconds": round(seconds, 2),
        "training": float(np.mean(model.ep_success_buffer or [0.0])),
        "greedy": float(played.successes.mean()),
        "detour": float(right.mean()) / (n + 1) if len(right) else None,
        "trials": until.trials,
        "diverged": diverged,
    }


@cache
def _warm_up(policy: PolicyName, precision: Any) -> None:
    """Compile what a run needs, or take it from the disk, so that no run's seconds contain it."""
    import gymnasium as gym

    from lstm_rl.agents import AdvantageLearning
    from lstm_rl.agents.rollouts import play
    from lstm_rl.envs.tmaze import tmaze

    config = replace(preset("default", "lstm_rl/TMaze-v0", policy).config, precision=precision)
    model = AdvantageLearning(policy, gym.make("lstm_rl/TMaze-v0", corridor_length=3), config, seed=0)
    model.learn(10)
    play(model.policy, tmaze(corridor_length=3), 1, 0)
