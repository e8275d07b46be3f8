"""Bandits: what they draw and show, and the optimal returns that they state."""

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from lstm_rl.envs.bandit_returns import many_armed_bound, two_armed_optimum, two_armed_win_stay, win_stay_payouts
from lstm_rl.envs.bandits import ARMS, multiarmed_bandit, two_armed_bandit
from lstm_rl.envs.dynamics import World
from lstm_rl.envs.vector import WorldVectorEnv

N = 4000


def play(world: World, rule: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[Any]], n: int = N) -> Any:
    """Returns (n,) of a rule that sees each row's payouts and pulls per arm, both (n, k)."""
    env = WorldVectorEnv(world, n, AutoresetMode.SAME_STEP)
    observation, _ = env.reset(seed=1)
    k = int(world.action_space.n)
    payouts, pulls, total = np.zeros((n, k), np.int64), np.zeros((n, k), np.int64), np.zeros(n)
    assert world.max_steps is not None
    for t in range(world.max_steps):
        actions = rule(payouts, pulls)
        observation, rewards, _, truncated, infos = env.step(actions)
        if t == world.max_steps - 1:
            assert truncated.all()
            observation = np.stack(infos["final_obs"])
        assert np.array_equal(observation[:, 1 : 1 + k].argmax(axis=1), actions)
        payouts[np.arange(n), actions] += observation[:, 0].astype(np.int64)
        pulls[np.arange(n), actions] += 1
        total += rewards
    return total


def assert_mean(values: Any, expected: float | None) -> None:
    assert values.mean() == pytest.approx(expected, abs=4 * values.std() / np.sqrt(len(values)))


@pytest.mark.parametrize(("pulls", "expected"), [(10, 6.022), (20, 12.431), (50, 31.997)])
def test_two_independent_arms_have_the_known_optimum(pulls: int, expected: float) -> None:
    assert two_armed_optimum(pulls, False) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("dependent", [False, True])
@pytest.mark.parametrize("low", [None, 0.1, 0.25, 0.4])
def test_the_optimum_equals_that_of_all_beliefs(low: float | None, dependent: bool) -> None:
    """A slow recursion over histories with an explicit grid of possible arms."""
    grid = (np.arange(2000) + 0.5) / 2000 if low is None else np.array([low, 1 - low])
    if dependent:
        arms = np.array([(p, 1 - p) for p in grid])
    else:
        arms = np.array(list(product(grid[::20] + 0.00475 if low is None else grid, repeat=2)))

    @cache
    def value(history: tuple[int, int, int, int], left: int) -> float:
        if left == 0:
            return 0.0
        (w, x, v, y), best = history, 0.0
        weight = arms[:, 0] ** w * (1 - arms[:, 0]) ** x * arms[:, 1] ** v * (1 - arms[:, 1]) ** y
        for arm in (0, 1):
            p = float(weight @ arms[:, arm] / weight.sum())
            win, lose = list(history), list(history)
            win[2 * arm] += 1
            lose[2 * arm + 1] += 1
            after = p * (1 + value(tuple(win), left - 1)) + (1 - p) * value(tuple(lose), left - 1)
            best = max(best, after)
        return best

    assert two_armed_optimum(5, dependent, low) == pytest.approx(value((0, 0, 0, 0), 5), rel=2e-4)


@pytest.mark.parametrize("probabilities", ["uniform", "easy", "medium", "hard"])
def test_pulling_the_arm_that_looks_better_is_optimal_for_p_and_1_minus_p(probabilities: Any) -> None:
    world = two_armed_bandit(probabilities=probabilities)

    def better(payouts: NDArray[np.int64], pulls: NDArray[np.int64]) -> NDArray[Any]:
        losses = pulls - payouts
        return np.where(payouts[:, 0] + losses[:, 1] >= payouts[:, 1] + losses[:, 0], 0, 1)

    total = play(world, better)
    assert_mean(total, world.optimal_return)


def test_the_dynamic_programmes_policy_gets_its_value_on_independent_arms() -> None:
    pulls = 12
    world = two_armed_bandit(pulls, arms="independent")

    @cache
    def value(w: int, a: int, v: int, b: int) -> tuple[float, int]:  # payouts and pulls of either arm
        if a + b == pulls:
            return 0.0, 0
        p, q = (w + 1) / (a + 2), (v + 1) / (b + 2)
        first = p * (1 + value(w + 1, a + 1, v, b)[0]) + (1 - p) * value(w, a + 1, v, b)[0]
        second = q * (1 + value(w, a, v + 1, b + 1)[0]) + (1 - q) * value(w, a, v, b + 1)[0]
        return max(first, second), int(second > first)

    def best(payouts: NDArray[np.int64], pulled: NDArray[np.int64]) -> NDArray[Any]:
        counts = np.stack([payouts[:, 0], pulled[:, 0], payouts[:, 1], pulled[:, 1]], axis=1).tolist()
        return np.array([value(*row)[1] for row in counts])

    assert world.optimal_return == pytest.approx(value(0, 0, 0, 0)[0], rel=1e-12)
    assert_mean(play(world, best), world.optimal_return)


def win_stay(world: World) -> NDArray[np.float64]:
    last, before = np.zeros(N, np.int64), np.zeros(N, np.int64)
    k = int(world.action_space.n)

    def rule(payouts: NDArray[np.int64], pulls: NDArray[np.int64]) -> NDArray[Any]:
        nonlocal last, before
        total = payouts.sum(axis=1)
        last = np.where((total > before) | (pulls.sum(axis=1) == 0), last, (last + 1) % k)
        before = total
        return last

    returns: NDArray[np.float64] = play(world, rule)
    return returns


@pytest.mark.parametrize(
    "world",
    [
        multiarmed_bandit(),
        multiarmed_bandit(num_bandits=3, max_steps=7),
        two_armed_bandit(),
        two_armed_bandit(30, probabilities="easy"),
        two_armed_bandit(30, arms="independent"),
        two_armed_bandit(30, arms="independent", probabilities="medium"),
    ],
)
def test_win_stay_lose_shift_gets_what_is_stated(world: World) -> None:
    assert_mean(win_stay(world), world.memoryless_return)
    assert world.memoryless_return < world.optimal_return  # type: ignore[operator]


def test_the_bound_lies_between_the_optimum_and_knowing_all_arms() -> None:
    for pulls in (1, 10, 50, 150):
        assert two_armed_optimum(pulls, False) <= many_armed_bound(2, pulls) <= pulls * 2 / 3 + 1e-12
    for level, arms, stated in (("easy", 10, 0.802), ("medium", 20, 0.857), ("hard", 30, 0.882)):
        world = multiarmed_bandit(level)  # type: ignore[arg-type]
        assert world.optimal_return == pytest.approx(stated, abs=5e-4)
        assert world.optimal_return is not None and world.optimal_return < 2 * arms / (arms + 1) - 1

    def sampled(payouts: NDArray[np.int64], pulls: NDArray[np.int64]) -> NDArray[Any]:
        arms: NDArray[Any] = rng.beta(payouts + 1, pulls - payouts + 1).argmax(axis=1)  # Thompson
        return arms

    rng = np.random.default_rng(0)
    total = play(multiarmed_bandit(), sampled, 1000)
    assert multiarmed_bandit().memoryless_return < total.mean() < multiarmed_bandit().optimal_return


def test_returns_of_two_arms_agree_with_those_of_many() -> None:
    assert two_armed_win_stay(20, False) == win_stay_payouts(2, 20)
    assert win_stay_payouts(5, 1) == pytest.approx(0.5) and win_stay_payouts(3, 2) == pytest.approx(1 / 3 + 1 / 4 + 0.5)
    assert multiarmed_bandit(num_bandits=2, max_steps=20).optimal_return == pytest.approx((2 * 12.431265 - 20) / 200)


def test_arms_are_drawn_as_stated() -> None:
    def arms(world: World) -> Any:
        return WorldVectorEnv(world, N).reset(seed=0)[1]["state"][:, ARMS:]

    uniform = arms(multiarmed_bandit())
    assert uniform.shape == (N, 10) and uniform.min() < 0.001 and uniform.max() > 0.999
    np.testing.assert_allclose(uniform.mean(axis=0), 0.5, atol=4 * 0.289 / np.sqrt(N))
    assert np.abs(np.corrcoef(uniform.T) - np.eye(10)).max() < 5 / np.sqrt(N)
    pair = arms(two_armed_bandit(probabilities="medium"))
    np.testing.assert_allclose(pair.sum(axis=1), 1.0)
    assert set(pair[:, 0]) == {0.25, 0.75} and abs((pair[:, 0] == 0.25).mean() - 0.5) < 4 * 0.5 / np.sqrt(N)
    both = arms(two_armed_bandit(arms="independent", probabilities="hard"))
    assert {tuple(row) for row in both} == {(a, b) for a in (0.4, 0.6) for b in (0.4, 0.6)}


def test_the_time_is_shown_if_asked() -> None:
    env = WorldVectorEnv(two_armed_bandit(4, show_time=True), 1)
    seen = [env.reset(seed=0)[0], *(env.step(np.array([1]))[0] for _ in range(4))]
    assert [float(o[0, -1]) for o in seen] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert seen[0].tolist() == [[0.0] * 4] and all(o[0, 1:3].tolist() == [0.0, 1.0] for o in seen[1:])


def test_a_limit_changes_neither_rewards_nor_the_time_that_is_shown() -> None:
    short, timed = multiarmed_bandit(max_steps=20), two_armed_bandit(10, show_time=True, max_steps=5)
    assert (short.max_steps, timed.max_steps) == (20, 5)
    assert short.params[1:3].tolist() == [1 / 200, -1 / 200] and timed.params[0] == 10
    assert timed.optimal_return == two_armed_optimum(5, True)
    assert short.optimal_return == pytest.approx((2 * many_armed_bound(10, 20) - 20) / 200)


def test_long_bandits_state_no_returns_that_would_take_long_to_compute() -> None:
    assert two_armed_bandit(10**6).optimal_return is None
    assert multiarmed_bandit(max_steps=10**6).optimal_return is None
    assert two_armed_bandit(151, arms="independent").memoryless_return is None


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (multiarmed_bandit, "difficulty", "Easy"),
        *((multiarmed_bandit, "num_bandits", value) for value in (1, 1001, 2.5)),
        *((make, "max_steps", value) for make in (multiarmed_bandit, two_armed_bandit) for value in (0, 10**7, "3")),
        (two_armed_bandit, "pulls", 0),
        (two_armed_bandit, "arms", "both"),
        (two_armed_bandit, "probabilities", 0.1),
    ],
)
def test_a_bad_argument_is_named_with_its_value(make: Callable[..., World], name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be ") as error:
        make(**{name: value})
    assert repr(value) in str(error.value)
