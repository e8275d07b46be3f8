"""Experiments: statistics on known numbers, the engine on a toy, the command line, and each real one, shrunken."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from lstm_rl.cli import main
from lstm_rl.experiments.engine import Experiment, Report, Row, conduct, frame, plan
from lstm_rl.experiments.protocols import flag_run, maze_run, pole_run
from lstm_rl.experiments.protocols.flag_run import FlagRun
from lstm_rl.experiments.protocols.maze_run import MazeRun
from lstm_rl.experiments.protocols.pole_run import PoleRun
from lstm_rl.experiments.registry import EXPERIMENTS
from lstm_rl.experiments.report import cell, table, write_report
from lstm_rl.experiments.statistics import median_text, steps_text, success_text
from lstm_rl.experiments.store import Run, read_runs, stored_runs, write_runs
from lstm_rl.intervals import median_interval, success_interval
from lstm_rl.run_lock import folder_lock

# --- statistics ------------------------------------------------------------------------------------------------------


def test_wilson_intervals_are_those_of_the_books() -> None:
    np.testing.assert_allclose(success_interval(10, 10), (0.7225, 1.0), atol=1e-4)
    np.testing.assert_allclose(success_interval(0, 10), (0.0, 0.2775), atol=1e-4)
    np.testing.assert_allclose(success_interval(5, 10), (0.2366, 0.7634), atol=1e-4)
    assert success_text(2, 10) == "2/10 (6 % - 51 %)"


def test_median_intervals_hold_the_median_and_shrink() -> None:
    low, high = median_interval([1.0, 2.0, 3.0, 4.0, 100.0])
    assert 1.0 <= low < 3.0 < high <= 100.0
    assert median_interval([7.0] * 5) == (7.0, 7.0)
    spread = [float(np.subtract(*median_interval(list(range(n)))[::-1])) / n for n in (10, 100)]
    assert spread[1] < spread[0] / 2
    assert median_text([]) == "-" and median_text([4000.0]) == "4 k (4 k - 4 k)"
    assert [steps_text(steps) for steps in (640, 42_000, 1_300_000, 2.1e9)] == ["640", "42 k", "1.3 M", "2.1 G"]


# --- the engine ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Toy:
    """Settings of a run that only adds."""

    number: int
    words: str = "a, b"
    nothing: float | None = None
    seed: int = 0


def add(settings: Toy, report: Report) -> Run:
    report(1)
    return {"sum": settings.number + 0.5, "success": settings.number % 2 == 0, "missing": None}


def score(runs: Any, published: Any) -> dict[str, Any]:
    return {"sum": runs["sum"].mean(), "ratio": runs["sum"].mean() / published["sum"] if "sum" in published else None}


def toy(run: Callable[[Any, Report], Run] = add, **fields: Any) -> Experiment:
    rows = [Row(f"number {n}", Toy(n), {"sum": 1.0} if n == 1 else {}) for n in range(3)]
    rows.append(Row("quoted", None, {"sum": 7}))
    values: dict[str, Any] = {"name": "toy", "about": "adds", "protocol": "Numbers.", "rows": rows}
    values |= {"run": run, "score": score, "figures": lambda runs: {f"{len(runs)}_runs": Figure()}}
    return Experiment(**values | fields)


class Counting:
    """Breaks off at a number of calls, as a killed process does."""

    def __init__(self, until: int) -> None:
        self.calls, self.until = 0, until

    def __call__(self, settings: Toy, report: Report) -> Run:
        if self.calls == self.until:
            raise KeyboardInterrupt
        self.calls += 1
        return add(settings, report)


def conducted(experiment: Experiment, path: Path, runs: int = 2, seed: int = 7, **arguments: Any) -> list[Run]:
    return conduct(experiment, plan(experiment.rows, runs, seed), path, progress=False, **arguments)


def test_every_row_has_its_first_run_early() -> None:
    rows = [Row("a", Toy(1)), Row("b", Toy(2), repeats=2), Row("c", None)]
    assert [(key, settings.seed) for key, settings in plan(rows, 2, 5)] == [
        ("a", 5),
        ("b", 5),
        ("a", 6),
        ("b", 6),
        ("b", 7),
        ("b", 8),
    ]


def test_what_was_interrupted_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "toy" / "results.csv"
    with pytest.raises(KeyboardInterrupt):
        conducted(toy(Counting(3)), path)
    assert [(run["row"], run["seed"]) for run in read_runs(path, "toy")] == [
        ("number 0", 7),
        ("number 1", 7),
        ("number 2", 7),
    ]
    rest = Counting(99)
    done = conducted(toy(rest), path)
    assert rest.calls == 3 and done == read_runs(path, "toy")
    assert done[-1] == {
        **{"experiment": "toy", "row": "number 2", "seed": 8, "number": 2, "words": "a, b", "nothing": None},
        **{"sum": 2.5, "success": True, "missing": None},
    }
    assert conducted(toy(Counting(0)), path) == done  # nothing left to do
    assert len(conducted(toy(Counting(0)), path, runs=1)) == 6  # others stay


def test_a_table_puts_published_beside_ours(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    done = conducted(toy(), path)
    done.append(done[0] | {"row": "of my choice"})
    assert table(toy(), done).to_dict("records") == [
        {"row": "number 0", "published sum": "", "sum": "0.5", "ratio": ""},
        {"row": "number 1", "published sum": "1", "sum": "1.5", "ratio": "1.5"},
        {"row": "number 2", "published sum": "", "sum": "2.5", "ratio": ""},
        {"row": "quoted", "published sum": "7", "sum": "", "ratio": ""},
        {"row": "of my choice", "published sum": "", "sum": "0.5", "ratio": ""},
    ]
    assert list(table(toy(), done[:1], unrun=False)["row"]) == ["number 0", "quoted"]
    assert len(table(toy(), [])) == 4  # nothing but what is published
    write_report(toy(), done, tmp_path, "the command")
    text = (tmp_path / "table.md").read_text()
    assert text.startswith(
        "# toy\n\nNumbers.\n\nRuns per row: 1 - 2, seeds 7 - 8.\n\n| row | published sum | sum | ratio"
    )
    assert "| number 1 | 1 | 1.5 | 1.5 |" in text and "`the command` with lstm_rl " in text and "numba" in text
    assert sorted(file.name for file in tmp_path.iterdir()) == ["7_runs.png", "results.csv", "table.md"]
    assert [cell(value) for value in (None, float("nan"), 39_740, 0.00828, 0.0, "100 %")] == [
        *("", "", "39,740", "0.0083", "0", "100 %")
    ]


def test_rows_with_columns_share_a_line() -> None:
    rows = [Row("a", Toy(n), column=f"n = {n}") for n in range(2)]
    runs: list[Run] = [{"row": row.key, "seed": 1, "sum": row.settings.number} for row in rows]
    (line,) = table(toy(rows=rows), runs).to_dict("records")
    assert line == {"row": "a", "n = 0: sum": "0", "n = 1: sum": "1", "n = 0: ratio": "", "n = 1: ratio": ""}


def test_old_results_stay_readable(tmp_path: Path) -> None:
    """A setting that is younger than the file has its default; a result that is missing is named."""
    path = tmp_path / "results.csv"
    done = conducted(toy(), path)
    old = [{name: value for name, value in run.items() if name not in ("words", "nothing")} for run in done]
    write_runs(path, old)
    assert len(conducted(toy(Counting(0)), path)) == 6  # they count as done
    data = frame(toy(), read_runs(path, "toy"))
    assert set(data["words"]) == {"a, b"} and data["nothing"].isna().all()
    assert table(toy(), read_runs(path, "toy")).equals(table(toy(), done))
    worse = [{name: value for name, value in run.items() if name != "sum"} for run in done]
    with pytest.raises(ValueError, match=r"^results of toy must have a column 'sum'$"):
        table(toy(), worse)


def test_runs_with_other_settings_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    conducted(toy(), path)
    before = path.read_bytes()
    other = toy(rows=[Row("number 0", Toy(0, words="c"))])
    sentence = r"^out must be another folder: .* holds 'number 0' with seed 7 and words 'a, b', asked is 'c'$"
    with pytest.raises(ValueError, match=sentence):
        conducted(other, path)
    with pytest.raises(ValueError, match=r"must hold runs of other, got toy$"):
        conducted(toy(name="other"), path)
    assert path.read_bytes() == before
    path.write_text("length\n3\n")
    with pytest.raises(ValueError, match=r"must hold runs of toy, got something else$"):
        conducted(toy(), path)


def test_processes_and_any_map_give_the_same_runs(tmp_path: Path) -> None:
    """What a cluster would bring: the runs come back in another order."""

    def backwards(function: Callable[[Any], Any], plans: list[Any]) -> Any:
        return (function(each) for each in reversed(plans))

    kinds: list[dict[str, Any]] = [{}, {"workers": 2}, {"over": backwards}]
    runs = [conducted(toy(), tmp_path / f"{k}.csv", **arguments) for k, arguments in enumerate(kinds)]
    assert runs[2] == runs[0][::-1] != runs[0]
    assert sorted(runs[1], key=lambda run: (run["seed"], run["row"])) == runs[0]


def test_a_run_that_fails_does_not_end_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told, the others go on, and the same command tries it again."""
    broken = {"number 1"}

    def run(settings: Toy, report: Report) -> Run:
        if f"number {settings.number}" in broken:
            raise ZeroDivisionError("by\nzero")
        return add(settings, report)

    monkeypatch.setitem(EXPERIMENTS, "toy", toy(run))
    command = ["reproduce", "toy", "--runs", "2", "--seed", "7", "--no-progress", "--out", str(tmp_path / "out")]
    assert main(command) == 1
    assert capsys.readouterr().err.splitlines() == [
        "lstm-rl: number 1, seed 7, failed: ZeroDivisionError: by zero",
        "lstm-rl: number 1, seed 8, failed: ZeroDivisionError: by zero",
        f"lstm-rl: {tmp_path / 'out'}: 2 of 6 runs failed; the same command tries these again",
    ]
    assert "| number 2 |" in (tmp_path / "out" / "table.md").read_text()
    broken.clear()
    assert main(command) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'out'}: 6 of 6 runs done, 4 with success")


# --- the command line ------------------------------------------------------------------------------------------------


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiments"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(EXPERIMENTS)


def test_reproduce_and_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, name = tmp_path / "out", "hs1997-two-sequence-a"
    arguments = ["reproduce", name, "--set", "T=20", "N=3", "--max-sequences", "3000", "--out", str(out)]
    arguments += ["--seed", "5", "--no-progress"]
    assert main([*arguments, "--runs", "1"]) == 0
    last = capsys.readouterr().out
    assert last.startswith(f"{out}: 1 of 1 runs done, ") and f"lstm-rl table {name} --results {out}" in last
    (stored,) = read_runs(out / "results.csv", name)
    assert (stored["row"], stored["settings"], stored["seed"]) == ("T=20 N=3: max_sequences=3000", "T=20 N=3", 5)
    assert (stored["learning_rate"], stored["optimizer"], stored["network"]) == (1.0, "sgd", "published")
    assert main([*arguments, "--runs", "2"]) == 0
    assert main([*arguments, "--runs", "1", "--network", "elman", "--units", "3", "--gradient", "bptt"]) == 0
    runs = read_runs(out / "results.csv", name)
    assert runs[0] == stored and [run["seed"] for run in runs] == [5, 6, 5] and runs[2]["network"] == "elman"
    text = (out / "table.md").read_text()
    assert "T=20 N=3: network=elman units=3 gradient=bptt" in text  # all that the folder holds
    assert (out / "sequences.png").read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    assert main(["table", name, "--results", str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("| row | published success |") and "T=20 N=3: max_sequences=3000" in printed
    (tmp_path / name).mkdir()
    (out / "results.csv").rename(tmp_path / name / "results.csv")
    assert main(["table", name, "--results", str(tmp_path), "--csv"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert len(rows) == len(EXPERIMENTS[name].rows) + 2 and rows[-1]["runs (seeds)"] == "1 (5 - 5)"


def test_tables_that_come_with_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("hs1997", *(name for name in EXPERIMENTS if not name.startswith("hs1997"))):
        if not stored_runs(name):
            continue  # see PENDING in test_published_tables.py
        assert main(["table", name]) == 0
        lines = capsys.readouterr().out.partition("\n\n")[0].splitlines()  # what they come to together stands below
        assert len({line.count("|") for line in lines}) == 1 and "nan" not in "".join(lines)
    assert main(["table", "hs1997"]) == 0
    count = sum(len(each.rows) for name, each in EXPERIMENTS.items() if name.startswith("hs1997"))
    assert len(capsys.readouterr().out.splitlines()) == 2 + count == 103


def test_a_published_row_is_found_by_its_settings(tmp_path: Path) -> None:
    out = str(tmp_path)
    arguments = ["reproduce", "hs1997-two-sequence-c", "--runs", "1", "--seed", "1000", "--no-progress", "--out", out]
    assert main([*arguments, "--set", "T=100", "N=3"]) == 0
    (run,) = read_runs(tmp_path / "results.csv", "hs1997-two-sequence-c")
    (stored,) = (
        each
        for each in stored_runs("hs1997-two-sequence-c")
        if (each["row"], each["seed"]) == ("T=100 N=3: LSTM", 1000)
    )
    seconds = {"seconds": stored["seconds"]}
    new = {name: value for name, value in run.items() if name not in stored}  # options that came later
    assert run | seconds == stored | new  # the very run that is stored
    assert not any(new.values())


def test_the_names_of_settings_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, line in (
        (["long-tmaze"], "  learner='lstm'  (Literal['lstm', 'elman', 'memory-bits'])"),
        (["hs1997-adding"], "  T=100  (int)"),
        (["world-model", "--rows", "pole"], "  task='pole'  (Literal["),
    ):
        assert main(["reproduce", *arguments, "--set", "help"]) == 0
        assert line in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hs1997-adding", "--set", "T=5"], "T must be an integer >= 22, got 5"),
        (["hs1997-adding", "--set", "T"], "set must be name=value, got 'T'"),
        (["hs1997-adding", "--set", "Q=5"], "settings of hs1997-adding must be T, got 'Q'"),
        (["hs1997-subtracting"], "name must be one of hs1997,"),
        (["hs1997"], "name must be one experiment, got hs1997, a group"),
        (["hs1997-adding", "--network", "transformer"], "--network"),
        (["hs1997-adding", "--units", "5"], "units must be left out unless the network is elman, gru or slstm"),
        (["hs1997-adding", "--network", "gru", "--gradient", "rtrl"], "gradient must be bptt for a Torch network"),
        (
            ["hs1997-adding", "--gradient", "guess", "--learning-rate", "1"],
            "rms-decay, loss, restart and average must be left out where gradient is guess, got learning-rate 1.0",
        ),
        (["hs1997-adding", "--network", "gru", "--gradient", "guess"], "gradient must be bptt for a Torch"),
        (["hs1997-adding", "--rms-decay", "0.9"], "rms-decay must be left out unless optimizer is rmsprop, got 0.9"),
        (["hs1997-adding", "--optimizer", "rmsprop", "--rms-decay", "2"], "rms-decay must be a number in [0, 1"),
        (["hs1997-adding", "--initial-range", "0"], "initial-range must be a number in (0, inf), got 0.0"),
        (["hs1997-adding", "--network", "gru", "--initial-range", "0.1"], "initial-range must be left out for a"),
        (["hs1997-lag-a", "--network", "slstm"], "network must be one with kernels for a task whose weights"),
        (["hs1997-adding", "--network", "elman", "--units", "0"], "units must be an integer >= 1, got 0"),
        (["hs1997-adding", "--network", "one-unit"], "network must be"),
        (["hs1997-adding", "--learning-rate", "-1"], "learning-rate must be a number in (0, inf), got -1.0"),
        (["hs1997-adding", "--loss", "cross-entropy"], "loss must be squared or a number for outputs"),
        (["hs1997-adding", "--loss", "1"], "loss must be a number in (1, inf), got 1.0"),
        (["hs1997-adding", "--loss", "hinge"], "loss must be squared, cross-entropy or a number > 1, got 'hinge'"),
        (["hs1997-adding", "--optimizer", "adam"], "--optimizer"),
        (["hs1997-lag-b", "--set", "targets=none"], "targets must be one of all, end, got 'none'"),
        (["hs1997-adding", "--average", "50"], "average must be an integer >= 100, got 50"),
        (["hs1997-adding", "--runs", "0"], "runs must be an integer >= 1, got 0"),
        (["hs1997-adding", "--seed", "-1"], "seed must be an integer >= 0, got -1"),
        (["hs1997-adding", "--workers", "none"], "none"),
        (["hs1997-adding", "--max-sequences", "50"], "max-sequences must be an integer >= 100, got 50"),
        (["hs1997-adding", "--rows", "T=7"], "rows must be part of the name of a row of hs1997-adding, got 'T=7'"),
        (["parity", "--learning-rate", "1"], "learning_rate must be left out of experiments other than hs1997-"),
        (["bakker2001-tmaze", "--set", "corridor_length=0"], "corridor_length must be an integer >= 1, got 0"),
        (["bakker2001-tmaze", "--set", "learner=gru"], "learner must be one of lstm, elman, memory-bits, got 'gru'"),
        (["ablation", "--set", "max_steps=2.5"], "max_steps must be an integer >= 1, got 2.5"),
        (["ablation", "--set", "max_steps=many"], "max_steps must be an integer >= 1, got 'many'"),
        (["compare", "--set", "max_seconds=0"], "max_seconds must be a number in (0, inf), got 0"),
        (["long-tmaze", "--set", "length=3"], "set must be one of corridor_length, learner, "),
        (["long-tmaze", "--set", "help", "--rows", "nothing"], "rows must be part of the name of a row of long-tmaze"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Exit code 2, nothing written."""
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", *arguments]) == 2
    output = capsys.readouterr()
    assert message in output.err and output.err.startswith("lstm-rl: ") and output.err.count("\n") == 1
    assert not output.out and not list(tmp_path.iterdir())


def test_bad_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (["hs1997", "--results", "nowhere"], "results must be a folder with results of hs1997, got nowhere"),
        (
            ["gers2001"],
            "name must be one of hs1997, gers2000, gers2001-languages, gers2002-timing, series, blues, ",
        ),
    ):
        assert main(["table", *arguments]) == 2
        assert message in capsys.readouterr().err


def test_two_at_once_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with folder_lock(tmp_path / "out"):
        assert main(["reproduce", "parity", "--out", str(tmp_path / "out"), "--no-progress"]) == 2
    error = capsys.readouterr().err
    assert "is in use by process" in error and error.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_workers_and_keep_what_is_done(number: signal.Signals, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["reproduce", "hs1997-lag-c", "--rows", "q=1000", "--workers", "2", "--no-progress", "--out", str(out)]
    write_runs(out / "results.csv", [run for run in stored_runs("hs1997-lag-c") if run["seed"] < 1005])
    before = (out / "results.csv").read_bytes()
    process = subprocess.Popen(
        [sys.executable, "-m", "lstm_rl", *command], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    workers: list[int] = []
    deadline = time.monotonic() + 120.0
    while len(workers) < 3 and time.monotonic() < deadline:  # two, and the tracker of their resources
        time.sleep(0.1)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        workers = [int(child) for child in children.read_text().split()]
    time.sleep(1.0)
    began = time.monotonic()
    process.send_signal(number)
    workers = sorted(workers)[1:]  # the tracker came first
    while any(_runs(worker) for worker in workers) and time.monotonic() - began < 5.0:
        time.sleep(0.05)
    assert len(workers) == 2 and time.monotonic() - began < 5.0
    output, error = process.communicate(timeout=120.0)  # a busy machine takes its time to end Python
    assert process.returncode == 128 + number
    assert error.count("\n") == 2 and "runs are done; the same command goes on with the others" in error, error
    assert not output and (out / "results.csv").read_bytes() == before


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


# --- one run ---------------------------------------------------------------------------------------------------------


def test_a_run_is_a_pure_function_of_its_settings() -> None:
    settings = MazeRun(3, 5, noisy=False, max_steps=20_000, greedy_share=1.0)
    reports: list[int] = []
    one, other = (maze_run.run(settings, reports.append) for _ in range(2))
    assert {k: v for k, v in one.items() if k != "seconds"} == {k: v for k, v in other.items() if k != "seconds"}
    assert one["success"] and one["training"] > 0.95 and one["greedy"] == 1.0 and 1.0 <= one["detour"] < 1.5
    assert maze_run.run(replace(settings, seed=6), reports.append)["episodes"] != one["episodes"]
    assert max(reports) <= 20_000 and reports[0] > 0


def test_a_maze_run_needs_more_than_its_share() -> None:
    """As the paper has it: all of the last episodes are not more than all of them."""
    row = maze_run.run(MazeRun(3, 5, noisy=False, share=1.0, window=10, max_steps=20_000), int)
    assert row["training"] == 1.0 and not row["success"] and row["steps"] == 20_000
    row = maze_run.run(MazeRun(3, 5, noisy=False, share=0.9, window=10, max_steps=20_000), int)
    assert row["training"] == 1.0 and row["success"]


def test_a_maze_run_without_success_spends_its_budget() -> None:
    row = maze_run.run(MazeRun(20, 1, "memory-bits", "bakker2001", max_steps=3000), int)
    assert not row["success"] and row["steps"] == 3000 and row["training"] < 0.8


def test_a_pole_run_keeps_the_best_weights_and_says_how_long_they_balance() -> None:
    row = pole_run.run(PoleRun(1, max_steps=40_000, eval_freq=10_000), int)
    assert not row["success"] and row["steps"] == 40_000 and row["best_at"] in (10_000, 20_000, 30_000, 40_000)
    assert 5 < row["min"] <= (row["mean_a"] + row["mean_b"]) / 2 < 2000 and row["balanced"] == 0
    assert row["trial_steps"] > 4 * 10 * 5


def test_a_pole_run_learns_and_plays_in_the_world_that_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    learned_in: list[Any] = []

    def spy(*args: Any, **kwargs: Any) -> Any:
        learned_in.append(make(*args, **kwargs))
        return learned_in[-1]

    make = gym.make
    monkeypatch.setattr(gym, "make", spy)
    row = pole_run.run(PoleRun(1, max_steps=10_000, eval_freq=10_000, world='{"angle_limit": 3.0, "force": 20.0}'), int)
    made = learned_in[-1].spec.kwargs  # the one before it only serves to choose settings
    assert made.items() >= {"angle_limit": 3.0, "force": 20.0}.items()
    assert row["min"] <= row["mean_a"] < 10 and row["trial_steps"] < 10 * 10  # 12 degrees and 10 N: 8 steps at least


@pytest.mark.parametrize("network", ["LSTM 1997", "Elman net, RTRL", "GRU"])
def test_runs_of_the_lag_task_are_those_that_are_stored(network: str) -> None:
    (stored,) = (
        run for run in stored_runs("minimal-time-lag") if (run["row"], run["seed"]) == (f"{network}, p = 4", 1000)
    )
    found = flag_run.run(FlagRun(network, 4, 1000), int)
    assert found["success"] == stored["success"] and found["sequences"] == stored["sequences"]
    assert found["largest_error"] == pytest.approx(stored["largest_error"], rel=1e-3)


# --- shrunken experiments, by their commands -------------------------------------------------------------------------

SMALL = {
    "bakker2001-tmaze-noisy": (("--rows", "N = 5", "--set", "max_steps=2e4"), 6),
    "bakker2001-pole": (("--set", "max_steps=5000", "eval_freq=5000"), 3),
    "long-tmaze": (("--set", "corridor_length=3", "max_steps=5e4"), 1),
    "multimode-pole": (("--set", "max_steps=5000", "eval_freq=5000"), 1),
    "ablation": (("--rows", "N = 70", "--set", "max_steps=2000"), 22),
    "compare": (("--rows", "N = 10", "--set", "max_steps=2000", "max_seconds=3"), 5),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_shrunken_experiment_makes_its_table_and_pictures(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name == "compare":
        pytest.importorskip("sb3_contrib")
    arguments, lines = SMALL[name]
    out = tmp_path / "out"
    command = ["reproduce", name, *arguments, "--runs", "1", "--seed", "1000", "--no-progress", "--out", str(out)]
    assert main(command) == 0
    assert capsys.readouterr().out.startswith(f"{out}: {lines} of {lines} runs done, ")
    text = (out / "table.md").read_text()
    shown = [line for line in text.splitlines() if line.startswith("|")]
    assert len(shown) == 2 + lines and len({line.count("|") for line in shown}) == 1
    assert "{" not in text and "nan" not in text
    runs = read_runs(out / "results.csv", name)
    assert len(runs) == lines and all(run["seed"] == 1000 for run in runs)
    pictures = list(out.glob("*.png"))
    assert pictures
    for picture in pictures:
        with Image.open(picture) as image:
            pixels = np.asarray(image.convert("L"))
        assert pixels.shape[1] >= 700 and 0.001 < (pixels < 200).mean() < 0.5
    if name == "long-tmaze":
        assert runs[0]["success"] and runs[0]["row"] == "corridor_length=3, max_steps=50000"
    before = (out / "results.csv").read_bytes()
    assert main(command) == 0 and (out / "results.csv").read_bytes() == before
