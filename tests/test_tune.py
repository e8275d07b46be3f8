"""`lstm-rl tune`: what is searched, what a trial is worth, and what becomes of a study."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lstm_rl.agents.advantage_learning import DivergedError
from lstm_rl.agents.config import Config, Rule
from lstm_rl.agents.defaults import ACTOR_CRITIC, POLE, TMAZE
from lstm_rl.agents.search_space import FACTORS, restrict, search_space, suggest
from lstm_rl.cli import main
from lstm_rl.runs import settings_of
from lstm_rl.settings import from_preset
from lstm_rl.tuning.task import Evaluation, Task, value

optuna = pytest.importorskip("optuna")

MAZE = ["lstm_rl/TMaze-v0", "--env-kwargs", "corridor_length=3", "--timesteps", "900", "--eval-episodes", "5"]
FEW = ["--fields", "learning_rate_scale", "kappa", "lambda_", "--no-progress"]


def tune(folder: Path, *arguments: str) -> int:
    return main(["tune", *MAZE, *FEW, "--log-dir", str(folder), "--out", str(folder / "my.toml"), *arguments])


def study_in(folder: Path) -> Any:
    from lstm_rl.tuning.storage import open_storage

    (path,) = folder.glob("*/study.log")
    return optuna.load_study(study_name="lstm-rl", storage=open_storage(str(path)))


# --- the space -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "rule", "policy"),
    [
        (Config(), "advantage", "LstmPolicy"),
        (TMAZE, "advantage", "LstmPolicy"),
        (POLE, "advantage", "LstmPolicy"),
        (ACTOR_CRITIC, "actor_critic", "LstmPolicy"),
        (Config(exploration="directed"), "advantage", "GruPolicy"),
        (Config(exploration="boltzmann", optimizer="sgd"), "advantage", "MemoryBitsPolicy"),
    ],
)
def test_the_default_and_the_ends_of_all_ranges_are_valid_points(config: Config, rule: Rule, policy: str) -> None:
    space = search_space(config, rule, policy)
    for pick in (0, -1):
        ends = {each.field: each.values[pick] for each in space}
        assert config.override(ends).rule_for(rule == "actor_critic") == rule
    for field, scale, values in space:
        default = getattr(config, field)
        assert default in values if scale == "choice" else values[0] <= default <= values[-1], field
    default_point = {each.field: getattr(config, each.field) for each in space}
    assert config.override(suggest(optuna.trial.FixedTrial(default_point), space)) == config


def test_factors_are_searched_where_the_formula_holds_and_numbers_where_they_are_fixed() -> None:
    of_maze, of_pole = ({each.field for each in search_space(config, "advantage")} for config in (TMAZE, POLE))
    assert {"learning_rate_scale", "epsilon_scale", "forget_gate_offset"} <= of_maze
    assert not of_maze & set(FACTORS.values())
    assert {"learning_rate", "epsilon", "forget_gate_bias"} <= of_pole and not of_pole & set(FACTORS)


def test_formulas_take_their_factors() -> None:
    config = Config(epsilon=None, epsilon_scale=5.0, rms_horizons=4.0, forget_gate_offset=0.5, input_gate_offset=2.0)
    assert config.epsilon_for(100) == 0.05 and config.rms_decay_for(100) == 1.0 - 1.0 / 400.0
    assert config.forget_gate_bias_for(1) == 0.5 and config.input_gate_bias_for(1) == 2.0


def test_an_unknown_field_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="got 'kapa': the nearest is kappa"):
        restrict(search_space(TMAZE, "advantage"), ["kapa"])
    with pytest.raises(ValueError, match="got 'learning_rate': learning_rate_scale is searched instead"):
        restrict(search_space(TMAZE, "advantage"), ["learning_rate"])


# --- the value of a trial --------------------------------------------------------------------------------------------


def task_of(objective: Any = "return") -> Task:
    settings = replace(from_preset("lstm_rl/TMaze-v0"), timesteps=600, eval_freq=100)
    return Task(settings, objective=objective)


def test_the_value_is_the_mean_over_the_last_third() -> None:
    done = [Evaluation(score, None, False) for score in (9.0, 9.0, 9.0, 9.0, 1.0, 2.0)]
    assert value(task_of(), done) == 1.5


def test_steps_to_solve() -> None:
    failed = [Evaluation(0.0, rate, False) for rate in (0.0, 0.0, 0.0, 0.0, 0.5, 1.0)]
    assert value(task_of("steps-to-solve"), failed) == 600 * 1.25
    assert value(task_of("steps-to-solve"), [*failed[:2], Evaluation(1.0, 1.0, True)]) == 300.0
    with pytest.raises(ValueError, match="objective must be return for lstm_rl/TMaze-v0, which tells no successes"):
        value(task_of("steps-to-solve"), [Evaluation(0.0, None, False)])


# --- a study ---------------------------------------------------------------------------------------------------------


def test_a_study_goes_on_and_its_best_settings_can_be_trained(tmp_path: Path, capsys: Any) -> None:
    assert tune(tmp_path, "--trials", "3", "--seeds", "2", "--sampler", "random") == 0
    assert tune(tmp_path, "--trials", "5", "--seeds", "2", "--pruner", "hyperband") == 0
    study = study_in(tmp_path)
    assert [trial.number for trial in study.trials] == [0, 1, 2, 3, 4]
    first, best = study.trials[0], study.best_trial
    assert first.params == {"learning_rate_scale": 0.06, "kappa": 0.1, "lambda_": 0.4} and first.user_attrs["default"]
    assert len(first.intermediate_values) == 2 * 9
    told = capsys.readouterr().out.splitlines()[-1]
    assert told.startswith(f"best: {best.value:,.6g} (trial {best.number}), the default's in the same study: ")
    assert told.endswith(f"next: lstm-rl train lstm_rl/TMaze-v0 --config {tmp_path / 'my.toml'}")
    run = [*told.partition("next: lstm-rl ")[2].split(), "--log-dir", str(tmp_path / "runs"), "--no-pictures"]
    assert main([*run, "--no-progress"]) == 0
    (settings,) = (settings_of(path.parent) for path in tmp_path.glob("runs/*/config.json"))
    assert settings.env_kwargs == {"corridor_length": 3} and settings.timesteps == 900
    assert settings.config == TMAZE.override(best.params)
    assert [path.name for path in tmp_path.glob("*/*.png")] == ["tune.png"]


def test_two_processes_share_a_study_of_exactly_so_many_trials(tmp_path: Path) -> None:
    assert tune(tmp_path, "--trials", "6", "--workers", "2", "--storage", str(tmp_path / "a" / "study.log")) == 0
    trials = [trial for trial in study_in(tmp_path).trials if trial.state.name != "FAIL"]
    assert len(trials) == 6 and len({trial.params["kappa"] for trial in trials}) == 6


def test_a_killed_trial_fails_and_is_replaced(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lstm_rl", "tune", *MAZE, *FEW, "--log-dir", str(tmp_path), "--trials", "2"]
    process = subprocess.Popen([*command, "--timesteps", "1e9"])
    while process.poll() is None and not any("process" in path.read_text() for path in tmp_path.glob("*/*.log")):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (trial,) = study_in(tmp_path).trials
    assert trial.state.name == "RUNNING" and trial.user_attrs["process"]["pid"] == process.pid

    from lstm_rl.tuning.study import Plan, default_trial, prepare

    prepare(study_in(tmp_path), Plan("", "lstm-rl", task_of(), (), 2))
    states = [trial.state.name for trial in study_in(tmp_path).trials]
    default = default_trial(study_in(tmp_path))
    assert states == ["FAIL", "WAITING"] and default is not None and default.number == 1


def test_a_diverged_trial_is_pruned_and_a_failed_one_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes: Iterator[Any] = iter([1.0, DivergedError("training diverged"), RuntimeError("no such\nthing"), 2.0])

    def measure(*_: Any) -> float:
        outcome: Any = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return float(outcome)

    monkeypatch.setattr("lstm_rl.tuning.study.measure", measure)
    assert tune(tmp_path, "--trials", "4") == 0
    trials = study_in(tmp_path).trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "PRUNED", "FAIL", "COMPLETE"]
    assert trials[2].user_attrs["error"] == "RuntimeError: no such thing"


# --- bad input -------------------------------------------------------------------------------------------------------


def refused(capsys: Any, code: int) -> str:
    assert code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return str(line)


def test_bad_arguments_are_refused_in_one_sentence(tmp_path: Path, capsys: Any) -> None:
    assert "trials must be an integer >= 1, got 0" in refused(capsys, tune(tmp_path, "--trials", "0"))
    assert "got 'kap': the nearest is kappa" in refused(capsys, tune(tmp_path, "--fields", "kap"))
    assert "got 'gama': the nearest is gamma" in refused(capsys, tune(tmp_path, "--set", "gama=0.9"))
    assert "sampler cmaes needs cmaes" in refused(capsys, tune(tmp_path, "--sampler", "cmaes"))
    assert "out must be a .toml file" in refused(capsys, tune(tmp_path, "--out", "my.json"))
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.setitem(sys.modules, "optuna", None)
        assert refused(capsys, tune(tmp_path)) == 'lstm-rl: tune needs Optuna: pip install "lstm-rl[tune]"'
    assert not list(tmp_path.iterdir())


def test_other_databases_and_other_studies_are_refused(tmp_path: Path, capsys: Any) -> None:
    text, other, study = (tmp_path / name for name in ("text.db", "other.db", "study.db"))
    text.write_text("no database " * 100)
    told = refused(capsys, tune(tmp_path, "--storage", "mazes"))
    assert told.endswith(
        "storage must be a URL as sqlite:///tune.db, or a .log, .db, .sqlite, .sqlite3 file, got mazes"
    )
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE birds (name TEXT)")
    connection.close()
    assert "file is not a database" in refused(capsys, tune(tmp_path, "--storage", str(text)))
    assert "which holds birds" in refused(capsys, tune(tmp_path, "--storage", f"sqlite:///{other}"))
    assert tune(tmp_path, "--trials", "1", "--storage", str(study)) == 0
    capsys.readouterr()
    again = tune(tmp_path, "--trials", "1", "--storage", str(study), "--env-kwargs", "corridor_length=4")
    told = refused(capsys, again)
    assert 'has env_kwargs {"corridor_length": 3}, asked is {"corridor_length": 4}: choose another --study' in told
