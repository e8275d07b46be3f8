"""Advantage(lambda) with an LSTM (Bakker 2001, equations 5 and 6), compiled: the rule, and the loop around a world.

    V(s) = max_a A(s, a)
    E(t) = V(s_t) + [r_t + gamma V(s_{t+1}) - V(s_t)] / kappa - A(s_t, a_t)
    e(t) = gamma lambda e(t-1) + dA(s_t, a_t)/dw        e(t-1) = 0 if a_t is exploratory, that is, A(s_t, a_t) < V(s_t)
    w    <- w + alpha E(t) e(t)

One learner is one `Learner`: weights that all streams share, and everything that each of n streams carries from step to
step. Between steps each stream has already chosen its next action, its traces contain that action's gradient, and
its weights wait for the reward. Streams learn one after the other, in order.

Both ways of training are the same compiled function, `train`: with a world inside the loop, or called once per step
with what any other environment returned. Nothing in it depends on chunking or on who calls, so their weights agree to
the last bit.
"""

from typing import Any

import numpy as np

from lstm_rl.agents.exploration import DIRECTED, choose, estimate, predict_error, regress_error, temperature
from lstm_rl.agents.learner import (
    ABS_ERROR,
    ERROR,
    EXPLORATORY,
    LENGTH,
    RETURN,
    STEPS,
    STREAM,
    SUCCESS,
    TEMPERATURE,
    Learner,
    Normaliser,
    Transition,
    Worlds,
)
from lstm_rl.compiled import compiled, kernel
from lstm_rl.envs.dynamics import CONTINUES, SUCCEEDED, reset_row, step_row
from lstm_rl.kernels.approximator import (
    Update,
    add_gradient,
    forward,
    reset,
    to_env_action,
    update_and_trace,
    update_weights,
)


@kernel
def td_error(r_t: float, discount_t: float, v_tm1: float, v_t: float, chosen_tm1: float, kappa: float) -> float:
    """E = V(s) + [r + discount V(s') - V(s)] / kappa - A(s, a); ``discount_t`` is 0 after a terminal step."""
    return v_tm1 + (r_t + discount_t * v_t - v_tm1) / kappa - chosen_tm1


@kernel
def normalise(normaliser: Normaliser, clip: float, x: Any, to: Any) -> None:
    """To = (x - mean) / standard deviation, cut off at +- clip."""
    for m in range(normaliser.mean.shape[0]):
        variance = normaliser.square[m] / max(normaliser.seen[0], 1.0)
        to[m] = min(max((x[m] - normaliser.mean[m]) / np.sqrt(variance + 1e-8), -clip), clip)


@kernel
def state_value(learner: Learner, i: int, observation: Any) -> float:
    """Let stream ``i`` see an observation: one step of the network; return V."""
    statistics, x = learner.normaliser, learner.x
    if learner.rule.normalize_observations:
        statistics.seen[0] += 1.0
        for m in range(statistics.mean.shape[0]):
            deviation = observation[m] - statistics.mean[m]
            statistics.mean[m] += deviation / statistics.seen[0]
            statistics.square[m] += deviation * (observation[m] - statistics.mean[m])
        normalise(statistics, learner.rule.observation_clip, observation, x)
    else:
        for m in range(observation.shape[0]):
            x[m] = observation[m]
    forward(learner.approximator, i, x)
    outputs = learner.approximator.outputs[i]
    value = np.float64(outputs[0])
    for k in range(1, outputs.shape[0]):
        value = max(value, np.float64(outputs[k]))
    return value


@kernel
def learn(
    learner: Learner,
    i: int,
    learning_rate: float,
    reward: float,
    terminated: bool,
    truncated: bool,
    observation: Any,
    first: Any,
    starting: bool,
) -> None:
    """One step of stream ``i``: learn from the reward of the pending action, then choose the next action.

    Args:
        learner: Changed in place.
        i: Stream, 0 .. n-1.
        learning_rate: Learning rate of this step, > 0.
        reward: r_t.
        terminated: The episode ended: V(s_{t+1}) = 0, and ``observation`` is not looked at.
        truncated: The episode was cut off: V(s_{t+1}) comes from ``observation``, then a new one begins.
        observation: (I,) what the pending action led to.
        first: (I,) the next episode's first observation, if this one ended.
        starting: The stream has no pending action yet; only ``first`` counts.
    """
    rule, approximator = learner.rule, learner.approximator
    last_action, explorer = learner.last_action, learner.explorer
    directed = learner.exploration.kind == DIRECTED
    error, value = 0.0, 0.0
    if not starting:
        if not terminated:
            value = state_value(learner, i, observation)
        discount = 0.0 if terminated else rule.gamma
        error = td_error(reward, discount, last_action.value[i], value, last_action.chosen[i], rule.kappa)
        learner.sums[STEPS] += 1.0
        learner.sums[ERROR] += error
        learner.sums[ABS_ERROR] += abs(error)
        if directed:
            target = abs(error)
            if not terminated:
                target += learner.exploration.beta * estimate(explorer, learner.x, explorer.scratch)
            regress_error(explorer, i, target, learner.exploration.learning_rate)
    update, begins = Update(rule.optimizer, learning_rate, error), starting or terminated or truncated
    if begins:
        if not starting:
            update_weights(approximator, i, update, 0.0)
        reset(approximator, i)
        explorer.repeated[i] = 0
        value = state_value(learner, i, first)
    if directed:
        predict_error(explorer, i, learner.x)

    advantages = approximator.outputs[i]
    k = choose(learner.exploration, explorer, i, advantages)
    chosen = np.float64(advantages[k])
    exploratory = chosen < value
    if begins:
        add_gradient(approximator, i, k)
    else:
        decay = 0.0 if exploratory and rule.cut_traces else rule.gamma * rule.lambda_
        update_and_trace(approximator, i, k, update, decay)
    last_action.action[i] = to_env_action(approximator, i, k)
    last_action.chosen[i] = chosen
    last_action.value[i] = value
    learner.sums[EXPLORATORY] += 1.0 if exploratory else 0.0
    learner.sums[TEMPERATURE] += temperature(learner.exploration, explorer, i)


@kernel
def _finite(observations: Any) -> bool:
    for i in range(observations.shape[0]):
        for m in range(observations.shape[1]):
            if not np.isfinite(observations[i, m]):
                return False
    return True


@compiled
def train(
    learner: Learner, worlds: Worlds, transition: Transition, learning_rates: Any, finished: Any, starting: bool
) -> tuple[int, int]:
    """Train all n streams for up to T steps; return (steps done, episodes finished).

    With ``worlds.active`` the world is inside the loop; otherwise each stream's next reward and observation have been
    given (T = 1). One compiled function serves both.

    Args:
        learner: Changed in place.
        worlds: The rows of a world, changed in place.
        transition: Used if the worlds are not active.
        learning_rates: (T,) learning rate of each step.
        finished: (F, 4) filled with one record per finished episode. The loop stops early when there might not be room
            for one more episode per row here or in the noise tape (two rows of it per step).
        starting: Only choose first actions from ``handed.first``.

    Returns:
        No steps at all, and nothing is changed, if an observation that was given is not finite.
    """
    n, episodes = learner.last_action.action.shape[0], 0
    if not (worlds.active or _finite(transition.first) and _finite(transition.observation)):
        return 0, 0
    for t in range(learning_rates.shape[0]):
        if worlds.active:
            full = episodes + n > finished.shape[0]
            for i in range(n):
                full |= worlds.position[i] + 2 > worlds.tape.shape[1]
            if full:
                return t, episodes
        for i in range(n):
            if worlds.active:
                episodes = _step_world(learner, worlds, transition, i, finished, episodes)
            learn(
                learner,
                i,
                learning_rates[t],
                np.float64(transition.reward[i]),
                transition.terminated[i],
                transition.truncated[i],
                transition.observation[i],
                transition.first[i],
                starting,
            )
    return learning_rates.shape[0], episodes


@kernel
def _step_world(learner: Learner, worlds: Worlds, transition: Transition, i: int, finished: Any, episodes: int) -> int:
    """Row ``i`` of the world takes its pending action; reset it if its episode ends; return the number of episodes."""
    noise = worlds.tape[i, worlds.position[i]]
    worlds.position[i] += 1
    reward, outcome, truncated = step_row(
        worlds.rules,
        worlds.params,
        worlds.max_steps,
        noise,
        learner.last_action.action[i],
        worlds.state,
        worlds.elapsed,
        i,
        worlds.observation,
    )
    episode = learner.last_action.episode[i]
    episode[0] += reward
    episode[1] += 1.0
    transition.reward[i] = reward
    transition.terminated[i] = outcome != CONTINUES
    transition.truncated[i] = truncated
    for m in range(transition.observation.shape[1]):
        transition.observation[i, m] = worlds.observation[i, m]
    if outcome != CONTINUES or truncated:
        finished[episodes, STREAM] = i
        finished[episodes, RETURN] = episode[0]
        finished[episodes, LENGTH] = episode[1]
        success = outcome == SUCCEEDED or (truncated and worlds.survival_is_success)
        finished[episodes, SUCCESS] = 1.0 if success else 0.0
        episodes += 1
        episode[:] = 0.0
        noise = worlds.tape[i, worlds.position[i]]
        worlds.position[i] += 1
        reset_row(worlds.rules, worlds.params, noise, worlds.state, worlds.elapsed, i, worlds.observation)
        for m in range(transition.first.shape[1]):
            transition.first[i, m] = worlds.observation[i, m]
    return episodes
