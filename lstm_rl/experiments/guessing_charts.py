"""Pictures of random weight guessing."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.markers import CARETDOWN, CARETUP
from matplotlib.ticker import EngFormatter, NullFormatter, PercentFormatter

from lstm_rl.diagnostics.figures import LINES

if TYPE_CHECKING:
    from pandas import DataFrame

GREY = "#8c8c8c"


def guessing_charts(
    runs: "DataFrame", published: Mapping[str, float | None], others: Mapping[str, tuple[str, float]]
) -> dict[str, Figure]:
    """How many trials runs took, and what guessing saves against other algorithms.

    Args:
        runs: With case, success, trials and max_trials.
        published: Mean trials by case, None if there are none.
        others: Problem and trials by algorithm.
    """
    known = {case: math.nan if trials is None else trials for case, trials in published.items()}
    solved = runs[runs["success"]].groupby("case")["trials"]
    trials = {case: list(solved.get_group(case)) if case in solved.groups else [] for case in runs["case"].unique()}
    return {
        "trials": survival(trials, dict(runs["case"].value_counts()), known, int(runs["max_trials"].max())),
        "saved": saved(dict(solved.mean()), known, others),
    }


def survival(
    trials: Mapping[str, Sequence[int]], runs: Mapping[str, int], published: Mapping[str, float], budget: int
) -> Figure:
    """Share of runs without a solution against trials, parity left and the rest right, published means marked.

    Guessing has no memory, so that the curves are exponentials, and at their means 1 / e of the runs are unsolved: a
    published mean that is ours, too, lies on its curve there.

    Args:
        trials: Of the successful runs of each case.
        runs: Number of runs of each case.
        published: Mean trials, NaN if there is none.
        budget: Trials at which runs without success have ended.
    """
    figure = Figure(figsize=(11, 5.4), dpi=100, layout="constrained")
    for number, panel in enumerate(figure.subplots(1, 2, sharey=True)):
        cases = [case for case in trials if case.startswith("parity") == (number == 0)]
        for k, case in enumerate(cases):
            color, found = LINES[k % len(LINES)], np.sort(trials[case])
            at = np.concatenate([[1], found, [] if len(found) == runs[case] else [budget]])
            left = np.minimum(np.arange(len(at)), len(found))
            panel.plot(at, 1.0 - left / runs[case], color=color, drawstyle="steps-post", label=case, linewidth=1.6)
            if math.isfinite(published[case]):
                marker = (CARETDOWN, CARETUP)[k % 2]  # its tip is the point: two at one place are both seen
                panel.plot(published[case], 1.0 / math.e, color=color, marker=marker, markersize=13, zorder=3)
        panel.axhline(1.0 / math.e, color=GREY, linestyle="--", linewidth=0.9, zorder=0)
        panel.plot([], [], color=GREY, marker=CARETDOWN, markersize=11, linestyle="", label="published mean (tip)")
        panel.set(xscale="log", xlabel="trials", ylim=(-0.02, 1.02), title=("parity, 500 - 600 bits", "others")[number])
        panel.xaxis.set_major_formatter(EngFormatter())
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.yaxis.set_major_formatter(PercentFormatter(1.0))
        panel.grid(alpha=0.3)
        panel.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2)
        if number == 0:
            panel.set_ylabel("runs without a solution")
            panel.annotate(" 1 / e", (1.0, 1.0 / math.e), va="bottom", color=GREY)
    return figure


def saved(ours: Mapping[str, float], published: Mapping[str, float], others: Mapping[str, tuple[str, float]]) -> Figure:
    """Mean trials of published algorithms and of guessing on the same problems, as bars on a log axis.

    Args:
        ours: Mean trials of solved cases, whose names begin with their problem's.
        published: The same as published.
        others: Problem and trials by algorithm.
    """
    kinds = {"other algorithms, published": GREY, "guessing, published": LINES[4], "guessing, ours": LINES[0]}
    bars: list[tuple[str, str, float] | None] = []  # (name, kind, trials), None between problems
    for problem in dict.fromkeys(problem for problem, _ in others.values()):
        methods = [(name, trials) for name, (of, trials) in others.items() if of == problem]
        bars += [(f"{problem}: {name}", "other algorithms, published", trials) for name, trials in methods]
        for case in (case for case in published if case.startswith(problem)):
            bars.append((case, "guessing, published", published[case]))
            if case in ours:
                bars.append((case, "guessing, ours", ours[case]))
        bars.append(None)
    figure = Figure(figsize=(11, 0.27 * len(bars) + 1.0), dpi=100, layout="constrained")
    panel = figure.subplots()
    places, names = [], []
    for place, bar in enumerate(bars):
        if bar is None:
            continue
        name, kind, trials = bar
        panel.barh(place, trials, 0.8, color=kinds[kind])
        panel.text(trials * 1.08, place, f"{trials:,.0f}", va="center", fontsize=9)
        if kind != "guessing, ours":
            places.append(place + (0.5 if kind == "guessing, published" and name in ours else 0.0))
            names.append(name)
    for kind, color in kinds.items():
        panel.barh(0, 0, color=color, label=kind)
    panel.set_yticks(places, names)
    panel.tick_params(axis="y", length=0)
    panel.set(xscale="log", xlabel="trials to a solution, mean", ylim=(len(bars) - 1.4, -0.6))
    panel.set_xlim(1.0, 3e6)
    panel.xaxis.set_major_formatter(EngFormatter())
    panel.grid(axis="x", alpha=0.3)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False, loc="lower right")
    return figure
