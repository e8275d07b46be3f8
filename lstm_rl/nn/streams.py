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

Layout = list[tuple[str, tuple[int, ...], torch.dtype]]
"""Name, shape and type of each parameter, in the order in which they stand in one vector."""


class FlatWeights(NamedTuple):
    """Weights as one vector, and the running mean squares that normalised steps divide by."""

    values: NDArray[Any]  # (P,)
    square: NDArray[Any]  # (P,)


class TorchWeights(NamedTuple):
    """A network, whose parameters are the weights, and their running mean squares."""

    network: Any  # an `lstm_rl.nn.network.Network` that is a `torch.nn.Module`
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
        g, rising = update.error * e, update.optimizer.decay
        rho = np.where(g * g > square, rising, max(rising, update.optimizer.falling)).astype(square.dtype)
        square *= rho
        square += (1.0 - rho) * g * g
        w += update.learning_rate * g / (np.sqrt(square) + update.optimizer.epsilon)
    else:
        w += update.learning_rate * update.error * e


def layout_of(network: nn.Module) -> Layout:
    """How the parameters stand in one vector."""
    return [(name, tuple(parameter.shape), parameter.dtype) for name, parameter in network.named_parameters()]


def step_parameters(weights: TorchWeights, e: NDArray[Any], update: Update) -> None:
    """Move all parameters along ``e`` (P,); those that require no gradient stay put."""
    values, start = flat(weights.network), 0
    for parameter in weights.network.parameters():
        part = slice(start, start + parameter.numel())
        start = part.stop
        if parameter.requires_grad:
            step_flat(FlatWeights(values[part], weights.square[part]), e[part], update)
            with torch.no_grad():
                parameter.copy_(torch.from_numpy(values[part]).view(parameter.shape))


class TorchStreams:
    """n streams through one network; `lstm_rl.kernels.callback.Callbacks` says what each method does.

    The network acts in eval mode, and its gradient is taken in train mode. It may be pruned, parametrised and frozen at
    any time: parameters are read anew at each step, and traces begin anew when there are others than before.

    Args:
        weights: A module with the interface `lstm_rl.nn.network.Network`, and its mean squares; both live elsewhere.
        n: Streams.
        depth: T >= 1.
    """

    def __init__(self, weights: TorchWeights, n: int, depth: int) -> None:
        self.weights, self.layout = weights, layout_of(weights.network)
        rest, dtype = weights.network.initial_state(1), weights.square.dtype
        self._kind = type(rest)
        sizes = [part.shape[1] for part in rest]
        self.state = tuple(np.zeros((n, size), dtype) for size in sizes)
        self.past_states = tuple(np.zeros((n, depth, size), dtype) for size in sizes)  # before each of the last T steps
        self.past_inputs = np.zeros((n, depth, weights.network.inputs), dtype)
        self.age = np.zeros(n, np.int64)  # steps of this episode so far
        self.traces = np.zeros((n, len(weights.square)), dtype)

    def rebind(self, weights: TorchWeights) -> None:
        """Go on with these weights."""
        self.weights, layout = weights, layout_of(weights.network)
        if layout != self.layout:
            self.layout, self.traces = layout, np.zeros((len(self.age), len(weights.square)), weights.square.dtype)

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
            y, after = self._unroll(i, 1, training=False)
        for state, part in zip(self.state, after, strict=True):
            state[i] = _numbers(part[0], state)
        return _numbers(y[0, 0], self.past_inputs)

    def reset(self, i: int) -> None:
        """Put stream ``i`` to rest."""
        for state in self.state:
            state[i] = 0.0
        self.age[i] = 0
        self.traces[i] = 0.0

    def update_weights(self, i: int, update: Update, decay: float) -> None:
        """Step all weights along the traces of stream ``i``, then decay them."""
        step_parameters(self.weights, self.traces[i], update)
        self.traces[i] *= decay

    def accumulate_gradient(self, i: int, errors: NDArray[np.float64]) -> None:
        """Add the gradient of errors (K,) times outputs to the traces.

        Raises:
            ValueError: The network has parameters to learn, but its outputs have no gradient.
        """
        parameters = list(self.weights.network.parameters())
        learning = [parameter for parameter in parameters if parameter.requires_grad]
        if not learning:
            return
        with torch.enable_grad():
            y, _ = self._unroll(i, min(int(self.age[i]), self.past_inputs.shape[1]), training=True)
            loss = y[-1, 0] @ torch.from_numpy(errors).to(y.dtype)
        if not loss.requires_grad:
            raise ValueError(
                "network must give outputs with a gradient by its parameters, got outputs without: detached, or made "
                "under torch.inference_mode"
            )
        gradients = iter(torch.autograd.grad(loss, learning, materialize_grads=True))
        rows = [next(gradients).flatten() if p.requires_grad else p.new_zeros(p.numel()) for p in parameters]
        self.traces[i] += _numbers(torch.cat(rows), self.traces)

    def _unroll(self, i: int, steps: int, training: bool) -> tuple[Tensor, Any]:
        """Outputs (steps, 1, K) for the last inputs (steps, 1, I), and the state after them."""
        network = self.weights.network
        if network.training != training:
            network.train(training)
        order = (self.age[i] - np.arange(steps, 0, -1)) % self.past_inputs.shape[1]
        x = torch.from_numpy(self.past_inputs[i, order])[:, None]
        state = self._kind(*(torch.from_numpy(past[i, order[:1]]) for past in self.past_states))
        y: tuple[Tensor, Any] = network(x, state)
        return y


def _numbers(values: Tensor, like: NDArray[Any]) -> NDArray[Any]:
    """As an array of the type of ``like``; under autocast networks may give others."""
    return values.double().numpy().astype(like.dtype)
