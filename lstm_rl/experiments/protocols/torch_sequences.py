"""A Torch network as learner of a sequence task: one unroll over each sequence, one step of the weights after it.

Does what `lstm_rl.tasks.streaming.learn_task` does for networks with kernels, with any module that has the interface of
`lstm_rl.nn.network`.

Dimensions: N sequences, S strings, T steps, I inputs, K outputs, P weights.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstm_rl.kernels.approximator import Update
from lstm_rl.kernels.callback import CallbackApproximator, make_callback_approximator
from lstm_rl.nn.streams import FlatWeights, TorchStreams, TorchWeights, bind, flat, step_flat
from lstm_rl.tasks.streaming import SequenceErrors, Source, draw, rows_of


class _Squashed(torch.nn.Module):
    """A network behind logistic outputs."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network, self.inputs, self.outputs = network, network.inputs, network.outputs
        self.initial_state = network.initial_state

    def forward(self, x: Tensor, state: Any = None, resets: Tensor | None = None) -> tuple[Tensor, Any]:
        """As `Network`."""
        y, state = self.network(x, state, resets)
        return torch.sigmoid(y), state


def torch_stream(network: Any, logistic: bool, depth: int) -> CallbackApproximator:
    """A network as an approximator of one stream, whose errors go back ``depth`` steps at most."""
    module = _Squashed(network) if logistic else network
    streams = TorchStreams(TorchWeights(module, np.ones_like(flat(module))), 1, depth)
    return make_callback_approximator(streams, 1, network.inputs, network.outputs, np.float64)


Build = Callable[..., Any]
"""From (inputs, outputs, seed=, dtype=) to a network, as the classes of `lstm_rl.nn`."""


class TorchSequences:
    """A network with a read-out, logistic or linear, that learns by its complete gradient.

        w <- w + learning_rate sum_t sum_k (target_k - y_k) dy_k/dw        or RMS-normalised; cross-entropy: dnet_k/dw

    Args:
        network: A module with the interface `lstm_rl.nn.network.Network` and linear outputs, float64.
        logistic: Squash its outputs.
        cross_entropy: The loss, squared error else.
    """

    def __init__(self, network: Any, logistic: bool, cross_entropy: bool) -> None:
        self.network, self.logistic, self.cross_entropy = network, logistic, cross_entropy
        values = flat(network)
        self.weights = FlatWeights(values, np.ones_like(values))  # (P,) each
        self.parameters = bind(network, values)

    def copy(self) -> "TorchSequences":
        """The same, with weights of its own."""
        return TorchSequences(deepcopy(self.network), self.logistic, self.cross_entropy)

    def outputs(self, x: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
        """Net inputs of the outputs and the outputs, (T, S, K) each, of x (T, S, I), from rest."""
        net, _ = self.network(torch.from_numpy(x))
        return net, torch.sigmoid(net) if self.logistic else net

    def learn(self, source: Source, update: Update, power: float, seen: SequenceErrors) -> None:
        """Learn as many new sequences as ``seen`` has room for; see `learn_task`."""
        length = source.x.shape[0]
        for n in range(seen.largest.shape[0]):
            length = draw(source, length)
            has_target = source.has_target[:length]
            with torch.set_grad_enabled(update.learning_rate > 0.0):
                net, y = (values[:, 0] for values in self.outputs(rows_of(source, length)[:, None]))  # (T, K)
            errors = source.targets[:length][has_target] - y.detach().numpy()[has_target]  # (T', K)
            worst = np.nan_to_num(np.abs(errors).max(1), nan=np.inf)  # (T',)
            seen.largest[n], seen.last[n], seen.squares[n] = worst.max(), worst[-1], np.square(errors).sum()
            seen.lengths[n] = length
            if update.learning_rate > 0.0:
                output = (net if self.cross_entropy else y)[torch.from_numpy(has_target)]
                errors = np.sign(errors) * np.abs(errors) ** (power - 1.0)
                gradients = torch.autograd.grad(output, self.parameters, torch.from_numpy(errors))
                step_flat(self.weights, torch.cat([gradient.flatten() for gradient in gradients]).numpy(), update)

    def wrong_strings(self, x: NDArray[np.float64], legal: NDArray[np.bool_], lengths: NDArray[np.int64]) -> int:
        """In how many strings a symbol that is not legal is as active as a legal one. x (S, T, I), legal (S, T, K)."""
        with torch.no_grad():
            y = self.outputs(np.ascontiguousarray(x.swapaxes(0, 1)))[1].numpy().swapaxes(0, 1)  # (S, T, K)
        right = np.where(legal, y, np.inf).min(2) > np.where(legal, -np.inf, y).max(2)
        return int((~right & (np.arange(x.shape[1]) < lengths[:, None])).any(1).sum())
