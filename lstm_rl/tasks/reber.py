"""The embedded Reber grammar (Hochreiter & Schmidhuber 1997, experiment 1; Smith & Zipser 1989).

B, then T or P with probability .5, a complete Reber string, the same T or P, E. The next symbol is to be predicted at
every step. At least 9 symbols, 12 on average. One-hot B, T, P, S, X, V, E.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_choice, check_int
from lstm_rl.generator import uniform
from lstm_rl.published import PUBLISHED
from lstm_rl.tasks.task import Task, sequence_rule, set_symbol
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
_GRAPH = np.array(BRANCHES)  # (7, 2, 2)


@sequence_rule
def _reber(params: Any, generator: Any, x: Any, targets: Any, has_target: Any) -> int:
    longest = x.shape[0]
    while True:  # a string that would be longer is drawn anew
        x[:] = 0.0
        state, t = 0, 2
        outer = T if uniform(generator, 0) < 0.5 else P
        while state != 7 and t < longest - 2:
            branch = 0 if uniform(generator, 0) < 0.5 else 1
            set_symbol(x, t, _GRAPH[state, branch, 0])
            state = _GRAPH[state, branch, 1]
            t += 1
        if state == 7:
            break
    set_symbol(x, 0, B)
    set_symbol(x, 1, outer)
    set_symbol(x, t, outer)
    for step in range(t + 1):
        has_target[step] = True
    for step in range(t):
        for symbol in range(7):
            targets[step, symbol] = x[step + 1, symbol]
    targets[t, E] = 1.0  # the last symbol is only predicted: nothing follows it
    return t + 1


@dataclass(frozen=True)
class ReberTask(Task):
    """Embedded Reber strings.

    Raises:
        ValueError: A setting is out of its range.
    """

    network: str = "4x1"
    """Blocks x cells of the published network: 4x1 or 3x2."""
    max_symbols: int = 100
    """Longest string, >= 20; longer ones, one in a million at 100, are drawn anew (ours)."""
    name = "hs1997-reber"
    rule = _reber
    inputs = 7
    outputs = 7

    def __post_init__(self) -> None:
        check_choice("network", self.network, ("4x1", "3x2"))
        check_int("max_symbols", self.max_symbols, 20)

    @property
    def longest(self) -> int:
        """L."""
        return self.max_symbols - 1

    @property
    def params(self) -> NDArray[np.float64]:
        """None."""
        return np.zeros(0)

    @property
    def topology(self) -> Topology:
        """264 or 276 weights."""
        return PUBLISHED[f"hs1997-reber-{self.network}"]
