"""`lstm-rl diagnose`: what it writes, and one sentence for everything that goes wrong."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lstm_rl.cli import main
from lstm_rl.diagnostics.diagnose import LAYERED
from lstm_rl.diagnostics.error_comparison import networks

MAZE = "lstm_rl/TMaze-v0"
FEW = ("--timesteps", "2000", "--eval-freq", "1000", "--eval-episodes", "4", "--no-progress")


def train(folder: Path, env_id: str = MAZE, *more: str) -> Path:
    command = ["train", env_id, "--log-dir", str(folder.parent), "--run-name", folder.name, *FEW, *more]
    assert main(command) == 0
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in a short maze."""
    return train(tmp_path_factory.mktemp("runs") / "maze", MAZE, "--env-kwargs", "corridor_length=3")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["diagnose", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("lstm-rl: ") and printed.err.count("\n") == 1, printed
    return printed.err


def test_error_flow_writes_pictures_and_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "deep" / "out"
    command = ["error-flow", "--units", "2", "--lags", "20", "--seed", "3", "--out", str(out), "--no-progress"]
    assert main(["diagnose", *command]) == 0
    printed = capsys.readouterr()
    assert printed.err == "" and printed.out.count("\n") == 1
    assert printed.out.startswith(f"{out}: 11 networks of 2 units; 20 steps back, an error of 1 is between ")
    assert names(out) == ["error_flow.csv", "error_flow.png", "layers.png"]
    for name in ("error_flow.png", "layers.png"):
        with Image.open(out / name) as picture:
            assert picture.format == "PNG"
    written = rows(out / "error_flow.csv")
    assert list(dict.fromkeys(row["network"] for row in written)) == list(networks(2, 3))
    assert {row["layer"] for row in written if row["network"] == LAYERED} >= {"input", "cell state", "forget gate"}
    for row in written:
        if row["network"] == "one unit, w = 2" and row["layer"] == "hidden":
            assert float(row["norm"]) == pytest.approx(0.5 ** int(row["lag"])) == pytest.approx(float(row["theory"]))
    before = (out / "error_flow.csv").read_bytes()
    assert main(["diagnose", *command]) == 0
    assert (out / "error_flow.csv").read_bytes() == before  # the same numbers again


def test_run_shows_a_trained_models_episode(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["diagnose", "run", str(run)]) == 0
    printed = capsys.readouterr()
    assert printed.err == "" and printed.out.count("\n") == 1
    assert printed.out.startswith(f"{run / 'diagnose'}: greedy episode: ") and "cell state" in printed.out
    assert names(run / "diagnose") == ["activations.png", "error_flow.csv", "error_flow.png"]
    with Image.open(run / "diagnose" / "activations.png") as picture:
        assert picture.size == (1000, 900)
    written = rows(run / "diagnose" / "error_flow.csv")
    last = max(int(row["step"]) for row in written)
    assert all(int(row["step"]) + int(row["lag"]) == last for row in written)
    reached = {row["layer"]: float(row["norm"]) for row in written if row["step"] == "0"}
    assert all(np.isfinite(norm) for norm in reached.values()) and reached["cell state"] > 0.0
    out = str(tmp_path / "out")
    assert main(["diagnose", "run", str(run), "--seed", "5", "--which", "last", "--max-steps", "4", "--out", out]) == 0
    assert "greedy episode: " in capsys.readouterr().out and len(names(tmp_path / "out")) == 3


@pytest.mark.parametrize("policy", ["GruPolicy", "SlstmPolicy"])
def test_other_networks_are_shown_as_well(policy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ("--timesteps", "60", "--bptt-depth", "5", "--cells", "3", "--env-kwargs", "max_steps=20")
    folder = train(tmp_path / "run", MAZE, "--policy", policy, *few)
    capsys.readouterr()
    assert main(["diagnose", "run", str(folder), "--max-steps", "9"]) == 0
    assert "step 0 gets: input" in capsys.readouterr().out
    layers = {row["layer"] for row in rows(folder / "diagnose" / "error_flow.csv")}
    assert layers == {"input", "hidden"} | ({"cell state"} if policy == "SlstmPolicy" else set())


def test_a_table_has_no_network_to_look_into(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = train(tmp_path / "run", MAZE, "--policy", "MemoryBitsPolicy")
    assert "lstm-rl: policy must have a network, got table: 3 regions" in refused(["run", str(folder)], capsys)
    assert not (folder / "diagnose").exists()


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], ["Expected one of {error-flow, run}"]),
        (["fly"], ["fly", "error-flow, run"]),
        (["error-flow", "--lags", "0"], ["lags must be an integer >= 1, got 0"]),
        (["error-flow", "--units", "0"], ["units must be an integer >= 1, got 0"]),
        (["error-flow", "--seed", "-1"], ["seed must be an integer >= 0, got -1"]),
        (["error-flow", "--lags", "many"], ["--lags", "'many'"]),
        (["error-flow", "--out", __file__], ["out must be a folder", __file__]),
        (["run"], ["Run folder"]),
        (["run", "nowhere"], ["run must be a folder with a config.json", "got nowhere"]),
        (["run", "nowhere", "--which", "first"], ["'first'"]),
    ],
)
def test_bad_input_gives_one_sentence(
    arguments: list[str],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    message = refused(arguments, capsys)
    assert all(word in message for word in words), message
    assert list(tmp_path.iterdir()) == []  # nothing is left behind


def test_bad_numbers_of_a_run_are_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "seed must be an integer >= 0, got -1" in refused(["run", str(run), "--seed", "-1"], capsys)
    assert "max_steps must be an integer >= 1, got 0" in refused(["run", str(run), "--max-steps", "0"], capsys)
    assert "out must be a folder" in refused(["run", str(run), "--out", str(run / "model.zip")], capsys)
