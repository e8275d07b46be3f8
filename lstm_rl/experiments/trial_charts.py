"""Pictures of learning within a trial: regret over pulls of bandits, returns over inner episodes of the other tasks."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from lstm_rl.diagnostics.figures import LINES, MORE_LINES

if TYPE_CHECKING:
    from pandas import DataFrame

OURS = "ours"
SHOWN = ("random", "greedy", "UCB1", "Thompson", "Gittins", "PSRL", "search", "knows", "streaming", "planning", OURS)
COLUMNS = 3


def pictures(runs: "DataFrame") -> dict[str, Figure]:
    """Both of them by name, as far as there are runs."""
    bandit = runs["best"].notna()
    found: dict[str, Figure] = {}
    if bandit.any():
        found["regret"] = _panels(runs[bandit], "pull", "regret so far", regret=True)
    if not bandit.all():
        found["inner_episodes"] = _panels(runs[~bandit], "episode of the trial", "return of the episode", regret=False)
    return found


def _panels(runs: "DataFrame", xlabel: str, ylabel: str, regret: bool) -> Figure:
    """A panel per task, a line per player: the mean over its runs.

    Args:
        runs: With row, task, method, curve and best.
        xlabel: What is counted from 1.
        ylabel: What is drawn.
        regret: Draw what who knows the best arm would have got more, summed up; else the curve itself.
    """
    tasks = list(runs["task"].unique())
    columns = min(COLUMNS, max(len(tasks), 2))  # a single panel is too narrow for the legend
    lines = -(-len(tasks) // columns)
    figure = Figure(figsize=(3.6 * columns + 0.6, 2.7 * lines + 0.9), dpi=100, layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for panel, task in zip(panels, tasks, strict=False):
        own = runs[runs["task"] == task]
        for method, of_method in own.groupby("method"):
            if method not in SHOWN:
                continue
            curves = np.array(list(of_method["curve"]), np.float64)
            if regret:
                curves = np.cumsum(of_method["best"].to_numpy(np.float64)[:, None] - curves, axis=1)
            style: dict[str, Any] = {"linewidth": 2.2, "zorder": 3} if method == OURS else {"linewidth": 1.2}
            panel.plot(1 + np.arange(curves.shape[1]), curves.mean(axis=0), color=_color(str(method)), **style)
        panel.set_title(str(own["row"].iloc[0]).rpartition(",")[0], fontsize=9)
        panel.grid(alpha=0.3)
        panel.tick_params(labelsize=8)
    for panel in panels[len(tasks) :]:
        panel.set_axis_off()
    present = [method for method in SHOWN if method in set(runs["method"])]
    deep = 1 if len(present) <= 2 * columns else 2
    for method in present:
        panels[0].plot([], [], color=_color(method), label=method)
    figure.supxlabel(xlabel, fontsize=10)
    figure.supylabel(ylabel, fontsize=10)
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=-(-len(present) // deep),
        frameon=False,
    )
    return figure


def _color(method: str) -> str:
    fixed = {
        OURS: LINES[0],
        "random": "#999999",
        "knows": "black",
        "streaming": MORE_LINES[-2],
        "planning": LINES[2],
        "search": LINES[3],
    }
    return fixed.get(method) or (*LINES[1:], *LINES[1:])[SHOWN.index(method) - 1]
