"""Who learns a sequence task: any network, by any gradient, descent and loss."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from lstm_rl.checks import check_float, check_int
from lstm_rl.kernels.approximator import Update
from lstm_rl.kernels.layout import Weights, make_weights
from lstm_rl.kernels.make import make_approximator as make_streams
from lstm_rl.kernels.squashing import SQUASHINGS
from lstm_rl.suites.unrolled import Build, Unrolled
from lstm_rl.tasks.streaming import Found, Source, learn_task
from lstm_rl.tasks.task import Task
from lstm_rl.topology import Topology

PIECE = 100  # sequences after which the mean of the weights moves
RMS_DECAY = 0.999
LOSSES = ("squared", "cross-entropy")


class Learner(NamedTuple):
    """A network and how it learns."""

    network: Topology | Build
    """With kernels; or, from (inputs, outputs, seed=, dtype=), a Torch network, whose read-out gets the published
    squashing, and whose weights change after each sequence."""
    gradient: str
    """truncated, bptt or rtrl; bptt of a Torch network; guess: none, weights are drawn anew (`guessed`)."""
    alpha: float
    """Learning rate; 0 of guesses."""
    descent: str = "plain"
    """plain, or rms: divided by the root of the running mean square of a weight's steps, as the agents' are (ours)."""
    rms_decay: float | None = None
    """Of that mean square, which begins at 1 and shows how small steps are only once this has brought it down; None:
    .999 of rms."""
    loss: str | float = "squared"
    """squared error; or cross-entropy (ours), with which the slope of a logistic output cancels; or another power of
    the error (ours), > 1: a high one looks at the largest errors, a low one at how many there are."""
    average: int | None = None
    """Time constant, in sequences from 100 up, of an exponential running mean of the weights, which is tested in their
    place while they go on learning (Polyak & Juditsky 1992; ours). None: the weights themselves are tested."""


def check_learner(learner: Learner, task: Task) -> None:
    """Check that a task can be learned so.

    Raises:
        ValueError: It cannot.
    """
    activation = task.topology.output_activation
    if learner.gradient == "guess":
        nothing = Learner(learner.network, "guess", 0.0)
        chosen = [
            f"{name.replace('_', '-')} {value}"
            for name, value, left_out in zip(Learner._fields, learner, nothing, strict=True)
            if value != left_out
        ]
        if chosen:
            raise ValueError(
                "alpha, descent, rms-decay, loss and average must be left out where gradient is guess, "
                f"got {', '.join(chosen)}"
            )
        if not isinstance(learner.network, Topology):
            raise ValueError("gradient must be bptt for a Torch network, got guess")
        return
    check_float("alpha", learner.alpha, 0.0, open_low=True)
    if learner.rms_decay is not None:
        check_float("rms-decay", learner.rms_decay, 0.0, 1.0)
        if learner.descent != "rms":
            raise ValueError(f"rms-decay must be left out unless descent is rms, got {learner.rms_decay}")
    if learner.average is not None:
        check_int("average", learner.average, PIECE)
    if not isinstance(learner.loss, str):
        check_float("loss", learner.loss, 1.0, open_low=True)
    elif learner.loss not in LOSSES:
        raise ValueError(f"loss must be {', '.join(LOSSES)} or a number > 1, got {learner.loss!r}")
    if learner.loss == "cross-entropy" and activation != "logistic":
        raise ValueError(
            "loss must be squared or a number for outputs that are not logistic, "
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


def make_approximator(learner: Learner, rng: np.random.Generator, task: Task) -> Any:
    """A network with fresh weights: a streaming approximator of one stream, or an `Unrolled` Torch network."""
    cross_entropy = learner.loss == "cross-entropy"
    if not isinstance(learner.network, Topology):
        network = learner.network(task.inputs, task.outputs, seed=int(rng.integers(2**31)), dtype=torch.float64)
        return Unrolled(network, task.topology.output_activation == "logistic", cross_entropy)
    weights = make_weights(learner.network, rng)
    gradient = "truncated" if learner.gradient == "guess" else learner.gradient
    approximator: Any = make_streams(learner.network, weights, 1, np.float64, gradient, task.longest)
    if cross_entropy:
        approximator = approximator._replace(net=approximator.net._replace(slope_k=SQUASHINGS["identity"]))
    return approximator


def learn(
    approximator: Any, source: Source, update: Update, each_step: bool, found: Found, loss: str | float = "squared"
) -> None:
    """Learn as many new sequences as ``found`` has room for; see `learn_task`."""
    power = 2.0 if isinstance(loss, str) else float(loss)
    if isinstance(approximator, Unrolled):
        approximator.learn(source, update, power, found)
    else:
        learn_task(approximator, source, update, each_step, power, found)


def averaged(approximator: Any, average: int | None) -> Any:
    """The network that is judged: this one, or the mean of what it will be, with weights of its own."""
    if not average:
        return approximator
    if isinstance(approximator, Unrolled):
        return approximator.copy()
    return approximator._replace(weights=Weights(*(part.copy() for part in approximator.weights)))


def follow(mean: Any, approximator: Any, share: float) -> None:
    """Mean <- mean + share (weights - mean), in place."""
    for part, towards in zip(mean.weights, approximator.weights, strict=True):
        part += share * (towards - part)


def links_alone(topology: Topology) -> Topology:
    """Links from inputs to outputs, beside a unit that nothing sees, since there has to be one."""
    return replace(topology, blocks=(), hidden=1, hidden_sees=("input",), outputs_see=("input",), peepholes=False)


def grown(links: Any, learner: Learner, rng: np.random.Generator, task: Task) -> Any:
    """The whole network, with the links that have been learned."""
    whole = make_approximator(learner, rng, task)
    whole.weights.output[: task.inputs] = links.weights.output[: task.inputs]
    return whole
