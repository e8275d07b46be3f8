"""Errors carried back, and derivatives carried forward, are Torch's gradient, for every kind of network, in float64."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lstm_rl.compiled import compiled
from lstm_rl.kernels.approximator import Sgd, Update, forward, reset, update_and_trace
from lstm_rl.kernels.layout import Weights
from lstm_rl.kernels.make import make_approximator
from lstm_rl.nn import LstmNetwork
from lstm_rl.topology import Topology

T, K = 40, 1  # steps, the output whose gradient is looked at
RANGES: Any = {"input_range": 1.0, "recurrent_range": 1.5, "output_range": 1.0, "bias_range": 1.0}
GATES: Any = {"cells_see": ("input", "cells", "gates"), "gates_see": ("input", "hidden", "cells", "gates")}
TOPOLOGIES = {
    "elman": Topology(3, 2, hidden=5, **(RANGES | {"recurrent_range": 4.0})),
    "bakker": Topology(3, 2, hidden=4, blocks=(1, 1, 1), forget_gate_bias=3.0, **RANGES),
    "gates as sources": Topology(3, 2, hidden=2, blocks=(2, 1), **GATES, **RANGES),
    "1997": Topology(3, 2, blocks=(2, 2), forget_gate=False, outputs_see=("cells",), **GATES, **RANGES),
    "2002": Topology(3, 2, blocks=(1, 2), peepholes=True, cell_input="tanh", cell_output="identity", **RANGES),
    "peepholes, hidden, shortcuts": Topology(
        3, 2, hidden=3, blocks=(1, 3), peepholes=True, outputs_see=("input", "hidden", "cells"), **RANGES
    ),
    "no output gate": Topology(3, 2, blocks=(1, 2), output_gate=False, peepholes=True, **RANGES),
    "no input gate": Topology(3, 2, hidden=2, blocks=(2,), input_gate=False, biased=(), **RANGES),
    "state decay": Topology(3, 2, blocks=(2, 1), forget_gate=False, state_decay=0.8, **RANGES),
    "squashed outputs": Topology(3, 2, hidden=2, blocks=(1, 2), output_activation="logistic", **RANGES),
    "no recurrent links": Topology(3, 2, blocks=(1, 1), cells_see=("input",), gates_see=("input",), **RANGES),
}


@compiled
def gradients(approximator: Any, x: Any, to: Any, outputs: Any) -> None:
    """Two episodes, so that the second one shows what the first has left behind; keep those of the second."""
    no_step = Update(Sgd(), 0.0, 0.0)
    for episode in range(2):
        reset(approximator, 0)
        for t in range(x.shape[1]):
            forward(approximator, 0, x[episode, t])
            update_and_trace(approximator, 0, K, no_step, 0.0)  # decay 0: the trace is the gradient
            for m in range(to.shape[1]):
                for j in range(to.shape[2]):
                    to[t, m, j] = approximator.streams.traces[0, m, j]
            for k in range(outputs.shape[1]):
                outputs[t, k] = approximator.outputs[0, k]


def streamed(topology: Topology, network: LstmNetwork, x: NDArray[Any], depth: int | None) -> tuple[NDArray[Any], ...]:
    """Gradients and outputs by errors carried back ``depth`` steps; None: by derivatives carried forward."""
    hidden, output = (w.detach().numpy() for w in (network.hidden_weights, network.output_weights))
    weights = Weights(hidden, output, np.ones_like(hidden), np.ones_like(output))
    to, outputs = np.zeros((T, *hidden.shape)), np.zeros((T, topology.outputs))
    if depth is None:
        gradients(make_approximator(topology, weights, 1, "float64", "rtrl"), x, to, outputs)
    else:
        gradients(make_approximator(topology, weights, 1, "float64", "bptt", depth), x, to, outputs)
    return to, outputs


def unrolled(network: LstmNetwork, x: NDArray[Any], depth: int) -> tuple[NDArray[Any], ...]:
    """Torch's gradient at every step, of an unroll that begins ``depth`` steps before from the state that was there."""
    inputs = torch.tensor(x)[:, None]  # (T, 1, I)
    states, gradients, outputs = [network.initial_state(1)], [], []
    for t in range(T):
        start = max(0, t + 1 - depth)
        y, _ = network(inputs[start : t + 1], states[start])
        (gradient,) = torch.autograd.grad(y[-1, 0, K], network.hidden_weights)
        gradients.append(gradient.numpy())
        outputs.append(y[-1, 0].detach().numpy())
        with torch.no_grad():
            states.append(network(inputs[t : t + 1], states[t])[1])
    return np.array(gradients), np.array(outputs)


@pytest.mark.parametrize("depth", [1, 3, 100])
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_bptt_is_the_gradient(name: str, depth: int) -> None:
    topology = TOPOLOGIES[name]
    network = LstmNetwork(topology, 3, execution="loop", dtype=torch.float64)
    x = np.random.default_rng(3).normal(size=(2, T, 3))
    got, outputs = streamed(topology, network, x, depth)
    expected, expected_outputs = unrolled(network, x[1], depth)
    np.testing.assert_allclose(outputs, expected_outputs, rtol=0, atol=1e-12)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
    assert np.abs(expected).max() > 0.1
    if depth == 100:  # the far past counts: a shorter depth gives something else
        assert np.abs(streamed(topology, network, x, 3)[0] - expected).max() > 1e-3


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_rtrl_is_the_gradient(name: str) -> None:
    topology = TOPOLOGIES[name]
    network = LstmNetwork(topology, 3, execution="loop", dtype=torch.float64)
    x = np.random.default_rng(3).normal(size=(2, T, 3))
    got, outputs = streamed(topology, network, x, None)
    expected, expected_outputs = unrolled(network, x[1], T)
    np.testing.assert_allclose(outputs, expected_outputs, rtol=0, atol=1e-12)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())


def test_depth_is_checked() -> None:
    topology = replace(TOPOLOGIES["elman"])
    hidden, output = topology.initial_weights(np.random.default_rng(0))
    with pytest.raises(ValueError, match="^bptt_depth must be an integer >= 1, got 0"):
        make_approximator(topology, Weights(hidden, output, hidden, output), 1, "float64", "bptt", 0)
