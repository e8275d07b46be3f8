"""No world writes or reads outside its own arrays: compiled rules would do so silently.

A world plays the middle one of three rows whose neighbours are not numbers: what is written beside the row shows in
these, what is read there shows in what the world makes of it.
"""

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from lstm_rl.envs import WORLDS
from lstm_rl.envs.dynamics import CONTINUES, World, reset_rows, step_rows, step_rule
from lstm_rl.envs.env import WorldEnv

STEPS = 300
MORE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("lstm_rl/RobotTMazeTwin-v0", {"junctions": 3, "stem": 2.0, "irrelevant_lamp": True, "show_goal": True}),
    ("lstm_rl/RobotTMazeTwin-v0", {"motors": False, "action_repeat": 3}),
    ("lstm_rl/RobotTMazeEvents-v0", {"junctions": 3, "show_goal": True, "window": 3, "motors": False}),
)


def between(values: Any) -> Any:
    """Values as the middle one of three rows, NaN beside it."""
    rows = np.full((3, *np.shape(values)), np.nan, np.asarray(values).dtype)
    rows[1] = values
    return rows


def draw(space: Any, rng: np.random.Generator) -> Any:
    """An action: of a Box (A,) float64."""
    return rng.uniform(space.low, space.high) if isinstance(space, gym.spaces.Box) else rng.integers(space.n)


def faults(world: World) -> list[str]:
    """The arrays beside which a world has written, or from beside which it has read, in some episodes."""
    size, rng = len(world.state_names), np.random.default_rng(0)
    params = between(world.params)
    state, seen = between(np.zeros(size)), between(np.zeros(world.observation_space.shape, np.float32))
    tape = np.full((3, 2 * STEPS, world.noise_size), np.nan)  # every other row is read
    tape[1, ::2] = rng.random((STEPS, world.noise_size))
    position, elapsed = np.zeros(3, np.int64), np.zeros(3, np.int64)
    reward, outcome, truncated = np.full(3, np.nan), np.zeros(3, np.int64), np.zeros(3, np.bool_)
    active = np.array([False, True, False])
    over, found = True, set[str]()
    while position[1] < 2 * STEPS:
        if over:
            reset_rows(world.rules, params[1], tape, position, active, state, elapsed, seen)
        else:
            actions = np.stack([draw(world.action_space, rng) for _ in range(3)])
            arrays = tape, position, active, actions, state, elapsed, seen, reward, outcome, truncated
            step_rows(world.rules, params[1], world.max_steps or 0, *arrays)
        position[1] += 1
        over = not over and (outcome[1] != CONTINUES or bool(truncated[1]))
        for name, rows in (("state", state), ("observation", seen), ("params", params)):
            if not np.isnan(rows[::2]).all() or not np.isfinite(rows[1]).all():
                found.add(name)
    if not np.array_equal(params[1], world.params):
        found.add("params")
    return sorted(found)


@pytest.mark.parametrize("env_id", WORLDS)
def test_worlds_keep_to_their_own_arrays(env_id: str) -> None:
    env = gym.make(env_id, disable_env_checker=True).unwrapped
    assert isinstance(env, WorldEnv) and faults(env.world) == []


@pytest.mark.parametrize(("env_id", "arguments"), MORE)
def test_robots_of_all_kinds_keep_to_their_own_arrays(env_id: str, arguments: dict[str, Any]) -> None:
    env = gym.make(env_id, disable_env_checker=True, **arguments).unwrapped
    assert isinstance(env, WorldEnv) and faults(env.world) == []


@step_rule
def beyond(params: Any, noise: Any, action: int, state: Any) -> tuple[float, int]:
    """Write one number behind the state."""
    state[state.shape[0]] = 1.0
    return 0.0, CONTINUES


@step_rule
def ahead(params: Any, noise: Any, action: int, state: Any) -> tuple[float, int]:
    """Take in one number from behind the noise."""
    state[0] = noise[noise.shape[0]]
    return 0.0, CONTINUES


@pytest.mark.parametrize("rule", [beyond, ahead])
def test_a_rule_that_leaves_its_arrays_is_found(rule: Any) -> None:
    env = gym.make("lstm_rl/RobotTMazeTwin-v0").unwrapped
    assert isinstance(env, WorldEnv)
    assert faults(replace(env.world, step=rule)) == ["state"]
