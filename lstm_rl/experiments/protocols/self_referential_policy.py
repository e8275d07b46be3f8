"""One run of a self-referential network as a policy: it explores, and changes its weights, within an episode.

Two learners: proximal policy optimisation over whole trials, many in step (`trial_ppo`), and Advantage learning with
`TorchPolicy` at reference speed, some milliseconds per step, whose runs are small. GRU units are the comparison, by the
same rules, and a network whose weights stay as they are.
"""

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lstm_rl.checks import check_choice, check_int
from lstm_rl.experiments.protocols.trial_settings import PpoConfig

if TYPE_CHECKING:
    from lstm_rl.experiments.engine import Report

FIXED = "self-referential, fixed"
NETWORKS = ("self-referential", FIXED, "introspective", "gru")
LEARNERS = ("advantage", "ppo")
EPISODES = 50
TRIALS = 1_000
"""Tests of what `trial_ppo` has trained, with actions drawn from the policy."""
CHUNK = 500  # steps between two reports
PPO = PpoConfig((), 0, 2_000_000, trials_per_update=100, learning_rate=5e-3, reward_shift=0.5)


@dataclass(frozen=True)
class PolicyRun:
    """Everything that a run depends on."""

    env: str = "TwoArmedBandit"
    """A world's name without `lstm_rl/` and its version."""
    network: str = "self-referential"
    """One of `NETWORKS`."""
    units: int = 8
    """>= 1; of a self-referential network in one layer."""
    seed: int = 0
    max_steps: int = 5_000
    """Of training, >= 1."""
    learner: str = "advantage"
    """One of `LEARNERS`."""
    heads: int = 1
    """Of a self-referential network."""


def check(settings: PolicyRun) -> None:
    """Check that a run can be done.

    Raises:
        ValueError: It cannot.
    """
    from lstm_rl.make import make_env

    check_choice("network", settings.network, NETWORKS)
    check_choice("learner", settings.learner, LEARNERS)
    check_int("units", settings.units, 1)
    check_int("heads", settings.heads, 1)
    check_int("max_steps", settings.max_steps, 1)
    make_env(f"lstm_rl/{settings.env}-v0", {}).close()


def network_of(settings: PolicyRun) -> Any:
    """The network's class, its sizes filled in: of inputs, outputs and ``seed``."""
    from lstm_rl.nn.gru import GruNetwork
    from lstm_rl.nn.introspective import IntrospectiveNetwork
    from lstm_rl.nn.self_referential import SelfReferentialNetwork

    sizes: dict[str, Any] = {"units": settings.units}
    if settings.network in ("self-referential", FIXED):
        own: dict[str, Any] = {"heads": settings.heads, "self_modifying": settings.network != FIXED}
        return partial(SelfReferentialNetwork, **sizes, **own)
    return partial(GruNetwork if settings.network == "gru" else IntrospectiveNetwork, **sizes)


def run(settings: PolicyRun, report: "Report") -> dict[str, Any]:
    """Train one policy, then let it play.

    Returns:
        success: the trained return is above the untrained one; score: mean return of `EPISODES` fresh episodes, played
        greedily, or of `TRIALS` with drawn actions (ppo); untrained: the same before training; optimal, memoryless:
        what the world tells, or None; steps, seconds (CPU).
    """
    import torch

    from lstm_rl.envs.rows import plain_world
    from lstm_rl.make import make_env

    torch.set_num_threads(1)
    train = _whole_trials if settings.learner == "ppo" else _step_by_step
    results = train(settings, f"lstm_rl/{settings.env}-v0", report)
    world = plain_world(make_env(f"lstm_rl/{settings.env}-v0", {}))
    assert world is not None
    known = {"optimal": world.optimal_return, "memoryless": world.memoryless_return}
    return {"success": results["score"] > results["untrained"]} | results | known


def _step_by_step(settings: PolicyRun, name: str, report: "Report") -> dict[str, Any]:
    from lstm_rl.agents import AdvantageLearning
    from lstm_rl.evaluation import play_stepwise
    from lstm_rl.make import make_env, make_rows

    kwargs = {"network": network_of(settings)}
    model = AdvantageLearning("TorchPolicy", make_env(name, {}), policy_kwargs=kwargs, seed=settings.seed)

    def returns() -> float:
        rows = make_rows(name, {}, EPISODES)
        rows.seed(settings.seed + 10**6)
        return float(np.mean(play_stepwise(model, rows, EPISODES)[0]))

    untrained, began = returns(), time.process_time()
    for done in range(0, settings.max_steps, CHUNK):
        model.learn(min(CHUNK, settings.max_steps - done), reset_num_timesteps=False, log_interval=None)
        report(model.num_timesteps)
    seconds = round(time.process_time() - began, 1)
    return {"score": returns(), "untrained": untrained, "steps": model.num_timesteps, "seconds": seconds}


def _whole_trials(settings: PolicyRun, name: str, report: "Report") -> dict[str, Any]:
    import gymnasium as gym
    import torch

    import lstm_rl.envs  # noqa: F401  (registers the worlds)
    from lstm_rl.experiments.protocols.trial_ppo import FromRest, learn, play

    def make(rows: int) -> Any:
        return gym.make_vec(name, rows, autoreset_mode="Disabled")

    env = make(PPO.trials_per_update)
    inputs, actions = env.single_observation_space.shape[0], int(env.single_action_space.n)
    network = FromRest(network_of(settings)(inputs, actions + 1, seed=settings.seed))

    def returns() -> float:
        generator = torch.Generator().manual_seed(settings.seed)
        return float(play(network, make(TRIALS), settings.seed + 10**6, generator).rewards.sum(0).mean())

    untrained, began = returns(), time.process_time()
    steps = learn(network, env, replace(PPO, steps=settings.max_steps), settings.seed, report)
    seconds = round(time.process_time() - began, 1)
    return {"score": returns(), "untrained": untrained, "steps": steps, "seconds": seconds}
