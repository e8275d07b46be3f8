"""Pictures of the memory tasks: learning curves of every task by steps and by seconds, and all tasks together."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, Formatter, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from lstm_rl.diagnostics.figures import LINES
from lstm_rl.experiments.aggregates import SECONDS, STEPS, aggregate_curve, by_task, known, present
from lstm_rl.experiments.charts import MARKERS
from lstm_rl.experiments.protocols.memory_tasks import METHODS

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = 5
GREY = "#555555"
COLORS = dict(zip(METHODS, (LINES[0], LINES[4], LINES[5], LINES[1]), strict=True))
AXES = (("steps", STEPS, "environment steps"), ("seconds", SECONDS, "CPU seconds of training"))
REFERENCES = {"optimal": ("optimum", "--"), "memoryless": ("best without memory", ":")}
"""Columns whose value is drawn as a line across: name in the legend, and dashes."""
LOW = (1e3, 1e-2)
"""Where a logarithmic axis of steps or seconds begins; what comes before, the untrained policy say, is drawn there."""


def pictures(runs: "DataFrame") -> dict[str, Figure]:
    """All of them by name."""
    curves = {f"curves_by_{name}": learning_curves(runs, axis, xlabel) for name, axis, xlabel in AXES}
    return curves | ({"together": together(runs)} if len(known(runs)) else {})


def learning_curves(
    runs: "DataFrame",
    axis: int,
    xlabel: str,
    colors: Mapping[str, str] = COLORS,
    references: Mapping[str, tuple[str, str]] = REFERENCES,
    logarithmic: bool = True,
) -> Figure:
    """Greedy returns while training: a panel per task, a line per run, references such as the optimum dashed.

    Args:
        runs: With task, method, curve and the columns of the references.
        axis: `STEPS` or `SECONDS`.
        xlabel: What that is.
        colors: Of the methods.
        references: See `REFERENCES`. Of two the second is the lower; curves are cut off at twice its distance below it.
        logarithmic: Whether steps or seconds span orders of magnitude.
    """
    tasks = list(runs["task"].unique())
    columns = min(COLUMNS, len(tasks))
    lines = -(-len(tasks) // columns)
    figure = Figure(figsize=(max(7.5, 3.0 * columns), 2.3 * lines + 0.9), dpi=100, layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for panel, task in zip(panels, tasks, strict=False):
        of_task = runs[runs["task"] == task]
        values = {name: float(of_task[name].iloc[0]) for name in references if of_task[name].notna().iloc[0]}
        returns = np.concatenate([np.array(curve)[:, 2] for curve in of_task["curve"]])
        bottom, top = min([*returns, *values.values()]), max([*returns, *values.values()])
        if len(values) == 2:  # a policy far below both would press all others together
            upper, lower = values.values()
            bottom = max(bottom, 3.0 * lower - 2.0 * upper)
        for run in of_task.itertuples():
            points = np.array(run.curve)
            x, y = points[:, axis], points[:, 2]
            if logarithmic:
                x, y = _from_low(x, y, axis)
            panel.plot(x, np.maximum(y, bottom), color=colors[run.method], linewidth=1.2, alpha=0.8)
        for name, value in values.items():
            panel.axhline(value, color="black", linestyle=references[name][1], linewidth=1.0)
        margin = 0.06 * ((top - bottom) or max(abs(top), 1.0))
        panel.set(ylim=(bottom - margin, top + margin))
        if logarithmic:
            panel.set_xscale("log")
        panel.set_title(task, fontsize=8)
        panel.xaxis.set_major_formatter(_formatter(axis))
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.tick_params(labelsize=8)
        panel.grid(alpha=0.3)
    for panel in panels[len(tasks) :]:
        panel.set_axis_off()
    for method in colors:
        if (runs["method"] == method).any():
            panels[0].plot([], [], color=colors[method], label=method)
    for name, style in references.values():
        panels[0].plot([], [], color="black", linestyle=style, label=name)
    figure.supxlabel(xlabel, fontsize=10)
    figure.supylabel("greedy return", fontsize=10)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=6 if columns > 3 else 3, frameon=False
    )
    return figure


def together(runs: "DataFrame") -> Figure:
    """Median scores of every task on the common scale, and interquartile means on the way over tasks that all share."""
    methods = [method for method in present(runs) if by_task(runs, method)]
    scores = {method: by_task(runs, method) for method in methods}
    tasks = [task for task in runs["task"].unique() if any(task in own for own in scores.values())]
    shared = [task for task in tasks if all(task in own for own in scores.values())]
    figure = Figure(figsize=(13, 1.6 + 0.28 * max(len(tasks), 10)), dpi=100, layout="constrained")
    dots, *curves = figure.subplots(1, 3, width_ratios=(1.2, 1.0, 1.0))
    for k, method in enumerate(methods):
        style: dict[str, Any] = {"color": COLORS[method], "label": method}
        medians = [np.median(scores[method][task]) if task in scores[method] else np.nan for task in tasks]
        places = np.arange(len(tasks)) + (k - (len(methods) - 1) / 2) * 0.18
        dots.plot(np.clip(medians, -0.5, 1.1), places, linestyle="", marker=MARKERS[k], markersize=5, **style)
        for panel, (_, axis, _) in zip(curves, AXES, strict=True):
            if shared:
                at, means = _from_low(*aggregate_curve(runs, method, shared, axis), axis)
                panel.plot(at, np.maximum(means, -1.0), linewidth=1.8, **style)
                panel.plot(at[-1], max(means[-1], -1.0), marker=MARKERS[k], color=COLORS[method])
    dots.set_yticks(range(len(tasks)), tasks, fontsize=8)
    dots.set(
        xlim=(-0.55, 1.15), ylim=(len(tasks) - 0.4, -0.6), xlabel="median score (0: best without memory, 1: optimum)"
    )
    dots.grid(axis="x", alpha=0.3)
    for line in range(len(tasks) - 1):
        dots.axhline(line + 0.5, color=GREY, linewidth=0.3)
    for panel, (_, axis, xlabel) in zip(curves, AXES, strict=True):
        panel.set(xscale="log", xlabel=xlabel)
        panel.xaxis.set_major_formatter(_formatter(axis))
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.grid(alpha=0.3)
        for value, dash in ((1.0, "--"), (0.0, ":")):
            panel.axhline(value, color="black", linestyle=dash, linewidth=1.0)
    curves[0].set(ylabel=f"interquartile mean, tasks of all methods ({len(shared)})")
    figure.legend(*dots.get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    return figure


def _from_low(
    at: NDArray[np.float64], values: NDArray[np.float64], axis: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A curve from `LOW` on: of the points before it the last stands there."""
    first = max(int((at <= LOW[axis]).sum()) - 1, 0)
    return np.maximum(at[first:], LOW[axis]), values[first:]


def _formatter(axis: int) -> Formatter:
    return EngFormatter(sep="") if axis == STEPS else StrMethodFormatter("{x:g}")
