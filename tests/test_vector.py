"""The vector face equals the scalar one row for row, and SB3 sees it as one of its own."""

import copy
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv, VectorWrapper
from numpy.typing import NDArray
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor

import lstm_rl.envs
from lstm_rl.envs.dynamics import NoiseTape
from lstm_rl.envs.env import WorldEnv
from lstm_rl.envs.rows import find_rows
from lstm_rl.envs.sb3 import GymnasiumVecEnv
from lstm_rl.envs.tmaze import EAST, NORTH, SOUTH, WEST, noisy_tmaze
from lstm_rl.envs.vector import WorldVectorEnv

IDS = list(lstm_rl.envs.WORLDS)
MODES = list(AutoresetMode)
SHORT: dict[str, dict[str, Any]] = {  # many ends of both kinds under a random policy
    "lstm_rl/TMaze-v0": {"corridor_length": 2, "max_steps": 12},
    "lstm_rl/NoisyTMaze-v0": {"corridor_length": 2, "max_steps": 12},
    "lstm_rl/MultimodePole-v0": {"max_steps": 20, "start_range": 0.15},
    "lstm_rl/MemoryChain-v0": {"length": 4, "bits": 3},
    "lstm_rl/NiTMazePassive-v0": {"corridor_length": 3},
    "lstm_rl/NiTMazeActive-v0": {"corridor_length": 2},
    "lstm_rl/RepeatFirst-v0": {"max_steps": 11},
    "lstm_rl/RepeatPrevious-v0": {"max_steps": 11},
    "lstm_rl/CountRecall-v0": {"max_steps": 11},
    "lstm_rl/Autoencode-v0": {"max_steps": 11},
    "lstm_rl/HigherLower-v0": {"max_steps": 11},
    "lstm_rl/Concentration-v0": {"max_steps": 11},
    **{
        f"lstm_rl/{name}CartPole-v0": {"max_steps": 17}
        for name in ("", "PositionOnly", "VelocityOnly", "NoisyPositionOnly")
    },
    **{f"lstm_rl/{name}-v0": {"max_steps": 9} for name in ("MultiarmedBandit", "TwoArmedBandit")},
    "lstm_rl/BernoulliBandit-v0": {"pulls": 9},
    "lstm_rl/TabularMDP-v0": {"horizon": 3, "episodes": 4, "states": 3},
    "lstm_rl/DarkKeyToDoor-v0": {"size": 3, "round_steps": 4, "rounds": 3},
    **{f"lstm_rl/{name}-v0": {"max_steps": 11} for name in ("MountainCar", "Acrobot", "DarkRoom", "FlipFlop")},
    **{f"lstm_rl/{name}Pole-v0": {"max_steps": 23} for name in ("Force", "MultimodeForce")},
    "lstm_rl/CodedTMaze-v0": {"corridor_length": 2, "max_steps": 12},
    "lstm_rl/CueMaze-v0": {"corridor_length": 2, "max_steps": 11},
    "lstm_rl/RobotTMazeTwin-v0": {"stem": 0.5, "action_repeat": 30, "max_steps": 5},
    "lstm_rl/RobotTMazeEvents-v0": {"stem": 0.5, "max_steps": 12},
}
ENDS_ONE_WAY = {  # their episodes have a fixed number of steps: all are terminated, or all are truncated
    "lstm_rl/MemoryChain-v0",
    "lstm_rl/NiTMazePassive-v0",
    "lstm_rl/NiTMazeActive-v0",
    "lstm_rl/RepeatFirst-v0",
    "lstm_rl/RepeatPrevious-v0",
    "lstm_rl/CountRecall-v0",
    "lstm_rl/Autoencode-v0",
    "lstm_rl/HigherLower-v0",
    "lstm_rl/Concentration-v0",
    *(f"lstm_rl/{name}-v0" for name in ("MultiarmedBandit", "TwoArmedBandit", "MountainCar", "Acrobot", "DarkRoom")),
    *(f"lstm_rl/{name}-v0" for name in ("BernoulliBandit", "TabularMDP", "DarkKeyToDoor")),
    "lstm_rl/FlipFlop-v0",
}
N = 5


def make_vec(env_id: str, mode: AutoresetMode, n: int = N, **arguments: Any) -> WorldVectorEnv:
    env = gym.make_vec(env_id, num_envs=n, autoreset_mode=mode, **(arguments or SHORT[env_id])).unwrapped
    assert isinstance(env, WorldVectorEnv)
    return env


def random_actions(space: gym.Space[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Actions of N rows."""
    if isinstance(space, gym.spaces.Discrete):
        return rng.integers(space.n, size=N)
    assert isinstance(space, gym.spaces.Box)
    return rng.uniform(space.low, space.high, (N, *space.shape)).astype(np.float32)


def scalar(env_id: str, **arguments: Any) -> Callable[[], gym.Env[Any, Any]]:
    return lambda: gym.make(env_id, **(arguments or SHORT[env_id]))


def by_row(infos: dict[str, Any]) -> list[dict[str, Any]]:
    """Gymnasium's info arrays as one dict per row."""
    rows: list[dict[str, Any]] = [{} for _ in range(N)]
    for key, values in infos.items():
        if not key.startswith("_"):
            inner = by_row(values) if isinstance(values, dict) else values
            for i in np.flatnonzero(infos[f"_{key}"]):
                rows[i][key] = inner[i]
    return rows


# --- equal to scalar environments ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env_id", IDS)
def test_rows_are_scalar_environments_in_every_mode(env_id: str, mode: AutoresetMode) -> None:
    """The reference is Gymnasium's own vector environment around scalar ones."""
    ours: VectorEnv[Any, Any, Any] = make_vec(env_id, mode)
    theirs = SyncVectorEnv([scalar(env_id)] * N, autoreset_mode=mode)
    (observation, infos), (expected, expected_infos) = ours.reset(seed=7), theirs.reset(seed=7)
    np.testing.assert_array_equal(observation, expected)
    np.testing.assert_equal(by_row(infos), by_row(expected_infos))
    rng, ends, resets = np.random.default_rng(0), np.zeros((2, N), int), 0
    for _ in range(150):
        actions = random_actions(ours.single_action_space, rng)
        step, expected_step = ours.step(actions), theirs.step(actions)
        for ours_array, theirs_array in zip(step[:4], expected_step[:4], strict=True):
            assert ours_array.dtype == theirs_array.dtype
            np.testing.assert_array_equal(ours_array, theirs_array)
        np.testing.assert_equal(by_row(step[4]), by_row(expected_step[4]))
        ends += step[2:4]
        ended = step[2] | step[3]
        if mode is AutoresetMode.DISABLED and ended.any():
            options = {"reset_mask": ended}
            (observation, infos), (expected, expected_infos) = (e.reset(options=options) for e in (ours, theirs))
            np.testing.assert_array_equal(observation, expected)
            np.testing.assert_equal(by_row(infos), by_row(expected_infos))
            resets += 1
    assert np.all(ends.sum(axis=0) > 3)
    assert env_id in ENDS_ONE_WAY or np.all(ends.sum(axis=1) > 0)
    assert (resets > 0) == (mode is AutoresetMode.DISABLED)


@pytest.mark.parametrize("env_id", IDS)
def test_row_i_has_seed_s_plus_i(env_id: str) -> None:
    env, rng = make_vec(env_id, AutoresetMode.SAME_STEP), np.random.default_rng(0)
    scalars = [scalar(env_id)() for _ in range(N)]
    observation, _ = env.reset(seed=100)
    for i, one in enumerate(scalars):
        assert np.array_equal(one.reset(seed=100 + i)[0], observation[i])
    for _ in range(100):
        actions = random_actions(env.single_action_space, rng)
        observation, rewards, terminated, truncated, infos = env.step(actions)
        for i, one in enumerate(scalars):
            o, reward, end, cut, info = one.step(actions[i])
            assert (rewards[i], terminated[i], truncated[i]) == (reward, end, cut)
            if end or cut:
                assert np.array_equal(infos["final_obs"][i], o)
                np.testing.assert_equal(by_row(infos["final_info"])[i], info)
                o, info = one.reset()
            assert np.array_equal(observation[i], o) and np.array_equal(infos["state"][i], info["state"])


def test_the_step_after_an_end_resets_and_ignores_its_action() -> None:
    env = make_vec("lstm_rl/TMaze-v0", AutoresetMode.NEXT_STEP, corridor_length=1)
    start, _ = env.reset(seed=0)
    env.step(np.full(N, EAST))
    turns = np.array([NORTH, SOUTH, NORTH, EAST, EAST])
    observation, rewards, terminated, _, infos = env.step(turns)
    assert terminated.tolist() == [True, True, True, False, False]
    assert np.array_equal(infos["is_success"][:3], rewards[:3] == 4.0) and not infos["is_success"][3:].any()
    assert observation.tolist() == [[0, 1, 0]] * N  # still the old episode's
    observation, rewards, terminated, truncated, infos = env.step(np.full(N, WEST))
    assert rewards.tolist() == [0.0] * N  # West at the start would cost 0.1, but the first three rows only reset
    assert not (terminated | truncated).any() and "is_success" not in infos
    assert env.elapsed.tolist() == [0, 0, 0, 3, 3]
    assert infos["state"][:3, 0].tolist() == [0.0, 0.0, 0.0] and observation[:3, 1].tolist() == [1.0] * 3
    assert env.step(np.full(N, WEST))[1].tolist() == pytest.approx([-0.1] * N)


def test_disabled_refuses_to_step_ended_rows() -> None:
    env = make_vec("lstm_rl/TMaze-v0", AutoresetMode.DISABLED, corridor_length=1)
    env.reset(seed=0)
    env.step(np.full(N, EAST))
    env.step(np.array([EAST, NORTH, EAST, SOUTH, EAST]))
    with pytest.raises(ValueError, match=r"^rows \[1, 3\] have ended and must be reset before the next step$"):
        env.step(np.full(N, EAST))
    env.reset(options={"reset_mask": np.array([False, True, False, True, False])})
    assert env.step(np.full(N, EAST))[4]["state"][:, 0].tolist() == [1.0] * N
    assert env.elapsed.tolist() == [3, 1, 3, 1, 3]


@pytest.mark.parametrize("env_id", IDS)
def test_a_saved_state_of_all_rows_goes_on_in_mid_episode(env_id: str) -> None:
    env, other = (make_vec(env_id, AutoresetMode.NEXT_STEP) for _ in range(2))
    rng = np.random.default_rng(0)
    actions = [random_actions(env.single_action_space, rng) for _ in range(60)]
    env.reset(seed=0)
    for a in actions[:30]:
        env.step(a)
    saved = env.get_state()
    expected = [env.step(a) for a in actions[30:]]
    other.reset(seed=99)
    for target in (env, other):
        target.set_state(saved)
        np.testing.assert_equal([target.step(a) for a in actions[30:]], expected)
    with pytest.raises(ValueError, match="^state must have the shape "):
        make_vec(env_id, AutoresetMode.NEXT_STEP, n=2).set_state(saved)


# --- Gymnasium's contract --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("env_id", IDS)
def test_make_vec_makes_ours_and_honours_the_step_limit(env_id: str) -> None:
    env = gym.make_vec(env_id, num_envs=2, max_episode_steps=3)
    assert isinstance(env.unwrapped, WorldVectorEnv) and env.num_envs == 2
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    env.reset(seed=0)
    action = np.ones(env.action_space.shape or (), env.action_space.dtype)
    assert [env.step(action)[3].tolist() for _ in range(3)] == [[False] * 2, [False] * 2, [True] * 2]
    assert env.observation_space.shape == (2, *env.unwrapped.single_observation_space.shape)  # type: ignore[misc]
    env.close()


@pytest.mark.parametrize("name", ["SameStep", AutoresetMode.SAME_STEP])
def test_the_mode_may_be_given_by_name(name: Any) -> None:
    env = gym.make_vec("lstm_rl/TMaze-v0", num_envs=2, autoreset_mode=name)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("env_id", IDS)
def test_no_returned_array_is_shared_between_calls(env_id: str, mode: AutoresetMode) -> None:
    def arrays(result: Any) -> list[NDArray[Any]]:
        if isinstance(result, np.ndarray):
            return [result, *(each for each in result if each is not None)] if result.dtype == object else [result]
        parts = result.values() if isinstance(result, dict) else result if isinstance(result, tuple) else ()
        return [array for part in parts for array in arrays(part)]

    env, rng = make_vec(env_id, mode), np.random.default_rng(0)
    calls = [arrays(env.reset(seed=0))]
    for _ in range(40):
        calls.append(arrays(env.step(random_actions(env.single_action_space, rng))))
        if mode is AutoresetMode.DISABLED and env.ended.any():
            mask = env.ended.copy()
            calls.append([*arrays(env.reset(options={"reset_mask": mask}))])
            assert not any(np.shares_memory(array, mask) for array in calls[-1])
    own = [env.state, env.observation, env.elapsed, env.ended, env.tape.values]
    known = [array for call in calls for array in call]
    assert not any(np.shares_memory(array, mine) for array in known for mine in own)
    owners = [{array.__array_interface__["data"][0] for array in call} for call in calls]
    assert sum(map(len, owners)) == len(set.union(*owners))


@pytest.mark.parametrize(
    "actions", [[0, 1], [[0] * N], [0, 1, 2, 3, 4], [-1, 0, 0, 0, 0], [0.0] * N, ["0"] * N, 1, [True] * N]
)
def test_bad_actions_are_refused(actions: Any) -> None:
    env = make_vec("lstm_rl/TMaze-v0", AutoresetMode.SAME_STEP)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=rf"^actions must be {N} integers in 0\.\.3, got "):
        env.step(np.array(actions))


@pytest.mark.parametrize("mask", [[True] * N, np.ones(N, int), np.ones(2, bool), np.zeros(N, bool), None])
def test_bad_masks_are_refused(mask: Any) -> None:
    env = make_vec("lstm_rl/TMaze-v0", AutoresetMode.DISABLED)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=rf"^reset_mask must be a bool array of shape \({N},\) with at least one true"):
        env.reset(options={"reset_mask": mask})


@pytest.mark.parametrize("seed", [-1, "12345", 2.5, True, [1, 2], [0, 1, 2, 3, -4], [0, 1, 2, 3, "4"], [0.5] * N])
def test_bad_seeds_are_refused(seed: Any) -> None:
    env = make_vec("lstm_rl/TMaze-v0", AutoresetMode.SAME_STEP)
    with pytest.raises(ValueError, match="^seed must be "):
        env.reset(seed=seed)


def test_seeds_may_be_listed_or_numpy_integers() -> None:
    env = make_vec("lstm_rl/NoisyTMaze-v0", AutoresetMode.SAME_STEP)

    def second(**arguments: Any) -> Any:
        env.reset(**arguments)
        return env.step(np.full(N, EAST))[0].tolist()

    assert second(seed=[4, 5, 6, 7, 8]) == second(seed=4) == second(seed=np.int64(4))
    before = second(seed=4)
    assert second(seed=[4, None, 6, None, 8])[::2] == before[::2]
    assert second(seed=[4, None, 6, None, 8])[1::2] != before[1::2]


def test_stepping_rows_that_were_never_reset_is_refused() -> None:
    for mode in MODES:
        env = make_vec("lstm_rl/TMaze-v0", mode)
        with pytest.raises(ResetNeeded, match="^reset must be called before the first step$"):
            env.step(np.full(N, EAST))
        if mode is AutoresetMode.DISABLED:
            env.reset(options={"reset_mask": np.arange(N) > 0})
            with pytest.raises(ResetNeeded):
                env.step(np.full(N, EAST))
            env.reset(options={"reset_mask": np.arange(N) == 0})
        else:
            env.reset()
        env.step(np.full(N, EAST))


@pytest.mark.parametrize("value", [10**6 + 1, 10**18])
def test_more_rows_than_memory_can_hold_are_refused(value: int) -> None:
    with pytest.raises(ValueError, match=f"^num_envs must be an integer <= 1000000, got {value}$"):
        gym.make_vec("lstm_rl/TMaze-v0", num_envs=value)


def test_copies_of_all_rows_go_on_by_themselves() -> None:
    env = make_vec("lstm_rl/NoisyTMaze-v0", AutoresetMode.SAME_STEP)
    env.reset(seed=0)
    assert len(env.envs) == N
    twin = copy.deepcopy(env)
    expected = [env.step(np.full(N, EAST)) for _ in range(5)]
    np.testing.assert_equal([twin.step(np.full(N, EAST)) for _ in range(5)], expected)
    states = [row.get_state() for row in env.envs]
    assert np.array_equal(np.concatenate([state["state"] for state in states]), env.state)
    assert np.array_equal(np.concatenate([state["elapsed"] for state in states]), env.elapsed)
    assert env.envs[1].get_state()["generator"] == env.generators[1].bit_generator.state


@pytest.mark.parametrize(("name", "value"), [("num_envs", 0), ("num_envs", 2.5), ("corridor_length", "7")])
def test_bad_arguments_are_named(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be an integer >= 1, got {value!r}$"):
        gym.make_vec("lstm_rl/TMaze-v0", **{"num_envs": 2, name: value})


# --- stable-baselines3 -----------------------------------------------------------------------------------------------


def adapt(env_id: str, n: int = N, **arguments: Any) -> GymnasiumVecEnv:
    return GymnasiumVecEnv(gym.make_vec(env_id, num_envs=n, autoreset_mode=AutoresetMode.SAME_STEP, **arguments))


@pytest.mark.parametrize("env_id", IDS)
def test_the_adapter_equals_sb3s_own_vec_env(env_id: str) -> None:
    ours, theirs = adapt(env_id, **SHORT[env_id]), DummyVecEnv([scalar(env_id)] * N)
    rng, ends, cut = np.random.default_rng(0), 0, 0
    assert ours.seed(11) == theirs.seed(11)
    np.testing.assert_equal(ours.reset(), theirs.reset())
    np.testing.assert_equal(ours.reset_infos, theirs.reset_infos)
    for _ in range(100):
        actions = random_actions(ours.action_space, rng)
        (observation, rewards, dones, infos), expected = ours.step(actions), theirs.step(actions)
        np.testing.assert_equal((observation, rewards, dones), expected[:3])
        np.testing.assert_equal(infos, expected[3])
        np.testing.assert_equal(ours.reset_infos, theirs.reset_infos)
        assert rewards.dtype == expected[1].dtype and dones.dtype == expected[2].dtype
        cut += sum(info["TimeLimit.truncated"] for info in infos)
        ends += dones.sum()
    assert ends > 3 and (cut > 0 or env_id in ENDS_ONE_WAY)
    np.testing.assert_equal(ours.reset(), theirs.reset())  # seeds acted once


def test_what_an_episodes_end_leaves_in_infos() -> None:
    env = adapt("lstm_rl/TMaze-v0", corridor_length=1, max_steps=3)
    env.seed(0)
    env.reset()
    env.step(np.full(N, EAST))
    observation, rewards, dones, infos = env.step(np.array([NORTH, NORTH, NORTH, EAST, WEST]))
    assert dones.tolist() == [True, True, True, False, False] and rewards.dtype == np.float32
    for i in range(3):
        assert infos[i]["terminal_observation"].tolist() == [0, 1, 0] and env.reset_infos[i]["state"][3] == 0.0
        assert infos[i]["TimeLimit.truncated"] is False
        assert infos[i]["is_success"] == (rewards[i] == 4.0)
        assert infos[i]["state"][3] == 1.0  # the old episode's: turned North
    assert "is_success" not in infos[3]
    _, _, dones, infos = env.step(np.full(N, EAST))
    assert dones.tolist() == [False, False, False, True, True]
    assert infos[4]["TimeLimit.truncated"] is True and infos[4]["is_success"] == 0
    assert infos[4]["terminal_observation"].tolist() == [0, 1, 0]


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_the_adapter_refuses_other_autoreset_modes_of_others(mode: AutoresetMode) -> None:
    """Ours it takes in any: see `test_wrappers`."""
    with pytest.raises(
        ValueError, match="^env must be a VectorEnv with autoreset_mode SAME_STEP .*, got <AutoresetMode"
    ):
        GymnasiumVecEnv(SyncVectorEnv([scalar("lstm_rl/TMaze-v0")] * 2, autoreset_mode=mode))


class East:
    """A policy for `evaluate_policy`."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> Any:
        """East in the corridor, North at the junction."""
        return np.where(np.all(observation == [0, 1, 0], axis=-1), NORTH, EAST), None


def test_vec_monitor_and_evaluate_policy_work_on_the_adapter() -> None:
    returns, lengths = [], []
    for env in (VecMonitor(adapt("lstm_rl/TMaze-v0", corridor_length=3), info_keywords=("is_success",)),
                DummyVecEnv([lambda: Monitor(gym.make("lstm_rl/TMaze-v0", corridor_length=3))] * N)):  # fmt: skip
        env.seed(3)
        results: Any = evaluate_policy(East(), env, n_eval_episodes=20, return_episode_rewards=True)
        returns.append([round(float(r), 3) for r in results[0]])
        lengths.append(results[1])
    assert returns[0] == returns[1] and set(returns[0]) == {4.0, -0.1}
    assert lengths[0] == lengths[1] == [4] * 20


def test_attributes_and_methods_are_reached_through_the_adapter() -> None:
    env = adapt("lstm_rl/TMaze-v0", corridor_length=3, render_mode="rgb_array")
    env.reset()
    assert isinstance(env, VecEnv) and env.render_mode == "rgb_array"
    assert [world.horizon for world in env.get_attr("world")] == [4] * N
    assert env.get_attr("num_envs", indices=[0, 2]) == [N, N] and env.get_attr("num_envs", indices=1) == [N]
    env.set_attr("remark", "hello")
    assert env.get_attr("remark", [1]) == ["hello"]
    pictures = env.env_method("picture", 1, indices=[0, 1])
    assert len(pictures) == 2 and pictures[0].dtype == np.uint8
    assert env.env_is_wrapped(Monitor) == [False] * N and env.env_is_wrapped(Monitor, [0]) == [False]
    images = env.get_images()
    assert len(images) == N and all(image is not None and image.shape == pictures[0].shape for image in images)
    assert np.array_equal(images[1], pictures[0])  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        env.get_attr("no_such_thing")
    env.close()
    env.close()


def test_attributes_are_found_under_wrappers() -> None:
    vector = gym.make_vec(
        "lstm_rl/TMaze-v0", num_envs=2, autoreset_mode=AutoresetMode.SAME_STEP, render_mode="rgb_array"
    )
    env = GymnasiumVecEnv(VectorWrapper(VectorWrapper(vector)))
    env.reset()
    assert env.get_attr("elapsed", [0])[0].tolist() == [0, 0]
    assert env.env_method("picture", 0, indices=[0])[0].ndim == 3
    env.set_attr("elapsed", np.array([3, 4]))
    assert vector.unwrapped.elapsed.tolist() == [3, 4]  # type: ignore[attr-defined]
    assert env.render_mode == "rgb_array"


def test_without_render_mode_there_are_no_images() -> None:
    env = adapt("lstm_rl/TMaze-v0", n=2)
    env.reset()
    assert list(env.get_images()) == [None, None]


def test_a_foreign_vector_environment_works_through_the_adapter() -> None:
    vector = gym.make_vec(
        "CartPole-v1",
        num_envs=2,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP},
    )
    ours, theirs = GymnasiumVecEnv(vector), DummyVecEnv([lambda: gym.make("CartPole-v1")] * 2)
    ours.seed(0)
    theirs.seed(0)
    np.testing.assert_equal(ours.reset(), theirs.reset())
    ended = 0
    for _ in range(60):
        step, expected = ours.step(np.array([1, 0])), theirs.step(np.array([1, 0]))
        np.testing.assert_equal(step, expected)
        ended += int(step[2].sum())
    assert ended > 3
    assert ours.get_attr("num_envs") == [2, 2]
    ours.close()


# --- the noise tape --------------------------------------------------------------------------------------------------


BIT_GENERATORS = (np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64)


@pytest.mark.parametrize("kind", BIT_GENERATORS)
def test_a_rewound_tape_leaves_generators_where_drawing_row_by_row_would(kind: Any) -> None:
    size, taken = 3, np.zeros(4, np.int64)
    generators = [np.random.Generator(kind(i)) for i in range(4)]
    for generator in generators:
        generator.integers(2**31, dtype=np.int32)  # leaves half a number behind
    tape = NoiseTape(generators, size, block=8)
    drawn: list[list[Any]] = [[] for _ in range(4)]
    rng = np.random.default_rng(0)
    for round_ in range(50):
        tape.draw(5)
        for i, count in enumerate(rng.integers(0, 6, size=4)):  # rows use their noise at different speeds
            drawn[i] += list(tape.values[i, tape.position[i] : tape.position[i] + count].copy())
            tape.position[i] += count
            taken[i] += count
        if round_ % 7 == 0:
            tape.rewind()
    tape.rewind()
    for i in range(4):
        reference = np.random.Generator(kind(i))
        reference.integers(2**31, dtype=np.int32)
        np.testing.assert_array_equal(drawn[i], [reference.random(size) for _ in range(taken[i])])
        np.testing.assert_equal(tape.generators[i].bit_generator.state, reference.bit_generator.state)


@pytest.mark.parametrize("kind", BIT_GENERATORS)
def test_a_world_with_another_bit_generator_trains_as_step_by_step(kind: Any) -> None:
    envs = [WorldEnv(noisy_tmaze(3)) for _ in range(2)]
    for env in envs:
        env.reset()
        env.np_random = np.random.Generator(kind(5))
    compiled, stepped = (DummyVecEnv([lambda env=env: env]) for env in envs)  # type: ignore[misc]
    rows = find_rows(compiled)
    assert rows is not None
    compiled.reset()
    stepped.reset()
    rows.gather()
    rows.tape.draw(7)
    rows.tape.position[0] = 4
    rows.scatter()
    for _ in range(4):
        envs[1].np_random.random(2)
    states = [env.get_state()["generator"] for env in envs]
    np.testing.assert_equal(*states)
