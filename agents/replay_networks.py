"""The networks of replay learners: observations through any network of `lstm_rl.nn` to features, and heads on these.

    e(t) = relu(W x(t) + b), x the observation (images: what SB3's CNN makes of it) and the action before, if asked for
    features(t) = relu(core(e)(t) + W_s e(t) + b_s),   the core being recurrent

Dimensions: T time, B batch, I inputs, K actions, d numbers of a continuous action, F features.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, relu

from lstm_rl.agents.models import Builder
from lstm_rl.nn import LstmNetwork
from lstm_rl.nn.gru import GruNetwork
from lstm_rl.nn.slstm import SlstmNetwork
from lstm_rl.topology import Topology

CORES: dict[str, str | None] = {
    **dict.fromkeys(("LstmPolicy", "MlpLstmPolicy", "CnnLstmPolicy"), "lstm"),
    "GruPolicy": "gru",
    "SlstmPolicy": "slstm",
    "TorchPolicy": None,
}
"""The kind of recurrent core, by the policy's name; for "TorchPolicy" the user gives it."""


class Shape(NamedTuple):
    """Sizes of a `Body`, all >= 1."""

    units: int  # of the core
    embedding: int  # units of the layer before the core
    features: int  # F, units of the layer behind it
    horizon: int  # steps that the longest memories last for at the start


def standard_cell(inputs: int, shape: Shape, *, seed: int | None, dtype: torch.dtype) -> nn.Module:
    """The standard cell in its fused form; gate biases begin so that memories last for 1 to ``horizon`` steps.

    Source: Tallec and Ollivier (2018), "Can Recurrent Neural Networks Warp Time?", but evenly spread, not drawn.
    """
    size = 1.0 / np.sqrt(shape.units)
    bias = np.log(np.linspace(1.0, max(shape.horizon, 2), shape.units))
    topology = Topology(
        inputs,
        shape.features,
        blocks=(1,) * shape.units,
        cell_input="tanh",
        cell_output="tanh",
        input_range=1.0 / np.sqrt(inputs),
        recurrent_range=size,
        output_range=size,
        bias_range=size,
        input_gate_bias=tuple((-bias).tolist()),
        forget_gate_bias=tuple(bias.tolist()),
    )
    return LstmNetwork(topology, seed, dtype=dtype)


def make_core(core: str | Builder | Topology, inputs: int, shape: Shape, seed: int | None = None) -> Any:
    """A network of the interface `lstm_rl.nn.network.Network`.

    Args:
        core: "lstm", "gru", "slstm", a `Topology`, or what builds a module from ``inputs``, ``outputs``, ``seed`` and
            ``dtype``.
        inputs: I.
        shape: Sizes of the body; the core has ``shape.features`` outputs.
        seed: Of the initial weights.

    Raises:
        ValueError: The core is unknown, or its inputs and outputs are not those of the body.
    """
    known: dict[str, Any] = {"gru": GruNetwork, "slstm": SlstmNetwork}
    if core == "lstm":
        return standard_cell(inputs, shape, seed=seed, dtype=torch.float32)
    if isinstance(core, str):
        if core not in known:
            raise ValueError(f"core must be lstm, {', '.join(known)}, a Topology or a builder of modules, got {core!r}")
        return known[core](inputs, shape.features, shape.units, seed, dtype=torch.float32)
    if isinstance(core, Topology):
        network: Any = LstmNetwork(core, seed)
    else:
        network = core(inputs, shape.features, seed=seed, dtype=torch.float32)
    sizes = getattr(network, "inputs", None), getattr(network, "outputs", None)
    if sizes != (inputs, shape.features) or not hasattr(network, "initial_state"):
        raise ValueError(
            "core must be a network with the interface of lstm_rl.nn.network.Network, of "
            f"{inputs} inputs and {shape.features} outputs (embedding and features in policy_kwargs), got {network}"
        )
    return network


class Body(nn.Module):
    """Observations to features of all that was seen, see the module.

    Args:
        extractor: From images (., C, H, W) to (., I); ``None``: observations are vectors.
        inputs: I.
        actions: K or d: numbers that say which action came before; 0: not shown.
        continuous: Whether actions are vectors.
        core: See `make_core`.
        shape: Sizes.
        seed: Of the core's initial weights.
    """

    def __init__(
        self,
        extractor: nn.Module | None,
        inputs: int,
        actions: int,
        continuous: bool,
        core: str | Builder | Topology,
        shape: Shape,
        seed: int | None,
    ) -> None:
        super().__init__()
        self.extractor, self.actions, self.continuous = extractor, actions, continuous
        self.embed = nn.Linear(inputs + actions, shape.embedding)
        self.core = make_core(core, shape.embedding, shape, seed)
        self.skip = nn.Linear(shape.embedding, shape.features)

    def forward(self, x: Tensor, previous: Tensor, state: Any, resets: Tensor) -> tuple[Tensor, Any]:
        """Unroll.

        Args:
            x: (T, B, I), or images (T, B, C, H, W) in [0, 1].
            previous: (T, B) choices, -1 for none, or (T, B, d).
            state: Of the core, before the first step.
            resets: (T, B) bool, true where the core is put to rest before the step.

        Returns:
            (T, B, F), and the core's state after the last step.
        """
        if self.extractor is not None:
            x = self.extractor(x.flatten(0, 1)).unflatten(0, x.shape[:2])  # (T, B, I)
        if self.actions:
            code = previous if self.continuous else one_hot(previous + 1, self.actions + 1)[..., 1:]
            x = torch.cat([x, code.to(x.dtype)], dim=2)
        e = relu(self.embed(x))  # (T, B, E)
        y, state = self.core(e, state, resets)
        return relu(y + self.skip(e)), state


def multiply(layer: nn.Module, factor: float) -> None:
    """Multiply what a linear layer gives."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.mul_(factor)


class QHead(nn.Module):
    """Features to action values: linear, or V + A - mean A (dueling)."""

    def __init__(self, features: int, actions: int, dueling: bool) -> None:
        super().__init__()
        self.values = nn.Linear(features, actions + dueling)
        self.dueling = dueling

    def forward(self, features: Tensor) -> Tensor:
        """(., F) to (., K)."""
        out: Tensor = self.values(features)
        if not self.dueling:
            return out
        value, advantage = out[..., :1], out[..., 1:]
        return value + advantage - advantage.mean(dim=-1, keepdim=True)

    def rescale(self, factor: float) -> None:
        """Multiply all values."""
        multiply(self.values, factor)


class TwinHead(nn.Module):
    """Features and an action to two values: Linear, relu, Linear, each."""

    def __init__(self, features: int, dimensions: int) -> None:
        super().__init__()
        sizes = features + dimensions, features
        self.first, self.second = (nn.Sequential(nn.Linear(*sizes), nn.ReLU(), nn.Linear(features, 1)) for _ in "12")

    def forward(self, features: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """(., F) and (., d) to (.,) twice."""
        x = torch.cat([features, action], dim=-1)
        return self.first(x).squeeze(-1), self.second(x).squeeze(-1)

    def rescale(self, factor: float) -> None:
        """Multiply both values."""
        for layers in (self.first, self.second):
            multiply(layers[-1], factor)


class ActorHead(nn.Module):
    """Features to an action tanh u in [-1, 1], u = Linear, relu, Linear of what `LayerNorm` makes of the features.

    The features are the critics', and grow with the values: unless normalised they drive tanh into a bound.
    """

    def __init__(self, features: int, dimensions: int) -> None:
        super().__init__()
        hidden = nn.Linear(features, features)
        self.layers = nn.Sequential(nn.LayerNorm(features), hidden, nn.ReLU(), nn.Linear(features, dimensions))

    def raw(self, features: Tensor) -> Tensor:
        """(., F) to u (., d)."""
        out: Tensor = self.layers(features)
        return out

    def forward(self, features: Tensor) -> Tensor:
        """(., F) to (., d)."""
        return torch.tanh(self.raw(features))
