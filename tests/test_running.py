"""docs/running.md: its table has every scalar, its writer for MLflow runs; what TensorBoard shows besides."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.metadata import parse_experiment_plugin_data

from lstm_rl.cli import main

PAGE = (Path(__file__).parents[1] / "docs" / "running.md").read_text()
FEW = ("--timesteps", "2000", "--eval-freq", "500", "--eval-episodes", "4", "--no-progress", "--chunk-size", "500")


def documented() -> set[str]:
    """The scalars of the table; a name without a group belongs to that of the name before it."""
    names, group = set(), ""
    for cell in re.findall(r"^\| (`[^|]*`) \|", PAGE, re.MULTILINE):
        for name in re.findall(r"`([^`]+)`", cell):
            group = name.partition("/")[0] if "/" in name else group
            names.add(name if "/" in name else f"{group}/{name}")
    return names


def board(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder), size_guidance={"images": 0})
    events.Reload()
    return events


@pytest.mark.filterwarnings("ignore")  # of TensorBoard's reader
def test_scalars_settings_and_a_moving_picture(tmp_path: Path) -> None:
    maze = ["lstm_rl/NoisyTMaze-v0", "--env-kwargs", "corridor_length=3"]
    runs = {"a": [*maze, "--video"], "b": [*maze, "--rule", "actor_critic", "--no-pictures"]}
    logged = set()
    for name, more in runs.items():
        assert main(["train", *more, *FEW, "--log-dir", str(tmp_path), "--run-name", name]) == 0
        events = board(tmp_path / name)
        logged |= set(events.Tags()["scalars"])
        (told,) = [
            parse_experiment_plugin_data(data.plugin_data.content)
            for tag, data in events.summary_metadata.items()
            if tag.endswith("/experiment")
        ]
        metrics = {info.name.tag for info in told.metric_infos}
        assert {"best/mean_reward", "best/success_rate", "best/steps_to_solve"} < metrics
        assert metrics - {"best/steps_to_solve"} <= set(events.Tags()["scalars"])
        assert {"env", "policy", "learning_rate", "seed"} <= {info.name for info in told.hparam_infos}
    assert logged | {"best/steps_to_solve", "train/temperature"} == documented()
    (picture,) = board(tmp_path / "a").Images("best/episode")
    assert picture.encoded_image_string[:4] == b"GIF8" and picture.step == 2000
    assert not board(tmp_path / "b").Tags()["images"]


def test_a_video_needs_an_environment_that_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["lstm_rl/Sequence-v0", "--env-kwargs", "task=hs1997-adding", "--log-dir", str(tmp_path), "--video"]
    assert main(["train", *arguments]) == 2
    assert "a video needs an environment with render_mode" in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("default")  # of the package, if it is there
def test_the_writer_for_mlflow_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the package where there is one, in a folder; else with a stand-in of its two functions."""
    seen: list[tuple[dict[str, float], int]] = []
    try:
        import mlflow  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        from contextlib import nullcontext

        mlflow = ModuleType("mlflow")
        mlflow.start_run = nullcontext  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    else:
        mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")  # version 3 refuses folders
    monkeypatch.setattr(mlflow, "log_metrics", lambda *told: seen.append(told), raising=False)
    (source,) = re.findall(r"^```py\n(import mlflow.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {"__name__": "example"}
    exec(source.replace("20_000", "2_000"), names)
    assert {"rollout/ep_rew_mean", "train/td_error"} <= {name for told, _ in seen for name in told}
    assert all(isinstance(value, (int, float)) and step > 0 for told, step in seen for value in told.values())
