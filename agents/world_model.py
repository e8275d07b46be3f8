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

from lstm_rl.agents.world_model_agent import Agent, Forces, Moves, Stage
from lstm_rl.compiled import by_class, kernel
from lstm_rl.kernels.sensitivity import Net, advance, advance_derivatives, output_derivatives, read, rest
from lstm_rl.rng import normal, uniform

STEPS, ERROR, PAIN, PAINFUL = range(4)  # sums since the last log: steps, squared error of M, pain, steps that hurt
HURTS = 0.01  # pain from which a step counts as painful: an error of .1 where pain is its square


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


@by_class
def choose(pending: Any, agent: Agent, i: int, stage: Stage, learning: bool) -> None:
    """The pending action from C's outputs, and its derivatives from theirs, which are in ``p_inputs``."""
    raise NotImplementedError  # for compiled code only


@choose.register(Forces)
def _push(pending: Forces, agent: Agent, i: int, stage: Stage, learning: bool) -> None:
    c, net, seen = agent.constants, agent.controller, agent.x.shape[1]
    p_inputs, actions = agent.p_inputs[i], agent.u.shape[1]
    random = uniform(agent.generator, i) < stage.random_share
    for k in range(actions):
        u = 2.0 * net.outputs[i, k] - 1.0
        if random:
            u = 2.0 * uniform(agent.generator, i) - 1.0
        elif stage.noise > 0.0:
            u += stage.noise * normal(agent.generator, i)
        u = min(max(u, -1.0), 1.0)
        agent.u[i, k] = u
        pending.values[i, k] = np.float32(c.low[k] + 0.5 * (u + 1.0) * (c.high[k] - c.low[k]))
        for q in range(p_inputs.shape[1] if learning else 0):
            p_inputs[seen + k, q] *= 0.0 if random else 2.0


@kernel
def absorb(agent: Agent, i: int, stage: Stage, observation: Any, reward: float, terminated: bool) -> None:
    """Learn from what the pending action of stream ``i`` led to; x becomes what is seen then."""
    c, net = agent.constants, agent.model
    seen, observed = agent.x.shape[1], observation.shape[0]
    low, high = c.rewards[0], c.rewards[1]
    pain = (high - reward) / (high - low)
    for m in range(seen):
        net.source[i, m] = agent.x[i, m]
    for k in range(agent.u.shape[1]):
        net.source[i, seen + k] = agent.u[i, k]
    train_model, train_controller = stage.model_rate > 0.0, stage.controller_rate > 0.0
    p, p_inputs = agent.p_model[i], agent.p_inputs[i]
    if c.local and train_controller:
        for s in range(p.shape[0]):
            for q in range(p.shape[1]):
                p[s, q] = 0.0
    for _ in range(c.ticks):
        advance(net, i)
        if train_model:
            advance_derivatives(net, i, agent.p_own[i], agent.p_inputs[i], False, True, agent.own_scratch)
        if train_controller:
            advance_derivatives(net, i, p, p_inputs, True, False, agent.scratch)
    read(net, i)
    for m in range(observed):
        agent.x[i, m] = (observation[m] - c.shift[m]) * c.scale[m]
    if seen > observed:
        agent.x[i, observed] = pain
    total = 0.0
    for k in range(observed + 1):
        error = net.outputs[i, k] - (agent.x[i, k] if k < observed else pain)
        total += error * error
        agent.errors[i, k] = error
    agent.sums[STEPS] += 1.0
    agent.sums[ERROR] += total / (observed + 1)
    agent.sums[PAIN] += pain
    agent.sums[PAINFUL] += 1.0 if pain >= HURTS else 0.0
    if train_controller:
        _improve_controller(agent, i, stage)
    if train_model:
        if c.critic:
            _learn_values(agent, i, reward / c.value_unit, terminated)
        _improve_model(agent, i, stage)


@kernel
def _improve_controller(agent: Agent, i: int, stage: Stage) -> None:
    """Step C along the gradient of the predicted pain, and carry the derivatives of all predictions."""
    c, net, gradient = agent.constants, agent.model, agent.controller_gradient
    seen, p, p_inputs = agent.x.shape[1], agent.p_model[i], agent.p_inputs[i]
    goal = agent.errors.shape[1] if c.critic else agent.errors.shape[1] - 1
    output_derivatives(net, i, goal, p, p_inputs, True, False, gradient)
    sign = -1.0 if c.critic else 1.0
    size = 0.0
    for q in range(gradient.shape[0]):
        gradient[q] *= sign
        size += gradient[q] * gradient[q]
    size = np.sqrt(size)
    factor = c.clip / size if c.clip > 0.0 and size > c.clip else 1.0
    for q in range(gradient.shape[0]):
        gradient[q] *= factor
    mean, square, _, _, count = agent.moments
    if np.isfinite(size):
        _step(agent.controller.parameters, gradient, mean, square, count, 0, stage.controller_rate, c.adam)
    if c.published:
        _fix_outputs(agent.controller)
    if c.local:
        return
    for k in range(seen):
        output_derivatives(net, i, k, p, p_inputs, True, False, agent.p_next[k])
    for q in range(gradient.shape[0]):
        for k in range(seen):
            p_inputs[k, q] = c.discount * agent.p_next[k, q]
        if c.discount < 1.0:
            for s in range(p.shape[0]):
                p[s, q] *= c.discount


@kernel
def _improve_model(agent: Agent, i: int, stage: Stage) -> None:
    """Step M along the gradient of its squared errors."""
    net, gradient = agent.model, agent.model_gradient
    goals, recurrent, sources = agent.errors.shape[1], net.keep.shape[1], net.source.shape[1]
    first, readout = net.state.shape[1] - recurrent, net.gates.shape[1] * sources
    if not agent.constants.critic:
        for w in range(gradient.shape[0]):
            gradient[w] = 0.0
    for r in range(recurrent):
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
    _, _, mean, square, count = agent.moments
    _step(net.parameters, gradient, mean, square, count, 1, stage.model_rate, agent.constants.adam)
    if agent.constants.published:
        _fix_outputs(net)


@kernel
def _learn_values(agent: Agent, i: int, reward: float, terminated: bool) -> None:
    """Fill M's gradient with that of the critic: of the step before, and at an end of this one."""
    net, value, trace, gradient = agent.model, agent.value[i], agent.trace[i], agent.model_gradient
    head = agent.errors.shape[1]
    gamma, q = agent.constants.discount, net.outputs[i, head]
    delta = value[1] + gamma * q - value[0] if value[2] > 0.0 else 0.0
    output_derivatives(net, i, head, agent.p_own[i], agent.p_inputs[i], False, True, agent.row)
    for w in range(trace.shape[0]):
        gradient[w] = -delta * trace[w]
        trace[w] = gamma * agent.constants.trace_decay * trace[w] + agent.row[w]
    if terminated:
        for w in range(trace.shape[0]):
            gradient[w] -= (reward - q) * trace[w]
    value[0], value[1], value[2] = q, reward, 1.0


@choose.register(Moves)
def _draw(pending: Moves, agent: Agent, i: int, stage: Stage, learning: bool) -> None:
    """Draw one of A moves from the softmax of C's outputs, whose derivative stands for that of the move."""
    z, p, seen = agent.controller.outputs[i], agent.p_inputs[i], agent.x.shape[1]
    actions = z.shape[0]
    highest, total = z[0], 0.0
    for k in range(1, actions):
        highest = max(highest, z[k])
    for k in range(actions):
        z[k] = np.exp(z[k] - highest)
        total += z[k]
    random = uniform(agent.generator, i) < stage.random_share
    left, move = uniform(agent.generator, i), actions - 1
    greedy = stage.noise == 0.0 and not random
    for k in range(actions):
        z[k] /= total
    for k in range(actions):
        left -= 1.0 / actions if random else z[k]
        if left < 0.0 and not greedy:
            move = k
            break
    if greedy:
        move = 0
        for k in range(1, actions):
            move = k if z[k] > z[move] else move
    pending.values[i] = move
    for k in range(actions):
        agent.u[i, k] = 1.0 if k == move else 0.0
    for q in range(p.shape[1] if learning else 0):
        mean = 0.0
        for k in range(actions):
            mean += z[k] * p[seen + k, q]
        for k in range(actions):
            p[seen + k, q] = 0.0 if random else z[k] * (p[seen + k, q] - mean)


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


@kernel
def begin(agent: Agent, i: int, observation: Any) -> None:
    """A new episode: nothing is remembered, and no derivative carried."""
    c = agent.constants
    rest(agent.model, i)
    rest(agent.controller, i)
    for m in range(observation.shape[0]):
        agent.x[i, m] = (observation[m] - c.shift[m]) * c.scale[m]
    for m in range(observation.shape[0], agent.x.shape[1]):
        agent.x[i, m] = 0.0
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
def imagine(agent: Agent, i: int) -> None:
    """M's prediction of what the pending action will lead to."""
    net, seen = agent.model, agent.x.shape[1]
    for m in range(seen):
        net.source[i, m] = agent.x[i, m]
    for k in range(agent.u.shape[1]):
        net.source[i, seen + k] = agent.u[i, k]
    for _ in range(agent.constants.ticks):
        advance(net, i)
    read(net, i)
