"""One run of a player on trials: many episodes of a task that is new in each trial, learned within the trial.

Our learners are trained on trials of fresh tasks, then their weights are frozen, and their policies play `tasks` fresh
ones: what is learned in these, memory learns. "ours" learns from whole trials, many in step (`trial_ppo`), "planning"
as well (`trial_pgpe`), with a network that counts what actions brought in each state and plans with that
(`lstm_rl.nn.planning`); "streaming" is the actor-critic rule with one update per step (`lstm_rl.agents.actor_critic`).
The other players, of `bandit_players`, `mdp_players` and `room_players`, play as many tasks of the same kind; they know
how tasks are drawn, and learn by the rules of statistics.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_choice, check_int
from lstm_rl.envs import bandits, dark_room, key_to_door, tabular_mdp
from lstm_rl.experiments.protocols import bandit_players, mdp_players, room_players
from lstm_rl.experiments.protocols.sequence_run import parse_settings
from lstm_rl.experiments.protocols.trial_settings import (
    PLANNING_SETTINGS,
    PPO_SETTINGS,
    RECIPES,
    Recipe,
    by_length,
    make_cells,
    settings,
)

if TYPE_CHECKING:
    from lstm_rl.agents import AdvantageLearning
    from lstm_rl.experiments.engine import Report

OURS, PLANNING, STREAMING, RANDOM = "ours", "planning", "streaming", "random"
METHODS: dict[str, tuple[str, ...]] = {  # by the name of the world
    "BernoulliBandit": (*bandit_players.PLAYERS, STREAMING, OURS),
    "TabularMDP": (*mdp_players.PLAYERS, STREAMING, OURS, PLANNING),
    "DarkRoom": (RANDOM, room_players.SEARCH, STREAMING, OURS),
    "DarkKeyToDoor": (RANDOM, STREAMING),
}
BATCH = 1000  # tasks that are played side by side
TESTS = 10**6  # seeds of tests begin here, beyond those of training
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class TrialRun:
    """Everything that a run depends on."""

    task: str
    """A world's name without `lstm_rl/` and its version, and its arguments: "BernoulliBandit arms=5 pulls=10"."""
    method: str
    """One of `METHODS` of this world."""
    seed: int = 0
    tasks: int = 10_000
    """Fresh ones in the test, >= 1."""
    max_steps: int | None = None
    """Of our training; None: as many as `trial_settings` says."""

    def __post_init__(self) -> None:
        check_choice("task", self.world_name, tuple(METHODS))
        check_choice("method", self.method, METHODS[self.world_name])
        check_int("tasks", self.tasks, 1)
        if self.max_steps is not None:
            check_int("max_steps", self.max_steps, 1)

    @property
    def world_name(self) -> str:
        """Such as "BernoulliBandit"."""
        return self.task.partition(" ")[0]

    @cached_property
    def env_kwargs(self) -> dict[str, Any]:
        """The world's arguments."""
        return parse_settings(self.task.partition(" ")[2])


def check(run_settings: TrialRun) -> None:
    """Check that a run can be done.

    Raises:
        ValueError: There is no such world.
    """
    world_of(run_settings)


def world_of(run_settings: TrialRun) -> Any:
    """The run's `World`.

    Raises:
        ValueError: There is none.
    """
    from lstm_rl.envs.rows import plain_world
    from lstm_rl.make import make_env

    world = plain_world(make_env(f"lstm_rl/{run_settings.world_name}-v0", run_settings.env_kwargs))
    assert world is not None
    return world


def run(run_settings: TrialRun, report: "Report") -> dict[str, Any]:
    """Let one player play, ours after training; see the module.

    Returns:
        success: whether anything was played; score: mean return of a trial; error: its standard error over tasks;
        curve: mean return of each inner episode (of bandits: expected payout of each pull); best: the same if one knows
        each task, or None; setting: c or epsilon of a player that has one, else None; weights, steps, seconds: of our
        training (CPU seconds), else None.
    """
    world = world_of(run_settings)
    found: dict[str, Any] = {"setting": None, "weights": None, "steps": None, "seconds": None}
    if run_settings.method in (OURS, PLANNING):
        returns, curve, best, of_training = _whole_trials(run_settings, world, report)
        found |= of_training
    elif run_settings.method == STREAMING:
        chosen = by_length(RECIPES[run_settings.world_name], world)
        model, seconds = train(run_settings, world, chosen, report)
        found |= {"weights": int(model.policy.weight_vector().size), "steps": model.num_timesteps, "seconds": seconds}
        returns, curve, best = _test(run_settings, world, model.policy, chosen.greedy)
    elif run_settings.world_name == "BernoulliBandit":
        returns, curve, best, found["setting"] = _bandit_player(run_settings)
    elif run_settings.world_name == "TabularMDP":
        returns, curve, best = _mdp_player(run_settings)
    elif run_settings.method == room_players.SEARCH:
        returns, curve, best = _room_player(run_settings)
    else:
        returns, curve, best = _test(run_settings, world, None)
    return {
        "success": len(returns) == run_settings.tasks,
        "score": float(returns.mean()),
        "error": float(returns.std() / np.sqrt(len(returns))),
        "best": best,
        **found,
        "curve": [round(float(value), 4) for value in curve],
    }


def _whole_trials(
    run_settings: TrialRun, world: Any, report: "Report"
) -> tuple[Numbers, Numbers, float | None, dict[str, Any]]:
    """Train on whole trials and test: as `_test`, and what is known of the training."""
    import gymnasium as gym
    import torch

    from lstm_rl.experiments.protocols import trial_pgpe, trial_ppo

    torch.set_num_threads(1)
    learner: Any = trial_ppo if run_settings.method == OURS else trial_pgpe
    known: Any = PPO_SETTINGS if run_settings.method == OURS else PLANNING_SETTINGS
    rule = by_length(known[run_settings.world_name], world)
    if run_settings.max_steps is not None:
        rule = replace(rule, steps=run_settings.max_steps)

    def make(rows: int) -> Any:
        name = f"lstm_rl/{run_settings.world_name}-v0"
        return gym.make_vec(name, rows, autoreset_mode="Disabled", **run_settings.env_kwargs)

    compiling = make(1)
    compiling.reset(seed=0)
    compiling.step(np.zeros(1, np.int64))
    began = time.process_time()
    env = make(rule.trials_per_update)
    network = learner.make_network(env, rule, run_settings.seed)
    steps = learner.learn(network, env, rule, run_settings.seed, report)
    seconds = round(time.process_time() - began, 1)

    def record(count: int, seed: int, into: _Record) -> None:
        totals, generator = np.zeros(count), torch.Generator().manual_seed(seed)

        def on_step(rewards: Any, states: Numbers) -> None:
            totals[:] += rewards
            into.add(totals, states)

        trial_ppo.play(network, make(count), seed, generator, on_step)

    weights = sum(each.numel() for each in network.parameters())
    return *_in_batches(run_settings, world, record), {"weights": weights, "steps": steps, "seconds": seconds}


def train(run_settings: TrialRun, world: Any, chosen: Recipe, report: "Report") -> tuple["AdvantageLearning", float]:
    """The streaming learner after its training, and the CPU seconds that this took, compilation aside."""
    import torch
    from stable_baselines3.common.callbacks import BaseCallback

    from lstm_rl.agents import AdvantageLearning
    from lstm_rl.agents.config import Config
    from lstm_rl.make import make_env

    torch.set_num_threads(1)

    def learner() -> AdvantageLearning:
        env = make_env(f"lstm_rl/{run_settings.world_name}-v0", run_settings.env_kwargs)
        network = {"topology": make_cells(chosen, world)}
        config = Config(**settings(chosen, world))
        return AdvantageLearning("LstmPolicy", env, config, policy_kwargs=network, seed=run_settings.seed)

    class Progress(BaseCallback):
        """Tells how far training has come."""

        def steps_until_next(self) -> int:
            """Steps until it is called again."""
            return 100_000

        def _on_step(self) -> bool:
            report(self.num_timesteps)
            return True

    learner().learn(2)  # compiles
    model, began = learner(), time.process_time()
    model.learn(run_settings.max_steps or chosen.steps, Progress(), log_interval=None)
    return model, round(time.process_time() - began, 1)


def _test(
    run_settings: TrialRun, world: Any, policy: Any, greedy: bool = True
) -> tuple[Numbers, Numbers, float | None]:
    """Returns of trials (tasks,), mean returns of their inner episodes, and the best arm's mean pay per pull.

    ``policy`` plays with frozen weights, ``greedy`` or drawing its actions; None: random actions.
    """
    from lstm_rl.agents.rollouts import play

    def record(count: int, seed: int, into: _Record) -> None:
        if policy is None:
            _play_randomly(run_settings, count, seed, into)
        else:
            play(policy, world, count, seed, greedy, into.add)

    return _in_batches(run_settings, world, record)


def _in_batches(
    run_settings: TrialRun, world: Any, record: Callable[[int, int, "_Record"], None]
) -> tuple[Numbers, Numbers, float | None]:
    """As `_test`, of what ``record`` plays, given how many trials, their seed and where they are counted."""
    returns, inner, best = list[Numbers](), np.zeros(episodes_of(run_settings, world)), 0.0
    for start in range(0, run_settings.tasks, BATCH):
        count = min(BATCH, run_settings.tasks - start)
        into = _Record(run_settings, world, count)
        record(count, TESTS + run_settings.seed * run_settings.tasks + start, into)
        returns.append(into.returns)
        inner += into.inner
        best += into.best
    known = run_settings.world_name == "BernoulliBandit"
    return np.concatenate(returns), inner / run_settings.tasks, best / run_settings.tasks if known else None


def episodes_of(run_settings: TrialRun, world: Any) -> int:
    """Inner episodes of a trial; a pull of a bandit is one."""
    column = {"BernoulliBandit": bandits.TIME, "TabularMDP": tabular_mdp.EPISODES, "DarkKeyToDoor": key_to_door.ROUNDS}
    if run_settings.world_name == "DarkRoom":
        return int(world.params[dark_room.END] / world.params[dark_room.ROUND_STEPS])
    return int(world.params[column[run_settings.world_name]])


class _Record:
    """Returns by trial and by inner episode of trials that are played side by side."""

    def __init__(self, run_settings: TrialRun, world: Any, count: int) -> None:
        self.returns = np.zeros(count)
        self.inner = np.zeros(episodes_of(run_settings, world))  # sums over trials
        self.best = 0.0  # sum over trials of the largest probability of an arm
        self._name, self._params = run_settings.world_name, world.params
        self._step, self._round = 0, np.zeros(count, np.int64)

    def add(self, totals: Numbers, states: Numbers) -> None:
        """Take the returns so far (E,) and the states (E, S) after a step of all."""
        np.add.at(self.inner, np.minimum(self._round, len(self.inner) - 1), totals - self.returns)
        self.returns = totals.copy()
        self._step += 1
        if self._name == "DarkKeyToDoor":
            self._round = states[:, key_to_door.ROUND].astype(np.int64)
        else:
            steps = {"TabularMDP": tabular_mdp.HORIZON, "DarkRoom": dark_room.ROUND_STEPS}.get(self._name)
            self._round[:] = self._step // (1 if steps is None else int(self._params[steps]))
        if self._name == "BernoulliBandit" and self._step == 1:
            self.best = float(states[:, bandits.ARMS :].max(axis=1).sum())


def _play_randomly(run_settings: TrialRun, count: int, seed: int, record: _Record) -> None:
    import gymnasium as gym

    env = gym.make_vec(f"lstm_rl/{run_settings.world_name}-v0", count, **run_settings.env_kwargs)
    rng, playing, totals = np.random.default_rng(seed), np.ones(count, np.bool_), np.zeros(count)
    _, info = env.reset(seed=seed)
    states: Numbers = info["state"].copy()
    while playing.any():
        _, rewards, terminated, truncated, info = env.step(rng.integers(env.single_action_space.n, size=count))  # type: ignore[attr-defined]
        totals += np.where(playing, rewards, 0.0)
        states[playing] = info["state"][playing]
        record.add(totals, states)
        playing &= ~(terminated | truncated)


def _bandit_player(run_settings: TrialRun) -> tuple[Numbers, Numbers, float, float | None]:
    arms, pulls = (int(run_settings.env_kwargs[name]) for name in ("arms", "pulls"))
    seed = TESTS + run_settings.seed
    score, setting = bandit_players.player(run_settings.method, arms, pulls)
    p = np.random.default_rng(seed).random((run_settings.tasks, arms))
    paid, _ = bandit_players.play(score, p, pulls, seed + 1)
    return paid.sum(axis=1), paid.mean(axis=0), float(p.max(axis=1).mean()), setting


def _mdp_player(run_settings: TrialRun) -> tuple[Numbers, Numbers, None]:
    world = world_of(run_settings)
    states, actions, horizon, episodes = world.params.astype(int)
    rng, returns = np.random.default_rng(TESTS + run_settings.seed), list[Numbers]()
    for start in range(0, run_settings.tasks, BATCH):
        count = min(BATCH, run_settings.tasks - start)
        means = rng.normal(1.0, 1.0, (count, states, actions))
        moves = rng.dirichlet(np.ones(states), (count, states, actions))
        seed = TESTS + run_settings.seed * run_settings.tasks + start
        returns.append(mdp_players.play(run_settings.method, means, moves, horizon, episodes, seed))
    inner = np.concatenate(returns)
    return inner.sum(axis=1), inner.mean(axis=0), None


def _room_player(run_settings: TrialRun) -> tuple[Numbers, Numbers, None]:
    world = world_of(run_settings)
    size, steps = (int(world.params[column]) for column in (dark_room.SIZE, dark_room.ROUND_STEPS))
    by_goal = room_players.search_returns(size, steps, episodes_of(run_settings, world))
    goals = np.random.default_rng(TESTS + run_settings.seed).integers(len(by_goal), size=run_settings.tasks)
    return by_goal[goals].sum(axis=1), by_goal[goals].mean(axis=0), None
