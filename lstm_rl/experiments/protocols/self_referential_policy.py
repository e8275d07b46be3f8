"""One run of a self-referential network as a policy: it explores, and changes its weights, within an episode.

Advantage learning with `TorchPolicy` at reference speed, some milliseconds per step: runs are small. GRU units are the
comparison, by the same rule.
"""

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lstm_rl.checks import check_choice, check_int

if TYPE_CHECKING:
    from lstm_rl.experiments.engine import Report

NETWORKS = ("self-referential", "introspective", "gru")
EPISODES = 50
CHUNK = 500  # steps between two reports


@dataclass(frozen=True)
class PolicyRun:
    """Everything that a run depends on."""

    env: str = "TwoArmedBandit"
    """A world's name without `lstm_rl/` and its version."""
    network: str = "self-referential"
    """One of `NETWORKS`."""
    units: int = 8
    """>= 1; of a self-referential network in one layer with one head."""
    seed: int = 0
    max_steps: int = 5_000
    """Of training, >= 1."""


def check(settings: PolicyRun) -> None:
    """Check that a run can be done.

    Raises:
        ValueError: It cannot.
    """
    from lstm_rl.make import make_env

    check_choice("network", settings.network, NETWORKS)
    check_int("units", settings.units, 1)
    check_int("max_steps", settings.max_steps, 1)
    make_env(f"lstm_rl/{settings.env}-v0", {}).close()


def run(settings: PolicyRun, report: "Report") -> dict[str, Any]:
    """Train one policy, then let it play greedily.

    Returns:
        success: the trained return is above the untrained one; score: mean greedy return of `EPISODES` fresh episodes;
        untrained: the same before training; optimal, memoryless: what the world tells, or None; steps, seconds (CPU).
    """
    import torch

    from lstm_rl.agents import AdvantageLearning
    from lstm_rl.envs.rows import plain_world
    from lstm_rl.evaluation import play_stepwise
    from lstm_rl.make import make_env, make_rows
    from lstm_rl.nn.gru import GruNetwork
    from lstm_rl.nn.introspective import IntrospectiveNetwork
    from lstm_rl.nn.self_referential import SelfReferentialNetwork

    torch.set_num_threads(1)
    kinds = dict(zip(NETWORKS, (SelfReferentialNetwork, IntrospectiveNetwork, GruNetwork), strict=True))
    name = f"lstm_rl/{settings.env}-v0"
    kwargs = {"network": partial(kinds[settings.network], units=settings.units)}
    model = AdvantageLearning("TorchPolicy", make_env(name, {}), policy_kwargs=kwargs, seed=settings.seed)

    def returns() -> float:
        rows = make_rows(name, {}, EPISODES)
        rows.seed(settings.seed + 10**6)
        return float(np.mean(play_stepwise(model, rows, EPISODES)[0]))

    untrained, began = returns(), time.process_time()
    for done in range(0, settings.max_steps, CHUNK):
        model.learn(min(CHUNK, settings.max_steps - done), reset_num_timesteps=False, log_interval=None)
        report(model.num_timesteps)
    seconds, score = time.process_time() - began, returns()
    world = plain_world(make_env(name, {}))
    assert world is not None
    known = {"optimal": world.optimal_return, "memoryless": world.memoryless_return}
    counted = {"steps": model.num_timesteps, "seconds": round(seconds, 1)}
    return {"success": score > untrained, "score": score, "untrained": untrained} | known | counted
