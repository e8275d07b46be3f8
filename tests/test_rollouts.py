"""Compiled play is what `predict` and `step` do one after the other."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from lstm_rl.agents import AdvantageLearning
from lstm_rl.agents.rollouts import play
from lstm_rl.envs.env import WorldEnv
from lstm_rl.envs.multimode_pole import multimode_pole
from lstm_rl.envs.tmaze import noisy_tmaze

WORLDS = {
    "maze": noisy_tmaze(corridor_length=3, max_steps=40),
    "pole": multimode_pole(max_steps=60, start_range=0.02),
}
POLICIES: dict[str, dict[str, Any]] = {
    "LstmPolicy": {},
    "ElmanPolicy": {"hidden": 4},
    "MemoryBitsPolicy": {"normalize_observations": False},
    "GruPolicy": {"cells": 3, "bptt_depth": 5},
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", WORLDS)
def test_greedy_play_is_predict_and_step(name: str, policy: str) -> None:
    world = WORLDS[name]
    model = AdvantageLearning(policy, WorldEnv(world), seed=1, learning_rate=0.01, **POLICIES[policy]).learn(400)
    before = {key: value.clone() for key, value in model.policy.state_dict().items()}
    played = play(model.policy, world, 5, seed=7)
    for episode in range(5):
        env = WorldEnv(world)
        env.np_random = np.random.default_rng([7, episode])
        observation, _ = env.reset()
        state, over, total, length, info = None, False, 0.0, 0, dict[str, Any]()
        while not over:
            action, state = model.predict(observation, state, deterministic=True)
            observation, reward, terminated, truncated, info = env.step(np.int64(action))
            over, total, length = terminated or truncated, total + float(reward), length + 1
        assert length == played.lengths[episode] and total == pytest.approx(played.returns[episode])
        assert bool(info["is_success"]) == played.successes[episode]
        np.testing.assert_array_equal(env.get_state()["state"][0], played.states[episode])
    assert all((before[key] == value).all() for key, value in model.policy.state_dict().items())
    assert len(set(played.lengths)) > 1 or name == "maze"


def test_exploring_play_differs_and_more_episodes_change_none() -> None:
    model = AdvantageLearning("LstmPolicy", gym.make("lstm_rl/TMaze-v0", corridor_length=3), seed=1, epsilon=0.9)
    greedy, exploring = (play(model.policy, WORLDS["maze"], 20, 3, greedy) for greedy in (True, False))
    assert not np.array_equal(greedy.lengths, exploring.lengths)
    np.testing.assert_array_equal(play(model.policy, WORLDS["maze"], 5, 3).states, greedy.states[:5])
    with pytest.raises(ValueError, match="^episodes must be an integer >= 1, got 0"):
        play(model.policy, WORLDS["maze"], 0, 0)
