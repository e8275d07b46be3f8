"""The readable reference of controller and world model, in Torch: autograd takes the place of carried derivatives.

`predictions` plays what has been recorded through both nets. Its gradient by the controller is that of
`lstm_rl.agents.world_model`: where the world answered with x(t+1), the derivative of M's prediction z(t) stands in.

Dimensions: T steps, O numbers of an observation, I inputs of C, A numbers of an action.
"""

import torch
from torch import Tensor

from lstm_rl.agents.world_model_config import WorldModelConfig

State = tuple[Tensor, Tensor]
"""Cells (R,), 0 of ordinary units, and outputs y (R,)."""


def with_derivative_of(value: Tensor, other: Tensor) -> Tensor:
    """``value``, with the derivative of another number."""
    return value + (other - other.detach())


def net(
    parameters: Tensor, units: int, outputs: int, x: Tensor, state: State, config: WorldModelConfig
) -> tuple[Tensor, State]:
    """Outputs before squashing, and the next state, after `config.ticks` steps from inputs x."""
    per_unit = 4 if config.units == "lstm" else 1
    weights = parameters.reshape(per_unit * units + outputs, -1)
    c, y = state
    one = torch.ones(1, dtype=x.dtype)
    for _ in range(config.ticks):
        before = y.detach() if config.gradient == "truncated" else y
        sums = weights[: per_unit * units] @ torch.cat([x, before, one])
        if config.units == "lstm":
            i, f, o, g = sums.reshape(4, units)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            y = torch.sigmoid(o) * torch.tanh(c)
        else:
            y = torch.sigmoid(sums)
    return weights[per_unit * units :] @ torch.cat([x, y, one]), (c, y)


def rest(units: int) -> State:
    """Nothing is remembered."""
    return torch.zeros(units, dtype=torch.float64), torch.zeros(units, dtype=torch.float64)


def predictions(config: WorldModelConfig, controller: Tensor, model: Tensor, x: Tensor, actions: Tensor) -> Tensor:
    """M's predictions (T, O + 1), the last of which is the pain.

    Args:
        config: Settings; `WorldModelConfig.critic` is not covered.
        controller: Parameters of C.
        model: Parameters of M.
        x: (T, I) what was seen.
        actions: (T, A) what was done, in [-1, 1], noise included.
    """
    seen, width = x.shape[1], actions.shape[1]
    goals = seen + (0 if config.pain_input else 1)
    own, of_model = rest(config.controller_units), rest(config.model_units)
    predicted, all_predicted = x[0], []
    for x_t, action in zip(x, actions, strict=True):
        x_t = with_derivative_of(x_t, predicted)
        z, own = net(controller, config.controller_units, width, x_t, own, config)
        u = 2.0 * (torch.sigmoid(z) if config.units == "lstm" else z) - 1.0
        inputs = torch.cat([x_t, with_derivative_of(action, u)])
        z, of_model = net(model, config.model_units, goals, inputs, of_model, config)
        predicted = z[:seen]
        all_predicted.append(z)
    return torch.stack(all_predicted)
