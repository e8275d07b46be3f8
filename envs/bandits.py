"""Bandits: arms that pay with probabilities unknown to the agent, which has to remember what each arm paid.

Description:
    An episode is a row of pulls at k arms. Arm i pays with probability p_i; all p_i are drawn anew for each episode, so
    that a good agent tries arms, remembers and then stays with a good one: it learns within an episode.

    | id                  | arms         | pulls           | p                                               |
    |---------------------|--------------|-----------------|-------------------------------------------------|
    | MultiarmedBandit-v0 | 10 / 20 / 30 | 200 / 400 / 600 | independent, uniform in [0, 1)                  |
    | TwoArmedBandit-v0   | 2            | 100             | p and 1 - p, or independent: argument ``arms``  |
    | BernoulliBandit-v0  | k            | n               | independent, uniform in [0, 1)                  |

    Three numbers are POPGym's difficulties easy, medium and hard.

Action Space: ``Discrete(k)``, the arm to pull.

Observation Space: ``Box(0, 1, (1 + k,), float32)``: whether the last pull paid, then the last action, one-hot; all 0 at
    the first step. TwoArmedBandit-v0 with ``show_time=True``: one more number, pulls so far / pulls.
    POPGym shows the payout alone and says that an agent needs its previous action, too (wrapper PreviousAction, which
    pretends that action 0 was taken before the first step); so it is part of the observation here.

Rewards: MultiarmedBandit-v0 +1 / pulls for a payout, else -1 / pulls, as in POPGym, with the difficulty's pulls
    whatever ``max_steps`` is; TwoArmedBandit-v0 and BernoulliBandit-v0 1 or 0.

Starting State: p as in the table. TwoArmedBandit-v0, argument ``probabilities``: "uniform": p in [0, 1); "easy",
    "medium", "hard": p is one of {.1, .9}, {.25, .75}, {.4, .6} with probability 1/2 each.

Episode End: truncated after the last pull, which does not count as success or failure. BernoulliBandit-v0 is a trial of
    n episodes of one pull each: terminated after the last one (which counts as success: nothing can fail).

Info: ``state`` = (pulls so far, last action or -1, whether it paid, p_1 .. p_k).

Optimal Return: two arms: exact, by dynamic programming over what can be known (`two_armed_optimum`). More arms: an
    upper bound (`many_armed_bound`), since the best policy is out of reach of computers: easy .802, medium .857, hard
    .882, where an agent that knows all p gets 2 k / (k + 1) - 1 = .818, .905 and .935. 100 pulls at two dependent arms:
    73.779 of 100; None beyond `MAX_EXACT` pulls. BernoulliBandit-v0: exact up to `MAX_OPTIMUM` pulls (6.660 of 10 at 5
    arms), else the bound.

Best Return Without Memory: the observation holds the last action and payout, so "pull the same arm after a payout, else
    the next one" needs no memory; its return, exact (`win_stay_payouts`), is the best that we know without memory: easy
    .474, medium .557, hard .596, and 66.5 of 100 pulls at two dependent arms.

Source: S. Morad et al., "POPGym", ICLR 2023, rules as in version 1.0.7 of the package; J. X. Wang et al., "Learning to
    reinforcement learn", arXiv 1611.05763 (2016), section 3.1; Y. Duan et al., "RL^2: Fast Reinforcement Learning via
    Slow Reinforcement Learning", arXiv 1611.02779 (2016), section 3.1.

Version History: v0, first release.
"""

from typing import Any, Literal

import gymnasium as gym
import numpy as np

from lstm_rl.checks import check_choice, check_int
from lstm_rl.envs.bandit_returns import (
    MAX_OPTIMUM,
    many_armed_bound,
    many_armed_optimum,
    two_armed_optimum,
    two_armed_win_stay,
    win_stay_payouts,
)
from lstm_rl.envs.dynamics import CONTINUES, SUCCEEDED, World, observe_rule, reset_rule, step_rule

PULLS, LAST, PAID, ARMS = range(4)  # the state's first numbers; p_1 .. p_k follow
# The constants; TIME: pulls, LOW: the smaller p of two, or -1, END: the pull that ends the task itself, or 0
TIME, WIN, LOSS, DEPENDENT, LOW, SHOW_TIME, END = range(7)
LEVELS = "easy", "medium", "hard"
PAIRS: dict[str, float | None] = {"uniform": None, "easy": 0.1, "medium": 0.25, "hard": 0.4}
MAX_ARMS, MAX_PULLS = 1000, 10**6
MAX_EXACT = {"many": 1000, "dependent": 10_000, "independent": 150}  # pulls up to which references are computed

Difficulty = Literal["easy", "medium", "hard"]
Arms = Literal["dependent", "independent"]
Probabilities = Literal["uniform", "easy", "medium", "hard"]


@reset_rule
def bandit_reset(params: Any, noise: Any, state: Any) -> None:
    """Draw the p of all arms, noise[i] for arm i."""
    state[PULLS] = 0.0
    state[LAST] = -1.0
    state[PAID] = 0.0
    for i in range(state.size - ARMS):
        p = noise[i]
        if params[LOW] >= 0.0:
            p = params[LOW] if noise[i] < 0.5 else 1.0 - params[LOW]
        state[ARMS + i] = 1.0 - state[ARMS] if params[DEPENDENT] == 1.0 and i == 1 else p


@step_rule
def bandit_step(params: Any, noise: Any, action: int, state: Any) -> tuple[float, int]:
    """Pull an arm."""
    paid = noise[0] < state[ARMS + action]
    state[PULLS] += 1.0
    state[LAST] = action
    state[PAID] = 1.0 if paid else 0.0
    outcome = SUCCEEDED if state[PULLS] == params[END] else CONTINUES
    return params[WIN] if paid else params[LOSS], outcome


@observe_rule
def bandit_observe(params: Any, noise: Any, state: Any, observation: Any) -> None:
    """The last payout and action, and the time if it is shown."""
    observation[:] = 0.0
    observation[0] = state[PAID]
    if state[LAST] >= 0.0:
        observation[1 + int(state[LAST])] = 1.0
    if params[SHOW_TIME] == 1.0:
        observation[observation.size - 1] = state[PULLS] / params[TIME]


def multiarmed_bandit(
    difficulty: Difficulty = "easy", *, num_bandits: int | None = None, max_steps: int | None = None
) -> World:
    """POPGym's MultiarmedBandit as a `World`; the module describes it.

    Args:
        difficulty: "easy", "medium" or "hard": 10, 20 or 30 arms, 200, 400 or 600 pulls.
        num_bandits: Another number of arms, in [2, 1000].
        max_steps: Another number of pulls, in [1, 10^6].

    Raises:
        ValueError: An argument is out of its range.
    """
    level = LEVELS.index(check_choice("difficulty", difficulty, LEVELS))
    k = (10, 20, 30)[level] if num_bandits is None else check_int("num_bandits", num_bandits, 2, MAX_ARMS)
    pulls = (200, 400, 600)[level] if max_steps is None else check_int("max_steps", max_steps, 1, MAX_PULLS)
    unit = 1.0 / (200, 400, 600)[level]
    optimum: float | None = None
    without: float | None = None
    if pulls <= MAX_EXACT["many"]:
        exact = k == 2 and pulls <= MAX_EXACT["independent"]
        most = two_armed_optimum(pulls, False) if exact else many_armed_bound(k, pulls)
        optimum, without = unit * (2 * most - pulls), unit * (2 * win_stay_payouts(k, pulls) - pulls)
    return _bandit(k, pulls, [pulls, unit, -unit, False, -1.0, False, 0], optimum, without)


def two_armed_bandit(
    pulls: int = 100,
    *,
    arms: Arms = "dependent",
    probabilities: Probabilities = "uniform",
    show_time: bool = False,
    max_steps: int | None = None,
) -> World:
    """The two-armed bandit of Wang et al. (2016) as a `World`; the module describes it.

    Args:
        pulls: Pulls per episode, in [1, 10^6].
        arms: "dependent": p and 1 - p; "independent": both are drawn.
        probabilities: What p is drawn from: "uniform", "easy", "medium" or "hard".
        show_time: Show pulls so far / pulls (Wang et al.'s agents see it).
        max_steps: Pulls in [1, 10^6] after which an episode is truncated, if not ``pulls``.

    Raises:
        ValueError: An argument is out of its range.
    """
    pulls = check_int("pulls", pulls, 1, MAX_PULLS)
    limit = pulls if max_steps is None else check_int("max_steps", max_steps, 1, MAX_PULLS)
    kind = check_choice("arms", arms, ("dependent", "independent"))
    low = PAIRS[check_choice("probabilities", probabilities, tuple(PAIRS))]
    dependent, exact = kind == "dependent", limit <= MAX_EXACT[kind]
    return _bandit(
        2,
        limit,
        [pulls, 1.0, 0.0, dependent, -1.0 if low is None else low, bool(show_time), 0],
        two_armed_optimum(limit, dependent, low) if exact else None,
        two_armed_win_stay(limit, dependent, low) if exact else None,
    )


def bernoulli_bandit(arms: int = 5, *, pulls: int = 10, max_steps: int | None = None) -> World:
    """The bandit of Duan et al. (2016), n pulls at k independent arms, as a `World`; the module describes it.

    Args:
        arms: k in [2, 1000].
        pulls: n in [1, 10^6], after which the episode terminates.
        max_steps: Pulls in [1, 10^6] after which an episode is truncated, if that is earlier.

    Raises:
        ValueError: An argument is out of its range.
    """
    k, n = check_int("arms", arms, 2, MAX_ARMS), check_int("pulls", pulls, 1, MAX_PULLS)
    limit = n if max_steps is None else check_int("max_steps", max_steps, 1, MAX_PULLS)
    whole = limit >= n <= MAX_EXACT["many"]
    best = many_armed_optimum if n <= MAX_OPTIMUM else many_armed_bound
    return _bandit(
        k,
        limit,
        [n, 1.0, 0.0, False, -1.0, False, n],
        best(k, n) if whole else None,
        win_stay_payouts(k, n) if whole else None,
    )


def _bandit(arms: int, limit: int, params: list[float], optimum: float | None, without: float | None) -> World:
    return World(
        bandit_reset,
        bandit_step,
        bandit_observe,
        params=np.array(params, np.float64),
        state_names=("pulls", "last", "paid", *(f"p_{i + 1}" for i in range(arms))),
        noise_size=arms,
        observation_space=gym.spaces.Box(0.0, 1.0, (1 + arms + int(params[SHOW_TIME]),), np.float32),
        action_space=gym.spaces.Discrete(arms),
        max_steps=limit,
        optimal_return=optimum,
        memoryless_return=without,
        renderer="lstm_rl.envs.rendering_bandit",
        task=tuple(f"p_{i + 1}" for i in range(arms)),
    )
