"""Our compiled worlds beside the packages whose rules they follow: step by step from the same state."""

import math
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray

import lstm_rl.envs  # noqa: F401
from lstm_rl.envs.bandits import ARMS
from lstm_rl.envs.env import WorldEnv

CLOSE: dict[str, Any] = {"rtol": 2e-6, "atol": 2e-7}  # observations have 32 bits
GYMNASIUM: list[tuple[str, str, tuple[int, ...]]] = [  # ours, theirs, what ours shows of their observation
    ("CartPole", "CartPole-v1", (0, 2)),
    ("Acrobot", "Acrobot-v1", (0, 1, 2, 3)),
    ("MountainCar", "MountainCar-v0", (0,)),
]
LEVELS = "Easy", "Medium", "Hard"


def ours(name: str, **arguments: Any) -> WorldEnv:
    env = gym.make(f"lstm_rl/{name}-v0", **arguments).unwrapped
    assert isinstance(env, WorldEnv)
    return env


def put(env: WorldEnv, state: NDArray[np.float64]) -> None:
    """Move our world's state, its first numbers, to theirs."""
    values = env.get_state()
    values["state"][0, : len(state)] = state
    env.set_state(values)


def compare(env: WorldEnv, theirs: Any, policy: Callable[[Any, int], int], pick: Any, episodes: int) -> list[int]:
    """Play until ``episodes`` have ended; before each step our state becomes theirs. Return the episodes' lengths."""
    lengths: list[int] = []
    rng = np.random.default_rng(0)
    for seed in range(episodes):
        theirs.reset(seed=seed)
        env.reset(seed=seed)
        over, length = False, 0
        while not over:
            state = np.array(theirs.unwrapped.state, np.float64)
            put(env, state)
            action = policy(state, int(rng.integers(env.action_space.n)))  # type: ignore[attr-defined]
            observation, reward, terminated, truncated, _ = theirs.step(action)
            got, our_reward, our_end, our_cut, info = env.step(np.int64(action))
            np.testing.assert_allclose(info["state"][: len(state)], theirs.unwrapped.state, rtol=1e-12, atol=1e-13)
            np.testing.assert_allclose(got, observation[pick], **CLOSE)
            assert our_reward == pytest.approx(reward, rel=1e-15)
            assert (our_end, our_cut) == (terminated, truncated and not terminated)
            over, length = terminated or truncated, length + 1
        lengths.append(length)
    return lengths


def good(name: str) -> Callable[[Any, int], int]:
    """A policy from the state that reaches ends of both kinds, with one step in ten at random."""
    rules: dict[str, Callable[[Any], int]] = {
        "CartPole": lambda s: int(0.05 * s[0] + 0.1 * s[1] + s[2] + 0.3 * s[3] > 0),
        "Acrobot": lambda s: int(1 - np.sign(s[2] - 3 * s[3])),
        "MountainCar": lambda s: 2 if s[1] > 0 else 0,
    }
    rng = np.random.default_rng(1)
    return lambda state, random: random if rng.random() < 0.1 else rules[name](state)


@pytest.mark.parametrize("hidden", [True, False])
@pytest.mark.parametrize(("name", "theirs", "seen"), GYMNASIUM)
def test_gymnasiums_rules(name: str, theirs: str, seen: tuple[int, ...], hidden: bool) -> None:
    env, other = ours(name, **({} if hidden else {"hidden": "nothing"})), gym.make(theirs)
    pick = list(seen) if hidden else slice(None)
    space: Any = other.observation_space
    assert env.observation_space == gym.spaces.Box(space.low[pick], space.high[pick])
    assert env.action_space == other.action_space
    assert other.spec is not None and env.world.max_steps == other.spec.max_episode_steps
    random = compare(env, other, lambda state, action: action, pick, 6)
    skilled = compare(env, other, good(name), pick, 6)
    limit = env.world.max_steps
    assert limit is not None and min(random + skilled) < limit == max(random + skilled)  # both ends were met


@pytest.mark.parametrize(("name", "theirs"), [(name, theirs) for name, theirs, _ in GYMNASIUM])
def test_gymnasiums_starts(name: str, theirs: str) -> None:
    env, other = ours(name, hidden="nothing"), gym.make(theirs)
    starts = np.array([[env.reset(seed=i)[0], other.reset(seed=i)[0]] for i in range(500)])
    np.testing.assert_allclose(starts[:, 0].min(axis=0), starts[:, 1].min(axis=0), atol=0.02)
    np.testing.assert_allclose(starts[:, 0].max(axis=0), starts[:, 1].max(axis=0), atol=0.02)
    np.testing.assert_allclose(starts[:, 0].std(axis=0), starts[:, 1].std(axis=0), rtol=0.15, atol=1e-12)


# --- POPGym ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", ["position", "velocity"])
def test_popgyms_cart_poles(kind: str, level: str) -> None:
    module: Any = pytest.importorskip(f"popgym.envs.{kind}_only_cartpole", reason="popgym is not installed")
    name = f"{kind.title()}OnlyCartPole"
    env, theirs = ours(name, difficulty=level.lower()), getattr(module, name + level)()
    assert env.observation_space == theirs.observation_space and env.action_space == theirs.action_space
    pick = slice(None)
    lengths = compare(env, theirs, lambda state, action: action, pick, 4)
    lengths += compare(env, theirs, good("CartPole"), pick, 4)
    assert min(lengths) < max(lengths) == env.world.max_steps == theirs.max_episode_length
    first, _ = theirs.reset(seed=0)
    seen = np.zeros(2, np.float32)
    env.world.observe(env.world.params, np.zeros(6), np.array([*theirs.state, 0.0]), seen)
    np.testing.assert_allclose(seen, first, **CLOSE)  # positions, even where velocities follow


@pytest.mark.parametrize("level", LEVELS)
def test_popgyms_noise(level: str) -> None:
    module = pytest.importorskip("popgym.envs.noisy_position_only_cartpole", reason="popgym is not installed")
    env = ours("NoisyPositionOnlyCartPole", difficulty=level.lower())
    theirs = getattr(module, f"NoisyPositionOnlyCartPole{level}")()
    assert env.observation_space == theirs.observation_space
    assert (env.world.max_steps, env.world.params[8]) == (theirs.max_episode_length, 1 / theirs.max_episode_length)
    seen: list[list[NDArray[np.float32]]] = [[], []]
    theirs.reset(seed=0)
    env.reset(seed=0)
    for t in range(4000):  # one step from one state over and over
        state = np.array([0.5, 0.1, -0.15, 0.2])
        theirs.state, theirs.num_steps, theirs.steps_beyond_terminated = tuple(state), 0, None
        put(env, state)
        observation, reward, terminated, truncated, _ = theirs.step(t % 2)
        got, our_reward, our_end, our_cut, _ = env.step(np.int64(t % 2))
        assert (our_reward, our_end) == (reward, terminated)
        if our_cut:
            env.reset()
        seen[0].append(got)
        seen[1].append(observation)
    mine, other = np.array(seen)
    bounds = env.observation_space.high  # type: ignore[attr-defined]
    assert np.abs(mine).max(axis=0)[1] == np.abs(other).max(axis=0)[1] == bounds[1]  # clipped
    theirs_sd = theirs.noise_sigma[0]
    assert theirs_sd == {"Easy": 0.1, "Medium": 0.2, "Hard": 0.3}[level] == pytest.approx(env.world.params[10])
    np.testing.assert_allclose(mine.mean(axis=0), other.mean(axis=0), atol=4 * theirs_sd / math.sqrt(2000))
    np.testing.assert_allclose(mine.std(axis=0), other.std(axis=0), rtol=0.06)
    assert abs(np.corrcoef(mine.T)[0, 1]) < 4 / math.sqrt(4000)


@pytest.mark.parametrize("level", LEVELS)
def test_popgyms_bandit(level: str) -> None:
    module = pytest.importorskip("popgym.envs.multiarmed_bandit", reason="popgym is not installed")
    env, theirs = ours("MultiarmedBandit", difficulty=level.lower()), getattr(module, f"MultiarmedBandit{level}")()
    assert env.action_space == theirs.action_space
    rng = np.random.default_rng(0)
    for seed in range(3):
        first, _ = theirs.reset(seed=seed)
        assert first == env.reset(seed=seed)[0][0] == 0 and not env.reset()[0].any()
        theirs.bandits = (theirs.bandits > 0.5).astype(np.float32)  # sure payouts: nothing is left to chance
        values = env.get_state()
        values["state"][0, ARMS:] = theirs.bandits
        env.set_state(values)
        over, steps = False, 0
        while not over:
            action = int(rng.integers(theirs.num_bandits))
            seen, reward, terminated, truncated, _ = theirs.step(action)
            got, our_reward, our_end, our_cut, _ = env.step(np.int64(action))
            assert (got[0], our_reward, our_end, our_cut) == (seen, reward, terminated, truncated)
            assert got[1:].tolist() == [float(i == action) for i in range(theirs.num_bandits)]
            over, steps = truncated, steps + 1
        assert steps == theirs.max_episode_length
