"""Higher Lower of POPGym: is the next card's rank higher or lower than the present one's?

Description:
    The cards of 1, 2 or 3 shuffled decks are shown one after the other. Before each the agent guesses whether its rank
    will be higher or lower. Who counts the cards that have been shown knows which are still to come and guesses better.

Action Space: ``Discrete(2)``: 0 higher, 1 lower.

Observation Space: ``Box(0, 1, (13,), float32)``: the rank of the present card, one-hot, ace first and king last. POPGym
    shows the same as ``Discrete(13)``.

Rewards: 1 / n for a right guess, -1 / n for a wrong one, 0 if the next card has the same rank; n the number of cards.

Starting State: the first card of the shuffled cards.

Episode End: terminated after n - 1 steps, when the last card is shown.

Arguments: ``difficulty``: "easy" 1 deck, n = 52; "medium" 2 decks, n = 104; "hard" 3 decks, n = 156.

Info: ``state`` = (rank, balance, left_0 .. left_12): right minus wrong guesses so far, and the cards of each rank still
    to come; ``is_success`` at the end: more right than wrong guesses.

Optimal Return: guess by the cards still to come. No guess changes what comes, so the best return is the sum over all
    steps of E |higher - lower| / left / n, where of the ``left`` cards still to come ``higher`` rank above the present
    one and ``lower`` below; `COUNTING` holds the exact sums: 0.528 for easy, 0.516 for medium, 0.511 for hard.

Best Return Without Memory: higher below a seven, lower from there on: 84/169 = 0.497 for all difficulties. Two cards
    in a row are any two of the n with the same probability. With d decks, 4 d (12 - r) of the n - 1 others rank higher
    than r and 4 d r lower; the mean over r of 4 d |12 - 2 r| / (n - 1), times the n - 1 guesses worth 1 / n each, is
    4 d 84 / (13 n).

Source: see `lstm_rl.envs.cards`; ``popgym/envs/higher_lower.py``.

Version History: v0, first release.
"""

from typing import Any

import gymnasium as gym
import numpy as np

from lstm_rl.envs.cards import DECK, RANKS, RENDERER, SUITS, Difficulty, by_difficulty, draw, is_empty, names
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

HIGHER, LOWER = range(2)
RANK, BALANCE, LEFT = range(3)  # the state's numbers; LEFT is the first of 13
OF_A_RANK, REWARD = range(2)  # the constants
COUNTING = 0.5275997079036485, 0.5161030706739261, 0.5114590610484324  # best expected returns for 1, 2 and 3 decks


@reset_rule
def higher_reset(params: Any, noise: Any, state: Any) -> None:
    """Show the first card; noise[0] draws it."""
    state[LEFT:] = params[OF_A_RANK]
    state[RANK] = draw(state[LEFT:], noise[0])
    state[BALANCE] = 0.0


@step_rule
def higher_step(params: Any, noise: Any, action: int, state: Any) -> tuple[float, int]:
    """Show the next card, which noise[0] draws, and compare."""
    before = state[RANK]
    state[RANK] = draw(state[LEFT:], noise[0])
    score = 0.0
    if state[RANK] != before:
        score = 1.0 if (state[RANK] > before) == (action == HIGHER) else -1.0
    state[BALANCE] += score
    outcome = CONTINUES
    if is_empty(state[LEFT:]):
        outcome = SUCCEEDED if state[BALANCE] > 0.0 else FAILED
    return score * params[REWARD], outcome


@observe_rule
def higher_observe(params: Any, noise: Any, state: Any, observation: Any) -> None:
    """The present card's rank."""
    observation[:] = 0.0
    observation[int(state[RANK])] = 1.0


def higher_lower(difficulty: Difficulty = "easy", *, max_steps: int | None = None) -> World:
    """Higher Lower as a `World`; the module describes it.

    Args:
        difficulty: "easy", "medium" or "hard".
        max_steps: Steps in [1, 2^53] after which an episode is truncated; None: never.

    Raises:
        ValueError: An argument is out of its range.
    """
    decks = by_difficulty(difficulty, 1, 2, 3)
    return World(
        higher_reset,
        higher_step,
        higher_observe,
        params=np.array([SUITS * decks, 1 / (DECK * decks)]),
        state_names=("rank", "balance", *names("left", RANKS)),
        noise_size=1,
        observation_space=gym.spaces.Box(0.0, 1.0, (RANKS,), np.float32),
        action_space=gym.spaces.Discrete(2),
        max_steps=step_limit(max_steps),
        optimal_return=COUNTING[decks - 1],
        memoryless_return=84 / 169,
        renderer=RENDERER,
        family="HigherLower",
    )
