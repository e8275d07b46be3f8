"""Ctrl-C, SIGTERM, SIGHUP and kill -9: a checkpoint where there can be one, one sentence, the exit code of a signal."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstm_rl.cli import main
from lstm_rl.run_lock import LOCK
from lstm_rl.runs import load_model
from lstm_rl.signals import Terminated, stop_on_signals, terminate_on_signals

MAZE = "lstm_rl/NoisyTMaze-v0"


def weights(path: Path) -> dict[str, Any]:
    return {name: value.numpy() for name, value in load_model(path).get_parameters()["policy"].items()}


def episodes(folder: Path) -> list[list[str]]:
    """Return and length of all training episodes."""
    return [line.split(",")[:2] for line in (folder / "monitor.csv").read_text().splitlines()[2:]]


def ended(command: list[str], folder: Path, number: int) -> tuple[int, str]:
    """Start a command, send a signal once more episodes are recorded; return exit code and what it said on stderr."""
    path, process = (
        folder / "monitor.csv",
        subprocess.Popen(
            [sys.executable, "-m", "lstm_rl", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ),
    )
    before = path.stat().st_size if path.exists() else 0
    try:
        while process.poll() is None and not (path.exists() and path.stat().st_size > before + 1000):
            time.sleep(0.02)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, errors


def test_a_run_that_is_ended_by_signals_goes_on_exactly(tmp_path: Path) -> None:
    few = ("--eval-freq", "3000", "--eval-episodes", "4", "--no-progress", "--no-pictures", "--chunk-size", "500")
    folder, whole = tmp_path / "run", tmp_path / "whole"
    command = ["train", MAZE, "--log-dir", str(tmp_path), "--env-kwargs", "corridor_length=3", *few]
    running = [*command, "--run-name", "run", "--timesteps", "500000000"]
    goes_on = "; the same command with --resume goes on exactly from here\n"
    assert ended(running, folder, signal.SIGTERM) == (143, f"terminated by SIGTERM{goes_on}")
    assert ended([*running, "--resume"], folder, signal.SIGKILL) == (-9, "")
    assert (folder / LOCK).exists()
    assert ended([*running, "--resume"], folder, signal.SIGINT) == (130, f"interrupted{goes_on}")
    assert not list(folder.glob(".*"))
    goal = ("--timesteps", str(load_model(folder / "model.zip").num_timesteps + 7000))
    assert main([*command, "--run-name", "run", *goal, "--resume"]) == 0
    assert main([*command, "--run-name", "whole", *goal]) == 0
    for name in ("model.zip", "best_model.zip"):
        np.testing.assert_equal(weights(folder / name), weights(whole / name))
    assert episodes(folder) == episodes(whole)
    with np.load(folder / "evaluations.npz") as one, np.load(whole / "evaluations.npz") as other:
        np.testing.assert_equal(dict(one), dict(other))


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_every_command_ends_with_one_sentence(
    number: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def busy(_: Any) -> int:
        os.kill(os.getpid(), number)
        time.sleep(60)
        return 0

    monkeypatch.setattr("lstm_rl.cli.envs", busy)
    assert main(["envs"]) == code
    errors = capsys.readouterr().err
    assert errors == f"lstm-rl: {'interrupted' if code == 130 else f'terminated by {number.name}'}\n"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_the_second_signal_ends_at_once_and_the_first_where_nobody_waits() -> None:
    with stop_on_signals() as stop:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        stop.can_wait = True
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.signal == signal.SIGTERM
        with pytest.raises(Terminated) as met:
            os.kill(os.getpid(), signal.SIGHUP)
    assert met.value.signal == signal.SIGHUP


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals() as stop, terminate_on_signals():
            os.kill(os.getpid(), signal.SIGHUP)
        assert stop.signal is None
    finally:
        signal.signal(signal.SIGHUP, before)


INTERRUPTED_IMPORT = """
import os, runpy, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)

module = sys.argv[2]
sys.meta_path.insert(0, Interrupt())
sys.argv = [sys.argv[1], "envs"]
runpy.run_module("lstm_rl", run_name="__main__")
"""


@pytest.mark.parametrize("module", ["gymnasium", "tyro"])
def test_an_interrupted_import_shows_no_traceback(module: str) -> None:
    """Neither while the package is imported nor while the command line is; in other programs Python's own does."""
    done = {
        program: subprocess.run(
            [sys.executable, "-c", INTERRUPTED_IMPORT, program, module], capture_output=True, text=True
        )
        for program in ("bin/lstm-rl", "bin/notebook")
    }
    ours = done["bin/lstm-rl"]
    assert ours.returncode == 130 and "Traceback" not in ours.stderr and ours.stdout == ""
    assert ("KeyboardInterrupt" in done["bin/notebook"].stderr) == (module == "gymnasium")


def test_an_interrupt_that_a_callback_swallows_is_still_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def swallowed(_: object) -> int:
        with pytest.raises(Terminated):
            os.kill(os.getpid(), signal.SIGTERM)
        raise RuntimeError("no compiled object yet")  # as llvmlite does, whose callback was interrupted

    def failing(_: object) -> int:
        raise RuntimeError("failed")

    monkeypatch.setattr("lstm_rl.cli.models", swallowed)
    assert main(["models"]) == 128 + signal.SIGTERM
    assert capsys.readouterr().err == "lstm-rl: terminated by SIGTERM\n"
    monkeypatch.setattr("lstm_rl.cli.models", failing)
    assert main(["models"]) == 1  # the signal before is forgotten
