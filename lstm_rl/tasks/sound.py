"""MIDI files as sound, by the synthesiser of `midirenderer` and a soundfont: sampled instruments.

midirenderer is one wheel without dependencies, since the synthesiser (Rust) is inside; fluidsynth's bindings need its
library from elsewhere, and tinysoundfont's need a sound card's. The soundfont, TimGM6mb, comes with `pretty_midi`.
"""

import io
from importlib.util import find_spec
from pathlib import Path

from lstm_rl.atomic import atomic_write
from lstm_rl.checks import needs_extra

FORMATS = (".wav", ".flac", ".ogg", ".mp3")
SOUNDFONT = "TimGM6mb.sf2"
LOUDEST = 0.9


def check_sound(path: Path, soundfont: Path | None) -> Path:
    """Check what `write_sound` needs, and return the soundfont.

    Raises:
        ValueError: A file of another kind, no such soundfont, or a package that is not installed.
    """
    if path.suffix not in FORMATS:
        raise ValueError(f"wav must be a {', '.join(FORMATS)} file, got {path}")
    for package in ("midirenderer", "soundfile"):
        if find_spec(package) is None:
            raise ValueError(needs_extra("sound", package, "music"))
    if soundfont is None:
        spec = find_spec("pretty_midi")  # only its file: the package is not imported
        if spec is None or not spec.submodule_search_locations:
            raise ValueError(needs_extra("sound without a soundfont of one's own", "pretty_midi", "music"))
        soundfont = Path(spec.submodule_search_locations[0]) / SOUNDFONT
    if not soundfont.is_file():
        raise ValueError(f"soundfont must be a .sf2 file, got {soundfont}")
    return soundfont


def write_sound(path: Path, midi: Path, soundfont: Path | None = None) -> float:
    """Play a MIDI file into a sound file, one channel, its loudest sample at .9; return its seconds.

    Args:
        path: A .wav, .flac, .ogg or .mp3 file.
        midi: A .mid file.
        soundfont: An .sf2 file; None: General MIDI by Tim Brechbill, 6 MB.

    Raises:
        ValueError: As `check_sound`, or a file that is no soundfont.
    """
    soundfont = check_sound(path, soundfont)
    import soundfile
    from midirenderer import render_wave_from

    try:
        rendered = render_wave_from(soundfont.read_bytes(), midi.read_bytes())
    except Exception as error:  # whatever the library raises
        raise ValueError(f"soundfont must be a .sf2 file, got {soundfont}: {error}") from error
    sound, rate = soundfile.read(io.BytesIO(rendered), dtype="float32")  # (samples, 2)
    mono = sound.mean(1)
    with atomic_write(path) as part:
        soundfile.write(part, LOUDEST * mono / max(abs(mono).max(), 1e-9), rate)
    return len(sound) / float(rate)
