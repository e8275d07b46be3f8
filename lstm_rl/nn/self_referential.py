"""A network that reads and changes its own weights: the self-referential weight matrix in its modern form.

Dimensions: T time, B batch, I inputs, D units of a layer, N heads, d = D / N units of a head, R = 3 d + 1 outputs of a
head's matrix, L layers, K outputs. Time-major throughout. Weights: row = source, column = unit.
"""

import math
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import layer_norm

from lstm_rl.checks import check_choice, check_int
from lstm_rl.kernels import self_reference as kernels
from lstm_rl.nn.network import traced, unroll_checked


class SelfReferentialState(NamedTuple):
    """What a network carries from one step to the next: all that it has learned since it was at rest."""

    w: Tensor  # (B, L N d R) fast weights: by how much the matrices differ from the slow ones
    x: Tensor  # (B, I) the input of the step before


class SelfReferentialNetwork(nn.Module):
    """Layers whose weight matrices change themselves while the network runs; see `Network`.

    Each head of a layer has one matrix W. From its d inputs h the matrix makes the outputs y and, in the same product,
    a key k, a query q and a rate b; then it writes what it reads at the query to where the key points:

        [y, k, q, b] = W softmax(h)
        W <- W + logistic(b) (W softmax(q) - W softmax(k)) softmax(k)^T

    Every row of W is changed so, those of keys, queries and rates included. The slow weights, which gradients train,
    are the W that an episode begins with; the change since then is the state, 0 at rest. Around the layers:

        h = W_in [x(t), x(t-1)] + b_in;   h <- norm(h + y) in each layer;   outputs = W_out h + b_out

    Args:
        inputs: I >= 1.
        outputs: K >= 1.
        units: D >= 1, a multiple of ``heads``.
        seed: Of the initial weights.
        layers: L >= 1.
        heads: N >= 1.
        self_modifying: ``False``, for ablations: W does not change, and x(t-1) is all that a step sees of the past.
        dtype: Of the weights.
        execution: "loop": plain Torch, step by step, the readable reference. "compiled": one autograd function per
            layer with a backward pass derived by hand, on the CPU. ``None``: compiled, but the loop where Torch traces
            the call or tensors are elsewhere or of another type than float32 and float64.

    Attributes:
        slow_weights: (L, N, d, R), columns in the order y, k, q, b.

    Raises:
        ValueError: A size that cannot be, or an unknown execution.

    Source: Irie, Schlag, Csordas & Schmidhuber (2022), A modern self-referential weight matrix that learns to modify
    itself, equations 5 to 8. Ours: one rate for all four groups of outputs, the input of the step before besides, and
    no feed-forward layers.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        units: int,
        seed: int | None = None,
        *,
        layers: int = 1,
        heads: int = 1,
        self_modifying: bool = True,
        dtype: torch.dtype = torch.float32,
        execution: Literal["loop", "compiled"] | None = None,
    ) -> None:
        super().__init__()
        self.inputs = check_int("inputs", inputs, 1)
        self.outputs = check_int("outputs", outputs, 1)
        self.units = check_int("units", units, 1)
        self.layers = check_int("layers", layers, 1)
        self.heads = check_int("heads", heads, 1)
        if units % heads:
            raise ValueError(f"units must be a multiple of heads, got units={units} and heads={heads}")
        self.self_modifying = self_modifying
        self.execution = None if execution is None else check_choice("execution", execution, ("loop", "compiled"))
        rng, d = np.random.default_rng(seed), units // heads

        def draw(size: float, *shape: int) -> nn.Parameter:
            return nn.Parameter(torch.tensor(rng.normal(0.0, size, shape), dtype=dtype))

        self.input_weights = draw(2.0 / math.sqrt(2 * inputs), 2 * inputs, units)  # softmax then tells inputs apart
        self.input_bias = nn.Parameter(torch.zeros(units, dtype=dtype))
        self.slow_weights = draw(1.0, layers, heads, d, 3 * d + 1)
        self.norm_weights = nn.Parameter(torch.ones(layers, units, dtype=dtype))
        self.norm_bias = nn.Parameter(torch.zeros(layers, units, dtype=dtype))
        self.output_weights = draw(1.0 / math.sqrt(units), units, outputs)
        self.output_bias = nn.Parameter(torch.zeros(outputs, dtype=dtype))
        with torch.no_grad():
            self.slow_weights[..., -1] = 0.0  # rates begin at a half

    def initial_state(self, batch: int) -> SelfReferentialState:
        """The state of ``batch`` rows at rest, all zeros: the matrices are the slow weights."""
        like = self.slow_weights
        return SelfReferentialState(like.new_zeros(batch, like.numel()), like.new_zeros(batch, self.inputs))

    def forward(
        self, x: Tensor, state: SelfReferentialState | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, SelfReferentialState]:
        """Unroll over T steps; see `Network`."""
        return unroll_checked(self, x, state, resets)

    def named(self, state: SelfReferentialState) -> dict[str, Tensor]:
        """All fast weights, (B, L N d R)."""
        return {"fast weights": state.w}

    def _unroll(
        self, x: Tensor, state: SelfReferentialState, resets: Tensor | None
    ) -> tuple[Tensor, SelfReferentialState]:
        slow = self.slow_weights  # once: a parametrisation may give another answer each time
        before = torch.cat([state.x[None], x[:-1]])  # (T, B, I)
        if resets is not None:
            before = before.masked_fill(resets[:, :, None], 0.0)
        h = torch.cat([x, before], dim=2) @ self.input_weights + self.input_bias  # (T, B, D)
        fast = []
        matrices = state.w.view(-1, *slow.shape) + slow  # (B, L, N, d, R)
        for n in range(self.layers):  # layer after layer: each needs only the outputs of the one below
            y, w = self._layer(h, slow[n], matrices[:, n], resets)
            h = layer_norm(h + y, (self.units,), self.norm_weights[n], self.norm_bias[n])
            fast.append(w - slow[n])
        outputs = h @ self.output_weights + self.output_bias
        return outputs, SelfReferentialState(torch.stack(fast, dim=1).flatten(1), x[-1])

    def _layer(self, h: Tensor, slow: Tensor, w: Tensor, resets: Tensor | None) -> tuple[Tensor, Tensor]:
        """One layer over T steps: h (T, B, D), slow (N, d, R), w (B, N, d, R) to outputs (T, B, D) and the last w."""
        d, ys = self.units // self.heads, []
        phi = torch.softmax(h.view(*h.shape[:2], self.heads, d), dim=3)  # (T, B, N, d)
        if not self.self_modifying:
            return (phi[..., None, :] @ slow[..., :d]).flatten(2), w
        if self.execution == "compiled" or (self.execution is None and not traced() and _compilable(h)):
            y, w = _Compiled.apply(slow, phi, w, resets)  # type: ignore[no-untyped-call]
            return y.flatten(2), w
        for t in range(len(h)):
            if resets is not None:
                w = torch.where(resets[t, :, None, None, None], slow, w)
            y, w = step(w, phi[t])
            ys.append(y.flatten(1))
        return torch.stack(ys), w


def step(w: Tensor, phi: Tensor) -> tuple[Tensor, Tensor]:
    """One step of heads without a reset.

    Args:
        w: (B, N, d, R) their matrices.
        phi: (B, N, d) softmax of their inputs.

    Returns:
        Outputs (B, N, d), and the matrices after their change.
    """
    d = phi.shape[2]
    y, k, q, b = (phi[:, :, None] @ w)[:, :, 0].split_with_sizes([d, d, d, 1], dim=2)
    key, query = torch.softmax(k, dim=2), torch.softmax(q, dim=2)
    change = torch.sigmoid(b) * ((query - key)[:, :, None] @ w)[:, :, 0]  # (B, N, R)
    return y, w + key[..., None] * change[:, :, None]


def _compilable(h: Tensor) -> bool:
    return h.device.type == "cpu" and h.dtype in (torch.float32, torch.float64)


class _Compiled(torch.autograd.Function):
    """(slow weights, softmax of inputs, matrices, resets) to (outputs, matrices): `lstm_rl.kernels.self_reference`."""

    @staticmethod
    def forward(ctx: Any, slow: Tensor, phi: Tensor, w: Tensor, resets: Tensor | None) -> tuple[Tensor, Tensor]:
        """``slow`` (N, d, R), ``phi`` (T, B, N, d), ``w`` (B, N, d, R), ``resets`` (T, B)."""
        steps, batch, heads, d = phi.shape
        record = kernels.make_record(steps, batch, heads, d, phi.numpy().dtype)
        record.w[0] = w.numpy()
        starts = np.zeros((steps, batch), np.bool_) if resets is None else np.ascontiguousarray(resets.numpy())
        kernels.run(np.ascontiguousarray(slow.numpy()), np.ascontiguousarray(phi.numpy()), starts, record)
        ctx.record, ctx.starts = record, starts
        ctx.save_for_backward(slow, phi)
        return torch.from_numpy(record.made[..., :d].copy()), torch.from_numpy(record.w[-1].copy())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_y: Tensor, d_w: Tensor) -> tuple[Tensor | None, ...]:
        """Errors of slow weights, of phi and of the first matrices."""
        (slow, phi), d = ctx.saved_tensors, d_y.shape[3]
        d_w = d_w.clone(memory_format=torch.contiguous_format)
        d_slow, d_phi = slow.new_zeros(slow.shape), phi.new_empty(phi.shape)
        scratch = d_y.new_empty(3 * d + 1).numpy(), d_y.new_empty(2, d).numpy()
        given = np.ascontiguousarray(phi.numpy()), ctx.starts, ctx.record, np.ascontiguousarray(d_y.numpy())
        kernels.run_back(*given, d_w.numpy(), d_slow.numpy(), d_phi.numpy(), *scratch)
        return d_slow, d_phi, d_w, None
