"""Mistakes of other people's environments: the environment, the call and the step are named, in one sentence."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from lstm_rl.agents import AdvantageLearning, RecurrentDQN
from lstm_rl.agents.env_states import make_like
from lstm_rl.agents.world_model_controller import WorldModelController
from lstm_rl.cli import main
from lstm_rl.envs.checked import CheckedEnv, place_of
from lstm_rl.envs.sb3 import fit_for_sb3
from lstm_rl.evaluation import evaluate
from lstm_rl.runs import load_model

ERRORS = {kind.__name__: kind for kind in (ValueError, RuntimeError, KeyError, OSError, BrokenPipeError, SystemError)}


class Faulty(gym.Env[Any, Any]):
    """Episodes of 20 steps; ``error`` is raised ``at`` a call, or something else than asked for is returned."""

    observation_space: Any = gym.spaces.Box(-1, 1, (3,), np.float32)
    action_space: Any = gym.spaces.Discrete(2)
    metadata = {"render_modes": ["rgb_array"]}

    def __init__(self, at: str = "", error: str = "KeyError", returned: str = "", render_mode: Any = None) -> None:
        self.at, self.error, self.returned, self.steps, self.render_mode = at, error, returned, 0, render_mode
        self.total = 0
        if at == "init":
            raise ERRORS[error]("two\nlines")

    def _raise(self, at: str) -> None:
        if at == self.at:
            raise ERRORS[self.error]("two\nlines")

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:  # noqa: D102
        super().reset(seed=seed)
        self._raise("reset")
        self.steps = 0
        return self.see() if self.returned == "old reset" else (self.see(), {})

    def see(self) -> Any:
        if self.returned == "shape" and self.total > 10:
            return np.zeros(1, np.float32)  # which an array of three numbers would take, three times
        odd = self.returned == "odd observation" and self.steps == 7
        return np.full(3, np.nan if odd else 0.0, np.float32)

    def step(self, action: Any) -> Any:  # noqa: D102
        self.steps += 1
        self.total += 1
        if self.total == 47:
            self._raise("step")
        reward: Any = {"no reward": None, "odd reward": float("inf") if self.steps == 7 else 1.0}.get(
            self.returned, 1.0
        )
        if self.returned == "old step":
            return self.see(), 1.0, self.steps == 20, {}
        return self.see(), reward, self.steps == 20, False, {}

    def render(self) -> Any:  # noqa: D102
        self._raise("render")
        return None


gym.register("test_errors/Faulty-v0", Faulty, disable_env_checker=True)  # type: ignore[arg-type]
gym.register("test_errors/Checked-v0", Faulty, max_episode_steps=50)  # type: ignore[arg-type]


def train(folder: Path, *env_kwargs: str, env_id: str = "test_errors/Faulty-v0") -> int:
    few = ["--timesteps", "100", "--eval-freq", "20", "--eval-episodes", "1", "--no-progress", "--n-envs", "1"]
    arguments = ["--log-dir", str(folder.parent), "--run-name", folder.name, "--env-kwargs", *env_kwargs]
    return main(["train", env_id, *few, *arguments])


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(
    "at, where",
    [
        ("init", " while it was made"),
        ("reset", " in reset"),
        ("step", " in step, step 7 of an episode"),
    ],
)
def test_every_exception_gives_the_same_sentence(
    at: str, where: str, error: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path / "run", f"at={at}", f"error={error}") == 1
    said = "'two\\nlines'" if error == "KeyError" else "two lines"
    assert capsys.readouterr().err == f"lstm-rl: test_errors/Faulty-v0 failed{where}: {error}: {said}\n"
    if at == "step":
        assert load_model(tmp_path / "run" / "model.zip").num_timesteps == 40  # the last checkpoint


ODD = {"odd reward": "the reward must be a finite number, got inf", "odd observation": "the observation must be finite"}


@pytest.mark.parametrize("returned", ODD)
def test_numbers_that_are_not_finite_are_placed_by_every_learner(returned: str) -> None:
    """And where the environments are the user's own `VecEnv`, with the row and the time step."""
    learners: list[tuple[Any, Any, dict[str, Any]]] = [
        (AdvantageLearning, "LstmPolicy", {"cells": 1}),
        (RecurrentDQN, "LstmPolicy", {"learning_starts": 99}),
        (WorldModelController, "WorldModelPolicy", {"reward_range": (0.0, 1.0)}),
    ]
    for kind, policy, settings in learners:
        for env, place in (
            (Faulty(returned=returned), f"step 7 of an episode: {ODD[returned]}"),
            (DummyVecEnv([Faulty, lambda: Faulty(returned=returned)]), "in row 1 at time step 14"),
        ):
            with pytest.raises(ValueError) as raised:
                kind(policy, env, seed=0, **settings).learn(60)
            assert str(raised.value).startswith("Faulty failed in step") and place in str(raised.value), kind
    with pytest.raises(
        ValueError, match=f"^test_errors/Faulty-v0 failed in step, step 7 of an episode: {ODD[returned]}"
    ):
        model = AdvantageLearning("LstmPolicy", Faulty(), seed=0, cells=1)
        evaluate(model, "test_errors/Faulty-v0", {"returned": returned}, 1, 0)


def test_in_python_the_exception_stays_what_it_is() -> None:
    model = AdvantageLearning("LstmPolicy", Faulty("step", "KeyError"), seed=0, cells=1)
    with pytest.raises(KeyError) as raised:
        model.learn(100)
    assert place_of(raised.value) == "Faulty failed in step, step 7 of an episode"
    assert raised.value.__notes__ == ["Faulty failed in step, step 7 of an episode"]


def test_an_environment_that_cannot_draw_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = ["--video", str(tmp_path / "film.gif"), "--episodes", "1"]
    for kwargs, sentence, code in (
        ("at=render", "test_errors/Faulty-v0 failed in render, step 0 of an episode: KeyError: 'two\\nlines'", 1),
        ("at=", "render of test_errors/Faulty-v0 must return a picture (height, width, 3) of uint8, got NoneType", 2),
    ):
        assert train(tmp_path / kwargs, kwargs) == 0
        capsys.readouterr()
        assert main(["watch", str(tmp_path / kwargs), *film]) == code
        assert capsys.readouterr().err == f"lstm-rl: {sentence}\n"


BROKEN = {
    "old step": "step, step 1 of an episode: it must return (observation, reward, terminated, truncated, info), got 4",
    "old reset": "reset: it must return (observation, info), got ndarray",
    "shape": "step, step 11 of an episode: the observation must be of shape (3,), as observation_space says, got (1,)",
    "no reward": "step, step 1 of an episode: the reward must be a number, got None",
}


@pytest.mark.parametrize("returned", BROKEN)
def test_an_environment_that_breaks_the_contract_is_named(
    returned: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path / "run", f"returned={returned}") == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"lstm-rl: test_errors/Faulty-v0 failed in {BROKEN[returned]}")
    assert printed.count("\n") == 1
    model = AdvantageLearning("LstmPolicy", Faulty(returned=returned), seed=0, cells=1)
    with pytest.raises(ValueError) as raised:
        model.learn(100)
    assert str(raised.value).startswith(f"Faulty failed in {BROKEN[returned]}")


@pytest.mark.filterwarnings("default")  # the command line prints them
def test_warnings_of_gymnasiums_checks_come_without_colours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(tmp_path / "run", "returned=old step", env_id="test_errors/Checked-v0") == 2
    warning, sentence = capsys.readouterr().err.splitlines()
    assert warning.startswith("lstm-rl: Core environment is written in old step API") and "\x1b" not in warning
    assert sentence.startswith(f"lstm-rl: test_errors/Checked-v0 failed in {BROKEN['old step']}")


@pytest.mark.parametrize("around", [TimeLimit, Monitor])
def test_the_old_interface_is_recognised_under_wrappers(around: Any) -> None:
    """Which take the tuple apart before anybody else does."""
    faulty = Faulty(returned="old step")
    env = Monitor(faulty) if around is Monitor else TimeLimit(faulty, 50)
    model = AdvantageLearning("LstmPolicy", env, seed=0, cells=1)
    with pytest.raises(ValueError, match="^Faulty failed in step, step 1 of an episode: it must return .*, got 4 val"):
        model.learn(100)


def test_an_unpacking_of_the_environments_own_is_its_own() -> None:
    class Unpacking(Faulty):
        def step(self, action: Any) -> Any:
            _a, _b, _c, _d, _e = (1, 2, 3, 4)  # type: ignore[misc]

    with pytest.raises(ValueError, match="^not enough values to unpack"):
        AdvantageLearning("LstmPolicy", Unpacking(), seed=0, cells=1).learn(10)


SPACES = gym.spaces
FORMS: list[tuple[Any, Any, str]] = [
    (SPACES.Dict({"a": SPACES.Discrete(3)}), {"b": 1}, "the observation must be a dict with a, got a dict with b"),
    (SPACES.Dict({"a": SPACES.Box(0, 1, (2,))}), {"a": [1.0]}, "the observation['a'] must be of shape (2,)"),
    (SPACES.Tuple([SPACES.Discrete(3)] * 2), (1,), "the observation must be a tuple of 2, got a tuple of 1"),
    (SPACES.MultiDiscrete([3, 3]), [[0], [0, 0]], "the observation must be of shape (2,)"),
    (SPACES.Box(0, 1, (1,)), "x", "the observation must be numbers"),
]


@pytest.mark.parametrize("space, observation, message", FORMS)
def test_observations_of_every_space_are_looked_at(space: Any, observation: Any, message: str) -> None:
    env = Faulty()
    env.observation_space, env.see = space, lambda: observation  # type: ignore[method-assign]
    with pytest.raises(ValueError) as raised:
        CheckedEnv(env).reset()
    assert str(raised.value).startswith(f"Faulty failed in reset: {message}")


@pytest.mark.parametrize("value", [0.5, [0.5], np.float32(0.5), np.zeros((1, 1))])
def test_one_number_may_have_any_form(value: Any) -> None:
    env = Faulty()
    env.observation_space, env.see = gym.spaces.Box(0, 1, (1,)), lambda: value  # type: ignore[method-assign]
    assert CheckedEnv(env).reset()[0] is value


def test_the_watch_is_kept_once_and_not_over_worlds() -> None:
    once = fit_for_sb3(Faulty())
    assert isinstance(once, CheckedEnv) and fit_for_sb3(once) is once
    world = gym.make("lstm_rl/TMaze-v0")
    assert fit_for_sb3(world) is world
    model = AdvantageLearning("LstmPolicy", gym.make("test_errors/Faulty-v0"), seed=0, cells=1)
    assert model.env is not None
    own = make_like(model.env)
    assert "CheckedEnv" not in str(own) and own.spec is not None and own.spec.id == "test_errors/Faulty-v0"


def test_rows_of_another_size_than_the_space_are_refused() -> None:
    """A vector environment of the user's own, which nobody watches over."""

    class Narrow(DummyVecEnv):
        def step_wait(self) -> Any:
            seen, *more = super().step_wait()
            return seen[:, :1], *more  # type: ignore[index,call-overload]

    model = AdvantageLearning("LstmPolicy", Narrow([Faulty] * 2), seed=0, cells=1)
    with pytest.raises(ValueError, match=r"^observation must be of shape \(3,\) in each of 2 rows, got \(2, 1\) at"):
        model.learn(10)
