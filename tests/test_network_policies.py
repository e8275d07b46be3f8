"""Every network is a policy's network: topologies in the compiled learner, Torch modules behind the same rule."""

import signal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lstm_rl.agents import AdvantageLearning
from lstm_rl.envs.env import WorldEnv
from lstm_rl.envs.tmaze import tmaze
from lstm_rl.nn import LstmNetwork
from lstm_rl.nn.gru import GruNetwork
from lstm_rl.presets import preset
from lstm_rl.published import PUBLISHED
from lstm_rl.topology import Topology

N = 3  # corridor
IO: Any = {"cells_see": ("input",), "gates_see": ("input",), "biased": ("input_gate", "forget_gate", "output_gate")}
GATES: Any = {"input_gate_bias": -2.0, "forget_gate_bias": 3.0, "input_range": 0.3}
TOPOLOGIES = {
    "constant error carousels alone": Topology(
        3,
        4,
        blocks=(1,) * 4,
        input_gate=False,
        forget_gate=False,
        output_gate=False,
        cell_input="identity",
        cell_output="identity",
        cells_see=("input",),
        biased=("output",),
    ),
    "LSTM 1997": Topology(3, 4, blocks=(1,) * 4, forget_gate=False, **IO, **GATES),
    "LSTM 1997, input gates only": Topology(3, 4, blocks=(1,) * 4, forget_gate=False, output_gate=False, **IO, **GATES),
    "LSTM 2000": Topology(3, 4, blocks=(1,) * 4, **IO, **GATES),
    "LSTM 2002": Topology(3, 4, blocks=(1,) * 4, peepholes=True, **IO, **GATES),
    "two connected blocks of two cells": Topology(3, 4, blocks=(2, 2), **GATES),
    "mixed layer": Topology(3, 4, hidden=3, blocks=(1, 2), hidden_sees=("input", "hidden"), **IO, **GATES),
}


WORLD = tmaze(corridor_length=N)
QUICK: dict[str, Any] = {"lambda_": 0.8, "rms_memory": 0}  # larger steps, for little time


def maze() -> WorldEnv:
    return WorldEnv(WORLD)


def success(model: AdvantageLearning) -> float:
    """Share of right turns in the last 100 episodes, exploration on; chance is a half."""
    return float(np.mean(list(model.ep_success_buffer or [])))


@pytest.mark.parametrize("gradient", ["truncated", "bptt", "rtrl"])
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_topologies_learn(name: str, gradient: Any) -> None:
    policy = {"topology": TOPOLOGIES[name]}
    model = AdvantageLearning("LstmPolicy", maze(), seed=1, gradient=gradient, policy_kwargs=policy, **QUICK).learn(
        20_000
    )
    if name == "constant error carousels alone":  # a sum of all that was seen, without gates: not enough for the maze
        assert all(w.isfinite().all() for w in model.policy.parameters()) and 0.3 < success(model) < 0.7
    else:
        assert success(model) > 0.8


@pytest.mark.parametrize("gradient", ["bptt", "rtrl"])
def test_elman_nets_learn(gradient: Any) -> None:
    settings: dict[str, Any] = {"hidden": 6, "input_range": 2.0, "recurrent_range": 2.0, "bias_range": 2.0}
    model = AdvantageLearning("ElmanPolicy", maze(), seed=1, learning_rate=0.01, gradient=gradient, **settings)
    assert success(model.learn(40_000)) > 0.8


@pytest.mark.parametrize(
    ("policy", "units", "learning_rate", "steps"), [("GruPolicy", 4, 0.01, 2_000), ("SlstmPolicy", 8, 0.03, 1_500)]
)
def test_torch_networks_learn(policy: str, units: int, learning_rate: float, steps: int) -> None:
    model = AdvantageLearning(policy, maze(), seed=0, bptt_depth=6, learning_rate=learning_rate, cells=units, **QUICK)
    assert success(model.learn(steps)) > 0.75


# --- the Torch path is the compiled one -------------------------------------------------------------------------------

MIXED = TOPOLOGIES["mixed layer"]


def build(inputs: int, outputs: int, *, seed: int | None, dtype: torch.dtype) -> nn.Module:
    assert (inputs, outputs) == (MIXED.inputs, MIXED.outputs)
    return LstmNetwork(MIXED, seed, execution="loop", dtype=dtype)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
def test_torch_and_compiled_networks_make_the_same_steps(optimizer: Any) -> None:
    """Compiled errors carried back, and Torch's autograd through the last steps: both weights move alike.

    The steps are tiny, since Torch looks at the past with the present weights, and the kernels with those of the past.
    """
    alpha = 1e-9
    moved = []
    for policy, network in (("LstmPolicy", {"topology": MIXED}), ("TorchPolicy", {"network": build})):
        model = AdvantageLearning(
            policy,
            maze(),
            seed=1,
            gradient="bptt",
            bptt_depth=7,
            precision="float64",
            learning_rate=alpha,
            optimizer=optimizer,
            exploration="boltzmann",
            policy_kwargs=network,
        )
        parameters = dict(model.policy.named_parameters())
        w, w_out = MIXED.initial_weights(np.random.default_rng(5))
        flat, prefix = np.concatenate([w.ravel(), w_out.ravel()]), "network." if policy == "TorchPolicy" else ""
        with torch.no_grad():
            parameters[f"{prefix}hidden_weights"].copy_(torch.tensor(w))
            parameters[f"{prefix}output_weights"].copy_(torch.tensor(w_out))
        model.learn(400)
        moved.append((model.policy.weight_vector() - flat) / alpha)
    np.testing.assert_allclose(moved[0], moved[1], rtol=1e-4, atol=1e-4 * np.abs(moved[1]).max())
    assert np.abs(moved[1]).max() > 0.1


def test_going_on_is_exact(tmp_path: Path) -> None:
    """N + M steps are N, save, load, M, for a network in Torch, too."""
    settings: dict[str, Any] = {"seed": 3, "cells": 3, "bptt_depth": 4, "learning_rate": 0.01}
    whole = AdvantageLearning("GruPolicy", maze(), **settings).learn(240)
    AdvantageLearning("GruPolicy", maze(), **settings).learn(133).save(tmp_path / "part")
    rest = AdvantageLearning.load(tmp_path / "part", env=maze()).learn(107, reset_num_timesteps=False)
    for (name, one), other in zip(whole.policy.state_dict().items(), rest.policy.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


class Failing(GruNetwork):
    """Fails at its fiftieth step."""

    steps = 0

    def forward(self, *arguments: Any) -> Any:
        self.steps += 1
        if self.steps == 50:
            raise RuntimeError("no more steps")
        return super().forward(*arguments)


def test_what_a_network_raises_is_raised() -> None:
    network = partial(Failing, units=2)
    model = AdvantageLearning("TorchPolicy", maze(), seed=0, bptt_depth=3, policy_kwargs={"network": network})
    with pytest.raises(RuntimeError, match="^no more steps"):
        model.learn(200)


def test_an_interrupt_waits_for_the_border_of_a_chunk() -> None:
    """Ctrl-C in the midst of Torch leaves a model that goes on exactly."""

    class Interrupting(GruNetwork):
        steps = 0

        def forward(self, *arguments: Any) -> Any:
            self.steps += 1
            if self.steps == 50:
                signal.raise_signal(signal.SIGINT)
            return super().forward(*arguments)

    models = []
    for kind in (GruNetwork, Interrupting):
        network = {"network": partial(kind, units=2)}
        model = AdvantageLearning("TorchPolicy", maze(), seed=0, bptt_depth=3, chunk_size=64, policy_kwargs=network)
        if kind is Interrupting:
            with pytest.raises(KeyboardInterrupt):
                model.learn(256)
            assert model.num_timesteps in (0, 64)
        else:
            model.learn(64)
        models.append(model)
    assert np.array_equal(models[0].policy.weight_vector(), models[1].policy.weight_vector())


def test_bad_networks() -> None:
    with pytest.raises(ValueError, match="^network must be given in policy_kwargs"):
        AdvantageLearning("TorchPolicy", maze())
    with pytest.raises(
        ValueError, match="^network must build modules with the interface of lstm_rl.nn.network.Network"
    ):
        AdvantageLearning("TorchPolicy", maze(), policy_kwargs={"network": lambda *sizes, **_: nn.Linear(*sizes)})
    with pytest.raises(ValueError, match="^topology must have 3 inputs and 4 outputs for these spaces, got 7 and 7"):
        AdvantageLearning("LstmPolicy", maze(), policy_kwargs={"topology": PUBLISHED["hs1997-reber-4x1"]})
    with pytest.raises(ValueError, match="^cells must be an integer >= 1, got 0"):
        AdvantageLearning("SlstmPolicy", maze(), cells=0)
    with pytest.raises(ValueError, match="^gradient must be one of truncated, bptt, rtrl, got 'ekf'"):
        AdvantageLearning("LstmPolicy", maze(), gradient="ekf")
    with pytest.raises(ValueError, match="^preset must be default for GruPolicy, got bakker2001"):
        preset("bakker2001", "lstm_rl/TMaze-v0", "GruPolicy")
