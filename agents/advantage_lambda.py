"""Advantage(lambda) with a recurrent network (Bakker 2001, equations 5 and 6), compiled.

    V(s) = max_a A(s, a)
    E(t) = V(s_t) + [r_t + gamma V(s_{t+1}) - V(s_t)] / kappa - A(s_t, a_t)
    e(t) = gamma lambda e(t-1) + dA(s_t, a_t)/dw        e(t-1) = 0 if a_t is exploratory, that is, A(s_t, a_t) < V(s_t)
    w    <- w + learning_rate E(t) e(t)

All streams share the weights; each has its own network state and traces. Between steps a stream has already chosen its
next action, its traces contain that action's gradient, and its weights wait for the reward.

Dimensions: n streams.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.agents.config import Config
from lstm_rl.agents.exploration import argmax, choose, exploration_level, predict_error, regress_error, start_episode
from lstm_rl.agents.learner import (
    ABS_ERROR,
    ERROR,
    EXPLORATORY,
    LEVEL,
    STEPS,
    Learner,
    Transition,
    learn,
    make_optimizer,
    observe,
)
from lstm_rl.agents.scale import end_step, scale_reward
from lstm_rl.compiled import kernel
from lstm_rl.kernels.approximator import (
    Update,
    add_gradient,
    reset,
    to_env_action,
    update_and_trace,
    update_weights,
)


class AdvantageLambda(NamedTuple):
    """The rule's constants, see `Config`, and what it remembers of each stream's pending action."""

    gamma: float
    lambda_: float
    kappa: float
    cut_traces: bool  # at exploratory actions
    optimizer: Any  # see `lstm_rl.kernels.approximator`
    chosen: NDArray[np.float64]  # (n,) A(s_t, a_t)
    value: NDArray[np.float64]  # (n,) V(s_t)


def make_advantage_lambda(config: Config, horizon: int, n: int) -> AdvantageLambda:
    """The rule for n streams."""
    constants = config.gamma, config.lambda_, config.kappa, config.cut_traces, make_optimizer(config, horizon)
    return AdvantageLambda(*constants, np.zeros(n), np.zeros(n))


@kernel
def td_error(r_t: float, discount_t: float, v_tm1: float, v_t: float, chosen_tm1: float, kappa: float) -> float:
    """E = V(s) + [r + discount V(s') - V(s)] / kappa - A(s, a); ``discount_t`` is 0 after a terminal step."""
    return v_tm1 + (r_t + discount_t * v_t - v_tm1) / kappa - chosen_tm1


@learn.register(AdvantageLambda)
def _learn(
    rule: AdvantageLambda, learner: Learner, i: int, learning_rate: float, transition: Transition, starting: bool
) -> None:
    approximator, explorer, sums = learner.approximator, learner.explorer, learner.sums
    terminated = transition.terminated[i]
    begins = starting or terminated or transition.truncated[i]
    error, value = 0.0, 0.0
    # A stream may see two observations: what its action led to and, where an episode begins, its first. One loop
    # serves both: each call of `observe` would compile the network again.
    for new_episode in range(1 if starting else 0, 2 if begins else 1):
        if new_episode == 1:
            if not starting:
                update_weights(approximator, i, Update(rule.optimizer, learning_rate, error), 0.0)
            reset(approximator, i)
            start_episode(learner.exploration, explorer, i)
        if new_episode == 1 or not terminated:
            observe(learner, i, transition.first[i] if new_episode == 1 else transition.observation[i])
            value = np.float64(approximator.outputs[i, argmax(approximator.outputs[i])])
        if new_episode == 0:
            discount = 0.0 if terminated else rule.gamma
            reward = scale_reward(learner.scale, i, np.float64(transition.reward[i]))
            error = td_error(reward, discount, rule.value[i], value, rule.chosen[i], rule.kappa)
            learning_rate *= end_step(learner.scale, i, error, begins)
            regress_error(learner.exploration, explorer, i, learner.x, error, terminated)
            sums[STEPS] += 1.0
            sums[ERROR] += error
            sums[ABS_ERROR] += abs(error)

    predict_error(learner.exploration, explorer, i, learner.x)
    k = choose(learner.exploration, explorer, i, approximator.outputs[i])
    chosen = np.float64(approximator.outputs[i, k])
    exploratory = chosen < value
    if begins:
        add_gradient(approximator, i, k)
    else:
        decay = 0.0 if exploratory and rule.cut_traces else rule.gamma * rule.lambda_
        update_and_trace(approximator, i, k, Update(rule.optimizer, learning_rate, error), decay)
    learner.last_action.action[i] = to_env_action(approximator, i, k)
    rule.chosen[i], rule.value[i] = chosen, value
    sums[EXPLORATORY] += 1.0 if exploratory else 0.0
    sums[LEVEL] += exploration_level(learner.exploration, explorer, i)
