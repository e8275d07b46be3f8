"""Fused kernels with resets, and the networks of GRU and sLSTM units: one truth in every execution."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from lstm_rl.nn.fused import fused_gru, fused_lstm, lay_out
from lstm_rl.nn.gru import GruNetwork, GruState
from lstm_rl.nn.slstm import SlstmNetwork, SlstmState

T, B, IN, H, K = 12, 5, 3, 4, 2
MAKE: dict[str, Callable[..., Any]] = {
    "gru": GruNetwork,
    "slstm": SlstmNetwork,
    "slstm loop": lambda *args, **kwargs: SlstmNetwork(*args, **kwargs, execution="loop"),
}


def double(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def resets_at(*steps_and_rows: tuple[Any, Any]) -> Tensor:
    resets = torch.zeros(T, B, dtype=torch.bool)
    for place in steps_and_rows:
        resets[place] = True
    return resets


ALL = slice(None)
RESETS = {
    "nowhere": None,
    "nowhere, but given": resets_at(),
    "at the first step": resets_at((0, 1), (0, 3)),
    "in the middle": resets_at((4, 0), (7, 1), (1, 2), (6, 3), (9, 4)),
    "in some rows": resets_at((0, 0), (5, 0), (8, 0), (3, 2)),
    "side by side": resets_at((3, 1), (4, 1), (5, 1), (0, 2), (1, 2), (10, 3), (11, 3)),
    "at the last step": resets_at((T - 1, ALL)),
    "everywhere": resets_at((ALL, ALL)),
    "at random": double(T, B, seed=9) > 0.5,
}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Tensors this small gain nothing by a second thread, and lose much where other processes run."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# --- the fused kernels -----------------------------------------------------------------------------------------------


def loop_lstm(
    x: Tensor, h: Tensor, c: Tensor, resets: Tensor | None, w_ih: Tensor, w_hh: Tensor, bias: Tensor
) -> tuple[Tensor, ...]:
    ys, before = [], h
    for t in range(len(x)):
        if resets is not None:
            h, c = (part * (~resets[t])[:, None] for part in (h, c))
        before = h
        i, f, g, o = (x[t] @ w_ih.T + h @ w_hh.T + bias).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        ys.append(h)
    return torch.stack(ys), h, c, before


def loop_gru(
    x: Tensor, h: Tensor, resets: Tensor | None, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> tuple[Tensor, Tensor]:
    ys = []
    for t in range(len(x)):
        if resets is not None:
            h = h * (~resets[t])[:, None]
        r, z, n = (x[t] @ w_ih.T + b_ih).chunk(3, dim=1)
        r_h, z_h, n_h = (h @ w_hh.T + b_hh).chunk(3, dim=1)
        r, z = torch.sigmoid(r + r_h), torch.sigmoid(z + z_h)
        h = (1.0 - z) * torch.tanh(n + r * n_h) + z * h
        ys.append(h)
    return torch.stack(ys), h


KERNELS: dict[str, tuple[Callable[..., Any], Callable[..., Any], int, tuple[tuple[int, ...], ...]]] = {
    "lstm": (fused_lstm, loop_lstm, 2, ((4 * H, IN), (4 * H, H), (4 * H,))),
    "gru": (fused_gru, loop_gru, 1, ((3 * H, IN), (3 * H, H), (3 * H,), (3 * H,))),
}


def arguments(kernel: str, dtype: torch.dtype = torch.float64) -> tuple[list[Tensor], list[Tensor]]:
    """X and the initial state, and the weights."""
    _, _, parts, shapes = KERNELS[kernel]
    data = [double(T, B, IN), *(double(B, H, seed=1 + part) for part in range(parts))]
    weights = [double(*shape, seed=5 + at) for at, shape in enumerate(shapes)]
    return tuple([v.to(dtype).requires_grad_() for v in tensors] for tensors in (data, weights))  # type: ignore[return-value]


def close(got: Any, expected: Any, tolerance: float = 1e-12) -> None:
    """All parts, each to within ``tolerance``, absolutely or relatively."""
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def loss(results: Any) -> Tensor:
    """Every result with weights of its own."""
    return torch.stack([(r * double(*r.shape, seed=20 + at)).sum() for at, r in enumerate(results)]).sum()


@pytest.mark.parametrize("resets", RESETS.values(), ids=RESETS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_fused_is_the_loop_with_all_gradients(kernel: str, resets: Tensor | None) -> None:
    data, weights = arguments(kernel)
    fused, loop = (function(*data, resets, *weights) for function in KERNELS[kernel][:2])
    close(fused, loop)
    gradients = [torch.autograd.grad(loss(results), [*data, *weights]) for results in (fused, loop)]
    close(gradients[0], gradients[1])


@pytest.mark.parametrize("kernel", KERNELS)
def test_fused_is_the_loop_with_one_step_or_one_row_and_other_strides(kernel: str) -> None:
    function, loop = KERNELS[kernel][:2]
    (x, *state), weights = arguments(kernel)
    weights = [w.T.contiguous().T for w in weights[:2]] + weights[2:]
    for steps, rows in ((1, B), (T, 1), (1, 1)):
        resets = double(steps, rows, seed=3) > 0.0
        given = x[:steps, :rows].transpose(0, 1).contiguous().transpose(0, 1), *(part[:rows] for part in state)
        close(function(*given, resets, *weights), loop(*given, resets, *weights))


@pytest.mark.parametrize("resets", [RESETS["nowhere"], RESETS["at random"]], ids=["without", "with"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_reading_out_within_is_reading_out_afterwards(kernel: str, resets: Tensor | None) -> None:
    data, weights = arguments(kernel)
    read_out = nn.Linear(H, K, dtype=torch.float64)
    ys, *state = KERNELS[kernel][0](*data, resets, *weights)
    close(KERNELS[kernel][0](*data, resets, *weights, read_out), [read_out(ys), *state])


def test_resets_at_the_first_step_cost_no_steps_of_the_kernel() -> None:
    assert lay_out(resets_at((0, ALL))) is None
    layout = lay_out(resets_at((0, ALL), (5, 1), (6, 1), (3, 2)))
    assert layout is not None and len(layout.sources) == (T + 2) * B


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("kernel", KERNELS)
def test_nothing_comes_through_a_reset(kernel: str, dtype: torch.dtype) -> None:
    """Not the least bit, in either direction, whichever kernel Torch takes for the type."""
    function = KERNELS[kernel][0]
    (x, *state), weights = arguments(kernel, dtype)
    resets, at = resets_at((6, ALL), (3, 1), (9, 2)), 6
    results = function(x, *state, resets, *weights)
    later = [results[0][at:], *results[1:]]
    gradients = torch.autograd.grad(sum(part.square().sum() for part in later), [x, *state], retain_graph=True)
    assert all((gradient == 0.0).all() for gradient in (gradients[0][:at], *gradients[1:]))
    assert (gradients[0][at:] != 0.0).any(dim=2).all()
    with torch.no_grad():
        other = function(torch.cat([100.0 * x[:at], x[at:]]), *(part - 7.0 for part in state), resets, *weights)
    assert torch.equal(other[0][at:], results[0][at:])
    assert all(torch.equal(a, b) for a, b in zip(other[1:], results[1:], strict=True))


@pytest.mark.parametrize("kernel", KERNELS)
def test_gradients_of_fused_kernels_agree_with_finite_differences(kernel: str) -> None:
    data, weights = arguments(kernel)
    resets = RESETS["at random"]
    given = [*(part[:4, :2] if at == 0 else part[:2] for at, part in enumerate(data)), *weights]
    at = len(data)
    assert resets is not None
    assert torch.autograd.gradcheck(
        lambda *v: KERNELS[kernel][0](*v[:at], resets[:4, :2], *v[at:]),
        [v.detach().requires_grad_() for v in given],
    )


# --- networks --------------------------------------------------------------------------------------------------------


@pytest.fixture(params=MAKE)
def network(request: pytest.FixtureRequest) -> Any:
    return MAKE[request.param](IN, K, H, 3, dtype=torch.float64)


def running(network: Any, batch: int = B) -> Any:
    """A state that is not at rest, but that the network has been in."""
    with torch.no_grad():
        return network(double(6, batch, IN, seed=8))[1]


def test_a_reset_in_the_middle_is_two_sequences(network: Any) -> None:
    x, state = double(T, B, IN), running(network)
    whole, last = network(x, state, resets_at((5, ALL)))
    first, second = network(x[:5], state)[0], network(x[5:])
    close([whole, *last], [torch.cat([first, second[0]]), *second[1]])


@pytest.mark.parametrize("sizes", [[1] * T, [4, 8], [11, 1]], ids=str)
@pytest.mark.parametrize("resets", [RESETS["nowhere"], RESETS["at random"]], ids=["without", "with"])
def test_chunks_are_the_whole_with_all_gradients(network: Any, sizes: list[int], resets: Tensor | None) -> None:
    x, state = double(T, B, IN).requires_grad_(), running(network)
    state = type(state)(*(part.requires_grad_() for part in state))
    by = [x, *(part for name, part in state._asdict().items() if name != "m"), *network.parameters()]
    whole, last = network(x, state, resets)
    outputs, now = [], state
    chunks = [None] * len(sizes) if resets is None else torch.split(resets, sizes)
    for chunk, chunk_resets in zip(torch.split(x, sizes), chunks, strict=True):
        y, now = network(chunk, now, chunk_resets)
        outputs.append(y)
    close([torch.cat(outputs), *now], [whole, *last])
    gradients = [torch.autograd.grad(loss([ys]), by) for ys in (torch.cat(outputs), whole)]
    close(gradients[0], gradients[1])


def test_rest_is_all_zeros_and_the_default(network: Any) -> None:
    x, rest = double(T, B, IN), network.initial_state(B)
    assert all((part == 0.0).all() and part.shape == (B, H) for part in rest)
    a, b = network(x), network(x, rest)
    close([a[0], *a[1]], [b[0], *b[1]], 0.0)
    y, last = network(x, running(network), resets_at((T - 1, ALL)))
    fresh, state = network(x[-1:])
    close([y[-1:], *last], [fresh, *state])


def test_gradients_agree_with_finite_differences(network: Any) -> None:
    names, weights = zip(*network.named_parameters(), strict=True)
    x, resets = double(4, 2, IN), RESETS["at random"]
    assert resets is not None
    state = running(network, 2)
    fixed = state[3:]  # the stabilisers

    def run(x: Tensor, *rest: Tensor) -> Any:
        given = type(state)(*rest[: len(state) - len(fixed)], *fixed)
        parameters = dict(zip(names, rest[-len(names) :], strict=True))
        outputs, last = functional_call(network, parameters, (x, given, resets[:4, :2]))
        if fixed:  # how c and n are scaled is no part of the gradient; without the scale they are numbers of their own
            last = last.y, last.c * last.m.exp(), last.n * last.m.exp()
        return outputs, *last

    by = [x, *state[: len(state) - len(fixed)], *weights]
    assert torch.autograd.gradcheck(run, [v.detach().requires_grad_() for v in by])


@pytest.mark.parametrize("resets", RESETS.values(), ids=RESETS)
@pytest.mark.parametrize("rest", [True, False], ids=["at rest", "running"])
def test_slstm_sequence_is_the_loop_with_all_gradients(rest: bool, resets: Tensor | None) -> None:
    results = []
    for name in ("slstm", "slstm loop"):
        network = MAKE[name](IN, K, H, 3, dtype=torch.float64)
        with torch.no_grad():
            for weights in network.parameters():
                weights.mul_(3.0)
        state = network.initial_state(B) if rest else running(network)
        x, *state = (v.requires_grad_() for v in (double(T, B, IN), *state))
        y, last = network(x, SlstmState(*state), resets)
        assert not last.m.requires_grad
        gradients = torch.autograd.grad(loss([y, last.y, last.c, last.n]), [x, *state[:3], *network.parameters()])
        results.append([y, *last, *gradients])
    close(results[0], results[1], 1e-10)


def test_slstm_is_the_definition_without_stabilisers() -> None:
    """Beck et al. (2024), equations 8 to 14, the forget gate logistic."""
    network = SlstmNetwork(IN, K, H, 3, dtype=torch.float64)
    x = double(T, B, IN)
    y = c = n = torch.zeros(B, H, dtype=torch.float64)
    for t in range(T):
        z, i, f, o = (x[t] @ network.input_weights + y @ network.recurrent_weights + network.bias).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.exp(i) * torch.tanh(z)
        n = torch.sigmoid(f) * n + torch.exp(i)
        y = torch.sigmoid(o) * c / n
    _, state = network(x)
    close([state.y, network.named(state)["cell state"]], [y, c / n])


def test_slstm_stands_net_inputs_of_any_size() -> None:
    network = SlstmNetwork(IN, K, H, 3)
    x = 1e5 * double(T, B, IN).float().requires_grad_()
    y, state = network(x)
    gradients = torch.autograd.grad(y.sum() + state.c.sum(), list(network.parameters()))
    assert all(v.isfinite().all() for v in (y, *state, *gradients)) and (state.n >= 1.0).all()


def test_slstm_forget_biases_are_spread() -> None:
    z, i, f, o = SlstmNetwork(IN, K, H, 3).bias.detach().chunk(4)
    close([z, i, f, o], [torch.zeros(H), torch.zeros(H), torch.tensor([3.0, 4.0, 5.0, 6.0]), torch.zeros(H)], 1e-6)


def test_gru_is_that_of_torch_and_exchanges_weights_with_it() -> None:
    network, gru = GruNetwork(IN, K, H, 3), nn.GRU(IN, H)
    gru.load_state_dict(network.recurrent.state_dict())
    x = double(T, B, IN).float()
    hidden, last = gru(x)
    y, state = network(x)
    close([y, state.y], [network.readout(hidden), last[0]], 0.0)


def test_named_activations(network: Any) -> None:
    y, state = network(double(T, B, IN))
    named = network.named(state)
    assert torch.equal(named["hidden"], state.y)
    assert all(part.shape == (B, H) for part in named.values())
    assert all((part == 0.0).all() for part in network.named(network.initial_state(B)).values())


@pytest.mark.parametrize("name", MAKE)
def test_seeds_alone_make_weights_and_files_carry_them(name: str, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    a, b, other = (MAKE[name](IN, K, H, seed) for seed in (3, 3, 4))
    assert torch.equal(before, torch.get_rng_state())
    x = double(T, B, IN).float()
    assert torch.equal(a(x)[0], b(x)[0]) and not torch.equal(a(x)[0], other(x)[0])
    torch.save(a.state_dict(), tmp_path / "weights.pt")
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert torch.equal(a(x)[0], other(x)[0])


@pytest.mark.parametrize("name", ["gru", "slstm"])
def test_a_cue_is_learned(name: str) -> None:
    """The first input tells what to say 9 steps later, but not to rows that have a reset in between."""
    network = MAKE[name](1, 1, 8, 0)
    x = torch.zeros(10, 16, 1)
    x[0] = torch.tensor([-1.0, 1.0]).repeat(8)[:, None]
    resets = torch.zeros(10, 16, dtype=torch.bool)
    resets[4, :2] = True
    wanted = torch.cat([torch.zeros(2, 1), x[0, 2:]])
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(150):
        error = (network(x, None, resets)[0][-1] - wanted).square().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
    assert error < 0.01


# --- what does not fit -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("argument", ["inputs", "outputs", "units"])
@pytest.mark.parametrize("value", [0, 2.5])
def test_bad_sizes(name: str, argument: str, value: Any) -> None:
    sizes = {"inputs": IN, "outputs": K, "units": H} | {argument: value}
    with pytest.raises(ValueError, match=re.escape(f"{argument} must be an integer >= 1, got {value}")):
        MAKE[name](**sizes)


def test_unknown_execution() -> None:
    with pytest.raises(ValueError, match="execution must be one of loop, sequence, got 'fast'"):
        SlstmNetwork(IN, K, H, execution="fast")  # type: ignore[arg-type]


NAN = double(T, B, IN)
NAN[2, 1, 0] = torch.nan


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (double(T, IN), "x must have shape (T, B, 3) with T and B >= 1, got (12, 3)"),
        (double(T, B, IN + 1), "x must have shape (T, B, 3) with T and B >= 1, got (12, 5, 4)"),
        (double(0, B, IN), "x must have shape (T, B, 3) with T and B >= 1, got (0, 5, 3)"),
        (double(T, B, IN).float(), "x must be of the network's type torch.float64, got torch.float32"),
        (NAN, "x must be finite numbers, got NaN or infinity at (t, b, i) = (2, 1, 0)"),
    ],
    ids=["rank", "inputs", "steps", "dtype", "NaN"],
)
def test_bad_x(network: Any, x: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        network(x)


@pytest.mark.parametrize(
    ("resets", "message"),
    [
        (torch.zeros(T, B + 1, dtype=torch.bool), "(12, 5), got torch.bool of shape (12, 6)"),
        (torch.zeros(B, dtype=torch.bool), "(12, 5), got torch.bool of shape (5,)"),
        (torch.zeros(T, B), "(12, 5), got torch.float32 of shape (12, 5)"),
    ],
    ids=["rows", "rank", "dtype"],
)
def test_bad_resets(network: Any, resets: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"resets must be bool of shape {message}")):
        network(double(T, B, IN), None, resets)


def test_bad_states(network: Any) -> None:
    x, rest = double(T, B, IN), network.initial_state(B)
    foreign = SlstmState(*(double(B, H),) * 4) if isinstance(rest, GruState) else GruState(double(B, H))
    kind = type(rest).__name__
    for state in (foreign, network.initial_state(B + 1), MAKE["gru"](IN, K, H + 1).initial_state(B), tuple(rest)):
        with pytest.raises(ValueError, match=f"state must be a {kind} of shapes .*, got {type(state).__name__}"):
            network(x, state)
    for field in rest._fields:
        bad = rest._replace(**{field: torch.full((B, H), torch.nan, dtype=torch.float64)})
        with pytest.raises(ValueError, match=f"state must be finite numbers, got NaN or infinity in its part {field}"):
            network(x, bad)
