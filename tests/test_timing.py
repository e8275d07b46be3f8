"""Precise timing: intervals to measure and to make, periodic functions, and a filter that learns them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pandas import DataFrame

from lstm_rl.experiments.protocols.sequence_run import SequenceRun, check, run
from lstm_rl.experiments.protocols.task_networks import make_network
from lstm_rl.experiments.timing_score import score
from lstm_rl.kernels.approximator import Kalman, Update
from lstm_rl.kernels.global_kalman import make_global_kalman
from lstm_rl.kernels.layout import make_weights
from lstm_rl.kernels.supervised import learn_sequences
from lstm_rl.nn import loop
from lstm_rl.published import PUBLISHED
from lstm_rl.tasks import PeriodicFunction, SingleSpikeDelays, SpikeDelays, TimedSpikes
from lstm_rl.tasks.env import SequenceEnv
from lstm_rl.topology import Topology

OURS: dict[str, Any] = {"optimizer": "kalman", "gradient": "rtrl", "restart": 3000}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def silent(_: int) -> None:
    """No report."""


# --- tasks -----------------------------------------------------------------------------------------------------------


def test_spikes_come_when_the_targets_say() -> None:
    """T(n) = T(n - 1) + F + I(n): the input tells when, the target by how much, and nothing else does."""
    task = SpikeDelays(F=4, I=(0, 3), strings=500)
    x, targets, has_target = (array[:, 0] for array in task.batch(1, rng()))
    spikes = np.flatnonzero(x[:, 0])
    assert np.array_equal(spikes, np.flatnonzero(has_target)) and set(x[:, 0]) == {0.0, 1.0}
    intervals = np.diff(spikes, prepend=-1)
    assert np.array_equal(intervals - 4, targets[spikes, 0])
    assert set(intervals) == {4, 7} and 200 < (intervals == 4).sum() < 300
    single = SingleSpikeDelays(F=4, I=2).batch(1, rng())
    assert single.x[:, 0, 0].tolist() == [0, 0, 0, 0, 0, 1] and single.targets[-1, 0, 0] == 2.0


def test_spikes_to_be_made_end_the_intervals_that_are_told() -> None:
    x, targets, has_target = (array[:, 0] for array in TimedSpikes(F=4, I=(1, 3), strings=200).batch(1, rng()))
    starts, ends = np.flatnonzero(x[:, 0]), np.flatnonzero(targets[:, 0])
    assert np.array_equal(starts, np.append(0, ends[:-1] + 1)) and has_target.all()
    assert np.array_equal(ends + 1 - starts - 4, x[starts, 0]) and set(x[starts, 0]) == {1.0, 3.0}
    assert TimedSpikes(F=3, strings=2).batch(1, rng()).targets[:, 0, 0].tolist() == [0, 0, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("function", "period"),
    [("cosine", [0.5, 1.0, 0.5, 0.0]), ("triangle", [0.5, 1.0, 0.5, 0.0]), ("rectangle", [0.0, 0.0, 1.0, 0.0])],
)
def test_a_period(function: Any, period: list[float]) -> None:
    task = PeriodicFunction(F=4, function=function, strings=2)
    assert task.batch(1, rng()).targets[:, 0, 0] == pytest.approx(period * 2, abs=1e-15)
    longer = PeriodicFunction(F=25, function=function, strings=1).batch(1, rng()).targets[:, 0, 0]
    t = np.arange(1, 26) % 25
    expected = {"cosine": 0.5 - 0.5 * np.cos(2 * np.pi * t / 25), "rectangle": 1.0 * (t > 12.5)}
    expected["triangle"] = np.where(t <= 12.5, 2 * t / 25, 2 - 2 * t / 25)
    assert longer == pytest.approx(expected[function], abs=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SpikeDelays(F=1), "F must be an integer >= 2"),
        (lambda: SpikeDelays(I=11), "I must be an integer <= 10"),
        (lambda: SpikeDelays(I=(1, 1)), "I must be one or several different numbers"),
        (lambda: SpikeDelays(I=()), "I must be one or several different numbers"),
        (lambda: SingleSpikeDelays(strings=2), "strings must be 1 in gers2002-nmsd, got 2"),
        (lambda: PeriodicFunction(function="sine"), "function must be one of cosine, triangle, rectangle"),  # type: ignore[arg-type]
        (lambda: TimedSpikes(tested=0), "tested must be an integer >= 1"),
        (lambda: PeriodicFunction(tolerance=0.0), r"tolerance must be a number in \(0, 0.5\], got 0.0"),
        (lambda: check(SequenceRun(task="gers2002-gts", covariance=1.0)), "covariance must be left out unless"),
        (lambda: check(SequenceRun(task="gers2002-gts", restart=0)), "restart must be an integer >= 1"),
        (lambda: check(SequenceRun(task="parity", restart=5)), "restart must be left out of tasks without streams"),
        (
            lambda: check(SequenceRun(task="gers2002-gts", optimizer="kalman", covariance=0.0)),
            "covariance must be a number",
        ),
    ],
)
def test_what_cannot_be_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_answers_of_the_environment() -> None:
    """As many as I has values, up to the largest; a right one is rewarded at a spike."""
    env = SequenceEnv("gers2002-msd", F=3, I=(0, 2, 5), strings=4)
    assert int(env.action_space.n) == 6  # type: ignore[attr-defined]
    env.reset(seed=1)
    length, given = 0, list[Any]()
    while not given or not given[-1][2]:
        given.append(env.step(np.int64(2)))
        length += 1
        if "target" in given[-1][4]:
            assert given[-1][4]["target"] == length - 3 and given[-1][1] == float(length == 5)
            length = 0


# --- the global filter -----------------------------------------------------------------------------------------------


def by_numpy(topology: Topology, x: Any, target: Any, r: float, q: float) -> tuple[Any, Any, Any]:
    """The filter as printed, all weights in one group, its derivatives those of Torch; weights and covariance.

    Weights are a leaf plus what the filter has added: so the gradient of a step holds earlier steps as they were.
    """
    start = make_weights(topology, rng())
    exists = np.concatenate((topology.mask.ravel(), np.ones(start.output.size, np.bool_)))
    first = np.concatenate((start.hidden.ravel(), start.output.ravel()))
    leaf, now, p = torch.tensor(first, requires_grad=True), first.copy(), 100.0 * np.diag(exists)
    sizes = (topology.units, topology.cells, topology.cells)
    state = loop.LstmState(*(torch.zeros(1, size).double() for size in sizes))
    for t in range(len(x)):
        w = leaf + torch.tensor(now - first)
        parts = torch.split(w, [start.hidden.size, start.output.size])
        hidden, output = (part.reshape(like.shape) for part, like in zip(parts, start[:2], strict=True))
        y, state = loop.step(topology, hidden, output, torch.tensor(x[t : t + 1]), state, False)
        h = np.stack([torch.autograd.grad(y_k, leaf, retain_graph=True)[0].numpy() for y_k in y[0]], -1)
        h *= exists[:, None]
        gain = p @ h @ np.linalg.inv(r * np.eye(len(target[t])) + h.T @ p @ h)
        now = now + gain @ (target[t] - y[0].detach().numpy())
        p = p - gain @ h.T @ p + q * np.diag(exists)
    hidden_size = start.hidden.size
    return now[:hidden_size].reshape(start.hidden.shape), now[hidden_size:].reshape(start.output.shape), p


@pytest.mark.parametrize("name", ["gers2002-timing", "gers2001-anbn"])
def test_the_global_filter_equals_its_equations_in_numpy(name: str) -> None:
    topology, noise = PUBLISHED[name], rng(3)
    x, target = (noise.normal(size=(20, size)) for size in (topology.inputs, topology.outputs))
    made = make_global_kalman(topology, make_weights(topology, rng()))
    update, scratch = (
        Update(Kalman((2.0, 2.0), (1e-2, 1e-2)), 1.0, 1.0),
        (np.zeros(topology.outputs), np.zeros(len(x[0]))),
    )
    learn_sequences(
        made,
        x[None],
        target[None],
        np.ones(20, np.bool_),
        np.zeros(1, np.int64),
        update,
        True,
        *scratch,
        np.zeros((1, 2)),
    )
    hidden, output, covariance = by_numpy(topology, x, target, 2.0, 1e-2)
    np.testing.assert_allclose(made.weights.hidden, hidden, rtol=0, atol=1e-9)
    np.testing.assert_allclose(made.weights.output, output, rtol=0, atol=1e-9)
    np.testing.assert_allclose(made.covariance, covariance, rtol=0, atol=1e-8)


# --- runs ------------------------------------------------------------------------------------------------------------


def test_ours_makes_spikes_for_ever() -> None:
    """Ten steps apart, within 1,000 streams; then 1,000,000 spikes without an error."""
    row = run(SequenceRun(task="gers2002-gts", seed=100, **OURS), silent)
    assert row["success"] and row["sequences"] < 1000 and row["length"] == 1_000_000


def test_a_smaller_tolerance_makes_a_closer_rectangle() -> None:
    """Errors below .2 at every step of a million periods; with .3 the RMSE is .12 to .14 on average."""
    opened = OURS | {"network": "open-gates", "covariance": 1000.0, "task": "gers2002-pfg", "seed": 300}
    row = run(SequenceRun(settings="F=10 function=rectangle tolerance=0.2", **opened), silent)
    assert row["success"] and row["length"] == 1_000_000 and row["mse"] ** 0.5 < 0.1


def test_ours_tells_intervals_of_ten_and_eleven_steps() -> None:
    counting = OURS | {"network": "open-gates", "initial_range": 0.3, "covariance": 1e4, "restart": 100}
    row = run(SequenceRun(task="gers2002-nmsd", seed=100, max_sequences=5000, **counting), silent)
    assert row["success"] and row["length"] > 1000 and row["mse"] < 0.49**2


def test_weights_begin_anew() -> None:
    """With one stream each a net cannot learn; with as many as there are it is as without."""
    settings: dict[str, Any] = OURS | {"task": "gers2002-gts", "seed": 100, "max_sequences": 1000}
    assert not run(SequenceRun(**(settings | {"restart": 1})), silent)["success"]
    rows = [run(SequenceRun(**(settings | {"restart": restart})), silent) for restart in (1000, None)]
    assert rows[0]["sequences"] == rows[1]["sequences"] and rows[0]["mse"] == rows[1]["mse"]


def test_networks_without() -> None:
    counts = {}
    for name in ("published", "without-peepholes", "standard"):
        topology = make_network(TimedSpikes(), name)
        assert isinstance(topology, Topology)
        counts[name] = topology.weight_count
    assert counts == {"published": 17, "without-peepholes": 14, "standard": 13}


def test_the_score() -> None:
    runs = DataFrame(
        {"success": [True, True, False], "sequences": [10, 30, 99], "seed": [1, 2, 3], "learning_rate": 0.0}
        | {"length": [7.0, 5.0, 0.0], "mse": [0.04, 0.16, 9.0], "steps": 100}
    )
    row = score(runs, {})
    assert (row["streams"], row["free run"], row["RMSE"]) == ("20 (10 - 30)", "5", "0.300")
    assert row["solved"].startswith("2/3") and row["rate"] == "-"
    nothing = score(runs[2:], {})
    assert (nothing["streams"], nothing["free run"], nothing["RMSE"]) == ("-", "-", "-")
