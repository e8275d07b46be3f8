"""Replay learners that play with averaged weights, and whose learning rate falls."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lstm_rl.agents.recurrent_dqn import RecurrentDQN
from lstm_rl.agents.recurrent_replay import RecurrentReplay
from lstm_rl.agents.recurrent_td3 import RecurrentTD3
from lstm_rl.make import make_rows

TINY: dict[str, Any] = {
    "policy_kwargs": {"units": 4, "embedding": 4, "features": 4, "averaging": 4},
    "burn_in": 0,
    "sequence_length": 6,
    "buffer_size": 600,
    "batch_size": 4,
    "learning_starts": 20,
    "seed": 0,
}


def dqn(**settings: Any) -> RecurrentDQN:
    return RecurrentDQN("LstmPolicy", make_rows("lstm_rl/TMaze-v0", {"corridor_length": 3}, 2), **TINY | settings)


def td3(**settings: Any) -> RecurrentTD3:
    return RecurrentTD3("LstmPolicy", make_rows("lstm_rl/FlipFlop-v0", {"max_steps": 20}, 2), **TINY | settings)


def weights(module: Any) -> NDArray[Any]:
    return np.concatenate([p.detach().numpy().ravel() for p in module.parameters()])


def test_average_follows_the_weights_of_each_update() -> None:
    model = dqn().learn(60)
    policy = model.policy
    expected = weights(policy.average)
    for _ in range(3):
        model.train(1, 4)
        expected = expected + (weights(policy.net) - expected) / 4.0
    np.testing.assert_allclose(weights(policy.average), expected, rtol=1e-5, atol=1e-7)
    assert np.abs(expected - weights(policy.net)).max() > 1e-5


@pytest.mark.parametrize("make", [dqn, td3])
def test_average_begins_with_the_first_update(make: Callable[..., RecurrentReplay]) -> None:
    """Until there are as many updates as it averages over, each counts alike, and the initial weights do not count."""
    model = make(policy_kwargs=TINY["policy_kwargs"] | {"averaging": 300}, learning_starts=10**6).learn(60)
    policy, after = model.policy, []
    for _ in range(5):
        model.train(1, 4)
        after.append(weights(policy.net))
    np.testing.assert_allclose(weights(policy.average), np.mean(after, axis=0), rtol=1e-5, atol=1e-7)
    assert np.abs(after[-1] - after[0]).max() > 1e-3


def test_average_of_an_older_model_goes_on_as_it_was() -> None:
    """Saved without a number of updates, it is not begun anew."""
    old, policy = dqn().policy.state_dict(), dqn().policy
    del old["updates"]
    old["net.head.values.bias"] += 1.0
    policy.load_state_dict(old)
    before = weights(policy.average)
    policy.update_average()
    assert np.abs(weights(policy.average) - before).max() == pytest.approx(1.0 / 4.0)


def test_predict_plays_with_the_average_and_training_does_not(tmp_path: Path) -> None:
    model = dqn()
    assert model.policy.averaging == 4
    observation = np.zeros((2, 3), np.float32)
    nets: Any = model.policy.net
    average: Any = model.policy.average
    with torch.no_grad():  # the average alone prefers action 2
        average["head"].values.bias[:] = torch.tensor([0.0, 0.0, 100.0, 0.0])
        nets["head"].values.bias[:] = torch.tensor([0.0, 100.0, 0.0, 0.0])
    assert model.predict(observation, deterministic=True)[0].tolist() == [2, 2]
    outputs, _ = model.policy.step(observation, model.policy.initial_state(2), np.ones(2, np.bool_))
    assert outputs.argmax(axis=1).tolist() == [1, 1]
    model.save(tmp_path / "model")
    assert RecurrentDQN.load(tmp_path / "model").predict(observation, deterministic=True)[0].tolist() == [2, 2]


def test_learning_rate_falls_to_a_twentieth() -> None:
    model = dqn(schedule="linear", learning_rate=1e-2)
    assert model.lr_schedule(1.0) == pytest.approx(1e-2)
    assert model.lr_schedule(0.5) == pytest.approx(5.25e-3)
    model.learn(80)
    assert model.policy.optimizer.param_groups[0]["lr"] == pytest.approx(5e-4)
    with pytest.raises(ValueError, match="schedule must be"):
        dqn(schedule="cosine")
