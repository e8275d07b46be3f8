"""The actions of a controller: its outputs with noise for a Box, or a move drawn from their softmax.

Dimensions: n streams, I numbers that are seen, A numbers of an action or moves, Q parameters of C.
"""

from typing import Any

import numpy as np

from lstm_rl.agents.world_model_agent import Agent, Forces, Moves, Stage
from lstm_rl.compiled import by_class
from lstm_rl.rng import normal, uniform


@by_class
def choose(pending: Any, agent: Agent, i: int, stage: Stage, learning: bool) -> None:
    """The pending action from C's outputs, and its derivatives from theirs, which are in ``p_inputs``."""
    raise NotImplementedError  # for compiled code only


@choose.register(Forces)
def _force(pending: Forces, agent: Agent, i: int, stage: Stage, learning: bool) -> None:
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
