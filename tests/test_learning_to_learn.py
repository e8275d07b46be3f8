"""Trials, their worlds, the players that learners are measured against, and the experiment."""

import itertools
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from lstm_rl.commands.experiments import Reproduce, reproduce
from lstm_rl.envs.bandit_returns import many_armed_bound, many_armed_optimum, two_armed_optimum
from lstm_rl.envs.dark_room import search_bounds
from lstm_rl.envs.tabular_mdp import tables
from lstm_rl.envs.trial import Trial
from lstm_rl.experiments.protocols import bandit_players, mdp_players, room_players
from lstm_rl.experiments.protocols.gittins import gittins_indices
from lstm_rl.experiments.protocols.trial_run import TrialRun, run


class Tape:
    """A generator that hands out given rows, and anything at all for the resets of inner episodes."""

    def __init__(self, rows: Any) -> None:
        self.rows, self.resetting = iter(rows), False

    def random(self, size: int) -> Any:
        """The next row, or numbers that must not matter."""
        return np.full(size, 0.123) if self.resetting else next(self.rows)[:size]


class Resets(gym.Wrapper[Any, Any, Any, Any]):
    """Tells the tape when an inner episode is reset."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """See `gymnasium.Env.reset`."""
        tape: Any = self.env.unwrapped.np_random
        tape.resetting = options is not None
        answer = self.env.reset(options=options)
        tape.resetting = False
        return answer


TRIALS: dict[str, tuple[dict[str, Any], dict[str, Any], int]] = {  # arguments of a trial, of one episode, numbers shown
    "BernoulliBandit": ({"arms": 3, "pulls": 6}, {"arms": 3, "pulls": 1}, 0),
    "TabularMDP": ({"episodes": 6}, {"episodes": 1}, 10),
    "DarkRoom": ({"rounds": 6, "terminates": True}, {"rounds": 1, "terminates": True}, 18),
    "DarkKeyToDoor": ({"rounds": 6, "size": 3}, {"rounds": 1, "size": 3}, 6),
}


@pytest.mark.parametrize("name", TRIALS)
def test_compiled_trial_equals_the_wrapper_on_the_plain_world(name: str) -> None:
    """Step by step: observation, last action, last reward, flag, reward and end, on the same numbers."""
    arguments, single, shown = TRIALS[name]
    whole = gym.make(f"lstm_rl/{name}-v0", **arguments).unwrapped
    plain = gym.make(f"lstm_rl/{name}-v0", **single).unwrapped
    wrapped = Trial(Resets(plain), 6, {"same_task": True})
    rng = np.random.default_rng(3)
    for _ in range(3):
        rows = rng.random((400, 4))
        whole.np_random, plain.np_random = Tape(rows), Tape(rows)  # type: ignore[assignment]
        (seen, _), (joined, _) = whole.reset(), wrapped.reset()
        terminated, ends, actions = False, 0, int(whole.action_space.n)  # type: ignore[attr-defined]
        while not terminated:
            own = joined[-actions - 2 :]
            flag = seen[-1] if shown else own[-1]
            parts = (
                (seen[:shown], seen[-actions:], seen[:1]) if not shown else (seen[:shown], seen[shown:-2], seen[-2:-1])
            )
            np.testing.assert_array_equal(np.concatenate([*parts, [flag]]), np.append(joined[:shown], own))
            action = rng.integers(actions)
            seen, reward, terminated, truncated, _ = whole.step(action)
            joined, inner, over, cut, info = wrapped.step(action)
            assert (reward, terminated, truncated) == (inner, over, cut)
            ends += "inner_return" in info
        assert ends == 6


def test_trial_keeps_the_task_by_seed_and_changes_it_with_the_trial() -> None:
    """Cart pole: the start is its task; the flag, zeros at first, and one end for Gymnasium."""
    env = Trial(gym.make("CartPole-v1"), 3)
    starts, flags = [], []
    for trial in range(2):
        observation, _ = env.reset(seed=5 if trial == 0 else None)
        np.testing.assert_array_equal(observation[4:], [0, 0, 0, 1])
        starts.append([observation[:4]])
        terminated = False
        while not terminated:
            observation, _, terminated, truncated, info = env.step(1)
            assert not truncated
            np.testing.assert_array_equal(observation[4:7], [0, 1, 1])
            flags.append(observation[7])
            if observation[7] == 1.0 and not terminated:
                starts[-1].append(observation[:4])
    assert sum(flags) == 6
    assert [len(own) for own in starts] == [3, 3]
    assert np.ptp(starts[0], axis=0).max() == np.ptp(starts[1], axis=0).max() == 0.0
    assert (starts[0][0] != starts[1][0]).any()


def test_same_task_is_refused_where_there_is_none() -> None:
    """No task in the world, or no episode before."""
    with pytest.raises(ValueError, match="needs a world with a task"):
        env = gym.make("lstm_rl/MountainCar-v0")
        env.reset(seed=0)
        env.reset(options={"same_task": True})
    with pytest.raises(ValueError, match="needs an episode before"):
        gym.make("lstm_rl/TabularMDP-v0").reset(options={"same_task": True})
    with pytest.raises(ValueError, match="episodes"):
        Trial(gym.make("CartPole-v1"), 0)


def test_options_that_are_unknown_are_refused() -> None:
    """By every face of a world, and so by a trial of it, which cannot keep its task by them."""
    trial = Trial(gym.make("lstm_rl/DarkRoom-v0", max_steps=1), 2, same_task={"same_room": True}, low=0, high=1)
    trial.reset(seed=0)
    with pytest.raises(ValueError, match="^options of reset must be among same_task, got same_room$"):
        trial.step(0)
    with pytest.raises(ValueError, match="^options of reset must be among reset_mask, got same_task$"):
        gym.make_vec("lstm_rl/DarkRoom-v0", 2).reset(options={"same_task": True})
    with pytest.raises(ValueError, match="^options of reset must be left out here, got same_task$"):
        gym.make("lstm_rl/Sequence-v0", task="parity").reset(options={"same_task": True})


def test_random_processes_are_drawn_as_published() -> None:
    """Mean rewards Normal(1, 1), transitions flat Dirichlet: variance 9 / 1100 for 10 states."""
    env: Any = gym.make("lstm_rl/TabularMDP-v0").unwrapped
    states = np.array([env.reset(seed=seed)[1]["state"] for seed in range(200)])
    means, moves = tables(env.world, states)
    assert means.shape == (200, 10, 5)
    assert means.mean() == pytest.approx(1.0, abs=0.03)
    assert means.std() == pytest.approx(1.0, abs=0.03)
    np.testing.assert_allclose(moves.sum(axis=-1), 1.0)
    assert moves.var() == pytest.approx(9 / 1100, rel=0.03)
    assert np.corrcoef(means[:-1].ravel(), means[1:].ravel())[0, 1] == pytest.approx(0.0, abs=0.04)


@pytest.mark.parametrize(
    ("gamma", "table"),
    [(0.9, {(0, 0): 0.7029, (1, 1): 0.6346, (2, 2): 0.6010, (9, 1): 0.8695}), (0.99, {(0, 0): 0.8699})],
)
def test_gittins_indices_of_the_published_table(gamma: float, table: dict[tuple[int, int], float]) -> None:
    """As printed by Gittins et al. (2011), Bernoulli arms with a uniform prior, to four digits."""
    indices = gittins_indices(12, gamma)
    for (s, f), value in table.items():
        assert indices[s, f] == pytest.approx(value, abs=6e-5)
    assert np.isnan(indices[11, 1])


def test_bayes_optimum_of_few_pulls() -> None:
    """Against the two-armed one, which is computed otherwise, and below the bound of any policy."""
    assert many_armed_optimum(2, 12) == pytest.approx(two_armed_optimum(12, False), abs=1e-12)
    assert many_armed_optimum(5, 10) == pytest.approx(6.660, abs=5e-4)
    assert many_armed_optimum(50, 10) == many_armed_optimum(10, 10)  # who pulls ten times needs no eleventh arm
    assert many_armed_optimum(5, 10) < many_armed_bound(5, 10)


def _return_of_a_path(path: tuple[int, ...], steps: int, goal: tuple[int, int]) -> int:
    """In a 3 x 3 room: walk the path until the goal is found, stay there, and go straight to it in later rounds."""
    moves = ((0, 0), (0, -1), (1, 0), (0, 1), (-1, 0))
    rounds, total = len(path) // steps, 0
    for each in range(rounds):
        x = y = 1
        for t, action in enumerate(path[each * steps : (each + 1) * steps]):
            x, y = min(max(x + moves[action][0], 0), 2), min(max(y + moves[action][1], 0), 2)
            if (x, y) == goal:
                distance = abs(goal[0] - 1) + abs(goal[1] - 1)
                return total + steps - t + (rounds - 1 - each) * max(steps + 1 - max(distance, 1), 0)
    return total


def test_no_search_of_a_small_room_exceeds_the_bound() -> None:
    """All paths of two rounds of three steps in a 3 x 3 room; the best one comes near; and 9 x 9 by hand."""
    goals = [(x, y) for x in range(3) for y in range(3)]
    paths = itertools.product(range(5), repeat=6)
    best = max(sum(_return_of_a_path(path, 3, goal) for goal in goals) for path in paths) / len(goals)
    bound, later = search_bounds(3, 3, 2)
    assert best <= bound <= 1.2 * best
    assert bound == pytest.approx((3 + 2 + 1 + 3 * 3 + 3 + 2 + 1) / 9)  # first round, its cells later, second round
    assert later == pytest.approx((3 * 3 + 3 + 2 + 1) / 9)
    assert search_bounds()[1] < 0.9 * 16.5  # of what who knows the goal gets


def test_players_of_bandits_come_to_the_published_figures() -> None:
    """10 pulls at 5 arms, and none above the Bayes optimum."""
    p = np.random.default_rng(0).random((4000, 5))
    expected = {"random": 5.0, "greedy": 6.56, "UCB1": 6.65, "Thompson": 5.8, "OTS": 5.95, "Gittins": 6.63}
    for name, value in expected.items():
        score, _ = bandit_players.player(name, 5, 10)
        paid, pulled = bandit_players.play(score, p, 10, 1)
        assert paid.shape == (4000, 5 * 2)
        assert pulled.sum(axis=1).mean() == pytest.approx(value, abs=0.08), name
        assert pulled.sum(axis=1).mean() < many_armed_optimum(5, 10) + 0.06


def test_players_of_mdps() -> None:
    """Planning by hand on two states, and knowing beats sampling beats chance."""
    means = np.array([[[0.0, 1.0], [5.0, 0.0]]])
    moves = np.zeros((1, 2, 2, 2))
    moves[0, 0, 0, 1] = moves[0, 0, 1, 0] = moves[0, 1, :, 0] = 1.0  # action 0 of state 0 leads to state 1, which pays
    np.testing.assert_array_equal(mdp_players.plan(means, moves, 2), [[[0, 0], [1, 0]]])
    rng = np.random.default_rng(1)
    means, moves = rng.normal(1.0, 1.0, (200, 10, 5)), rng.dirichlet(np.ones(10), (200, 10, 5))
    returns = {name: mdp_players.play(name, means, moves, 10, 20, 2).sum(axis=1).mean() for name in mdp_players.PLAYERS}
    assert returns["random"] == pytest.approx(200.0, abs=10.0)
    assert returns["random"] < returns["PSRL"] < returns["knows"]
    assert returns["random"] < returns["greedy"] < returns["greedy per step"] < returns["knows"]


def test_a_search_of_a_dark_room() -> None:
    """Nine cells, three steps a round: the middle, then West and its North, as a pencil finds; and the bound holds."""
    returns = room_players.search_returns(3, 3, 3)
    np.testing.assert_array_equal(returns[4], [3, 3, 3])  # stays there at first
    np.testing.assert_array_equal(returns[1], [2, 3, 3])  # one to the West
    np.testing.assert_array_equal(returns[0], [1, 2, 2])  # and one to the North
    full = room_players.search_returns(9, 20, 10)
    assert (full[:, -1] > 0).all()
    trial, later = search_bounds()
    assert 130.0 < full.sum(axis=1).mean() < trial and 14.4 < full[:, 1:].mean() < later


@pytest.mark.parametrize(
    ("task", "method", "length"),
    [
        ("BernoulliBandit arms=2 pulls=4", "streaming", 4),
        ("TabularMDP episodes=2 states=2 actions=2 horizon=3", "streaming", 2),
        ("DarkKeyToDoor size=3 round_steps=5 rounds=2", "random", 2),
        ("DarkRoom size=3 round_steps=5 rounds=2 terminates=True", "search", 2),
    ],
)
def test_a_run_counts_what_it_played(task: str, method: str, length: int) -> None:
    """The inner episodes' returns add up to the trials' return."""
    result = run(TrialRun(task, method, 1, tasks=50, max_steps=200), lambda _: None)
    assert len(result["curve"]) == length
    assert sum(result["curve"]) == pytest.approx(result["score"], abs=1e-3)
    assert result["success"]
    assert (result["weights"] is not None) == (method == "streaming")


def test_reproduce_writes_table_and_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A shrunken row of each kind, by the command."""
    for rows in ("10 pulls, 5 arms, greedy", "MDP, 10 episodes, PSRL"):
        reproduce(Reproduce("learning-to-learn", ("tasks=20",), rows=rows, out=tmp_path / "l2l", progress=False))
    assert "1 of 1 runs done" in capsys.readouterr().out
    text = (tmp_path / "l2l" / "table.md").read_text(encoding="utf-8")
    assert "greedy" in text
    assert {path.name for path in (tmp_path / "l2l").glob("*.png")} == {"regret.png", "inner_episodes.png"}


@pytest.mark.parametrize(
    ("task", "method", "message"),
    [
        ("Bandit", "ours", "task"),
        ("DarkRoom", "UCB1", "method"),
        ("BernoulliBandit arms=1 pulls=3", "random", "arms"),
    ],
)
def test_bad_runs_are_refused(task: str, method: str, message: str) -> None:
    """Unknown worlds and methods, and arguments out of range."""
    with pytest.raises(ValueError, match=message):
        run(TrialRun(task, method), lambda _: None)
