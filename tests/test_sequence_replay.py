"""Sequence replay: the buffer, the targets, and what the two learners make of them."""

from typing import Any

import numpy as np
import pytest
import torch

from lstm_rl.agents.recurrent_dqn import RecurrentDQN
from lstm_rl.agents.recurrent_td3 import RecurrentTD3
from lstm_rl.agents.sequence_buffer import SequenceBuffer, Spec
from lstm_rl.agents.sequence_loss import n_step_returns, priorities, q_targets, rescale, sequence_loss, unscale
from lstm_rl.make import make_rows

SPEC = Spec((1,), False, (), 40, (2,))
F64: dict[str, Any] = {"dtype": torch.float64}


# --- targets, by hand ------------------------------------------------------------------------------------------------


def column(*numbers: Any, **kind: Any) -> Any:
    return torch.tensor([[number] for number in numbers], **(kind or F64))


def test_rescaling_is_undone() -> None:
    x = torch.tensor([0.0, 1e-6, -0.5, 3.0, -1e3, 1e6, -1e6], **F64)
    torch.testing.assert_close(unscale(rescale(x)), x, rtol=1e-9, atol=1e-12)
    assert float(rescale(torch.tensor(3.0, **F64))) == pytest.approx(1.003)


def test_returns_end_with_the_episode_and_bootstrap_where_it_was_cut_off() -> None:
    value, reward = column(1.0, 2.0, 3.0, 4.0, 5.0, 6.0), column(10.0, 20.0, 30.0, 0.0, 50.0, 60.0)
    no, yes = False, True
    terminated = column(no, yes, no, no, no, no, dtype=torch.bool)  # step 1 ends an episode; step 3 is what a cut left
    valid = column(yes, yes, yes, no, yes, yes, dtype=torch.bool)
    g = n_step_returns(value, reward, terminated, valid, 0.5, 2)
    # 10 + .5 20; 20; 30 + .5 V(3), cut off there; V(3)
    torch.testing.assert_close(g, column(20.0, 20.0, 32.0, 4.0))
    g = n_step_returns(value, reward, terminated, valid, 0.5, 1)
    torch.testing.assert_close(g, column(11.0, 20.0, 32.0, 4.0, 53.0))


def test_lambda_mixes_returns_of_all_lengths() -> None:
    value, reward = column(1.0, 2.0, 3.0, 4.0), column(10.0, 20.0, 30.0, 40.0)
    no, yes = column(False, False, False, False, dtype=torch.bool), column(True, True, True, True, dtype=torch.bool)
    one, two, three = (n_step_returns(value, reward, no, yes, 0.5, n)[0] for n in (1, 2, 3))
    mixed = n_step_returns(value, reward, no, yes, 0.5, 3, lambda_=0.8)
    torch.testing.assert_close(mixed[0], 0.2 * one + 0.8 * 0.2 * two + 0.64 * three)
    torch.testing.assert_close(n_step_returns(value, reward, no, yes, 0.5, 3, lambda_=0.0)[0], one)


@pytest.mark.parametrize("algorithm", [RecurrentDQN, RecurrentTD3])
def test_the_learners_use_lambda(algorithm: Any) -> None:
    env = make_rows("lstm_rl/NoisyTMaze-v0", {}, 2) if algorithm is RecurrentDQN else "Pendulum-v1"
    model = algorithm("LstmPolicy", env, seed=0, n_steps=4, learning_starts=0, train_freq=100)
    model.learn(600)
    batch = model._batch(8)
    find = model.errors if algorithm is RecurrentDQN else model.targets

    def found(**settings: Any) -> torch.Tensor:
        before, model._rng = model.config, np.random.default_rng(0)
        model.config = before.override(settings)
        result: torch.Tensor = find(batch).detach()
        model.config = before
        return result

    one, mixed, four = found(n_steps=1)[:40], found(lambda_=0.5)[:40], found()[:40]
    torch.testing.assert_close(found(lambda_=0.0)[:40], one)
    assert not torch.allclose(mixed, one)
    assert not torch.allclose(mixed, four)


def test_targets_choose_by_one_network_and_value_by_the_other() -> None:
    q = torch.tensor([[[0.0, 1.0]], [[0.0, 1.0]]], **F64)  # both steps: action 1
    slow = torch.tensor([[[5.0, 2.0]], [[8.0, 4.0]]], **F64)
    parts = column(1.0, 1.0), column(False, False, dtype=torch.bool), column(True, True, dtype=torch.bool)
    settings: dict[str, Any] = {"gamma": 0.5, "n_steps": 1}
    assert float(q_targets(q, slow, *parts, **settings)) == 3.0  # 1 + .5 4
    assert float(q_targets(q, slow, *parts, double=False, **settings)) == 5.0  # 1 + .5 8
    assert float(q_targets(q, slow, *parts, kappa=0.1, **settings)) == pytest.approx(12.0)  # 2 + (3 - 2) / .1
    h = float(q_targets(rescale(q), rescale(slow), *parts, rescaled=True, **settings))
    assert h == pytest.approx(float(rescale(torch.tensor(3.0, **F64))))


def test_loss_and_priorities_leave_out_what_was_not_acted_on() -> None:
    errors = torch.tensor([[1.0, 2.0], [-3.0, 9.0]], **F64)
    valid, weight = torch.tensor([[True, True], [True, False]]), torch.tensor([1.0, 0.5], **F64)
    assert float(sequence_loss(errors, valid, weight)) == pytest.approx((1.0 + 9.0 + 0.5 * 4.0) / 2 / 3)
    torch.testing.assert_close(priorities(errors, valid, 0.9), torch.tensor([0.9 * 3 + 0.1 * 2, 2.0], **F64))


# --- the buffer ------------------------------------------------------------------------------------------------------


def filled(steps: int, size: int = 24, episode: int = 5, rows: int = 2, alpha: float = 0.0) -> SequenceBuffer:
    """Step t of row i shows 100 i + t, its action is t, its state -t; episodes of so many steps."""
    buffer = SequenceBuffer(rows * size, rows, SPEC, length=6, period=3, alpha=alpha, beta=1.0)
    both = np.arange(rows)
    for t in range(steps):
        age, shown = np.full(rows, t % episode), (100.0 * both + t)[:, None]
        state = (np.full((rows, 2), -float(t)),)
        buffer.add(both, shown, np.full(rows, t), float(t), age, age == episode - 1, state)
    return buffer


def test_sequences_begin_on_the_grid_are_whole_and_know_state_and_action_before() -> None:
    buffer = filled(40)
    row, first = buffer.starts()
    assert sorted(set(first.tolist())) == [18, 21, 24, 27, 30, 33]  # 16 is the oldest; 34 .. 39 is the last whole one
    drawn = buffer.take(row, first)
    np.testing.assert_array_equal(drawn.observation[:, :, 0], 100.0 * row + first + np.arange(6)[:, None])
    np.testing.assert_array_equal(drawn.state[0][:, 0], -first)
    np.testing.assert_array_equal(drawn.start, (first + np.arange(6)[:, None]) % 5 == 0)
    np.testing.assert_array_equal(drawn.previous, np.where(drawn.start, -1, drawn.action - 1))


def test_oldest_step_counts_only_where_an_episode_begins_with_it() -> None:
    assert 0 in filled(12).starts()[1]  # nothing was before it
    later = filled(24 + 15)  # 15 is the oldest, and begins an episode
    assert later.starts()[1].min() == 15
    assert len(filled(5).starts()[0]) == 0
    assert filled(5).sample(3, np.random.default_rng(0)) is None


def test_rows_may_stand_at_different_places() -> None:
    buffer = filled(12)
    one = np.array([1])
    buffer.add(one, np.array([[7.0]]), None, 0.0, one, False, (np.zeros((1, 2)),))
    buffer.add(one, np.array([[8.0]]), one, 0.0, one, False, (np.zeros((1, 2)),))
    assert buffer.count.tolist() == [12, 14]
    assert len(buffer) == 26
    last = buffer.take(one, np.array([8]))
    assert last.valid[:, 0].tolist() == [True, True, True, True, False, True]


def test_context_reaches_back_to_the_start_of_the_episode() -> None:
    buffer = filled(23, episode=7)
    drawn = buffer.take(np.array([0, 0]), np.array([9, 12]))  # ages 2 and 5
    context = buffer.context(drawn)
    assert context is not None
    assert context.observation[:, 1, 0].tolist() == [7.0, 8.0, 9.0, 10.0, 11.0]
    assert context.start[:, 0].tolist() == [False, False, False, True, False]
    assert buffer.context(buffer.take(np.array([0]), np.array([0]))) is None
    overwritten = filled(40, episode=35)  # 16 is the oldest
    context = overwritten.context(overwritten.take(np.array([0]), np.array([18])))
    assert context is not None
    assert context.observation[:, 0, 0].tolist() == [16.0, 17.0]
    assert context.start[:, 0].tolist() == [True, False]


def test_priorities_are_drawn_in_proportion_and_outlive_no_overwriting() -> None:
    buffer = filled(12, alpha=1.0)
    row, first = buffer.starts()
    drawn = buffer.take(row, first)
    buffer.set_priority(drawn, np.where((row == 1) & (first == 3), 3.0, 1.0))
    sample = buffer.sample(4000, np.random.default_rng(0))
    assert sample is not None
    picked = (sample.row == 1) & (sample.first == 3)
    assert picked.mean() == pytest.approx(3.0 / (len(row) + 2), abs=0.03)
    assert sample.weight[picked].max() == pytest.approx(1 / 3)
    assert sample.weight.max() == 1.0
    buffer = filled(40, alpha=1.0)
    before = buffer.priority.copy()
    buffer.set_priority(buffer.take(np.array([0]), np.array([0])), np.array([9.0]))  # overwritten since
    np.testing.assert_array_equal(buffer.priority, before)


def test_buffers_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="buffer_size must give each of 2 environments a sequence of 6 steps"):
        SequenceBuffer(14, 2, SPEC, length=6, period=3, alpha=0.0, beta=0.0)
    with pytest.raises(ValueError, match="buffer_size must be so low that the buffer fits"):
        SequenceBuffer(10**13, 2, SPEC, length=6, period=3, alpha=0.0, beta=0.0)


# --- both nets over sequences ----------------------------------------------------------------------------------------


SIZES = {"burn_in": 4, "sequence_length": 12, "period": 4, "n_steps": 2, "buffer_size": 2000, "batch_size": 4}
SIZES |= {"learning_starts": 50, "train_freq": 4, "target_update_interval": 40}


def model(env: Any = "lstm_rl/PositionOnlyCartPole-v0", rows: int = 2, **settings: Any) -> RecurrentDQN:
    chosen: dict[str, Any] = SIZES | settings
    kwargs = {"units": 8, "embedding": 8, "features": 8} | chosen.pop("policy_kwargs", {})
    rows_of = make_rows(env, {}, rows) if isinstance(env, str) else env
    return RecurrentDQN("LstmPolicy", rows_of, policy_kwargs=kwargs, seed=0, **chosen)


@pytest.fixture(scope="module")
def played() -> RecurrentDQN:
    """Has acted with fixed weights: nothing is learned."""
    kwargs = {"previous_action": True, "normalize_observations": False}
    return model(learning_starts=10**6, policy_kwargs=kwargs).learn(400)


def unrolled(played: RecurrentDQN, drawn: Any, **settings: Any) -> torch.Tensor:
    before, played.config = played.config, played.config.override(settings)
    try:
        return played._unrolled(drawn).features.detach()
    finally:
        played.config = before


def test_stored_states_are_those_of_a_whole_unroll_while_weights_are_fixed(played: RecurrentDQN) -> None:
    buffer = played.replay_buffer
    drawn = buffer.take(*buffer.starts())
    assert drawn.start.any() and not drawn.start.all(axis=1).any()
    stored = unrolled(played, drawn)
    torch.testing.assert_close(stored, unrolled(played, drawn, state="recomputed"), rtol=1e-4, atol=1e-5)
    assert (stored - unrolled(played, drawn, state="zero")).abs().max() > 1e-3
    whole = buffer.take(np.array([0]), np.array([0]), int(buffer.count[0]))  # all that row 0 went through
    features = unrolled(played, whole, burn_in=0)[:, 0]
    for b in np.flatnonzero(drawn.row == 0):
        at = drawn.first[b] + played.config.burn_in
        torch.testing.assert_close(stored[:, b], features[at : at + 10], rtol=1e-4, atol=1e-5)


def test_order_of_sequences_does_not_count_and_starts_wipe_out_the_past(played: RecurrentDQN) -> None:
    buffer = played.replay_buffer
    row, first = buffer.starts()
    drawn = buffer.take(row, first)
    features = unrolled(played, drawn, burn_in=0)
    torch.testing.assert_close(unrolled(played, buffer.take(row[::-1], first[::-1]), burn_in=0).flip(1), features)
    t, b = (int(part[0]) for part in np.nonzero(drawn.start[1:]))
    other = drawn._replace(state=tuple(part + 1.0 for part in drawn.state))
    changed = unrolled(played, other, burn_in=0)
    assert (changed[: t + 1, b] - features[: t + 1, b]).abs().max() > 1e-3
    torch.testing.assert_close(changed[t + 1 :, b], features[t + 1 :, b])


def test_gradient_reaches_the_trace_and_not_the_burn_in(played: RecurrentDQN) -> None:
    row, first = played.replay_buffer.starts()
    drawn = played.replay_buffer.take(row[:3], first[:3])
    batch = played._unrolled(drawn)
    assert len(batch.features) == 10  # trace and n steps
    assert not batch.target_features.requires_grad
    errors = played.errors(batch)
    assert errors.shape == (8, 3)
    played.policy.net.zero_grad()
    sequence_loss(errors, batch.valid[:8], batch.weight).backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in played.policy.body.core.parameters())
    assert all(p.grad is None for p in played.policy.target.parameters())


def test_cut_off_episodes_leave_their_last_observation() -> None:
    env = make_rows("lstm_rl/CartPole-v0", {"max_steps": 3}, 2)  # too short to fail
    buffer = model(env, learning_starts=10**6).learn(24).replay_buffer
    assert buffer.count.tolist() == [16, 16]  # 12 steps, 4 ends
    assert buffer.valid[0, :8].tolist() == [True, True, True, False, True, True, True, False]
    assert buffer.age[0, :8].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert not buffer.terminated.any()
    moved = np.abs(np.diff(buffer.observation[0, :4], axis=0)).sum(axis=1)
    assert (moved > 0).all()  # it is not the next episode's first one, nor the same twice
