"""The two executions of a topology agree: streaming kernels and Torch, in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lstm_rl.compiled import compiled
from lstm_rl.kernels.approximator import (
    RmsProp,
    Sgd,
    Update,
    accumulate_gradient,
    advance,
    forward,
    reset,
    update_and_trace,
)
from lstm_rl.kernels.forward import add_rows
from lstm_rl.kernels.layout import Weights
from lstm_rl.kernels.make import make_approximator
from lstm_rl.kernels.updates import step_weights
from lstm_rl.nn import LstmNetwork
from lstm_rl.topology import Topology

SEES_GATES: Any = {"cells_see": ("input", "cells", "gates"), "gates_see": ("input", "cells", "gates")}
RANGES: Any = {"input_range": 1.0, "recurrent_range": 0.7, "output_range": 0.8, "bias_range": 0.5}
TOPOLOGIES = {
    "bakker": Topology(3, 4, hidden=12, blocks=(1, 1, 1), forget_gate_bias=3.0, **RANGES),
    "hidden only": Topology(3, 2, hidden=5, **RANGES),
    "tanh hidden, logistic h": Topology(
        3, 2, hidden=5, blocks=(2,), hidden_activation="tanh", cell_output="logistic", **RANGES
    ),
    "1997": Topology(2, 1, blocks=(2, 2), forget_gate=False, outputs_see=("cells",), **SEES_GATES, **RANGES),
    "2000": Topology(
        7,
        7,
        blocks=(2, 2, 2, 2),
        cells_see=("input", "cells"),
        gates_see=("input", "cells"),
        outputs_see=("input", "cells"),
        biased=("input_gate", "forget_gate", "output_gate", "output"),
        **RANGES,
    ),
    "2002": Topology(3, 3, blocks=(1, 1), peepholes=True, cell_input="identity", cell_output="identity", **RANGES),
    "uneven blocks, peepholes, hidden": Topology(
        3, 2, hidden=3, blocks=(1, 3, 2), peepholes=True, outputs_see=("input", "hidden", "cells"), **RANGES
    ),
    "no output gate": Topology(4, 4, blocks=(1, 2), output_gate=False, forget_gate=False, peepholes=True, **RANGES),
    "no input gate": Topology(4, 2, hidden=2, blocks=(2,), input_gate=False, biased=(), **RANGES),
    "state decay": Topology(4, 2, blocks=(2, 1), forget_gate=False, state_decay=0.8, **RANGES),
    "squashed outputs": Topology(3, 3, hidden=2, blocks=(1, 2), output_activation="symmetric2", **RANGES),
}
T = 40


@pytest.mark.parametrize("sources", [3, 32, 33, 100, 1010])
def test_blocks_of_sources_at_rest_are_left_out(sources: int) -> None:
    """A product with a few sources, in the first, the last and any block, that are not 0."""
    rng = np.random.default_rng(sources)
    w, z, net = rng.normal(size=(sources, 7)), np.zeros(sources), np.zeros(7)
    active = [0, sources // 2, sources - 1]
    z[active] = rng.normal(size=3)
    _add(w, z, net)
    assert np.allclose(net, z @ w, rtol=1e-13) and net.all()
    _add(w, np.zeros(sources), net)
    assert np.allclose(net, z @ w, rtol=1e-13)
    for m, row in enumerate(np.eye(sources)):  # none is forgotten, wherever in its block it stands
        net[:] = 0.0
        _add(w, row, net)
        assert np.array_equal(net, w[m])


@compiled
def _add(w: Any, z: Any, net: Any) -> None:
    add_rows(w, z, 0, z.shape[0], net)


@compiled
def _run(approximator: Any, x: Any, target: int, outputs: Any, gradients: Any, output_gradients: Any) -> None:
    """Stream a sequence with frozen weights; keep outputs (T, K) and the gradients of output ``target``, (T, M, U)."""
    still = Update(Sgd(), 0.0, 0.0)
    for t in range(x.shape[0]):
        forward(approximator, 0, x[t])
        update_and_trace(approximator, 0, target, still, 0.0)  # decay 0: the trace is the gradient
        for k in range(outputs.shape[1]):
            outputs[t, k] = approximator.outputs[0, k]
        for m in range(gradients.shape[1]):
            for j in range(gradients.shape[2]):
                gradients[t, m, j] = approximator.streams.traces[0, m, j]
        for m in range(output_gradients.shape[1]):
            for k in range(output_gradients.shape[2]):
                output_gradients[t, m, k] = approximator.streams.output_traces[0, m, k]


def stream(topology: Topology, network: LstmNetwork, x: NDArray[Any], target: int) -> tuple[NDArray[Any], ...]:
    hidden, output = (w.detach().numpy() for w in (network.hidden_weights, network.output_weights))
    weights = Weights(hidden, output, np.zeros_like(hidden), np.zeros_like(output))
    outputs = np.zeros((len(x), topology.outputs))
    gradients, output_gradients = np.zeros((len(x), *hidden.shape)), np.zeros((len(x), *output.shape))
    approximator = make_approximator(topology, weights, 1, np.float64)
    _run(approximator, x, target, outputs, gradients, output_gradients)
    return outputs, gradients, output_gradients


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_streaming_equals_torch(name: str) -> None:
    topology = TOPOLOGIES[name]
    rng = np.random.default_rng(3)
    x = rng.normal(size=(T, topology.inputs))
    network = LstmNetwork(topology, seed=1, gradient="truncated", execution="loop", dtype=torch.float64)
    target = topology.outputs - 1
    outputs, gradients, output_gradients = stream(topology, network, x, target)
    y, _ = network(torch.tensor(x)[:, None])
    np.testing.assert_allclose(outputs, y[:, 0].detach().numpy(), rtol=0, atol=1e-12)
    for t in (0, 1, 7, T - 1):
        expected, output_expected = torch.autograd.grad(
            y[t, 0, target], [network.hidden_weights, network.output_weights], retain_graph=True
        )
        scale = max(1.0, float(expected.abs().max()))
        np.testing.assert_allclose(gradients[t], expected.numpy(), rtol=0, atol=1e-10 * scale)
        np.testing.assert_allclose(output_gradients[t], output_expected.numpy(), rtol=0, atol=1e-10)
        assert expected.abs().max() > 1e-6  # the comparison is not one of zeros


def test_truncated_is_full_without_recurrent_links() -> None:
    """With the cell states as the only memory, the truncated gradient is complete backpropagation through time."""
    topology = Topology(
        3,
        2,
        hidden=3,
        blocks=(2, 1),
        hidden_sees=("input",),
        cells_see=("input",),
        gates_see=("input",),
        **RANGES,
    )
    x = np.random.default_rng(0).normal(size=(T, 3))
    network = LstmNetwork(topology, seed=1, dtype=torch.float64)  # full gradient
    _, gradients, _ = stream(topology, network, x, 0)
    y, _ = network(torch.tensor(x)[:, None])
    (expected,) = torch.autograd.grad(y[-1, 0, 0], [network.hidden_weights])
    np.testing.assert_allclose(gradients[-1], expected.numpy(), rtol=0, atol=1e-12)


def test_gradient_equals_finite_differences() -> None:
    """Independent of autograd: without recurrent links, by moving each weight."""
    topology = Topology(
        2,
        1,
        hidden=2,
        blocks=(2,),
        hidden_sees=("input",),
        cells_see=("input",),
        gates_see=("input",),
        **RANGES,
    )
    x = np.random.default_rng(0).normal(size=(12, 2))
    network = LstmNetwork(topology, seed=1, dtype=torch.float64)
    _, gradients, _ = stream(topology, network, x, 0)
    step = 1e-5
    with torch.no_grad():
        for m, j in np.ndindex(*topology.mask.shape):
            values = []
            for sign in (1.0, -1.0):
                network.hidden_weights[m, j] += sign * step
                values.append(stream(topology, network, x, 0)[0][-1, 0])
                network.hidden_weights[m, j] -= sign * step
            assert gradients[-1, m, j] == pytest.approx((values[0] - values[1]) / (2 * step), abs=1e-8)


def test_bakker_by_hand() -> None:
    """One cell, one input, two steps: the equations of the paper with a pencil."""
    topology = Topology(1, 1, blocks=(1,), cells_see=("input",), gates_see=("input",), biased=())
    network = LstmNetwork(topology, seed=0, dtype=torch.float64)
    w_in, w_f, w_out, w_c = network.hidden_weights.detach().numpy()[0]
    w_k = network.output_weights.detach().numpy()[0, 0]

    def sigma(v: float) -> float:
        return float(1.0 / (1.0 + np.exp(-v)))

    s = 0.0
    x = np.array([[1.0], [-2.0]])
    outputs, _, _ = stream(topology, network, x, 0)
    for t in range(2):
        v = x[t, 0]
        s = sigma(w_f * v) * s + sigma(w_in * v) * (4.0 * sigma(w_c * v) - 2.0)
        assert outputs[t, 0] == pytest.approx(w_k * sigma(w_out * v) * (2.0 * sigma(s) - 1.0), abs=1e-13)


@compiled
def _error_at_the_end(approximator: Any, x: Any, errors: Any) -> None:
    """Stream x (T, I); only the last step has errors (K,)."""
    for t in range(x.shape[0]):
        forward(approximator, 0, x[t])
        if t < x.shape[0] - 1:
            advance(approximator, 0)
    accumulate_gradient(approximator, 0, errors)


@pytest.mark.parametrize("forget_gate", [True, False])
@pytest.mark.parametrize("gradient", ["truncated", "bptt", "rtrl"])
def test_steps_without_a_target_keep_what_later_errors_need(gradient: Any, forget_gate: bool) -> None:
    """Of symbols, most of which are 0 at most steps: what a source did fades although it is at rest."""
    topology = Topology(40, 2, blocks=(2, 1), forget_gate=forget_gate, forget_gate_bias=1.0, **RANGES)
    x = np.eye(40)[np.random.default_rng(0).integers(0, 40, T)]
    torch_gradient: Any = "truncated" if gradient == "truncated" else "bptt"
    network = LstmNetwork(topology, seed=1, gradient=torch_gradient, execution="loop", dtype=torch.float64)
    hidden, output = (w.detach().numpy() for w in (network.hidden_weights, network.output_weights))
    weights = Weights(hidden, output, np.ones_like(hidden), np.ones_like(output))
    approximator: Any = make_approximator(topology, weights, 1, np.float64, gradient, T)
    _error_at_the_end(approximator, x, np.array([1.0, -2.0]))
    y, _ = network(torch.tensor(x)[:, None])
    error = y[-1, 0] @ torch.tensor([1.0, -2.0], dtype=torch.float64)
    expected, output_expected = torch.autograd.grad(error, [network.hidden_weights, network.output_weights])
    np.testing.assert_allclose(approximator.streams.traces[0], expected.numpy(), rtol=0, atol=1e-11)
    np.testing.assert_allclose(approximator.streams.output_traces[0], output_expected.numpy(), rtol=0, atol=1e-11)
    assert expected.abs().max() > 0.1


@compiled
def _updated(weights: Any, squares: Any, traces: Any, update: Update) -> None:
    step_weights(weights, squares, traces, update, 0.5)


@pytest.mark.parametrize(("decay", "falling"), [(0.0, 0.0), (0.9, 0.5), (0.9, 0.975)])
def test_optimizers_by_hand(decay: float, falling: float) -> None:
    """Of two mean squares one rises and one falls; without memory of them steps are the signs of error x trace."""
    for optimizer in (Sgd(), RmsProp(decay, falling=falling)):
        w, v, e = np.array([1.0, 1.0]), np.array([4.0, 4.0]), np.array([-3.0, 0.5])
        _updated(w, v, e, Update(optimizer, 0.1, 2.0))
        g = np.array([-6.0, 1.0])  # error x trace
        expected = 1.0 + 0.1 * g
        if isinstance(optimizer, RmsProp):
            rho = np.array([decay, max(decay, falling)])
            mean_square = rho * 4.0 + (1.0 - rho) * g**2
            np.testing.assert_allclose(v, mean_square, rtol=1e-15)
            expected = 1.0 + 0.1 * g / (np.sqrt(mean_square) + 1e-8)
        np.testing.assert_allclose(w, expected, rtol=1e-15)
        np.testing.assert_allclose(e, [-1.5, 0.25], rtol=1e-15)


@compiled
def _sequence(approximator: Any, x: Any, errors: Any) -> None:
    """From rest, add the gradients of all outputs at all steps; no step of the weights clears the traces."""
    reset(approximator, 0)
    for t in range(x.shape[0]):
        forward(approximator, 0, x[t])
        errors[:] = 1.0
        accumulate_gradient(approximator, 0, errors)


@pytest.mark.parametrize("gradient", ["truncated", "bptt", "rtrl"])
@pytest.mark.parametrize("name", ["bakker", "uneven blocks, peepholes, hidden"])
def test_a_reset_leaves_nothing_behind(name: str, gradient: Any) -> None:
    topology, rng = TOPOLOGIES[name], np.random.default_rng(0)
    hidden, output = topology.initial_weights(rng)
    x = rng.normal(size=(2, 6, topology.inputs))
    ends = []
    for episodes in (x, x[1:]):
        weights = Weights(hidden, output, np.ones_like(hidden), np.ones_like(output))
        approximator = make_approximator(topology, weights, 1, np.float64, gradient, 4)
        for episode in episodes:
            _sequence(approximator, episode, np.zeros(topology.outputs))
        ends.append({name: values.copy() for name, values in approximator.streams._asdict().items()})
    np.testing.assert_equal(ends[1], ends[0])
    assert all(ends[0][part].any() for part in ("traces", "output_traces"))


@compiled
def _update_at_the_end(approximator: Any, x: Any, learning_rate: float) -> None:
    """Frozen weights, but for a step of them right after the last input."""
    reset(approximator, 0)
    for t in range(x.shape[0]):
        forward(approximator, 0, x[t])
        rate = learning_rate if t == x.shape[0] - 1 else 0.0
        update_and_trace(approximator, 0, 1, Update(Sgd(), rate, 1.0), 0.9)


def test_derivatives_of_a_step_are_by_the_weights_that_made_it() -> None:
    """Carried forward they must not see the step of the weights that comes between."""
    topology, rng = TOPOLOGIES["uneven blocks, peepholes, hidden"], np.random.default_rng(0)
    hidden, output = topology.initial_weights(rng)
    x, ends = rng.normal(size=(6, topology.inputs)), []
    for rate in (0.0, 0.3):
        weights = Weights(hidden.copy(), output.copy(), np.ones_like(hidden), np.ones_like(output))
        approximator: Any = make_approximator(topology, weights, 1, np.float64, "rtrl", 1)
        _update_at_the_end(approximator, x, rate)
        ends.append([part.copy() for part in approximator.sensitivities[:2]])
        assert (rate == 0.0) == np.array_equal(weights.hidden, hidden)
    np.testing.assert_equal(ends[1], ends[0])


@compiled
def _traced(approximator: Any, x: Any, decay: float, traces: Any, output_traces: Any) -> None:
    """Traces (T, M, U) and (T, V, K) after each step, with frozen weights."""
    reset(approximator, 0)
    for t in range(x.shape[0]):
        forward(approximator, 0, x[t])
        update_and_trace(approximator, 0, 0, Update(Sgd(), 0.0, 1.0), decay)
        for m in range(traces.shape[1]):
            for j in range(traces.shape[2]):
                traces[t, m, j] = approximator.streams.traces[0, m, j]
        for m in range(output_traces.shape[1]):
            for k in range(output_traces.shape[2]):
                output_traces[t, m, k] = approximator.streams.output_traces[0, m, k]


@pytest.mark.parametrize("gradient", ["truncated", "bptt", "rtrl"])
def test_traces_decay_with_every_gradient(gradient: Any) -> None:
    """e(t) = decay e(t-1) + gradient(t), of all weights."""
    topology, rng = TOPOLOGIES["uneven blocks, peepholes, hidden"], np.random.default_rng(0)
    hidden, output = topology.initial_weights(rng)
    x, found = rng.normal(size=(6, topology.inputs)), []
    for decay in (0.0, 0.7):
        weights = Weights(hidden, output, np.ones_like(hidden), np.ones_like(output))
        approximator = make_approximator(topology, weights, 1, np.float64, gradient, 10)
        found.append((np.zeros((6, *hidden.shape)), np.zeros((6, *output.shape))))
        _traced(approximator, x, decay, *found[-1])
    for gradients, traces in zip(*found, strict=True):
        expected = np.zeros_like(traces[0])
        for t in range(6):
            expected = 0.7 * expected + gradients[t]
            np.testing.assert_allclose(traces[t], expected, rtol=1e-12, atol=1e-14)
        assert gradients.any(axis=(1, 2)).all()
