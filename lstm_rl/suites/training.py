"""One run of a sequence task: a network learns sequence after sequence until its task's protocol is satisfied.

Dimensions: N sequences between two looks, S strings of at most T steps, I inputs, K outputs.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from lstm_rl.agents.execution import flushed
from lstm_rl.checks import check_float, check_int
from lstm_rl.compiled import compiled
from lstm_rl.streaming.approximator import Step, forward, reset
from lstm_rl.streaming.bptt import make_bptt
from lstm_rl.streaming.lstm import make_lstm
from lstm_rl.streaming.network import Weights, make_weights
from lstm_rl.streaming.rtrl import make_rtrl
from lstm_rl.streaming.squashing import SQUASHINGS
from lstm_rl.studies.engine import Row
from lstm_rl.suites.unrolled import Build, Unrolled
from lstm_rl.tasks.protocol import Criterion, Protocol
from lstm_rl.tasks.reber import ReberTask
from lstm_rl.tasks.streaming import Found, Source, learn_task, make_found, make_source
from lstm_rl.tasks.task import Task
from lstm_rl.topology import Topology

TESTED = 2560  # sequences at the end
PIECE = 100  # sequences after which the mean of the weights moves
STILL = Step(False, 0.0, 1.0, 1.0)
RMS_DECAY = 0.999


class Learner(NamedTuple):
    """A network and how it learns."""

    network: Topology | Build
    """With kernels; or, from (inputs, outputs, seed=, dtype=), a Torch network, whose read-out gets the published
    squashing, and whose weights change after each sequence."""
    gradient: str
    """truncated, bptt or rtrl; bptt of a Torch network."""
    alpha: float
    """Learning rate."""
    descent: str = "plain"
    """plain, or rms: divided by the root of the running mean square of a weight's steps, as the agents' are (ours)."""
    rms_decay: float | None = None
    """Of that mean square, which begins at 1 and shows how small steps are only once this has brought it down; None:
    .999 of rms."""
    loss: str = "squared"
    """squared error, or cross-entropy (ours), with which the slope of a logistic output cancels."""
    average: int | None = None
    """Time constant, in sequences from 100 up, of an exponential running mean of the weights, which is tested in their
    place while they go on learning (Polyak & Juditsky 1992; ours). None: the weights themselves are tested."""


def check_learner(learner: Learner, task: Task) -> None:
    """Check that a task can be learned so.

    Raises:
        ValueError: It cannot.
    """
    activation = task.topology.output_activation
    check_float("alpha", learner.alpha, 0.0, open_low=True)
    if learner.rms_decay is not None:
        check_float("rms-decay", learner.rms_decay, 0.0, 1.0)
        if learner.descent != "rms":
            raise ValueError(f"rms-decay must be left out unless descent is rms, got {learner.rms_decay}")
    if learner.average is not None:
        check_int("average", learner.average, PIECE)
    if learner.loss == "cross-entropy" and activation != "logistic":
        raise ValueError(
            "loss must be squared for outputs that are not logistic, "
            f"got cross-entropy for {task.name}, whose outputs are {activation}"
        )
    if isinstance(learner.network, Topology):
        return
    if learner.gradient != "bptt":
        raise ValueError(f"gradient must be bptt for a Torch network, got {learner.gradient}")
    if task.protocol.each_step:
        raise ValueError(
            "network must be one with kernels for a task whose weights change after each step, "
            f"got a Torch network for {task.name}"
        )


def train(task: Task, learner: Learner, seed: int, max_sequences: int, report: Callable[[int], None]) -> Row:
    """Train from fresh weights until the criteria are met or the budget is used up, then test.

    Args:
        task: What.
        learner: Who; its learning rate stands in the place of the protocol's.
        seed: Of initial weights, training and test sequences.
        max_sequences: Budget.
        report: Is told the number of sequences so far, now and then.

    Returns:
        success; sequences to the last criterion, first to the first one; wrong of tested fresh sequences with their
        mean error (largest absolute error of an output) and mean squared error; steps and seconds of training. For the
        embedded Reber grammar what is tested is all strings of both sets.

    Raises:
        ValueError: The task cannot be learned so.
    """
    check_learner(learner, task)
    protocol, rngs = task.protocol, [np.random.default_rng([seed, k]) for k in range(4)]
    judge: Any = {"training": _Recent, "test": _Tested, "legal": _Legal}[protocol.judged_on](task, rngs[2])
    source = judge.source(task, rngs[1])
    approximator = _approximator(learner, rngs[0], task)
    growing = False
    if protocol.grows and isinstance(learner.network, Topology) and learner.network.cells > 0:
        growing = True
        approximator = _approximator(learner._replace(network=_links_alone(learner.network)), rngs[0], task)
    judged = _judged(approximator, learner.average)
    decay = RMS_DECAY if learner.rms_decay is None else learner.rms_decay
    by, found = Step(learner.descent == "rms", learner.alpha, 1.0, decay), make_found(protocol.every)
    pieces = [Found._make(values[n : n + PIECE] for values in found) for n in range(0, protocol.every, PIECE)]
    sequences, steps, before = 0, 0, np.inf
    met: list[int] = []  # sequences at which each criterion was met
    began = time.perf_counter()
    with flushed():
        while len(met) < len(protocol.criteria) and sequences + protocol.every <= max_sequences:
            for piece in pieces:
                _learn(approximator, source, by, protocol.each_step, piece)
                if learner.average:
                    _follow(judged, approximator, PIECE / learner.average)
            sequences, steps = sequences + protocol.every, steps + int(found.lengths.sum())
            error = float(found.squares.mean())
            if not np.isfinite(error):
                break  # the weights have run away
            if growing and error > 0.99 * before:
                approximator, growing = _grown(approximator, learner, rngs[0], task), False
                judged = _judged(approximator, learner.average)
            before = error
            judge.see(found)
            while len(met) < len(protocol.criteria) and judge.satisfied(judged, protocol.criteria[len(met)]):
                met.append(sequences - (0 if protocol.window_counts else protocol.criteria[0].sequences))
            report(sequences)
        seconds = time.perf_counter() - began
        success = len(met) == len(protocol.criteria)
        result: Row = {"success": success, "sequences": met[-1] if success else sequences, "first": (*met, None)[0]}
        result |= judge.result(judged, rngs[3])
    return result | {"steps": steps, "seconds": round(seconds, 2)}


# --- networks ---------------------------------------------------------------------------------------------------------


def _approximator(learner: Learner, rng: np.random.Generator, task: Task) -> Any:
    cross_entropy = learner.loss == "cross-entropy"
    if not isinstance(learner.network, Topology):
        network = learner.network(task.inputs, task.outputs, seed=int(rng.integers(2**31)), dtype=torch.float64)
        return Unrolled(network, task.topology.output_activation == "logistic", cross_entropy)
    weights = make_weights(learner.network, rng)
    make, more = {"truncated": (make_lstm, ()), "bptt": (make_bptt, (task.longest,)), "rtrl": (make_rtrl, ())}[
        learner.gradient
    ]
    approximator: Any = make(learner.network, weights, 1, np.float64, *more)  # type: ignore[operator]
    if cross_entropy:
        approximator = approximator._replace(net=approximator.net._replace(slope_k=SQUASHINGS["identity"]))
    return approximator


def _learn(approximator: Any, source: Source, by: Step, each_step: bool, found: Found) -> None:
    if isinstance(approximator, Unrolled):
        approximator.learn(source, by, found)
    else:
        learn_task(approximator, source, by, each_step, found)


def _judged(approximator: Any, average: int | None) -> Any:
    """The network that is judged: this one, or the mean of what it will be, with weights of its own."""
    if not average:
        return approximator
    if isinstance(approximator, Unrolled):
        return approximator.copy()
    return approximator._replace(weights=Weights(*(part.copy() for part in approximator.weights)))


def _follow(mean: Any, approximator: Any, share: float) -> None:
    """Mean <- mean + share (weights - mean), in place."""
    for part, towards in zip(mean.weights, approximator.weights, strict=True):
        part += share * (towards - part)


def _links_alone(topology: Topology) -> Topology:
    """Links from inputs to outputs, beside a unit that nothing sees, since there has to be one."""
    return replace(topology, blocks=(), hidden=1, hidden_sees=("input",), outputs_see=("input",), peepholes=False)


def _grown(links: Any, learner: Learner, rng: np.random.Generator, task: Task) -> Any:
    """The whole network, with the links that have been learned."""
    whole = _approximator(learner, rng, task)
    whole.weights.output[: task.inputs] = links.weights.output[: task.inputs]
    return whole


# --- judges: what to look at in order to stop, and at the end ---------------------------------------------------------


class _Recent:
    """The most recent training sequences."""

    def __init__(self, task: Task, rng: np.random.Generator) -> None:
        self.task, self.protocol = task, task.protocol
        self.window = max(criterion.sequences for criterion in self.protocol.criteria)
        self.errors = np.zeros(0)

    def source(self, task: Task, rng: np.random.Generator) -> Source:
        return make_source(task, rng)

    def see(self, found: Found) -> None:
        self.errors = np.append(self.errors, _errors(self.protocol, found))[-self.window :]

    def satisfied(self, approximator: Any, criterion: Criterion) -> bool:
        errors = self.errors[-criterion.sequences :]
        return (
            len(errors) == criterion.sequences
            and int((errors >= self.protocol.tolerance).sum()) <= criterion.wrong
            and bool(errors.mean() < criterion.mean_error)
        )

    def result(self, approximator: Any, rng: np.random.Generator) -> Row:
        found = make_found(TESTED)
        _learn(approximator, make_source(self.task.tested, rng), STILL, self.protocol.each_step, found)
        errors, outputs = _errors(self.protocol, found), self.task.outputs
        wrong = int((~(errors < self.protocol.tolerance)).sum())  # what is not a number is wrong
        mse = float(found.squares.mean()) / outputs
        return {"wrong": wrong, "tested": TESTED, "mean_error": _digits(errors.mean()), "mse": _digits(mse)}


class _Tested(_Recent):
    """Fresh sequences at every look, in small pieces: most looks end at the first."""

    def __init__(self, task: Task, rng: np.random.Generator) -> None:
        super().__init__(task, rng)
        self.tests = make_source(task.tested, rng)

    def see(self, found: Found) -> None:
        """Training errors do not matter."""

    def satisfied(self, approximator: Any, criterion: Criterion) -> bool:
        self.errors, piece = np.zeros(0), make_found(16)
        while len(self.errors) < criterion.sequences:
            _learn(approximator, self.tests, STILL, self.protocol.each_step, piece)
            self.errors = np.append(self.errors, _errors(self.protocol, piece))
            if (self.errors >= self.protocol.tolerance).sum() > criterion.wrong:
                return False
        return super().satisfied(approximator, criterion)


class _Legal:
    """Two fixed sets of strings without a string in common; what is legal next has to be most active everywhere."""

    def __init__(self, task: Task, rng: np.random.Generator) -> None:
        assert isinstance(task, ReberTask)
        self.strings, both = task.sets(rng)
        self.x, self.legal, self.lengths = task.legal(both)

    def source(self, task: Task, rng: np.random.Generator) -> Source:
        return make_source(self.strings, rng)

    def see(self, found: Found) -> None:
        """Training errors do not matter."""

    def satisfied(self, approximator: Any, criterion: Criterion) -> bool:
        return self._wrong(approximator, criterion.wrong) <= criterion.wrong

    def result(self, approximator: Any, rng: np.random.Generator) -> Row:
        tested = len(self.lengths)
        wrong = self._wrong(approximator, tested)
        return {"wrong": wrong, "tested": tested, "mean_error": None, "mse": None}

    def _wrong(self, approximator: Any, enough: int) -> int:
        if isinstance(approximator, Unrolled):
            return approximator.wrong_strings(self.x, self.legal, self.lengths)
        return int(_wrong_strings(approximator, self.x, self.legal, self.lengths, enough))


def _errors(protocol: Protocol, found: Found) -> NDArray[np.float64]:
    return found.last if protocol.at_end else found.largest


def _digits(value: Any) -> float | None:
    return float(f"{value:.4g}") if np.isfinite(value) else None


@compiled
def _wrong_strings(approximator: Any, x: Any, legal: Any, lengths: Any, enough: int) -> int:
    """How many strings are wrong somewhere; counting ends beyond ``enough``. x (S, T, I), legal (S, T, K) bool."""
    wrong, outputs = 0, approximator.outputs[0]
    for n in range(lengths.shape[0]):
        reset(approximator, 0)
        for t in range(lengths[n]):
            forward(approximator, 0, x[n, t])
            least_legal, most_illegal = np.inf, -np.inf
            for k in range(outputs.shape[0]):
                if legal[n, t, k]:
                    least_legal = min(least_legal, outputs[k])
                else:
                    most_illegal = max(most_illegal, outputs[k])
            if not least_legal > most_illegal:
                wrong += 1
                break
        if wrong > enough:
            break
    return wrong
