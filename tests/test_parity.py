"""Parity, and guessing: the fast path is the plain network, and finds what trying one by one would find."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lstm_rl.experiments.engine import conduct, plan
from lstm_rl.experiments.protocols.guessing_problems import (
    PROBLEMS,
    a1,
    a2,
    all_patterns,
    classes_in_turn,
    feed_forward,
    latch,
)
from lstm_rl.experiments.protocols.guessing_run import CASES, GuessingRun, run
from lstm_rl.experiments.protocols.lane_guessing import Data, Link, Net, guess, make_net, outputs
from lstm_rl.experiments.registry import EXPERIMENTS
from lstm_rl.experiments.report import write_report
from lstm_rl.kernels.approximator import Sgd, Update
from lstm_rl.kernels.layout import Weights
from lstm_rl.kernels.make import make_approximator
from lstm_rl.tasks.parity import Parity
from lstm_rl.tasks.streaming import learn_task, make_errors, make_source


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# --- the task --------------------------------------------------------------------------------------------------------


def test_targets_are_parities() -> None:
    task = Parity(20, 30)
    batch = task.batch(3000, rng())
    (x, targets, has_target), lengths = batch, batch.lengths
    ends = lengths - 1, np.arange(3000)
    assert x.shape == (30, 3000, 1) and set(lengths) == set(range(20, 31))
    assert set(np.unique(x)) == {-1.0, 0.0, 1.0} and (np.abs(x).sum((0, 2)) == lengths).all()
    assert np.array_equal(targets[..., 0][ends], (x == 1.0).sum((0, 2)) % 2)
    assert has_target[ends].all() and has_target.sum() == 3000
    assert targets.mean() * 30 == pytest.approx(0.5, abs=0.03)
    assert (task.topology.inputs, task.topology.outputs) == (1, 1)


def test_noise_on_inputs() -> None:
    x, targets, _ = Parity(20, 20, noise=0.2).batch(2000, rng())
    assert np.array_equal(targets[-1, :, 0], (x > 0.0).sum((0, 2)) % 2)
    noise = x - np.sign(x)
    assert (
        -0.2 <= noise.min() < -0.19 and 0.19 < noise.max() <= 0.2 and noise.var() == pytest.approx(0.04 / 3, rel=0.03)
    )


def test_a_streaming_learner_takes_it() -> None:
    task, found = Parity(1, 2), make_errors(300)
    hidden, output = task.topology.initial_weights(rng())
    approximator = make_approximator(task.topology, Weights(hidden, output, hidden * 0.0, output * 0.0), 1, np.float64)
    learn_task(approximator, make_source(task, rng(1)), Update(Sgd(), 0.5, 1.0), False, 2.0, found)
    assert set(found.lengths) == {1, 2} and np.isfinite(found.squares).all() and found.squares.max() > 0.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_length": 0}, "min_length must be an integer >= 1, got 0"),
        ({"min_length": 9, "max_length": 8}, "max_length must be an integer >= 9, got 8"),
        ({"noise": -0.1}, r"noise must be a number in \[0, 1\], got -0.1"),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Parity(**settings)


# --- the network, plainly --------------------------------------------------------------------------------------------


def plain(net: Net, weights: NDArray[np.float64], x: NDArray[np.float64]) -> float:
    """The output of one network with weights (K,) at the end of x (T, I), by dense matrices."""
    units = len(net.begin) - 1
    matrix = np.zeros((net.inputs + units + 1, units))
    matrix[net.source, np.repeat(np.arange(units), np.diff(net.begin))] = weights
    y = np.zeros(units)
    f = net.squashing
    for x_t in x:
        for layer in (slice(0, units - 1), slice(units - 1, units)):  # hidden units, then the output
            v = np.concatenate([x_t, y, [1.0]]) @ matrix[:, layer]
            y[layer] = f.scale / (1.0 + np.exp(-np.clip(f.gain * v, -80.0, 80.0))) + f.offset
    return float(y[-1])


class SplitMix:
    """The weights' random numbers, in Python's integers."""

    def __init__(self, seed: int) -> None:
        self.state = int(rng(seed).integers(2**64, size=1, dtype=np.uint64)[0])

    def uniform(self) -> float:
        mask = 2**64 - 1
        self.state = z = (self.state + 0x9E3779B97F4A7C15) & mask
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
        return ((z ^ z >> 31) >> 11) / 2**53


def guess_plainly(net: Net, data: Data, tolerance: float, seed: int) -> tuple[NDArray[np.float64], int, int]:
    """One network after the other: weights, trials, time steps."""
    numbers, trials, steps = SplitMix(seed), 0, 0
    while True:
        weights = np.array([c + s * (2.0 * numbers.uniform() - 1.0) for c, s in zip(net.centre, net.span, strict=True)])
        trials += 1
        for x, length, target in zip(*data, strict=True):
            steps += int(length)
            if abs(plain(net, weights, x[:length]) - target) >= tolerance:
                break
        else:
            return weights, trials, steps


NETS = {
    "a1": a1(2),
    "a2": a2(3),
    "a2-no-self": a2(3, self_links=False),
    "latch-1": latch(1),
    "latch-2": latch(2),
    "ff": feed_forward(4, 3),
}


@pytest.mark.parametrize("name", NETS)
def test_fast_outputs_are_the_plain_ones(name: str) -> None:
    net = NETS[name]
    steps, count = 1 if name == "ff" else 12, 11
    data = Data(rng(1).normal(size=(5, steps, net.inputs)), rng(2).integers(1, steps + 1, 5), np.zeros(5))
    weights = rng(3).normal(size=(len(net.source), count))  # small: no saturation hides a wrong link
    expected = [[plain(net, w, x[:length]) for w in weights.T] for x, length, _ in zip(*data, strict=True)]
    np.testing.assert_allclose(outputs(net, weights, data), expected, rtol=0.0, atol=1e-11)
    assert np.std(expected) > 0.01


def test_weights_are_those_of_the_source() -> None:
    sizes = {name: len(net.source) for name, net in NETS.items()}
    assert sizes == {"a1": 14, "a2": 17, "a2-no-self": 14, "latch-1": 4, "latch-2": 4, "ff": 19}
    assert len(a1().source) == 7 and len(a2().source) == 52 and len(a2(self_links=False).source) == 42
    seen = [set(net.source[net.begin[-2] :]) for net in (a1(), a2(3))]
    assert seen == [{0, 1, 2}, {0, 1, 2, 3, 5}]  # A1's output sees itself, A2's does not but has a bias
    assert latch(1).span.tolist() == [100.0, 100.0, 0.0, 100.0] and latch(1).centre[2] == 1.0


@pytest.mark.parametrize("seed", range(4))
def test_guessing_side_by_side_is_guessing_one_by_one(seed: int) -> None:
    bits = np.arange(4)[:, None] >> np.arange(2) & 1
    data = Data(np.where(bits, 1.0, -1.0)[:, :, None], np.full(4, 2), bits.sum(1) % 2.0)
    net = a1()
    weights, trials, steps = guess_plainly(net, data, 0.1, seed)
    for lanes in (1, 7, 64):
        found = guess(net, data, 0.1, 100_000, rng(seed), lanes)
        assert (found.trials, found.steps) == (trials, steps) and found.weights is not None
        np.testing.assert_array_equal(found.weights, weights)
    missed = guess(net, data, 0.1, trials - 1, rng(seed), 64)
    assert missed.weights is None and missed.trials == trials - 1
    assert guess(net, data, 0.1, trials, rng(seed), 64).trials == trials


def test_a_guess_on_nine_bits_carries_over_to_hundreds() -> None:
    net, data = a1(), all_patterns(True)
    assert data.targets.sum() == 256 and data.x.shape == (512, 9, 1)
    found = guess(net, data, 0.1, 1_000_000, rng(5))
    assert found.weights is not None and found.trials > 1
    assert np.abs(outputs(net, found.weights[:, None], data)[:, 0] - data.targets).max() < 0.1
    tests = classes_in_turn(Parity())(rng(6))
    assert tests.targets.tolist() == [0.0, 1.0] * 50 and tests.lengths.min() >= 500
    assert np.abs(outputs(net, found.weights[:, None], tests)[:, 0] - tests.targets).max() < 0.1


def test_latches_hold_what_they_are_told() -> None:
    """Weights chosen by hand are right, and their mirror images wrong."""
    for name, weights in (("latch I", [9.0, -9.0, 1.0, 50.0]), ("latch II", [50.0, 1.0, 50.0, 0.0])):
        problem = PROBLEMS[name]()
        data = problem.train(rng())
        w = np.array(weights)
        told = np.where(np.arange(len(w)) < (2 if name == "latch I" else 1), -w, w)
        errors = np.abs(outputs(problem.net, np.stack([w, told], 1), data) - data.targets[:, None])
        wrong = (errors >= problem.tolerance).mean(0)
        assert set(wrong) == {0.0, 1.0}
        assert data.x[:, 1:500, -1].var() == pytest.approx(0.2, rel=0.05)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="links must join sources 0 .. 3 to units 0 .. 1, got Link.source=4"):
        make_net(1, 1, [Link(4, 0)])
    with pytest.raises(ValueError, match="hidden must be an integer >= 0, got -1"):
        make_net(1, -1, [])
    data = all_patterns(True)
    with pytest.raises(ValueError, match="max_trials must be an integer >= 1, got 0"):
        guess(a1(), data, 0.1, 0, rng())
    with pytest.raises(ValueError, match="lanes must be an integer >= 1, got 0"):
        guess(a1(), data, 0.1, 1, rng(), 0)
    with pytest.raises(ValueError, match="tolerance must be a number in"):
        guess(a1(), data, 0.0, 1, rng())


# --- the experiment --------------------------------------------------------------------------------------------------


def test_the_experiment_in_miniature(tmp_path: Path) -> None:
    parity = EXPERIMENTS["parity"]
    plans = plan(parity.rows, 2, 40)
    assert (parity.runs, len(plans)) == (100, 2 * len(CASES)) and list(PROBLEMS) == list(CASES)
    assert {each.settings.max_trials for each in plans} == {1_000_000}
    small = [each._replace(settings=replace(each.settings, max_trials=200_000)) for each in plans]
    rows = conduct(parity, small, tmp_path / "results.csv", progress=False)
    assert len(rows) == len(plans)
    for row in rows:
        assert row["trials"] <= 200_000 and row["network_steps"] >= row["trials"] and row["seconds"] > 0.0
        assert row["success"] == (row["case"] != "9-bit parity, feed-forward")
        if row["case"].startswith(("parity", "latch")):
            assert row["test_errors"] == 0
    write_report(parity, rows, tmp_path, "lstm-rl reproduce parity")
    table = (tmp_path / "table.md").read_text()
    assert "Runs per row: 2, seeds 40 - 41." in table and "| parity, A1 | 2,906 | 2/2" in table
    assert "| 9-bit parity, feed-forward | - | 0/2 (0 % - 66 %) | - | - |" in table and "not run | 810,000" in table
    assert (tmp_path / "trials.png").stat().st_size > 10_000 and (tmp_path / "saved.png").stat().st_size > 10_000


def test_one_seed_is_one_result() -> None:
    settings = GuessingRun("latch II", seed=3, max_trials=5000)
    reports: list[int] = []
    results = [
        {name: value for name, value in run(settings, reports.append).items() if name != "seconds"} for _ in range(2)
    ]
    assert results[0] == results[1] and results[0]["success"] and reports == [results[0]["trials"]] * 2
    assert run(replace(settings, seed=4), reports.append)["network_steps"] != results[0]["network_steps"]
