"""Saving and going on: exactly as if training had never stopped, in a new process as well.

Run as a script, ``python test_resume.py FOLDER`` loads every model in the folder and trains it on.
"""

import io
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorWrapper
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

import lstm_rl.envs  # noqa: F401
from lstm_rl.agents import AdvantageLearning
from lstm_rl.envs.sb3 import GymnasiumVecEnv

BEFORE, AFTER = 137, 120  # steps per row
MAZE: tuple[str, dict[str, Any]] = ("lstm_rl/NoisyTMaze-v0", {"corridor_length": 20})
POLE: tuple[str, dict[str, Any]] = ("lstm_rl/MultimodePole-v0", {"max_steps": 90, "start_range": 0.01})
CASES: dict[str, tuple[tuple[str, dict[str, Any]], int, bool, bool, dict[str, Any]]] = {
    "compiled": (MAZE, 1, False, True, {"exploration": "ez_greedy", "epsilon": 0.3}),
    "compiled-3": (POLE, 3, False, True, {"exploration": "boltzmann", "optimizer": "sgd", "learning_rate": 1e-4}),
    "compiled-vector": (MAZE, 3, True, True, {"exploration": "directed"}),
    "steps": (MAZE, 1, False, False, {"exploration": "directed", "optimizer": "sgd", "learning_rate": 1e-4}),
    "steps-3": (POLE, 3, False, False, {"exploration": "epsilon", "epsilon": 0.1}),
    "steps-vector": (MAZE, 3, True, False, {"exploration": "ez_greedy", "epsilon": 0.3}),
    "elman": (MAZE, 2, False, True, {"hidden": 4, "bptt_depth": 7, "input_range": 2.0, "recurrent_range": 2.0}),
    "actor-critic": (POLE, 2, False, True, {"rule": "actor_critic", "learning_rate": 1e-4}),
    "box": (MAZE, 2, False, False, {"network": "exact", "return_size": 1.0, "error_memory": 20}),
    "memory-bits": (MAZE, 2, False, False, {"normalize_observations": False, "exploration": "directed"}),
}
POLICIES = {"elman": "ElmanPolicy", "memory-bits": "MemoryBitsPolicy"}


class Stateless:
    """Says that there is nothing to save of a wrapper."""

    def get_state(self) -> dict[str, Any]:
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        assert not state


class Plain(Stateless, gym.Wrapper[Any, Any, Any, Any]):
    """Keeps the compiled loop out."""


class Numbers(Stateless, gym.ActionWrapper[Any, Any, Any]):
    """Takes a number for one of the four actions."""

    action_space: Any = gym.spaces.Box(-1.0, 1.0, (1,))

    def action(self, action: Any) -> Any:
        return int((action[0] + 1.0) * 1.999)


class PlainVector(Stateless, VectorWrapper):
    """The same of a vector environment."""


def make(case: str) -> VecEnv:
    (env_id, arguments), n, vector, compiled, _ = CASES[case]
    if vector:
        rows = gym.make_vec(env_id, num_envs=n, autoreset_mode=AutoresetMode.SAME_STEP, **arguments)
        return GymnasiumVecEnv(rows if compiled else PlainVector(rows))

    def one() -> gym.Env[Any, Any]:
        env = gym.make(env_id, **arguments)
        env = Numbers(env) if case == "box" else env
        return Monitor(env if compiled else Plain(env))

    return DummyVecEnv([one] * n)


def learner(case: str) -> AdvantageLearning:
    settings = {"schedule": "constant"} | CASES[case][4]  # a linear one has fallen further after one long call
    return AdvantageLearning(POLICIES.get(case, "LstmPolicy"), make(case), seed=5, chunk_size=50, **settings)


def go_on(model: AdvantageLearning, steps: int = AFTER) -> AdvantageLearning:
    return model.learn(steps * model.n_envs, reset_num_timesteps=False)


def weights(model: AdvantageLearning) -> dict[str, Any]:
    return {name: value.numpy().copy() for name, value in model.get_parameters()["policy"].items()}


def everything(model: AdvantageLearning) -> dict[str, Any]:
    """All that the future of training depends on."""
    where = model._trainer.position(model.env, None)
    counts = {"steps": model.num_timesteps, "updates": model._n_updates}
    arrays = {f"{part}.{name}": value for part, values in where["arrays"].items() for name, value in values.items()}
    arrays.pop("log.sums")  # cleared at each write of the log
    layers = {layer: state for layer, state in (where["envs"] or {}).items() if "Monitor" not in layer}  # of the clock
    envs = {f"{layer}.{name}": value for layer, state in layers.items() for name, value in state.items()}
    return arrays | weights(model) | counts | envs


def main(folder: Path) -> None:
    warnings.simplefilter("error")
    for case in CASES:
        model = go_on(AdvantageLearning.load(folder / case, make(case)))
        np.savez(folder / f"{case}.npz", everything=np.array(everything(model), object))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models saved after ``BEFORE`` steps, and what another process made of them in ``AFTER`` more."""
    folder = tmp_path_factory.mktemp("resume")
    for case in CASES:
        model = go_on(learner(case), BEFORE)
        assert model.env is not None
        states = model._trainer.position(model.env, None)["envs"]
        elapsed = [state["elapsed"] for state in states.values() if "elapsed" in state]
        assert any(np.any(steps > 3) for steps in elapsed)  # in mid-episode
        model.save(folder / case)
    same_code = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, __file__, str(folder)], env=same_code, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("case", CASES)
def test_a_new_process_goes_on_exactly(case: str, folder: Path) -> None:
    uninterrupted = everything(go_on(learner(case), BEFORE + AFTER))
    resumed = np.load(folder / f"{case}.npz", allow_pickle=True)["everything"].item()
    np.testing.assert_equal(resumed, uninterrupted)
    halfway = everything(AdvantageLearning.load(folder / case))
    name = "table_weights" if case == "memory-bits" else "hidden_weights"
    assert not np.array_equal(halfway[name], resumed[name])


@pytest.mark.parametrize("case", ["compiled-3", "steps-vector"])
def test_saving_leaves_no_mark_on_training(case: str, tmp_path: Path) -> None:
    model = go_on(learner(case), BEFORE)
    model.save(tmp_path / "model")
    np.testing.assert_equal(everything(go_on(model)), everything(go_on(learner(case), BEFORE + AFTER)))


def test_a_model_that_is_loaded_and_saved_again_still_goes_on_exactly(folder: Path, tmp_path: Path) -> None:
    AdvantageLearning.load(folder / "compiled").save(tmp_path / "again")
    AdvantageLearning.load(tmp_path / "again", make("compiled")).save(tmp_path / "once more")
    resumed = go_on(AdvantageLearning.load(tmp_path / "once more", make("compiled")))
    expected = np.load(folder / "compiled.npz", allow_pickle=True)["everything"].item()
    np.testing.assert_equal(everything(resumed), expected)


def test_a_live_model_in_another_environment_starts_new_episodes(tmp_path: Path) -> None:
    """Not where an old checkpoint happened to stand."""
    models = [go_on(learner("compiled"), BEFORE) for _ in range(2)]
    models[0].save(tmp_path / "checkpoint")
    for model in models:
        model.set_env(make("compiled"))
        assert model.env is not None
        model.env.seed(1)
        go_on(model)
    np.testing.assert_equal(everything(models[0]), everything(models[1]))


def test_loading_without_an_environment_and_setting_one_goes_on_exactly(folder: Path) -> None:
    model = AdvantageLearning.load(folder / "compiled-3")
    assert model.env is None
    model.set_env(make("compiled-3"))
    expected = np.load(folder / "compiled-3.npz", allow_pickle=True)["everything"].item()
    np.testing.assert_equal(everything(go_on(model)), expected)


def test_resuming_from_zero_starts_anew(folder: Path) -> None:
    model = AdvantageLearning.load(folder / "compiled", make("compiled"))
    before = weights(model)["hidden_weights"]
    model.learn(30)
    assert model.num_timesteps == 30
    assert not np.array_equal(before, weights(model)["hidden_weights"])
    assert everything(model)["1 0 WorldEnv.elapsed"].tolist() == [30]


# --- where it cannot be exact, it says so ----------------------------------------------------------------------------

SENTENCE = "training goes on from the saved weights, but with new episodes"


def test_a_foreign_environment_warns_and_starts_a_new_episode(tmp_path: Path) -> None:
    model = AdvantageLearning("LstmPolicy", "CartPole-v1", seed=0).learn(105)
    model.save(tmp_path / "cart")
    loaded = AdvantageLearning.load(tmp_path / "cart", gym.make("CartPole-v1"))
    with pytest.warns(UserWarning, match=SENTENCE):
        loaded.learn(1, reset_num_timesteps=False)
    assert loaded.num_timesteps == 106
    assert loaded.env is not None and loaded.env.get_attr("unwrapped")[0].steps_beyond_terminated is None
    assert weights(loaded)["observation_count"] > 106


@pytest.mark.parametrize("saved", ["compiled-3", "steps-3"])
def test_another_number_of_rows_warns_and_trains(saved: str, folder: Path) -> None:
    env_id, arguments = POLE
    loaded = AdvantageLearning.load(folder / saved, gym.make(env_id, **arguments))
    assert loaded.n_envs == 1
    with pytest.warns(UserWarning, match=SENTENCE):
        go_on(loaded)
    assert loaded.num_timesteps == 3 * BEFORE + AFTER and len(loaded.predict(np.zeros((2, 3)))[0]) == 2


def test_another_kind_of_environment_goes_on_or_warns(folder: Path) -> None:
    """Saved under three scalar environments, loaded with a vector one, a bare foreign one, and the other way round."""
    pole_id, pole = POLE
    vector = GymnasiumVecEnv(gym.make_vec(pole_id, num_envs=3, autoreset_mode=AutoresetMode.SAME_STEP, **pole))
    env_id, maze = MAZE
    scalars = DummyVecEnv([lambda: gym.make(env_id, **maze)] * 3)
    for case, env in (("compiled-3", vector), ("compiled-vector", scalars)):
        model = AdvantageLearning.load(folder / case, env)
        with pytest.warns(UserWarning, match=SENTENCE):
            go_on(model)
        assert model.num_timesteps == 3 * (BEFORE + AFTER)


class CallbackApproximator(gym.Env[Any, Any]):
    """Spaces of the maze, nothing else of it."""

    observation_space = gym.spaces.Box(0, 1, (3,), np.float32)
    action_space: Any = gym.spaces.Discrete(4)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:  # noqa: D102
        return np.zeros(3, np.float32), {}

    def step(self, action: Any) -> Any:  # noqa: D102
        return np.zeros(3, np.float32), 0.0, False, False, {}


def test_a_foreign_environment_in_place_of_ours_warns(folder: Path) -> None:
    model = AdvantageLearning.load(folder / "compiled", DummyVecEnv([CallbackApproximator]))
    with pytest.warns(UserWarning, match=SENTENCE):
        go_on(model)


def test_a_step_limit_around_the_environment_is_resumed(tmp_path: Path) -> None:
    """Gymnasium's TimeLimit keeps a count outside of the environment."""

    def limited() -> gym.Env[Any, Any]:
        return gym.make("lstm_rl/NoisyTMaze-v0", corridor_length=20, max_episode_steps=30)

    def fresh() -> AdvantageLearning:
        return AdvantageLearning("LstmPolicy", limited(), seed=5)

    go_on(fresh(), 40).save(tmp_path / "limited")
    resumed = go_on(AdvantageLearning.load(tmp_path / "limited", limited()), 60)
    np.testing.assert_equal(everything(resumed), everything(go_on(fresh(), 100)))


# --- files -----------------------------------------------------------------------------------------------------------


def test_the_old_file_survives_a_write_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = learner("compiled")
    model.save(tmp_path / "model")
    old = (tmp_path / "model.zip").read_bytes()

    def broken(self: Any, path: Any, exclude: Any = None, include: Any = None) -> None:
        path.write(b"half of it")
        raise OSError("no space left on device")

    monkeypatch.setattr(BaseAlgorithm, "save", broken)
    with pytest.raises(OSError, match="^no space left on device$"):
        model.save(tmp_path / "model")
    with pytest.raises(OSError, match="^no space left on device$"):
        model.save(tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["model.zip"]
    assert (tmp_path / "model.zip").read_bytes() == old


def test_a_saved_file_has_the_rights_of_any_other_new_file(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        learner("compiled").save(tmp_path / "model")
        (tmp_path / "plain").touch()
    finally:
        os.umask(before)
    assert (tmp_path / "model.zip").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("name", ["model", "model.zip", "new/folders/model"])
@pytest.mark.parametrize("kind", [str, Path])
def test_models_go_to_paths(name: str, kind: Any, tmp_path: Path) -> None:
    model = go_on(learner("compiled"), 50)
    model.save(kind(tmp_path / name))
    assert (tmp_path / name).with_suffix(".zip").exists()
    loaded = AdvantageLearning.load(kind(tmp_path / name))
    np.testing.assert_equal(weights(loaded), weights(model))
    assert loaded.config == model.config and loaded.horizon == model.horizon and loaded.num_timesteps == 50


def test_models_go_to_file_objects() -> None:
    model, file = go_on(learner("compiled"), BEFORE), io.BytesIO()
    model.save(file)
    file.seek(0)
    loaded = go_on(AdvantageLearning.load(file, make("compiled")))
    np.testing.assert_equal(everything(loaded), everything(go_on(model)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
