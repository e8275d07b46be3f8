"""What runs of many seeds came to together: summary.json, learning_curves.png and a table for people.

The numbers are those of each run's final evaluation; runs that failed are counted and left out.
"""

import json
import math
import shlex
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lstm_rl.atomic import atomic_write
from lstm_rl.diagnostics.monitor import read_evaluations
from lstm_rl.intervals import interquartile_interval, interquartile_mean, median_interval
from lstm_rl.seeds import SeedRun
from lstm_rl.settings import Settings

MEASURES = {"return": "mean_reward", "success rate": "success_rate", "length": "mean_ep_length"}
"""Names in evaluations, and in summary.json."""

Summary = dict[str, Any]


def write_summary(group: Path, settings: Settings, runs: Sequence[SeedRun]) -> Summary:
    """Write summary.json and learning_curves.png into the folder of the runs.

    Returns:
        What summary.json holds: ``settings``; ``runs``, one after the other; and for each measure its ``median`` and
        ``interquartile_mean`` over the seeds that were done with 95 % bootstrap intervals.
    """
    from lstm_rl import __version__

    told = [_told(run) for run in runs]
    summary = {"version": __version__, "settings": settings.recorded(), "runs": told}
    for name in (*MEASURES.values(), "solved_at"):
        found = [run[name] for run in told if run["error"] is None]
        values = [value for value in found if value is not None]
        if values:
            summary[name] = _statistics(values)
    with atomic_write(group / "summary.json") as part:
        part.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    if settings.pictures:
        _draw(group, [run.settings.folder for run in runs])
    return summary


def _told(run: SeedRun) -> dict[str, Any]:
    path, outcome = run.settings.folder / "evaluations.npz", run.outcome
    final = read_evaluations(path) if path.is_file() else {}
    values = {key: float(final[name][-1]) if name in final else None for name, key in MEASURES.items()}
    return {
        "seed": run.settings.seed,
        "folder": run.settings.folder.name,
        "error": run.error,
        **{key: value if value is not None and math.isfinite(value) else None for key, value in values.items()},
        "steps": outcome.steps if outcome else None,
        "seconds": outcome.seconds if outcome else None,
        "solved_at": outcome.solved_at if outcome else None,
        "best": outcome.best if outcome else None,
    }


def _statistics(values: Sequence[float]) -> dict[str, Any]:
    return {
        "runs": len(values),
        "median": float(np.median(values)),
        "median_interval": median_interval(values),
        "interquartile_mean": interquartile_mean(values),
        "interquartile_mean_interval": interquartile_interval([values]),
    }


def _draw(group: Path, folders: Sequence[Path]) -> None:
    from lstm_rl.diagnostics.figures import save
    from lstm_rl.diagnostics.group_curves import group_curves
    from lstm_rl.diagnostics.run_curves import read_curve

    curves = []
    for folder in folders:
        try:
            curves.append(read_curve(folder))
        except (OSError, ValueError) as error:  # such as: it failed before its first episode ended
            warnings.warn(f"learning_curves.png lacks a run: {error}", stacklevel=2)
    if curves:
        save(group_curves({group.name: curves}), group / "learning_curves.png")


def describe(group: Path, summary: Summary) -> str:
    """A table of the final evaluations, and what to do next, to copy."""
    runs, lines = summary["runs"], []
    failed = [run for run in runs if run["error"] is not None]
    names = {"mean_reward": "mean reward", "success_rate": "success rate", "solved_at": "steps to solve"}
    head = ("final evaluation", "median (95 % interval)", "interquartile mean (95 % interval)", "seeds")
    rows = [
        (said, _text(own, "median"), _text(own, "interquartile_mean"), f"{own['runs']} of {len(runs)}")
        for name, said in names.items()
        if (own := summary.get(name)) is not None
    ]
    if rows:
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        for row in (head, *rows):
            lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    lines += [f"{group / run['folder']} failed: {run['error']}" for run in failed]
    good = [run for run in runs if run["error"] is None]
    best = max(good, key=lambda run: (run["best"] or {}).get("mean_reward", -math.inf), default=None)
    folder = shlex.quote(str(group))
    following = [f"lstm-rl plot {folder}", f"tensorboard --logdir {folder}"]
    if best is not None:
        following.insert(0, f"lstm-rl evaluate {shlex.quote(str(group / best['folder']))}")
    lines.append(f"{group}: {len(good)} of {len(runs)} runs done; next: {' | '.join(following)}")
    return "\n".join(lines)


def _text(values: dict[str, Any], name: str) -> str:
    low, high = values[f"{name}_interval"]
    return f"{_number(values[name])} ({_number(low)} to {_number(high)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
