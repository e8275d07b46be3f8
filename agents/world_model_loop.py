"""The loop of controller and world model, compiled: around worlds, or called once per step; and acting alone.

As `lstm_rl.agents.loop`, which dimensions are taken from; the rule is in `lstm_rl.agents.world_model`.
"""

from typing import Any

import numpy as np

from lstm_rl.agents.learner import Transition
from lstm_rl.agents.loop import LENGTH, RETURN, STREAM, SUCCESS, Worlds
from lstm_rl.agents.world_model import begin, decide, learn, observe, predict
from lstm_rl.agents.world_model_agent import Agent, Stage
from lstm_rl.compiled import compiled, kernel
from lstm_rl.envs.dynamics import CONTINUES, SUCCEEDED, reset_row, step_row


@compiled
def act_greedily(agent: Agent, observations: Any, starts: Any) -> None:
    """Choose actions greedily after observations (n, O), where ``starts`` (n,) of new episodes; nothing is learned.

    No reward is told: M's prediction stands for the pain.
    """
    still = Stage(0.0, 0.0, 0.0, 0.0)
    for i in range(starts.shape[0]):
        if starts[i]:
            begin(agent, i, observations[i])
        else:
            predict(agent, i)
            observe(agent, i, observations[i], agent.model.outputs[i, observations.shape[1]])
        decide(agent, i, still, False)


@compiled
def foresee(agent: Agent) -> None:
    """M's predictions, in ``model.outputs``, of what all pending actions will lead to."""
    for i in range(agent.x.shape[0]):
        predict(agent, i)


@compiled
def run(
    agent: Agent, worlds: Worlds, transition: Transition, stage: Stage, steps: int, finished: Any, starting: bool
) -> tuple[int, int]:
    """Up to ``steps`` steps of all n streams; return (steps done, episodes finished); as `lstm_rl.agents.loop.train`.

    With ``worlds.active`` the world is inside the loop; otherwise ``transition`` has been given and ``steps`` is 1.
    Nothing is learned where the rates of ``stage`` are 0.
    """
    n, episodes = agent.x.shape[0], 0
    learning = stage.controller_rate > 0.0
    for t in range(steps):
        if worlds.active:
            full = episodes + n > finished.shape[0]
            for i in range(n):
                full |= worlds.position[i] + 2 > worlds.tape.shape[1]
            if full:
                return t, episodes
        for i in range(n):
            over = starting
            if not starting:
                if worlds.active:
                    episodes = _step_world(agent, worlds, transition, i, finished, episodes)
                finite = np.isfinite(transition.reward[i])
                for m in range(transition.observation.shape[1]):
                    finite &= np.isfinite(transition.observation[i, m])
                if not finite:
                    return t, episodes
                ended = transition.terminated[i]
                over = ended or transition.truncated[i]
                learn(agent, i, stage, transition.observation[i], transition.reward[i], ended)
            if over:
                begin(agent, i, transition.first[i])
            decide(agent, i, stage, learning)
    return steps, episodes


@kernel
def _step_world(agent: Agent, worlds: Worlds, transition: Transition, i: int, finished: Any, episodes: int) -> int:
    """Row ``i`` of the world takes its pending action; reset it if its episode ends; return the number of episodes."""
    noise = worlds.tape[i, worlds.position[i]]
    worlds.position[i] += 1
    reward, outcome, truncated = step_row(
        worlds.rules,
        worlds.params,
        worlds.max_steps,
        noise,
        agent.pending.values[i],
        worlds.state,
        worlds.elapsed,
        i,
        worlds.observation,
    )
    agent.episode[i, 0] += reward
    agent.episode[i, 1] += 1.0
    transition.reward[i] = reward
    transition.terminated[i] = outcome != CONTINUES
    transition.truncated[i] = truncated
    for m in range(transition.observation.shape[1]):
        transition.observation[i, m] = worlds.observation[i, m]
    if outcome != CONTINUES or truncated:
        finished[episodes, STREAM] = i
        finished[episodes, RETURN] = agent.episode[i, 0]
        finished[episodes, LENGTH] = agent.episode[i, 1]
        success = outcome == SUCCEEDED or (truncated and worlds.survival_is_success)
        finished[episodes, SUCCESS] = 1.0 if success else 0.0
        episodes += 1
        agent.episode[i, 0] = agent.episode[i, 1] = 0.0
        noise = worlds.tape[i, worlds.position[i]]
        worlds.position[i] += 1
        reset_row(worlds.rules, worlds.params, noise, worlds.state, worlds.elapsed, i, worlds.observation)
        for m in range(transition.first.shape[1]):
            transition.first[i, m] = worlds.observation[i, m]
    return episodes
