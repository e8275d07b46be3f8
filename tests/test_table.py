"""The compiled table with memory bits against the same rule in plain Python, and what its policy accepts."""

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import lstm_rl.envs  # noqa: F401
from lstm_rl.agents import AdvantageLearning, Config
from lstm_rl.compiled import compiled
from lstm_rl.kernels.approximator import add_gradient, forward, reset, to_env_action
from lstm_rl.kernels.table import make_table
from lstm_rl.presets import preset

CONFIG = Config(
    learning_rate=0.05,
    gamma=0.9,
    lambda_=0.7,
    kappa=0.5,
    optimizer="sgd",
    exploration="epsilon",
    epsilon=0.4,
    normalize_observations=False,
    memory_bits=1,
    regions=3,
    cut_traces=True,
    return_size=0.0,
    error_memory=0,
    precision="float64",
)


class Tape(gym.Env[Any, Any]):
    """Random observations and rewards; writes down what happened."""

    observation_space = gym.spaces.Box(np.array([0.0, -1.0], np.float32), np.array([1.0, 1.0], np.float32))
    action_space = gym.spaces.Discrete(3)

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.rng = np.random.default_rng(4)

    def _see(self) -> Any:
        return self.rng.uniform([-0.2, -1.0], [1.2, 1.0]).astype(np.float32)  # beyond the bounds, too

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        observation = self._see()
        self.log.append(("reset", observation))
        return observation, {}

    def step(self, action: Any) -> Any:
        observation, reward = self._see(), float(np.float32(self.rng.normal()))  # what is handed over
        end = self.rng.random()
        self.log.append(("step", int(action), reward, end < 0.05, end > 0.95, observation))
        return observation, reward, end < 0.05, end > 0.95, {}


def box(observation: Any) -> int:
    a = int(np.clip(np.floor(float(observation[0]) * 3), 0, 2))
    b = int(np.clip(np.floor((float(observation[1]) + 1.0) / 2.0 * 3), 0, 2))
    return 3 * a + b


def test_compiled_table_equals_the_equations() -> None:
    env = Tape()
    model = AdvantageLearning("MemoryBitsPolicy", env, CONFIG, seed=2)
    outputs: list[int] = []
    table = model.policy.weights().values
    assert table.shape == (3**2 * 2, 3 * 2) and not table.any()

    # The chosen outputs, bits included, are what cannot be read off the environment: watch them while training
    for _ in range(400):
        model.learn(1, reset_num_timesteps=not outputs)
        moves, bits = model._learner.last_action.action[0], model._learner.approximator.bits[0, 0]
        outputs.append(int(moves * 2 + bits))

    plain, trace, cut = np.zeros((18, 6)), np.zeros((18, 6)), 0
    steps = [entry for entry in env.log if entry[0] == "step"]
    starts = iter([entry[1] for entry in env.log if entry[0] == "reset"])
    row, advantages = 2 * box(next(starts)), np.zeros(6)
    # The first output was chosen before the first step: it is the first executed move with the bits that followed
    first = AdvantageLearning("MemoryBitsPolicy", Tape(), CONFIG, seed=2)
    first._setup_learn(1, None)
    first._start(None)
    k = int(first._learner.last_action.action[0] * 2 + first._learner.approximator.bits[0, 0])
    for entry, following in zip(steps, outputs, strict=True):
        _, action, reward, terminated, truncated, observation = entry
        assert action == k // 2
        value, chosen = advantages.max(), advantages[k]  # from before the last update
        if chosen < value:
            cut += 1
            trace[:] = 0.0
        trace *= 0.9 * 0.7
        trace[row, k] += 1.0
        row = 2 * box(observation) + k % 2
        advantages = plain[row].copy()
        after = 0.0 if terminated else advantages.max()
        plain += 0.05 * (value + (reward + 0.9 * after - value) / 0.5 - chosen) * trace
        if terminated or truncated:
            trace[:], row = 0.0, 2 * box(next(starts))
            advantages = plain[row].copy()
        k = following
    np.testing.assert_allclose(table, plain, rtol=0, atol=1e-12)
    assert cut > 50 and np.abs(plain).max() > 0.1


@compiled
def _two_lookups(table: Any, x: Any) -> None:
    """Traces of two steps, and a reset before any update of the table."""
    for t in range(2):
        forward(table, 0, x[t])
        add_gradient(table, 0, t)
        to_env_action(table, 0, t)


@compiled
def _reset(table: Any) -> None:
    reset(table, 0)


def test_a_reset_clears_bits_and_traces() -> None:
    values = np.zeros((6, 6))
    table = make_table(values, np.ones_like(values), np.zeros(1), np.ones(1), 3, 1, 1)
    _two_lookups(table, np.array([[0.1, 0.0], [0.9, 0.0]]))
    assert table.traces[0].sum() == 2.0 and table.traces[0, 0, 0] == table.traces[0, 4, 1] == 1.0
    assert table.bits[0, 0] == 1
    _reset(table)
    assert not table.traces.any() and not table.bits.any()


def test_a_bit_remembers_the_cue() -> None:
    """A table without a bit is at chance; with one it learns the T-maze."""
    env = gym.make("lstm_rl/TMaze-v0", corridor_length=5)
    config = preset("bakker2001", "lstm_rl/TMaze-v0", "MemoryBitsPolicy").config
    config = replace(config, temperature=0.1, temperature_scale=0.05)
    rates = {}
    for bits in (0, 1):
        model = AdvantageLearning("MemoryBitsPolicy", env, replace(config, memory_bits=bits), seed=0).learn(30_000)
        rates[bits] = np.mean(model.ep_success_buffer or [False])
    assert rates[0] < 0.7 and rates[1] > 0.9


def test_the_state_of_a_table_is_its_bits() -> None:
    model = AdvantageLearning("MemoryBitsPolicy", Tape(), CONFIG, seed=2)
    model.policy.weights().values[:, 5] = 1.0  # greedy: move 2, next bit 1
    action, state = model.predict(np.zeros(2, np.float32), deterministic=True)
    assert action == 2 and state is not None and state[0].tolist() == [[1]]
    _, state = model.predict(np.zeros(2, np.float32), state, np.array([True]), deterministic=True)
    assert state is not None and state[0].tolist() == [[1]]
    with pytest.raises(ValueError, match="^state must be what predict returned for 1 rows"):
        model.predict(np.zeros(2, np.float32), state[1:])


def test_what_a_table_cannot_be_is_said_clearly() -> None:
    with pytest.raises(ValueError, match="^normalize_observations must be False for a table"):
        AdvantageLearning("MemoryBitsPolicy", Tape())
    with pytest.raises(ValueError, match="^observation_space must be a Box with finite bounds for boxes, got Box"):
        AdvantageLearning("MemoryBitsPolicy", "CartPole-v1", normalize_observations=False)
    with pytest.raises(ValueError, match="^policy must be made of a topology, got table: 3 regions"):
        AdvantageLearning("MemoryBitsPolicy", Tape(), CONFIG).policy.topology  # noqa: B018
