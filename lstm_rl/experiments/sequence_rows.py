"""Rows about sequence tasks: as published, with our changes, and by the methods that other people compared with."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.protocols.sequence_run import Method, SequenceRun

LSTM = "LSTM"


def sequence_row(
    task: str, settings: str = "", name: str = LSTM, repeats: int = 1, method: Method | None = None, **published: Any
) -> Row:
    """A row as published, but for what ``method`` says; it is called "settings: name"."""
    run = SequenceRun(task=task, settings=settings, **(method.chosen() if method else {}))
    return Row(f"{settings}: {name}" if settings else name, run, published, repeats=repeats)


def and_ours(row: Row, settings: str | None = None, note: str = "", **changes: Any) -> tuple[Row, Row]:
    """A published row, and the same with what we do otherwise (docs/deviations.md), which its name says.

    Args:
        row: As published.
        settings: Of the task, if they are others.
        note: Is added to the name.
        changes: Fields of `Method`.
    """
    run = replace(row.settings, settings=row.settings.settings if settings is None else settings, **changes)
    parts = {
        "shortcuts": run.network == "shortcuts",
        f"initial ±{run.initial_range or 0.0:g}".replace("0.", "."): run.initial_range,
        "RMS-normalised": run.optimizer == "rmsprop",
        f"error^{run.loss:g}" if isinstance(run.loss, int | float) else str(run.loss): run.loss,
        "target at the end alone": settings,
        "averaged": run.average,
        "forget biases 1, 2, ...": run.network == "rising-forget",
        "restarts": run.restart,
        note: note,
    }
    name = "LSTM without recurrent links" if run.network == "inputs-only" else LSTM
    label = ", ".join([name, *(part for part, applies in parts.items() if applies)]) + " (ours)"
    return row, replace(row, label=f"{run.settings}: {label}" if run.settings else label, settings=run)


def and_rms(row: Row, learning_rate: float = 0.001, **changes: Any) -> tuple[Row, Row]:
    """The same with RMS-normalised steps."""
    return and_ours(row, optimizer="rmsprop", learning_rate=learning_rate, **changes)


def elman_row(
    task: str, settings: str, units: int, gradient: Any, rate: float, max_sequences: int, **published: Any
) -> Row:
    """An Elman net by one of the three gradients."""
    name = {"truncated": "Elman", "bptt": "BPTT", "rtrl": "RTRL"}[gradient]
    method = Method(network="elman", units=units, gradient=gradient, learning_rate=rate, max_sequences=max_sequences)
    return sequence_row(task, settings, f"{name}, {units} units", method=method, **published)


def guessed_row(task: str, settings: str = "", max_trials: int = 1_000_000) -> Row:
    """All weights of a small Elman net guessed anew in each trial; budgets as the costs of trials are (ours)."""
    method = Method(network="elman", units=3, gradient="guess", max_sequences=max_trials)
    return sequence_row(task, settings, "Guessing, 3 units", method=method)


def chosen_row(experiment: Experiment, settings: Iterable[str], method: Method) -> Row:
    """The row of somebody's choice: one of the table if it is there, else a new one that is called as what was chosen.

    Args:
        experiment: Says which task.
        settings: Of the task, as T=100.
        method: Instead of what is published.
    """
    text = " ".join(settings)
    run = SequenceRun(task=experiment.rows[0].settings.task, settings=text, **method.chosen())
    name = " ".join(f"{name}={value}" for name, value in method.chosen().items()) or "as published"
    same = [row for row in experiment.rows if row.settings == run]
    return (*same, Row(f"{text}: {name}" if text else name, run))[0]
