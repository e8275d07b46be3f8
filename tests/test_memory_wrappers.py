"""Wrappers that add the previous action, the previous reward or a flag, or hide entries."""

import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import DummyVecEnv

from lstm_rl.agents import AdvantageLearning
from lstm_rl.agents.env_states import environment_states, layers_without_state
from lstm_rl.envs.env import WorldEnv
from lstm_rl.envs.tmaze import EAST, SOUTH, WEST, tmaze
from lstm_rl.envs.wrappers import FirstStepFlag, HideEntries, PreviousAction, PreviousReward

Wrap = Callable[[gym.Env[Any, Any]], gym.Env[Any, Any]]
WRAPPERS: dict[str, Wrap] = {
    "action": PreviousAction,
    "reward": partial(PreviousReward, low=-1, high=5),
    "flag": FirstStepFlag,
    "hide": partial(HideEntries, indices=[1]),
}


def maze(**arguments: Any) -> gym.Env[Any, Any]:
    return WorldEnv(tmaze(**({"corridor_length": 2, "max_steps": 9} | arguments)))


class Counter(gym.Env[Any, Any]):
    """Shows the number of its step as a Discrete from 5 on; actions are Box or Discrete from 3 on."""

    def __init__(self, box: bool = False) -> None:
        self.observation_space = gym.spaces.Discrete(4, start=5)
        self.action_space: gym.Space[Any] = gym.spaces.Box(1.0, 2.0, (2,)) if box else gym.spaces.Discrete(2, start=3)
        self.steps = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.steps = 0
        return np.int64(5), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        return np.int64(5 + self.steps), 0.5 * self.steps, self.steps == 3, False, {}


@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version")  # it is meant for bare environments
@pytest.mark.parametrize("inner", [maze, Counter])
@pytest.mark.parametrize("name", WRAPPERS)
def test_gymnasium_finds_no_fault(name: str, inner: Callable[[], gym.Env[Any, Any]]) -> None:
    env = WRAPPERS[name](inner())
    check_env(env, skip_render_check=True)
    assert env.observation_space.dtype == np.float32


def test_what_is_appended_in_two_episodes() -> None:
    env = FirstStepFlag(PreviousReward(PreviousAction(maze(corridor_length=1))))
    for seed in range(2):
        cue = env.unwrapped.reset(seed=seed)[0].tolist()
        seen = [env.reset(seed=seed)[0], *(env.step(np.int64(action))[0] for action in (WEST, EAST))]
        expected = [[*cue, 0, 0, 0, 0, 0, 1], [*cue, 0, 0, 0, 1, -0.1, 0], [0, 1, 0, 0, 1, 0, 0, 0, 0]]
        np.testing.assert_allclose(seen, expected, rtol=1e-6)
        last, reward, terminated, *_ = env.step(np.int64(SOUTH))
        assert terminated and last[-2] == np.float32(reward)


def test_discrete_observations_become_one_hot_wherever_they_start() -> None:
    env = PreviousAction(Counter())
    assert env.reset()[0].tolist() == [1, 0, 0, 0, 0, 0]
    assert env.step(np.int64(4))[0].tolist() == [0, 1, 0, 0, 0, 1]
    assert env.step(np.int64(3))[0].tolist() == [0, 0, 1, 0, 1, 0]
    assert HideEntries(Counter(), [0, 3]).reset()[0].tolist() == [0, 0]


def test_continuous_actions_are_appended_as_they_are_and_zero_is_inside_the_bounds() -> None:
    env = PreviousAction(Counter(box=True))
    first, _ = env.reset()
    assert first.tolist() == [1, 0, 0, 0, 0, 0] and env.observation_space.contains(first)
    assert env.step(np.array([1.5, 2.0], np.float32))[0].tolist() == [0, 1, 0, 0, 1.5, 2.0]


def test_reward_bounds_hold_the_zero_of_the_first_step() -> None:
    known: Any = PreviousReward(maze(), low=1, high=2).observation_space
    assert (known.low[-1], known.high[-1]) == (0.0, 2.0)
    space: Any = PreviousReward(maze()).observation_space
    assert (space.low[-1], space.high[-1]) == (-np.inf, np.inf)


def test_hidden_velocities_are_those_of_gymnasium() -> None:
    env, full = HideEntries(gym.make("CartPole-v1"), [1, 3]), gym.make("CartPole-v1")
    assert np.array_equal(env.reset(seed=3)[0], full.reset(seed=3)[0][[0, 2]])
    assert np.array_equal(env.step(1)[0], full.step(1)[0][[0, 2]])


@pytest.mark.parametrize("name", WRAPPERS)
def test_pickled_copies_and_specs_make_the_same_wrapper(name: str) -> None:
    env = WRAPPERS[name](gym.make("lstm_rl/TMaze-v0", corridor_length=2))
    env.reset(seed=0)
    env.step(np.int64(WEST))
    twin = pickle.loads(pickle.dumps(env))
    assert env.spec is not None
    again = gym.make(env.spec)
    again.reset(seed=0)
    again.step(np.int64(WEST))
    for action in (EAST, WEST, EAST):
        expected = env.step(np.int64(action))
        np.testing.assert_equal(twin.step(np.int64(action)), expected)
        np.testing.assert_equal(again.step(np.int64(action)), expected)


@pytest.mark.parametrize("name", WRAPPERS)
def test_sb3s_vec_env_resets_what_is_appended(name: str) -> None:
    env, one = DummyVecEnv([lambda: WRAPPERS[name](maze())] * 2), WRAPPERS[name](maze())
    env.seed(4)
    first: Any = env.reset()
    assert np.array_equal(first[0], one.reset(seed=4)[0])
    ends = 0
    for t in range(30):
        observation, _, dones, infos = env.step(np.array([t % 4] * 2))
        seen, _, terminated, truncated, _ = one.step(np.int64(t % 4))
        if terminated or truncated:
            assert np.array_equal(infos[0]["terminal_observation"], seen)
            seen, ends = one.reset()[0], ends + 1
        assert np.array_equal(observation[0], seen)  # type: ignore[index]
    assert ends > 1


def test_gymnasiums_vector_environments_take_the_wrappers() -> None:
    env = gym.make_vec(
        "lstm_rl/TMaze-v0",
        2,
        "sync",
        vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP},
        wrappers=[PreviousAction, FirstStepFlag],
        corridor_length=1,
    )
    env.reset(seed=0)
    east = env.step(np.array([EAST, EAST]))[0]
    assert east[:, 3:].tolist() == [[0, 1, 0, 0, 0]] * 2
    turned, _, ended, *_ = env.step(np.array([SOUTH, WEST]))
    assert ended.tolist() == [True, False]
    assert turned[:, 3:].tolist() == [[0, 0, 0, 0, 1], [0, 0, 0, 1, 0]]


def test_a_learner_knows_that_they_have_no_state_of_their_own() -> None:
    model = AdvantageLearning(
        "LstmPolicy", FirstStepFlag(PreviousReward(PreviousAction(HideEntries(maze(), [0])))), seed=0
    )
    model.learn(30)
    assert model.env is not None and layers_without_state(model.env) == []
    assert environment_states(model.env)


def test_without_memory_previous_action_and_flag_repeat_the_first_observation() -> None:
    """The trap: the task asks for memory, and the wrappers have it."""

    class RepeatFirst(Counter):
        def reset(self, **arguments: Any) -> Any:
            super().reset(**arguments)
            self.observation_space = gym.spaces.Discrete(2)
            self.action_space = gym.spaces.Discrete(2)
            self.first = self.np_random.integers(2)
            return self.first, {}

        def step(self, action: Any) -> Any:
            self.steps += 1
            return self.np_random.integers(2), float(action == self.first), self.steps == 50, False, {}

    inner = RepeatFirst()
    inner.reset()
    env = FirstStepFlag(PreviousAction(inner))
    for seed in range(5):
        observation, _ = env.reset(seed=seed)
        total, over = 0.0, False
        while not over:
            answer = observation[:2].argmax() if observation[4] else observation[2:4].argmax()
            observation, reward, over, _, _ = env.step(answer)
            total += float(reward)
        assert total == 50


OTHER: list[gym.Space[Any]] = [
    gym.spaces.MultiDiscrete([2, 3]),
    gym.spaces.Box(0, 1, (2, 2)),
    gym.spaces.Tuple([gym.spaces.Discrete(2)]),
]


@pytest.mark.parametrize("space", OTHER, ids=str)
@pytest.mark.parametrize("name", WRAPPERS)
def test_other_observations_are_refused(name: str, space: gym.Space[Any]) -> None:
    env = maze()
    env.observation_space = space
    with pytest.raises(ValueError, match="^observation_space must be Discrete or Box .*FlattenObservation"):
        WRAPPERS[name](env)


@pytest.mark.parametrize("space", OTHER, ids=str)
def test_other_actions_are_refused(space: gym.Space[Any]) -> None:
    env = maze()
    env.action_space = space
    with pytest.raises(ValueError, match="^action_space must be Discrete or Box with one dimension, got "):
        PreviousAction(env)


@pytest.mark.parametrize("indices", [[], [3], [-1], [0, 1, 2], [0.5], ["1"], [True]])
def test_bad_indices_are_refused(indices: Any) -> None:
    with pytest.raises(ValueError, match="^indices must "):
        HideEntries(maze(), indices)


@pytest.mark.parametrize(("low", "high", "name"), [("0", 1, "low"), (2, 1, "high"), (np.nan, 1, "low")])
def test_bad_reward_bounds_are_refused(low: Any, high: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be a number"):
        PreviousReward(maze(), low, high)
