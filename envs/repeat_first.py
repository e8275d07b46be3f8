"""Repeat First of POPGym: name the suit of the first card at every step.

Description:
    The cards of 1, 8 or 16 shuffled decks are shown one after the other. At every step the agent has to name the suit
    of the first one. No observation says that it is the first.

Action Space: ``Discrete(4)``: the suit.

Observation Space: ``Box(0, 1, (4,), float32)``: the suit of the present card, one-hot. POPGym shows the same as
    ``Discrete(4)``.

Rewards: 1 / (n - 1) for the right suit and -1 / (n - 1) for a wrong one, n the number of cards.

Starting State: the first card of the shuffled cards.

Episode End: terminated after n - 1 steps, when the last card is shown.

Arguments: ``difficulty``

    | difficulty | decks | n   |
    |------------|-------|-----|
    | easy       | 1     | 52  |
    | medium     | 8     | 416 |
    | hard       | 16    | 832 |

Info: ``state`` = (first, card, mistakes, left_0 .. left_3), the last four the cards of each suit still to come;
    ``is_success`` at the end: no mistake.

Optimal Return: 1. Best Return Without Memory: name the suit that is seen, which is right at the first step and later
    whenever the present card has the suit of the first one: (1 + (n - 2) (2 p - 1)) / (n - 1), p = (n/4 - 1) / (n - 1);
    -0.499 for easy.

Note: with the previous action *and* a mark of the first step as further inputs, as POPGym's own baselines have them, a
    policy without memory reaches the optimum: it names the first card, and then repeats its own action.

Source: see `lstm_rl.envs.cards`; ``popgym/envs/repeat_first.py``.

Version History: v0, first release.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from lstm_rl.envs.cards import DECK, RENDERER, SUITS, Difficulty, by_difficulty, draw, is_empty, names
from lstm_rl.envs.dynamics import (
    CONTINUES,
    FAILED,
    SUCCEEDED,
    Marks,
    World,
    observe_rule,
    reset_rule,
    step_limit,
    step_rule,
)

FIRST, CARD, MISTAKES, LEFT = range(4)  # the state's numbers; LEFT is the first of 4
OF_A_SUIT, REWARD = range(2)  # the constants


@reset_rule
def first_reset(params: Any, noise: Any, state: Any) -> None:
    """Show the first card; noise[0] draws it."""
    state[LEFT:] = params[OF_A_SUIT]
    state[FIRST] = draw(state[LEFT:], noise[0])
    state[CARD] = state[FIRST]
    state[MISTAKES] = 0.0


@step_rule
def first_step(params: Any, noise: Any, action: int, state: Any) -> tuple[float, int]:
    """Compare with the first card and show the next one, which noise[0] draws."""
    right = action == int(state[FIRST])
    state[MISTAKES] += 0.0 if right else 1.0
    state[CARD] = draw(state[LEFT:], noise[0])
    outcome = CONTINUES
    if is_empty(state[LEFT:]):
        outcome = SUCCEEDED if state[MISTAKES] == 0.0 else FAILED
    return (params[REWARD] if right else -params[REWARD]), outcome


@observe_rule
def first_observe(params: Any, noise: Any, state: Any, observation: Any) -> None:
    """The present card's suit."""
    observation[:] = 0.0
    observation[int(state[CARD])] = 1.0


def first_marks(params: NDArray[np.float64], states: NDArray[np.float64]) -> Marks:
    """The step at which the first card is shown."""
    return {"cue": states[:, LEFT:].sum(1) == SUITS * params[OF_A_SUIT] - 1}


def repeat_first(difficulty: Difficulty = "easy", *, max_steps: int | None = None) -> World:
    """Repeat First as a `World`; the module describes it.

    Args:
        difficulty: "easy", "medium" or "hard".
        max_steps: Steps in [1, 2^53] after which an episode is truncated; None: never.

    Raises:
        ValueError: An argument is out of its range.
    """
    n = DECK * by_difficulty(difficulty, 1, 8, 16)
    again = (n / SUITS - 1) / (n - 1)  # probability that another card has the first one's suit
    return World(
        first_reset,
        first_step,
        first_observe,
        params=np.array([n / SUITS, 1 / (n - 1)]),
        state_names=("first", "card", "mistakes", *names("left", SUITS)),
        noise_size=1,
        observation_space=gym.spaces.Box(0.0, 1.0, (SUITS,), np.float32),
        action_space=gym.spaces.Discrete(SUITS),
        max_steps=step_limit(max_steps),
        optimal_return=1.0,
        memoryless_return=(1 + (n - 2) * (2 * again - 1)) / (n - 1),
        renderer=RENDERER,
        family="RepeatFirst",
        marks=first_marks,
    )
