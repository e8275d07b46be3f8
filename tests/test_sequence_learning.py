"""Suites: runs stop by their protocols, studies go on where they were stopped, tables put published beside ours."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lstm_rl.cli import main
from lstm_rl.compiled import compiled
from lstm_rl.kernels.approximator import RmsProp, Sgd, Update, accumulate_gradient, advance, forward, reset
from lstm_rl.kernels.callback import make_callback_approximator, reraising
from lstm_rl.kernels.supervised import learn_sequence
from lstm_rl.nn.streams import FlatWeights, TorchStreams, flat
from lstm_rl.studies.engine import read_rows, write_rows
from lstm_rl.suites import hs1997, judges
from lstm_rl.suites.case import Method
from lstm_rl.suites.guessed import draw_weights, guess
from lstm_rl.suites.guessing import Data, Link, make_net, outputs
from lstm_rl.suites.hs1997_cases import CASES
from lstm_rl.suites.learner import Learner, check_learner, follow, grown, links_alone, make_approximator
from lstm_rl.suites.networks import network
from lstm_rl.suites.table import HEAD, comma_separated, lines, markdown
from lstm_rl.suites.training import train
from lstm_rl.suites.unrolled import Unrolled
from lstm_rl.tasks import LagTask, RandomLagTask, ReberTask, Task, TemporalOrder, TriggerLagTask, TwoSequenceProblem
from lstm_rl.tasks.names import TASKS, make_task
from lstm_rl.tasks.protocol import Criterion
from lstm_rl.tasks.reber import E
from lstm_rl.tasks.streaming import draw, learn_task, make_found, make_source, rows_of


def silent(_: int) -> None:
    """No report."""


def published(task: Task, seed: int, max_sequences: int) -> dict[str, Any]:
    return train(task, Learner(task.topology, "truncated", task.protocol.alpha), seed, max_sequences, silent)


def test_an_experiment_at_its_published_size() -> None:
    """6a: 156 weights, 100 steps and more, 31,390 sequences in the paper."""
    row = published(TemporalOrder(2), 100, 100_000)
    assert row["success"] and 2_000 < row["sequences"] < 62_780
    assert row["wrong"] <= 3 and row["tested"] == 2560 and row["mean_error"] < 0.1 and row["mse"] < 0.01
    assert 100 * row["sequences"] <= row["steps"] <= 110 * row["sequences"]
    assert row == published(TemporalOrder(2), 100, 100_000) | {"seconds": row["seconds"]}  # one seed, one result


def test_test_sets_stop_a_run_at_both_criteria() -> None:
    row = published(TwoSequenceProblem(20, 3, "a"), 100, 100_000)
    assert row["success"] and row["first"] <= row["sequences"] and row["sequences"] % 1000 == 0
    assert row["wrong"] < 26 and row["mean_error"] < 0.02


def test_a_budget_ends_a_run() -> None:
    row = published(TriggerLagTask(50, 50), 100, 250)
    assert not row["success"] and row["sequences"] == 200 and row["first"] is None and row["wrong"] > 1000


@pytest.mark.parametrize(
    ("gradient", "name"),
    [
        ("rtrl", "one-unit"),
        ("bptt", "elman"),
        ("truncated", "peepholes"),
        ("truncated", "inputs-only"),
        ("truncated", "shortcuts"),
    ],
)
def test_any_network_with_kernels_and_gradient(gradient: str, name: str) -> None:
    """The flag task with a lag of 2 is learned by all of them; its window of 10,000 sequences does not count."""
    task = LagTask(2)
    row = train(task, Learner(network(task, name, None), gradient, 1.0), 100, 30_000, silent)
    assert row["success"] and row["wrong"] == 0 and row["sequences"] < 10_000


@pytest.mark.parametrize(("name", "length"), [("gru", 10), ("slstm", 20)])
def test_a_torch_network(name: str, length: int) -> None:
    task = TwoSequenceProblem(length, 3, "a")
    learner = Learner(network(task, name, 4), "bptt", 0.3, loss="cross-entropy", average=200)
    row = train(task, learner, 100, 4_000, silent)
    assert row["success"] and row["wrong"] < 26
    assert row == train(task, learner, 100, 4_000, silent) | {"seconds": row["seconds"]}


@pytest.mark.parametrize("loss", ["squared", "cross-entropy", 3.0])
@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("name", ["gru", "slstm"])
def test_an_unrolled_sequence_is_learned_as_a_stream_is(name: str, normalised: bool, loss: str | float) -> None:
    """Step by step through `TorchStreams`, errors blamed where there are targets: the same weights, in float64."""
    task, by, sequences = ReberTask(), Update(RmsProp(0.9) if normalised else Sgd(), 0.01, 1.0), 5
    power = loss if isinstance(loss, float) else 2.0
    learner = Learner(network(task, name, 3), "bptt", by.learning_rate, loss=loss)
    unrolled = make_approximator(learner, np.random.default_rng(1), task)
    assert isinstance(unrolled, Unrolled)
    weights = FlatWeights(flat(unrolled.network), np.ones_like(unrolled.weights.square))
    streams = TorchStreams(_Squashed(unrolled.copy().network, loss == "cross-entropy"), weights, 1, task.longest)
    before, sources = weights.values.copy(), [make_source(task, np.random.default_rng(2)) for _ in range(2)]
    found, length = make_found(sequences), task.longest
    unrolled.learn(sources[0], by, power, found)
    for n in range(sequences):
        length = draw(sources[1], length)
        streams.reset(0)
        errors = np.zeros((length, task.outputs))
        for t in range(length):
            y = streams.forward(0, rows_of(sources[1], length)[t])
            errors[t] = sources[1].targets[t] - (1.0 / (1.0 + np.exp(-y)) if loss == "cross-entropy" else y)
            streams.accumulate_gradient(0, np.sign(errors[t]) * np.abs(errors[t]) ** (power - 1.0))
        streams.update_weights(0, by, 0.0)
        assert sources[1].has_target[:length].all() and found.lengths[n] == length
        assert found.largest[n] == pytest.approx(np.abs(errors).max())
        assert found.last[n] == pytest.approx(np.abs(errors[-1]).max())
        assert found.squares[n] == pytest.approx(np.square(errors).sum())
    assert np.allclose(unrolled.weights.values, weights.values, rtol=1e-10, atol=1e-13)
    assert np.abs(weights.values - before).max() > 1e-3
    assert np.array_equal(flat(unrolled.network), unrolled.weights.values)


class _Squashed(torch.nn.Module):
    """A network behind logistic outputs, if its errors are not those of cross-entropy."""

    def __init__(self, network: Any, linear: bool) -> None:
        super().__init__()
        self.network, self.linear = network, linear
        self.inputs, self.outputs, self.initial_state = network.inputs, network.outputs, network.initial_state

    def forward(self, *arguments: Any) -> tuple[torch.Tensor, Any]:
        net, state = self.network(*arguments)
        return (net if self.linear else torch.sigmoid(net)), state


@pytest.mark.parametrize(
    ("descent", "loss", "alpha"),
    [("rms", "squared", 0.002), ("rms", "cross-entropy", 0.002), ("plain", "cross-entropy", 0.5)],
)
def test_any_descent_and_loss(descent: str, loss: str, alpha: float) -> None:
    row = train(
        TemporalOrder(2),
        Learner(TemporalOrder(2).topology, "truncated", alpha, descent, loss=loss),
        100,
        80_000,
        silent,
    )
    assert row["success"] and row["wrong"] <= 10


def test_the_last_target_alone_is_enough() -> None:
    """Experiment 2b with the published network, its cell inputs in [0, 1], though not with a target at every step."""
    end, every = RandomLagTask(10, "end"), RandomLagTask(10)
    row = train(end, Learner(end.topology, "truncated", 0.7, loss="cross-entropy"), 100, 15_000, silent)
    assert row["success"] and row["wrong"] == 0
    assert not train(every, Learner(every.topology, "truncated", 1.0), 100, 15_000, silent)["success"]
    assert (end.topology.cell_input, every.topology.cell_input) == ("logistic", "symmetric1")


def test_a_mean_of_the_weights_is_tested() -> None:
    """In their place, while learning goes on as ever; a mean over the last piece alone is the weights themselves."""
    task, learner = TemporalOrder(2), Learner(TemporalOrder(2).topology, "truncated", 0.5)
    rows = [train(task, learner._replace(average=over), 100, 3_000, silent) for over in (None, 100, 2000)]
    assert len({row["steps"] for row in rows}) == 1
    assert rows[1]["mse"] == pytest.approx(rows[0]["mse"], rel=1e-3) and rows[2]["mse"] != rows[0]["mse"]
    mean, approximator = (make_approximator(learner, np.random.default_rng(n), task) for n in range(2))
    expected = 0.75 * mean.weights.output + 0.25 * approximator.weights.output
    follow(mean, approximator, 0.25)
    assert np.allclose(mean.weights.output, expected) and not np.allclose(approximator.weights.output, expected)


@pytest.mark.parametrize("loss", ["squared", "cross-entropy", 1.2, 3.0])
@pytest.mark.parametrize("gradient", ["truncated", "bptt", "rtrl"])
def test_losses(gradient: str, loss: str | float) -> None:
    """A step along the gradient of sum t ln y + (1 - t) ln(1 - y) or - sum |t - y|^p / p, against differences of it."""
    task = TriggerLagTask(4, 3)
    learner = Learner(network(task, "inputs-only", None), gradient, 1e-6, loss=loss)
    batch, power = task.batch(1, np.random.default_rng(1)), loss if isinstance(loss, float) else 2.0
    (x, targets, has_target), last = batch, batch.lengths[0] - 1

    def gain(place: tuple[int, int] | None = None, by: float = 0.0) -> tuple[float, Any]:
        approximator = make_approximator(learner, np.random.default_rng(2), task)
        if place is not None:
            approximator.weights.hidden[place] += by
        for t in range(last + 1):
            _to_env_action(approximator, x[t, 0], t == 0)
        y, target = approximator.outputs[0], targets[last, 0]
        if loss == "cross-entropy":
            return float((target * np.log(y) + (1.0 - target) * np.log(1.0 - y)).sum()), approximator
        return -float((np.abs(target - y) ** power).sum()) / power, approximator

    _, approximator = gain()
    before = approximator.weights.hidden.copy()
    by = Update(Sgd(), learner.alpha, 1.0)
    _learn(approximator, x[:, 0], targets[:, 0], has_target[:, 0], by, power, np.zeros(2), np.zeros(x.shape[2]))
    moved = (approximator.weights.hidden - before) / learner.alpha
    for place in [(5, 0), (3, 2), (int(x[0, 0].argmax()), 4), (int(x[2, 0].argmax()), 5)]:
        assert moved[place] == pytest.approx((gain(place, 1e-5)[0] - gain(place, -1e-5)[0]) / 2e-5, rel=1e-4, abs=1e-9)
    assert (moved != 0.0).sum() > 10


@compiled
def _learn(
    approximator: Any, x: Any, targets: Any, has_target: Any, by: Update, power: float, errors: Any, row: Any
) -> None:
    learn_sequence(approximator, x, targets, has_target, by, False, power, errors, row)


@pytest.mark.parametrize("units", [2, 3])
def test_guessing_solves_two_sequences(units: int) -> None:
    """As it does with the networks of 2001; one seed is one result, and a budget ends a run."""
    task = TwoSequenceProblem(20, 3, "a")
    learner = Learner(network(task, "elman", units), "guess", 0.0)
    row = guess(task, learner, 100, 100_000, silent)
    assert row["success"] and row["wrong"] < 26 and row["first"] is None
    assert 1_000 < row["sequences"] < 100_000 and 20 * row["sequences"] < row["steps"] < 100 * row["sequences"]
    assert row == guess(task, learner, 100, 100_000, silent) | {"seconds": row["seconds"]}
    short = guess(task, learner, 100, 1_500, silent)
    assert not short["success"] and short["sequences"] == 1_500


def test_guessing_takes_strings_and_several_outputs() -> None:
    for task in (ReberTask(), TemporalOrder(2)):
        row = guess(task, Learner(network(task, "elman", 3), "guess", 0.0), 100, 2_000, silent)
        assert not row["success"] and row["sequences"] == 2_000 and row["steps"] >= 2_000
        assert row["wrong"] > 0.5 * row["tested"]


def test_a_guessed_network_is_that_of_the_lanes() -> None:
    """The same weights in a streaming approximator and in `guessing`, which share no code, answer alike."""
    task, hidden = TwoSequenceProblem(20, 3, "a"), 2
    approximator = make_approximator(
        Learner(network(task, "elman", hidden), "guess", 0.0), np.random.default_rng(1), task
    )
    generator: Any = np.array([5], np.uint64)
    _guess_once(approximator, np.ones_like(approximator.weights.hidden, np.bool_), generator)
    w, output = approximator.weights.hidden, approximator.weights.output  # rows: input, hidden, bias; hidden, bias
    assert 10.0 < np.abs(w).max() <= 100.0 and 10.0 < np.abs(output).max() <= 100.0
    links = [Link(source, unit) for unit in range(hidden) for source in (0, 1, 2, 4)]
    net = make_net(1, hidden, links + [Link(source, hidden) for source in (1, 2, 4)])
    batch = task.batch(50, np.random.default_rng(2))
    lengths = batch.lengths
    data = Data(np.ascontiguousarray(batch.x.swapaxes(0, 1)), lengths, np.zeros(50))
    for scale in (1.0, 0.01):  # saturated and not
        w *= scale
        output *= scale
        answers = outputs(net, np.concatenate([*w.T, output[:, 0]])[:, None], data)[:, 0]
        for n, length in enumerate(lengths):
            for t in range(length):
                _to_env_action(approximator, batch.x[t, n], t == 0)
            assert approximator.outputs[0, 0] == pytest.approx(answers[n], rel=1e-9, abs=1e-12)
    assert answers.std() > 1e-3


@compiled
def _guess_once(approximator: Any, mask: Any, generator: Any) -> None:
    draw_weights(approximator, mask, generator)


def test_weights_that_run_away_end_a_run() -> None:
    task = make_task("hs1997-adding", T=22)
    row = train(task, Learner(task.topology, "truncated", 1e200), 0, 100_000, silent)
    assert not row["success"] and row["sequences"] < 100_000 and row["wrong"] == 2560 and row["mse"] is None


# --- judges -----------------------------------------------------------------------------------------------------------


def test_the_most_recent_sequences_count() -> None:
    judge: Any = judges.Recent(TemporalOrder(2), np.random.default_rng(0))
    found = make_found(1000)
    found.largest[:] = 0.05
    found.largest[10] = 0.3  # just wrong
    judge.see(found)
    assert not judge.satisfied(None, Criterion(2000))  # too few
    found.largest[10] = 0.299
    judge.see(found)
    assert not judge.satisfied(None, Criterion(2000)) and judge.satisfied(None, Criterion(2000, 1))
    assert not judge.satisfied(None, Criterion(2000, 1, 0.05)) and judge.satisfied(None, Criterion(2000, 1, 0.051))
    judge.see(found)
    assert judge.satisfied(None, Criterion(2000))


def test_only_the_end_counts_where_the_middle_is_random() -> None:
    found = make_found(3)
    found.largest[:], found.last[:] = 1.0, 0.1
    assert judges.errors_of(RandomLagTask(5).protocol, found).max() == 0.1
    assert judges.errors_of(LagTask(5).protocol, found).min() == 1.0


def test_reber_sets() -> None:
    """Disjoint sets; what comes next is legal, one or two symbols are; training draws from the first set alone."""
    task = ReberTask()
    stored, strings = task.sets(np.random.default_rng(1))
    assert strings.shape == (512, 100)
    first, second = ({row.tobytes() for row in half} for half in (strings[:256], strings[256:]))
    assert not first & second
    x, legal, lengths = task.legal(strings)
    for n in (0, 1, 300, 511):
        length = lengths[n]
        assert strings[n, length] == E and (x[n, :length].argmax(1) == strings[n, :length]).all()
        assert not x[n, length:].any() and not legal[n, length:].any()
        assert legal[n, np.arange(length), strings[n, 1 : length + 1]].all()
        assert set(legal[n, :length].sum(1)) == {1, 2}
        assert legal[n, length - 2].sum() == 1 and strings[n, length - 1] == strings[n, 1]  # the outer symbol again
    batch = stored.batch(300, np.random.default_rng(2))
    for n in range(300):
        string = np.full(100, -1)
        string[: batch.lengths[n]] = batch.x[: batch.lengths[n], n].argmax(1)
        string[batch.lengths[n]] = E
        assert string.tobytes() in first
    assert (batch.targets[batch.lengths - 1, np.arange(300)].argmax(1) == E).all()


def test_a_string_is_right_if_the_legal_symbols_are_most_active() -> None:
    """Compiled, against a plain loop."""
    task = ReberTask("3x2")
    _, strings = task.sets(np.random.default_rng(1))
    x, legal, lengths = task.legal(strings)
    legal[::2] = True  # every other string cannot be wrong
    learner = Learner(task.topology, "truncated", 0.1)
    approximator = make_approximator(learner, np.random.default_rng(3), task)
    wrong = 0
    for n, length in enumerate(lengths):
        outputs = np.zeros((length, 7))
        for t in range(length):
            _to_env_action(approximator, x[n, t], t == 0)
            outputs[t] = approximator.outputs[0]
        least = np.where(legal[n, :length], outputs, np.inf).min(1)
        wrong += bool((least <= np.where(legal[n, :length], -np.inf, outputs).max(1)).any())
    assert 0 < wrong <= 256
    assert judges.wrong_strings(approximator, x, legal, lengths, 512)[0] == wrong
    assert judges.wrong_strings(approximator, x, legal, lengths, 5)[0] == 6  # counting ends
    gru = make_approximator(Learner(network(task, "gru", 4), "bptt", 0.1), np.random.default_rng(3), task)
    foreign = make_callback_approximator(TorchStreams(gru.network, gru.weights, 1, 1), 1, 7, 7, np.float64)
    with reraising(foreign):
        expected, _ = judges.wrong_strings(foreign, x, legal, lengths, 512)
    assert 0 < gru.wrong_strings(x, legal, lengths) == expected <= 256


@compiled
def _to_env_action(approximator: Any, x: Any, first: bool) -> None:
    if first:
        reset(approximator, 0)
    forward(approximator, 0, x)


# --- networks ---------------------------------------------------------------------------------------------------------


def test_initial_weights_in_a_range_of_ones_own() -> None:
    """Smaller are those of cells and gates; outputs and given biases stay."""
    task = make_task("hs1997-temporal-order-3")
    hidden, output = network(task, "published", None).initial_weights(np.random.default_rng(0))  # type: ignore[union-attr]
    small: Any = network(task, "published", None, 0.005)
    smaller, same = small.initial_weights(np.random.default_rng(0))
    links = slice(0, small.rows["bias"].start)
    assert np.allclose(smaller[links], 0.05 * hidden[links]) and hidden[links].any()
    assert np.array_equal(smaller[small.rows["bias"]], hidden[small.rows["bias"]]) and np.array_equal(same, output)


def test_a_cell_joins_the_links_that_have_been_learned() -> None:
    task = LagTask(6)
    learner = Learner(task.topology, "truncated", 1.0)
    rng = np.random.default_rng(0)
    alone = make_approximator(learner._replace(network=links_alone(task.topology)), rng, task)
    by, found = Update(Sgd(), 1.0, 1.0), make_found(300)
    learn_task(alone, make_source(task, rng), by, True, 2.0, found)
    assert found.squares[-50:].mean() < 1.0 < found.squares[0]  # all but the last symbol, which takes a memory
    whole = grown(alone, learner, rng, task)
    assert np.array_equal(whole.weights.output[:7], alone.weights.output[:7])
    assert whole.weights.output.shape == (8, 7) and whole.weights.output[7].any()


@pytest.mark.parametrize("task", [TriggerLagTask(30, 12), TriggerLagTask(200, 12), TemporalOrder(3)], ids=str)
def test_sources_at_rest_are_left_out_exactly(task: Task) -> None:
    """`advance` skips inputs that are 0; `accumulate_gradient` without errors skips nothing, and is equal."""
    traces = []
    x = task.batch(1, np.random.default_rng(5)).x[:, 0]
    for skips in (True, False):
        approximator = make_approximator(Learner(task.topology, "truncated", 1.0), np.random.default_rng(0), task)
        _last_blamed(approximator, x, np.ones(task.outputs), np.zeros(task.outputs), skips)
        traces.append(approximator.streams.traces.copy())
    assert np.array_equal(*traces) and (traces[0] != 0).sum() > task.topology.units


@compiled
def _last_blamed(approximator: Any, x: Any, errors: Any, none: Any, skips: bool) -> None:
    reset(approximator, 0)
    for t in range(x.shape[0]):
        forward(approximator, 0, x[t])
        if t == x.shape[0] - 1:
            accumulate_gradient(approximator, 0, errors)
        elif skips:
            advance(approximator, 0)
        else:
            none[:] = 0.0
            accumulate_gradient(approximator, 0, none)


# --- cases, tables, command line --------------------------------------------------------------------------------------


def test_every_case_can_be_run() -> None:
    for case in CASES:
        task = case.task
        learner = hs1997.learner_of(case.run(0), task)
        check_learner(learner, task)
        topology: Any = learner.network
        assert (case.run(0).alpha == 0.0) is (case.run(0).gradient == "guess")
        assert (topology.inputs, topology.outputs) == (task.inputs, task.outputs)
    assert {case.suite for case in CASES} == set(hs1997.LINES) == {name for name in TASKS if "hs1997" in name}


def test_a_run_leaves_nothing_open() -> None:
    """What a method does not say is as published; what it says stands."""
    case = next(case for case in CASES if case.suite == "hs1997-adding" and case.settings == "T=500")
    run = case.run(7)
    assert (run.network, run.gradient, run.alpha) == ("published", "truncated", 0.5)
    assert (run.descent, run.loss) == ("plain", "squared")
    assert (run.settings, run.seed, run.max_sequences) == ("T=500", 7, case.task.protocol.max_sequences)
    method = Method("gru", 3, alpha=0.1, descent="rms", rms_decay=0.9, average=100, max_sequences=500)
    (chosen,) = hs1997.cases_of("hs1997-temporal-order-3", "", method)
    run = chosen.run(8)
    known = {name: getattr(run, name) for name in vars(method)}
    assert known == vars(method) | {"gradient": "bptt", "loss": "squared"}


def row(**values: Any) -> dict[str, Any]:
    known: dict[str, Any] = {"suite": "hs1997-adding", "settings": "T=100", "network": "published", "units": None}
    known |= {"initial_range": None, "rms_decay": None}
    known |= {"gradient": "truncated", "alpha": 0.5, "descent": "plain", "loss": "squared", "average": None}
    known |= {"max_sequences": 10**6, "seed": 1000, "success": True}
    known |= {"sequences": 74_000, "first": 74_000, "wrong": 0, "tested": 2560, "mean_error": 0.01, "mse": 0.0}
    return known | {"steps": 10**7, "seconds": 1.0} | values


def test_the_table_puts_published_beside_ours() -> None:
    rows = [row(), row(seed=1001, sequences=222_000, wrong=2), row(seed=1002, success=False, sequences=10**6)]
    rows.append(row(network="elman", units=10, gradient="bptt", alpha=0.2, success=False))
    first, other = (dict(zip(HEAD, line, strict=True)) for line in lines(rows))
    assert first["published sequences"] == "74,000" and first["sequences"] == "148,000 (74,000 - 222,000)"
    assert first["success"].startswith("2/3") and first["ratio of sequences"] == "2" and first["wrong"] == "0.00039"
    assert first["runs (seeds)"] == "3 (1000 - 1002)" and first["steps"] == "30 M"
    assert other["method"] == "elman 10 bptt" and other["sequences"] == "-" and other["published sequences"] == ""
    assert len(lines(rows, whole=True)) == len(CASES) + 1
    assert markdown(rows).count("\n") == 3 and comma_separated(rows).splitlines()[0] == ",".join(HEAD)


def test_run_table_and_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, name = tmp_path / "results", "hs1997-two-sequence-a"
    arguments = ["suite", "run", name, "--set", "T=20", "N=3", "--max-sequences", "3000", "--out", str(out)]
    arguments += ["--seed", "5", "--no-progress"]
    assert main([*arguments, "--runs", "1"]) == 0
    (stored,) = read_rows(out / name / "results.csv")
    assert stored["settings"] == "T=20 N=3" and stored["seed"] == 5 and stored["suite"] == name
    assert main([*arguments, "--runs", "2"]) == 0
    assert main([*arguments, "--runs", "1", "--network", "elman", "--units", "3", "--gradient", "bptt"]) == 0
    rows = read_rows(out / name / "results.csv")
    assert rows[0] == stored and [row["seed"] for row in rows] == [5, 6, 5] and rows[2]["network"] == "elman"
    assert "elman 3 bptt" in (out / name / "table.md").read_text()  # all that the folder holds
    assert (out / name / "sequences.png").read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    assert main(["suite", "table", name, "--results", str(out)]) == 0
    assert capsys.readouterr().out.startswith("| task | settings |")
    assert main(["suite", "table", "hs1997", "--results", str(out), "--csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(CASES) + 3
    old = [{name: value for name, value in row.items() if name != "loss"} for row in rows]
    write_rows(tmp_path / name / "results.csv", old)
    assert main(["suite", "table", name, "--results", str(tmp_path)]) == 2
    assert "whose results lack columns: loss" in capsys.readouterr().err
    (out / "hs1997-adding").mkdir()
    (out / name / "results.csv").rename(out / "hs1997-adding" / "results.csv")
    assert main(["suite", "run", "hs1997-adding", "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert "out must be a new folder or one of hs1997-adding" in error and f"holds {name}" in error
    assert len(read_rows(out / "hs1997-adding" / "results.csv")) == 3  # nothing is lost


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["suite", "list"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == [*hs1997.LINES, "parity", "chunker", "hmm"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "hs1997-adding", "--set", "T=5"], "T must be an integer >= 22, got 5"),
        (["run", "hs1997-adding", "--set", "T"], "set must be name=value, got 'T'"),
        (["run", "hs1997-adding", "--set", "Q=5"], "settings of hs1997-adding must be T, got 'Q'"),
        (["run", "hs1997-subtracting"], "name must be one of hs1997-reber,"),
        (["run", "hs1997-adding", "--network", "transformer"], "--network"),
        (["run", "hs1997-adding", "--units", "5"], "units must be left out unless the network is elman, gru or slstm"),
        (
            ["run", "hs1997-adding", "--network", "gru", "--gradient", "rtrl"],
            "gradient must be bptt for a Torch network",
        ),
        (
            ["run", "hs1997-adding", "--gradient", "guess", "--alpha", "1"],
            "alpha, descent, rms-decay, loss and average must be left out where gradient is guess, got alpha 1.0",
        ),
        (["run", "hs1997-adding", "--network", "gru", "--gradient", "guess"], "gradient must be bptt for a Torch"),
        (["run", "hs1997-adding", "--rms-decay", "0.9"], "rms-decay must be left out unless descent is rms, got 0.9"),
        (["run", "hs1997-adding", "--descent", "rms", "--rms-decay", "2"], "rms-decay must be a number in [0, 1], got"),
        (["run", "hs1997-adding", "--initial-range", "0"], "initial-range must be a number in (0, inf), got 0.0"),
        (
            ["run", "hs1997-adding", "--network", "gru", "--initial-range", "0.1"],
            "initial-range must be left out for a",
        ),
        (["run", "hs1997-lag-a", "--network", "slstm"], "network must be one with kernels for a task whose weights"),
        (["run", "hs1997-adding", "--network", "elman", "--units", "0"], "units must be an integer >= 1, got 0"),
        (["run", "hs1997-adding", "--network", "one-unit"], "network must be"),
        (["run", "hs1997-adding", "--alpha", "-1"], "alpha must be a number in (0, inf), got -1.0"),
        (["run", "hs1997-adding", "--loss", "cross-entropy"], "loss must be squared or a number for outputs"),
        (["run", "hs1997-adding", "--loss", "1"], "loss must be a number in (1, inf), got 1.0"),
        (
            ["run", "hs1997-adding", "--loss", "hinge"],
            "loss must be squared, cross-entropy or a number > 1, got 'hinge'",
        ),
        (["run", "hs1997-adding", "--descent", "adam"], "--descent"),
        (["run", "hs1997-lag-b", "--set", "targets=none"], "targets must be one of all, end, got 'none'"),
        (["run", "hs1997-adding", "--average", "50"], "average must be an integer >= 100, got 50"),
        (["run", "hs1997-adding", "--runs", "0"], "runs must be an integer >= 1, got 0"),
        (["run", "hs1997-adding", "--max-sequences", "50"], "max-sequences must be an integer >= 100, got 50"),
        (["run", "parity", "--alpha", "1"], "must be left out of suites other than hs1997-"),
        (["table", "hs1997", "--results", "nowhere"], "results must be a folder with results of hs1997, got nowhere"),
        (["table", "gers2000"], "name must be one of hs1997, hs1997-reber,"),
    ],
)
def test_bad_input(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """One sentence, exit code 2, nothing written."""
    monkeypatch.chdir(tmp_path)
    assert main(["suite", *arguments]) == 2
    output = capsys.readouterr()
    assert message in output.err and output.err.count("\n") == 1 and not output.out
    assert not list(tmp_path.iterdir())
