"""Formal languages: strings and what may follow, which strings a network accepts, momentum and the Kalman filter."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pandas import DataFrame

from lstm_rl.compiled import compiled
from lstm_rl.experiments.protocols.accepted_strings import frozen, range_of
from lstm_rl.experiments.protocols.longest_count import LongestCount, counts, train
from lstm_rl.experiments.protocols.longest_count import check as check_count
from lstm_rl.experiments.protocols.longest_count import run as longest_count
from lstm_rl.experiments.protocols.sequence_learner import KALMAN, learn, make_learner, make_update
from lstm_rl.experiments.protocols.sequence_run import SequenceRun, check, run
from lstm_rl.experiments.range_score import count_score, score
from lstm_rl.experiments.registry import EXPERIMENTS, GROUPS
from lstm_rl.kernels.frozen import Frozen, make_frozen
from lstm_rl.kernels.kalman import KalmanTrainer
from lstm_rl.kernels.layout import make_weights
from lstm_rl.published import PUBLISHED
from lstm_rl.tasks import FormalLanguage
from lstm_rl.tasks.acceptance import accepts, read, start
from lstm_rl.tasks.languages import LANGUAGES
from lstm_rl.tasks.leaps import accepts_by_leaps
from lstm_rl.tasks.streaming import draw, make_errors, make_source

LETTERS = {"anbn": "ab", "anbncn": "abc", "anbmbmam": "abBA"}
OPEN: dict[str, Any] = {"optimizer": "kalman", "network": "open-gates", "initial_range": 0.01}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def silent(_: int) -> None:
    """No report."""


def word(language: str, n: int, m: int) -> str:
    """A string without S, with T: T is written S."""
    counts = [n, m, m, n] if language == "anbmbmam" else [n] * len(LETTERS[language])
    return "".join(letter * count for letter, count in zip(LETTERS[language], counts, strict=True)) + "S"


# --- tasks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_targets_are_all_legal_next_symbols(language: str) -> None:
    """By a list of all words: what follows a prefix in some word is legal after it."""
    words = ["S", *(word(language, n, m) for n in range(1, 6) for m in range(1, 6))]
    task, symbols = FormalLanguage(language, high=3), "S" + LETTERS[language]
    x, targets, has_target = task.batch(100, rng())
    lengths, seen = has_target.sum(0), set()
    for column, length in enumerate(lengths):
        rows = x[:length, column]
        assert set(np.unique(rows)) == {-1.0, 1.0} and (rows.sum(1) == 2 - len(symbols)).all()
        string = "".join(symbols[symbol] for symbol in rows.argmax(1))[1:]
        seen.add(string)
        for t in range(length):
            legal = {each[t] for each in words if each[:t] == string[:t] and len(each) > t}
            assert {symbols[k] for k in np.flatnonzero(targets[t, column] > 0.0)} == legal
            assert set(np.abs(targets[t, column])) == {1.0}
    expected = {word(language, n, m)[:-1] for n in range(1, 4) for m in range(1, 4)}
    assert seen == expected


def test_the_range_of_counts_is_uniform() -> None:
    lengths = FormalLanguage("anbn", low=4, high=8).batch(5000, rng()).lengths
    values, counts = np.unique((lengths - 1) // 2, return_counts=True)
    assert values.tolist() == [4, 5, 6, 7, 8] and (np.abs(counts - 1000) < 120).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FormalLanguage("anbm"), "language must be one of anbn, anbncn, anbmbmam, got 'anbm'"),
        (lambda: FormalLanguage(low=0), "low must be an integer >= 1, got 0"),
        (lambda: FormalLanguage(low=5, high=4), "high must be an integer >= 5, got 4"),
        (lambda: FormalLanguage(high=50, tested=49), "tested must be an integer >= 50, got 49"),
        (lambda: FormalLanguage(at_least=-1), "at_least must be an integer >= 100, got -1"),
        (lambda: FormalLanguage(every=10), "every must be an integer >= 100, got 10"),
        (
            lambda: check(SequenceRun(task="gers2001-anbn", optimizer="kalman", learning_rate=0.1, loss=3.0)),
            "learning-rate and loss must be left out where optimizer is kalman",
        ),
        (
            lambda: check(SequenceRun(task="gers2001-anbn", optimizer="kalman", gradient="bptt")),
            "gradient must be truncated or rtrl where optimizer is kalman, got gradient bptt",
        ),
        (
            lambda: check(SequenceRun(task="hs1997-adding", optimizer="kalman", network="gru")),
            "gradient must be truncated or rtrl where optimizer is kalman, got a Torch network",
        ),
        (
            lambda: check(SequenceRun(task="hs1997-adding", optimizer="momentum", network="gru")),
            "optimizer must be sgd or rmsprop for a Torch network, got momentum",
        ),
        (
            lambda: make_frozen(PUBLISHED["gers2000-cerg"], make_weights(PUBLISHED["gers2000-cerg"], rng())),
            "topology must be one or two blocks of one peephole cell without squashing, got 7 inputs",
        ),
    ],
)
def test_bad_settings(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# --- learning --------------------------------------------------------------------------------------------------------


def learner_of(**settings: Any) -> tuple[SequenceRun, FormalLanguage, Any]:
    run = SequenceRun(**settings).resolved()
    task = run.make_task()
    assert isinstance(task, FormalLanguage)
    return run, task, make_learner(run, task, rng())


def test_momentum_is_a_running_sum_of_steps() -> None:
    """One step at a time: w moves by v, v <- .99 v + learning_rate times gradient; plain descent gives the gradient."""
    settings, task, learner = learner_of(task="gers2001-anbn", learning_rate=0.01)
    assert settings.optimizer == "momentum"
    plain = make_learner(settings, task, rng())
    source, one, same = make_source(task, rng(1)), make_errors(1), make_source(task, rng(1))
    update = make_update(settings)
    w = plain.weights
    v_output, v_hidden = np.zeros_like(w.output), np.zeros_like(w.hidden)
    for _ in range(4):
        learn(learner, source, update, False, one)
        before = w.hidden.copy(), w.output.copy()
        learn(plain, same, update._replace(optimizer=update.optimizer._replace(decay=0.0)), False, one)
        v_hidden = 0.99 * v_hidden + w.hidden - before[0]
        v_output = 0.99 * v_output + w.output - before[1]
        w.hidden[:], w.output[:] = before[0] + v_hidden, before[1] + v_output
        np.testing.assert_allclose(learner.weights.hidden, w.hidden, rtol=0, atol=1e-14)
        np.testing.assert_allclose(learner.weights.output, w.output, rtol=0, atol=1e-14)
    assert np.abs(v_hidden).max() > 1e-3


def test_the_kalman_optimizer_is_the_kalman_trainer() -> None:
    settings, task, learner = learner_of(task="gers2001-anbncn", optimizer="kalman")
    r, q, steps = KALMAN
    trainer = KalmanTrainer(task.topology, measurement_noise=r, process_noise=q, anneal_steps=steps)
    trainer.weights.hidden[:], trainer.weights.output[:] = learner.weights.hidden, learner.weights.output
    learn(learner, make_source(task, rng(1)), make_update(settings), True, make_errors(30))
    source, length = make_source(task, rng(1)), task.max_length
    for _ in range(30):
        length = draw(source, length)
        trainer.train_sequence(source.x[:length], source.targets[:length])
    np.testing.assert_allclose(learner.weights.hidden, trainer.weights.hidden, rtol=0, atol=1e-12)
    assert int(learner.steps[0]) == trainer.steps > 300


# --- acceptance ------------------------------------------------------------------------------------------------------


@compiled
def net_inputs(network: Any, symbols: Any, row: Any, outputs: Any) -> None:
    start(network)
    for t in range(symbols.shape[0]):
        read(network, symbols[t], row)
        for k in range(outputs.shape[1]):
            outputs[t, k] = network.outputs[0, k]


@pytest.mark.parametrize("name", ["gers2001-anbn", "gers2001-anbncn"])
def test_a_frozen_network_is_the_network(name: str) -> None:
    """Net inputs of the outputs, squashed, at random weights large enough for closed and open gates."""
    _, task, learner = learner_of(task=name)
    learner.weights.hidden[:] *= rng(2).uniform(0.0, 20.0, learner.weights.hidden.shape)
    learner.weights.output[:] *= 100.0
    symbols = rng(3).integers(0, task.inputs, 200)
    slow, fast = np.zeros((2, 200, task.outputs))
    network = frozen(learner, task)
    assert isinstance(network, Frozen)
    net_inputs(learner, symbols, np.zeros(task.inputs), slow)
    net_inputs(network, symbols, np.zeros(task.inputs), fast)
    np.testing.assert_allclose(4.0 / (1.0 + np.exp(-fast)) - 2.0, slow, rtol=0, atol=1e-9)
    assert np.abs(slow).max() > 1.5


def test_what_is_accepted_is_right_at_each_step() -> None:
    """By the errors of the same strings, which are below 1 where all outputs are on the right side of 0."""
    settings, task, learner = learner_of(task="gers2001-anbmbmam", settings="high=3", optimizer="kalman")
    source, some = make_source(task, rng(1)), make_errors(10)
    right = []
    for _ in range(40):
        learn(learner, source, make_update(settings), True, some)
        for n, m in ((1, 1), (3, 1), (2, 5)):
            seen, network = string_errors(learner, n, m), frozen(learner, task)
            known = accepts(network, *task.runs, n, m, np.zeros(task.inputs))
            assert known == accepts(learner, *task.runs, n, m, np.zeros(task.inputs)) == (seen < 1.0)
            right.append(known)
        limit = range_of(learner, task, 4)
        accepted = [[string_errors(learner, n, m) < 1.0 for n in range(1, 5)] for m in range(1, 5)]
        assert limit == max(n for n in range(5) if all(row[k] for row in accepted[:n] for k in range(n)))
    assert 10 < sum(right) < 110


def string_errors(learner: Any, n: int, m: int) -> float:
    """Largest absolute error over one string of a^n b^m B^m A^n."""
    symbols = "S" + LETTERS["anbmbmam"]
    string = "S" + word("anbmbmam", n, m)
    x = np.array([[1.0 if symbol == each else -1.0 for each in symbols] for symbol in string[:-1]])
    outputs: NDArray[np.float64] = np.zeros((len(x), 5))
    net_inputs(learner, np.array([symbols.index(each) for each in string[:-1]]), np.zeros(5), outputs)
    targets = np.full_like(outputs, -1.0)
    for t in range(len(x)):
        legal = {string[t + 1]} | ({"a", "S"} if t == 0 else {"a", "b"} if string[t] == "a" and t <= n else set())
        legal |= {"b", "B"} if string[t] == "b" else set()
        targets[t, [symbols.index(each) for each in legal]] = 1.0
    return float(np.abs(outputs - targets).max())


# --- experiments -----------------------------------------------------------------------------------------------------


def test_runs_learn_and_count_on() -> None:
    """Shrunken rows: the filter learns a^n b^n c^n in a few hundred strings, and counts beyond them."""
    few = SequenceRun(task="gers2001-anbncn", settings="high=5 every=100", optimizer="kalman", max_sequences=2000)
    result = run(few, silent)
    assert result["success"] and result["first"] == result["sequences"] <= 2000 and result["range"] >= 5
    more = SequenceRun(task="gers2001-anbncn", settings="high=5 every=100 at_least=1000", max_sequences=2000, **OPEN)
    assert (other := run(more, silent))["sequences"] == 1000 >= 2 * other["first"] and other["range"] >= 5
    assert run(few, silent)["range"] == result["range"]
    momentum = run(SequenceRun(task="gers2001-anbn", settings="high=3", learning_rate=1e-4), silent)
    assert momentum["success"] and momentum["optimizer"] == "momentum" and momentum["range"] >= 3


def test_a_net_that_reads_longer_strings_counts_further() -> None:
    """The stored row, shrunken: 50 strings of up to 100 carry a net that learned on 10 beyond 4,000."""
    settings = LongestCount(trained=100, powers=13, tested=1000)
    assert counts(replace(settings, powers=2)) == [1, 2, 3, 4, 5]
    result = longest_count(settings, silent)
    assert result["longest"] > 4000 and result["sequences"] == 4050
    alone = longest_count(replace(settings, trained=10, powers=20, tested=10_000), silent)
    assert alone["longest"] < 2**20 and not alone["success"]
    cells = count_score(DataFrame([{"seed": 101, "trained": 100} | result]), {})
    assert cells["longest"] == f"{result['longest']:,}" and cells["training strings"] == "4,050"
    with pytest.raises(ValueError, match="trained must be one of 10, 100, .*, got 11"):
        check_count(LongestCount(trained=11))


def test_leaps_are_single_steps_bit_by_bit() -> None:
    """Same answer, same states and activations at the end, or at the first wrong step."""
    learner, task, _, _ = train(LongestCount(trained=1000))
    one, many = frozen(learner, task), frozen(learner, task)
    for n in (1, 2, 5, 6, 7, 40, 1000, 2**14 - 1, 2**14, 300_000, 2_000_000, 10_000_000):
        known = accepts(one, 3, 1, n, n, np.zeros(4))
        assert accepts_by_leaps(many, 3, n, np.zeros((4, 8))) == known
        if known:
            assert one.s.tobytes() == many.s.tobytes() and one.y.tobytes() == many.y.tobytes()
    assert accepts_by_leaps(many, 3, 1000, np.zeros((4, 8)))


def test_scores() -> None:
    runs = DataFrame(
        {
            "success": [True, False],
            "first": [300.0, np.nan],
            "seed": [7, 8],
            "learning_rate": [0.0, 0.0],
            "range": [1200, 2],
            "steps": [1000, 2000],
        }
    )
    cells = score(runs, {})
    assert cells["learned"].startswith("1/2") and cells["sequences"] == "300 (300 - 300)"
    assert (cells["range"], cells["best"], cells["rate"], cells["steps"]) == ("601", 1200, "-", "3 k")


def test_every_row_can_be_run() -> None:
    names = GROUPS["gers2001-languages"]
    assert names == ["gers2001-anbn", "gers2001-anbncn", "gers2001-anbmbmam", "gers2001-longest"]
    for name in names[:3]:
        for row in EXPERIMENTS[name].rows:
            check(row.settings)
            whole, task = row.settings.resolved(), row.settings.make_task()
            assert whole.task == name == task.name
            assert (whole.learning_rate == 0.0) is (whole.gradient == "guess" or whole.optimizer == "kalman")
            assert task.protocol.criteria[-1].sequences <= whole.max_sequences
