"""A table over boxes of observations, with memory bits (Peshkin et al. 1999; BOXES: Michie and Chambers 1968).

Each input is cut into equal regions; the observation's box and the present bits name a row. Bits are part of the
observation, and each action also says what they are next: output k = move * 2^bits + next bits. A value's derivative by
its own entry is 1.

Dimensions: n streams, I inputs, R = regions^I 2^bits rows, K = moves 2^bits outputs.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.compiled import kernel
from lstm_rl.kernels.approximator import (
    Update,
    add_gradient,
    forward,
    learning_arrays,
    reset,
    state_arrays,
    to_env_action,
    update_weights,
)
from lstm_rl.kernels.layout import Numbers
from lstm_rl.kernels.updates import step_weights


class Table(NamedTuple):
    """n streams that look things up in one table."""

    values: Numbers  # (R, K)
    square: Numbers  # (R, K) running mean squares of normalised steps
    low: NDArray[np.float64]  # (I,) lowest value of each input
    width: NDArray[np.float64]  # (I,) of a region
    regions: int
    patterns: int  # 2^bits
    bits: NDArray[np.int64]  # (n, 1) the present bits, as one number
    row: NDArray[np.int64]  # (n,)
    outputs: Numbers  # (n, K)
    traces: Numbers  # (n, R, K)


def make_table(
    values: Numbers, square: Numbers, low: NDArray[Any], high: NDArray[Any], regions: int, bits: int, n: int
) -> Table:
    """Make n streams at rest around a table that lives elsewhere."""
    low, high = (np.asarray(bound, np.float64) for bound in (low, high))
    return Table(
        values,
        square,
        low,
        (high - low) / regions,
        regions,
        2**bits,
        np.zeros((n, 1), np.int64),
        np.zeros(n, np.int64),
        np.zeros((n, values.shape[1]), values.dtype),
        np.zeros((n, *values.shape), values.dtype),
    )


@kernel
def _box(table: Table, x: Any) -> int:
    """The number of the box that the first I numbers of ``x`` lie in; beyond the bounds, the outermost one."""
    box = 0
    for m in range(table.low.shape[0]):
        region = int(np.floor((x[m] - table.low[m]) / table.width[m]))
        box = box * table.regions + min(max(region, 0), table.regions - 1)
    return box


@state_arrays.register(Table)
def _state_arrays(approximator: Table) -> tuple[Numbers, ...]:
    return (approximator.bits,)


@learning_arrays.register(Table)
def _learning_arrays(approximator: Table) -> dict[str, Numbers]:
    return {name: getattr(approximator, name) for name in ("bits", "row", "outputs", "traces")}


@forward.register(Table)
def _forward(approximator: Table, i: int, x: Any) -> None:
    bits = approximator.bits[i, 0]
    for b in range(x.shape[0] - approximator.low.shape[0]):  # whoever else looks at x sees the bits too
        x[approximator.low.shape[0] + b] = (bits >> b) & 1
    row = _box(approximator, x) * approximator.patterns + bits
    approximator.row[i] = row
    for k in range(approximator.outputs.shape[1]):
        approximator.outputs[i, k] = approximator.values[row, k]


@reset.register(Table)
def _reset(approximator: Table, i: int) -> None:
    approximator.bits[i, 0] = 0
    approximator.traces[i] = 0.0


@to_env_action.register(Table)
def _to_env_action(approximator: Table, i: int, k: int) -> int:
    approximator.bits[i, 0] = k % approximator.patterns
    return k // approximator.patterns


@update_weights.register(Table)
def _update_weights(approximator: Table, i: int, update: Update, decay: float) -> None:
    step_weights(approximator.values, approximator.square, approximator.traces[i], update, decay)


@add_gradient.register(Table)
def _add_gradient(approximator: Table, i: int, k: int) -> None:
    approximator.traces[i, approximator.row[i], k] += 1.0
