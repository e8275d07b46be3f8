"""Actor-critic with eligibility traces: policy and value are outputs of one network and share its cells, compiled.

    r'(t) = r_t - entropy_weight log pi(a_t | s_t)        its mean is r_t + entropy_weight times the entropy
    E(t)  = r'(t) + gamma V(s_{t+1}) - V(s_t)
    e(t)  = gamma lambda e(t-1) + d[log pi(a_t | s_t) + value_weight V(s_t)]/dw
    w     <- w + learning_rate E(t) e(t)

The entropy is a part of the reward, so that traces and cells carry it as they carry rewards; E times the gradient of
log pi then is, in the mean, the gradient of the sum of both. Of a policy's distribution see `distributions`.

Source: Sutton and Barto, "Reinforcement Learning: An Introduction" (2018), section 13.6, without the factor gamma^t,
as usual. There actor and critic have traces of their own; one trace for both costs half, and lambda is the same anyway.

All streams share the weights; the order of steps is that of `advantage_lambda`.

Dimensions: n streams, K outputs, the last of which is V.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.agents.config import Config
from lstm_rl.agents.distributions import score
from lstm_rl.agents.exploration import act
from lstm_rl.agents.learner import (
    ABS_ERROR,
    ENTROPY,
    ERROR,
    STEPS,
    VALUE,
    Learner,
    Transition,
    learn,
    make_optimizer,
    observe,
)
from lstm_rl.agents.scale import end_step, scale_reward
from lstm_rl.kernels.approximator import Update, accumulate_gradient, reset, to_env_action, update_weights


class ActorCritic(NamedTuple):
    """The rule's constants, see `Config`, and what it remembers of each stream's pending action."""

    gamma: float
    lambda_: float
    entropy_weight: float
    value_weight: float
    optimizer: Any  # see `lstm_rl.kernels.approximator`
    value: NDArray[np.float64]  # (n,) V(s_t)
    log_pi: NDArray[np.float64]  # (n,) of a_t
    errors: NDArray[Any]  # (K,) scratch: the gradient by the outputs


def make_actor_critic(config: Config, horizon: int, n: int, outputs: int) -> ActorCritic:
    """The rule for n streams of a network with K outputs."""
    weights = config.entropy_weight, config.value_weight
    constants = config.gamma, config.lambda_, *weights, make_optimizer(config, horizon)
    return ActorCritic(*constants, np.zeros(n), np.zeros(n), np.zeros(outputs, config.precision))


@learn.register(ActorCritic)
def _learn(
    rule: ActorCritic, learner: Learner, i: int, learning_rate: float, transition: Transition, starting: bool
) -> None:
    approximator, sums = learner.approximator, learner.sums
    outputs = approximator.outputs[i]
    last = outputs.shape[0] - 1
    terminated = transition.terminated[i]
    begins = starting or terminated or transition.truncated[i]
    error, value = 0.0, 0.0
    for new_episode in range(1 if starting else 0, 2 if begins else 1):  # as `advantage_lambda` explains
        if new_episode == 1:
            if not starting:
                update_weights(approximator, i, Update(rule.optimizer, learning_rate, error), 0.0)
            reset(approximator, i)
        if new_episode == 1 or not terminated:
            observe(learner, i, transition.first[i] if new_episode == 1 else transition.observation[i])
            value = np.float64(outputs[last])
        if new_episode == 0:
            reward = scale_reward(learner.scale, i, np.float64(transition.reward[i]))
            following = 0.0 if terminated else rule.gamma * value
            error = reward - rule.entropy_weight * rule.log_pi[i] + following - rule.value[i]
            learning_rate *= end_step(learner.scale, i, error, begins)
            sums[STEPS] += 1.0
            sums[ERROR] += error
            sums[ABS_ERROR] += abs(error)

    vector = learner.last_action.vector[i]
    action = act(learner.exploration, learner.explorer, i, learner.x, outputs, False, vector)
    rule.log_pi[i] = score(learner.exploration, outputs, action, vector, rule.errors)
    rule.errors[last] = rule.value_weight
    rule.value[i] = value
    sums[ENTROPY] -= rule.log_pi[i]
    sums[VALUE] += value
    if not begins:
        update_weights(approximator, i, Update(rule.optimizer, learning_rate, error), rule.gamma * rule.lambda_)
    accumulate_gradient(approximator, i, rule.errors)
    learner.last_action.action[i] = to_env_action(approximator, i, action)
