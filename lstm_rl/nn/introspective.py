"""The self-referential network of 1993: a recurrent net whose outputs address, read and change its own weights.

Dimensions: T time, B batch, I inputs, U units, S = I + U + 2 sources of a unit, P = U S weights, A bits of an address,
K outputs. Time-major throughout. Weights: row = source, column = unit.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lstm_rl.checks import check_float, check_int
from lstm_rl.nn.network import unroll_checked


class IntrospectiveState(NamedTuple):
    """What a network carries from one step to the next."""

    w: Tensor  # (B, P) fast weights: by how much weights differ from the slow ones
    y: Tensor  # (B, U) outputs of units
    val: Tensor  # (B, 1) what was read of the own weights


class IntrospectiveNetwork(nn.Module):
    """A fully recurrent net that analyses and modifies itself; see `Network`.

    Of its U units the first K are outputs; A analysing units and A modifying units hold addresses of weights, and one
    says by how much the addressed one is to change. Each weight w_p has a binary address of its own, adr_p. A tick is

        y <- tanh(W [x, y, val, 1]);   ana, mod = (1 + y) / 2 of their units
        val = sum_p g(|ana - adr_p|^2) w_p
        w_p <- w_p + delta g(|mod - adr_p|^2),   g(v) = exp(-sharpness v)

    and an input stands for ``ticks`` of them. Everything is differentiable: the slow weights, which an episode begins
    with, are trained by the gradient through all readings and changes. The state is 0 at rest.

    Args:
        inputs: I >= 1.
        outputs: K >= 1.
        units: Units besides the outputs and those of introspection, >= 1.
        seed: Of the initial weights, uniform in +-1 / sqrt(S), and of nothing else.
        ticks: Of the net per step, >= 1; with 2, an output sees the input by way of a hidden unit.
        sharpness: Of g, > 0.
        self_modifying: ``False``: no weight changes; the net still reads its weights.
        dtype: Of the weights.

    Raises:
        ValueError: A number that cannot be.

    Source: Schmidhuber (1993), A self-referential weight matrix (ICANN), equations 1 to 5. Ours: g, which the paper
    leaves open but for its peak at 0, tanh, ticks, and no input for evaluations: the last target is among the inputs.
    """

    addresses: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        units: int,
        seed: int | None = None,
        *,
        ticks: int = 2,
        sharpness: float = 2.0,
        self_modifying: bool = True,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.inputs = check_int("inputs", inputs, 1)
        self.outputs = check_int("outputs", outputs, 1)
        self.units = check_int("units", units, 1)
        self.ticks = check_int("ticks", ticks, 1)
        self.sharpness = check_float("sharpness", sharpness, 0.0, open_low=True)
        self.self_modifying = self_modifying
        self.bits = 1
        while 2**self.bits < self.sources * self.all_units:  # more bits, more units, more weights
            self.bits += 1
        shape = self.sources, self.all_units
        values = np.random.default_rng(seed).uniform(-1.0, 1.0, shape) / math.sqrt(self.sources)
        self.slow_weights = nn.Parameter(torch.tensor(values, dtype=dtype))
        numbers = np.arange(shape[0] * shape[1])[:, None] >> np.arange(self.bits)
        self.register_buffer("addresses", torch.tensor(numbers & 1, dtype=dtype), persistent=False)  # (P, A)

    @property
    def all_units(self) -> int:
        """U: outputs, other units, ana, mod, delta."""
        return self.outputs + self.units + 2 * self.bits + 1

    @property
    def sources(self) -> int:
        """S: inputs, units, val and 1."""
        return self.inputs + self.all_units + 2

    def initial_state(self, batch: int) -> IntrospectiveState:
        """The state of ``batch`` rows at rest, all zeros: the weights are the slow ones."""
        like = self.slow_weights
        return IntrospectiveState(*(like.new_zeros(batch, size) for size in (like.numel(), self.all_units, 1)))

    def forward(
        self, x: Tensor, state: IntrospectiveState | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, IntrospectiveState]:
        """Unroll over T steps; see `Network`."""
        return unroll_checked(self, x, state, resets)

    def named(self, state: IntrospectiveState) -> dict[str, Tensor]:
        """Outputs of units (B, U), and all fast weights (B, P)."""
        return {"hidden": state.y, "fast weights": state.w}

    def _unroll(self, x: Tensor, state: IntrospectiveState, resets: Tensor | None) -> tuple[Tensor, IntrospectiveState]:
        slow, outputs = self.slow_weights, []  # once: a parametrisation may give another answer each time
        for t in range(len(x)):
            if resets is not None:
                state = IntrospectiveState(*(part.masked_fill(resets[t, :, None], 0.0) for part in state))
            for _ in range(self.ticks):
                state = self._tick(x[t], slow, state)
            outputs.append(state.y[:, : self.outputs])
        return torch.stack(outputs), state

    def _tick(self, x: Tensor, slow: Tensor, state: IntrospectiveState) -> IntrospectiveState:
        w = state.w.view(-1, *slow.shape) + slow  # (B, S, U)
        z = torch.cat([x, state.y, state.val, x.new_ones(len(x), 1)], dim=1)  # (B, S)
        y = torch.tanh((z[:, None] @ w)[:, 0])
        ana, mod, delta = y[:, -2 * self.bits - 1 :].split_with_sizes([self.bits, self.bits, 1], dim=1)
        val = (self._near(ana) * w.flatten(1)).sum(1, keepdim=True)
        if not self.self_modifying:
            return IntrospectiveState(state.w, y, val)
        return IntrospectiveState(state.w + delta * self._near(mod), y, val)

    def _near(self, bits: Tensor) -> Tensor:
        """Closeness g (B, P) of all weights' addresses to the address that units (B, A) hold."""
        at, adr = 0.5 + 0.5 * bits, self.addresses
        distance = at.square().sum(1, keepdim=True) - 2.0 * at @ adr.T + adr.sum(1)  # bits are their own squares
        return torch.exp(-self.sharpness * distance)
