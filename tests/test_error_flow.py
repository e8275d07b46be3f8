"""Errors on their way back through time: measured they are derivatives, and obey the analyses of 1991 and 1997."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from lstm_rl.diagnostics.decay import cell_path, lstm_paths, norm_bound, weight_bound
from lstm_rl.diagnostics.error_comparison import Flow, compare, elman, networks
from lstm_rl.diagnostics.error_figures import comparison_figure, layers_figure
from lstm_rl.diagnostics.error_flow import error_flow, jacobians
from lstm_rl.diagnostics.figures import pixels
from lstm_rl.nn.lstm import LstmNetwork
from lstm_rl.nn.network import Network
from lstm_rl.nn.slstm import SlstmNetwork
from lstm_rl.topology import Topology

INPUT: Any = ("input",)
ALONE = {"cells_see": INPUT, "gates_see": INPUT}  # no recurrent links
CAROUSEL = Topology(
    1,
    1,
    blocks=(1,),
    input_gate=False,
    forget_gate=False,
    output_gate=False,
    cell_input="identity",
    cell_output="identity",
    cells_see=INPUT,
)
TOPOLOGIES = {
    "2000": Topology(3, 2, blocks=(1, 1, 1), recurrent_range=0.8, input_range=0.8),
    "1997": Topology(3, 2, hidden=2, blocks=(2,), forget_gate=False, gates_see=("input", "gates", "cells")),
    "2002": Topology(
        3, 2, hidden=2, blocks=(2, 1), peepholes=True, recurrent_range=0.9, outputs_see=("input", "cells")
    ),
    "Elman": Topology(3, 2, hidden=4, recurrent_range=2.0),
}


def lstm(topology: Topology, **keywords: Any) -> LstmNetwork:
    return LstmNetwork(topology, seed=0, dtype=torch.float64, **keywords)


def sequence(steps: int, inputs: int) -> Any:
    return np.random.default_rng(3).normal(size=(steps, inputs))


class Leaky(nn.Module):
    """Somebody's own network: y(t) = y(t-1) / 2 + the input, of one part without a field name."""

    inputs, outputs = 1, 1

    def initial_state(self, batch: int) -> Any:
        return _LeakyState(torch.zeros(batch, 1, dtype=torch.float64))

    def forward(self, x: Tensor, state: Any = None, resets: Tensor | None = None) -> tuple[Tensor, Any]:
        ys = []
        for x_t in x:
            state = _LeakyState(state.y / 2 + x_t)
            ys.append(state.y)
        return torch.stack(ys), state

    def named(self, state: Any) -> dict[str, Tensor]:
        return {"hidden": state.y}


class _LeakyState(tuple[Tensor]):
    def __new__(cls, y: Tensor) -> "_LeakyState":
        return super().__new__(cls, (y,))

    @property
    def y(self) -> Tensor:
        return self[0]


# --- theory ----------------------------------------------------------------------------------------------------------


def test_bounds_by_hand() -> None:
    lags = np.array([0, 1, 2])
    assert norm_bound(2, 2.0, lags).tolist() == [2.0, 1.0, 0.5]  # 2 (2 / 4)^q
    assert norm_bound(1, 3.0, lags, steepest=1.0).tolist() == [1.0, 3.0, 9.0]  # tanh
    assert weight_bound(2, 1.0, lags).tolist() == [2.0, 1.0, 0.5]  # tau = 2 * 1 / 4
    assert weight_bound(8, 0.5, lags).tolist() == [8.0, 8.0, 8.0]  # w_max = 4 / n: the border
    assert norm_bound(1, 40.0, np.array([1000])).tolist() == [np.inf]


def test_the_path_through_a_cell_by_hand() -> None:
    into, y_f = np.array([[2.0], [3.0], [5.0]]), np.array([[0.9], [0.5], [0.1]])  # of steps 0, 1, 2
    path = cell_path(np.array([0.5]), np.array([0.4]), into, y_f)
    assert path == pytest.approx(np.array([[0.2 * 5.0], [0.2 * 3.0 * 0.1], [0.2 * 2.0 * 0.1 * 0.5]]))
    assert cell_path(np.ones(1), np.ones(1), into, np.ones((3, 1))).ravel().tolist() == [5.0, 3.0, 2.0]  # 1997


@pytest.mark.parametrize("w", [2.0, 3.9, 4.0, 4.1, 6.0, -2.0, -6.0])
def test_one_logistic_unit_vanishes_below_4_and_explodes_above(w: float) -> None:
    net, lags = elman(np.array([[w]]), 0, 0), np.arange(101)
    half = net.initial_state(1)._replace(y=torch.full((1, 1), 0.5, dtype=torch.float64))
    measured = error_flow(net, np.zeros((101, 1)), half, "hidden")["hidden"]
    assert measured == pytest.approx(np.abs(w / 4.0) ** lags, rel=1e-12)
    assert measured == pytest.approx(norm_bound(1, abs(w), lags), rel=1e-12)  # the bound is reached
    assert (measured[-1] < 1.0) == (abs(w) < 4.0) and (measured[-1] > 1.0) == (abs(w) > 4.0)


def test_the_constant_error_carousel_is_constant_over_1000_steps() -> None:
    errors = error_flow(lstm(CAROUSEL), np.random.default_rng(0).normal(size=(1001, 1)), source="cell state")
    assert np.all(errors["cell state"] == 1.0) and np.all(errors["cell input"] == 1.0)


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0, 9.0])
def test_elman_nets_stay_below_their_bounds(scale: float) -> None:
    w = np.random.default_rng(1).uniform(-scale, scale, (6, 6))
    measured, lags = error_flow(elman(w, 2, 0), sequence(40, 2), source="hidden")["hidden"], np.arange(40)
    assert np.all(measured <= norm_bound(6, float(np.linalg.norm(w, 2)), lags))
    assert np.all(measured <= weight_bound(6, float(np.abs(w).max()), lags))
    if scale == 0.3:  # tau < 1
        assert measured[-1] < 1e-10


@pytest.mark.parametrize("source", ["cell state", "cell output"])
@pytest.mark.parametrize("forget_gate", [False, True])
@pytest.mark.parametrize("recurrent", ["none", "truncated"])
def test_errors_in_a_cell_obey_the_formula_of_1997(source: str, forget_gate: bool, recurrent: str) -> None:
    """Exact without recurrent links, and with any where the truncated gradient cuts them, peepholes included."""
    kind: dict[str, Any] = {"blocks": (1, 1, 1), "forget_gate": forget_gate, "input_range": 0.9, "recurrent_range": 0.9}
    net = (
        lstm(Topology(2, 1, **kind, **ALONE))
        if recurrent == "none"
        else lstm(Topology(2, 1, **kind, hidden=2, peepholes=True), gradient="truncated")
    )
    x = sequence(30, 2)
    measured, paths = jacobians(net, x, source=source), lstm_paths(net, x, source)
    assert set(paths) == {"cell state", "cell input", "input gate", *(["forget gate"] if forget_gate else [])}
    for layer, path in paths.items():
        cells = np.abs(np.diagonal(measured[layer], axis1=1, axis2=2))
        assert cells == pytest.approx(path, rel=1e-9, abs=1e-300), layer
        assert measured[layer].sum(axis=2) == pytest.approx(np.diagonal(measured[layer], axis1=1, axis2=2))  # no others
    if not forget_gate:
        assert np.all(paths["cell state"] == paths["cell state"][0])  # independent of the lag


# --- what is measured ------------------------------------------------------------------------------------------------


def differences(net: Network, x: Any, layer: int) -> Any:
    """Derivatives of all outputs at the last step by input ``layer`` at every step, (T, K), by finite differences."""
    nudge, found = 1e-5, []
    for t in range(len(x))[::-1]:
        up, down = x.copy(), x.copy()
        up[t, layer] += nudge
        down[t, layer] -= nudge
        with torch.no_grad():
            ys = [net(torch.tensor(moved)[:, None])[0][-1, 0].numpy() for moved in (up, down)]
        found.append((ys[0] - ys[1]) / (2 * nudge))
    return np.array(found)


@pytest.mark.parametrize("name", [*TOPOLOGIES, "GRU", "sLSTM"])
def test_errors_at_inputs_are_derivatives_of_the_outputs(name: str) -> None:
    net: Network = lstm(TOPOLOGIES[name]) if name in TOPOLOGIES else networks(3, 0)[name]
    x = sequence(8, net.inputs)
    errors = jacobians(net, x)["input"]
    assert errors.shape == (8, net.outputs, net.inputs)
    for i in range(net.inputs):
        assert errors[:, :, i] == pytest.approx(differences(net, x, i), rel=1e-4, abs=1e-9)
    assert error_flow(net, x)["input"] == pytest.approx([np.linalg.svd(matrix)[1][0] for matrix in errors])
    assert jacobians(net, x, units=[0])["input"] == pytest.approx(errors[:, :1])


@pytest.mark.parametrize("name", [*TOPOLOGIES, "GRU"])
def test_errors_at_hidden_units_are_derivatives_by_the_state(name: str) -> None:
    net: Any = lstm(TOPOLOGIES[name]) if name in TOPOLOGIES else networks(3, 0)[name]
    x = torch.tensor(sequence(9, net.inputs))[:, None]
    with torch.no_grad():
        state = net(x[:5])[1]
        source = "hidden" if "hidden" in net.named(state) else "cell output"
        found = []
        for nudge in (1e-5, -1e-5):
            part = getattr(state, "y" if source == "hidden" else "cells").clone()
            part[0, 0] += nudge
            after = net(x[5:], state._replace(**{"y" if source == "hidden" else "cells": part}))[1]
            found.append(net.named(after)[source][0].numpy())
    measured = jacobians(net, x[:, 0], source=source)[source]
    assert measured[4, :, 0] == pytest.approx((found[0] - found[1]) / 2e-5, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("execution", ["loop", "sequence"])
def test_errors_at_cell_states_of_an_slstm_go_down_with_its_forget_gates(execution: Any) -> None:
    """Without recurrent weights d (c/n)(t) / d (c/n)(t-q) at given n is f(t-q+1) .. f(t) n(t-q) / n(t)."""
    net = SlstmNetwork(2, 1, 3, 0, dtype=torch.float64, execution=execution)
    with torch.no_grad():
        net.recurrent_weights.zero_()
    x, states = sequence(7, 2), [net.initial_state(1)]
    with torch.no_grad():
        for x_t in torch.tensor(x):
            states.append(net(x_t[None, None], states[-1])[1])
        log_f = torch.nn.functional.logsigmoid(
            (torch.tensor(x) @ net.input_weights + net.bias).chunk(4, 1)[2]
        )  # (T, H)
    measured = jacobians(net, x, source="cell state")["cell state"]
    for q in range(7):
        then, now = states[-1 - q], states[-1]
        share = torch.exp(log_f[7 - q :].sum(0) + then.m - now.m) * then.n / now.n
        assert measured[q] == pytest.approx(np.diag(share[0].numpy()), abs=1e-14)


def test_outputs_do_not_see_the_state_that_they_leave() -> None:
    errors = error_flow(lstm(TOPOLOGIES["2002"]), sequence(6, 3))
    known = {"input", "cell input", "input gate", "forget gate", "output gate"}
    for layer, norms in errors.items():
        assert np.isnan(norms[0]) == (layer not in known) and np.isfinite(norms[1:]).all()


def test_errors_begin_at_the_given_state_and_leave_the_network_alone() -> None:
    net, x = lstm(TOPOLOGIES["2000"]), sequence(9, 3)
    weights = {name: value.clone() for name, value in net.state_dict().items()}
    with torch.no_grad():
        state = net(torch.tensor(x[:4])[:, None])[1]
    later, whole = (error_flow(net, seen, before, "cell output") for seen, before in ((x[4:], state), (x, None)))
    assert all(later[layer] == pytest.approx(whole[layer][:5]) for layer in whole)
    assert all(torch.equal(value, weights[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_any_network_of_the_interface_can_be_measured() -> None:
    errors = error_flow(Leaky(), np.zeros((5, 1)), source="hidden")
    assert set(errors) == {"input", "hidden"}
    assert errors["hidden"].tolist() == errors["input"].tolist() == [1.0, 0.5, 0.25, 0.125, 0.0625]


def test_arguments_are_checked() -> None:
    net = lstm(TOPOLOGIES["2000"])
    with pytest.raises(ValueError, match="source must be one of output, cell state, cell output, .*got 'cells'"):
        error_flow(net, sequence(3, 3), source="cells")
    for x in (sequence(3, 2), np.zeros((0, 3)), np.zeros(3)):
        with pytest.raises(ValueError, match=r"x must have shape \(T, 3\) with T >= 1, got"):
            error_flow(net, x)
    with pytest.raises(ValueError, match="state must have one row, got 2"):
        error_flow(net, sequence(3, 3), net.initial_state(2))
    for units in ([], [2], [-1]):
        with pytest.raises(ValueError, match=r"units must be out of 0 .. 1, at least one, got"):
            jacobians(net, sequence(3, 3), units=units)
    with pytest.raises(ValueError, match="x must be finite"):
        error_flow(net, np.full((3, 3), np.nan))
    with pytest.raises(ValueError, match="units must be an integer >= 1, got 0"):
        compare(units=0)
    with pytest.raises(ValueError, match="lags must be an integer >= 1, got 0"):
        compare(lags=0)
    with pytest.raises(ValueError, match="seed must be an integer >= 0, got -1"):
        compare(seed=-1)


# --- pictures --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def flows() -> list[Flow]:
    return compare(units=3, lags=60, seed=1)


def test_forget_gates_decide_how_far_errors_get(flows: list[Flow]) -> None:
    far = {flow.name: flow.shown[-1] for flow in flows}
    biases = [far[f"LSTM 2000, forget bias {bias}"] for bias in (0, 1, 3, 6)]
    assert biases == sorted(biases) and biases[0] < 1e-12 and biases[-1] > 0.5
    assert far["LSTM 1997, no forget gate"] > 0.5
    assert far["Elman, |w| < 1"] < 1e-12
    assert all(flow.shown[0] == pytest.approx(1.0) for flow in flows)
    for flow in flows:
        if flow.family == "Elman":
            assert np.all(flow.shown <= flow.theory["hidden"])
    assert [flow.family for flow in flows].count("one unit") == 5


def boxes(figure: Figure) -> Any:
    pixels(figure)  # draws
    return figure.get_tightbbox(), figure.get_size_inches()


@pytest.mark.parametrize("lags", [1, 60])
def test_pictures_show_every_flow_and_are_legible(flows: list[Flow], lags: int) -> None:
    def cut(errors: Any) -> Any:
        return {name: norms[: lags + 1] for name, norms in errors.items()}

    short = [replace(flow, norms=cut(flow.norms), theory=cut(flow.theory)) for flow in flows]
    figure = comparison_figure(short)
    left, right = figure.axes
    names = [text.get_text() for panel in (left, right) for text in panel.get_legend().get_texts()]  # type: ignore[union-attr]
    assert names == [flow.name.removeprefix("one unit, ") for flow in flows]
    assert [text.get_text().split()[0] for text in left.texts] == ["vanishing", "exploding"]
    for picture in (figure, layers_figure(short[-4]), layers_figure(short[-1])):
        box, (width, height) = boxes(picture)
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
