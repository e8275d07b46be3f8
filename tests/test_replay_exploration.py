"""Exploration of replay learners: counts of observations and returns, exploring starts, random actions that last."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor

from lstm_rl.agents.differing_returns import DifferingReturns
from lstm_rl.agents.exploring_starts import ExploringStarts
from lstm_rl.agents.observation_counts import NONE, ObservationCounts
from lstm_rl.agents.recurrent_dqn import RecurrentDQN
from lstm_rl.agents.recurrent_td3 import RecurrentTD3
from lstm_rl.agents.repeated_actions import RepeatedActions
from lstm_rl.agents.replay_config import DqnConfig
from lstm_rl.make import make_rows

TINY: dict[str, Any] = {
    "policy_kwargs": {"units": 6, "embedding": 6, "features": 6},
    "burn_in": 2,
    "sequence_length": 8,
    "period": 3,
    "n_steps": 2,
    "buffer_size": 600,
    "batch_size": 4,
    "learning_starts": 24,
    "train_freq": 2,
    "seed": 0,
}
ALL: dict[str, Any] = {
    "novelty_bonus": 0.5,
    "novelty_bits": 6,
    "exploration_visits": 3.0,
    "exploring_starts": 0.5,
    "duration_exponent": 2.0,
    "exploration_returns": 2,
}


class Sevens(gym.Env[Any, Any]):
    """Episodes of 7 steps, ended or cut off by turns, with random observations; each step pays 1."""

    observation_space, action_space = Box(-1.0, 1.0, (3,), np.float32), Discrete(3)
    steps = episodes = 0

    def _see(self) -> Any:
        return self.np_random.uniform(-1.0, 1.0, 3).astype(np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return self._see(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        over = self.steps == 7
        self.episodes += over
        cut = self.episodes % 2 == 0
        return self._see(), 1.0, over and not cut, over and cut, {}


def sevens() -> VecEnv:
    return VecMonitor(DummyVecEnv([Sevens] * 2))


def maze(n: int = 2) -> VecEnv:
    return make_rows("lstm_rl/NoisyTMaze-v0", {"corridor_length": 3}, n)


def weights(model: Any) -> Any:
    return np.concatenate([p.detach().numpy().ravel() for p in model.policy.parameters()])


def counts_of(model: Any) -> ObservationCounts:
    counts = model.exploration.counts
    assert isinstance(counts, ObservationCounts)
    return counts


def dqn(env: Any = None, **settings: Any) -> RecurrentDQN:
    model = RecurrentDQN("LstmPolicy", env or maze(), **TINY | ALL | settings)
    model.exploration_schedule = lambda _: 0.2  # type: ignore[assignment]  # whatever the length of a call
    return model


def test_first_visits_of_an_episode_pay_by_all_visits() -> None:
    counts = ObservationCounts(2, 62, np.random.default_rng(0))
    counts.reset(2)
    a, b, c = np.array([[0.0, 0.0]]), np.array([[0.0, 1.0]]), np.array([[0.0, -1.0]])
    counts.begin(np.array([0, 1]), np.concatenate([a, a]))
    assert counts.see(np.concatenate([a, b])).tolist() == [NONE, 1]
    assert counts.see(np.concatenate([b, b])).tolist() == [1, NONE]  # another episode's visits do not make it old
    assert counts.see(np.concatenate([c, a])).tolist() == [2, NONE]
    counts.begin(np.array([0]), b)
    assert counts.see(np.concatenate([a, c])).tolist() == [0, 2]
    assert len(counts) == 3 and counts.visits[:3].tolist() == [5, 4, 2]
    assert counts.here.tolist() == [5, 2]
    paid = counts.bonus(np.array([[0, 1], [NONE, 2]], np.int32), 2.0)
    assert paid.ravel().tolist() == pytest.approx([2 / 5**0.5, 1.0, 0.0, 2**0.5])


def test_codes_tell_apart_by_angle() -> None:
    """The share of equal bits is 1 - angle / pi (Charikar 2002), in the space with one more input that is 1."""
    rng = np.random.default_rng(1)
    counts = ObservationCounts(1, 62, rng)
    assert counts.count(np.array([[1.0], [3.0]])).tolist() == [0, 1]  # without the 1 all signs would agree
    (first, second), _ = zip(*counts.numbers.items(), strict=True)
    counts.count(np.array([[0.0]]))
    third = list(counts.numbers)[-1]
    alike = [62 - (code ^ third).bit_count() for code in (first, second)]  # at pi / 4 and 1.25 from it
    assert alike[0] > alike[1] and 62 * 0.55 < alike[0] < 62 * 0.95


def test_more_codes_than_there_was_room_for() -> None:
    counts = ObservationCounts(3, 40, np.random.default_rng(2))
    counts.reset(300)
    x = np.random.default_rng(3).normal(size=(300, 3))
    counts.begin(np.arange(300), x)
    assert counts.visits.sum() == 300 and len(counts) > 64


def test_durations_follow_the_zeta_law() -> None:
    rng, n = np.random.default_rng(0), 20_000
    acting = RepeatedActions(n, 2.0)
    best = np.full(n, -5)
    first = acting.choose(best, 1.0, 3, rng)
    assert set(np.unique(first)) == {0, 1, 2}
    lasted = np.ones(n)
    going = np.ones(n, bool)
    for _ in range(3):
        now = acting.choose(best, 0.0, 3, rng)
        going &= now == first
        assert (now[~going] == -5).all()
        lasted += going
    zeta = np.pi**2 / 6
    for d in (1, 2, 3):
        assert np.mean(lasted == d) == pytest.approx(d**-2 / zeta, abs=0.01)
    acting.begin(np.arange(n), rng)
    assert (acting.choose(best, 0.0, 3, rng) == -5).all()


@pytest.mark.parametrize("epsilon", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("steps", [3, 60])
def test_means_of_episodes_leave_the_share_of_random_steps(epsilon: float, steps: int) -> None:
    """From the first step of an episode on, whatever its length."""
    rng, n = np.random.default_rng(0), 20_000
    acting = RepeatedActions(n, max_mean=16.0)
    acting.begin(np.arange(n), rng)
    logarithms = np.log2(acting.mean)  # uniform on [0, 4]
    assert logarithms.mean() == pytest.approx(2.0, abs=0.05) and logarithms.std() == pytest.approx(
        4 / 12**0.5, abs=0.05
    )
    acts = np.stack([acting.choose(np.full(n, -5), epsilon, 50, rng) for _ in range(steps)])  # (steps, n)
    long = acting.mean > 12.0
    assert np.mean(acts != -5) == pytest.approx(epsilon, abs=0.02)
    assert np.mean(acts[:, long] != -5) == pytest.approx(epsilon, abs=0.02)


def test_durations_have_the_mean_of_their_episode() -> None:
    rng, n = np.random.default_rng(0), 20_000
    acting = RepeatedActions(n, max_mean=16.0)
    acting.begin(np.arange(n), rng)
    acting.choose(np.zeros(n), 1.0, 3, rng)
    assert np.mean((acting.left + 1) / acting.mean) == pytest.approx(1.0, abs=0.03)
    acting.begin(np.arange(n), rng, single=True)
    assert (acting.mean == 1.0).all() and (acting.left == 0).all()


@pytest.mark.parametrize("unit", [1.0, 1e-9, 1e9])
def test_returns_that_differ(unit: float) -> None:
    """Discounted, to six digits, in any unit."""
    returns = DifferingReturns(2, 0.5)
    returns.reset(2)

    def play(*episodes: tuple[float, ...]) -> bool:
        """In the first environment, while the second goes on; whether epsilon is held."""
        for rewards in episodes:
            for t, reward in enumerate(rewards):
                returns.add(unit * np.array([reward, 1.0]), np.array([t == len(rewards) - 1, False]))
        return returns.hold

    assert not returns.hold and not play((0.0, 1.0))  # one episode may differ from all to come
    assert play((0.0, 1.0 + 1e-9))
    assert play((1.0,))  # as much, but sooner
    assert play((0.5,))
    counted, episodes = zip(*returns.episodes.most_common(), strict=True)
    assert counted == pytest.approx((0.5 * unit, unit)) and episodes == (3, 1)
    assert not play((-1.0, 3.0, 3.0))  # the second other one
    assert returns.differ


class Payday(Sevens):
    """The same, but paid 1 at the end of an episode alone, and nothing in those of the class's list."""

    unpaid: set[int] = set()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        number = self.episodes
        x, _, ended, cut, info = super().step(action)
        return x, float((ended or cut) and number not in self.unpaid), ended, cut, info


class Rates(BaseCallback):
    """Epsilon, actions and starts of all steps of a model."""

    def _on_training_start(self) -> None:
        self.rates, self.actions = list[float](), list[Any]()

    def _on_step(self) -> bool:
        self.rates.append(self.model.exploration_rate)  # type: ignore[attr-defined]
        self.actions.append(self.locals["chosen"].copy())
        return True


def payday(unpaid: set[int], **settings: Any) -> tuple[RecurrentDQN, Rates]:
    env = type("Some", (Payday,), {"unpaid": unpaid})
    model = RecurrentDQN(
        "LstmPolicy", VecMonitor(DummyVecEnv([env] * 2)), **TINY | {"exploration_returns": 2} | settings
    )
    return model, Rates()


@pytest.mark.parametrize("fraction", [0.5, 0.0])
def test_epsilon_falls_when_returns_differ(fraction: float) -> None:
    """The fifth episodes, steps 29 to 35 of each of two environments, are the first that return something else."""
    model, seen = payday({4}, exploration_fraction=fraction)
    model.learn(200, seen)
    falling = [float(model.exploration_schedule(1.0 - t / 200)) for t in range(2, 202, 2)]
    assert seen.rates[:6] == falling[:6]  # no episode has ended
    assert seen.rates[6:34] == [1.0] * 28
    np.testing.assert_allclose(seen.rates[34:], falling[: 100 - 34])
    model.learn(20, seen)  # another training: two equal episodes per environment after 7 and 14 steps
    assert seen.rates[-4:] == [1.0] * 4


def test_epsilon_is_held_over_a_break(tmp_path: Path) -> None:
    """A training that is broken off while epsilon is held, or later, goes on as one that was not."""

    class Stop(BaseCallback):
        def _on_step(self) -> bool:
            return self.num_timesteps < 60

    whole, seen = payday({2})
    whole.learn(120, seen)
    first, rest = payday({2})
    first.learn(120, Stop())
    first.save(tmp_path / "model")
    saved = RecurrentDQN.load(tmp_path / "model").exploration
    first.learn(60, rest, reset_num_timesteps=False)
    for aids in (saved, first.exploration):
        assert aids is not None and aids.returns is not None
        assert aids.held_until == 40 and aids.returns.differ
    np.testing.assert_allclose(rest.rates, seen.rates[30:])


def test_random_actions_last_until_returns_differ() -> None:
    """Also before learning starts; with M large an episode of seven steps rarely has more than one random action."""
    model, seen = payday({10}, exploration_duration=10_000.0, learning_starts=28, exploration_fraction=0.0)
    model.config = replace(model.config, exploration_final_eps=1.0)
    model._setup_model()
    model.learn(400, seen)
    episodes = np.stack(seen.actions)[: 28 * 7].reshape(28, 7, 2)
    alike = (episodes == episodes[:, :1]).all(axis=1).mean(axis=1)  # (28,) of both environments
    assert alike[:2].mean() > 0.4 and alike[2:11].mean() > 0.4 and alike[11:].mean() < 0.1


def test_an_exploring_start_is_one_action() -> None:
    starts, rng = ExploringStarts(1000, 0.25), np.random.default_rng(0)
    starts.begin(np.arange(800), rng)
    epsilon = starts.raised(np.full(1000, 0.1))
    assert (epsilon[800:] == 0.1).all() and np.mean(epsilon[:800] == 1.0) == pytest.approx(0.25, abs=0.05)
    assert (starts.raised(np.full(1000, 0.1)) == 0.1).all()


def test_epsilon_is_high_where_little_has_been_seen() -> None:
    model = dqn(maze(3), novelty_bits=32, duration_exponent=None, exploring_starts=0.0).learn(60)
    counts_of(model).here = np.array([0, 9, 10**9])
    assert model.exploration is not None
    np.testing.assert_allclose(model.exploration.raised(model._exploration_rates()), [1.0, 0.25, 0.2])


def test_the_bonus_is_learned_from_but_not_reported() -> None:
    """Each step pays 1: so say returns, callbacks and the buffer, while targets hold what is new besides."""

    class Rewards(BaseCallback):
        seen: list[float] = []

        def _on_step(self) -> bool:
            self.seen.extend(self.locals["rewards"])
            return True

    model = dqn(sevens()).learn(100, Rewards())
    assert set(Rewards.seen) == {1.0}
    assert {episode["r"] for episode in model.ep_info_buffer} == {7.0}  # type: ignore[union-attr]
    assert model.exploration is not None and model._rng is not None
    drawn = model.replay_buffer.sample(8, model._rng)
    assert drawn is not None and set(drawn.reward[drawn.valid].tolist()) == {1.0}
    batch = model._unrolled(drawn)
    found = model.replay_buffer.found(drawn)[2:]  # behind the burn-in
    extra = (found != NONE) * 0.5 / np.sqrt(np.maximum(counts_of(model).visits[found], 1))
    np.testing.assert_allclose(batch.reward.numpy(), drawn.reward[2:] + extra, rtol=1e-6)
    assert 0 < np.mean(found != NONE) < 1
    counts_of(model).visits *= 100  # it is paid by the visits of now, not of then
    np.testing.assert_allclose(model._unrolled(drawn).reward.numpy() - drawn.reward[2:], extra / 10, atol=1e-6)


def test_last_observations_are_counted() -> None:
    """Each start and each step is a visit, whether the episode ends with it by itself or is cut off."""
    model = dqn(sevens(), novelty_bits=40).learn(56)
    assert counts_of(model).visits.sum() == 56 + 2 * 4  # two environments with four episodes of seven steps
    assert len(counts_of(model)) > 40


@pytest.mark.parametrize("durations", [{}, {"duration_exponent": None, "exploration_duration": 9.0}])
def test_training_in_two_parts_is_training_at_once(tmp_path: Path, durations: dict[str, Any]) -> None:
    whole, first = dqn(**durations), dqn(**durations)
    whole.learn(110)
    first.learn(66).save(tmp_path / "model", include=["replay_buffer"])
    second = RecurrentDQN.load(tmp_path / "model", env=maze())
    second.exploration_schedule = whole.exploration_schedule
    second.learn(44, reset_num_timesteps=False)
    assert counts_of(second).met == counts_of(whole).met and counts_of(second).numbers == counts_of(whole).numbers
    np.testing.assert_array_equal(counts_of(second).visits, counts_of(whole).visits)
    np.testing.assert_array_equal(second.replay_buffer.new, whole.replay_buffer.new)
    np.testing.assert_array_equal(weights(second), weights(whole))


def test_a_buffer_without_counts_is_refused_by_a_learner_with_them(tmp_path: Path) -> None:
    dqn(novelty_bonus=0.0, exploration_visits=0.0).learn(30).save_replay_buffer(tmp_path / "buffer")
    with pytest.raises(ValueError, match="with counted True, got False"):
        dqn().load_replay_buffer(tmp_path / "buffer.pkl")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("novelty_bonus", -0.1),
        ("novelty_bits", 63),
        ("exploration_visits", -1.0),
        ("exploring_starts", 1.5),
        ("duration_exponent", 1.0),
        ("exploration_duration", 0.5),
        ("exploration_duration", 1e6),
        ("exploration_returns", -1),
    ],
)
def test_what_does_not_fit_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be"):
        DqnConfig(**{name: value})  # type: ignore[arg-type]


def test_one_law_of_durations() -> None:
    with pytest.raises(ValueError, match="exploration_duration must be 1 with duration_exponent.*got 4"):
        DqnConfig(duration_exponent=2.0, exploration_duration=4.0)


def test_continuous_actions_are_paid_for_what_is_new() -> None:
    """In targets alone, as with discrete ones."""
    model = RecurrentTD3("LstmPolicy", "Pendulum-v1", **TINY | {"novelty_bonus": 0.5}).learn(60)
    assert model._n_updates > 10 and model.exploration is not None and model._rng is not None
    drawn = model.replay_buffer.sample(8, model._rng)
    assert drawn is not None
    extra = model._unrolled(drawn).reward.numpy() - drawn.reward[2:]
    found = model.replay_buffer.found(drawn)[2:]
    np.testing.assert_allclose(extra, counts_of(model).bonus(found, 0.5), atol=1e-5)
    assert extra.max() > 0.1


def test_recorded_episodes_pay_no_bonus() -> None:
    with pytest.raises(ValueError, match="novelty_bonus must be 0 in learn_from"):
        dqn().learn_from([], 1)


def test_an_exploring_start_before_learning_starts_is_over_with_it() -> None:
    """Actions are random there, and none in mid-episode is to be so on its account."""
    model = dqn(sevens(), learning_starts=10**6, exploring_starts=1.0).learn(20)
    assert model.exploration is not None and model.exploration.starts is not None
    assert (model._age == 3).all() and not model.exploration.starts.due.any()
