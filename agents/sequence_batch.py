"""Drawn sequences as tensors, with the features that both bodies make of them.

Dimensions: L steps of a sequence, T steps that are learned, n steps of a return, B sequences, F features.
"""

from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor

from lstm_rl.agents.replay_config import ReplayConfig
from lstm_rl.agents.replay_policy import ReplayPolicy
from lstm_rl.agents.sequence_buffer import SequenceBuffer, Sequences


class Batch(NamedTuple):
    """Sequences as tensors of T + n_steps steps behind the burn-in, and what the networks make of them."""

    features: Tensor  # (T + n, B, F) of the learning body, with gradient
    target_features: Tensor  # (T + n, B, F) of the slow copy
    action: Tensor  # (T + n, B) or (T + n, B, d)
    reward: Tensor  # (T + n, B), scaled
    terminated: Tensor  # (T + n, B) bool
    valid: Tensor  # (T + n, B) bool
    weight: Tensor  # (B,)
    drawn: Sequences


def unroll(
    policy: ReplayPolicy, buffer: SequenceBuffer, drawn: Sequences, config: ReplayConfig, reward_scale: float
) -> Batch:
    """Unroll the learning body, with gradient behind the burn-in, and its slow copy, each from the same first state."""
    device, burn_in, features = policy.device, config.burn_in, list[Tensor]()

    def tensor(part: NDArray[Any]) -> Tensor:
        values = torch.as_tensor(part, device=device)
        return values.long() if values.dtype == torch.int32 else values

    context = buffer.context(drawn) if config.state == "recomputed" else None
    x, action, previous, reward, start, terminated, valid = map(tensor, drawn[:7])
    seen = policy.inputs(x)
    for nets in (policy.net, policy.target):
        body: Any = nets["body"]
        state = body.core.initial_state(x.shape[1])
        if config.state == "stored":
            state = policy.core_state(drawn.state)
        with torch.no_grad():
            if context is not None:
                past = policy.inputs(tensor(context.observation))
                state = body(past, tensor(context.previous), state, tensor(context.start))[1]
            if nets is policy.target:  # at one go: nothing of it has a gradient
                features.append(body(seen, previous, state, start)[0][burn_in:])
                continue
            if burn_in:
                state = body(seen[:burn_in], previous[:burn_in], state, start[:burn_in])[1]
        features.append(body(seen[burn_in:], previous[burn_in:], state, start[burn_in:])[0])
    action, reward, terminated, valid = (part[burn_in:] for part in (action, reward, terminated, valid))
    reward, weight = reward.to(seen.dtype) * reward_scale, tensor(drawn.weight).to(seen.dtype)
    return Batch(features[0], features[1], action, reward, terminated, valid, weight, drawn)
