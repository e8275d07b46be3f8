"""Players of random tabular MDPs, computed on the same processes as a learner's.

All but the last know how processes are drawn (transitions flat Dirichlet, mean rewards Normal(1, 1), rewards with
variance 1), and keep the exact posterior. All plan by dynamic programming over the steps of an episode, once per
episode, except the one that plans before every step:

| player          | plans with                                                                           |
|-----------------|--------------------------------------------------------------------------------------|
| random          | nothing: random actions                                                              |
| greedy          | the posterior mean                                                                   |
| greedy per step | the same, anew before every step, with the steps that are left of the episode        |
| epsilon-greedy  | as greedy, but each action is random with probability `EPSILON`                      |
| PSRL            | a process drawn from the posterior (Strens 2000; Osband et al. 2013)                 |
| OPSRL           | mean rewards the largest of `DRAWS` draws each, transitions one draw (optimistic)    |
| knows           | the process itself: no learner gets more                                             |

Dimensions: M tasks, S states, A actions, H steps of an episode.
"""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
PER_STEP = "greedy per step"
PLAYERS = ("random", "greedy", PER_STEP, "epsilon-greedy", "PSRL", "OPSRL", "knows")
EPSILON, DRAWS = 0.1, 5


def plan(means: Numbers, transitions: Numbers, horizon: int) -> NDArray[np.int64]:
    """Best actions (M, H, S) for mean rewards (M, S, A) and transitions (M, S, A, S)."""
    value = np.zeros(means.shape[:2])
    actions = np.zeros((len(means), horizon, means.shape[1]), np.int64)
    for step in reversed(range(horizon)):
        worth = means + np.einsum("msat,mt->msa", transitions, value)
        actions[:, step], value = worth.argmax(axis=2), worth.max(axis=2)
    return actions


def play(name: str, means: Numbers, transitions: Numbers, horizon: int, episodes: int, seed: int) -> Numbers:
    """Let a player play ``episodes`` episodes of each task, from state 0; return their returns (M, episodes).

    Args:
        name: One of `PLAYERS`.
        means: Of the tasks, (M, S, A).
        transitions: (M, S, A, S).
        horizon: H >= 1.
        episodes: >= 1.
        seed: Of rewards, moves and what the player draws.
    """
    rng, tasks = np.random.default_rng(seed), np.arange(len(means))
    actions = means.shape[2]
    cumulative = transitions.cumsum(axis=3)
    counts = np.ones(transitions.shape)  # of the Dirichlet posterior
    pulls, sums = np.ones(means.shape), np.ones(means.shape)  # prior mean 1 counts as one reward of 1
    returns = np.zeros((len(means), episodes))
    chosen = np.zeros((len(means), horizon, means.shape[1]), np.int64)
    for episode in range(episodes):
        if name == "knows":
            chosen = plan(means, transitions, horizon)
        elif name in ("PSRL", "OPSRL"):
            normal = rng.standard_normal((DRAWS if name == "OPSRL" else 1, *means.shape)).max(axis=0)
            drawn = rng.standard_gamma(counts)
            chosen = plan(sums / pulls + normal / np.sqrt(pulls), drawn / drawn.sum(axis=3, keepdims=True), horizon)
        elif name not in ("random", PER_STEP):
            chosen = plan(sums / pulls, counts / counts.sum(axis=3, keepdims=True), horizon)
        state = np.zeros(len(means), np.int64)
        for step in range(horizon):
            if name == PER_STEP:
                left = plan(sums / pulls, counts / counts.sum(axis=3, keepdims=True), horizon - step)
                chosen[:, step] = left[:, 0]
            action = rng.integers(actions, size=len(means))
            if name != "random":
                follows = rng.random(len(means)) >= (EPSILON if name == "epsilon-greedy" else 0.0)
                action = np.where(follows, chosen[tasks, step, state], action)
            reward = means[tasks, state, action] + rng.standard_normal(len(means))
            draw = rng.random((len(means), 1))
            following = np.minimum((cumulative[tasks, state, action] < draw).sum(axis=1), means.shape[1] - 1)
            pulls[tasks, state, action] += 1.0
            sums[tasks, state, action] += reward
            counts[tasks, state, action, following] += 1.0
            returns[:, episode] += reward
            state = following
    return returns
