"""One run on the multi-mode pole: does a learner come to balance it for good?

Protocol: train in episodes of limited length. Every so many steps the greedy policy is tried, first for a short time,
then, if nothing falls, for longer and longer (`lstm_rl.trials`). The weights of the longest mean balance are kept;
training ends when no start of the last stage falls, or with the budget. Then the kept weights play fresh starts to the
limit. A run may be several attempts: after so many steps without success it starts over with new weights, and all steps
count.
"""

import json
import time
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

from lstm_rl.checks import check_choice, check_int
from lstm_rl.experiments.protocols.maze_run import POLICIES, Agent
from lstm_rl.presets import PresetName, preset

if TYPE_CHECKING:
    from lstm_rl.experiments.engine import Report

LIMIT = 100_000
"""Steps that count as for good: 2,000 s simulated."""
TRIAL_STARTS = 40
"""Starts of the longest stage of a trial while training."""
STARTS = 20
"""Fresh starts at the end, half of them (on average) in each mode."""


@dataclass(frozen=True)
class PoleRun:
    """Everything that a run depends on."""

    seed: int = 0
    learner: Agent = "lstm"
    preset: PresetName = "default"
    max_steps: int = 5_000_000
    eval_freq: int = 25_000
    """Steps between two trials of the greedy policy."""
    attempt_steps: int | None = None
    """Steps after which the run starts over; None: never."""
    overrides: str = "{}"
    """Fields of `Config` that override the preset's, as JSON."""
    world: str = "{}"
    """Arguments of the environment that override the preset's, as JSON."""

    def __post_init__(self) -> None:
        check_choice("learner", self.learner, tuple(POLICIES))
        check_choice("preset", self.preset, get_args(PresetName))
        check_int("max_steps", self.max_steps, 1)
        check_int("eval_freq", self.eval_freq, 1)
        if self.attempt_steps is not None:
            check_int("attempt_steps", self.attempt_steps, 1)


def run(settings: PoleRun, report: "Report") -> dict[str, Any]:
    """Train and play; see the module.

    Returns:
        success: whether every fresh start was balanced to the limit; steps until training ended; attempts: how often it
        was begun; best_at: steps at which the kept weights were found; trial_steps: steps of all trials (not learned
        from); seconds: of all that; balanced: fresh starts balanced to the limit; mean_a, mean_b, min: their steps in
        each mode, and the shortest; diverged: whether weights left the finite numbers, which ends an attempt.
    """
    import gymnasium as gym
    import numpy as np
    import torch
    from stable_baselines3.common.callbacks import BaseCallback

    from lstm_rl.agents import AdvantageLearning, DivergedError
    from lstm_rl.agents.rollouts import play
    from lstm_rl.envs.multimode_pole import MODE, multimode_pole
    from lstm_rl.trials import try_in_stages

    torch.set_num_threads(1)
    env_id, policy = "lstm_rl/MultimodePole-v0", POLICIES[settings.learner]
    chosen = preset(settings.preset, env_id, policy)
    config = replace(chosen.config, **({"chunk_size": 5000} | json.loads(settings.overrides)))
    env_kwargs = chosen.env_kwargs | json.loads(settings.world)
    played_world = multimode_pole(**(env_kwargs | {"max_steps": LIMIT}))

    class Trials(BaseCallback):
        """Tries the greedy policy, keeps the best weights, stops when the pole stays up."""

        chunked = True  # calls at the ends of chunks will do
        best, best_at, trial_steps, before, up = -1.0, 0, 0, 0, False
        kept: dict[str, Any]

        def _on_step(self) -> bool:
            report(self.before + self.num_timesteps)
            if self.num_timesteps % settings.eval_freq >= config.chunk_size:
                return True
            steps = self.before + self.num_timesteps
            trial = try_in_stages(model, played_world, steps, TRIAL_STARTS)
            self.trial_steps += trial.steps
            self.up = trial.flawless
            if trial.score > self.best:
                self.best, self.best_at, self.kept = trial.score, steps, deepcopy(model.policy.state_dict())
            return not self.up

    trials, attempts, begun, diverged = Trials(), 0, time.perf_counter(), False
    while trials.before < settings.max_steps and not trials.up:
        seed = settings.seed + 10**6 * attempts
        model = AdvantageLearning(policy, gym.make(env_id, **env_kwargs), config, seed=seed)
        if attempts == 0:
            trials.kept = deepcopy(model.policy.state_dict())
        attempts += 1
        left = settings.max_steps - trials.before
        try:
            model.learn(min(settings.attempt_steps or left, left), trials, log_interval=None)
        except DivergedError:
            diverged = True
        trials.before += model.num_timesteps
    model.policy.load_state_dict(trials.kept)
    played = play(model.policy, played_world, STARTS, settings.seed)
    a = played.states[:, MODE] > 0.0
    means = [float(np.mean(played.lengths[mode])) if mode.any() else None for mode in (a, ~a)]
    return {
        "success": bool(played.successes.all()),
        "steps": trials.before,
        "attempts": attempts,
        "best_at": trials.best_at,
        "trial_steps": trials.trial_steps,
        "seconds": round(time.perf_counter() - begun, 1),
        "balanced": int(played.successes.sum()),
        "mean_a": means[0],
        "mean_b": means[1],
        "min": float(played.lengths.min()),
        "diverged": diverged,
    }
