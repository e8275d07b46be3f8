"""A network that counts what actions brought and plans with it."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch.nn.utils import parameters_to_vector

from lstm_rl.envs import tabular_mdp
from lstm_rl.experiments.protocols import mdp_players
from lstm_rl.experiments.protocols.trial_pgpe import RowsOfWeights, direction, learn, make_network
from lstm_rl.experiments.protocols.trial_ppo import play
from lstm_rl.experiments.protocols.trial_run import TrialRun, run
from lstm_rl.experiments.protocols.trial_settings import PgpeConfig
from lstm_rl.nn.planning import PlanningPolicy

STATES, ACTIONS, HORIZON = 3, 2, 4


def observations(steps: int, rng: np.random.Generator) -> torch.Tensor:
    """(T, 5, I) of episodes of `HORIZON` steps, float64: what a random player sees."""
    x = np.zeros((steps, 5, STATES + ACTIONS + 2))
    for t in range(steps):
        state = rng.integers(STATES, size=5) if t % HORIZON else np.zeros(5, np.int64)
        x[t, np.arange(5), state] = 1.0
        x[t, :, -1] = t % HORIZON == 0
        if t > 0:
            x[t, np.arange(5), STATES + rng.integers(ACTIONS, size=5)] = 1.0
            x[t, :, -2] = rng.normal(1.0, 1.0, 5)
    return torch.from_numpy(x)


def test_whole_sequences_agree_with_single_steps(check_single_steps: Any) -> None:
    """Outputs and gradients of three episodes."""
    torch.manual_seed(0)
    network, x = PlanningPolicy(STATES, ACTIONS, HORIZON, 6).double(), observations(11, np.random.default_rng(0))
    torch.nn.init.normal_(network.out.weight)
    check_single_steps(network, x)


def test_with_the_priors_of_the_task_it_plans_as_bayes_does() -> None:
    """Weights by hand (r_0 = w = 1, p = S, beta = 0, kappa = 1): logits are what dynamic programming finds."""
    network, x = PlanningPolicy(STATES, ACTIONS, HORIZON, 2).double(), observations(11, np.random.default_rng(1))
    with torch.no_grad():
        network.prior.copy_(torch.tensor([1.0, 0.0, np.log(STATES)]))
        network.out.weight.zero_()
        network.out.bias.zero_()
        y = network(x).numpy()
    counts, sums, pulls = (np.ones((5, *shape)) for shape in ((STATES, ACTIONS, STATES), *[(STATES, ACTIONS)] * 2))
    rows, seen, before = np.arange(5), x.numpy(), np.zeros(5, np.int64)
    for t in range(len(x)):
        now = seen[t, :, :STATES].argmax(1)
        if t > 0:
            action = seen[t, :, STATES:-2].argmax(1)
            pulls[rows, before, action] += 1.0
            sums[rows, before, action] += seen[t, :, -2]
            if t % HORIZON:
                counts[rows, before, action, now] += 1.0
        before = now
        left, value = HORIZON - t % HORIZON, np.zeros((5, STATES))
        for _ in range(left):
            q = sums / pulls + np.einsum("bsaz,bz->bsa", counts / counts.sum(3, keepdims=True), value)
            value = q.max(2)
        np.testing.assert_allclose(y[t, :, :ACTIONS], q[rows, now], rtol=1e-10)
        chosen = mdp_players.plan(sums / pulls, counts / counts.sum(3, keepdims=True), left)[rows, 0, now]
        np.testing.assert_array_equal(y[t, :, :ACTIONS].argmax(1), chosen)


def test_what_is_seldom_tried_is_worth_more_with_beta() -> None:
    """Action 1 was never taken in state 0, action 0 once for a reward of 1: both look the same but for beta."""
    network = PlanningPolicy(2, 2, 1, 2).double()
    x = torch.tensor([[1, 0, 0, 0, 0, 1], [1, 0, 1, 0, 1, 1]], dtype=torch.float64)[:, None]
    with torch.no_grad():
        network.prior.copy_(torch.tensor([1.0, 0.0, 0.0]))
        network.out.weight.zero_()
        network.out.bias.copy_(torch.tensor([0.5, 0.0, 0.0, 0.0, 0.0]))
        first, second = network(x)[:, 0, :2].numpy()
    np.testing.assert_allclose(first, [1.5, 1.5])
    np.testing.assert_allclose(second, [1.0 + 0.5 / np.sqrt(2.0), 1.5])


def small_env(rows: int) -> Any:
    """Three states, two actions, six episodes of four steps: chance gets 24."""
    kwargs: dict[str, Any] = {"states": STATES, "actions": ACTIONS, "horizon": HORIZON, "episodes": 6}
    return gym.make_vec("lstm_rl/TabularMDP-v0", rows, autoreset_mode="Disabled", **kwargs)


def test_rows_of_weights_are_so_many_networks() -> None:
    """Two steps of four networks at once and one by one."""
    networks = [PlanningPolicy(STATES, ACTIONS, HORIZON, 3).double() for _ in range(4)]
    vectors = torch.stack([parameters_to_vector(each.parameters()).detach() for each in networks])
    rows, x = RowsOfWeights(networks[0], vectors), observations(2, np.random.default_rng(0))[:, :4]
    state: Any = rows.initial_state(4)
    single = [each.initial_state(1) for each in networks]
    for now in x:
        out, state = rows.step(now, state)
        for i, each in enumerate(networks):
            expected, single[i] = each.step(now[i : i + 1], single[i])
            torch.testing.assert_close(out[i : i + 1], expected)


def test_direction_points_where_returns_are_larger() -> None:
    """Two directions in three weights, by hand: d = 3 and -4 have a root mean square of sqrt(12.5)."""
    directions = torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 1.0]])
    found = direction(directions, torch.tensor([3.0, -4.0]))
    torch.testing.assert_close(found, torch.tensor([3.0, -4.0, 2.0]) / 2 / 12.5**0.5)
    assert not direction(directions, torch.zeros(2)).any()  # all trials the same: nowhere to go


def test_small_processes_are_learned() -> None:
    """Returns rise; both of a pair have the same tasks to the last round; and the same seed learns the same."""
    env, rule = small_env(100), PgpeConfig(6, 60_000, 50, learning_rate=0.2)
    network, untrained = (make_network(env, rule, 0) for _ in range(2))
    assert learn(network, env, rule, 0, lambda _: None) == 60_000
    means, moves = tabular_mdp.tables(env.unwrapped.world, env.unwrapped.state)
    np.testing.assert_array_equal(means[:50], means[50:])
    np.testing.assert_array_equal(moves[:50], moves[50:])
    assert len(np.unique(means[:, 0, 0])) == 50
    before, after = (
        play(each, small_env(500), 10**6, torch.Generator()).rewards.sum(0).mean() for each in (untrained, network)
    )
    assert before > 29.0 and after > before + 1.0  # standard error .33
    short = PgpeConfig(6, 5_000, 50)
    again, same = (make_network(env, short, 3) for _ in range(2))
    for each in (again, same):
        learn(each, env, short, 3, lambda _: None)
    torch.testing.assert_close(again.out.weight, same.out.weight, rtol=0, atol=0)


def test_a_run_of_a_network_that_plans() -> None:
    """Trains, plays and counts; a round of 200 trials of 6 steps is the least."""
    result = run(TrialRun("TabularMDP episodes=2 states=2 horizon=3", "planning", 1, 50, 1), lambda _: None)
    assert sum(result["curve"]) == pytest.approx(result["score"], abs=1e-3)
    assert result["steps"] == 1200 and result["weights"] == 136


@pytest.mark.parametrize("argument", ["states", "actions", "sweeps", "hidden"])
def test_numbers_out_of_range_are_refused(argument: str) -> None:
    """In one sentence that names the argument."""
    with pytest.raises(ValueError, match=argument):
        PlanningPolicy(**({"states": 2, "actions": 2, "sweeps": 1, "hidden": 1} | {argument: 0}))


@pytest.mark.parametrize("name", ["hidden", "steps", "pairs", "sigma", "learning_rate"])
def test_numbers_of_the_learner_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        PgpeConfig(**({"hidden": 1, "steps": 1, "pairs": 1} | {name: 0}))
