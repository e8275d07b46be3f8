"""Continual tasks: strings in a row, streams that end with the first wrong answer, networks that may forget."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pandas import DataFrame

from lstm_rl.compiled import compiled
from lstm_rl.experiments.protocols.continual_run import learn
from lstm_rl.experiments.protocols.sequence_run import NetworkName, SequenceRun, check, run
from lstm_rl.experiments.protocols.sequence_training import train
from lstm_rl.experiments.protocols.task_networks import make_network
from lstm_rl.experiments.registry import EXPERIMENTS, GROUPS
from lstm_rl.experiments.stream_score import score
from lstm_rl.kernels.approximator import (
    RmsProp,
    Sgd,
    Update,
    accumulate_gradient,
    forward,
    learn_step,
    update_weights,
)
from lstm_rl.kernels.layout import make_weights
from lstm_rl.kernels.make import make_approximator
from lstm_rl.published import PUBLISHED
from lstm_rl.tasks import ContinualReber, ContinualTemporalOrder, NoisyTemporalOrder, Task, TemporalOrder
from lstm_rl.tasks.continual import StreamRules, learn_streams, run_stream
from lstm_rl.tasks.reber import BRANCHES, SYMBOLS, B, E, P, T
from lstm_rl.tasks.streaming import draw, make_source
from lstm_rl.topology import Topology

NEVER_WRONG, ALWAYS_WRONG = 10.0, 0.0  # tolerances
CERG = "gers2000-cerg"


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def silent(_: int) -> None:
    """No report."""


# --- tasks -----------------------------------------------------------------------------------------------------------


def legal(string: list[int], framed: bool) -> list[set[int]]:
    """What may follow each symbol of one string, by the graph."""
    frame = int(framed)
    outer, inner = string[frame], string[frame + 1 : -1 - frame]
    assert string[-1 - frame] == outer and outer in (T, P) and inner[0] == B and inner[-1] == E
    states, sets = {0}, []
    for symbol in inner:
        states = {to for state in states if state < 7 for known, to in BRANCHES[state] if known == symbol}
        sets.append({known for state in states if state < 7 for known, _ in BRANCHES[state]} or {outer})
    assert states == {7}
    around = ([{T, P}], [{E}, {B}]) if framed else ([], [{T, P}])
    return [*around[0], {B}, *sets, *around[1]]


@pytest.mark.parametrize("framed", [True, False])
def test_continual_reber_strings(framed: bool) -> None:
    """Strings of the grammar without marks between them; the targets are all legal symbols."""
    one = ContinualReber(framed, strings=1).batch(4000, rng())
    lengths = one.lengths
    assert lengths.min() == (9 if framed else 7)
    assert lengths.mean() == pytest.approx(12.0 if framed else 10.0, abs=0.2)  # exact by the graph's probabilities
    for n in range(300):
        string = one.x[: lengths[n], n].argmax(1).tolist()
        assert [set(np.flatnonzero(row)) for row in one.targets[: lengths[n], n]] == legal(string, framed)
    assert one.has_target.sum() == lengths.sum()
    many = ContinualReber(framed, strings=4).batch(1, rng(1))
    generator = rng(1).integers(2**64, size=1, dtype=np.uint64)
    pieces = make_source(ContinualReber(framed, strings=1), rng())._replace(generator=generator)
    symbols, length = [], pieces.x.shape[0]
    for _ in range(4):
        length = draw(pieces, length)
        symbols += pieces.x[:length, 0].astype(int).tolist()
    assert many.x[:, 0].argmax(1).tolist() == symbols, "".join(SYMBOLS[symbol] for symbol in symbols)


def test_continual_temporal_order() -> None:
    """Sequences of 6b in a row, with a target at each B."""
    x, targets, has_target = ContinualTemporalOrder(strings=5).batch(20, rng())
    for n in range(20):
        ends = np.flatnonzero(has_target[:, n])
        symbols = ["EBabcdXY"[symbol] for symbol in x[: ends[-1] + 1, n].argmax(1)]
        strings = "".join(symbols).removesuffix("B").split("BE")
        assert len(ends) == len(strings) == 5 and all("B" not in string for string in strings)
        classes = [
            int("".join(c for c in string if c in "XY").replace("X", "0").replace("Y", "1"), 2) for string in strings
        ]
        assert targets[ends, n].argmax(1).tolist() == classes
        assert all(100 <= length <= 110 for length in np.diff([-1, *ends]))
    assert np.array_equal(NoisyTemporalOrder().batch(9, rng()).x, TemporalOrder(3).batch(9, rng()).x)
    assert NoisyTemporalOrder(forget_bias=1.0).topology.forget_gate_bias == 1.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ContinualReber(strings=0), "strings must be an integer >= 1, got 0"),
        (lambda: ContinualReber(framed=2), "framed must be True or False, got 2"),  # type: ignore[arg-type]
        (lambda: ContinualTemporalOrder(strings=-1), "strings must be an integer >= 1, got -1"),
        (lambda: ContinualTemporalOrder(signals=2), "signals must be 3 in gers2000-cnto, got 2"),
        (lambda: NoisyTemporalOrder(signals=2), "signals must be 3 in gers2000-nto, got 2"),
        (lambda: NoisyTemporalOrder(forget_bias=np.inf), r"forget_bias must be a number in \(-inf, inf\), got inf"),
        (lambda: Topology(1, 1, blocks=(1,), state_decay=0.9), "state_decay must be 1 in a network with forget gates"),
        (lambda: Topology(1, 1, blocks=(1,), state_decay=0.0), r"state_decay must be a number in \(0, 1\], got 0.0"),
    ],
)
def test_bad_settings(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# --- learning at every step -----------------------------------------------------------------------------------------


@compiled
def one_step(approximator: Any, x: Any, errors: Any, update: Any) -> None:
    forward(approximator, 0, x)
    learn_step(approximator, 0, errors, update)


@compiled
def two_steps(approximator: Any, x: Any, errors: Any, update: Any) -> None:
    forward(approximator, 0, x)
    accumulate_gradient(approximator, 0, errors)
    update_weights(approximator, 0, update, 0.0)


@pytest.mark.parametrize("optimizer", [Sgd(), RmsProp(0.9)], ids=["sgd", "rmsprop"])
@pytest.mark.parametrize(
    "topology",
    [
        PUBLISHED["gers2000-cerg"],
        make_network(ContinualReber(), "state-decay"),
        Topology(7, 7, hidden=2, blocks=(3, 1), peepholes=True),
    ],
    ids=["2000", "state decay", "2002"],
)
def test_one_pass_is_a_gradient_and_a_step(topology: Topology, optimizer: Any) -> None:
    """Bit by bit the same weights."""
    made = [make_approximator(topology, make_weights(topology, rng()), 1, np.float64) for _ in range(2)]
    draws, update = rng(1), Update(optimizer, 0.1, 1.0)
    for x, errors in zip(draws.normal(size=(40, 7)), draws.normal(size=(40, 7)), strict=True):
        one_step(made[0], x, errors.copy(), update)
        two_steps(made[1], x, errors.copy(), update)
    for first, second in zip(made[0].weights, made[1].weights, strict=True):
        assert np.array_equal(first, second)
    assert not np.allclose(made[0].weights.hidden, make_weights(topology, rng()).hidden)
    assert not made[0].streams.traces.any() and not made[0].streams.output_traces.any()


# --- streams ---------------------------------------------------------------------------------------------------------


def rules(
    answers: int, tolerance: float, decay: float = 1.0, external_reset: bool = False, judged: int = 1
) -> StreamRules:
    return StreamRules(answers, 3, tolerance, decay, external_reset, 2.0, answers, False, judged)


def learner(task: Task, seed: int = 0) -> Any:
    return make_approximator(task.topology, make_weights(task.topology, rng(seed)), 1, np.float64)


def test_a_stream_ends_with_the_first_wrong_answer_or_at_its_end() -> None:
    reber, order = ContinualReber(strings=1), ContinualTemporalOrder(strings=1)
    still = Update(Sgd(), 0.0, 1.0)
    assert run_stream(learner(reber), make_source(reber, rng()), still, rules(50, NEVER_WRONG))[:2] == (50, 50)
    assert run_stream(learner(reber), make_source(reber, rng()), still, rules(50, ALWAYS_WRONG))[:2] == (0, 1)
    right, steps, _ = run_stream(learner(order), make_source(order, rng()), still, rules(7, NEVER_WRONG))
    assert right == 7 and 700 <= steps <= 770
    broken = learner(reber)
    broken.weights.output[:] = np.nan
    assert run_stream(broken, make_source(reber, rng()), still, rules(50, NEVER_WRONG))[:2] == (0, 1)


def test_the_learning_rate_falls_within_a_stream() -> None:
    """With a factor of next to nothing only the first answer is learned, and that with the whole rate."""
    task = ContinualReber(strings=1)
    falling, single = learner(task), learner(task)
    for _ in range(2):  # each stream begins with the whole rate
        run_stream(falling, make_source(task, rng()), Update(Sgd(), 0.5, 1.0), rules(30, NEVER_WRONG, 1e-300))
        run_stream(single, make_source(task, rng()), Update(Sgd(), 0.5, 1.0), rules(1, NEVER_WRONG))
    assert np.allclose(falling.weights.output, single.weights.output, rtol=0, atol=1e-15)
    assert not np.allclose(single.weights.output, learner(task).weights.output)


def test_an_external_reset_begins_each_string_at_rest() -> None:
    task, still = ContinualReber(strings=1), Update(Sgd(), 0.0, 1.0)
    source = make_source(task, rng())
    first = draw(source, task.max_length)
    second = draw(source, first)
    outputs = []
    for external in (True, False):
        net = learner(task)
        run_stream(net, make_source(task, rng()), still, rules(first + second, NEVER_WRONG, external_reset=external))
        outputs.append(net.outputs[0].copy())
    alone = learner(task)
    generator = make_source(task, rng())
    draw(generator, task.max_length)  # the first string is somebody else's
    run_stream(alone, generator, still, rules(second, NEVER_WRONG))
    assert np.array_equal(outputs[0], alone.outputs[0]) and not np.array_equal(outputs[1], alone.outputs[0])


def test_all_test_streams_have_to_come_to_their_end() -> None:
    """Ten answers that are never wrong: one training stream, three tests; never right: as many as there may be."""
    task, update = ContinualReber(strings=1), Update(Sgd(), 0.1, 1.0)
    sources = make_source(task, rng()), make_source(task, rng(1))
    assert learn_streams(learner(task), *sources, update, rules(10, NEVER_WRONG), 5, 10**6) == (1, 40, 10, True)
    assert learn_streams(learner(task), *sources, update, rules(10, ALWAYS_WRONG), 5, 10**6) == (5, 10, 0, False)
    assert learn_streams(learner(task), *sources, update, rules(10, ALWAYS_WRONG), 5, 3) == (2, 4, 0, False)


def test_the_continual_grammar_at_its_published_size() -> None:
    """424 weights, streams of 100,000 symbols; nothing is left open and one seed has one result."""
    row = run(SequenceRun(task=CERG, seed=101), silent)
    assert row["success"] and row["sequences"] < 15_000 and row["longest"] == 100_000 and row["length"] > 10_000
    assert row["network"] == "published" and row["learning_rate"] == 0.5 and row["max_sequences"] == 30_000
    few = SequenceRun(task=CERG, seed=101, max_sequences=100)
    assert {**learn(few, silent), "seconds": 0} == {**learn(few, silent), "seconds": 0}


@pytest.mark.parametrize(
    "method",
    [
        {"network": "standard", "external_reset": True},
        {"network": "state-decay"},
        {"network": "elman", "units": 3, "gradient": "rtrl"},
        {"network": "elman", "units": 3, "gradient": "guess"},
        {"network": "gru", "units": 3, "learning_rate": 0.1},
        {"network": "slstm", "units": 3, "optimizer": "rmsprop", "learning_rate_decay": 0.9},
    ],
    ids=lambda method: method["network"] + str(method.get("gradient", "")),
)
def test_any_network_learns_on_streams(method: dict[str, Any]) -> None:
    row = learn(SequenceRun(task=CERG, seed=100, max_sequences=30, **method), silent)
    assert not row["success"] and row["sequences"] == 30 and 0 <= row["longest"] < 1000 and row["steps"] >= 30


def test_forget_biases_that_rise_from_block_to_block() -> None:
    rising = make_network(NoisyTemporalOrder(forget_bias=5.0), "rising-forget")
    assert isinstance(rising, Topology) and rising.forget_gate_bias == (1.0, 2.0, 3.0, 4.0)


@pytest.mark.parametrize("network", ["rising-forget", "open-gates"])
def test_networks_of_forget_gates_need_some(network: NetworkName) -> None:
    with pytest.raises(ValueError, match=f"must be another than {network} for tasks without forget gates"):
        make_network(TemporalOrder(3), network)


@pytest.mark.parametrize("gradient", [None, "rtrl"])
def test_a_filter_is_tested_on_fresh_sequences(gradient: Any) -> None:
    """Stopping by training errors, as in the temporal order, ends with a test."""
    settings = SequenceRun(task="gers2000-nto", optimizer="kalman", gradient=gradient, max_sequences=200)
    results = train(settings, lambda done: None)
    assert results["tested"] == 2560 and np.isfinite(results["mse"])


def test_networks_without_forget_gates() -> None:
    standard, decay = (make_network(ContinualReber(), name) for name in ("standard", "state-decay"))
    assert isinstance(standard, Topology) and isinstance(decay, Topology)
    assert (standard.forget_gate, standard.state_decay, decay.state_decay) == (False, 1.0, 0.9)
    assert standard.weight_count == decay.weight_count == 424 - 4 * 16


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"task": "hs1997-adding", "external_reset": True}, "external-reset must be left out of tasks without streams"),
        (
            {"task": "hs1997-adding", "learning_rate_decay": 0.9},
            "learning-rate-decay must be left out of tasks without",
        ),
        ({"learning_rate_decay": 1.5}, r"learning-rate-decay must be a number in \(0, 1\], got 1.5"),
        ({"average": 100}, "average must be left out of tasks with streams, got 100"),
        (
            {"network": "gru", "loss": "cross-entropy"},
            "loss must be squared or a number for a Torch network in streams",
        ),
        (
            {"gradient": "guess", "learning_rate_decay": 0.9},
            "must be left out where gradient is guess, got learning-rate",
        ),
        ({"max_sequences": 0}, "max-sequences must be an integer >= 1, got 0"),
        *(
            (
                {"task": task, "settings": "forget_bias=1", "network": network},
                f"forget_bias must be left out for networks with other forget biases or none, got 1 for {network}",
            )
            for task in ("gers2000-nto", "gers2000-cnto")
            for network in ("rising-forget", "open-gates", "forget-gates", "standard", "elman", "gru")
        ),
    ],
)
def test_what_cannot_be_learned(method: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check(SequenceRun(**({"task": CERG} | method)))


def test_a_forget_bias_says_nothing_of_weights_that_are_guessed() -> None:
    with pytest.raises(ValueError, match="forget_bias must be left out .* got 1 for weights that are guessed"):
        check(SequenceRun(task="gers2000-nto", settings="forget_bias=1", gradient="guess"))


@pytest.mark.parametrize("network", [None, "published", "inputs-only", "without-peepholes"])
def test_a_forget_bias_for_networks_that_keep_it(network: Any) -> None:
    check(SequenceRun(task="gers2000-nto", settings="forget_bias=1", network=network))


def test_every_row_can_be_run() -> None:
    for name in GROUPS["gers2000"]:
        for row in EXPERIMENTS[name].rows:
            check(row.settings)
            whole = row.settings.resolved()
            assert whole.task == name and (whole.learning_rate == 0.0) is (whole.gradient == "guess")


def test_perfect_good_and_other_nets() -> None:
    runs = [
        {"row": "a", "seed": n, "success": success, "sequences": sequences, "length": length, "steps": 1e6}
        for n, (success, sequences, length) in enumerate(
            [(True, 100, 1e5), (True, 300, 9e4), (False, 500, 1001.0), (False, 500, 10.0), (False, 500, 20.0)]
        )
    ]
    line = score(DataFrame(runs).assign(learning_rate=0.5), {}, 1000.0)
    assert line["perfect"].startswith("2/5") and line["streams"] == "200 (100 - 300)"
    assert (line["good"], line["rest"], line["rate"], line["fresh"]) == ("1 (1,001)", "2 (15)", "0.5", "95,000")
