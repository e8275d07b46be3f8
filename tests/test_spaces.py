"""Observations and actions of any space: numbers in, choices out, in training, evaluation and on the command line."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector.utils import concatenate, create_empty_array
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecTransposeImage

from lstm_rl.agents import AdvantageLearning
from lstm_rl.agents.spaces import ActionDecoder, input_size, make_action_decoder, make_encoder
from lstm_rl.cli import main
from lstm_rl.diagnostics.episode import record_episode
from lstm_rl.envs import sb3
from lstm_rl.evaluation import evaluate
from lstm_rl.make import make_rows

IMAGE = (5, 6, 3)  # height, width, channels
OBSERVATIONS: dict[str, spaces.Space[Any]] = {
    "Box": spaces.Box(-1, 1, (2, 3), np.float64),
    "one number": spaces.Box(-1, 1, (), np.float32),
    "Discrete": spaces.Discrete(5, start=-2),
    "MultiDiscrete": spaces.MultiDiscrete([3, 4]),
    "from 1": spaces.MultiDiscrete(np.array([[3, 4], [1, 2]]), start=np.array([[1, 1], [0, 5]])),
    "MultiBinary": spaces.MultiBinary((2, 2)),
    "Dict": spaces.Dict(b=spaces.Discrete(3), a=spaces.Box(0, 1, (2, 2)), c=spaces.MultiBinary(3)),
    "Tuple": spaces.Tuple((spaces.Discrete(3), spaces.Box(0, 1, (2,)), spaces.MultiDiscrete([2, 3]))),
    "channels first": spaces.Box(0, 255, (3, 5, 6), np.uint8),
    "channels last": spaces.Box(0, 255, IMAGE, np.uint8),
    "picture and more": spaces.Dict(a=spaces.Discrete(2), b=spaces.Box(0, 255, IMAGE, np.uint8)),
    "nested": spaces.Dict(a=spaces.Tuple((spaces.Discrete(3), spaces.Dict(x=spaces.MultiBinary(2))))),
}
ACTIONS: dict[str, spaces.Space[Any]] = {
    "Discrete": spaces.Discrete(4),
    "from 2": spaces.Discrete(4, start=2),
    "MultiDiscrete": spaces.MultiDiscrete([2, 3]),
    "table": spaces.MultiDiscrete(np.array([[2, 3], [1, 2]]), start=np.array([[0, 1], [5, 0]])),
    "MultiBinary": spaces.MultiBinary(3),
}


class Sampled(gym.Env[Any, Any]):
    """Shows samples of a space, takes actions of another, pays for the action that ``action_space`` lists first."""

    def __init__(self, observation: str = "Box", action: str = "Discrete", render_mode: str | None = None) -> None:
        self.observation_space, self.action_space = OBSERVATIONS[observation], ACTIONS[action]
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Begin."""
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self.elapsed = 0
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        """Go on for ten steps."""
        assert self.action_space.contains(action), action
        self.elapsed += 1
        right = np.array_equal(action, getattr(self.action_space, "start", np.zeros_like(action)))
        return self.observation_space.sample(), float(right), self.elapsed == 10, False, {}


gym.register("test_spaces/Sampled-v0", Sampled, disable_env_checker=True)  # type: ignore[arg-type]
CARRIED = [name for name in OBSERVATIONS if name != "nested"]  # by SB3's vector environments


TAXI = max(env_id for env_id in gym.registry if env_id.startswith("Taxi-"))


def batch(space: spaces.Space[Any], n: int) -> tuple[list[Any], Any]:
    """Samples, and the same in one piece as vector environments hand them over."""
    samples = [space.sample() for _ in range(n)]
    return samples, concatenate(space, samples, create_empty_array(space, n))  # type: ignore[arg-type]


# --- observations ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OBSERVATIONS)
def test_observations_are_flattened_as_gymnasium_does(name: str) -> None:
    space = OBSERVATIONS[name]
    encoder = make_encoder(space)
    samples, together = batch(space, 7)
    expected = np.array([spaces.flatten(space, sample) for sample in samples], np.float32)
    assert encoder.size == input_size(space) == expected.shape[1]
    assert encoder.count(together) == 7 and np.array_equal(encoder.encode(together, 7), expected)
    for sample, row in zip(samples, expected, strict=True):
        assert encoder.count(sample) is None and np.array_equal(encoder.encode(sample, 1), row[None])


@pytest.mark.parametrize("name", ["channels first", "channels last"])
def test_an_image_is_the_same_with_its_channels_first_or_last(name: str) -> None:
    first = np.random.default_rng(0).integers(0, 255, (4, 3, 5, 6), np.uint8)
    last = VecTransposeImage.transpose_image(first.transpose(0, 2, 3, 1)).transpose(0, 2, 3, 1)
    encoder = make_encoder(OBSERVATIONS[name])
    assert np.array_equal(encoder.encode(first, 4), encoder.encode(last, 4))
    assert np.array_equal(encoder.encode(first[0], 1), encoder.encode(last[0], 1))
    assert encoder.count(last) == encoder.count(first) == 4 and encoder.count(last[0]) is None
    square = make_encoder(spaces.Box(0, 255, (3, 3, 3), np.uint8))
    assert np.array_equal(square.encode(np.arange(27).reshape(3, 3, 3), 1)[0], np.arange(27))


@pytest.mark.parametrize(
    ("name", "observation", "message"),
    [
        ("Box", np.zeros((4, 3)), r"observation must be of shape \(2, 3\) or \(n, \*\(2, 3\)\), got \(4, 3\)"),
        ("Box", (np.zeros((2, 3)), {}), r"observation must be an array, got a tuple: env.reset\(\) returns"),
        ("Dict", np.zeros(3), r"observation must have an entry \('b',\), got"),
        ("Dict", {"a": np.zeros((2, 2)), "b": 1}, r"observation must have an entry \('c',\), got"),
        ("Dict", {"a": np.zeros((2, 2)), "b": [1, 2], "c": np.zeros(3)}, "observation must have as many rows in each"),
        ("Tuple", (1, np.zeros(3), [0, 0]), r"observation\[1\] must be of shape \(2,\)"),
        ("channels last", np.zeros((5, 6)), r"observation must be of shape \(5, 6, 3\)"),
    ],
)
def test_an_observation_of_another_space_is_refused(name: str, observation: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        make_encoder(OBSERVATIONS[name]).count(observation)


@pytest.mark.parametrize(
    ("name", "observation", "message"),
    [
        ("Box", np.full((2, 3), np.nan), "observation must be finite numbers"),
        ("Discrete", 3, r"observation must be in Discrete\(5, start=-2\), got 3"),
        ("Discrete", -3, r"observation must be in Discrete\(5, start=-2\), got -3"),
        ("MultiDiscrete", [0, 4], r"observation must be in MultiDiscrete\(\[3 4\]\), got \[0, 4\]"),
        ("Dict", {"a": np.zeros((2, 2)), "b": 3, "c": np.zeros(3)}, r"observation must be in Discrete\(3\), got 3"),
    ],
)
def test_a_value_out_of_its_space_is_refused(name: str, observation: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        make_encoder(OBSERVATIONS[name]).encode(observation, 1)


def test_words_are_left_out_and_spaces_of_words_alone_are_refused() -> None:
    words = spaces.Dict(mission=spaces.Text(10), place=spaces.Discrete(3))
    assert make_encoder(words).encode({"mission": "go", "place": 1}, 1).tolist() == [[0, 1, 0]]
    for space in (spaces.Text(10), spaces.Dict(mission=spaces.Text(10))):
        with pytest.raises(ValueError, match="^observation_space must "):
            make_encoder(space)


@pytest.mark.parametrize(
    ("space", "wrapper"),
    [
        (spaces.OneOf((spaces.Discrete(2), spaces.Box(0, 1, (2,)))), "FlattenObservation"),
        (OBSERVATIONS["nested"], "FlattenObservation"),
        (spaces.Sequence(spaces.Discrete(2)), "TransformObservation"),
    ],
)
def test_what_sb3_cannot_carry_names_the_wrapper_that_helps(space: spaces.Space[Any], wrapper: str) -> None:
    env = Sampled()
    env.observation_space = space
    with pytest.raises(
        ValueError, match=rf"^observation_space must .* wrap the environment in gymnasium.wrappers.{wrapper}$"
    ):
        AdvantageLearning("LstmPolicy", env)
    if wrapper == "FlattenObservation":
        flat: Any = gym.wrappers.FlattenObservation(env)
        AdvantageLearning("LstmPolicy", flat, seed=0, cells=1, chunk_size=32).learn(40)


# --- actions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ACTIONS)
def test_every_action_is_one_choice(name: str) -> None:
    space = ACTIONS[name]
    decoder = make_action_decoder(space)
    assert isinstance(decoder, ActionDecoder)
    actions = decoder.decode(np.arange(decoder.size))
    assert len({str(action) for action in actions}) == decoder.size
    assert all(space.contains(action) for action in actions)
    assert [decoder.encode(action) for action in actions] == list(range(decoder.size))
    assert decoder.size == {"Discrete": 4, "from 2": 4, "MultiDiscrete": 6, "table": 12, "MultiBinary": 8}[name]


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (
            spaces.Box(-1, np.array([1.0, np.inf], np.float32), (2,)),
            r"must be a Box of numbers with finite bounds, .*gymnasium.wrappers.TransformAction, which takes",
        ),
        (spaces.Tuple((spaces.Discrete(2),)), "must be Discrete, .* or Box, .*gymnasium.wrappers.TransformAction$"),
        (spaces.MultiDiscrete([10] * 30), r"must have at most 4096 combinations, got 1e\+30 in "),
        (spaces.MultiBinary(13), "must have at most 4096 combinations, got 8192 in "),
    ],
)
def test_other_actions_are_refused_with_the_wrapper_that_helps(space: spaces.Space[Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^action_space {message}"):
        make_action_decoder(space)


def test_vectors_become_actions_of_a_box_and_stay_within_its_bounds() -> None:
    space = spaces.Box(np.array([[-2.0], [0.0]], np.float32), np.array([[6.0], [3e38]], np.float32))
    decoder = make_action_decoder(space)
    assert (decoder.dimensions, decoder.size) == (2, 4)
    actions = decoder.decode(np.arctanh([[-0.5, 0.0], [0.0, -1.0 + 1e-12], [0.25, 0.5]]))
    assert actions.shape == (3, 2, 1) and all(space.contains(action) for action in actions)
    np.testing.assert_allclose(actions[..., 0], [[0.0, 1.5e38], [2.0, 0.0], [3.0, 2.25e38]], rtol=1e-6, atol=1e27)
    assert (np.abs(decoder.decode(np.full((1, 2), 1e9))[0, :, 0] / [6.0, 3e38] - 1.0) < 1e-6).all()
    whole = spaces.Box(0, 255, (1,), np.uint8)
    actions = make_action_decoder(whole).decode(np.array([[-30.0], [30.0], [0.0]]))
    assert actions.dtype == np.uint8 and actions[:, 0].tolist() == [0, 255, 128]


def test_continuous_actions_can_be_made_discrete() -> None:
    env: Any = gym.wrappers.DiscretizeAction(gym.make("Pendulum-v1"), 5)
    model = AdvantageLearning("LstmPolicy", env, seed=0, cells=1, chunk_size=32).learn(50)
    assert model.policy.decoder.size == 5


@pytest.mark.parametrize("action", ACTIONS)
def test_the_action_that_pays_is_learnt(action: str) -> None:
    env = Sampled("one number", action)
    model = AdvantageLearning("LstmPolicy", env, seed=0, gamma=0.0, horizon=10, chunk_size=512).learn(4000)
    chosen, _ = model.predict(np.asarray(0.1, np.float32), deterministic=True)
    assert np.array_equal(chosen, getattr(env.action_space, "start", np.zeros_like(chosen)))


# --- the whole way ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("observation", CARRIED)
def test_every_space_trains_evaluates_saves_and_goes_on(observation: str, tmp_path: Path) -> None:
    kwargs: dict[str, Any] = {"observation": observation, "action": "MultiDiscrete"}
    evaluation = EvalCallback(
        make_rows("test_spaces/Sampled-v0", kwargs, 2), n_eval_episodes=2, eval_freq=40, verbose=0
    )
    model = AdvantageLearning("LstmPolicy", Sampled(**kwargs), seed=0, cells=1, chunk_size=32)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Training and eval env are not of the same type")
        model.learn(100, callback=evaluation)
    assert np.isfinite(evaluation.last_mean_reward)
    env = Sampled(**kwargs)
    reward, _ = evaluate_policy(model, env, 2, warn=False)
    assert 0 <= float(reward) <= 10  # type: ignore[arg-type]
    report = evaluate(model, "test_spaces/Sampled-v0", kwargs, 3, 0)
    assert report["mean_length"] == 10
    model.save(tmp_path / "model")
    loaded = AdvantageLearning.load(tmp_path / "model", Sampled(**kwargs))
    seen, _ = env.reset(seed=0)
    assert np.array_equal(loaded.predict(seen, deterministic=True)[0], model.predict(seen, deterministic=True)[0])
    with pytest.warns(UserWarning, match="gives no access to its state"):
        loaded.learn(50, reset_num_timesteps=False)
    episode = record_episode(model.policy, env, seed=0)
    assert episode.activations.inputs.shape == (10, input_size(env.observation_space))


def test_a_model_of_another_environment_or_without_finite_weights_is_not_evaluated() -> None:
    model = AdvantageLearning("LstmPolicy", Sampled("Box", "Discrete"), seed=0, cells=1)
    for other in ({"observation": "Dict", "action": "Discrete"}, {"observation": "Box", "action": "from 2"}):
        with pytest.raises(ValueError, match="^env must be as the one that the model was trained in, with "):
            evaluate(model, "test_spaces/Sampled-v0", other, 2, 0)
    with torch.no_grad():
        model.policy.hidden_weights.view(-1)[0] = torch.nan
    with pytest.raises(ValueError, match="^model must hold finite numbers, but hidden_weights holds NaN or infinity"):
        evaluate(model, "test_spaces/Sampled-v0", {"observation": "Box", "action": "Discrete"}, 2, 0)


def test_a_batch_of_rows_is_the_same_as_row_by_row() -> None:
    space = OBSERVATIONS["Dict"]
    model = AdvantageLearning("LstmPolicy", Sampled("Dict", "MultiDiscrete"), seed=0, cells=2).learn(100)
    samples, together = batch(space, 5)
    actions, _ = model.predict(together, deterministic=True)
    assert actions.shape == (5, 2)
    assert np.array_equal(actions, [model.predict(sample, deterministic=True)[0] for sample in samples])


@pytest.mark.parametrize("env_id", ["FrozenLake-v1", TAXI, "Blackjack-v1"])
def test_gymnasiums_toys_train(env_id: str) -> None:
    rows = make_rows(env_id, {}, 2)
    model = AdvantageLearning("LstmPolicy", rows, seed=0, cells=1, chunk_size=64).learn(300)
    assert np.isfinite(evaluate(model, env_id, {}, 2, 0)["mean_reward"])


def train(folder: Path, env_id: str, *more: str) -> int:
    command = ["train", env_id, "--log-dir", str(folder.parent), "--run-name", folder.name, "--timesteps", "200"]
    return main([*command, "--eval-freq", "100", "--eval-episodes", "2", "--no-progress", "--cells", "1", *more])


@pytest.mark.filterwarnings("ignore:Training and eval env are not of the same type")
@pytest.mark.parametrize("observation", ["Dict", "Tuple", "channels last", "picture and more", "MultiDiscrete"])
def test_every_space_goes_through_the_command_line(
    observation: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kwargs = ("--env-kwargs", f"observation={observation}", "action=MultiDiscrete")
    assert train(tmp_path / "run", "test_spaces/Sampled-v0", *kwargs) == 0
    assert main(["evaluate", str(tmp_path / "run"), "--episodes", "3"]) == 0
    assert "mean" in capsys.readouterr().out


def test_actions_that_cannot_be_chosen_are_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path / "run", "Pendulum-v1", "--rule", "advantage") == 2
    assert "gymnasium.wrappers.DiscretizeAction" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


# --- MiniGrid --------------------------------------------------------------------------------------------------------


@pytest.fixture
def minigrid() -> Callable[..., gym.Env[Any, Any]]:
    pytest.importorskip("minigrid", reason="needs minigrid")
    sb3._say_once.cache_clear()
    return lambda **more: gym.make("MiniGrid-MemoryS7-v0", **more)


def test_minigrid_trains_without_its_mission(minigrid: Any) -> None:
    with pytest.warns(UserWarning, match="^words are left out of observations: mission$"):
        model = AdvantageLearning("LstmPolicy", minigrid(), seed=0, cells=1, chunk_size=64)
    assert model.horizon == 100 and model.policy.sensors == 4 + 7 * 7 * 3
    model.learn(300)
    observation, _ = minigrid().reset(seed=0)
    assert model.predict(observation, deterministic=True)[0].shape == ()  # the mission in it is passed over
    reward, _ = evaluate_policy(model, sb3.fit_for_sb3(minigrid(max_steps=30)), 2, warn=False)  # said once is enough
    assert 0 <= float(reward) <= 1  # type: ignore[arg-type]


@pytest.mark.filterwarnings("default")  # the command line prints them
def test_minigrid_goes_through_the_command_line(
    minigrid: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path / "run", "minigrid:MiniGrid-MemoryS7-v0", "--env-kwargs", "max_steps=30") == 0
    assert main(["evaluate", str(tmp_path / "run"), "--episodes", "2"]) == 0
    assert capsys.readouterr().err.count("words are left out of observations: mission") == 1
