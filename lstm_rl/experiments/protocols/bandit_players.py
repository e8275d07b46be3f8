"""The players that a learner of bandits is measured against, computed on the same tasks.

All know that each arm's probability is uniform in [0, 1]; what they know of an arm is how often it paid (s) and failed
(f). Each pulls the arm with the largest score:

| player         | score                                                                                |
|----------------|--------------------------------------------------------------------------------------|
| random         | a random number                                                                      |
| greedy         | mean = (s + 1) / (s + f + 2)                                                         |
| epsilon-greedy | the same, but with probability epsilon a random number                               |
| UCB1           | mean + c sqrt(2 ln t / (s + f + 2)) at pull t = 1, 2, ...                            |
| Thompson       | a draw from Beta(s + 1, f + 1)                                                       |
| OTS            | the larger one of that draw and the mean (optimistic Thompson sampling, May et al. 2012) |
| Gittins        | the index of `gittins` with discount 1 - 1 / n, which knows no end                   |

c and epsilon are the best of `GRID` on tasks of a seed of its own, for each n and k, as in Duan et al. (2016).

Dimensions: M tasks, k arms, n pulls.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from lstm_rl.experiments.protocols.gittins import gittins_indices

Numbers = NDArray[np.float64]
Score = Callable[[Numbers, Numbers, int, np.random.Generator], Numbers]
"""From s (M, k), f (M, k), the number of the pull and a generator to scores (M, k)."""
PLAYERS = ("random", "greedy", "epsilon-greedy", "UCB1", "Thompson", "OTS", "Gittins")
GRID: dict[str, tuple[float, ...]] = {
    "epsilon-greedy": (0.0, 0.005, 0.01, 0.02, 0.05, 0.1),
    "UCB1": (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5),
}
TUNING_TASKS, TUNING_SEED = 2000, 7


def mean(s: Numbers, f: Numbers, t: int, rng: np.random.Generator) -> Numbers:
    """Expected probability of each arm."""
    return (s + 1.0) / (s + f + 2.0)


def _random(s: Numbers, f: Numbers, t: int, rng: np.random.Generator) -> Numbers:
    return rng.random(s.shape)


def _epsilon_greedy(s: Numbers, f: Numbers, t: int, rng: np.random.Generator, epsilon: float) -> Numbers:
    explores = rng.random((len(s), 1)) < epsilon
    return np.where(explores, rng.random(s.shape), mean(s, f, t, rng))


def _ucb1(s: Numbers, f: Numbers, t: int, rng: np.random.Generator, c: float) -> Numbers:
    return np.asarray(mean(s, f, t, rng) + c * np.sqrt(2.0 * np.log(t) / (s + f + 2.0)))


def _thompson(s: Numbers, f: Numbers, t: int, rng: np.random.Generator) -> Numbers:
    return rng.beta(s + 1.0, f + 1.0)


def _ots(s: Numbers, f: Numbers, t: int, rng: np.random.Generator) -> Numbers:
    return np.maximum(_thompson(s, f, t, rng), mean(s, f, t, rng))


def _gittins(s: Numbers, f: Numbers, t: int, rng: np.random.Generator, indices: Numbers) -> Numbers:
    return indices[s.astype(np.int64), f.astype(np.int64)]


def player(name: str, arms: int, pulls: int) -> tuple[Score, float | None]:
    """One of `PLAYERS` for k arms and n pulls, and its c or epsilon."""
    plain: dict[str, Score] = {"random": _random, "greedy": mean, "Thompson": _thompson, "OTS": _ots}
    if name in plain:
        return plain[name], None
    if name == "Gittins":
        return partial(_gittins, indices=gittins_indices(pulls, 1.0 - 1.0 / pulls)), None
    scores: dict[float, Score] = {
        value: partial(_ucb1, c=value) if name == "UCB1" else partial(_epsilon_greedy, epsilon=value)
        for value in GRID[name]
    }
    p = np.random.default_rng(TUNING_SEED).random((TUNING_TASKS, arms))
    totals = {value: play(score, p, pulls, TUNING_SEED)[0].sum() for value, score in scores.items()}
    best = max(totals, key=totals.__getitem__)
    return scores[best], best


def play(score: Score, p: Numbers, pulls: int, seed: int) -> tuple[Numbers, Numbers]:
    """Play all tasks; return payouts (M, n) and the probability of each arm pulled (M, n).

    Args:
        score: Of the player.
        p: (M, k) in [0, 1].
        pulls: n >= 1.
        seed: Of payouts and of what the player draws.
    """
    rng, tasks = np.random.default_rng(seed), np.arange(len(p))
    s, f = np.zeros(p.shape), np.zeros(p.shape)
    paid, pulled = np.zeros((len(p), pulls)), np.zeros((len(p), pulls))
    for t in range(pulls):
        arm = score(s, f, t + 1, rng).argmax(axis=1)
        pulled[:, t] = p[tasks, arm]
        wins = rng.random(len(p)) < pulled[:, t]
        s[tasks, arm] += wins
        f[tasks, arm] += ~wins
        paid[:, t] = wins
    return paid, pulled
