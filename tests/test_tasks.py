"""The sequence tasks are those of the papers: symbols, lengths, targets and networks."""

from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from lstm_rl.kernels.approximator import Sgd, Update
from lstm_rl.kernels.layout import Weights
from lstm_rl.kernels.make import make_approximator
from lstm_rl.tasks import (
    AddingProblem,
    ContinualReber,
    ContinualTemporalOrder,
    FormalLanguage,
    LagTask,
    MultiplicationProblem,
    NoisyTemporalOrder,
    RandomLagTask,
    ReberTask,
    Task,
    TemporalOrder,
    TriggerLagTask,
    TwoSequenceProblem,
)
from lstm_rl.tasks.dataset import SequenceDataset
from lstm_rl.tasks.reber import BRANCHES, SYMBOLS, E
from lstm_rl.tasks.streaming import learn_task, make_errors, make_source

TASKS: tuple[Task, ...] = (
    ReberTask(),
    LagTask(7),
    RandomLagTask(7),
    TriggerLagTask(4, 12),
    TwoSequenceProblem(40, 3, "c"),
    AddingProblem(40),
    MultiplicationProblem(40),
    TemporalOrder(2),
    TemporalOrder(3),
    ContinualReber(),
    ContinualReber(framed=False, strings=3),
    NoisyTemporalOrder(),
    ContinualTemporalOrder(strings=3),
    FormalLanguage("anbn"),
    FormalLanguage("anbncn", high=4),
    FormalLanguage("anbmbmam", low=2, high=5),
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_task(task: Task) -> None:
    """Shapes, room, padding, seeds; and the published network fits."""
    batch = task.batch(200, rng())
    (x, targets, has_target), lengths = batch, batch.lengths
    steps = lengths.max()
    assert x.shape == (steps, 200, task.inputs) and targets.shape == (steps, 200, task.outputs)
    assert has_target.shape == (steps, 200) and steps <= task.max_length and lengths.min() >= 1
    for i in (0, 7, 199):
        assert has_target[lengths[i] - 1, i] and not has_target[lengths[i] :, i].any()
        assert not x[lengths[i] :, i].any() and not targets[~has_target[:, i], i].any()
    assert (task.topology.inputs, task.topology.outputs) == (task.inputs, task.outputs)
    again, other = task.batch(200, rng()), task.batch(200, rng(1))
    assert np.array_equal(again.x, x) and np.array_equal(again.targets, targets)
    assert not np.array_equal(other.targets, targets) or other.x.shape != x.shape


def test_sequences_without_end() -> None:
    lengths = [len(sequence.x) for sequence in islice(TwoSequenceProblem(50).sequences(rng()), 300)]
    assert min(lengths) >= 50 and max(lengths) <= 55 and len(set(lengths)) == 6


def accepts(string: list[int]) -> bool:
    """Whether this is an embedded Reber string."""
    states = {0}
    for symbol in string[2:-2]:
        states = {following for state in states if state < 7 for s, following in BRANCHES[state] if s == symbol}
    return 7 in states and SYMBOLS[string[0]] == "B" and string[1] == string[-2] and string[-1] == E


def test_reber_strings() -> None:
    batch = ReberTask().batch(20_000, rng())
    (x, targets, _), lengths = batch, batch.lengths
    for i in range(500):
        string = [*x[: lengths[i], i].argmax(1), E]
        assert accepts(string) and not accepts([*string[:-2], 3 - string[-2], E])
        assert targets[: lengths[i], i].argmax(1).tolist() == string[1:]
    assert lengths.min() + 1 == 9
    assert lengths.mean() + 1 == pytest.approx(12.0, abs=0.1)  # by calculation from the graph
    assert x[1].mean(0)[[1, 2]] == pytest.approx([0.5, 0.5], abs=0.02)


def test_lag_sequences() -> None:
    p = 7
    x, targets, has_target = LagTask(p).batch(400, rng())
    symbols, wanted = x.argmax(2), targets.argmax(2)
    assert has_target.all() and set(symbols[0]) == {p - 1, p}
    assert np.array_equal(wanted[-1], symbols[0]) and np.array_equal(wanted[:-1], symbols[1:])
    assert (symbols[1:] == np.arange(p - 1)[:, None]).all()
    x, targets, _ = RandomLagTask(p).batch(4000, rng())
    symbols = x.argmax(2)
    assert np.array_equal(targets.argmax(2)[-1], symbols[0])
    assert np.bincount(symbols[1:].ravel(), minlength=p - 1) / symbols[1:].size == pytest.approx([1 / 6] * 6, abs=0.01)
    at_end = RandomLagTask(p, "end").batch(4000, rng())
    assert np.array_equal(at_end.x, x) and np.array_equal(at_end.targets[-1], targets[-1])
    assert at_end.has_target[-1].all() and not at_end.has_target[:-1].any()


def test_triggers() -> None:
    p, q = 4, 12
    batch = TriggerLagTask(p, q).batch(4000, rng())
    (x, targets, has_target), lengths = batch, batch.lengths
    for i in range(300):
        symbols = x[: lengths[i], i].argmax(1)
        assert symbols[0] == p + 1 and symbols[1] in (p + 2, p + 3) and symbols[-1] == p
        assert (symbols[2:-1] < p).all() and len(symbols) >= q + 3
        assert has_target[:, i].sum() == 1 and targets[lengths[i] - 1, i].argmax() == symbols[1] - p - 2
    assert lengths.mean() == pytest.approx(q + 12, abs=0.5)  # 9 more distractors on average


def test_two_sequences() -> None:
    for variant in ("a", "b", "c"):
        batch = TwoSequenceProblem(60, 3, variant).batch(4000, rng())
        (x, targets, _), lengths = batch, batch.lengths
        last = targets[lengths - 1, np.arange(4000), 0]
        first = last > 0.5 if variant == "b" else x[0, :, 0] > 0.0
        assert x[3:60].var() == pytest.approx(0.2, abs=0.01) and x[3:60].mean() == pytest.approx(0.0, abs=0.01)
        if variant == "b":
            assert x[:3, first].mean() == pytest.approx(1.0, abs=0.02)
            assert x[:3, first].var() == pytest.approx(0.2, abs=0.02)
        else:
            assert set(np.abs(x[:3]).ravel()) == {1.0}
        if variant == "a":
            assert np.array_equal(last, first.astype(float))
        if variant == "c":
            assert last[first].mean() == pytest.approx(0.2, abs=0.03)
            assert last[first].var() == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(("task", "neutral"), [(AddingProblem(40), 0.0), (MultiplicationProblem(40), 1.0)])
def test_marked_pairs(task: Task, neutral: float) -> None:
    batch = task.batch(6000, rng())
    (x, targets, _), lengths = batch, batch.lengths
    places = []
    for i in range(6000):
        values, markers = x[: lengths[i], i].T
        marked = np.flatnonzero(markers == 1.0)
        assert markers[0] == markers[-1] == -1.0 and len(marked) in (1, 2) and marked.max() < 20
        assert len(marked) == 2 or 0 in (0, *marked)
        chosen = [*values[marked], *[neutral] * (2 - len(marked))]
        expected = chosen[0] * chosen[1] if neutral else 0.5 + sum(chosen) / 4.0
        assert targets[lengths[i] - 1, i, 0] == pytest.approx(expected)
        places += marked.tolist()
    assert set(places) == set(range(1, 19))  # the first T / 2 - 1 pairs
    low = 0.0 if neutral else -1.0
    assert x[..., 0].min() == pytest.approx(low, abs=0.01) and x[..., 0].max() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("signals", [2, 3])
def test_temporal_order(signals: int) -> None:
    batch = TemporalOrder(signals).batch(3000, rng())
    (x, targets, _), lengths = batch, batch.lengths
    places = {2: ((10, 20), (50, 60)), 3: ((10, 20), (33, 43), (66, 76))}[signals]
    seen: list[set[int]] = [set() for _ in places]
    kinds = np.zeros(2**signals)
    for i in range(3000):
        text = "".join("EBabcdXY"[symbol] for symbol in x[: lengths[i], i].argmax(1))
        assert text[0] == "E" and text[-1] == "B" and not set(text[1:-1]) - set("abcdXY")
        at = [t for t, letter in enumerate(text) if letter in "XY"]
        kind = targets[lengths[i] - 1, i].argmax()
        assert "".join(text[t] for t in at) == f"{kind:0{signals}b}".translate({48: "X", 49: "Y"})
        kinds[kind] += 1
        for t, place in zip(at, seen, strict=True):
            place.add(t)
    assert seen == [set(range(first, last + 1)) for first, last in places]
    assert kinds / 3000 == pytest.approx(np.full(2**signals, 2.0**-signals), abs=0.03)
    assert set(lengths) == set(range(100, 111))


def test_learning_reads_the_same_sequences() -> None:
    """The compiled loop draws what `Task.batch` draws, and learns: temporal order, at the published rate."""
    task = TemporalOrder(2)
    hidden, output = task.topology.initial_weights(rng(3))
    approximator = make_approximator(task.topology, Weights(hidden, output, hidden * 0.0, output * 0.0), 1, np.float64)
    source, seen = make_source(task, rng(7)), make_errors(1000)
    learn_task(approximator, source, Update(Sgd(), 0.0, 1.0), False, 2.0, seen)
    assert np.array_equal(seen.lengths, task.batch(1000, rng(7)).lengths)
    assert seen.largest.min() > 0.3
    for _ in range(50):
        learn_task(approximator, source, Update(Sgd(), 0.5, 1.0), False, 2.0, seen)
    assert (seen.largest < 0.3).mean() > 0.99  # published: solved after 31,390 sequences on average


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # of two workers, on a machine with one core
def test_data_set() -> None:
    """A loader's workers draw sequences of their own; an iteration begins with the same ones again."""
    data = SequenceDataset(TemporalOrder(2), 8, seed=3)
    first, second = islice(DataLoader(data, batch_size=None, num_workers=2), 2)
    alone = next(iter(DataLoader(data, batch_size=None)))
    assert torch.equal(alone[0], first[0]) and not torch.equal(first[1], second[1])
    assert alone[0].dtype == torch.float32 and alone[2].dtype == torch.bool
    again = next(iter(data))
    assert all(map(torch.equal, again, alone))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReberTask("5x1"), "^blocks must be one of 4x1, 3x2, got '5x1'"),
        (lambda: LagTask(1), "^p must be an integer >= 2, got 1"),
        (lambda: TriggerLagTask(50, 0), "^q must be an integer >= 1, got 0"),
        (lambda: TwoSequenceProblem(10, 10), "^N must be below T = 10, got 10"),
        (lambda: TwoSequenceProblem(100, 1, "d"), "^variant must be one of a, b, c, got 'd'"),  # type: ignore[arg-type]
        (lambda: AddingProblem(20), "^T must be an integer >= 22, got 20"),
        (lambda: TemporalOrder(4), "^signals must be 2 or 3, got 4"),
        (lambda: LagTask(5).batch(0, rng()), "^size must be an integer >= 1, got 0"),
    ],
)
def test_bad_settings(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
