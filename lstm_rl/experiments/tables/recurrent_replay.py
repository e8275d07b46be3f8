"""Learning from replayed sequences: steps to a goal, and returns after equal steps beside RecurrentPPO."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.protocols import replay_run
from lstm_rl.experiments.protocols.replay_run import EPISODES, LAST, POINTS, PPO, REPLAY, ROWS, ReplayRun
from lstm_rl.experiments.statistics import median_text, returns_text, steps_text, successes

if TYPE_CHECKING:
    from pandas import DataFrame

PROTOCOL = f"""\
`RecurrentDQN`, for continuous actions `RecurrentTD3`, from {ROWS[REPLAY]} environments, and RecurrentPPO with the
defaults of sb3-contrib from {ROWS[PPO]}, for the same steps at most. At {POINTS} points of training the greedy policy
plays {EPISODES} fresh episodes. A goal is reached at the first of two points in a row with a mean return as high, and
ends the run. Score: mean of the last {LAST} points. Settings are in the results, one text per row; what they do not
name are the defaults. Medians over runs; in brackets: 95 % intervals."""
MAZE = "burn_in=0 state=zero train_freq=2 exploration_fraction=0.2 n_steps=1"
CART = "n_envs=8 train_freq=2 target_update_interval=400 exploration_fraction=0.1"
CARDS = "burn_in=0 sequence_length=60 train_freq=2"
GRID = "burn_in=20 sequence_length=100 n_steps=5 gamma=0.99 exploration_fraction=0.3"
ARM = "n_envs=1 train_freq=1 batch_size=16 burn_in=10 sequence_length=42 learning_starts=1000 learning_rate=1e-3"
LSTM_DQN = "LSTM with DQN: 50, at times 100, in 1 - 4 M steps; active 250 (Ni et al. 2023, recalled)"
TASKS: tuple[tuple[str, int, float | None, str, bool, str], ...] = (  # task, steps, goal, settings, peer, published
    *(
        (f"NiTMaze{kind} corridor_length={n}", 2_000_000, 0.95, f"{MAZE} sequence_length={2 * n + 4}", False, LSTM_DQN)
        for kind, n in (("Passive", 50), ("Passive", 100), ("Passive", 250), ("Active", 50), ("Active", 250))
    ),
    ("CartPole", 50_000, 500.0, CART, True, "PPO with an LSTM: 500 (model hub of Stable-Baselines3)"),
    ("CartPole hidden=positions", 50_000, 500.0, CART, True, ""),
    *(
        (f"MiniGrid-MemoryS{n}", 2_000_000, 0.95, GRID, True, "PPO with an LSTM, millions of steps")
        for n in (7, 11, 13)
    ),
    *(
        (f"{name} difficulty=easy", 500_000, None, CARDS, True, "")
        for name in ("RepeatFirst", "RepeatPrevious", "CountRecall", "Autoencode", "HigherLower", "Concentration")
    ),
    *(
        (f"{name} difficulty=easy", 500_000, None, CART, True, "")
        for name in ("PositionOnlyCartPole", "VelocityOnlyCartPole", "NoisyPositionOnlyCartPole", "MultiarmedBandit")
    ),
    ("Pendulum, all", 30_000, None, ARM, False, ""),
    ("Pendulum, velocity hidden", 30_000, None, ARM, True, ""),
    ("Hopper, velocities hidden", 300_000, None, ARM, True, ""),
    ("HalfCheetah, velocities hidden", 300_000, None, ARM, True, ""),
)


def score(runs: "DataFrame", _: Mapping[str, Any]) -> dict[str, Any]:
    """Runs that reached the goal, if there is one, after how many steps; the return, and what it cost."""
    cells = dict[str, Any]()
    if runs["goal"].notna().any():
        good, cells["goal reached"] = successes(runs)
        cells["steps to goal"] = median_text(good["solved_at"])
    cost = f"{steps_text(runs['steps'].median())}, {runs['seconds'].median():.3g} s"
    return cells | {"return": returns_text(runs["score"]), "cost": cost}


def _rows() -> Iterator[Row]:
    for task, steps, goal, settings, peer, said in TASKS:
        published = {"": said} if said else {}
        yield Row(task, ReplayRun(task, REPLAY, max_steps=steps, goal=goal, settings=settings), published, REPLAY)
        if peer:
            yield Row(task, ReplayRun(task, PPO, max_steps=steps, goal=goal), {}, PPO)


_ABOUT = "sequences from a replay buffer: steps to a goal, and beside RecurrentPPO"
EXPERIMENTS = (
    Experiment(
        "recurrent-replay", _ABOUT, PROTOCOL, list(_rows()), replay_run.run, score, check=replay_run.check, runs=5
    ),
)
