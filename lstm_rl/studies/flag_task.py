"""The flag task (Hochreiter & Schmidhuber 1997, experiment 2a), and how every network of `lstm_rl.nn` learns it.

Sequences (y, a1 .. a_{p-1}, y) and (x, a1 .. a_{p-1}, x) of p + 1 symbols, drawn with probability .5; the next symbol
is to be predicted, with an error at every step. Only the first symbol tells the last one, p steps later.

Dimensions: p steps, p + 1 symbols.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lstm_rl.compiled import flushed
from lstm_rl.kernels.approximator import Sgd, Update
from lstm_rl.kernels.layout import make_weights
from lstm_rl.kernels.make import make_approximator
from lstm_rl.kernels.supervised import learn_sequences
from lstm_rl.nn.gru import GruNetwork
from lstm_rl.nn.slstm import SlstmNetwork
from lstm_rl.topology import Topology

BATCH = 16  # sequences, of the Torch networks


class Learner(NamedTuple):
    """A network for a number of symbols, and how it learns."""

    build: Callable[[int], Any]  # from the number of symbols: a `Topology`, or a Torch network from (symbols, seed)
    gradient: str | None = None  # see `make_approximator`; None: Torch
    alpha: float = 0.01


def _topology(**fields: Any) -> Callable[[int], Topology]:
    """Four units or cells beside direct links from inputs to outputs."""
    common: dict[str, Any] = {
        "cells_see": ("input",),
        "gates_see": ("input",),
        "outputs_see": ("input", "hidden", "cells"),
        "biased": ("hidden", "input_gate", "forget_gate", "output_gate", "output"),
        "output_activation": "logistic",
        **dict.fromkeys(("input_range", "recurrent_range", "output_range", "bias_range"), 0.2),
    }
    return lambda symbols: Topology(symbols, symbols, **(common | fields))


class _WithLinks(nn.Module):
    """A recurrent network beside direct links from inputs to outputs."""

    def __init__(self, network: nn.Module, symbols: int) -> None:
        super().__init__()
        self.network, self.links = network, nn.Parameter(torch.zeros(symbols, symbols))

    def forward(self, x: Tensor) -> Tensor:
        """Logistic outputs (T, B, K) of x (T, B, I)."""
        return torch.sigmoid(self.network(x)[0] + x @ self.links)


_GATES: dict[str, Any] = {"blocks": (1,) * 4, "input_gate_bias": (-1.0, -2.0, -3.0, -4.0)}
_FORGET: dict[str, Any] = {"forget_gate_bias": 6.0, "forget_range": 0.0}
_TWO: dict[str, Any] = {"input_gate_bias": (-1.0, -3.0)}
LEARNERS: dict[str, Learner] = {
    "constant error carousels alone": Learner(
        _topology(
            blocks=(1,) * 4,
            input_gate=False,
            forget_gate=False,
            output_gate=False,
            cell_input="identity",
            cell_output="identity",
        ),
        "truncated",
        0.1,
    ),
    "LSTM 1997, input gates only": Learner(_topology(**_GATES, forget_gate=False, output_gate=False), "truncated", 1.0),
    "LSTM 1997": Learner(_topology(**_GATES, forget_gate=False), "truncated", 1.0),
    "LSTM 2000 (forget gates)": Learner(_topology(**_GATES, **_FORGET), "truncated", 1.0),
    "LSTM 2002 (peepholes)": Learner(_topology(**_GATES, **_FORGET, peepholes=True), "truncated", 1.0),
    "two blocks of two cells, 1997": Learner(_topology(blocks=(2, 2), **_TWO, forget_gate=False), "truncated", 1.0),
    "two blocks of two cells, 2000": Learner(_topology(blocks=(2, 2), **_TWO, **_FORGET), "truncated", 1.0),
    "two blocks and two hidden units": Learner(_topology(blocks=(1, 1), hidden=2, **_TWO, **_FORGET), "truncated", 1.0),
    "Elman net, BPTT": Learner(_topology(hidden=4), "bptt", 3.0),
    "Elman net, RTRL": Learner(_topology(hidden=4), "rtrl", 3.0),
    "GRU": Learner(lambda symbols: partial(GruNetwork, update_gate_bias=(1.0, 2.0, 4.0, 6.0)), alpha=0.1),
    "sLSTM": Learner(lambda symbols: SlstmNetwork, alpha=0.1),
}


def sequences_of(p: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both sequences as inputs and targets, each (2, p, p + 1)."""
    sequences = np.array([[first, *range(p - 1), first] for first in (p - 1, p)])
    one_hot = np.eye(p + 1)[sequences]
    return one_hot[:, :-1].copy(), one_hot[:, 1:].copy()


def train(name: str, lag: int, seed: int, max_sequences: int, every: int) -> tuple[int, float]:
    """Train until all errors are below .25 with frozen weights, or to the end of the budget.

    Args:
        name: One of `LEARNERS`.
        lag: p >= 2.
        seed: Of initial weights and sequences.
        max_sequences: Budget.
        every: Sequences between two looks.

    Returns:
        Training sequences, and the largest absolute error of an output in both sequences after them.
    """
    learner = LEARNERS[name]
    with flushed():
        return (_streaming if learner.gradient else _torch)(learner, lag, seed, max_sequences, every)


def _streaming(learner: Learner, lag: int, seed: int, max_sequences: int, every: int) -> tuple[int, float]:
    x, targets = sequences_of(lag)
    topology, rng = learner.build(lag + 1), np.random.default_rng([seed, 1])
    weights = make_weights(topology, np.random.default_rng(seed))
    assert learner.gradient is not None
    approximator = make_approximator(topology, weights, 1, np.float64, learner.gradient, lag)
    has_target, (errors, row) = np.ones(lag, np.bool_), np.zeros((2, lag + 1))
    both, found, looked = np.array([0, 1]), np.zeros((every, 2)), np.zeros((2, 2))
    by, still = Update(Sgd(), learner.alpha, 1.0), Update(Sgd(), 0.0, 1.0)
    done = 0
    while True:
        learn_sequences(approximator, x, targets, has_target, rng.integers(0, 2, every), by, True, errors, row, found)
        done += every
        learn_sequences(approximator, x, targets, has_target, both, still, True, errors, row, looked)
        error = float(looked[:, 0].max())
        if error < 0.25 or done + every > max_sequences:
            return done, error


def _torch(learner: Learner, lag: int, seed: int, max_sequences: int, every: int) -> tuple[int, float]:
    x, targets = (
        torch.tensor(values, dtype=torch.float32).transpose(0, 1) for values in sequences_of(lag)
    )  # (p, 2, .)
    symbols, rng = lag + 1, np.random.default_rng([seed, 1])
    network = _WithLinks(learner.build(symbols)(symbols, symbols, 4, seed), symbols)
    optimiser = torch.optim.Adam(network.parameters(), learner.alpha)
    done, looked_at = 0, 0
    while True:
        kinds = rng.integers(0, 2, BATCH)
        loss = (network(x[:, kinds]) - targets[:, kinds]).square().sum((0, 2)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        done += BATCH
        last = done + BATCH > max_sequences
        if done - looked_at >= every or last:
            looked_at = done
            with torch.no_grad():
                error = float((network(x) - targets).abs().max())
            if error < 0.25 or last:
                return done, error
