"""What theory says of errors on their way back through time, to compare measurements with.

Dimensions: T steps, C cells, n units, q lag: how many steps back.

Sources: Hochreiter, Untersuchungen zu dynamischen neuronalen Netzen, diploma thesis, TU Muenchen 1991; Hochreiter and
Schmidhuber, Long short-term memory, Neural Computation 9 (1997), section 3.1 (decay) and appendix A.2 (memory cells).
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lstm_rl.kernels.squashing import SQUASHINGS
from lstm_rl.nn.loop import squash
from lstm_rl.nn.lstm import LstmNetwork
from lstm_rl.topology import Squash

STEEPEST = 0.25  # f' of a logistic unit is at most this; therefore errors vanish while |w| < 4


def norm_bound(units: int, norm: float, lags: NDArray[Any], steepest: float = STEEPEST) -> NDArray[np.float64]:
    """How much of an error a net of ordinary units carries back at most: n (f'_max ||W||)^q.

    Of one unit that stays where its slope is f'_max, this is the error itself.

    Args:
        units: n >= 1.
        norm: ||W|| >= 0 of the recurrent weights, any matrix norm that belongs to a vector norm.
        lags: q >= 0, of any shape.
        steepest: f'_max > 0.

    Returns:
        Of the shape of ``lags``; infinity where it overflows.

    Source: Hochreiter (1991); Hochreiter and Schmidhuber (1997), section 3.1.
    """
    with np.errstate(over="ignore"):
        bound: NDArray[np.float64] = units * np.power(steepest * norm, lags, dtype=np.float64)
    return bound


def weight_bound(units: int, largest: float, lags: NDArray[Any]) -> NDArray[np.float64]:
    """The same for logistic units from the largest weight alone: n tau^q, tau = n w_max / 4; vanishes for w_max < 4/n.

    Args:
        units: n >= 1.
        largest: w_max >= |w_ij| for all i, j.
        lags: q >= 0, of any shape.

    Source: as `norm_bound`, with ||W|| <= n w_max.
    """
    return norm_bound(units, units * largest, lags)


def cell_path(y_out: Any, h_slope: Any, into: Any, y_f: Any) -> NDArray[np.float64]:
    """The error that reaches a memory cell from its own output at the last step, by the truncated gradient.

        y_out(t) h'(s(t))  {g'(net_c) y_in | g(net_c) f'(net_in) | s(t-q-1) f'(net_f) | 1} (t-q)  prod y_f(t-q+1 .. t)

    to the net input of the cell, of its input gate, of its forget gate, or to its state. Without forget gates (1997)
    the product is 1: the lag q does not matter, the error is constant.

    Args:
        y_out: (C,) output gates at the last step, 1 where there are none.
        h_slope: (C,) h'(s) at the last step.
        into: (T, C) the factor in braces at each step; 1 for the cell states.
        y_f: (T, C) forget gates, 1 where there are none.

    Returns:
        (T, C), by lag: row q belongs to step T-1-q.

    Source: Hochreiter and Schmidhuber (1997), appendix A.2; forget gates: Gers, Schmidhuber and Cummins (2000).
    """
    kept = np.cumprod(np.vstack([np.ones_like(y_f[:1]), y_f[:0:-1]]), axis=0)  # (T, C), row q: the product of q factors
    path: NDArray[np.float64] = np.asarray(y_out) * h_slope * kept * np.asarray(into)[::-1]
    return path


def lstm_paths(net: LstmNetwork, x: Any, source: str = "cell state") -> dict[str, NDArray[np.float64]]:
    """The truncated gradient's path from each cell at the last step, by `cell_path`, for all layers that it leads to.

    Args:
        net: With memory blocks.
        x: (T, I).
        source: Where the error starts: "cell state" or "cell output".

    Returns:
        By name of the layer (T, C), by lag: sizes, without signs.
    """
    t, columns = net.topology, net.topology.columns
    state, states = net.initial_state(1), []
    with torch.no_grad():
        for x_t in torch.as_tensor(x, dtype=state.s.dtype):
            _, state = net(x_t[None, None], state)
            states.append(state)
    y, s = (torch.cat([getattr(at, part) for at in states]).numpy() for part in ("y", "s"))  # (T, U), (T, C)

    def gate(name: str) -> NDArray[np.float64]:
        """For every cell, (T, C); 1 if there is none, or the decay of states."""
        absent = np.full_like(s, t.state_decay if name == "forget_gate" else 1.0)
        return y[:, columns[name]][:, list(t.block_of_cell)] if getattr(t, name) else absent

    y_in, y_f, y_out, g = gate("input_gate"), gate("forget_gate"), gate("output_gate"), y[:, columns["cells"]]
    s_tm1 = np.vstack([np.zeros_like(s[:1]), s[:-1]])
    into = {
        "cell state": np.ones_like(s),
        "cell input": y_in * _slope(t.cell_input, g),
        "input gate": g * y_in * (1.0 - y_in),
        "forget gate": s_tm1 * y_f * (1.0 - y_f),
    }
    start = y_out[-1], _slope(t.cell_output, squash(t.cell_output, torch.as_tensor(s[-1])).numpy())
    if source == "cell state":
        start = np.ones_like(s[0]), np.ones_like(s[0])
    return {name: np.abs(cell_path(*start, factor, y_f)) for name, factor in into.items() if factor.any()}


def _slope(kind: Squash, y: NDArray[np.float64]) -> NDArray[np.float64]:
    """f'(v) from y = f(v)."""
    f = SQUASHINGS[kind]
    d = y - f.offset
    return np.ones_like(y) if f.gain == 0.0 else f.rate * d * (f.scale - d)
