"""Studies: the engine on a toy, the statistics on known numbers, and each real study, shrunken, by its command."""

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from lstm_rl.cli import main
from lstm_rl.studies import ablation, bakker2001_pole, bakker2001_tmaze, compare, long_tmaze
from lstm_rl.studies.engine import Options, Row, Study, conduct, read_rows, write_rows
from lstm_rl.studies.mazes import MazeRun, run_maze
from lstm_rl.studies.poles import PoleRun, run_pole
from lstm_rl.studies.statistics import median_interval, median_text, steps_text, success_interval, success_text

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


def add(settings: Toy) -> Row:
    return {"sum": settings.number + 0.5, "even": settings.number % 2 == 0, "missing": None}


def toy(run: Callable[[Any], Row] = add, count: int = 5) -> Study:
    return Study(
        "toy",
        "Numbers.",
        [Toy(number) for number in range(count)],
        run,
        lambda rows: f"| {len(rows)} |",
        lambda rows: {"picture": Figure()},
    )


class Counting:
    """Breaks off at a number of calls, as a killed study does."""

    def __init__(self, until: int) -> None:
        self.calls, self.until = 0, until

    def __call__(self, settings: Toy) -> Row:
        if self.calls == self.until:
            raise KeyboardInterrupt
        self.calls += 1
        return add(settings)


def test_a_killed_study_goes_on_where_it_stopped(tmp_path: Path) -> None:
    options = Options(out=tmp_path / "toy", progress=False)
    with pytest.raises(KeyboardInterrupt):
        conduct(toy(Counting(3)), options, "toy")
    assert [row["number"] for row in read_rows(tmp_path / "toy" / "results.csv")] == [0, 1, 2]
    rest = Counting(99)
    out = conduct(toy(rest), options, "the command")
    assert rest.calls == 2
    rows = read_rows(out / "results.csv")
    assert rows == [
        {"number": n, "words": "a, b", "nothing": None, "sum": n + 0.5, "even": n % 2 == 0, "missing": None}
        for n in range(5)
    ]
    text = (out / "table.md").read_text()
    assert text.startswith("# toy\n\nNumbers.\n\n| 5 |\n\n`the command` with lstm_rl ") and "numba" in text
    assert (out / "picture.png").is_file() and sorted(path.name for path in out.iterdir()) == [
        "picture.png",
        "results.csv",
        "table.md",
    ]
    none = Counting(0)
    conduct(toy(none), options, "again")  # nothing left to do
    conduct(toy(Counting(0), 2), options, "a smaller study")  # rows of the larger one stay, but do not count
    assert "| 2 |" in (out / "table.md").read_text() and len(read_rows(out / "results.csv")) == 5


def test_processes_give_the_same_rows(tmp_path: Path) -> None:
    rows = []
    for workers in (1, 2):
        options = Options(out=tmp_path / str(workers), workers=workers, progress=False)
        conduct(toy(), options, "toy")
        rows.append(sorted(read_rows(tmp_path / str(workers) / "results.csv"), key=lambda row: row["number"]))
    assert rows[0] == rows[1] and len(rows[0]) == 5


def test_any_map_will_do(tmp_path: Path) -> None:
    """What a cluster would bring: the runs come back in another order."""
    backwards = replace(toy(), map=lambda function, runs: (function(run) for run in reversed(runs)))
    conduct(backwards, Options(out=tmp_path, progress=False), "toy")
    assert [row["number"] for row in read_rows(tmp_path / "results.csv")] == [4, 3, 2, 1, 0]


def test_a_folder_of_another_study_is_refused(tmp_path: Path) -> None:
    write_rows(tmp_path / "results.csv", [{"length": 3}])
    with pytest.raises(ValueError, match=r"^out must be a new folder or one of toy, got .* other columns$"):
        conduct(toy(), Options(out=tmp_path, progress=False), "toy")
    assert read_rows(tmp_path / "results.csv") == [{"length": 3}]
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"^out must be a folder, got .*, which is a file$"):
        conduct(toy(), Options(out=tmp_path / "file", progress=False), "toy")


# --- one run ---------------------------------------------------------------------------------------------------------


def test_a_run_is_a_pure_function_of_its_settings() -> None:
    settings = MazeRun(3, 5, noisy=False, max_steps=20_000)
    one, other = (run_maze(settings) for _ in range(2))
    assert {k: v for k, v in one.items() if k != "seconds"} == {k: v for k, v in other.items() if k != "seconds"}
    assert one["success"] and one["training"] > 0.95 and one["greedy"] == 1.0 and one["detour"] == 1.0
    assert run_maze(replace(settings, seed=6))["episodes"] != one["episodes"]


def test_a_maze_run_without_success_spends_its_budget() -> None:
    row = run_maze(MazeRun(20, 1, "memory-bits", "bakker2001", max_steps=3000))
    assert not row["success"] and row["steps"] == 3000 and row["training"] < 0.8


def test_a_pole_run_keeps_the_best_weights_and_says_how_long_they_balance() -> None:
    row = run_pole(PoleRun(1, max_steps=40_000, eval_freq=10_000))
    assert not row["success"] and row["steps"] == 40_000 and row["best_at"] in (10_000, 20_000, 30_000, 40_000)
    assert 5 < row["min"] <= (row["mean_a"] + row["mean_b"]) / 2 < 2000 and row["balanced"] == 0
    assert row["trial_steps"] > 4 * 10 * 5


# --- shrunken studies, by their commands -----------------------------------------------------------------------------

SMALL = {
    "bakker2001-tmaze": ("reproduce", "bakker2001-tmaze", "--noisy", "--lengths", "2", "4", "--max-steps", "2e4"),
    "bakker2001-pole": ("reproduce", "bakker2001-pole", "--max-steps", "5000", "--eval-freq", "5000"),
    "long-tmaze": ("reproduce", "long-tmaze", "--lengths", "3", "30", "--max-steps", "50000"),
    "multimode-pole": ("reproduce", "multimode-pole", "--max-steps", "5000", "--eval-freq", "5000"),
    "ablation": ("reproduce", "ablation", "--lengths", "3", "--max-steps", "2000"),
    "compare": ("compare", "--lengths", "2", "--max-steps", "2000", "--max-seconds", "3"),
}
LINES = {
    "bakker2001-tmaze": 6,
    "bakker2001-pole": 2,
    "long-tmaze": 2,
    "multimode-pole": 1,
    "ablation": len(ablation.VARIANTS),
    "compare": 1 + len(compare.PEERS),
}
COLUMNS = {
    "bakker2001-tmaze": bakker2001_tmaze.BakkerTMaze(lengths=(2,)),
    "bakker2001-pole": bakker2001_pole.BakkerPole(),
    "long-tmaze": long_tmaze.LongTMaze(),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_shrunken_study_makes_its_table_and_figures(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*SMALL[name], "--runs", "1", "--no-progress", "--out", str(tmp_path / "out")]
    assert main(command) == 0
    out = tmp_path / "out"
    assert capsys.readouterr().out.startswith(f"{out}: ")
    text = (out / "table.md").read_text()
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + LINES[name] and len({line.count("|") for line in table}) == 1
    assert "{" not in text.replace("{}", "") and "nan" not in text
    with (out / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows and all(row["seed"] == "1000" for row in rows)
    pictures = list(out.glob("*.png"))
    assert pictures
    for picture in pictures:
        with Image.open(picture) as image:
            pixels = np.asarray(image.convert("L"))
        assert pixels.shape[1] >= 700 and 0.001 < (pixels < 200).mean() < 0.5
    if name == "long-tmaze":
        assert all(row["success"] == "true" for row in rows)
    before = (out / "results.csv").read_bytes()
    assert main(command) == 0 and (out / "results.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("reproduce", "bakker2001-tmaze", "--lengths", "0"), "lengths must be an integer >= 1, got 0"),
        (("reproduce", "bakker2001-tmaze", "--learners", "lstm", "gru"), "invalid choice 'gru'"),
        (("reproduce", "bakker2001-pole", "--runs", "0"), "runs must be an integer >= 1, got 0"),
        (("reproduce", "long-tmaze", "--workers", "none"), "none"),
        (("reproduce", "hochreiter1997"), "hochreiter1997"),
        (("compare", "--max-seconds", "0"), "max_seconds must be a number"),
        (("reproduce", "ablation", "--max-steps", "2.5"), "max-steps: must be a whole number, got 2.5"),
        (("reproduce", "ablation", "--max-steps", "many"), "max-steps: must be a whole number, got many"),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(list(arguments)) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.startswith("lstm-rl: ") and error.count("\n") == 1
