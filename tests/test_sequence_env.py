"""Sequence tasks as environments: what Gymnasium and SB3 demand, and that rewards are for right answers only."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box, Discrete
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from lstm_rl.envs import SEQUENCES
from lstm_rl.tasks.env import SequenceEnv
from lstm_rl.tasks.names import TASKS, make_task

SMALL: dict[str, dict[str, Any]] = {
    "hs1997-lag-a": {"p": 6},
    "hs1997-lag-b": {"p": 6},
    "hs1997-lag-c": {"p": 4, "q": 5},
    **{f"hs1997-two-sequence-{variant}": {"T": 20} for variant in "abc"},
    "hs1997-adding": {"T": 30},
    "hs1997-multiplication": {"T": 30},
}
SYMBOLIC = [name for name in TASKS if make_task(name).outputs > 1]
Answer = Callable[[SequenceEnv], Any]


def make(name: str, **arguments: Any) -> SequenceEnv:
    return SequenceEnv(name, **(SMALL.get(name, {}) | arguments))


def perfect(env: SequenceEnv) -> Any:
    """The action that `info` will call the target, found out by a copy that answers first."""
    ahead = copy.deepcopy(env)
    target = ahead.step(blind(env))[4].get("target", 0)
    return np.int64(target) if isinstance(env.action_space, Discrete) else np.array([target], np.float32)


def blind(env: SequenceEnv) -> Any:
    return np.int64(0) if isinstance(env.action_space, Discrete) else np.zeros(1, np.float32)


def play(env: SequenceEnv, answer: Answer, episodes: int, seed: int = 0) -> list[list[Any]]:
    """Everything that an agent sees, a list per episode."""
    seen = []
    for episode in range(episodes):
        steps: list[Any] = [env.reset(seed=seed if episode == 0 else None)]
        while len(steps) == 1 or not steps[-1][2]:
            steps.append(env.step(answer(env)))
        seen.append(steps)
    return seen


@pytest.mark.parametrize("name", TASKS)
def test_gymnasium_and_stable_baselines_find_no_fault(name: str) -> None:
    for check in (check_env, sb3_check_env):
        env = gym.make(SEQUENCES, task=name, render_mode="ansi", **SMALL.get(name, {})).unwrapped
        check(env)
        assert isinstance(env, SequenceEnv) and env.task == make_task(name, **SMALL.get(name, {}))


def test_an_id_has_its_vector_face() -> None:
    rows = gym.make_vec(SEQUENCES, num_envs=3, vectorization_mode="sync", task="hs1997-lag-a", p=4)
    observations, _ = rows.reset(seed=0)
    assert observations.shape == (3, 5) and (observations.sum(1) == 1.0).all()
    assert rows.step(np.zeros(3, np.int64))[1].tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("name", TASKS)
def test_the_perfect_agent_gets_all_rewards(name: str) -> None:
    env = make(name)
    for reset, *steps in play(env, perfect, 4):
        assert env.observation_space.contains(reset[0]) and reset[1] == {}
        for observation, reward, _, truncated, info in steps:
            assert env.observation_space.contains(observation) and not truncated
            assert reward == float("target" in info) and info.get("correct", True)
        assert steps[-1][4]["is_success"] and not steps[-1][0].any()
        assert not any("is_success" in step[4] for step in steps[:-1])


@pytest.mark.parametrize("name", TASKS)
def test_a_blind_agent_does_not(name: str) -> None:
    episodes = play(make(name), blind, 200)
    last = np.mean([episode[-1][1] for episode in episodes])
    classes = {"hs1997-lag-c": 2, "hs1997-temporal-order-3": 4, "hs1997-temporal-order-4": 8}
    classes |= {"gers2000-nto": 8, "gers2000-cnto": 8, "gers2000-cerg": 1}  # in the last, B follows every string
    classes |= {name: 1 for name in TASKS if name.startswith("gers2001")}  # S and T, which ends strings, are one symbol
    expected = (
        0.5
        if "two-sequence" in name or name in ("parity", "gers2002-msd", "gers2002-nmsd")
        else 1.0 / classes[name]
        if name in classes
        else 0.0
    )
    if name in ("hs1997-adding", "hs1997-multiplication"):
        assert 0.0 < last < 0.3  # numbers near .5 are right by chance
    else:
        assert abs(last - expected) <= 4.0 * np.sqrt(expected * (1.0 - expected) / 200.0)
    assert np.mean([episode[-1][4]["is_success"] for episode in episodes]) <= last


@pytest.mark.parametrize("name", TASKS)
def test_inputs_and_targets_are_the_tasks(name: str) -> None:
    env, rng = make(name), np.random.default_rng(3)
    task = env.task
    for reset, *steps in play(env, blind, 5, seed=3):
        x, targets, has_target = task.batch(1, rng)
        np.testing.assert_array_equal([reset[0], *(step[0] for step in steps[:-1])], x[:, 0].astype(np.float32))
        assert ["target" in step[4] for step in steps] == has_target[:, 0].tolist()
        for t in np.flatnonzero(has_target[:, 0]):
            given, target = steps[t][4]["target"], targets[t, 0]
            if isinstance(env.action_space, Box):
                assert (1.0 + given) / 2.0 == pytest.approx(target[0], abs=1e-12)
            else:
                assert given == (target.argmax() if len(target) > 1 else target[0] > 0.5)


def test_one_seed_is_one_sequence_of_episodes() -> None:
    one, again, other = (play(make("hs1997-lag-b"), blind, 20, seed) for seed in (1, 1, 2))
    np.testing.assert_equal(one, again)
    assert str(one) != str(other) and len({str(episode) for episode in one}) > 10


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
def test_a_copy_goes_on_as_the_original(duplicate: Callable[[Any], Any]) -> None:
    env = make("hs1997-adding")
    env.reset(seed=1)
    env.step(blind(env))
    twin = duplicate(env)
    for _ in range(40):
        one, other = (each.step(blind(each)) for each in (env, twin))
        np.testing.assert_equal(one, other)
        if one[2]:
            np.testing.assert_equal(env.reset(), twin.reset())


@pytest.mark.parametrize("name", ["hs1997-adding", "hs1997-multiplication"])
def test_a_number_is_right_within_the_papers_tolerance(name: str) -> None:
    for error, right in ((0.0, True), (0.039, True), (-0.039, True), (0.041, False), (-0.041, False)):
        env = make(name)
        *_, last = play(env, lambda env, by=2.0 * error: perfect(env) + np.float32(by), 1, seed=4)[0]  # type: ignore[misc]
        assert abs(last[4]["target"]) < 0.95 and (last[1] == 1.0) == right == last[4]["is_success"]


def test_only_the_last_answer_of_random_lags_makes_success() -> None:
    env = make("hs1997-lag-b")
    *_, last = play(env, lambda env: perfect(env) if env._t == env._length - 1 else np.int64(6), 1)[0]
    assert last[1] == 1.0 and last[4]["is_success"]
    env = make("hs1997-lag-a")
    *_, last = play(env, lambda env: perfect(env) if env._t == env._length - 1 else np.int64(6), 1)[0]
    assert last[1] == 1.0 and not last[4]["is_success"]


def test_a_line_shows_inputs_actions_and_marks() -> None:
    env = SequenceEnv("hs1997-lag-a", render_mode="ansi", p=3)
    signal = int(env.reset(seed=0)[0].argmax())
    lines = [env.render(), *(env.step(np.int64(action)) and env.render() for action in (0, 0, signal))]
    assert lines == [f"{signal}", f"{signal}>0+ 0", f"{signal}>0+ 0>0- 1", f"{signal}>0+ 0>0- 1>{signal}+ "]
    pairs = SequenceEnv("hs1997-adding", render_mode="ansi")
    pairs.reset(seed=0)
    assert pairs.render().endswith(",-1")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"task": "hs1997-lag"}, "task must be one of hs1997-reber, .*, parity, .*, got 'hs1997-lag'"),
        ({"task": "hs1997-adding", "p": 3}, "settings of hs1997-adding must be T.*, got 'p'"),
        ({"task": "hs1997-lag-c", "T": 3}, "settings of hs1997-lag-c must be p or q, got 'T'"),
        ({"task": "hs1997-two-sequence-a", "variant": "b"}, "settings of .* must be T or N.*, got 'variant'"),
        ({"signals": 3}, "settings of hs1997-temporal-order-3 must be none, got 'signals'"),
        ({"task": "hs1997-adding", "T": 21}, "T must be an integer >= 22, got 21"),
        ({"task": "hs1997-two-sequence-b", "T": 10, "N": 10}, "N must be below T = 10, got 10"),
        ({"render_mode": "human"}, "render_mode must be one of ansi, got 'human'"),
    ],
)
def test_a_bad_argument_is_named_with_its_value(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        SequenceEnv(**arguments)


def test_a_bad_action_or_moment_is_named() -> None:
    env = make("hs1997-reber")
    with pytest.raises(ResetNeeded, match="^reset must be called before the first step"):
        env.step(np.int64(0))
    play(env, blind, 1)
    with pytest.raises(ResetNeeded, match="and after the last one of a sequence$"):
        env.step(np.int64(0))
    with pytest.raises(ValueError, match=r"^action must be in Discrete\(7\), got 7$"):
        env.step(7)
    with pytest.raises(ValueError, match="^render_mode must be given to gym.make: ansi$"):
        env.render()
