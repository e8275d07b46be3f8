"""The trained models that come with the package: each reaches its card's score; names lead to files."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lstm_rl import pretrained
from lstm_rl.agents import AdvantageLearning
from lstm_rl.cli import main
from lstm_rl.evaluation import evaluate, load
from lstm_rl.intervals import mean_interval, success_interval

EPISODES = 200
NAMES = sorted(pretrained.cards())


@pytest.mark.parametrize("name", NAMES)
def test_a_model_reaches_the_score_of_its_card(name: str) -> None:
    card = pretrained.cards()[name]
    score = card["score"]
    model, env_id, env_kwargs = load(Path(f"model:{name}"))
    assert (env_id, env_kwargs, model.num_timesteps) == (card["env"], card["env_kwargs"], card["steps"])
    result = evaluate(model, env_id, env_kwargs, EPISODES, seed=7)
    value = result[score["measure"]]
    if score["measure"] == "success_rate":
        low, high = success_interval(round(value * EPISODES), EPISODES)
    else:
        low, high = mean_interval(value, result["std_reward"], EPISODES)
    assert low <= score["high"] + 1e-6 and score["low"] <= high + 1e-6, "two 95 % intervals do not overlap"
    assert score["low"] <= score["value"] <= score["high"] and score["episodes"] == 1000


def test_cards_and_files_belong_together() -> None:
    assert {path.stem for path in pretrained.FOLDER.glob("*.safetensors")} == set(NAMES) and len(NAMES) >= 6
    assert sum(path.stat().st_size for path in pretrained.FOLDER.iterdir() if path.is_file()) < 500_000
    assert all(card["command"].startswith(f"lstm-rl train {card['env']}") for card in pretrained.cards().values())


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(pretrained.cards())
    (line,) = (line for line in lines if line.startswith("noisy-tmaze-70 "))
    assert "lstm_rl/NoisyTMaze-v0 corridor_length=70" in line and "success 100.0%" in line and line.endswith("kB")
    assert "model:NAME" in last


def test_names_stand_where_run_folders_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "model:noisy-tmaze-70", "--episodes", "5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["success_rate"] == 1.0
    assert main(["watch", "model:noisy-tmaze-70", "--episodes", "1", "--video", "film.gif"]) == 0
    assert main(["diagnose", "run", "model:noisy-tmaze-70"]) == 0
    assert main(["export", "model:noisy-tmaze-70", "--safetensors", "own.safetensors"]) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"film.gif", "diagnose-noisy-tmaze-70", "own.safetensors"}
    capsys.readouterr()
    assert main(["evaluate", "model:noisy-tmaze-71"]) == 2
    said = capsys.readouterr().err
    expected = (
        "model must be a file, a folder or one of `lstm-rl models`, got 'noisy-tmaze-71': the nearest is noisy-tmaze-70"
    )
    assert said == f"lstm-rl: {expected}\n"


def test_from_pretrained_takes_names_files_folders_and_repositories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = pretrained.model_file("noisy-tmaze-70")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="model must be a folder with a model.safetensors, best_model.zip, model.zip"):
        AdvantageLearning.from_pretrained(tmp_path / "folder")
    (tmp_path / "folder" / "model.safetensors").write_bytes(file.read_bytes())
    asked = list[Any]()

    def download(*arguments: str) -> str:
        asked.append(arguments)
        if arguments[0] == "user/none":
            raise OSError("404\nnot found")
        return str(file)

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(hf_hub_download=download))
    expected = AdvantageLearning.load(file).policy.weight_vector()
    for where in ("noisy-tmaze-70", "model:noisy-tmaze-70", str(file), file, tmp_path / "folder", "hub:user/name"):
        model = AdvantageLearning.from_pretrained(where, verbose=1)
        assert np.array_equal(model.policy.weight_vector(), expected) and model.verbose == 1
    assert asked == [("user/name", "model.safetensors")]
    with pytest.raises(ValueError, match="model must be a repository .* got user/none: 404 not found"):
        AdvantageLearning.from_pretrained("hub:user/none")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ValueError, match="model hub:user/name needs .*: pip install huggingface_hub"):
        AdvantageLearning.from_pretrained("hub:user/name")
    with pytest.raises(ValueError, match="runs/nix"):  # nobody is asked for it elsewhere
        AdvantageLearning.from_pretrained("runs/nix")
    with pytest.raises(ValueError, match="the nearest is noisy-tmaze-1000"):
        AdvantageLearning.from_pretrained("noisy-tmaze-100")
