"""Every execution of a topology in Torch, and every form of its gradient, says the same in float64."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from lstm_rl.nn import LstmNetwork, LstmState
from lstm_rl.nn.exchange import from_torch, standard_topology, to_torch
from lstm_rl.topology import Topology

T, B = 23, 5
RANGES: Any = {"input_range": 1.0, "recurrent_range": 0.9, "output_range": 1.0, "bias_range": 0.5}
GATES: Any = {"cells_see": ("input", "cells", "gates"), "gates_see": ("input", "hidden", "cells", "gates")}
INPUTS_ONLY: Any = {"hidden_sees": ("input",), "cells_see": ("input",), "gates_see": ("input",)}
TOPOLOGIES = {
    "constant error carousel": Topology(
        3,
        2,
        blocks=(1,),
        input_gate=False,
        forget_gate=False,
        output_gate=False,
        cell_input="identity",
        cell_output="identity",
        cells_see=("input",),
        **RANGES,
    ),
    "1997": Topology(3, 2, blocks=(2, 2), forget_gate=False, outputs_see=("cells",), **GATES, **RANGES),
    "1997, input gate only": Topology(3, 2, blocks=(1, 1), forget_gate=False, output_gate=False, **RANGES),
    "state decay": Topology(3, 2, blocks=(2, 1), forget_gate=False, state_decay=0.8, **RANGES),
    "2000": Topology(3, 2, blocks=(1, 1, 1), forget_gate_bias=2.0, **RANGES),
    "2002": Topology(3, 2, blocks=(1, 2), peepholes=True, cell_input="identity", cell_output="identity", **RANGES),
    "mixed layer, gates as sources, shortcuts": Topology(
        3, 2, hidden=3, blocks=(1, 3), peepholes=True, outputs_see=("input", "hidden", "cells"), **GATES, **RANGES
    ),
    "some weights cut": Topology(3, 2, hidden=2, blocks=(1, 2), without=((0, 1), (2, 4), (3, 0), (6, 9)), **RANGES),
    "Elman, squashed outputs": Topology(3, 2, hidden=5, output_activation="symmetric2", **RANGES),
    "outputs see no layer of memory": Topology(3, 2, hidden=2, outputs_see=("input",), **RANGES),
    "standard": replace(standard_topology(3, 2, 4), **RANGES),
}


def sequences(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Inputs (T, B, 3) and resets (T, B): none in one row, at the ends in another, beside each other in a third."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(T, B, 3, generator=generator, dtype=torch.float64)
    resets = torch.rand(T, B, generator=generator) < 0.15
    resets[:, 0] = False
    resets[0, 1] = resets[-1, 1] = True
    resets[7, 2] = resets[8, 2] = True
    return x, resets


def random_state(network: LstmNetwork) -> LstmState:
    """Some state (B rows), which wants gradients."""
    generator = torch.Generator().manual_seed(1)
    shapes = (part.shape for part in network.initial_state(B))
    return LstmState(
        *(torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes)
    )


def everything(network: LstmNetwork, *, state: bool = True, inputs: bool = True, last: bool = True) -> list[Tensor]:
    """Outputs, last state, and all gradients of a weighted sum of them."""
    x, resets = sequences()
    begin = random_state(network) if state else None
    x.requires_grad_(inputs)
    y, end = network(x, begin, resets)
    generator = torch.Generator().manual_seed(2)
    loss = (y * torch.randn(y.shape, generator=generator, dtype=torch.float64)).sum()
    if last:
        for part in end:
            loss = loss + (part * torch.randn(part.shape, generator=generator, dtype=torch.float64)).sum()
    wanted = [network.hidden_weights, network.output_weights, *([x] if inputs else []), *(begin or ())]
    gradients = torch.autograd.grad(loss, wanted, materialize_grads=True)
    return [y, *end, *gradients]


def assert_same(got: list[Tensor], expected: list[Tensor]) -> None:
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
    assert all(part.isfinite().all() for part in got)


@pytest.mark.parametrize("gradient", ["bptt", "truncated"])
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_compiled_equals_loop(name: str, gradient: Any) -> None:
    loop, compiled = (
        LstmNetwork(TOPOLOGIES[name], 3, gradient=gradient, execution=execution, dtype=torch.float64)
        for execution in ("loop", "compiled")
    )
    expected = everything(loop)
    assert_same(everything(compiled), expected)
    assert expected[4].abs().max() > 1e-3 or name == "outputs see no layer of memory"


@pytest.mark.parametrize("depth", [1, 4, 100])
@pytest.mark.parametrize(
    "name", ["1997", "2002", "mixed layer, gates as sources, shortcuts", "Elman, squashed outputs"]
)
def test_depth_compiled_equals_loop(name: str, depth: int) -> None:
    """The loop unrolls each step's window anew."""
    loop = LstmNetwork(TOPOLOGIES[name], 3, depth=depth, execution="loop", dtype=torch.float64)
    compiled = LstmNetwork(TOPOLOGIES[name], 3, depth=depth, execution="compiled", dtype=torch.float64)
    whole = LstmNetwork(TOPOLOGIES[name], 3, execution="loop", dtype=torch.float64)
    kinds = {"last": False, "state": depth < 100}
    expected = everything(loop, **kinds)
    assert_same(everything(compiled, **kinds), expected)
    same = torch.allclose(expected[4], everything(whole, **kinds)[4], rtol=1e-10, atol=1e-12)
    assert same == (depth == 100)  # a shorter depth is another gradient


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_forward_forms_equal_backward_forms(name: str) -> None:
    """Derivatives carried forward give the gradient of errors carried back: truncated and complete."""
    for forward_form, backward_form in (("truncated_forward", "truncated"), ("rtrl", "bptt")):
        forward, backward = (
            LstmNetwork(TOPOLOGIES[name], 3, gradient=gradient, execution="compiled", dtype=torch.float64)  # type: ignore[arg-type]
            for gradient in (forward_form, backward_form)
        )
        kinds = {"inputs": False, "state": False, "last": False}
        assert_same(everything(forward, **kinds), everything(backward, **kinds))


def test_truncated_is_another_gradient_with_recurrent_links_only() -> None:
    for sees, same in ((INPUTS_ONLY, True), ({}, False)):
        topology = Topology(3, 2, hidden=2, blocks=(2, 1), **sees, **RANGES)
        truncated = everything(LstmNetwork(topology, 3, gradient="truncated", dtype=torch.float64))[4]
        complete = everything(LstmNetwork(topology, 3, gradient="bptt", dtype=torch.float64))[4]
        assert torch.allclose(truncated, complete, rtol=1e-10, atol=1e-12) == same


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_gradient_equals_finite_differences(name: str) -> None:
    network = LstmNetwork(TOPOLOGIES[name], 3, execution="compiled", dtype=torch.float64)
    x, resets = (part[:9, :2] for part in sequences())
    y, _ = network(x, None, resets)
    y.pow(2).sum().backward()
    h = 1e-4
    for weights in (network.hidden_weights, network.output_weights):
        assert weights.grad is not None
        flat = weights.detach().view(-1)
        for index in range(0, len(flat), 3):
            values = []
            for sign in (1.0, -1.0):
                flat[index] += sign * h
                values.append(network(x, None, resets)[0].pow(2).sum().item())
                flat[index] -= sign * h
            expected = (values[0] - values[1]) / (2.0 * h)
            assert float(weights.grad.view(-1)[index]) == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_fused_equals_loop() -> None:
    both = [
        everything(LstmNetwork(TOPOLOGIES["standard"], 3, execution=execution, dtype=torch.float64))
        for execution in ("fused", "loop")
    ]
    assert_same(*both)


@pytest.mark.parametrize("execution", ["loop", "compiled", "fused"])
def test_chunks_and_steps_and_resets(execution: Any) -> None:
    """In any chunks the outputs are those of the whole, and a reset in the middle makes two sequences."""
    network = LstmNetwork(TOPOLOGIES["standard"], 3, execution=execution, dtype=torch.float64)
    x, resets = sequences()
    whole, end = network(x, None, resets)
    for size in (1, 4, T - 1):
        state, parts = None, []
        for start in range(0, T, size):
            y, state = network(x[start : start + size], state, resets[start : start + size])
            parts.append(y)
        if execution == "fused":  # its matrix products are cut otherwise
            torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-13, atol=1e-14)
        else:
            assert torch.equal(torch.cat(parts), whole)
            assert state is not None and all(map(torch.equal, state, end))
    cut = torch.zeros(T, B, dtype=torch.bool)
    cut[9] = True
    whole, _ = network(x, None, cut)
    parts = [network(part)[0] for part in (x[:9], x[9:])]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-13, atol=1e-14)
    # and nothing goes back over the cut
    x.requires_grad_()
    network(x, None, cut)[0][9:].sum().backward()
    assert x.grad is not None and not x.grad[:9].any() and x.grad[9:].any()


def test_chunks_carry_errors() -> None:
    """Errors go back over the border of two calls whose states are handed on with their graph."""
    network = LstmNetwork(TOPOLOGIES["2002"], 3, execution="compiled", dtype=torch.float64)
    x, resets = sequences()
    gradients: list[Tensor] = []
    for border in (T, 11):
        y, state = network(x[:border], None, resets[:border])
        loss = y.pow(2).sum()
        if border < T:
            loss = loss + network(x[border:], state, resets[border:])[0].pow(2).sum()
        gradients += torch.autograd.grad(loss, network.hidden_weights)
    torch.testing.assert_close(*gradients, rtol=1e-11, atol=1e-12)


def test_torch_weights_both_ways() -> None:
    torch.manual_seed(0)
    lstm, read_out = torch.nn.LSTM(3, 4, dtype=torch.float64), torch.nn.Linear(4, 2, dtype=torch.float64)
    x, _ = sequences()
    expected = read_out(lstm(x)[0])
    network = from_torch(lstm, read_out)
    torch.testing.assert_close(network(x)[0], expected, rtol=1e-12, atol=1e-13)
    back, back_out = to_torch(network)
    torch.testing.assert_close(back_out(back(x)[0]), expected, rtol=1e-12, atol=1e-13)


def test_carousel_keeps_its_error() -> None:
    """The constant error carousel alone: an error arrives after 1,000 steps as it set out."""
    network = LstmNetwork(TOPOLOGIES["constant error carousel"], 3, dtype=torch.float64)
    x = torch.zeros(1000, 1, 3, dtype=torch.float64).requires_grad_()
    y, _ = network(x)
    (gradient,) = torch.autograd.grad(y[-1, 0, 0], x)
    cell_input = network.hidden_weights[:3, 0] * network.output_weights[0, 0]
    assert torch.equal(gradient, cell_input.expand(1000, 1, 3))


def test_changes_in_place_are_refused() -> None:
    """What the backward pass needs must not have moved: Torch says so instead of a wrong gradient."""
    for change in ("weights", "outputs"):
        network = LstmNetwork(TOPOLOGIES["Elman, squashed outputs"], 3, execution="compiled", dtype=torch.float64)
        y, _ = network(sequences()[0])
        loss = y.sum()  # which needs no y itself
        with torch.no_grad():
            (network.output_weights if change == "weights" else y).mul_(2.0)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()


def test_missing_weights_stay_missing() -> None:
    network = LstmNetwork(TOPOLOGIES["some weights cut"], 3, execution="compiled", dtype=torch.float64)
    everything(network)
    optimiser = torch.optim.Adam(network.parameters(), 0.1)
    x, resets = sequences()
    network(x, None, resets)[0].sum().backward()
    optimiser.step()
    assert network.topology.weight_count < network.hidden_weights.numel() + network.output_weights.numel()
    assert not network.hidden_weights.detach()[~torch.tensor(network.topology.mask)].any()


def test_named_activations() -> None:
    network = LstmNetwork(TOPOLOGIES["mixed layer, gates as sources, shortcuts"], 3)
    _, state = network(torch.zeros(2, 1, 3))
    sizes = {name: part.shape[1] for name, part in network.named(state).items()}
    assert sizes == {
        "cell state": 4,
        "cell output": 4,
        "hidden": 3,
        "input gate": 2,
        "forget gate": 2,
        "output gate": 2,
    }
    standard = LstmNetwork(TOPOLOGIES["standard"], 3, dtype=torch.float64)
    loop = LstmNetwork(TOPOLOGIES["standard"], 3, execution="loop", dtype=torch.float64)
    x, resets = sequences()
    for one, other in zip(*(net.named(net(x, None, resets)[1]).values() for net in (standard, loop)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["2002", "standard"])
def test_bad_arguments(name: str) -> None:
    network, other = (LstmNetwork(TOPOLOGIES[key], 0) for key in (name, "1997"))
    x = torch.zeros(4, 2, 3)
    for bad in (torch.zeros(4, 3), torch.zeros(4, 2, 5), torch.zeros(0, 2, 3)):
        with pytest.raises(ValueError, match=r"^x must have shape \(T, B, 3\)"):
            network(bad)
    with pytest.raises(ValueError, match=r"^x must be of the network's type torch.float32, got torch.float64"):
        network(x.double())
    x[2, 1, 0] = torch.nan
    with pytest.raises(
        ValueError, match=r"^x must be finite numbers, got NaN or infinity at \(t, b, i\) = \(2, 1, 0\)"
    ):
        network(x)
    x[2, 1, 0] = 0.0
    for bad_state in (other.initial_state(2), network.initial_state(3), tuple(network.initial_state(2))):
        with pytest.raises(ValueError, match="^state must be a LstmState of shapes"):
            network(x, bad_state)
    bad_state = network.initial_state(2)
    bad_state.s[1] = torch.inf
    with pytest.raises(ValueError, match="^state must be finite numbers, got NaN or infinity in its part s"):
        network(x, bad_state)
    for bad in (torch.zeros(4, 3, dtype=torch.bool), torch.zeros(4, 2)):
        with pytest.raises(ValueError, match=r"^resets must be bool of shape \(4, 2\)"):
            network(x, None, bad)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gradient": "rprop"}, "^gradient must be one of bptt, truncated, truncated_forward, rtrl, got 'rprop'"),
        ({"depth": 0}, "^depth must be an integer >= 1, got 0"),
        ({"depth": 3, "gradient": "rtrl"}, "^depth must be None unless gradient is 'bptt', got 3 with 'rtrl'"),
        ({"execution": "cuda"}, "^execution must be one of loop, compiled, fused, got 'cuda'"),
        ({"execution": "fused"}, "^execution must be 'loop' or 'compiled' unless topology is that of the standard"),
        ({"execution": "loop", "gradient": "rtrl"}, "^execution must be 'compiled' for gradient 'rtrl', got 'loop'"),
    ],
)
def test_bad_networks(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LstmNetwork(TOPOLOGIES["2002"], **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "^blocks and hidden must not both be empty"),
        ({"hidden": 2, "peepholes": True}, "^peepholes need at least one block with a gate, got none"),
        ({"blocks": (0,)}, "^blocks must be an integer >= 1, got 0"),
        ({"hidden": 2, "forget_gate_bias": (1.0,)}, "^forget_gate_bias must be one number or 0, one per block"),
        ({"blocks": (1,), "without": ((0, 99),)}, r"^without must hold pairs \(row, column\) in 0 .. 4, 0 .. 3, got"),
        ({"blocks": (1,), "input_range": float("nan")}, "^input_range must be a number"),
    ],
)
def test_networks_that_cannot_exist(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Topology(3, 2, **arguments)


def test_rtrl_has_no_gradient_for_inputs() -> None:
    network = LstmNetwork(TOPOLOGIES["2002"], 0, gradient="rtrl")
    with pytest.raises(ValueError, match="^x must not require a gradient with gradient 'rtrl'"):
        network(torch.zeros(3, 1, 3, requires_grad=True))


def test_foreign_torch_layers() -> None:
    with pytest.raises(ValueError, match="^lstm must have one layer, one direction"):
        from_torch(torch.nn.LSTM(3, 4, num_layers=2), torch.nn.Linear(4, 2))
    with pytest.raises(ValueError, match="^read_out must have 4 inputs and a bias"):
        from_torch(torch.nn.LSTM(3, 4), torch.nn.Linear(5, 2))
    with pytest.raises(ValueError, match="^network must be the standard cell"):
        to_torch(LstmNetwork(TOPOLOGIES["2002"]))
