"""Reference returns of bandits, in expected payouts per episode of n pulls at k arms.

- `two_armed_optimum`: the best policy of two arms, exact. Where the arms pay with p and 1 - p, every pull
  tells the same about p whichever arm it was, so the best policy pulls the arm that looks better; else dynamic
  programming over the counts of pulls and payouts of both arms.
- `many_armed_optimum`: the best policy of k uniform arms, exact, for few pulls: dynamic programming over what is known
  of the arms, in any order of theirs.
- `many_armed_bound`: no policy of k arms gets more. The rule "one arm at a time" is relaxed to "n pulls in all" at a
  price per pull; each arm is then an optimal stopping problem of its own, and the least sum over all prices is a bound
  (Whittle's relaxation).
- `win_stay_payouts`: the policy without memory that pulls the same arm after a payout and the next one after none.

``low`` describes an arm's p: None, uniform in [0, 1]; else ``low`` or 1 - ``low`` with probability 1/2 each.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
MAX_OPTIMUM = 15
"""Pulls up to which `many_armed_optimum` takes no time to speak of."""


def _mean(payouts: Any, pulls: Any, low: float | None) -> Numbers:
    """Expected p of an arm that paid ``payouts`` times in ``pulls`` pulls."""
    if low is None:
        return np.asarray((payouts + 1) / (pulls + 2))
    log_odds = (2.0 * payouts - pulls) * np.log(low / (1 - low))  # of p being ``low``
    return np.asarray(0.5 + (low - 0.5) * np.tanh(log_odds / 2))


@cache
def two_armed_optimum(pulls: int, dependent: bool, low: float | None = None) -> float:
    """Expected payouts of the best policy of two arms; time grows with ``pulls``^2 (dependent) or ``pulls``^4."""
    return _dependent_optimum(pulls, low) if dependent else _independent_optimum(pulls, low)


def _dependent_optimum(pulls: int, low: float | None) -> float:
    total, chance = 0.0, np.ones(1)  # chance[s]: of s pulls that spoke for the first arm
    for t in range(pulls):
        s = np.arange(t + 1.0)
        mean = _mean(s, t, low)
        total += float(chance @ np.maximum(mean, 1 - mean))
        chance = np.append(chance * (1 - mean), 0.0) + np.insert(chance * mean, 0, 0.0)
    return total


def _independent_optimum(pulls: int, low: float | None) -> float:
    # after[a][w, v]: expected payouts still to come after a pulls of the first arm that paid w times, and t + 1 - a
    # pulls of the second one that paid v times
    after = [np.zeros((a + 1, pulls - a + 1)) for a in range(pulls + 1)]
    for t in reversed(range(pulls)):
        now = []
        for a in range(t + 1):
            p = _mean(np.arange(a + 1.0), a, low)[:, None]
            q = _mean(np.arange(t - a + 1.0), t - a, low)[None, :]
            first = p * (1 + after[a + 1][1:]) + (1 - p) * after[a + 1][:-1]
            second = q * (1 + after[a][:, 1:]) + (1 - q) * after[a][:, :-1]
            now.append(np.maximum(first, second))
        after = now
    return float(after[0][0, 0])


@cache
def many_armed_optimum(arms: int, pulls: int) -> float:
    """Expected payouts of the best policy of ``arms`` independent uniform arms; for few pulls, see `MAX_OPTIMUM`.

    Arms of which the same is known are one: a state is the sorted tuple of (payouts, failures) of the arms pulled so
    far, and an arm never pulled before is one more choice, while there is one.
    """
    known: list[dict[tuple[tuple[int, int], ...], float]] = [{} for _ in range(pulls + 1)]  # by pulls so far

    def best(state: tuple[tuple[int, int], ...], t: int) -> float:
        if t == pulls:
            return 0.0
        if state not in known[t]:
            choices = set(state) | ({(0, 0)} if len(state) < arms else set())
            known[t][state] = max(worth(state, arm, t) for arm in choices)
        return known[t][state]

    def worth(state: tuple[tuple[int, int], ...], arm: tuple[int, int], t: int) -> float:
        s, f = arm
        rest = list(state)
        if arm != (0, 0):
            rest.remove(arm)
        p = (s + 1) / (s + f + 2)
        won = best(tuple(sorted([*rest, (s + 1, f)])), t + 1)
        lost = best(tuple(sorted([*rest, (s, f + 1)])), t + 1)
        return p * (1.0 + won) + (1.0 - p) * lost

    return best((), 0)


@cache
def many_armed_bound(arms: int, pulls: int) -> float:
    """An upper bound of the expected payouts of any policy of ``arms`` independent uniform arms."""

    def bound(price: float) -> float:
        worth = np.zeros(pulls + 1)  # of going on with an arm, by its payouts so far
        for n in reversed(range(pulls)):
            p = _mean(np.arange(n + 1.0), n, None)
            worth = np.maximum(0.0, p * (1 + worth[1 : n + 2]) + (1 - p) * worth[: n + 1] - price)
        return pulls * price + arms * float(worth[0])

    low, high = 0.0, 1.0  # the bound is convex in the price
    for _ in range(25):
        third = (high - low) / 3
        if bound(low + third) < bound(high - third):
            high -= third
        else:
            low += third
    return min(bound((low + high) / 2), pulls * arms / (arms + 1))


@cache
def win_stay_payouts(arms: int, pulls: int) -> float:
    """Expected payouts of win-stay, lose-shift in a circle on independent uniform arms, exact.

    The m-th pull without payout of one arm is its l-th pull with probability m / (l (l + 1)), l >= m. Arms take turns,
    so after m pulls without payout each had m // arms of them, some one more; that this took at most n pulls is the
    chance of an m-th one among n.
    """
    length = np.arange(pulls + 1.0)
    failures = 0.0

    def powers(m: int) -> list[Numbers]:
        """Distributions of the pulls that 0, 1, .. ``arms`` arms took for m pulls without payout each."""
        one = np.zeros(pulls + 1)
        if m == 0:
            one[0] = 1.0
        else:
            one[m:] = m / (length[m:] * (length[m:] + 1))
        sums = [np.eye(1, pulls + 1)[0]]
        for _ in range(arms):
            sums.append(np.convolve(sums[-1], one)[: pulls + 1])
        return sums

    now = powers(0)
    for turn in range(pulls // arms + 1):
        later = powers(turn + 1)
        for ahead in range(1, arms + 1):
            failures += float(later[ahead] @ np.cumsum(now[arms - ahead])[::-1])
        now = later
    return pulls - failures


def two_armed_win_stay(pulls: int, dependent: bool, low: float | None = None) -> float:
    """Expected payouts of win-stay, lose-shift on two arms, exact.

    With p and 1 - p it pulls, from the second pull on, the first arm with probability p: p^2 + (1 - p)^2 per pull.
    """
    matching = 0.5 + (pulls - 1) * (2 / 3 if low is None else low**2 + (1 - low) ** 2)
    if dependent:
        return matching
    return win_stay_payouts(2, pulls) if low is None else (matching + pulls / 2) / 2  # arms differ, or are equal
