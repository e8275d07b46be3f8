"""The robot: its maze, its twin beside MuJoCo, events with known answers, learning from a record."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from lstm_rl.cli import main
from lstm_rl.envs import ROBOT
from lstm_rl.envs.aravq import Aravq
from lstm_rl.envs.env import WorldEnv
from lstm_rl.envs.events import AravqEvents
from lstm_rl.envs.robot import robot_tmaze, robot_tmaze_events
from lstm_rl.envs.robot_body import CLASS, CLASSES, CLOCK, FALSE_X, HEADING, INPUT, MODELS, RANGES, SENSORS, SIDES, X, Y
from lstm_rl.envs.robot_maze import make_maze
from lstm_rl.experiments.protocols import robot_run
from lstm_rl.experiments.protocols.recorded_q import Record, RecordedQ, Settings, join

LEFT, RIGHT = np.int64(0), np.int64(1)


def stream(*plateaus: tuple[float, int], noise: float = 0.0) -> Any:
    """Values, each for some steps, as inputs of one number."""
    values = np.concatenate([np.full((steps, 1), value) for value, steps in plateaus])
    return values + noise * np.random.default_rng(0).uniform(-1, 1, values.shape)


def events(aravq: Aravq, inputs: Any) -> list[int]:
    return [t for t, x in enumerate(inputs) if aravq.see(x)]


# --- ARAVQ on streams with known answers -----------------------------------------------------------------------------


def test_a_constant_stream_is_one_vector_and_one_event() -> None:
    aravq = Aravq(window=10, delta=0.3, epsilon=0.2)
    assert events(aravq, stream((0.4, 50))) == [9]  # as soon as the window is full
    assert aravq.models is not None and aravq.models.tolist() == pytest.approx(np.array([[0.4]]))


@pytest.mark.parametrize(("distance", "vectors"), [(0.31, 2), (0.29, 1)])
def test_plateaus_are_two_classes_if_they_are_more_than_delta_apart(distance: float, vectors: int) -> None:
    aravq = Aravq(window=10, delta=0.3, epsilon=0.2, alpha=0.0)
    seen = events(aravq, stream((0.0, 20), (distance, 20), (0.0, 20)))
    assert aravq.models is not None and len(aravq.models) == vectors
    if vectors == 1:
        assert seen == [9]
    else:  # allocated once the window holds nothing else; then half of the window decides, and 5 of 10 is a tie
        assert seen[:2] == [9, 29] and len(seen) == 3 and seen[2] in (44, 45)


def test_what_is_shorter_than_the_window_or_noisier_than_epsilon_is_no_class() -> None:
    aravq = Aravq(window=10, delta=0.3, epsilon=0.2)
    events(aravq, stream((0.0, 20), (1.0, 8), (0.0, 20)))
    assert aravq.models is not None and len(aravq.models) == 1
    noisy = Aravq(window=10, delta=0.3, epsilon=0.2)
    assert events(noisy, stream((0.5, 100), noise=1.0)) == [] and noisy.models is None


def test_vectors_follow_the_stream_at_alpha_and_outlive_an_episode() -> None:
    aravq = Aravq(window=1, delta=0.3, epsilon=0.2, alpha=0.25, models=np.array([[0.0]]))
    aravq.see([0.08])
    assert aravq.models is not None and aravq.models[0, 0] == pytest.approx(0.02)
    aravq.reset()
    assert aravq.winner is None and len(aravq.models) == 1
    frozen = Aravq(window=1, models=np.array([[0.0]]), learning=False)
    assert frozen.see([5.0]) and frozen.models is not None and frozen.models.tolist() == [[0.0]]


def test_bad_arguments_of_aravq_are_named() -> None:
    for arguments, sentence in (
        ({"window": 0}, "^window must be an integer >= 1, got 0$"),
        ({"delta": 0.0}, "^delta must be a number in"),
        ({"most": 1, "models": np.zeros((2, 3))}, "^models must be at most 1 vectors, got 2$"),
    ):
        with pytest.raises(ValueError, match=sentence):
            Aravq(**arguments)
    aravq = Aravq()
    aravq.models = np.zeros((1, 2))
    with pytest.raises(ValueError, match="^input must be 2 finite numbers"):
        aravq.see([np.nan, 0.0])


# --- the maze and its robot ------------------------------------------------------------------------------------------


def test_walls_are_the_outline_of_the_corridors() -> None:
    walls = make_maze(1.0, 1).walls
    length = (walls[:, 3] - walls[:, 2]).sum()
    # Stem: 1.1 m twice and .12 m behind; bar: 1.12 m along, the same less the opening, two ends
    assert length == pytest.approx(2 * 1.1 + 0.12 + 1.12 + (1.12 - 0.12) + 2 * 0.12)


def drive(env: Any, action: np.int64, seed: int) -> tuple[float, dict[str, Any]]:
    env.reset(seed=seed)
    total, over = 0.0, False
    while not over:
        _, reward, terminated, truncated, info = env.step(action)
        total, over = total + float(reward), terminated or truncated
    return total, info


@pytest.mark.parametrize("gap", [0.02, 0.0325])
@pytest.mark.parametrize("action", [LEFT, RIGHT])
def test_a_wall_leads_into_the_arm_on_its_side(action: np.int64, gap: float) -> None:
    env = WorldEnv(robot_tmaze(gap=gap))
    for seed in range(4):
        total, info = drive(env, action, seed)
        right = info["state"][SIDES] == (1 if action == LEFT else -1)
        assert np.sign(info["state"][Y]) == (1 if action == LEFT else -1)
        assert info["is_success"] == right and 195 <= info["state"][CLOCK] <= 220
        assert total == pytest.approx(4.0 if right else -0.1, abs=0.15)  # a turn is no progress for some steps


def test_three_right_turns_are_paid_each() -> None:
    env = WorldEnv(robot_tmaze(junctions=3))
    seed = next(s for s in range(99) if (env.reset(seed=s)[1]["state"][SIDES : SIDES + 3] == 1).all())
    total, info = drive(env, LEFT, seed)
    assert info["is_success"] and total == pytest.approx(12.0, abs=0.5)


def test_lamps_shine_beside_the_robot_only() -> None:
    env = WorldEnv(robot_tmaze(noise=0.0, irrelevant_lamp=True))
    _, info = env.reset(seed=3)
    lights, places = [], []
    for _ in range(120):
        observation, *_, info = env.step(LEFT)
        lights.append(observation[8:10].sum())
        places.append(info["state"][X])
    near = np.minimum(np.abs(np.array(places) - 0.3), np.abs(np.array(places) - info["state"][FALSE_X])) <= 0.06
    np.testing.assert_array_equal(np.array(lights) == 1.0, near)
    assert near.any() and not near.all()


def test_the_body_never_enters_a_wall() -> None:
    env = WorldEnv(robot_tmaze(behaviours=("turn", "right", "left")))
    rng = np.random.default_rng(0)
    _, info = env.reset(seed=0)
    for _ in range(400):
        *_, terminated, truncated, info = env.step(np.int64(rng.integers(3)))
        assert info["state"][RANGES : RANGES + SENSORS].min() > -1e-6
        if terminated or truncated:
            env.reset()


def test_the_wrapper_sees_what_the_compiled_world_sees() -> None:
    world = robot_tmaze_events(noise=0.0, irrelevant_lamp=True)
    count = int(world.params[CLASSES])
    models = world.params[MODELS:][: count * 12].reshape(count, 12)
    raw = WorldEnv(robot_tmaze(noise=0.0, irrelevant_lamp=True))
    wrapped, compiled = AravqEvents(raw, Aravq(models=models, learning=False)), WorldEnv(world)
    for seed in range(3):
        one, other, over, rng = (
            wrapped.reset(seed=seed)[0],
            compiled.reset(seed=seed)[0],
            False,
            np.random.default_rng(0),
        )
        while not over:
            np.testing.assert_array_equal(one, other)
            action = np.int64(rng.integers(2))
            one, reward, over, _, info = wrapped.step(action)
            other, same, *_, inside = compiled.step(action)
            assert reward == pytest.approx(same)
            np.testing.assert_allclose(info["state"][: CLASS - 1], inside["state"][: CLASS - 1], atol=1e-9)


def test_bad_arguments_of_the_robot_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, sentence in (
        ({"behaviours": ("left", "fly")}, "^behaviours must be one of left, right, turn, got 'fly'$"),
        ({"behaviours": ("left", "left")}, "^behaviours must be different ones"),
        ({"behaviours": "left"}, "^behaviours must be a sequence of names, some of left, right, turn, got 'left'$"),
        ({"behaviours": 7}, "^behaviours must be a sequence of names"),
        ({"junctions": 2}, "^junctions must be 1 or 3, got 2$"),
        ({"stem": 0.2}, "^stem must be a number in"),
        ({"gap": 0.04}, "^gap must be a number in"),
    ):
        with pytest.raises(ValueError, match=sentence):
            robot_tmaze(**arguments)
        with pytest.raises(ValueError, match=sentence):
            robot_tmaze_events(**arguments)
    with pytest.raises(ValueError, match="^irrelevant_lamp needs a stem of 1.7 m or more with 3 junctions, got stem"):
        robot_tmaze(irrelevant_lamp=True, junctions=3)
    assert robot_tmaze(1.7, irrelevant_lamp=True, junctions=3).max_steps
    with pytest.raises(
        ValueError, match="^window must be at most the 190 control steps of the shortest episode, got 200"
    ):
        robot_tmaze_events(window=200)
    for argument, sentence in (
        ("window=200", "window must be at most the 190 control steps"),
        ("behaviours=left,fly", "behaviours must be one of left, right, turn, got 'fly'"),
    ):
        train = ["train", "lstm_rl/RobotTMazeEvents-v0", "--env-kwargs", argument, "--log-dir", "never"]
        assert main(train) == 2
        assert sentence in capsys.readouterr().err
    env = AravqEvents(gym.make("CartPole-v1"), Aravq(window=400))
    with pytest.raises(ValueError, match="^window must be at most the observations of an episode, got 400 where the"):
        for seed in range(20):
            env.reset(seed=seed)
            while not env.step(0)[2]:
                pass
    assert seed == 19  # one short episode, or nineteen, end no training


def test_without_mujoco_one_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mujoco", None)
    assert main(["train", ROBOT, "--log-dir", "never"]) == 2
    assert 'lstm_rl/RobotTMaze-v0 needs mujoco: pip install "lstm-rl[robot]"' in capsys.readouterr().err


# --- MuJoCo ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", [LEFT, RIGHT])
def test_the_twin_goes_where_mujoco_goes(action: np.int64) -> None:
    pytest.importorskip("mujoco", reason="mujoco is not installed: pip install lstm-rl[robot]")
    twin, robot = WorldEnv(robot_tmaze(noise=0.0)), gym.make(ROBOT, noise=0.0).unwrapped
    for seed, steps in ((0, 100), (1, 210)):  # a collision apart, they are the same to rounding
        np.testing.assert_allclose(twin.reset(seed=seed)[0], robot.reset(seed=seed)[0], atol=1e-6)
        for _ in range(steps):
            one, reward, *_, mine = twin.step(action)
            other, same, *_, theirs = robot.step(action)
            np.testing.assert_allclose(mine["state"][[X, Y, HEADING]], theirs["state"][[X, Y, HEADING]], atol=1e-6)
            np.testing.assert_allclose(one, other, atol=1e-5)
            assert reward == same


def test_a_wall_stops_the_robot_in_both_simulators() -> None:
    pytest.importorskip("mujoco", reason="mujoco is not installed: pip install lstm-rl[robot]")
    twin: Any = WorldEnv(robot_tmaze())
    robot: Any = gym.make(ROBOT).unwrapped
    for env in (twin, robot):
        env.reset(seed=0)
        state = env._state
        for _ in range(30):  # blind, and so into the left wall: what it senses is overwritten
            state.ravel()[INPUT : INPUT + SENSORS] = 0.0
            *_, info = env.step(LEFT)
        assert 0.0325 - 0.002 < info["state"][Y] < 0.0325 + 0.002  # the body touches it
    assert abs(twin._state[0, X] - robot._state[X]) < 0.06  # MuJoCo's body slides a little slower


def test_mujocos_robot_is_a_whole_environment() -> None:
    pytest.importorskip("mujoco", reason="mujoco is not installed: pip install lstm-rl[robot]")
    env = gym.make(ROBOT, events=True, render_mode="rgb_array").unwrapped
    first, _ = env.reset(seed=1)
    assert first.shape == (24,) and env.observation_space.contains(first)
    again = [env.step(LEFT)[0].tolist() for _ in range(3)]
    env.reset(seed=1)
    assert [env.step(LEFT)[0].tolist() for _ in range(3)] == again
    assert env.render().shape == (320, 640, 3)  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="^action must be in"):
        env.step(np.int64(7))
    env.close()


def test_without_a_back_end_the_camera_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    mujoco = pytest.importorskip("mujoco", reason="mujoco is not installed: pip install lstm-rl[robot]")

    def broken(*_: Any) -> None:
        raise RuntimeError("no display")

    monkeypatch.setattr(mujoco, "Renderer", broken)
    env = gym.make(ROBOT, render_mode="camera").unwrapped
    env.reset(seed=0)
    with pytest.raises(ValueError, match="^render_mode must be rgb_array or ansi .* got camera: no display$"):
        env.render()


# --- a record --------------------------------------------------------------------------------------------------------


def test_a_record_teaches_what_a_lamp_three_steps_ago_said() -> None:
    """Episodes of 4 steps: the first input says which last action pays."""
    rng = np.random.default_rng(0)
    records = []
    for _ in range(40):
        lamp, actions = int(rng.integers(2)), rng.integers(2, size=4)
        x = np.zeros((4, 3), np.float32)
        x[0, lamp], x[1:, 2] = 1.0, 1.0
        rewards, ends = np.zeros(4, np.float32), np.zeros(4, np.bool_)
        rewards[3], ends[3] = float(actions[3] == lamp), True
        records.append(Record(x, actions, rewards, ends, np.arange(4) == 0))
    agent = RecordedQ(3, 2, seed=0, settings=Settings(cells=8, learning_rate=0.01, dropout=0.0, members=1))
    torch.set_num_threads(1)
    loss = agent.learn_from(join(*records), 120)
    assert loss < 0.05
    for lamp in (0, 1):
        x, state = np.eye(3, dtype=np.float32)[[lamp]], None
        for step in range(4):
            action, state = agent.predict(x if step == 0 else np.array([[0, 0, 1]]), state, np.array([step == 0]))
        assert action[0] == lamp


def test_a_truncated_episode_has_no_target_after_its_last_step() -> None:
    agent = RecordedQ(1, 2, seed=0, settings=Settings(dropout=0.0))
    zeros = np.zeros(2, np.float32)
    open_end = Record(np.ones((2, 1), np.float32), np.zeros(2, np.int64), zeros, zeros > 0, np.arange(2) == 0)
    closed = open_end._replace(terminated=np.array([False, True]), rewards=np.array([0, 5], np.float32))
    assert agent.learn_from(open_end, 1) < 0.1 < agent.learn_from(closed, 1)


def test_a_run_from_replayed_episodes_ends_with_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few episodes of the sequence, and the test in the twin; nothing is learned in so few steps."""
    monkeypatch.setattr(robot_run, "TEST_EPISODES", 20)
    overrides = '{"steps": 400, "learning_starts": 100, "units": 8}'
    settings = robot_run.RobotRun("sequence", 3, "replayed", max_episodes=8, overrides=overrides, mujoco_episodes=0)
    result = robot_run.run(settings, lambda _: None)
    assert 8 <= result["episodes"] < 16 and result["steps"] <= 400
    assert not result["solved"] and 0.0 <= result["twin"] < 1.0 and result["mujoco"] is None
