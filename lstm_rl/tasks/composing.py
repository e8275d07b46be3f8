"""A network plays by itself: it hears the first eighth of a piece, then its own notes, without end.

Chords: notes whose outputs are above .5. Melody: one note, drawn in proportion to the outputs; where the score has
rests, none, with what is missing to a sum of 1. After each eighth the chords are compared with those of the score.

Dimensions: N steps, K units.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.compiled import compiled, flushed, kernel
from lstm_rl.kernels.approximator import Update, forward, reset
from lstm_rl.kernels.callback import reraising
from lstm_rl.rng import integer, uniform
from lstm_rl.tasks.blues import Blues, notes_at, scale_notes
from lstm_rl.tasks.blues_score import STEPS
from lstm_rl.tasks.continual import StreamRules, follow_stream
from lstm_rl.tasks.streaming import Source


@compiled
def practise(approximator: Any, source: Source, update: Update, rules: StreamRules, steps: int) -> tuple[int, int]:
    """Train on streams for ``steps`` steps or a few more; return their number and the most right answers in one."""
    done, most = 0, 0
    while done < steps:
        right, more, _ = follow_stream(approximator, source, update, rules)
        done, most = done + more, max(most, right)
    return done, most


@kernel
def choose_notes(outputs: Any, chords: int, rests: bool, generator: Any, notes: Any) -> None:
    """Notes (K,) from outputs (K,), the first ``chords`` of which are chords."""
    total = 0.0
    for k in range(notes.shape[0]):
        notes[k] = 1.0 if k < chords and outputs[k] > 0.5 else 0.0
        total += outputs[k] if k >= chords else 0.0
    if total > 0.0:
        left = uniform(generator, 0) * (max(total, 1.0) if rests else total)
        for k in range(chords, notes.shape[0]):
            left -= outputs[k]
            if left < 0.0:
                notes[k] = 1.0
                break


@compiled
def improvise(
    approximator: Any,
    params: Any,
    chords: int,
    rests: bool,
    generator: Any,
    row: Any,
    steps: int,
    stop: bool,
    piece: Any,
) -> tuple[int, int]:
    """Play from rest.

    Args:
        approximator: See `lstm_rl.kernels.approximator`; its stream 0 is used.
        params: Of the task.
        chords: Units that are chords.
        rests: Whether melodies have rests.
        generator: (1,) random numbers.
        row: (2, K) scratch, twice the inputs.
        steps: N, the first, which is given, included.
        stop: End with the first step whose chord is wrong.
        piece: (P, K) uint8 becomes the notes of the last P steps: step t is row t modulo P.

    Returns:
        Steps before the end, and how many of them had a wrong chord.
    """
    bars, alternatives, wrong = int(params[0]), int(params[1]), 0
    notes, score = row[0], row[1]
    reset(approximator, 0)
    notes_at(params, 0, integer(generator, 0, alternatives), 0, notes)
    for t in range(steps):
        bar, step = (t // STEPS) % bars, t % STEPS
        notes_at(params, bar, 0, step, score)
        is_right = True
        for k in range(notes.shape[0]):
            piece[t % piece.shape[0], k] = 1 if notes[k] > 0.5 else 0
            is_right &= k >= chords or notes[k] == score[k]
        wrong += 0 if is_right else 1
        if stop and not is_right:
            return t, wrong
        scale_notes(params, notes)
        forward(approximator, 0, notes)
        choose_notes(approximator.outputs[0], chords, rests, generator, notes)
    return steps, wrong


def play(approximator: Any, task: Blues, steps: int, seed: Any, last: int | None = None, stop: bool = False) -> Any:
    """Play from rest with random numbers of a seed; return notes (N, K), steps before the end, and wrong ones.

    Args:
        approximator: What plays.
        task: Whose notes and chords.
        steps: N >= 1.
        seed: As of `numpy.random.default_rng`.
        last: Return only the notes of so many steps, the last ones; None: of all.
        stop: End with the first wrong chord.
    """
    generator = np.random.default_rng(seed).integers(2**64, size=1, dtype=np.uint64)
    piece: NDArray[np.uint8] = np.zeros((last or steps, task.inputs), np.uint8)
    rests = bool(task.melody and (task.score.bars[..., task.judged :].sum(-1) == 0.0).any())
    arguments = (task.params, task.judged, rests, generator, np.zeros((2, task.inputs)), steps, stop, piece)
    with flushed(), reraising(approximator):
        done, wrong = improvise(approximator, *arguments)
    return np.roll(piece, -(done % len(piece)), 0) if done >= len(piece) else piece, done, wrong


def states_of(approximator: Any, task: Blues, piece: NDArray[Any]) -> NDArray[np.float64]:
    """Cell states (N, C) while a network with kernels hears a piece (N, K) from rest."""
    states = np.zeros((len(piece), approximator.streams.s.shape[1]))
    hear(approximator, task.params, np.ascontiguousarray(piece, np.float64), np.zeros(task.inputs), states)
    return states


@compiled
def hear(approximator: Any, params: Any, piece: Any, row: Any, states: Any) -> None:
    """Fill the states (N, C) of stream 0 after each step of a piece (N, K); ``row`` (K,) is scratch."""
    reset(approximator, 0)
    for t in range(piece.shape[0]):
        for k in range(row.shape[0]):
            row[k] = piece[t, k]
        scale_notes(params, row)
        forward(approximator, 0, row)
        for v in range(states.shape[1]):
            states[t, v] = approximator.streams.s[0, v]
