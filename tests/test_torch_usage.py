"""Every network of `lstm_rl.nn` as people use Torch: pruned, parametrised, compiled, exported, mapped, autocast."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.utils import parametrizations, parametrize, prune

from lstm_rl.nn import LstmNetwork
from lstm_rl.nn.exchange import from_torch, standard_topology
from lstm_rl.nn.gru import GruNetwork
from lstm_rl.nn.slstm import SlstmNetwork
from lstm_rl.topology import Topology

T, B, IN, K, H = 5, 3, 3, 2, 4
STANDARD = standard_topology(IN, K, H)
NETWORKS: dict[str, Callable[..., Any]] = {
    "loop": partial(LstmNetwork, STANDARD, execution="loop"),
    "compiled": partial(LstmNetwork, STANDARD, execution="compiled"),
    "fused": partial(LstmNetwork, STANDARD),
    "peepholes": partial(LstmNetwork, Topology(IN, K, hidden=2, blocks=(1, 2), peepholes=True)),
    "truncated": partial(LstmNetwork, Topology(IN, K, blocks=(2,)), gradient="truncated"),
    "gru": partial(GruNetwork, IN, K, H),
    "gru loop": partial(GruNetwork, IN, K, H, execution="loop"),
    "slstm": partial(SlstmNetwork, IN, K, H),
    "slstm loop": partial(SlstmNetwork, IN, K, H, execution="loop"),
}
TRACED = [name for name in NETWORKS if name != "compiled"]  # asked for by name, its kernels are not Torch's


def double(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def make(name: str, seed: int = 3, dtype: torch.dtype = torch.float64) -> Any:
    """A network with weights none of which is 0."""
    network = NETWORKS[name](seed=seed, dtype=dtype)
    with torch.no_grad():
        for at, parameter in enumerate(network.parameters()):
            parameter.add_(0.5 * double(*parameter.shape, seed=10 * seed + at))
    return network


def resets() -> Tensor:
    marks = torch.zeros(T, B, dtype=torch.bool)
    marks[0, 0] = marks[2, 1] = marks[3, 1] = True
    return marks


def close(got: Any, expected: Any) -> None:
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def places(network: nn.Module) -> list[tuple[nn.Module, str]]:
    """Each parameter as its module and its name in it."""
    split = [name.rpartition(".") for name, _ in network.named_parameters()]
    return [(network.get_submodule(path), name) for path, _, name in split]


def expected_with(network: nn.Module, effective: dict[str, Tensor]) -> Any:
    """What a network gives whose plain parameters have these values."""
    with torch.no_grad():
        return functional_call(network, effective, (double(T, B, IN), None, resets()))[0]


# --- parametrisations -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_pruned_weights_are_zero_and_stay_zero(name: str) -> None:
    """Each parameter alone: the result is that of zeros in its place, also after a step of an optimizer."""
    for at, (full, _) in enumerate(make(name).named_parameters()):
        plain, pruned = make(name), make(name)
        module, parameter = places(pruned)[at]
        mask = double(*getattr(module, parameter).shape, seed=7) > 0.0
        prune.custom_from_mask(module, parameter, mask)  # type: ignore[no-untyped-call]
        optimizer = torch.optim.SGD(pruned.parameters(), 0.1)
        for _ in range(2):
            y, _ = pruned(double(T, B, IN), None, resets())
            values = dict(zip(dict(plain.named_parameters()), _in_order(pruned, plain, full), strict=True))
            close([y.detach()], [expected_with(plain, values | {full: values[full] * mask})])
            optimizer.zero_grad()
            y.pow(2).sum().backward()
            gradient = module.get_parameter(parameter + "_orig").grad
            assert gradient is not None and not gradient[~mask].any() and gradient[mask].any(), full
            optimizer.step()


def _in_order(pruned: nn.Module, plain: nn.Module, full: str) -> list[Tensor]:
    """The pruned network's parameters in the order of the plain one's."""
    own = dict(pruned.named_parameters())
    return [own[f"{name}_orig" if name == full else name].detach() for name, _ in plain.named_parameters()]


class LowRank(nn.Module):
    """A frozen weight and a product of two slim matrices, as low-rank adapters have it."""

    def __init__(self, shape: torch.Size) -> None:
        super().__init__()
        self.a = nn.Parameter(0.3 * double(shape[0], 1, seed=1))
        self.b = nn.Parameter(0.3 * double(1, shape[1], seed=2))

    def forward(self, weight: Tensor) -> Tensor:
        return weight.detach() + self.a @ self.b


PARAMETRISATIONS: dict[str, Callable[[nn.Module, str], Any]] = {
    "weight norm": parametrizations.weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "low rank": lambda module, name: parametrize.register_parametrization(
        module, name, LowRank(getattr(module, name).shape)
    ),
}


@pytest.mark.parametrize("kind", PARAMETRISATIONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_parametrised_weights_act_and_learn(name: str, kind: str) -> None:
    plain, network = make(name), make(name)
    matrices = [full for full, parameter in plain.named_parameters() if parameter.dim() == 2]
    at = {full: place for (full, _), place in zip(plain.named_parameters(), places(network), strict=True)}
    for full in matrices:
        PARAMETRISATIONS[kind](*at[full])
    network.eval()  # spectral norm iterates in train mode only
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.5)
    y, _ = network(double(T, B, IN), None, resets())
    values = {full: getattr(*place).detach() for full, place in at.items()}
    close([y.detach()], [expected_with(plain, values)])
    assert all(not torch.equal(values[full], plain.get_parameter(full)) for full in matrices)
    y.pow(2).sum().backward()
    learning = [p for full, p in network.named_parameters() if kind != "low rank" or full[-2:] in (".a", ".b")]
    assert len(learning) >= len(matrices) and all(p.grad is not None and p.grad.any() for p in learning)


class Noise(nn.Module):
    """Another weight each time that it is asked for."""

    asked = 0

    def forward(self, weight: Tensor) -> Tensor:
        self.asked += 1
        return weight + 0.1 * torch.randn_like(weight)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_weight_is_asked_for_once_in_a_call(name: str) -> None:
    """Else the noise of one call, or the iterations of spectral norm in train mode, would differ from step to step."""
    network, noises = make(name), []
    for module, parameter in places(network):
        noises.append(Noise())
        parametrize.register_parametrization(module, parameter, noises[-1])
    asked = [noise.asked for noise in noises]
    network(double(T, B, IN), None, resets())
    assert [noise.asked - before for noise, before in zip(noises, asked, strict=True)] == [1] * len(noises)


def test_hooks_of_the_recurrent_layer_are_called() -> None:
    network, seen = make("gru"), []
    network.recurrent.register_forward_hook(lambda _, __, output: seen.append(output[1]))
    _, state = network(double(T, B, IN), None, resets())
    assert torch.equal(seen[0], state.y)


def test_weights_of_a_pruned_layer_of_torch_are_taken_over() -> None:
    lstm, read_out = nn.LSTM(IN, H, dtype=torch.float64), nn.Linear(H, K, dtype=torch.float64)
    for parameter in ("bias_hh_l0", "weight_ih_l0"):
        prune.random_unstructured(lstm, parameter, 0.5)  # type: ignore[no-untyped-call]
    x = double(T, B, IN)
    close([from_torch(lstm, read_out)(x)[0]], [read_out(lstm(x)[0])])


@pytest.mark.parametrize("name", NETWORKS)
def test_copies_of_parametrised_networks(name: str) -> None:
    network = make(name)
    parametrizations.weight_norm(*places(network)[0])
    close([deepcopy(network)(double(T, B, IN))[0]], [network(double(T, B, IN))[0]])


# --- tracing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRACED)
def test_compiled_by_torch_in_one_graph_with_gradients(name: str) -> None:
    network = make(name)
    torch._dynamo.reset()
    compiled: Any = torch.compile(network, backend="aot_eager", fullgraph=True)
    x, results = double(T, B, IN), []
    state = type(network.initial_state(B))(*(part.detach() for part in network(x)[1]))
    for call in (network, compiled):
        y, last = call(x, state, resets())
        gradients = torch.autograd.grad(y.pow(2).sum() + last[0].sum(), list(network.parameters()))
        results.append([y, *last, *gradients])
    close(*results)


@pytest.mark.parametrize("name", TRACED)
def test_exported(name: str) -> None:
    network, x = make(name).eval(), double(T, B, IN)
    with torch.no_grad():
        arguments = x, network(x)[1], resets()
    program = torch.export.export(network, arguments)
    y, last = program.module()(*arguments)
    close([y, *last], [network(*arguments)[0], *network(*arguments)[1]])


@pytest.mark.parametrize("name", TRACED)
def test_mapped_over_inputs_and_over_networks(name: str) -> None:
    network, xs = make(name), torch.stack([double(T, B, IN, seed=seed) for seed in range(3)])
    close(
        [vmap(lambda x: network(x, None, resets())[0])(xs)], [torch.stack([network(x, None, resets())[0] for x in xs])]
    )
    networks = [make(name, seed) for seed in range(3)]
    parameters, buffers = stack_module_state(networks)
    ys = vmap(lambda p, b: functional_call(network, (p, b), (xs[0], None, resets()))[0])(parameters, buffers)
    close([ys], [torch.stack([each(xs[0], None, resets())[0] for each in networks])])


@pytest.mark.parametrize("name", TRACED)
def test_gradients_of_torch_func(name: str) -> None:
    network, x = make(name), double(T, B, IN)

    def loss(parameters: dict[str, Tensor]) -> Tensor:
        result: Tensor = functional_call(network, parameters, (x, None, resets()))[0].pow(2).sum()
        return result

    got = grad(loss)({name: parameter.detach() for name, parameter in network.named_parameters()})
    close(got.values(), torch.autograd.grad(loss(dict(network.named_parameters())), list(network.parameters())))


# --- types ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
def test_autocast_takes_inputs_and_states_of_any_type(name: str, dtype: torch.dtype) -> None:
    """The network computes in its own type: the result is that of the rounded inputs, without autocast."""
    network = make(name, dtype=torch.float32)
    x = double(T, B, IN).to(dtype)
    _, state = network(x.float())
    state = type(state)(*(part.detach().to(dtype) for part in state))
    expected, end = network(x.float(), type(state)(*(part.float() for part in state)), resets())
    gradients = torch.autograd.grad(expected.sum(), list(network.parameters()))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, last = network(x, state, resets())
    close([y, *last, *torch.autograd.grad(y.sum(), list(network.parameters()))], [expected, *end, *gradients])


@pytest.mark.parametrize("name", ["compiled", "slstm"])
def test_gradients_by_hand_do_not_lose_precision_under_autocast(name: str) -> None:
    """Autocast would round the matrix products of a backward pass that is called within it."""
    network, gradients = make(name, dtype=torch.float32), []
    for enabled in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            _, state = network(double(T, B, IN).float(), None, resets())
            gradients.append(torch.autograd.grad(state[1].sum(), list(network.parameters())[name == "slstm"]))
    close(*gradients)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_state_of_another_type_is_refused(name: str) -> None:
    network = make(name)
    _, state = network(double(T, B, IN))
    for dtype in (torch.float32, torch.int64, torch.bfloat16):
        other = state._replace(y=state.y.to(dtype))
        with pytest.raises(ValueError, match=f"^state must be of the network's type torch.float64, got {dtype} in its"):
            network(double(T, B, IN), other)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "compiled"])
def test_networks_of_16_bits(name: str) -> None:
    """Cast after it was made, a network goes on in that type, close to what it was."""
    network, x = make(name, dtype=torch.float32), double(T, B, IN).float()
    expected = network(x, None, resets())[0]
    y, state = network.bfloat16()(x.bfloat16(), None, resets())
    assert {part.dtype for part in (y, *state)} == {torch.bfloat16}
    torch.testing.assert_close(y.float(), expected, rtol=0.1, atol=0.1)


def test_compiled_execution_of_16_bits_is_refused() -> None:
    with pytest.raises(
        ValueError, match="^x must be on the CPU and of 32 or 64 bits for compiled execution, got torch.b"
    ):
        NETWORKS["compiled"]().bfloat16()(torch.zeros(T, B, IN, dtype=torch.bfloat16))
