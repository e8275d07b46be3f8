"""What people see of the environments: pictures, text and the window."""

import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, pairwise

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray

import lstm_rl.envs
from lstm_rl.envs.acrobot import acrobot
from lstm_rl.envs.bandits import multiarmed_bandit, two_armed_bandit
from lstm_rl.envs.cart_pole import cart_pole
from lstm_rl.envs.concentration import concentration
from lstm_rl.envs.dark_room import dark_room
from lstm_rl.envs.dynamics import World, make_world
from lstm_rl.envs.env import WorldEnv
from lstm_rl.envs.memory_chain import memory_chain
from lstm_rl.envs.mountain_car import mountain_car
from lstm_rl.envs.multimode_pole import multimode_pole
from lstm_rl.envs.rendering import Window
from lstm_rl.envs.tmaze import noisy_tmaze, tmaze

IDS = list(lstm_rl.envs.WORLDS)
START, POLE = (0, 1, 0, 0), (0.3, 0, 0.1, 0, 1, 37)


def seen(world: World, state: tuple[float, ...]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """The state (S,) as an array and its observation (I,) under noise of 0.5."""
    values, observation = np.array(state, np.float64), np.zeros(world.observation_space.shape, np.float32)
    world.observe(world.params, np.full(world.noise_size, 0.5), values, observation)
    return values, observation


def draw(world: World, state: tuple[float, ...], elapsed: int = 3) -> NDArray[np.uint8]:
    picture: NDArray[np.uint8] = world.load_renderer().picture(world, *seen(world, state), elapsed)
    return picture


def write(world: World, state: tuple[float, ...], elapsed: int = 3) -> str:
    text: str = world.load_renderer().text(world, *seen(world, state), elapsed)
    return text


def assert_all_differ(pictures: list[NDArray[np.uint8]], pixels: int = 200) -> None:
    for one, other in combinations(pictures, 2):
        assert (one != other).any(axis=2).sum() > pixels


@pytest.mark.parametrize("length", [1, 2, 10, 70, 1000])
@pytest.mark.parametrize("make", [tmaze, noisy_tmaze])
def test_every_maze_has_one_size_of_picture_and_moving_shows(make: Callable[[int], World], length: int) -> None:
    world = make(length)
    places = sorted({0, 1, length // 2, length - 1, length})
    pictures = [draw(world, (place, 1, place > 0, 0)) for place in places]
    assert {(p.shape, p.dtype) for p in pictures} == {((260, 960, 3), np.dtype(np.uint8))}
    assert_all_differ(pictures)


def test_one_step_moves_the_agent_even_where_cells_are_narrow() -> None:
    world = tmaze(70)
    for one, other in pairwise(draw(world, (place, 1, 1, 0))[:, :700] for place in range(71)):
        assert (one != other).any()


def test_maze_shows_goal_cue_and_turn() -> None:
    world = tmaze(10, cue_on_return=False)
    cue_hidden, other_goal = (0, 1, 1, 0), (0, -1, 0, 0)
    assert_all_differ([draw(world, state) for state in (START, cue_hidden, other_goal)])
    assert_all_differ([draw(world, (10, 1, 1, turn)) for turn in (-1, 0, 1)])


def test_nothing_is_cut_off_at_the_border() -> None:
    worlds: list[tuple[World, tuple[float, ...]]] = [
        (tmaze(1000), (1000, 1, 1, 1)),
        (tmaze(1), START),
        (multimode_pole(), (2.41, 0, 0.2, 0, 1, 50)),
        (multimode_pole(mode_codes=(0, 0)), POLE),
        (multimode_pole(angle_limit=90), (-2.4, 0, -1.5, 0, 1, 50)),
        (multimode_pole(angle_limit=90, half_length=5), (2.4, 0, 0, 0, -1, 0)),
        (cart_pole(noise=0.123456), (-2.41, 0, 0.2, 0, 50)),
        (cart_pole(hidden="positions"), (2.41, 99, -0.2, -99, 50)),
        (cart_pole(hidden="nothing"), (2.41, 99, -0.2, -99, 50)),
        (multiarmed_bandit(num_bandits=1000), (7, 999, 1, *np.linspace(0, 1, 1000))),
        (two_armed_bandit(), (0, -1, 0, 1, 0)),
        (mountain_car(), (-1.2, -0.07)),
        (mountain_car(hidden="nothing"), (0.6, 0.07)),
        (acrobot(), (3.14, 0, 12.56, -28.27)),
        (acrobot(hidden="nothing"), (1.57, 0, -12.56, 28.27)),
        (dark_room(), (8, 0, 8, 8, 199, 3, 0)),
        (dark_room(1001, round_steps=10**6, rounds=10**6), (1000, 0, 1000, 1000, 10**12 - 1, 3, 1)),
    ]
    for world, state in worlds:
        picture = draw(world, state, elapsed=10_000)
        for border in (picture[:8], picture[-8:], picture[:, :8], picture[:, -8:]):
            assert (border == 255).all()


def test_maze_text_shows_the_maze_and_the_moment() -> None:
    assert write(tmaze(4), START, 0).splitlines() == [
        "    G",
        "A....",
        "    .",
        "cell 0 of 4, step 0 of 250, cue shown: North, sees 0.00 1.00 1.00",
    ]
    corridor = write(noisy_tmaze(4, max_steps=None), (2, -1, 1, 0))
    assert "C.A.." in corridor and "cue hidden" in corridor and "step 3, " in corridor
    assert "sees 0.50 0.00 0.50" in corridor


@pytest.mark.parametrize(("turn", "words"), [(1, "turned North: right"), (-1, "turned South: wrong")])
def test_maze_text_tells_how_it_ended(turn: int, words: str) -> None:
    text = write(tmaze(4), (4, 1, 1, turn))
    assert words in text
    assert text.splitlines()[1 - turn][4] == "A"


def test_maze_text_of_a_long_corridor_is_short_and_keeps_its_ends() -> None:
    for place, column in ((0, 0), (1, 1), (999, 39), (1000, 40)):
        row = write(tmaze(1000), (place, 1, place > 0, 0)).splitlines()[1]
        assert len(row) == 41 and row.index("A") == column
    assert "out of steps" in write(tmaze(1000, max_steps=5), (1, 1, 1, 0), 5)


def test_pole_shows_place_angle_mode_and_whether_the_mode_is_hidden() -> None:
    world = multimode_pole()
    states = [POLE, (0.5, *POLE[1:]), (*POLE[:2], -0.1, *POLE[3:]), (*POLE[:4], -1, 37), (*POLE[:5], 0)]
    pictures = [draw(world, state) for state in states]
    assert {(p.shape, p.dtype) for p in pictures} == {((320, 960, 3), np.dtype(np.uint8))}
    assert_all_differ(pictures)


def test_pole_is_drawn_at_its_true_angle() -> None:
    upright, leaning = (draw(multimode_pole(), (0, 0, angle, 0, 1, 0))[100:220, :700] for angle in (0, 0.2))
    orange = [np.argwhere((picture == (196, 82, 0)).all(axis=2)) for picture in (upright, leaning)]
    slopes = [np.polyfit(-points[:, 0], points[:, 1], 1)[0] for points in orange]
    assert np.arctan(slopes) == pytest.approx([0, 0.2], abs=0.01)


def test_pole_text_tells_mode_pole_and_numbers() -> None:
    mode, pole, track, numbers = write(multimode_pole(), POLE).splitlines()
    assert mode == "mode A (0 left, 1 right), mode shown: 37 to go"
    assert pole.strip() == "/" and "[o]" in track
    assert "position 0.30 m, angle 5.73\N{DEGREE SIGN}, 0.06 s, step 3 of 10000" in numbers
    assert write(multimode_pole(), (*POLE[:4], -1, 0)).startswith("mode B (0 right, 1 left), mode hidden")


@pytest.mark.parametrize(
    ("state", "elapsed", "words"),
    [
        ((0, 0, 0.22, 0, 1, 0), 9, "the pole fell"),
        ((-2.5, 0, 0, 0, 1, 0), 9, "off the track"),
        ((0, 0, 0, 0, 1, 0), 10_000, "balanced to the end"),
    ],
)
def test_pole_tells_how_it_ended(state: tuple[float, ...], elapsed: int, words: str) -> None:
    world = multimode_pole()
    assert words in write(world, state, elapsed)
    assert_all_differ([draw(world, state, elapsed), draw(world, (0, 0, 0, 0, 1, 0), 9)])


RECALL = [
    env_id for env_id, (name, _) in lstm_rl.envs.WORLDS.items() if "cards" in (make_world(name, {}).renderer or "")
]


@pytest.mark.parametrize("env_id", RECALL)
def test_recall_tasks_show_observation_state_and_step(env_id: str) -> None:
    world = make_world(lstm_rl.envs.WORLDS[env_id][0], {"max_steps": 30})
    env, renderer, moves = WorldEnv(world), world.load_renderer(), np.random.default_rng(0)
    observation, info = env.reset(seed=0)
    pictures: list[NDArray[np.uint8]] = []
    for elapsed in range(10):
        moment = (world, info["state"], observation, elapsed)
        pictures.append(renderer.picture(*moment))
        name, *lines = renderer.text(*moment).splitlines()
        assert name == f"{world.family}, step {elapsed} of 30" and lines[-1].startswith("sees ")
        assert [line.split()[0] for line in lines] == [
            *dict.fromkeys(s.split("_")[0] for s in world.state_names),
            "sees",
        ]
        observation, _, _, _, info = env.step(np.int64(moves.integers(world.action_space.n)))
    assert {(p.shape, p.dtype) for p in pictures} == {((320, 960, 3), np.dtype(np.uint8))}
    assert all((one != other).any() for one, other in pairwise(pictures))
    for picture in pictures:
        for border in (picture[:8], picture[-8:], picture[:, :8], picture[:, -8:]):
            assert (border == 255).all()


def test_a_long_state_is_cut_and_a_world_of_its_own_is_drawn() -> None:
    hard = WorldEnv(concentration("medium"))
    hard.reset(seed=0)
    renderer = hard.world.load_renderer()
    card_up = np.concatenate([np.tile([0.0, 0.0, 1.0], 103), [1.0, 0.0, 0.0]]).astype(np.float32)
    down = np.tile(np.array([0, 0, 1], np.float32), 104)
    state = hard.get_state()["state"][0]
    assert_all_differ([renderer.picture(hard.world, state, seen, 3) for seen in (down, card_up)])
    own = replace(memory_chain(5, 2), family=None)
    assert renderer.text(own, np.zeros(3), np.zeros(4), 1).splitlines()[0] == "world, step 1"
    assert renderer.picture(own, np.zeros(3), np.zeros(4), 1).shape == (320, 960, 3)


MOMENTS: list[tuple[World, list[tuple[float, ...]]]] = [
    (cart_pole(), [(0, 0, 0, 0, 9), (0.5, 0, 0, 0, 9), (0, 0, 0.1, 0, 9), (0, 0, 0.22, 0, 9)]),
    (cart_pole(hidden="positions"), [(0, 0, 0, 0, 9), (0, 1, 0, 0, 9), (0, 0, 0, 1, 9)]),
    (two_armed_bandit(), [(0, -1, 0, 0.5, 0.5), (1, 0, 1, 0.5, 0.5), (1, 0, 0, 0.5, 0.5), (1, 1, 1, 0.5, 0.5)]),
    (mountain_car(), [(-0.5, 0), (-0.5, 0.05), (0, 0), (0.55, 0.01)]),
    (acrobot(), [(0, 0, 0, 0), (0.5, 0, 0, 0), (0, 0.5, 0, 0), (3, 0, 0, 0)]),
    (dark_room(), [(4, 4, 0, 0, 0, -1, 0), (5, 4, 0, 0, 0, -1, 0), (4, 4, 0, 1, 0, -1, 0), (4, 4, 4, 4, 1, 0, 1)]),
]


@pytest.mark.parametrize(("world", "states"), MOMENTS)
def test_different_moments_look_different(world: World, states: list[tuple[float, ...]]) -> None:
    assert_all_differ([draw(world, state) for state in states])
    assert len({write(world, state) for state in states}) == len(states)


@pytest.mark.parametrize(
    ("world", "state", "words"),
    [
        (cart_pole(noise=0.1), (0, 0, 0, 0, 3), "velocities hidden, noise 0.1"),
        (cart_pole(hidden="nothing"), (0, 0, 0.22, 0, 3), "the pole fell"),
        (cart_pole(max_steps=3), (0, 0, 0, 0, 3), "balanced to the end"),
        (two_armed_bandit(), (0, -1, 0, 0.3, 0.7), "no pull yet\np 0.30 0.70"),
        (two_armed_bandit(), (3, 1, 0, 0.3, 0.7), "step 3 of 100, arm 1 paid nothing"),
        (mountain_car(), (0.5, 0.01), "reached the goal, step 3 of 200, sees 0.500"),
        (mountain_car(max_steps=3), (-1.2, 0.0), "out of steps"),
        (acrobot(), (3.14, 0, 0, 0), "free end 2.00 m above the joint"),
        (dark_room(3, round_steps=4), (0, 1, 2, 2, 5, 4, 0), "...\nA..\n..G\nround 2, step 1 of 4 of the round"),
    ],
)
def test_text_tells_the_moment(world: World, state: tuple[float, ...], words: str) -> None:
    assert words in write(world, state)


@pytest.mark.parametrize("env_id", IDS)
def test_gymnasium_renders_pictures_and_text(env_id: str) -> None:
    pictures, text = gym.make(env_id, render_mode="rgb_array"), gym.make(env_id, render_mode="ansi")
    pictures.reset(seed=0)
    text.reset(seed=0)
    picture, words = pictures.render(), text.render()
    assert isinstance(picture, np.ndarray) and picture.dtype == np.uint8
    assert isinstance(words, str) and "step 0" in words


@pytest.mark.parametrize("env_id", IDS)
def test_a_window_opens_and_closes_twice(env_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pytest.importorskip("pygame")
    env = gym.make(env_id, render_mode="human")
    env.reset(seed=0)
    env.step(env.action_space.sample())
    env.close()
    env.close()


def test_the_window_shows_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame = pytest.importorskip("pygame")
    picture = draw(tmaze(), START)
    window = Window(960, 260, fps=1000)
    window.show(picture)
    shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    assert np.array_equal(shown, picture)
    window.close()
    window.close()


def test_a_missing_pygame_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(ImportError, match=r"^render_mode='human' needs pygame: pip install \"lstm-rl\[human\]\"$"):
        Window(10, 10, 15)
