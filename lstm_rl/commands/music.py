"""`lstm-rl music`: a network learns the blues, or a MIDI file, and plays."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from lstm_rl.checks import check_float, check_int
from lstm_rl.signals import describe, signal_of

MOST_CHORUSES = 10_000
SHOWN = 4
"""Choruses that are printed after training."""


@dataclass(frozen=True)
class MusicTrain:
    """Train a network on the blues of Eck & Schmidhuber (2002), or on a MIDI file."""

    out: Path
    """A new folder."""
    experiment: Literal[1, 2] = 2
    """1: chords alone; 2: chords and a melody."""
    seed: int = 0
    """Of weights and pieces."""
    form: Literal["bebop", "plain"] = "bebop"
    """Chords of the 12 bars."""
    midi_file: Path | None = None
    """Learn this file instead: notes below C4 are its chords, those from C4 to C5 its melody."""
    updates: int | None = None
    """Of the weights; default: as in the table of the experiment."""
    overwrite: bool = False
    """Train anew what the folder holds."""
    progress: bool = True
    """Show a progress bar."""

    def __post_init__(self) -> None:
        check_int("seed", self.seed, 0)
        if self.updates is not None:
            check_int("updates", self.updates, 1)


@dataclass(frozen=True)
class MusicPlay:
    """Let a trained network play."""

    run: tyro.conf.Positional[Path]
    """Folder of `lstm-rl music train`."""
    choruses: int = 12
    """How many."""
    seed: int = 0
    """Of the choice of notes."""
    tempo: float = 120.0
    """Quarter notes per minute, 20 .. 400."""
    midi: Path | None = None
    """A .mid file to write."""
    wav: Path | None = None
    """A .wav, .flac, .ogg or .mp3 file to write."""
    png: Path | None = None
    """A picture to write: melody, chords and cells."""
    soundfont: Path | None = None
    """Instruments as an .sf2 file; default: General MIDI."""

    def __post_init__(self) -> None:
        check_int("choruses", self.choruses, 1, MOST_CHORUSES)
        check_int("seed", self.seed, 0)
        check_float("tempo", self.tempo, 20.0, 400.0)
        for name, path, endings in (("midi", self.midi, (".mid", ".midi")), ("png", self.png, (".png",))):
            if path is not None and path.suffix not in endings:
                raise ValueError(f"{name} must be a {' or '.join(endings)} file, got {path}")


@dataclass(frozen=True)
class Music:
    """Learn to play the blues, and play."""

    what: tyro.conf.OmitArgPrefixes[
        Annotated[MusicTrain, tyro.conf.subcommand("train", prefix_name=False)]
        | Annotated[MusicPlay, tyro.conf.subcommand("play", prefix_name=False)]
    ]


def music(command: Music) -> int:
    """`lstm-rl music`."""
    return _train(command.what) if isinstance(command.what, MusicTrain) else _play(command.what)


def _train(command: MusicTrain) -> int:
    try:
        return _train_whole(command)
    except KeyboardInterrupt as error:
        number, held = signal_of(error), (command.out / "config.json").is_file()
        kept = f"{command.out} is as it was before" if held else "nothing is kept"
        print(f"{describe(number)}; {kept}, and the same command starts again from the beginning", file=sys.stderr)
        return 128 + number


def _train_whole(command: MusicTrain) -> int:
    from dataclasses import replace

    from tqdm import tqdm

    from lstm_rl.experiments.blues_folder import check_out, save_player
    from lstm_rl.experiments.protocols import blues_run
    from lstm_rl.experiments.protocols.blues_measures import measure
    from lstm_rl.experiments.tables.blues import CHORDS, MELODY
    from lstm_rl.run_lock import folder_lock
    from lstm_rl.tasks.composing import play

    settings = replace(
        MELODY if command.experiment == 2 else CHORDS,
        seed=command.seed,
        form=command.form,
        midi_file=str(command.midi_file or ""),
    )
    if command.updates is not None:
        settings = replace(settings, updates=command.updates)
    check_out(command.out, command.overwrite)
    blues_run.check(settings)
    task = settings.make_task()
    if command.midi_file is not None:
        print(f"{command.midi_file}: {len(task.score.bars)} bars")
    with folder_lock(command.out):
        with tqdm(desc="training", unit="update", delay=2.0, disable=not command.progress, leave=False) as bar:
            bar.total = settings.updates

            def report(done: int) -> None:
                draw = -(-done // settings.updates)
                if draw > 1:
                    bar.set_description(f"draw {draw} of weights, the one before did not keep the chords", False)
                bar.total = draw * settings.updates
                bar.update(done - bar.n)

            trained = blues_run.train(settings, report)
        results = measure(trained.player, task, command.seed, 100, drift=False)
        save_player(command.out, settings, trained.player, task, results)
    piece = play(trained.player, task, SHOWN * task.max_length, command.seed)[0]
    print(score_text(piece, len(task.score.bars)))
    said = f"{results['right']} of 100 choruses before a wrong chord"
    if command.experiment == 2 and "in_scale" in results:
        said += f", {results['in_scale']:.1%} of the notes in the scale, {results['new_here']:.0%} of the bars new"
    if trained.attempts > 1:
        said += f"; draw {trained.attempts} of {settings.attempts} of weights, after others did not keep the chords"
    print(f"{command.out}: {said}; {trained.updates:,} updates in {trained.seconds:.0f} s of the processor")
    print(f"next: lstm-rl music play {command.out} --midi blues.mid --wav blues.wav --png blues.png")
    return 0


def _play(command: MusicPlay) -> int:
    import tempfile

    from lstm_rl.experiments.blues_folder import load_player
    from lstm_rl.tasks.composing import play

    player, task = load_player(command.run)
    if command.wav is not None:
        from lstm_rl.tasks.sound import check_sound

        check_sound(command.wav, command.soundfont)
    elif command.soundfont is not None:
        raise ValueError(f"soundfont must be left out without wav, got {command.soundfont}")
    steps = command.choruses * task.max_length
    piece, _, wrong = play(player, task, steps, command.seed)
    print(score_text(piece[: SHOWN * task.max_length], len(task.score.bars)))
    if command.midi is not None or command.wav is not None:
        from lstm_rl.tasks.midi import write_midi
        from lstm_rl.tasks.sound import write_sound

        with tempfile.TemporaryDirectory() as folder:
            midi = command.midi or Path(folder) / "played.mid"
            write_midi(midi, piece, command.tempo)
            if command.wav is not None:
                print(f"{command.wav}: {write_sound(command.wav, midi, command.soundfont):.1f} s")
    if command.png is not None:
        from lstm_rl.diagnostics.figures import save
        from lstm_rl.diagnostics.piano_roll import MOST_STEPS, piano_roll
        from lstm_rl.tasks.composing import states_of

        shown = piece[:MOST_STEPS]
        save(piano_roll(shown, states_of(player, task, shown), len(task.score.bars)), command.png)
    kept = "all chords as in the score" if wrong == 0 else f"{wrong} of {steps} eighths with a wrong chord"
    print(f"{command.run}: {command.choruses} choruses, {kept}")
    if wrong:
        print("lstm-rl: the network loses the form; train longer, or with another seed", file=sys.stderr)
    return 0


def score_text(piece: Any, bars: int) -> str:
    """A piece for people: a line per four bars, each with its chord's notes and its melody."""
    from lstm_rl.tasks.blues_score import CHORD_UNITS, CHORDS, MELODY_UNITS, PITCHES, STEPS

    known = {frozenset(notes.split()): name for name, notes in CHORDS.items()}
    names, lines, cells = [*PITCHES, "C'"], [], []
    for bar in range(len(piece) // STEPS):
        rows = piece[bar * STEPS : (bar + 1) * STEPS]
        notes = frozenset(PITCHES[unit] for unit in range(CHORD_UNITS) if rows[0, unit])
        text = known.get(notes, "+".join(sorted(notes)) or "-")
        if rows.shape[1] > CHORD_UNITS:
            units = [rows[t, CHORD_UNITS : CHORD_UNITS + MELODY_UNITS] for t in range(0, STEPS, 2)]
            text = f"{text}: {' '.join(names[int(row.argmax())] if row.any() else '-' for row in units)}"
        cells.append(f"{text:<18}" if rows.shape[1] > CHORD_UNITS else f"{text:<4}")
        if len(cells) == 4 or bar == len(piece) // STEPS - 1 or (bar + 1) % bars == 0:
            lines.append("| " + "| ".join(cells) + "|")
            cells = []
        if (bar + 1) % bars == 0:
            lines.append("")
    return "\n".join(lines).rstrip()
