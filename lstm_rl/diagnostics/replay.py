"""A policy's network in Torch, to ask it what its compiled form does not tell.

Dimensions: T steps, I inputs.
"""

from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lstm_rl.agents.models import Boxes, Module
from lstm_rl.agents.policies import MemoryPolicy
from lstm_rl.kernels.cells import Cells
from lstm_rl.nn.lstm import LstmNetwork
from lstm_rl.nn.network import Network


def as_network(policy: MemoryPolicy) -> Network:
    """The policy's network with copies of its weights, 64 bits and the complete gradient.

    Raises:
        ValueError: The policy is a table, or made of exact cells.
    """
    if isinstance(policy.model, Boxes) or isinstance(getattr(policy.model, "topology", None), Cells):
        raise ValueError(f"policy must have a network, got {policy.model}")
    weights = policy.acting_weights()
    if isinstance(policy.model, Module):
        network: Any = deepcopy(policy.network).double().eval()
        return network  # type: ignore[no-any-return]
    net = LstmNetwork(policy.topology, dtype=torch.float64)
    with torch.no_grad():
        net.hidden_weights.copy_(torch.tensor(weights.hidden))
        net.output_weights.copy_(torch.tensor(weights.output))
    return net


def as_seen(policy: MemoryPolicy, observations: NDArray[Any]) -> NDArray[np.float64]:
    """Observations (T, I) as the policy's network sees them, (T, I): normalised if the policy does that."""
    if not policy.config.normalize_observations:
        return observations.astype(np.float64)
    statistics, clip = policy.normaliser(), policy.config.observation_clip
    variance = statistics.square / np.maximum(statistics.seen, 1.0)  # as `lstm_rl.agents.learner.network_input`
    seen: NDArray[np.float64] = np.clip((observations - statistics.mean) / np.sqrt(variance + 1e-8), -clip, clip)
    return seen
