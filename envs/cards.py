"""What the card tasks of POPGym share: decks, drawing without replacement, and one-hot observations.

A deck has 4 suits (spades, diamonds, clubs, hearts: 0..3) of 13 ranks (ace, 2..10, jack, queen, king: 0..12). Spades
and clubs have the colour 0, diamonds and hearts the colour 1. POPGym shuffles all cards at the start of an episode;
here the next card is drawn among those that are left when it is needed. That is the same distribution of episodes,
takes one uniform number per step, and keeps in the state only how many cards of each kind are left.

Source: S. Morad, R. Kortvelesy, M. Bettini, S. Liwicki, A. Prorok, "POPGym: Benchmarking Partially Observable
    Reinforcement Learning", ICLR 2023; the rules are those of the package popgym 1.0.7, ``popgym/core/deck.py``.
"""

from math import comb
from typing import Any, Literal, TypeVar

from lstm_rl.checks import check_choice
from lstm_rl.compiled import kernel

DECK, SUITS, RANKS, COLORS = 52, 4, 13, 2
RENDERER = "lstm_rl.envs.rendering_cards"

Difficulty = Literal["easy", "medium", "hard"]
T = TypeVar("T")


def by_difficulty(difficulty: str, easy: T, medium: T, hard: T) -> T:
    """The value that belongs to a difficulty; ``ValueError`` lists the difficulties if it is none of them."""
    levels = {"easy": easy, "medium": medium, "hard": hard}
    return levels[check_choice("difficulty", difficulty, tuple(levels))]


@kernel
def draw(left: Any, uniform: float) -> int:
    """Draw a card at random: lower its kind's count in ``left`` (kinds,) by one and return the kind."""
    total = 0.0
    for kind in range(left.shape[0]):
        total += left[kind]
    place = float(int(uniform * total))  # 0 .. total - 1: the product never rounds up to the total
    kind = 0
    while place >= left[kind]:
        place -= left[kind]
        kind += 1
    left[kind] -= 1.0
    return kind


@kernel
def is_empty(left: Any) -> bool:
    """Whether no card is left of any kind."""
    for kind in range(left.shape[0]):
        if left[kind] > 0.0:
            return False
    return True


def hypergeometric(cards: int, marked: int, drawn: int, hits: int) -> float:
    """The probability that ``drawn`` of ``cards`` cards contain exactly ``hits`` of the ``marked`` ones."""
    if not 0 <= hits <= drawn or drawn - hits > cards - marked:
        return 0.0
    return comb(marked, hits) * comb(cards - marked, drawn - hits) / comb(cards, drawn)


def names(name: str, count: int) -> tuple[str, ...]:
    """Names of ``count`` numbers of a state that belong together."""
    return tuple(f"{name}_{i}" for i in range(count))
