"""What came of a study: a table of the settings and a picture."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from matplotlib.figure import Figure
from optuna.trial import FrozenTrial, TrialState

from lstm_rl.diagnostics.figures import LINES
from lstm_rl.tuning.study import default_trial, finished


def best_trial(study: optuna.Study) -> FrozenTrial:
    """The best of the trials that ran to their end.

    Raises:
        RuntimeError: None did.
    """
    try:
        return study.best_trial
    except ValueError:
        told = [each.user_attrs["error"] for each in finished(study) if "error" in each.user_attrs]
        why = f"; the last one says: {told[-1]}" if told else ""
        raise RuntimeError(f"no trial of {len(finished(study))} ran to its end{why}") from None


def importances(study: optuna.Study) -> dict[str, float]:
    """How much of what good trials have in common each setting explains (PED-ANOVA), in all 1; empty: unknown."""
    if len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))) < 10:
        return {}
    try:
        return dict(optuna.importance.get_param_importances(study))
    except (ValueError, RuntimeError):  # such as all values alike
        return {}


def table(study: optuna.Study, known: Mapping[str, float]) -> str:
    """The settings of the best trial beside the default's, the most important ones first, as Markdown."""
    best, default = best_trial(study), default_trial(study)
    lines = ["| setting | default | best | importance |", "|---|---:|---:|---:|"]
    for name in sorted(best.params, key=lambda name: -known.get(name, 0.0)):
        before = _text(default.params[name]) if default and name in default.params else ""
        share = f"{known[name]:.2f}" if name in known else ""
        lines.append(f"| {name} | {before} | {_text(best.params[name])} | {share} |")
    return "\n".join(lines)


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def picture(study: optuna.Study, known: Mapping[str, float], what: str) -> Figure:
    """All trials in their order with the best so far, and the importance of the settings.

    Args:
        study: Which.
        known: Of `importances`.
        what: The meaning of values.
    """
    figure = Figure(figsize=(11, 4.5), dpi=100, layout="constrained")
    history, bars = figure.subplots(1, 2) if known else (figure.subplots(), None)
    done = finished(study)
    for state, label, color, marker in (
        (TrialState.COMPLETE, "trials", LINES[0], "o"),
        (TrialState.PRUNED, "pruned, last value", "0.7", "x"),
    ):
        of_state = [(each.number, each.value) for each in done if each.state == state and each.value is not None]
        if of_state:
            numbers, values = np.array(of_state, float).T
            history.scatter(numbers, values, s=18, label=label, color=color, marker=marker)
    complete = [(each.number, each.value) for each in done if each.state == TrialState.COMPLETE]
    if complete:
        numbers, values = np.array(complete, float).T
        so_far = np.maximum if study.direction == optuna.study.StudyDirection.MAXIMIZE else np.minimum
        history.step(numbers, so_far.accumulate(values), where="post", color=LINES[1], label="best so far")
    default = default_trial(study)
    if default is not None and default.state == TrialState.COMPLETE and default.value is not None:
        history.axhline(default.value, color="0.4", linestyle="--", linewidth=1.0, label="default settings")
    history.set(xlabel="trial", ylabel=what, title=study.user_attrs.get("env", ""))
    history.grid(alpha=0.3)
    figure.legend(*history.get_legend_handles_labels(), loc="outside lower left", ncols=4, frameon=False)
    if bars is not None:
        names = sorted(known, key=lambda name: known[name])
        bars.barh(names, [known[name] for name in names], color=LINES[0])
        bars.set(xlabel="importance (PED-ANOVA)", title="what good trials have in common")
        bars.grid(alpha=0.3, axis="x")
    return figure
