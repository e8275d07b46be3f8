"""Pictures of the blues experiments."""

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from lstm_rl.diagnostics.figures import LINES

if TYPE_CHECKING:
    from pandas import DataFrame


def pictures(runs: "DataFrame") -> dict[str, Figure]:
    """Choruses before the first wrong chord, a mark per run: a line per row."""
    labels = list(runs["row"].unique())
    figure = Figure(figsize=(10, 1.6 + 0.4 * len(labels)), dpi=100, layout="constrained")
    panel = figure.subplots()
    within = runs.groupby("row").cumcount()
    places = runs["row"].map(labels.index) + 0.05 * (within - 4.5)
    good = runs["success"].astype(bool)
    for label, chosen, marker, color in (
        ("played to the end", good, "o", LINES[0]),
        ("a wrong chord after these", ~good, "x", LINES[1]),
    ):
        panel.scatter(runs[chosen]["right"], places[chosen], marker=marker, color=color, s=24, label=label)
    panel.set_yticks(range(len(labels)), labels)
    panel.set_ylim(len(labels) - 0.5, -0.5)
    panel.set_xscale("symlog", linthresh=1.0)
    panel.set_xlim(left=-0.2)
    panel.set(xlabel="choruses with all chords right")
    panel.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return {"choruses": figure}
