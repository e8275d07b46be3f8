"""Panels over a common time axis: lines, heat maps, marked steps.

Dimensions: T steps, n lines or rows.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from lstm_rl.diagnostics.activations import Activations
from lstm_rl.diagnostics.figures import LINES

MARKED = ("#e69f00", "#882255", "#117733", "#332288")  # colours of marks: cue, junction, others


def panels_over_time(activations: Activations, ratios: Sequence[float], title: str) -> tuple[Figure, list[Axes]]:
    """A picture of 1000 x 900 pixels and its panels, of these relative heights; `finish` them when all is drawn."""
    figure = Figure(figsize=(10, 9), dpi=100)
    figure.subplots_adjust(left=0.1, right=0.88, bottom=0.06, top=0.95, hspace=0.25)  # fast, unlike a found layout
    panels = figure.subplots(len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0].tolist()
    panels[-1].set_xlabel("step")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.suptitle(title)
    return figure, panels


def finish(panels: list[Axes], activations: Activations) -> None:
    """What has to wait until everything else is drawn: marks, limits and legends."""
    _mark(panels, activations)
    panels[-1].set_xlim(-0.5, len(activations) - 0.5)
    for panel in panels:
        if panel.lines and not panel.images:
            panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9, labelspacing=0.3)


def lines(panel: Axes, name: str, letter: str, values: NDArray[Any]) -> None:
    """One line per column of ``values`` (T, n), or a heat map if there are too many to tell apart."""
    if values.shape[1] > len(LINES):
        limit = float(np.abs(values).max()) or 1.0
        return heat_map(panel, name, values, -limit, limit)
    marker = "." if len(values) <= 60 else None
    for k, column in enumerate(values.T):
        panel.plot(column, color=LINES[k], label=f"${letter}_{{{k}}}$", linewidth=1.2, marker=marker)
    name_panel(panel, name)
    panel.yaxis.set_major_locator(MaxNLocator(nbins=4))
    panel.grid(alpha=0.3)
    return None


def heat_map(panel: Axes, name: str, values: NDArray[Any], low: float, high: float) -> None:
    """Values (T, n) as colours, time to the right; diverging around 0 if ``low`` < 0."""
    colours = "RdBu_r" if low < 0 else "viridis"
    image = panel.imshow(values.T, cmap=colours, vmin=low, vmax=high, aspect="auto", interpolation="nearest")
    name_panel(panel, name.replace(" ", "\n", 1) if "\n" not in name else name)
    panel.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    ticks = [low, (low + high) / 2, high]
    bar = panel.figure.colorbar(image, cax=panel.inset_axes((1.012, 0.0, 0.015, 1.0)), ticks=ticks)
    bar.ax.set_yticklabels([f"{tick:.2g}" if abs(tick) < 100 else f"{tick:.0f}" for tick in ticks], fontsize=9)


def logarithmic(panel: Axes) -> None:
    """A logarithmic axis of whole decades, few enough to be read."""
    panel.set_yscale("log")
    panel.yaxis.set_major_locator(LogLocator(numticks=8))
    panel.yaxis.set_minor_locator(NullLocator())
    low, high = np.log10(panel.get_ylim())
    panel.set_ylim(10.0 ** np.floor(low), 10.0 ** np.ceil(high))
    panel.grid(alpha=0.3)


def name_panel(panel: Axes, name: str) -> None:
    """Write a panel's name in the same place for all."""
    panel.set_ylabel(name)
    panel.yaxis.set_label_coords(-0.075, 0.5)


def set_apart(panel: Axes, blocks: tuple[int, ...]) -> None:
    """Lines between memory blocks, where some have several cells."""
    for border in np.cumsum(blocks)[:-1][np.array(blocks[:-1], np.int64) > 1]:
        panel.axhline(border - 0.5, color="black", linewidth=0.5)


def _mark(panels: list[Axes], activations: Activations) -> None:
    """Shade marked steps on panels of lines, and frame them on heat maps."""
    outline = [patheffects.withStroke(linewidth=3.0, foreground="white")]
    for (name, steps), colour in zip(activations.marks.items(), MARKED, strict=False):
        for k, (first, last) in enumerate(_runs(steps, gap=len(activations) // 100)):
            for panel in panels:
                if panel.images:
                    for border in {first, last + 1} - {0, len(activations)}:
                        panel.axvline(border - 0.5, color=colour, linewidth=1.5, path_effects=outline)
                else:
                    label = name if k == 0 and panel is panels[0] else None
                    panel.axvspan(first - 0.5, last + 0.5, color=colour, alpha=0.35, linewidth=0.5, label=label)


def _runs(steps: list[int], gap: int) -> list[tuple[int, int]]:
    """Runs (first, last) of consecutive steps; holes of up to ``gap`` steps, too narrow to be seen, are closed."""
    if not steps:
        return []
    holes = np.flatnonzero(np.diff(steps) > gap + 1)
    return list(zip(np.take(steps, [0, *(holes + 1)]), np.take(steps, [*holes, -1]), strict=True))
