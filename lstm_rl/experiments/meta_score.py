"""What runs of networks that learn within a sequence come to: cells of their tables."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lstm_rl.experiments.statistics import returns_text, steps_text, successes

if TYPE_CHECKING:
    from pandas import DataFrame

SHOWN = (10, 30, 64)
"""Examples whose errors are in the table."""


def score(runs: "DataFrame", _: Mapping[str, Any]) -> dict[str, Any]:
    """Who learned, after how many examples, with what error."""
    learned, cells = runs["learned"].dropna(), {"success": successes(runs)[1]}
    never = f", {len(runs) - len(learned)} never" if len(learned) < len(runs) else ""
    cells["learned after"] = f"{learned.median():g}{never}" if len(learned) else "never"
    for j in SHOWN:
        cells[f"error at {j}"] = f"{runs['errors'].map(lambda errors, j=j: errors[j - 1]).median():.2g}"
    again, noisy = runs["right_again"].dropna(), runs["ratio"].dropna()
    cells["over least squares"] = f"{noisy.median():.2g}" if len(noisy) else ""
    cells["right again"] = percent(again.min()) if len(again) else ""
    cells["weights"] = f"{runs['weights'].iloc[0]:,}"
    cells["functions"] = f"{runs['functions'].median():,.0f}"
    return cells | {"CPU seconds": f"{runs['seconds'].median():.3g}"}


def percent(share: float) -> str:
    """A share that is 100 % only if it is 1."""
    return "100 %" if share == 1.0 else f"{min(100 * share, 99.99):.2f} %"


def self_score(runs: "DataFrame", published: Mapping[str, Any]) -> dict[str, Any]:
    """The same for networks that may change their weights, and what is left when they may not."""
    cells = score(runs, published)
    del cells["over least squares"]
    stopped = runs.get("stopped right_again")
    if stopped is not None and stopped.notna().any():
        cells["right again, stopped"] = percent(stopped.max())
    return cells


def policy_score(runs: "DataFrame", _: Mapping[str, Any]) -> dict[str, Any]:
    """Returns after training and before, and what the world tells of them."""
    known = {"optimum": runs["optimal"].iloc[0], "best without memory": runs["memoryless"].iloc[0]}
    cells = {"return": returns_text(runs["score"]), "untrained": returns_text(runs["untrained"])}
    cells |= {name: "not known" if value is None or value != value else f"{value:.3g}" for name, value in known.items()}
    return cells | {"steps": steps_text(runs["steps"].median()), "CPU seconds": f"{runs['seconds'].median():.3g}"}
