"""Integers as networks can tell them apart: one-hot codes of a few values, binary digits of more.

An integer in a Box is usually a code (objects and colours in MiniGrid) or a count. Given as one number, telling 3 from
both 2 and 4 takes hidden units; given as digits it takes few weights. Digits still carry the size of a count.

Dimensions: I numbers of an observation as `Encoder` gives it, J inputs of the network.
"""

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from lstm_rl.agents.spaces import Encoder

MOST_ONE_HOT, MOST_VALUES = 16, 256
"""Values of a number that still get a one-hot code, and binary digits."""
MOST_NUMBERS = 1024
"""Integers of an entry that are coded; more of them are a picture, and stay numbers."""


class IntegerCodes(nn.Module):
    """From encoded observations (..., I) to inputs (..., J): first what is no coded integer, as it is, then the codes.

    Args:
        encoder: Of the observation space.
    """

    numbers: Tensor  # columns that stay as they are

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        ranges = [each for part in encoder.parts for each in _ranges(part.space, part.size)]
        columns: dict[int, list[int]] = {}  # by number of values
        for column, (_, count) in enumerate(ranges):
            columns.setdefault(count if 1 < count <= MOST_VALUES else 0, []).append(column)
        self._keep("numbers", torch.tensor(columns.pop(0, []), dtype=torch.int64))
        self.counts = sorted(columns)
        for count in self.counts:
            self._keep(f"columns{count}", torch.tensor(columns[count]))
            self._keep(f"low{count}", torch.tensor([ranges[column][0] for column in columns[count]]))
            self._keep(f"table{count}", _codes(count))
        self.size = len(self.numbers) + sum(len(columns[count]) * _codes(count).shape[1] for count in self.counts)

    def _keep(self, name: str, values: Tensor) -> None:
        self.register_buffer(name, values, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., I) to (..., J)."""
        if not self.counts:
            return x
        parts = [x[..., self.numbers]]
        for count in self.counts:
            columns, low, table = (getattr(self, f"{name}{count}") for name in ("columns", "low", "table"))
            index = (x[..., columns] - low).long().clamp(0, count - 1)
            parts.append(table[index].flatten(-2).to(x.dtype))
        return torch.cat(parts, dim=-1)


def _codes(count: int) -> Tensor:
    """The code of each of so many values: (count, count) one-hot, or (count, digits), the lowest digit first."""
    if count <= MOST_ONE_HOT:
        return torch.eye(count)
    return ((torch.arange(count)[:, None] >> torch.arange((count - 1).bit_length())) & 1).float()


def _ranges(space: gym.Space[Any], size: int) -> list[tuple[float, int]]:
    """Of each of ``size`` numbers of a space: the lowest value and how many there are; (0, 0) if it is not coded."""
    if not isinstance(space, gym.spaces.Box) or not np.issubdtype(space.dtype, np.integer) or size > MOST_NUMBERS:
        return [(0.0, 0)] * size
    low, high = space.low.ravel().tolist(), space.high.ravel().tolist()
    return [(float(a), b - a + 1) for a, b in zip(low, high, strict=True)]
