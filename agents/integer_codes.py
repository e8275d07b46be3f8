"""Integers as networks can tell them apart: one-hot codes of a few values, binary digits of more.

A whole number in a Box is as a rule a code (the objects and colours of MiniGrid) or a count. As one number, what is
true of 3 alone and not of 2 and 4 takes hidden units to tell; as digits it takes few weights. A count is in its digits
as well.

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
    """From encoded observations (..., I) to inputs (..., J); what is not a coded integer stays as it is.

    Args:
        encoder: Of the observation space.
    """

    source: Tensor  # (J,) column
    low: Tensor  # (J,) lowest value
    digit: Tensor  # (J,) place of a binary digit; -1: of a one-hot code; -2: the number itself
    value: Tensor  # (J,) that a one-hot code stands for, less ``low``

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        rows: list[tuple[int, float, int, int]] = []
        column = 0
        for part in encoder.parts:
            for low, count in _ranges(part.space, part.size):
                if not 1 < count <= MOST_VALUES:
                    rows.append((column, 0.0, -2, 0))
                elif count <= MOST_ONE_HOT:
                    rows += [(column, low, -1, value) for value in range(count)]
                else:
                    rows += [(column, low, digit, 0) for digit in range((count - 1).bit_length())]
                column += 1
        names = ("source", np.int64), ("low", np.float32), ("digit", np.int64), ("value", np.int64)
        for (name, kind), values in zip(names, zip(*rows, strict=True), strict=True):
            self.register_buffer(name, torch.as_tensor(np.array(values, kind)), persistent=False)
        self.changes = bool((self.digit > -2).any())

    @property
    def size(self) -> int:
        """J."""
        return len(self.source)

    def forward(self, x: Tensor) -> Tensor:
        """(..., I) to (..., J)."""
        if not self.changes:
            return x
        number = x[..., self.source]
        index = (number - self.low).long()
        bits = (index >> self.digit.clamp(min=0)) & 1
        codes = torch.where(self.digit >= 0, bits, index == self.value).to(x.dtype)
        return torch.where(self.digit == -2, number, codes)


def _ranges(space: gym.Space[Any], size: int) -> list[tuple[float, int]]:
    """Of each of ``size`` numbers of a space: the lowest value and how many there are; (0, 0) if it is not coded."""
    if not isinstance(space, gym.spaces.Box) or not np.issubdtype(space.dtype, np.integer) or size > MOST_NUMBERS:
        return [(0.0, 0)] * size
    low, high = space.low.ravel().tolist(), space.high.ravel().tolist()
    return [(float(a), b - a + 1) for a, b in zip(low, high, strict=True)]
