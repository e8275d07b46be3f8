"""Random weight guessing, compiled: draw all weights anew until a network classifies every training sequence.

A network is a list of links between units that are updated in two layers, hidden units first:

    y_u(t) = f(sum of w_k source_k),  sources: inputs x(t), hidden units, output y(t-1), bias 1

Hidden units see the hidden units of t-1; the output, updated after them, sees those of t. All activations begin at 0.
That takes in fully recurrent nets, single units, and feed-forward nets as sequences of one step.

Many guesses are computed side by side, in lanes that the compiler turns into vector instructions, on one training
sequence after the other; guesses that fail on one drop out, and nearly all fail on the first two. The result is that of
trying them one by one: weights are drawn guess by guess, and the first one that is right throughout counts.

Source: Schmidhuber, Hochreiter & Bengio, "Evaluating benchmark problems by random guessing" (2001).

Dimensions: I inputs, H hidden units, U = H + 1 units, V = I + U + 1 sources, K links, N guesses side by side,
S sequences, T steps.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_float, check_int
from lstm_rl.compiled import compiled, kernel
from lstm_rl.kernels.squashing import SQUASHINGS, Squashing, logistic
from lstm_rl.rng import uniform
from lstm_rl.topology import Squash

LANES = 248  # guesses side by side: results do not depend on it; powers of 2 put all rows into the same cache lines


class Link(NamedTuple):
    """A weight of a network, uniform in ``centre`` +- ``span``."""

    source: int  # 0 .. V - 1: inputs, hidden units, output, bias
    unit: int  # 0 .. H: hidden units, output
    centre: float = 0.0
    span: float = 100.0


class Net(NamedTuple):
    """Links in the order of their units; made by `make_net`."""

    inputs: int
    source: NDArray[np.int64]  # (K,)
    begin: NDArray[np.int64]  # (U + 1,) unit u has links begin[u] .. begin[u + 1] - 1
    centre: NDArray[np.float64]  # (K,)
    span: NDArray[np.float64]  # (K,)
    squashing: Squashing  # of all units


class Data(NamedTuple):
    """Sequences and the outputs wanted at their ends."""

    x: NDArray[np.float64]  # (S, T, I)
    lengths: NDArray[np.int64]  # (S,) 1 .. T
    targets: NDArray[np.float64]  # (S,)


class Room(NamedTuple):
    """Where N guesses are computed; afterwards lane 0 holds the weights of the solution."""

    weights: NDArray[np.float64]  # (K, N)
    sources: NDArray[np.float64]  # (V, N)
    nets: NDArray[np.float64]  # (U, N)
    guess: NDArray[np.int64]  # (N,) which guess of the N a lane computes
    steps: NDArray[np.int64]  # (N,) time steps computed for each guess


class Solution(NamedTuple):
    """What guessing came to."""

    weights: NDArray[np.float64] | None  # (K,), or None if no guess within the budget was right
    trials: int  # guesses tried, the solution included
    steps: int  # time steps of networks computed for them


def make_net(inputs: int, hidden: int, links: Sequence[Link], activation: Squash = "logistic") -> Net:
    """Put links in order.

    Args:
        inputs: I >= 1.
        hidden: H >= 0.
        links: Each pair of source and unit at most once.
        activation: Of all units.

    Raises:
        ValueError: A link begins or ends nowhere.
    """
    units = check_int("hidden", hidden, 0) + 1
    sources = check_int("inputs", inputs, 1) + units + 1
    for link in links:
        if not (0 <= link.source < sources and 0 <= link.unit < units):
            raise ValueError(f"links must join sources 0 .. {sources - 1} to units 0 .. {units - 1}, got {link}")
    links = sorted(links, key=lambda link: (link.unit, link.source))
    begin = np.searchsorted([link.unit for link in links], np.arange(units + 1)).astype(np.int64)
    source = np.array([link.source for link in links], np.int64)
    centre, span = (np.array([getattr(link, name) for link in links], np.float64) for name in ("centre", "span"))
    return Net(inputs, source, begin, centre, span, SQUASHINGS[activation])


def make_room(net: Net, lanes: int = LANES) -> Room:
    """Room for N guesses."""
    units = len(net.begin) - 1
    return Room(
        np.zeros((len(net.source), lanes)),
        np.zeros((net.inputs + units + 1, lanes)),
        np.zeros((units, lanes)),
        np.zeros(lanes, np.int64),
        np.zeros(lanes, np.int64),
    )


def guess(
    net: Net, data: Data, tolerance: float, max_trials: int, rng: np.random.Generator, lanes: int = LANES
) -> Solution:
    """Guess until all training sequences are right, absolute error at the end below ``tolerance``.

    Args:
        net: What to draw weights for.
        data: Training sequences; wrong guesses are found fastest if classes take turns.
        tolerance: > 0.
        max_trials: Budget >= 1.
        rng: Where the weights' randomness comes from.
        lanes: N >= 1; changes nothing but the speed.

    Raises:
        ValueError: A number is out of its range.
    """
    check_float("tolerance", tolerance, 0.0, open_low=True)
    check_int("max_trials", max_trials, 1)
    room = make_room(net, check_int("lanes", lanes, 1))
    generator = rng.integers(2**64, size=1, dtype=np.uint64)
    solved, trials, steps = _guess(net, data, tolerance, max_trials, generator, room)
    return Solution(room.weights[:, 0].copy() if solved else None, trials, steps)


def outputs(net: Net, weights: NDArray[np.float64], data: Data) -> NDArray[np.float64]:
    """What networks with ``weights`` (K, N) answer at the ends of all sequences, (S, N)."""
    room = make_room(net, weights.shape[1])
    room.weights[:] = weights
    answers = np.zeros((len(data.targets), weights.shape[1]))
    _outputs(net, data, room, answers)
    return answers


@compiled
def _guess(
    net: Net, data: Data, tolerance: float, max_trials: int, generator: Any, room: Room
) -> tuple[bool, int, int]:
    """Return (solved, trials, steps)."""
    trials, steps = 0, 0
    while trials < max_trials:
        count = min(room.guess.shape[0], max_trials - trials)
        tried = count
        for i in range(count):
            for k in range(net.source.shape[0]):
                room.weights[k, i] = net.centre[k] + net.span[k] * (2.0 * uniform(generator, 0) - 1.0)
            room.guess[i] = i
            room.steps[i] = 0
        for s in range(data.targets.shape[0]):
            if count == 0:
                break
            count = _right(net, data, s, tolerance, room, count)
        if count > 0:
            tried = room.guess[0] + 1  # lanes keep their order
        for i in range(tried):
            steps += room.steps[i]
        trials += tried
        if count > 0:
            return True, trials, steps
    return False, trials, steps


@kernel
def _right(net: Net, data: Data, s: int, tolerance: float, room: Room, count: int) -> int:
    """Keep those of the first ``count`` lanes that are right on sequence ``s``; return how many they are."""
    length, target, kept = data.lengths[s], data.targets[s], 0
    _respond(net, data.x[s, :length], room, count)
    answers = room.sources[room.sources.shape[0] - 2]
    for i in range(count):
        room.steps[room.guess[i]] += length
        if abs(answers[i] - target) < tolerance:
            room.guess[kept] = room.guess[i]
            for k in range(net.source.shape[0]):
                room.weights[k, kept] = room.weights[k, i]
            kept += 1
    return kept


@compiled
def _outputs(net: Net, data: Data, room: Room, answers: Any) -> None:
    """Fill answers (S, N)."""
    last = room.sources.shape[0] - 2
    for s in range(answers.shape[0]):
        _respond(net, data.x[s, : data.lengths[s]], room, answers.shape[1])
        for i in range(answers.shape[1]):
            answers[s, i] = room.sources[last, i]


@kernel
def _respond(net: Net, x: Any, room: Room, count: int) -> None:
    """Run the first ``count`` lanes through x (T, I) from rest."""
    bias = room.sources.shape[0] - 1
    for v in range(net.inputs, room.sources.shape[0]):
        for i in range(count):
            room.sources[v, i] = 1.0 if v == bias else 0.0
    hidden = room.nets.shape[0] - 1
    for t in range(x.shape[0]):
        for v in range(net.inputs):
            row, value = room.sources[v], x[t, v]
            for i in range(count):
                row[i] = value
        _update(net, room, 0, hidden, count)
        _update(net, room, hidden, hidden + 1, count)


@kernel
def _update(net: Net, room: Room, begin: int, end: int, count: int) -> None:
    """Update units ``begin`` .. ``end - 1`` at once."""
    for u in range(begin, end):
        y = room.nets[u]
        for i in range(count):
            y[i] = 0.0
        for k in range(net.begin[u], net.begin[u + 1]):
            w, source = room.weights[k], room.sources[net.source[k]]
            for i in range(count):
                y[i] += w[i] * source[i]
    f = net.squashing
    for u in range(begin, end):
        v, y = room.nets[u], room.sources[net.inputs + u]
        for i in range(count):
            y[i] = f.scale * logistic(f.gain * v[i]) + f.offset
