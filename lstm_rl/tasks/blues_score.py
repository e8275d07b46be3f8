"""The score of the blues, as data: chords of twelve bars, melodies of the same twelve, and how notes become units.

Eck & Schmidhuber (2002) do not print their pieces; these are ours, in their style: a chord for each bar, and for each
bar two melodies of four quarter notes.

Dimensions: B bars, A alternatives, K units, 8 eighths of a bar.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PITCHES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
CHORD_UNITS, MELODY_UNITS, STEPS = 12, 13, 8  # of a bar
LOWEST = 60
"""MIDI number of C4, the lowest note of a melody."""
CHORDS = {"C7": "C E G Bb", "F7": "F A C Eb", "G7": "G B D F", "A7": "A C# E G", "Dm7": "D F A C"}
FORMS = {
    "bebop": "C7 F7 C7 C7 F7 F7 C7 A7 Dm7 G7 C7 G7",
    "plain": "C7 C7 C7 C7 F7 F7 C7 C7 G7 F7 C7 C7",
}
SCALE = "C Eb F G Bb C'"
"""C minor pentatonic, of which all melodies are made; C' is C5."""
SEGMENTS = (
    ("C Eb F G", "G F Eb C"),
    ("Bb G F Eb", "F Eb F Bb"),
    ("F G Bb C'", "G Bb G F"),
    ("Bb G Bb F", "Eb F G Bb"),
    ("C' Bb G F", "G Bb C' Eb"),
    ("G F Eb F", "C Eb C F"),
    ("Eb G F Eb", "Bb G Eb C"),
    ("G Bb C' Bb", "F G Bb G"),
    ("C' Bb C' G", "F Eb F Eb"),
    ("F Bb G F", "Bb C' G Bb"),
    ("Eb C Eb F", "C' Bb G Eb"),
    ("G F Eb Bb", "Bb G F Eb"),
)
"""Two melodies for each bar, four quarter notes each; no note follows itself, not even across bars."""


class Score(NamedTuple):
    """Bars in their order, with alternatives of equal probability for each."""

    bars: NDArray[np.float64]  # (B, A, 8, K) of 0 and 1
    chords: int  # the first so many of the K units


def note_number(name: str) -> int:
    """Melody unit of a note's name: C is 0, C' is 12."""
    return CHORD_UNITS if name == "C'" else PITCHES.index(name)


def blues_score(form: str, melody: bool) -> Score:
    """Our pieces.

    Args:
        form: bebop or plain.
        melody: With melodies, or with chords alone.
    """
    alternatives, units = (2, CHORD_UNITS + MELODY_UNITS) if melody else (1, CHORD_UNITS)
    names = FORMS[form].split()
    bars = np.zeros((len(names), alternatives, STEPS, units))
    for bar, chord in enumerate(names):
        bars[bar, :, :, [PITCHES.index(note) for note in CHORDS[chord].split()]] = 1.0
        for which, segment in enumerate(SEGMENTS[bar] if melody else ()):
            for quarter, note in enumerate(segment.split()):
                bars[bar, which, 2 * quarter : 2 * quarter + 2, CHORD_UNITS + note_number(note)] = 1.0
    return Score(bars, CHORD_UNITS)
