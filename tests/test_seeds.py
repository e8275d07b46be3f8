"""Many seeds in one command: each a run as any other, failures reported, one end for all, one summary."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lstm_rl.cli import main
from lstm_rl.intervals import STATISTICS, band, interquartile_mean
from lstm_rl.processes import over_processes
from lstm_rl.runs import load_model, read_config
from lstm_rl.settings import Settings

MAZE = "lstm_rl/NoisyTMaze-v0"
MODULE = '''
"""An environment that fails in one run of many: it knows the seed of its first reset."""
import gymnasium as gym, numpy as np

class Moody(gym.Env):
    observation_space, action_space = gym.spaces.Box(-1, 1, (1,), np.float32), gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.bad = getattr(self, "bad", False) or seed == 1
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.steps += 1
        if self.bad and self.steps == 5:
            raise ArithmeticError("a bad day")
        return np.zeros(1, np.float32), 1.0, self.steps == 10, False, {}

gym.register("moody/Moody-v0", Moody, disable_env_checker=True)
'''


def command(folder: Path, *more: str, env: str = MAZE) -> list[str]:
    few = ("--eval-episodes", "4", "--no-progress", "--env-kwargs", *(["corridor_length=3"] if env == MAZE else []))
    return ["train", env, "--log-dir", str(folder.parent), "--run-name", folder.name, *few, *more]


def weights(path: Path) -> dict[str, Any]:
    return {name: value.numpy() for name, value in load_model(path).get_parameters()["policy"].items()}


def test_each_seed_is_the_run_that_it_is_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ("--timesteps", "2000", "--eval-freq", "500")
    group = tmp_path / "group"
    assert main(command(group, *few, "--seeds", "3", "--seed", "5")) == 0
    said = capsys.readouterr().out
    assert f"{group}: 3 of 3 runs done; next: lstm-rl evaluate {group}/seed=" in said and "mean reward" in said
    assert sorted(path.name for path in group.iterdir()) == [
        *("learning_curves.png", "seed=5", "seed=6", "seed=7", "summary.json")
    ]
    assert main(command(tmp_path / "alone", *few, "--seed", "6", "--no-pictures")) == 0
    for name in ("model.zip", "best_model.zip"):
        np.testing.assert_equal(weights(group / "seed=6" / name), weights(tmp_path / "alone" / name))
    summary = json.loads((group / "summary.json").read_text())
    finals = [np.load(group / f"seed={seed}" / "evaluations.npz")["results"][-1].mean() for seed in (5, 6, 7)]
    assert summary["mean_reward"]["median"] == np.median(finals) and summary["mean_reward"]["runs"] == 3
    assert [run["mean_reward"] for run in summary["runs"]] == finals
    low, high = summary["mean_reward"]["interquartile_mean_interval"]
    assert summary["mean_reward"]["interquartile_mean"] == pytest.approx(np.mean(finals))
    assert low <= np.mean(finals) <= high
    with Image.open(group / "learning_curves.png") as picture:
        assert picture.width == 960
    assert main(["evaluate", str(group / "seed=5"), "--episodes", "3"]) == 0


def test_one_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    """In processes; what failed is in the summary, and the command ends with 1."""
    (tmp_path / "moody.py").write_text(MODULE)
    arguments = command(
        tmp_path / "group",
        "--seeds",
        "3",
        "--workers",
        "2",
        "--timesteps",
        "300",
        "--eval-freq",
        "150",
        "--algo",
        "advantage",
        env="moody:moody/Moody-v0",
    )
    done = subprocess.run(
        [sys.executable, "-m", "lstm_rl", *arguments, "--no-pictures"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("ArithmeticError: a bad day") == 1 and "Traceback" not in done.stderr
    assert "2 of 3 runs done" in done.stdout and "seed=1 failed: " in done.stdout
    runs = json.loads((tmp_path / "group" / "summary.json").read_text())["runs"]
    assert [run["error"] is None for run in runs] == [True, False, True]
    assert [run["steps"] for run in runs] == [300, None, 300]


def test_all_stop_with_checkpoints_and_go_on_together(tmp_path: Path) -> None:
    group, few = tmp_path / "group", ("--seeds", "3", "--workers", "2", "--no-pictures", "--chunk-size", "500")
    running = command(group, *few, "--timesteps", "500000000", "--eval-freq", "3000")
    process = subprocess.Popen([sys.executable, "-m", "lstm_rl", *running], stderr=subprocess.PIPE, text=True)
    begun = [group / f"seed={seed}" / "evaluations.npz" for seed in (0, 1)]
    try:
        while process.poll() is None and not all(path.exists() for path in begun):
            time.sleep(0.02)
        process.terminate()
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 128 + signal.SIGTERM
    assert (
        errors
        == "terminated by SIGTERM; 0 of 3 runs are done; the same command with --resume goes on with the others\n"
    )
    assert sorted(path.name for path in group.iterdir()) == ["seed=0", "seed=1"]
    steps = [load_model(path.with_name("model.zip")).num_timesteps for path in begun]
    goal = ("--timesteps", str(max(steps) + 1000), "--eval-freq", "3000")
    assert main(command(group, "--seeds", "3", "--no-pictures", "--chunk-size", "500", *goal, "--resume")) == 0
    assert main(command(tmp_path / "whole", "--seed", "1", "--no-pictures", "--chunk-size", "500", *goal)) == 0
    np.testing.assert_equal(weights(group / "seed=1" / "model.zip"), weights(tmp_path / "whole" / "model.zip"))


@pytest.mark.filterwarnings("always")
def test_resume_begins_what_was_stopped_before_its_first_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A scheduler starts the same command again, with --resume."""
    group = tmp_path / "group"
    assert main(command(group, "--seeds", "2", "--timesteps", "300", "--no-pictures", "--resume")) == 0
    assert "no seed of" in capsys.readouterr().err
    assert (group / "seed=0" / "model.zip").is_file() and (group / "seed=1" / "model.zip").is_file()


@pytest.mark.parametrize(
    "more, said",
    [
        (["--seeds", "0"], "seeds must be an integer >= 1, got 0"),
        (["--seeds", "2", "--workers", "0"], "workers must be an integer >= 1, got 0"),
        (["--seeds", "2", "--run-name", "single"], "holds a single run"),
        (["--seeds", "2", "--run-name", "other"], "exists and holds no runs"),
        (["--seeds", "2", "--run-name", "file"], "which is a file"),
        (["--seeds", "2", "--run-name", "group"], "exists: choose another --run-name, or --overwrite it"),
        (["--seeds", "2", "--run-name", "../new"], "run_name must be a folder's name without a path"),
        (["--seeds", "2", "--run-name", "new", "--entropy-weight", "1"], "entropy_weight must keep its default"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    more: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {"env": MAZE, "env_kwargs": {}, "config": {}}
    for name in ("single", "group/seed=1"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "photo").touch()
    (tmp_path / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    assert main(command(tmp_path / "new", *more)) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_of_seeds_names_its_runs_where_one_is_asked_for(tmp_path: Path) -> None:
    for seed in range(4):
        (tmp_path / f"seed-{seed}").mkdir()
        (tmp_path / f"seed-{seed}" / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"got .*, whose runs are seed-0, seed-1, seed-2 \.\.\.$"):
        read_config(tmp_path)


def test_folders_of_seeds() -> None:
    settings = Settings(MAZE, {"corridor_length": 3}, seed=4)
    assert settings.folder == Path("runs/NoisyTMaze-v0_corridor_length=3_seed=4")
    assert settings.of_seed(7).folder == Path("runs/NoisyTMaze-v0_corridor_length=3/seed=7")
    assert settings.of_seed(7).seed == 7


# --- processes and statistics ----------------------------------------------------------------------------------------


def _die(value: int) -> int:
    if value:
        signal.raise_signal(signal.SIGKILL)
    return value


def test_a_process_that_somebody_ends_is_an_error_and_no_hang() -> None:
    with pytest.raises(RuntimeError, match="ended by somebody else, perhaps for want of memory"):
        list(over_processes(2)(_die, [0, 1]))


def test_bands_are_statistics_of_resamples_point_by_point() -> None:
    values = np.array([[0.0, 1.0], [0.0, 2.0], [0.0, 3.0], [0.0, 10.0]])
    assert STATISTICS["iqm"](values).tolist() == [0.0, 2.5] == [0.0, interquartile_mean(values[:, 1])]
    assert STATISTICS["mean"](values).tolist() == [0.0, 4.0] and STATISTICS["median"](values).tolist() == [0.0, 2.5]
    for name in STATISTICS:
        low, high = band(values, name)
        assert low[0] == high[0] == 0.0 and 1.0 <= low[1] < STATISTICS[name](values)[1] < high[1] <= 10.0
    assert band(values[:1], "mean").tolist() == [[0.0, 1.0], [0.0, 1.0]]
