"""Predictors of series, all with the interface `lstm_rl.nn.network.Network`, so that one function scores them.

Dimensions: T time, B batch, I inputs (lags), H units, K = 1 outputs, V sources of the read-out. Time-major throughout.
"""

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lstm_rl.nn.lstm import LstmNetwork
from lstm_rl.nn.network import unroll_checked
from lstm_rl.tasks.series import SeriesTask, load_reservoirpy
from lstm_rl.topology import GATES, Layer, Topology


class NoState(NamedTuple):
    """The state of a network without memory."""

    nothing: Tensor  # (B, 0)


class Memoryless(nn.Module):
    """A function of the inputs of one step.

    Args:
        inputs: I >= 1.
        function: From (T, B, I) to (T, B, 1).
    """

    outputs = 1

    def __init__(self, inputs: int, function: Any) -> None:
        super().__init__()
        self.inputs, self.function = inputs, function

    def initial_state(self, batch: int) -> NoState:
        """The empty state of ``batch`` rows."""
        return NoState(torch.zeros(batch, 0, dtype=torch.float64))

    def forward(self, x: Tensor, state: Any = None, resets: Tensor | None = None) -> tuple[Tensor, NoState]:
        """Unroll over T steps; see `Network`."""
        return unroll_checked(self, x, state, resets)

    def _unroll(self, x: Tensor, state: NoState, resets: Tensor | None) -> tuple[Tensor, NoState]:
        return self.function(x), state


def untrained(model: str, task: SeriesTask, units: int, scale: float, radius: float, leak: float) -> Any:
    """A topology, or a function from a seed to a module.

    Args:
        model: "lstm", the published network with so many blocks; "standard", without forget gates; "lstm-reservoir",
            the standard cell, with weights uniform in +- ``scale`` and, between cells, divided by the root of their
            number; "constant-gates", cells whose input gates are ``leak``, forget gates 1 - ``leak``, output gates 1:
            leaky units of an echo state network; "elman", tanh units; "mlp", "gru" or "slstm".
        task: Says how many inputs.
        units: Of a layer.
        scale: Of input weights where there is no training.
        radius: Of weights between cells with constant gates: their spectral radius is about this.
        leak: See above.
    """
    published, inputs, span = task.topology, task.inputs, scale / np.sqrt(units)
    if model == "mlp":
        return partial(window_mlp, inputs, units)
    if model in ("gru", "slstm"):
        from lstm_rl.nn.gru import GruNetwork
        from lstm_rl.nn.slstm import SlstmNetwork

        kind: Any = GruNetwork if model == "gru" else SlstmNetwork
        return lambda seed: kind(inputs, 1, units, seed, dtype=torch.float64)
    if model == "elman":
        seen: tuple[Layer, ...] = ("input", "hidden")
        ranges: dict[str, Any] = dict.fromkeys(("input_range", "recurrent_range", "output_range", "bias_range"), 0.5)
        return Topology(inputs, 1, units, hidden_activation="tanh", hidden_sees=seen, outputs_see=seen, **ranges)
    if model == "constant-gates":
        bias = float(np.log(leak / (1.0 - leak)))
        return Topology(
            inputs,
            1,
            blocks=(1,) * units,
            output_gate=False,
            cell_input="tanh",
            cell_output="identity",
            gates_see=(),
            outputs_see=("input", "cells"),
            input_range=scale,
            recurrent_range=radius * float(np.sqrt(3.0 / units)),
            bias_range=1.0,
            input_gate_bias=bias,
            forget_gate_bias=-bias,
        )
    if model == "lstm-reservoir":
        return Topology(
            inputs,
            1,
            blocks=(1,) * units,
            cell_input="tanh",
            cell_output="tanh",
            outputs_see=("input", "cells"),
            input_range=scale,
            recurrent_range=span,
            bias_range=scale,
        )
    network = replace(published, inputs=inputs, blocks=(1,) * units, **_spread(published, units))
    if model == "lstm":
        return network
    unforgetting = tuple(unit for unit in network.biased if unit != "forget_gate")
    return replace(network, forget_gate=False, forget_gate_bias=None, biased=unforgetting)


def _spread(published: Topology, units: int) -> dict[str, Any]:
    """The published biases of gates, spread over another number of blocks."""
    biases = {gate: getattr(published, f"{gate}_bias") for gate in GATES}
    return {f"{gate}_bias": tuple(np.linspace(b[0], b[-1], units).tolist()) for gate, b in biases.items()}


def window_mlp(inputs: int, units: int, seed: int) -> Memoryless:
    """A perceptron with one layer of tanh units over a window, in float64, weights as Torch draws them."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = nn.Linear(inputs, units), nn.Tanh(), nn.Linear(units, 1)
    return Memoryless(inputs, nn.Sequential(*layers).double())


def persistence(inputs: int) -> Memoryless:
    """A network that predicts the last value."""
    return Memoryless(inputs, lambda x: x[..., :1])


def mean(inputs: int) -> Memoryless:
    """A network that predicts the training part's mean, 0."""
    return Memoryless(inputs, lambda x: 0.0 * x[..., :1])


class EchoState(NamedTuple):
    """The state of an echo state network."""

    s: Tensor  # (B, H)


class EchoStateNetwork(nn.Module):
    """Jaeger's echo state network (2001): random leaky units, whose read-out alone is learned, by ridge regression.

        s <- (1 - leak) s + leak tanh(W s + W_in x + b);     y = w_out [s, x, 1]

    The units are a `Reservoir` of reservoirpy, whose weights are unrolled here, many streams side by side. Its node
    `Ridge` solves the normal equations, which lose half of the digits; so the read-out is fitted here.

    Args:
        x: Training inputs (T, I); the first ``washout`` steps are not learned from.
        targets: (T,).
        washout: Steps.
        units: H >= 1.
        seed: Of the random weights.
        radius: Spectral radius of W.
        leak: In (0, 1].
        scale: Of W_in, uniform in +- this; b is uniform in +- 1.
        ridge: Weight of the squared read-out weights, > 0.

    Raises:
        ValueError: reservoirpy is missing.
    """

    outputs = 1

    def __init__(
        self,
        x: NDArray[np.float64],
        targets: NDArray[np.float64],
        washout: int,
        units: int,
        seed: int,
        *,
        radius: float,
        leak: float,
        scale: float,
        ridge: float,
    ) -> None:
        super().__init__()
        nodes, mat_gen = load_reservoirpy("an echo state network").nodes, _mat_gen()
        self.inputs, self.units, self.leak = x.shape[1], units, leak
        drawn = {"Win": mat_gen.uniform, "bias": mat_gen.uniform, "input_connectivity": 1.0, "seed": seed}
        self.reservoir = nodes.Reservoir(units, lr=leak, sr=radius, input_scaling=scale, **drawn)
        sources = np.concatenate([self.reservoir.run(x), x, np.ones((len(x), 1))], 1)[washout:]
        dense = (getattr(w, "toarray", lambda w=w: w)() for w in (self.reservoir.W, self.reservoir.Win))
        self.w, self.w_in = (torch.tensor(w) for w in dense)
        self.bias = torch.tensor(np.asarray(self.reservoir.bias)).flatten()
        self.w_out = torch.tensor(ridge_regression(sources, targets[washout:], ridge))

    def initial_state(self, batch: int) -> EchoState:
        """All zeros."""
        return EchoState(torch.zeros(batch, self.units, dtype=torch.float64))

    def forward(self, x: Tensor, state: Any = None, resets: Tensor | None = None) -> tuple[Tensor, EchoState]:
        """Unroll over T steps; see `Network`."""
        return unroll_checked(self, x, state, resets)

    def _unroll(self, x: Tensor, state: EchoState, resets: Tensor | None) -> tuple[Tensor, EchoState]:
        (s,), outputs = state, []
        for t in range(len(x)):
            if resets is not None:
                s = s * ~resets[t][:, None]
            s = (1.0 - self.leak) * s + self.leak * torch.tanh(s @ self.w.T + x[t] @ self.w_in.T + self.bias)
            outputs.append(torch.cat([s, x[t], x.new_ones(len(s), 1)], 1) @ self.w_out[:, None])
        return torch.stack(outputs), EchoState(s)


def _mat_gen() -> Any:
    import reservoirpy.mat_gen

    return reservoirpy.mat_gen


def ridge_regression(sources: NDArray[np.float64], targets: NDArray[np.float64], ridge: float) -> NDArray[np.float64]:
    """The weights w (V,) that minimise |sources w - targets|^2 + ridge |w|^2, by orthogonal transformations.

    Args:
        sources: (T, V).
        targets: (T,).
        ridge: > 0.
    """
    size = sources.shape[1]
    q, r = np.linalg.qr(np.concatenate([sources, np.sqrt(ridge) * np.eye(size)]))
    return np.linalg.solve(r, q.T @ np.concatenate([targets, np.zeros(size)]))


def fit_readout(
    net: LstmNetwork, x: NDArray[np.float64], targets: NDArray[np.float64], washout: int, ridge: float
) -> LstmNetwork:
    """The same cells with a read-out fitted by ridge regression, as in an echo state network.

    Args:
        net: Its cells and gates are kept.
        x: Training inputs (T, I); the first ``washout`` steps are not learned from.
        targets: (T,).
        washout: Steps.
        ridge: Weight of the squared read-out weights, > 0.
    """
    w = ridge_regression(_read_sources(net, x)[washout:], targets[washout:], ridge)
    fitted = LstmNetwork(net.topology, 0, dtype=torch.float64)
    with torch.no_grad():
        fitted.hidden_weights.copy_(net.hidden_weights)
        fitted.output_weights.copy_(torch.tensor(w)[:, None])
    return fitted


def _read_sources(net: LstmNetwork, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sources (T, V) of the outputs at each step, from rest, read off a network whose output weights are 1."""
    topology: Topology = net.topology
    shown = LstmNetwork(replace(topology, outputs=topology.output_sources), 0, dtype=torch.float64)
    with torch.no_grad():
        shown.hidden_weights.copy_(net.hidden_weights)
        shown.output_weights.copy_(torch.eye(topology.output_sources))
        y, _ = shown(torch.from_numpy(x)[:, None])
    return np.asarray(y[:, 0].numpy())
