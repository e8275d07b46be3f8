"""Exploration of replay learners: counts of observations, exploring starts, random actions that last."""

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


@pytest.mark.parametrize("epsilon", [0.05, 0.5, 1.0])
def test_durations_of_an_episode_leave_the_share_of_random_steps(epsilon: float) -> None:
    rng, n = np.random.default_rng(0), 2000
    acting = RepeatedActions(n, longest=16.0)
    acting.begin(np.arange(n), rng)
    logarithms = np.log2(acting.mean)  # uniform on [0, 4]
    assert np.mean(logarithms) == pytest.approx(2.0, abs=0.1) and logarithms.std() == pytest.approx(
        16**0.5 / 12**0.5, abs=0.1
    )
    acts = np.stack([acting.choose(np.full(n, -5), epsilon, 50, rng) for _ in range(600)])[200:]  # (400, n)
    assert np.mean(acts != -5) == pytest.approx(epsilon, abs=0.02)
    short, long = acting.mean < 1.5, acting.mean > 12.0
    changes = (acts[1:] != acts[:-1]) & (acts[:-1] != -5)
    shares = [changes[:, rows].sum() / (acts[:-1, rows] != -5).sum() for rows in (short, long)]  # 1 / duration
    assert shares[0] == pytest.approx(np.mean(1 / acting.mean[short]), abs=0.05)
    assert shares[1] == pytest.approx(np.mean(1 / acting.mean[long]), abs=0.02)


def test_returns_that_differ() -> None:
    returns = DifferingReturns(2)
    returns.reset(3)
    step = np.array([-1.0, -1.0, -1.0])
    returns.add(step, np.array([False, False, False]))
    assert not returns.holds  # no episode has ended: none may ever do
    returns.add(step, np.array([True, True, True]))
    assert returns.holds and returns.episodes == {-2.0: 3}
    returns.add(step, np.array([True, False, False]))  # -1: the first other one
    assert returns.holds
    returns.add(step, np.array([False, True, True]))  # -2 again
    returns.add(np.array([5.0, -1.0, -1.0]), np.array([True, False, False]))  # 4, the second
    assert not returns.holds and returns.found


@pytest.mark.parametrize("least", [0, 1, 3])
def test_epsilon_falls_when_returns_differ(least: int) -> None:
    """Of `Sevens` all episodes return 7; the first other one, after 56 steps, is given here by hand."""
    model = RecurrentDQN("LstmPolicy", sevens(), **TINY | {"exploration_fraction": 0.5, "exploration_returns": least})
    rates: list[float] = []

    class Rates(BaseCallback):
        def _on_step(self) -> bool:
            rates.append(model.exploration_rate)
            if self.num_timesteps == 56 and least:
                model.exploration.returns.episodes[8.0] += 1  # type: ignore[union-attr]
            return True

    model.learn(200, Rates())
    schedule = model.exploration_schedule
    falling = [float(schedule(1.0 - t / 200)) for t in range(2, 202, 2)]
    if least == 0:
        assert rates == falling
    else:  # falls over the first episode, is then high up to step 56 or for good
        start = 6
        assert rates[:start] == falling[:start]
        held = {1: 28, 3: 100}[least]
        assert rates[start:held] == [1.0] * (held - start)
        np.testing.assert_allclose(rates[held:], falling[: 100 - held])


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
