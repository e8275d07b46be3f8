"""Parameter-exploring policy gradients over whole trials: weights are tried, and what a trial brings judges them.

Each update draws P directions; a trial is played with the weights one step that way and its twin, of the same task and
with the same random numbers in the world (actions are drawn apart), with the weights one step the other way:

    e_p ~ Normal(0, 1)                                   d_p = return of (w + sigma e_p) - return of (w - sigma e_p)
    gradient = mean_p e_p d_p / sqrt(mean_p d_p^2)       Adam climbs it

What is judged is a whole trial under one way to behave, so nothing has to be traced back to single steps: what
exploring costs in the first steps and earns in the last ones is one number. That asks for few weights. The learning
rate falls to 0 in a straight line over the run. Outputs that do not change actions, such as a value, learn nothing.

Source: F. Sehnke et al., "Parameter-exploring policy gradients", Neural Networks 23 (2010), with symmetric samples.
Ours: a fixed sigma, differences divided by their root mean square, Adam with a falling rate, and the same task for both
trials of a pair.

Dimensions: P pairs, B = 2 P trials, N weights.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from lstm_rl.envs.tabular_mdp import HORIZON, STATES
from lstm_rl.experiments.protocols.trial_ppo import TrialNetwork, play
from lstm_rl.experiments.protocols.trial_settings import PgpeConfig
from lstm_rl.nn.planning import PlanningPolicy


class RowsOfWeights(nn.Module):
    """B networks of one kind with weights of their own, a row each, to be played as one `TrialNetwork`.

    Args:
        network: Of which kind.
        vectors: Weights (B, N), in the order of its parameters.
    """

    def __init__(self, network: TrialNetwork, vectors: Tensor) -> None:
        super().__init__()
        self.network, shapes = network, {name: each.shape for name, each in network.named_parameters()}
        parts = torch.split(vectors, [shape.numel() for shape in shapes.values()], dim=1)
        named = zip(shapes.items(), parts, strict=True)
        self.weights = {f"network.{name}": part.reshape(-1, *shape) for (name, shape), part in named}
        self._step_rows = vmap(self._step_row)

    def initial_state(self, batch: int) -> Any:
        """See `TrialNetwork`."""
        return self.network.initial_state(batch)

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """See `TrialNetwork`; B is that of the weights."""
        return self._step_rows(self.weights, x, state)

    def forward(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step of the network with whatever weights it is called with."""
        return self.network.step(x, state)

    def _step_row(self, weights: dict[str, Tensor], x: Tensor, state: Any) -> tuple[Tensor, Any]:
        kind = type(state)
        out, after = functional_call(self, weights, (x[None], kind(*(part[None] for part in state))))
        return out[0], kind(*(part[0] for part in after))


def make_network(env: Any, rule: PgpeConfig, seed: int) -> PlanningPolicy:
    """The untrained network for `lstm_rl.envs.tabular_mdp`, which plans for as many steps as an episode has."""
    world, actions = env.unwrapped.world, int(env.single_action_space.n)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PlanningPolicy(int(world.params[STATES]), actions, int(world.params[HORIZON]), rule.hidden)


def direction(directions: Tensor, differences: Tensor) -> Tensor:
    """The gradient (N,), see the module, of directions e (P, N) and differences d (P,) of returns."""
    size = differences.square().mean().sqrt().clamp(min=1e-8)
    return (directions * (differences / size)[:, None]).mean(0)


def learn(network: TrialNetwork, env: Any, rule: PgpeConfig, seed: int, report: Callable[[int], object]) -> int:
    """Train a network in place, for one update at least; return the steps that it took.

    Args:
        network: Fits the environment's observations and actions.
        env: `lstm_rl.envs.vector.WorldVectorEnv` of 2 P rows that does not reset by itself.
        rule: Everything else.
        seed: Of trials, directions and actions.
        report: Is told the steps so far.
    """
    generator = torch.Generator().manual_seed(seed)
    weights = nn.Parameter(parameters_to_vector(network.parameters()).detach())
    adam = torch.optim.Adam([weights])
    per_update = 2 * rule.pairs * int(env.unwrapped.world.max_steps)
    rounds = max(rule.steps // per_update, 1)
    seeds = [seed * rule.pairs + i for i in range(rule.pairs)]
    for i in range(rounds):
        adam.param_groups[0]["lr"] = rule.learning_rate * (1.0 - i / rounds)
        directions = torch.randn(rule.pairs, len(weights), generator=generator)
        explored = weights.detach() + rule.sigma * torch.cat((directions, -directions))
        # twins: rows with the same seed draw the same tasks, in this round and in all that follow
        rollout = play(RowsOfWeights(network, explored), env, 2 * seeds if i == 0 else None, generator)
        plus, minus = torch.from_numpy(rollout.rewards).sum(0).chunk(2)
        weights.grad = -direction(directions, plus - minus)
        adam.step()
        report((i + 1) * per_update)
    vector_to_parameters(weights.detach(), network.parameters())
    return rounds * per_update
