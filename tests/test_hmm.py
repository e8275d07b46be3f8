"""Hidden Markov models as sequence learners: the filter and the score are right, and the study does what it says."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstm_rl.cli import main
from lstm_rl.experiments.engine import conduct, plan
from lstm_rl.experiments.protocols import hidden_markov
from lstm_rl.experiments.protocols.hidden_markov import (
    MARGIN,
    MarkovRun,
    Model,
    draw,
    likelihood,
    predict,
    right_strings,
    run,
)
from lstm_rl.experiments.registry import EXPERIMENTS
from lstm_rl.experiments.report import write_report
from lstm_rl.experiments.tables.markov_models import STATES
from lstm_rl.experiments.tables.markov_models import TASKS as LAGS

HMM = EXPERIMENTS["hmm"]
TASKS = sorted(set(LAGS))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def random_model(states: int, symbols: int) -> Model:
    draws = rng(1)
    rows = [draws.dirichlet(np.ones(count), states) for count in (states, states, symbols)]
    return Model(rows[0][0], rows[1], rows[2])


def bit_keeper(p: int, mixing: float = 0.0) -> Model:
    """States first y, first x, middle after y, after x, last y, last x; the middle lasts p - 1 symbols on average."""
    transitions, emissions = np.zeros((6, 6)), np.zeros((6, p + 1))
    keep, end = 1.0 - mixing, 1.0 / (p - 1)
    transitions[[0, 1], [2, 3]] = 1.0
    transitions[2:4, 2:4] = (1.0 - end) * np.array([[keep, mixing], [mixing, keep]])
    transitions[2:4, 4:6] = end * np.eye(2)
    transitions[[4, 5], [4, 5]] = 1.0
    emissions[[0, 1, 4, 5], [p - 1, p, p - 1, p]] = 1.0
    emissions[2:4, : p - 1] = 1.0 / (p - 1)
    return Model(np.array([0.5, 0.5, 0, 0, 0, 0]), transitions, emissions)


@pytest.mark.parametrize("implementation", ["log", "scaling"])
def test_predictions_multiply_to_the_likelihood_that_hmmlearn_finds(implementation: str) -> None:
    learned = pytest.importorskip("hmmlearn.hmm").CategoricalHMM(4, n_features=5, implementation=implementation)
    model = random_model(4, 5)
    learned.startprob_, learned.transmat_, learned.emissionprob_ = model
    symbols, lengths = rng(2).integers(5, size=(6, 30)), np.array([1, 2, 7, 20, 29, 30])
    symbols[np.arange(30) >= lengths[:, None]] = -1
    probabilities = predict(model, symbols)
    np.testing.assert_allclose(probabilities.sum(2), 1.0, rtol=0, atol=1e-12)
    scores = []
    for string, length, predicted in zip(symbols, lengths, probabilities, strict=True):
        scores.append(learned.score(string[:length, None]))
        logs = np.log(predicted[np.arange(length), string[:length]])
        assert logs.sum() == pytest.approx(scores[-1], abs=1e-9)
    assert likelihood(probabilities, symbols) == pytest.approx(sum(scores) / lengths.sum(), abs=1e-9)


@pytest.mark.parametrize("p", [4, 100])
@pytest.mark.parametrize("task", ["hs1997-lag-a", "hs1997-lag-b"])
def test_two_states_that_are_never_left_keep_the_bit(task: str, p: int) -> None:
    strings = draw(task, p, 50, rng())
    probabilities = predict(bit_keeper(p), strings.symbols)
    assert right_strings(probabilities, strings, MARGIN).all()
    end = 1.0 / (p - 1)
    expected = np.log(0.5) + (p - 1) * np.log(end) + (p - 2) * np.log(1.0 - end) + np.log(end)
    assert likelihood(probabilities, strings.symbols) == pytest.approx(expected / (p + 1), abs=1e-9)


@pytest.mark.parametrize(("p", "kept"), [(4, True), (8, True), (9, False), (20, False)])
def test_a_bit_that_leaks_is_lost_with_the_lag(p: int, kept: bool) -> None:
    """Over p - 2 steps of .9 it is right with probability (1 + .9 ** (p - 2)) / 2, which has to be above .75."""
    strings = draw("hs1997-lag-b", p, 50, rng())
    right = right_strings(predict(bit_keeper(p, mixing=0.05), strings.symbols), strings, MARGIN)
    assert right.all() if kept else not right.any()


@pytest.mark.parametrize(("task", "lag"), TASKS)
def test_strings_say_what_is_right(task: str, lag: int) -> None:
    strings = draw(task, lag, 40, rng())
    symbols, right, wrong = strings
    lengths = (symbols >= 0).sum(1)
    assert all((row[length:] == -1).all() for row, length in zip(symbols, lengths, strict=True))
    judged, each = np.asarray(right.any(2)), np.arange(40)
    if task == "hs1997-reber":
        assert (judged.sum(1) == lengths - 1).all() and not judged[:, 0].any()
        assert ((right ^ wrong) == judged[..., None]).all()
        assert np.take_along_axis(right, symbols[..., None], 2)[judged].all() and right.sum(2).max() == 2
    else:
        assert (judged.sum(1) == 1).all() and right[each, lengths - 1, symbols[each, lengths - 1]].all()
        assert (wrong.sum((1, 2)) == (3 if "order" in task else 1)).all() and not (right & wrong).any()
        answers = right[each, lengths - 1] | wrong[each, lengths - 1]
        assert (answers == answers[0]).all()
        if "lag" in task:
            assert (symbols[:, 0] == symbols[:, lag]).all() and (lengths == lag + 1).all()
        else:
            assert (symbols[each, lengths - 2] == 1).all() and answers[0].tolist() == [False] * 8 + [True] * 4
    assert right_strings(right.astype(float), strings, MARGIN).all()
    assert not right_strings(np.ones(right.shape), strings, 1.0).any()


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little training."""
    pytest.importorskip("hmmlearn")
    monkeypatch.setattr(hidden_markov, "SYMBOLS", 500)


@pytest.mark.usefixtures("brief")
def test_a_run_is_a_pure_function_and_bridges_a_short_lag() -> None:
    one, other = (run(MarkovRun(task="hs1997-lag-a", lag=2, states=12, seed=3), int) for _ in range(2))
    assert one.pop("seconds") > 0.0 and other.pop("seconds") > 0.0
    assert one == other and one["success"] and one["share_right"] == 1.0
    assert one["log_likelihood"] == pytest.approx(np.log(0.5) / 3.0, abs=0.02)  # nothing but the bit is unknown
    assert run(MarkovRun(task="hs1997-lag-a", lag=2, states=12, seed=4), int)["log_likelihood"] != one["log_likelihood"]


@pytest.mark.usefixtures("brief")
def test_the_experiment_in_miniature(tmp_path: Path) -> None:
    whole = plan(HMM.rows, 1, 3)
    assert len(whole) == len(LAGS) * len(STATES) and len(plan(HMM.rows, 5, 1000)) == 5 * len(whole)
    cells = [("hs1997-lag-a", 4), ("hs1997-lag-a", 20), ("hs1997-reber", 0)]
    some = [
        each for each in whole if (each.settings.task, each.settings.lag) in cells and each.settings.states in (5, 20)
    ]
    rows = conduct(HMM, some, tmp_path / "results.csv", progress=False)
    assert len(rows) == 6 and {row["experiment"] for row in rows} == {"hmm"} and {row["seed"] for row in rows} == {3}
    assert not any(row["success"] for row in rows if row["lag"] == 20)
    write_report(HMM, rows, tmp_path, "lstm-rl reproduce hmm")
    text = (tmp_path / "table.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert lines[0] == "| row | 5 states | 20 states |" and len(lines) == 5
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        "| hs1997-reber",
        "| hs1997-lag-a, p = 4",
        "| hs1997-lag-a, p = 20",
    ]
    assert "Runs per row: 1, seeds 3 - 3." in text and "{" not in text
    assert (tmp_path / "success.png").stat().st_size > 5_000


def test_without_hmmlearn_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("hmmlearn", "hmmlearn.hmm"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main(["reproduce", "hmm", "--out", str(tmp_path / "out"), "--no-progress"]) == 2
    assert capsys.readouterr().err == 'lstm-rl: hmm needs hmmlearn: pip install "lstm-rl[hmm]"\n'
    assert not (tmp_path / "out").exists()  # before anything is run


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": "parity", "states": 5}, "task must be one of hs1997-reber, .*, got 'parity'"),
        ({"task": "hs1997-lag-a", "states": 5}, "lag must be an integer >= 2, got 0"),
        ({"task": "hs1997-reber", "states": 0}, "states must be an integer >= 1, got 0"),
    ],
)
def test_bad_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MarkovRun(**settings)
