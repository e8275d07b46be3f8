"""Worlds that need memory, our default beside the same learner without memory and RecurrentPPO of sb3-contrib."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from lstm_rl.experiments.aggregates import summary
from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.memory_charts import pictures
from lstm_rl.experiments.protocols import memory_tasks
from lstm_rl.experiments.protocols.memory_tasks import EPISODES, LAST, METHODS, OURS, PEERS, UNITS, TaskRun, references
from lstm_rl.experiments.statistics import returns_text, steps_text

if TYPE_CHECKING:
    from pandas import DataFrame

M3, M10 = 3_000_000, 10_000_000  # steps of a run of ours
SECONDS = 30.0  # CPU seconds of a run of RecurrentPPO, which gets no more steps than ours
PROTOCOL = f"""\
Worlds of `lstm_rl.envs` without wrappers: agents see the observation alone. Return: mean over {EPISODES} fresh greedy
episodes, averaged over the last {LAST} of 20 points of training. Cost: steps and CPU seconds of training. Ours: preset
`default`, one environment. Without memory: the same with {UNITS} hidden units that see the present observation only.
RecurrentPPO: defaults of sb3-contrib; "fast": 128 steps per rollout, batches of 256, 4 epochs, 64 units, VecNormalize;
8 environments, at most {SECONDS:.0f} CPU seconds. Medians over runs; in brackets: 95 % intervals (bootstrap)."""
NOTES = """\
Published: "scaled" is 0 for the lowest return and 1 for the optimum: (return + 1) / 2 where that is 1. Streaming, PPO:
best streaming learner and recurrent PPO of Farr et al. (2026), 10 M steps, 10 runs; MemoryChain: 500 k steps, a return
above .5. "Recalled": not checked against print. A bandit's or the dark room's optimum is a bound that none exceeds."""
FARR = "scaled: streaming {}, PPO {}"
CHAIN = "minGRU under exact RTRL up to 256, stream Q up to 64 (Farr et al. 2026)"
TASKS: tuple[tuple[str, int, bool, str], ...] = (  # task, steps of ours, whether RecurrentPPO runs, published
    ("MemoryChain length=100", M3, True, CHAIN),
    ("MemoryChain length=256", M3, False, CHAIN),
    ("MemoryChain length=1000", M3, False, ""),
    ("MemoryChain length=10000", M10, False, ""),
    ("NiTMazePassive corridor_length=50", M3, True, "an LSTM with DQN solves it (Ni et al. 2023, recalled)"),
    ("NiTMazeActive corridor_length=50", M3, False, "an LSTM with DQN solves it (Ni et al. 2023, recalled)"),
    ("RepeatFirst difficulty=easy", M3, True, FARR.format(".48", ".31")),
    ("RepeatFirst difficulty=medium", M3, False, ""),
    ("RepeatFirst difficulty=hard", M3, False, ""),
    ("RepeatPrevious difficulty=easy", M3, True, FARR.format(".99", ".81")),
    ("RepeatPrevious difficulty=medium", M3, False, ""),
    ("CountRecall difficulty=easy", M3, True, FARR.format(".23", ".10")),
    ("Autoencode difficulty=easy", M3, False, ""),
    ("HigherLower difficulty=easy", M3, False, "streaming at the ceiling (Farr et al. 2026)"),
    ("Concentration difficulty=easy", M3, False, FARR.format(".42", ".78") + ", without memory .66"),
    ("MultiarmedBandit difficulty=easy", M3, True, FARR.format(".63", ".81") + ", without memory .67"),
    ("TwoArmedBandit", M3, True, ""),
    ("PositionOnlyCartPole difficulty=easy", M3, True, ""),
    ("PositionOnlyCartPole difficulty=medium", M3, False, ""),
    ("PositionOnlyCartPole difficulty=hard", M3, False, ""),
    ("NoisyPositionOnlyCartPole difficulty=easy", M3, True, ""),
    ("CartPole", M3, True, "500: PPO with an LSTM, model hub of Stable-Baselines3"),
    ("MountainCar", M3, False, ""),
    ("Acrobot", M3, False, ""),
    ("DarkRoom", M3, True, ""),
    ("NoisyTMaze corridor_length=20", M3, True, "RL-LSTM 10 of 10 runs (Bakker 2001, recalled)"),
    ("NoisyTMaze corridor_length=70", M3, False, "RL-LSTM some of 10 runs (Bakker 2001, recalled)"),
)


def score(runs: "DataFrame", _: Mapping[str, Any]) -> dict[str, Any]:
    """Median return, and what it cost."""
    diverged = int(runs["diverged"].sum())
    cost = f"{steps_text(runs['steps'].median())}, {runs['seconds'].median():.3g} s"
    return {"return": returns_text(runs["score"]) + f", {diverged} diverged" * bool(diverged), "cost": cost}


def _rows() -> Iterator[Row]:
    for task, steps, peers, said in TASKS:
        for method in METHODS if peers else METHODS[: -len(PEERS)]:
            settings = TaskRun(task, method, max_steps=steps, max_seconds=SECONDS if method in PEERS else None)
            published = {"": said} if said and method == OURS else {}
            yield Row(task, settings, published, method, facts=partial(references, settings))


_ABOUT = "worlds that need memory: ours, the same without memory, RecurrentPPO"
_MORE: dict[str, Any] = dict(figures=pictures, check=memory_tasks.check, notes=NOTES, summary=summary, seed=1003)
EXPERIMENTS = (Experiment("memory-tasks", _ABOUT, PROTOCOL, list(_rows()), memory_tasks.run, score, runs=1, **_MORE),)
