"""Concentration of POPGym, the game of pairs: turn two cards that match.

Description:
    All cards lie face down. The agent turns one card after the other. After the second one of a turn, two that match
    stay face up; two that do not are shown once and lie face down again. To win, it has to remember what lay where.

    A turn also ends, and costs, when a card is chosen that already lies face up, or the same card twice.

Action Space: ``Discrete(n)``: the place of the card to turn; n is the number of cards.

Observation Space: ``Box(0, 1, (n (D + 1),), float32)``: for each place in order what is seen there, one-hot: one of
    the D kinds, or, last, face down. The two cards of a turn are both seen after its second one, also if they do not
    match. POPGym shows the same as ``MultiDiscrete([D + 1] * n)``.

Rewards: 2 / n for two cards that match; -2 / E for two that do not, and for a turn whose second card already lies face
    up; -1 / E if the first one does; 0 for the first card of a turn. E = ceil(2 n - n / (2 n - 1)) = 2 n, which is also
    the number of steps of an episode. (POPGym computes E from 52 per deck, which is n.)

Starting State: all cards face down in random order.

Episode End: terminated when all cards lie face up; truncated after ``max_steps``, by default E. (POPGym reports a game
    won at the last step as both.)

Arguments: ``difficulty``

    | difficulty | decks | n   | kinds   | D  | E   |
    |------------|-------|-----|---------|----|-----|
    | easy       | 1     | 52  | colours | 2  | 104 |
    | medium     | 2     | 104 | colours | 2  | 208 |
    | hard       | 1     | 52  | ranks   | 13 | 104 |

Info: ``state`` = (first, second, waiting, left_0 .., card_0 .., up_0 ..): the places turned in this or the last turn,
    -1 for none; whether the turn waits for its second card; the cards of each kind not seen so far; the kind at each
    place, -1 before it is seen for the first time; whether it lies face up. ``is_success`` at the end: all cards face
    up.

Optimal Return: 0.833 for easy and medium, 0.732 for hard; `OPTIMUM` holds the numbers. They are the values of a
    dynamic programme over all that matters to a player who forgets nothing: how many cards of each kind are still face
    down, how many of them it has seen, and the card that waits. The limit of E steps costs it nothing. To match known
    cards at once is not the best it can do (0.814, 0.813, 0.698): a known card may match one that is turned later.

Best Return Without Memory: not known, since there are too many tables from pictures to places to try them all. Any
    card that is seen face down, at random, gains 0.45 in easy, 0.47 in medium and -0.82 in hard (400 games, +-0.01).

Source: see `lstm_rl.envs.cards`; ``popgym/envs/concentration.py``.

Version History: v0, first release.
"""

import math
from typing import Any, Literal

import gymnasium as gym
import numpy as np

from lstm_rl.envs.cards import COLORS, DECK, RANKS, RENDERER, Difficulty, by_difficulty, draw, names
from lstm_rl.envs.dynamics import (
    CONTINUES,
    SUCCEEDED,
    World,
    observe_rule,
    reset_rule,
    step_limit,
    step_rule,
)

FIRST, SECOND, WAITING, LEFT = range(4)  # the state's numbers; LEFT is the first of D, then come cards and faces
KINDS, CARDS, OF_A_KIND, MATCH, FAILURE = range(5)  # the constants
OPTIMUM = 0.8332580894730938, 0.8333256223094525, 0.7323618587317993  # easy, medium, hard


@reset_rule
def concentration_reset(params: Any, noise: Any, state: Any) -> None:
    """Nothing is seen and nothing is drawn."""
    cards = LEFT + int(params[KINDS])
    faces = cards + int(params[CARDS])
    state[FIRST] = -1.0
    state[SECOND] = -1.0
    state[WAITING] = 0.0
    state[LEFT:cards] = params[OF_A_KIND]
    state[cards:faces] = -1.0
    state[faces:] = 0.0


@step_rule
def concentration_step(params: Any, noise: Any, action: int, state: Any) -> tuple[float, int]:
    """Turn a card; noise[0] draws its kind if it has not been seen before."""
    kinds, n = int(params[KINDS]), int(params[CARDS])
    left, cards, faces = state[LEFT : LEFT + kinds], state[LEFT + kinds : LEFT + kinds + n], state[LEFT + kinds + n :]
    if cards[action] < 0.0:
        cards[action] = draw(left, noise[0])
    turned = 1.0
    if state[WAITING] == 1.0:
        state[SECOND] = action
        turned = 2.0
    else:
        state[FIRST] = action
        state[SECOND] = -1.0
    if faces[action] == 1.0:
        state[WAITING] = 0.0
        return params[FAILURE] * turned, CONTINUES
    if turned == 1.0:
        state[WAITING] = 1.0
        return 0.0, CONTINUES
    state[WAITING] = 0.0
    first = int(state[FIRST])
    if first == action or cards[first] != cards[action]:
        return 2.0 * params[FAILURE], CONTINUES
    faces[first] = 1.0
    faces[action] = 1.0
    for face in faces:
        if face == 0.0:
            return params[MATCH], CONTINUES
    return params[MATCH], SUCCEEDED


@observe_rule
def concentration_observe(params: Any, noise: Any, state: Any, observation: Any) -> None:
    """What is seen at each place."""
    kinds, n = int(params[KINDS]), int(params[CARDS])
    cards, faces = state[LEFT + kinds : LEFT + kinds + n], state[LEFT + kinds + n :]
    observation[:] = 0.0
    for place in range(n):
        seen = faces[place] == 1.0 or place == int(state[FIRST]) or place == int(state[SECOND])
        kind = int(cards[place]) if seen else kinds
        observation[place * (kinds + 1) + kind] = 1.0


def concentration(difficulty: Difficulty = "easy", *, max_steps: int | Literal["auto"] | None = "auto") -> World:
    """Concentration as a `World`; the module describes it.

    Args:
        difficulty: "easy", "medium" or "hard".
        max_steps: Steps in [1, 2^53] after which an episode is truncated; "auto": E; None: never.

    Raises:
        ValueError: An argument is out of its range.
    """
    decks, kinds = by_difficulty(difficulty, (1, COLORS), (2, COLORS), (1, RANKS))
    n = DECK * decks
    steps = math.ceil(2 * n - n / (2 * n - 1))
    return World(
        concentration_reset,
        concentration_step,
        concentration_observe,
        params=np.array([kinds, n, n / kinds, 1 / (n // 2), -1 / steps]),
        state_names=("first", "second", "waiting", *names("left", kinds), *names("card", n), *names("up", n)),
        noise_size=1,
        observation_space=gym.spaces.Box(0.0, 1.0, (n * (kinds + 1),), np.float32),
        action_space=gym.spaces.Discrete(n),
        max_steps=steps if max_steps == "auto" else step_limit(max_steps),
        optimal_return=by_difficulty(difficulty, *OPTIMUM),
        renderer=RENDERER,
        family="Concentration",
    )
