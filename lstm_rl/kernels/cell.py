"""Element-wise recurrent cells: gates that see only the input, so that the gradient is exact at O(weights).

Unit j has one state s_j and G gates, net_g = W_g z with z = [x, 1]. Its next state depends on its own last state and
its own gates alone. So each weight has one derivative D[m,g,j] = ds_j / dw, which moves by

    D <- a_j D + b_gj z_m        a = ds_j(t) / ds_j(t-1),  b_g = ds_j(t) / dnet_g

as in `truncated`, whose kernels do the rest. A new cell is one file, as `min_gru`: its class, `cell_step` and
`cell_sensitivity`; and a line in `cells.CELLS`.

Dimensions: n streams, M sources (inputs, bias), H units, G gates, U = G H columns gate by gate, V = H + 1, K outputs.
"""

from typing import Any, NamedTuple

import numpy as np

from lstm_rl.compiled import by_class
from lstm_rl.kernels.forward import add_rows, copy, step_forward
from lstm_rl.kernels.layout import Numbers, Step, Streams, Weights
from lstm_rl.kernels.squashing import SQUASHINGS, Squashing
from lstm_rl.kernels.truncated import Coefficients, Truncated, coefficients


class CellNet(NamedTuple):
    """What `layout.Net` is to a `Topology`."""

    kind: Any  # chooses the kernels, and says how many gates there are
    has_forget_gate: bool  # whether states fade, and with them the derivatives by weights from sources that are 0
    f_k: Squashing
    slope_k: Squashing
    out_inputs: int  # output sources that are inputs
    masked: bool  # whether some weight does not exist
    mask: Numbers  # (M, U)


@by_class
def cell_step(kind: Any, y: Any, s_tm1: Any, s: Any) -> None:
    """From net inputs y (G, H), which become activations, and states s_tm1 (H,) to states s (H,)."""
    raise TypeError(f"{type(kind).__name__} has no kernel for this")


@by_class
def cell_sensitivity(kind: Any, y: Any, s_tm1: Any, a: Any, b: Any) -> None:
    """Fill a (H,) and b (G, H), from activations y (G, H) and states s_tm1 (H,) before the step."""
    raise TypeError(f"{type(kind).__name__} has no kernel for this")


def make_cells(kind: Any, weights: Weights, n: int, dtype: Any) -> Truncated:
    """Make n streams at rest around weights that live elsewhere."""
    (m, u), (v, k), linear = weights.hidden.shape, weights.output.shape, SQUASHINGS["identity"]
    net: Any = CellNet(kind, True, linear, linear, 0, False, np.ones((1, 1), dtype))
    shapes = [(m,), (u,), (v - 1,), (v - 1,), (0,), (0,), (v,), (k,), (1, m, u), (m, u), (v, k)]
    streams = Streams(*(np.zeros((n, *shape), dtype) for shape in shapes))
    a, b, c = np.zeros((3, 1, u), dtype)
    scratch = Coefficients(a, b, c, np.zeros(u, dtype))
    return Truncated(net, weights, streams, streams.outputs, scratch, np.zeros(v, dtype))


@step_forward.register(CellNet)
def _step_forward(net: CellNet, weights: Weights, x: Any, step: Step) -> None:
    z, y, s_tm1, s, u, outputs = step.z, step.y, step.s_tm1, step.s, step.u, step.outputs
    copy(x, z[: z.shape[0] - 1])
    z[z.shape[0] - 1] = 1.0
    copy(s, s_tm1)
    y[:] = 0.0
    add_rows(weights.hidden, z, 0, z.shape[0], y)
    cell_step(net.kind, y.reshape((net.kind.gates, s.shape[0])), s_tm1, s)
    copy(s, u[: s.shape[0]])
    u[s.shape[0]] = 1.0
    outputs[:] = 0.0
    add_rows(weights.output, u, 0, u.shape[0], outputs)


@coefficients.register(CellNet)
def _coefficients(net: CellNet, y: Any, s_tm1: Any, h: Any, q: Any, to: Coefficients) -> None:
    shape = (net.kind.gates, s_tm1.shape[0])
    a, b, c = to.a.reshape(shape), to.b.reshape(shape), to.c.reshape(shape)
    cell_sensitivity(net.kind, y.reshape(shape), s_tm1, a[0], b)
    for g in range(a.shape[0]):
        for j in range(a.shape[1]):
            a[g, j] = a[0, j]
            c[g, j] = q[j]
