"""Autoencode of POPGym: watch all cards, then name their suits from the last card to the first.

Description:
    While the agent watches, the cards of 1, 2 or 3 shuffled decks are shown one after the other; its actions have no
    effect. The observation of the last card tells that it is the agent's turn: it then has to name the suits in
    reverse order, the one that it sees first.

Action Space: ``Discrete(4)``: the suit.

Observation Space: ``Box(0, 1, (6,), float32)``: play or watch, one-hot, then a suit, one-hot. Play is the first of the
    two. POPGym shows the same as ``Tuple(Discrete(2), Discrete(4))``.

    | when                        | mode  | suit               |
    |-----------------------------|-------|--------------------|
    | cards 1 .. n - 1            | watch | of the card        |
    | card n                      | play  | of the card        |
    | after the first answer      | play  | 0 whatever happens |

Rewards: 1 / n for the right suit and -1 / n for a wrong one, n the number of cards; 0 while watching.

Starting State: the first card of the shuffled cards.

Episode End: terminated after the n-th answer, at step 2 n - 1.

Arguments: ``difficulty``: "easy" 1 deck, n = 52; "medium" 2 decks, n = 104; "hard" 3 decks, n = 156.

Info: ``state`` = (playing, suit, held, mistakes, left_0 .. left_3, card_0 .. card_(n-1)): whether it is the agent's
    turn, the suit that is shown, the number of cards shown so far and not yet named, the cards of each suit still to
    come, and the cards in the order of their showing, -1 before; ``is_success`` at the end: no mistake.

Optimal Return: 1. Best Return Without Memory: name the suit that is seen, which is right for the last card and then as
    good as any other: 3 / (2 n) - 1/2, -0.471 for easy.

Source: see `lstm_rl.envs.cards`; ``popgym/envs/autoencode.py``.

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

PLAYING, SUIT, HELD, MISTAKES, LEFT = range(5)  # the state's numbers; LEFT is the first of 4
CARDS = LEFT + SUITS  # the first of n
OF_A_SUIT, REWARD = range(2)  # the constants


@reset_rule
def autoencode_reset(params: Any, noise: Any, state: Any) -> None:
    """Show the first card; noise[0] draws it."""
    state[PLAYING] = 0.0
    state[MISTAKES] = 0.0
    state[LEFT:CARDS] = params[OF_A_SUIT]
    state[CARDS:] = -1.0
    state[CARDS] = draw(state[LEFT:CARDS], noise[0])
    state[SUIT] = state[CARDS]
    state[HELD] = 1.0


@step_rule
def autoencode_step(params: Any, noise: Any, action: int, state: Any) -> tuple[float, int]:
    """Show the next card, which noise[0] draws; or compare with the last one that is held, and put it away."""
    if state[PLAYING] == 0.0:
        card = draw(state[LEFT:CARDS], noise[0])
        state[CARDS + int(state[HELD])] = card
        state[SUIT] = card
        state[HELD] += 1.0
        state[PLAYING] = 1.0 if is_empty(state[LEFT:CARDS]) else 0.0
        return 0.0, CONTINUES
    state[HELD] -= 1.0
    state[SUIT] = 0.0
    right = action == int(state[CARDS + int(state[HELD])])
    state[MISTAKES] += 0.0 if right else 1.0
    outcome = CONTINUES
    if state[HELD] == 0.0:
        outcome = SUCCEEDED if state[MISTAKES] == 0.0 else FAILED
    return (params[REWARD] if right else -params[REWARD]), outcome


@observe_rule
def autoencode_observe(params: Any, noise: Any, state: Any, observation: Any) -> None:
    """Play or watch, and the suit."""
    observation[:] = 0.0
    observation[0 if state[PLAYING] == 1.0 else 1] = 1.0
    observation[2 + int(state[SUIT])] = 1.0


def autoencode_marks(params: NDArray[np.float64], states: NDArray[np.float64]) -> Marks:
    """The steps at which a card is shown."""
    return {"cue": states[:, PLAYING] == 0.0}


def autoencode(difficulty: Difficulty = "easy", *, max_steps: int | None = None) -> World:
    """Autoencode as a `World`; the module describes it.

    Args:
        difficulty: "easy", "medium" or "hard".
        max_steps: Steps in [1, 2^53] after which an episode is truncated; None: never.

    Raises:
        ValueError: An argument is out of its range.
    """
    n = DECK * by_difficulty(difficulty, 1, 2, 3)
    return World(
        autoencode_reset,
        autoencode_step,
        autoencode_observe,
        params=np.array([n / SUITS, 1 / n]),
        state_names=("playing", "suit", "held", "mistakes", *names("left", SUITS), *names("card", n)),
        noise_size=1,
        observation_space=gym.spaces.Box(0.0, 1.0, (2 + SUITS,), np.float32),
        action_space=gym.spaces.Discrete(SUITS),
        max_steps=step_limit(max_steps),
        optimal_return=1.0,
        memoryless_return=3 / (2 * n) - 0.5,
        renderer=RENDERER,
        family="Autoencode",
        marks=autoencode_marks,
    )
