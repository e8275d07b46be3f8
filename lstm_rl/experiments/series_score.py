"""Experiments on time series (Gers, Eck & Schmidhuber 2001): protocol, score and picture."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from lstm_rl.diagnostics.figures import LINES
from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.protocols import series_run

if TYPE_CHECKING:
    from pandas import DataFrame

MACKEY_GLASS = """\
The Mackey-Glass equation with a delay of {tau}, sampled at a distance of 1: 3,000 values for training (or as many as a
row says), 1,000 for validation, 1,000 for the test. A network sees the present value alone, or x(t), x(t-6), x(t-12)
and x(t-18): a window. Direct: a network for each horizon; iterated: one for the next value, whose predictions are fed
back for 84 steps, from each value of the test part that has 84 after it, all before it true. NRMSE: root mean squared
error by the standard deviation of the targets, median of the runs (smallest - largest). Seconds: of training, on a core
that had other work, too."""
LASER = """\
Data set A of the Santa Fe competition, a chaotic laser: 900 values for training, 100 for validation, then the test.
NMSE: mean squared error by the variance of the targets, median of the runs (smallest - largest). Next value: of all
9,093 that follow, each from true values. Next 100: the first 100 of these together, from one free run, as in the
competition. A window is the last 16 values. Seconds: of training, on a core that had other work, too."""


def score(runs: "DataFrame", published: Mapping[str, Any], columns: Mapping[str, str], root: bool) -> dict[str, Any]:
    """Errors on the test part, by the names of their columns."""
    seeds = runs["seed"]
    found = {name: spread_text(runs[column] ** 0.5 if root else runs[column]) for column, name in columns.items()}
    return found | {
        "beats mean and last value": f"{runs['success'].sum()}/{len(runs)}",
        "seconds": f"{runs['seconds'].median():.3g}",
        "runs (seeds)": f"{len(runs)} ({seeds.min()} - {seeds.max()})",
    }


def spread_text(values: "Sequence[float] | Any") -> str:
    """Median, and the smallest and the largest in brackets, two digits each."""
    low, middle, high = (f"{value:.2g}" for value in np.quantile(np.asarray(values, float), (0.0, 0.5, 1.0)))
    return middle if low == high else f"{middle} ({low} - {high})"


def error_marks(runs: "DataFrame", columns: Mapping[str, str], root: bool) -> dict[str, Figure]:
    """Each run's errors: a line per row, a panel per horizon, a mark per run."""
    labels = list(runs["row"].unique())
    figure = Figure(figsize=(12, 1.6 + 0.32 * len(labels)), dpi=100, layout="constrained")
    panels = figure.subplots(1, len(columns), sharey=True)
    for k, (panel, (column, name)) in enumerate(zip(panels, columns.items(), strict=True)):
        panel.axvline(1.0, color="black", linewidth=0.8, linestyle="--")
        errors = runs[column] ** 0.5 if root else runs[column]
        panel.scatter(errors, runs["row"].map(labels.index), s=22, alpha=0.6, color=LINES[k % len(LINES)])
        panel.set(xlabel=name, xscale="log")
        panel.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(range(len(labels)), labels)
    panels[0].set_ylim(len(labels) - 0.5, -0.5)
    return {"errors": figure}


def mackey_glass_experiment(tau: int, rows: Sequence[Row]) -> Experiment:
    """The table of one delay."""
    columns = {f"nmse_{h}": f"NRMSE, t + {h}" for h in series_run.HORIZONS["mackey-glass"]}
    about = f"Mackey-Glass, delay {tau}: 1, 6 and 84 steps ahead, with one value per step and with windows"
    return _experiment(f"series-mackey-glass-{tau}", about, MACKEY_GLASS.format(tau=tau), rows, columns, True)


def laser_experiment(rows: Sequence[Row]) -> Experiment:
    """The table of the laser."""
    columns = {"nmse_1": "NMSE, next value", "nmse_100": "NMSE, next 100"}
    about = "Santa Fe laser: the next value and the next 100 (extra series)"
    return _experiment("series-laser", about, LASER, rows, columns, False)


def _experiment(
    name: str, about: str, protocol: str, rows: Sequence[Row], columns: Mapping[str, str], root: bool
) -> Experiment:
    scored, figures = partial(score, columns=columns, root=root), partial(error_marks, columns=columns, root=root)
    return Experiment(name, about, protocol, rows, series_run.run, scored, figures, series_run.check)
