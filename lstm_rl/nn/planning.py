"""A policy that counts what actions brought in each state and plans with that, after value iteration networks.

Its memory is a table of the past: how often each action was taken in each state, its rewards and the states that
followed. Means of these are a model, as many sweeps of value iteration through it as the episode has steps left are
layers, and the action that looks best is the likeliest. What is learned is how much a count weighs against what is
known beforehand, how large a bonus an action that was seldom tried gets, how sharply to choose, and the value of
states.

    N(s, a) = how often, R(s, a) = sum of rewards, C(s, a, z) = how often z followed
    r(s, a) = (r_0 + w R) / (1 + w N) + beta_t / sqrt(1 + w N)
    Q_k(s, a) = r(s, a) + (p mean_z V_{k-1}(z) + sum_z C(s, a, z) V_{k-1}(z)) / (p + sum_z C(s, a, z))
    V_k(s) = max_a Q_k(s, a)                                     V_0 = 0, k = 1 .. K
    logits_t = kappa_t Q_{K-u}(s_t, .)                           u: steps since the episode began

beta, log kappa and the coefficients of the value are computed from log(1 + time) / 3 and u / K by H tanh units. The
value is linear in the best of this Q and in the mean of V_K, whose gradients it does not get: its errors would pull
beta and r_0 down, and with them exploration. Learners that judge whole trials do not use it. An episode's last step has
no state that follows: what is seen then belongs to the next one.

Source: A. Tamar et al., "Value Iteration Networks", NeurIPS 2016. Counts as memory and beta are ours; the bonus is
close to that of J. Z. Kolter and A. Y. Ng, "Near-Bayesian exploration in polynomial time", ICML 2009.

Dimensions: T time, B batch, S states, A actions, K sweeps, H hidden units; inputs are state (S), last action (A), last
reward (1), start of an episode (1), as of `lstm_rl.envs.tabular_mdp`. Time-major throughout.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lstm_rl.checks import check_int

READ = 5  # beta, log kappa, and three of the value, all made of the time


class PlanningState(NamedTuple):
    """What is carried from one step to the next."""

    tried: Tensor  # (B, S, A) N
    rewards: Tensor  # (B, S, A) R
    followed: Tensor  # (B, S, A, S) C
    before: Tensor  # (B, S) the state before, one-hot
    clock: Tensor  # (B,) steps since the episode began
    time: Tensor  # (B,) steps since the trial began


class PlanningPolicy(nn.Module):
    """See the module; gives A logits and a value, as `lstm_rl.nn.means.RunningMeansPolicy` does.

    Args:
        states: S >= 1.
        actions: A >= 2.
        sweeps: K >= 1, steps of an episode.
        hidden: H >= 1, tanh units that see the time.

    Raises:
        ValueError: A number is out of its range.
    """

    def __init__(self, states: int, actions: int, sweeps: int, hidden: int) -> None:
        super().__init__()
        self.states, self.actions = check_int("states", states, 1), check_int("actions", actions, 2)
        self.sweeps = check_int("sweeps", sweeps, 1)
        self.prior = nn.Parameter(torch.zeros(3))  # r_0, log w, log p
        self.hidden = nn.Linear(2, check_int("hidden", hidden, 1))
        self.out = nn.Linear(hidden, READ)
        nn.init.uniform_(self.out.weight, -0.01, 0.01)
        nn.init.zeros_(self.out.bias)
        nn.init.constant_(self.out.bias[1:2], 2.0)  # kappa = 7: values of actions differ by tenths

    def initial_state(self, batch: int) -> PlanningState:
        """Nothing was tried."""
        zeros, s, a = self.prior.new_zeros, self.states, self.actions
        pairs = (batch, s, a)
        return PlanningState(
            zeros(pairs), zeros(pairs), zeros((*pairs, s)), zeros(batch, s), zeros(batch), zeros(batch)
        )

    def step(self, x: Tensor, state: PlanningState) -> tuple[Tensor, PlanningState]:
        """(B, I) to A logits and a value (B, A + 1), and the state that follows. The readable reference."""
        now, start = x[:, : self.states], x[:, -1]
        tried, rewards, followed = self._written(x, state.before)
        after = PlanningState(
            state.tried + tried,
            state.rewards + rewards,
            state.followed + followed,
            now,
            torch.where(start > 0, 0.0, state.clock + 1),
            state.time + 1,
        )
        return self._read(now, after.tried, after.rewards, after.followed, after.clock, state.time), after

    def forward(self, x: Tensor) -> Tensor:
        """(T, B, I) to (T, B, A + 1), from an empty state."""
        now = x[..., : self.states]
        before = torch.cat((torch.zeros_like(now[:1]), now[:-1]))
        tried, rewards, followed = (each.cumsum(0).flatten(0, 1) for each in self._written(x, before))
        time = torch.arange(len(x), dtype=x.dtype, device=x.device)[:, None].expand(x.shape[:2])
        clock = time - torch.where(x[..., -1] > 0, time, 0.0).cummax(0).values
        y = self._read(now.flatten(0, 1), tried, rewards, followed, clock.flatten(), time.flatten())
        return y.reshape(*x.shape[:2], -1)

    def _written(self, x: Tensor, before: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What a step adds to N, R and C; of the first step nothing, since its last action is all 0."""
        action, reward, start = x[..., self.states : -2], x[..., -2], x[..., -1]
        tried = before[..., :, None] * action[..., None, :]  # (..., S, A)
        following = x[..., : self.states] * (1.0 - start[..., None])
        return tried, tried * reward[..., None, None], tried[..., None] * following[..., None, None, :]

    def _read(
        self, now: Tensor, tried: Tensor, rewards: Tensor, followed: Tensor, clock: Tensor, time: Tensor
    ) -> Tensor:
        """(B, S), (B, S, A) twice, (B, S, A, S) and (B,) twice to (B, A + 1)."""
        when = torch.stack((torch.log1p(time) / 3.0, clock / self.sweeps), -1)
        beta, kappa, best, ahead, rest = self.out(torch.tanh(self.hidden(when))).unbind(-1)
        first, weight, prior = self.prior[0], self.prior[1].exp(), self.prior[2].exp()
        known = 1.0 + weight * tried
        reward = (first + weight * rewards) / known + beta[:, None, None] * torch.rsqrt(known)
        c = followed.flatten(1, 2)  # (B, S A, S)
        moved = prior + c.sum(-1)
        value, answers = reward.new_zeros(now.shape), list[Tensor]()
        for _ in range(self.sweeps):
            following = (prior * value.mean(-1, keepdim=True) + (c @ value[..., None])[..., 0]) / moved
            q = reward + following.reshape(reward.shape)
            value = q.max(-1).values
            answers.append((now[:, None] @ q)[:, 0])  # (B, A), at the present state
        left = (self.sweeps - 1 - clock.long()).clamp(min=0)
        q = torch.stack(answers, 1)[torch.arange(len(now), device=now.device), left]  # (B, A)
        worth = best * q.max(-1).values.detach() + ahead * value.mean(-1).detach() + rest
        return torch.cat((kappa.exp()[:, None] * q, worth[:, None]), -1)
