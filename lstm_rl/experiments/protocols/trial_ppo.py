"""Proximal policy optimisation over whole trials: B trials in step, then some passes of Adam over them.

    A_t = sum_{l >= 0} (gamma lambda)^l [r_{t+l} + gamma V_{t+l+1} - V_{t+l}]            (`advantages`)
    J   = mean of min(q_t A_t, clip(q_t, 1 - c, 1 + c) A_t) + entropy_weight H_t - (A_t + V_t - V(t))^2 / 2
    q_t = pi(a_t) now / pi(a_t) as it was played

Memory is empty at a trial's start, and a trial is played and learned as a whole, so that no state is ever carried over
and gradients are complete. Learning rate and entropy weight fall to 0 in a straight line over the run.

Source: J. Schulman et al., "Proximal Policy Optimization Algorithms", arXiv 1707.06347 (2017); advantages: the same,
arXiv 1506.02438 (2015).

Dimensions: T steps of a trial, B trials, I inputs, K actions. Time-major throughout.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lstm_rl.experiments.protocols.trial_settings import PpoConfig
from lstm_rl.nn.means import RunningMeansPolicy
from lstm_rl.nn.network import Network

Numbers = NDArray[np.float32]
MAX_GRAD_NORM = 0.5
"""Of a step's gradient, as a vector."""


class Rollout(NamedTuple):
    """B trials."""

    inputs: Numbers  # (T, B, I)
    actions: NDArray[np.int64]  # (T, B)
    rewards: Numbers  # (T, B)
    outputs: Tensor  # (T, B, K + 1) logits, and V


class TrialNetwork(Protocol):
    """What is played and trained here: `RunningMeansPolicy`, or any network of `lstm_rl.nn` as `FromRest`."""

    def initial_state(self, batch: int) -> Any:
        """Before the first step of B trials."""

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """(B, I) to K logits and a value (B, K + 1), and the state that follows."""

    def __call__(self, x: Tensor) -> Tensor:
        """(T, B, I) to (T, B, K + 1), from an empty state."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """All weights."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The same, with their names."""


class FromRest(nn.Module):
    """A network of K + 1 outputs, logits and a value, whose sequences are whole trials."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def initial_state(self, batch: int) -> Any:
        """See `TrialNetwork`."""
        return self.network.initial_state(batch)

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """See `TrialNetwork`."""
        out, state = self.network(x[None], state)
        return out[0], state

    def forward(self, x: Tensor) -> Tensor:
        """See `TrialNetwork`."""
        return self.network(x)[0]


def play(
    network: TrialNetwork,
    env: Any,
    seed: int | list[int] | None,
    generator: torch.Generator,
    on_step: Callable[[Numbers, NDArray[np.float64]], object] = lambda *_: None,
) -> Rollout:
    """Play a trial in each row of a vector environment of a world whose trials are all of one length.

    Args:
        network: Fits its observations and actions.
        env: `lstm_rl.envs.vector.WorldVectorEnv`.
        seed: Of the first row's trial, or of each row's; None: tasks follow those that were played before.
        generator: Of the actions, which are drawn from the policy.
        on_step: Is shown, after every step, its rewards (B,) and the worlds' states (B, S).
    """
    x, _ = env.reset(seed=seed)
    steps = env.unwrapped.world.max_steps
    state: Any = network.initial_state(env.num_envs)
    inputs, rewards = np.zeros((steps, *x.shape), np.float32), np.zeros((steps, env.num_envs), np.float32)
    actions, outputs = np.zeros(rewards.shape, np.int64), list[Tensor]()
    with torch.no_grad():
        for t in range(steps):
            inputs[t] = x
            out, state = network.step(torch.from_numpy(inputs[t]), state)
            outputs.append(out)
            exponential = torch.empty_like(out[:, :-1]).exponential_(generator=generator)
            actions[t] = (out[:, :-1] - exponential.log()).argmax(-1).numpy()  # Gumbel's way to draw
            x, rewards[t], _, _, info = env.step(actions[t])
            on_step(rewards[t], info["state"])
    return Rollout(inputs, actions, rewards, torch.stack(outputs))


def advantages(rewards: Numbers, values: Numbers, gamma: float, lambda_: float) -> Numbers:
    """A (T, B) of rewards (T, B) and values V_0 .. V_{T-1} (T, B), see the module; V_T = 0, since trials end there."""
    result, running = np.zeros_like(rewards), np.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        following = values[t + 1] if t + 1 < len(values) else 0.0
        running = rewards[t] + gamma * following - values[t] + gamma * lambda_ * running
        result[t] = running
    return result


def objective(
    now: Tensor, then: Tensor, actions: Tensor, advantage: Tensor, returns: Tensor, clip: float, entropy: float
) -> Tensor:
    """J of outputs (T, B, K + 1) now and as they were played, for actions, advantages and returns (T, B)."""
    log_pi, before = torch.log_softmax(now[..., :-1], -1), torch.log_softmax(then[..., :-1], -1)
    ratio = (log_pi - before).gather(-1, actions[..., None])[..., 0].exp()
    surrogate = torch.minimum(ratio * advantage, ratio.clamp(1.0 - clip, 1.0 + clip) * advantage)
    bonus = -(log_pi.exp() * log_pi).sum(-1)
    return (surrogate + entropy * bonus - 0.5 * (returns - now[..., -1]) ** 2).mean()


def make_network(env: Any, rule: PpoConfig, seed: int) -> RunningMeansPolicy:
    """The untrained network that a rule describes."""
    inputs, actions = env.single_observation_space.shape[0], int(env.single_action_space.n)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return RunningMeansPolicy(inputs, actions, rule.layers, rule.hidden, rule.last_action)


def learn(network: TrialNetwork, env: Any, rule: PpoConfig, seed: int, report: Callable[[int], object]) -> int:
    """Train a network in place; return the steps that it took.

    Args:
        network: Fits the environment's observations and actions.
        env: `lstm_rl.envs.vector.WorldVectorEnv` of ``rule.trials_per_update`` rows that does not reset by itself.
        rule: Everything else.
        seed: Of trials and actions.
        report: Is told the steps so far.
    """
    generator, steps = torch.Generator().manual_seed(seed), int(env.unwrapped.world.max_steps)
    adam, gamma = torch.optim.Adam(network.parameters(), eps=1e-5), 1.0 - 1.0 / steps
    rounds = max(rule.steps // (rule.trials_per_update * steps), 1)
    for i in range(rounds):
        remaining = 1.0 - i / rounds
        adam.param_groups[0]["lr"] = rule.learning_rate * remaining
        rollout = play(network, env, seed * rule.trials_per_update if i == 0 else None, generator)
        values = rollout.outputs[..., -1].numpy()
        rewards = (rollout.rewards - np.float32(rule.reward_shift)) * np.float32(rule.reward_scale)
        advantage = advantages(rewards, values, gamma, rule.lambda_)
        x, chosen, returns = map(torch.from_numpy, (rollout.inputs, rollout.actions, advantage + values))
        scaled = torch.from_numpy((advantage - advantage.mean()) / (advantage.std() + 1e-8))
        for _ in range(rule.n_epochs):
            for of in torch.randperm(rule.trials_per_update, generator=generator).chunk(rule.n_minibatches):
                then, a, r = rollout.outputs[:, of], chosen[:, of], returns[:, of]
                entropy = rule.entropy_weight * remaining
                loss = -objective(network(x[:, of]), then, a, scaled[:, of], r, rule.clip, entropy)
                adam.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(network.parameters(), MAX_GRAD_NORM)
                adam.step()
        report((i + 1) * rule.trials_per_update * steps)
    return rounds * rule.trials_per_update * steps
