"""Studies on a Ray cluster: the same results as here, over interruptions and failures."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lstm_rl.cli import main
from lstm_rl.experiments.cluster import Map, ray_map
from lstm_rl.experiments.engine import Experiment, Report, Row, conduct, plan
from lstm_rl.experiments.protocols import flag_run
from lstm_rl.experiments.protocols.flag_run import FlagRun
from lstm_rl.experiments.store import Run, read_runs


@pytest.fixture(scope="module")
def two_workers() -> Iterator[Map]:
    pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")  # else Ray keeps a token in the user's home
        with ray_map("ray", 2) as over:
            yield over


def lags(run: Any = flag_run.run) -> Experiment:
    rows = [Row(f"p = {lag}", FlagRun("LSTM 1997", lag, max_sequences=200)) for lag in (2, 3)]
    return Experiment("lags", "short ones", "", rows, run, lambda runs, published: {})


def conducted(path: Path, runs: int, over: Map | None = None, experiment: Experiment | None = None) -> list[Run]:
    experiment = experiment or lags()
    done = conduct(experiment, plan(experiment.rows, runs, 1), path, progress=False, over=over)
    return sorted(done, key=lambda run: (run["seed"], run["row"]))


def test_runs_on_a_cluster_are_those_of_this_machine(two_workers: Map, tmp_path: Path) -> None:
    """To the last bit, and either goes on where the other one was stopped."""
    here = conducted(tmp_path / "here.csv", 3)
    assert conducted(tmp_path / "there.csv", 3, two_workers) == here and len(here) == 6
    for k, (first, then) in enumerate([(None, two_workers), (two_workers, None)]):
        path = tmp_path / f"{k}.csv"
        conducted(path, 1, first)
        started = path.read_text()
        assert conducted(path, 3, then) == here and path.read_text().startswith(started)


def test_signals_mean_afterwards_what_they_meant_before() -> None:
    """In a process of its own: here a cluster runs already."""
    script = """
import signal
from lstm_rl.experiments.cluster import ray_map
before = signal.getsignal(signal.SIGTERM)
with ray_map("ray", 1):
    pass
assert signal.getsignal(signal.SIGTERM) is before
"""
    subprocess.run([sys.executable, "-c", script], check=True, env={**os.environ, "RAY_AUTH_MODE": "disabled"})


def test_what_fails_is_told_and_the_rest_goes_on(
    two_workers: Map, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(settings: FlagRun, report: Report) -> Run:
        import os

        if settings.seed == 2:
            raise OSError("no\nroom")
        if settings.seed == 3 and settings.lag == 2:
            os._exit(1)  # as a machine that goes down does, at each of Ray's trials
        return {"success": True}

    done = conducted(tmp_path / "results.csv", 3, two_workers, lags(run))
    assert [(run["row"], run["seed"]) for run in done] == [("p = 2", 1), ("p = 3", 1), ("p = 3", 3)]
    assert len(read_runs(tmp_path / "results.csv", "lags")) == 3
    *errors, dead = sorted(capsys.readouterr().err.splitlines(), key=lambda line: "OSError" not in line)
    assert sorted(errors) == [f"lstm-rl: p = {lag}, seed 2, failed: OSError: no room" for lag in (2, 3)]
    assert dead.startswith("lstm-rl: p = 2, seed 3, failed: WorkerCrashedError: ")


def test_the_command_joins_a_cluster(two_workers: Map, tmp_path: Path) -> None:
    import ray

    address = ray.get_runtime_context().gcs_address
    what = ["reproduce", "minimal-time-lag", "--rows", "LSTM 1997, p = 4", "--set", "max_sequences=200"]
    outs = [tmp_path / "here", tmp_path / "there"]
    assert main([*what, "--runs", "2", "--out", str(outs[0]), "--no-progress"]) == 0
    command = [sys.executable, "-m", "lstm_rl", *what, "--runs", "2", "--out", str(outs[1]), "--cluster", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and f"{outs[1]}: 2 of 2 runs done, " in done.stdout
    said = [line for line in done.stderr.splitlines() if line]
    assert said and all(line.startswith("minimal-time-lag: ") for line in said) and "100%" in said[-1]
    here, there = (sorted((out / "results.csv").read_text().splitlines()) for out in outs)
    assert here == there and len(here) == 3


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        ("nowhere", "cluster must be ray, HOST:PORT or ray://HOST:PORT, got 'nowhere'"),
        ("http://localhost:80", "cluster must be ray, HOST:PORT or ray://HOST:PORT, got 'http://localhost:80'"),
        ("localhost:port", "cluster must be ray, HOST:PORT or ray://HOST:PORT, got 'localhost:port'"),
        ("localhost:9", "cluster must be the address of a Ray cluster, got 'localhost:9': "),
        ("ray://localhost:9", "cluster must be the address of a Ray cluster, got 'ray://localhost:9': "),
    ],
)
def test_addresses_that_nobody_answers(
    cluster: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, exit code 2, nothing written."""
    assert main(["reproduce", "parity", "--out", str(tmp_path / "out"), "--cluster", cluster]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"lstm-rl: {message}") and error.count("\n") == 1 and not list(tmp_path.iterdir())


def test_ray_is_an_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["reproduce", "parity", "--cluster", "ray"]) == 2
    assert capsys.readouterr().err == 'lstm-rl: cluster needs Ray: pip install "lstm-rl[ray]"\n'
