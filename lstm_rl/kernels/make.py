"""The one place that chooses the kernels of a gradient."""

from typing import Any

from lstm_rl.checks import check_choice
from lstm_rl.kernels.bptt import Bptt, make_bptt
from lstm_rl.kernels.cells import Cells
from lstm_rl.kernels.exact import Exact, make_exact
from lstm_rl.kernels.layout import Weights
from lstm_rl.kernels.rtrl import Rtrl, make_rtrl
from lstm_rl.kernels.truncated import Truncated, make_truncated
from lstm_rl.topology import Topology


def make_approximator(
    topology: Topology | Cells, weights: Weights, n: int, dtype: Any, gradient: str = "truncated", bptt_depth: int = 100
) -> Truncated | Bptt | Rtrl | Exact:
    """Make n streams at rest through one network, around weights that live elsewhere.

    Args:
        topology: The network; the gradient of `Cells` is exact and has one form, "truncated".
        weights: Of type ``dtype``; whoever moves them moves the network.
        n: Streams >= 1.
        dtype: float32 or float64.
        gradient: "truncated" (1997, carried forward), "bptt" (complete, carried back) or "rtrl" (complete, carried
            forward); see docs/gradients.md.
        bptt_depth: Steps >= 1 that "bptt" carries errors back at most; not looked at by the others.

    Raises:
        ValueError: An unknown gradient, one that the network lacks, or a depth < 1.
    """
    if isinstance(topology, Cells):
        check_choice("gradient of cells, which is exact,", gradient, ("truncated",))
        return make_exact(topology, weights, n, dtype)
    if check_choice("gradient", gradient, ("truncated", "bptt", "rtrl")) == "bptt":
        return make_bptt(topology, weights, n, dtype, bptt_depth)
    make = make_rtrl if gradient == "rtrl" else make_truncated
    return make(topology, weights, n, dtype)
