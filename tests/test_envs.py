"""The worlds through their scalar face: what Gymnasium and SB3 demand, and the numbers of the specification."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from stable_baselines3.common.env_checker import check_env as sb3_check_env

import lstm_rl.envs
from lstm_rl.agents.config import Config
from lstm_rl.envs.dynamics import World
from lstm_rl.envs.env import WorldEnv
from lstm_rl.envs.multimode_pole import multimode_pole
from lstm_rl.envs.tmaze import EAST, NORTH, SOUTH, WEST, noisy_tmaze, tmaze
from lstm_rl.envs.vector import WorldVectorEnv
from lstm_rl.presets import preset

IDS = list(lstm_rl.envs.WORLDS)
MAZES = IDS[:2]
Policy = Callable[[NDArray[np.float32], dict[str, Any]], int]


def make(env_id: str, **arguments: Any) -> WorldEnv:
    env = gym.make(env_id, **arguments).unwrapped
    assert isinstance(env, WorldEnv)
    return env


def walk(env: WorldEnv, steps: int, seed: int = 0) -> list[Any]:
    """Everything that a random policy sees from here on, over as many episodes as it takes."""
    seen: list[Any] = []
    actions = copy.deepcopy(env.action_space)
    actions.seed(seed)
    for _ in range(steps):
        seen.append(env.step(actions.sample()))
        if seen[-1][2] or seen[-1][3]:
            seen.append(env.reset())
    return seen


def episode(env: WorldEnv, policy: Policy, seed: int | None = None) -> tuple[float, int, dict[str, Any]]:
    """Return, length and last info of one episode."""
    observation, info = env.reset(seed=seed)
    total, length, over = 0.0, 0, False
    while not over:
        observation, reward, terminated, truncated, info = env.step(np.int64(policy(observation, info)))
        total, length, over = total + reward, length + 1, terminated or truncated
    return total, length, info


def maze_oracle(observation: NDArray[np.float32], info: dict[str, Any]) -> int:
    if not np.array_equal(observation, [0, 1, 0]):
        return EAST
    return NORTH if info["state"][1] > 0 else SOUTH


def pole_controller(observation: NDArray[np.float32], info: dict[str, Any]) -> int:
    position, velocity, angle, angular_velocity, mode, _ = info["state"]
    right = 0.05 * position + 0.1 * velocity + angle + 0.3 * angular_velocity > 0
    return int(right == (mode > 0))


# --- contracts -------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings(
    "ignore:.*A Box observation space m.* value is -?infinity"
)  # of velocities: as Gymnasium's own
@pytest.mark.parametrize("env_id", IDS)
def test_gymnasium_finds_no_fault(env_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = make(env_id)
    check_env(env)
    assert env.render_mode is None


@pytest.mark.filterwarnings("ignore:We recommend you to use a symmetric and normalized Box")  # a logistic unit's output
@pytest.mark.parametrize("env_id", IDS)
def test_stable_baselines_finds_no_fault(env_id: str) -> None:
    env = make(env_id)
    sb3_check_env(env)
    assert len(env.observation_space.shape or ()) == 1


@pytest.mark.parametrize("env_id", IDS)
def test_one_seed_is_one_trajectory(env_id: str) -> None:
    def trajectory(seed: int) -> list[Any]:
        env = make(env_id)
        return [env.reset(seed=seed), *walk(env, 300)]

    np.testing.assert_equal(trajectory(5), trajectory(5))
    assert len({str(trajectory(seed)) for seed in range(6)}) > 1


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
@pytest.mark.parametrize("env_id", IDS)
def test_copies_of_env_and_world_go_on_as_the_original(env_id: str, duplicate: Callable[[Any], Any]) -> None:
    env = make(env_id)
    env.reset(seed=1)
    walk(env, 37, seed=2)
    twin, world = duplicate(env), duplicate(env.world)
    other = WorldEnv(world)
    other.set_state(env.get_state())
    expected = walk(env, 200)
    np.testing.assert_equal(walk(twin, 200), expected)
    np.testing.assert_equal(walk(other, 200), expected)
    assert world.params is not env.world.params and world.state_names == env.world.state_names


@pytest.mark.parametrize("env_id", IDS)
def test_a_saved_state_goes_on_in_mid_episode(env_id: str) -> None:
    env, other = make(env_id), make(env_id)
    env.reset(seed=1)
    walk(env, 11, seed=3)
    saved = pickle.loads(pickle.dumps(env.get_state()))
    expected = walk(env, 200)
    other.reset(seed=99)
    for target in (other, env):
        target.set_state(saved)
        np.testing.assert_equal(walk(target, 200), expected)
    with pytest.raises(ValueError, match=r"^state must have the shape \(1, \d+\) of this world, got \(1, 99\)$"):
        env.set_state(saved | {"state": np.zeros((1, 99))})


@pytest.mark.parametrize("env_id", IDS)
def test_nothing_returned_is_touched_again(env_id: str) -> None:
    env = make(env_id)
    seen = [env.reset(seed=0), *walk(env, 60)]
    arrays = [array for each in seen for array in (each[0], each[-1]["state"])]
    assert len({id(array) for array in arrays}) == len(arrays)
    assert not any(np.shares_memory(array, env.reset()[0]) for array in arrays)


def test_ids_take_max_episode_steps_from_gymnasium() -> None:
    env = gym.make("lstm_rl/TMaze-v0", max_episode_steps=3)
    env.reset(seed=0)
    assert [env.step(np.int64(WEST))[3] for _ in range(3)] == [False, False, True]


# --- mazes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 5, 70])
@pytest.mark.parametrize("env_id", MAZES)
def test_the_oracle_gets_4_in_n_plus_1_steps(env_id: str, length: int) -> None:
    env = make(env_id, corridor_length=length)
    for seed in range(20):
        total, steps, info = episode(env, maze_oracle, seed)
        assert (total, steps, info["is_success"]) == (4.0, length + 1, True)
    assert (env.metadata["optimal_return"], env.metadata["horizon"]) == (4.0, length + 1)


@pytest.mark.parametrize("env_id", MAZES)
def test_the_best_memoryless_policy_gets_1_95(env_id: str) -> None:
    env = make(env_id, corridor_length=5)
    outcomes: dict[float, list[float]] = {1.0: [], -1.0: []}
    for seed in range(2000):
        total, steps, info = episode(env, lambda observation, _: NORTH if observation[1] == 1 == sum(observation) else EAST, seed)  # fmt: skip # noqa: E501
        outcomes[info["state"][1]].append(total)
        assert steps == 6 and info["is_success"] == (total == 4.0)
    assert set(outcomes[1.0]) == {4.0} and set(outcomes[-1.0]) == {-0.1}
    north = len(outcomes[1.0]) / 2000
    assert north == pytest.approx(0.5, abs=3 * 0.5 / np.sqrt(2000))
    assert env.metadata["memoryless_return"] == pytest.approx(1.95, abs=1e-12)


def test_reference_returns_count_move_rewards() -> None:
    env = make("lstm_rl/TMaze-v0", corridor_length=5, move_reward=-0.5, correct_reward=2.0, wrong_reward=-1.0)
    assert episode(env, maze_oracle, 0)[0] == pytest.approx(env.metadata["optimal_return"]) == pytest.approx(-0.5)
    assert env.metadata["memoryless_return"] == pytest.approx(-2.0)


def test_a_random_policy_needs_2_n_plus_1_squared_steps() -> None:
    n, each = 64, 20
    env = WorldVectorEnv(tmaze(10, max_steps=None), n, AutoresetMode.SAME_STEP)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    lengths: list[list[int]] = [[] for _ in range(n)]
    started = np.zeros(n, np.int64)
    for t in range(1, 100_000):
        ended = env.step(rng.integers(4, size=n))[2]
        for i in np.flatnonzero(ended):
            lengths[i].append(t - started[i])
            started[i] = t
        if min(map(len, lengths)) >= each:
            break
    first = np.array([row[:each] for row in lengths], np.float64)  # no bias to short ones
    assert first.mean() == pytest.approx(2 * 11**2, abs=3 * first.std() / np.sqrt(first.size))
    assert first.std() / np.sqrt(first.size) < 10


def test_corridor_noise_is_uniform_around_an_exact_zero() -> None:
    world = noisy_tmaze(10, max_steps=None)
    env = WorldEnv(world)
    env.reset(seed=0)
    env.step(np.int64(EAST))
    seen = np.array([env.step(np.int64(NORTH))[0] for _ in range(20_000)])
    assert np.all(seen[:, 1] == 0.0)
    assert env.observation_space.contains(seen[0]) and seen.min() >= 0.0 and seen.max() < 1.0
    for column in (0, 2):
        counts = np.histogram(seen[:, column], bins=10, range=(0, 1))[0]
        assert np.sum((counts - 2000) ** 2 / 2000) < 27.9  # chi-square, 9 degrees of freedom, p = 0.001
    for one, other in ((seen[:, 0], seen[:, 2]), (seen[:-1, 0], seen[1:, 0]), (seen[:-1, 0], seen[1:, 2])):
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(20_000)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("env_id", MAZES)
def test_start_and_junction_show_their_codes(env_id: str, swap: bool) -> None:
    env = make(env_id, corridor_length=2, swap_cues=swap)
    goals = set()
    for seed in range(20):
        observation, info = env.reset(seed=seed)
        goals.add(info["state"][1])
        north = (info["state"][1] > 0) != swap
        assert observation.tolist() == ([0, 1, 1] if north else [1, 1, 0])
        corridor = env.step(np.int64(EAST))[0]
        assert corridor[1] == 0 and (env_id != "lstm_rl/TMaze-v0" or corridor.tolist() == [1, 0, 1])
        assert env.step(np.int64(EAST))[0].tolist() == [0, 1, 0]
    assert goals == {1.0, -1.0}


@pytest.mark.parametrize("on_return", [False, True])
def test_the_cue_comes_back_only_if_asked(on_return: bool) -> None:
    env = make("lstm_rl/TMaze-v0", corridor_length=2, cue_on_return=on_return)
    cue, _ = env.reset(seed=0)
    assert np.array_equal(env.step(np.int64(NORTH))[0], cue)  # has not moved yet
    env.step(np.int64(EAST))
    assert env.step(np.int64(WEST))[0].tolist() == (cue.tolist() if on_return else [1, 0, 1])


@pytest.mark.parametrize("env_id", MAZES)
def test_every_place_and_action_has_its_reward(env_id: str) -> None:
    env = make(env_id, corridor_length=2, correct_reward=9.0, wrong_reward=-7.0, still_reward=-3.0, move_reward=-1.0)
    env.reset(seed=0)
    still, move, right, wrong = (-3.0, False, 0), (-1.0, False, None), (9.0, True, 0), (-7.0, True, 0)
    table = {  # position: outcomes of North, East, South, West
        0: (still, (*move[:2], 1), still, still),
        1: (still, (*move[:2], 1), still, (*move[:2], -1)),
        2: (None, still, None, (*move[:2], -1)),
    }
    for goal in (1.0, -1.0):
        for position, outcomes in table.items():
            for action, outcome in enumerate(outcomes):
                expected = outcome or (right if (action == NORTH) == (goal > 0) else wrong)
                values = env.get_state()
                env.set_state(values | {"state": np.array([[position, goal, 1.0, 0.0]])})
                _, reward, terminated, truncated, info = env.step(np.int64(action))
                assert (reward, terminated, info["state"][0] - position) == expected and not truncated
                assert info.get("is_success") == ((reward == 9.0) if terminated else None)


def test_default_rewards_are_the_papers() -> None:
    assert tmaze().params[1:5].tolist() == [4.0, -0.1, -0.1, 0.0]


@pytest.mark.parametrize(("length", "limit"), [(1, 100), (10, 550)])
def test_a_maze_is_cut_off_after_50_times_its_length(length: int, limit: int) -> None:
    total, steps, info = episode(make("lstm_rl/TMaze-v0", corridor_length=length), lambda *_: WEST, 0)
    assert (steps, info["is_success"]) == (limit, False)
    assert total == pytest.approx(-0.1 * limit)


@pytest.mark.parametrize("env_id", MAZES)
def test_without_a_limit_a_maze_never_ends_by_itself(env_id: str) -> None:
    env = make(env_id, corridor_length=1, max_steps=None)
    env.reset(seed=0)
    assert not any(ended for _ in range(3000) for ended in env.step(np.int64(WEST))[2:4])


def test_a_turn_at_the_limit_terminates_and_is_not_truncated() -> None:
    env = make("lstm_rl/TMaze-v0", corridor_length=3, max_steps=4)
    env.reset(seed=0)
    *_, last = (env.step(np.int64(action)) for action in (EAST, EAST, EAST, NORTH))
    assert last[2:4] == (True, False)


# --- the pole --------------------------------------------------------------------------------------------------------


def test_a_linear_controller_balances_in_both_modes() -> None:
    env = make("lstm_rl/MultimodePole-v0")
    modes = set()
    for seed in range(10):
        total, steps, info = episode(env, pole_controller, seed)
        assert (total, steps, info["is_success"]) == (0.0, 10_000, True)
        modes.add(info["state"][4])
    assert modes == {1.0, -1.0}


def euler(state: NDArray[np.float64], force: float) -> NDArray[np.float64]:
    """The specification's formulas, section 6."""
    g, cart, pole, half, tau = 9.8, 1.0, 0.1, 0.5, 0.02
    x, v, angle, w = state
    total = cart + pole
    q = (force + pole * half * w**2 * np.sin(angle)) / total
    w_dot = (g * np.sin(angle) - q * np.cos(angle)) / (half * (4 / 3 - pole * np.cos(angle) ** 2 / total))
    v_dot = q - pole * half * w_dot * np.cos(angle) / total
    return state + tau * np.array([v, v_dot, w, w_dot])


def test_physics_follow_the_formulas() -> None:
    env = make("lstm_rl/MultimodePole-v0")
    rng = np.random.default_rng(0)
    for seed in range(8):
        observation, info = env.reset(seed=seed)
        expected, mode = info["state"][:4].copy(), info["state"][4]
        assert np.all(np.abs(expected) < 0.05) and len(set(expected)) == 4
        for t in range(201):
            assert observation[2] == (mode if t < 50 else 0.0)
            np.testing.assert_allclose(observation[:2], expected[[0, 2]] / [2.4, np.radians(12)], rtol=1e-6, atol=1e-7)
            action = pole_controller(observation, info) if rng.random() < 0.9 else int(rng.integers(2))
            expected = euler(expected, 10.0 * mode * (1 if action == 1 else -1))
            observation, reward, terminated, truncated, info = env.step(np.int64(action))
            np.testing.assert_allclose(info["state"][:4], expected, rtol=0, atol=1e-9)
            assert (reward, terminated, truncated) == (0.0, False, False)


@pytest.mark.parametrize(("place", "value"), [(0, 2.4), (0, -2.4), (2, np.radians(12)), (2, -np.radians(12))])
def test_the_pole_fails_beyond_a_limit(place: int, value: float) -> None:
    env = make("lstm_rl/MultimodePole-v0")
    env.reset(seed=0)
    outcomes = []
    for speed in (-1e-9, 1e-9):  # half a step's worth inside or outside of the limit
        state = np.array([[0.0, 0.0, 0.0, 0.0, 1.0, 10.0]])
        state[0, place], state[0, place + 1] = value, np.sign(value) * speed
        env.set_state(env.get_state() | {"state": state})
        _, reward, terminated, truncated, info = env.step(np.int64(0))
        outcomes.append((reward, terminated, truncated, info.get("is_success")))
    assert outcomes == [(0.0, False, False, None), (-1.0, True, False, False)]


def test_pole_options_change_what_is_seen() -> None:
    env = WorldEnv(multimode_pole(cue_steps=2, mode_codes=(1.0, 2.0), scale_observations=False, max_steps=3))
    observation, info = env.reset(seed=0)
    code = 1.0 if info["state"][4] > 0 else 2.0
    seen = [observation, *(env.step(np.int64(t % 2))[0] for t in range(2))]
    assert [o[2] for o in seen] == [code, code, 0.0]
    assert observation[:2].tolist() == info["state"][[0, 2]].astype(np.float32).tolist()
    _, _, terminated, truncated, info = env.step(np.int64(0))
    assert (terminated, truncated, info["is_success"]) == (False, True, True)
    assert env.observation_space.high.tolist() == pytest.approx([4.8, 2 * np.radians(12), 2.0])  # type: ignore[attr-defined]


# --- families --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("world", [tmaze(3), multimode_pole()])
@pytest.mark.parametrize("policy", ["LstmPolicy", "ElmanPolicy"])
def test_a_users_own_world_has_the_preset_of_its_family(world: World, policy: Any) -> None:
    ours = "lstm_rl/MultimodePole-v0" if world.family == "pole" else "lstm_rl/TMaze-v0"
    entry: Any = lambda light: WorldEnv(world)  # noqa: E731
    gym.register("test_envs/Own-v0", entry)
    try:
        for name in ("default", "bakker2001"):
            own = preset(name, "test_envs/Own-v0", policy, {"light": 1})
            assert own == replace(preset(name, ours, policy), env_kwargs={})
        with pytest.raises(ValueError, match="^env-kwargs must be arguments of test_envs/Own-v0, got {}: "):
            preset("default", "test_envs/Own-v0")
    finally:
        del gym.registry["test_envs/Own-v0"]
    assert preset("default", "CartPole-v1").config == Config() == preset("default", "lstm_rl/MemoryChain-v0").config
    with pytest.raises(ValueError, match="^preset must be default for CartPole-v1, got bakker2001: "):
        preset("bakker2001", "CartPole-v1")


# --- mistakes --------------------------------------------------------------------------------------------------------

TOO_LARGE = 2**53 + 1, 10**18, 10**400
BAD_MAZE = [
    *((name, value) for name in ("corridor_length", "max_steps") for value in TOO_LARGE),
    ("correct_reward", 1e31),
    ("move_reward", -1e31),
    *(("corridor_length", value) for value in (0, -1, "7", 2.5, True, None)),
    *((f"{name}_reward", v) for name in ("correct", "wrong", "still", "move") for v in (float("nan"), np.inf, "1")),
    *(("max_steps", value) for value in (0, -3, 1.5, "never", True)),
    ("render_mode", "oil painting"),
]
POSITIVE = ("gravity", "cart_mass", "pole_mass", "half_length", "force", "time_step", "angle_limit", "track_limit")
BAD_POLE = [
    *((name, value) for name in ("cue_steps", "max_steps") for value in TOO_LARGE),
    *((name, value) for name in POSITIVE for value in (1e-7, 1e-320)),
    *((name, value) for name in POSITIVE + ("start_range",) for value in (1e7, 1e300)),
    ("mode_codes", (1e7, 1.0)),
    ("failure_reward", -1e31),
    *((name, value) for name in POSITIVE for value in (0.0, -1.0, float("nan"), "1", True)),
    ("angle_limit", 91.0),
    ("start_range", -0.1),
    *(("cue_steps", value) for value in (-1, 0.5, "50")),
    *(("mode_codes", value) for value in (1.0, (1.0,), (1.0, 2.0, 3.0))),
    ("failure_reward", np.nan),
    *(("max_steps", value) for value in (0, "auto", 2.5)),
    ("render_mode", 3),
]


@pytest.mark.parametrize(
    ("env_id", "name", "value"),
    [("lstm_rl/NoisyTMaze-v0", *bad) for bad in BAD_MAZE] + [("lstm_rl/MultimodePole-v0", *bad) for bad in BAD_POLE],
)
def test_a_bad_argument_is_named_with_its_value(env_id: str, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be ") as error:
        gym.make(env_id, **{name: value})
    assert repr(value[0] if type(value) is tuple and len(value) == 2 else value) in str(error.value)


@pytest.mark.parametrize("env_id", MAZES)
def test_the_longest_maze_works(env_id: str) -> None:
    env = make(env_id, corridor_length=2**53, render_mode="ansi")
    env.reset(seed=0)
    env.set_state(env.get_state() | {"state": np.array([[2.0**53 - 1, 1.0, 1.0, 0.0]])})
    assert env.step(np.int64(EAST))[0].tolist() == [0, 1, 0]
    assert env.render().count("\n") == 3
    drawn = make(env_id, corridor_length=10**12, render_mode="rgb_array")
    drawn.reset()
    assert drawn.render().shape == (260, 960, 3)
    assert env.step(np.int64(NORTH))[1:3] == (4.0, True)


@pytest.mark.parametrize("value", [1e-6, 1e6])
@pytest.mark.parametrize("name", [name for name in POSITIVE if name != "angle_limit"] + ["start_range"])
def test_the_pole_stays_finite_at_the_bounds_of_its_constants(name: str, value: float) -> None:
    env = make("lstm_rl/MultimodePole-v0", **{name: value})
    env.reset(seed=0)
    for seen in walk(env, 50):
        assert np.isfinite(seen[0]).all()


@pytest.mark.parametrize("env_id", IDS)
def test_steps_outside_of_an_episode_are_refused(env_id: str) -> None:
    env = WorldEnv(make(env_id).world.limited(2))
    space = env.action_space
    steps: Any = [np.int64(0), np.int64(1)] if isinstance(space, gym.spaces.Discrete) else [space.sample()] * 2
    sentence = "^reset must be called before the first step and after the last one of an episode$"
    with pytest.raises(ResetNeeded, match=sentence):
        env.step(steps[0])
    env.reset(seed=0)
    assert [env.step(step)[3] for step in steps] == [False, True]
    with pytest.raises(ResetNeeded, match=sentence):
        env.step(steps[0])
    env.reset()
    env.step(steps[0])


def test_actions_of_a_world_count_from_0() -> None:
    with pytest.raises(ValueError, match=r"^action_space must start at 0, got Discrete\(4, start=1\)$"):
        replace(tmaze(3), action_space=gym.spaces.Discrete(4, start=1))


def test_a_bad_mode_code_is_named() -> None:
    with pytest.raises(ValueError, match="^mode_codes must be a number .*, got nan$"):
        multimode_pole(mode_codes=(1.0, float("nan")))


@pytest.mark.parametrize("action", [-1, 4, 2.5, "1", None, np.array([1, 2])])
def test_a_bad_action_is_named_with_its_value(action: Any) -> None:
    env = make("lstm_rl/TMaze-v0")
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"^action must be in Discrete\(4\), got ") as error:
        env.step(action)
    assert repr(action) in str(error.value)


def test_rendering_without_a_mode_says_what_to_do() -> None:
    env = make("lstm_rl/TMaze-v0")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="^render_mode must be given to gym.make"):
        env.render()


def test_the_list_of_worlds_is_what_is_registered() -> None:
    registered = {env_id for env_id in gym.registry if env_id.startswith("lstm_rl/")}
    assert {*IDS, *lstm_rl.envs.OTHERS} == registered
    assert all(about for _, about in lstm_rl.envs.WORLDS.values())
