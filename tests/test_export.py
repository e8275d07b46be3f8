"""Exported policies act as `predict` does, in every step of whole episodes; the command writes them or says why not."""

import json
import logging
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv
from torch import nn

from lstm_rl import export
from lstm_rl.acting import ActingModule, initial_state
from lstm_rl.agents import AdvantageLearning
from lstm_rl.cli import main
from lstm_rl.kernels.cells import Cells
from lstm_rl.make import make_rows
from lstm_rl.nn.gru import GruNetwork
from lstm_rl.topology import Topology

STEPS = 60


class Numbers(gym.Env[Any, Any]):
    """Random images or numbers for 9 steps; actions of any space."""

    def __init__(self, observation_space: Any, action_space: Any) -> None:
        self.observation_space, self.action_space, self.steps = observation_space, action_space, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.observation_space.seed(seed or 0)
        self.steps = 0
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action)
        self.steps += 1
        return self.observation_space.sample(), float(np.sum(action)), self.steps == 9, False, {}


def world(name: str, **arguments: Any) -> Callable[[], VecEnv]:
    return lambda: make_rows(f"lstm_rl/{name}-v0", arguments, 2)


def numbers(observation_space: Any, action_space: Any) -> Callable[[], VecEnv]:
    return lambda: DummyVecEnv([lambda: Numbers(observation_space, action_space)] * 2)


MAZE = world("NoisyTMaze", corridor_length=5, max_steps=20)
SQUARE = spaces.Box(-1.0, 1.0, (2, 2), np.float32)
UNEVEN = spaces.Box(np.array([[-1.0, 0.0]], np.float32), np.array([[2.0, 5.0]], np.float32))
PEEPHOLES = Topology(3, 4, hidden=2, blocks=(1, 2), peepholes=True, hidden_sees=("input", "gates"))
CELLS = Cells(3, 4, (("min_gru", 3), ("rtu", 2)), hidden=3)
FAMILIES: dict[str, tuple[str, Callable[[], VecEnv], dict[str, Any]]] = {
    "default": ("LstmPolicy", world("MemoryChain", length=9), {}),
    "mazes": ("LstmPolicy", MAZE, {"averaging": 1.0}),
    "topology": (
        "LstmPolicy",
        numbers(spaces.Discrete(3), spaces.Discrete(4, start=-1)),
        {"policy_kwargs": {"topology": PEEPHOLES}, "precision": "float64"},
    ),
    "cells": ("LstmPolicy", MAZE, {"policy_kwargs": {"topology": CELLS}}),
    "told its actions": ("LstmPolicy", MAZE, {"policy_kwargs": {"topology": Cells(7, 4, actions=4)}}),
    "elman": ("ElmanPolicy", MAZE, {"hidden": 3, "bptt_depth": 5, "normalize_observations": False}),
    "gru": ("GruPolicy", MAZE, {"cells": 3, "bptt_depth": 2}),
    "slstm": ("SlstmPolicy", MAZE, {"cells": 3, "bptt_depth": 2}),
    "torch": ("TorchPolicy", MAZE, {"policy_kwargs": {"network": partial(GruNetwork, units=3)}, "bptt_depth": 2}),
    "table": ("MemoryBitsPolicy", MAZE, {"normalize_observations": False}),
    "actor-critic": (
        "LstmPolicy",
        numbers(SQUARE, spaces.MultiDiscrete([2, 3, 2], start=[0, -1, 5])),
        {"rule": "actor_critic"},
    ),
    "box": ("LstmPolicy", numbers(SQUARE, UNEVEN), {}),
    "box of integers": ("LstmPolicy", numbers(SQUARE, spaces.Box(-2, 9, (3,), np.int64)), {}),
}


def learnt(family: str, steps: int = 40) -> tuple[AdvantageLearning, VecEnv]:
    policy, make, settings = FAMILIES[family]
    rows = make()
    return AdvantageLearning(policy, rows, seed=1, **settings).learn(steps), rows


def compare(model: AdvantageLearning, rows: VecEnv, step: Callable[..., Any]) -> None:
    """Play with `predict`, and let ``step`` follow with a state of its own."""
    policy, state = model.policy, None
    follow: Any = initial_state(policy, 2)
    observation, starts, ends = rows.reset(), np.ones(2, np.bool_), 0
    for _ in range(STEPS):
        outputs, _ = policy.advantages(observation, state, starts)
        actions, state = policy.predict(observation, state, starts, deterministic=True)
        action, advantages, *follow = step(policy.encoder.encode(observation, 2), starts, *map(np.asarray, follow))
        assert action.shape == actions.shape and advantages.shape == outputs.shape
        if isinstance(model.action_space, spaces.Box) and model.action_space.dtype == np.float32:
            assert action == pytest.approx(actions, abs=1e-5)
        else:
            assert np.array_equal(action, actions) and action.dtype == actions.dtype
        assert advantages == pytest.approx(outputs, rel=1e-6, abs=1e-5)
        observation, _, starts, _ = rows.step(actions)
        ends += starts.sum()
    assert ends > 1


@pytest.mark.parametrize("family", FAMILIES)
def test_the_module_acts_as_predict(family: str) -> None:
    model, rows = learnt(family)
    module = ActingModule(model.policy)

    def step(*inputs: Any) -> Any:
        observation, starts, *state = map(torch.from_numpy, inputs)
        action, advantages, after = module(observation, starts, tuple(state))
        return [each.numpy() for each in (action, advantages, *after)]

    with torch.no_grad():
        compare(model, rows, step)


@pytest.mark.parametrize("family", ["default", "mazes", "topology", "slstm", "torch", "table", "box"])
def test_onnxruntime_acts_as_predict(family: str) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model, rows = learnt(family)
    disabled = logging.root.manager.disable
    proto = export.to_onnx(model.policy)
    assert logging.root.manager.disable == disabled
    session = runtime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    parts = len(initial_state(model.policy, 1))
    assert names == ["observation", "episode_start", *(f"state_{i}" for i in range(parts))]
    assert [each.name for each in session.get_outputs()][:2] == ["action", "advantages"]
    compare(model, rows, lambda *inputs: session.run(None, dict(zip(names, inputs, strict=True))))
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["action_space"] == str(model.action_space) and metadata["policy"] == type(model.policy).__name__
    for name, size in json.loads(metadata["state"]).items():
        assert list(session.get_inputs()[names.index(name)].shape[1:]) == size
    for n in (1, 3):  # any number of rows
        inputs = [np.zeros((n, model.policy.sensors), np.float32), np.ones(n, np.bool_)]
        inputs += [part.numpy() for part in initial_state(model.policy, n)]
        assert all(len(part) == n for part in session.run(None, dict(zip(names, inputs, strict=True))))
    assert b"lstm_rl/" not in proto.SerializeToString().replace(str(metadata).encode(), b"")  # places of source files


def test_a_torch_program_acts_as_predict(tmp_path: Path) -> None:
    model, rows = learnt("slstm")
    export.write_torch(model.policy, tmp_path / "policy.pt2")
    program = torch.export.load(tmp_path / "policy.pt2").module()

    def step(*inputs: Any) -> Any:
        observation, starts, *state = map(torch.from_numpy, inputs)
        action, advantages, after = program(observation, starts, tuple(state))
        return [each.numpy() for each in (action, advantages, *after)]

    compare(model, rows, step)


def test_an_average_of_the_weights_is_what_acts() -> None:
    model, _ = learnt("mazes", 2 * 12 * 1024)
    weights = model.policy.acting_weights()
    assert not np.array_equal(weights.hidden, model.policy.weights().hidden)
    module = ActingModule(model.policy)
    assert np.array_equal(module.network.hidden_weights.numpy(), weights.hidden)


class Untraceable(nn.Module):
    """Decides by a number."""

    def __init__(self, inputs: int, outputs: int, *, seed: int | None, dtype: torch.dtype) -> None:
        super().__init__()
        self.inner = GruNetwork(inputs, outputs, 2, seed, dtype=dtype)
        self.inputs, self.outputs, self.initial_state = inputs, outputs, self.inner.initial_state

    def forward(self, x: Any, state: Any = None, resets: Any = None) -> Any:
        return self.inner(x if x.sum() > 0.0 else 2.0 * x, state, resets)


def test_a_network_that_cannot_be_traced_is_a_sentence() -> None:
    model = AdvantageLearning("TorchPolicy", MAZE(), policy_kwargs={"network": Untraceable}, bptt_depth=1)
    with pytest.raises(ValueError, match="network must be such that torch.export can trace it") as raised:
        export.to_torch(model.policy)
    assert "\n\n" not in str(raised.value)


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "x"
    few = ("--timesteps", "300", "--eval-episodes", "2", "--no-progress", "--no-pictures")
    place = ("--log-dir", str(folder.parent), "--run-name", "x")
    assert main(["train", "lstm_rl/NoisyTMaze-v0", "--env-kwargs", "corridor_length=3", *few, *place]) == 0
    return folder


def test_the_command_writes_all_kinds(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxscript")
    onnx, tensors, program = (tmp_path / f"p.{suffix}" for suffix in ("onnx", "safetensors", "pt2"))
    files = ["--onnx", str(onnx), "--safetensors", str(tensors), "--torch", str(program)]
    assert main(["export", str(run), *files, "--which", "last"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [str(onnx), str(tensors), str(program)]
    assert "after 300 steps" in lines[0] and {*tmp_path.iterdir()} == {onnx, tensors, program}
    loaded, saved = AdvantageLearning.load(tensors), AdvantageLearning.load(run / "model.zip")
    assert np.array_equal(loaded.policy.weight_vector(), saved.policy.weight_vector())


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "export needs a file to write"),
        (["--onnx", "p.zip"], 2, "onnx must be a .onnx file, got p.zip"),
        (["--torch", "p.onnx"], 2, "torch must be a .pt2 file, got p.onnx"),
        (["--safetensors", "p"], 2, "safetensors must be a .safetensors file, got p"),
    ],
)
def test_what_cannot_be_written_is_a_sentence(
    arguments: list[str], code: int, message: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(run), *arguments]) == code
    assert capsys.readouterr().err.startswith(f"lstm-rl: {message}")


def test_other_bad_input_is_a_sentence(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["export", str(tmp_path), "--onnx", str(tmp_path / "p.onnx")]) == 2
    assert "run must be a folder with a config.json" in capsys.readouterr().err
    (tmp_path / "d.onnx").mkdir()
    assert main(["export", str(run), "--onnx", str(tmp_path / "d.onnx")]) == 2
    assert "must be a file to write, but is a folder" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert main(["export", str(run), "--onnx", str(tmp_path / "p.onnx")]) == 2
    assert capsys.readouterr().err == 'lstm-rl: onnx needs onnxscript: pip install "lstm-rl[export]"\n'
    assert [path.name for path in tmp_path.iterdir()] == ["d.onnx"]
