"""The learner's own interface: spaces, acting with a state, parameters, and what it says about mistakes."""

import io
import zipfile
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from stable_baselines3 import A2C
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import DummyVecEnv

import lstm_rl.envs  # noqa: F401
from lstm_rl.agents import AdvantageLearning, Config, DivergedError, LstmPolicy
from lstm_rl.agents.defaults import TMAZE
from lstm_rl.envs.env import WorldEnv
from lstm_rl.envs.tmaze import STILL, tmaze
from lstm_rl.topology import Topology


class Recall(gym.Env[Any, Any]):
    """Say what was shown two steps ago; any observation space, actions 3 and 4."""

    action_space: Any = gym.spaces.Discrete(2, start=3)

    def __init__(self, space: gym.Space[Any]) -> None:
        self.observation_space = space
        self.bit, self.time, self.seen = 0, 0, list[Any]()

    def _see(self) -> Any:
        self.seen.append(self.observation_space.sample())
        return self.seen[-1]

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:  # noqa: D102
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.time = 0
        return self._see(), {}

    def step(self, action: Any) -> Any:  # noqa: D102
        assert self.action_space.contains(action)
        self.time += 1
        return self._see(), float(action == 3), self.time == 5, False, {}


SPACES: dict[str, tuple[gym.Space[Any], int]] = {
    "discrete": (gym.spaces.Discrete(5), 5),
    "discrete from -2": (gym.spaces.Discrete(4, start=-2), 4),
    "binary": (gym.spaces.MultiBinary(6), 6),
    "binary matrix": (gym.spaces.MultiBinary([2, 3]), 6),
    "box": (gym.spaces.Box(-1, 1, (2,), np.float32), 2),
    "box of integers": (gym.spaces.Box(0, 255, (2, 3), np.uint8), 6),
}


def maze(length: int = 3) -> gym.Env[Any, Any]:
    return gym.make("lstm_rl/NoisyTMaze-v0", corridor_length=length)


def learner(env: Any = None, **settings: Any) -> AdvantageLearning:
    return AdvantageLearning("LstmPolicy", env or maze(), **({"seed": 1} | settings))


@pytest.fixture(scope="module")
def trained() -> AdvantageLearning:
    return learner(epsilon=0.3).learn(2000)


def weights(model: AdvantageLearning) -> dict[str, NDArray[Any]]:
    return {name: value.numpy().copy() for name, value in model.get_parameters()["policy"].items()}


# --- spaces ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPACES)
def test_every_supported_space_trains_and_acts(name: str) -> None:
    space, inputs = SPACES[name]
    env = Recall(space)
    model = learner(env, normalize_observations=False).learn(1000)
    assert model.policy.model.inputs == inputs and model.policy.decoder.size == 2
    batch = np.stack([space.sample() for _ in range(4)])
    actions, state = model.predict(batch, deterministic=True)
    assert actions.shape == (4,) and set(actions.tolist()) <= {3, 4}
    action, _ = model.predict(batch[0], deterministic=True)
    assert np.ndim(action) == 0 and env.action_space.contains(action) and action == actions[0]
    assert state is not None and len(state[0]) == 4


def test_it_learns_what_pays_whatever_the_space() -> None:
    model = learner(Recall(gym.spaces.Discrete(2)), gamma=0.5).learn(3000)
    actions, _ = model.predict(np.array([0, 1]), deterministic=True)
    assert actions.tolist() == [3, 3]


def test_cartpole_trains_by_id() -> None:
    model = AdvantageLearning("LstmPolicy", "CartPole-v1", seed=0).learn(500)
    assert model.horizon == 100 and len(model.ep_info_buffer or ()) > 5


def test_the_horizon_comes_from_the_environment() -> None:
    vector = DummyVecEnv([lambda: maze(20)])
    assert [learner(env).horizon for env in (maze(20), vector)] == [21, 21]
    assert learner(maze(20), horizon=7).horizon == 7
    assert learner(Recall(gym.spaces.Discrete(2))).horizon == 100


def test_observation_statistics_are_those_of_what_was_seen() -> None:
    env = Recall(gym.spaces.Box(-3, 1, (2,), np.float32))
    model = learner(env).learn(500)
    ends = 500 // 5  # the last observation of an ended episode is not used
    seen = np.array([o for i, o in enumerate(env.seen) if i % 6 != 5], np.float64)
    assert len(seen) == 500 + 1 == len(env.seen) - ends
    policy = weights(model)
    assert policy["observation_count"] == 501
    np.testing.assert_allclose(policy["observation_mean"], seen.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(policy["observation_square"] / 501, seen.var(axis=0), rtol=1e-10)


# --- acting ----------------------------------------------------------------------------------------------------------


def roll(model: AdvantageLearning, x: NDArray[Any], starts: NDArray[Any]) -> tuple[list[Any], Any]:
    """Advantages of (T, n) observations, and the last state."""
    state, seen = None, []
    for t in range(len(x)):
        advantages, state = model.policy.advantages(x[t], state, starts[t])
        seen.append(advantages)
    return seen, state


def test_a_row_does_not_know_its_batch(trained: AdvantageLearning) -> None:
    rng = np.random.default_rng(0)
    x, starts = rng.random((20, 5, 3)).astype(np.float32), rng.random((20, 5)) < 0.2
    together, state = roll(trained, x, starts)
    order = rng.permutation(5)
    permuted, permuted_state = roll(trained, x[:, order], starts[:, order])
    np.testing.assert_array_equal(np.array(together)[:, order], permuted)
    np.testing.assert_equal([part[order] for part in state], list(permuted_state))
    for i in range(5):
        alone, _ = roll(trained, x[:, [i]], starts[:, [i]])
        np.testing.assert_array_equal(np.array(together)[:, [i]], alone)
    assert np.ptp(together) > 0.01


def test_episode_start_is_a_fresh_state(trained: AdvantageLearning) -> None:
    rng = np.random.default_rng(0)
    x = rng.random((6, 2, 3)).astype(np.float32)
    _, used = roll(trained, x, np.zeros((6, 2), bool))
    fresh, fresh_state = trained.policy.advantages(x[0])
    reset, reset_state = trained.policy.advantages(x[0], used, np.array([True, False]))
    kept, _ = trained.policy.advantages(x[0], used, None)
    np.testing.assert_array_equal(reset[0], fresh[0])
    np.testing.assert_array_equal(reset[1], kept[1])
    np.testing.assert_equal([part[0] for part in reset_state], [part[0] for part in fresh_state])
    assert not np.array_equal(kept, fresh)


def test_predict_leaves_state_and_training_alone(trained: AdvantageLearning) -> None:
    x = np.random.default_rng(0).random((2, 3)).astype(np.float32)
    _, state = trained.predict(x)
    assert state is not None
    before, policy = [part.copy() for part in state], weights(trained)
    streams = {name: array.copy() for name, array in trained._learner.approximator.streams._asdict().items()}
    for deterministic in (True, False):
        trained.predict(x, state, np.array([True, False]), deterministic)
    np.testing.assert_equal(list(state), before)
    np.testing.assert_equal(weights(trained), policy)
    np.testing.assert_equal(trained._learner.approximator.streams._asdict(), streams)


def test_deterministic_is_greedy_and_the_rest_explores(trained: AdvantageLearning) -> None:
    x = np.tile(np.array([[0.0, 1.0, 0.0]], np.float32), (400, 1))
    advantages, _ = trained.policy.advantages(x)
    greedy, state = trained.predict(x, deterministic=True)
    assert np.array_equal(greedy, advantages.argmax(axis=1)) and len(set(greedy)) == 1
    assert state is not None and not state[3].any()
    exploring, _ = trained.predict(x)
    share = np.mean(exploring != greedy)
    assert share == pytest.approx(0.3 * 3 / 4, abs=4 * np.sqrt(0.225 * 0.775 / 400))


def test_a_lasting_random_action_travels_in_the_state() -> None:
    model = learner(epsilon=1.0, duration_exponent=1.01, repeat_horizons=10.0)
    x = np.zeros((50, 3), np.float32)
    actions, state = model.predict(x)
    again, later = model.predict(x, state)
    assert state is not None and later is not None
    lasting = state[3][:, 1] > 0
    assert lasting.sum() > 30
    np.testing.assert_array_equal(again[lasting], actions[lasting])
    np.testing.assert_array_equal(later[3][lasting, 1], state[3][lasting, 1] - 1)
    over, _ = model.predict(x, state, np.ones(50, bool))
    assert not np.array_equal(over, actions)


BAD_OBSERVATIONS: list[Any] = [
    (np.zeros(3, np.float32), {}),
    {"x": np.zeros(3)},
    np.array([0.0, np.nan, 1.0]),
    np.array([[0.0, 0.5, 1.0], [0.0, np.inf, 1.0]]),
    np.zeros(2),
    np.zeros(5),
    np.zeros((4, 2)),
    np.zeros((2, 2, 3)),
    np.zeros((0, 3)),
]


@pytest.mark.parametrize(
    "observation", BAD_OBSERVATIONS, ids=lambda x: str(np.shape(x)) if isinstance(x, np.ndarray) else type(x).__name__
)
def test_bad_observations_are_refused(observation: Any, trained: AdvantageLearning) -> None:
    with pytest.raises(ValueError, match="^observation must be "):
        trained.predict(observation)


@pytest.mark.parametrize("observation", [5, -1, [0, 7]])
def test_discrete_observations_out_of_range_are_refused(observation: Any) -> None:
    with pytest.raises(ValueError, match="^observation must be "):
        learner(Recall(gym.spaces.Discrete(5))).predict(np.array(observation))


def test_a_state_of_other_rows_is_refused(trained: AdvantageLearning) -> None:
    _, state = trained.predict(np.zeros((2, 3), np.float32))
    with pytest.raises(ValueError, match="^state must be what predict returned for 3 rows"):
        trained.predict(np.zeros((3, 3), np.float32), state)
    with pytest.raises(ValueError, match="^episode_start must "):
        trained.predict(np.zeros((2, 3), np.float32), state, np.array([True]))


# --- parameters ------------------------------------------------------------------------------------------------------


def test_one_seed_is_one_learner() -> None:
    one, two, other = (learner(seed=seed, exploration="directed").learn(500) for seed in (4, 4, 5))
    np.testing.assert_equal(weights(one), weights(two))
    assert not np.array_equal(weights(one)["hidden_weights"], weights(other)["hidden_weights"])


def test_parameters_can_be_read_and_set(trained: AdvantageLearning) -> None:
    x = np.random.default_rng(0).random((4, 3)).astype(np.float32)
    model = learner(seed=9)
    parameters: Any = trained.get_parameters()
    model.set_parameters(parameters)
    np.testing.assert_equal(weights(model), weights(trained))
    np.testing.assert_equal(model.policy.advantages(x)[0], trained.policy.advantages(x)[0])
    before = weights(model)["hidden_weights"]
    model.learn(100)  # the compiled loop works on the memory that was set
    assert not np.array_equal(before, weights(model)["hidden_weights"])
    with pytest.raises(ValueError, match="^Names of parameters do not match"):
        model.set_parameters({})


def test_a_policy_is_saved_by_itself(trained: AdvantageLearning, tmp_path: Path) -> None:
    trained.policy.save(str(tmp_path / "policy"))
    policy = LstmPolicy.load(str(tmp_path / "policy"))
    x = np.random.default_rng(0).random((4, 3)).astype(np.float32)
    np.testing.assert_equal(policy.advantages(x)[0], trained.policy.advantages(x)[0])
    assert policy.config == trained.config and policy.topology == trained.policy.topology


def test_a_given_topology_survives_saving() -> None:
    topology = Topology(3, 4, hidden=2, blocks=(2, 1), peepholes=True)
    model, file = learner(policy_kwargs={"topology": topology}).learn(50), io.BytesIO()
    model.save(file)
    loaded = AdvantageLearning.load(file)
    assert loaded.policy.topology == topology
    np.testing.assert_equal(weights(loaded), weights(model))
    with pytest.raises(ValueError, match="^topology must have 3 inputs and 4 outputs for these spaces, got 2 and 4$"):
        learner(policy_kwargs={"topology": Topology(2, 4, hidden=1)})


def test_a_schedule_sets_the_learning_rate() -> None:
    frozen = learner(learning_rate=lambda progress: 0.01 if progress < 0.5 else 1e-30, chunk_size=100)
    before = weights(frozen)["hidden_weights"]
    frozen.learn(1000, callback=lambda values, _: values["self"].num_timesteps < 400)
    np.testing.assert_allclose(weights(frozen)["hidden_weights"], before, atol=1e-7)
    frozen.learn(1000)
    assert np.abs(weights(frozen)["hidden_weights"] - before).max() > 1e-3
    assert learner(learning_rate=0.5).lr_schedule(0.3) == 0.5


class Rates(BaseCallback):
    """Keeps the learning rate in use, as the log would have it, at every step."""

    def __init__(self, change: dict[int, Any] | None = None) -> None:
        super().__init__()
        self.change, self.rates = change or {}, list[float]()

    def _on_step(self) -> bool:
        self.rates.append(self.model.lr_schedule(self.model._current_progress_remaining))
        if self.n_calls in self.change:
            self.model.learning_rate = self.change[self.n_calls]
        return True


def test_a_linear_schedule_goes_on_over_a_series() -> None:
    """As SB3's does until its end, and from then on at the lowest rate; only a new beginning raises it again."""
    model, calls = learner(schedule="linear", learning_rate=0.1), [Rates() for _ in range(4)]
    model.learn(4, calls[0])
    model.learn(4, calls[1], reset_num_timesteps=False)
    assert calls[0].rates == pytest.approx([0.07625, 0.0525, 0.02875, 0.005])
    assert calls[1].rates == pytest.approx([0.005] * 4)
    stopped: Any = learner(schedule="linear", learning_rate=0.1)
    stopped.learn(8, lambda values, _: values["self"].num_timesteps < 4)
    file = io.BytesIO()
    stopped.save(file)
    for each in (stopped, AdvantageLearning.load(file, maze())):
        rates = Rates()
        each.learn(4, rates, reset_num_timesteps=False)  # as if it had not been stopped
        assert rates.rates == pytest.approx([0.040625, 0.02875, 0.016875, 0.005])
    model.learn(4, calls[2])
    assert calls[2].rates == calls[0].rates


def test_a_schedule_of_the_users_own_gets_the_progress_of_sb3() -> None:
    model, calls = learner(learning_rate=lambda progress: progress), [Rates() for _ in range(2)]
    model.learn(4, calls[0])
    model.learn(4, calls[1], reset_num_timesteps=False)
    assert calls[0].rates + calls[1].rates == pytest.approx([0.75, 0.5, 0.25, 0.0, 0.375, 0.25, 0.125, 0.0])


def test_the_learning_rate_has_one_home(tmp_path: Path) -> None:
    """What is set is used, logged and reported, between calls and from a callback."""
    moved = []
    for env in (maze(), gym.make("CartPole-v1")):
        model = learner(env, learning_rate=0.01, chunk_size=50)
        model.set_logger(configure(str(tmp_path), ["csv"]))
        model.learn(50)
        model.learning_rate = 0.0
        before = weights(model)["hidden_weights"]
        model.learn(50, reset_num_timesteps=False)
        np.testing.assert_array_equal(weights(model)["hidden_weights"], before)
        rates = Rates({20: 0.125, 30: 0.0})
        model.learn(60, rates, reset_num_timesteps=False)
        assert rates.rates == [0.0] * 20 + [0.125] * 10 + [0.0] * 30
        moved.append(np.abs(weights(model)["hidden_weights"] - before).max() > 0.0)
        model.logger.close()
        header, *logged = (tmp_path / "progress.csv").read_text().splitlines()
        column = header.split(",").index("train/learning_rate")
        assert [float(row.split(",")[column]) for row in logged] == [0.01, 0.0, 0.0, 0.0]
    assert moved == [True, True]


@pytest.mark.parametrize("rate", [-0.1, np.nan, np.inf, "fast"])
def test_a_bad_learning_rate_is_refused_where_it_is_used(rate: Any) -> None:
    schedules: list[Any] = (
        [rate] if isinstance(rate, str) else [rate, lambda progress: 0.01 if progress > 0.9 else rate]
    )
    for schedule in schedules:
        model = learner(chunk_size=50).learn(10)
        model.learning_rate = schedule
        with pytest.raises(ValueError, match=r"^learning_rate must be a .*in \[0, inf\), got '?(fast|-0\.1|nan|inf)"):
            model.learn(100)


def test_settings_may_change_at_loading(trained: AdvantageLearning, tmp_path: Path) -> None:
    trained.save(tmp_path / "model")
    loaded = AdvantageLearning.load(tmp_path / "model", maze(), learning_rate=0.5, gamma=0.9, horizon=50)
    assert (loaded.learning_rate, loaded.config.gamma, loaded.config.learning_rate) == (0.5, 0.9, 0.5)
    assert loaded.horizon == loaded.policy.horizon == 50
    assert loaded._learner.rule.gamma == 0.9 and loaded.lr_schedule(1.0) == 0.5
    loaded = AdvantageLearning.load(tmp_path / "model", DummyVecEnv([maze] * 3))
    assert loaded.n_envs == 3 and loaded.learn(300).num_timesteps == 300


# --- mistakes --------------------------------------------------------------------------------------------------------


def box_actions() -> gym.Env[Any, Any]:
    return gym.make("Pendulum-v1")


def test_what_cannot_be_is_said_clearly() -> None:
    with pytest.raises(ValueError, match="^device must be 'cpu' or 'auto', got 'cuda'"):
        learner(device="cuda")
    with pytest.raises(ValueError, match='^rule must be "actor_critic" for continuous actions'):
        learner(box_actions(), rule="advantage")
    with pytest.raises(ValueError, match=r"^observation_space must .* gymnasium.wrappers.TransformObservation$"):
        learner(Recall(gym.spaces.Sequence(gym.spaces.Discrete(2))))
    with pytest.raises(TypeError, match="^learning_speed is no argument of AdvantageLearning nor a field of Config"):
        learner(learning_speed=1)


def test_an_unknown_policy_is_refused_with_those_that_exist() -> None:
    with pytest.raises(
        ValueError, match=r"^policy must be one of LstmPolicy, .*MemoryBitsPolicy, or a class .*, got 'Mlp"
    ):
        AdvantageLearning("MlpPolicy", maze())
    with pytest.raises(ValueError, match=r"^policy must be one of LstmPolicy, .*got <class '.*ActorCriticPolicy'>$"):
        AdvantageLearning(ActorCriticPolicy, maze())  # type: ignore[arg-type]


@pytest.mark.parametrize("steps", [-5, 2.5, np.nan, np.inf, True, "100", None])
def test_a_number_of_time_steps_is_a_whole_one(steps: Any) -> None:
    model = learner()
    with pytest.raises(ValueError, match=r"^total_timesteps must be an integer >= 0, got ") as error:
        model.learn(steps)
    assert str(error.value).endswith(repr(steps))
    assert model.num_timesteps == 0


@pytest.mark.parametrize("steps", [0, 3, 3.0, np.int64(3), np.float32(3.0)])
def test_whole_numbers_of_any_type_are_time_steps(steps: Any) -> None:
    assert learner().learn(steps).num_timesteps == int(steps)


BAD = {
    "horizon": (0, 2.5, True),
    "learning_rate": (0.0, -1.0, np.nan, "fast"),
    "kappa": (0.0, 1.1),
    "optimizer": ("adam", 1),
    "exploration": ("none", None),
    "precision": ("float16",),
    "epsilon": (-0.1, 1.1, "0"),
    "duration_exponent": (1.0, 0.5),
    **{name: (-0.1, 1.1, np.nan) for name in ("gamma", "lambda_")},
    **{name: (-0.1, 1.0, np.nan) for name in ("rms_decay", "beta")},
    **{name: (0.0, -1.0, np.inf) for name in ("repeat_horizons", "temperature", "observation_clip")},
    **{
        name: (-1.0, np.nan)
        for name in (
            *("temperature_scale", "explorer_learning_rate", "rms_initial", "return_size", "averaging"),
            "entropy_weight",
        )
    },
    **{name: (0.0, -1.0, np.inf) for name in ("learning_rate_scale", "rms_epsilon", "epsilon_scale")},
    "rms_horizons": (0.0, 0.5, np.nan),
    **{name: (np.nan, "1") for name in ("input_gate_offset", "forget_gate_offset")},
    "least_share": (0.0, 1.1, np.nan),
    "network": ("gru", None),
    "rule": ("policy", 1),
    "value_weight": (0.0, -1.0, np.nan),
    "schedule": ("cosine", None),
    "gradient": ("exact", None),
    **{name: (0, -1, 1.5) for name in ("explorer_hidden", "chunk_size", "bptt_depth", "regions")},
    **{name: (-1, 1.5, "8") for name in ("hidden", "cells", "memory_bits", "trace_units", "readout")},
    **{name: (-1, 1.5, "8") for name in ("error_memory", "rms_memory")},
    **{
        name: (-0.1, np.nan)
        for name in ("input_range", "forget_range", "recurrent_range", "output_range", "bias_range")
    },
    **{name: (np.nan, "1") for name in ("input_gate_bias", "forget_gate_bias", "output_gate_bias")},
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_bad_setting_is_named_with_its_value(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be ") as error:
        Config(**{name: value})
    assert repr(value) in str(error.value)


def test_every_setting_with_a_range_is_tried() -> None:
    flags = {field.name for field in fields(Config) if field.type in (bool, "bool", bool | None)}
    assert {field.name for field in fields(Config)} - flags <= set(BAD)


def test_formulas_follow_the_horizon() -> None:
    config = TMAZE
    assert config.learning_rate_for(400) == pytest.approx(0.003) and Config().learning_rate_for(400) == 0.0005
    assert Config(learning_rate=0.5).learning_rate_for(9) == 0.5
    assert config.rms_decay_for(100) == pytest.approx(0.999) and Config(rms_decay=0.9).rms_decay_for(100) == 0.9
    assert config.epsilon_for(100) == 0.02 and config.epsilon_for(3) == 0.1
    assert config.input_gate_bias_for(100) == pytest.approx(-np.log(10.0) - 1.0)
    assert config.forget_gate_bias_for(100) == pytest.approx(np.log(100.0) + 1.0)
    spread = Config(cells=3, forget_gate_bias=8.0, spread_forget_gates=True)
    assert spread.forget_gate_bias_for(100) == (0.0, 4.0, 8.0)
    model = learner(horizon=400)
    assert model.lr_schedule(0.3) == pytest.approx(0.003) and model._learner.rule.optimizer.decay == pytest.approx(
        0.99975
    )
    topology = model.policy.topology
    weights = model.policy.weights().hidden
    assert not weights[topology.rows["input"], topology.columns["forget_gate"]].any()
    assert weights[topology.rows["input"], topology.columns["input_gate"]].all()
    linear = learner(schedule="linear", learning_rate=0.2).lr_schedule
    assert [linear(1.0), linear(0.5), linear(0.0)] == pytest.approx([0.2, 0.105, 0.01])


def test_a_network_without_units_is_refused() -> None:
    with pytest.raises(ValueError, match="^cells and hidden must not both be 0.*got cells=0 and hidden=0$"):
        learner(hidden=0, cells=0)
    with pytest.raises(ValueError, match="^hidden must be an integer >= 1, got 0$"):
        AdvantageLearning("ElmanPolicy", maze())


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    A2C("MlpPolicy", "CartPole-v1", device="cpu").save(tmp_path / "a2c")
    with pytest.raises(ValueError, match=r"must be a model saved by AdvantageLearning"):
        AdvantageLearning.load(tmp_path / "a2c")
    (tmp_path / "noise.zip").write_bytes(b"no zip at all")
    with pytest.raises(ValueError, match="noise.zip"):
        AdvantageLearning.load(tmp_path / "noise.zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(ValueError, match=r"other.zip must be a model saved by AdvantageLearning"):
        AdvantageLearning.load(tmp_path / "other.zip")
    with pytest.raises(FileNotFoundError, match="absent"):
        AdvantageLearning.load(tmp_path / "absent")


def test_half_a_file_is_refused(trained: AdvantageLearning, tmp_path: Path) -> None:
    trained.save(tmp_path / "model")
    whole = (tmp_path / "model.zip").read_bytes()
    (tmp_path / "half.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="half.zip"):
        AdvantageLearning.load(tmp_path / "half.zip")


@pytest.mark.parametrize("env", [maze, lambda: gym.make("CartPole-v1")], ids=["compiled", "steps"])
def test_training_that_leaves_the_finite_numbers_says_so(env: Any) -> None:
    assert issubclass(DivergedError, ValueError)  # to whoever tries settings, one that fails
    with pytest.raises(DivergedError, match=r"diverged before step \d+.*learning_rate.*1e\+30"):
        learner(env(), learning_rate=1e30, optimizer="sgd", normalize_observations=False).learn(5000)


class Broken(Recall):
    """Breaks down at its seventh step."""

    def __init__(self, space: gym.Space[Any], observation: float = 0.0, reward: float = 0.0) -> None:
        super().__init__(space)
        self.steps, self.observation, self.reward = 0, observation, reward

    def step(self, action: Any) -> Any:
        self.steps += 1
        observation, reward, *rest = super().step(action)
        if self.steps == 7:
            observation, reward = observation + np.float32(self.observation), self.reward
        return observation, reward, *rest


@pytest.mark.parametrize("shape", [(2,), (2, 3)])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stops_training_and_is_named(bad: float, shape: tuple[int, ...]) -> None:
    space = gym.spaces.Box(-1, 1, shape, np.float32)

    def refused(**broken: float) -> str:
        model = learner(DummyVecEnv([lambda: Recall(space), lambda: Broken(space, **broken)]))
        with pytest.raises(ValueError, match="must be finite numbers") as error:
            model.learn(100)
        assert not isinstance(error.value, DivergedError) and np.isfinite(weights(model)["hidden_weights"]).all()
        return str(error.value)

    where = "in row 1 at time step 14"
    assert refused(reward=bad) == f"Broken failed in step: the reward must be finite numbers, got {bad} {where}"
    numbers = " ".join(str(np.full(int(np.prod(shape)), bad, np.float32)).split())
    said = f"Broken failed in step: the observation must be finite numbers, got {numbers} {where}"
    assert refused(observation=bad) == said


class BrokenReset(Recall):
    """What is seen first in one of its episodes is not a number."""

    def __init__(self, space: gym.Space[Any], episode: int) -> None:
        super().__init__(space)
        self.left = episode

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        observation, info = super().reset(seed=seed, options=options)
        self.left -= 1
        return observation * np.float32(np.nan if self.left == 0 else 1.0), info


@pytest.mark.parametrize("episode", [1, 2, 3])
def test_a_first_observation_that_is_not_a_number_is_named(episode: int) -> None:
    """Nor is an episode's first observation learned from, or acted on."""
    model = learner(BrokenReset(gym.spaces.Box(-1, 1, (2,), np.float32), episode))
    with pytest.raises(ValueError, match=r"^BrokenReset failed in reset: the observation must be .* got \[nan nan\]"):
        model.learn(100)
    assert (model.num_timesteps == 0) == (episode == 1)
    assert all(np.isfinite(values).all() for values in weights(model).values())


def test_a_world_whose_rewards_are_not_finite_is_named() -> None:
    world = tmaze(corridor_length=3)
    params = world.params.copy()
    params[STILL] = np.nan
    broken = WorldEnv(replace(world, params=params))
    with pytest.raises(
        ValueError, match=r"^WorldEnv failed in step: the reward must be .*, got nan in row 0 at time step \d+$"
    ):
        learner(broken, epsilon=1.0).learn(5000)


def test_torch_sees_the_memory_that_the_compiled_loop_changes(trained: AdvantageLearning) -> None:
    views = trained.policy.weights()
    assert views.hidden.ctypes.data == trained.policy.hidden_weights.data_ptr()
    assert trained._learner.approximator.weights.hidden.ctypes.data == views.hidden.ctypes.data
    assert isinstance(trained.policy.hidden_weights, torch.nn.Parameter)


@pytest.mark.parametrize("policy", ["LstmPolicy", "GruPolicy"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused_wherever_they_come_in(bad: float, policy: str, tmp_path: Path) -> None:
    model = AdvantageLearning(policy, WorldEnv(tmaze(2)), seed=0, cells=2)
    before = {name: value.numpy().copy() for name, value in model.policy.state_dict().items()}
    name = "output_weights" if policy == "LstmPolicy" else next(iter(dict(model.policy.network.named_parameters())))
    name = name if name in before else f"network.{name}"
    broken: Any = model.get_parameters()
    broken["policy"] = {key: value.clone() for key, value in broken["policy"].items()}
    broken["policy"][name].view(-1)[0] = bad
    message = f"^policy must hold finite numbers, but {name} holds NaN or infinity$"
    for fill in (lambda: model.set_parameters(broken), lambda: model.policy.load_state_dict(broken["policy"])):
        with pytest.raises(ValueError, match=message):
            fill()
        np.testing.assert_equal({key: value.numpy() for key, value in model.policy.state_dict().items()}, before)
    dict(model.policy.named_parameters())[name].data.view(-1)[0] = bad  # past all checks
    observation = np.zeros(3, np.float32)
    for use in (
        lambda: model.predict(observation, deterministic=True),
        lambda: model.policy.advantages(observation),
        lambda: model.learn(10),
    ):
        with pytest.raises(ValueError, match=message):
            use()
    model.save(tmp_path / "model")
    with pytest.raises(ValueError, match=f"model must hold finite numbers, but {name} holds NaN or infinity$"):
        AdvantageLearning.load(tmp_path / "model")


def test_a_state_that_is_not_a_number_gives_no_action() -> None:
    model = AdvantageLearning("LstmPolicy", WorldEnv(tmaze(2)), seed=0, cells=2)
    state = tuple(
        np.full_like(part, np.nan) if part.dtype.kind == "f" else part for part in model.policy.initial_state(1)
    )
    with pytest.raises(ValueError, match="^advantages must be numbers, got .*nan"):
        model.predict(np.zeros(3, np.float32), state)


def test_a_learner_without_an_environment_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="^env must be an environment or the id of one, got None$"):
        AdvantageLearning("LstmPolicy", None)
    AdvantageLearning("LstmPolicy", WorldEnv(tmaze(2)), seed=0, cells=1).save(tmp_path / "model")
    model = AdvantageLearning.load(tmp_path / "model")
    with pytest.raises(ValueError, match=r"^env must be set before learn, by set_env\(env\) or load\(path, env=env\)"):
        model.learn(10)
    model.set_env(WorldEnv(tmaze(2)))
    assert model.learn(10).num_timesteps == 10
