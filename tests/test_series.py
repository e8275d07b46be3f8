"""Time series: the Mackey-Glass equation, tasks on stretches, what predicts them, and how predictions are scored."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pandas import DataFrame

from lstm_rl.cli import main
from lstm_rl.experiments.protocols import series_networks as networks
from lstm_rl.experiments.protocols.series_run import SeriesRun, check, make, run
from lstm_rl.experiments.protocols.series_scores import direct, errors, free_run, nmse
from lstm_rl.experiments.protocols.series_training import torch_network, training_part
from lstm_rl.experiments.registry import EXPERIMENTS, GROUPS
from lstm_rl.experiments.series_score import spread_text
from lstm_rl.experiments.store import stored_runs
from lstm_rl.tasks import Laser, MackeyGlass
from lstm_rl.tasks.dataset import SequenceDataset
from lstm_rl.tasks.mackey_glass import mackey_glass
from lstm_rl.tasks.series import Series, mackey_glass_series, windows

SMALL: dict[str, Any] = {"points": 500, "seed": 1}
WINDOW = (0, 6, 12, 18)


def silent(_: int) -> None:
    """No report."""


# --- the equation ----------------------------------------------------------------------------------------------------


def test_before_the_delay_has_passed_there_is_nothing_but_decay() -> None:
    """With x = 0 before t = 0, dx/dt = -.1 x until t = tau."""
    t = np.arange(17)
    np.testing.assert_allclose(mackey_glass(17, 17, skip=0), 1.2 * np.exp(-0.1 * t), rtol=1e-7)


def test_the_fixed_point_stays() -> None:
    """Where .2 / (1 + x^10) = .1, that is at x = 1."""
    np.testing.assert_allclose(mackey_glass(200, 17, x_0=1.0, before=1.0, skip=0), 1.0, rtol=1e-12)


def test_the_integrator_of_reservoirpy_comes_to_the_same_as_its_steps_shrink() -> None:
    """It is of first order; only one of its terms is multiplied by the step, so the other gets it as its factor."""
    datasets = pytest.importorskip("reservoirpy.datasets")
    ours, differences = mackey_glass(100, 17, before=1.2, skip=0), []
    for steps in (10, 100):
        h = 1.0 / steps
        history = np.full(17 * steps, 1.2)
        theirs = datasets.mackey_glass(100 * steps, tau=17, a=0.2 * h, h=h, x0=1.2, history=history)[::steps, 0]
        differences.append(np.abs(theirs - ours).max())
    assert differences[1] < 0.002 and differences[0] / differences[1] == pytest.approx(10.0, rel=0.05)


def test_statistics_of_the_series_are_known() -> None:
    x = mackey_glass(5000)
    assert x.mean() == pytest.approx(0.93, abs=0.01) and x.std() == pytest.approx(0.226, abs=0.005)
    assert np.array_equal(mackey_glass(10, skip=1007), x[7:17])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": 0}, "samples must be an integer >= 1, got 0"),
        ({"samples": 5, "tau": 0}, "tau must be an integer >= 1, got 0"),
        ({"samples": 5, "x_0": -1.0}, "x_0 must be .*got -1.0"),
    ],
)
def test_bad_arguments_of_the_equation(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mackey_glass(**arguments)


# --- tasks -----------------------------------------------------------------------------------------------------------


def test_a_sequence_is_a_stretch_with_the_later_value_as_target() -> None:
    task = MackeyGlass(points=500, horizon=6, length=40, washout=10, lags=(0, 3), part="validation")
    x, targets, has_target = task.batch(50, np.random.default_rng(0))
    values = task.series.values[500:1500]
    first = np.array([np.flatnonzero(values == start)[0] for start in x[0, :, 0]])
    at = first + np.arange(40)[:, None]
    assert np.array_equal(x, np.stack([values[at], values[at - 3]], -1))
    assert np.array_equal(targets[10:, :, 0], values[at + 6][10:]) and len(set(first)) > 30
    assert not has_target[:10].any() and has_target[10:].all()


def test_the_longest_stretch_is_the_whole_part() -> None:
    task = MackeyGlass(points=500, horizon=84, lags=WINDOW)
    x, targets, _ = task.batch(1, np.random.default_rng(0))
    inputs, later = training_part(task)
    assert len(x) == 500 - 84 - 18 and np.array_equal(x[:, 0], inputs) and np.array_equal(targets[:, 0, 0], later)
    series = mackey_glass_series(17, 500)
    assert series.values[:500].mean() == pytest.approx(0.0, abs=1e-12) and series.values[:500].std() == pytest.approx(1)
    assert np.array_equal(windows(series.values, WINDOW)[18:416], inputs)


def test_a_series_is_a_torch_data_set() -> None:
    x, targets, has_target = next(iter(SequenceDataset(MackeyGlass(points=500, length=30), 4, 0)))
    assert x.shape == targets.shape == (30, 4, 1) and has_target.all() and x.dtype == torch.float32
    assert torch.equal(x[1:], targets[:-1])  # the next value


def test_the_laser_is_that_of_the_competition() -> None:
    folder = pytest.importorskip("reservoirpy.datasets").__path__[0]
    series, raw = Laser().series, np.load(Path(folder) / "santafe_laser.npy")[:, 0]
    assert (len(series.values), series.training, series.validation) == (10093, 900, 1000)
    np.testing.assert_allclose(series.values * raw[:900].std() + raw[:900].mean(), raw)
    assert list(raw[:6]) == [86, 141, 95, 41, 22, 21]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lags": ()}, r"lags must be whole numbers >= 0 in ascending order, got \(\)"),
        ({"lags": (6, 0)}, "lags must be .*got"),
        ({"horizon": 0}, "horizon must be an integer >= 1, got 0"),
        ({"length": 5, "washout": 5}, "length must be above washout = 5 and at most 2999, .*got 5"),
        ({"length": 3000}, "length must be above washout = 0 and at most 2999, .*got 3000"),
        ({"part": "all"}, "part must be one of training, validation, test, got 'all'"),
        ({"points": 10}, "points must be an integer >= 100, got 10"),
        ({"tau": 0}, "tau must be an integer >= 1, got 0"),
    ],
)
def test_bad_settings_of_a_task(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MackeyGlass(**settings)


# --- scores ----------------------------------------------------------------------------------------------------------


def oscillator(period: float) -> networks.Memoryless:
    """x(t + 1) = 2 cos(w) x(t) - x(t - 1), which continues any sine of this period."""
    factors = torch.tensor([2.0 * np.cos(2.0 * np.pi / period), -1.0], dtype=torch.float64)
    return networks.Memoryless(2, lambda x: (x * factors).sum(-1, keepdim=True))


def test_a_free_run_feeds_back_what_was_predicted() -> None:
    values = np.sin(2.0 * np.pi * np.arange(300) / 25.0)
    runs = free_run(oscillator(25.0), (0, 1), values, 100, 50, 84)  # (84, 50)
    at = 100 + np.arange(50) + 1 + np.arange(84)[:, None]
    np.testing.assert_allclose(runs, values[at], atol=1e-9)
    cut = values.copy()
    cut[150:] = 7.0  # what comes after the last start is not looked at
    assert np.array_equal(free_run(oscillator(25.0), (0, 1), cut, 100, 50, 84), runs)


def test_free_runs_side_by_side_are_those_one_by_one() -> None:
    """Also of a network with a state: from rest through all true values, then on its own predictions."""
    values = mackey_glass_series(17, 500).values[:130]
    net = torch_network(MackeyGlass().topology, None, 3)
    together = free_run(net, (0,), values, 120, 10, 5)
    for start in (120, 129):
        seen = list(values[: start + 1])
        for step in range(5):
            with torch.no_grad():
                y, _ = net(torch.tensor(seen)[:, None, None])
            assert y[-1, 0, 0].item() == pytest.approx(together[step, start - 120], rel=1e-9)
            seen.append(y[-1, 0, 0].item())
    assert np.allclose(direct(net, (0,), values)[120:], together[0])


def test_errors_are_measured_where_they_say() -> None:
    """The last value as a prediction: errors by hand, on 30 test values after 20 and 10."""
    values = np.random.default_rng(0).normal(size=160)
    series, net = Series(values, 20, 30), networks.persistence(1)
    found = errors({1: net, 6: net}, series, (0,), (1, 6))
    assert found[6] == pytest.approx(((values[24:154] - values[30:]) ** 2).mean() / values[30:].var())
    iterated = errors({1: net}, series, (0,), (1, 6, 84))
    assert iterated[84] == pytest.approx(((values[30:76] - values[114:]) ** 2).mean() / values[114:].var())
    laser = errors({1: net}, series, (0,), (1, 100))
    assert laser[1] == pytest.approx(((values[29:159] - values[30:]) ** 2).mean() / values[30:].var())
    assert laser[100] == pytest.approx(((values[29] - values[30:130]) ** 2).mean() / values[30:130].var())


def test_the_score_is_that_of_reservoirpy() -> None:
    observables = pytest.importorskip("reservoirpy.observables")
    predicted, target = np.random.default_rng(0).normal(size=(2, 50))
    assert nmse(predicted, target) == pytest.approx(1.0 - observables.rsquare(target, predicted))
    nrmse = observables.nrmse(target, predicted, norm_value=target.std())
    assert nmse(predicted, target) ** 0.5 == pytest.approx(nrmse)


# --- what predicts ---------------------------------------------------------------------------------------------------


def test_an_echo_state_network_is_that_of_reservoirpy() -> None:
    nodes = pytest.importorskip("reservoirpy.nodes")
    x, targets = training_part(MackeyGlass(points=500))
    net = networks.EchoStateNetwork(x, targets, 50, 30, 1, radius=0.9, leak=0.5, scale=0.5, ridge=1e-3)
    reservoir = nodes.Reservoir(30, W=net.w.numpy(), Win=net.w_in.numpy(), bias=net.bias.numpy(), lr=0.5)
    states = reservoir.run(x)
    y, state = net(torch.from_numpy(x)[:, None])
    np.testing.assert_allclose(state.s[0].numpy(), states[-1], rtol=1e-9)
    np.testing.assert_allclose(y[:, 0, 0].numpy(), np.c_[states, x, np.ones(len(x))] @ net.w_out.numpy(), rtol=1e-9)
    assert np.abs(np.linalg.eigvals(net.w.numpy())).max() == pytest.approx(0.9)
    assert nmse(y[50:, 0, 0].numpy(), targets[50:]) < 1e-3


def test_an_lstm_with_constant_gates_is_an_echo_state_network() -> None:
    """Its cells are leaky units: s <- .4 s + .6 tanh(W s + W_in x + b)."""
    task = MackeyGlass(points=500)
    net = torch_network(networks.untrained("constant-gates", task, 12, 0.5, 0.9, 0.6), None, 4)
    rows, columns = net.topology.rows, net.topology.columns["cells"]
    w = net.hidden_weights.detach().numpy()[:, columns]
    x, s = training_part(task)[0][:20], np.zeros(12)
    for value in x:
        s = 0.4 * s + 0.6 * np.tanh(s @ w[rows["cells"]] + value @ w[rows["input"]] + w[rows["bias"]])
    with torch.no_grad():
        _, state = net(torch.from_numpy(x)[:, None])
    np.testing.assert_allclose(state.s[0].numpy(), np.ravel(s), rtol=1e-9)


def test_ridge_regression_solves_the_normal_equations() -> None:
    rng = np.random.default_rng(0)
    sources, targets = rng.normal(size=(40, 5)), rng.normal(size=40)
    expected = np.linalg.solve(sources.T @ sources + 0.3 * np.eye(5), sources.T @ targets)
    np.testing.assert_allclose(networks.ridge_regression(sources, targets, 0.3), expected, rtol=1e-9)


def test_a_fitted_readout_is_the_best_one_on_the_same_cells() -> None:
    task = MackeyGlass(points=500)
    x, targets = training_part(task)
    net = torch_network(task.topology, None, 0)
    fitted = networks.fit_readout(net, x, targets, 50, 1e-9)
    assert torch.equal(fitted.hidden_weights, net.hidden_weights)

    def error(of: Any) -> float:
        with torch.no_grad():
            return nmse(of(torch.from_numpy(x)[:, None])[0][50:, 0, 0].numpy(), targets[50:])

    best = error(fitted)
    assert best < 0.01 < error(net)
    with torch.no_grad():
        fitted.output_weights[2] += 1e-3
    assert error(fitted) > best


@pytest.mark.parametrize(
    ("settings", "least"),
    [
        ({"optimizer": "sgd", "epochs": 20}, 0.2),
        ({"optimizer": "kalman", "epochs": 20, "lags": WINDOW}, 0.05),
        ({"model": "standard", "optimizer": "kalman", "epochs": 20}, 0.2),
        ({"model": "elman", "units": 5, "optimizer": "lbfgs", "epochs": 20}, 0.14),
        ({"model": "gru", "units": 5, "optimizer": "adam", "learning_rate": 0.1, "epochs": 20}, 0.5),
        ({"model": "mlp", "units": 8, "lags": WINDOW, "optimizer": "lbfgs", "epochs": 60}, 0.05),
        ({"model": "lstm-reservoir", "units": 30, "optimizer": "ridge", "ridge": 1e-6}, 0.05),
    ],
)
def test_every_way_of_learning_learns_the_next_value(settings: dict[str, Any], least: float) -> None:
    """NRMSE of the next value; the last value has .15, the mean 1."""
    whole = SeriesRun(**settings, **SMALL)
    check(whole)
    net, series = make(whole, 1, silent), whole.task().series
    y = direct(net, whole.lags, series.values[:-1])[1499:]
    assert nmse(y, series.values[1500:]) ** 0.5 < least
    again = make(whole, 1, silent)
    assert np.array_equal(direct(again, whole.lags, series.values[:-1])[1499:], y)  # one seed, one network


def test_a_run_of_both_kinds() -> None:
    settings: dict[str, Any] = {"model": "mlp", "units": 8, "lags": WINDOW, "optimizer": "lbfgs", "epochs": 60}
    iterated = run(SeriesRun(**settings, **SMALL), silent)
    directly = run(SeriesRun(direct=True, **settings, **SMALL), silent)
    assert iterated["success"] and set(iterated) == {"success", "nmse_1", "nmse_6", "nmse_84", "seconds"}
    assert directly["nmse_84"] != iterated["nmse_84"]
    mean = run(SeriesRun(model="mean", optimizer="none", **SMALL), silent)
    assert not mean["success"] and mean["nmse_6"] == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"model": "constant-gates", "optimizer": "ridge", "ridge": 1.0, "leak": 1.0},
            "leak must be below 1 .*got 1.0",
        ),
        ({"series": "sunspots"}, "series must be one of mackey-glass, laser, got 'sunspots'"),
        ({"model": "tcn"}, "model must be one of mean, .*got 'tcn'"),
        ({"model": "gru", "optimizer": "kalman"}, "optimizer must be adam or lbfgs for the model gru, got 'kalman'"),
        ({"model": "esn", "optimizer": "ridge"}, "ridge must be .*got 0.0"),
        ({"model": "gru", "optimizer": "adam", "ridge": 1.0}, "ridge must be 0 for the model gru, got 1.0"),
        ({"units": 0}, "units must be an integer >= 1, got 0"),
        ({"lags": (3, 1)}, "lags must be"),
    ],
)
def test_bad_settings_of_a_run(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check(SeriesRun(**settings))


# --- tables ----------------------------------------------------------------------------------------------------------


def test_without_reservoirpy_a_sentence_says_what_to_install_and_other_rows_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("reservoirpy", "reservoirpy.datasets", "reservoirpy.nodes"):
        monkeypatch.setitem(sys.modules, name, None)
    name, out = "series-mackey-glass-17", ["--out", str(tmp_path / "out"), "--no-progress", "--runs", "1"]
    assert main(["reproduce", name, "--rows", "Echo", *out]) == 2
    said = 'lstm-rl: an echo state network needs reservoirpy: pip install "lstm-rl[series]"\n'
    assert capsys.readouterr().err == said and not (tmp_path / "out").exists()
    assert main(["reproduce", name, "--rows", "Mean", "--set", "points=500", *out]) == 0
    assert "Mean of the training part, points=500" in (tmp_path / "out" / "table.md").read_text()
    assert (tmp_path / "out" / "errors.png").stat().st_size > 5_000


def test_the_laser_without_reservoirpy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from lstm_rl.tasks.series import laser_series

    laser_series.cache_clear()
    monkeypatch.setitem(sys.modules, "reservoirpy.datasets", None)
    assert main(["reproduce", "series-laser", "--no-progress"]) == 2
    assert capsys.readouterr().err == 'lstm-rl: the laser needs reservoirpy: pip install "lstm-rl[series]"\n'


def test_the_published_order_is_ours() -> None:
    """A window MLP and an echo state network are better than the LSTM that sees one value per step, in every run."""
    assert GROUPS["series"] == ["series-mackey-glass-17", "series-mackey-glass-30", "series-laser"]
    runs = DataFrame(stored_runs("series-mackey-glass-17"))
    of = {name: runs[runs["row"].str.startswith(name)]["nmse_84"] for name in ("LSTM, direct", "MLP", "Echo")}
    assert of["Echo"].max() < of["MLP"].min() and of["MLP"].max() < of["LSTM, direct"].min()
    changed = runs[runs["row"].str.contains("16 cells, window, Kalman")]["nmse_84"]
    assert changed.median() < of["MLP"].median()


def test_cells_of_a_table() -> None:
    experiment = EXPERIMENTS["series-mackey-glass-17"]
    runs = DataFrame({"nmse_1": [0.01, 0.04, 0.09], "nmse_6": 0.25, "nmse_84": 1.0, "success": [True, False, True]})
    line = experiment.score(runs.assign(seed=[5, 6, 7], seconds=[1.0, 2.0, 4.0]), {})
    assert line["NRMSE, t + 1"] == "0.2 (0.1 - 0.3)" and line["NRMSE, t + 6"] == "0.5"
    assert line["beats mean and last value"] == "2/3" and line["seconds"] == "2" and line["runs (seeds)"] == "3 (5 - 7)"
    assert spread_text([0.00028]) == "0.00028"
