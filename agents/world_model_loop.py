"""The loop of controller and world model, compiled: around worlds, or called once per step; and acting alone.

As `lstm_rl.agents.loop`, which dimensions are taken from; the rule is in `lstm_rl.agents.world_model`.
"""

from typing import Any

from lstm_rl.agents.learner import Transition
from lstm_rl.agents.loop import Worlds, all_finite, step_world
from lstm_rl.agents.world_model import begin, decide, learn, observe, predict
from lstm_rl.agents.world_model_agent import Agent, Stage
from lstm_rl.compiled import compiled


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
def predict_all(agent: Agent) -> None:
    """M's predictions, in ``model.outputs``, of what all pending actions will lead to."""
    for i in range(agent.x.shape[0]):
        predict(agent, i)


@compiled
def run(
    agent: Agent, worlds: Worlds, transition: Transition, stage: Stage, steps: int, finished: Any, starting: bool
) -> tuple[int, int]:
    """Up to ``steps`` steps of all n streams; return (steps done, episodes finished); as `lstm_rl.agents.loop.train`.

    With ``worlds.active`` the world is inside the loop; otherwise ``transition`` has been given and ``steps`` is 1. The
    loop stops early before a step whose transition is not finite.

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
                action, episode = agent.pending.values[i], agent.episode[i]
                episodes = step_world(action, episode, worlds, transition, i, finished, episodes)
        if not all_finite(transition):
            return t, episodes
        for i in range(n):
            over = starting
            if not starting:
                ended = transition.terminated[i]
                over = ended or transition.truncated[i]
                learn(agent, i, stage, transition.observation[i], transition.reward[i], ended)
            if over:
                begin(agent, i, transition.first[i])
            decide(agent, i, stage, learning)
    return steps, episodes
