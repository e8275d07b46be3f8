"""One run of a learner on a world that needs memory: greedy returns on the way, by steps and by CPU seconds.

Our learner, with and without memory, learns inside the compiled loop from one environment; RecurrentPPO of sb3-contrib
learns from `PEER_ENVS` of them side by side. A run has a budget of steps, or of steps and CPU seconds, whichever is
spent first. At `SHARES` of its budget the greedy policy plays `EPISODES` fresh episodes that are not learned from; the
time that this takes does not count. The score is the mean of the last `LAST` of these points.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from lstm_rl.checks import check_choice, check_float, check_int, needs_extra
from lstm_rl.experiments.protocols.sequence_run import parse_settings

if TYPE_CHECKING:
    from lstm_rl.agents import AdvantageLearning
    from lstm_rl.experiments.engine import Report

OURS = "ours"
WITHOUT = "ours without memory"
PPO, FAST = "RecurrentPPO", "RecurrentPPO fast"
PEERS: dict[str, dict[str, Any]] = {  # arguments of RecurrentPPO; the fast one gets VecNormalize as well
    PPO: {},
    FAST: {"n_steps": 128, "batch_size": 256, "n_epochs": 4, "policy_kwargs": {"lstm_hidden_size": 64}},
}
METHODS = (OURS, WITHOUT, *PEERS)
PEER_ENVS = 8
UNITS = 8
"""Hidden units of the network that cannot remember; 32 learned worse what the present alone tells."""
EPISODES = 100
SHARES: tuple[float, ...] = (0.0, *np.geomspace(0.001, 0.1, 10).tolist(), *(k / 10 for k in range(2, 11)))
"""Shares of the budget at which a run is looked at: 20, close together at first, so that learners that differ a
thousandfold in steps per second can be compared after equal steps."""
LAST = 3


@dataclass(frozen=True)
class TaskRun:
    """Everything that a run depends on."""

    task: str
    """A world's name without `lstm_rl/` and its version, and its arguments: "RepeatFirst difficulty=easy"."""
    method: str = OURS
    """One of `METHODS`."""
    seed: int = 0
    max_steps: int = 3_000_000
    """Budget in environment steps, over all environments."""
    max_seconds: float | None = None
    """Budget in CPU seconds of training; None: no limit."""

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)
        check_int("max_steps", self.max_steps, 1)
        if self.max_seconds is not None:
            check_float("max_seconds", self.max_seconds, 0.0, open_low=True)

    @property
    def env_id(self) -> str:
        """The world's id."""
        return f"lstm_rl/{self.task.partition(' ')[0]}-v0"

    @cached_property
    def env_kwargs(self) -> dict[str, Any]:
        """The world's arguments."""
        return parse_settings(self.task.partition(" ")[2])


def check(settings: TaskRun) -> None:
    """Check that a run can be done.

    Raises:
        ValueError: There is no such world, or sb3-contrib is asked for and not installed.
    """
    world_of(settings)
    if settings.method in PEERS and find_spec("sb3_contrib") is None:
        raise ValueError(f"{needs_extra(settings.method, 'sb3-contrib', 'baselines')}, or --rows '{OURS}'")


def world_of(settings: TaskRun) -> Any:
    """The run's `World`.

    Raises:
        ValueError: There is none.
    """
    from lstm_rl.envs.rows import plain_world
    from lstm_rl.make import make_env

    world = plain_world(make_env(settings.env_id, settings.env_kwargs))
    assert world is not None
    return world


def references(settings: TaskRun) -> dict[str, str]:
    """What the world itself tells of returns, as columns of a table."""
    world = world_of(settings)
    known = {"optimum": world.optimal_return, "best without memory": world.memoryless_return}
    return {name: "not known" if value is None else f"{value:.3g}" for name, value in known.items()}


def normalised(score: float, memoryless: float | None, optimal: float | None) -> float | None:
    """A return on the scale on which the best without memory is 0 and the optimum 1; None if either is not known."""
    if memoryless is None or optimal is None:
        return None
    return (score - memoryless) / (optimal - memoryless)


def run(settings: TaskRun, report: "Report") -> dict[str, Any]:
    """Train one learner; see the module.

    Returns:
        success: whether the score is nearer to the optimum than to the best return without memory (False if one of
        them is not known); score: greedy return; normalised: see `normalised`; optimal, memoryless: what the world
        tells, or None; steps and seconds at the last point; diverged: whether weights left the finite numbers, which
        ends a run; curve: [steps, CPU seconds, mean greedy return] of each point.
    """
    import torch

    torch.set_num_threads(1)
    world = world_of(settings)
    curve = (_peer if settings.method in PEERS else _ours)(settings, report)
    points = curve.points
    score = float(np.mean([point[2] for point in points[1:][-LAST:] or points]))  # no untrained policy among them
    scaled = normalised(score, world.memoryless_return, world.optimal_return)
    return {
        "success": scaled is not None and scaled > 0.5,
        "score": score,
        "normalised": scaled,
        "optimal": world.optimal_return,
        "memoryless": world.memoryless_return,
        "steps": points[-1][0],
        "seconds": points[-1][1],
        "diverged": curve.diverged,
        "curve": points,
    }


class Curve:
    """Greedy returns on the way, and the clock of training, which stands still while the policy is looked at.

    Args:
        settings: Of the run.
        returns: From the number of a point, a seed, to the mean return of fresh greedy episodes.
    """

    def __init__(self, settings: TaskRun, returns: Callable[[int], float]) -> None:
        self.settings, self.returns = settings, returns
        self.points: list[list[float]] = []
        self.due = list(SHARES)
        self.diverged = False
        self.began = time.process_time()

    def look(self, steps: int) -> bool:
        """Add a point if one is due; return whether there is any budget left."""
        now = time.process_time()
        seconds = now - self.began
        spent = max(steps / self.settings.max_steps, seconds / (self.settings.max_seconds or np.inf))
        if self.due and spent >= self.due[0]:
            self.due = [share for share in self.due if share > spent]
            number = len(self.points)
            self.points.append([steps, round(seconds, 4), self.returns(self.settings.seed + 10**6 * number)])
            self.began += time.process_time() - now
        return bool(self.due)

    def steps_left(self, steps: int) -> int:
        """Steps until the next point is due by steps."""
        return max(1, int(np.ceil(self.due[0] * self.settings.max_steps)) - steps) if self.due else 1


def learner(settings: TaskRun) -> "AdvantageLearning":
    """Our learner with the default for the world, or the same with a network that sees nothing but the present."""
    from lstm_rl.agents import AdvantageLearning
    from lstm_rl.make import make_env
    from lstm_rl.presets import preset
    from lstm_rl.topology import Topology

    chosen = preset("default", settings.env_id, env_kwargs=settings.env_kwargs)
    env = make_env(settings.env_id, chosen.env_kwargs | settings.env_kwargs)
    network: dict[str, Any] = {}
    if settings.method == WITHOUT:
        world = world_of(settings)
        network["topology"] = Topology(
            world.observation_space.shape[0],
            int(world.action_space.n),
            hidden=UNITS,
            hidden_sees=("input",),
            input_range=0.3,
            bias_range=0.3,
        )
    return AdvantageLearning("LstmPolicy", env, chosen.config, policy_kwargs=network, seed=settings.seed)


def _ours(settings: TaskRun, report: "Report") -> Curve:
    """Train our learner."""
    from stable_baselines3.common.callbacks import BaseCallback

    from lstm_rl.agents import DivergedError
    from lstm_rl.agents.rollouts import play

    world = world_of(settings)
    play(learner(settings).learn(2).policy, world, 1, 0)  # compiles
    model = learner(settings)
    curve = Curve(settings, lambda seed: float(play(model.policy, world, EPISODES, seed).returns.mean()))

    class Look(BaseCallback):
        """Looks at the policy where a point is due."""

        def steps_until_next(self) -> int:
            """Steps until then."""
            return curve.steps_left(model.num_timesteps)

        def _on_training_start(self) -> None:
            curve.look(0)

        def _on_step(self) -> bool:
            report(self.num_timesteps)
            return curve.look(self.num_timesteps)

    try:
        model.learn(settings.max_steps, Look(), log_interval=None)
    except DivergedError:
        curve.diverged = True
    return curve


def make_peer(method: str, envs: Any, seed: int, device: str = "auto") -> Any:
    """RecurrentPPO of sb3-contrib on vector environments, with the settings of `PEERS`."""
    from gymnasium.spaces import Box
    from sb3_contrib import RecurrentPPO
    from stable_baselines3.common.vec_env import VecNormalize

    numbers = isinstance(envs.observation_space, Box)  # words of a code are as they should be
    seen = VecNormalize(envs, norm_obs=numbers) if method == FAST else envs
    return RecurrentPPO("MlpLstmPolicy", seen, seed=seed, device=device, **PEERS[method])


def seen_by(model: Any, rows: Any) -> Any:
    """Rows as a model is to see them: with the statistics of observations that its own environments have, if any."""
    from stable_baselines3.common.vec_env import VecNormalize

    if (trained := model.get_vec_normalize_env()) is None:
        return rows
    played = VecNormalize(rows, training=False, norm_obs=trained.norm_obs, norm_reward=False)
    if trained.norm_obs:
        played.obs_rms = trained.obs_rms  # the same object, which training goes on to update
    return played


def _peer(settings: TaskRun, report: "Report") -> Curve:
    """Train RecurrentPPO."""
    from stable_baselines3.common.callbacks import BaseCallback

    from lstm_rl.evaluation import play_stepwise
    from lstm_rl.make import make_rows

    envs = make_rows(settings.env_id, settings.env_kwargs, PEER_ENVS)
    rows = make_rows(settings.env_id, settings.env_kwargs, EPISODES)
    model = make_peer(settings.method, envs, settings.seed)
    played = seen_by(model, rows)

    def returns(seed: int) -> float:
        rows.seed(seed)
        return float(np.mean(play_stepwise(model, played, EPISODES)[0]))

    curve = Curve(settings, returns)

    class Look(BaseCallback):
        """Looks at the policy between updates and rollouts: within a rollout it does not change."""

        def _on_rollout_start(self) -> None:
            report(self.num_timesteps)
            curve.look(self.num_timesteps)

        def _on_step(self) -> bool:
            return bool(curve.due)

    model.learn(settings.max_steps, Look())
    curve.look(model.num_timesteps)
    rows.close()
    return curve
