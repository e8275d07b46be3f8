"""One run with the robot: train in the compiled twin until the maze is solved, then test in MuJoCo.

While it trains, a learner plays `TRIAL` fresh greedy episodes of the twin whenever more than `SHARE` of the last
`WINDOW` episodes were right, at most once in `PAUSE` episodes; the maze is solved when `SOLVED` of
them are right in so many trials in a row.
Then, or when the budget is spent, it plays other fresh episodes greedily in the twin and in MuJoCo, without learning.
"""

import json
import time
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lstm_rl.checks import check_choice, check_float, check_int, needs_extra

if TYPE_CHECKING:
    from lstm_rl.experiments.engine import Report

OURS, WITHOUT, REPLAY, RECORD, PPO = "ours", "ours without memory", "replayed", "from a record", "RecurrentPPO"
METHODS = (OURS, WITHOUT, REPLAY, RECORD, PPO)
VARIANTS: dict[str, dict[str, Any]] = {
    "basic": {},
    "irrelevant lamp": {"irrelevant_lamp": True},
    "sequence": {"junctions": 3},
}
TRIAL, SHARE, WINDOW, PAUSE, SOLVED = 200, 0.8, 50, 10, 0.995
RIGHT = 0.99  # of the episodes at the end: a success
TEST_EPISODES = 1000  # greedy episodes in the twin at the end
UNITS = 8  # hidden units of the network without memory
UPDATES = 1000  # of each network that learns from a record, after each round
PEER_ENVS = 8
REPLAYED: dict[str, Any] = {"steps": 26_500, "train_freq": 1, "gradient_steps": 4, "burn_in": 0, "sequence_length": 60}
REPLAYED |= {"period": 20, "n_steps": 10, "lambda_": 0.8, "gamma": 0.97, "reward_scale": 0.5, "previous_action": True}
REPLAYED |= {"units": 32, "embedding": 32, "features": 32, "horizon": 40, "schedule": "linear", "averaging": 1000}
REPLAYED |= {"target_update_interval": 400, "learning_starts": 400, "prioritized": True}
REPLAYED |= {"exploration_fraction": 0.2, "exploration_final_eps": 0.2, "exploration_spread": 1.0}
REPLAYED |= {"duration_exponent": 2.0}
"""Of "replayed": arguments of `make_replay`, and the steps at which schedules end."""


@dataclass(frozen=True)
class RobotRun:
    """Everything that a run depends on."""

    variant: str = "basic"
    """One of `VARIANTS`."""
    seed: int = 0
    method: str = OURS
    """One of `METHODS`."""
    events: bool = True
    """Whether a step lasts until an event; else ``action_repeat`` control steps."""
    stem: float | None = None
    """Metres from the start to the junction; None: the world's own."""
    gap: float = 0.0325
    """Metres between the robot and the wall that it follows."""
    motors: bool = False
    """Whether the speeds of the wheels are inputs."""
    action_repeat: int = 1
    """Control steps of a decision, without events."""
    max_episodes: int = 1000
    """Budget in episodes."""
    max_seconds: float = 120.0
    """Budget in CPU seconds of training."""
    rounds: int = 1
    """From a record: how often episodes are recorded and then learned from; the first time behaviours are random."""
    overrides: str = "{}"
    """Fields of `Config` that differ from its defaults, as JSON; of "replayed" those of `REPLAYED`."""
    mujoco_episodes: int = 200
    """Greedy episodes in MuJoCo at the end."""
    in_a_row: int = 10
    """Trials in a row that have to be passed until training ends."""

    def __post_init__(self) -> None:
        check_choice("variant", self.variant, tuple(VARIANTS))
        check_choice("method", self.method, METHODS)
        for name in ("action_repeat", "max_episodes", "rounds", "in_a_row"):
            check_int(name, getattr(self, name), 1)
        check_int("mujoco_episodes", self.mujoco_episodes, 0)
        check_float("max_seconds", self.max_seconds, 0.0, open_low=True)

    @property
    def env_id(self) -> str:
        """The twin's id."""
        return f"lstm_rl/RobotTMaze{'Events' if self.events else 'Twin'}-v0"

    @property
    def env_kwargs(self) -> dict[str, Any]:
        """The maze's arguments, of the twin and of MuJoCo."""
        repeat = {} if self.events else {"action_repeat": self.action_repeat}
        return {"stem": self.stem, "gap": self.gap, "motors": self.motors} | VARIANTS[self.variant] | repeat


def check(settings: RobotRun) -> None:
    """Raise ``ValueError`` if the maze cannot be made, or a package is missing."""
    from lstm_rl.make import make_env

    make_env(settings.env_id, settings.env_kwargs)
    if settings.mujoco_episodes and find_spec("mujoco") is None:
        raise ValueError(needs_extra("the test in MuJoCo", "mujoco", "robot"))
    if settings.method == PPO and find_spec("sb3_contrib") is None:
        raise ValueError(needs_extra(PPO, "sb3-contrib", "baselines"))


def run(settings: RobotRun, report: "Report") -> dict[str, Any]:
    """Train and test; see the module.

    Returns:
        success: whether `RIGHT` of the last episodes in the twin and, where asked, in MuJoCo were right; solved: as the
        module says, before the budget was spent; episodes, steps (decisions) and CPU seconds of training; twin and
        mujoco: shares of greedy episodes that were right; diverged: whether weights left the finite numbers, which ends
        a run.
    """
    import torch

    from lstm_rl.envs import ROBOT

    torch.set_num_threads(1)
    learn = {RECORD: _from_record, PPO: _peer, REPLAY: _replayed}.get(settings.method, learn_online)
    model, results = learn(settings, report)
    results["twin"] = _right(model, settings.env_id, settings.env_kwargs, TEST_EPISODES, settings.seed)
    results["mujoco"] = None
    if settings.mujoco_episodes:
        kwargs = settings.env_kwargs | {"events": settings.events}
        results["mujoco"] = _right(model, ROBOT, kwargs, settings.mujoco_episodes, settings.seed)
    results["success"] = results["twin"] >= RIGHT and (results["mujoco"] is None or results["mujoco"] >= RIGHT)
    return results


def _right(model: Any, env_id: str, kwargs: dict[str, Any], episodes: int, seed: int) -> float:
    """The share of fresh greedy episodes that end right."""
    from lstm_rl.agents import AdvantageLearning
    from lstm_rl.envs import ROBOT
    from lstm_rl.evaluation import evaluate, play_stepwise
    from lstm_rl.make import make_rows

    if isinstance(model, AdvantageLearning) and env_id != ROBOT:  # in compiled code
        return float(evaluate(model, env_id, kwargs, episodes, seed)["success_rate"])
    rows = make_rows(env_id, kwargs, min(10 if env_id == ROBOT else 100, episodes))  # MuJoCo's take long to make
    rows.seed(100 * seed)
    _, _, successes = play_stepwise(model, rows, episodes)
    rows.close()
    return sum(successes) / len(successes)


def learn_online(settings: RobotRun, report: "Report") -> tuple[Any, dict[str, Any]]:
    """Our learner, online, with or without memory."""
    from lstm_rl.agents import AdvantageLearning, Config
    from lstm_rl.make import make_env
    from lstm_rl.topology import Topology

    overrides = {"chunk_size": 100 if settings.events else 1000} | json.loads(settings.overrides)
    config, network = Config(**overrides), dict[str, Any]()
    env = make_env(settings.env_id, settings.env_kwargs)
    if settings.method == WITHOUT:
        inputs, outputs = env.observation_space.shape[0], int(env.action_space.n)  # type: ignore[index, attr-defined]
        ranges = {"input_range": 0.3, "bias_range": 0.3}
        network["topology"] = Topology(inputs, outputs, hidden=UNITS, hidden_sees=("input",), **ranges)  # type: ignore[arg-type]
    model = AdvantageLearning("LstmPolicy", env, config, policy_kwargs=network, seed=settings.seed)
    return model, _train(model, settings, report)


def _peer(settings: RobotRun, report: "Report") -> tuple[Any, dict[str, Any]]:
    """RecurrentPPO of sb3-contrib with its defaults, on `PEER_ENVS` environments."""
    from sb3_contrib import RecurrentPPO

    from lstm_rl.make import make_rows

    envs = make_rows(settings.env_id, settings.env_kwargs, PEER_ENVS)
    model = RecurrentPPO("MlpLstmPolicy", envs, seed=settings.seed, stats_window_size=100)
    return model, _train(model, settings, report)


def _replayed(settings: RobotRun, report: "Report") -> tuple[Any, dict[str, Any]]:
    """`RecurrentDQN`, which learns from each episode many times, on `PEER_ENVS` environments."""
    from lstm_rl.agents.algorithms import make_replay
    from lstm_rl.make import make_rows

    values = REPLAYED | json.loads(settings.overrides)
    steps, envs = values.pop("steps"), make_rows(settings.env_id, settings.env_kwargs, PEER_ENVS)
    model = make_replay("recurrent-dqn", "LstmPolicy", envs, values, seed=settings.seed, device="cpu")
    return model, _train(model, settings, report, steps)


def _train(model: Any, settings: RobotRun, report: "Report", steps: int = 10**12) -> dict[str, Any]:
    """Train a model of stable-baselines3's kind until the maze is solved or the budget is spent, ``steps`` included."""
    from stable_baselines3.common.callbacks import BaseCallback

    from lstm_rl.agents import AdvantageLearning, DivergedError

    class Until(BaseCallback):
        """Counts episodes, plays trials."""

        chunked = True  # calls at the ends of chunks will do
        episodes, trials, next_trial, passed = 0, 0, 0, 0
        tested = 0.0  # CPU seconds of trials

        def __init__(self) -> None:
            super().__init__()
            self.last: list[bool] = []

        def _on_step(self) -> bool:
            report(self.num_timesteps)
            ours = isinstance(self.model, AdvantageLearning)
            infos = self.locals["episodes" if ours else "infos"]  # of a chunk, or of a step
            ended = [bool(info["is_success"]) for info in infos if "is_success" in info]
            self.episodes += len(ended)
            self.last = [*self.last, *ended][-WINDOW:]
            often = len(self.last) == WINDOW and sum(self.last) > SHARE * WINDOW
            if often and self.episodes >= self.next_trial:
                self.trials, self.next_trial = self.trials + 1, self.episodes + PAUSE
                now, seed = time.process_time(), settings.seed + 10**6 * self.trials
                good = _right(model, settings.env_id, settings.env_kwargs, TRIAL, seed) >= SOLVED
                self.passed = self.passed + 1 if good else 0
                self.tested += time.process_time() - now
            spent = time.process_time() - begun - self.tested
            enough = self.passed >= settings.in_a_row
            return not enough and self.episodes < settings.max_episodes and spent < settings.max_seconds

    until, diverged, begun = Until(), False, time.process_time()
    try:
        model.learn(steps, until, log_interval=None)
    except DivergedError:
        diverged = True
    seconds = round(time.process_time() - begun - until.tested, 2)
    counts = {"episodes": until.episodes, "steps": model.num_timesteps, "seconds": seconds}
    return {"solved": until.passed >= settings.in_a_row} | counts | {"diverged": diverged}


def _from_record(settings: RobotRun, report: "Report") -> tuple[Any, dict[str, Any]]:
    """A network that learns from the record of the budget's episodes alone, in one or more rounds."""
    from lstm_rl.experiments.protocols.recorded_q import RecordedQ, join, record_episodes
    from lstm_rl.make import make_env

    env = make_env(settings.env_id, settings.env_kwargs)
    inputs, actions = env.observation_space.shape[0], int(env.action_space.n)  # type: ignore[index, attr-defined]
    agent, begun, records = RecordedQ(inputs, actions, settings.seed), time.process_time(), list[Any]()
    for number in range(settings.rounds):
        share = settings.max_episodes * (number + 1) // settings.rounds - sum(int(r.starts.sum()) for r in records)
        seed = 10**6 * settings.seed + settings.max_episodes * number
        records.append(record_episodes(agent, env, share, 1.0 if number == 0 else 0.3, seed)[0])
        agent.learn_from(join(*records), UPDATES)
        report(number + 1)
    seconds = round(time.process_time() - begun, 2)
    solved = _right(agent, settings.env_id, settings.env_kwargs, TRIAL, settings.seed + 10**6) >= SOLVED
    counts = {"episodes": settings.max_episodes, "steps": sum(len(r.starts) for r in records), "seconds": seconds}
    return agent, {"solved": solved} | counts | {"diverged": False}
