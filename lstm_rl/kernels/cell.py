"""What a kind of recurrent cell is whose gradient is carried forward exactly: two kernels, and what there is of it.

A unit's next state depends on the input and on that unit's own last state only. So each weight has one derivative of
its unit's state (two, where a state is two numbers), which moves by

    D <- a D + b z        a = ds(t) / ds(t-1) with all paths through gates,  b z = the direct derivative by the weight

That is the complete gradient at O(weights) per step (`self_lstm` clips D). A new cell is one file, as `min_gru`: its
class, `cell_step`, `cell_gradient` and a `Cell`; and a line in `cells.CELLS`.

Dimensions: n streams, I inputs, H units, P weights of a network, V sources of its readout.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.compiled import by_class


class LayerSizes(NamedTuple):
    """How many numbers a layer of cells has."""

    weights: int
    state: int  # per stream: what acting carries from step to step
    scratch: int  # per stream: activations of the present step
    partials: tuple[int, int]  # per stream: D
    outputs: int  # what the readout sees of the layer


class Cell(NamedTuple):
    """One kind of cell, for `cells.CELLS`."""

    kind: Any  # NamedTuple class of (inputs, units, start, first); chooses the kernels
    sizes: Callable[[int, int], LayerSizes]  # of I inputs and H units
    initial_weights: Callable[[np.random.Generator, int, NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
    """From rng, I, time scales (H,) >= 1 in steps and ranges (I,) of weights by input: the layer's weights, flat."""


class Memory(NamedTuple):
    """What a layer carries, a row per stream."""

    state: Any  # (n, state)
    scratch: Any  # (n, scratch)
    partials: Any  # (n, *partials)


@by_class
def cell_step(kind: Any, weights: Any, x: Any, state: Any, scratch: Any, partials: Any, u: Any) -> None:
    """Move one stream of a layer by one step, its derivatives with it.

    Args:
        kind: Its weights begin at ``kind.start``, its outputs at ``kind.first``.
        weights: (P,) of the network.
        x: (I,) input.
        state: Row of `Memory.state`, as are ``scratch`` and ``partials``.
        scratch: Kept for `cell_gradient`.
        partials: D.
        u: (V,) sources of the readout; the layer's are written.
    """
    raise TypeError(f"{type(kind).__name__} has no kernel for this")


@by_class
def cell_gradient(
    kind: Any, weights: Any, x: Any, state: Any, scratch: Any, partials: Any, q: Any, traces: Any
) -> None:
    """Add to ``traces`` (P,) the gradient that q (V,), the derivative of what is traced by u, gives its weights.

    What is traced is one output, or a weighted sum of outputs. Other arguments as in `cell_step`, after it; ``scratch``
    is used up.
    """
    raise TypeError(f"{type(kind).__name__} has no kernel for this")
