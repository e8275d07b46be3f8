"""Pictures of groups of runs: which runs belong together, what is drawn, ours and other agents'."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lstm_rl.cli import main
from lstm_rl.diagnostics.group_curves import group_curves, on_grid
from lstm_rl.diagnostics.run_curves import find_runs, groups_of, read_curve
from lstm_rl.runs import write_config
from lstm_rl.settings import Settings
from lstm_rl.trials import write_history

MAZE = "lstm_rl/NoisyTMaze-v0"


def monitored(
    folder: Path, rows: list[tuple[float, int, float]], name: str = "monitor.csv", start: float = 0.0
) -> Path:
    """A folder with the file of SB3's `Monitor`: return, length and seconds of each episode."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        f"#{json.dumps({'t_start': start, 'env_id': 'None'})}",
        "r,l,t",
        *(",".join(map(str, row)) for row in rows),
    ]
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def ours(folder: Path, seed: int, best: float = 1.0, **changes: Any) -> Path:
    """A run folder as `train` leaves it, without models."""
    settings = Settings(MAZE, {"corridor_length": 3}, seed=seed, **changes)
    monitored(folder, [(best * k / 10, 5, float(k)) for k in range(10)])
    write_config(folder, settings)
    tried = [np.array([best * k]) for k in range(3)]
    write_history(
        folder / "evaluations.npz",
        {"timesteps": [10, 20, 30], "results": tried, "ep_lengths": tried, "successes": [np.ones(1)] * 3},
    )
    return folder


def test_runs_that_differ_only_in_their_seed_are_a_group(tmp_path: Path) -> None:
    folders = [ours(tmp_path / f"a/seed={seed}", seed) for seed in (2, 10)]
    folders += [ours(tmp_path / f"b_seed={seed}", seed, policy="GruPolicy", timesteps=9) for seed in (0, 1)]
    assert find_runs([tmp_path / "a", tmp_path / "b_seed=0", tmp_path / "b_seed=1", folders[0]]) == folders
    runs = [read_curve(folder) for folder in folders]
    assert {name: len(own) for name, own in groups_of(runs).items()} == {"policy=LstmPolicy": 2, "policy=GruPolicy": 2}
    assert list(groups_of(runs[:2])) == ["a"] and list(groups_of(runs[2:])) == ["b"]
    assert {name: len(own) for name, own in groups_of(runs, "corridor_length").items()} == {"corridor_length=3": 4}
    with pytest.raises(ValueError, match="got 'gama'; the nearest is gamma"):
        groups_of(runs, "gama")


def test_monitors_of_other_agents_are_runs(tmp_path: Path) -> None:
    """One file per environment, each with a start of its own, or one file of all."""
    run = monitored(tmp_path / "ppo_1", [(1, 5, 1.0), (3, 5, 9.0)], "0.monitor.csv", start=100.0)
    monitored(run, [(2, 5, 1.0)], "1.monitor.csv", start=104.0)
    curve = read_curve(run, window=1)
    assert curve.x.tolist() == [5, 10, 15] and curve.y.tolist() == [1, 2, 3]
    assert read_curve(run, "seconds").x.tolist() == [1, 5, 9] and read_curve(run, "episodes").x.tolist() == [1, 2, 3]
    undated = monitored(tmp_path / "undated/x_1", [(1, 5, 1.0)], "0.monitor.csv", start=100.0)
    (undated / "1.monitor.csv").write_text("r,l,t\n2,5,1.0\n")
    assert read_curve(undated, window=1).y.tolist() == [1, 2]
    with pytest.raises(ValueError, match="does not tell seconds: draw --x steps"):
        read_curve(undated, "seconds")
    other = monitored(tmp_path / "ppo_2", [(0, 4, 1.0)])
    mine = ours(tmp_path / "mine", 0)
    groups = groups_of([read_curve(folder) for folder in find_runs([tmp_path])])
    assert {name: [run.folder for run in own] for name, own in groups.items()} == {"mine": [mine], "ppo": [run, other]}


def test_runs_of_different_lengths_meet_on_one_grid(tmp_path: Path) -> None:
    short = read_curve(monitored(tmp_path / "a", [(1, 4, 0), (3, 4, 0)]), window=1)
    longer = read_curve(monitored(tmp_path / "b", [(5, 2, 0), (7, 14, 0)]), window=1)
    grid, values = on_grid([short, longer])
    assert (grid[0], grid[-1]) == (4, 16) and values.shape == (2, len(grid))
    assert values[:, 0] == pytest.approx([1, 5 + 2 * 2 / 14]) and values[:, -1].tolist() == [3, 7]


def test_evaluations_on_every_axis(tmp_path: Path) -> None:
    run = ours(tmp_path / "a", 0, best=2.0)
    assert read_curve(run, of="evaluations").y.tolist() == [0, 2, 4]
    assert read_curve(run, of="evaluations").x.tolist() == [10, 20, 30]
    assert read_curve(run, "episodes", of="evaluations").x.tolist() == [2, 4, 6]  # of 5 steps each
    assert read_curve(run, "seconds", "success", "evaluations").y.tolist() == [1, 1, 1]


def test_the_picture_shows_groups_bands_and_references(tmp_path: Path) -> None:
    runs = [read_curve(ours(tmp_path / f"{best}", best, float(best))) for best in (1, 2, 3)]
    (panel,) = group_curves(groups_of(runs), statistic="mean").axes
    labels = [line.get_label() for line in panel.lines]
    assert labels[0] == f"{tmp_path.name} (3 runs)"
    assert [str(label).rpartition(",")[0] for label in labels[1:]] == ["optimal", "best without memory"]
    assert np.allclose(np.asarray(panel.lines[0].get_ydata(), np.float64), runs[1].y)
    assert len(panel.collections) == 1
    (panel,) = group_curves(groups_of(runs[:1]), y="success").axes
    assert len(panel.lines) == 1 and not panel.collections  # one run has no interval, successes no references


@pytest.mark.parametrize("name", ["curves.png", "curves.pdf", "curves.svg"])
def test_the_command_writes_a_file(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (0, 1):
        ours(tmp_path / f"runs/seed={seed}", seed)
    monitored(tmp_path / "ppo", [(1, 5, 1.0), (3, 5, 9.0)])
    out = tmp_path / name
    assert (
        main(["plot", str(tmp_path / "runs"), str(tmp_path / "ppo"), "--out", str(out), "--statistic", "median"]) == 0
    )
    assert capsys.readouterr().out.endswith(f"{out}: 2 groups, 3 runs\n")
    if name.endswith("png"):
        with Image.open(out) as picture:
            assert picture.size == (960, 576)
    assert out.read_bytes()[:5] in (b"\x89PNG\r", b"%PDF-", b"<?xml")


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["{}/nothing"], "run must be a folder with a monitor.csv"),
        (["{}/ppo", "--of", "evaluations"], "has no evaluations.npz: draw --of training"),
        (["{}/ppo", "--y", "success"], "does not tell successes"),
        (["{}/ppo", "--out", "a.jpg"], "out must be a .png, .pdf or .svg file, got a.jpg"),
        (["{}/empty"], "has no finished episode yet"),
        (["{}/damaged"], "monitor.csv must hold numbers in columns r, l and t"),
        (["{}/table"], "must be a monitor.csv with columns r and l, got a, b"),
        (["{}/ppo", "--group-by", "policy"], "group-by must be a setting of the runs, got 'policy'"),
        ([], "runs must be one run folder or more"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monitored(tmp_path / "ppo", [(1, 5, 1.0)])
    monitored(tmp_path / "empty", [])
    for name, text in {"damaged": "r,l,t\n1,2,x\n", "table": "a,b\n1,2\n"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "monitor.csv").write_text(text)
    assert main(["plot", *(word.format(tmp_path) for word in arguments)]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
