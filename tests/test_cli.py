"""The command line: what it writes, how it goes on, and one sentence for everything that goes wrong."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from lstm_rl import __version__, training
from lstm_rl.agents import AdvantageLearning
from lstm_rl.agents.defaults import TMAZE
from lstm_rl.cli import main
from lstm_rl.cli_types import parse_kwargs
from lstm_rl.envs import OTHERS, WORLDS
from lstm_rl.evaluation import evaluate, load
from lstm_rl.presets import preset
from lstm_rl.runs import check_spaces, load_model, settings_of
from lstm_rl.settings import Settings

MAZE, POLE = "lstm_rl/NoisyTMaze-v0", "lstm_rl/MultimodePole-v0"
SHORT = ("--env-kwargs", "corridor_length=3")
FEW = ("--timesteps", "1000", "--eval-freq", "250", "--eval-episodes", "4", "--no-progress")


class CallbackApproximator(gym.Env[Any, Any]):
    """Nothing of ours: episodes of 20 steps, no render mode.

    Observations are NaN from step ``broken`` on; step ``interrupted`` sends SIGINT.
    """

    observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
    action_space: Any = gym.spaces.Discrete(2)

    def __init__(self, broken: int = 0, interrupted: int = 0, reward: float = 1.0) -> None:
        self.broken, self.interrupted, self.reward, self.steps = broken, interrupted, reward, 0

    def _look(self) -> Any:
        return np.full(2, np.nan if self.steps >= self.broken > 0 else 0.5, np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:  # noqa: D102
        super().reset(seed=seed)
        self.broken, self.steps = self.broken - self.steps, 0
        return self._look(), {}

    def step(self, action: Any) -> Any:  # noqa: D102
        self.steps += 1
        self.interrupted -= 1
        if self.interrupted == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return self._look(), self.reward, self.steps == 20, False, {}


gym.register("test_cli/Foreign-v0", CallbackApproximator, disable_env_checker=True)  # type: ignore[arg-type]


def train(env_id: str, folder: Path, *more: str) -> list[str]:
    """A command that fills ``folder``."""
    return ["train", env_id, "--log-dir", str(folder.parent), "--run-name", folder.name, *more]


def weights(path: Path) -> dict[str, Any]:
    return {name: value.numpy() for name, value in load_model(path).get_parameters()["policy"].items()}


def episodes(folder: Path) -> list[list[str]]:
    """Rows of monitor.csv without their times."""
    lines = (folder / "monitor.csv").read_text().splitlines()
    names = lines[1].split(",")
    return [[value for name, value in zip(names, line.split(","), strict=True) if name != "t"] for line in lines[2:]]


def assert_same_run(one: Path, other: Path) -> None:
    """Equal to the last bit, wall-clock times aside."""
    for name in ("model.zip", "best_model.zip"):
        np.testing.assert_equal(weights(one / name), weights(other / name))
    assert episodes(one) == episodes(other)
    with np.load(one / "evaluations.npz") as left, np.load(other / "evaluations.npz") as right:
        np.testing.assert_equal(dict(left), dict(right))


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 2) -> str:
    """The one sentence that a command gives on stderr for bad input."""
    capsys.readouterr()
    assert main(arguments) == code
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("lstm-rl: ") and printed.err.count("\n") == 1, printed
    return printed.err


@pytest.fixture(scope="module")
def maze(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in a short maze."""
    folder = tmp_path_factory.mktemp("runs") / "maze"
    assert main(train(MAZE, folder, *SHORT, *FEW)) == 0
    return folder


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in an environment that is not ours."""
    folder = tmp_path_factory.mktemp("runs") / "foreign"
    assert main(train("test_cli/Foreign-v0", folder, *FEW)) == 0
    return folder


# --- commands --------------------------------------------------------------------------------------------------------


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from lstm_rl.cli import main\n"
        "for arguments in (['--help'], ['train', '--help'], ['reproduce', 'ablation', '--help'], "
        "['table', '--help']):\n"
        "    try:\n"
        "        main(arguments)\n"
        "    except SystemExit as end:\n"
        "        assert not end.code\n"
        "heavy = {'torch', 'numba', 'matplotlib', 'stable_baselines3'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    commands = (
        "envs,train,tune,evaluate,watch,plot,export,models,experiments,reproduce,table,world-model,diagnose,music"
    )
    assert f"{{{commands}}}" in done.stdout
    assert "--learning-rate" in done.stdout and "--gradient" in done.stdout


def test_the_module_and_the_script_are_the_same_command() -> None:
    script = Path(sys.executable).with_name("lstm-rl")
    lines = [subprocess.check_output([*start, "envs"]) for start in ([sys.executable, "-m", "lstm_rl"], [str(script)])]
    assert lines[0] == lines[1] and len(lines[0].splitlines()) == len(WORLDS) + len(OTHERS)


def test_a_reader_that_goes_away_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-m", "lstm_rl", "envs"], stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_normal_use_prints_no_warning(tmp_path: Path) -> None:
    few = ["--timesteps", "300", "--eval-freq", "150", "--eval-episodes", "2", "--no-progress"]
    commands = [
        ["envs"],
        train("CartPole-v1", tmp_path / "cart", *few),
        ["evaluate", str(tmp_path / "cart"), "--episodes", "2", "--json"],
        train(POLE, tmp_path / "pole", *few, "--env-kwargs", "max_steps=30"),
        ["watch", str(tmp_path / "pole"), "--episodes", "1", "--video", str(tmp_path / "pole.gif")],
    ]
    code = f"from lstm_rl.cli import main; print([main(command) for command in {commands!r}])"
    done = subprocess.run([sys.executable, "-W", "default", "-c", code], capture_output=True, text=True)
    assert done.stderr == "" and done.stdout.splitlines()[-1] == "[0, 0, 0, 0, 0]"


def test_envs_lists_every_environment(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["envs"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [*WORLDS, *OTHERS]
    assert {MAZE, POLE} < set(WORLDS)


def test_the_version_is_told_and_a_folder_that_cannot_be_made_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"lstm-rl {__version__}\n"
    assert main(["train", MAZE, "--log-dir", "/proc/runs"]) == 1
    assert capsys.readouterr().err.endswith("lstm-rl: /proc/runs: No such file or directory\n")


def test_values_of_env_kwargs_are_literals_or_strings() -> None:
    given = ["a=3", "b=1e-3", "c=None", "d=auto", "e=[1, 2]", "f=x=y", "g=", "h=left,4", "i='left,4'", "j=1,2"]
    got = {"a": 3, "b": 1e-3, "c": None, "d": "auto", "e": [1, 2], "f": "x=y", "g": ""}
    assert parse_kwargs(given) == got | {"h": ("left", 4), "i": "left,4", "j": (1, 2)}


# --- train -----------------------------------------------------------------------------------------------------------


def test_a_run_folder_is_complete(maze: Path) -> None:
    names = {path.name for path in maze.iterdir() if not path.name.startswith("events.out.tfevents.")}
    files = ("config.json", "model.zip", "best_model.zip", "monitor.csv", "evaluations.npz", "learning_curve.png")
    assert names == set(files)
    assert len(list(maze.glob("events.out.tfevents.*"))) == 1
    with Image.open(maze / "learning_curve.png") as picture:
        assert picture.width > 400
    assert load_model(maze / "model.zip").num_timesteps == 1000
    with np.load(maze / "evaluations.npz") as evaluations:
        assert evaluations["timesteps"].tolist() == [250, 500, 750, 1000]
        assert evaluations["successes"].shape == (4, 4)


def test_the_config_repeats_the_run(maze: Path, tmp_path: Path) -> None:
    settings = settings_of(maze)
    asked = Settings(MAZE, {"corridor_length": 3}, "default", "LstmPolicy", 0, 1000, 1, 250, 4, config=TMAZE)
    assert settings == asked.resolved() and settings.algo == "advantage"
    training.run(replace(settings, log_dir=tmp_path, run_name="again", progress=False, pictures=False))
    assert_same_run(maze, tmp_path / "again")


def test_every_field_of_the_configuration_is_an_option(tmp_path: Path) -> None:
    given = {"horizon": "40", "lambda_": "0.7", "epsilon": "0.05", "forget-gate-bias": "1.5"}
    options = [word for name, value in given.items() for word in (f"--{name}", value)] + ["--no-cut-traces"]
    assert main(train(MAZE, tmp_path / "run", *SHORT, *FEW, *options, "--n-envs", "4", "--seed", "7")) == 0
    settings = settings_of(tmp_path / "run")
    config = settings.config
    assert (settings.n_envs, settings.seed, config.horizon, config.cut_traces) == (4, 7, 40, False)
    assert (config.lambda_, config.epsilon, config.forget_gate_bias, config.gamma) == (0.7, 0.05, 1.5, 0.98)
    model = load_model(tmp_path / "run" / "model.zip")
    assert model.config == config and model.num_timesteps == 1000 and model.n_envs == 4


@pytest.mark.parametrize("name", ["default", "bakker2001"])
@pytest.mark.parametrize("env_id", ["lstm_rl/TMaze-v0", MAZE, POLE])
def test_every_preset_trains(env_id: str, name: Any, tmp_path: Path) -> None:
    """The paper's mazes have no step limit, in which a greedy evaluation would never end."""
    more = ("--preset", name, "--gamma", "0.9")
    few = ("--timesteps", "300", "--eval-freq", "150", "--eval-episodes", "2", "--no-progress")
    assert main(train(env_id, tmp_path / "run", *more, *few, *(SHORT if env_id != POLE else ()))) == 0
    values = json.loads((tmp_path / "run" / "config.json").read_text())
    chosen = preset(name, env_id)
    assert values["preset"] == name and values["config"]["gamma"] == 0.9 != chosen.config.gamma
    assert values["config"]["lambda_"] == chosen.config.lambda_ and values["config"]["cells"] == chosen.config.cells
    assert values["env_kwargs"] == chosen.env_kwargs | ({"corridor_length": 3} if env_id != POLE else {})


def test_runs_are_named_after_what_they_are(tmp_path: Path) -> None:
    few = ("--timesteps", "50", "--eval-freq", "60", "--no-progress")
    assert main(["train", MAZE, *SHORT, "swap_cues=True", "--seed", "3", "--log-dir", str(tmp_path), *few]) == 0
    (folder,) = tmp_path.iterdir()
    assert folder.name == "NoisyTMaze-v0_corridor_length=3_swap_cues=True_seed=3"
    assert not (folder / "best_model.zip").exists()
    assert main(["evaluate", str(folder), "--episodes", "1"]) == 0  # there is no best model: plays the last


def test_a_solved_run_stops_and_stays_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ("--timesteps", "100000", "--eval-freq", "1000", "--eval-episodes", "10", "--no-progress")
    command = train("lstm_rl/TMaze-v0", tmp_path / "run", *SHORT, *few, "--stop-when-solved")
    assert main(command) == 0
    assert "solved at" in capsys.readouterr().out
    before = load_model(tmp_path / "run" / "model.zip")
    assert before.num_timesteps < 100_000 and before.num_timesteps % 1000 == 0
    assert main([*command, "--resume"]) == 0
    assert load_model(tmp_path / "run" / "model.zip").num_timesteps == before.num_timesteps


# --- resume ----------------------------------------------------------------------------------------------------------


def test_more_timesteps_go_on_exactly(maze: Path, tmp_path: Path) -> None:
    first = ("--timesteps", "620", "--eval-freq", "250", "--eval-episodes", "4", "--no-progress")
    assert main(train(MAZE, tmp_path / "run", *SHORT, *first)) == 0
    cut = first.index("620")
    assert main(train(MAZE, tmp_path / "run", *SHORT, *first[:cut], "1000", *first[cut + 1 :], "--resume")) == 0
    assert_same_run(tmp_path / "run", maze)
    assert settings_of(tmp_path / "run") == settings_of(maze)


def test_a_finished_run_is_left_as_it_is(maze: Path, tmp_path: Path) -> None:
    shutil.copytree(maze, tmp_path / "run")
    assert main(train(MAZE, tmp_path / "run", *SHORT, *FEW, "--resume")) == 0
    assert_same_run(tmp_path / "run", maze)


def test_a_killed_run_forgets_what_came_after_the_checkpoint(
    maze: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A disk that fills up at the fourth checkpoint: the third stays, and the run goes on from there."""
    saves, save = [], BaseAlgorithm.save

    def full(self: Any, path: Any, exclude: Any = None, include: Any = None) -> None:
        saves.append(path)
        if len([path for path in saves if ".model." in str(path)]) == 4:
            path.write(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(self, path, exclude, include)

    monkeypatch.setattr(BaseAlgorithm, "save", full)
    folder = tmp_path / "run"
    message = refused(train(MAZE, folder, *SHORT, *FEW), capsys, code=1)
    assert "No space left on device" in message and "model.zip" in message
    monkeypatch.undo()
    assert load_model(folder / "model.zip").num_timesteps == 500 and not list(folder.glob(".*"))
    assert main(train(MAZE, folder, *SHORT, *FEW, "--resume")) == 0
    assert_same_run(folder, maze)


@pytest.mark.filterwarnings("default")
def test_ctrl_c_in_a_foreign_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ("--eval-freq", "10000000", "--eval-episodes", "2", "--no-progress", "--n-envs", "1")
    command = train("test_cli/Foreign-v0", tmp_path / "run", *few, "--env-kwargs", "interrupted=250")
    assert main([*command, "--timesteps", "500000000"]) == 130
    start = load_model(tmp_path / "run" / "model.zip").num_timesteps
    assert start == 250
    before = episodes(tmp_path / "run")
    assert "--resume goes on from here, with new episodes" in capsys.readouterr().err
    assert main([*command, "--timesteps", str(start + 200), "--resume"]) == 0
    errors = capsys.readouterr().err
    assert "training goes on from the saved weights, but with new episodes" in errors
    assert errors.count("\n") == 1 and errors.startswith("lstm-rl: ")
    assert load_model(tmp_path / "run" / "model.zip").num_timesteps == start + 200
    after = episodes(tmp_path / "run")
    assert after[: len(before)] == before and len(after) > len(before)


@pytest.mark.parametrize(
    "change, words",
    [
        (("--learning-rate", "0.5"), "learning_rate must be None, as in the run to resume, got 0.5"),
        (("--env-kwargs", "corridor_length=4"), "env_kwargs must be {'corridor_length': 3}"),
        (("--seed", "1"), "seed must be 0, as in the run to resume, got 1"),
        (("--timesteps", "500"), "timesteps must be >= 1000, which the run has, got 500"),
    ],
)
def test_resume_refuses_other_settings(
    change: tuple[str, ...], words: str, maze: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in refused(train(MAZE, maze, *SHORT, *FEW, *change, "--resume"), capsys)


@pytest.mark.parametrize("damage", ["model", "best", "config", "none"])
def test_resume_refuses_damaged_runs(
    damage: str, maze: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, words = tmp_path / "run", "run must be a folder"
    if damage != "none":
        shutil.copytree(maze, folder)
    if damage == "none":
        words = "resume must name an interrupted run with a model.zip, got"
    elif damage == "model":
        (folder / "model.zip").write_bytes((maze / "model.zip").read_bytes()[:3000])
        words = "model.zip must be a model saved by lstm-rl train or world-model"
    elif damage == "best":  # a model, but no checkpoint
        shutil.copy(maze / "best_model.zip", folder / "model.zip")
        words = "resume must name a run with a checkpoint"
    else:
        (folder / "config.json").unlink()
    assert words in refused(train(MAZE, folder, *SHORT, *FEW, "--resume"), capsys)


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["fly"], ["fly", "see --help"]),
        (["train"], ["Environment id"]),
        (["train", "Nowhere-v0"], ["env must be", "Nowhere-v0"]),
        (["train", "lstm_rl/Nowhere-v0"], ["env must be one of lstm_rl/TMaze-v0", "got lstm_rl/Nowhere-v0"]),
        (["train", "no_module:Nowhere-v0"], ["env must be", "no_module:Nowhere-v0"]),
        (["train", "Pendulum-v1", "--rule", "advantage"], ["rule must be", "gymnasium.wrappers.DiscretizeAction"]),
        (["train", MAZE, "--fly", "3"], ["--fly"]),
        (["train", MAZE, "--gamm", "3"], ["--gamm", "--gamma"]),
        (["train", MAZE, "--gamma", "2"], ["lstm-rl: gamma must be a number in [0, 1], got 2.0"]),
        (["train", MAZE, "--gamma", "much"], ["--gamma", "float", "'much'"]),
        (["train", MAZE, "--cells", "-1"], ["cells must be an integer >= 0, got -1"]),
        (["train", MAZE, "--cells", "0"], ["cells and hidden must not both be 0", "got cells=0"]),
        (
            ["train", MAZE, "--policy", "ElmanPolicy", "--hidden", "0"],
            ["hidden must be an integer >= 1, got 0"],
        ),
        (["train", MAZE, "--learning-rate", "nan"], ["learning_rate must be a number in (0, inf), got nan"]),
        (["train", MAZE, "--preset", "best"], ["'best'", "'default', 'bakker2001'"]),
        (["train", "CartPole-v1", "--preset", "bakker2001"], ["preset must be default for CartPole-v1"]),
        (["train", MAZE, "--timesteps", "0"], ["timesteps must be an integer >= 1, got 0"]),
        (["train", MAZE, "--n-envs", "0"], ["n_envs must be an integer >= 1, got 0"]),
        (["train", MAZE, "--eval-freq", "0"], ["eval_freq must be an integer >= 1, got 0"]),
        (["train", MAZE, "--eval-episodes", "0"], ["eval_episodes must be an integer >= 1, got 0"]),
        (["train", MAZE, "--seed", "-1"], ["seed must be an integer >= 0, got -1"]),
        (["train", MAZE, "--env-kwargs", "corridor_length=0"], ["corridor_length must be an integer >= 1, got 0"]),
        (["train", MAZE, "--env-kwargs", "corridor_length=-3"], ["corridor_length must be an integer >= 1, got -3"]),
        (["train", MAZE, "--env-kwargs", "corridor_length=far"], ["corridor_length must be an integer", "got 'far'"]),
        (["train", MAZE, "--env-kwargs", "corridor_length"], ["key=value", "got 'corridor_length'"]),
        (["train", MAZE, "--env-kwargs", "width=3"], [f"arguments of {MAZE}", "'width'"]),
        (["train", MAZE, "--env-kwargs", "world=moon"], [f"arguments of {MAZE}", "world='moon'"]),
        (["train", "CartPole-v1", "--env-kwargs", "width=3"], ["arguments of CartPole-v1", "'width'"]),
        (["train", MAZE, "--log-dir", __file__], ["log-dir must be a path of folders", __file__]),
        (["evaluate", "nowhere"], ["run must be a folder with a config.json", "got nowhere"]),
        (["watch", "nowhere"], ["run must be a folder with a config.json", "got nowhere"]),
        (["watch", "nowhere", "--video", "film.avi"], ["video must be a .mp4 or .gif file, got film.avi"]),
    ],
    ids=lambda value: " ".join(value[:4]) if isinstance(value, list) and value[0] in ("train", "watch") else None,
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


def test_what_deletes_is_refused_beside_what_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = train(MAZE, tmp_path / "run", *SHORT, *FEW)
    assert "overwrite must be left out with resume, got both" in refused([*command, "--resume", "--overwrite"], capsys)


def test_a_reward_that_is_not_a_number_is_no_result() -> None:
    model = AdvantageLearning("LstmPolicy", gym.make("test_cli/Foreign-v0"), seed=0, cells=1)
    assert evaluate(model, "test_cli/Foreign-v0", {}, 2, 0)["mean_reward"] == 20.0
    with pytest.raises(
        ValueError, match="^test_cli/Foreign-v0 failed in step, step 1 of an episode: the reward must be .* got nan$"
    ):
        evaluate(model, "test_cli/Foreign-v0", {"reward": float("nan")}, 2, 0)


def test_an_observation_that_is_not_a_number_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = train("test_cli/Foreign-v0", tmp_path / "run", *FEW, "--n-envs", "1", "--env-kwargs", "broken=90")
    said = "test_cli/Foreign-v0 failed in step, step 10 of an episode: the observation must be finite numbers, got [nan"
    assert said in refused(command, capsys)
    assert load_model(tmp_path / "run" / "model.zip").num_timesteps == 0


def test_a_diverging_run_keeps_its_last_good_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(train(MAZE, tmp_path / "run", *SHORT, *FEW, "--learning-rate", "1e30"), capsys, code=1)
    assert "diverged" in message and "lower learning_rate, which is 1e+30" in message
    assert all(np.isfinite(value).all() for value in weights(tmp_path / "run" / "model.zip").values())


@pytest.mark.parametrize("env_id", [MAZE, "test_cli/Foreign-v0"])
def test_weights_that_left_the_finite_numbers_are_neither_played_nor_kept(
    env_id: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the very step at which they do: the errors are finite until the next one."""
    few = ("--timesteps", "2", "--eval-freq", "2", "--eval-episodes", "1", "--no-progress", "--learning-rate", "1e38")
    message = refused(train(env_id, tmp_path / "run", *few, "--optimizer", "sgd"), capsys, code=1)
    assert "training diverged before step 2:" in message
    assert all(np.isfinite(value).all() for value in weights(tmp_path / "run" / "model.zip").values())


@pytest.mark.filterwarnings("default")  # the command line prints them
def test_who_plays_a_diverged_run_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also after a last attempt that diverged; not after one that did not."""
    folder, rate = tmp_path / "run", ("--learning-rate", "1e30")
    assert main(train(MAZE, folder, *SHORT, *FEW, *rate)) == 1
    for command in (["evaluate"], ["watch", "--video", str(tmp_path / "film.gif"), "--max-steps", "5"]):
        capsys.readouterr()
        assert main([command[0], str(folder), *command[1:], "--episodes", "1"]) == 0
        first, *others = capsys.readouterr().err.splitlines()
        assert first.startswith(f"lstm-rl: {folder}: training diverged before step ") and not others
        assert first.endswith("; this is its checkpoint after 0 steps")
    assert main(train(MAZE, folder, *SHORT, *FEW, "--overwrite")) == 0
    capsys.readouterr()
    assert main(["evaluate", str(folder), "--episodes", "1"]) == 0 and capsys.readouterr().err == ""
    assert main(train(MAZE, folder, *SHORT, *FEW, *rate, "--overwrite", "--attempt-steps", "2000")) == 0
    capsys.readouterr()
    assert main(["evaluate", str(folder), "--episodes", "1"]) == 0 and "diverged" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["empty", "text", "truncated", "flipped", "foreign", "folder"])
def test_a_model_that_is_none_is_refused(
    kind: str, maze: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = (maze / "best_model.zip").read_bytes()
    shutil.copytree(maze, tmp_path / "run")
    path = tmp_path / "run" / "best_model.zip"
    if kind == "foreign":
        PPO("MlpPolicy", "CartPole-v1", device="cpu").save(path)
    elif kind == "folder":
        path.unlink()
        (tmp_path / "run" / "model.zip").unlink()
    else:
        middle = len(model) // 2
        flipped = model[:middle] + bytes(255 - byte for byte in model[middle : middle + 400]) + model[middle + 400 :]
        path.write_bytes({"empty": b"", "text": b"hello", "truncated": model[:middle], "flipped": flipped}[kind])
    message = refused(["evaluate", str(tmp_path / "run")], capsys)
    assert ("best_model.zip must be a model saved by lstm-rl train or world-model" in message) == (kind != "folder")
    assert str(tmp_path / "run") in message


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"env": 3, "env_kwargs": {}, "config": {}}', "\xff"])
def test_a_damaged_config_is_refused(text: str, maze: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(maze, tmp_path / "run")
    (tmp_path / "run" / "config.json").write_bytes(text.encode("latin-1"))
    for command in (["evaluate"], ["watch", "--video", str(tmp_path / "film.gif")]):
        assert "config.json must " in refused([command[0], str(tmp_path / "run"), *command[1:]], capsys)
    assert "config.json must " in refused(train(MAZE, tmp_path / "run", *SHORT, *FEW, "--resume"), capsys)
    assert "overwrite must name a run folder" in refused(train(MAZE, tmp_path / "run", *FEW, "--overwrite"), capsys)


def test_settings_that_do_not_exist_are_refused(maze: Path, tmp_path: Path) -> None:
    values = json.loads((maze / "config.json").read_text())
    for changed in ({"speed": 3}, {"config": {"speed": 3}}, {"config": {"gamma": 2}}, {"timesteps": 0}):
        (tmp_path / "config.json").write_text(json.dumps(values | changed))
        with pytest.raises(ValueError, match="config.json must hold the settings of a run, but does not: .*"):
            settings_of(tmp_path)


def test_a_run_is_never_overwritten_unasked(maze: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    shutil.copytree(maze, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert f"run folder {folder} exists" in refused(train(MAZE, folder, *FEW), capsys)
    # With --overwrite, but settings that do not fit: nothing is lost
    for bad in (("--env-kwargs", "corridor_length=0"), ("--cells", "0")):
        refused(train(MAZE, folder, *FEW, *bad, "--overwrite"), capsys)
    refused(train("Pendulum-v1", folder, *FEW, "--rule", "advantage", "--overwrite"), capsys)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert main(train(MAZE, folder, *FEW, "--seed", "1", *SHORT, "--overwrite")) == 0
    assert settings_of(folder).seed == 1 and len(list(folder.glob("events*"))) == 1


def test_only_run_folders_are_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    homework, file = tmp_path / "homework", tmp_path / "file"
    homework.mkdir()
    (homework / "config.json").write_text('{"name": "not a run"}')
    file.write_text("dear diary")
    for folder in (homework, file, tmp_path):
        message = refused(train(MAZE, folder, *FEW, "--overwrite"), capsys)
        assert f"overwrite must name a run folder, got {folder}" in message
        message = refused(train(MAZE, folder, *FEW), capsys)
        assert f"{folder} exists and is no run folder: choose another --run-name or --log-dir" in message
        assert "--overwrite" not in message and "--resume" not in message
    assert (homework / "config.json").exists() and file.exists()


def test_only_what_will_be_done_is_advised(maze: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that ended before its first checkpoint cannot be resumed."""
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(maze / "config.json", folder)
    message = refused(train(MAZE, folder, *SHORT, *FEW), capsys)
    assert "choose another --run-name, or --overwrite it" in message
    shutil.copy(maze / "model.zip", folder)
    assert "or --overwrite or --resume it" in refused(train(MAZE, folder, *SHORT, *FEW), capsys)


def test_environments_of_ones_own_are_found_in_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "my_world.py").write_text(
        "import gymnasium as gym\n"
        "from gymnasium.envs.classic_control import CartPoleEnv\n"
        "gym.register('MyPole-v0', CartPoleEnv)\n"
    )
    script = Path(sys.executable).with_name("lstm-rl")
    few = ["--timesteps", "20", "--no-progress", "--no-pictures", "--log-dir", "runs"]
    for start in ([str(script)], [sys.executable, "-m", "lstm_rl"]):
        folder = ["--run-name", start[-1].replace("/", "")]
        done = subprocess.run(
            [*start, "train", "my_world:MyPole-v0", *few, *folder], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    safe = os.environ | {"PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [str(script), "train", "my_world:MyPole-v0", *few], cwd=tmp_path, env=safe, capture_output=True, text=True
    )
    assert done.returncode == 2 and "No module named 'my_world'" in done.stderr


# --- evaluate and watch ----------------------------------------------------------------------------------------------


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["evaluate", *arguments, "--json"]) == 0
    values: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return values


def test_evaluate_reports_one_json_object(maze: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = evaluated(capsys, str(maze), "--episodes", "130", "--seed", "1", "--max-steps", "9")
    assert (values["episodes"], values["seed"], values["env_id"]) == (130, 1, MAZE)
    assert values["env_kwargs"] == {"corridor_length": 3, "max_steps": 9}
    assert 0 <= values["success_rate"] <= 1 and values["mean_length"] <= 9 and values["mean_reward"] <= 4


def test_a_run_plays_in_another_environment_of_the_same_spaces(maze: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play = ["evaluate", str(maze), "--episodes", "3"]
    assert main([*play, "--env-kwargs", "corridor_length=4"]) == 0
    assert f"{maze}: 3 episodes of {MAZE} corridor_length=4, " in capsys.readouterr().out
    assert main([*play, "--env", MAZE, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["env_kwargs"].keys() <= {"max_steps"}
    assert "trained in, with 3 inputs and Discrete(4), got CartPole-v1 with 4" in refused(
        [*play, "--env", "CartPole-v1"], capsys
    )
    world, wider = gym.make(MAZE), gym.make(MAZE)
    wider.observation_space = gym.spaces.Box(-9, 9, (3,))
    with pytest.raises(ValueError, match=r"with Box\(0.0, 1.0, \(3,\), float32\) .* got wider with Box\(-9.0"):
        check_spaces(world, wider, "wider")  # of other bounds


def test_evaluate_depends_on_its_seed_only(maze: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, again, other = (
        evaluated(capsys, str(maze), "--episodes", "20", "--stochastic", "--seed", seed) for seed in ("1", "1", "2")
    )
    assert one == again and one["mean_reward"] != other["mean_reward"]
    assert evaluated(capsys, str(maze), "--which", "last") == evaluated(capsys, str(maze), "--which", "last")


def test_a_foreign_environment_has_no_success(foreign: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = evaluated(capsys, str(foreign), "--episodes", "3")
    assert (values["success_rate"], values["mean_length"], values["mean_reward"]) == (None, 20, 20)
    values = evaluated(capsys, str(foreign), "--episodes", "3", "--max-steps", "7")
    assert values["mean_length"] == 7 and values["env_kwargs"] == {"max_episode_steps": 7}
    assert (foreign / "learning_curve.png").exists() and "is_success" not in (foreign / "monitor.csv").read_text()


@pytest.mark.parametrize("option", ["--episodes", "--max-steps"])
@pytest.mark.parametrize("command", ["evaluate", "watch"])
def test_numbers_are_checked(
    command: str, option: str, maze: Path, foreign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = option[2:].replace("-", "_")
    for run in (maze, foreign):
        assert f"{name} must be an integer >= 1, got 0" in refused([command, str(run), option, "0"], capsys)


def test_a_world_without_a_step_limit_is_evaluated_with_one(tmp_path: Path) -> None:
    few = ("--timesteps", "60", "--eval-freq", "50", "--eval-episodes", "2", "--no-progress")
    assert main(train(MAZE, tmp_path / "run", *few, *SHORT, "max_steps=None")) == 0
    _, env_id, env_kwargs = load(tmp_path / "run")
    assert env_kwargs == {"corridor_length": 3, "max_steps": None}
    assert main(["evaluate", str(tmp_path / "run"), "--episodes", "2"]) == 0


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
@pytest.mark.parametrize("env_id", [MAZE, POLE])
def test_watch_writes_a_video(env_id: str, suffix: str, maze: Path, tmp_path: Path) -> None:
    folder, film = maze, tmp_path / "films" / f"film{suffix}"
    if suffix == ".mp4":
        pytest.importorskip("moviepy")
    if env_id == POLE:
        folder = tmp_path / "pole"
        few = ("--timesteps", "20", "--eval-freq", "50", "--no-progress")
        assert main(train(POLE, folder, *few)) == 0
    assert main(["watch", str(folder), "--episodes", "2", "--max-steps", "3", "--video", str(film)]) == 0
    assert [path.name for path in film.parent.iterdir()] == [film.name]
    if suffix == ".gif":
        with Image.open(film) as pictures:
            assert getattr(pictures, "n_frames", 1) > 1
    else:
        assert film.read_bytes()[4:8] == b"ftyp"


def test_watch_opens_a_window(maze: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    assert main(["watch", str(maze), "--episodes", "1", "--max-steps", "2"]) == 0


def test_an_environment_without_pictures_says_so(
    foreign: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(["watch", str(foreign), "--video", str(tmp_path / "film.gif")], capsys)
    assert "a video needs an environment with render_mode 'rgb_array'" in message
    assert "test_cli/Foreign-v0 offers none" in message
    assert not list(tmp_path.iterdir())
