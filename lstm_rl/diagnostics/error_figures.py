"""Pictures of errors that fade, grow or stay, over how many steps back they went. Logarithmic both ways."""

from collections.abc import Sequence
from itertools import cycle, groupby
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import NDArray

from lstm_rl.diagnostics.error_comparison import Flow
from lstm_rl.diagnostics.figures import LINES, MORE_LINES

SHOWN = (1e-20, 1e6)  # of all norms
MARKERS = "osD^vP"
THEORY: dict[str, Any] = {"linewidth": 1.0, "linestyle": (0, (4, 3))}


def comparison_figure(flows: Sequence[Flow]) -> Figure:
    """Left: one logistic unit, and the regions of 1991. Right: networks. Measured solid, theory dashed.

    Args:
        flows: From `compare`; families have colours, their members markers.
    """
    units = [flow for flow in flows if flow.family == "one unit"]
    networks = [flow for flow in flows if flow.family != "one unit"]
    figure = Figure(figsize=(14, 6.3), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    left.axhspan(SHOWN[0], 1.0, color=LINES[4], alpha=0.15)
    left.axhspan(1.0, SHOWN[1], color=LINES[5], alpha=0.2)
    left.text(1.15, 1e-9, "vanishing\n|w| < 4", fontsize=11)
    left.text(1.15, 1e3, "exploding\n|w| > 4", fontsize=11)
    for flow, colour, marker in zip(units, LINES, MARKERS, strict=False):
        _draw(left, flow, flow.name.partition(", ")[2], colour, marker, "black")
    left.set_title("one logistic unit with weight w to itself, where it is steepest")
    for (_, members), colour in zip(groupby(networks, lambda flow: flow.family), cycle(MORE_LINES), strict=False):
        for flow, marker in zip(members, cycle(MARKERS), strict=False):
            _draw(right, flow, flow.name, colour, marker, colour)
    right.set_title("untrained networks, random inputs")
    for panel in (left, right):
        _axes(panel, flows[0])
        panel.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=9)
    left.set_ylabel("norm of the error at hidden units or cell states, 1 where it starts")
    figure.supxlabel(
        "Solid: measured. Dashed: theory; one unit $(w/4)^q$, Elman $n(||W||/4)^q$ at most, LSTM by the truncated "
        "gradient: the product of the forget gates.",
        fontsize=10,
    )
    return figure


def layers_figure(flow: Flow) -> Figure:
    """One network layer by layer: measured solid, theory dashed.

    Args:
        flow: From `compare`.
    """
    figure = Figure(figsize=(9, 5.5), dpi=100, layout="constrained")
    panel = figure.subplots()
    arrived = {layer: norms for layer, norms in flow.norms.items() if np.nanmax(norms[1:]) > 0.0}
    for (layer, norms), colour in zip(arrived.items(), cycle(MORE_LINES), strict=False):
        panel.plot(*_showable(norms), color=colour, label=layer, linewidth=1.4)
        if layer in flow.theory:
            panel.plot(*_showable(flow.theory[layer]), color=colour, **THEORY)
    panel.set_title(f"{flow.name}: the error of its {flow.layer}s\n(dashed: as far as it goes through the cell only)")
    _axes(panel, flow)
    panel.set_ylabel("norm of the error")
    panel.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return figure


def _draw(panel: Axes, flow: Flow, label: str, colour: str, marker: str, theory: str) -> None:
    lags, norms = _showable(flow.shown)
    places = np.unique(np.searchsorted(lags, np.geomspace(1, len(flow.shown), 8)).clip(max=len(lags) - 1))
    style: dict[str, Any] = {"marker": marker, "markersize": 5, "markevery": places.tolist()}
    panel.plot(lags, norms, label=label, color=colour, linewidth=1.4, **style)
    if flow.layer in flow.theory:
        panel.plot(*_showable(flow.theory[flow.layer]), color=theory, **THEORY)


def _showable(norms: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Lags >= 1 and their norms, as far as they can be shown; far outside the picture Matplotlib overflows."""
    lags = np.arange(1, len(norms))
    shown = (norms[1:] > 1e-100) & (norms[1:] < 1e100)
    return lags[shown], norms[1:][shown]


def _axes(panel: Axes, flow: Flow) -> None:
    panel.set(xscale="log", yscale="log", ylim=SHOWN, xlabel="steps back, q")
    panel.set_xlim(1.0, max(2, len(flow.shown) - 1))
    panel.yaxis.set_major_locator(LogLocator(numticks=14))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.grid(alpha=0.3)
