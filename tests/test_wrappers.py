"""Facts about an environment under SB3's and Gymnasium's wrappers: limits, horizon, exact resume, infos, row by row."""

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import wrappers
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import vector as vector_wrappers
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecEnv,
    VecEnvWrapper,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
)

from lstm_rl.agents import AdvantageLearning
from lstm_rl.agents.env_states import environment_horizon, environment_states, layers_without_state, step_limit
from lstm_rl.envs.dynamics import World
from lstm_rl.envs.env import WorldEnv
from lstm_rl.envs.multimode_pole import multimode_pole
from lstm_rl.envs.rows import find_rows, plain_world
from lstm_rl.envs.sb3 import GymnasiumVecEnv
from lstm_rl.envs.tmaze import EAST, tmaze
from lstm_rl.envs.vector import WorldVectorEnv
from lstm_rl.evaluation import evaluate
from lstm_rl.make import limited, make_env, make_rows

MAZE = "lstm_rl/NoisyTMaze-v0"


def maze(*around: Any, **arguments: Any) -> gym.Env[Any, Any]:
    env: gym.Env[Any, Any] = WorldEnv(tmaze(**{"corridor_length": 4, "noisy": True, "max_steps": 40} | arguments))
    for wrapper in around:
        env = wrapper(env)
    return env


def rows(*around: Any, n: int = 2) -> DummyVecEnv:
    return DummyVecEnv([partial(maze, *around)] * n)


class Limited(gym.Env[Any, Any]):
    """Never ends, and says in its own way when it truncates."""

    observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, name: str = "max_steps", value: Any = 245) -> None:
        setattr(self, name, value)

    def reset(self, **_: Any) -> Any:
        """Zeros."""
        return np.zeros(2, np.float32), {}

    def step(self, _: Any) -> Any:
        """Zeros."""
        return np.zeros(2, np.float32), 0.0, False, False, {}


# --- limits and horizon ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("env_id", ["lstm_rl/TMaze-v0", MAZE, "lstm_rl/MultimodePole-v0"])
def test_a_limit_given_by_gymnasiums_name_holds_in_training_and_evaluation(env_id: str) -> None:
    kwargs = {"max_episode_steps": 4}
    model = AdvantageLearning("LstmPolicy", make_rows(env_id, kwargs, 2), seed=0, cells=1, chunk_size=64)
    model.learn(256)
    assert model.ep_info_buffer and {episode["l"] for episode in model.ep_info_buffer} == {4}
    report = evaluate(model, env_id, limited(env_id, kwargs), 20, 0)
    assert report["mean_length"] == 4
    assert report["success_rate"] == (1.0 if "Pole" in env_id else 0.0)
    assert make_env(env_id, kwargs).unwrapped.world.max_steps == 4  # type: ignore[attr-defined]


def test_the_lower_of_two_limits_holds_in_every_face_of_a_world() -> None:
    for given, own, lower in ((8, 5, 5), (5, 8, 5), (8, None, 8), (1000, "auto", 550)):
        kwargs = {"max_episode_steps": given, "max_steps": own}
        assert make_env(MAZE, kwargs).unwrapped.world.max_steps == lower  # type: ignore[attr-defined]
        assert make_rows(MAZE, kwargs, 1).get_attr("world")[0].max_steps == lower
    assert limited(MAZE, {"max_episode_steps": 8}, 20) == {"max_steps": 20}  # a limit for evaluation takes its place
    assert limited("CartPole-v1", {"max_episode_steps": 8}, 20) == {"max_episode_steps": 20}
    with pytest.raises(ValueError, match="^max_episode_steps must be an integer >= 1, got -3$"):
        gym.make_vec(MAZE, num_envs=2, max_episode_steps=-3)


def test_worlds_of_others_have_the_limit_they_were_registered_with() -> None:
    make: Any = lambda: WorldEnv(tmaze(3, max_steps=None))  # noqa: E731
    gym.register("test/Maze-v0", make, max_episode_steps=7)
    try:
        model = AdvantageLearning("LstmPolicy", make_rows("test/Maze-v0", {}, 1), seed=0, cells=1)
        assert evaluate(model, "test/Maze-v0", limited("test/Maze-v0", {}), 20, 0)["mean_length"] <= 7
    finally:
        del gym.registry["test/Maze-v0"]


@pytest.mark.parametrize("make", [DummyVecEnv, partial(SubprocVecEnv, start_method="fork")])
def test_the_horizon_is_the_worlds_in_every_vec_env(make: Callable[..., VecEnv]) -> None:
    env = make([partial(maze, corridor_length=500)])
    assert environment_horizon(VecMonitor(VecFrameStack(env, 2))) == 501
    assert AdvantageLearning("LstmPolicy", env).learning_rate == pytest.approx(0.06 / np.sqrt(501))
    env.close()


def test_the_horizon_is_found_in_every_vector_env() -> None:
    for env in (
        gym.make_vec(MAZE, 2, corridor_length=500, autoreset_mode=AutoresetMode.SAME_STEP),
        SyncVectorEnv([lambda: maze(corridor_length=500)] * 2, autoreset_mode=AutoresetMode.SAME_STEP),
    ):
        assert environment_horizon(GymnasiumVecEnv(env)) == 501


@pytest.mark.parametrize("name", ["max_steps", "max_episode_steps", "max_episode_length"])
def test_limits_by_other_names_are_read(name: str) -> None:
    env = DummyVecEnv([lambda: Monitor(Limited(name))])
    assert step_limit(env) == 245 and environment_horizon(env) == 100
    assert step_limit(DummyVecEnv([lambda: wrappers.TimeLimit(Limited(name), 30)])) == 30
    assert step_limit(DummyVecEnv([lambda: wrappers.TimeLimit(Limited(name), 300)])) == 245
    for value in (None, 0, 2.5, True, "many"):
        assert step_limit(DummyVecEnv([partial(Limited, name, value)])) is None


def test_the_pole_has_no_horizon_and_a_registered_limit_is_one_up_to_100() -> None:
    assert environment_horizon(DummyVecEnv([lambda: WorldEnv(multimode_pole())])) is None
    assert environment_horizon(DummyVecEnv([lambda: gym.make("CartPole-v1")])) == 100
    assert environment_horizon(DummyVecEnv([lambda: gym.make("CartPole-v1", max_episode_steps=20)])) == 20


# --- the compiled loop -----------------------------------------------------------------------------------------------


class Doubled(Monitor):
    """A recorder that doubles rewards."""

    def step(self, action: Any) -> Any:
        """With twice the reward."""
        observation, reward, *rest = super().step(action)
        return observation, 2.0 * float(reward), *rest


class Renamed(wrappers.OrderEnforcing[Any, Any]):
    """Turns actions around."""

    def step(self, action: Any) -> Any:
        """The other way."""
        return super().step(3 - action)


class Slower(VecMonitor):
    """A recorder of all rows that does more."""


class Eager(DummyVecEnv):
    """Rows that do more."""


def changed(**fields: Any) -> World:
    from dataclasses import replace

    return replace(tmaze(4, max_steps=40), **fields)


def test_rows_with_anything_more_around_them_are_stepped_one_by_one() -> None:
    plain = [rows(), rows(Monitor), rows(wrappers.OrderEnforcing, Monitor), VecMonitor(rows())]
    assert all(find_rows(env) for env in plain)
    more = [
        rows(Doubled),
        rows(Renamed),
        rows(Monitor, Monitor),
        rows(partial(wrappers.TimeLimit, max_episode_steps=9)),
        rows(wrappers.NormalizeReward),
        Slower(rows()),
        Eager([partial(maze)]),
        VecFrameStack(rows(), 2),
        DummyVecEnv([partial(maze, Monitor), partial(maze)]),
        DummyVecEnv([partial(maze, Monitor, Monitor), partial(maze)]),
        DummyVecEnv([partial(maze), partial(maze, corridor_length=5)]),
    ]
    with pytest.warns(UserWarning, match="already wrapped with a `Monitor`"):
        more.append(VecMonitor(rows(Monitor)))
    assert [find_rows(env) for env in more] == [None] * len(more)
    assert plain_world(Renamed(maze())) is None and plain_world(Monitor(maze())) is not None


@pytest.mark.parametrize(
    "fields", [{"observe": multimode_pole().observe}, {"survival_is_success": True}, {"max_steps": 41}]
)
def test_rows_of_different_worlds_are_stepped_one_by_one(fields: dict[str, Any]) -> None:
    assert find_rows(DummyVecEnv([lambda: WorldEnv(changed()), lambda: WorldEnv(changed())]))
    assert find_rows(DummyVecEnv([lambda: WorldEnv(changed()), lambda: WorldEnv(changed(**fields))])) is None


# --- exact resume ----------------------------------------------------------------------------------------------------


class Counting(gym.Wrapper[Any, Any, Any, Any]):
    """Pays for every third step: a wrapper of somebody's own."""

    steps = 0

    def step(self, action: Any) -> Any:
        """With a reward for every third step."""
        observation, reward, *rest = self.env.step(action)
        self.steps += 1
        return observation, float(reward) + (self.steps % 3 == 0), *rest


class Telling(Counting):
    """The same, which gives access to its state."""

    def get_state(self) -> int:
        """Of the wrapper."""
        return self.steps

    def set_state(self, steps: int) -> None:
        """Of the wrapper."""
        self.steps = steps


class VecCounting(VecEnvWrapper):
    """A wrapper of somebody's own around all rows."""

    def reset(self) -> Any:
        """Of the rows."""
        return self.venv.reset()

    def step_wait(self) -> Any:
        """Of the rows."""
        return self.venv.step_wait()


def zero_padded(env: Any) -> Any:
    return wrappers.FrameStackObservation(env, 3, padding_type="zero")


def sync(*around: Any) -> GymnasiumVecEnv:
    same = AutoresetMode.SAME_STEP
    vector: Any = SyncVectorEnv([partial(maze, *around)] * 2, autoreset_mode=same)
    return GymnasiumVecEnv(vector)


def ours(*around: Any) -> GymnasiumVecEnv:
    vector: Any = WorldVectorEnv(tmaze(4, noisy=True, max_steps=40), 2, AutoresetMode.SAME_STEP)
    for wrapper in around:
        vector = wrapper(vector)
    return GymnasiumVecEnv(vector)


STATEFUL: dict[str, Callable[[], VecEnv]] = {
    "plain": lambda: rows(Monitor),
    "VecFrameStack": lambda: VecFrameStack(rows(Monitor), 3),
    "VecNormalize": lambda: VecNormalize(rows(Monitor), gamma=0.9),
    "both": lambda: VecFrameStack(VecNormalize(VecMonitor(rows())), 2),
    "TimeLimit": lambda: rows(partial(wrappers.TimeLimit, max_episode_steps=7)),
    "FrameStackObservation": lambda: rows(partial(wrappers.FrameStackObservation, stack_size=3)),
    "zero padding": lambda: rows(zero_padded),
    "NormalizeObservation": lambda: rows(wrappers.NormalizeObservation),
    "NormalizeReward": lambda: rows(wrappers.NormalizeReward),
    "DelayObservation": lambda: rows(partial(wrappers.DelayObservation, delay=2)),
    "TimeAwareObservation": lambda: rows(
        partial(wrappers.TimeLimit, max_episode_steps=30), partial(wrappers.TimeAwareObservation, flatten=True)
    ),
    "StickyAction": lambda: rows(partial(wrappers.StickyAction, repeat_action_probability=0.5)),
    "TransformReward": lambda: rows(partial(wrappers.TransformReward, func=float)),
    "somebody's own": lambda: rows(Telling),
    "SyncVectorEnv": lambda: sync(wrappers.NormalizeObservation),
    "vector NormalizeReward": lambda: ours(vector_wrappers.NormalizeReward),
}


@pytest.mark.parametrize("name", STATEFUL)
def test_training_goes_on_exactly_through_known_wrappers(name: str, tmp_path: Path) -> None:
    make = STATEFUL[name]

    def learner() -> AdvantageLearning:
        return AdvantageLearning("LstmPolicy", make(), seed=3, cells=2, hidden=2, chunk_size=64, learning_rate=1e-2)

    whole = learner().learn(500).learn(300, reset_num_timesteps=False)
    learner().learn(500).save(tmp_path / "model")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        resumed = AdvantageLearning.load(tmp_path / "model", make()).learn(300, reset_num_timesteps=False)
    assert np.array_equal(resumed.policy.parameters_to_vector(), whole.policy.parameters_to_vector())
    assert np.array_equal(resumed._last_obs, whole._last_obs)  # type: ignore[arg-type]


UNKNOWN: dict[str, tuple[str, Callable[[], VecEnv]]] = {
    "a wrapper": ("Counting", lambda: rows(Counting)),
    "a wrapper of all rows": ("VecCounting", lambda: VecCounting(rows())),
    "made of a known one": ("Doubled", lambda: rows(Doubled)),
    "an environment": ("CartPoleEnv", lambda: DummyVecEnv([lambda: gym.make("CartPole-v1")])),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_whose_state_nobody_knows_training_says_that_it_begins_new_episodes(name: str, tmp_path: Path) -> None:
    kind, make = UNKNOWN[name]
    env = make()
    assert layers_without_state(env) == [kind] and environment_states(env) is None
    AdvantageLearning("LstmPolicy", env, seed=0, cells=1).learn(50).save(tmp_path / "model")
    with pytest.warns(UserWarning, match="gives no access to its state"):
        AdvantageLearning.load(tmp_path / "model", make()).learn(10, reset_num_timesteps=False)


def test_another_stack_of_wrappers_is_not_taken_for_the_same(tmp_path: Path) -> None:
    AdvantageLearning("LstmPolicy", VecNormalize(rows()), seed=0, cells=1).learn(50).save(tmp_path / "model")
    with pytest.warns(UserWarning, match="gives no access to its state"):
        AdvantageLearning.load(tmp_path / "model", rows()).learn(10, reset_num_timesteps=False)
    again = AdvantageLearning.load(tmp_path / "model", VecMonitor(VecNormalize(rows())))
    again.learn(10, reset_num_timesteps=False)  # a recorder changes nothing; no warning


def test_a_recorder_goes_on_with_its_episode(tmp_path: Path) -> None:
    """An episode that a checkpoint cuts in two is recorded with its whole length."""

    def make() -> VecEnv:
        return VecFrameStack(rows(Monitor, n=1), 2)

    model = AdvantageLearning("LstmPolicy", make(), seed=0, cells=1).learn(500)
    model.save(tmp_path / "model")
    resumed = AdvantageLearning.load(tmp_path / "model", make())
    for each in (model, resumed):
        each.learn(100, reset_num_timesteps=False)
    lengths = [[episode["l"] for episode in each.ep_info_buffer or ()] for each in (model, resumed)]
    assert lengths[0] == lengths[1] and len(lengths[0]) > 5


class Oracle(Limited):
    """Tells its Markov state, as POPGym's do, but takes none back."""

    def get_state(self) -> Any:
        """The state."""
        return np.zeros(2)


def test_an_environment_that_only_tells_its_state_is_saved_without_it(tmp_path: Path) -> None:
    AdvantageLearning("LstmPolicy", DummyVecEnv([Oracle]), seed=0, cells=1).learn(20).save(tmp_path / "model")
    assert layers_without_state(DummyVecEnv([Oracle])) == ["Oracle"]


# --- Gymnasium's vector environments as SB3's ------------------------------------------------------------------------


def same_step(*env_fns: Any, kind: Any = SyncVectorEnv) -> Any:
    return kind(env_fns, autoreset_mode=AutoresetMode.SAME_STEP)


@pytest.mark.parametrize("key", ["episode", "told"])
@pytest.mark.parametrize("kind", ["ours", "sync"])
def test_statistics_of_an_episode_are_in_the_info_of_its_last_step(kind: str, key: str) -> None:
    vector = gym.make_vec("lstm_rl/TMaze-v0", 2, max_steps=5, autoreset_mode=AutoresetMode.SAME_STEP)
    if kind == "sync":
        vector = same_step(*[partial(maze, max_steps=5)] * 2)
    env = GymnasiumVecEnv(vector_wrappers.RecordEpisodeStatistics(vector, stats_key=key))
    env.reset()
    for t in range(1, 12):
        _, _, dones, infos = env.step(np.array([EAST, EAST]))
        assert dones.tolist() == [t % 5 == 0] * 2
        for info, reset_info in zip(infos, env.reset_infos, strict=True):
            assert (key in info) == (t % 5 == 0) == ("terminal_observation" in info)
            assert key not in reset_info and set(reset_info) == {"state"}
            if t % 5 == 0:
                assert info[key]["l"] == 5 and info["is_success"] == 0


def test_a_learner_sees_the_episodes_that_gymnasium_records() -> None:
    vector = gym.make_vec("lstm_rl/TMaze-v0", 2, max_steps=5, autoreset_mode=AutoresetMode.SAME_STEP)
    env = GymnasiumVecEnv(vector_wrappers.RecordEpisodeStatistics(vector))
    model = AdvantageLearning("LstmPolicy", env, seed=0, cells=1).learn(100)
    assert model.ep_info_buffer and {int(episode["l"]) for episode in model.ep_info_buffer} == {5}


def test_infos_as_lists_and_names_with_an_underscore_are_understood() -> None:
    class Underscored(gym.Wrapper[Any, Any, Any, Any]):
        def step(self, action: Any) -> Any:
            *rest, info = self.env.step(action)
            return *rest, info | {"_hidden": 7}

    env = GymnasiumVecEnv(same_step(*[partial(maze, Underscored, max_steps=2)] * 2))
    env.reset()
    assert [info["_hidden"] for info in env.step(np.array([EAST, EAST]))[3]] == [7, 7]
    lists = GymnasiumVecEnv(vector_wrappers.DictInfoToList(same_step(*[partial(maze, max_steps=2)] * 2)))
    lists.reset()
    lists.step(np.array([EAST, EAST]))
    *_, infos = lists.step(np.array([EAST, EAST]))
    assert all(info["terminal_observation"].shape == (3,) and "is_success" in info for info in infos)


def mazes(kind: str) -> VecEnv:
    makers: list[Any] = [partial(maze, Monitor, corridor_length=n) for n in (2, 3, 4)]
    if kind == "dummy":
        return DummyVecEnv(makers)
    return GymnasiumVecEnv(same_step(*makers, kind={"sync": SyncVectorEnv, "async": AsyncVectorEnv}[kind]))


@pytest.mark.parametrize("kind", ["dummy", "sync", "async"])
def test_attributes_and_methods_are_those_of_each_row(kind: str) -> None:
    env = mazes(kind)
    env.reset()
    assert [world.horizon for world in env.get_attr("world")] == [3, 4, 5]
    assert [world.horizon for world in env.get_attr("world", [2, 0])] == [5, 3]
    assert env.get_attr("observation_space", 1) == [env.observation_space]
    assert env.env_is_wrapped(Monitor) == [True] * 3 and env.env_is_wrapped(wrappers.TimeLimit, [1]) == [False]
    assert env.env_method("has_wrapper_attr", "world") == [True] * 3
    env.set_attr("remark", "hello")
    env.set_attr("remark", "bye", indices=[1])
    assert env.get_attr("remark") == ["hello", "bye", "hello"]
    if kind == "async":
        with pytest.raises(
            ValueError, match="^indices must name all rows: AsyncVectorEnv calls get_state in all of them"
        ):
            env.env_method("get_state", indices=[1])
    else:
        assert env.env_method("get_state", indices=[1])[0]["state"].shape == (1, 4)
    with pytest.raises(AttributeError):
        env.get_attr("no_such_thing")
    env.step(np.array([EAST] * 3))  # still alive
    env.close()


def test_rows_of_a_world_are_reached_as_rows_of_sb3() -> None:
    world = tmaze(4, noisy=True)
    ours = GymnasiumVecEnv(WorldVectorEnv(world, 3, AutoresetMode.SAME_STEP, render_mode="rgb_array"))
    theirs = DummyVecEnv([lambda: WorldEnv(world, render_mode="rgb_array")] * 3)
    for env in (ours, theirs):
        env.seed(5)
        env.reset()
        env.step(np.array([EAST, EAST, 0]))
    np.testing.assert_equal(ours.env_method("get_state"), theirs.env_method("get_state"))
    np.testing.assert_equal(ours.env_method("render", indices=[1]), theirs.env_method("render", indices=[1]))
    generators = [[g.bit_generator.state for g in env.get_attr("np_random")] for env in (ours, theirs)]
    assert generators[0] == generators[1]
    state = ours.env_method("get_state", indices=[0])[0]
    for env in (ours, theirs):
        env.env_method("set_state", state, indices=[2])
    for _ in range(20):
        np.testing.assert_equal(ours.step(np.array([EAST, EAST, 0]))[:3], theirs.step(np.array([EAST, EAST, 0]))[:3])
    with pytest.raises(ValueError, match="^reset and step must be called on the vector environment"):
        ours.env_method("reset")
    with pytest.raises(ValueError, match=r"^indices must name all rows, which have one elapsed together, got \[0\]$"):
        ours.set_attr("elapsed", np.zeros(3, np.int64), [0])


def test_options_reach_the_reset_and_must_be_the_same_for_all_rows() -> None:
    seen: list[Any] = []

    class Watched(gym.Wrapper[Any, Any, Any, Any]):
        def reset(self, **arguments: Any) -> Any:
            seen.append(arguments["options"])
            return self.env.reset(seed=arguments["seed"])

    env = GymnasiumVecEnv(same_step(*[partial(maze, Watched)] * 2))
    env.set_options({"easy": 1})
    env.reset()
    env.reset()
    assert seen == [{"easy": 1}] * 2 + [None] * 2
    env.set_options([{"easy": 1}, {"easy": 2}])
    with pytest.raises(ValueError, match="^options must be the same for all rows of a VectorEnv, got"):
        env.reset()


def test_a_wrong_autoreset_mode_is_refused_with_the_call_that_is_right() -> None:
    with pytest.raises(ValueError, match=r"make_vec\(id, n, autoreset_mode=AutoresetMode.SAME_STEP\)"):
        GymnasiumVecEnv(vector_wrappers.RecordEpisodeStatistics(gym.make_vec(MAZE, 2)))
    with pytest.raises(
        ValueError, match=r'make_vec\(id, n, vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP}\)'
    ):
        GymnasiumVecEnv(gym.make_vec("CartPole-v1", 2))


@pytest.mark.parametrize("mode", AutoresetMode)
def test_our_vector_environments_are_taken_in_any_autoreset_mode(mode: AutoresetMode) -> None:
    """And go on where they stand, random numbers included: the episodes are those of same-step mode."""
    rows, left = [], []
    for each in (AutoresetMode.SAME_STEP, mode):
        vector: Any = gym.make_vec(MAZE, 3, corridor_length=2, max_steps=4, autoreset_mode=each)
        vector.reset(seed=5)
        env = GymnasiumVecEnv(vector)
        assert env.env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
        assert find_rows(env) is not None  # the compiled loop takes them
        told = [env.reset()]
        for action in np.random.default_rng(0).integers(4, size=(30, 3)):
            told += env.step(action)[:3]
        rows.append(told)
        left.append(vector.autoreset_mode)
    np.testing.assert_equal(rows[1], rows[0])
    assert left == [AutoresetMode.SAME_STEP, mode]  # what was given is as it was


def test_the_call_of_the_readme_trains() -> None:
    env = GymnasiumVecEnv(gym.make_vec(MAZE, num_envs=2))
    with pytest.raises(gym.error.ResetNeeded):
        env.step(np.zeros(2, np.int64))
    model = AdvantageLearning("LstmPolicy", GymnasiumVecEnv(gym.make_vec(MAZE, num_envs=4)), seed=0, cells=1)
    assert model.learn(400).num_timesteps == 400
