"""The compiled loop and the step-by-step path are one learner: equal to the last bit, whatever the chunks."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorWrapper
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor

import lstm_rl.envs  # noqa: F401
from lstm_rl.agents import AdvantageLearning, Config
from lstm_rl.envs.rows import find_rows
from lstm_rl.envs.sb3 import GymnasiumVecEnv
from lstm_rl.topology import Topology

WORLDS: dict[str, tuple[str, dict[str, Any]]] = {
    "maze": ("lstm_rl/NoisyTMaze-v0", {"corridor_length": 2, "max_steps": 11}),
    "pole": ("lstm_rl/MultimodePole-v0", {"max_steps": 25, "start_range": 0.1}),
    "chain": ("lstm_rl/MemoryChain-v0", {"length": 3}),  # the default for any environment
}
KINDS = ("epsilon", "ez_greedy", "boltzmann", "directed")


class Plain(gym.Wrapper[Any, Any, Any, Any]):
    """Changes nothing, but the compiled loop does not look under it."""


class PlainVector(VectorWrapper):
    """The same around a vector environment."""


def make(world: str, n: int, vector: bool, compiled: bool, csv_file: Path | None = None) -> VecEnv:
    env_id, arguments = WORLDS[world]
    if vector:
        rows = gym.make_vec(env_id, num_envs=n, autoreset_mode=AutoresetMode.SAME_STEP, **arguments)
        name = None if csv_file is None else str(csv_file)
        return VecMonitor(GymnasiumVecEnv(rows if compiled else PlainVector(rows)), name, ("is_success",))

    def one(i: int) -> gym.Env[Any, Any]:
        env = gym.make(env_id, **arguments)
        name = None if csv_file is None else str(csv_file.with_name(f"{i}.{csv_file.name}"))
        return Monitor(env if compiled else Plain(env), name, info_keywords=("is_success",))

    return DummyVecEnv([lambda i=i: one(i) for i in range(n)])  # type: ignore[misc]


def learner(env: VecEnv, policy: str = "LstmPolicy", **settings: Any) -> AdvantageLearning:
    defaults: dict[str, Any] = {
        "learning_rate": 0.01,
        "epsilon": 0.2,
        "schedule": "constant",
        "seed": 3,
        "chunk_size": 64,
    }
    return AdvantageLearning(policy, env, **(defaults | settings))


def everything(model: AdvantageLearning) -> dict[str, Any]:
    """All that learning depends on, except the environments."""
    parts = model._trainer.position(None, None)["arrays"]
    parts["last_action"]["episode"] = parts["last_action"]["episode"].astype(np.float32)  # as SB3 hands rewards over
    arrays = {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}
    policy = {name: value.numpy().copy() for name, value in model.get_parameters()["policy"].items()}
    counts = {"steps": model.num_timesteps, "updates": model._n_updates}
    seen = {"observation": model._last_obs, "starts": model._last_episode_starts}
    episodes = [(round(float(each["r"]), 4), each["l"]) for each in model.ep_info_buffer or ()]  # VecMonitor: float32
    return arrays | policy | counts | seen | {"success": list(model.ep_success_buffer or ()), "episodes": episodes}


def states(env: VecEnv) -> Any:
    """Where the environments stand, generators included."""
    base: Any = env.venv if isinstance(env, VecMonitor) else env
    envs: list[Any] = [base.env] if isinstance(base, GymnasiumVecEnv) else base.envs
    return [inner.unwrapped.get_state() for inner in envs]


def assert_same(one: AdvantageLearning, other: AdvantageLearning) -> None:
    np.testing.assert_equal(everything(one), everything(other))
    np.testing.assert_equal(states(one.env), states(other.env))  # type: ignore[arg-type]


ROWS = [(1, False), (3, False), (1, True), (3, True)]


@pytest.mark.parametrize("exploration", KINDS)
@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
@pytest.mark.parametrize("world", WORLDS)
def test_both_paths_give_the_same_bits(world: str, optimizer: str, exploration: str) -> None:
    rate = 0.01 if optimizer == "rmsprop" else 0.001
    for n, vector in ROWS:
        models = []
        for compiled in (True, False):
            env = make(world, n, vector, compiled)
            assert (find_rows(env) is not None) == compiled
            model = learner(env, optimizer=optimizer, exploration=exploration, learning_rate=rate)
            before = everything(model)["hidden_weights"]
            models.append(model.learn(300 * n))
            assert not np.array_equal(before, everything(model)["hidden_weights"])
            assert len(model.ep_info_buffer or ()) > 10
        assert_same(*models)


VARIANTS: dict[str, dict[str, Any]] = {
    "float64": {"precision": "float64"},
    "raw observations": {"normalize_observations": False},
    "uncut traces": {"cut_traces": False, "lambda_": 1.0},
    "hidden units and recurrent links": {
        "policy_kwargs": {"topology": Topology(3, 4, hidden=5, blocks=(1, 1), forget_gate_bias=3.0)}
    },
    "blocks of several cells with peepholes": {
        "policy_kwargs": {"topology": Topology(3, 4, hidden=2, blocks=(2, 1), peepholes=True, cell_input="tanh")}
    },
    "falling learning rate": {"learning_rate": lambda progress: 0.01 * progress},
    "linear schedule": {"schedule": "linear"},
    "complete gradient": {"recurrent": True, "gradient": "bptt", "bptt_depth": 9},
    "actor-critic": {"rule": "actor_critic", "epsilon": Config().epsilon, "return_size": 1.0, "error_memory": 10},
    "Elman": {"policy": "ElmanPolicy", "hidden": 5, "bptt_depth": 4, "recurrent_range": 2.0},
    "memory bits": {"policy": "MemoryBitsPolicy", "memory_bits": 2, "normalize_observations": False},
    "memory bits, directed": {
        "policy": "MemoryBitsPolicy",
        "normalize_observations": False,
        "exploration": "directed",
        "optimizer": "sgd",
    },
}


@pytest.mark.parametrize("name", VARIANTS)
def test_both_paths_give_the_same_bits_for_any_network_and_rule(name: str) -> None:
    models = [learner(make("maze", 2, False, compiled), **VARIANTS[name]).learn(600) for compiled in (True, False)]
    assert_same(*models)
    assert all(np.isfinite(w).all() for name, w in everything(models[0]).items() if name.endswith("_weights"))


@pytest.mark.parametrize("steps", [1000, 1008])
def test_an_episode_that_ends_on_the_last_noise_draws_more(steps: int) -> None:
    """Episodes of one step take two rows of noise per step; their number is drawn odd and even."""
    models = []
    for compiled in (True, False):
        rows = gym.make_vec("lstm_rl/MultimodePole-v0", 2, max_steps=1, autoreset_mode=AutoresetMode.SAME_STEP)
        env = VecMonitor(GymnasiumVecEnv(rows if compiled else PlainVector(rows)), None, ("is_success",))
        models.append(learner(env, chunk_size=steps).learn(2 * steps))
    assert_same(*models)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("world", WORLDS)
def test_chunks_and_calls_leave_no_mark(world: str, compiled: bool) -> None:
    def trained(chunk_size: int, calls: tuple[int, ...]) -> AdvantageLearning:
        model = learner(make(world, 3, True, compiled), chunk_size=chunk_size, exploration="directed")
        for i, steps in enumerate(calls):
            model.learn(3 * steps, reset_num_timesteps=i == 0)
        return model

    reference = trained(4096, (400,))
    for chunk_size, calls in [(1, (400,)), (7, (400,)), (4096, (1, 199, 200)), (64, (37, 363))]:
        other = trained(chunk_size, calls)
        other._learner.sums[:] = reference._learner.sums[:] = 0.0  # the log's, cleared at each write
        assert_same(reference, other)


@pytest.mark.parametrize("n", [1, 3])
def test_a_scalar_and_a_vector_environment_train_alike(n: int) -> None:
    models = [learner(make("maze", n, vector, True)).learn(300 * n) for vector in (False, True)]
    ours, theirs = ({k: v for k, v in everything(model).items() if k != "episodes"} for model in models)
    np.testing.assert_equal(ours, theirs)


def test_the_paths_can_take_turns() -> None:
    """After compiled steps the environments stand where step-by-step ones would: stepping goes on from there."""
    models = [learner(make("maze", 2, False, compiled)).learn(250) for compiled in (True, False)]
    observations: list[list[Any]] = [[], []]
    for model, seen in zip(models, observations, strict=True):
        assert model.env is not None
        for t in range(40):
            obs, rewards, dones, infos = model.env.step(np.array([t % 4, 1]))
            episodes = [(info["episode"]["r"], info["episode"]["l"]) if "episode" in info else None for info in infos]
            seen.append((obs.copy(), rewards.copy(), dones.copy(), episodes))  # type: ignore[union-attr]
    np.testing.assert_equal(observations[0], observations[1])


def rows_of(path: Path) -> Iterator[tuple[float, int, str]]:
    with path.open() as file:
        next(file)
        for row in csv.DictReader(file):
            yield float(row["r"]), int(row["l"]), row["is_success"]


@pytest.mark.parametrize("world", WORLDS)
def test_monitors_write_one_row_per_episode_on_both_paths(world: str, tmp_path: Path) -> None:
    tables = []
    for compiled in (True, False):
        model = learner(make(world, 2, False, compiled, tmp_path / f"{compiled}.monitor.csv")).learn(700)
        assert model.env is not None
        monitors: list[Any] = model.env.envs  # type: ignore[attr-defined]
        model.env.close()
        files = [list(rows_of(tmp_path / f"{i}.{compiled}.monitor.csv")) for i in range(2)]
        for monitor, rows in zip(monitors, files, strict=True):
            assert [row[1] for row in rows] == monitor.get_episode_lengths()
            assert np.round(monitor.get_episode_rewards(), 6).tolist() == [row[0] for row in rows]
            assert sum(row[1] for row in rows) + len(monitor.rewards) == 350 == monitor.get_total_steps()
        tables.append((files, [sum(monitor.rewards) for monitor in monitors]))
    np.testing.assert_equal(tables[0][0], tables[1][0])
    assert tables[0][1] == pytest.approx(tables[1][1], abs=1e-12)
    assert len(tables[0][0][0]) > 10


def test_an_episode_over_many_chunks_and_calls_is_recorded_as_stepping_would() -> None:
    records = []
    for wrap in (lambda env: env, Plain):
        monitor = Monitor(gym.make("lstm_rl/NoisyTMaze-v0", corridor_length=60, max_steps=None))
        env = wrap(monitor)
        model = learner(DummyVecEnv([lambda env=env: env]), chunk_size=7)  # type: ignore[misc]
        lengths = []
        for call in range(2):
            model.learn(100, reset_num_timesteps=call == 0)
            lengths.append(len(monitor.rewards))
        records.append((lengths, round(sum(monitor.rewards), 6), monitor.get_total_steps()))
    assert records[0] == records[1] and records[0][0] == [100, 200] and records[0][1] < 0


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("world", WORLDS)
def test_vec_monitor_writes_one_row_per_episode_on_both_paths(world: str, n: int, tmp_path: Path) -> None:
    tables = []
    for compiled in (True, False):
        env = make(world, n, True, compiled, tmp_path / f"{compiled}.monitor.csv")
        learner(env).learn(300 * n)
        assert isinstance(env, VecMonitor)
        tables.append((list(rows_of(tmp_path / f"{compiled}.monitor.csv")), env.episode_count))
        np.testing.assert_array_equal(env.episode_lengths, env.get_attr("elapsed")[0])
        env.close()
    (ours, count), (theirs, their_count) = tables
    assert count == their_count == len(ours) > 10
    assert [row[1:] for row in ours] == [row[1:] for row in theirs]
    assert [row[0] for row in ours] == pytest.approx([row[0] for row in theirs], abs=1e-5)


def test_only_plain_wrappers_are_looked_under() -> None:
    def maze(**arguments: Any) -> gym.Env[Any, Any]:
        return gym.make("lstm_rl/TMaze-v0", **arguments)

    plain: list[list[Any]] = [[maze(), maze()], [Monitor(maze()), Monitor(maze())], [maze(render_mode="ansi")]]
    other: list[list[Any]] = [
        [maze(), Plain(maze())],
        [maze(), Monitor(maze())],
        [Monitor(maze()), maze()],
        [Monitor(Monitor(maze())), maze()],
        [maze(), maze(corridor_length=3)],
        [maze(), maze(max_steps=None)],
        [maze(max_episode_steps=5), maze(max_episode_steps=5)],
        [gym.make("CartPole-v1"), gym.make("CartPole-v1")],
    ]
    for found, rows in [*((True, rows) for rows in plain), *((False, rows) for rows in other)]:
        env = DummyVecEnv([lambda row=row: row for row in rows])  # type: ignore[misc]
        assert (find_rows(env) is not None) == found
    bare = DummyVecEnv([maze, maze])
    assert find_rows(VecMonitor(bare)) is not None
    assert find_rows(VecMonitor(bare, info_keywords=("state",))) is None
    with pytest.warns(UserWarning, match="already wrapped with a `Monitor`"):
        assert find_rows(VecMonitor(DummyVecEnv([lambda: Monitor(maze())]))) is None
