"""Recall: the memory chain and the T-mazes of Ni et al., their perfect policies, and what no memory can do."""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray

import lstm_rl.envs
from lstm_rl.envs.dynamics import World
from lstm_rl.envs.env import WorldEnv
from lstm_rl.envs.memory_chain import memory_chain
from lstm_rl.envs.ni_tmaze import EAST, NORTH, SOUTH, WEST, ni_tmaze_active, ni_tmaze_passive

Policy = Callable[[NDArray[np.float32], dict[str, float]], int]


def named(world: World, info: dict[str, Any]) -> dict[str, float]:
    return dict(zip(world.state_names, info["state"].tolist(), strict=True))


def play(world: World, policy: Policy, seed: int) -> tuple[float, int, bool]:
    """Return, length and success of one episode; the policy is given observation and state."""
    env = WorldEnv(world)
    observation, info = env.reset(seed=seed)
    total, steps, over = 0.0, 0, False
    while not over:
        action = np.int64(policy(observation, named(world, info)))
        observation, reward, terminated, truncated, info = env.step(action)
        total, steps, over = total + reward, steps + 1, terminated or truncated
    return total, steps, info["is_success"]


# --- memory chain ----------------------------------------------------------------------------------------------------


def bit(state: dict[str, float]) -> int:
    return int(state["context"]) >> int(state["query"]) & 1


@pytest.mark.parametrize(("length", "bits"), [(1, 1), (2, 40), (10, 1), (7, 16), (500, 3)])
def test_the_chain_is_answered_after_length_plus_1_steps(length: int, bits: int) -> None:
    world = memory_chain(length, bits)
    for seed in range(10):
        assert play(world, lambda _, state: bit(state), seed) == (1.0, length + 1, True)
        assert play(world, lambda _, state: 1 - bit(state), seed) == (-1.0, length + 1, False)
    assert (world.optimal_return, world.horizon) == (1.0, length + 1)


def test_the_chain_shows_what_bsuite_shows() -> None:
    """Time to live, query, context of every observation of an episode of length 4, worked out by hand."""
    env = WorldEnv(memory_chain(4, 3))
    env.reset(seed=0)
    env.set_state(env.get_state() | {"state": np.array([[0.0, 0b101, 2.0]])})
    seen = [env.step(np.int64(0))[0].tolist() for _ in range(5)]
    assert seen == [
        [1.0, 0.0, 1.0, -1.0, 1.0],  # the reset's observation once more
        [0.75, 0.0, 0.0, 0.0, 0.0],
        [0.5, 0.0, 0.0, 0.0, 0.0],
        [0.25, 2.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0],
    ]
    assert env.reset(seed=1)[0][0] == 1.0 and set(env.reset()[0][2:]) <= {-1.0, 1.0}


def test_every_context_and_query_is_as_likely() -> None:
    env = WorldEnv(memory_chain(5, 3))
    env.reset(seed=0)
    counts = np.zeros((8, 3))
    for _ in range(12_000):
        state = env.reset()[1]["state"]
        counts[int(state[1]), int(state[2])] += 1
    assert np.sum((counts - 500) ** 2 / 500) < 49.7  # chi-square, 23 degrees of freedom, p = 0.001


@pytest.mark.parametrize(("length", "bits"), [(1, 2), (2, 2), (4, 1)])
def test_the_chain_without_memory(length: int, bits: int) -> None:
    """All policies from the last observation before the answer to an action, over all contexts and queries."""
    world = memory_chain(length, bits)
    env = WorldEnv(world)
    answers: dict[tuple[float, ...], list[int]] = {}
    for context, query in product(range(2**bits), range(bits)):
        env.reset(seed=0)
        env.set_state(env.get_state() | {"state": np.array([[0.0, context, query]])})
        for _ in range(length):
            observation = env.step(np.int64(0))[0]
        answers.setdefault(tuple(observation.tolist()), []).append(context >> query & 1)
    best = sum(max(each.count(0), each.count(1)) for each in answers.values())
    assert world.memoryless_return == 2 * best / (2**bits * bits) - 1


# --- the T-mazes of Ni et al. ----------------------------------------------------------------------------------------

NI = {"passive": ni_tmaze_passive, "active": ni_tmaze_active}


def ni_oracle(world: World) -> Policy:
    junction = world.params[0]

    def policy(_: NDArray[np.float32], state: dict[str, float]) -> int:
        if state["visited"] == 0.0:
            return WEST
        if state["x"] < junction:
            return EAST
        return NORTH if state["goal"] > 0 else SOUTH

    return policy


@pytest.mark.parametrize("length", [1, 2, 10, 250])
@pytest.mark.parametrize("kind", NI)
def test_the_shortest_way_gains_1(kind: str, length: int) -> None:
    world = NI[kind](length)
    steps = length + (1 if kind == "passive" else 3)
    for seed in range(6):
        assert play(world, ni_oracle(world), seed) == (1.0, steps, True)
    assert (world.optimal_return, world.horizon) == (1.0, steps)


@pytest.mark.parametrize("kind", NI)
def test_a_lost_step_costs_a_penalty_at_every_step(kind: str) -> None:
    world = NI[kind](5)
    steps = 6 if kind == "passive" else 8
    late = play(world, lambda *_: WEST, 0)
    first = 1 if kind == "passive" else 2  # the active maze's first step West is the shortest way
    assert late[0] == pytest.approx(-(steps - first) / 5) and late[1:] == (steps, False)


def test_the_mazes_show_the_cue_once_and_the_far_end() -> None:
    env = WorldEnv(ni_tmaze_active(2))
    start, info = env.reset(seed=0)
    goal = info["state"][3]
    seen = [env.step(np.int64(action))[0].tolist() for action in (WEST, WEST, EAST, EAST, NORTH)]
    assert start.tolist() == [0, 0]
    assert seen == [[0, goal], [0, 0], [0, 0], [0, 0], [0, 0]]  # cell 2 is no junction: North is a wall
    env = WorldEnv(ni_tmaze_passive(1))
    cue, info = env.reset(seed=0)
    assert cue.tolist() == [0, info["state"][3]]
    assert env.step(np.int64(EAST))[0].tolist() == [1, 0] and env.step(np.int64(SOUTH))[0].tolist() == [1, -1]


def every_policy(observations: Sequence[tuple[float, ...]]) -> Iterator[dict[tuple[float, ...], int]]:
    for actions in product(range(4), repeat=len(observations)):
        yield dict(zip(observations, actions, strict=True))


@pytest.mark.parametrize("length", [1, 2])
@pytest.mark.parametrize("kind", NI)
def test_no_policy_without_memory_gains_more_than_a_half(kind: str, length: int) -> None:
    """All 4^7 tables from observations to actions, in both episodes."""
    world = NI[kind](length)
    reset, step, observe = (rule._pyfunc for rule in (world.reset, world.step, world.observe))
    observations = [(0.0, 0.0), (0.0, 1.0), (0.0, -1.0), (1.0, 0.0), (1.0, 1.0), (1.0, -1.0)]
    state, observation = np.zeros(5), np.zeros(2)
    best = -np.inf
    for table in every_policy(observations):
        total = 0.0
        for noise in (0.25, 0.75):
            reset(world.params, [noise], state)
            outcome = 0
            while outcome == 0:
                observe(world.params, [noise], state, observation)
                reward, outcome = step(world.params, [noise], table[observation[0], observation[1]], state)
                total += reward / 2
        best = max(best, total)
    assert best == world.memoryless_return == 0.5


# --- mistakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0, -1, 2.5, "7", True, None, 2**53 + 1])
@pytest.mark.parametrize(
    ("env_id", "name"),
    [
        ("lstm_rl/MemoryChain-v0", "length"),
        ("lstm_rl/MemoryChain-v0", "bits"),
        ("lstm_rl/NiTMazePassive-v0", "corridor_length"),
        ("lstm_rl/NiTMazeActive-v0", "corridor_length"),
    ],
)
def test_a_bad_argument_is_named_with_its_value(env_id: str, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be an integer [<>]= .*, got {value!r}$"):
        gym.make(env_id, **{name: value})


@pytest.mark.parametrize("value", [0, 1.5, "auto", 2**53 + 1])
@pytest.mark.parametrize("env_id", list(lstm_rl.envs.WORLDS)[3:7])
def test_a_bad_step_limit_is_named(env_id: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^max_steps must be an integer [<>]= .*, got {value!r}$"):
        gym.make(env_id, max_steps=value)


def test_the_longest_chain_and_maze_work() -> None:
    env = WorldEnv(memory_chain(2**53, 40))
    env.reset(seed=0)
    env.set_state(env.get_state() | {"state": np.array([[2.0**53 - 1, 2.0**39, 39.0]])})
    assert env.step(np.int64(0))[1:3] == (0.0, False)
    maze = WorldEnv(ni_tmaze_passive(10**6))
    maze.reset(seed=0)
    maze.set_state(maze.get_state() | {"state": np.array([[1e6, 1e6, 0.0, -1.0, 1.0]])})
    assert maze.step(np.int64(SOUTH))[1:3] == (1.0, True)
