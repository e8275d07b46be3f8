"""Targets, errors and priorities of value learning from sequences: pure functions of tensors.

A step is *valid* if its observation was acted on. The return from step t over m steps, with V the values that targets
are made of:

    G_0(t) = V(t)
    G_m(t) = r(t) + gamma (1 - terminated(t)) ((1 - lambda) V(t+1) + lambda G_{m-1}(t+1))   if t is valid, else V(t)

So a sum ends with the episode; where the episode was cut off it ends with the value of the last observation, which is
a step that is not valid; and it never takes in the next episode.

With lambda = 1 it is m rewards and a value. With lambda < 1 it is a mean of such returns: that over k < m steps has
weight (1 - lambda) lambda^(k-1), that over m steps lambda^(m-1).

Source: Kapturowski et al. (2019), sections 2.3 and 3; advantages: Bakker (2001), equation 3, over n steps; lambda, not
cut at exploratory actions: J. Peng and R. J. Williams, "Incremental multi-step Q-learning", Machine Learning 22 (1996).

Dimensions: T steps that are learned, n steps of a return, B sequences, K actions.
"""

import torch
from torch import Tensor

EPSILON = 1e-3  # of the rescaling, which keeps its inverse continuous


def rescale(x: Tensor) -> Tensor:
    """h(x) = sign(x) (sqrt(|x| + 1) - 1) + epsilon x."""
    return torch.sign(x) * (torch.sqrt(x.abs() + 1.0) - 1.0) + EPSILON * x


def unscale(x: Tensor) -> Tensor:
    """The inverse of h: sign(x) (((sqrt(1 + 4 epsilon (|x| + 1 + epsilon)) - 1) / (2 epsilon))^2 - 1)."""
    root = torch.sqrt(1.0 + 4.0 * EPSILON * (x.abs() + 1.0 + EPSILON))
    return torch.sign(x) * (((root - 1.0) / (2.0 * EPSILON)) ** 2 - 1.0)


def n_step_returns(
    value: Tensor,
    reward: Tensor,
    terminated: Tensor,
    valid: Tensor,
    gamma: float,
    n_steps: int,
    lambda_: float = 1.0,
) -> Tensor:
    """G_n of the first T of T + n steps, see the module.

    Args:
        value: (T + n, B) V.
        reward: (T + n, B) after the action of each step.
        terminated: (T + n, B) bool.
        valid: (T + n, B) bool.
        gamma: Discount per step in [0, 1].
        n_steps: n >= 1.
        lambda_: Share of the longer return, in [0, 1].

    Returns:
        (T, B).
    """
    discount = gamma * (~terminated).to(value.dtype)
    returns = value
    for _ in range(n_steps):
        before = len(returns) - 1
        following = torch.lerp(value[1 : before + 1], returns[1:], lambda_)
        returns = torch.where(valid[:before], reward[:before] + discount[:before] * following, value[:before])
    return returns


def q_targets(
    q: Tensor,
    q_target: Tensor,
    reward: Tensor,
    terminated: Tensor,
    valid: Tensor,
    *,
    gamma: float,
    n_steps: int,
    lambda_: float = 1.0,
    kappa: float = 1.0,
    double: bool = True,
    rescaled: bool = False,
) -> Tensor:
    """What Q(s_t, a_t) is to become: y = h(V(t) + (G_n(t) - V(t)) / kappa), V(t) = h^-1(Q-(s_t, argmax_a Q(s_t, a))).

    Args:
        q: (T + n, B, K) of the network that learns.
        q_target: (T + n, B, K) of its slow copy.
        reward: As `n_step_returns`, and the next four.
        terminated: See there.
        valid: See there.
        gamma: See there.
        n_steps: See there.
        lambda_: See there.
        kappa: In (0, 1]; 1: action values. Below, advantages: differences between actions are 1 / kappa times as large.
        double: The learning network chooses the action whose value counts, else the slow copy does.
        rescaled: Whether the networks' outputs are h(values); else h is left out.

    Returns:
        (T, B), without gradient.
    """
    with torch.no_grad():
        best = (q if double else q_target).argmax(dim=2, keepdim=True)
        value = q_target.gather(2, best).squeeze(2)  # (T + n, B)
        if rescaled:
            value = unscale(value)
        returns = n_step_returns(value, reward, terminated, valid, gamma, n_steps, lambda_)  # (T, B)
        now = value[: len(returns)]
        target = now + (returns - now) / kappa
        return rescale(target) if rescaled else target


def sequence_loss(errors: Tensor, valid: Tensor, weight: Tensor) -> Tensor:
    """Mean of w error^2 / 2 over valid steps; errors and valid (T, B), weights (B,) of sequences."""
    return 0.5 * (weight * errors.square() * valid).sum() / valid.sum().clamp(min=1)


def priorities(errors: Tensor, valid: Tensor, eta: float) -> Tensor:
    """eta max_t |error| + (1 - eta) mean_t |error| over valid steps, (B,)."""
    size = errors.detach().abs() * valid
    return eta * size.max(dim=0).values + (1.0 - eta) * size.sum(dim=0) / valid.sum(dim=0).clamp(min=1)
