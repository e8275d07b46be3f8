"""Pictures of studies."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, NullFormatter, ScalarFormatter

from lstm_rl.diagnostics.figures import LINES
from lstm_rl.studies.engine import Row
from lstm_rl.studies.statistics import median_interval, success_interval

MARKERS = "osD^vP"


def against_length(cells: Mapping[tuple[str, int], Sequence[Row]], logarithmic: bool = False) -> Figure:
    """Share of successful runs and median steps to success against the corridor's length, with 95 % intervals.

    Args:
        cells: The runs of each (learner, corridor length).
        logarithmic: Whether lengths span orders of magnitude.
    """
    figure = Figure(figsize=(11, 4.5), dpi=100, layout="constrained")
    success, steps = figure.subplots(1, 2)
    learners = list(dict.fromkeys(learner for learner, _ in cells))
    for k, learner in enumerate(learners):
        style = {"color": LINES[k % len(LINES)], "marker": MARKERS[k % len(MARKERS)], "capsize": 3, "linewidth": 1.4}
        lengths = [length for name, length in cells if name == learner]
        shift = 1.0 + (k - (len(learners) - 1) / 2) * 0.012  # intervals beside each other
        runs = [cells[learner, length] for length in lengths]
        counts = [sum(run["success"] for run in of) for of in runs]
        share = np.array([count / len(of) for count, of in zip(counts, runs, strict=True)])
        limits = np.array([success_interval(count, len(of)) for count, of in zip(counts, runs, strict=True)])
        errors = np.abs(limits.T - share)  # (2, lengths): below and above
        success.errorbar(np.array(lengths) * shift, share * 100, errors * 100, label=learner, **style)
        reached = [
            (length, [run["steps"] for run in of if run["success"]]) for length, of in zip(lengths, runs, strict=True)
        ]
        reached = [(length, values) for length, values in reached if values]
        if not reached:
            continue
        medians = np.array([np.median(values) for _, values in reached])
        limits = np.array([median_interval(values) for _, values in reached])
        at = np.array([length for length, _ in reached]) * shift
        steps.errorbar(at, medians, np.abs(limits.T - medians), label=learner, **style)
    success.set(xlabel="length of the corridor N", ylabel="successful runs, %", ylim=(-4, 104))
    steps.set(xlabel="length of the corridor N", ylabel="steps to success, median", yscale="log")
    steps.yaxis.set_major_formatter(EngFormatter())
    every = sorted({length for _, length in cells})
    for panel in (success, steps):
        panel.grid(alpha=0.3)
        if logarithmic:
            panel.set_xscale("log")
            panel.xaxis.set_minor_formatter(NullFormatter())
            panel.xaxis.set_major_formatter(ScalarFormatter())
            panel.set_xticks(every)
    success.legend(frameon=False)
    return figure


def bars(names: Sequence[str], shares: Mapping[str, Sequence[float]]) -> Figure:
    """Horizontal bars: share of successful runs (0 .. 1) per name, one bar for each group."""
    figure = Figure(figsize=(10, 0.42 * len(names) + 1.2), dpi=100, layout="constrained")
    panel = figure.subplots()
    height = 0.8 / len(shares)
    for k, (group, values) in enumerate(shares.items()):
        at = np.arange(len(names)) + (k - (len(shares) - 1) / 2) * height
        panel.barh(at, np.array(values) * 100, height * 0.9, label=group, color=LINES[k % len(LINES)])
    panel.set_yticks(range(len(names)), names)
    panel.invert_yaxis()
    panel.set(xlabel="successful runs, %", xlim=(0, 100))
    panel.grid(axis="x", alpha=0.3)
    panel.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def success_matrix(shares: Mapping[tuple[str, int], float], axis: str, title: str) -> Figure:
    """Share of successful runs (0 .. 1) of each (name, number) as a coloured table: a row per name.

    Args:
        shares: Of each pair; all names have all numbers.
        axis: What the numbers are.
        title: What the shares are.
    """
    names, numbers = list(dict.fromkeys(name for name, _ in shares)), sorted({number for _, number in shares})
    values = np.array([[shares[name, number] for number in numbers] for name in names]) * 100
    figure = Figure(figsize=(3.4 + 0.8 * len(numbers), 1.2 + 0.38 * len(names)), dpi=100, layout="constrained")
    panel = figure.subplots()
    panel.imshow(values, cmap="viridis", vmin=0, vmax=100, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        panel.text(column, row, f"{value:.0f}", ha="center", va="center", color="black" if value > 60 else "white")
    panel.set_xticks(range(len(numbers)), [str(number) for number in numbers])
    panel.set_yticks(range(len(names)), names)
    panel.set(xlabel=axis, title=title)
    return figure


def balance(rows: Sequence[Row], limit: int) -> Figure:
    """Steps that each run's kept weights balance the pole in each mode, against the steps at which they were found."""
    figure = Figure(figsize=(8, 5), dpi=100, layout="constrained")
    panel = figure.subplots()
    for k, learner in enumerate(dict.fromkeys(row["learner"] for row in rows)):
        for mode, marker, face in (("a", "o", LINES[k]), ("b", "s", "none")):
            points = [(row["best_at"], row[f"mean_{mode}"]) for row in rows if row["learner"] == learner]
            points = [(at, steps) for at, steps in points if steps is not None]
            at, steps = np.array(points).T if points else (np.empty(0), np.empty(0))
            label = f"{learner}, mode {mode.upper()}"
            panel.scatter(at, steps, s=50, marker=marker, facecolors=face, edgecolors=LINES[k], label=label)
    panel.axhline(limit, color="black", linewidth=0.8, linestyle="--")
    panel.set(xlabel="training steps", ylabel="steps balanced, mean of fresh starts", yscale="log")
    panel.set_xlim(left=0)
    panel.set_ylim(10, limit * 2)
    panel.xaxis.set_major_formatter(EngFormatter())
    panel.yaxis.set_major_formatter(EngFormatter())
    panel.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    return figure


def curves(groups: Mapping[str, Sequence[Sequence[Sequence[float]]]], title: str) -> Figure:
    """Success while training against steps (left) and seconds (right), a thin line per run.

    Args:
        groups: By name, runs of points (steps, seconds, share of right turns).
        title: Above both.
    """
    figure = Figure(figsize=(11, 5), dpi=100, layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for k, (name, runs) in enumerate(groups.items()):
        for number, run in enumerate(runs):
            points = np.array(run)
            for panel, at in zip(panels, points.T[:2], strict=True):
                label, color, share = name if number == 0 else None, LINES[k % len(LINES)], points[:, 2] * 100
                panel.plot(np.maximum(at, 1e-2), share, color=color, label=label, alpha=0.85)
                panel.plot(max(at[-1], 1e-2), share[-1], color=color, marker=MARKERS[k])
    for panel, name in zip(panels, ("environment steps", "seconds of training on one core"), strict=True):
        panel.set(xlabel=name, xscale="log", ylim=(-3, 103))
        panel.xaxis.set_major_formatter(EngFormatter())
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("right turns of the last 100 episodes, %")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle(title)
    return figure
