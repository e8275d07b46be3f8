"""Formal languages (Gers & Schmidhuber 2001): a^n b^n, a^n b^n c^n and a^n b^m B^m A^n.

A start symbol S, then the symbols of a string; at each step all symbols that may come next are to be predicted, and no
other, at the string's end T. The empty string is legal: a or T may follow S. As long as the first letter lasts, it or
the second may follow; then every count is known, and so is each symbol. In a^n b^m B^m A^n, b or B may follow a b.

One unit per symbol, 1 where it is there, -1 else; S, an input, and T, an output, share the first.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_choice, check_int
from lstm_rl.compiled import kernel
from lstm_rl.published import PUBLISHED
from lstm_rl.rng import integer
from lstm_rl.tasks.protocol import Criterion, Protocol
from lstm_rl.tasks.task import Task, sequence_rule
from lstm_rl.topology import Topology


class Language(NamedTuple):
    """Runs of letters, each with a letter of its own, of which the first ones have lengths that nothing foretells."""

    runs: int
    free: int  # 1: all runs are as long as the first; 2: lengths n, m, m, n


LANGUAGES = {"anbn": Language(2, 1), "anbncn": Language(3, 1), "anbmbmam": Language(4, 2)}


@kernel
def run_length(runs: int, free: int, run: int, n: int, m: int) -> int:
    """Letters of a run: n in the outer ones if two are free, else in all."""
    return n if free == 1 or run == 0 or run == runs - 1 else m


@sequence_rule
def _string(params: Any, generator: Any, x: Any, targets: Any, has_target: Any) -> int:
    runs, free, low, high, ends = int(params[0]), int(params[1]), int(params[2]), int(params[3]), params[4]
    n = low + integer(generator, 0, high - low + 1)
    m = low + integer(generator, 0, high - low + 1) if free == 2 else n
    length = 1
    for run in range(runs):
        length += run_length(runs, free, run, n, m)
    x[:length] = -1.0
    targets[:length] = -1.0
    has_target[0] = True
    x[0, 0] = targets[0, 0] = targets[0, 1] = 1.0  # S, after which T and a are legal
    t = 1
    for run in range(runs):
        letter, following, letters = run + 1, (run + 2) % (runs + 1), run_length(runs, free, run, n, m)
        for k in range(letters):
            x[t, letter] = 1.0
            last = k == letters - 1
            has_target[t] = min(k, letters - 1 - k) < ends
            if run < free or not last:
                targets[t, letter] = 1.0
            if run < free or last:
                targets[t, following] = 1.0
            t += 1
    return length


@dataclass(frozen=True)
class FormalLanguage(Task):
    """Strings of one language, their free counts uniform in a range.

    Raises:
        ValueError: A setting is out of its range.
    """

    language: str = "anbn"
    """anbn, anbncn or anbmbmam."""
    low: int = 1
    """Smallest count in training, >= 1."""
    high: int = 10
    """Largest count in training, >= ``low``."""
    tested: int = 1000
    """Largest count in tests, >= ``high``."""
    ends: int | None = None
    """Only the first and last so many letters of a run have targets (ours), >= 1; None: all have."""
    at_least: int = 100
    """Training sequences before it may stop, >= 100; in the paper it stops once the training range is accepted."""
    every: int = 1000
    """Training sequences between two tests, >= 100."""
    rule = _string

    def __post_init__(self) -> None:
        check_choice("language", self.language, tuple(LANGUAGES))
        check_int("low", self.low, 1)
        check_int("high", self.high, self.low)
        check_int("tested", self.tested, self.high)
        if self.ends is not None:
            check_int("ends", self.ends, 1)
        check_int("at_least", self.at_least, 100)
        check_int("every", self.every, 100)

    @property
    def name(self) -> str:  # type: ignore[override]
        """As in the tables."""
        return f"gers2001-{self.language}"

    @property
    def runs(self) -> Language:
        """How its strings are made."""
        return LANGUAGES[self.language]

    @property
    def inputs(self) -> int:
        """Letters and S."""
        return self.runs.runs + 1

    @property
    def outputs(self) -> int:
        """Letters and T."""
        return self.inputs

    @property
    def max_length(self) -> int:
        """L."""
        return 1 + self.runs.runs * self.high

    @property
    def params(self) -> NDArray[np.float64]:
        """Runs, how many of them are free, the range of counts, and letters with targets at each end of a run."""
        return np.array([*self.runs, self.low, self.high, self.ends or self.high], np.float64)

    @property
    def topology(self) -> Topology:
        """38, 90 or 110 weights."""
        return PUBLISHED[self.name]

    @property
    def protocol(self) -> Protocol:
        """All strings of the training range accepted, once and at the end; budget (ours).

        Outputs decide at 0: those of a guessed network, +-2, are exactly 1 off their targets when they are right.
        """
        return Protocol(
            1e-5,
            (Criterion(100), Criterion(self.at_least)),
            1.0 + 1e-9,
            "accepted",
            momentum=0.99,
            each_step=True,
            every=self.every,
            max_sequences=200_000,
        )
