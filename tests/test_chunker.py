"""The history compressor: its task, its two levels against a plain reference, what it learns, and its study."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lstm_rl.experiments.engine import conduct, frame, plan
from lstm_rl.experiments.protocols.chunker_run import LEARNERS, ChunkerRun, run
from lstm_rl.experiments.protocols.history_compressor import (
    Goal,
    Rules,
    Window,
    learn_stream,
    make_outcome,
    make_scratch,
)
from lstm_rl.experiments.registry import EXPERIMENTS
from lstm_rl.experiments.report import table, write_report
from lstm_rl.kernels.approximator import Sgd, Update
from lstm_rl.kernels.layout import Weights, make_weights
from lstm_rl.kernels.make import make_approximator
from lstm_rl.published import hs1997_lag_a_rtrl
from lstm_rl.tasks import LagTask, RandomLagTask
from lstm_rl.tasks.history import HistoryTask
from lstm_rl.tasks.streaming import make_source
from lstm_rl.tasks.task import Task
from lstm_rl.topology import Topology

Array = NDArray[np.float64]


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed or 0)


# --- the task --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lag", [1, 5, 20])
def test_blocks_make_a_stream(lag: int) -> None:
    task = HistoryTask(lag)
    batch = task.batch(400, rng(3))
    (x, targets, has_target), lengths = batch, batch.lengths
    assert (lengths == lag + 1).all() and has_target.all() and x.shape == (lag + 1, 400, lag + 2)
    symbols = x.argmax(2).T  # (blocks, steps)
    assert (x.sum(2) == 1).all() and (symbols[:, 1:] == np.arange(2, lag + 2)).all()
    assert set(symbols[:, 0]) == {0, 1} and 140 < symbols[:, 0].sum() < 260
    stream, predicted = symbols.ravel(), targets[:, :, :-1].argmax(2).T.ravel()
    np.testing.assert_array_equal(predicted[:-1], stream[1:])  # across boundaries, too
    np.testing.assert_array_equal(targets[-1, :, -1], symbols[:, 0] == 0)
    assert not targets[:-1, :, -1].any()
    assert (task.topology.inputs, task.topology.outputs) == (task.inputs, task.outputs)
    assert task.max_length == lag + 1


def test_whether_a_block_follows_depends_on_no_block_before() -> None:
    signals = HistoryTask(1).batch(4000, rng(1)).x[0, :, 0].astype(int)
    pairs = np.bincount(2 * signals[:-1] + signals[1:], minlength=4)
    assert (abs(pairs - 1000) < 120).all()


# --- the two levels against a plain reference ------------------------------------------------------------------------


class Reference:
    """A network of hidden units that see inputs and themselves, with gradients of a few steps back, in plain NumPy."""

    def __init__(self, topology: Topology, weights: Weights, depth: int) -> None:
        self.topology, self.depth = topology, depth
        self.hidden, self.output = weights.hidden.copy(), weights.output.copy()
        self.reset()

    def reset(self) -> None:
        self.past: list[tuple[Array, Array]] = []
        self.y = np.zeros(self.topology.hidden)

    def forward(self, x: Array) -> Array:
        t, one = self.topology, np.ones(1)
        z = np.concatenate([x, self.y, one[: "hidden" in t.biased]])
        self.y = logistic(z @ self.hidden)
        self.past = [*self.past, (z, self.y)][-self.depth :]
        self.u = np.concatenate([x[: t.inputs * ("input" in t.outputs_see)], self.y, one[: "output" in t.biased]])
        self.outputs: Array = logistic(self.u @ self.output)
        return self.outputs

    def learn(self, errors: Array, alpha: float) -> None:
        t = self.topology
        e = errors * self.outputs * (1.0 - self.outputs)
        d = (self.output @ e)[t.output_rows["hidden"]]
        gradient = np.zeros_like(self.hidden)
        for z, y in self.past[::-1]:
            delta = d * y * (1.0 - y)
            gradient += np.outer(z, delta)
            d = self.hidden[t.rows["hidden"]] @ delta
        self.output += alpha * np.outer(self.u, e)
        self.hidden += alpha * gradient


def logistic(x: Array) -> Array:
    result: Array = 1.0 / (1.0 + np.exp(-x))
    return result


def two_levels(
    a: Reference, c: Reference, task: Task, generator: np.random.Generator, blocks: int, rules: Rules, alpha: float
) -> list[tuple[Array, Array, int]]:
    """The loop of `learn_stream`, by the equations of its module; a triple per sequence, with all surprises."""
    found, begun = [], False
    batch = task.batch(blocks, generator)
    for n in range(blocks):
        x, targets = batch.x[:, n], batch.targets[:, n]
        surprises = 0
        if rules.resets or not begun:
            a.reset()
            c.reset()
            d_c = c.forward(np.concatenate([x[0], np.zeros(task.outputs - task.inputs)]))
            begun = True
        for t in range(len(x)):
            given = np.ones(task.outputs, bool)
            given[task.outputs - rules.final :] = t == len(x) - 1
            outputs = a.forward(x[t])
            d_a, q_a = np.split(outputs, [task.outputs])
            error, error_c = np.where(given, targets[t] - d_a, 0.0), np.where(given, targets[t] - d_c, 0.0)
            if abs(error).max() >= rules.threshold:
                surprises += 1
                c.learn(error_c, alpha)
                d_c = c.forward(targets[t])
            q = np.concatenate([c.y, d_c])[: len(q_a)]
            a.learn(np.concatenate([error, q - q_a]), alpha)
        judged = slice(task.outputs - rules.final if rules.final else 0, None)
        found.append((abs(error[judged]).max(), abs(error_c[judged]).max(), surprises))
    return found


@pytest.mark.parametrize("kind", ["history", "lag"])
def test_compiled_two_levels_are_those_of_the_equations(kind: str) -> None:
    """Same weights, same errors, and C makes a step exactly where A was wrong."""
    if kind == "history":
        task: Task = HistoryTask(4)
        below, rules, blocks, depth = replace(task.topology, hidden=3), Rules(0.2, False, 1), 150, 4
        imitated = 3 + task.outputs
    else:
        task = LagTask(6)
        below, rules, blocks, depth = hs1997_lag_a_rtrl(6), Rules(0.3, True, 0), 150, 3
        imitated = 1
    above, below = replace(below, inputs=task.outputs), replace(below, outputs=task.outputs + imitated)
    weights, weights_c = make_weights(below, rng(1)), make_weights(above, rng(2))
    a, c = Reference(below, weights, depth), Reference(above, weights_c, depth)
    automatiser = make_approximator(below, weights, 1, np.float64, "bptt", depth)
    chunked = make_approximator(above, weights_c, 1, np.float64, "bptt", depth)
    expected = two_levels(a, c, task, rng(5), blocks, rules, 1.5)
    scratch, outcome = make_scratch(below.outputs, task.outputs), make_outcome(blocks)
    source = make_source(task, rng(5))
    learn_stream(automatiser, chunked, source, Update(Sgd(), 1.5, 1.0), rules, scratch, outcome)
    at_end, chunker_at_end, surprises = (np.array(values) for values in zip(*expected, strict=True))
    np.testing.assert_array_equal(outcome.surprises, surprises)
    assert surprises[0] == task.max_length and surprises[-1] < task.max_length / 2  # all is new, then C gets little
    np.testing.assert_allclose(outcome.at_end, at_end, atol=1e-10)
    np.testing.assert_allclose(outcome.chunker_at_end, chunker_at_end, atol=1e-10)
    for mine, theirs in ((weights, a), (weights_c, c)):
        np.testing.assert_allclose(mine.hidden, theirs.hidden, atol=1e-10)
        np.testing.assert_allclose(mine.output, theirs.output, atol=1e-10)


def test_what_cannot_be_predicted_is_not_compressed() -> None:
    """Experiment 2b leaves C with nearly every symbol, and so with nearly the whole lag."""
    task = RandomLagTask(12)
    topology = hs1997_lag_a_rtrl(12)
    above, below = topology, replace(topology, outputs=topology.outputs + 1)
    a, c = (make_approximator(net, make_weights(net, rng(1)), 1, np.float64, "bptt", 4) for net in (below, above))
    outcome, scratch = make_outcome(1000), make_scratch(below.outputs, task.outputs)
    learn_stream(a, c, make_source(task, rng(5)), Update(Sgd(), 1.0, 1.0), Rules(0.2, True, 0), scratch, outcome)
    assert outcome.surprises[-100:].mean() > 11.5


def test_a_frozen_automatiser_is_left_alone() -> None:
    task, below = HistoryTask(5), HistoryTask(5).topology
    weights = make_weights(below, rng(1))
    before = weights.hidden.copy(), weights.output.copy()
    a, outcome = make_approximator(below, weights, 1, np.float64, "bptt", 4), make_outcome(10)
    scratch = make_scratch(below.outputs, task.outputs)
    learn_stream(a, None, make_source(task, rng()), Update(Sgd(), 0.0, 1.0), Rules(0.2, False, 1), scratch, outcome)
    np.testing.assert_array_equal(weights.hidden, before[0])
    np.testing.assert_array_equal(weights.output, before[1])
    assert (outcome.at_end > 0.3).all() and not outcome.surprises.any()


# --- learning --------------------------------------------------------------------------------------------------------


def test_a_window_begins_after_the_last_error() -> None:
    window = Window(Goal(3, 0.2, True))
    window.add(np.array([0.1, 0.1, 0.2, 0.1]))
    assert window.reached is None
    window.add(np.array([0.1, 0.19, 0.5, 0.0, 0.0, 0.0]))
    assert window.reached == 3


def test_the_chunker_bridges_a_lag_that_plain_gradients_do_not() -> None:
    reports: list[int] = []
    settings = ChunkerRun(task="history-5", seed=100, max_sequences=5_000)
    found = run(settings, reports.append)
    assert reports == list(range(100, len(reports) * 100 + 1, 100)) and len(reports) > 10
    assert found["success"] and found["a_alone"] and found["largest_error"] < 0.2
    assert 100 < found["chunker_sequences"] < found["sequences"] < 4_000
    assert found["steps"] % 600 == 0 and found["sequences"] + 1_000 <= found["steps"] / 6
    assert {key: value for key, value in run(settings, int).items() if key != "seconds"} == {
        key: value for key, value in found.items() if key != "seconds"
    }
    plain = run(replace(settings, learner="bptt"), int)
    assert not plain["success"] and plain["sequences"] == 5_000 and plain["largest_error"] > 0.4
    assert plain["a_alone"] is None and plain["chunker_sequences"] is None


# --- the experiment --------------------------------------------------------------------------------------------------

CHUNKER = EXPERIMENTS["chunker"]


def test_the_experiment_in_miniature(tmp_path: Path) -> None:
    whole = plan(CHUNKER.rows, 2, 1000)
    assert len(whole) == 2 * len(CHUNKER.rows) == 16
    small = [each._replace(settings=replace(each.settings, max_sequences=100)) for each in whole[:8]]
    rows = conduct(CHUNKER, small, tmp_path / "results.csv", progress=False)
    assert [row["row"] for row in rows] == [row.label for row in CHUNKER.rows]
    assert all(not row["success"] and row["sequences"] == 100 for row in rows)
    write_report(CHUNKER, rows, tmp_path, "lstm-rl reproduce chunker")
    text = (tmp_path / "table.md").read_text()
    assert "| history: chunker | 13 of 17 below 5,000, the rest below 35,000 | 0/1 (0 % - 79 %) | 0/1 | 0/1 |" in text
    assert text.count("\n| ") == 2 + len(rows)
    with Image.open(tmp_path / "sequences.png") as picture:
        assert picture.size[0] == 1000


def test_table_and_figure_of_successes() -> None:
    common: dict[str, Any] = {"experiment": "chunker", "row": "history: chunker", "largest_error": 0.1, "steps": 1}
    rows = [
        common | {"seed": 0, "success": True, "sequences": 3000, "chunker_sequences": 1000, "a_alone": True},
        common | {"seed": 1, "success": False, "sequences": 50_000, "chunker_sequences": None, "a_alone": False},
    ]
    (line,) = table(CHUNKER, rows, unrun=False).to_dict("records")
    assert line["success; sequences"] == "1/2 (9 % - 91 %); 3 k (3 k - 3 k)"
    assert (line["A alone"], line["C; sequences"]) == ("1/2", "1/2; 1 k (1 k - 1 k)")
    (panel,) = CHUNKER.figures(frame(CHUNKER, rows))["sequences"].axes
    offsets: list[Any] = [np.asarray(marks.get_offsets())[:, 0].tolist() for marks in panel.collections]
    assert offsets == [[3000], [50_000], [1000]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"task": "history-7"}, "task must be one of history, history-5, lag-a, lag-b, got 'history-7'"),
        ({"learner": "lstm"}, f"learner must be one of {', '.join(LEARNERS)}, got 'lstm'"),
        ({"learning_rate": 0.0}, r"learning_rate must be a number in \(0, inf\), got 0.0"),
        ({"seed": -1}, "seed must be an integer >= 0, got -1"),
        ({"max_sequences": 99}, "max_sequences must be an integer >= 100, got 99"),
    ],
)
def test_bad_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ChunkerRun(**settings)


def test_bad_lag() -> None:
    with pytest.raises(ValueError, match="lag must be an integer >= 1, got 0"):
        HistoryTask(0)
