"""How much of an error at the end of a sequence arrives q steps earlier: measured, layer by layer, in any network.

Dimensions: T steps, I inputs, K outputs, U units, n units of the layer that the error starts from, m of the layer that
it arrives at, q lag: steps back, 0 .. T-1.

The error that starts is a unit vector. All n of them go back in one pass, since each has a row of the batch of its own:
what arrives is the whole matrix of derivatives. The theory to compare with is in `lstm_rl.diagnostics.decay`.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstm_rl.nn.lstm import LstmNetwork
from lstm_rl.nn.network import Network
from lstm_rl.nn.slstm import SlstmNetwork
from lstm_rl.nn.unroll import Gradient
from lstm_rl.topology import GATES

Errors = dict[str, NDArray[np.float64]]
NETS = {gate.replace("_", " "): gate for gate in GATES} | {"cell input": "cells"}


def error_flow(net: Network, x: Any, state: Any = None, source: str = "output") -> Errors:
    """The norm of the error that comes back over q steps, for each layer.

    It is the spectral norm of the derivatives of `jacobians`: the most that an error of length 1 can arrive with.

    Args:
        net: As in `jacobians`.
        x: As in `jacobians`.
        state: As in `jacobians`.
        source: As in `jacobians`.

    Returns:
        By name of the layer (T,), by lag.

    Raises:
        ValueError: As `jacobians`.
    """
    return {name: spectral_norm(errors) for name, errors in jacobians(net, x, state, source).items()}


def spectral_norm(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of every matrix in (T, n, m): (T,); NaN where a number is not finite, as after an overflow."""
    norms = np.full(len(errors), np.nan)
    finite = np.isfinite(errors).all(axis=(1, 2))
    norms[finite] = np.linalg.norm(errors[finite], 2, axis=(1, 2))
    return norms


def jacobians(
    net: Network, x: Any, state: Any = None, source: str = "output", units: Sequence[int] | None = None
) -> Errors:
    """Derivatives of a layer at the last step by every layer at every step: d source_i(T-1) / d layer_j(T-1-q).

    The layers are "input" and what ``net.named(state)`` picks out of the state. They count by their activations, except
    that gates and cell inputs of an `LstmNetwork` count by their net inputs, as errors do in the papers. The activation
    of a cell state includes what becomes of it in the same step: its cell output.

    Args:
        net: Long lags need one of 64 bits; an `LstmNetwork` is measured with 64 bits whatever it has, over all lags
            even if its own gradient ends earlier.
        x: (T, I) what it sees.
        state: Of one row, before the first step; ``None``: at rest.
        source: Where the error starts: "output" or a part of ``net.named(state)``.
        units: Which of the source's units, n of them; ``None``: all.

    Returns:
        By name of the layer (T, n, m), by lag. Parts of the state are NaN at lag 0 if the source is "output": outputs
        do not see the state that they leave behind.

    Raises:
        ValueError: An argument does not fit or is not finite; the message names it.
    """
    probed = _readable(net)
    rest = probed.initial_state(1)
    named = {"output": torch.zeros(1, net.outputs)} | probed.named(rest)
    if source not in named:
        raise ValueError(f"source must be one of {', '.join(named)}, got {source!r}")
    x = torch.as_tensor(x, dtype=rest[0].dtype)
    if x.dim() != 2 or x.shape[1] != net.inputs or not len(x):
        raise ValueError(f"x must have shape (T, {net.inputs}) with T >= 1, got {tuple(x.shape)}")
    size = named[source].shape[1]
    chosen = list(range(size) if units is None else units)
    n = len(chosen)
    if not n or not all(0 <= unit < size for unit in chosen):
        raise ValueError(f"units must be out of 0 .. {size - 1}, at least one, got {units!r}")
    state = rest if state is None else state
    if len(state[0]) != 1:
        raise ValueError(f"state must have one row, got {len(state[0])}")
    state = _like(rest, [part.detach().to(x.dtype).expand(n, -1) for part in state])
    inputs, states = [], []
    for x_t in torch.nn.functional.pad(x, (0, probed.inputs - net.inputs)):
        inputs.append(x_t.repeat(1, n, 1).requires_grad_())  # (1, n, I)
        y, state = probed(inputs[-1], state)
        states.append(state)
    layer = y[0] if source == "output" else probed.named(state)[source]  # (n, units of the layer)
    parts = len(rest)
    # a part without a gradient, as the sLSTM's stabiliser, takes a stand-in that nothing depends on
    to = [*inputs, *(p if p.requires_grad else torch.zeros_like(p).requires_grad_() for s in states for p in s)]
    back = torch.autograd.grad(layer[range(n), chosen].sum(), to, materialize_grads=True)
    by_input = torch.cat(back[: len(x)][::-1])  # (T, n, I)
    errors = {"input": by_input[..., : net.inputs]}
    by_part = _like(rest, [torch.stack(back[len(x) + p :: parts][::-1]) for p in range(parts)])  # (T, n, size) each
    errors |= _by_name(probed, by_part, states)
    if source == "output":
        for name in errors.keys() - {"input"}:
            errors[name][0] = torch.nan
    if isinstance(net, LstmNetwork):
        columns = net.topology.columns
        nets = by_input[..., net.inputs :]  # (T, n, U)
        errors |= {name: nets[..., columns[unit]] for name, unit in NETS.items() if nets[..., columns[unit]].numel()}
    return {name: values.numpy() for name, values in errors.items()}


def _readable(net: Network) -> Network:
    """The network so that Torch sees all that happens in it."""
    if isinstance(net, LstmNetwork):
        return with_probes(net)
    if isinstance(net, SlstmNetwork):
        net = deepcopy(net)
        net.execution = "loop"
    return net


def _by_name(net: Network, errors: Any, states: list[Any]) -> dict[str, Tensor]:
    """Split the errors of a state's parts (T, n, size of the part) as the network itself splits its states."""
    if isinstance(net, SlstmNetwork):  # whose cell states are c / n: at given n, n times the error of c
        n = torch.stack([state.n for state in states[::-1]]).detach()
        return {"hidden": errors.y, "cell state": errors.c * n}
    named = net.named(_like(errors, [part.flatten(0, 1) for part in errors]))
    return {name: part.reshape(*errors[0].shape[:2], -1) for name, part in named.items()}


def _like(state: Any, parts: list[Tensor]) -> Any:
    """A state of the same kind, a tuple or a named one, of other parts."""
    return tuple(parts) if type(state) is tuple else type(state)(*parts)


def with_probes(net: LstmNetwork) -> LstmNetwork:
    """The same network, 64 bits, with one more input for each unit: 0 always, but its error is that of the unit."""
    t = net.topology
    wide = replace(
        t,
        inputs=t.inputs + t.units,
        hidden_sees=("input", *t.hidden_sees),
        cells_see=("input", *t.cells_see),
        gates_see=("input", *t.gates_see),
        without=(),
        output_without=(),
    )
    gradient: Gradient = "truncated" if net.gradient.startswith("truncated") else "bptt"
    probed = LstmNetwork(wide, gradient=gradient, execution="loop", dtype=torch.float64)
    with torch.no_grad():
        for wider, narrower, rows_to, rows_from in (
            (probed.hidden_weights, net.hidden_weights * net.mask, wide.rows, t.rows),
            (probed.output_weights, net.output_weights * net.output_mask, wide.output_rows, t.output_rows),
        ):
            wider.zero_()
            for name, row in rows_from.items():
                start = rows_to[name].start
                wider[start : start + row.stop - row.start] = narrower[row]
        probed.hidden_weights[t.inputs : wide.inputs] = torch.eye(t.units)
    return probed
