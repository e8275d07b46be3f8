"""A policy's network in Torch, to ask it what its compiled form does not tell.

Dimensions: T steps, I inputs, K actions.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lstm_rl.acting import torch_network
from lstm_rl.agents.learner import standard_deviation
from lstm_rl.agents.models import Boxes
from lstm_rl.agents.policies import MemoryPolicy
from lstm_rl.nn.cells import CellsNetwork
from lstm_rl.nn.network import Network


def as_network(policy: MemoryPolicy) -> Network:
    """The policy's network with copies of its weights, 64 bits and the complete gradient.

    Raises:
        ValueError: The policy is a table.
    """
    if isinstance(policy.model, Boxes):
        raise ValueError(f"policy must have a network, got {policy.model}")
    network: Network = torch_network(policy, torch.float64)
    return network


def as_seen(policy: MemoryPolicy, observations: NDArray[Any], actions: NDArray[Any]) -> NDArray[np.float64]:
    """What the policy's network sees in an episode, (T, inputs of the network).

    These are the observations, normalised if the policy does that, and the action before where it is an input.

    Args:
        policy: Who saw them.
        observations: (T, I) from the episode's first step on.
        actions: (T,) which of K was chosen at each step.
    """
    seen = observations.astype(np.float64)
    if policy.config.normalize_observations:
        statistics, clip = policy.normaliser(), policy.config.observation_clip
        seen = np.clip((seen - statistics.mean) / standard_deviation(statistics), -clip, clip)
    network = as_network(policy)
    if not isinstance(network, CellsNetwork) or not network.cells.actions:
        return seen
    before = np.zeros((len(seen), network.cells.actions))
    before[np.arange(1, len(seen)), actions[: len(seen) - 1]] = 1.0
    return np.concatenate([seen, before], axis=1)
