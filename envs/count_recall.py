"""Count Recall of POPGym: how many cards of the queried kind have been shown so far?

Description:
    Two shuffled stacks of cards, one of values and one of queries, are shown side by side, a card of each at a time. At
    every step the agent has to say how many values of the kind of the present query it has seen, the present value
    included.

Action Space: ``Discrete(m + 1)``: the count; m is the number of cards of a kind.

Observation Space: ``Box(0, 1, (2 D,), float32)``: the kind of the value, one-hot among D kinds, then that of the query.
    POPGym shows the same as ``MultiDiscrete([D, D])``.

Rewards: 1 / (n - 1) for the right count and -1 / (n - 1) for a wrong one, n the number of cards in a stack.

Starting State: the first cards of both stacks.

Episode End: terminated after n - 1 steps, when the last cards are shown.

Arguments: ``difficulty``

    | difficulty | decks | n   | kinds    | D  | m  |
    |------------|-------|-----|----------|----|----|
    | easy       | 1     | 52  | colours  | 2  | 26 |
    | medium     | 2     | 104 | suits    | 4  | 26 |
    | hard       | 4     | 208 | ranks    | 13 | 16 |

Info: ``state`` = (value, query, mistakes, left_0 .., queries_0 ..): the cards of each kind still to come in the stack
    of values and in that of queries; ``is_success`` at the end: no mistake.

Optimal Return: 1. Best Return Without Memory: all that the observation tells is whether value and query are of one
    kind; name the count that is then the most likely one, averaged over all steps (`memoryless_return` computes it):
    -0.923 for easy, -0.924 for medium, -0.881 for hard.

Source: see `lstm_rl.envs.cards`; ``popgym/envs/count_recall.py``.

Version History: v0, first release.
"""

from typing import Any

import gymnasium as gym
import numpy as np

from lstm_rl.envs.cards import (
    COLORS,
    DECK,
    RANKS,
    RENDERER,
    SUITS,
    Difficulty,
    by_difficulty,
    draw,
    hypergeometric,
    is_empty,
    names,
)
from lstm_rl.envs.dynamics import (
    CONTINUES,
    FAILED,
    SUCCEEDED,
    World,
    observe_rule,
    reset_rule,
    step_limit,
    step_rule,
)

VALUE, QUERY, MISTAKES, LEFT = range(4)  # the state's numbers; LEFT is the first of D, and D more are the queries'
KINDS, OF_A_KIND, REWARD = range(3)  # the constants


@reset_rule
def count_reset(params: Any, noise: Any, state: Any) -> None:
    """Show the first value (noise[0]) and the first query (noise[1])."""
    queries = LEFT + int(params[KINDS])
    state[LEFT:] = params[OF_A_KIND]
    state[VALUE] = draw(state[LEFT:queries], noise[0])
    state[QUERY] = draw(state[queries:], noise[1])
    state[MISTAKES] = 0.0


@step_rule
def count_step(params: Any, noise: Any, action: int, state: Any) -> tuple[float, int]:
    """Compare with the count of what is no longer left, and show the next cards."""
    queries = LEFT + int(params[KINDS])
    right = action == int(params[OF_A_KIND] - state[LEFT + int(state[QUERY])])
    state[MISTAKES] += 0.0 if right else 1.0
    state[VALUE] = draw(state[LEFT:queries], noise[0])
    state[QUERY] = draw(state[queries:], noise[1])
    outcome = CONTINUES
    if is_empty(state[LEFT:queries]):
        outcome = SUCCEEDED if state[MISTAKES] == 0.0 else FAILED
    return (params[REWARD] if right else -params[REWARD]), outcome


@observe_rule
def count_observe(params: Any, noise: Any, state: Any, observation: Any) -> None:
    """The kinds of value and query."""
    observation[:] = 0.0
    observation[int(state[VALUE])] = 1.0
    observation[int(params[KINDS]) + int(state[QUERY])] = 1.0


def memoryless_return(n: int, kinds: int) -> float:
    """The best return of a policy that sees only whether value and query are of one kind.

    If they are, one of the t values so far is of the queried kind, and so are some of the other t - 1, drawn from n - 1
    cards with m - 1 of the kind; if not, m of the n - 1 cards are of the kind.
    """
    m, times = n // kinds, range(1, n)
    right = 0.0  # steps with the right answer
    for same, probability in ((1, 1 / kinds), (0, 1 - 1 / kinds)):
        chances = [sum(hypergeometric(n - 1, m - same, t - 1, c - same) for t in times) for c in range(m + 1)]
        right += probability * max(chances)
    return 2 * right / (n - 1) - 1


def count_recall(difficulty: Difficulty = "easy", *, max_steps: int | None = None) -> World:
    """Count Recall as a `World`; the module describes it.

    Args:
        difficulty: "easy", "medium" or "hard".
        max_steps: Steps in [1, 2^53] after which an episode is truncated; None: never.

    Raises:
        ValueError: An argument is out of its range.
    """
    decks, kinds = by_difficulty(difficulty, (1, COLORS), (2, SUITS), (4, RANKS))
    n = DECK * decks
    m = n // kinds
    return World(
        count_reset,
        count_step,
        count_observe,
        params=np.array([kinds, m, 1 / (n - 1)]),
        state_names=("value", "query", "mistakes", *names("left", kinds), *names("queries", kinds)),
        noise_size=2,
        observation_space=gym.spaces.Box(0.0, 1.0, (2 * kinds,), np.float32),
        action_space=gym.spaces.Discrete(m + 1),
        max_steps=step_limit(max_steps),
        optimal_return=1.0,
        memoryless_return=memoryless_return(n, kinds),
        renderer=RENDERER,
        family="CountRecall",
    )
