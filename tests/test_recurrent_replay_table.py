"""The table and the picture of replay learners beside RecurrentPPO."""

import warnings
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box

from lstm_rl import evaluation
from lstm_rl.diagnostics.figures import LINES
from lstm_rl.evaluation import play_stepwise
from lstm_rl.experiments.aggregates import STEPS
from lstm_rl.experiments.engine import frame
from lstm_rl.experiments.memory_charts import learning_curves
from lstm_rl.experiments.protocols import replay_run
from lstm_rl.experiments.protocols.replay_run import PPO, REPLAY, ReplayRun
from lstm_rl.experiments.registry import EXPERIMENTS

TABLE = EXPERIMENTS["recurrent-replay"]


def _run(task: str, method: str, seed: int, returns: list[float], goal: float | None) -> dict[str, Any]:
    curve = [[1000.0 * (n + 1), 0.1 * n, value] for n, value in enumerate(returns)]
    about = {"row": f"{task}, {method}", "task": task, "method": method, "seed": seed, "goal": goal}
    return about | {"success": True, "score": returns[-1], "steps": 1000, "seconds": 1.0, "curve": curve}


def test_picture_has_a_panel_per_task_and_a_line_per_run() -> None:
    runs = [_run("A", REPLAY, seed, [0.0, 500.0], 500.0) for seed in (0, 1)]
    runs += [_run("A", PPO, 0, [0.0, 9.0, 12.0], 500.0), _run("B", REPLAY, 0, [-3.0, -1.0], None)]
    (figure,) = TABLE.figures(frame(TABLE, runs)).values()
    a, b = (panel for panel in figure.axes if panel.get_title())
    assert [panel.get_title() for panel in (a, b)] == ["A", "B"]
    drawn = [(line.get_linestyle(), line.get_color(), np.asarray(line.get_ydata()).tolist()) for line in a.lines]
    returns = [each for each in drawn if each[0] == "-" and each[2]]  # but for the legend's, which hold nothing
    assert [color for _, color, _ in returns] == [LINES[0], LINES[0], LINES[1]]
    assert returns[2][2] == [0.0, 9.0, 12.0]
    assert [values for dashes, _, values in drawn if dashes == "--" and values] == [[500.0, 500.0]]
    assert not [line for line in b.lines if line.get_linestyle() == "--"]  # it has no goal
    assert a.get_xscale() == "linear"


@pytest.mark.parametrize(("logarithmic", "steps"), [(True, [1000.0, 2400.0]), (False, [600.0, 900.0, 2400.0])])
def test_a_curve_begins_where_its_axis_can_show_it(logarithmic: bool, steps: list[float]) -> None:
    """A linear axis has room for the first points; a logarithmic one has the last before 1,000 steps there."""
    run = _run("Pendulum, all", REPLAY, 0, [0.0], None)
    run["curve"] = [[600.0, 0.1, -3.0], [900.0, 0.2, -2.0], [2400.0, 0.3, -1.0]]
    colors, references = {REPLAY: "black"}, {"goal": ("goal", "--")}
    figure = learning_curves(frame(TABLE, [run]), STEPS, "", colors, references, logarithmic=logarithmic)
    (line,) = (line for line in figure.axes[0].lines if len(np.asarray(line.get_xdata())))
    assert np.asarray(line.get_xdata()).tolist() == steps


def test_recurrent_ppo_plays_with_the_statistics_it_learned_with(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sb3_contrib")
    shown: list[tuple[Any, Any]] = []

    def spy(model: Any, played: Any, episodes: int) -> Any:
        shown.append((model.get_vec_normalize_env(), played))
        return play_stepwise(model, played, episodes)

    monkeypatch.setattr(evaluation, "play_stepwise", spy)
    results = replay_run.run(ReplayRun("CartPole", PPO, max_steps=20), lambda _: None)
    assert results["curve"][0][0] >= 20 and results["score"] > 0.0
    trained, played = shown[-1]
    assert played.obs_rms is trained.obs_rms and played.obs_rms.count > 20  # it has seen the steps of training
    assert trained.training and not played.training  # and of those alone
    assert not played.norm_reward


def test_grids_are_one_vector_of_codes() -> None:
    pytest.importorskip("minigrid")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the mission, words, is left out
        envs = replay_run.make_envs("MiniGrid-MemoryS7", 2)
    observation = np.asarray(envs.reset())
    envs.close()
    assert isinstance(envs.observation_space, Box)
    assert observation.shape == (2, 4 + 7 * 7 * 20)
    assert set(np.unique(observation)) == {0, 1}
    assert (observation.sum(axis=1) == 1 + 7 * 7 * 3).all()  # a direction; object, colour and state of each cell
