"""Repeat Previous of POPGym: name the suit of the card of k - 1 steps ago.

Description:
    The cards of 1, 2 or 3 shuffled decks are shown one after the other. As soon as k cards have been shown, the agent
    has to name at every step the suit of the k-th last one, counted from the present card: k = 1 would be the present.

Action Space: ``Discrete(4)``: the suit.

Observation Space: ``Box(0, 1, (4,), float32)``: the suit of the present card, one-hot. POPGym shows the same as
    ``Discrete(4)``.

Rewards: 1 / (n - k) for the right suit and -1 / (n - k) for a wrong one, n the number of cards; 0 before k cards have
    been shown.

Starting State: the first card of the shuffled cards.

Episode End: terminated after n - 1 steps, when the last card is shown.

Arguments: ``difficulty``

    | difficulty | decks | n   | k  |
    |------------|-------|-----|----|
    | easy       | 1     | 52  | 4  |
    | medium     | 2     | 104 | 32 |
    | hard       | 3     | 156 | 64 |

Info: ``state`` = (shown, mistakes, left_0 .. left_3, card_0 .. card_(k-1)): the number of cards shown, the cards of
    each suit still to come, and the last k cards, card number j at place j modulo k, -1 where there is none yet;
    ``is_success`` at the end: no mistake.

Optimal Return: 1. Best Return Without Memory: name a suit other than the present card's, since that one is a little
    less likely: 2 (n/4) / (n - 1) - 1, -0.490 for easy.

Source: see `lstm_rl.envs.cards`; ``popgym/envs/repeat_previous.py``.

Version History: v0, first release.
"""

from typing import Any

import gymnasium as gym
import numpy as np

from lstm_rl.envs.cards import DECK, RENDERER, SUITS, Difficulty, by_difficulty, draw, is_empty, names
from lstm_rl.envs.dynamics import CONTINUES, FAILED, SUCCEEDED, World, observe_rule, reset_rule, step_limit, step_rule

SHOWN, MISTAKES, LEFT = range(3)  # the state's numbers; LEFT is the first of 4
CARDS = LEFT + SUITS  # the first of k
OF_A_SUIT, REWARD, K = range(3)  # the constants


@reset_rule
def previous_reset(params: Any, noise: Any, state: Any) -> None:
    """Show the first card; noise[0] draws it."""
    state[LEFT:CARDS] = params[OF_A_SUIT]
    state[CARDS:] = -1.0
    state[CARDS] = draw(state[LEFT:CARDS], noise[0])
    state[SHOWN] = 1.0
    state[MISTAKES] = 0.0


@step_rule
def previous_step(params: Any, noise: Any, action: int, state: Any) -> tuple[float, int]:
    """Compare with the k-th last card, in whose place the next one goes; noise[0] draws it."""
    place = CARDS + int(state[SHOWN]) % int(params[K])
    reward = 0.0
    if state[SHOWN] >= params[K]:
        right = action == int(state[place])
        state[MISTAKES] += 0.0 if right else 1.0
        reward = params[REWARD] if right else -params[REWARD]
    state[place] = draw(state[LEFT:CARDS], noise[0])
    state[SHOWN] += 1.0
    outcome = CONTINUES
    if is_empty(state[LEFT:CARDS]):
        outcome = SUCCEEDED if state[MISTAKES] == 0.0 else FAILED
    return reward, outcome


@observe_rule
def previous_observe(params: Any, noise: Any, state: Any, observation: Any) -> None:
    """The present card's suit."""
    observation[:] = 0.0
    observation[int(state[CARDS + (int(state[SHOWN]) - 1) % int(params[K])])] = 1.0


def repeat_previous(difficulty: Difficulty = "easy", *, max_steps: int | None = None) -> World:
    """Repeat Previous as a `World`; the module describes it.

    Args:
        difficulty: "easy", "medium" or "hard".
        max_steps: Steps in [1, 2^53] after which an episode is truncated; None: never.

    Raises:
        ValueError: An argument is out of its range.
    """
    decks, k = by_difficulty(difficulty, (1, 4), (2, 32), (3, 64))
    n = DECK * decks
    return World(
        previous_reset,
        previous_step,
        previous_observe,
        params=np.array([n / SUITS, 1 / (n - k), k]),
        state_names=("shown", "mistakes", *names("left", SUITS), *names("card", k)),
        noise_size=1,
        observation_space=gym.spaces.Box(0.0, 1.0, (SUITS,), np.float32),
        action_space=gym.spaces.Discrete(SUITS),
        max_steps=step_limit(max_steps),
        optimal_return=1.0,
        memoryless_return=2 * (n / SUITS) / (n - 1) - 1,
        renderer=RENDERER,
        family="RepeatPrevious",
    )
