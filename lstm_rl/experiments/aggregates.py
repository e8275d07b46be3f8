"""What runs on many tasks come to together: interquartile means of returns on a common scale.

On that scale the best return without memory is 0 and the optimum 1; tasks of which either is not known are left out.
A value below 0 is worse than a memoryless policy can be; none is cut off, since the interquartile mean leaves out the
lowest quarter of runs anyway.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.experiments.protocols.memory_tasks import METHODS, OURS, PEERS, normalised
from lstm_rl.experiments.report import markdown
from lstm_rl.intervals import interquartile_interval, interquartile_mean

if TYPE_CHECKING:
    from pandas import DataFrame

STEPS, SECONDS = 0, 1
"""Where they stand in a point of a curve."""


def known(runs: "DataFrame") -> "DataFrame":
    """The runs on tasks of which the optimum and the best return without memory are known."""
    return runs[runs["normalised"].notna()]


def by_task(runs: "DataFrame", method: str) -> dict[str, list[float]]:
    """Normalised scores of a method's runs on each task whose scale is known."""
    own = known(runs[runs["method"] == method])
    return {str(task): [float(value) for value in scores] for task, scores in own.groupby("task")["normalised"]}


def reached(run: Any, at: float, axis: int = STEPS) -> float:
    """The normalised return of a run's last point before it had more than ``at`` steps or seconds, else its first."""
    points = [run.curve[0], *(point for point in run.curve if point[axis] <= at)]
    value = normalised(points[-1][2], run.memoryless, run.optimal)
    assert value is not None
    return value


def at_equal_steps(runs: "DataFrame", method: str, other: str) -> dict[str, list[float]]:
    """Normalised returns of a method on another's tasks after the steps, in the median, that the other was given."""
    tasks = known(runs[runs["method"] == other]).groupby("task")["steps"].median()
    own = runs[runs["method"] == method]
    return {
        str(task): [reached(run, steps) for run in own[own["task"] == task].itertuples()]
        for task, steps in tasks.items()
        if (own["task"] == task).any()
    }


def aggregate_text(scores: dict[str, list[float]]) -> str:
    """The interquartile mean of all runs with its interval, for a table; a dash if there is nothing."""
    if not scores:
        return "-"
    low, high = interquartile_interval(list(scores.values()))
    return f"{interquartile_mean(np.concatenate(list(scores.values()))):z.2f} ({low:z.2f} to {high:z.2f})"


def summary(runs: "DataFrame") -> str:
    """A Markdown table with a line per method: its aggregate, and on its tasks ours, also after no more steps."""
    from pandas import DataFrame

    ours, lines = by_task(runs, OURS), []
    for method in present(runs):
        scores = by_task(runs, method)
        own = {task: values for task, values in ours.items() if task in scores} if method in PEERS else {}
        line = {"method": method, "tasks": str(len(scores)), "runs": str(sum(map(len, scores.values())))}
        line |= {"all its tasks": aggregate_text(scores), "ours on these": aggregate_text(own)}
        after = at_equal_steps(runs, OURS, method) if method in PEERS else {}
        lines.append(line | {"ours on these after as many steps": aggregate_text(after)})
    left_out = sorted(runs[runs["normalised"].isna()]["task"].unique())
    said = f" Left out, since one of the two is not known: {', '.join(left_out)}." if left_out else ""
    return (
        "Together: interquartile means of all runs, on a scale on which the best return without memory is 0 and the "
        f"optimum 1; in brackets 95 % intervals (bootstrap within tasks).{said}\n\n{markdown(DataFrame(lines))}"
    )


def present(runs: "DataFrame") -> list[str]:
    """The methods that have runs, in the order of the table."""
    return [method for method in METHODS if (runs["method"] == method).any()]


def aggregate_curve(
    runs: "DataFrame", method: str, tasks: Sequence[str], axis: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Interquartile means (P,) of a method's runs on some tasks, on the way.

    Returns:
        The steps or seconds (P,) of all points that every run reached, and the means there.
    """
    own = runs[(runs["method"] == method) & runs["task"].isin(tasks)]
    curves = [np.array(curve) for curve in own["curve"]]
    end = min(curve[-1, axis] for curve in curves)
    at = np.unique([point for curve in curves for point in curve[:, axis] if point <= end])
    means = [interquartile_mean(reached(run, value, axis) for run in own.itertuples()) for value in at]
    return at, np.array(means)
