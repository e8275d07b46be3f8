"""Card tasks: how cards are drawn, perfect policies, and what is possible without memory."""

from collections import Counter
from collections.abc import Callable
from itertools import product
from math import comb
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray

from lstm_rl.envs.autoencode import autoencode
from lstm_rl.envs.cards import draw, hypergeometric
from lstm_rl.envs.concentration import concentration
from lstm_rl.envs.count_recall import count_recall
from lstm_rl.envs.dynamics import World
from lstm_rl.envs.env import WorldEnv
from lstm_rl.envs.higher_lower import HIGHER, LOWER, higher_lower
from lstm_rl.envs.repeat_first import repeat_first
from lstm_rl.envs.repeat_previous import repeat_previous

LEVELS = ("easy", "medium", "hard")
MAKERS: dict[str, Callable[[Any], World]] = {
    "RepeatFirst": repeat_first,
    "RepeatPrevious": repeat_previous,
    "CountRecall": count_recall,
    "Autoencode": autoencode,
    "HigherLower": higher_lower,
    "Concentration": concentration,
}
STEPS = {
    "RepeatFirst": (51, 415, 831),
    "RepeatPrevious": (51, 103, 155),
    "CountRecall": (51, 103, 207),
    "Autoencode": (103, 207, 311),
    "HigherLower": (51, 103, 155),
}
State = dict[str, float]
Policy = Callable[[NDArray[np.float32], State], int]


def play(world: World, policy: Policy, seed: int) -> tuple[float, int, bool]:
    """Return, length and success of one episode; the policy is given observation and state."""
    env = WorldEnv(world)
    observation, info = env.reset(seed=seed)
    total, steps, over = 0.0, 0, False
    while not over:
        state = dict(zip(world.state_names, info["state"].tolist(), strict=True))
        observation, reward, terminated, truncated, info = env.step(np.int64(policy(observation, state)))
        total, steps, over = total + reward, steps + 1, terminated or truncated
    return total, steps, info["is_success"]


def assert_mean_return(world: World, policy: Policy, expected: float | None, episodes: int) -> None:
    """The policy's mean return is the expected one, within four standard errors of at most 0.01."""
    returns = np.array([play(world, policy, seed)[0] for seed in range(episodes)])
    error = max(float(returns.std()) / np.sqrt(episodes), 1e-9)
    assert expected is not None and returns.mean() == pytest.approx(expected, abs=4 * error) and error < 0.01


# --- drawing ---------------------------------------------------------------------------------------------------------


def test_every_card_that_is_left_is_as_likely() -> None:
    """One uniform number in the middle of each card's share, and the largest one there is."""
    for left in ((3.0, 0.0, 2.0, 1.0), (0.0, 1.0), (52.0, 780.0)):
        total = int(sum(left))
        drawn = Counter[int]()
        for uniform in [*((np.arange(total) + 0.5) / total), 1 - 2.0**-53, 0.0]:
            rest = np.array(left)
            kind = draw.py_func(rest, uniform)  # type: ignore[attr-defined]
            drawn[kind] += 1
            assert rest[kind] == left[kind] - 1 and rest.sum() == total - 1
        drawn[max(k for k in range(len(left)) if left[k])] -= 1
        drawn[min(k for k in range(len(left)) if left[k])] -= 1
        assert [drawn[k] for k in range(len(left))] == list(left)


def test_hypergeometric_is_what_enumeration_counts() -> None:
    cards = (1, 1, 1, 0, 0)
    hits = Counter(a + b for i, a in enumerate(cards) for j, b in enumerate(cards) if i < j)
    assert [hypergeometric(5, 3, 2, c) for c in range(-1, 4)] == [0.0, *(hits[c] / comb(5, 2) for c in range(3)), 0.0]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("task", ["RepeatFirst", "HigherLower", "CountRecall"])
def test_an_episode_shows_every_card_of_the_decks_once(task: str, level: str) -> None:
    world = MAKERS[task](level)
    env = WorldEnv(world)
    _, info = env.reset(seed=3)
    start = world.state_names.index("left_0")
    seen, over = [info["state"][start:].copy()], False
    while not over:
        *_, over, _, info = env.step(np.int64(0))
        seen.append(info["state"][start:].copy())
    shown = -np.diff(seen, axis=0)
    stacks = 2 if task == "CountRecall" else 1
    assert (
        np.all(shown.sum(1) == stacks) and np.all(seen[-1] == 0) and len(seen) == STEPS[task][LEVELS.index(level)] + 1
    )
    assert seen[0].sum() == stacks * len(shown)


# --- perfect policies ------------------------------------------------------------------------------------------------


def recall(task: str, world: World) -> Policy:
    """The perfect policy of the four tasks in which nothing has to be guessed."""

    def previous(_: NDArray[np.float32], state: State) -> int:
        return max(int(state[f"card_{int(state['shown']) % int(world.params[2])}"]), 0)

    def count(_: NDArray[np.float32], state: State) -> int:
        return int(world.params[1] - state[f"left_{int(state['query'])}"])

    def last(_: NDArray[np.float32], state: State) -> int:
        return int(state[f"card_{int(state['held']) - 1}"])

    first: Policy = lambda _, state: int(state["first"])  # noqa: E731
    return {"RepeatFirst": first, "RepeatPrevious": previous, "CountRecall": count, "Autoencode": last}[task]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("task", ["RepeatFirst", "RepeatPrevious", "CountRecall", "Autoencode"])
def test_perfect_recall_gains_1(task: str, level: str) -> None:
    world = MAKERS[task](level)
    for seed in range(3):
        total, length, success = play(world, recall(task, world), seed)
        assert total == pytest.approx(1.0, abs=1e-9) and world.optimal_return == 1.0
        assert (length, success) == (STEPS[task][LEVELS.index(level)], True)
    wrong = play(world, lambda *seen: (recall(task, world)(*seen) + 1) % int(world.action_space.n), 0)
    assert wrong[0] == pytest.approx(-1.0) and wrong[2] is False


@pytest.mark.parametrize("level", LEVELS)
def test_counting_cards_is_worth_what_the_sum_says(level: str) -> None:
    """All splits of the cards to come into higher, lower and equal ones, by the present rank and the number shown."""
    world = MAKERS["HigherLower"](level)
    decks = LEVELS.index(level) + 1
    n, factorial = 52 * decks, np.cumsum(np.log(np.maximum(np.arange(52 * decks + 1), 1)))

    def choose(of: int, k: Any) -> Any:
        return np.where((k >= 0) & (k <= of), np.exp(factorial[of] - factorial[k] - factorial[of - k]), 0.0)

    total = 0.0
    for rank, left in product(range(13), range(1, n)):
        higher, lower, equal = 4 * decks * (12 - rank), 4 * decks * rank, 4 * decks - 1
        h, lo = np.arange(higher + 1)[:, None], np.arange(lower + 1)
        e = left - h - lo
        possible = (e >= 0) & (e <= equal)
        ways = choose(higher, h) * choose(lower, lo) * choose(equal, np.where(possible, e, 0)) * possible
        total += float((ways * abs(h - lo)).sum() / ways.sum()) / left / n / 13
    assert world.optimal_return == pytest.approx(total, abs=1e-9)


def test_counting_cards_reaches_it() -> None:
    def count(_: NDArray[np.float32], state: State) -> int:
        left = [state[f"left_{i}"] for i in range(13)]
        rank = int(state["rank"])
        return HIGHER if sum(left[rank + 1 :]) > sum(left[:rank]) else LOWER

    assert_mean_return(higher_lower("easy"), count, higher_lower("easy").optimal_return, 400)


# --- without memory --------------------------------------------------------------------------------------------------


def most_likely_counts(world: World) -> Policy:
    """Trained on episodes: for queries of the value's kind, and for others, the count that was right most often."""
    kinds = int(world.params[0])
    seen = Counter[tuple[bool, int]]()

    def watch(_: NDArray[np.float32], state: State) -> int:
        seen[state["value"] == state["query"], recall("CountRecall", world)(_, state)] += 1
        return 0

    for seed in range(1000, 1300):
        play(world, watch, seed)
    best = {same: max(range(int(world.action_space.n)), key=lambda c: seen[same, c]) for same in (True, False)}
    return lambda observation, _: best[bool(observation[:kinds].argmax() == observation[kinds:].argmax())]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("task", ["RepeatFirst", "RepeatPrevious", "CountRecall", "Autoencode", "HigherLower"])
def test_the_best_policy_without_memory(task: str, level: str) -> None:
    world = MAKERS[task](level)
    policies: dict[str, Policy] = {
        "RepeatFirst": lambda seen, _: int(seen.argmax()),
        "RepeatPrevious": lambda seen, _: (int(seen.argmax()) + 1) % 4,
        "Autoencode": lambda seen, _: int(seen[2:].argmax()),
        "HigherLower": lambda seen, _: HIGHER if seen.argmax() < 6 else LOWER,
    }
    policy = most_likely_counts(world) if task == "CountRecall" else policies[task]
    assert_mean_return(world, policy, world.memoryless_return, 200)


@pytest.mark.parametrize("task", ["RepeatFirst", "RepeatPrevious", "Autoencode", "HigherLower"])
def test_no_other_table_without_memory_is_better(task: str) -> None:
    """The answer to each observation counts for itself: the best answer to each, over many episodes, is the table's."""
    world = MAKERS[task]("easy")
    gains: dict[tuple[tuple[float, ...], int], float] = Counter()  # type: ignore[assignment]
    rng = np.random.default_rng(0)
    env = WorldEnv(world)
    env.reset(seed=0)
    episodes, n = 3000, int(world.action_space.n)
    for _ in range(episodes):
        observation, over = env.reset()[0], False
        while not over:
            action = int(rng.integers(n))
            seen = tuple(observation.tolist())
            observation, reward, over, *_ = env.step(np.int64(action))
            gains[seen, action] += n * reward / episodes
    tables = sum(max(gains.get((seen, a), 0.0) for a in range(n)) for seen in {key[0] for key in gains})
    assert world.memoryless_return == pytest.approx(tables, abs=0.02)


@pytest.mark.parametrize("level", LEVELS)
def test_previous_action_and_a_mark_of_the_first_step_stand_in_for_memory(level: Any) -> None:
    """The trap of Repeat First: who sees both need not remember anything."""
    previous = [0]

    def copy(seen: NDArray[np.float32], state: State) -> int:
        at_start = sum(state[f"left_{i}"] for i in range(4)) == STEPS["RepeatFirst"][LEVELS.index(level)]
        previous[0] = int(seen.argmax()) if at_start else previous[0]
        return previous[0]

    assert play(repeat_first(level), copy, 0)[0] == pytest.approx(1.0)


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", MAKERS)
def test_a_bad_argument_is_named_with_its_value(task: str) -> None:
    with pytest.raises(ValueError, match="^difficulty must be one of easy, medium, hard, got 'Easy'$"):
        gym.make(f"lstm_rl/{task}-v0", difficulty="Easy")
    with pytest.raises(ValueError, match="^difficulty must be one of easy, medium, hard, got 1$"):
        gym.make_vec(f"lstm_rl/{task}-v0", num_envs=2, difficulty=1)
    with pytest.raises(ValueError, match="^max_steps must be an integer >= 1, got 0$"):
        gym.make(f"lstm_rl/{task}-v0", max_steps=0)
