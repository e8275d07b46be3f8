"""One greedy step of a policy as a Torch module, which `lstm_rl.export` makes files of.

It is one step of n rows: normaliser, network, greedy choice, the state explicit:

    action, advantages, next_state = module(observation, episode_start, state)

    observation    (n, I) float32, as `gymnasium.spaces.flatten` gives it
    episode_start  (n,) bool: true where the observation is the first of an episode; the state then counts for nothing
    state_0, ...   (n, size) each, what the last step returned as next_state_0, ...; zeros at first
    action         as the environment takes it: (n,) or (n, *shape of the space)
    advantages     (n, K); of an actor-critic all outputs, see `MemoryPolicy.advantages`
"""

from copy import deepcopy
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from lstm_rl.agents.learner import standard_deviation
from lstm_rl.agents.memory_policy import MemoryPolicy
from lstm_rl.agents.models import Boxes, Module
from lstm_rl.agents.spaces import BoxDecoder
from lstm_rl.kernels.cells import Cells
from lstm_rl.nn.cells import CellsNetwork
from lstm_rl.nn.lstm import LstmNetwork

State = tuple[Tensor, ...]


class ActingModule(nn.Module):
    """One greedy step, by copies of the policy's weights and statistics; above is what goes in and comes out."""

    mean: Tensor  # (I,) of observations, as is the next
    deviation: Tensor

    def __init__(self, policy: MemoryPolicy) -> None:
        super().__init__()
        self.choices = policy.decoder.size  # of the outputs, those that the action is made of
        self.network = torch_network(policy, getattr(torch, policy.config.precision)).requires_grad_(False)
        self.action_inputs = self.network.cells.actions if isinstance(self.network, CellsNetwork) else 0
        self.decoder = _decoder(policy)
        self.clip = policy.config.observation_clip if policy.config.normalize_observations else 0.0
        seen = policy.normaliser()
        self.register_buffer("mean", torch.tensor(seen.mean))
        self.register_buffer("deviation", torch.tensor(standard_deviation(seen)))

    def forward(self, observation: Tensor, episode_start: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """Actions, outputs and the next state."""
        x = observation.double()
        if self.clip > 0.0:
            x = ((x - self.mean) / self.deviation).clamp(-self.clip, self.clip)
        if isinstance(self.network, TableNetwork):
            bits = torch.where(episode_start[:, None], 0, state[0])
            outputs = self.network(x, bits)
            chosen = outputs.argmax(dim=1)
            return self.decoder(chosen // self.network.patterns), outputs, (chosen[:, None] % self.network.patterns,)
        dtype = state[0].dtype
        keep = (~episode_start).to(dtype)[:, None]  # (n, 1)
        parts, x = [part * keep for part in state], x.to(dtype)
        if self.action_inputs:  # the last action is an input, and a part of the state
            x = torch.cat([x, parts.pop()], dim=1)
        kind: Any = type(self.network.initial_state(1))  # a tuple, or a named one
        ys, after = self.network(x[None], kind(parts) if kind is tuple else kind(*parts))
        outputs, after = ys[0], tuple(after)
        if isinstance(self.decoder, SquashDecoder):
            return self.decoder(outputs[:, : self.choices]), outputs, after
        chosen = outputs[:, : self.choices].argmax(dim=1)
        if self.action_inputs:
            after = (*after, (chosen[:, None] == torch.arange(self.action_inputs)).to(dtype))
        return self.decoder(chosen), outputs, after


class TableNetwork(nn.Module):
    """`lstm_rl.kernels.table`: the values of the box that an observation lies in, with the memory bits."""

    values: Tensor  # (R, K)
    low: Tensor  # (I,), as are the next two
    width: Tensor
    places: Tensor

    def __init__(self, model: Boxes, values: Any) -> None:
        super().__init__()
        space: Any = model.space
        low, high = (bound.ravel().astype(np.float64) for bound in (space.low, space.high))
        self.patterns, self.regions = 2**model.bits, model.regions
        self.register_buffer("values", torch.tensor(values))
        self.register_buffer("low", torch.tensor(low))
        self.register_buffer("width", torch.tensor((high - low) / model.regions))
        self.register_buffer("places", model.regions ** torch.arange(len(low) - 1, -1, -1))

    def forward(self, x: Tensor, bits: Tensor) -> Tensor:
        """Values (n, K) for inputs (n, I) and bits (n, 1)."""
        region = torch.floor((x - self.low) / self.width).clamp(0, self.regions - 1).long()
        row = (region * self.places).sum(dim=1) * self.patterns + bits[:, 0]
        return self.values[row]


class ChoiceDecoder(nn.Module):
    """`lstm_rl.agents.spaces.ActionDecoder`: from choices (n,) to actions."""

    counts: Tensor  # (d,) values of each number, as are the next two
    start: Tensor
    places: Tensor

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self.single = isinstance(decoder.space, spaces.Discrete)
        self.shape: tuple[int, ...] = decoder.space.shape or ()
        self.dtype = torch.from_numpy(np.zeros(1, decoder.space.dtype)).dtype
        counts = decoder.counts
        places = np.concatenate([np.cumprod(counts[::-1])[::-1][1:], [1]])
        for name, values in {"counts": counts, "start": decoder.start, "places": places}.items():
            self.register_buffer(name, torch.tensor(values))

    def forward(self, chosen: Tensor) -> Tensor:
        """Actions (n,) or ``(n, *shape)``."""
        if self.single:
            return chosen + self.start[0]
        numbers = chosen[:, None] // self.places % self.counts + self.start
        return numbers.to(self.dtype).reshape(-1, *self.shape)


class SquashDecoder(nn.Module):
    """`lstm_rl.agents.spaces.BoxDecoder`: from means (n, d), the first half of an actor's outputs, to actions."""

    low: Tensor  # (*shape), as is the next
    high: Tensor

    def __init__(self, decoder: BoxDecoder) -> None:
        super().__init__()
        self.dimensions, self.shape = decoder.dimensions, decoder.space.shape
        self.whole = np.issubdtype(decoder.space.dtype, np.integer)
        self.dtype = torch.from_numpy(np.zeros(1, decoder.space.dtype)).dtype
        self.register_buffer("low", torch.tensor(decoder.space.low.astype(np.float64)))
        self.register_buffer("high", torch.tensor(decoder.space.high.astype(np.float64)))

    def forward(self, outputs: Tensor) -> Tensor:
        """Actions ``(n, *shape)``."""
        share = (torch.tanh(outputs[:, : self.dimensions].double()) + 1.0) / 2.0
        share = share.reshape(-1, *self.shape)
        actions = (1.0 - share) * self.low + share * self.high
        return (torch.round(actions) if self.whole else actions).to(self.dtype)


def _decoder(policy: MemoryPolicy) -> ChoiceDecoder | SquashDecoder:
    return SquashDecoder(policy.decoder) if isinstance(policy.decoder, BoxDecoder) else ChoiceDecoder(policy.decoder)


def torch_network(policy: MemoryPolicy, dtype: torch.dtype) -> Any:
    """The policy's network in Torch, with copies of the weights that act.

    Args:
        policy: Made of a network or of exact cells; of a table it is a `TableNetwork`.
        dtype: Of the weights, unless it is a table.
    """
    weights, model = policy.acting_weights(), policy.model
    if isinstance(model, Boxes):
        return TableNetwork(model, weights.values)
    if isinstance(model, Module):
        return deepcopy(policy.network).to(dtype).eval()
    topology = model.topology
    network = CellsNetwork(topology, dtype=dtype) if isinstance(topology, Cells) else LstmNetwork(topology, dtype=dtype)
    with torch.no_grad():
        network.hidden_weights.copy_(torch.tensor(weights.hidden))
        network.output_weights.copy_(torch.tensor(weights.output))
    return network


def initial_state(policy: MemoryPolicy, n: int) -> State:
    """The state of n rows at the start of an episode, zeros."""
    return tuple(torch.from_numpy(part) for part in policy.initial_state(n)[:-1])  # without the explorer's part
