"""Continual embedded Reber grammar (Gers, Schmidhuber & Cummins 2000): strings without marks between them.

Strings as in `lstm_rl.tasks.reber`, one after the other; at every step the targets of all symbols that may come next
are 1, those of the others 0. The harder variant leaves out the frame, the B before and the E after each string's two
outer symbols, so that a string begins with the symbol that has to be remembered.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_int
from lstm_rl.compiled import kernel
from lstm_rl.published import PUBLISHED
from lstm_rl.rng import uniform
from lstm_rl.tasks.protocol import Protocol, Stream
from lstm_rl.tasks.reber import GRAPH, B, E, P, T
from lstm_rl.tasks.task import Task, sequence_rule
from lstm_rl.topology import Topology

MAX_SYMBOLS = 100  # of a string; longer ones, one in a million, are drawn anew (ours)


@kernel
def _add_symbol(x: Any, targets: Any, has_target: Any, t: int, symbol: int, following: int, other: int) -> int:
    """Write a symbol and the one or two that may follow; return the next step."""
    x[t, 0] = symbol
    targets[t, following] = 1.0
    targets[t, other] = 1.0
    has_target[t] = True
    return t + 1


@kernel
def _add_string(generator: Any, x: Any, targets: Any, has_target: Any, start: int, framed: bool) -> int:
    """Write a string from ``start`` on; return where the next begins."""
    frame = 1 if framed else 0
    while True:
        outer = T if uniform(generator, 0) < 0.5 else P
        t, state = start + frame + 1, 0
        while state != 7 and t < start + MAX_SYMBOLS - 1 - frame:
            branch = 0 if uniform(generator, 0) < 0.5 else 1
            x[t, 0] = GRAPH[state, branch, 0]
            state = GRAPH[state, branch, 1]
            t += 1
        if state == 7:
            break
    end, t, state = t, start, 0
    if framed:
        t = _add_symbol(x, targets, has_target, t, B, T, P)
    t = _add_symbol(x, targets, has_target, t, outer, B, B)
    while t < end:
        symbol = int(x[t, 0])
        state = GRAPH[state, 0, 1] if symbol == GRAPH[state, 0, 0] else GRAPH[state, 1, 1]
        first, second = (outer, outer) if state == 7 else (GRAPH[state, 0, 0], GRAPH[state, 1, 0])
        t = _add_symbol(x, targets, has_target, t, symbol, first, second)
    if framed:
        t = _add_symbol(x, targets, has_target, t, outer, E, E)
        return _add_symbol(x, targets, has_target, t, E, B, B)
    return _add_symbol(x, targets, has_target, t, outer, T, P)


@sequence_rule
def _strings(params: Any, generator: Any, x: Any, targets: Any, has_target: Any) -> int:
    t = 0
    for _ in range(int(params[0])):
        t = _add_string(generator, x, targets, has_target, t, params[1] != 0.0)
    return t


@dataclass(frozen=True)
class ContinualReber(Task):
    """Embedded Reber strings in a row.

    Raises:
        ValueError: A setting is out of its range.
    """

    framed: bool = True
    """Whether a string begins with B and ends with E; else it begins and ends with the outer symbol."""
    strings: int = 10
    """Strings in a sequence, >= 1, for batches and episodes; streams draw theirs one by one, without end."""
    name = "gers2000-cerg"
    rule = _strings
    one_hot_inputs = True
    inputs = 7
    outputs = 7

    def __post_init__(self) -> None:
        if not isinstance(self.framed, bool):
            raise ValueError(f"framed must be True or False, got {self.framed!r}")
        check_int("strings", self.strings, 1)

    @property
    def max_length(self) -> int:
        """L."""
        return self.strings * MAX_SYMBOLS

    @property
    def params(self) -> NDArray[np.float64]:
        """Strings, and whether they are framed."""
        return np.array([self.strings, self.framed], np.float64)

    @property
    def topology(self) -> Topology:
        """424 weights."""
        return PUBLISHED[self.name]

    @property
    def protocol(self) -> Protocol:
        """Ten test streams of 100,000 symbols without a wrong prediction, within 30,000 training streams."""
        return Protocol(0.5, (), 0.49, each_step=True, every=1, max_sequences=30_000, stream=Stream(100_000))
