"""Trials while training: stages where surviving is success, what counts as solved, and attempts with new weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstm_rl import trials
from lstm_rl.agents import AdvantageLearning, DivergedError
from lstm_rl.agents.rollouts import Played
from lstm_rl.cli import main
from lstm_rl.envs.dynamics import World
from lstm_rl.envs.multimode_pole import multimode_pole
from lstm_rl.envs.tmaze import tmaze
from lstm_rl.runs import load_model, settings_of
from lstm_rl.settings import Settings, from_preset
from lstm_rl.training import describe, run

POLE = "lstm_rl/MultimodePole-v0"


class Balancing:
    """Stands for `play`: every start survives ``steps`` steps, one in each trial of more starts only ``least``."""

    def __init__(self, steps: int, least: int) -> None:
        self.steps, self.least, self.calls = steps, least, list[tuple[int, int, int]]()

    def __call__(self, _: Any, world: World, episodes: int, seed: int) -> Played:
        assert world.max_steps is not None
        self.calls.append((episodes, world.max_steps, seed))
        lengths = np.minimum(
            [self.least] * (episodes > 20) + [self.steps] * (episodes - (episodes > 20)), world.max_steps
        )
        survived = (lengths == world.max_steps).astype(float)
        return Played(survived - 1.0, lengths.astype(float), survived, np.zeros((episodes, 6)))


@pytest.mark.parametrize(
    "steps, least, stages, score, flawless",
    [
        (1_999, 1_999, [(10, 2_000, 7)], 1_999.0, False),
        (100_000, 9_000, [(10, 2_000, 7), (40, 10_000, 8)], (39 * 10_000 + 9_000) / 40, False),
        (100_000, 99_999, [(10, 2_000, 7), (40, 10_000, 8), (40, 100_000, 9)], 100_000 - 1 / 40, False),
        (100_000, 100_000, [(10, 2_000, 7), (40, 10_000, 8), (40, 100_000, 9)], 100_000.0, True),
    ],
)
def test_a_trial_goes_on_as_long_as_nothing_falls(
    steps: int, least: int, stages: Any, score: float, flawless: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "play", player := Balancing(steps, least))
    model: Any = type("Model", (), {"policy": None})
    trial = trials.try_in_stages(model, multimode_pole(max_steps=500), 7, 40)
    assert player.calls == stages and trial.score == pytest.approx(score) and trial.flawless == flawless
    assert (trial.needed, len(trial.lengths)) == (1, stages[-1][0])
    monkeypatch.setattr(trials, "play", player := Balancing(10**7, 10**7))
    trials.try_in_stages(model, multimode_pole(max_steps=200_000), 7, 40)
    assert [call[1] for call in player.calls] == [2_000, 10_000, 100_000, 200_000]  # no shorter than training episodes


def test_history_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    history: trials.History = {}
    short = trials.Trial(np.array([1.0]), np.array([9.0]), np.array([0.0]), 1.0, 9)
    long = trials.Trial(np.array([2.0, 3.0]), np.array([4.0, 5.0]), np.array([1.0, 1.0]), 2.5, 9)
    for steps, trial in ((100, short), (200, long), (300, long)):
        trials.add_to(history, steps, trial)
    trials.write_history(tmp_path / "evaluations.npz", history)
    back = trials.read_history(tmp_path / "evaluations.npz", 2)
    assert back["timesteps"] == [100, 200]
    np.testing.assert_array_equal(back["results"], [[1.0, np.nan], [2.0, 3.0]])
    assert (short.flawless, long.flawless) == (False, True)


def test_the_preset_of_the_pole_is_that_of_its_experiment() -> None:
    settings = from_preset(POLE)
    assert (settings.timesteps, settings.attempt_steps, settings.eval_episodes) == (20_000_000, 5_000_000, 40)
    assert settings.stop_when_solved and settings.env_kwargs == {"max_steps": 500}
    assert not from_preset("lstm_rl/TMaze-v0").stop_when_solved and tmaze().survival_is_success is False


FEW = (
    "--timesteps",
    "2500",
    "--eval-freq",
    "500",
    "--attempt-steps",
    "1000",
    "--schedule",
    "constant",
    "--no-progress",
)


@pytest.mark.filterwarnings("default")
def test_a_run_starts_over_with_new_weights_and_is_resumed_in_mid_attempt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["train", POLE, "--log-dir", str(tmp_path), "--seed", "3", *FEW]
    assert main([*command, "--run-name", "whole"]) == 0
    printed = capsys.readouterr()
    for attempt in (1, 2):
        words = f"lstm-rl: attempt {attempt} has not solved the task in 1,000 steps: starting over with new weights\n"
        assert words in printed.err
    assert "3 attempts" in printed.out and printed.err.count("\n") == 2
    whole = tmp_path / "whole"
    assert len(list(whole.glob("attempt-[23]/events*"))) == 2 and len(list(whole.glob("events*"))) == 1
    with np.load(whole / "evaluations.npz") as file:
        assert file["timesteps"].tolist() == [500, 1000, 1500, 2000, 2500]
    last = load_model(whole / "model.zip")
    assert (last.num_timesteps, last.seed) == (500, 2_000_003)  # of the third attempt
    assert main([*command, "--run-name", "half", "--timesteps", "1500"]) == 0
    assert main([*command, "--run-name", "half", "--resume"]) == 0
    resumed = load_model(tmp_path / "half" / "model.zip")
    ours, others = (model.policy.state_dict() for model in (resumed, last))
    assert ours.keys() == others.keys() and all(bool((ours[name] == others[name]).all()) for name in ours)
    rows = [(tmp_path / name / "monitor.csv").read_text().splitlines()[2:] for name in ("whole", "half")]
    assert [row.split(",")[:2] for row in rows[0]] == [row.split(",")[:2] for row in rows[1]]


@pytest.mark.filterwarnings("default")
def test_an_attempt_that_diverges_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learn, learned = AdvantageLearning.learn, []

    def diverge_once(self: Any, *arguments: Any, **keywords: Any) -> Any:
        learned.append(self.seed)
        learn(self, *arguments, **keywords)
        if len(learned) == 1:
            raise DivergedError("training diverged")
        return self

    monkeypatch.setattr(AdvantageLearning, "learn", diverge_once)
    few: Any = {"timesteps": 600, "eval_freq": 300, "attempt_steps": 300, "log_dir": tmp_path}
    with pytest.warns(UserWarning, match="attempt 1: training diverged: starting over with new weights"):
        outcome = run(replace(from_preset(POLE), progress=False, pictures=False, **few))
    assert (learned, outcome.attempts, outcome.steps) == ([0, 1_000_000], 2, 600)


def test_the_last_line_says_what_came_of_a_run_and_what_to_do_next(tmp_path: Path) -> None:
    few: Any = {"timesteps": 400, "eval_freq": 200, "eval_episodes": 3, "progress": False, "pictures": False}
    for env_id, success in (("CartPole-v1", False), ("lstm_rl/TMaze-v0", True)):
        outcome = run(Settings(env_id, log_dir=tmp_path / "my runs", **few))
        first, last = describe(outcome).splitlines()
        folder = tmp_path / "my runs" / outcome.folder.name
        with np.load(folder / "evaluations.npz") as file:
            best = file["results"].mean(axis=1).max()
        assert first.startswith("400 steps in ") and "last training episodes: mean reward " in first
        assert last.startswith(f"{folder}: best evaluation: mean reward {best:.4g}, ")
        assert ("% success" in last) == success
        for command in ("lstm-rl evaluate", "lstm-rl watch", "tensorboard --logdir"):
            assert f"{command} '{folder}'" in last  # to copy, with a space in it
    assert settings_of(folder).eval_freq == 200
