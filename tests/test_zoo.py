"""rl_zoo3 with our algorithms."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

from lstm_rl.agents.config import Config
from lstm_rl.zoo import ALGORITHMS, REPLAY, main

pytest.importorskip("rl_zoo3")


def zoo(folder: Path, *arguments: str) -> str:
    """Run a program of the zoo; what it printed."""
    quiet = {"SDL_VIDEODRIVER": "dummy", "PYGAME_HIDE_SUPPORT_PROMPT": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "lstm_rl.zoo", *arguments]
    done = subprocess.run(command, cwd=folder, env=os.environ | quiet, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_train_enjoy_and_record_a_video(tmp_path: Path) -> None:
    of = ["--algo", "advantage", "--env", "CartPole-v1", "-f", "logs"]
    assert "Using 'default' hyperparameters" in zoo(tmp_path, "train", *of, "-n", "600", "--eval-freq", "300")
    assert (tmp_path / "logs/advantage/CartPole-v1_1/best_model.zip").is_file()
    assert "Mean reward" in zoo(tmp_path, "enjoy", *of, "-n", "1100", "--no-render")
    pytest.importorskip("moviepy")
    zoo(tmp_path, "record_video", *of, "-n", "20")
    assert len(list(tmp_path.rglob("*.mp4"))) == 1


@pytest.mark.parametrize(
    ("algorithm", "env", "more", "field"),
    [
        ("advantage", "lstm_rl/NoisyTMaze-v0", ["--env-kwargs", "corridor_length:5"], "forget_gate_offset"),
        ("actor_critic", "Pendulum-v1", [], "entropy_weight"),
    ],
)
def test_optimize(tmp_path: Path, algorithm: str, env: str, more: list[str], field: str) -> None:
    study = ["-optimize", "-n", "500", "--n-trials", "2", "--n-evaluations", "2", "--no-optim-plots"]
    said = zoo(tmp_path, "train", "--algo", algorithm, "--env", env, *more, *study)
    assert "Number of finished trials:  2" in said and f"    {field}: " in said


def test_bad_input_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tran"]) == 2
    said = "lstm_rl.zoo: program must be train, enjoy or record_video, got tran: the nearest is train\n"
    assert capsys.readouterr().err == said
    monkeypatch.setitem(sys.modules, "rl_zoo3", None)
    assert main(["train", "--algo", "advantage"]) == 2
    assert capsys.readouterr().err.endswith(': pip install "lstm-rl[zoo]"\n')


def test_every_shipped_file_names_registered_environments_and_fields() -> None:
    import lstm_rl.envs  # noqa: F401

    yaml: Any = pytest.importorskip("yaml")
    folder = Path(__file__).parent.parent / "lstm_rl" / "hyperparams"
    files = {path.stem: yaml.safe_load(path.read_text()) for path in folder.glob("*.yml")}
    assert set(files) == {*ALGORITHMS, *REPLAY}
    for name, settings in files.items():
        kind: Any = REPLAY[name].config_class if name in REPLAY else Config
        assert "default" in settings
        for env, values in settings.items():
            assert env == "default" or env in gym.registry
            own = {name: each for name, each in values.items() if name not in ZOO}
            kind(**own)


ZOO = ("n_timesteps", "policy", "env_kwargs", "n_envs", "policy_kwargs")  # of the zoo itself, and of policies


ORDERS = {
    "zoo first": "import rl_zoo3.exp_manager, lstm_rl.make",
    "ours first": "import lstm_rl.make, lstm_rl.agents.env_states, rl_zoo3.exp_manager",
}


@pytest.mark.parametrize("order", ORDERS)
def test_the_order_of_imports_changes_nothing(order: str) -> None:
    """The zoo puts a TimeLimit of its own into Gymnasium."""
    code = f"""{ORDERS[order]}
from stable_baselines3.common.vec_env import DummyVecEnv
from lstm_rl.agents.env_states import environment_states
from lstm_rl.make import make_env
from lstm_rl.envs.rows import plain_world
world = plain_world(make_env("lstm_rl/TMaze-v0", dict(max_episode_steps=8)))
import gymnasium as gym
row = gym.wrappers.TimeLimit(make_env("lstm_rl/TMaze-v0", {{}}), 9)
print(world.max_steps, sorted(environment_states(DummyVecEnv([lambda: row]))))"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "8 ['1 0 TimeLimit', '1 0 WorldEnv']\n", done.stderr
