"""The picture of groups of runs: a statistic over the runs of each, with its 95 % bootstrap interval as a band."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from numpy.typing import NDArray

from lstm_rl.diagnostics.figures import LINES, MORE_LINES
from lstm_rl.diagnostics.run_curves import Axis, Measure, RunCurve, Source
from lstm_rl.intervals import STATISTICS, Statistic, band

POINTS = 300  # of a curve
XLABELS = {"steps": "environment steps", "episodes": "training episodes", "seconds": "seconds of training"}
YLABELS = {"return": "return", "success": "success rate", "length": "length of episodes"}
NAMES = {"mean": "mean", "iqm": "interquartile mean", "median": "median"}
REFERENCES = {"optimal_return": ("optimal", ":"), "memoryless_return": ("best without memory", "--")}


def group_curves(
    groups: Mapping[str, Sequence[RunCurve]],
    x: Axis = "steps",
    y: Measure = "return",
    of: Source = "training",
    statistic: Statistic = "iqm",
    window: int = 100,
    title: str = "",
) -> Figure:
    """Draw a curve per group, 960 pixels wide.

    A run that ended before others of its group keeps its last value. Where all runs with settings are in one
    environment that knows them, the best returns with and without memory are lines, too.

    Args:
        groups: Curves by the names of their groups, read with the same ``x``, ``y``, ``of`` and ``window``.
        x: The axis.
        y: What is drawn.
        of: Where it was read.
        statistic: Over the runs of a group.
        window: Training episodes that each point averages over.
        title: Above the picture; default: the environment, where there is only one.
    """
    figure = Figure(figsize=(8, 4.8), dpi=120, layout="constrained")
    panel = figure.subplots()
    colours = LINES if len(groups) <= len(LINES) else MORE_LINES
    ends, drawn = [], []
    for k, (label, runs) in enumerate(groups.items()):
        grid, values = on_grid(runs)
        middle, (low, high) = STATISTICS[statistic](values), band(values, statistic)
        style: dict[str, Any] = {"color": colours[k % len(colours)]}
        style["linestyle"] = ("-", "--", ":", "-.")[k // len(colours) % 4]
        counted = f"{label} ({len(runs)} run{'s' if len(runs) > 1 else ''})"
        panel.plot(grid, middle, label=counted, marker="o" if len(grid) < 3 else None, **style)
        if len(runs) > 1:
            panel.fill_between(grid, low, high, color=style["color"], alpha=0.2, linewidth=0)
        ends.append(grid[-1])
        drawn += [*middle, np.quantile(low, 0.05), np.quantile(high, 0.95)]  # not the band's first jumps
    env_id, references = _environment(groups)
    for name, value in references.items() if y == "return" else ():
        label, dashes = REFERENCES[name]
        style = {"color": "#555555", "linewidth": 1.2, "linestyle": dashes, "zorder": 1}
        panel.axhline(value, label=f"{label}, {value:.3g}", **style)
        drawn.append(value)
    bottom, top = min(drawn), max(drawn)
    if y == "length" and top > 30 * bottom > 0:
        panel.set_yscale("log")
    elif y == "success":
        panel.set_ylim(-0.04, 1.04)
    elif bottom < top:
        panel.set_ylim(bottom - 0.06 * (top - bottom), top + 0.06 * (top - bottom))
    smoothed = f"average of {window} episodes" if of == "training" else "greedy evaluations"
    panel.set(xlabel=XLABELS[x], ylabel=f"{YLABELS[y]}, {smoothed}", xlim=(0, 1.02 * max(ends)))
    panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    panel.grid(alpha=0.3)
    several = max(map(len, groups.values())) > 1
    about = f"{NAMES[statistic]} over runs, band: 95 % bootstrap interval" if several else ""
    panel.set_title(about, fontsize=9, loc="right", color="#555555")
    figure.suptitle(title or env_id or "", fontsize=12)
    figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def on_grid(runs: Sequence[RunCurve]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points from where each of R runs has a value to the last one's end, (P,), and the runs' values there, (R, P)."""
    first, last = max(run.x[0] for run in runs), max(run.x[-1] for run in runs)
    grid = np.linspace(first, max(first, last), POINTS)
    if all(len(run.x) == len(runs[0].x) and (run.x == runs[0].x).all() for run in runs) and len(runs[0].x) < POINTS:
        grid = runs[0].x
    return grid, np.array([np.interp(grid, run.x, run.y) for run in runs])


def _environment(groups: Mapping[str, Sequence[RunCurve]]) -> tuple[str | None, dict[str, float]]:
    """The environment of all runs that name one, if it is the same, and the returns that it knows of."""
    from lstm_rl.make import make_env

    prefix = "env_kwargs."
    named = [run.settings for runs in groups.values() for run in runs if run.settings]
    ids = {settings["env"] for settings in named}
    told = [{name: value for name, value in settings.items() if name.startswith(prefix)} for settings in named]
    if len(ids) != 1:
        return None, {}
    (env_id,) = ids
    if any(each != told[0] for each in told):
        return env_id, {}
    arguments = {name.removeprefix(prefix): value for name, value in told[0].items()}
    full = ", ".join([env_id, *(f"{name}={value}" for name, value in arguments.items())])
    try:
        world = getattr(make_env(env_id, arguments).unwrapped, "world", None)
    except ValueError:  # an environment that is not installed here
        return full, {}
    known = {name: getattr(world, name, None) for name in REFERENCES}
    return full, {name: float(value) for name, value in known.items() if value is not None}
