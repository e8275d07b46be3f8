"""What a network did at every step of a sequence or an episode: one record, for every picture and every log.

Dimensions: T steps, I inputs, K outputs, n units of a part.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lstm_rl.nn.lstm import LstmNetwork
from lstm_rl.nn.network import Network

Marks = dict[str, list[int]]


@dataclass(frozen=True, eq=False)
class Activations:
    """Row t of every array is step t."""

    inputs: NDArray[Any]  # (T, I) as the world shows them, before any normalisation
    outputs: NDArray[Any]  # (T, K)
    parts: dict[str, NDArray[Any]]  # (T, n) by name: gates, cell states, outputs of units; as `Network.named`
    blocks: tuple[int, ...] = ()  # cells in each memory block, to set them apart
    marks: Marks = field(default_factory=dict)  # steps worth a look, by name

    def __len__(self) -> int:
        """T."""
        return len(self.inputs)


def record_activations(
    net: Network, x: Any, state: Any = None, resets: Any = None, marks: Marks | None = None
) -> Activations:
    """Run a network over one sequence, step by step, and keep everything that it did.

    Args:
        net: Its weights are not changed.
        x: (T, I), T >= 1.
        state: Of one row, before the first step; ``None``: at rest.
        resets: (T,) bool, true where the state is put to rest before the step; ``None``: nowhere.
        marks: Steps worth a look in a picture, by name.

    Raises:
        ValueError: As the network, and for an ``x`` of another shape.
    """
    x = torch.as_tensor(x, dtype=net.initial_state(1)[0].dtype)
    if x.dim() != 2 or x.shape[1] != net.inputs or not len(x):
        raise ValueError(f"x must have shape (T, {net.inputs}) with T >= 1, got {tuple(x.shape)}")
    resets = torch.zeros(len(x), dtype=torch.bool) if resets is None else torch.as_tensor(resets)
    if resets.shape != x.shape[:1]:
        raise ValueError(f"resets must have shape ({len(x)},), got {tuple(resets.shape)}")
    outputs, parts = [], []
    with torch.no_grad():
        for x_t, reset in zip(x, resets, strict=True):
            y, state = net(x_t[None, None], state, reset[None, None])
            outputs.append(y[0, 0].numpy())
            parts.append({name: values[0].numpy() for name, values in net.named(state).items()})
    blocks = net.topology.blocks if isinstance(net, LstmNetwork) else ()
    stacked = {name: np.array([part[name] for part in parts]) for name in parts[0]}
    return Activations(x.numpy(), np.array(outputs), stacked, blocks, marks or {})
