"""One run of any network of the toolkit on the noise-free long-lag task (Hochreiter & Schmidhuber 1997, 2a).

Both sequences of `LagTask` are trained in random order, with an error at every step and from the start with the whole
network, until all errors of all outputs are below .25 with frozen weights. Networks described by a `Topology` change
their weights after every step, by the gradient that is named; Torch networks learn by Adam, in batches.

Dimensions: p steps, K = p + 1 symbols, S = 2 sequences, B sequences of a batch.
"""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from lstm_rl.checks import check_choice, check_int

if TYPE_CHECKING:
    from lstm_rl.experiments.engine import Report

EVERY = 100  # sequences between two tests
BATCH = 16  # sequences, of the Torch networks
TOLERANCE = 0.25
COMMON: dict[str, Any] = {  # four units or cells beside direct links from inputs to outputs
    "cells_see": ("input",),
    "gates_see": ("input",),
    "outputs_see": ("input", "hidden", "cells"),
    "biased": ("hidden", "input_gate", "forget_gate", "output_gate", "output"),
    "output_activation": "logistic",
    **dict.fromkeys(("input_range", "recurrent_range", "output_range", "bias_range"), 0.2),
}
ALONE = {"input_gate": False, "forget_gate": False, "output_gate": False}
LINEAR = {"cell_input": "identity", "cell_output": "identity"}
GATES: dict[str, Any] = {"blocks": (1,) * 4, "input_gate_bias": (-1.0, -2.0, -3.0, -4.0)}
FORGET: dict[str, Any] = {"forget_gate_bias": 6.0, "forget_range": 0.0}
TWO: dict[str, Any] = {"input_gate_bias": (-1.0, -3.0)}
TOPOLOGIES: dict[str, tuple[dict[str, Any], str, float]] = {  # fields, gradient, learning rate
    "constant error carousels alone": ({"blocks": (1,) * 4, **ALONE, **LINEAR}, "truncated", 0.1),
    "LSTM 1997, input gates only": ({**GATES, "forget_gate": False, "output_gate": False}, "truncated", 1.0),
    "LSTM 1997": ({**GATES, "forget_gate": False}, "truncated", 1.0),
    "LSTM 2000 (forget gates)": ({**GATES, **FORGET}, "truncated", 1.0),
    "LSTM 2002 (peepholes)": ({**GATES, **FORGET, "peepholes": True}, "truncated", 1.0),
    "two blocks of two cells, 1997": ({"blocks": (2, 2), **TWO, "forget_gate": False}, "truncated", 1.0),
    "two blocks of two cells, 2000": ({"blocks": (2, 2), **TWO, **FORGET}, "truncated", 1.0),
    "two blocks and two hidden units": ({"blocks": (1, 1), "hidden": 2, **TWO, **FORGET}, "truncated", 1.0),
    "Elman net, BPTT": ({"hidden": 4}, "bptt", 3.0),
    "Elman net, RTRL": ({"hidden": 4}, "rtrl", 3.0),
}
TORCH = {"GRU": 0.1, "sLSTM": 0.1}  # learning rates
NETWORKS = (*TOPOLOGIES, *TORCH)


@dataclass(frozen=True)
class FlagRun:
    """Everything that a run depends on."""

    network: str
    """One of `NETWORKS`."""
    lag: int
    """p >= 2, steps between the first symbol and the one that it tells."""
    seed: int = 0
    max_sequences: int = 20_000
    """Budget."""

    def __post_init__(self) -> None:
        check_choice("network", self.network, NETWORKS)
        check_int("lag", self.lag, 2)
        check_int("max_sequences", self.max_sequences, EVERY)


def run(settings: FlagRun, report: "Report") -> dict[str, Any]:
    """Train until success or the end of the budget.

    Returns:
        sequences of training; largest_error: the largest absolute error of an output in both sequences after them;
        success: whether that is below `TOLERANCE`.
    """
    import numpy as np

    from lstm_rl.compiled import flushed
    from lstm_rl.tasks import LagTask

    batch = LagTask(settings.lag).batch(64, np.random.default_rng(0))
    first = [int(batch.x[0, :, settings.lag - k].argmax()) for k in (1, 0)]  # a sequence that begins with y, with x
    x, targets = batch.x[:, first], batch.targets[:, first]  # (p, S, K) each
    rng = np.random.default_rng([settings.seed, 1])
    make = _streaming if settings.network in TOPOLOGIES else _torch
    with flushed():
        learn, error_of, size = make(settings, x, targets)
        done, tested = 0, 0
        while True:
            learn(rng.integers(0, 2, size))
            done += size
            over = done + size > settings.max_sequences
            if done - tested >= EVERY or over:
                tested, error = done, error_of()
                report(done)
                if error < TOLERANCE or over:
                    return {"sequences": done, "largest_error": error, "success": error < TOLERANCE}


def _streaming(settings: FlagRun, x: Any, targets: Any) -> Any:
    """(learn sequences (N,) by number, largest error, N) of a network with kernels."""
    import numpy as np

    from lstm_rl.kernels.approximator import Sgd, Update
    from lstm_rl.kernels.layout import make_weights
    from lstm_rl.kernels.make import make_approximator
    from lstm_rl.kernels.supervised import learn_sequences
    from lstm_rl.topology import Topology

    fields, gradient, rate = TOPOLOGIES[settings.network]
    topology = Topology(settings.lag + 1, settings.lag + 1, **(COMMON | fields))
    weights = make_weights(topology, np.random.default_rng(settings.seed))
    approximator = make_approximator(topology, weights, 1, np.float64, gradient, settings.lag)
    x, targets = (np.ascontiguousarray(values.swapaxes(0, 1)) for values in (x, targets))  # (S, p, K)
    has_target, (errors, row) = np.ones(settings.lag, np.bool_), np.zeros((2, settings.lag + 1))

    def learn(order: Any, rate: float = rate) -> float:
        seen = np.zeros((len(order), 2))  # largest error and sum of squares
        update = Update(Sgd(), rate, 1.0)
        learn_sequences(approximator, x, targets, has_target, order, update, True, errors, row, seen)
        return float(seen[:, 0].max())

    return learn, partial(learn, np.arange(2), 0.0), EVERY


def _torch(settings: FlagRun, x: Any, targets: Any) -> Any:
    """The same of a network in Torch."""
    import torch

    from lstm_rl.nn.gru import GruNetwork
    from lstm_rl.nn.slstm import SlstmNetwork

    x, targets = torch.tensor(x, dtype=torch.float32), torch.tensor(targets, dtype=torch.float32)
    make: Any = (
        partial(GruNetwork, update_gate_bias=(1.0, 2.0, 4.0, 6.0)) if settings.network == "GRU" else SlstmNetwork
    )
    size = settings.lag + 1
    network, links = make(size, size, 4, settings.seed), torch.zeros(size, size, requires_grad=True)
    optimizer = torch.optim.Adam([links, *network.parameters()], TORCH[settings.network])

    def outputs(x: Any) -> Any:
        return torch.sigmoid(network(x)[0] + x @ links)  # (p, B, K)

    def learn(order: Any) -> None:
        loss = (outputs(x[:, order]) - targets[:, order]).square().sum((0, 2)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def error() -> float:
        with torch.no_grad():
            return float((outputs(x) - targets).abs().max())

    return learn, error, BATCH
