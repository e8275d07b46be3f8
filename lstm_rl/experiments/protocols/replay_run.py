"""One run of a learner with replayed sequences, or of RecurrentPPO of sb3-contrib, on a task that needs memory.

At 20 points of training the greedy policy plays `EPISODES` fresh episodes that are not learned from. A task with a goal
is solved at the first of two points in a row with a mean return of the goal or more, and the run ends; the score is the
mean of the last `LAST` points.
"""

import time
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lstm_rl.checks import check_choice, check_int, needs_extra
from lstm_rl.experiments.protocols.memory_tasks import FAST, PEER_ENVS, make_peer, seen_by
from lstm_rl.experiments.protocols.sequence_run import parse_settings

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecMonitor

    from lstm_rl.experiments.engine import Report

REPLAY, PPO = "replay", FAST
METHODS = (REPLAY, PPO)
ROWS = {REPLAY: 16, PPO: PEER_ENVS}
"""Environments side by side."""
EPISODES, POINTS, LAST = 50, 20, 3


class ExternalTask(NamedTuple):
    """A task from another package."""

    env_id: str
    hidden: tuple[int, ...] = ()
    """Entries of the observation that are hidden."""
    package: str = "gymnasium"
    extra: str = ""
    """What brings the package."""
    wrappers: tuple[str, ...] = ()
    """Around it, the innermost first, as "module:class"."""
    flat: bool = False
    """Whether the entries of observations become one vector, since RecurrentPPO takes no small image beside others."""


def _minigrid(name: str) -> ExternalTask:
    """A grid whose 7 x 7 cells are one-hot codes of object, colour and state, as MiniGrid's own wrapper gives them."""
    wrappers = ("minigrid.wrappers:OneHotPartialObsWrapper",)
    return ExternalTask(f"MiniGrid-{name}-v0", (), "minigrid", "tasks", wrappers, flat=True)


EXTERNAL_TASKS = {
    "Pendulum, all": ExternalTask("Pendulum-v1"),
    "Pendulum, velocity hidden": ExternalTask("Pendulum-v1", (2,)),
    "Hopper, velocities hidden": ExternalTask("Hopper-v5", tuple(range(5, 11)), "mujoco", "tasks"),
    "HalfCheetah, velocities hidden": ExternalTask("HalfCheetah-v5", tuple(range(8, 17)), "mujoco", "tasks"),
    **{f"MiniGrid-MemoryS{n}": _minigrid(f"MemoryS{n}") for n in (7, 11, 13)},
    "MiniGrid-MemoryS7, as it is": ExternalTask("MiniGrid-MemoryS7-v0", (), "minigrid", "tasks"),
    **{
        name: ExternalTask(name) for name in ("CartPole-v1", "FrozenLake-v1", "Taxi-v4", "Acrobot-v1", "MountainCar-v0")
    },
    "CartPole-v1, positions only": ExternalTask("CartPole-v1", (1, 3)),
    "LunarLander-v3, velocities hidden": ExternalTask("LunarLander-v3", (2, 3, 5), "Box2D", "tasks"),
}


@dataclass(frozen=True)
class ReplayRun:
    """Everything that a run depends on."""

    task: str
    """A world's name without `lstm_rl/` and its version, and its arguments; or one of `EXTERNAL_TASKS`."""
    method: str = REPLAY
    """One of `METHODS`."""
    seed: int = 0
    max_steps: int = 500_000
    """Budget in environment steps, over all environments."""
    goal: float | None = None
    """Mean return of greedy episodes with which the task is solved."""
    settings: str = ""
    """Of the replay learner, as "n_steps=3 burn_in=10"; see `lstm_rl.agents.algorithms.make_replay`."""
    device: str = "cpu"
    """Of the replay learner's networks: cpu, cuda or auto."""

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)
        check_int("max_steps", self.max_steps, POINTS)


def make_envs(task: str, n: int) -> "VecMonitor":
    """N environments of a task.

    Raises:
        ValueError: There is no such task, or its package is not installed.
    """
    from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

    from lstm_rl.make import make_rows

    if task not in EXTERNAL_TASKS:
        name, _, arguments = task.partition(" ")
        return make_rows(f"lstm_rl/{name}-v0", parse_settings(arguments), n)
    external = EXTERNAL_TASKS[task]
    if find_spec(external.package) is None:
        raise ValueError(needs_extra(task, external.package, external.extra))
    return VecMonitor(DummyVecEnv([partial(_make, external)] * n))


def _make(external: ExternalTask) -> Any:
    from importlib import import_module

    import gymnasium as gym
    from gymnasium.wrappers import FlattenObservation

    from lstm_rl.envs.sb3 import fit_for_sb3
    from lstm_rl.envs.wrappers import HideEntries

    import_module(external.package)  # which registers its environments
    env: gym.Env[Any, Any] = gym.make(external.env_id)
    for wrapper in external.wrappers:
        module, _, name = wrapper.partition(":")
        env = getattr(import_module(module), name)(env)
    env = fit_for_sb3(HideEntries(env, external.hidden) if external.hidden else env)
    return FlattenObservation(env) if external.flat else env


def check(settings: ReplayRun) -> None:
    """Check that a run can be done.

    Raises:
        ValueError: It cannot; the message says why.
    """
    if settings.method == PPO and find_spec("sb3_contrib") is None:
        raise ValueError(f"{needs_extra(PPO, 'sb3-contrib', 'baselines')}, or --rows '{REPLAY}'")
    make_envs(settings.task, 1).close()


def make_model(settings: ReplayRun) -> Any:
    """The learner of a run, new."""
    from gymnasium.spaces import Box

    values = parse_settings(settings.settings)
    envs = make_envs(settings.task, values.pop("n_envs", ROWS[settings.method]))
    if settings.method == PPO:
        return make_peer(PPO, envs, settings.seed, device="cpu")
    from lstm_rl.agents.algorithms import make_replay

    algo: Any = "recurrent-td3" if isinstance(envs.action_space, Box) else "recurrent-dqn"
    policy = values.pop("policy", "LstmPolicy")
    return make_replay(algo, policy, envs, values, seed=settings.seed, device=settings.device)


def run(settings: ReplayRun, report: "Report") -> dict[str, Any]:
    """Train one learner; see the module.

    Returns:
        success: whether a goal was reached (without a goal: True); solved_at: steps at the first of the two points;
        score; steps and CPU seconds of training; curve: [steps, seconds, mean greedy return] of each point.
    """
    import torch
    from stable_baselines3.common.callbacks import BaseCallback

    from lstm_rl.evaluation import play_stepwise

    torch.set_num_threads(1)
    model = make_model(settings)
    played = seen_by(model, make_envs(settings.task, EPISODES))
    points: list[list[float]] = []
    spent, began = 0.0, time.process_time()

    class Look(BaseCallback):
        """Plays greedy episodes where a point is due."""

        def _on_rollout_end(self) -> None:
            report(self.num_timesteps)
            due = self.num_timesteps >= (len(points) + 1) * settings.max_steps / POINTS
            if due and solved_at(points, settings.goal) is None:
                look()

        def _on_step(self) -> bool:
            return solved_at(points, settings.goal) is None

    def look() -> None:
        nonlocal spent, began
        spent += time.process_time() - began
        played.seed(settings.seed + 10**6 * (len(points) + 1))
        returns = float(np.mean(play_stepwise(model, played, EPISODES)[0]))
        points.append([model.num_timesteps, round(spent, 2), returns])
        began = time.process_time()

    model.learn(settings.max_steps, Look(), log_interval=None)
    if not points or points[-1][0] < model.num_timesteps and solved_at(points, settings.goal) is None:
        look()
    played.close()
    model.env.close()
    at = solved_at(points, settings.goal)
    return {
        "success": settings.goal is None or at is not None,
        "solved_at": at,
        "score": float(np.mean([point[2] for point in points[-LAST:]])) if at is None else points[-1][2],
        "steps": int(points[-1][0]),
        "seconds": points[-1][1],
        "curve": points,
    }


def solved_at(points: list[list[float]], goal: float | None) -> int | None:
    """Steps at the first of two points in a row that reach the goal; ``None`` if there are none."""
    if goal is None:
        return None
    good = [point[2] >= goal - 1e-6 for point in points]
    return next((int(points[k][0]) for k in range(len(good) - 1) if good[k] and good[k + 1]), None)
