"""Pieces as MIDI files, both ways.

A score is read from all tracks together: notes below C4 are chords, folded into one octave, and of the notes from C4 to
C5 the highest one that sounds is the melody. Times are rounded to eighths. Written is a chord per bar, struck again
where it changes or a bar begins, and a melody whose equal eighths in a row are one note.

Dimensions: N steps, K units, B bars.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.atomic import atomic_write
from lstm_rl.checks import check_float, needs_extra
from lstm_rl.tasks.blues_score import CHORD_UNITS, LOWEST, MELODY_UNITS, STEPS, Score

MOST_BARS = 1_000
TICKS = 480  # of a quarter note
OCTAVE_OF_CHORDS = 48  # MIDI number of C3
CHORD, MELODY = 0, 1  # channels, which have an electric piano and a vibraphone
PROGRAMS, VELOCITIES = (4, 11), (62, 100)


class Note(NamedTuple):
    """A note of a melody, or of a chord."""

    start: int  # in eighths
    stop: int
    unit: int


def import_mido() -> Any:
    """The library, if it is installed.

    Raises:
        ValueError: It is not.
    """
    try:
        import mido
    except ImportError as error:
        raise ValueError(needs_extra("reading and writing MIDI files", "mido", "music")) from error
    return mido


def read_score(path: str | Path, melody: bool = True) -> Score:
    """A MIDI file as a score of one piece, silent bars at its ends left out.

    Args:
        path: A .mid file.
        melody: With the melody, or chords alone.

    Raises:
        ValueError: No MIDI file, one without chords below C4 or without a melody from C4 to C5, or one too long.
    """
    mido = import_mido()
    try:
        file = mido.MidiFile(path)
    except OSError as error:
        if error.errno is not None:  # no such file
            raise ValueError(f"midi-file must be a file that can be read, got {path}: {error.strerror}") from error
        raise ValueError(f"midi-file must be a MIDI file, got {path}") from error
    except (ValueError, EOFError, KeyError, IndexError) as error:
        raise ValueError(f"midi-file must be a MIDI file, got {path}") from error
    steps = np.zeros((0, CHORD_UNITS + MELODY_UNITS))
    highest: dict[int, int] = {}
    for start, stop, pitch in _notes(file):
        if stop > MOST_BARS * STEPS:
            raise ValueError(f"midi-file must have {MOST_BARS:,} bars or fewer, got {path}")
        if stop > len(steps):
            steps = np.concatenate([steps, np.zeros((stop - len(steps), steps.shape[1]))])
        if pitch < LOWEST:
            steps[start:stop, pitch % 12] = 1.0
        elif pitch < LOWEST + MELODY_UNITS:
            for t in range(start, stop):
                highest[t] = max(pitch, highest.get(t, 0))
    for t, pitch in highest.items():
        steps[t, CHORD_UNITS + pitch - LOWEST] = 1.0
    lacks = "notes below C4 (MIDI 60) for chords" if not steps[:, :CHORD_UNITS].any() else ""
    lacks = lacks or ("notes from C4 to C5 (MIDI 60 to 72) for a melody" if melody and not highest else "")
    if lacks:
        raise ValueError(f"midi-file must have {lacks}, got {path} without any")
    bars = np.zeros((-(-len(steps) // STEPS) * STEPS, steps.shape[1]))
    bars[: len(steps)] = steps
    bars = bars.reshape(-1, STEPS, steps.shape[1])[:, :, : None if melody else CHORD_UNITS]
    (sounding,) = np.nonzero(bars.any((1, 2)))
    return Score(bars[sounding[0] : sounding[-1] + 1, None], CHORD_UNITS)


def _notes(file: Any) -> Iterator[tuple[int, int, int]]:
    """First eighth, eighth after the last, and pitch of each note; channel 10 has drums, which are left out."""
    eighth = file.ticks_per_beat / 2
    for track in file.tracks:
        now = 0
        began: dict[tuple[int, int], int] = {}
        for message in track:
            now += message.time
            if message.type not in ("note_on", "note_off") or message.channel == 9:
                continue
            key = message.channel, message.note
            if key in began:
                start = round(began.pop(key) / eighth)
                yield start, max(start + 1, round(now / eighth)), message.note
            if message.type == "note_on" and message.velocity > 0:
                began[key] = now


def notes_of(piece: NDArray[Any]) -> tuple[list[Note], list[Note]]:
    """Notes of the chords and of the melody of a piece (N, K)."""
    chords = [note for unit in range(CHORD_UNITS) for note in _runs(piece[:, unit], unit, piece[:, :CHORD_UNITS])]
    melody = piece[:, CHORD_UNITS:]
    played = [note for unit in range(melody.shape[1]) for note in _runs(melody[:, unit], unit)]
    return sorted(chords), sorted(played)


def _runs(sounds: NDArray[Any], unit: int, chords: NDArray[Any] | None = None) -> Iterator[Note]:
    """Notes of a unit: equal steps in a row; those of chords end where the chord changes or a bar ends, too."""
    start = None
    for t in range(len(sounds) + 1):
        on = t < len(sounds) and bool(sounds[t])
        struck = chords is not None and 0 < t < len(sounds) and (t % STEPS == 0 or (chords[t] != chords[t - 1]).any())
        if start is not None and (struck or not on):
            yield Note(start, t, unit)
            start = None
        if on and start is None:
            start = t


def write_midi(path: Path, piece: NDArray[Any], tempo: float = 120.0) -> None:
    """Write a piece.

    Args:
        path: A .mid file.
        piece: (N, K) of 0 and 1.
        tempo: Quarter notes per minute, 20 .. 400.
    """
    mido = import_mido()
    check_float("tempo", tempo, 20.0, 400.0)
    file = mido.MidiFile(ticks_per_beat=TICKS)
    chords, melody = notes_of(piece)
    for channel, notes, lowest in ((CHORD, chords, OCTAVE_OF_CHORDS), (MELODY, melody, LOWEST)):
        track = mido.MidiTrack()
        if channel == CHORD:
            track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo)))
            track.append(mido.MetaMessage("time_signature", numerator=4, denominator=4))
        track.append(mido.Message("program_change", channel=channel, program=PROGRAMS[channel]))
        events = [(note.stop, "note_off", note.unit + lowest, 0) for note in notes]
        events += [(note.start, "note_on", note.unit + lowest, VELOCITIES[channel]) for note in notes]
        now = 0
        for at, kind, pitch, velocity in sorted(events):  # at the same time notes end before others begin
            track.append(
                mido.Message(kind, channel=channel, note=pitch, velocity=velocity, time=(at - now) * TICKS // 2)
            )
            now = at
        file.tracks.append(track)
    with atomic_write(path) as part:
        file.save(part)
