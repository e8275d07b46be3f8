"""Acting without learning, compiled: one step of several rows of a policy."""

from typing import Any

from lstm_rl.agents.exploration import Explorer, act
from lstm_rl.agents.learner import Normaliser, network_input
from lstm_rl.compiled import compiled
from lstm_rl.kernels.approximator import forward, reset, to_env_action


@compiled
def forward_rows(approximator: Any, normaliser: Normaliser, clip: float, x: Any, starts: Any, inputs: Any) -> None:
    """One step of all rows from observations ``x`` (n, I), normalised unless ``clip`` is 0; leaves what was seen."""
    for i in range(x.shape[0]):
        if starts[i]:
            reset(approximator, i)
        network_input(normaliser, clip, x[i], inputs[i])
        forward(approximator, i, inputs[i])


@compiled
def choose_rows(
    approximator: Any, exploration: Any, explorer: Explorer, inputs: Any, greedy: bool, actions: Any, vectors: Any
) -> None:
    """Choose the actions of all rows, (n,) or vectors (n, d), by the outputs that `forward_rows` left."""
    for i in range(actions.shape[0]):
        k = act(exploration, explorer, i, inputs[i], approximator.outputs[i], greedy, vectors[i])
        actions[i] = to_env_action(approximator, i, k)
