"""Learning to learn from whole trials: the memory of running means, the rule, and that both learn together."""

import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from lstm_rl.experiments.protocols.trial_ppo import advantages, learn, make_network, objective, play
from lstm_rl.experiments.protocols.trial_run import TrialRun, run
from lstm_rl.experiments.protocols.trial_settings import PpoConfig
from lstm_rl.nn import means
from lstm_rl.nn.means import MeansLayer, RunningMeansPolicy


@pytest.mark.parametrize("last_action", [None, 1])
@pytest.mark.parametrize("layers", [((1, 4),), ((5, 3), (4, 2))])
def test_whole_sequences_agree_with_single_steps(
    layers: tuple[tuple[int, int], ...],
    last_action: int | None,
    monkeypatch: pytest.MonkeyPatch,
    check_single_steps: Any,
) -> None:
    """Three chunks, the last one cut short, against sums step by step: outputs and gradients."""
    monkeypatch.setattr(means, "CHUNK", 3)
    torch.manual_seed(0)
    network, x = RunningMeansPolicy(4, 2, layers, 4, last_action).double(), torch.randn(7, 6, 4, dtype=torch.float64)
    torch.nn.init.normal_(network.out.weight)
    check_single_steps(network, x)


def test_a_layer_counts_what_each_action_brought_in_each_state() -> None:
    """Weights set by hand: inputs are two states, one action and its reward; the table is read at the present state."""
    layer = MeansLayer(4, 4, 2, 1).double()
    assert layer.address is not None
    with torch.no_grad():
        layer.address.weight.copy_(torch.tensor([[50.0, 0, 0, 0], [0, 50.0, 0, 0]]))
        layer.gate_and_value.weight.copy_(torch.tensor([[0, 0, 100.0, 0], [0, 0, 0, 1.0]]))
        layer.gate_and_value.bias.copy_(torch.tensor([-50.0, 0.0]))
    steps = [[1, 0, 0, 0], [0, 1, 1, 3], [1, 0, 1, 5], [0, 1, 1, 7], [1, 0, 0, 9.0]]  # in state 0: 3, then 7; in 1: 5
    x = torch.tensor(steps, dtype=torch.float64)[:, None]
    read = layer(x, x[:, :, None])[:, 0, 0].detach()
    two, three = 1 / math.sqrt(2), 1 / math.sqrt(3)
    expected = np.array([[0, 1], [0, 1], [3 / 2, two], [5 / 2, two], [10 / 3, three]])
    np.testing.assert_allclose(read, expected, atol=1e-12)


def test_actions_that_share_weights_are_interchangeable() -> None:
    """Other names of the actions, and the logits change places; the value stays."""
    torch.manual_seed(0)
    network, x = RunningMeansPolicy(6, 3, ((1, 4), (2, 2)), 4, 2), torch.randn(9, 5, 6)
    torch.nn.init.normal_(network.out.weight)
    y, renamed = network(x), network(x[..., [0, 1, 4, 2, 3, 5]])
    torch.testing.assert_close(renamed, y[..., [2, 0, 1, 3]])
    with pytest.raises(ValueError, match="last_action"):
        RunningMeansPolicy(6, 3, ((1, 4),), 4, 4)


def test_advantages_by_hand() -> None:
    """gamma 1/2, lambda 1/2: errors 1 + 1 - 3 = -1, then 4 - 2 = 2; the first sees a quarter of the second."""
    result = advantages(np.array([[1], [4]], np.float32), np.array([[3], [2]], np.float32), 0.5, 0.5)
    np.testing.assert_array_equal(result, [[-0.5], [2.0]])


def test_objective_by_hand() -> None:
    """Two actions; the first one's probability was 1/2 and is 3/4 now: a ratio of 1.5, cut off at 1.2 if it pays."""
    now = torch.tensor([[[math.log(3.0), 0.0, 2.0]]], requires_grad=True)
    then, action = torch.zeros(1, 1, 3), torch.zeros(1, 1, dtype=torch.int64)
    entropy = -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    for advantage, counted in ((1.0, 1.2), (-1.0, -1.5)):
        value = objective(now, then, action, torch.tensor([[advantage]]), torch.tensor([[5.0]]), 0.2, 0.1)
        assert value.item() == pytest.approx(counted + 0.1 * entropy - 4.5, abs=1e-6)
        (slope,) = torch.autograd.grad(value, now)
        assert slope[0, 0, 2] == pytest.approx(3.0)  # the value's
        assert (abs(slope[0, 0, 0]) > 0.2) == (advantage < 0.0)  # beyond the clip only the entropy pulls


def test_a_bandit_is_learned() -> None:
    """Two arms, ten pulls: the best policy gets 6.022, chance 5; and the same seed learns the same."""
    env = gym.make_vec("lstm_rl/BernoulliBandit-v0", 500, autoreset_mode="Disabled", arms=2, pulls=10)
    rule, told = (
        PpoConfig(((1, 3),), 6, 300_000, last_action=1, trials_per_update=500, reward_shift=0.5, reward_scale=0.5),
        list[int](),
    )
    network = make_network(env, rule, 0)
    assert learn(network, env, rule, 0, told.append) == told[-1] == 300_000
    rollout = play(network, env, 10**6, torch.Generator())
    assert rollout.rewards.sum(0).mean() > 5.75
    rule = PpoConfig(((1, 3),), 6, 10_000, trials_per_update=500)
    short = [make_network(env, rule, 3) for _ in range(2)]
    for each in short:
        learn(each, env, rule, 3, told.append)
    torch.testing.assert_close(*(each.out.weight for each in short), rtol=0, atol=0)


@pytest.mark.parametrize("task", ["BernoulliBandit arms=2 pulls=4", "TabularMDP episodes=2 states=2 horizon=3"])
def test_a_run_of_ours(task: str) -> None:
    """Trains, plays and counts: the inner episodes' returns add up to the trials' return."""
    result = run(TrialRun(task, "ours", 1, tasks=50, max_steps=1), lambda _: None)
    assert sum(result["curve"]) == pytest.approx(result["score"], abs=1e-3)
    assert result["steps"] > 0
    assert result["weights"] < 3000


def test_a_run_of_ours_tests_what_it_has_learned() -> None:
    """Two arms, four pulls, on 2,000 fresh tasks: chance 2, the best policy 2.27; a standard error is .03."""
    result = run(TrialRun("BernoulliBandit arms=2 pulls=4", "ours", 1, tasks=2000, max_steps=40_000), lambda _: None)
    assert result["steps"] == 40_000 and result["score"] > 2.15
    first, last = result["curve"][0], result["curve"][-1]
    assert first == pytest.approx(0.5, abs=0.04) and last > 0.56  # nothing is known of a task before its first pull
