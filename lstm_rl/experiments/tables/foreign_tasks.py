"""Environments of others with nothing but their ids: what `lstm-rl train` learns, beside RecurrentPPO."""

from collections.abc import Iterator
from typing import Any

from lstm_rl.cli_types import format_kwargs
from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.protocols import replay_run
from lstm_rl.experiments.protocols.replay_run import EPISODES, LAST, POINTS, PPO, REPLAY, ROWS, ReplayRun
from lstm_rl.experiments.replay_charts import curves
from lstm_rl.experiments.tables.recurrent_replay import score
from lstm_rl.presets import REPLAY_ENVS, replay_preset

PROTOCOL = f"""\
The default of `lstm-rl train`, which is `recurrent-dqn` and for Box actions `recurrent-td3`, from {REPLAY_ENVS}
environments, and RecurrentPPO from {ROWS[PPO]}, with settings of `memory-tasks` that cost a tenth of its defaults, for
the same steps. No setting is of the task. At {POINTS} points of training the greedy policy plays {EPISODES} fresh
episodes. Score: mean of the last {LAST} points. "Step by step": the learner that was the default before, one run."""
BEFORE = "step by step"
TASKS: tuple[tuple[str, int, str, bool], ...] = (  # task, steps, the learner step by step, RecurrentPPO beside it
    ("CartPole-v1", 50_000, "207 after 100 k", True),
    ("CartPole-v1, positions only", 50_000, "", True),
    ("FrozenLake-v1", 50_000, ".76 after 200 k", True),
    ("Taxi-v4", 100_000, "-206 after 300 k", True),
    ("LunarLander-v3, velocities hidden", 50_000, "-135 after 300 k", True),
    ("Acrobot-v1", 50_000, "", True),
    ("MountainCar-v0", 50_000, "", True),
    ("MiniGrid-MemoryS7, as it is", 100_000, ".06 after 300 k", False),
    ("Pendulum, all", 20_000, "", False),
    ("Pendulum, velocity hidden", 30_000, "", False),
)


def default_settings(task: str) -> str:
    """The default of `lstm-rl train` as `ReplayRun.settings`."""
    algo = "recurrent-td3" if task.startswith("Pendulum") else "recurrent-dqn"
    return " ".join([f"n_envs={REPLAY_ENVS}", *format_kwargs(replay_preset(algo).replay)]).replace("'", "")


def _rows() -> Iterator[Row]:
    for task, steps, before, peer in TASKS:
        run = ReplayRun(task, REPLAY, max_steps=steps, settings=default_settings(task))
        yield Row(task, run, {BEFORE: before} if before else {}, REPLAY)
        if peer:
            yield Row(task, ReplayRun(task, PPO, max_steps=steps), {}, PPO)


ABOUT = "environments of others with nothing but their ids, beside RecurrentPPO"
_MORE: dict[str, Any] = dict(figures=curves, check=replay_run.check, runs=3)
EXPERIMENTS = (Experiment("foreign-tasks", ABOUT, PROTOCOL, list(_rows()), replay_run.run, score, **_MORE),)
