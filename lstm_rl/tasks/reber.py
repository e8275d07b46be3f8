"""The embedded Reber grammar (Hochreiter & Schmidhuber 1997, experiment 1; Smith & Zipser 1989).

B, then T or P with probability .5, a complete Reber string, the same T or P, E. The next symbol is to be predicted at
every step. At least 9 symbols, 12 on average. One-hot B, T, P, S, X, V, E.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_choice, check_int
from lstm_rl.published import PUBLISHED
from lstm_rl.rng import integer, uniform
from lstm_rl.tasks.protocol import Criterion, Protocol
from lstm_rl.tasks.task import Task, sequence_rule
from lstm_rl.topology import Topology

SYMBOLS = "BTPSXVE"
B, T, P, S, X, V, E = range(7)
# In each state two branches (symbol, next state), the same one twice where there is no choice; state 7 is the end
BRANCHES = (
    ((B, 1), (B, 1)),
    ((T, 2), (P, 3)),
    ((S, 2), (X, 4)),
    ((T, 3), (V, 5)),
    ((X, 3), (S, 6)),
    ((P, 4), (V, 6)),
    ((E, 7), (E, 7)),
)
STRINGS = 256  # in each of two sets
GRAPH = np.array(BRANCHES)  # (7, 2, 2)


@sequence_rule
def _reber(params: Any, generator: Any, x: Any, targets: Any, has_target: Any) -> int:
    longest = x.shape[0]
    while True:  # a string that would be longer is drawn anew
        state, t = 0, 2
        outer = T if uniform(generator, 0) < 0.5 else P
        while state != 7 and t < longest - 2:
            branch = 0 if uniform(generator, 0) < 0.5 else 1
            x[t, 0] = GRAPH[state, branch, 0]
            state = GRAPH[state, branch, 1]
            t += 1
        if state == 7:
            break
    x[0, 0] = B
    x[1, 0] = outer
    x[t, 0] = outer
    for step in range(t + 1):
        has_target[step] = True
    for step in range(t):
        targets[step, int(x[step + 1, 0])] = 1.0
    targets[t, E] = 1.0  # the last symbol is only predicted: nothing follows it
    return t + 1


@sequence_rule
def _stored(params: Any, generator: Any, x: Any, targets: Any, has_target: Any) -> int:
    strings, size = int(params[0]), x.shape[0] + 1
    start = 1 + size * integer(generator, 0, strings)
    t = 0
    while t + 1 < size and params[start + t + 1] >= 0:
        x[t, 0] = params[start + t]
        targets[t, int(params[start + t + 1])] = 1.0
        has_target[t] = True
        t += 1
    return t


@dataclass(frozen=True)
class ReberTask(Task):
    """Embedded Reber strings.

    Raises:
        ValueError: A setting is out of its range.
    """

    blocks: str = "4x1"
    """Blocks x cells of the published network: 4x1 or 3x2."""
    max_symbols: int = 100
    """Longest string, >= 20; longer ones, one in a million at 100, are drawn anew (ours)."""
    name = "hs1997-reber"
    rule = _reber
    one_hot_inputs = True
    inputs = 7
    outputs = 7

    def __post_init__(self) -> None:
        check_choice("blocks", self.blocks, ("4x1", "3x2"))
        check_int("max_symbols", self.max_symbols, 20)

    @property
    def max_length(self) -> int:
        """L."""
        return self.max_symbols - 1

    @property
    def params(self) -> NDArray[np.float64]:
        """None."""
        return np.zeros(0)

    @property
    def topology(self) -> Topology:
        """264 or 276 weights."""
        return PUBLISHED[f"hs1997-reber-{self.blocks}"]

    @property
    def protocol(self) -> Protocol:
        """The legal next symbols are the most active outputs at every step of all 2 x 256 strings; budget (ours)."""
        return Protocol(0.1, (Criterion(2 * STRINGS),), 0.49, "legal", max_sequences=200_000)

    def sets(self, rng: np.random.Generator) -> tuple["StoredStrings", NDArray[np.int64]]:
        """256 random strings to train on, and these with 256 others of which none is among them.

        Args:
            rng: Where its randomness comes from.

        Returns:
            A task that draws from the first set, and both sets as rows of symbols (512, L + 1), then -1.
        """
        training = self._strings(STRINGS, rng)
        known = {row.tobytes() for row in training}
        others: list[NDArray[np.int64]] = []
        while len(others) < STRINGS:
            others += [row for row in self._strings(STRINGS, rng) if row.tobytes() not in known]
        params = np.concatenate([[STRINGS], training.ravel()]).astype(np.float64)
        return StoredStrings(self.blocks, self.max_symbols, params), np.concatenate([training, others[:STRINGS]])

    def _strings(self, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Random strings (size, L + 1), after their ends -1."""
        batch = self.batch(size, rng)
        strings = np.full((size, self.max_symbols), -1)
        for n, length in enumerate(batch.lengths):
            strings[n, :length] = batch.x[:length, n].argmax(1)
            strings[n, length] = E
        return strings

    def legal(self, strings: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
        """Strings for a network, and what may follow at each step.

        Args:
            strings: As `sets` gives them, (S, L + 1).

        Returns:
            x (S, L, 7), whether a symbol may come next (S, L, 7), steps (S,).
        """
        lengths = (strings >= 0).sum(1) - 1
        x = np.eye(7)[strings[:, :-1]] * (np.arange(self.max_length) < lengths[:, None])[..., None]
        legal = np.zeros((len(strings), self.max_length, 7), np.bool_)
        for n, string in enumerate(strings):
            legal[n, 0, [T, P]] = legal[n, 1, B] = True
            state, end = 1, int(lengths[n])
            for t in range(2, end - 2):  # symbol t is inside, and tells which may be next
                state = state if t == 2 else dict(BRANCHES[state])[int(string[t])]
                legal[n, t, [symbol for symbol, _ in BRANCHES[state]]] = True
            legal[n, end - 2, string[1]] = legal[n, end - 1, E] = True
        return x, legal, lengths


@dataclass(frozen=True, eq=False)
class StoredStrings(ReberTask):
    """Random draws from a fixed set of strings: a count and rows of symbols, see `ReberTask.sets`."""

    stored: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    """(1 + strings (L + 1),)."""
    rule = _stored

    @property
    def params(self) -> NDArray[np.float64]:
        """The set."""
        return self.stored
