"""Learning from replayed sequences: steps to a goal, and returns after equal steps beside RecurrentPPO."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.protocols import replay_run
from lstm_rl.experiments.protocols.replay_run import EPISODES, LAST, POINTS, PPO, REPLAY, ROWS, ReplayRun
from lstm_rl.experiments.protocols.replay_settings import (
    BALANCE,
    BANDIT,
    BODY,
    CARDS,
    CART,
    GRIDS,
    MAZES,
    SWING,
    SWING_SEEN,
)
from lstm_rl.experiments.replay_charts import curves
from lstm_rl.experiments.statistics import median_text, returns_text, steps_text, successes

if TYPE_CHECKING:
    from pandas import DataFrame

PROTOCOL = f"""\
`RecurrentDQN`, for Box actions `RecurrentTD3`, from {ROWS[REPLAY]} environments unless its settings say otherwise, and
RecurrentPPO from {ROWS[PPO]}, with settings of `memory-tasks` that cost a tenth of its defaults, for the same steps. At
{POINTS} points of training the greedy policy plays {EPISODES} fresh episodes. A goal is reached at the first of two
points in a row with a mean return as high, and ends the run. Score: mean of the last {LAST} points. Medians; in
brackets 95 % intervals."""
LSTM_PPO = "PPO with an LSTM"
LSTM_DQN = "LSTM with DQN: 50, at times 100, in 1 - 4 M steps; active 250 (Ni et al. 2023, recalled)"
GAMES = dict.fromkeys(("RepeatFirst", "RepeatPrevious", "CountRecall", "HigherLower"), 51)
GAMES |= {"Autoencode": 103, "Concentration": 105}
TASKS: tuple[tuple[str, int, float | None, str, bool, str], ...] = (  # task, steps, goal, settings, peer, published
    *((f"NiTMaze{name}", steps, 0.95, settings, False, LSTM_DQN) for name, (steps, settings) in MAZES.items()),
    ("CartPole", 50_000, 500.0, BALANCE, True, f"{LSTM_PPO}: 500 (model hub of Stable-Baselines3)"),
    ("CartPole hidden=positions", 50_000, 500.0, BALANCE, True, ""),
    *(
        (f"MiniGrid-MemoryS{n}", steps, 0.95, settings, True, f"{LSTM_PPO}, millions of steps")
        for n, (steps, settings) in GRIDS.items()
    ),
    *((f"{name} difficulty=easy", 200_000, None, CARDS.format(length), True, "") for name, length in GAMES.items()),
    *(
        (f"{name}CartPole difficulty=easy", 200_000, None, CART, True, "")
        for name in ("PositionOnly", "VelocityOnly", "NoisyPositionOnly")
    ),
    ("MultiarmedBandit difficulty=easy", 200_000, None, BANDIT, True, ""),
    ("Pendulum, all", 12_000, None, SWING_SEEN, False, ""),
    ("Pendulum, velocity hidden", 30_000, None, SWING, True, ""),
    *((f"{body}, velocities hidden", 60_000, None, BODY, True, "") for body in ("Hopper", "HalfCheetah")),
)


def score(runs: "DataFrame", _: Mapping[str, Any]) -> dict[str, Any]:
    """Runs that reached the goal, if there is one, after how many steps; the return, and what it cost."""
    cells = dict[str, Any]()
    if runs["solved_at"].notna().any() or not runs["success"].all():  # there is a goal
        good, cells["goal reached"] = successes(runs)
        cells["steps to goal"] = median_text(good["solved_at"])
    cost = f"{steps_text(runs['steps'].median())}, {runs['seconds'].median():.3g} s"
    return cells | {"return": returns_text(runs["score"]), "cost": cost}


def _rows() -> Iterator[Row]:
    for task, steps, goal, settings, peer, said in TASKS:
        device = "auto" if task.startswith("MiniGrid") else "cpu"  # 984 inputs, where a GPU saves something
        run = ReplayRun(task, REPLAY, max_steps=steps, goal=goal, settings=settings, device=device)
        yield Row(task, run, {"": said} if said else {}, REPLAY)
        if peer:
            yield Row(task, ReplayRun(task, PPO, max_steps=steps, goal=goal), {}, PPO)


ABOUT = "replayed sequences: steps to a goal, and returns beside RecurrentPPO"
_MORE: dict[str, Any] = dict(figures=curves, check=replay_run.check, runs=5)
EXPERIMENTS = (Experiment("recurrent-replay", ABOUT, PROTOCOL, list(_rows()), replay_run.run, score, **_MORE),)
