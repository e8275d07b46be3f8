"""A stream of blocks without boundaries, and what only a block's first symbol tells (Schmidhuber 1991, 1992).

22 symbols a, x, b1 .. b20; the blocks a b1 .. b20 and x b1 .. b20 follow one another at random, with probability .5
each. The next symbol is to be predicted at every step, and at a block's last step one more output is to tell whether
the block began with a: a time lag of 20 steps. Elsewhere that output has no target.

Inputs: a, x, b1 .. b20, one-hot. Outputs: the same, then the one that tells.

Source: J. Schmidhuber, "Learning complex, extended sequences using the principle of history compression", Neural
Computation 4 (1992).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_int
from lstm_rl.rng import uniform
from lstm_rl.tasks.task import Task, sequence_rule
from lstm_rl.topology import Topology

HIDDEN = 12  # (ours)


@sequence_rule
def _history(params: Any, generator: Any, x: Any, targets: Any, has_target: Any) -> int:
    lag = int(params[0])
    signal = 0 if uniform(generator, 0) < 0.5 else 1
    after = generator[0]
    next_signal = 0 if uniform(generator, 0) < 0.5 else 1
    generator[0] = after  # the next block draws its own signal, and it is this one
    x[0, 0] = signal
    for t in range(1, lag + 1):
        x[t, 0] = t + 1
        targets[t - 1, t + 1] = 1.0
    targets[lag, next_signal] = 1.0
    targets[lag, lag + 2] = 1.0 - signal
    for t in range(lag + 1):
        has_target[t] = True
    return lag + 1


@dataclass(frozen=True)
class HistoryTask(Task):
    """One sequence is one block; its last target is the first symbol of the next one that the same generator makes.

    So sequences in the order in which they are made are the stream, if the network is not reset between them. The
    targets of the last output are 0 before a block's end, where they are to be left out of the loss.

    Raises:
        ValueError: The lag is out of its range.
    """

    lag: int = 20
    """Number of b's in a block, >= 1: steps from its first symbol to the target that depends on it."""
    name = "history"
    rule = _history
    one_hot_inputs = True

    def __post_init__(self) -> None:
        check_int("lag", self.lag, 1)

    @property
    def inputs(self) -> int:
        """I = lag + 2."""
        return self.lag + 2

    @property
    def outputs(self) -> int:
        """K = lag + 3."""
        return self.lag + 3

    @property
    def max_length(self) -> int:
        """L = lag + 1."""
        return self.lag + 1

    @property
    def params(self) -> NDArray[np.float64]:
        """The lag."""
        return np.array([self.lag], np.float64)

    @property
    def topology(self) -> Topology:
        """A layer of logistic units that see the inputs and themselves (ours; the source does not print its net)."""
        return Topology(
            inputs=self.inputs,
            outputs=self.outputs,
            hidden=HIDDEN,
            output_activation="logistic",
            hidden_sees=("input", "hidden"),
            outputs_see=("hidden",),
            biased=("hidden", "output"),
            input_range=0.2,
            recurrent_range=0.2,
            output_range=0.2,
            bias_range=0.2,
        )
