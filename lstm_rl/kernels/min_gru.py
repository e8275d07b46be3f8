"""The minGRU (Feng et al., Were RNNs all we needed?, 2024): gates that see the input alone.

z = logistic(W_z x),    c = W_c x,    s(t) = (1 - z) s(t-1) + z c
"""

from typing import Any, NamedTuple

from lstm_rl.kernels.cell import cell_sensitivity, cell_step
from lstm_rl.kernels.squashing import logistic


class MinGru(NamedTuple):
    """Gates z and c, in this order."""

    gates: int = 2


@cell_step.register(MinGru)
def _step(kind: MinGru, y: Any, s_tm1: Any, s: Any) -> None:
    for j in range(s.shape[0]):
        y[0, j] = logistic(y[0, j])
        s[j] = (1.0 - y[0, j]) * s_tm1[j] + y[0, j] * y[1, j]


@cell_sensitivity.register(MinGru)
def _sensitivity(kind: MinGru, y: Any, s_tm1: Any, a: Any, b: Any) -> None:
    for j in range(a.shape[0]):
        z, c = y[0, j], y[1, j]
        a[j] = 1.0 - z
        b[0, j] = (c - s_tm1[j]) * z * (1.0 - z)
        b[1, j] = z
