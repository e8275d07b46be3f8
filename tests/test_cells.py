"""Exact cells: their gradient is exact, and a policy made of them learns to remember."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstm_rl.agents import AdvantageLearning
from lstm_rl.compiled import compiled
from lstm_rl.evaluation import evaluate
from lstm_rl.kernels.approximator import (
    Sgd,
    Update,
    accumulate_gradient,
    add_gradient,
    forward,
    reset,
    state_arrays,
    to_env_action,
    update_and_trace,
)
from lstm_rl.kernels.cells import Cells
from lstm_rl.kernels.layout import Weights
from lstm_rl.kernels.make import make_approximator
from lstm_rl.kernels.supervised import learn_sequences

T, K = 30, 1
Layers = tuple[tuple[str, int], ...]


@compiled
def _run(approximator: Any, x: Any, outputs: Any) -> None:
    """Two episodes with frozen weights; keep outputs (T, K); the trace is the gradient of the last one's output K."""
    for episode in range(2):
        reset(approximator, 0)
        for t in range(x.shape[1]):
            forward(approximator, 0, x[episode, t])
            update_and_trace(approximator, 0, K, Update(Sgd(), 0.0, 0.0), 0.0)
            for k in range(outputs.shape[1]):
                outputs[t, k] = approximator.outputs[0, k]


def run(cells: Cells, hidden: NDArray[Any], output: NDArray[Any], x: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
    approximator = make_approximator(cells, Weights(hidden, output, hidden * 0.0, output * 0.0), 1, np.float64)
    outputs = np.zeros((T, cells.outputs))
    _run(approximator, x, outputs)
    return approximator, outputs


def drawn(layers: Layers, hidden: int) -> tuple[Cells, NDArray[Any], NDArray[Any], NDArray[Any]]:
    """A network, weights of all of it that are far from 0, and two episodes (2, T, 3)."""
    cells = Cells(3, 2, layers, hidden=hidden, time_scales=(1.0, 20.0), input_range=0.5)
    rng = np.random.default_rng(0)
    weights, output = cells.initial_weights(rng)
    weights += rng.normal(0.0, 0.1, weights.shape)
    return cells, weights, output + rng.normal(0.0, 0.3, output.shape), rng.normal(size=(2, T, 3))


def torch_outputs(cells: Cells, weights: Tensor, output: Tensor, x: NDArray[Any]) -> Tensor:
    """The equations of the cells' files in Torch, from the first step to the last: outputs (T, K)."""
    inputs, start, sources = torch.tensor(x), 0, list[Tensor]()  # (T, I)
    z = torch.cat([inputs, torch.ones(T, 1, dtype=torch.float64)], 1)  # (T, I + 1)
    for (cell, n), (_, sizes) in zip(cells.layers, cells.kinds, strict=True):
        own, start = weights[start : start + sizes.weights], start + sizes.weights
        s = h = torch.zeros(n, dtype=torch.float64)
        steps = list[Tensor]()
        if cell == "min_gru":
            gate, candidate = (z @ own.reshape(4, 2 * n)).tensor_split(2, 1)
            for t in range(T):
                s = (1 - gate[t].sigmoid()) * s + gate[t].sigmoid() * candidate[t]
                steps.append(s)
        elif cell == "rtu":
            net = z @ own[: 8 * n].reshape(4, 2 * n)
            r, theta = torch.exp(-torch.exp(own[8 * n : 9 * n])), torch.exp(own[9 * n :])
            state = torch.complex(s, s)
            for t in range(T):
                fed = torch.complex(net[t, :n], net[t, n:])
                state = torch.polar(r, theta) * state + (1 - r * r).sqrt() * fed
                steps.append(torch.cat([state.real, state.imag]))
        else:
            w = own.reshape(5, 4, n)
            for t in range(T):
                y_in, y_f, g = torch.einsum("m,mpn->pn", z[t], w[:4, :3]) + w[4, :3] * h
                s = y_f.sigmoid() * s + y_in.sigmoid() * 2 * g.tanh()
                h = s.tanh()
                steps.append((z[t] @ w[:4, 3] + w[4, 3] * h).sigmoid() * h)
        sources.append(torch.stack(steps))
    u = torch.cat([*sources, z], 1)
    hidden = torch.tanh(u @ weights[start:].reshape(cells.sources, cells.hidden))
    return torch.cat([hidden, u], 1) @ output


NETWORKS: list[tuple[Layers, int]] = [  # few: each is compiled anew
    ((("min_gru", 4),), 0),
    ((("self_lstm", 3), ("rtu", 4), ("min_gru", 2)), 5),
]


@pytest.mark.parametrize("layers, hidden", NETWORKS)
def test_outputs_and_gradient_equal_torchs_through_time(layers: Layers, hidden: int) -> None:
    cells, weights, output, x = drawn(layers, hidden)
    approximator, outputs = run(cells, weights, output, x)
    parameters = torch.tensor(weights, requires_grad=True), torch.tensor(output, requires_grad=True)
    expected = torch_outputs(cells, *parameters, x[1])
    np.testing.assert_allclose(outputs, expected.detach(), rtol=0, atol=1e-11)
    expected[-1, K].backward()  # type: ignore[no-untyped-call]
    for parameter, trace in zip(
        parameters, (approximator.streams.traces, approximator.streams.output_traces), strict=True
    ):
        assert parameter.grad is not None and (parameter.grad != 0.0).double().mean() > 0.4  # not one of zeros
        np.testing.assert_allclose(trace[0], parameter.grad, rtol=1e-10, atol=1e-10)


def test_the_error_of_all_outputs_is_the_sum_of_each() -> None:
    cells, weights, output, x = drawn(NETWORKS[-1][0], 5)
    approximator, _ = run(cells, weights, output, x)
    errors, streams = np.array([0.5, -2.0]), approximator.streams
    sums = [0.0, 0.0]
    for k in range(2):
        _add(approximator, k)
        sums = [
            total + errors[k] * trace
            for total, trace in zip(sums, (streams.traces, streams.output_traces), strict=True)
        ]
    _accumulate(approximator, errors.copy())
    np.testing.assert_allclose(streams.traces, sums[0], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(streams.output_traces, sums[1], rtol=1e-12, atol=1e-13)


@compiled
def _add(approximator: Any, k: int) -> None:
    approximator.streams.traces[0] = 0.0
    approximator.streams.output_traces[0] = 0.0
    add_gradient(approximator, 0, k)


@compiled
def _accumulate(approximator: Any, errors: Any) -> None:
    approximator.streams.traces[0] = 0.0
    approximator.streams.output_traces[0] = 0.0
    accumulate_gradient(approximator, 0, errors)


def test_time_scales_are_those_of_the_gates() -> None:
    """A state without input halves, roughly, over the time scale."""
    cells = Cells(1, 2, (("self_lstm", 3),), time_scales=(1.0, 100.0))
    weights, _ = cells.initial_weights(np.random.default_rng(0))
    forget_bias = weights.reshape(-1)[: 3 * 12].reshape(3, 4, 3)[1, 1]
    np.testing.assert_allclose(forget_bias, np.log([1.0, 10.0, 100.0]) + 1.0)


def test_what_cannot_be_is_refused() -> None:
    cells = Cells(3, 2)
    hidden, output = cells.initial_weights(np.random.default_rng(0))
    with pytest.raises(ValueError, match="^gradient of cells, which is exact, must be one of truncated, got 'bptt'"):
        make_approximator(cells, Weights(hidden, output, hidden, output), 1, np.float64, "bptt")
    with pytest.raises(ValueError, match="^layers must be one of min_gru, rtu, self_lstm, got 'gru'"):
        Cells(3, 2, (("gru", 4),))
    with pytest.raises(ValueError, match=r"^layers must hold at least one layer of cells, got \(\)"):
        Cells(3, 2, ())


def test_min_gru_learns_to_recall() -> None:
    """The first of 5 values, marked by a second input, is the target at the end; the others are noise."""
    rng = np.random.default_rng(0)
    x = rng.choice([-1.0, 1.0], (1000, 5, 2))
    x[:, :, 1] = np.arange(5) == 0
    targets = np.zeros((1000, 5, 1))
    targets[:, -1] = x[:, 0, :1]
    cells = Cells(2, 1, (("min_gru", 4),), hidden=0, time_scales=(3.0, 3.0), input_range=0.5)
    hidden, output = cells.initial_weights(rng)
    approximator = make_approximator(cells, Weights(hidden, output, hidden * 0.0, output * 0.0), 1, np.float64)
    errors, row, found = np.zeros(1), np.zeros(2), np.zeros((20_000, 2))
    kinds = rng.integers(0, 900, 20_000)
    arguments = approximator, x, targets, np.arange(5) == 4
    learn_sequences(*arguments, kinds, Update(Sgd(), 0.1, 1.0), False, errors, row, found)
    learn_sequences(*arguments, np.arange(900, 1000), Update(Sgd(), 0.0, 1.0), False, errors, row, found)
    assert found[:100, 0].max() < 0.1


def test_a_policy_takes_cells_for_a_topology() -> None:
    env = gym.make("lstm_rl/TMaze-v0", corridor_length=5)
    model = AdvantageLearning("LstmPolicy", env, seed=0, policy_kwargs={"topology": Cells(3, 4)})
    before = model.policy.parameters_to_vector()
    model.learn(1000)
    assert np.abs(model.policy.parameters_to_vector() - before).max() > 0.1
    assert evaluate(model, "lstm_rl/TMaze-v0", {"corridor_length": 5}, 10, seed=1)["episodes"] == 10


@compiled
def _told(approximator: Any, x: Any, actions: Any, seen: Any) -> None:
    """Two episodes in which ``actions`` are chosen; keep what the network sees, (2, T, I)."""
    for episode in range(2):
        reset(approximator, 0)
        for t in range(actions.shape[0]):
            forward(approximator, 0, x[t])
            for m in range(seen.shape[2]):
                seen[episode, t, m] = approximator.streams.x[0, m]
            to_env_action(approximator, 0, actions[t])


def test_the_action_of_the_step_before_is_an_input() -> None:
    """It follows the observation as 1 at its number; an episode begins without one; between steps it is state."""
    cells, x, actions = Cells(2 + 3, 3, actions=3), np.arange(8.0).reshape(4, 2), np.array([2, 0, 1, 1])
    hidden, output = cells.initial_weights(np.random.default_rng(0))
    approximator = make_approximator(cells, Weights(hidden, output, hidden * 0.0, output * 0.0), 1, np.float64)
    seen = np.zeros((2, 4, 5))
    _told(approximator, x, actions, seen)
    before = [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    np.testing.assert_array_equal(seen, [np.hstack([x, before])] * 2)
    np.testing.assert_array_equal(state_arrays(approximator)[-1], [[0.0, 1.0, 0.0]])
