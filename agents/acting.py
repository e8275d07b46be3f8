"""Acting without learning, compiled: one step of several rows of a policy."""

from typing import Any

from lstm_rl.agents.exploration import Explorer, argmax, choose, predict_error
from lstm_rl.agents.learner import Normaliser, normalise
from lstm_rl.compiled import compiled
from lstm_rl.kernels.approximator import forward, reset, to_env_action


@compiled
def forward_rows(approximator: Any, normaliser: Normaliser, clip: float, x: Any, starts: Any, inputs: Any) -> None:
    """One step of all rows from observations ``x`` (n, I), normalised unless ``clip`` is 0; leaves what was seen."""
    for i in range(x.shape[0]):
        if starts[i]:
            reset(approximator, i)
        if clip > 0.0:
            normalise(normaliser, clip, x[i], inputs[i])
        else:
            for m in range(x.shape[1]):
                inputs[i, m] = x[i, m]
        forward(approximator, i, inputs[i])


@compiled
def choose_rows(
    approximator: Any, exploration: Any, explorer: Explorer, inputs: Any, greedy: bool, actions: Any
) -> None:
    """Choose the actions (n,) of all rows, by the advantages that `forward_rows` left."""
    for i in range(actions.shape[0]):
        advantages = approximator.outputs[i]
        if greedy:
            k = argmax(advantages)
        else:
            predict_error(exploration, explorer, i, inputs[i])
            k = choose(exploration, explorer, i, advantages)
        actions[i] = to_env_action(approximator, i, k)
