"""Pictures of experiments, each from the runs as a table with a line per run."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, NullFormatter, ScalarFormatter

from lstm_rl.diagnostics.figures import LINES
from lstm_rl.intervals import median_interval, success_interval

if TYPE_CHECKING:
    from pandas import DataFrame

MARKERS = "osD^vP"


def against_length(runs: "DataFrame", logarithmic: bool = False) -> dict[str, Figure]:
    """Share of successful runs and median steps to success against the corridor's length, with 95 % intervals.

    Args:
        runs: With learner, corridor_length, success and steps.
        logarithmic: Whether lengths span orders of magnitude.
    """
    figure = Figure(figsize=(11, 4.5), dpi=100, layout="constrained")
    success, steps = figure.subplots(1, 2)
    learners = list(runs["learner"].unique())
    for k, learner in enumerate(learners):
        style: dict[str, Any] = {"color": LINES[k % len(LINES)], "marker": MARKERS[k % len(MARKERS)], "capsize": 3}
        style |= {"linewidth": 1.4, "label": learner}
        shift = 1.0 + (k - (len(learners) - 1) / 2) * 0.012  # intervals beside each other
        of_learner = runs[runs["learner"] == learner]
        counts = of_learner.groupby("corridor_length")["success"].agg(["sum", "count"])
        share = counts["sum"] / counts["count"] * 100
        limits = np.array([success_interval(good, count) for good, count in counts.itertuples(index=False)]) * 100
        success.errorbar(counts.index * shift, share, np.abs(limits.T - share.to_numpy()), **style)
        reached = of_learner[of_learner["success"]].groupby("corridor_length")["steps"]
        if len(reached):
            medians = reached.median()
            limits = np.array([median_interval(values) for _, values in reached])
            steps.errorbar(medians.index * shift, medians, np.abs(limits.T - medians.to_numpy()), **style)
    success.set(xlabel="length of the corridor N", ylabel="successful runs, %", ylim=(-4, 104))
    steps.set(xlabel="length of the corridor N", ylabel="steps to success, median", yscale="log")
    steps.yaxis.set_major_formatter(EngFormatter())
    for panel in (success, steps):
        panel.grid(alpha=0.3)
        if logarithmic:
            panel.set_xscale("log")
            panel.xaxis.set_minor_formatter(NullFormatter())
            panel.xaxis.set_major_formatter(ScalarFormatter())
            panel.set_xticks(sorted(runs["corridor_length"].unique()))
    success.legend(frameon=False)
    return {"success_and_steps": figure}


def success_bars(runs: "DataFrame") -> dict[str, Figure]:
    """Share of successful runs of each row's label as horizontal bars, one for each corridor length."""
    labels = runs["row"].str.replace(", N = .*", "", regex=True)
    shares = runs.groupby([labels, "corridor_length"], sort=False)["success"].mean().unstack() * 100
    figure = Figure(figsize=(10, 0.42 * len(shares) + 1.2), dpi=100, layout="constrained")
    panel = figure.subplots()
    height = 0.8 / len(shares.columns)
    for k, (length, values) in enumerate(shares.items()):
        at = np.arange(len(values)) + (k - (len(shares.columns) - 1) / 2) * height
        panel.barh(at, values, height * 0.9, label=f"N = {length}", color=LINES[k % len(LINES)])
    panel.set_yticks(range(len(shares)), list(shares.index))
    panel.invert_yaxis()
    panel.set(xlabel="successful runs, %", xlim=(0, 100))
    panel.grid(axis="x", alpha=0.3)
    panel.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return {"success": figure}


def success_matrix(runs: "DataFrame", column: str, axis: str) -> dict[str, Figure]:
    """Share of successful runs as a coloured table: a line per label, a column per value of a setting.

    Args:
        runs: With success and that setting.
        column: The setting; a row is called as its label, a comma and something about the setting.
        axis: What the setting is.
    """
    labels = runs["row"].str.rpartition(", ")[0]
    shares = runs.groupby([labels, column], sort=False)["success"].mean().unstack() * 100
    shares = shares[sorted(shares.columns)]
    figure = Figure(figsize=(3.4 + 0.8 * shares.shape[1], 1.2 + 0.38 * len(shares)), dpi=100, layout="constrained")
    panel = figure.subplots()
    panel.imshow(shares, cmap="viridis", vmin=0, vmax=100, aspect="auto")
    for (row, number), value in np.ndenumerate(shares.to_numpy()):
        if np.isfinite(value):
            panel.text(number, row, f"{value:.0f}", ha="center", va="center", color="black" if value > 60 else "white")
    panel.set_xticks(range(shares.shape[1]), [str(number) for number in shares.columns])
    panel.set_yticks(range(len(shares)), list(shares.index))
    panel.set(xlabel=axis, title="successful runs, %")
    return {"success": figure}


def balance(runs: "DataFrame", limit: int) -> dict[str, Figure]:
    """Steps that each run's kept weights balance the pole in each mode, against the steps at which they were found."""
    figure = Figure(figsize=(8, 5), dpi=100, layout="constrained")
    panel = figure.subplots()
    for k, (row, own) in enumerate(runs.groupby("row", sort=False)):
        for mode, marker, face in (("a", "o", LINES[k]), ("b", "s", "none")):
            known = own[own[f"mean_{mode}"].notna()]
            style: dict[str, Any] = {"marker": marker, "facecolors": face, "edgecolors": LINES[k], "s": 50}
            panel.scatter(known["best_at"], known[f"mean_{mode}"], label=f"{row}, mode {mode.upper()}", **style)
    panel.axhline(limit, color="black", linewidth=0.8, linestyle="--")
    panel.set(xlabel="training steps", ylabel="steps balanced, mean of fresh starts", yscale="log")
    panel.set_xlim(left=0)
    panel.set_ylim(10, limit * 2)
    panel.xaxis.set_major_formatter(EngFormatter())
    panel.yaxis.set_major_formatter(EngFormatter())
    panel.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return {"balance": figure}


def curves_by_length(runs: "DataFrame") -> dict[str, Figure]:
    """Success while training against steps (left) and seconds (right), a thin line per run, a picture per length."""
    figures = {}
    for length, of_length in runs.groupby("corridor_length"):
        figure = Figure(figsize=(11, 5), dpi=100, layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for k, (name, own) in enumerate(of_length.groupby("name", sort=False)):
            for number, curve in enumerate(own["curve"]):
                points = np.array(curve)  # steps, seconds, share of right turns
                for panel, at in zip(panels, points.T[:2], strict=True):
                    label, color, share = name if number == 0 else None, LINES[k % len(LINES)], points[:, 2] * 100
                    panel.plot(np.maximum(at, 1e-2), share, color=color, label=label, alpha=0.85)
                    panel.plot(max(at[-1], 1e-2), share[-1], color=color, marker=MARKERS[k])
        for panel, xlabel in zip(panels, ("environment steps", "seconds of training on one core"), strict=True):
            panel.set(xlabel=xlabel, xscale="log", ylim=(-3, 103))
            panel.xaxis.set_major_formatter(EngFormatter())
            panel.grid(alpha=0.3)
        panels[0].set_ylabel("right turns of the last 100 episodes, %")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
        figure.suptitle(f"noisy T-maze, N = {length}")
        figures[f"curves_{length}"] = figure
    return figures


def run_marks(
    runs: "DataFrame",
    xlabel: str = "sequences or blocks, a mark per run",
    published: Mapping[str, float] | None = None,
    extra: tuple[str, str] | None = None,
) -> dict[str, Figure]:
    """Each run's sequences to success, or the budget of one that failed: a line per row, a mark per run.

    Args:
        runs: With success and sequences.
        xlabel: What is counted.
        published: Published means by row, drawn as bars.
        extra: A further column that is drawn as squares, and what it is.
    """
    labels = list(runs["row"].unique())
    within = runs.groupby("row").cumcount() + 0.5
    places = runs["row"].map(labels.index) + 0.5 * (within / runs.groupby("row")["row"].transform("size") - 0.5)
    figure = Figure(figsize=(10, 1.6 + 0.4 * len(labels)), dpi=100, layout="constrained")
    panel = figure.subplots()
    good = runs["success"]
    kinds: list[tuple[str, Any, str, dict[str, Any]]] = [
        ("success", good, "sequences", {"color": LINES[0], "marker": "o"}),
        ("budget of a run that failed", ~good, "sequences", {"color": LINES[1], "marker": "x"}),
    ]
    if extra:
        squares = {"edgecolors": LINES[2], "facecolors": "none", "marker": "s"}
        kinds.append((extra[1], runs[extra[0]].notna(), extra[0], squares))
    for label, chosen, column, style in kinds:
        panel.scatter(runs[chosen][column].clip(lower=1), places[chosen], s=24, label=label, **style)
    known = [(label, value) for label, value in (published or {}).items() if label in labels]
    for label, value in known:
        line = labels.index(label)
        panel.plot([value] * 2, [line - 0.4, line + 0.4], color="black", linewidth=2)
    if known:
        panel.plot([], [], color="black", linewidth=2, label="published mean")
    panel.set_yticks(range(len(labels)), labels)
    panel.set_ylim(len(labels) - 0.5, -0.5)
    panel.set(xlabel=xlabel, xscale="log")
    panel.xaxis.set_major_formatter(EngFormatter())
    panel.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return {"sequences": figure}
