"""The tables of 1997, published beside ours, as Markdown, CSV and a picture."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from lstm_rl.studies.engine import Row
from lstm_rl.studies.statistics import steps_text, success_text
from lstm_rl.suites.case import Case, Run, loss_name
from lstm_rl.suites.hs1997_cases import CASES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEY = tuple(field.name for field in fields(Run) if field.name not in ("max_sequences", "seed"))
"""What tells a row from others; it holds runs of any budget."""
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
    "first: published; ours",
)


def cells(rows: Sequence[Row], whole: bool = False) -> list[tuple[Case, float, list[Row]]]:
    """Runs by the row of the published tables that they belong to, in its order, then all others by what was chosen.

    Args:
        rows: Runs of any suites of 1997.
        whole: Include published rows that nobody has run.

    Returns:
        Published row (or one without published figures), learning rate, runs.
    """
    runs: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        runs.setdefault(tuple(row[name] for name in KEY), []).append(row)
    found = []
    for case in CASES:
        known = asdict(case.run(0)) | {"settings": case.settings or None}  # as it is read
        own = runs.pop(tuple(known[name] for name in KEY), [])
        if own or whole:
            found.append((case, known["alpha"], own))
    for (suite, settings, network, units, span, gradient, alpha, descent, decay, loss, average), own in runs.items():
        parts = (
            *(network, units, span and f"±{span:g}"),
            *(gradient, descent, decay, loss_name(loss), average and f"averaged over {average:,}"),
        )
        label = " ".join(str(part) for part in parts if part not in (None, "plain", "squared"))
        found.append((Case(suite, settings or "", label, success=""), alpha, own))
    return found


def lines(rows: Sequence[Row], whole: bool = False) -> list[tuple[str, ...]]:
    """A line of `HEAD` for each of the `cells`."""
    return [
        (
            *(case.suite, case.settings, case.label, f"{alpha:g}" if alpha else "-"),
            *(case.success, _count(case.sequences), _fraction(case.wrong)),
            *_ours(runs, case.sequences),
            _first(runs, case),
        )
        for case, alpha, runs in cells(rows, whole)
    ]


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


def _first(runs: Sequence[Row], case: Case) -> str:
    """Sequences to the first of two criteria."""
    if len(case.task.protocol.criteria) < 2:
        return ""
    first = [row["first"] for row in runs if row["first"] is not None]
    return f"{_count(case.first) or '-'}; {_count(sum(first) / len(first)) if first else '-'}"


def _count(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _fraction(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


def figures(rows: Sequence[Row]) -> dict[str, "Figure"]:
    """Sequences to the criterion: a dot per run, a cross at the budget of one that failed, a bar where published."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    shown = cells(rows)
    figure = Figure(figsize=(9, 1.4 + 0.5 * len(shown)), dpi=100, layout="constrained")
    panel = figure.subplots()
    for success, color, marker, label in (
        (True, "C0", "o", "a run"),
        (False, "C3", "x", "budget of a run that failed"),
    ):
        points = [
            (row["sequences"], line + 0.5 * ((n + 0.5) / len(runs) - 0.5))  # runs below each other
            for line, (_, _, runs) in enumerate(shown)
            for n, row in enumerate(runs)
            if row["success"] is success
        ]
        panel.scatter([x for x, _ in points], [y for _, y in points], s=20, color=color, marker=marker, label=label)
    for line, (case, _, _) in enumerate(shown):
        if case.sequences is not None:
            panel.plot([case.sequences] * 2, [line - 0.4, line + 0.4], color="black", linewidth=2)
    panel.plot([], [], color="black", linewidth=2, label="published mean")
    names = [f"{case.suite.removeprefix('hs1997-')} {case.settings}" for case, _, _ in shown]
    rates = [f", rate {alpha:g}" if alpha else "" for _, alpha, _ in shown]
    labels = [f"{name}\n{case.label}{rate}" for name, rate, (case, _, _) in zip(names, rates, shown, strict=True)]
    panel.set_yticks(range(len(shown)), labels)
    panel.set_ylim(len(shown) - 0.5, -0.5)
    panel.set(xscale="log", xlabel="training sequences; of guessing, trials")
    panel.xaxis.set_major_formatter(EngFormatter())
    panel.grid(alpha=0.3, axis="x")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return {"sequences": figure}
