"""Element-wise cells: their gradient is exact, and a policy made of them learns to remember."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray

from lstm_rl.agents import AdvantageLearning
from lstm_rl.compiled import compiled
from lstm_rl.evaluation import evaluate
from lstm_rl.kernels.approximator import Sgd, Update, forward, reset, update_and_trace
from lstm_rl.kernels.cells import CELLS, Cells
from lstm_rl.kernels.layout import Weights
from lstm_rl.kernels.make import make_approximator
from lstm_rl.kernels.supervised import learn_sequences

T, K = 30, 1


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


@pytest.mark.parametrize("cell", CELLS)
def test_gradient_equals_finite_differences(cell: str) -> None:
    cells = Cells(cell, 3, 2, units=4, initial_range=1.0)
    hidden, output = cells.initial_weights(np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(2, T, 3))
    approximator, _ = run(cells, hidden, output, x)
    step, streams = 1e-4, approximator.streams
    for weights, gradient in ((hidden, streams.traces[0]), (output, streams.output_traces[0])):
        for place in np.ndindex(*weights.shape):
            middle, values = weights[place], []
            for distance in (-2, -1, 1, 2):
                weights[place] = middle + distance * step
                values.append(run(cells, hidden, output, x)[1][-1, K])
            weights[place] = middle
            slope = (values[0] - 8.0 * values[1] + 8.0 * values[2] - values[3]) / (12.0 * step)
            assert gradient[place] == pytest.approx(slope, rel=0, abs=1e-10)
    assert np.abs(streams.traces[0]).min(1).max() > 1e-3  # the comparison is not one of zeros


def test_min_gru_by_hand() -> None:
    cells = Cells("min_gru", 1, 2, units=1, biases=(0.3, -0.2))
    hidden, output = cells.initial_weights(np.random.default_rng(0))
    assert hidden[1].tolist() == [0.3, -0.2]
    x = np.random.default_rng(1).normal(size=(2, T, 1))
    _, outputs = run(cells, hidden, output, x)
    s = 0.0
    for t in range(T):
        z = 1.0 / (1.0 + np.exp(-(hidden[0, 0] * x[1, t, 0] + 0.3)))
        s = (1.0 - z) * s + z * (hidden[0, 1] * x[1, t, 0] - 0.2)
        np.testing.assert_allclose(outputs[t], s * output[0] + output[1], rtol=1e-12)


def test_other_gradients_are_refused() -> None:
    cells = Cells("min_gru", 3, 2, units=4)
    hidden, output = cells.initial_weights(np.random.default_rng(0))
    with pytest.raises(ValueError, match="^gradient of min_gru, which is exact, must be one of truncated, got 'bptt'"):
        make_approximator(cells, Weights(hidden, output, hidden, output), 1, np.float64, "bptt")
    with pytest.raises(ValueError, match="^biases must be 2 numbers, one per gate"):
        Cells("min_gru", 3, 2, units=4, biases=(0.0,))


def test_min_gru_learns_to_recall() -> None:
    """The first of 5 values, marked by a second input, is the target at the end; the others are noise."""
    rng = np.random.default_rng(0)
    x = rng.choice([-1.0, 1.0], (1000, 5, 2))
    x[:, :, 1] = np.arange(5) == 0
    targets = np.zeros((1000, 5, 1))
    targets[:, -1] = x[:, 0, :1]
    cells = Cells("min_gru", 2, 1, units=4, biases=(-1.0, 0.0), initial_range=0.5)
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
    model = AdvantageLearning("LstmPolicy", env, seed=0, policy_kwargs={"topology": Cells("min_gru", 3, 4, units=8)})
    before = model.policy.parameters_to_vector()
    model.learn(1000)
    assert np.abs(model.policy.parameters_to_vector() - before).max() > 0.1
    assert evaluate(model, "lstm_rl/TMaze-v0", {"corridor_length": 5}, 10, seed=1)["episodes"] == 10
