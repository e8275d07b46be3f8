"""The game of pairs: its best return by dynamic programming, and a player who reaches it.

A player who forgets nothing knows, of each kind, how many cards are not matched and how many of these it has seen.
Turns that neither teach nor match anything only cost, so they are left out; every other turn brings the end nearer, so
one pass over all states in the right order gives their values. None of this knows the limit of steps; the player, in
the real game, never meets it.
"""

from itertools import combinations
from typing import Any

import gymnasium as gym
import numba
import numpy as np
import pytest
from numpy.typing import NDArray

from lstm_rl.envs.concentration import concentration
from lstm_rl.envs.env import WorldEnv

Counts = NDArray[np.int64]

# --- two colours: the state is (seen, unseen) cards of each that are not matched --------------------------------------


def second(x: int, s: Any, u: Any, value: Any) -> tuple[float, float]:
    """The values of a turn's second card after one of colour x, counted in s: a seen match, and an unseen card."""
    n = 2 * (value.shape[0] - 2)
    match, failure, y = 2 / n, -2 / (2 * n), 1 - x
    matching, trying, unseen = -np.inf, -np.inf, u[0] + u[1]
    if s[x] >= 2:
        s[x] -= 2
        matching = match + value[s[0], u[0], s[1], u[1]]
        s[x] += 2
    if unseen > 0:
        trying = 0.0
        for z, seen, gain in ((x, -1, match), (y, 1, failure)):
            if u[z] > 0:
                share = u[z] / unseen
                s[z] += seen
                u[z] -= 1
                trying += share * (gain + value[s[0], u[0], s[1], u[1]])
                s[z] -= seen
                u[z] += 1
    return matching, trying


second_compiled = numba.njit(second)


@numba.njit
def first(s: Any, u: Any, value: Any) -> tuple[float, float, float]:
    """The values of a turn's first card: an unseen one, a seen one of colour 0, a seen one of colour 1."""
    unseen, values = u[0] + u[1], np.full(3, -np.inf)
    if unseen > 0:
        values[0] = 0.0
    for x in range(2):
        if s[x] > 0:
            values[1 + x] = max(second_compiled(x, s, u, value))
        if u[x] > 0:
            share = u[x] / unseen
            s[x] += 1
            u[x] -= 1
            values[0] += share * max(second_compiled(x, s, u, value))
            s[x] -= 1
            u[x] += 1
    return values[0], values[1], values[2]


@numba.njit
def solve_colours(m: int, value: Any) -> None:
    """Fill ``value`` in the order of the cards that are not matched, the unseen ones counted twice."""
    s, u = np.zeros(2, np.int64), np.zeros(2, np.int64)
    for order in range(1, 4 * m + 1):
        for s[0] in range(m + 1):
            for u[0] in range(s[0] % 2, m - s[0] + 1, 2):
                for s[1] in range(m + 1):
                    rest = order - s[0] - 2 * u[0] - s[1]
                    u[1] = rest // 2
                    if rest >= 0 and rest % 2 == 0 and s[1] + u[1] <= m and (s[1] + u[1]) % 2 == 0:
                        value[s[0], u[0], s[1], u[1]] = max(first(s, u, value))


def colours(n: int) -> NDArray[np.float64]:
    value = np.zeros((n // 2 + 2,) * 4)
    solve_colours(n // 2, value)
    return value


@pytest.mark.parametrize(("level", "n"), [("easy", 52), ("medium", 104)])
def test_the_best_return_with_colours(level: Any, n: int) -> None:
    assert concentration(level).optimal_return == pytest.approx(colours(n)[0, n // 2, 0, n // 2], abs=1e-12)


def test_the_best_player_reaches_it_within_the_limit() -> None:
    world, value, returns = concentration("easy"), colours(52), []
    env = WorldEnv(world)
    env.reset(seed=0)
    for _ in range(300):
        total, over, info = 0.0, False, env.reset()[1]
        while not over:
            state = info["state"]
            cards, up = state[5:57], state[57:] == 1.0
            seen = [np.flatnonzero((cards == x) & ~up) for x in range(2)]
            s, u = np.array([len(each) for each in seen]), state[3:5].astype(np.int64)
            unseen = np.flatnonzero(cards < 0)
            if state[2] == 0.0:
                choice = int(np.argmax(first(s, u, value)))
                place = unseen[0] if choice == 0 else seen[choice - 1][0]
            else:
                x = int(cards[int(state[0])])
                matching, trying = second(x, s, u, value)
                place = unseen[0] if trying > matching else next(p for p in seen[x] if p != state[0])
            _, reward, terminated, truncated, info = env.step(np.int64(place))
            total, over = total + reward, terminated or truncated
        assert terminated and info["is_success"] is True
        returns.append(total)
    error = np.std(returns) / np.sqrt(len(returns))
    assert np.mean(returns) == pytest.approx(world.optimal_return, abs=4 * error) and error < 0.003


# --- ranks: the state is how many of the 13 ranks have each (unmatched, seen) of their 4 cards ------------------------

KINDS = [(4, 0), (4, 1), (4, 2), (4, 3), (4, 4), (2, 0), (2, 1), (2, 2), (0, 0)]


def becomes(unmatched: int, seen: int) -> int:
    return KINDS.index((unmatched, seen)) if (unmatched, seen) in KINDS else -1


UNSEEN = np.array([m - j for m, j in KINDS])
LEARNT = np.array([becomes(m, j + 1) for m, j in KINDS])  # by an unseen card
PAIRED = np.array([becomes(m - 2, j - 2) for m, j in KINDS])  # by two seen cards
JOINED = np.array([becomes(m - 2, j - 1) if m > j > 0 else -1 for m, j in KINDS])  # by a seen and an unseen one
WEIGHTS = 14 ** np.arange(len(KINDS))
MATCH, FAILURE = 1 / 26, -2 / 104


@numba.njit
def second_rank(a: int, s: Any, code: int, codes: Any, value: Any) -> float:
    """The best value of a turn's second card after one of a rank of kind a, which counts it as seen."""
    best, unseen = -np.inf, np.sum(s * UNSEEN)
    if PAIRED[a] >= 0:
        best = MATCH + value[np.searchsorted(codes, code - WEIGHTS[a] + WEIGHTS[PAIRED[a]])]
    if unseen > 0:
        total = 0.0
        for b in range(8):
            others = s[b] - (1 if b == a else 0)
            if UNSEEN[b] > 0 and others > 0:
                moved = np.searchsorted(codes, code - WEIGHTS[b] + WEIGHTS[LEARNT[b]])
                total += others * UNSEEN[b] / unseen * (FAILURE + value[moved])
        if JOINED[a] >= 0:
            moved = np.searchsorted(codes, code - WEIGHTS[a] + WEIGHTS[JOINED[a]])
            total += UNSEEN[a] / unseen * (MATCH + value[moved])
        best = max(best, total)
    return best


@numba.njit
def solve_ranks(states: Any, codes: Any, order: Any, value: Any) -> None:
    """Fill ``value`` in ``order``."""
    for i in order:
        s = states[i].copy()
        best, trying, unseen = -np.inf, 0.0, np.sum(s * UNSEEN)
        for a in range(8):
            if s[a] > 0 and UNSEEN[a] < (4 if a < 5 else 2):  # one of its cards has been seen
                best = max(best, second_rank(a, s, codes[i], codes, value))
            if s[a] > 0 and UNSEEN[a] > 0:
                share, b = s[a] * UNSEEN[a] / unseen, LEARNT[a]
                s[a] -= 1
                s[b] += 1
                trying += share * second_rank(b, s, codes[i] - WEIGHTS[a] + WEIGHTS[b], codes, value)
                s[a] += 1
                s[b] -= 1
        value[i] = max(best, trying) if unseen > 0 else best


def test_the_best_return_with_ranks() -> None:
    bars = np.array(list(combinations(range(13 + 8), 8)))  # 13 ranks among 9 kinds
    walls = np.hstack([np.full((len(bars), 1), -1), bars, np.full((len(bars), 1), 13 + 8)])
    states = np.diff(walls, axis=1) - 1
    codes = states @ WEIGHTS
    states, codes = states[np.argsort(codes)], np.sort(codes)
    unmatched = np.array([m for m, _ in KINDS])
    order = np.argsort(states @ (unmatched + UNSEEN), kind="stable")
    value = np.zeros(len(states))
    solve_ranks(states, codes, order[1:], value)  # the first is the end of the game, which is worth nothing
    start = int(np.searchsorted(codes, 13 * WEIGHTS[0]))
    assert concentration("hard").optimal_return == pytest.approx(value[start], abs=1e-12)


# --- rules -----------------------------------------------------------------------------------------------------------


def test_every_kind_of_turn_has_its_reward_and_picture() -> None:
    env = gym.make("lstm_rl/Concentration-v0").unwrapped
    assert isinstance(env, WorldEnv)
    observation, _ = env.reset(seed=0)
    down = [0.0, 0.0, 1.0]
    assert observation.tolist() == down * 52
    places = np.where(np.arange(52) % 2, 1.0, 0.0)  # colours 0 1 0 1 ...
    state = np.concatenate([[-1.0, -1.0, 0.0, 0.0, 0.0], places, np.zeros(52)])
    env.set_state(env.get_state() | {"state": state[None]})
    turns = [
        (0, 0.0),
        (1, -2 / 104),
        (4, 0.0),
        (4, -2 / 104),
        (0, 0.0),
        (2, 1 / 26),
        (2, -1 / 104),
        (3, 0.0),
        (0, -2 / 104),
    ]
    seen = []
    for place, expected in turns:
        observation, reward, *_ = env.step(np.int64(place))
        assert reward == pytest.approx(expected, abs=1e-15)
        seen.append([p for p in range(52) if observation[3 * p + 2] == 0.0])
    assert seen == [[0], [0, 1], [4], [4], [0], [0, 2], [0, 2], [0, 2, 3], [0, 2, 3]]
    assert env.step(np.int64(5))[0][3 * 5 : 3 * 5 + 3].tolist() == [0.0, 1.0, 0.0]


def test_a_game_ends_at_its_limit_or_when_all_lie_face_up() -> None:
    env = gym.make("lstm_rl/Concentration-v0", difficulty="hard").unwrapped
    assert isinstance(env, WorldEnv) and env.world.max_steps == 104
    env.reset(seed=0)
    ends = [env.step(np.int64(0))[2:4] for _ in range(104)]
    assert ends == [(False, False)] * 103 + [(False, True)]
    _, info = env.reset(seed=0)
    state = info["state"]
    state[3:16], state[16:68], state[68:] = 0.0, np.arange(52) // 4, 1.0
    state[[68 + 50, 68 + 51]] = 0.0
    env.set_state(env.get_state() | {"state": state[None]})
    assert env.step(np.int64(50))[2] is False
    _, reward, terminated, truncated, info = env.step(np.int64(51))
    assert (reward, terminated, truncated, info["is_success"]) == (1 / 26, True, False, True)
