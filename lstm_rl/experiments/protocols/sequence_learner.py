"""A network that learns sequences, with kernels or in Torch; a running mean of its weights; cells added later."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from lstm_rl.experiments.protocols.sequence_run import SequenceRun
from lstm_rl.experiments.protocols.task_networks import make_network
from lstm_rl.experiments.protocols.torch_sequences import TorchSequences, torch_stream
from lstm_rl.kernels.approximator import Kalman, Momentum, RmsProp, Sgd, Update
from lstm_rl.kernels.global_kalman import GlobalKalman, make_global_kalman
from lstm_rl.kernels.kalman import Dekf, make_dekf
from lstm_rl.kernels.layout import Weights, make_weights
from lstm_rl.kernels.make import make_approximator
from lstm_rl.kernels.squashing import SQUASHINGS
from lstm_rl.tasks.streaming import SequenceErrors, Source, learn_task
from lstm_rl.tasks.task import Task
from lstm_rl.topology import Topology

MOMENTUM = 0.99  # as in 2001, of tasks without a published one
KALMAN = Kalman((100.0, 0.001), (1e-2, 1e-4), 60_000)
"""Noises of all rows (ours): chosen on a^n b^n c^n, seeds 100 - 107."""
GLOBAL_KALMAN = Kalman((100.0, 100.0), (1e-2, 1e-2))
"""Of the global filter (ours), which stays as ready to change as it was: chosen on precise timing, seeds 100 - 105."""


def make_learner(run: SequenceRun, task: Task, rng: np.random.Generator, *, without_cells: bool = False) -> Any:
    """A network with fresh weights: a streaming approximator of one stream, or a Torch network.

    Args:
        run: Says which, and its gradient and loss; nothing is left open.
        task: Says how many inputs and outputs.
        rng: Where weights come from.
        without_cells: Only its links from inputs to outputs, see `direct_links_only`.
    """
    network = make_network(task, str(run.network), run.units, run.initial_range)
    cross_entropy = run.loss == "cross-entropy"
    if not isinstance(network, Topology):
        built = network(task.inputs, task.outputs, seed=int(rng.integers(2**31)), dtype=torch.float64)
        logistic = task.topology.output_activation == "logistic"
        if task.protocol.stream is not None:
            return torch_stream(built, logistic, task.max_length)
        return TorchSequences(built, logistic, cross_entropy)
    topology = direct_links_only(network) if without_cells else network
    gradient = "truncated" if run.gradient in (None, "guess") else str(run.gradient)
    weights = make_weights(topology, rng)
    if run.optimizer == "kalman":
        make = make_global_kalman if gradient == "rtrl" else make_dekf
        return make(topology, weights, run.covariance or 100.0)
    if run.optimizer == "momentum":  # whose running sums of steps live in the place of mean squares
        weights = weights._replace(hidden_square=0.0 * weights.hidden, output_square=0.0 * weights.output)
    approximator: Any = make_approximator(topology, weights, 1, np.float64, gradient, task.max_length)
    if cross_entropy:  # with which the slope of a logistic output cancels
        approximator = approximator._replace(net=approximator.net._replace(slope_k=SQUASHINGS["identity"]))
    return approximator


def make_update(run: SequenceRun) -> Update:
    """How the weights of a run change."""
    if run.optimizer == "kalman":
        return Update(
            GLOBAL_KALMAN if run.gradient == "rtrl" else KALMAN, 1.0, 1.0
        )  # any rate but 0 says that it learns
    optimizer: Any = Sgd()
    if run.optimizer == "rmsprop":
        optimizer = RmsProp(0.999 if run.rms_decay is None else run.rms_decay)
    if run.optimizer == "momentum":
        optimizer = Momentum(run.make_task().protocol.momentum or MOMENTUM)
    return Update(optimizer, float(run.learning_rate or 0.0), 1.0)


def no_update(learner: Any) -> Update:
    """An update of the learner's own kind, for which its kernels are compiled, with rate 0: no step is made."""
    return Update(KALMAN if isinstance(learner, Dekf | GlobalKalman) else Sgd(), 0.0, 1.0)


def learn(
    learner: Any, source: Source, update: Update, each_step: bool, seen: SequenceErrors, loss: str | float | None = None
) -> None:
    """Learn as many new sequences as ``seen`` has room for; see `learn_task`."""
    power = float(loss) if isinstance(loss, int | float) else 2.0
    if isinstance(learner, TorchSequences):
        learner.learn(source, update, power, seen)
    else:
        learn_task(learner, source, update, each_step, power, seen)


def ema_copy(learner: Any) -> Any:
    """A network with weights of its own, for their exponential running mean."""
    if isinstance(learner, TorchSequences):
        return learner.copy()
    return learner._replace(weights=Weights(*(part.copy() for part in learner.weights)))


def update_ema(mean: Any, learner: Any, share: float) -> None:
    """Mean <- mean + share (weights - mean), in place."""
    for part, towards in zip(mean.weights, learner.weights, strict=True):
        part += share * (towards - part)


def direct_links_only(topology: Topology) -> Topology:
    """Links from inputs to outputs, beside a unit that nothing sees, since there has to be one."""
    return replace(topology, blocks=(), hidden=1, hidden_sees=("input",), outputs_see=("input",), peepholes=False)


def add_cells(links: Any, run: SequenceRun, task: Task, rng: np.random.Generator) -> Any:
    """The whole network, with the links from inputs to outputs that have been learned."""
    whole = make_learner(run, task, rng)
    whole.weights.output[: task.inputs] = links.weights.output[: task.inputs]
    return whole
