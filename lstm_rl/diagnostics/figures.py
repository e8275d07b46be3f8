"""Pictures for people: what a network did in one episode, and how training went. No global state of pyplot."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from lstm_rl.atomic import whole
from lstm_rl.diagnostics.episode import Episode
from lstm_rl.diagnostics.monitor import moving_average, read_monitor

LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")  # told apart by the colour-blind too
MARKS = ("#e69f00", "#882255")  # cue, junction
POINTS = 2000  # of a learning curve; a screen has no more


def episode_figure(episode: Episode, blocks: tuple[int, ...] = ()) -> Figure:
    """Draw inputs, advantages and all activations of an episode over a common time axis, 1000 x 900 pixels.

    Marked steps (the cue, the junction) are shaded behind lines and framed on the heat maps.

    Args:
        episode: From `record_episode`.
        blocks: Cells in each memory block of the network that played it, to set them apart.
    """
    gates = [(name.replace("_", "\n"), values) for name, values in episode.gates.items()]
    cells = [("cell\nstate", episode.cell_states), ("cell\noutput", episode.cell_outputs)]
    states = [(name, values) for name, values in [*cells, ("hidden", episode.hidden)] if values.size]
    figure = Figure(figsize=(10, 9), dpi=100)
    ratios = [1.6, 1.6] + [1.0] * len(states + gates)
    figure.subplots_adjust(left=0.1, right=0.88, bottom=0.06, top=0.95, hspace=0.25)  # fast, unlike a found layout
    panels = figure.subplots(len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0].tolist()
    _lines(panels[0], "input", "x", episode.observations)
    _lines(panels[1], "advantage", "A", episode.advantages)
    for panel, (name, values) in zip(panels[2:], states + gates, strict=True):
        is_gate = name.endswith("gate")
        limit = 1.0 if is_gate else float(np.abs(values).max()) or 1.0
        _heat_map(panel, name, values, 0.0 if is_gate else -limit, limit)
        if name.startswith("cell"):
            for border in np.cumsum(blocks)[:-1][np.array(blocks[:-1], np.int64) > 1]:
                panel.axhline(border - 0.5, color="black", linewidth=0.5)
    _mark(panels, episode)
    for panel in panels[:2]:
        if panel.lines:
            panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9, labelspacing=0.3)
    panels[-1].set_xlabel("step")
    panels[-1].set_xlim(-0.5, len(episode.actions) - 0.5)
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    end = {True: ", success", False: ", no success", None: ""}[episode.success]
    figure.suptitle(f"greedy episode: {len(episode.actions)} steps, return {episode.rewards.sum():.4g}{end}")
    return figure


def _lines(panel: Axes, name: str, letter: str, values: NDArray[Any]) -> None:
    """One line per column of ``values`` (T, n), or a heat map if there are too many to tell apart."""
    if values.shape[1] > len(LINES):
        limit = float(np.abs(values).max()) or 1.0
        return _heat_map(panel, name, values, -limit, limit)
    marker = "." if len(values) <= 60 else None
    for k, column in enumerate(values.T):
        panel.plot(column, color=LINES[k], label=f"${letter}_{{{k}}}$", linewidth=1.2, marker=marker)
    _name(panel, name)
    panel.yaxis.set_major_locator(MaxNLocator(nbins=4))
    panel.grid(alpha=0.3)
    return None


def _heat_map(panel: Axes, name: str, values: NDArray[Any], low: float, high: float) -> None:
    """Values (T, n) as colours, time to the right; diverging around 0 if ``low`` < 0."""
    colours = "RdBu_r" if low < 0 else "viridis"
    image = panel.imshow(values.T, cmap=colours, vmin=low, vmax=high, aspect="auto", interpolation="nearest")
    _name(panel, name)
    panel.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    ticks = [low, (low + high) / 2, high]
    bar = panel.figure.colorbar(image, cax=panel.inset_axes((1.012, 0.0, 0.015, 1.0)), ticks=ticks)
    bar.ax.set_yticklabels([f"{tick:.2g}" if abs(tick) < 100 else f"{tick:.0f}" for tick in ticks], fontsize=9)


def _name(panel: Axes, name: str) -> None:
    """Write a panel's name in the same place for all."""
    panel.set_ylabel(name)
    panel.yaxis.set_label_coords(-0.075, 0.5)


def _mark(panels: list[Axes], episode: Episode) -> None:
    """Shade marked steps on panels of lines, and frame them on heat maps."""
    outline = [patheffects.withStroke(linewidth=3.0, foreground="white")]
    for (name, steps), colour in zip(episode.marks.items(), MARKS, strict=False):
        for k, (first, last) in enumerate(_runs(steps, gap=len(episode.actions) // 100)):
            for panel in panels:
                if panel.images:
                    for border in {first, last + 1} - {0, len(episode.actions)}:
                        panel.axvline(border - 0.5, color=colour, linewidth=1.5, path_effects=outline)
                else:
                    label = name if k == 0 and panel is panels[0] else None
                    panel.axvspan(first - 0.5, last + 0.5, color=colour, alpha=0.35, linewidth=0.5, label=label)


def _runs(steps: list[int], gap: int) -> list[tuple[int, int]]:
    """Runs (first, last) of consecutive steps; holes of up to ``gap`` steps, too narrow to be seen, are closed."""
    if not steps:
        return []
    holes = np.flatnonzero(np.diff(steps) > gap + 1)
    return list(zip(np.take(steps, [0, *(holes + 1)]), np.take(steps, [*holes, -1]), strict=True))


def learning_curve(
    monitor_csv: Path,
    *,
    optimal_return: float | None = None,
    memoryless_return: float | None = None,
    window: int = 100,
    title: str = "",
) -> Figure:
    """Draw success rate (if recorded), return and length of episodes over environment steps, 800 pixels wide.

    Args:
        monitor_csv: What SB3's `Monitor` or `VecMonitor` writes; training may still be going on.
        optimal_return: Drawn as a dashed line, if given.
        memoryless_return: The same: the best return without memory.
        window: Episodes that each point averages over, >= 1; fewer at the beginning.
        title: Above the picture.

    Raises:
        ValueError: The file has no columns r and l.
    """
    episodes = read_monitor(monitor_csv)
    steps = np.cumsum(episodes["length"])
    figure = Figure(figsize=(8, 2.4 * len(episodes) + 0.6), dpi=100, layout="constrained")
    panels = figure.subplots(len(episodes), 1, sharex=True, squeeze=False)[:, 0].tolist()
    for panel, (name, values) in zip(panels, episodes.items(), strict=True):
        shown = np.unique(np.linspace(0, len(values) - 1, min(len(values), POINTS)).astype(np.int64))
        means = moving_average(values, window)
        panel.plot(steps[shown], means[shown], color=LINES[0], marker="o" if len(shown) < 20 else None, markersize=4)
        panel.set_ylabel(name)
        panel.grid(alpha=0.3)
        if name == "success rate":
            panel.set_ylim(-0.04, 1.04)
        if name == "length":
            panel.set_yscale("log")
            panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            panel.yaxis.set_major_formatter(EngFormatter(sep=""))
            panel.yaxis.set_minor_formatter(NullFormatter())
            if len(means):  # whole decades, so that there are labels
                decades = np.log10([max(means.min(), 1.0), max(means.max(), 1.0)])
                panel.set_ylim(10.0 ** np.floor(decades[0]), 10.0 ** np.floor(decades[1] + 1.0))
        if name == "return":
            references = (("optimal", optimal_return), ("best without memory", memoryless_return))
            for (label, value), colour in zip(references, (LINES[2], LINES[1]), strict=True):
                if value is not None:
                    panel.axhline(value, color=colour, linestyle="--", label=label)
            if optimal_return is not None or memoryless_return is not None:
                panel.legend(loc="lower right", bbox_to_anchor=(1.0, 0.97), ncols=2, frameon=False, fontsize=9)
    if not len(steps):
        panels[0].text(0.5, 0.5, "no finished episode yet", ha="center", transform=panels[0].transAxes)
    panels[-1].set_xlabel(f"environment steps (averages over {window} episodes)")
    panels[-1].set_xlim(0, 1.02 * steps[-1] if len(steps) else 1000)
    panels[-1].xaxis.set_major_formatter(EngFormatter(sep=""))
    figure.suptitle(title)
    return figure


def pixels(figure: Figure) -> NDArray[np.uint8]:
    """A figure as a picture (height, width, 3)."""
    picture = BytesIO()
    figure.savefig(picture, format="rgba")
    width, height = figure.canvas.get_width_height()
    return np.frombuffer(picture.getvalue(), np.uint8).reshape(height, width, 4)[..., :3]


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG; an old file stays until the new one is complete."""
    with whole(path) as part:
        figure.savefig(part, format="png")
