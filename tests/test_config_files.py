"""Settings from files: what goes before what, every run's config.json, and one sentence for what is wrong."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lstm_rl.agents.config import Config
from lstm_rl.cli import main
from lstm_rl.commands.train import parse_train
from lstm_rl.config_files import override, read_settings, write_toml
from lstm_rl.runs import write_config
from lstm_rl.settings import Settings, from_preset

MAZE, POLE = "lstm_rl/NoisyTMaze-v0", "lstm_rl/MultimodePole-v0"


def written(folder: Path, text: str, name: str = "my.toml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_what_is_typed_goes_before_the_file_and_the_file_before_the_preset(tmp_path: Path) -> None:
    text = f'env = "{POLE}"\ntimesteps = 2e5\neval_episodes = 7\nenv_kwargs.max_steps = 90\n'
    text += "[config]\ngamma = 0.5\nkappa = 1\n"
    path, of_preset = written(tmp_path, text), from_preset(POLE)
    settings = parse_train(["--config", path, "--eval-episodes", "3", "--kappa", "0.25"]).settings
    assert (settings.env, settings.timesteps, settings.eval_episodes) == (POLE, 200_000, 3)
    assert (settings.config.gamma, settings.config.kappa, settings.env_kwargs) == (0.5, 0.25, {"max_steps": 90})
    assert settings.attempt_steps == of_preset.attempt_steps == 5_000_000
    assert settings.config.lambda_ == of_preset.config.lambda_ != Config().lambda_
    more = parse_train([f"--config={path}", "--env-kwargs", "gravity=9.0"]).settings
    assert more.env_kwargs == {"max_steps": 90, "gravity": 9.0}


def test_policy_and_rule_of_the_file_choose_the_preset(tmp_path: Path) -> None:
    path = written(tmp_path, 'policy = "GruPolicy"\nconfig.rule = "actor_critic"')
    settings = parse_train(["CartPole-v1", "--config", path]).settings
    assert settings == from_preset("CartPole-v1", policy="GruPolicy", rule="actor_critic")


def test_another_environment_does_not_get_the_arguments_of_that_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps({"env": MAZE, "env_kwargs": {"corridor_length": 5}, "seed": 4}), "my.json")
    assert parse_train(["--config", path]).settings.env_kwargs == {"corridor_length": 5}
    other = parse_train(["CartPole-v1", "--config", path]).settings
    assert (other.env, other.env_kwargs, other.seed) == ("CartPole-v1", {}, 4)


@pytest.mark.parametrize("write", ["toml", "json"])
@pytest.mark.parametrize("env", [MAZE, POLE, "CartPole-v1"])
def test_what_is_written_is_read_again(env: str, write: str, tmp_path: Path) -> None:
    """Also where a field is None that the preset sets."""
    base = from_preset(env)
    settings = replace(base, attempt_steps=None, seed=3, config=replace(base.config, epsilon=None, kappa=1e-7))
    if write == "toml":
        write_toml(settings, tmp_path / "config.toml")
    else:
        write_config(tmp_path, settings)
    assert parse_train(["--config", str(tmp_path / f"config.{write}")]).settings == settings


def test_toml_holds_any_argument_of_an_environment(tmp_path: Path) -> None:
    odd: dict[str, Any] = {
        "text": 'a "b"\n\x7fé',
        "odd key": [1, (2.5, None)],
        "t": {"x": True},
        "n": None,
        "big": 1e300,
    }
    write_toml(Settings("a", env_kwargs=odd), tmp_path / "a.toml")
    again = read_settings(tmp_path / "a.toml")["env_kwargs"]
    assert again == odd | {"odd key": [1, [2.5, "None"]]}


@pytest.mark.parametrize(
    "text, said",
    [
        ("timestps = 1", "timestps is no setting; the nearest is timesteps"),
        ("learning_rate = 0.1", "learning_rate is no setting; it belongs into the table [config]"),
        ("[config]\ngama = 1", "config.gama is no setting; the nearest is gamma"),
        ("config = 3", "config must be a table, got 3"),
        ("env_kwargs = 3", "env_kwargs must be a table, got 3"),
        ('timesteps = "many"', "timesteps must be a whole number, got 'many'"),
        ("eval_freq = 1.5", 'eval_freq must be a whole number or "None", got 1.5'),
        ("seed = true", "seed must be a whole number, got True"),
        ('stop_when_solved = "yes"', "stop_when_solved must be true or false, got 'yes'"),
        ('preset = "best"', "preset must be one of default, bakker2001, got 'best'"),
        ("timesteps = 0", "timesteps must be an integer >= 1, got 0"),
        ("[config]\ngamma = 3", "gamma must be a number in [0, 1], got 3.0"),
        ("a: 1", "must be TOML, but is not: Expected '=' after a key"),
    ],
)
def test_a_wrong_file_is_one_sentence_with_its_name(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, text)
    assert main(["train", "CartPole-v1", "--config", path]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"lstm-rl: {path}") and said in error and error.count("\n") == 1


@pytest.mark.parametrize("name", ["none.toml", "my.yaml", ".", "bytes.json"])
def test_what_is_no_such_file_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my.yaml").write_text("a: 1")
    (tmp_path / "bytes.json").write_bytes(b"\xff")
    assert main(["train", "CartPole-v1", "--config", str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert str(tmp_path / name) in error and error.count("\n") == 1


def test_files_change_nothing_else() -> None:
    settings = from_preset(MAZE)
    assert override(settings, {}, None) == settings
    assert parse_train([MAZE]).settings == settings
