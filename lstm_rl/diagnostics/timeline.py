"""Pictures over a time axis: what a network did at each step, and which steps an error reaches.

Dimensions: T steps, I inputs, K outputs, n units of a part.
"""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lstm_rl.diagnostics.activations import Activations
from lstm_rl.diagnostics.episode import Episode
from lstm_rl.diagnostics.error_flow import Errors
from lstm_rl.diagnostics.figures import LINES, MORE_LINES
from lstm_rl.diagnostics.panels import finish, heat_map, lines, logarithmic, name_panel, panels_over_time, set_apart

LEAST = 1e-20  # errors below are not shown


def activations_figure(
    activations: Activations, title: str = "", output: str = "output", letter: str = "y", targets: Any = None
) -> Figure:
    """Draw inputs, outputs and all activations over a common time axis, 1000 x 900 pixels.

    Marked steps (the cue, the junction) are shaded behind lines and framed on the heat maps. Gates come last.

    Args:
        activations: From `record_activations` or of an episode.
        title: Above the picture.
        output: What outputs are called.
        letter: For one of them.
        targets: (T, K) drawn dashed beside the outputs, NaN where there is none; ``None``: no targets.
    """
    parts = sorted(activations.parts.items(), key=lambda part: part[0].endswith("gate"))
    figure, panels = panels_over_time(activations, [1.6, 1.6, *(1.0 for _ in parts)], title)
    lines(panels[0], "input", "x", activations.inputs)
    lines(panels[1], output, letter, activations.outputs)
    if targets is not None and panels[1].lines:
        for k, column in enumerate(np.asarray(targets).T):
            panels[1].plot(column, color=LINES[k], linewidth=1.2, linestyle="--", marker=".", markersize=3)
    for panel, (name, values) in zip(panels[2:], parts, strict=True):
        positive = name.endswith("gate") or name == "memory bits"
        limit = max(1.0, float(values.max())) if positive else float(np.abs(values).max()) or 1.0
        heat_map(panel, name, values, 0.0 if positive else -limit, limit)
        if name.startswith("cell"):
            set_apart(panel, activations.blocks)
    finish(panels, activations)
    return figure


def episode_figure(episode: Episode) -> Figure:
    """Draw inputs, outputs and all activations of an episode; see `activations_figure`."""
    return activations_figure(episode.activations, describe(episode), *episode.output)


def episode_errors_figure(episode: Episode, errors: Errors, step: int) -> Figure:
    """Draw which steps the error of one step's executed output reaches, under the inputs and outputs there.

    Args:
        episode: From `record_episode`.
        errors: From `episode_errors`.
        step: Where the error starts.
    """
    activations = episode.activations
    memory = next((name for name in errors if name.endswith("cell state")), None)
    memory = memory or next((name for name in errors if name == "hidden" or name.endswith(" state")), None)
    title = f"{describe(episode)}; error of ${episode.output[1]}_{{{episode.actions[step]}}}$ at step {step}"
    figure, panels = panels_over_time(activations, [1.6, 1.6, 3.2] + [1.6] * (memory is not None), title)
    figure.subplots_adjust(right=0.83)  # for names such as self_lstm 2 state
    lines(panels[0], "input", "x", activations.inputs)
    lines(panels[1], *episode.output, activations.outputs)
    norms = {name: np.linalg.norm(values, axis=1) for name, values in errors.items()}  # of vectors, (step + 1,)
    arrived = {name: norm for name, norm in norms.items() if np.any(norm[:-1] > LEAST)}
    marker = "." if len(activations) <= 60 else None
    for (name, norm), colour in zip(arrived.items(), MORE_LINES, strict=False):
        panels[2].plot(np.where(norm > LEAST, norm, np.nan), label=name, linewidth=1.4, marker=marker, color=colour)
    logarithmic(panels[2])
    name_panel(panels[2], "norm of the error at")
    if memory is not None:
        by_step = np.full((len(activations), errors[memory].shape[1]), np.nan)
        by_step[: step + 1] = errors[memory]
        limit = float(np.nanmax(np.abs(by_step), initial=0.0)) or 1.0
        heat_map(panels[3], f"error at\n{memory}", by_step, -limit, limit)
        if memory == "cell state":
            set_apart(panels[3], activations.blocks)
    finish(panels, activations)
    return figure


def describe(episode: Episode) -> str:
    """An episode in a few words."""
    end = {True: ", success", False: ", no success", None: ""}[episode.success]
    return f"greedy episode: {len(episode.actions)} steps, return {episode.rewards.sum():.4g}{end}"
