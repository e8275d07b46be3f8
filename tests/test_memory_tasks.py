"""The memory tasks: each method learns and is looked at as the protocol says; aggregates on numbers done by hand."""

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pandas import DataFrame
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecNormalize

from lstm_rl.agents.rollouts import play
from lstm_rl.cli import main
from lstm_rl.experiments.aggregates import aggregate_curve, at_equal_steps, by_task, reached, summary
from lstm_rl.experiments.engine import Experiment, conduct, plan
from lstm_rl.experiments.memory_charts import pictures
from lstm_rl.experiments.protocols import memory_tasks
from lstm_rl.experiments.protocols.memory_tasks import FAST, METHODS, OURS, PEERS, PPO, SHARES, WITHOUT, Curve, TaskRun
from lstm_rl.experiments.registry import EXPERIMENTS
from lstm_rl.experiments.report import table
from lstm_rl.experiments.statistics import returns_text
from lstm_rl.experiments.store import Run, read_runs
from lstm_rl.intervals import interquartile_interval, interquartile_mean
from lstm_rl.make import make_rows

(EXPERIMENT,) = (EXPERIMENTS["memory-tasks"],)


def known(task: str, method: str, curve: list[list[float]], **fields: Any) -> Run:
    """A run on a task with optimum 3 and best return without memory 1; its score is that of its last point."""
    settings = TaskRun(task, method, max_steps=100)
    score = curve[-1][2]
    results: Run = {
        "score": score,
        "normalised": (score - 1.0) / 2.0,
        "optimal": 3.0,
        "memoryless": 1.0,
        "diverged": False,
    }
    results |= {"success": False, "steps": curve[-1][0], "seconds": curve[-1][1], "curve": curve}
    return {"experiment": "memory-tasks", "row": f"{task}, {method}"} | asdict(settings) | results | fields


def runs_of_two_methods() -> list[Run]:
    """Ours on tasks a, b and c (whose scale is unknown), RecurrentPPO on a after fewer steps."""
    return [
        known("a", OURS, [[0, 0.0, 1.0], [10, 0.1, 2.0], [100, 1.0, 3.0]]),
        known("a", OURS, [[0, 0.0, 1.0], [10, 0.2, 1.5], [100, 2.0, 3.0]], seed=1),
        known("b", OURS, [[0, 0.0, 1.0], [10, 0.1, 1.0], [100, 1.0, 1.0]]),
        known("c", OURS, [[0, 0.0, 7.0]], optimal=None, normalised=None),
        known("a", PPO, [[0, 0.0, 0.0], [20, 60.0, 2.0]]),
    ]


# --- numbers done by hand --------------------------------------------------------------------------------------------


def test_the_interquartile_mean_leaves_out_a_quarter_on_each_side() -> None:
    assert interquartile_mean([1.0, 2.0, 3.0]) == 2.0  # a quarter of three is less than a value
    assert interquartile_mean([100.0, 2.0, 4.0, -100.0]) == 3.0
    assert interquartile_mean(range(8)) == 3.5 and interquartile_mean([0, 1, 2, 3, 4, 5, 6, 700]) == 3.5


def test_its_interval_resamples_within_tasks() -> None:
    assert interquartile_interval([[0.0] * 3, [1.0] * 3]) == (0.5, 0.5)  # runs of a task are alike
    low, high = interquartile_interval([[0.0, 1.0], [0.0, 1.0]])
    assert (low, high) == (0.0, 1.0)


def test_returns_are_normalised_to_what_the_world_tells() -> None:
    assert memory_tasks.normalised(2.5, 1.0, 3.0) == 0.75
    assert memory_tasks.normalised(-1.0, 1.0, 3.0) == -1.0
    assert memory_tasks.normalised(1.0, None, 3.0) is None and memory_tasks.normalised(1.0, 1.0, None) is None
    settings = TaskRun("RepeatFirst difficulty=easy")
    assert memory_tasks.references(settings) == {"optimum": "1", "best without memory": "-0.499"}
    assert memory_tasks.references(TaskRun("Acrobot"))["optimum"] == "not known"


def test_aggregates() -> None:
    runs = DataFrame(runs_of_two_methods())
    assert by_task(runs, OURS) == {"a": [1.0, 1.0], "b": [0.0]} and by_task(runs, PPO) == {"a": [0.5]}
    first = next(runs.itertuples())
    assert [reached(first, steps) for steps in (-1, 0, 9, 10, 99, 100, 1000)] == [0.0, 0.0, 0.0, 0.5, 0.5, 1.0, 1.0]
    assert reached(first, 0.5, axis=1) == 0.5
    assert at_equal_steps(runs, OURS, PPO) == {"a": [0.5, 0.25]}  # after 20 steps
    at, means = aggregate_curve(runs, OURS, ["a"], 0)
    assert at.tolist() == [0.0, 10.0, 100.0] and means.tolist() == [0.0, 0.375, 1.0]
    text = summary(runs)
    assert "Left out, since one of the two is not known: c." in text
    assert "| ours | 2 | 3 | 0.67 (0.67 to 0.67) | - | - |" in text
    assert "| RecurrentPPO | 1 | 1 | 0.50 (0.50 to 0.50) | 1.00 (1.00 to 1.00) | 0.38 (0.25 to 0.50) |" in text
    assert summary(runs[runs["task"] == "c"]).endswith("| ours | 0 | 0 | - | - | - |")


def test_a_line_of_the_table() -> None:
    """References, what is published, and each method's median with its cost; a run that has diverged is told."""
    easy = "RepeatFirst difficulty=easy"
    runs = [known(easy, OURS, [[3e6, 4.0, value]], seed=seed) for seed, value in enumerate((0.5, 0.25, 1.0))]
    runs.append(known(easy, PPO, [[2048, 61.0, -0.5]], diverged=True))
    (line,) = (line for line in table(EXPERIMENT, runs).to_dict("records") if line["row"] == easy)
    assert line["published"] == "scaled: streaming .48, PPO .31"
    assert (line["optimum"], line["best without memory"]) == ("1", "-0.499")
    assert (line["ours: return"], line["ours: cost"]) == ("0.5 (0.25 to 1)", "3 M, 4 s")
    assert (
        line["RecurrentPPO: return"] == "-0.5 (-0.5 to -0.5), 1 diverged"
        and line["RecurrentPPO: cost"] == "2.05 k, 61 s"
    )
    assert returns_text([-0.0001]) == "-0.0001 (-0.0001 to -0.0001)" and returns_text([0.0]) == "0 (0 to 0)"


def test_pictures_take_runs_of_any_length() -> None:
    runs = DataFrame(runs_of_two_methods())
    assert set(pictures(runs)) == {"curves_by_steps", "curves_by_seconds", "together"}
    assert set(pictures(runs[runs["task"] == "c"])) == {"curves_by_steps", "curves_by_seconds"}  # there is no scale


# --- runs ------------------------------------------------------------------------------------------------------------


def test_rows() -> None:
    """Every task has our two rows; RecurrentPPO has a budget of seconds as well; every world exists."""
    by_task: dict[str, list[TaskRun]] = {}
    for row in EXPERIMENT.rows:
        assert row.key == f"{row.settings.task}, {row.settings.method}" and row.label == row.settings.task
        by_task.setdefault(row.label, []).append(row.settings)
        assert (row.settings.max_seconds is None) is (row.settings.method not in PEERS)
    assert len(by_task) == 27
    for task, settings in by_task.items():
        assert tuple(each.method for each in settings) in (METHODS, METHODS[:2]), task
        assert memory_tasks.world_of(settings[0]).observation_space.shape
    assert len(SHARES) == 20 and SHARES[0] == 0.0 and SHARES[-3:] == (0.8, 0.9, 1.0)
    assert list(SHARES) == sorted(set(SHARES))


def test_a_run_of_ours_is_looked_at_where_it_says() -> None:
    settings = TaskRun("MemoryChain length=3", seed=5, max_steps=20_000)
    reports: list[int] = []
    run = memory_tasks.run(settings, reports.append)
    steps = [point[0] for point in run["curve"]]
    assert steps == [int(np.ceil(share * 20_000)) for share in SHARES] and max(reports) == 20_000
    assert run["steps"] == 20_000 and not run["diverged"]
    assert run["score"] == pytest.approx(np.mean([point[2] for point in run["curve"][-3:]]))
    assert (run["optimal"], run["memoryless"]) == (1.0, 0.0)
    assert run["success"] and run["score"] > 0.9  # four steps to remember a bit
    seconds = [point[1] for point in run["curve"]]
    assert seconds == sorted(seconds) and 0.0 < run["seconds"] < 60.0
    again = memory_tasks.run(settings, int)
    assert [point[::2] for point in again["curve"]] == [point[::2] for point in run["curve"]]
    alone = memory_tasks.learner(settings).learn(20_000)  # to be looked at changes nothing
    assert play(alone.policy, memory_tasks.world_of(settings), 100, 19_000_005).returns.mean() == run["curve"][-1][2]


def test_a_learner_without_memory_does_not_remember() -> None:
    """It acts on the present alone, whatever came before, and stays at the return that this allows."""
    settings = TaskRun("MemoryChain length=3", WITHOUT, seed=5, max_steps=20_000)
    model = memory_tasks.learner(settings).learn(2000)
    rng = np.random.default_rng(0)
    now = rng.normal(size=(20, 3)).astype(np.float32)
    answers = set()
    for _ in range(10):
        state: Any = None
        for _ in range(5):
            _, state = model.predict(rng.normal(size=(20, 3)).astype(np.float32), state, deterministic=True)
        answers.add(model.predict(now, state, deterministic=True)[0].tobytes())
    assert len(answers) == 1
    run = memory_tasks.run(settings, int)
    assert abs(run["score"]) < 0.25 and not run["success"]  # 300 episodes of return +-1


def test_the_clock_stands_still_while_a_policy_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "process_time", lambda: clock[0])

    def look(seed: int) -> float:
        clock[0] += 50.0
        return seed / 10**6

    curve = Curve(TaskRun("MountainCar", seed=3, max_steps=1000, max_seconds=10.0), look)
    for steps in (0, 1, 500, 500, 600):
        assert curve.look(steps)
        clock[0] += 0.5
    assert [point[:2] for point in curve.points] == [[0, 0.0], [1, 0.5], [500, 1.0], [600, 2.0]]
    assert [point[2] for point in curve.points] == pytest.approx([0.0, 1.0, 2.0, 3.0], abs=1e-5)  # fresh seeds
    clock[0] += 8.0
    assert not curve.look(601)  # ten seconds are over, though a thousand steps are not
    assert curve.points[-1][:2] == [601, 10.5]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_from_the_command_to_the_table(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if method in PEERS:
        pytest.importorskip("sb3_contrib", reason="RecurrentPPO is sb3-contrib's")
    monkeypatch.setattr(memory_tasks, "PEER_ENVS", 2)  # a quarter of the time
    rows = f"NiTMazePassive corridor_length=50, {method}"
    only = [row for row in EXPERIMENT.rows if rows in row.key]
    command = ["reproduce", "memory-tasks", "--rows", rows, "--set", "max_steps=2048", "max_seconds=2", "--runs", "1"]
    assert main([*command, "--no-progress", "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    runs = read_runs(tmp_path / "results.csv", "memory-tasks")
    assert len(runs) == len(only)
    run = next(run for run in runs if run["method"] == method)
    assert run["seed"] == EXPERIMENT.seed and run["curve"][0][0] == 0 and len(run["curve"]) >= 2
    assert 256 <= run["steps"] <= 2048 and run["seconds"] > 0.0
    assert all(-1.03 < point[2] <= 1.0 for point in run["curve"])  # 51 steps that cost a fiftieth each, or the goal
    text = (tmp_path / "table.md").read_text()
    assert f"{rows}, max_steps=2048, max_seconds=2" in text and f"| {method} | 1 | 1 |" in text and "nan" not in text
    assert main(["table", "memory-tasks", "--results", str(tmp_path)]) == 0
    printed, _, below = capsys.readouterr().out.partition("\n\n")
    assert len({line.count("|") for line in printed.splitlines()}) == 1 and f"| {method} | 1 | 1 |" in below


def test_a_peer_is_played_with_the_statistics_that_it_learned_with() -> None:
    """Its last point is what the same RecurrentPPO, trained alone, gets; so to be looked at changes nothing either."""
    contrib = pytest.importorskip("sb3_contrib", reason="RecurrentPPO is sb3-contrib's")
    run = memory_tasks.run(TaskRun("TwoArmedBandit", FAST, seed=7, max_steps=1024), int)
    assert [point[0] for point in run["curve"]] == [0, 1024]
    envs, rows = (make_rows("lstm_rl/TwoArmedBandit-v0", {}, n) for n in (8, 100))
    trained = VecNormalize(envs)
    settings: dict[str, Any] = {"n_steps": 128, "batch_size": 256, "n_epochs": 4}
    settings["policy_kwargs"] = {"lstm_hidden_size": 64}
    model = contrib.RecurrentPPO("MlpLstmPolicy", trained, seed=7, **settings).learn(1024)
    played = VecNormalize(rows, training=False, norm_reward=False)
    played.obs_rms = trained.obs_rms
    rows.seed(1_000_007)
    returns, _ = evaluate_policy(model, played, 100, return_episode_rewards=True)
    assert np.mean(returns) == run["curve"][-1][2] and 40.0 < run["score"] < 75.0


def test_what_was_interrupted_goes_on(tmp_path: Path) -> None:
    rows = [replace(row, settings=replace(row.settings, max_steps=300)) for row in EXPERIMENT.rows[:2]]
    small: Experiment = replace(EXPERIMENT, rows=rows)
    path = tmp_path / "results.csv"
    one = conduct(small, plan(rows, 1, 1000), path, progress=False)
    both = conduct(small, plan(rows, 2, 1000), path, progress=False)
    assert both[:2] == read_runs(path, "memory-tasks")[:2] == one and len(both) == 4
    before = path.read_bytes()
    assert len(conduct(small, plan(rows, 2, 1000), path, progress=False)) == 4 and path.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "method=dqn"], "method must be one of ours, ours without memory, RecurrentPPO, RecurrentPPO fast"),
        (["--rows", "MountainCar", "--set", "task=Mountain"], "env must be one of lstm_rl/TMaze-v0,"),
        (["--set", "max_steps=0"], "max_steps must be an integer >= 1, got 0"),
        (["--set", "max_seconds=0"], "max_seconds must be a number in (0, inf), got 0"),
    ],
)
def test_bad_settings(arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["reproduce", "memory-tasks", *arguments, "--out", str(out)]) == 2
    assert message in capsys.readouterr().err and not out.exists()


def test_sb3_contrib_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_tasks, "find_spec", lambda _: None)
    memory_tasks.check(TaskRun("MountainCar"))
    with pytest.raises(
        ValueError, match=r'^RecurrentPPO needs sb3-contrib: pip install "lstm-rl\[baselines\]", or --rows \''
    ):
        memory_tasks.check(TaskRun("MountainCar", PPO))
