"""A trained network of one or two peephole cells that reads one symbol after the other, as fast as a core allows.

For strings of 10^9 symbols (Gers & Schmidhuber 2001): weights are frozen, what a symbol adds to all net inputs stands
in a table, and of outputs only the net inputs are computed, whose sign decides. A gate whose net input is above 37 is
1, exactly as by `squashing.logistic`, but without computing it: most gates of a long string are.

Dimensions: I symbols, K outputs; of 8 units, in pairs: input gates, forget gates, output gates, cells.
"""

from typing import NamedTuple

import numpy as np

from lstm_rl.compiled import kernel
from lstm_rl.kernels.layout import Numbers, Weights
from lstm_rl.kernels.squashing import logistic
from lstm_rl.topology import Topology

OPEN = 37.0  # exp(-37) is lost when it is added to 1


class Frozen(NamedTuple):
    """Weights by what they are for, and the state of one stream."""

    by_symbol: Numbers  # (I, 8) net inputs that a symbol gives, biases included
    recurrent: Numbers  # (2, 8) from cell outputs
    peepholes: Numbers  # (6,)
    output_by_symbol: Numbers  # (I, K)
    from_cells: Numbers  # (2, K)
    s: Numbers  # (2,) cell states
    y: Numbers  # (8,) activations
    outputs: Numbers  # (1, K) net inputs of the outputs


def make_frozen(topology: Topology, weights: Weights) -> Frozen:
    """Lay out a network's weights, copies, for inputs that are 1 for one symbol and -1 for all others.

    Args:
        topology: One or two blocks of one cell with all gates and peepholes, no squashing of cells, no hidden units.
        weights: Of the network.

    Raises:
        ValueError: It is another kind of network.
    """
    t, cells = topology, topology.cells
    gates = t.input_gate and t.forget_gate and t.output_gate and t.peepholes
    identity = t.cell_input == t.cell_output == "identity"
    if not (t.blocks in ((1,), (1, 1)) and gates and identity and not t.hidden and "gates" not in t.gates_see):
        raise ValueError(f"topology must be one or two blocks of one peephole cell without squashing, got {t}")
    symbols = 2.0 * np.eye(t.inputs) - 1.0  # (I, I)
    columns = np.add.outer(2 * np.arange(4), np.arange(cells)).ravel()  # of a padded network's 8 units
    by_symbol, recurrent, peepholes = np.zeros((t.inputs, 8)), np.zeros((2, 8)), np.zeros(6)
    rows, out, w, w_out = t.rows, t.output_rows, weights.hidden, weights.output
    by_symbol[:, columns] = symbols @ w[rows["input"]] + w[rows["bias"]].sum(0)
    recurrent[:cells, columns] = w[rows["cells"]]
    for cell in range(cells):
        peepholes[cell] = w[rows["state_tm1"].start + cell, cell]
        peepholes[2 + cell] = w[rows["state_tm1"].start + cell, cells + cell]
        peepholes[4 + cell] = w[rows["state_t"].start + cell, 2 * cells + cell]
    from_cells = np.zeros((2, t.outputs))
    from_cells[:cells] = w_out[out["cells"]]
    output_by_symbol = symbols @ w_out[out["input"]] + w_out[out["bias"]].sum(0)
    scratch = np.zeros(2), np.zeros(8), np.zeros((1, t.outputs))
    return Frozen(by_symbol, recurrent, peepholes, output_by_symbol, from_cells, *scratch)


@kernel
def _gate(v: float) -> float:
    """`squashing.logistic`, bit by bit."""
    if v > OPEN:
        return 1.0
    return logistic(v)


@kernel
def frozen_reset(frozen: Frozen) -> None:
    """Put it to rest."""
    for j in range(8):
        frozen.y[j] = 0.0
    frozen.s[0] = frozen.s[1] = 0.0


@kernel
def frozen_step(frozen: Frozen, symbol: int) -> None:
    """Read a symbol, 0 .. I - 1: the states and the outputs' net inputs move in place."""
    base, w, p, s, y = frozen.by_symbol[symbol], frozen.recurrent, frozen.peepholes, frozen.s, frozen.y
    y0, y1 = y[4] * s[0], y[5] * s[1]  # cell outputs of the step before
    for v in range(2):
        y_in = _gate(base[v] + y0 * w[0, v] + y1 * w[1, v] + s[v] * p[v])
        y_f = _gate(base[2 + v] + y0 * w[0, 2 + v] + y1 * w[1, 2 + v] + s[v] * p[2 + v])
        g = base[6 + v] + y0 * w[0, 6 + v] + y1 * w[1, 6 + v]
        s[v] = y_f * s[v] + y_in * g
        y[v], y[2 + v], y[6 + v] = y_in, y_f, g
        y[4 + v] = _gate(base[4 + v] + y0 * w[0, 4 + v] + y1 * w[1, 4 + v] + s[v] * p[4 + v])
    y0, y1 = y[4] * s[0], y[5] * s[1]
    direct, outputs = frozen.output_by_symbol[symbol], frozen.outputs[0]
    for k in range(outputs.shape[0]):
        outputs[k] = direct[k] + y0 * frozen.from_cells[0, k] + y1 * frozen.from_cells[1, k]
