"""Any network of `lstm_rl.nn.network` as an approximator: autograd through the last steps of each stream.

The gradient of a step is that of an unroll over the last T inputs, with the weights as they are now, from the state
that was there then. Reference speed: Torch takes near a millisecond for what the kernels of `lstm_rl.kernels` do in
one microsecond; but whatever has the interface of `lstm_rl.nn.network` learns by the same rules.

Dimensions: n streams, T steps that errors are carried back at most, P weights, I inputs, K outputs.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from lstm_rl.kernels.approximator import RmsProp, Update
from lstm_rl.kernels.updates import EPSILON


class FlatWeights(NamedTuple):
    """All weights of a network, and the running mean squares that normalised steps divide by."""

    values: NDArray[Any]  # (P,)
    square: NDArray[Any]  # (P,)


def flat(network: nn.Module) -> NDArray[Any]:
    """A copy of all parameters, one after the other, (P,)."""
    vector: NDArray[Any] = parameters_to_vector(network.parameters()).detach().numpy()
    return vector


def bind(network: nn.Module, values: NDArray[Any]) -> list[nn.Parameter]:
    """Make all parameters views of ``values`` (P,), one after the other; return them."""
    start, parameters = 0, list(network.parameters())
    for parameter in parameters:
        view = torch.from_numpy(values[start : start + parameter.numel()])
        parameter.data = view.view(parameter.shape)
        start += parameter.numel()
    return parameters


def step_flat(weights: FlatWeights, e: NDArray[Any], update: Update) -> None:
    """As in `lstm_rl.kernels.updates`: plain, or divided by the running RMS of error x trace; ``e`` (P,)."""
    w, square = weights
    if isinstance(update.optimizer, RmsProp):
        g, rho = update.error * e, update.optimizer.decay
        square *= rho
        square += (1.0 - rho) * g * g
        w += update.learning_rate * g / (np.sqrt(square) + EPSILON)
    else:
        w += update.learning_rate * update.error * e


class TorchStreams:
    """n streams through one network; `lstm_rl.kernels.callback.Callbacks` says what each method does.

    Args:
        network: A module with the interface `lstm_rl.nn.network.Network`; its parameters become views of ``weights``.
        weights: Live elsewhere.
        n: Streams.
        depth: T >= 1.
    """

    def __init__(self, network: Any, weights: FlatWeights, n: int, depth: int) -> None:
        self.network = network
        self.weights, self.parameters = weights, bind(network, weights.values)
        rest, dtype = self.network.initial_state(1), weights.values.dtype
        self._kind = type(rest)
        sizes = [part.shape[1] for part in rest]
        self.state = tuple(np.zeros((n, size), dtype) for size in sizes)
        self.past_states = tuple(np.zeros((n, depth, size), dtype) for size in sizes)  # before each of the last T steps
        self.past_inputs = np.zeros((n, depth, self.network.inputs), dtype)
        self.age = np.zeros(n, np.int64)  # steps of this episode so far
        self.traces = np.zeros((n, len(weights.values)), dtype)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that learning carries from step to step, by name."""
        named: dict[str, NDArray[Any]] = {"past_inputs": self.past_inputs, "age": self.age, "traces": self.traces}
        for p, (state, past) in enumerate(zip(self.state, self.past_states, strict=True)):
            named |= {f"state_{p}": state, f"past_state_{p}": past}
        return named

    def forward(self, i: int, x: NDArray[np.float64]) -> NDArray[Any]:
        """Outputs (K,) for x (I,)."""
        at = self.age[i] % self.past_inputs.shape[1]
        self.past_inputs[i, at] = x
        for state, past in zip(self.state, self.past_states, strict=True):
            past[i, at] = state[i]
        self.age[i] += 1
        with torch.no_grad():
            y, after = self.network(*self._window(i, 1))
        for state, part in zip(self.state, after, strict=True):
            state[i] = part[0].numpy()
        outputs: NDArray[Any] = y[0, 0].numpy()
        return outputs

    def reset(self, i: int) -> None:
        """Put stream ``i`` to rest."""
        for state in self.state:
            state[i] = 0.0
        self.age[i] = 0
        self.traces[i] = 0.0

    def update_weights(self, i: int, update: Update, decay: float) -> None:
        """Step all weights along the traces of stream ``i``, then decay them."""
        step_flat(self.weights, self.traces[i], update)
        self.traces[i] *= decay

    def accumulate_gradient(self, i: int, errors: NDArray[np.float64]) -> None:
        """Add the gradient of errors (K,) times outputs to the traces."""
        depth = self.past_inputs.shape[1]
        y, _ = self.network(*self._window(i, min(int(self.age[i]), depth)))
        loss = y[-1, 0] @ torch.from_numpy(errors).to(y.dtype)
        gradients = torch.autograd.grad(loss, self.parameters, materialize_grads=True)
        self.traces[i] += torch.cat([gradient.flatten() for gradient in gradients]).numpy()

    def _window(self, i: int, steps: int) -> tuple[Tensor, Any]:
        """The last inputs (steps, 1, I), and the state (1, ...) before them."""
        order = (self.age[i] - np.arange(steps, 0, -1)) % self.past_inputs.shape[1]
        x = torch.from_numpy(self.past_inputs[i, order])[:, None]
        state = self._kind(*(torch.from_numpy(past[i, order[:1]]) for past in self.past_states))
        return x, state
