"""Off-line learning: standard LSTMs learn the values of actions from recorded episodes, by repeated training.

    targets    y(t) = r(t) + gamma ((1 - l) max_a Q'(t+1, a) + l y(t+1)),   l = lambda if a(t+1) was greedy, else 0
    loss       mean over recorded steps of (Q(t, a(t)) - y(t))^2

Watkins' Q(lambda) over whole episodes, backwards; Q' is a copy of the network from ``refresh`` updates ago. A
network sees the observation and the action before it, one-hot; at some steps of an update nothing.

Dimensions: N steps of E episodes, T steps of the longest, I inputs, A actions.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from lstm_rl.nn import LstmNetwork
from lstm_rl.topology import Topology


class Record(NamedTuple):
    """Episodes, one after the other; the observation after the last step of an episode is not in it."""

    observations: NDArray[np.float32]  # (N, I) before each action
    actions: NDArray[np.int64]  # (N,)
    rewards: NDArray[np.float32]  # (N,)
    terminated: NDArray[np.bool_]  # (N,) whether the episode ended here; a truncated one is not terminated
    starts: NDArray[np.bool_]  # (N,) whether the episode begins here


def join(*records: Record) -> Record:
    """One record of the episodes of several."""
    return Record(*(np.concatenate(parts) for parts in zip(*records, strict=True)))


@dataclass(frozen=True)
class Settings:
    """Settings of `RecordedQ`."""

    gamma: float = 0.95
    """Discount per step, in [0, 1]."""
    lambda_: float = 0.9
    """Decay of traces, in [0, 1]."""
    learning_rate: float = 3e-3
    """Step size of AdamW."""
    weight_decay: float = 1e-3
    """Decay of AdamW."""
    cells: int = 24
    """LSTM cells, >= 1."""
    batch: int = 64
    """Episodes of an update."""
    longest: int = 100
    """Steps of an episode that are learned from at most: a longer one counts as truncated."""
    refresh: int = 20
    """Updates between two copies of a network for targets."""
    dropout: float = 0.25
    """Share of the steps, in [0, 1), whose inputs an update does not see: so no episode is learned by heart."""
    members: int = 3
    """Networks that learn from the same record, each from its own first weights and draws; the mean of their values
    acts: from few episodes every one learns a little chance along."""


class RecordedQ:
    """Values of actions, learned from a record; `predict` as stable-baselines3's models have it.

    Args:
        inputs: I.
        actions: A.
        seed: Of weights, batches and exploration.
        settings: Constants.
    """

    def __init__(self, inputs: int, actions: int, seed: int, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.actions = actions
        topology = Topology(
            inputs + actions,
            actions,
            blocks=(1,) * self.settings.cells,
            cell_input="tanh",
            cell_output="tanh",
            input_range=0.3,
            recurrent_range=0.2,
            forget_gate_bias=2.0,
        )
        self.networks = [LstmNetwork(topology, self.settings.members * seed + m) for m in range(self.settings.members)]
        self.rng = np.random.default_rng(seed)

    def learn_from(self, record: Record, updates: int) -> float:
        """Train every member ``updates`` times on episodes drawn from the record; return the last loss."""
        episodes = _padded(record, self.actions, self.settings.longest)
        return float(np.mean([self._learn(network, episodes, updates) for network in self.networks]))

    def _learn(self, network: LstmNetwork, episodes: Any, updates: int) -> float:
        rate, decay = self.settings.learning_rate, self.settings.weight_decay
        optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=decay)
        loss, target, mask = torch.zeros(()), network, episodes[-1]  # mask (T, E)
        for update in range(updates):
            if update % self.settings.refresh == 0:
                target = deepcopy(network)
            chosen = self.rng.permutation(mask.shape[1])[: self.settings.batch]
            longest = int(mask[:, chosen].sum(0).max())
            x, *rest = (each[:longest, chosen] for each in episodes)
            kept = self.rng.random((*x.shape[:2], 1), np.float32) >= self.settings.dropout
            loss = self._loss(network, target, x * torch.from_numpy(kept), *rest)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        return float(loss.detach())

    def _loss(self, network: Any, target: Any, x: Any, action: Any, reward: Any, ended: Any, mask: Any) -> Any:
        with torch.no_grad():
            later = target(x)[0]  # (T, B, A)
        best = later.max(2).values
        greedy = later.gather(2, action[..., None])[..., 0] >= best
        goals, known = self._targets(*(each.numpy() for each in (best, greedy, reward, ended, mask)))
        values = network(x)[0].gather(2, action[..., None])[..., 0]
        weight = mask * torch.from_numpy(known)
        return (weight * (values - torch.from_numpy(goals)) ** 2).sum() / weight.sum().clamp(min=1.0)

    def _targets(self, best: Any, greedy: Any, reward: Any, ended: Any, mask: Any) -> tuple[Any, Any]:
        """Goals (T, B), and where there is one: not at the last step of an episode that was cut off."""
        goals, known = reward.copy(), ended.copy()
        for t in range(len(reward) - 2, -1, -1):
            trace = self.settings.lambda_ * greedy[t + 1] * known[t + 1]
            ahead = (1.0 - trace) * best[t + 1] + trace * goals[t + 1]
            goals[t] += self.settings.gamma * (1.0 - ended[t]) * ahead
            known[t] = np.maximum(ended[t], mask[t + 1])
        return goals, known

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[np.int64], Any]:
        """Greedy actions (n,) and the state for the next call: the networks', and the last actions."""
        observation = np.asarray(observation, np.float32)
        n = len(observation)
        cells, last = ([None] * len(self.networks), np.zeros((n, self.actions), np.float32)) if state is None else state
        start = np.zeros(n, np.bool_) if episode_start is None else np.asarray(episode_start, np.bool_)
        last = np.where(start[:, None], 0.0, last).astype(np.float32)
        x = torch.from_numpy(np.concatenate([observation, last], 1))[None]
        with torch.no_grad():
            pairs = zip(self.networks, cells, strict=True)
            values, cells = zip(*(net(x, each, torch.from_numpy(start)[None]) for net, each in pairs), strict=True)
        actions = torch.stack(values)[:, 0].mean(0).argmax(1).numpy()
        return actions, (cells, np.eye(self.actions, dtype=np.float32)[actions])


def record_episodes(agent: RecordedQ, env: Any, episodes: int, epsilon: float, seed: int) -> tuple[Record, float]:
    """Play episodes epsilon-greedily on line; return the record and the share of successes.

    A random action is kept for the rest of the episode or until another one is drawn, with probability 1/4 per step:
    so whole episodes are tried out. The network is told the actions that were taken.
    """
    rows: list[tuple[Any, ...]] = []
    good = 0
    for episode in range(episodes):
        x, _ = env.reset(seed=seed + episode)
        state, over, start, drawn = None, False, True, None
        while not over:
            greedy, state = agent.predict(x[None], state, np.array([start]))
            if drawn is None or agent.rng.random() < 0.25:
                drawn = int(agent.rng.integers(agent.actions)) if agent.rng.random() < epsilon else -1
            action = int(greedy[0]) if drawn < 0 else drawn
            state = (state[0], np.eye(agent.actions, dtype=np.float32)[[action]])
            later, reward, terminated, truncated, info = env.step(np.int64(action))
            rows.append((x, action, reward, terminated, start))
            x, start, over = later, False, terminated or truncated
            good += int(over and info["is_success"])
    kinds = (np.float32, np.int64, np.float32, np.bool_, np.bool_)
    columns = zip(*rows, strict=True)
    return Record(*(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True))), good / episodes


def _padded(record: Record, actions: int, longest: int) -> tuple[Any, ...]:
    """Episodes side by side, time-major: inputs (T, E, I + A), actions, rewards, ends and mask (T, E)."""
    begins = np.flatnonzero(record.starts)
    lengths = np.minimum(np.diff([*begins, len(record.starts)]), longest)
    shape = int(lengths.max()), len(begins)
    x = np.zeros((*shape, record.observations.shape[1] + actions), np.float32)
    action, reward = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
    ended, mask = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for e, (begin, length) in enumerate(zip(begins, lengths, strict=True)):
        part = slice(begin, begin + length)
        x[:length, e, :-actions] = record.observations[part]
        x[1:length, e, -actions:] = np.eye(actions, dtype=np.float32)[record.actions[part][:-1]]
        action[:length, e], reward[:length, e] = record.actions[part], record.rewards[part]
        ended[:length, e], mask[:length, e] = record.terminated[part], 1.0
    return tuple(torch.from_numpy(each) for each in (x, action, reward, ended, mask))
