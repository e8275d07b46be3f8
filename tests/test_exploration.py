"""Exploration as compiled code: frequencies, durations, the directed explorer; and the error that drives it."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lstm_rl.agents.advantage_lambda import td_error
from lstm_rl.agents.config import Config
from lstm_rl.agents.exploration import (
    Epsilon,
    Exploration,
    Explorer,
    EzGreedy,
    choose,
    estimate,
    exploration_level,
    make_exploration,
    make_explorer,
    predict_error,
    regress_error,
)
from lstm_rl.compiled import compiled
from lstm_rl.rng import uniform

DRAWS = 100_000


@compiled
def _uniforms(generator: Any, i: int, values: Any) -> None:
    for t in range(values.shape[0]):
        values[t] = uniform(generator, i)


@compiled
def _choices(exploration: Exploration, explorer: Explorer, i: int, advantages: Any, actions: Any, left: Any) -> None:
    for t in range(actions.shape[0]):
        actions[t] = choose(exploration, explorer, i, advantages)
        left[t] = explorer.repeated[i, 1]


@compiled
def _follow(exploration: Exploration, explorer: Explorer, i: int, x: Any, error: float) -> float:
    predict_error(exploration, explorer, i, x)
    regress_error(exploration, explorer, i, x, error, True)
    return estimate(explorer, x, explorer.scratch)


@compiled
def _level(exploration: Exploration, explorer: Explorer, i: int) -> float:
    return exploration_level(exploration, explorer, i)  # type: ignore[no-any-return]


@compiled
def _error(reward: float, discount: float, value: float, next_value: float, chosen: float, kappa: float) -> float:
    return td_error(reward, discount, value, next_value, chosen, kappa)


def explorer(n: int = 2, units: int = 5, inputs: int = 3) -> Explorer:
    rng = np.random.default_rng(0)
    return make_explorer(rng.normal(size=(units, inputs + 1)), rng.normal(size=units + 1), n, rng)


def choices(advantages: Any, draws: int = DRAWS, horizon: int = 100, **settings: Any) -> tuple[NDArray[Any], ...]:
    """Actions, and after each how many steps it still lasts."""
    actions, left = np.zeros(draws, np.int64), np.zeros(draws, np.int64)
    _choices(make_exploration(Config(**settings), horizon), explorer(), 1, np.array(advantages), actions, left)
    return actions, left


def assert_frequencies(actions: NDArray[Any], expected: Any) -> None:
    counts, expected = np.bincount(actions, minlength=len(expected)), np.asarray(expected)
    spread = np.sqrt(len(actions) * expected * (1 - expected))
    assert np.all(np.abs(counts - len(actions) * expected) <= 4 * spread)


def test_the_generator_is_splitmix64() -> None:
    reference = [  # of the seed 1234567, as published with the C code
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    generator, values = np.array([0, 1234567], np.uint64), np.zeros(5)
    _uniforms(generator, 1, values)
    assert values.tolist() == [(number >> 11) / 2**53 for number in reference]
    assert generator[0] == 0  # the other stream's


def test_uniform_numbers_are_uniform() -> None:
    values = np.zeros(DRAWS)
    _uniforms(np.array([7], np.uint64), 0, values)
    assert 0 <= values.min() < values.max() < 1
    assert_frequencies((values * 10).astype(np.int64), np.full(10, 0.1))
    assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 4 / np.sqrt(DRAWS)


@pytest.mark.parametrize("epsilon", [0.0, 0.05, 1.0])
def test_epsilon_is_the_share_of_random_actions(epsilon: float) -> None:
    actions, left = choices([0.1, 0.3, 0.3, -1.0], exploration="epsilon", epsilon=epsilon)
    expected = np.full(4, epsilon / 4)
    expected[1] += 1 - epsilon  # the first of the largest
    assert_frequencies(actions, expected)
    assert not left.any()


@pytest.mark.parametrize(("horizon", "epsilon"), [(10, 0.1), (20, 0.1), (100, 0.02), (1000, 0.002)])
def test_epsilon_follows_from_the_horizon(horizon: int, epsilon: float) -> None:
    for given, used in ((None, epsilon), (0.5, 0.5)):
        for kind in ("epsilon", "ez_greedy"):
            setting = make_exploration(Config(exploration=kind, epsilon=given), horizon)
            assert isinstance(setting, (Epsilon, EzGreedy)) and setting.epsilon == used


@pytest.mark.parametrize("horizons, horizon, steps", [(0.1, 1, 1.0), (0.5, 3, 1.5), (2.0, 50, 100.0)])
def test_a_random_action_lasts_for_some_horizons_but_always_a_step(horizons: float, horizon: int, steps: float) -> None:
    setting = make_exploration(Config(exploration="ez_greedy", repeat_horizons=horizons), horizon)
    assert isinstance(setting, EzGreedy) and setting.max_repeat == steps


@pytest.mark.parametrize("mu", [1.5, 2.0, 3.0])
def test_random_actions_last_as_long_as_the_power_law_says(mu: float) -> None:
    actions, left = choices(
        np.arange(50.0), exploration="ez_greedy", epsilon=1.0, duration_exponent=mu, repeat_horizons=1.0, horizon=200
    )
    begins = np.flatnonzero(np.append(True, left[:-1] == 0))[:-1]
    durations = left[begins] + 1
    assert np.array_equal(np.diff(begins), durations[:-1])
    for begin, duration in zip(begins[:300], durations[:300], strict=True):
        assert len(set(actions[begin : begin + duration])) == 1
    n = len(durations)
    for k in (1, 2, 3, 5, 10, 50, 200):
        expected = k ** (1 - mu)
        assert np.mean(durations >= k) == pytest.approx(
            expected, abs=4 * np.sqrt(expected * (1 - expected) / n) + 1e-12
        )
    assert durations.max() <= 200
    uniform_share = 1 / 50
    assert np.mean(actions[begins] == 49) == pytest.approx(uniform_share, abs=4 * np.sqrt(uniform_share / n))


def test_greedy_steps_lie_between_lasting_actions() -> None:
    actions, left = choices([0.0, 0.0, 1.0], exploration="ez_greedy", epsilon=0.1, repeat_horizons=0.05, horizon=100)
    begins = np.append(True, left[:-1] == 0)
    assert left.max() == 4  # 5 steps at most
    assert_frequencies(actions[begins], [0.1 / 3, 0.1 / 3, 1 - 0.2 / 3])


@pytest.mark.parametrize("t", [0.1, 1.0, 50.0])
def test_boltzmann_is_softmax(t: float) -> None:
    advantages = np.array([1.0, 1.2, -0.5, 1.1])
    weights = np.exp(advantages / t)
    assert_frequencies(choices(advantages, exploration="boltzmann", temperature=t)[0], weights / weights.sum())


def test_boltzmann_does_not_overflow() -> None:
    actions, _ = choices([-1e300, 1e300, 1e300, 0.0], exploration="boltzmann", temperature=1e-3)
    assert_frequencies(actions, [0.0, 0.5, 0.5, 0.0])


def test_directed_temperature_is_the_scaled_estimate_but_never_too_low() -> None:
    setting = make_exploration(Config(exploration="directed", temperature=0.2, temperature_scale=0.5), 100)
    state = explorer()
    state.y_v[:] = [10.0, -3.0]
    assert (_level(setting, state, 0), _level(setting, state, 1)) == (5.0, 0.2)
    weights = np.exp(np.array([1.0, 3.0]) / 5.0)
    actions, left = np.zeros(DRAWS, np.int64), np.zeros(DRAWS, np.int64)
    _choices(setting, state, 0, np.array([1.0, 3.0]), actions, left)
    assert_frequencies(actions, weights / weights.sum())


def test_the_explorers_backpropagation_is_gradient_descent() -> None:
    state, rng = explorer(), np.random.default_rng(5)
    hidden, output = (torch.tensor(w.copy(), requires_grad=True) for w in (state.hidden, state.output))
    setting = make_exploration(Config(exploration="directed", explorer_learning_rate=0.05), 100)
    for error in (3.0, -1.0, 20.0, 0.5):
        x, target = rng.normal(size=3), abs(error)
        y_v = output[:-1] @ torch.sigmoid(hidden[:, :-1] @ torch.tensor(x) + hidden[:, -1]) + output[-1]
        gradients = torch.autograd.grad(0.5 * (target - y_v) ** 2, [hidden, output])
        with torch.no_grad():
            hidden -= 0.05 * gradients[0]
            output -= 0.05 * gradients[1]
        after = _follow(setting, state, 1, x, error)
        assert state.y_v[1] == pytest.approx(float(y_v.detach()), abs=1e-12) and state.y_v[0] == 0.0
        assert abs(target - after) < abs(target - state.y_v[1])
        np.testing.assert_allclose(state.hidden, hidden.detach(), rtol=0, atol=1e-12)
        np.testing.assert_allclose(state.output, output.detach(), rtol=0, atol=1e-12)


def fixed_point(reward: float, discount: float, value: float, next_value: float) -> float:
    """The Advantage at which the error vanishes: the error at A = 0."""
    return _error(reward, discount, value, next_value, 0.0, 0.1)


def test_junction_values_are_those_of_the_specification() -> None:
    assert fixed_point(4.0, 0.0, 4.0, 99.0) == pytest.approx(4.0, abs=1e-12)
    assert fixed_point(-0.1, 0.0, 4.0, 99.0) == pytest.approx(-37.0, abs=1e-12)
    assert fixed_point(-0.1, 0.98, 4.0, 4.0) == pytest.approx(2.2, abs=1e-12)
    assert fixed_point(0.0, 0.98, 4.0, 0.98 * 4.0) == pytest.approx(2.416, abs=1e-12)
    for reward, error in ((4.0, 20.5), (-0.1, -20.5)):  # before the cue is used
        assert _error(reward, 0.0, 1.95, 99.0, 1.95, 0.1) == pytest.approx(error, abs=1e-12)


def test_corridor_and_pole_values_are_those_of_the_specification() -> None:
    value = 0.98 * 1.7
    east, still, west = (fixed_point(r, 0.98, value, v) for r, v in ((0.0, 1.7), (-0.1, value), (0.0, 0.98 * value)))
    assert east == pytest.approx(value, abs=1e-12)
    assert east - still == pytest.approx(1 + 0.2 * value, abs=1e-12)
    assert east - west == pytest.approx(0.396 * value, abs=1e-12)
    assert _error(-1.0, 0.0, 0.0, 99.0, 0.0, 0.2) == -5.0


def test_kappa_1_is_q_lambda() -> None:
    assert _error(0.5, 0.9, 2.0, 3.0, 1.25, 1.0) == pytest.approx(0.5 + 0.9 * 3.0 - 1.25, abs=1e-12)
