"""Eck & Schmidhuber (2002): chords of a twelve-bar blues, then chords and melody, played without end."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lstm_rl.experiments.blues_charts import pictures
from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.protocols import blues_run
from lstm_rl.experiments.protocols.blues_run import BluesRun
from lstm_rl.experiments.statistics import median_text, successes

if TYPE_CHECKING:
    from pandas import DataFrame

PROTOCOL = """\
Blues of Eck & Schmidhuber (2002), experiment {number}: {blocks}; our own score (the paper's is not printed), chords
`C7 F7 C7 C7 F7 F7 C7 A7 Dm7 G7 C7 G7`{melody}. A network learns which notes sound in the next eighth, hears the first
eighth of a piece and then its own notes. Success: {choruses:,} choruses (a GRU: 100) without a wrong chord; in
brackets: 95 % interval. Right: choruses before the first wrong chord, median. Seconds: of the processor, for training;
attempts: with new weights.{figures}"""
FIGURES = """ In scale: sounding eighths whose note is in the score's scale. New bars: that are in no bar of the score;
new here: that neither of the same bar's two melodies is. Entropy: bits per bar given its place (the score: 1). Repeats:
choruses that were played before. Drift: in how many nets the notes of chorus 1 and of chorus 1,000 of 40 plays differ
(permutation test, p < .05)."""


def score(runs: "DataFrame", _: Mapping[str, Any]) -> dict[str, Any]:
    """Who keeps the chords, what it took, and what is played."""
    cells: dict[str, Any] = {"success": successes(runs)[1], "right": median_text(runs["right"])}
    cells |= {"attempts": f"{runs['attempt'].mean():.3g}", "seconds": median_text(runs["seconds"])}
    if "in_scale" in runs and runs["in_scale"].notna().any():
        cells["in scale"] = f"{runs['in_scale'].min():.2%} and more".replace("%", " %")
        for name in ("new_bars", "new_here", "repeats"):
            cells[name.replace("_", " ")] = f"{runs[name].mean():.1%}".replace("%", " %")
        cells["entropy"] = f"{runs['entropy'].mean():.3g}"
        known = runs["drift"].dropna() if "drift" in runs else ()
        cells["drift"] = f"{sum(p < 0.05 for p in known)} of {len(known)}" if len(known) else "-"
    return cells


def _rows(ours: BluesRun) -> list[Row]:
    said = "keeps the form, new melodies, does not drift" if ours.melody else "learned, plays on; 15 - 45 minutes"
    row = partial(replace, ours)
    return [
        Row("LSTM", row(learner="published", updates=5_000, attempts=1), {"": said}),
        Row("LSTM, complete gradient, Adam (ours)", row(), repeats=10),
        Row("Elman, 24 units, complete gradient, Adam", row(learner="elman", attempts=3)),
        Row("GRU, 12 units, complete gradient, Adam", row(learner="gru", updates=2_000, attempts=1)),
        Row("Guessing", row(learner="guess", updates=50_000, attempts=1)),
    ]


def _experiment(name: str, about: str, rows: list[Row], **of_protocol: Any) -> Experiment:
    run, check = blues_run.run, blues_run.check
    return Experiment(name, about, PROTOCOL.format(**of_protocol), rows, run, score, pictures, check, runs=1)


CHORDS = BluesRun()
MELODY = BluesRun(melody=True, batch=2, updates=10_000)
EXPERIMENTS = (
    _experiment(
        "blues-chords",
        "twelve-bar blues of 2002: chords, played for 10,000 choruses",
        _rows(CHORDS),
        **{"number": 1, "blocks": "4 blocks of 2 cells", "melody": "", "choruses": 10_000, "figures": ""},
    ),
    _experiment(
        "blues-melody",
        "the same with a melody, played for 1,000 choruses",
        _rows(MELODY),
        **{
            "number": 2,
            "blocks": "8 blocks of 2 cells, of which the melody's see the chords' but not the other way round",
        },
        **{"melody": " and 4,096 melodies in C minor pentatonic", "choruses": 1_000, "figures": FIGURES},
    ),
)
