"""Controller C and recurrent model of the world M, after Schmidhuber (1990); model/critic, after Bakker (2007).

M learns to predict the next observation and the pain from observation, action and its own past; C learns by gradients
of the pain that M predicts, through M, whose weights stay fixed in that. All derivatives are carried forward in time
(`lstm_rl.kernels.sensitivity`), and both nets may learn at every step:

    u(t)    = C(x(t))                                            x = observation, or (observation, pain)
    z(t)    = M(x(t), u(t)),   the prediction of x(t+1) and pain(t+1)
    M:  dw  = - rate_M sum_k (z_k(t) - x_k(t+1)) dz_k(t) / dw
    C:  dw  = - rate_C dz_pain(t) / dw,
        where dx_k(t+1) / dw is taken to be dz_k(t) / dw: the world is replaced by its model in the derivative, never in
        the activations

With ``critic`` M has one more output, the value Q(t) of acting so, learned by TD(lambda), and C ascends dQ/du of the
present step only; C then is a layer without memory that sees the state of M: one LSTM models and criticises.

    delta = r(t) + gamma Q(t) - Q(t-1),   M: dw += rate_M delta e,   e(t) = gamma lambda e(t-1) + dQ(t) / dw

We had neither text, of 1990 or of 2007; ``docs/world-model.md`` lists what is assumed.

Dimensions: n streams, O numbers of an observation, I inputs of C: O, or O + 1 with the pain, A numbers of an action,
Q parameters of C, W of M, S_C and S_M numbers of state.
"""

from typing import Any

import numpy as np

from lstm_rl.agents.world_model_actions import choose
from lstm_rl.agents.world_model_agent import Agent, Stage
from lstm_rl.compiled import kernel
from lstm_rl.kernels.sensitivity import Net, advance, advance_derivatives, output_derivatives, read, rest

STEPS, ERROR, PAIN, PAINFUL = range(4)  # sums since the last log: steps, squared error of M, pain, steps that hurt
HURTS = 0.01  # pain from which a step counts as painful: an error of .1 where pain is its square


@kernel
def begin(agent: Agent, i: int, observation: Any) -> None:
    """A new episode: nothing is remembered, and no derivative carried."""
    rest(agent.model, i)
    rest(agent.controller, i)
    observe(agent, i, observation, 0.0)
    for q in range(agent.p_model.shape[2]):
        for s in range(agent.p_model.shape[1]):
            agent.p_model[i, s, q] = 0.0
        for s in range(agent.p_controller.shape[1]):
            agent.p_controller[i, s, q] = 0.0
        for m in range(agent.p_inputs.shape[1]):
            agent.p_inputs[i, m, q] = 0.0
    for w in range(agent.p_own.shape[2]):
        for s in range(agent.p_own.shape[1]):
            agent.p_own[i, s, w] = 0.0
        agent.trace[i, w] = 0.0
    agent.value[i, 2] = 0.0


@kernel
def decide(agent: Agent, i: int, stage: Stage, learning: bool) -> None:
    """Choose the pending action of stream ``i`` from x, and carry C's derivatives."""
    c, net = agent.constants, agent.controller
    seen = agent.x.shape[1]
    if c.critic:
        rest(net, i)
        for s in range(agent.model.state.shape[1]):
            net.source[i, seen + s] = agent.model.state[i, s]
    for m in range(seen):
        net.source[i, m] = agent.x[i, m]
    p, p_inputs = agent.p_controller[i], agent.p_inputs[i]
    for _ in range(c.ticks):
        advance(net, i)
        if learning:
            advance_derivatives(net, i, p, p_inputs, not c.local, True, agent.scratch)
    read(net, i)
    actions = agent.u.shape[1]
    for k in range(actions if learning else 0):
        net.output_slopes[i, k] = max(net.output_slopes[i, k], c.slope_floor)
        output_derivatives(net, i, k, p, p_inputs, not c.local, True, p_inputs[seen + k])
    choose(agent.pending, agent, i, stage, learning)


@kernel
def predict(agent: Agent, i: int) -> None:
    """M's prediction of what the pending action will lead to; nothing is learned."""
    _feed_model(agent, i)
    _advance_model(agent, i, False, False)
    read(agent.model, i)


@kernel
def learn(agent: Agent, i: int, stage: Stage, observation: Any, reward: float, terminated: bool) -> None:
    """Learn from what the pending action of stream ``i`` led to; x becomes what is seen then."""
    c, model = agent.constants, agent.model
    pain = (c.rewards[1] - reward) / (c.rewards[1] - c.rewards[0])
    learn_model, learn_controller = stage.model_rate > 0.0, stage.controller_rate > 0.0
    _feed_model(agent, i)
    _advance_model(agent, i, learn_model, learn_controller)
    read(model, i)
    observe(agent, i, observation, pain)
    _prediction_errors(agent, i, observation.shape[0], pain)
    if learn_controller:
        _improve_controller(agent, i, stage.controller_rate)
    if learn_model:
        for w in range(agent.model_gradient.shape[0]):
            agent.model_gradient[w] = 0.0
        if c.critic:
            _add_value_gradient(agent, i, reward / c.value_unit, terminated)
        _add_error_gradient(agent, i)
        _, _, mean, square, count = agent.moments
        _step(model.parameters, agent.model_gradient, mean, square, count, 1, stage.model_rate, c.adam)
        if c.published:
            _fix_outputs(model)


@kernel
def _feed_model(agent: Agent, i: int) -> None:
    """M's inputs are what is seen and the pending action."""
    seen = agent.x.shape[1]
    for m in range(seen):
        agent.model.source[i, m] = agent.x[i, m]
    for k in range(agent.u.shape[1]):
        agent.model.source[i, seen + k] = agent.u[i, k]


@kernel
def _advance_model(agent: Agent, i: int, learn_model: bool, learn_controller: bool) -> None:
    """One step of M, with derivatives of its state by its own parameters and by those of C."""
    c, p, p_inputs = agent.constants, agent.p_model[i], agent.p_inputs[i]
    if c.local and learn_controller:  # of the present action alone
        for s in range(p.shape[0]):
            for q in range(p.shape[1]):
                p[s, q] = 0.0
    for _ in range(c.ticks):
        advance(agent.model, i)
        if learn_model:
            advance_derivatives(agent.model, i, agent.p_own[i], p_inputs, False, True, agent.own_scratch)
        if learn_controller:
            advance_derivatives(agent.model, i, p, p_inputs, True, False, agent.scratch)


@kernel
def observe(agent: Agent, i: int, observation: Any, pain: float) -> None:
    """What stream ``i`` sees now: x, scaled, and the pain where it is an input."""
    c, observed = agent.constants, observation.shape[0]
    for m in range(observed):
        agent.x[i, m] = (observation[m] - c.shift[m]) * c.scale[m]
    if agent.x.shape[1] > observed:
        agent.x[i, observed] = pain


@kernel
def _prediction_errors(agent: Agent, i: int, observed: int, pain: float) -> None:
    """M's errors about what is seen now, and sums for the log."""
    total = 0.0
    for k in range(observed + 1):
        error = agent.model.outputs[i, k] - (agent.x[i, k] if k < observed else pain)
        total += error * error
        agent.errors[i, k] = error
    agent.sums[STEPS] += 1.0
    agent.sums[ERROR] += total / (observed + 1)
    agent.sums[PAIN] += pain
    agent.sums[PAINFUL] += 1.0 if pain >= HURTS else 0.0


@kernel
def _improve_controller(agent: Agent, i: int, rate: float) -> None:
    """Step C down the predicted pain, or up Q, and keep the derivatives of what is seen next."""
    c, gradient, p, p_inputs = agent.constants, agent.controller_gradient, agent.p_model[i], agent.p_inputs[i]
    observed = agent.errors.shape[1] - 1
    goal = observed + 1 if c.critic else observed  # of M's outputs: Q or the pain
    output_derivatives(agent.model, i, goal, p, p_inputs, True, False, gradient)
    size = 0.0
    for q in range(gradient.shape[0]):
        size += gradient[q] * gradient[q]
    size = np.sqrt(size)
    factor = c.clip / size if c.clip > 0.0 and size > c.clip else 1.0
    if c.critic:
        factor = -factor
    for q in range(gradient.shape[0]):
        gradient[q] *= factor
    mean, square, _, _, count = agent.moments
    if np.isfinite(size):
        _step(agent.controller.parameters, gradient, mean, square, count, 0, rate, c.adam)
    if c.published:
        _fix_outputs(agent.controller)
    if not c.local:
        _keep_derivatives(agent, i)


@kernel
def _keep_derivatives(agent: Agent, i: int) -> None:
    """What is seen next has the derivatives of M's predictions of it, faded by the discount, as those of M's state."""
    discount, p, p_inputs = agent.constants.discount, agent.p_model[i], agent.p_inputs[i]
    seen, columns = agent.x.shape[1], p.shape[1]
    for k in range(seen):
        output_derivatives(agent.model, i, k, p, p_inputs, True, False, agent.p_next[k])
    for k in range(seen):
        for q in range(columns):
            p_inputs[k, q] = discount * agent.p_next[k, q]
    if discount < 1.0:
        for s in range(p.shape[0]):
            for q in range(columns):
                p[s, q] *= discount


@kernel
def _add_error_gradient(agent: Agent, i: int) -> None:
    """Add the gradient of half of M's squared errors by M's parameters (W,)."""
    net, gradient = agent.model, agent.model_gradient
    goals, recurrent, sources = agent.errors.shape[1], net.keep.shape[1], net.source.shape[1]
    first, readout = net.state.shape[1] - recurrent, net.gates.shape[1] * sources
    for r in range(recurrent):  # d error / d y_r, times d y_r / d w
        total = 0.0
        for k in range(goals):
            weight = net.parameters[readout + k * sources + net.inputs + r]
            total += agent.errors[i, k] * net.output_slopes[i, k] * weight
        for w in range(readout):
            gradient[w] += total * agent.p_own[i, first + r, w]
    for k in range(goals):
        error = agent.errors[i, k] * net.output_slopes[i, k]
        for m in range(sources):
            gradient[readout + k * sources + m] += error * net.source[i, m]


@kernel
def _add_value_gradient(agent: Agent, i: int, reward: float, terminated: bool) -> None:
    """Add the critic's gradient: of the step before, and at an end of this one, too."""
    value, trace, gradient = agent.value[i], agent.trace[i], agent.model_gradient
    head, gamma = agent.errors.shape[1], agent.constants.discount
    q = agent.model.outputs[i, head]
    td_error = value[1] + gamma * q - value[0] if value[2] > 0.0 else 0.0
    output_derivatives(agent.model, i, head, agent.p_own[i], agent.p_inputs[i], False, True, agent.row)
    for w in range(trace.shape[0]):
        gradient[w] -= td_error * trace[w]
        trace[w] = gamma * agent.constants.trace_decay * trace[w] + agent.row[w]
    if terminated:
        for w in range(trace.shape[0]):
            gradient[w] -= (reward - q) * trace[w]
    value[0], value[1], value[2] = q, reward, 1.0


@kernel
def _step(w: Any, g: Any, mean: Any, square: Any, count: Any, which: int, rate: float, adam: bool) -> None:
    """One step of w against its gradient g: Adam (Kingma & Ba 2015), or plain."""
    if not adam:
        for k in range(w.shape[0]):
            w[k] -= rate * g[k]
        return
    count[which] += 1.0
    rate *= np.sqrt(1.0 - 0.999 ** count[which]) / (1.0 - 0.9 ** count[which])
    for k in range(w.shape[0]):
        mean[k] += 0.1 * (g[k] - mean[k])
        square[k] += 0.001 * (g[k] * g[k] - square[k])
        w[k] -= rate * mean[k] / (np.sqrt(square[k]) + 1e-8)


@kernel
def _fix_outputs(net: Net) -> None:
    """The first units are the outputs: no weights there."""
    sources, start = net.source.shape[1], net.gates.shape[1] * net.source.shape[1]
    for k in range(net.outputs.shape[1]):
        for m in range(sources):
            net.parameters[start + k * sources + m] = 1.0 if m == net.inputs + k else 0.0
