"""Bounds of settings: refused in one sentence that says the bound, before anything is made or takes long."""

import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from lstm_rl.agents import AdvantageLearning, Config
from lstm_rl.bounds import check_memory
from lstm_rl.cli import main
from lstm_rl.machine_memory import memory
from lstm_rl.make import make_env
from lstm_rl.settings import Settings

MAZE = "lstm_rl/TMaze-v0"


class Refusing(gym.Env[Any, Any]):
    """Refuses to be reset, or to be stepped."""

    observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
    action_space: Any = gym.spaces.Discrete(2)

    def __init__(self, at: str) -> None:
        self.at = at

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:  # noqa: D102
        super().reset(seed=seed)
        if self.at == "reset":
            raise ValueError("at must not be reset, got reset")
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> Any:  # noqa: D102
        raise ValueError("at must not be step, got step")


gym.register("test_bounds/Refusing-v0", Refusing, disable_env_checker=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options, words",
    [
        ("--timesteps 1.5k", "--timesteps must be a whole number, as 20000000 or 20e6, got 1.5k"),
        ("--timesteps 1e400", "--timesteps must be a whole number"),
        ("--timesteps 1e16", "timesteps must be an integer <= 1000000000000000, got 10000000000000000"),
        ("--eval-freq 1.5k", "--eval-freq must be a whole number"),
        ("--attempt-steps 0", "attempt_steps must be an integer >= 1, got 0"),
        ("--horizon 1e400", "--horizon must be None or INT, got '1e400'"),
        ("--epsilon much", "--epsilon must be None or FLOAT, got 'much'"),
        ("--n-envs 1000000000", "n_envs must be an integer <= 10000, got 1000000000"),
        ("--eval-episodes 1000000000", "eval_episodes must be an integer <= 100000, got 1000000000"),
        ("--seed 4294967296", "seed must be an integer <= 2147483647, got 4294967296"),
        ("--cells 100000 --recurrent", "cells must be so low that the run fits into"),
        ("--cells 3000 --gradient rtrl --recurrent", "cells must be so low"),
        ("--hidden 1000000 --recurrent", "hidden must be so low"),
        ("--bptt-depth 10000000000 --policy GruPolicy", "bptt_depth must be so low"),
        ("--memory-bits 1000 --policy MemoryBitsPolicy", "memory_bits must be so low"),
        ("--n-envs 10000 --cells 1000 --recurrent", "n_envs must be so low"),
        ("--chunk-size 100000000000 --timesteps 1e12", "chunk_size must be so low"),
        ("--eval-episodes 100000 --cells 300 --recurrent", "eval_episodes must be so low"),
        ("--policy MlpPolicy", "'MlpPolicy' for argument '--policy'. Expected one of ('LstmPolicy', 'ElmanPolicy'"),
    ],
)
def test_what_is_out_of_bounds_is_refused_at_once(
    options: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lstm_rl.bounds.memory", lambda: 16e9)
    begun = time.perf_counter()
    assert main(["train", MAZE, "--log-dir", str(tmp_path / "runs"), *options.split()]) == 2
    errors = capsys.readouterr().err
    assert words in errors and errors.count("\n") == 1 and "<" not in errors.replace("<=", ""), errors
    assert time.perf_counter() - begun < 5.0 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "env_id, env_kwargs",
    [
        ("test_bounds/Refusing-v0", "at=reset"),
        ("test_bounds/Refusing-v0", "at=step"),
        ("CartPole-v1", "max_episode_steps=-3"),
        (MAZE, "corridor_length=0"),
    ],
)
def test_an_environment_that_refuses_leaves_no_folder(
    env_id: str, env_kwargs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", env_id, "--log-dir", str(tmp_path), "--no-progress", "--env-kwargs", env_kwargs]
    assert main(command) != 0
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1 and env_kwargs.partition("=")[0] in errors
    assert not list(tmp_path.iterdir())


def test_episodes_are_bounded_where_they_are_played(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "run")
    few = ("--timesteps", "60", "--no-progress", "--no-pictures", "--eval-episodes", "2")
    assert main(["train", MAZE, "--log-dir", str(tmp_path), "--run-name", "run", *few]) == 0
    for command in ("evaluate", "watch"):
        capsys.readouterr()
        assert main([command, folder, "--episodes", "1000000000"]) == 2
        assert "episodes must be an integer <= 100000, got 1000000000" in capsys.readouterr().err


def test_a_window_that_nobody_would_see_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ("--timesteps", "60", "--no-progress", "--no-pictures", "--eval-episodes", "2")
    assert main(["train", MAZE, "--log-dir", str(tmp_path), "--run-name", "run", *few]) == 0
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    capsys.readouterr()
    assert main(["watch", str(tmp_path / "run"), "--episodes", "1"]) == 2
    assert "watch needs a display" in (errors := capsys.readouterr().err) and "--video FILE.gif" in errors


def test_slow_chunks_are_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    env = make_env(MAZE, {})
    with pytest.warns(UserWarning, match="a chunk of 4096 steps with 2e.06 weights takes some [0-9]+ s"):
        check_memory(Settings(MAZE, config=Config(cells=100_000)), env)
    check_memory(Settings(MAZE, n_envs=100), env)  # what people do is let through in silence
    assert memory() > 1e8


def test_policies_are_listed_in_python_too() -> None:
    with pytest.raises(ValueError, match="policy must be one of LstmPolicy, ElmanPolicy, .*, got 'MlpPolicy'"):
        AdvantageLearning("MlpPolicy", MAZE)
