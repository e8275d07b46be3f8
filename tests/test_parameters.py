"""Parameters are the truth: whatever Torch, stable-baselines3 or a user does to them, acting and learning follow."""

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import copy, deepcopy
from functools import partial
from io import BytesIO
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv
from torch import nn
from torch.nn.utils import parameters_to_vector, parametrizations, prune, vector_to_parameters

from lstm_rl.agents import AdvantageLearning
from lstm_rl.agents.policies import MemoryPolicy
from lstm_rl.envs.env import WorldEnv
from lstm_rl.envs.tmaze import tmaze
from lstm_rl.nn.gru import GruNetwork

OBSERVATIONS = np.eye(3, dtype=np.float32)


def maze() -> WorldEnv:
    return WorldEnv(tmaze(corridor_length=3))


class Unknown(gym.Wrapper[Any, Any, Any, Any]):
    """An environment that has to be stepped from Python."""

    def __init__(self) -> None:
        super().__init__(maze())

    @property
    def unwrapped(self) -> Any:
        return self


KINDS: dict[str, dict[str, Any]] = {
    "LstmPolicy": {},
    "bptt": {"gradient": "bptt", "bptt_depth": 5},
    "rtrl": {"gradient": "rtrl", "cells": 1},
    "float64": {"precision": "float64"},
    "GruPolicy": {"cells": 2, "bptt_depth": 2},
    "MemoryBitsPolicy": {"normalize_observations": False},
}


def make(kind: str = "LstmPolicy", env: Any = None, **settings: Any) -> AdvantageLearning:
    policy = kind if kind.endswith("Policy") else "LstmPolicy"
    space = gym.spaces.Box(0.0, 1.0, (3,), np.float32)
    env = env or maze()
    env.observation_space = space  # bounded, for the table
    return AdvantageLearning(policy, env, **{"seed": 1, "learning_rate": 0.01} | KINDS.get(kind, {}) | settings)


def trained(kind: str = "LstmPolicy", **settings: Any) -> AdvantageLearning:
    return make(kind, **settings).learn(50)


def weights(policy: MemoryPolicy) -> dict[str, nn.Parameter]:
    """Parameters that learning moves."""
    return {name: p for name, p in policy.named_parameters() if not name.startswith("explorer_")}


def advantages(policy: MemoryPolicy) -> Any:
    return policy.advantages(OBSERVATIONS)[0]


def twin(policy: MemoryPolicy) -> MemoryPolicy:
    """A fresh policy, built from nothing, with the same numbers."""
    other = type(policy)(**policy._get_constructor_parameters())
    other.load_state_dict({name: values.clone() for name, values in policy.state_dict().items()})
    return other


def assert_follows(model: AdvantageLearning, way: Callable[[MemoryPolicy], None]) -> None:
    """After ``way``, acting and learning go on as in the same model whose numbers were written in place."""
    reference, before = trained_like(model), advantages(model.policy)
    way(model.policy)
    reference.policy.load_state_dict({name: values.clone() for name, values in model.policy.state_dict().items()})
    np.testing.assert_allclose(advantages(model.policy), advantages(twin(reference.policy)), rtol=1e-5, atol=1e-6)
    assert np.abs(advantages(model.policy) - before).max() > 1e-4
    start = model.policy.weight_vector()
    for each in (model, reference):
        each.learn(40, reset_num_timesteps=False)
    for name, values in reference.policy.state_dict().items():
        torch.testing.assert_close(model.policy.state_dict()[name], values, rtol=1e-4, atol=1e-5, msg=name)
    assert np.abs(model.policy.weight_vector() - start).max() > 0.0


def trained_like(model: AdvantageLearning) -> AdvantageLearning:
    """The same training once more."""
    kind, env = type(model.policy), maze()
    env.observation_space = model.observation_space
    other = AdvantageLearning(kind, env, model.config, learning_rate=model.learning_rate, seed=model.seed).learn(50)
    assert np.array_equal(other.policy.weight_vector(), model.policy.weight_vector())
    return other


# --- ways to replace the numbers ------------------------------------------------------------------------------------


def load_from_vector(policy: MemoryPolicy) -> None:
    policy.load_from_vector(0.5 * policy.parameters_to_vector())


def vector(policy: MemoryPolicy) -> None:
    vector_to_parameters(0.5 * parameters_to_vector(policy.parameters()).detach(), policy.parameters())


def data(policy: MemoryPolicy) -> None:
    for parameter in policy.parameters():
        parameter.data = 0.5 * parameter.data


def other_type(policy: MemoryPolicy) -> None:
    for parameter in policy.parameters():
        parameter.data = (0.5 * parameter.data).to(torch.bfloat16)


def other_order(policy: MemoryPolicy) -> None:
    for parameter in policy.parameters():
        parameter.data = 0.5 * torch.stack([parameter.data, parameter.data], dim=-1)[..., 0]


def in_place(policy: MemoryPolicy) -> None:
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.mul_(0.5)


def optimizer(policy: MemoryPolicy) -> None:
    descent = torch.optim.SGD(policy.parameters(), 0.5)
    sum(parameter.square().sum() / 2.0 for parameter in policy.parameters()).backward()  # type: ignore[union-attr]
    descent.step()


def state_dict(policy: MemoryPolicy) -> None:
    policy.load_state_dict({name: 0.5 * values for name, values in policy.state_dict().items()})


def assigned(policy: MemoryPolicy) -> None:
    policy.load_state_dict({name: 0.5 * values for name, values in policy.state_dict().items()}, assign=True)


def new_parameters(policy: MemoryPolicy) -> None:
    for name, parameter in list(policy.named_parameters()):
        path, _, last = name.rpartition(".")
        setattr(policy.get_submodule(path), last, nn.Parameter(0.5 * parameter.data))


def shared(policy: MemoryPolicy) -> None:
    policy.share_memory()
    in_place(policy)


def other_device_and_back(policy: MemoryPolicy) -> None:
    policy.to("cpu")
    policy.float() if policy.config.precision == "float32" else policy.double()
    data(policy)


WAYS = [load_from_vector, vector, data, other_type, other_order, in_place, optimizer, state_dict, assigned]
WAYS += [new_parameters, shared, other_device_and_back]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
def test_acting_and_learning_follow(way: Callable[[MemoryPolicy], None], kind: str) -> None:
    assert_follows(trained(kind), way)


def test_zeros_from_a_vector() -> None:
    model = trained()
    model.policy.load_from_vector(0.0 * model.policy.parameters_to_vector())
    assert not advantages(model.policy).any()
    with pytest.raises(ValueError, match=r"^vector must be of shape \(\d+,\), got \(3,\)"):
        model.policy.load_from_vector(np.zeros(3))


def test_a_vector_of_64_bits_is_not_rounded() -> None:
    model = trained("float64")
    values = np.random.default_rng(0).normal(size=len(model.policy.parameters_to_vector()))
    model.policy.load_from_vector(values)
    np.testing.assert_array_equal(model.policy.parameters_to_vector(), values)


def test_set_parameters_of_another_model() -> None:
    model, other = trained(), trained(seed=2)
    parameters: Any = other.get_parameters()
    assert_follows(model, lambda _: model.set_parameters(parameters))
    np.testing.assert_array_equal(advantages(twin(other.policy)), advantages(other.policy))


@pytest.mark.parametrize("kind", ["LstmPolicy", "GruPolicy"])
def test_memory_stays_shared(kind: str) -> None:
    """Two policies of the same Parameter objects, and one whose parameters are parts of a vector."""
    one, other = trained(kind, normalize_observations=False), make(kind, seed=2, normalize_observations=False)
    advantages(other.policy)
    for name, parameter in one.policy.named_parameters():
        path, _, last = name.rpartition(".")
        setattr(other.policy.get_submodule(path), last, parameter)
    one.learn(60)
    np.testing.assert_array_equal(advantages(other.policy), advantages(one.policy))
    vector = torch.zeros(sum(parameter.numel() for parameter in weights(one.policy).values()))
    vector_to_parameters(vector, weights(one.policy).values())
    assert not advantages(one.policy).any()
    vector += 0.1
    assert advantages(one.policy).all()
    one.learn(60)
    np.testing.assert_array_equal(vector.numpy(), one.policy.weight_vector())


class Zeroing(BaseCallback):
    """Replaces all weights by zeros."""

    def _on_step(self) -> bool:
        return data_zero(self.model.policy)  # type: ignore[arg-type]


class ZeroingChunks(Zeroing):
    chunked = True


@pytest.mark.parametrize("callback", [Zeroing, ZeroingChunks])
@pytest.mark.parametrize("env", [maze, Unknown])
def test_a_callback_that_replaces_weights_in_the_midst_of_learning(env: Any, callback: Any) -> None:
    """Step by step from the next step on, compiled from the next chunk on."""
    model = make(env=env(), chunk_size=10, learning_rate=lambda _: 0.0)
    model.learn(40, callback())
    assert not model.policy.weight_vector().any() and not advantages(model.policy).any()
    assert not model._learner.approximator.outputs.any() and not model._learner.approximator.weights.hidden.any()


def data_zero(policy: MemoryPolicy) -> bool:
    for parameter in policy.parameters():
        parameter.data = torch.zeros_like(parameter.data)
    return True


def test_statistics_that_are_replaced() -> None:
    model = trained(normalize_observations=True)
    before = advantages(model.policy)
    policy: Any = model.policy
    policy.observation_mean = policy.observation_mean + 1.0
    np.testing.assert_array_equal(advantages(policy), advantages(twin(policy)))
    assert not np.array_equal(advantages(policy), before)


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_casts_and_moves_that_kernels_cannot_follow_are_refused(kind: str) -> None:
    model = trained(kind)
    before, precision = advantages(model.policy), getattr(torch, model.config.precision)
    other = torch.float32 if kind == "float64" else torch.float64
    for cast in (partial(model.policy.to, other), model.policy.half, partial(model.policy.to, "meta")):
        with pytest.raises(ValueError, match=f"^policy must stay {precision} on the CPU, as Config.precision"):
            cast()
    np.testing.assert_array_equal(advantages(model.policy), before)


def test_what_compiled_code_cannot_work_on_is_refused() -> None:
    def refused(message: str) -> None:
        for use in (lambda: advantages(model.policy), lambda: model.learn(10), lambda: model.predict(OBSERVATIONS)):
            with pytest.raises(ValueError, match=message):
                use()

    model = trained()
    parametrizations.weight_norm(model.policy, "hidden_weights")
    refused("^hidden_weights must be a plain tensor of the policy, got none of this name: compiled code knows no prun")
    model = trained()
    prune.l1_unstructured(model.policy, "output_weights", 0.5)  # type: ignore[no-untyped-call]
    refused("^output_weights must be a plain tensor of the policy")
    prune.remove(model.policy, "output_weights")  # type: ignore[no-untyped-call]
    assert (advantages(model.policy) == advantages(twin(model.policy))).all()
    model.policy.output_weights.data = torch.zeros(2, 2)
    refused(
        r"^output_weights must be floating-point numbers of shape \(\d+, 4\) on the CPU, got torch.float32 of shape"
    )
    model = trained()
    model.policy.register_parameter("hidden_weights", None)
    refused("^hidden_weights must be a plain tensor of the policy")
    model = trained()
    model.policy.hidden_weights.data = model.policy.hidden_weights.data.to(torch.complex64)
    refused("^hidden_weights must be floating-point numbers")
    model = trained()
    with torch.no_grad():
        model.policy.hidden_weights.t_()  # the same address
    refused("^hidden_weights must be floating-point numbers of shape")


def test_frozen_weights_act_and_are_not_learned_by_compiled_code() -> None:
    model = trained()
    model.policy.requires_grad_(False)
    assert advantages(model.policy).any()
    with pytest.raises(ValueError, match="^hidden_weights must require a gradient to learn, got a frozen parameter"):
        model.learn(10)
    model.policy.requires_grad_(True)
    model.policy.explorer_hidden.requires_grad_(False)  # which learns in directed exploration only
    model.learn(10)


# --- copies -----------------------------------------------------------------------------------------------------------


def pickled(model: Any) -> Any:
    return pickle.loads(pickle.dumps(model))


def torch_saved(policy: Any) -> Any:
    file = BytesIO()
    torch.save(policy, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("env", [maze, Unknown, lambda: DummyVecEnv([maze, maze])], ids=["world", "other", "two"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("copied", [deepcopy, pickled])
def test_copied_models_go_on_as_the_original(copied: Any, kind: str, env: Any) -> None:
    model = make(kind, env(), exploration="directed").learn(130)
    other, states = copied(model), []
    for each in (model, other):
        before = each.policy.weight_vector()
        each.learn(70, reset_num_timesteps=False)
        assert each.num_timesteps == 200 and np.abs(each.policy.weight_vector() - before).max() > 0.0
        states.append(each.policy.state_dict())
    for name, values in states[0].items():
        assert torch.equal(states[1][name], values) and states[1][name].data_ptr() != values.data_ptr(), name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("copied", [deepcopy, pickled, torch_saved, copy])
def test_copied_policies_act_on_their_own(copied: Any, kind: str) -> None:
    policy = trained(kind).policy
    other, before = copied(policy), advantages(policy)
    np.testing.assert_array_equal(advantages(other), before)
    data_zero(other)
    assert not advantages(other).any()
    assert np.array_equal(advantages(policy), before) == (copied is not copy)


def test_copies_of_a_model_that_was_loaded_or_never_trained() -> None:
    file, model = BytesIO(), trained()
    model.save(file)
    file.seek(0)
    copies = [AdvantageLearning.load(file, env=maze())]
    copies.append(pickled(copies[0]))
    results = [each.learn(50, reset_num_timesteps=False).policy.weight_vector() for each in (model, *copies)]
    assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], results[2])
    assert np.array_equal(deepcopy(make()).learn(50).policy.weight_vector(), make().learn(50).policy.weight_vector())


# --- threads ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["LstmPolicy", "GruPolicy"])
def test_threads_get_the_answers_of_one_thread(kind: str) -> None:
    model = trained(kind)
    count = 4_000 if kind == "LstmPolicy" else 200
    observations = np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32)

    def answers(_: int) -> Any:
        state, collected = None, []
        for observation in observations:
            values, state = model.policy.advantages(observation, state)
            collected.append(values[0])
        return np.array(collected)

    expected = answers(0)
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(answers, range(4)):
            np.testing.assert_array_equal(got, expected)


# --- Torch modules as networks ----------------------------------------------------------------------------------------


class Watched(GruNetwork):
    """Drops out half of what it sees, counts how often it is called, and keeps running statistics."""

    calls: torch.Tensor

    def __init__(self, inputs: int, outputs: int, *, seed: int | None, dtype: torch.dtype) -> None:
        super().__init__(inputs, outputs, 3, seed, dtype=dtype)
        self.dropout = nn.Dropout(0.5)
        self.register_buffer("calls", torch.zeros(2, dtype=torch.int64))

    def forward(self, x: Any, state: Any = None, resets: Any = None) -> Any:
        self.calls[int(self.training)] += 1
        return super().forward(self.dropout(x), state, resets)


def watched(**settings: Any) -> AdvantageLearning:
    defaults: dict[str, Any] = {
        "seed": 0,
        "bptt_depth": 3,
        "learning_rate": 0.01,
        "policy_kwargs": {"network": Watched},
    }
    return AdvantageLearning("TorchPolicy", maze(), **defaults | settings)


def test_a_module_acts_in_eval_mode_and_learns_in_train_mode() -> None:
    model = watched().learn(100)
    policy: Any = model.policy
    acted, learned = policy.network.calls.tolist()
    assert acted >= 100 and learned >= 100
    policy.set_training_mode(False)
    answers = [advantages(policy) for _ in range(3)]
    assert np.array_equal(answers[0], answers[1]) and np.array_equal(answers[0], answers[2])
    policy.set_training_mode(True)  # `predict` acts, whatever the mode before
    assert np.array_equal(advantages(policy), answers[0]) and not policy.network.training
    assert policy.network.calls.tolist() == [acted + 12, learned]


def test_a_module_is_part_of_the_policy() -> None:
    model = watched().learn(30)
    state = model.policy.state_dict()
    assert {"network.recurrent.weight_ih_l0", "network.readout.bias", "network.calls"} <= set(state)
    assert state["network.calls"].min() >= 30
    file = BytesIO()
    model.save(file)
    file.seek(0)
    loaded: Any = AdvantageLearning.load(file).policy
    assert torch.equal(loaded.network.calls, state["network.calls"])
    np.testing.assert_array_equal(advantages(loaded), advantages(model.policy))


def test_frozen_parameters_stay_put_and_the_rest_learns() -> None:
    model = watched()
    network: Any = model.policy.network
    network.recurrent.requires_grad_(False)
    model.learn(50)
    first = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    network.recurrent.weight_hh_l0.requires_grad_(True)  # thawed
    network.readout.weight.requires_grad_(False)
    model.learn(50, reset_num_timesteps=False)
    moved = {name for name, parameter in network.named_parameters() if not torch.equal(parameter, first[name])}
    fresh: Any = watched().policy.network
    assert {name for name, w in fresh.named_parameters() if not torch.equal(w, first[name])} == {
        "readout.weight",
        "readout.bias",
    }
    assert moved == {"recurrent.weight_hh_l0", "readout.bias"}
    network.requires_grad_(False)
    before = model.policy.weight_vector()
    model.learn(20, reset_num_timesteps=False)
    assert np.array_equal(model.policy.weight_vector(), before)


@pytest.mark.parametrize("change", ["prune", "weight norm", "another network"])
def test_a_module_that_is_changed_after_training_goes_on(change: str) -> None:
    model = watched().learn(60)
    policy: Any = model.policy
    before = advantages(policy)
    if change == "prune":
        mask = torch.zeros_like(policy.network.readout.weight)
        mask[0] = 1.0
        prune.custom_from_mask(policy.network.readout, "weight", mask)  # type: ignore[no-untyped-call]
    elif change == "weight norm":
        parametrizations.weight_norm(policy.network.readout)
        policy.network.readout.parametrizations.weight.original0.data *= 2.0
    else:
        policy.network = Watched(3, 4, seed=9, dtype=torch.float32)
    now = advantages(policy)
    assert not np.allclose(now, before)
    weights = policy.weight_vector()
    model.learn(60, reset_num_timesteps=False)
    assert np.abs(policy.weight_vector() - weights).max() > 0.0 and not np.allclose(advantages(policy), now)
    if change == "prune":
        assert not policy.network.readout.weight[1:].any()
    assert len(policy.network_square) == sum(parameter.numel() for parameter in policy.network.parameters())


def test_a_module_parametrised_by_its_builder() -> None:
    def build(inputs: int, outputs: int, *, seed: int | None, dtype: torch.dtype) -> nn.Module:
        network = GruNetwork(inputs, outputs, 3, seed, dtype=dtype)
        parametrizations.spectral_norm(network.recurrent, "weight_hh_l0")
        return network

    model = watched(policy_kwargs={"network": build}).learn(60)
    network: Any = model.policy.network
    network.eval()
    largest = torch.linalg.matrix_norm(network.recurrent.weight_hh_l0, 2).item()
    assert largest == pytest.approx(1.0, abs=0.05)


def test_learning_inside_no_grad_and_autocast() -> None:
    expected = make("GruPolicy").learn(40).policy.weight_vector()
    with torch.no_grad():
        np.testing.assert_array_equal(make("GruPolicy").learn(40).policy.weight_vector(), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert np.abs(make("GruPolicy").learn(40).policy.weight_vector() - expected).max() < 0.1
    with (
        torch.inference_mode(),
        pytest.raises(ValueError, match="^network must give outputs with a gradient by"),
    ):
        make("GruPolicy").learn(40)
