"""The Elman net's gradient by backpropagation through time is Torch's, in float64, at every step of an episode."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lstm_rl.compiled import compiled
from lstm_rl.streaming.approximator import Step, forward, reset, sweep
from lstm_rl.streaming.bptt import make_bptt
from lstm_rl.streaming.network import Weights
from lstm_rl.topology import Topology

T, K = 40, 1  # steps, the output whose gradient is looked at
ELMAN = Topology(
    3, 2, hidden=5, input_range=1.0, recurrent_range=1.0, output_range=1.0, bias_range=1.0
)  # large weights: errors reach far back


@compiled
def gradients(approximator: Any, x: Any, to: Any, outputs: Any) -> None:
    """Two episodes, so that the second one shows what the first has left behind; keep those of the second."""
    no_step = Step(False, 0.0, 0.0, 1.0)
    for episode in range(2):
        reset(approximator, 0)
        for t in range(x.shape[1]):
            forward(approximator, 0, x[episode, t])
            sweep(approximator, 0, K, no_step, 0.0)  # decay 0: the trace is the gradient
            for m in range(to.shape[1]):
                for j in range(to.shape[2]):
                    to[t, m, j] = approximator.streams.traces[0, m, j]
            for k in range(outputs.shape[1]):
                outputs[t, k] = approximator.outputs[0, k]


def streamed(depth: int, hidden: NDArray[Any], output: NDArray[Any], x: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    weights = Weights(hidden, output, np.ones_like(hidden), np.ones_like(output))
    to, outputs = np.zeros((T, *hidden.shape)), np.zeros((T, 2))
    gradients(make_bptt(ELMAN, weights, 1, "float64", depth), x, to, outputs)
    return to, outputs


def unrolled(hidden: NDArray[Any], output: NDArray[Any], x: NDArray[Any], depth: int) -> tuple[NDArray[Any], ...]:
    """The same written down for Torch: units of a step see those of the step before, cut ``depth`` steps back."""
    expected, outputs = np.zeros((T, *hidden.shape)), np.zeros((T, 2))
    states = [torch.zeros(5, dtype=torch.float64)]
    rows = ELMAN.rows
    for t in range(T):
        w, v = torch.tensor(hidden, requires_grad=True), torch.tensor(output)
        start = max(0, t + 1 - depth)
        y = states[start].detach()
        for k in range(start, t + 1):
            z = torch.cat([torch.tensor(x[k]), y, torch.ones(1, dtype=torch.float64)])
            y = torch.sigmoid(z @ w)
        states.append(y.detach())
        result = torch.cat([y, torch.ones(1, dtype=torch.float64)]) @ v
        (gradient,) = torch.autograd.grad(result[K], w)
        assert rows["input"].start == 0 and rows["hidden"].start == 3
        expected[t], outputs[t] = gradient.numpy(), result.detach().numpy()
    return expected, outputs


@pytest.mark.parametrize("depth", [1, 3, 100])
def test_bptt_is_the_gradient(depth: int) -> None:
    rng = np.random.default_rng(3)
    hidden, output = ELMAN.initial_weights(rng)
    hidden *= 3.0
    x = rng.normal(size=(2, T, 3))
    got, outputs = streamed(depth, hidden, output, x)
    expected, expected_outputs = unrolled(hidden, output, x[1], depth)
    np.testing.assert_allclose(outputs, expected_outputs, rtol=0, atol=1e-12)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)
    assert np.abs(expected).max() > 0.1
    if depth == 100:  # the far past counts: a shorter depth gives something else
        assert np.abs(streamed(3, hidden, output, x)[0] - expected).max() > 1e-3


def test_depth_and_blocks_are_checked() -> None:
    hidden, output = ELMAN.initial_weights(np.random.default_rng(0))
    weights = Weights(hidden, output, hidden, output)
    with pytest.raises(ValueError, match="^bptt_depth must be an integer >= 1, got 0"):
        make_bptt(ELMAN, weights, 1, "float64", 0)
    with pytest.raises(ValueError, match=r"^topology must have hidden units only for BPTT, got blocks \(1,\)"):
        make_bptt(Topology(3, 2, hidden=5, blocks=(1,)), weights, 1, "float64", 5)
