"""The blues: its score and rule, free play, links that do not exist among output weights, MIDI, sound, and commands."""

import json
import os
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lstm_rl.cli import main
from lstm_rl.compiled import compiled
from lstm_rl.experiments.blues_folder import load_player, save_player
from lstm_rl.experiments.protocols import blues_run
from lstm_rl.experiments.protocols.blues_measures import drift_test, entropy, melody_figures
from lstm_rl.experiments.protocols.blues_run import BluesRun, make_network, make_player, pieces
from lstm_rl.experiments.protocols.network_guessing import redraw
from lstm_rl.kernels.approximator import RmsProp, Sgd, Update
from lstm_rl.kernels.kalman import KalmanTrainer
from lstm_rl.kernels.layout import make_weights
from lstm_rl.kernels.make import make_approximator
from lstm_rl.kernels.supervised import learn_sequence
from lstm_rl.nn import LstmNetwork
from lstm_rl.published import PUBLISHED
from lstm_rl.tasks.blues import Blues
from lstm_rl.tasks.blues_score import CHORD_UNITS, CHORDS, FORMS, PITCHES, SCALE, SEGMENTS, STEPS, note_number
from lstm_rl.tasks.composing import play
from lstm_rl.tasks.dataset import SequenceDataset
from lstm_rl.tasks.env import SequenceEnv
from lstm_rl.tasks.midi import Note, notes_of, read_score, write_midi
from lstm_rl.topology import Topology

ROOT = Path(__file__).parents[1]
SMALL = Topology(  # one of two outputs sees the cell of the second block only, the other all
    inputs=2,
    outputs=2,
    blocks=(1, 1),
    outputs_see=("input", "cells"),
    output_activation="logistic",
    output_without=((0, 0), (2, 0)),
    output_bias=0.5,
)
ABSENT = tuple(np.array(SMALL.output_without).T)


# --- score and rule --------------------------------------------------------------------------------------------------


def test_the_score_is_what_the_page_says() -> None:
    assert len(SEGMENTS) == 12 and 2 ** len(SEGMENTS) == 4096
    scale = SCALE.split()
    for bar, pair in enumerate(SEGMENTS):
        assert len(set(pair)) == 2
        for segment in pair:
            notes = segment.split()
            assert len(notes) == 4 and set(notes) <= set(scale)
            followed = [notes, *([notes[-1], after.split()[0]] for after in SEGMENTS[(bar + 1) % 12])]
            assert all(a != b for line in followed for a, b in zip(line, line[1:], strict=False))
    for form in FORMS.values():
        assert len(form.split()) == 12 and set(form.split()) <= set(CHORDS)


def test_a_piece_by_hand() -> None:
    """Chords and melody of one piece, step by step, against the names in the score; targets are the next step."""
    task = Blues()
    x, targets, has_target = task.batch(50, np.random.default_rng(0))
    assert x.shape == (96, 50, 25) and has_target.all()
    notes = np.roll(targets, 1, 0)  # step t's own notes, but for the first step
    mean, scale = task.params[3:28], task.params[28:53]
    np.testing.assert_allclose(x[1:], (notes[1:] - mean) * scale, atol=1e-12)
    for t in range(1, 96):
        chord = CHORDS[FORMS["bebop"].split()[t // 8]].split()
        assert {PITCHES[k] for k in np.flatnonzero(notes[t, 0, :12])} == set(chord)
        played = notes[t, :, 12:]
        allowed = {note_number(segment.split()[t % 8 // 2]) for segment in SEGMENTS[t // 8]}
        assert (played.sum(1) == 1.0).all() and set(played.argmax(1)) == allowed
    silent = task.score.bars.any((0, 1, 2))
    assert (x[..., ~silent] == 0.0).all()
    every = (task.score.bars.reshape(-1, 25) - mean) * scale
    np.testing.assert_allclose(every.mean(0), 0.0, atol=1e-12)
    np.testing.assert_allclose(every.std(0)[silent], 1.0, atol=1e-12)


def test_pieces_follow_one_another() -> None:
    """The last target is the first step of the piece that is drawn next."""
    task = Blues()
    x, targets, _ = task.batch(30, np.random.default_rng(1))
    first = targets[-1, :-1]
    np.testing.assert_allclose(x[0, 1:], (first - task.params[3:28]) * task.params[28:53], atol=1e-12)
    assert len({row.tobytes() for row in first}) == 2
    row, target = pieces(task, 2, 3, np.random.default_rng(0))
    assert row.shape == target.shape == (288, 2, 25)
    x_set, targets_set, has_target = next(iter(SequenceDataset(task, 4, 0)))
    assert x_set.shape == targets_set.shape == (96, 4, 25) and bool(has_target.all())


# --- networks --------------------------------------------------------------------------------------------------------


def test_published_networks() -> None:
    """Weights counted by hand, and which layer sees which in the network for chords and melody."""
    assert PUBLISHED["blues-chords"].weight_count == 20 * (12 + 8) + 12 + 12 * (12 + 8 + 1)
    topology = PUBLISHED["blues-melody"]
    chords, melody = 20 * (12 + 8) + 12, 20 * (13 + 16) + 12
    assert topology.weight_count == chords + melody + 12 * (12 + 8 + 1) + 13 * (13 + 8 + 1)
    of_unit = np.array([*[block >= 4 for _ in range(3) for block in range(8)], *[cell >= 8 for cell in range(16)]])
    cells = topology.mask[topology.rows["cells"]]
    assert cells[:8].all() and not cells[8:, ~of_unit].any() and cells[8:, of_unit].all()
    inputs = topology.mask[topology.rows["input"]]
    assert (inputs == np.equal.outer(np.arange(25) >= 12, of_unit)).all()
    read = topology.output_mask[topology.output_rows["cells"]]
    assert (read == np.equal.outer(np.arange(16) >= 8, np.arange(25) >= 12)).all()


def test_chords_do_not_hear_the_melody() -> None:
    """Neither now nor later: whatever melody is played, chord outputs are bit-equal."""
    network = LstmNetwork(PUBLISHED["blues-melody"], seed=0, dtype=torch.float64)
    with torch.no_grad():
        network.output_weights.add_(1.0)  # also of links that do not exist
        network.hidden_weights.add_(0.1)
    x = torch.randn(20, 3, 25, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    other = x.clone()
    other[..., 12:] = torch.randn(20, 3, 13, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        (one, _), (two, _) = network(x), network(other)
    assert torch.equal(one[..., :12], two[..., :12]) and not torch.allclose(one[..., 12:], two[..., 12:])


@pytest.mark.parametrize(("gradient", "optimizer"), [("truncated", RmsProp(0.9)), ("bptt", Sgd()), ("rtrl", Sgd())])
@pytest.mark.parametrize("each_step", [True, False])
def test_absent_links_stay_zero_in_kernels(gradient: str, each_step: bool, optimizer: Any) -> None:
    approximator: Any = make_approximator(
        SMALL, make_weights(SMALL, np.random.default_rng(0)), 1, np.float64, gradient, 5
    )
    before = approximator.weights.output.copy()
    assert (before[-1] == 0.5).all() and (before[ABSENT] == 0.0).all()
    rng = np.random.default_rng(1)
    x, targets = rng.normal(size=(6, 2)), rng.uniform(size=(6, 2))
    scratch = np.zeros(2), np.zeros(2)
    for _ in range(3):
        learn_sequence_of(approximator, x, targets, Update(optimizer, 0.1, 1.0), each_step, *scratch)
    changed = approximator.weights.output != before
    assert (approximator.weights.output[ABSENT] == 0.0).all() and changed.sum() == SMALL.output_mask.sum()


@compiled
def _learn(
    approximator: Any, x: Any, targets: Any, has_target: Any, update: Update, each_step: bool, errors: Any, row: Any
) -> None:
    learn_sequence(approximator, x, targets, has_target, update, each_step, 2.0, errors, row)


def learn_sequence_of(approximator: Any, x: Any, targets: Any, update: Update, each_step: bool, *scratch: Any) -> None:
    _learn(approximator, x, targets, np.ones(len(x), np.bool_), update, each_step, *scratch)


def test_absent_links_stay_zero_in_the_filter_torch_and_guesses() -> None:
    trainer = KalmanTrainer(SMALL, seed=0)
    rng = np.random.default_rng(0)
    x, targets = rng.normal(size=(6, 2)), rng.uniform(size=(6, 2))
    trainer.train_sequence(x, targets)
    assert (trainer.weights.output[ABSENT] == 0.0).all() and trainer.weights.output[SMALL.output_mask].all()
    network = LstmNetwork(SMALL, seed=0, dtype=torch.float64)
    (network(torch.from_numpy(x[:, None]))[0] - torch.from_numpy(targets[:, None])).square().sum().backward()
    gradient = network.output_weights.grad
    assert gradient is not None and (gradient.numpy()[ABSENT] == 0.0).all()
    assert (gradient.numpy() != 0.0).sum() == SMALL.output_mask.sum()
    player = make_approximator(SMALL, make_weights(SMALL, rng), 1, np.float64)
    redraw(player, SMALL.mask, np.array([3], np.uint64))
    assert (player.weights.output[ABSENT] == 0.0).all() and np.abs(player.weights.output).max() > 10.0


def test_the_gradient_without_links_is_the_loops() -> None:
    """Reference and compiled execution agree in float64."""
    gradients = []
    x = torch.randn(7, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for execution in ("loop", "compiled"):
        network = LstmNetwork(SMALL, seed=0, execution=execution, dtype=torch.float64)
        network(x)[0].square().sum().backward()
        gradients.append([network.hidden_weights.grad, network.output_weights.grad])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_bad_links_are_refused() -> None:
    with pytest.raises(ValueError, match=r"output_without must hold pairs \(row, output\) in 0 .. 4, 0 .. 1"):
        replace(SMALL, output_without=((5, 0),))
    with pytest.raises(ValueError, match="output_bias must be None where outputs have no bias"):
        replace(SMALL, output_without=(), biased=("cells",))


# --- playing ---------------------------------------------------------------------------------------------------------


def player_of(task: Blues, seed: int = 0) -> Any:
    return make_player(make_network(BluesRun(melody=task.melody), task, seed))


def test_free_play_is_the_networks_own() -> None:
    """Notes that are played follow from the Torch network's outputs, step by step."""
    task = Blues(melody=False)
    network = make_network(BluesRun(), task, 3)
    with torch.no_grad():
        network.output_weights *= 20.0
        network.hidden_weights *= 5.0
    piece, done, wrong = play(make_player(network), task, 40, 0)
    x = (piece - task.params[3:15]) * task.params[15:27]
    with torch.no_grad():
        expected = network(torch.from_numpy(x[:, None]))[0][:, 0].numpy() > 0.0
    assert done == 40 and len({row.tobytes() for row in piece}) > 1
    np.testing.assert_array_equal(piece[1:], expected[:-1])
    np.testing.assert_array_equal(piece[0], task.score.bars[0, 0, 0])
    right = [(piece[t] == task.score.bars[t // 8 % 12, 0, 0]).all() for t in range(40)]
    assert wrong == 40 - sum(right) > 0
    assert play(make_player(network), task, 40, 0, stop=True)[1] == right.index(False)


def test_melodies_are_drawn_in_proportion() -> None:
    """One note at a time, as often as its output says; the same seed plays the same."""
    task = Blues()
    network = make_network(BluesRun(melody=True), task, 0)
    shares = np.arange(1.0, 14.0) / 91.0
    with torch.no_grad():
        network.hidden_weights.zero_()
        network.output_weights.zero_()
        network.output_weights[-1, 12:] = torch.from_numpy(np.log(shares / (1.0 - shares)))
    piece, _, _ = play(make_player(network), task, 20_000, 5)
    melody = piece[:, 12:]
    assert (melody.sum(1) == 1).all()
    np.testing.assert_allclose(melody[1:].mean(0), shares, atol=0.012)
    np.testing.assert_array_equal(piece, play(make_player(network), task, 20_000, 5)[0])
    last = play(make_player(network), task, 20_000, 5, last=100)[0]
    np.testing.assert_array_equal(last, piece[-100:])


def chorus(choices: list[int], task: Blues) -> NDArray[Any]:
    bars: NDArray[Any] = np.concatenate([task.score.bars[b, a] for b, a in enumerate(choices)])
    return bars


def test_figures_by_hand() -> None:
    task = Blues()
    one, other = chorus([0] * 12, task), chorus([1] * 12, task)
    figures = melody_figures(np.concatenate([one, other, one, other]), task)
    assert figures == {"in_scale": 1.0, "new_bars": 0.0, "new_here": 0.0, "entropy": 1.0, "repeats": 0.5}
    changed = other.copy()
    changed[:8] = one[8:16]  # a bar of the score in another's place
    changed[8:10, 12:] = 0.0
    changed[8:10, 13] = 1.0  # C sharp
    figures = melody_figures(np.concatenate([one, changed]), task)
    assert figures["new_bars"] == 1 / 24 and figures["new_here"] == 2 / 24
    assert figures["in_scale"] == 1.0 - 2 / 192 and figures["repeats"] == 0.0
    assert entropy([b"a", b"a", b"b", b"c"]) == 1.5


def test_drift_is_found_where_it_is() -> None:
    rng = np.random.default_rng(0)
    notes = np.eye(13)[rng.integers(0, 6, (80, 96))]
    assert drift_test(notes[:40], notes[40:], rng) > 0.05
    moved = np.eye(13)[rng.integers(0, 7, (40, 96))]
    assert drift_test(notes[:40], moved, rng) == 0.001


# --- MIDI and sound --------------------------------------------------------------------------------------------------


def test_a_piece_survives_midi(tmp_path: Path) -> None:
    pytest.importorskip("mido")
    task = Blues()
    piece = chorus([0, 1] * 6, task)
    write_midi(tmp_path / "a.mid", piece, 90.0)
    score = read_score(tmp_path / "a.mid")
    np.testing.assert_array_equal(score.bars[:, 0].reshape(96, 25), piece)
    chords, melody = notes_of(piece)
    assert len(chords) == 12 * 4 and len(melody) == 12 * 4 and melody[0][:2] == (0, 2)
    again = Blues(midi_file=str(tmp_path / "a.mid"))
    assert again.max_length == 96 and again.batch(2, np.random.default_rng(0)).x.shape == (96, 2, 25)


def test_midi_files_that_cannot_be_used(tmp_path: Path) -> None:
    mido = pytest.importorskip("mido")
    file = mido.MidiFile()
    file.tracks.append(mido.MidiTrack([mido.Message("note_on", note=90), mido.Message("note_off", note=90, time=480)]))
    file.save(tmp_path / "high.mid")
    (tmp_path / "no.mid").write_text("no")
    for name, said in (
        ("high.mid", "notes below C4"),
        ("no.mid", "must be a MIDI file"),
        ("missing.mid", "No such file"),
    ):
        with pytest.raises(ValueError, match=said):
            read_score(tmp_path / name)


def test_the_sound_of_the_page_is_what_it_says() -> None:
    """One chorus at 120 quarter notes a minute: 24 s, its onsets where the MIDI file beside it has them."""
    soundfile, mido = pytest.importorskip("soundfile"), pytest.importorskip("mido")
    folder = ROOT / "docs" / "sounds"
    assert (folder / "blues.ogg").stat().st_size <= 300_000
    sound, rate = soundfile.read(folder / "blues.ogg")
    midi = mido.MidiFile(folder / "blues.mid")
    tempos = [message.tempo for message in midi.tracks[0] if message.type == "set_tempo"]
    assert tempos == [500_000] and 23.7 < midi.length <= 24.0 <= len(sound) / rate < 30.0
    score = read_score(folder / "blues.mid")
    assert len(score.bars) == 12
    _, melody = notes_of(score.bars[:, 0].reshape(96, 25))
    assert len(melody) == 52
    heard = [max(range(13), key=partial(loudness, sound, rate, note)) for note in melody]
    assert heard == [note.unit for note in melody]
    loud = np.sqrt(np.square(sound[: 24 * rate].reshape(96, -1)).mean(1))  # of each eighth
    assert loud.min() > 0.02 and 0.8 < np.abs(sound).max() <= 1.0


def loudness(sound: NDArray[Any], rate: int, note: Note, unit: int) -> float:
    """Of a unit's pitch while a note sounds, at 120 quarter notes a minute."""
    part = sound[note.start * rate // 4 : note.stop * rate // 4]
    strength = np.abs(np.fft.rfft(part * np.hanning(len(part)), 1 << 17))
    octaves = np.abs(np.log2(np.maximum(np.fft.rfftfreq(1 << 17, 1 / rate), 1.0) / 440.0) - (unit - 9) / 12)
    return float(strength[octaves < 0.02].max())


# --- commands --------------------------------------------------------------------------------------------------------


def test_train_and_play(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A shrunken run: it is trained, saved, and plays the same notes from the folder, with all files."""
    pytest.importorskip("midirenderer")
    pytest.importorskip("soundfile")
    out = tmp_path / "blues"
    asked = ["music", "train", "--out", str(out), "--seed", "1", "--updates", "3", "--no-progress"]
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert "; draw 8 of 8 of weights, after others did not keep the chords; 24 updates in " in said
    assert "choruses before a wrong chord" in said and "next: lstm-rl music play" in said and "C7: " in said
    player, task = load_player(out)
    before, _, _ = play(player, task, 96, 3)
    files = [str(tmp_path / f"b.{ending}") for ending in ("mid", "ogg", "png")]
    options = ["--midi", files[0], "--wav", files[1], "--png", files[2]]
    assert main(["music", "play", str(out), "--choruses", "1", "--seed", "3", *options]) == 0
    assert all(Path(name).stat().st_size > 1000 or name.endswith("mid") for name in files)
    capsys.readouterr()
    for again in (asked, ["music", "play", str(tmp_path)], ["music", "play", str(out), "--wav", "a.txt"]):
        assert main(again) == 2
    refused = capsys.readouterr().err
    assert "out must be a new folder" in refused and "run must be a folder of lstm-rl music train" in refused
    assert "wav must be a .wav, .flac, .ogg, .mp3 file" in refused
    assert main(["music", "play", str(out), "--wav", files[1], "--soundfont", files[2]]) == 2
    config = json.loads((out / "config.json").read_text())
    (out / "config.json").write_text(json.dumps(config | {"experiment": "pole"}))
    assert main(["music", "play", str(out)]) == 2
    save_player(tmp_path / "x", BluesRun(melody=True), player, task, {})
    np.testing.assert_array_equal(play(*load_player(tmp_path / "x"), 96, 3)[0], before)


def test_an_interrupt_says_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(blues_run, "train", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    asked = ["music", "train", "--out", str(tmp_path / "blues"), "--no-progress"]
    assert main(asked) == 143 and not (tmp_path / "blues").exists()
    again = "and the same command starts again from the beginning\n"
    assert capsys.readouterr().err == f"terminated by SIGTERM; nothing is kept, {again}"
    (tmp_path / "blues").mkdir()
    (tmp_path / "blues" / "config.json").write_text('{"experiment": "blues"}')
    assert main([*asked, "--overwrite"]) == 143 and len(list((tmp_path / "blues").iterdir())) == 1
    assert capsys.readouterr().err == f"terminated by SIGTERM; {tmp_path / 'blues'} is as it was before, {again}"


def test_no_synthesiser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lstm_rl.tasks import sound

    monkeypatch.setattr(sound, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r'sound needs midirenderer: pip install "lstm-rl\[music\]"'):
        sound.check_sound(tmp_path / "a.wav", None)


def test_environments_refuse_music() -> None:
    with pytest.raises(ValueError, match="task must be one of hs1997-reber"):
        SequenceEnv("blues-melody")


def test_learning_reaches_fewer_errors() -> None:
    """Training moves towards the score: after 60 updates the loss is a third of that at first."""
    from lstm_rl.experiments.protocols.blues_run import train

    settings = BluesRun(updates=60, attempts=1, learning_rate=0.05)
    trained, task = train(settings, lambda _: None), settings.make_task()
    x, targets = pieces(task, 1, 1, np.random.default_rng(0))
    losses = [
        float(torch.nn.functional.binary_cross_entropy_with_logits(network(x)[0].detach(), targets))
        for network in (make_network(settings, task, 0), trained.network)
    ]
    assert losses[1] < losses[0] / 3 and trained.updates == 60
    assert CHORD_UNITS == 12 and STEPS == 8
