"""The tables of 1997, published beside ours, as Markdown, CSV and a picture."""

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lstm_rl.studies.engine import Row
from lstm_rl.studies.statistics import steps_text, success_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEY = ("suite", "settings", "network", "units", "gradient", "alpha")
HEAD = (
    "task",
    "settings",
    "method",
    "rate",
    "published success",
    "published sequences",
    "published wrong",
    "success",
    "sequences",
    "wrong",
    "ratio of sequences",
    "runs (seeds)",
    "steps",
)


def lines(rows: Sequence[Row], whole: bool = False) -> list[tuple[str, ...]]:
    """A line of `HEAD` for each row of the published tables that was run, then for all others.

    Args:
        rows: Runs of any suites of 1997.
        whole: Show published rows that nobody has run, too.
    """
    from lstm_rl.suites.hs1997 import CASES
    from lstm_rl.tasks.names import make_task

    cells: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        cells.setdefault(tuple(row[name] for name in KEY), []).append(row)
    found = []
    for case in CASES:
        alpha = make_task(case.suite, **case.task_settings).protocol.alpha if case.alpha is None else case.alpha
        runs = cells.pop((case.suite, case.settings or None, case.network, case.units, case.gradient, alpha), [])
        if runs or whole:
            published = (case.success, _count(case.sequences), _fraction(case.wrong))
            found.append(
                (case.suite, case.settings, case.label, f"{alpha:g}", *published, *_ours(runs, case.sequences))
            )
    for (suite, settings, network, units, gradient, alpha), runs in cells.items():
        method = " ".join(str(part) for part in (network, units, gradient) if part is not None)
        found.append((suite, settings or "", method, f"{alpha:g}", "", "", "", *_ours(runs, None)))
    return found


def markdown(rows: Sequence[Row], whole: bool = False) -> str:
    """The lines as a Markdown table."""
    parts = [HEAD, ("---",) * len(HEAD), *lines(rows, whole)]
    return "\n".join(f"| {' | '.join(line)} |" for line in parts)


def comma_separated(rows: Sequence[Row], whole: bool = False) -> str:
    """The lines as CSV."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([HEAD, *lines(rows, whole)])
    return file.getvalue().rstrip()


def _ours(runs: Sequence[Row], published: float | None) -> tuple[str, ...]:
    if not runs:
        return ("",) * 6
    good = [row for row in runs if row["success"]]
    sequences = [row["sequences"] for row in good]
    mean = sum(sequences) / len(good) if good else 0.0
    tested = [row["wrong"] / row["tested"] for row in good if row["mean_error"] is not None]
    seeds, steps = sorted(row["seed"] for row in runs), sum(row["steps"] for row in runs)
    return (
        success_text(len(good), len(runs)),
        f"{_count(mean)} ({_count(min(sequences))} - {_count(max(sequences))})" if good else "-",
        _fraction(sum(tested) / len(tested)) if tested else "-",
        f"{mean / published:.2g}" if good and published else "",
        f"{len(runs)} ({seeds[0]} - {seeds[-1]})",
        steps_text(steps),
    )


def _count(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _fraction(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


def figures(rows: Sequence[Row]) -> dict[str, "Figure"]:
    """Sequences to the criterion: each run a dot, failures at the right, published means as bars."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    from lstm_rl.suites.hs1997 import CASES

    cells: dict[str, list[Row]] = {}
    published: dict[str, float | None] = {}
    known = {
        (case.suite, case.settings or None, case.network, case.units, case.gradient, case.alpha): case for case in CASES
    }
    for row in sorted(rows, key=lambda row: [str(row[name]) for name in KEY]):
        key = tuple(row[name] for name in KEY)
        case = known.get(key) or known.get((*key[:-1], None))
        method = case.label if case else " ".join(str(row[name]) for name in KEY[2:5] if row[name] is not None)
        name = f"{row['suite'].removeprefix('hs1997-')} {row['settings'] or ''}\n{method}, rate {row['alpha']:g}"
        cells.setdefault(name, []).append(row)
        published[name] = case.sequences if case else None
    figure = Figure(figsize=(9, 1.2 + 0.5 * len(cells)), dpi=100, layout="constrained")
    panel = figure.subplots()
    for line, (name, runs) in enumerate(cells.items()):
        for good, color, marker, label in (
            (True, "C0", "o", "a run"),
            (False, "C3", "x", "budget of a run that failed"),
        ):
            at = [row["sequences"] for row in runs if row["success"] is good]
            shown = label if line == 0 else None
            panel.scatter(at, [line] * len(at), alpha=0.6, color=color, marker=marker, label=shown)
        mean = published[name]
        if mean is not None:
            panel.plot([mean] * 2, [line - 0.35, line + 0.35], color="black", linewidth=2)
    panel.plot([], [], color="black", linewidth=2, label="published mean")
    panel.set_yticks(range(len(cells)), list(cells))
    panel.invert_yaxis()
    panel.set(xscale="log", xlabel="training sequences")
    panel.xaxis.set_major_formatter(EngFormatter())
    panel.grid(alpha=0.3, axis="x")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return {"sequences": figure}
