"""The default for any environment: what it measures, what acts, and that it learns tasks of different kinds."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from lstm_rl.agents import AdvantageLearning
from lstm_rl.agents.averaging import EVERY
from lstm_rl.agents.config import Config
from lstm_rl.agents.defaults import POLE, TMAZE
from lstm_rl.agents.rollouts import play
from lstm_rl.kernels.cells import Cells


def model(env_id: str = "lstm_rl/MemoryChain-v0", seed: int = 0, **settings: Any) -> AdvantageLearning:
    kwargs = settings.pop("env_kwargs", {})
    return AdvantageLearning(
        "LstmPolicy", gym.make(env_id, **kwargs), settings.pop("config", None), seed=seed, **settings
    )


class Alternate(gym.Env[Any, Any]):
    """Two actions, worth 1 when they differ from the last one."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (1,))
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.last, self.t = -1, 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        reward, self.last, self.t = float(action != self.last), action, self.t + 1
        return np.zeros(1, np.float32), reward, False, self.t == 20, {}


def tensors(learnt: AdvantageLearning) -> dict[str, Any]:
    return {name: value.numpy().copy() for name, value in learnt.policy.state_dict().items()}


def test_the_default_goes_by_the_family() -> None:
    assert model().config == Config() and isinstance(getattr(model().policy.model, "topology", None), Cells)
    assert model("lstm_rl/NoisyTMaze-v0").config == TMAZE
    assert model("lstm_rl/MultimodePole-v0").config == POLE
    assert model("lstm_rl/NoisyTMaze-v0", config=Config()).config == Config()


def test_the_last_action_is_an_input_up_to_a_horizon_of_1000() -> None:
    for settings, told in (({}, 2), ({"horizon": 1001}, 0), ({"horizon": 1001, "previous_action": True}, 2)):
        network: Any = model(**settings).policy.model  # type: ignore[arg-type]
        assert network.topology.actions == told


def test_settings_of_the_other_network_are_refused() -> None:
    with pytest.raises(ValueError, match="^hidden must be left alone with network='exact', got 8: it is a setting of"):
        model(hidden=8)
    with pytest.raises(ValueError, match="^trace_units must be left alone with network='lstm', got 4"):
        model(network="lstm", trace_units=4)


@pytest.mark.parametrize("factor", [1024.0, 2.0**-10])
def test_the_unit_of_rewards_changes_nothing(factor: float) -> None:
    """A power of two: not even a rounding."""
    rewards = {"correct_reward": 4.0, "wrong_reward": -0.1, "still_reward": -0.1}
    learnt = []
    for unit in (1.0, factor):
        kwargs = {"corridor_length": 3} | {name: unit * value for name, value in rewards.items()}
        learnt.append(model("lstm_rl/TMaze-v0", config=Config(), env_kwargs=kwargs).learn(5000))
    one, other = map(tensors, learnt)
    assert one.pop("size_returns") * factor == pytest.approx(other.pop("size_returns"), rel=1e-6)
    np.testing.assert_equal(one, other)


def test_sizes_by_hand() -> None:
    """Episodes of MemoryChain are worth 1 or -1 at their end: that is the size of returns, faded or not."""
    learnt = model(env_kwargs={"length": 4}).learn(500)
    assert learnt.policy.sizes().returns[0] == 1.0
    level, highest = learnt.policy.sizes().errors
    assert 0.0 < level <= highest


def test_the_learning_rate_falls_with_the_errors_and_rises_again() -> None:
    learnt = model(env_kwargs={"length": 4}).learn(20_000)
    level, highest = learnt.policy.sizes().errors
    assert level < 0.3 * highest
    before = level
    swapped = model(env_kwargs={"length": 4})
    swapped.policy.load_state_dict(learnt.policy.state_dict())
    swapped.policy.load_from_vector(-learnt.policy.parameters_to_vector())  # what was right is wrong
    swapped.learn(500)
    assert swapped.policy.sizes().errors[0] > 1.5 * before


def test_an_average_acts() -> None:
    learnt = model().learn(20 * EVERY)
    policy, seen = learnt.policy, np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    average, last = policy.acting_weights(), policy.weights()
    assert np.abs(average.hidden - last.hidden).max() > 0.0
    by_average, _ = policy.advantages(seen)
    policy.load_from_vector(policy.parameters_to_vector())  # the same numbers: still what learning left
    np.testing.assert_array_equal(policy.advantages(seen)[0], by_average)
    other = model(averaging=0.0)
    other.policy.hidden_weights.data, other.policy.output_weights.data = (
        policy.hidden_weights.data,
        policy.output_weights.data,
    )
    for name in ("count", "mean", "square"):
        other.policy.get_buffer(f"observation_{name}").copy_(policy.get_buffer(f"observation_{name}"))
    by_last, _ = other.policy.advantages(seen)
    assert np.abs(by_last - by_average).max() > 1e-4


def test_edited_weights_act_at_once_and_go_on_learning() -> None:
    learnt = model().learn(5 * EVERY)
    learnt.policy.load_from_vector(0.0 * learnt.policy.parameters_to_vector())
    assert not learnt.policy.advantages(np.ones((2, 3), np.float32))[0].any()
    learnt.learn(100, reset_num_timesteps=False)
    assert np.abs(learnt.policy.weight_vector()).max() > 0.0


def test_the_average_does_not_depend_on_chunks() -> None:
    one = model(chunk_size=700).learn(5000)
    other = model(chunk_size=4096).learn(3000).learn(2000, reset_num_timesteps=False)
    np.testing.assert_equal(tensors(one), tensors(other))


def test_the_average_by_hand() -> None:
    learnt = model(averaging=1e9).learn(EVERY)
    first = learnt.policy.weight_vector()
    np.testing.assert_allclose(
        tensors(learnt)["average"], first, rtol=0, atol=1e-7
    )  # one part of ten is less than one update
    learnt.learn(19 * EVERY, reset_num_timesteps=False)
    before = tensors(learnt)["average"]
    learnt.learn(EVERY, reset_num_timesteps=False)
    last = learnt.policy.weight_vector()
    np.testing.assert_allclose(tensors(learnt)["average"], before + (last - before) * 10 / 21, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("env_id", "kwargs", "steps", "reached"),
    [
        ("lstm_rl/MemoryChain-v0", {"length": 100}, 100_000, 0.99),
        ("lstm_rl/RepeatPrevious-v0", {"difficulty": "easy"}, 800_000, 0.9),
        ("lstm_rl/PositionOnlyCartPole-v0", {"difficulty": "easy"}, 400_000, 0.9),
    ],
)
def test_one_setting_learns_a_cue_the_last_symbols_and_velocities(
    env_id: str, kwargs: dict[str, Any], steps: int, reached: float
) -> None:
    learnt = model(env_id, seed=1, env_kwargs=kwargs).learn(steps)
    world = learnt.env.get_attr("world")[0]  # type: ignore[union-attr]
    assert play(learnt.policy, world, 50, seed=1).returns.mean() > reached * world.optimal_return


@pytest.mark.parametrize("rule", ["advantage", "actor_critic"])
def test_its_own_last_action_tells_what_the_observation_does_not(rule: str) -> None:
    """One observation, always the same: to alternate between two actions the network must know which was the last."""
    learnt = AdvantageLearning("LstmPolicy", Alternate(), seed=0, rule=rule, cells=4, trace_units=0, readout=4)
    learnt.learn(10_000)
    state, start, actions = None, np.ones(1, np.bool_), list[int]()
    for _ in range(20):
        action, state = learnt.predict(np.zeros(1, np.float32), state, start, deterministic=True)
        actions.append(int(action))
        start[:] = False
    assert all(a != b for a, b in zip(actions, actions[1:], strict=False))
