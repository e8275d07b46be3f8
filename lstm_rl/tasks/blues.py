"""Twelve-bar blues (Eck & Schmidhuber 2002): which notes sound in the next eighth, first chords alone, then a melody.

One unit per note, 1 while it sounds: 12 pitch classes C .. B for chords, and C4 .. C5 for the melody; a step is an
eighth, a chorus has 12 bars or 96 steps. Nothing says where a note ends. The paper's pieces are not printed; ours are
below: a chord for each bar, and for each bar two melodies of four quarter notes, either with probability 1/2, which
makes 4,096 pieces. Inputs are shifted and scaled to mean 0 and standard deviation 1 over all pieces.

Pieces follow one another in a stream: the last step's target is the first step of the piece that is drawn next.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_choice
from lstm_rl.compiled import kernel
from lstm_rl.published import PUBLISHED
from lstm_rl.rng import integer
from lstm_rl.tasks.blues_score import CHORD_UNITS, FORMS, MELODY_UNITS, STEPS, Score, blues_score
from lstm_rl.tasks.protocol import Protocol, Stream
from lstm_rl.tasks.task import Task, sequence_rule
from lstm_rl.topology import Topology


@kernel
def notes_at(params: Any, bar: int, which: int, step: int, to: Any) -> None:
    """The notes (K,) of a step of a bar, 0 and 1; params as `Blues.params`."""
    alternatives, units = int(params[1]), int(params[2])
    start = 3 + 2 * units + ((bar * alternatives + which) * STEPS + step) * units
    for k in range(units):
        to[k] = params[start + k]


@kernel
def scale_notes(params: Any, x: Any) -> None:
    """Notes (K,) become inputs, in place."""
    units = int(params[2])
    for k in range(units):
        x[k] = (x[k] - params[3 + k]) * params[3 + units + k]


@sequence_rule
def _piece(params: Any, generator: Any, x: Any, targets: Any, has_target: Any) -> int:
    bars, alternatives = int(params[0]), int(params[1])
    which, t = 0, 0
    for bar in range(bars):
        which = integer(generator, 0, alternatives)
        for step in range(STEPS):
            notes_at(params, bar, which, step, x[t])
            scale_notes(params, x[t])
            if t > 0:
                notes_at(params, bar, which, step, targets[t - 1])
            has_target[t] = True
            t += 1
    begun = generator[0]
    notes_at(params, 0, integer(generator, 0, alternatives), 0, targets[t - 1])
    generator[0] = begun  # the next piece draws the same again
    return t


@dataclass(frozen=True)
class Blues(Task):
    """Pieces of a score.

    Raises:
        ValueError: There is no such form, or a file that cannot be used.
    """

    melody: bool = True
    """With a melody (experiment 2) or chords alone (experiment 1)."""
    form: str = "bebop"
    """Chords of the 12 bars: bebop or plain."""
    midi_file: str = ""
    """A MIDI file to learn in the place of our pieces, see `lstm_rl.tasks.midi.read_score`."""
    rule = _piece

    def __post_init__(self) -> None:
        check_choice("form", self.form, tuple(FORMS))
        if self.midi_file:
            _ = self.score

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name in the tables."""
        return "blues-melody" if self.melody else "blues-chords"

    @cached_property
    def score(self) -> Score:
        """Bars that are learned."""
        if self.midi_file:
            from lstm_rl.tasks.midi import read_score

            return read_score(self.midi_file, self.melody)
        return blues_score(self.form, self.melody)

    def with_bars(self, bars: NDArray[np.float64]) -> "Blues":
        """The same with other bars (B, A, 8, K)."""
        task = replace(self)
        task.__dict__["score"] = Score(bars, CHORD_UNITS)
        return task

    @property
    def inputs(self) -> int:
        """K units."""
        return CHORD_UNITS + MELODY_UNITS * self.melody

    @property
    def outputs(self) -> int:
        """K units, as many as inputs."""
        return self.inputs

    @property
    def judged(self) -> int:
        """Number of outputs that decide whether an answer is right: chords, since melodies cannot be predicted."""
        return CHORD_UNITS

    @property
    def max_length(self) -> int:
        """Steps of a piece."""
        return len(self.score.bars) * STEPS

    @property
    def params(self) -> NDArray[np.float64]:
        """Bars B, alternatives A, units K; means (K,) and 1 / standard deviations (K,), 0 where silent; all bars."""
        bars = self.score.bars
        deviation = bars.std((0, 1, 2))
        scale = np.divide(1.0, deviation, out=np.zeros(self.inputs), where=deviation > 0.0)
        return np.concatenate([[*bars.shape[:2], self.inputs], bars.mean((0, 1, 2)), scale, bars.ravel()])

    @property
    def topology(self) -> Topology:
        """Four blocks for chords and, with a melody, four more."""
        return PUBLISHED[self.name]

    @property
    def protocol(self) -> Protocol:
        """Momentum and cross-entropy as published; a training stream ends with the first wrong chord (ours)."""
        return Protocol(
            1e-5,
            (),
            0.5,
            momentum=0.9,
            each_step=True,
            loss="cross-entropy",
            max_sequences=1_000_000,
            stream=Stream(answers=20 * self.max_length),
        )
