"""Learning sequence tasks: runs stop by their protocols, with any network, gradient, optimizer and loss."""

from typing import Any

import numpy as np
import pytest
import torch

from lstm_rl.compiled import compiled
from lstm_rl.experiments.protocols import stopping_rules
from lstm_rl.experiments.protocols.lane_guessing import Data, Link, make_net, outputs
from lstm_rl.experiments.protocols.network_guessing import draw_weights, guess
from lstm_rl.experiments.protocols.sequence_learner import (
    add_cells,
    direct_links_only,
    ema_copy,
    make_learner,
    update_ema,
)
from lstm_rl.experiments.protocols.sequence_run import SequenceRun, run
from lstm_rl.experiments.protocols.sequence_training import train
from lstm_rl.experiments.protocols.task_networks import make_network
from lstm_rl.experiments.protocols.torch_sequences import TorchSequences
from lstm_rl.kernels.approximator import RmsProp, Sgd, Update, accumulate_gradient, advance, forward, reset
from lstm_rl.kernels.callback import make_callback_approximator, reraising
from lstm_rl.kernels.layout import Weights
from lstm_rl.kernels.make import make_approximator
from lstm_rl.kernels.supervised import learn_sequence
from lstm_rl.nn.streams import TorchStreams, TorchWeights, flat
from lstm_rl.tasks import LagTask, RandomLagTask, ReberTask, Task, TemporalOrder, TriggerLagTask, TwoSequenceProblem
from lstm_rl.tasks.protocol import Criterion
from lstm_rl.tasks.reber import E
from lstm_rl.tasks.streaming import draw, learn_task, make_errors, make_source, rows_of
from lstm_rl.topology import Topology

ORDER, TWO = "hs1997-temporal-order-3", "hs1997-two-sequence-a"


def silent(_: int) -> None:
    """No report."""


def sequence_run(task: str, settings: str = "", max_sequences: int = 0, **method: Any) -> SequenceRun:
    budget = {"max_sequences": max_sequences} if max_sequences else {}
    return SequenceRun(task=task, settings=settings, **({"seed": 100} | budget | method))


def learner_of(task: Task, seed: int, settings: str = "", **method: Any) -> Any:
    run = sequence_run(task.name, settings, **method).resolved()
    return make_learner(run, task, np.random.default_rng(seed))


def test_an_experiment_at_its_published_size() -> None:
    """6a: 156 weights, 100 steps and more, 31,390 sequences in the paper."""
    row = train(sequence_run(ORDER, "", 100_000), silent)
    assert row["success"] and 2_000 < row["sequences"] < 62_780
    assert row["wrong"] <= 3 and row["tested"] == 2560 and row["mean_error"] < 0.1 and row["mse"] < 0.01
    assert 100 * row["sequences"] <= row["steps"] <= 110 * row["sequences"]
    again = run(sequence_run(ORDER, "", 100_000), silent)  # one seed, one result, and nothing is left open
    resolved = {"network": "published", "gradient": "truncated", "learning_rate": 0.5, "optimizer": "sgd"}
    assert again == resolved | {"loss": "squared", "max_sequences": 100_000} | row | {"seconds": again["seconds"]}


def test_test_sets_stop_a_run_at_both_criteria() -> None:
    row = train(sequence_run(TWO, "T=20 N=3", 100_000), silent)
    assert row["success"] and row["first"] <= row["sequences"] and row["sequences"] % 1000 == 0
    assert row["wrong"] < 26 and row["mean_error"] < 0.02


def test_a_budget_ends_a_run() -> None:
    row = train(sequence_run("hs1997-lag-c", "", 250), silent)
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
    row = train(sequence_run("hs1997-lag-a", "p=2", 30_000, network=name, gradient=gradient), silent)
    assert row["success"] and row["wrong"] == 0 and row["sequences"] < 10_000


@pytest.mark.parametrize(("name", "length"), [("gru", 10), ("slstm", 20)])
def test_a_torch_network(name: str, length: int) -> None:
    method = {"network": name, "units": 4, "learning_rate": 0.3, "loss": "cross-entropy", "average": 200}
    settings = sequence_run(TWO, f"T={length} N=3", 4_000, **method)
    row = train(settings, silent)
    assert row["success"] and row["wrong"] < 26
    assert row == train(settings, silent) | {"seconds": row["seconds"]}


@pytest.mark.parametrize("loss", ["squared", "cross-entropy", 3.0])
@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("name", ["gru", "slstm"])
def test_an_unrolled_sequence_is_learned_as_a_stream_is(name: str, normalised: bool, loss: str | float) -> None:
    """Step by step through `TorchStreams`, errors blamed where there are targets: the same weights, in float64."""
    task, by, sequences = ReberTask(), Update(RmsProp(0.9) if normalised else Sgd(), 0.01, 1.0), 5
    power = loss if isinstance(loss, float) else 2.0
    unrolled = learner_of(task, 1, network=name, units=3, loss=loss)
    assert isinstance(unrolled, TorchSequences)
    squashed = _Squashed(unrolled.copy().network, loss == "cross-entropy")
    streams = TorchStreams(TorchWeights(squashed, np.ones_like(unrolled.weights.square)), 1, task.max_length)
    before, sources = flat(squashed), [make_source(task, np.random.default_rng(2)) for _ in range(2)]
    found, length = make_errors(sequences), task.max_length
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
    assert np.allclose(unrolled.weights.values, flat(squashed), rtol=1e-10, atol=1e-13)
    assert np.abs(flat(squashed) - before).max() > 1e-3
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
    ("optimizer", "loss", "learning_rate"),
    [("rmsprop", "squared", 0.002), ("rmsprop", "cross-entropy", 0.002), ("sgd", "cross-entropy", 0.5)],
)
def test_any_optimizer_and_loss(optimizer: str, loss: str, learning_rate: float) -> None:
    method = {"optimizer": optimizer, "loss": loss, "learning_rate": learning_rate}
    row = train(sequence_run(ORDER, "", 80_000, **method), silent)
    assert row["success"] and row["wrong"] <= 10


def test_the_last_target_alone_is_enough() -> None:
    """Experiment 2b with the published network, its cell inputs in [0, 1], though not with a target at every step."""
    end, every = RandomLagTask(10, "end"), RandomLagTask(10)
    method = {"loss": "cross-entropy", "learning_rate": 0.7}
    row = train(sequence_run("hs1997-lag-b", "p=10 targets=end", 15_000, **method), silent)
    assert row["success"] and row["wrong"] == 0
    assert not train(sequence_run("hs1997-lag-b", "p=10", 15_000), silent)["success"]
    assert (end.topology.cell_input, every.topology.cell_input) == ("logistic", "symmetric1")


def test_a_mean_of_the_weights_is_tested() -> None:
    """In their place, while learning goes on as ever; a mean over the last piece alone is the weights themselves."""
    rows = [train(sequence_run(ORDER, "", 3_000, average=over), silent) for over in (None, 100, 2000)]
    assert len({row["steps"] for row in rows}) == 1
    assert rows[1]["mse"] == pytest.approx(rows[0]["mse"], rel=1e-3) and rows[2]["mse"] != rows[0]["mse"]
    mean, approximator = ema_copy(learner_of(TemporalOrder(2), 0)), learner_of(TemporalOrder(2), 1)
    expected = 0.75 * mean.weights.output + 0.25 * approximator.weights.output
    update_ema(mean, approximator, 0.25)
    assert np.allclose(mean.weights.output, expected) and not np.allclose(approximator.weights.output, expected)


@pytest.mark.parametrize("loss", ["squared", "cross-entropy", 1.2, 3.0])
@pytest.mark.parametrize("gradient", ["truncated", "bptt", "rtrl"])
def test_losses(gradient: str, loss: str | float) -> None:
    """A step along the gradient of sum t ln y + (1 - t) ln(1 - y) or - sum |t - y|^p / p, against differences of it."""
    task = TriggerLagTask(4, 3)
    rate = 1e-6
    batch, power = task.batch(1, np.random.default_rng(1)), loss if isinstance(loss, float) else 2.0
    (x, targets, has_target), last = batch, batch.lengths[0] - 1

    def gain(place: tuple[int, int] | None = None, by: float = 0.0) -> tuple[float, Any]:
        approximator = learner_of(task, 2, network="inputs-only", gradient=gradient, loss=loss)
        if place is not None:
            approximator.weights.hidden[place] += by
        for t in range(last + 1):
            _step(approximator, x[t, 0], t == 0)
        y, target = approximator.outputs[0], targets[last, 0]
        if loss == "cross-entropy":
            return float((target * np.log(y) + (1.0 - target) * np.log(1.0 - y)).sum()), approximator
        return -float((np.abs(target - y) ** power).sum()) / power, approximator

    _, approximator = gain()
    before = approximator.weights.hidden.copy()
    by = Update(Sgd(), rate, 1.0)
    _learn(approximator, x[:, 0], targets[:, 0], has_target[:, 0], by, power, np.zeros(2), np.zeros(x.shape[2]))
    moved = (approximator.weights.hidden - before) / rate
    for place in [(5, 0), (3, 2), (int(x[0, 0].argmax()), 4), (int(x[2, 0].argmax()), 5)]:
        assert moved[place] == pytest.approx((gain(place, 1e-5)[0] - gain(place, -1e-5)[0]) / 2e-5, rel=1e-4, abs=1e-9)
    assert (moved != 0.0).sum() > 10


@compiled
def _learn(
    approximator: Any, x: Any, targets: Any, has_target: Any, by: Update, power: float, errors: Any, row: Any
) -> None:
    learn_sequence(approximator, x, targets, has_target, by, False, power, errors, row)


@compiled
def _learn_by(
    approximator: Any, x: Any, targets: Any, has_target: Any, by: Update, each_step: bool, errors: Any, row: Any
) -> None:
    learn_sequence(approximator, x, targets, has_target, by, each_step, 2.0, errors, row)


def test_a_target_is_one_step_of_the_weights() -> None:
    """With one target, at the end, a step after each target and one after the sequence are the same, squares too."""
    rng, topology = np.random.default_rng(0), Topology(2, 1, blocks=(1, 1), bias_range=1.0)
    hidden, output = topology.initial_weights(rng)
    x, targets, has_target = rng.normal(size=(5, 2)), np.ones((5, 1)), np.arange(5) == 4
    ends = []
    for each_step in (True, False):
        weights = Weights(hidden.copy(), output.copy(), np.ones_like(hidden), np.ones_like(output))
        approximator = make_approximator(topology, weights, 1, np.float64, "truncated", 1)
        by = Update(RmsProp(0.9), 0.1, 1.0)
        _learn_by(approximator, x, targets, has_target, by, each_step, np.zeros(1), np.zeros(2))
        ends.append(weights)
        assert (weights.hidden != hidden).any() and (weights.hidden_square != 1.0).all()
    np.testing.assert_equal(ends[1], ends[0])


@pytest.mark.parametrize("units", [2, 3])
def test_guessing_solves_two_sequences(units: int) -> None:
    """As it does with the networks of 2001; one seed is one result, and a budget ends a run."""
    guesser = {"network": "elman", "units": units, "gradient": "guess"}
    row = guess(sequence_run(TWO, "T=20 N=3", 100_000, **guesser), silent)
    assert row["success"] and row["wrong"] < 26 and row["first"] is None
    assert 1_000 < row["sequences"] < 100_000 and 20 * row["sequences"] < row["steps"] < 100 * row["sequences"]
    assert row == guess(sequence_run(TWO, "T=20 N=3", 100_000, **guesser), silent) | {"seconds": row["seconds"]}
    short = guess(sequence_run(TWO, "T=20 N=3", 1_500, **guesser), silent)
    assert not short["success"] and short["sequences"] == 1_500


def test_guessing_takes_strings_and_several_outputs() -> None:
    for task in ("hs1997-reber", ORDER):
        row = guess(sequence_run(task, "", 2_000, network="elman", units=3, gradient="guess"), silent)
        assert not row["success"] and row["sequences"] == 2_000 and row["steps"] >= 2_000
        assert row["wrong"] > 0.5 * row["tested"]


def test_a_guessed_network_is_that_of_the_lanes() -> None:
    """The same weights in a streaming approximator and in `lane_guessing`, which share no code, answer alike."""
    task, hidden = TwoSequenceProblem(20, 3, "a"), 2
    approximator = learner_of(task, 1, network="elman", units=hidden, gradient="guess")
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
                _step(approximator, batch.x[t, n], t == 0)
            assert approximator.outputs[0, 0] == pytest.approx(answers[n], rel=1e-9, abs=1e-12)
    assert answers.std() > 1e-3


@compiled
def _guess_once(approximator: Any, mask: Any, generator: Any) -> None:
    draw_weights(approximator, mask, generator)


def test_weights_that_run_away_end_a_run() -> None:
    row = train(sequence_run("hs1997-adding", "T=22", 100_000, learning_rate=1e200, seed=0), silent)
    assert not row["success"] and row["sequences"] < 100_000 and row["wrong"] == 2560 and row["mse"] is None


# --- stopping rules ---------------------------------------------------------------------------------------------------


def test_the_most_recent_sequences_count() -> None:
    rule: Any = stopping_rules.RecentSequences(TemporalOrder(2), np.random.default_rng(0))
    found = make_errors(1000)
    found.largest[:] = 0.05
    found.largest[10] = 0.3  # just wrong
    rule.add(found)
    assert not rule.satisfied(None, Criterion(2000))  # too few
    found.largest[10] = 0.299
    rule.add(found)
    assert not rule.satisfied(None, Criterion(2000)) and rule.satisfied(None, Criterion(2000, 1))
    assert not rule.satisfied(None, Criterion(2000, 1, 0.05)) and rule.satisfied(None, Criterion(2000, 1, 0.051))
    rule.add(found)
    assert rule.satisfied(None, Criterion(2000))


def test_only_the_end_counts_where_the_middle_is_random() -> None:
    found = make_errors(3)
    found.largest[:], found.last[:] = 1.0, 0.1
    assert stopping_rules.errors_of(RandomLagTask(5).protocol, found).max() == 0.1
    assert stopping_rules.errors_of(LagTask(5).protocol, found).min() == 1.0


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
    approximator = learner_of(task, 3, "blocks=3x2")
    wrong = 0
    for n, length in enumerate(lengths):
        outputs = np.zeros((length, 7))
        for t in range(length):
            _step(approximator, x[n, t], t == 0)
            outputs[t] = approximator.outputs[0]
        least = np.where(legal[n, :length], outputs, np.inf).min(1)
        wrong += bool((least <= np.where(legal[n, :length], -np.inf, outputs).max(1)).any())
    assert 0 < wrong <= 256
    assert stopping_rules.wrong_strings(approximator, x, legal, lengths, 512)[0] == wrong
    assert stopping_rules.wrong_strings(approximator, x, legal, lengths, 5)[0] == 6  # counting ends
    gru = learner_of(task, 3, network="gru", units=4)
    foreign = make_callback_approximator(
        TorchStreams(TorchWeights(gru.network, gru.weights.square), 1, 1), 1, 7, 7, np.float64
    )
    with reraising(foreign):
        expected, _ = stopping_rules.wrong_strings(foreign, x, legal, lengths, 512)
    assert 0 < gru.wrong_strings(x, legal, lengths) == expected <= 256


@compiled
def _step(approximator: Any, x: Any, first: bool) -> None:
    if first:
        reset(approximator, 0)
    forward(approximator, 0, x)


# --- networks ---------------------------------------------------------------------------------------------------------


def test_initial_weights_in_a_range_of_ones_own() -> None:
    """Smaller are those of cells and gates; outputs and given biases stay."""
    task = TemporalOrder(2)
    hidden, output = make_network(task, "published").initial_weights(np.random.default_rng(0))  # type: ignore[union-attr]
    small: Any = make_network(task, "published", None, 0.005)
    smaller, same = small.initial_weights(np.random.default_rng(0))
    links = slice(0, small.rows["bias"].start)
    assert np.allclose(smaller[links], 0.05 * hidden[links]) and hidden[links].any()
    assert np.array_equal(smaller[small.rows["bias"]], hidden[small.rows["bias"]]) and np.array_equal(same, output)


def test_a_cell_joins_the_links_that_have_been_learned() -> None:
    task = LagTask(6)
    settings = sequence_run(task.name, "p=6").resolved()
    rng = np.random.default_rng(0)
    alone = make_learner(settings, task, rng, without_cells=True)
    assert direct_links_only(task.topology).cells == 0 < task.topology.cells
    by, found = Update(Sgd(), 1.0, 1.0), make_errors(300)
    learn_task(alone, make_source(task, rng), by, True, 2.0, found)
    assert found.squares[-50:].mean() < 1.0 < found.squares[0]  # all but the last symbol, which takes a memory
    whole = add_cells(alone, settings, task, rng)
    assert np.array_equal(whole.weights.output[:7], alone.weights.output[:7])
    assert whole.weights.output.shape == (8, 7) and whole.weights.output[7].any()


@pytest.mark.parametrize(
    ("name", "settings"),
    [("hs1997-lag-c", "p=30 q=12"), ("hs1997-lag-c", "p=200 q=12"), ("hs1997-temporal-order-4", "")],
)
def test_sources_at_rest_are_left_out_exactly(name: str, settings: str) -> None:
    """`advance` skips inputs that are 0; `accumulate_gradient` without errors skips nothing, and is equal."""
    traces = []
    task = sequence_run(name, settings).make_task()
    x = task.batch(1, np.random.default_rng(5)).x[:, 0]
    for skips in (True, False):
        approximator = learner_of(task, 0, settings)
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
