"""The problems that random guessing solves: networks, training and test sequences, and when an answer is right.

A1  Fully recurrent, one hidden unit: both units see the input and both units; the hidden unit has a bias. Only hidden
    units are said to have one; "fully" is taken to mean self-links of both units (ours).
A2  Ten hidden units that see the input, the output and themselves; the output sees all others; all are biased.
The output sees the hidden units of the same step (ours). Had it those of the step before, its answer would rise or fall
with the last bit whatever came first, and no such net could tell parity. With these readings A2 needs as many trials as
published, A1 about twice as many.

Latch I   One tanh unit, y(t) = tanh(w y(t-1) + noise), y(1) = tanh(u_class); w and both u are guessed. Published
          targets are +-.8; a unit that keeps anything is at +-1, so that errors below .4 are right (ours).
Latch II  y(t) = tanh(w y(t-1) + v x(t) + b + noise), x(1) = +-1, then 0, targets +-1; w, v and b are guessed. Noise
          reaches the unit as in I (ours), 14 trials; scaled by v, too, it makes 108 of the 22 published.

Source: Schmidhuber, Hochreiter & Bengio, "Evaluating benchmark problems by random guessing" (2001); lengths, numbers of
sequences, weights in +-100 and errors below .1 are theirs. Dimensions as in `lane_guessing`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.experiments.protocols.lane_guessing import Data, Link, Net, make_net
from lstm_rl.tasks.parity import Parity
from lstm_rl.tasks.signals import DEVIATION, TwoSequenceProblem
from lstm_rl.tasks.task import Task

PER_CLASS = 50  # training or test sequences
SHORTEST, LONGEST = 500, 600  # steps, latch problems
BITS = 9  # of the small parity problem
HIDDEN = 9  # units of its feed-forward network, 9-9-1 (ours)


class Problem(NamedTuple):
    """What guessing is about."""

    net: Net
    tolerance: float
    """Errors at a sequence's end below this are right."""
    train: Callable[[np.random.Generator], Data]
    test: Callable[[np.random.Generator], Data] | None
    """None if training has shown everything."""


def a1(hidden: int = 1) -> Net:
    """Fully recurrent; six weights and a bias for one hidden unit."""
    output, bias = 1 + hidden, 2 + hidden
    links = [Link(source, unit) for unit in range(hidden + 1) for source in range(output + 1)]
    return make_net(1, hidden, links + [Link(bias, unit) for unit in range(hidden)])


def a2(hidden: int = 10, self_links: bool = True) -> Net:
    """Hidden units see themselves, if so wanted, but not each other."""
    output, bias = 1 + hidden, 2 + hidden
    links = [Link(source, unit) for unit in range(hidden) for source in (0, output, bias)]
    links += [Link(1 + unit, unit) for unit in range(hidden) if self_links]
    return make_net(1, hidden, links + [Link(source, hidden) for source in (*range(output), bias)])


def latch(variant: int) -> Net:
    """One tanh unit; inputs: what is held by a class's own weight (I) or by one weight (II), then noise, weight 1."""
    noise = 3 - variant
    output, bias = noise + 1, noise + 2
    free = [*range(noise), output] + ([bias] if variant == 2 else [])
    return make_net(noise + 1, 0, [Link(source, 0) for source in free] + [Link(noise, 0, 1.0, 0.0)], "tanh")


def feed_forward(inputs: int, hidden: int) -> Net:
    """One layer of hidden units, all biased."""
    output, bias = inputs + hidden, inputs + hidden + 1
    links = [Link(source, unit) for unit in range(hidden) for source in (*range(inputs), bias)]
    return make_net(inputs, hidden, links + [Link(source, hidden) for source in (*range(inputs, output), bias)])


def classes_in_turn(task: Task) -> Callable[[np.random.Generator], Data]:
    """50 sequences of each class of a task with targets 0 and 1 at the end: 0, 1, 0, 1, ..."""

    def draw(rng: np.random.Generator) -> Data:
        data = Data(np.zeros((2 * PER_CLASS, task.max_length, task.inputs)), *_ends())
        found = [0, 0]
        for x, targets, _ in task.sequences(rng):
            kind = int(targets[-1, 0])
            if found[kind] < PER_CLASS:
                at = 2 * found[kind] + kind
                data.x[at, : len(x)], data.lengths[at], data.targets[at] = x, len(x), kind
                found[kind] += 1
            if min(found) == PER_CLASS:
                break
        return data

    return draw


def latch_sequences(variant: int) -> Callable[[np.random.Generator], Data]:
    """50 sequences of each class in turn, noise on all elements but the first."""

    def draw(rng: np.random.Generator) -> Data:
        data = Data(np.zeros((2 * PER_CLASS, LONGEST, 4 - variant)), *_ends())
        data.lengths[:] = rng.integers(SHORTEST, LONGEST + 1, len(data.lengths))
        data.x[:, 1:, -1] = DEVIATION * rng.standard_normal((len(data.x), LONGEST - 1))
        data.targets[:] = np.where(np.arange(len(data.targets)) % 2, 1.0, -1.0) * (0.8 if variant == 1 else 1.0)
        if variant == 1:
            data.x[0::2, 0, 0] = data.x[1::2, 0, 1] = 1.0
        else:
            data.x[:, 0, 0] = data.targets
        return data

    return draw


def all_patterns(one_by_one: bool) -> Data:
    """All 512 patterns of 9 bits as sequences of 9 steps or of a single one."""
    bits = np.arange(2**BITS)[:, None] >> np.arange(BITS) & 1
    x = np.where(bits, 1.0, -1.0)
    x = x[:, :, None] if one_by_one else x[:, None, :]
    return Data(x.copy(), np.full(len(x), x.shape[1], np.int64), (bits.sum(1) % 2).astype(np.float64))


def _ends() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Lengths and targets, to be filled."""
    return np.zeros(2 * PER_CLASS, np.int64), np.zeros(2 * PER_CLASS)


def _on(net: Net, task: Task) -> Problem:
    return Problem(net, 0.1, classes_in_turn(task), classes_in_turn(task))


def _latch(variant: int, tolerance: float) -> Problem:
    return Problem(latch(variant), tolerance, latch_sequences(variant), latch_sequences(variant))


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "parity, A1": lambda: _on(a1(), Parity()),
    "parity, A2": lambda: _on(a2(), Parity()),
    "parity, A2 without self-links": lambda: _on(a2(self_links=False), Parity()),
    "parity, A1, noisy inputs": lambda: _on(a1(), Parity(noise=0.2)),
    "latch I": lambda: _latch(1, 0.4),
    "latch II": lambda: _latch(2, 0.1),
    "two sequences (3a), A1": lambda: _on(a1(), TwoSequenceProblem(100, 3)),
    "9-bit parity, A1, bit by bit": lambda: Problem(
        a1(), 0.1, lambda rng: all_patterns(True), classes_in_turn(Parity())
    ),
    "9-bit parity, feed-forward": lambda: Problem(
        feed_forward(BITS, HIDDEN), 0.5, lambda rng: all_patterns(False), None
    ),
}
