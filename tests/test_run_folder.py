"""The run folder: one process at a time, what is left behind, what may be lost, and how large files are."""

import csv
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstm_rl.agents import AdvantageLearning, Config
from lstm_rl.agents.defaults import TMAZE
from lstm_rl.atomic import atomic_write, remove_parts
from lstm_rl.cli import main
from lstm_rl.run_lock import LOCK, folder_lock
from lstm_rl.runs import load_model, read_config, settings_of
from lstm_rl.settings import Settings
from lstm_rl.training import _eval_freq, run

MAZE = "lstm_rl/NoisyTMaze-v0"
FEW = ("--timesteps", "1000", "--eval-freq", "250", "--eval-episodes", "4", "--no-progress", "--no-pictures")


def train(folder: Path, *more: str, env_id: str = MAZE) -> list[str]:
    where = ["--log-dir", str(folder.parent), "--run-name", folder.name]
    return ["train", env_id, *where, *FEW, "--env-kwargs", "corridor_length=3", *more]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def said(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int) -> str:
    """What a command says on stderr: one sentence."""
    capsys.readouterr()
    assert main(arguments) == code
    errors = capsys.readouterr().err
    assert errors.startswith("lstm-rl: ") and errors.count("\n") == 1, errors
    return errors


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is complete."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert main(train(folder)) == 0
    return folder


@pytest.fixture
def half(tmp_path: Path, whole: Path) -> Path:
    """The same run, which stood at its second evaluation."""
    folder = tmp_path / "half"
    if not (stored := whole.parent / "half").exists():
        command = train(stored)
        command[command.index("1000")] = "500"
        assert main(command) == 0
    shutil.copytree(stored, folder)
    return folder


def weights(path: Path) -> dict[str, Any]:
    return {name: value.numpy() for name, value in load_model(path).get_parameters()["policy"].items()}


# --- lock ------------------------------------------------------------------------------------------------------------

HOLD = """
import sys, pathlib
from lstm_rl.run_lock import folder_lock
with folder_lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_and_a_killed_one_gives_the_folder_free(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    before = contents(folder)
    for option in ("--resume", "--overwrite"):
        message = said(capsys, train(folder, option, "--timesteps", "2000"), 2)
        assert f"{folder} is in use by process {holder.pid} on {platform.node()} since 2" in message
    with pytest.raises(ValueError, match=f"in use by process {holder.pid} on"), folder_lock(folder):
        raise AssertionError
    assert contents(folder) == before
    holder.kill()
    holder.communicate()
    assert (folder / LOCK).exists()  # stale
    assert main(train(folder, "--resume", "--timesteps", "1250")) == 0
    assert load_model(folder / "model.zip").num_timesteps == 1250 and not (folder / LOCK).exists()


def test_one_process_does_not_hold_a_folder_twice_and_leaves_no_empty_one(tmp_path: Path) -> None:
    with folder_lock(tmp_path / "new"):
        with pytest.raises(ValueError, match=f"in use by process {os.getpid()} on"), folder_lock(tmp_path / "new"):
            raise AssertionError
        assert json.loads((tmp_path / "new" / LOCK).read_text())["pid"] == os.getpid()
    assert not (tmp_path / "new").exists()
    with folder_lock(tmp_path):  # was there before
        (tmp_path / "kept").write_text("")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_lock_of_another_machine_is_respected_and_one_from_before_a_reboot_is_not(tmp_path: Path) -> None:
    holder = {"pid": 7, "host": "far-away", "boot": "another", "since": "2024-01-01 00:00:00"}
    (tmp_path / LOCK).write_text(json.dumps(holder))
    with pytest.raises(ValueError, match=f"process 7 on far-away since .*; if that is no longer so, delete {tmp_path}"):
        with folder_lock(tmp_path):
            raise AssertionError
    for text in (json.dumps(holder | {"host": platform.node()}), "", "{"):  # the last two: killed while writing
        (tmp_path / LOCK).write_text(text)
        with folder_lock(tmp_path):
            assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()


def test_a_folder_of_something_else_is_never_mixed_up(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(whole)
    assert "which holds a training run" in said(capsys, ["reproduce", "multimode-pole", "--out", str(whole)], 2)
    assert contents(whole) == before
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "results.csv").write_text("seed\n1\n")
    for option, words in (("--overwrite", "overwrite must name a run folder"), ("--progress", "exists")):
        assert words in said(capsys, train(tmp_path / "study", option), 2)
    assert contents(tmp_path / "study") == {"results.csv": b"seed\n1\n"}
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / LOCK).write_text("{")  # killed before it wrote anything
    assert main(train(tmp_path / "empty")) == 0


# --- what is left behind, lost and damaged ---------------------------------------------------------------------------


def test_parts_of_dead_processes_are_removed(half: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    stale = [half / f".model.{dead.pid}.part.zip", half / f".config.{dead.pid}.part.json", half / f".x.{10**30}.part"]
    kept = [half / f".film.{os.getppid()}.part.gif", half / ".mine.part.txt", half / "model.1.part.zip"]
    for path in stale + kept:
        path.write_text("half of it")
    assert main(train(half, "--resume")) == 0
    assert not any(path.exists() for path in stale) and all(path.exists() for path in kept)
    remove_parts(half / "nowhere")


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("damage", ["monitor deleted", "monitor cut", "evaluations deleted", "evaluations cut"])
def test_lost_records_do_not_block_a_whole_model(
    damage: str, half: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = half / ("monitor.csv" if "monitor" in damage else "evaluations.npz")
    size = path.stat().st_size
    if "cut" in damage:
        path.write_bytes(path.read_bytes()[: size - 7])
    else:
        path.unlink()
    words = {
        "monitor deleted": f"monitor.csv has lost {size} of the {size} bytes",
        "monitor cut": "monitor.csv has lost ",
        "evaluations deleted": "evaluations.npz has lost 2 of 2 evaluations",
        "evaluations cut": "evaluations.npz has lost 2 of 2 evaluations",
    }
    assert words[damage] in said(capsys, train(half, "--resume"), 0)
    np.testing.assert_equal(weights(half / "model.zip"), weights(whole / "model.zip"))
    rows = list(csv.reader((half / "monitor.csv").read_text().splitlines()[1:]))
    assert {len(row) for row in rows} == {4}
    assert [row[:2] for row in rows[-5:]] == [row[:2] for row in _episodes(whole)[-5:]]
    with np.load(half / "evaluations.npz") as file:
        assert file["timesteps"].tolist() == ([250, 500] if "monitor" in damage else []) + [750, 1000]
    assert main(train(half, "--resume")) == 0 and "lost" not in capsys.readouterr().err


def _episodes(folder: Path) -> list[list[str]]:
    return list(csv.reader((folder / "monitor.csv").read_text().splitlines()[1:]))


@pytest.mark.filterwarnings("default")
def test_a_damaged_monitor_costs_no_more_than_the_picture(half: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (half / "monitor.csv").read_bytes()
    (half / "monitor.csv").write_bytes(text[:60] + bytes(9) + text[69:])
    message = said(capsys, train(half, "--resume", "--pictures"), 0)
    assert "learning_curve.png cannot be drawn from" in message
    assert load_model(half / "model.zip").num_timesteps == 1000


def test_evaluations_after_the_checkpoint_are_forgotten(half: Path, whole: Path) -> None:
    """Killed between evaluations.npz and model.zip: the file is one evaluation ahead."""
    shutil.copy(whole / "evaluations.npz", half)
    assert main(train(half, "--resume")) == 0
    with np.load(half / "evaluations.npz") as one, np.load(whole / "evaluations.npz") as other:
        np.testing.assert_equal(dict(one), dict(other))


@pytest.mark.parametrize("name", ["monitor.csv", "model.zip", "events.out.tfevents"])
def test_a_full_disk_names_the_file_and_nothing_else(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A limit of file sizes stands for it; which file meets it first depends on what is written how often."""
    size, more = {
        "monitor.csv": (45_000, ("--timesteps", "40000", "--eval-freq", "90000", "--chunk-size", "2000")),
        "model.zip": (15_000, ()),
        "events.out.tfevents": (41_000, ("--timesteps", "4000", "--eval-freq", "90000", "--chunk-size", "8")),
    }[name]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        code = main(train(tmp_path / "run", *more))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    errors = capfd.readouterr().err
    assert code == 1 and errors.count("\n") == 1 and "File too large" in errors and f"/run/{name}" in errors
    if name == "model.zip":
        assert not (tmp_path / "run").exists()  # there was nothing to keep
    else:
        assert load_model(tmp_path / "run" / "model.zip").num_timesteps == 0


def test_a_path_that_cannot_be_written_is_named() -> None:
    model = AdvantageLearning("LstmPolicy", "lstm_rl/TMaze-v0", Config(cells=1))
    with pytest.raises(OSError, match="/proc/x.zip"):
        model.save("/proc/x")
    with pytest.raises(OSError, match="/dev/null"), atomic_write(Path("/dev/null/x")):
        raise AssertionError


@pytest.mark.parametrize("text", ["[" * 100_000, '{"env": ' + '{"a": ' * 50_000])
def test_a_config_that_is_nested_too_deep_is_damaged(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config.json must be JSON, but is damaged: \S.{,200}$"):
        read_config(tmp_path)


def test_a_folder_that_is_no_text_is_refused_before_it_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in (tmp_path / "l\udce4rm" / "run", tmp_path / "l\udce4rm"):
        message = said(capsys, train(folder), 2)
        assert "log-dir and run-name must be text in UTF-8" in message and r"l\udce4rm" in message
    assert not list(tmp_path.iterdir())
    assert main(train(tmp_path / "lärm", "--timesteps", "60")) == 0


# --- sizes and contents ----------------------------------------------------------------------------------------------


def test_a_model_holds_no_history(tmp_path: Path) -> None:
    """200 episodes in each of many evaluations, as the demo has them: they are in evaluations.npz alone."""
    settings = Settings(
        MAZE, {"corridor_length": 3}, timesteps=1000, log_dir=tmp_path, progress=False, pictures=False, config=TMAZE
    )
    run(settings)
    assert settings_of(settings.folder).eval_freq == 40  # a 25th
    other = replace(settings, algo="recurrent-dqn", config=Config(), eval_freq=None)
    replay = [replace(other, timesteps=steps) for steps in (500, 5000, 10**6)]
    assert [_eval_freq(each, True) for each in replay] == [500, 2500, 25_000]
    for name in ("model.zip", "best_model.zip"):
        assert (settings.folder / name).stat().st_size <= 60_000
    with np.load(settings.folder / "evaluations.npz") as file:
        assert {name: file[name].shape for name in file} == {
            "timesteps": (25,),
            "results": (25, 200),
            "ep_lengths": (25, 200),
            "successes": (25, 200),
        }


def test_pictures_are_optional(whole: Path) -> None:
    assert not list(whole.glob("*.png"))
    board = b"".join(path.read_bytes() for path in whole.glob("events*"))
    assert b"rollout/ep_rew_mean" in board and b"eval/mean_reward" in board and b"eval/success_rate" in board
    assert b"episode/activations" not in board


def test_only_whole_models_of_the_same_spaces_are_played(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    for values, words in (
        ({"env": "lstm_rl/MultimodePole-v0", "env_kwargs": {}}, "Discrete(4), got lstm_rl/MultimodePole-v0 with Box("),
        ({"env": "Acrobot-v1", "env_kwargs": {}}, "with 3 inputs and Discrete(4), got Acrobot-v1 with 6 and Discrete"),
    ):
        (folder / "config.json").write_text(json.dumps(read_config(folder) | values))
        film = str(tmp_path / "film.gif")
        for command in (
            ["evaluate", str(folder)],
            ["watch", str(folder), "--video", film],
            ["diagnose", "run", str(folder)],
        ):
            assert words in said(capsys, command, 2)
    shutil.copy(whole / "config.json", folder)
    for name in ("best_model.zip", "model.zip"):
        model = load_model(folder / name)
        next(model.policy.parameters()).data.view(-1)[0] = np.nan
        model.save(folder / name)
    message = said(capsys, ["evaluate", str(folder)], 2)
    assert "best_model.zip must hold finite numbers, but " in message and "holds NaN or infinity" in message
    assert "model.zip must hold finite numbers" in said(capsys, train(folder, "--resume"), 2)
