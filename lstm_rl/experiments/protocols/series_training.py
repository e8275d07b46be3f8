"""Learning to predict a series: step by step with compiled kernels, by gradients of stretches in Torch, or at once.

Each function makes a network from a task, whose horizon and lags say what is asked and seen, and keeps the weights that
were best on the validation part at one of some looks at it. Dimensions: T steps, B stretches, I inputs.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lstm_rl.experiments.protocols.series_scores import direct, nmse
from lstm_rl.kernels.approximator import Kalman, Sgd, Update
from lstm_rl.kernels.kalman import make_dekf
from lstm_rl.kernels.layout import Weights, make_weights
from lstm_rl.kernels.make import make_approximator
from lstm_rl.nn.lstm import LstmNetwork
from lstm_rl.tasks.series import SeriesTask, windows
from lstm_rl.tasks.streaming import learn_task, make_errors, make_source
from lstm_rl.topology import Topology

LOOKS = 20
"""Number of looks at the validation part."""
WASHOUT, STRETCH, BATCH = 50, 150, 16
"""Steps of a stretch in Torch: without a target at first, and all; stretches side by side."""
KALMAN = Kalman((1.0, 1e-6), (1e-4, 1e-11))
"""Noises of the filter at first and at last (ours)."""
Report = Callable[[int], object]


def validation_error(net: Any, task: SeriesTask) -> float:
    """NMSE on the validation part, all of the series before it seen; infinite if the network has diverged."""
    series, h = task.series, task.horizon
    try:
        y = direct(net, task.lags, series.values[: series.validation - h])[series.training - h :]
    except ValueError:  # activations that are not finite
        return np.inf
    error = nmse(y, series.values[series.training : series.validation])
    return error if np.isfinite(error) else np.inf


def best_of(nets: Iterator[Any], task: SeriesTask) -> Any:
    """Of the states of a network while it learns, the one that is best on the validation part.

    Raises:
        FloatingPointError: It has diverged before the first look.
    """
    best, least = None, np.inf
    for net in nets:
        if (error := validation_error(net, task)) < least:
            best, least = deepcopy(net), error
        elif error == np.inf:
            break
    if best is None:
        raise FloatingPointError("the network has diverged before the first look at it")
    return best


def torch_network(topology: Topology, weights: Weights | None, seed: int = 0) -> LstmNetwork:
    """A topology in Torch, float64, with these weights or fresh ones."""
    net = LstmNetwork(topology, seed, dtype=torch.float64)
    if weights is not None:
        with torch.no_grad():
            net.hidden_weights.copy_(torch.tensor(weights.hidden))
            net.output_weights.copy_(torch.tensor(weights.output))
    return net


def step_by_step(
    topology: Topology, task: SeriesTask, optimizer: str, learning_rate: float, epochs: int, seed: int, report: Report
) -> LstmNetwork:
    """Learn after each value, by the truncated gradient or a Kalman filter on it; an epoch is the training part."""
    rng = np.random.default_rng([seed, task.horizon])
    weights, task = make_weights(topology, rng), replace(task, washout=WASHOUT)
    learner: Any
    if optimizer == "kalman":
        steps = epochs * (task.max_length - task.washout)
        update, learner = Update(KALMAN._replace(anneal_steps=steps), 1.0, 1.0), make_dekf(topology, weights, 1.0)
    else:
        update = Update(Sgd(), learning_rate, 1.0)
        learner = make_approximator(topology, weights, 1, np.float64, "truncated", task.max_length)

    def looks() -> Iterator[LstmNetwork]:
        source, done = make_source(task, rng), 0
        for look in range(LOOKS):
            more = epochs * (look + 1) // LOOKS - done
            learn_task(learner, source, update, True, 2.0, make_errors(more))
            done += more
            report(done)
            yield torch_network(topology, weights)

    return best_of(looks(), task)  # type: ignore[no-any-return]


def by_adam(net: Any, task: SeriesTask, learning_rate: float, epochs: int, seed: int, report: Report) -> Any:
    """Adam on random stretches, a batch of them per epoch, with a rate that falls as a cosine."""
    rng = np.random.default_rng([seed, task.horizon])
    task = replace(task, length=STRETCH, washout=WASHOUT)
    adam = torch.optim.Adam(net.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, epochs)

    def looks() -> Iterator[Any]:
        for epoch in range(1, epochs + 1):
            x, targets, has_target = (torch.from_numpy(part) for part in task.batch(BATCH, rng))
            adam.zero_grad()
            loss = (net(x)[0] - targets)[has_target].square().mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            adam.step()
            schedule.step()
            report(epoch)
            if epoch % max(1, epochs // LOOKS) == 0:
                yield net

    return best_of(looks(), task)


def by_lbfgs(net: Any, task: SeriesTask, epochs: int, report: Report) -> Any:
    """L-BFGS on the whole training part at once, in stretches that overlap by their washouts."""
    x, targets = _stretches(task, memoryless=len(net.initial_state(1)[0][0]) == 0)
    washout = 0 if len(x) == 1 else WASHOUT
    lbfgs: Any = torch.optim.LBFGS(
        net.parameters(),
        max_iter=max(1, epochs // LOOKS),
        history_size=50,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Any:
        lbfgs.zero_grad()
        value = (net(x)[0] - targets)[washout:].square().mean()
        value.backward()
        return value

    def looks() -> Iterator[Any]:
        for look in range(LOOKS):
            lbfgs.step(loss)
            report((look + 1) * max(1, epochs // LOOKS))
            yield net

    return best_of(looks(), task)


def _stretches(task: SeriesTask, memoryless: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """All of the training part: x (T, B, I) and targets (T, B, 1); T = 1 for a network without memory."""
    x, targets = training_part(task)
    if memoryless:
        return torch.from_numpy(x)[None], torch.from_numpy(targets)[None, :, None]
    starts = np.unique(np.append(np.arange(0, len(x) - STRETCH, STRETCH - WASHOUT), len(x) - STRETCH))
    at = starts + np.arange(STRETCH)[:, None]  # (T, B)
    return torch.from_numpy(x[at]), torch.from_numpy(targets[at])[..., None]


def training_part(task: SeriesTask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inputs (T, I) and targets (T,) of all of it, as far as all lags are inside."""
    values, span = task.series.values[task.series.part("training")], task.lags[-1]
    return windows(values, task.lags)[span : -task.horizon], values[span + task.horizon :].copy()
