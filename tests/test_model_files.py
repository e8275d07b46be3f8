"""Models as .safetensors: no code in them, actions and continuation equal to the last bit, bad files refused."""

import io
import json
import pickle
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from safetensors import safe_open
from safetensors.numpy import save_file
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from lstm_rl.agents import AdvantageLearning, LstmPolicy
from lstm_rl.agents.model_file import checksum
from lstm_rl.agents.plain_data import from_plain, to_plain
from lstm_rl.kernels.cells import Cells
from lstm_rl.make import make_rows
from lstm_rl.nn import LstmNetwork
from lstm_rl.nn.gru import GruNetwork
from lstm_rl.topology import Topology

BEFORE, AFTER = 60, 40


class Mixed(gym.Env[Any, Any]):
    """Observations of all kinds, and a state that is data: numbers, text, a generator."""

    observation_space: Any = spaces.Dict(
        {
            "b": spaces.Box(np.array([-1.0, -np.inf], np.float32), np.array([2.0, np.inf], np.float32)),
            "a": spaces.Tuple((spaces.Discrete(3, start=1), spaces.MultiBinary((2, 1)), spaces.MultiDiscrete([2, 3]))),
        }
    )
    state: Any = None

    def __init__(self, action_space: Any) -> None:
        self.action_space, self.steps = action_space, 0

    def _observation(self) -> Any:
        draws = self.np_random.uniform(-1.0, 1.0, 2).astype(np.float32)
        bits = self.np_random.integers(0, 2, (2, 1), np.int8)
        return {"a": (np.int64(1 + self.steps % 3), bits, np.array([1, self.steps % 3])), "b": draws}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.steps = 0
        return self._observation(), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        return self._observation(), float(np.sum(action)), self.steps == 7, False, {}

    def get_state(self) -> Any:
        return self.state or {"steps": self.steps, "np_random": self.np_random, "note": ("high", float("inf"), None)}

    def set_state(self, state: Any) -> None:
        assert state["note"] == ("high", float("inf"), None)
        self.steps, self.np_random = state["steps"], state["np_random"]


class Flat(gym.ObservationWrapper[Any, Any, Any]):
    """The numbers alone, since SB3 takes no Tuple."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.observation_space = spaces.Dict({"b": Mixed.observation_space["b"], "n": Mixed.observation_space["a"][0]})

    def observation(self, observation: Any) -> Any:
        return {"b": observation["b"], "n": observation["a"][0]}

    def get_state(self) -> Any:
        return {}

    def set_state(self, state: Any) -> None:
        assert state == {}


def world(name: str, **arguments: Any) -> Callable[[], VecEnv]:
    return lambda: make_rows(f"lstm_rl/{name}-v0", arguments, 2)


def mixed(action_space: Any) -> Callable[[], VecEnv]:
    return lambda: DummyVecEnv([lambda: Flat(Mixed(action_space))])


MAZE = world("NoisyTMaze", corridor_length=5)
BOX = spaces.Box(np.array([[-1.0, 0.0]], np.float32), np.array([[2.0, 5.0]], np.float32))
TOPOLOGY = Topology(3, 4, hidden=2, blocks=(1, 2), peepholes=True, without=((0, 0),), forget_gate_bias=(1.0, 2.0))
CELLS = Cells(3, 4, (("min_gru", 3), ("rtu", 2)), hidden=3)
FAMILIES: dict[str, tuple[str, Callable[[], VecEnv], dict[str, Any]]] = {
    "default": ("LstmPolicy", world("MemoryChain", length=5), {}),
    "mazes": ("LstmPolicy", MAZE, {}),
    "topology": ("LstmPolicy", MAZE, {"policy_kwargs": {"topology": TOPOLOGY}, "schedule": "linear"}),
    "cells": ("LstmPolicy", MAZE, {"policy_kwargs": {"topology": CELLS}}),
    "elman": ("ElmanPolicy", MAZE, {"hidden": 3, "bptt_depth": 5}),
    "gru": ("GruPolicy", MAZE, {"cells": 3, "bptt_depth": 4}),
    "slstm": ("SlstmPolicy", MAZE, {"cells": 3, "bptt_depth": 4}),
    "torch": ("TorchPolicy", MAZE, {"policy_kwargs": {"network": partial(GruNetwork, units=3)}, "bptt_depth": 4}),
    "table": ("MemoryBitsPolicy", MAZE, {"normalize_observations": False}),
    "directed": ("LstmPolicy", MAZE, {"exploration": "directed", "precision": "float64"}),
    "actor-critic": ("LstmPolicy", mixed(spaces.MultiDiscrete([2, 3])), {"rule": "actor_critic"}),
    "box": ("LstmPolicy", mixed(BOX), {}),
}


def learnt(family: str) -> AdvantageLearning:
    policy, make, settings = FAMILIES[family]
    return AdvantageLearning(policy, make(), seed=3, **settings).learn(BEFORE)


def everything(model: AdvantageLearning) -> dict[str, Any]:
    arrays = model._trainer.arrays()
    own = {f"{part} {name}": array for part, named in arrays.items() for name, array in named.items()}
    return own | {name: value.numpy() for name, value in model.policy.state_dict().items()}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_file_without_code_acts_and_goes_on_to_the_last_bit(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, make = learnt(family), FAMILIES[family][1]
    model.save(tmp_path / "model.safetensors")
    with monkeypatch.context() as patch:
        for module, name in ((pickle, "loads"), (pickle, "load"), (torch, "load")):
            patch.setattr(module, name, lambda *_, **__: pytest.fail("a pickle was read"))
        loaded = AdvantageLearning.load(tmp_path / "model.safetensors", env=make())
    assert loaded.config == model.config and loaded.horizon == model.horizon
    assert (loaded.observation_space, loaded.action_space) == (model.observation_space, model.action_space)
    state, other = None, None
    observation: Any = model._last_obs
    for _ in range(5):
        actions, state = model.predict(observation, state)
        equal, other = loaded.predict(observation, other)
        assert np.array_equal(actions, equal)
    for each in (model, loaded):
        each.learn(AFTER, reset_num_timesteps=False)
    assert loaded.num_timesteps == model.num_timesteps
    both = everything(model), everything(loaded)
    assert both[0].keys() == both[1].keys()
    for name, values in both[0].items():
        assert np.array_equal(values, both[1][name]), name


def test_the_file_is_known_by_its_beginning_and_load_does_as_with_a_zip(tmp_path: Path) -> None:
    model = learnt("mazes")
    model.save(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").rename(tmp_path / "model.bin")
    loaded = AdvantageLearning.load(tmp_path / "model.bin", learning_rate=0.5, verbose=1)
    assert loaded.learning_rate == 0.5 and loaded.config.learning_rate == 0.5 and loaded.verbose == 1
    with pytest.raises(ValueError, match="spaces do not match"):
        AdvantageLearning.load(tmp_path / "model.bin", env=world("MemoryChain")())
    loaded.set_env(MAZE())
    loaded.learn(AFTER, reset_num_timesteps=False)
    assert loaded.num_timesteps == BEFORE + AFTER


def test_the_demos_model_is_small_and_its_metadata_are_for_people(tmp_path: Path) -> None:
    model = AdvantageLearning("LstmPolicy", make_rows("lstm_rl/NoisyTMaze-v0", {"corridor_length": 70}, 1), seed=0)
    model.learn(20_000).save(tmp_path / "model.safetensors")
    assert (tmp_path / "model.safetensors").stat().st_size <= 20_000
    with safe_open(tmp_path / "model.safetensors", "numpy") as file:
        metadata = file.metadata()
        assert file.get_tensor("policy.observation_mean").shape == (3,)
    assert metadata["policy"] == "LstmPolicy" and "3 inputs, 0 hidden units" in metadata["network"]
    assert json.loads(metadata["model"])["config"]["Config"]["cells"] == 8


def test_spaces_and_values_come_back() -> None:
    for space in (
        Mixed.observation_space,
        BOX,
        spaces.MultiDiscrete([2, 3], start=[1, 2]),
        spaces.Box(0, 255, (2, 3), np.uint8),
    ):
        arrays: dict[str, Any] = {}
        plain = json.loads(json.dumps(to_plain(space, "space", arrays)))
        assert from_plain(plain, arrays, set()) == space
    value = {
        "rows": [{"r": 1.5, "l": 2}, {"r": np.float32(2.0), "l": 3}],
        "none": [],
        "nan": float("-inf"),
        "t": ((1,),),
    }
    arrays = {}
    assert from_plain(json.loads(json.dumps(to_plain(value, "", arrays))), arrays, set()) == value
    generator = np.random.default_rng(5)
    other = from_plain(json.loads(json.dumps(to_plain(generator, "", arrays))), arrays, set())
    assert other.random() == generator.random()


# --- what a file cannot hold -----------------------------------------------------------------------------------------


def test_an_environment_whose_state_is_no_data_starts_new_episodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = learnt("box")
    monkeypatch.setattr(Mixed, "state", {"file": io.BytesIO()})
    model.save(tmp_path / "model.safetensors")
    monkeypatch.undo()
    loaded = AdvantageLearning.load(tmp_path / "model.safetensors", env=FAMILIES["box"][1]())
    with pytest.warns(UserWarning, match="new episodes"):
        loaded.learn(AFTER, reset_num_timesteps=False)
    assert loaded.num_timesteps == BEFORE + AFTER


def build(inputs: int, outputs: int, *, seed: int | None, dtype: torch.dtype) -> LstmNetwork:
    return LstmNetwork(Topology(inputs, outputs, blocks=(1,)), seed, dtype=dtype)


def test_a_builder_is_code_and_has_to_be_given_again(tmp_path: Path) -> None:
    model = AdvantageLearning("TorchPolicy", MAZE(), seed=0, policy_kwargs={"network": build}, bptt_depth=3).learn(20)
    model.save(tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"policy_kwargs must give the network's builder.*test_model_files\.build"):
        AdvantageLearning.load(tmp_path / "model.safetensors")
    loaded = AdvantageLearning.load(tmp_path / "model.safetensors", policy_kwargs={"network": build})
    assert np.array_equal(loaded.policy.weight_vector(), model.policy.weight_vector())


def test_code_is_refused(tmp_path: Path) -> None:
    class Own(LstmPolicy):
        pass

    path = tmp_path / "model.safetensors"
    with pytest.raises(ValueError, match="policy must be one of .* got Own: save it as .zip"):
        AdvantageLearning(Own, MAZE()).save(path)
    with pytest.raises(ValueError, match="learning_rate must be a number.*got a function"):
        AdvantageLearning("LstmPolicy", MAZE(), learning_rate=lambda progress: 0.1).save(path)
    with pytest.raises(ValueError, match=r"config\.name must be numbers.* got <function"):
        to_plain({"name": build}, "config", {})
    assert not list(tmp_path.iterdir())


# --- bad files -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("good") / "model.safetensors"
    learnt("mazes").save(path)
    return path


def edited(path: Path, target: Path, change: Callable[[dict[str, Any], dict[str, str]], None]) -> Path:
    with safe_open(path, "numpy") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    change(tensors, metadata)
    metadata["checksum"] = checksum(metadata.get("model", ""), tensors)
    save_file(tensors, target, metadata)
    return target


def change_model(metadata: dict[str, str], old: str, new: str) -> None:
    assert old in metadata["model"]
    metadata["model"] = metadata["model"].replace(old, new, 1)


TRACES = "_position.arrays.approximator.traces"
BAD: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "version": (
        lambda _, m: m.update(format_version="2"),
        "version 1 of the format, got version 2, written by lstm_rl",
    ),
    "foreign": (lambda _, m: m.clear(), "comes from something else"),
    "extra": (lambda t, _: t.update(other=np.zeros(3)), "a tensor that its description does not name: other"),
    "extra of the policy": (lambda t, _: t.update({"policy.bias": np.zeros(3)}), "a tensor too many, bias of policy"),
    "missing": (lambda t, _: t.pop("policy.hidden_weights"), "lacks hidden_weights of policy"),
    "missing trace": (lambda t, _: t.pop(TRACES), "tensor .*traces is missing"),
    "shape": (lambda t, _: t.update({TRACES: t[TRACES][:, :1].copy()}), "traces of shape"),
    "NaN": (lambda t, _: t["policy.hidden_weights"].fill(np.nan), "hidden_weights holds NaN"),
    "NaN in a trace": (lambda t, _: t[TRACES].fill(np.nan), "traces holds NaN"),
    "network": (
        lambda _, m: change_model(m, '"cells":8', '"cells":7'),
        "of this network, with hidden_weights of shape",
    ),
    "setting": (lambda _, m: change_model(m, '"gamma":', '"gamme":1,"gamma":'), "Config cannot be made"),
    "older": (lambda _, m: change_model(m, '"gamma":0.98,', ""), "Config lacks gamma: the file is of another version"),
    "range": (lambda _, m: change_model(m, '"gamma":0.98', '"gamma":1.5'), "gamma must be a number"),
    "kind": (lambda _, m: change_model(m, '{"Config"', '{"os.system"'), "kind os.system is unknown"),
    "policy": (lambda _, m: m.update(policy="Os"), "description does not fit: 'Os'"),
    "json": (lambda _, m: m.update(model="{"), "description does not fit"),
    "no config": (lambda _, m: m.update(model="{}"), "description does not fit: 'policy_kwargs'"),
    "deep": (lambda _, m: m.update(model="[" * 100_000), "description does not fit"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_refused_in_a_sentence(what: str, good: Path, tmp_path: Path) -> None:
    change, message = BAD[what]
    path = edited(good, tmp_path / "bad.safetensors", change)
    with pytest.raises(ValueError, match=message) as raised:
        AdvantageLearning.load(path, env=MAZE())
    assert "\n" not in str(raised.value) and str(path) in str(raised.value)


def test_damaged_bytes_are_refused(good: Path, tmp_path: Path) -> None:
    whole, path = good.read_bytes(), tmp_path / "bad.safetensors"
    for size in (0, 5, 9, 500, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="damaged or of another kind"):
            AdvantageLearning.load(path)
    flipped = bytearray(whole)
    flipped[-100] ^= 1  # one bit of a number
    path.write_bytes(flipped)
    with pytest.raises(ValueError, match="damaged: its checksum is not that of its numbers"):
        AdvantageLearning.load(path)
    path.write_bytes(struct.pack("<Q", 2**60) + whole[8:])
    with pytest.raises(ValueError, match="damaged or of another kind"):
        AdvantageLearning.load(path)
    with pytest.raises(FileNotFoundError):
        AdvantageLearning.load(tmp_path / "none.safetensors")
