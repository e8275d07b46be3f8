"""Pictures for people: how training went, and what all pictures share. No global state of pyplot."""

from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from lstm_rl.atomic import atomic_write
from lstm_rl.diagnostics.monitor import moving_average, read_evaluations, read_monitor

LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")  # told apart by the colour-blind too
MORE_LINES = (*LINES, "#882255", "#555555")  # where six are not enough
POINTS = 2000  # of a learning curve; a screen has no more


def learning_curve(
    monitor_csv: Path,
    *,
    evaluations: Path | None = None,
    optimal_return: float | None = None,
    memoryless_return: float | None = None,
    window: int = 100,
    title: str = "",
) -> Figure:
    """Draw success rate (if recorded), return and length of episodes over environment steps, 800 pixels wide.

    Args:
        monitor_csv: What SB3's `Monitor` or `VecMonitor` writes; training may still be going on.
        evaluations: What SB3's `EvalCallback` or a run writes, ``evaluations.npz``: drawn as points, if given.
        optimal_return: Drawn as a dashed line, if given.
        memoryless_return: The same: the best return without memory.
        window: Episodes that each point averages over, >= 1; fewer at the beginning.
        title: Above the picture.

    Raises:
        ValueError: The file has no columns r and l, or that of evaluations is none.
    """
    episodes = read_monitor(monitor_csv)
    trials = {} if evaluations is None else read_evaluations(evaluations)
    steps = np.cumsum(episodes["length"])
    figure = Figure(figsize=(8, 2.4 * len(episodes) + 0.6), dpi=100, layout="constrained")
    panels = figure.subplots(len(episodes), 1, sharex=True, squeeze=False)[:, 0].tolist()
    for panel, (name, values) in zip(panels, episodes.items(), strict=True):
        shown = np.unique(np.linspace(0, len(values) - 1, min(len(values), POINTS)).astype(np.int64))
        means = moving_average(values, window)
        dots = "o" if len(shown) < 20 else None
        panel.plot(steps[shown], means[shown], color=LINES[0], marker=dots, markersize=4, label="training")
        tried = trials.get(name, np.empty(0))
        if len(tried):
            panel.plot(
                trials["steps"], tried, color=LINES[3], linestyle=":", marker="D", markersize=4, label="evaluation"
            )
        panel.set_ylabel(name)
        panel.grid(alpha=0.3)
        if name == "success rate":
            panel.set_ylim(-0.04, 1.04)
        if name == "length":
            panel.set_yscale("log")
            panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            panel.yaxis.set_major_formatter(EngFormatter(sep=""))
            panel.yaxis.set_minor_formatter(NullFormatter())
            drawn = np.concatenate([means, tried])
            if len(drawn):  # whole decades, so that there are labels
                decades = np.log10([max(drawn.min(), 1.0), max(drawn.max(), 1.0)])
                panel.set_ylim(10.0 ** np.floor(decades[0]), 10.0 ** np.floor(decades[1] + 1.0))
        if name == "return":
            references = (("optimal", optimal_return), ("best without memory", memoryless_return))
            for (label, value), colour in zip(references, (LINES[2], LINES[1]), strict=True):
                if value is not None:
                    panel.axhline(value, color=colour, linestyle="--", label=label)
        labelled = len(panel.lines) > 1 and (name == "return" or panel is panels[0])
        if labelled:
            panel.legend(loc="lower right", bbox_to_anchor=(1.0, 0.97), ncols=4, frameon=False, fontsize=9)
    if not len(steps):
        panels[0].text(0.5, 0.5, "no finished episode yet", ha="center", transform=panels[0].transAxes)
    panels[-1].set_xlabel(f"environment steps (averages over {window} episodes)")
    ends = [*steps[-1:], *trials.get("steps", ())[-1:]]
    panels[-1].set_xlim(0, 1.02 * max(ends) if ends else 1000)
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
    """Write a figure in the format of the path's ending; an old file stays until the new one is complete."""
    with atomic_write(path) as part:
        figure.savefig(part, format=path.suffix[1:])
