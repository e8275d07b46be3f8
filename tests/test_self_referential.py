"""Networks that change their own weights, of 2022 and of 1993: their equations, gradients and resets."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from lstm_rl.agents import AdvantageLearning
from lstm_rl.experiments.protocols import self_referential_policy
from lstm_rl.experiments.protocols.self_referential_policy import PolicyRun, check, run
from lstm_rl.experiments.protocols.trial_ppo import FromRest
from lstm_rl.nn.introspective import IntrospectiveNetwork
from lstm_rl.nn.self_referential import SelfReferentialNetwork

T, B, IN, K = 7, 3, 2, 2
Make = Callable[..., Any]


def matrix(**more: Any) -> Any:
    return SelfReferentialNetwork(IN, K, 4, 3, layers=2, heads=2, dtype=torch.float64, **more)


def introspective(**more: Any) -> Any:
    return IntrospectiveNetwork(IN, K, 2, 3, dtype=torch.float64, **more)


MAKE: dict[str, Make] = {
    "compiled": matrix,
    "loop": lambda **more: matrix(execution="loop", **more),
    "introspective": introspective,
}


def double(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


RESETS = double(T, B, seed=9) > 0.7
EVERYWHERE = torch.arange(T)[:, None].expand(T, B) == 4


@pytest.fixture(params=MAKE)
def network(request: pytest.FixtureRequest) -> Any:
    return MAKE[request.param]()


def running(network: Any, batch: int = B) -> Any:
    """A state that is not at rest."""
    with torch.no_grad():
        return network(double(5, batch, IN, seed=8))[1]


def close(got: Any, expected: Any, tolerance: float = 1e-11) -> None:
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def loss(results: Any) -> Tensor:
    return torch.stack([(r * double(*r.shape, seed=20 + at)).sum() for at, r in enumerate(results)]).sum()


# --- equations -------------------------------------------------------------------------------------------------------


def softmax(v: Any) -> Any:
    return np.exp(v) / np.exp(v).sum()


def test_the_matrix_of_2022_is_its_equations() -> None:
    """One row, one layer of one head, step by step in NumPy; W as in the paper, a row per output."""
    net = SelfReferentialNetwork(IN, K, 3, 1, dtype=torch.float64)
    x = double(T, 1, IN)
    values = {name: part.detach().numpy() for name, part in net.named_parameters()}
    w = values["slow_weights"][0, 0].T.copy()  # (10, 3)
    before, outputs = np.zeros(IN), []
    for t in range(T):
        now = x[t, 0].numpy()
        h = np.concatenate([now, before]) @ values["input_weights"] + values["input_bias"]
        y, k, q, b = np.split(w @ softmax(h), [3, 6, 9])
        w = w + 1.0 / (1.0 + np.exp(-b)) * np.outer(w @ softmax(q) - w @ softmax(k), softmax(k))
        h = h + y
        h = (h - h.mean()) / np.sqrt(h.var() + 1e-5)
        outputs.append(h @ values["output_weights"] + values["output_bias"])
        before = now
    got, state = net(x)
    np.testing.assert_allclose(got[:, 0].detach(), outputs, atol=1e-12)
    np.testing.assert_allclose(state.w[0].detach(), (w.T - values["slow_weights"][0, 0]).ravel(), atol=1e-12)


def test_the_network_of_1993_is_its_equations() -> None:
    net = introspective(ticks=1)
    x, slow = double(T, 1, IN), net.slow_weights.detach().numpy()
    bits, units, sources = net.bits, net.all_units, net.sources
    assert 2**bits >= units * sources > 2 ** (bits - 1) and units == K + 2 + 2 * bits + 1 and sources == IN + units + 2
    w, y, val, outputs = slow.copy(), np.zeros(units), 0.0, []
    for t in range(T):
        y = np.tanh(np.concatenate([x[t, 0].numpy(), y, [val, 1.0]]) @ w)
        ana, mod, delta = (1 + y[-2 * bits - 1 : -bits - 1]) / 2, (1 + y[-bits - 1 : -1]) / 2, y[-1]
        val, changed = 0.0, w.copy()
        for p in range(sources * units):
            address = np.array([p >> bit & 1 for bit in range(bits)])
            val += np.exp(-2.0 * np.square(ana - address).sum()) * w.flat[p]
            changed.flat[p] += delta * np.exp(-2.0 * np.square(mod - address).sum())
        w = changed
        outputs.append(y[:K])
    got, state = net(x)
    np.testing.assert_allclose(got[:, 0].detach(), outputs, atol=1e-12)
    np.testing.assert_allclose(state.w[0].detach(), (w - slow).ravel(), atol=1e-12)
    assert np.abs(w - slow).max() > 1e-3


# --- one truth in every execution ------------------------------------------------------------------------------------


@pytest.mark.parametrize("resets", [None, RESETS], ids=["without", "with"])
def test_compiled_is_the_loop_with_all_gradients(resets: Tensor | None) -> None:
    results = []
    for execution in ("loop", "compiled"):
        net = matrix(execution=execution)
        state = running(net)
        x, *state = (v.requires_grad_() for v in (double(T, B, IN), *state))
        y, last = net(x, type(running(net))(*state), resets)
        results.append([y, *last, *torch.autograd.grad(loss([y, *last]), [x, *state, *net.parameters()])])
    close(results[0], results[1])


def test_gradients_agree_with_finite_differences(network: Any) -> None:
    names, weights = zip(*network.named_parameters(), strict=True)
    x, state = double(3, 2, IN), running(network, 2)

    def run(x: Tensor, *rest: Tensor) -> Any:
        given, parameters = type(state)(*rest[: len(state)]), dict(zip(names, rest[len(state) :], strict=True))
        outputs, last = functional_call(network, parameters, (x, given, RESETS[1:4, :2]))
        return outputs, *last

    by = [v.detach().requires_grad_() for v in (x, *state, *weights)]
    assert torch.autograd.gradcheck(run, by, fast_mode=True)


def test_chunks_are_the_whole(network: Any) -> None:
    x, state = double(T, B, IN), running(network)
    whole, last = network(x, state, RESETS)
    for sizes in ([1] * T, [3, 4]):
        ys, now = [], state
        for part, resets in zip(torch.split(x, sizes), torch.split(RESETS, sizes), strict=True):
            y, now = network(part, now, resets)
            ys.append(y)
        close([torch.cat(ys), *now], [whole, *last])


def test_rows_do_not_know_of_one_another(network: Any) -> None:
    x = double(T, B, IN)
    close([network(x)[0][:, 1:2]], [network(x[:, 1:2])[0]])


def test_a_reset_is_a_new_beginning(network: Any) -> None:
    x, state = double(T, B, IN), running(network)
    whole, last = network(x, state, EVERYWHERE)
    first, second = network(x[:4], state)[0], network(x[4:])
    close([whole, *last], [torch.cat([first, second[0]]), *second[1]])
    assert all((part == 0.0).all() for part in network.initial_state(B))
    assert running(network).w.abs().max() > 1e-3  # weights did change before


@pytest.mark.parametrize("make", [matrix, introspective])
def test_fixed_weights_stay(make: Make) -> None:
    net = make(self_modifying=False)
    _, state = net(double(T, B, IN))
    assert (state.w == 0.0).all()
    y, other = net(double(T, B, IN))[0], make()(double(T, B, IN))[0]
    assert (y[1:] - other[1:]).abs().max() > 1e-4
    if make is matrix:  # which then has nothing but the last input to remember
        x = double(T, B, IN)
        x[0] += 1.0
        close([net(x)[0][2:]], [y[2:]])


def test_named_activations(network: Any) -> None:
    named = network.named(running(network))
    assert named["fast weights"].shape == (B, network.slow_weights.numel())


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (
            lambda: SelfReferentialNetwork(1, 1, 5, heads=2),
            "units must be a multiple of heads, got units=5 and heads=2",
        ),
        (lambda: SelfReferentialNetwork(1, 1, 4, layers=0), "layers must be an integer >= 1, got 0"),
        (lambda: matrix(execution="fused"), "execution must be one of loop, compiled, got 'fused'"),
        (lambda: IntrospectiveNetwork(1, 1, 0), "units must be an integer >= 1, got 0"),
        (lambda: introspective(sharpness=0.0), r"sharpness must be a number in \(0, inf\), got 0.0"),
    ],
)
def test_what_cannot_be_is_refused(build: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build()


# --- as a policy -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SelfReferentialNetwork, IntrospectiveNetwork])
def test_it_is_a_policys_network(kind: Any, tmp_path: Path) -> None:
    """Learns, forgets at the end of an episode, is saved and loaded as data alone."""
    from functools import partial

    env = gym.make("lstm_rl/TwoArmedBandit-v0")
    model = AdvantageLearning("TorchPolicy", env, seed=0, policy_kwargs={"network": partial(kind, units=4)})
    before = [weights.clone() for weights in model.policy.network.parameters()]
    model.learn(40)
    assert any((a != b).any() for a, b in zip(before, model.policy.network.parameters(), strict=True))
    observation, _ = env.reset(seed=1)

    def after(model: Any, *given: Any) -> Any:
        """The state after acting."""
        return model.predict(observation, *given, deterministic=True)[1]

    state = after(model)
    fresh, carried = (after(model, state, np.array([start])) for start in (True, False))
    assert all(np.array_equal(a, b) for a, b in zip(state, fresh, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(state, carried, strict=True))
    model.save(tmp_path / "model.safetensors")
    loaded = AdvantageLearning.load(tmp_path / "model.safetensors")
    again = after(loaded)
    assert all(np.array_equal(a, b) for a, b in zip(state, again, strict=True))


def test_it_plays_whole_trials() -> None:
    """Step by step as all at once; and a run of the table learns in place."""
    network = FromRest(matrix())
    x, state, single = double(T, B, IN), network.initial_state(B), list[Tensor]()
    for x_t in x:
        y_t, state = network.step(x_t, state)
        single.append(y_t)
    close(network(x), single)
    with pytest.raises(ValueError, match="learner must be one of"):
        check(PolicyRun(learner="sarsa"))


def test_a_run_of_whole_trials_counts_and_moves_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four small rounds: the weights move, and what comes back is counted."""
    monkeypatch.setattr(self_referential_policy, "PPO", replace(self_referential_policy.PPO, trials_per_update=20))
    monkeypatch.setattr(self_referential_policy, "TRIALS", 40)
    told = list[int]()
    results = run(PolicyRun(units=4, heads=2, max_steps=8_000, learner="ppo"), told.append)
    assert results["steps"] == told[-1] == 8_000 and len(told) == 4
    assert results["score"] != results["untrained"]
    assert 35.0 < results["score"] < 74.0  # two arms, 100 pulls: chance 50, optimum 73.8
