"""Pictures of learning within a sequence: error against the number of examples, frozen weights."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from lstm_rl.diagnostics.figures import MORE_LINES

if TYPE_CHECKING:
    from pandas import DataFrame

REFERENCES: dict[str, dict[str, Any]] = {
    "constant errors": {"linestyle": ":", "color": "black", "label": "best constant"},
    "nearest neighbour errors": {"linestyle": "-.", "color": "black", "label": "nearest neighbour"},
    "least squares errors": {"linestyle": "--", "color": "black", "label": "least squares on the true features"},
    "Bayes errors": {"linestyle": "--", "color": "black", "label": "Bayes optimum"},
}
LEAST = 1e-5
"""Errors below this, such as those of exact least squares, are drawn here."""


def error_curves(runs: "DataFrame") -> dict[str, Figure]:
    """A panel per family and noise: a line per run, a colour per row, and what could be known.

    Args:
        runs: With row, family, noise, errors and the errors of references.
    """
    groups = list(runs.groupby(["family", "noise"], sort=False))
    figure = Figure(figsize=(5.2 * min(len(groups), 3), 4.6 * -(-len(groups) // 3)), dpi=100, layout="constrained")
    panels = figure.subplots(-(-len(groups) // 3), min(len(groups), 3), squeeze=False).ravel()
    for panel in panels[len(groups) :]:
        panel.set_axis_off()
    for panel, ((family, noise), own) in zip(panels, groups, strict=False):
        for name, style in REFERENCES.items():
            if name in own and own[name].notna().any():
                mean = np.mean(np.array(own[name].dropna().tolist()), axis=0)
                panel.plot(np.arange(1, len(mean) + 1), np.maximum(mean, LEAST), linewidth=1.1, **style)
        for k, (row, of_row) in enumerate(own.groupby("row", sort=False)):
            color, label = MORE_LINES[k % len(MORE_LINES)], str(row).removeprefix(f"{family}: ")
            for n, errors in enumerate(of_row["errors"]):
                at, y = np.arange(1, len(errors) + 1), np.maximum(errors, LEAST)
                panel.plot(at, y, color=color, linewidth=1.3, alpha=0.85, label=None if n else label)
        title = f"{family}, noise {noise:g}" if noise else str(family)
        panel.set(title=title, xlabel="examples of a new function", ylabel="mean absolute error")
        panel.set(xscale="log", yscale="log", xlim=(1, 64))
        panel.set_xticks([1, 2, 4, 8, 16, 32, 64])
        panel.xaxis.set_major_formatter(ScalarFormatter())
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.grid(alpha=0.3)
        panel.legend(frameon=False, fontsize=8, loc="lower left")
    return {"error_by_example": figure}
