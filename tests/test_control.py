"""Control without velocities, and the dark room: their options, and the returns that they state."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from lstm_rl.envs.acrobot import acrobot
from lstm_rl.envs.cart_pole import (
    MEMORYLESS,
    cart_pole,
    noisy_position_only_cart_pole,
    position_only_cart_pole,
    velocity_only_cart_pole,
)
from lstm_rl.envs.dark_room import EAST, NORTH, SOUTH, STAY, WEST, dark_room
from lstm_rl.envs.dynamics import World
from lstm_rl.envs.env import WorldEnv
from lstm_rl.envs.mountain_car import mountain_car
from lstm_rl.envs.vector import WorldVectorEnv

Rule = Callable[[NDArray[np.float32], NDArray[np.float64]], NDArray[Any]]


def returns(world: World, rule: Rule, n: int, seed: int = 0) -> NDArray[np.float64]:
    """Returns of one episode in each of n rows, (n,); ``rule`` turns observations and states into actions."""
    env = WorldVectorEnv(world, n, AutoresetMode.SAME_STEP)
    observation, infos = env.reset(seed=seed)
    total, running = np.zeros(n), np.ones(n, np.bool_)
    while running.any():
        actions = rule(observation, infos["state"]).astype(np.int64)
        observation, rewards, terminated, truncated, infos = env.step(actions)
        total += rewards * running
        running &= ~(terminated | truncated)
    return total


def balance(_: Any, state: NDArray[np.float64]) -> NDArray[Any]:
    return state[:, :4] @ [0.05, 0.1, 1.0, 0.3] > 0


# --- cart poles ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [position_only_cart_pole, velocity_only_cart_pole, noisy_position_only_cart_pole])
@pytest.mark.parametrize(("level", "limit"), [("easy", 200), ("medium", 400), ("hard", 600)])
def test_a_balanced_pole_gets_1_whatever_the_difficulty(make: Callable[..., World], level: str, limit: int) -> None:
    world = make(level)
    assert world.max_steps == (200 if make is noisy_position_only_cart_pole else limit)
    assert world.optimal_return == pytest.approx(1.0)
    np.testing.assert_allclose(returns(world, balance, 50), 1.0)


@pytest.mark.parametrize(("key", "entry"), MEMORYLESS.items(), ids=str)
def test_the_stated_rules_without_memory_get_what_is_stated(key: Any, entry: Any) -> None:
    (hidden, noise, limit), (slope, spread, steps) = key, entry
    world = cart_pole(hidden=hidden, noise=noise, max_steps=limit)
    rng = np.random.default_rng(1)
    total = returns(world, lambda o, _: o[:, 1] + slope * o[:, 0] + spread * rng.standard_normal(len(o)) > 0, 2000, 5)
    assert total.mean() == pytest.approx(steps, abs=4 * total.std() / np.sqrt(2000) + 0.1)
    assert world.memoryless_return == steps
    assert cart_pole(hidden=hidden, noise=noise, max_steps=7, step_reward=2.0).memoryless_return is None


def test_what_a_cart_pole_shows() -> None:
    state = np.array([0.3, -1.0, 0.1, 2.0, 0.0])
    expected = {"velocities": state[[0, 2]], "positions": state[[1, 3]], "nothing": state[:4]}
    for hidden, values in expected.items():
        world = cart_pole(hidden=hidden)  # type: ignore[arg-type]
        seen = np.zeros(len(values), np.float32)
        world.observe(world.params, np.zeros(6), state, seen)
        assert seen.tolist() == values.astype(np.float32).tolist()
    assert not cart_pole(hidden="positions").params[-1] and velocity_only_cart_pole().params[-1]
    assert not velocity_only_cart_pole(positions_at_reset=False).params[-1]
    assert noisy_position_only_cart_pole(noise=0.05).params[10] == 0.05
    assert cart_pole(step_reward=0.5, max_steps=10).optimal_return == 5.0
    assert position_only_cart_pole("hard", max_steps=60).optimal_return == pytest.approx(
        0.1
    )  # a limit changes no reward


# --- mountain car and acrobot ----------------------------------------------------------------------------------------


def three_pushes(position: float) -> int:
    """Fewest steps from rest by pushing one way for i steps, the other way for j, and the first way from then on."""
    i, j = (each.ravel() for each in np.meshgrid(np.arange(80), np.arange(100)))
    fewest = 200
    for first in (-1, 1):
        x, v = np.full(len(i), position), np.zeros(len(i))
        for t in range(fewest):
            v = np.clip(
                v + 0.001 * np.where((t < i) | (t >= i + j), first, -first) - 0.0025 * np.cos(3 * x), -0.07, 0.07
            )
            x = np.clip(x + v, -1.2, 0.6)
            v[(x == -1.2) & (v < 0)] = 0.0
            if (x >= 0.5).any():
                fewest = t + 1
                break
    return fewest


def test_the_mountain_cars_optimum_is_that_of_three_pushes() -> None:
    places = -0.6 + 0.2 * (np.arange(25) + 0.5) / 25
    optimum = mountain_car().optimal_return
    assert np.mean([three_pushes(place) for place in places]) == pytest.approx(-optimum, abs=0.3)  # type: ignore[operator]


def test_pushing_with_the_velocity_is_near_the_optimum_and_position_alone_never_arrives() -> None:
    world = mountain_car()
    skilled = returns(world, lambda _, state: 1 + np.sign(state[:, 1]), 200)
    assert world.optimal_return is not None and -130 < skilled.mean() < world.optimal_return
    rng = np.random.default_rng(0)
    for _ in range(30):
        actions = rng.choice([0, 2], 12)  # one for each stretch of 0.15

        def by_place(observation: Any, _: Any, actions: Any = actions) -> Any:
            return actions[((observation[:, 0] + 1.2) // 0.15).astype(int).clip(0, 11)]

        assert np.all(returns(world, by_place, 50) == world.memoryless_return)
    assert mountain_car(hidden="nothing").memoryless_return is None


def test_the_acrobats_stated_rules_get_what_is_stated() -> None:
    seeing = returns(acrobot(hidden="nothing"), lambda o, _: 1 - np.sign(o[:, 4] - 3 * o[:, 5]), 1000)
    assert seeing.mean() == pytest.approx(-82.0, abs=4 * seeing.std() / np.sqrt(1000))
    world = acrobot()
    blind = returns(world, lambda o, _: 1 - np.sign(o[:, 1] + 0.8 * o[:, 3]), 1000)
    assert blind.mean() == pytest.approx(world.memoryless_return, abs=4 * blind.std() / np.sqrt(1000))


# --- the dark room ---------------------------------------------------------------------------------------------------


def spiral(size: int) -> dict[tuple[int, int], int]:
    """From cell to move: a path out of the middle that enters every cell once."""
    x = y = size // 2
    moves: dict[tuple[int, int], int] = {}
    legs = (leg // 2 + 1 for leg in range(2 * size))  # 1, 1, 2, 2, ..
    for turn, leg in enumerate(legs):
        dx, dy = ((1, 0), (0, 1), (-1, 0), (0, -1))[turn % 4]
        for _ in range(leg):
            if len(moves) < size**2 - 1:
                moves[x, y] = (EAST, SOUTH, WEST, NORTH)[turn % 4]
                x, y = x + dx, y + dy
    return moves


def test_a_fixed_path_gets_the_stated_return_in_a_dark_room() -> None:
    for world in (dark_room(), dark_room(rounds=1), dark_room(5, round_steps=24, rounds=2)):
        size = int(world.params[0])
        path = np.full((size, size), STAY)
        for cell, move in spiral(size).items():
            path[cell] = move

        def follow(observation: Any, _: Any, size: int = size, path: Any = path) -> NDArray[Any]:
            found = (observation[:, -2] == 1.0) & (observation[:, -1] == 0.0)
            cells = observation[:, :size].argmax(axis=1), observation[:, size : 2 * size].argmax(axis=1)
            return np.where(found, STAY, path[cells])

        total = returns(world, follow, 8000)
        assert total.mean() == pytest.approx(world.memoryless_return, abs=4 * total.std() / np.sqrt(8000))
    assert dark_room(rounds=1).optimal_return == dark_room(rounds=1).memoryless_return == pytest.approx(210 / 81)


def test_who_knows_the_goal_gets_16_54_per_round() -> None:
    def straight(_: Any, state: NDArray[np.float64]) -> NDArray[Any]:
        dx, dy = state[:, 2] - state[:, 0], state[:, 3] - state[:, 1]
        along = np.where(dx > 0, EAST, WEST)
        return np.where(dx != 0, along, np.where(dy > 0, SOUTH, np.where(dy < 0, NORTH, STAY)))

    world = dark_room(rounds=2)
    total = returns(world, straight, 8000)
    per_round = world.optimal_return - 210 / 81  # type: ignore[operator]
    assert per_round == pytest.approx(1340 / 81)
    assert total.mean() == pytest.approx(2 * per_round, abs=4 * total.std() / np.sqrt(8000))


def test_a_round_ends_in_the_middle_and_the_goal_stays() -> None:
    env = WorldEnv(dark_room(5, round_steps=3, rounds=2))
    observation, info = env.reset(seed=0)
    goal = info["state"][2:4].tolist()
    assert observation.nonzero()[0].tolist() == [2, 5 + 2, 16]
    flags = []
    for t in range(6):
        observation, _, terminated, truncated, info = env.step(np.int64(WEST))
        flags.append(observation[-1])
        assert info["state"][2:4].tolist() == goal and observation[10 + WEST] == 1.0
        assert (terminated, truncated) == (False, t == 5)
        assert info["state"][0] == (1, 0, 2)[t % 3]
    assert flags == [0, 0, 1, 0, 0, 1]


def test_goals_are_uniform_over_all_cells() -> None:
    env = WorldVectorEnv(dark_room(3), 9000)
    state = env.reset(seed=0)[1]["state"]
    counts = np.bincount((3 * state[:, 3] + state[:, 2]).astype(int), minlength=9)
    assert np.sum((counts - 1000) ** 2 / 1000) < 26.1  # chi-square, 8 degrees of freedom, p = 0.001


# --- mistakes --------------------------------------------------------------------------------------------------------

BAD: list[tuple[Callable[..., World], str, Any]] = [
    *((cart_pole, "hidden", value) for value in ("velocity", None, 1)),
    *((cart_pole, "noise", value) for value in (-0.1, np.inf, "1")),
    *((make, "max_steps", value) for make in (cart_pole, acrobot, mountain_car, dark_room) for value in (0, 1.5, "9")),
    *((make, "difficulty", "Easy") for make in (position_only_cart_pole, velocity_only_cart_pole)),
    (noisy_position_only_cart_pole, "difficulty", 3),
    (cart_pole, "step_reward", 1e31),
    *((make, "hidden", "positions") for make in (acrobot, mountain_car)),
    *((dark_room, "size", value) for value in (1, 8, 1003, "9")),
    *((dark_room, name, value) for name in ("rounds", "round_steps") for value in (0, 10**7)),
]


@pytest.mark.parametrize(("make", "name", "value"), BAD)
def test_a_bad_argument_is_named_with_its_value(make: Callable[..., World], name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be ") as error:
        make(**{name: value})
    assert repr(value) in str(error.value)


def test_noise_without_positions_is_refused() -> None:
    with pytest.raises(ValueError, match='^noise must be 0 with hidden="positions", got 0.1$'):
        cart_pole(hidden="positions", noise=0.1)
