"""Piano roll: a melody over its chords, and below the cells that keep the form.

Dimensions: N steps, K units, C cells.
"""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lstm_rl.diagnostics.figures import LINES
from lstm_rl.tasks.blues_score import CHORD_UNITS, PITCHES, STEPS
from lstm_rl.tasks.midi import notes_of

MOST_STEPS = 960  # shown


def piano_roll(piece: NDArray[Any], states: NDArray[Any] | None = None, bars: int = 12) -> Figure:
    """Draw a piece.

    Args:
        piece: (N, K) of 0 and 1, of which the first 960 steps are shown.
        states: (N, C) cell states, to be shown below.
        bars: Of a chorus, which begins with a thick line.
    """
    piece = piece[:MOST_STEPS]
    has_melody, steps = piece.shape[1] > CHORD_UNITS, len(piece)
    heights = [3.0] * has_melody + [2.6] + [1.8] * (states is not None)
    figure = Figure(figsize=(12, 0.6 + sum(heights)), dpi=100, layout="constrained")
    panels = np.atleast_1d(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights))
    chords, melody = notes_of(piece)
    parts = [(melody, [*PITCHES, "C'"], "melody", LINES[0])] * has_melody + [(chords, [*PITCHES], "chords", LINES[1])]
    for panel, (notes, names, title, color) in zip(panels, parts, strict=False):
        for note in notes:
            panel.barh(note.unit, note.stop - note.start - 0.15, 0.8, left=note.start, color=color)
        panel.set_yticks(range(len(names)), names, fontsize=7)
        panel.set(ylim=(-0.7, len(names) - 0.3), ylabel=title)
    if states is not None:
        shown = states[:steps].T  # (C, N)
        span = np.maximum(np.abs(shown).max(1, keepdims=True), 1e-9)
        panels[-1].imshow(
            shown / span, aspect="auto", cmap="RdBu", vmin=-1, vmax=1, extent=(0, steps, len(shown) - 0.5, -0.5)
        )
        panels[-1].set(ylabel="cell states,\neach / its largest")
    for panel in panels:
        for bar in range(0, steps + 1, STEPS):
            thick = bar % (bars * STEPS) == 0
            panel.axvline(bar, color="black", linewidth=1.2 if thick else 0.3, alpha=1.0 if thick else 0.5)
        panel.set_xlim(0, steps)
    every = max(1, steps // STEPS // 48)
    panels[-1].set_xticks(range(0, steps, STEPS * every), range(1, steps // STEPS + 1 + (steps % STEPS > 0), every))
    panels[-1].set_xlabel("bar")
    return figure
