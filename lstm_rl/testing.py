"""Tests for anybody's recurrent agent: does it remember, and does it forget when an episode starts?

`check_recurrent` calls an agent with random sequences of observations and compares its answers. What a state holds is
the agent's own matter, so states are never compared, only what the agent answers with them.

| check   | what has to hold                                                                                          |
|---------|-----------------------------------------------------------------------------------------------------------|
| repeat  | the same calls give the same, finite answers, whatever was called in between                              |
| history | the same observations can be answered differently after different histories                               |
| reset   | rows with ``episode_start`` answer as in a first episode, also while other rows go on                     |
| leak    | the other rows do not notice that, and later calls do not change a state that was returned before         |
| batch   | rows answered together get the answers that each one gets alone                                           |
| order   | rows in another order get the same answers                                                                |
| save    | a loaded agent answers as the saved one did, from the first step and in mid-episode, given its state      |
| learn   | after training, the agent recalls a cue that it saw one step before (`envs.recall`)                       |

Dimensions: T steps, n rows (episodes side by side), K numbers per answer.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray

from lstm_rl.checks import check_float, check_int
from lstm_rl.memory_checks import CHECKS, Run, learn, repeat, save
from lstm_rl.observations import draw_observations


class Agent(Protocol):
    """What is checked: models and policies of stable-baselines3 and sb3-contrib, and all with the same `predict`."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        """Actions (n, ...) for n observations, and the next state; rows with ``episode_start`` (n,) are reset first."""


class TorchAgent:
    """A network with explicit state as an agent, which takes the action with the largest output.

    Args:
        network: ``outputs (n, K), state = network(observation (n, ...), state or None, episode_start (n,))`` on
            tensors; a module or a function.
        observation_space: Of one observation.
    """

    def __init__(self, network: Callable[..., tuple[Any, Any]], observation_space: gym.Space[Any] | None = None):
        self.network, self.observation_space = network, observation_space

    def values(self, observation: Any, state: Any = None, episode_start: Any = None) -> tuple[NDArray[Any], Any]:
        """Outputs (n, K) and the next state; arguments as in `predict`."""
        starts = np.zeros(len(observation), np.bool_) if episode_start is None else episode_start
        with torch.no_grad():
            outputs, after = self.network(torch.as_tensor(observation), state, torch.as_tensor(starts))
        return outputs.float().cpu().numpy(), after

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[NDArray[Any], Any]:
        """Greedy actions (n,) and the next state; see `Agent`."""
        outputs, after = self.values(observation, state, episode_start)
        return outputs.argmax(axis=-1), after


class RecurrentError(AssertionError):
    """What does not hold, one sentence each in ``failures``; a sentence begins with the name of its check."""

    def __init__(self, failures: list[str]) -> None:
        super().__init__("this agent's memory does not work:\n" + "\n".join(f"- {failure}" for failure in failures))
        self.failures = tuple(failures)


def check_recurrent(
    agent: Agent,
    env: gym.Env[Any, Any] | str | None = None,
    *,
    values: Callable[..., tuple[Any, Any]] | None = None,
    reload: Callable[[Any], Agent] | None = None,
    learns: Callable[[gym.Env[Any, Any]], Any] | None = None,
    budget: int = 20_000,
    rows: int = 64,
    steps: int = 20,
    tolerance: float = 1e-4,
    seed: int = 0,
) -> tuple[str, ...]:
    """Check that an agent's memory works; the module lists the checks.

    Answers are greedy actions, or what is finer: what ``values`` gives, the agent's own ``values`` or ``advantages``,
    or the outputs of ``action_net`` in policies of stable-baselines3.

    Args:
        agent: With `predict` as in `Agent`; it is not trained.
        env: An environment or id, whose observations on random walks are shown; ``None``: observations are drawn from
            ``agent.observation_space``.
        values: ``values(agent, observation, state, episode_start)`` gives numbers (n, ...) that the actions depend on,
            and the next state.
        reload: Saves its argument and returns the loaded agent; ``None``: by ``agent.save(path)`` and
            ``type(agent).load(path)``, and if it has neither, saving is not checked.
        learns: Makes a new agent for an environment, and its ``learn(budget)`` is called; an agent without ``learn``
            has to be returned trained. ``None``: learning is not checked.
        budget: Steps of the environment to learn in, >= 1.
        rows: n >= 2.
        steps: T >= 2; the first half of each sequence is the history.
        tolerance: Answers are equal up to this share of their range; 1e-4 suits 32 bits.
        seed: Of all that is drawn.

    Returns:
        The names of the checks that were made.

    Raises:
        RecurrentError: Some do not hold; all of these are listed.
        ValueError: An argument is out of its range, or actions are not one for each row.
    """
    check_int("rows", rows, 2), check_int("steps", steps, 2), check_int("budget", budget, 1)
    check_float("tolerance", tolerance, 0.0)
    if reload is None and hasattr(agent, "save") and hasattr(type(agent), "load"):
        reload = _saved_and_loaded
    checks = CHECKS if reload is None else CHECKS | {"save": partial(save, reload=reload)}
    with torch.no_grad():
        run = Run(agent, values, draw_observations(agent, env, rows, steps, seed), tolerance)
        failures = [f"repeat: {sentence}" for sentence in repeat(run)]
        if not failures:  # else no comparison means anything
            failures = [f"{name}: {sentence}" for name, check in checks.items() for sentence in check(run)]
    if learns is not None:
        failures += [f"learn: {sentence}" for sentence in learn(learns, budget, seed)]
    if failures:
        raise RecurrentError(failures)
    return ("repeat", *checks) if learns is None else ("repeat", *checks, "learn")


def _saved_and_loaded(agent: Any) -> Agent:
    with tempfile.TemporaryDirectory() as folder:
        agent.save(Path(folder) / "agent")
        loaded: Agent = type(agent).load(Path(folder) / "agent")
        return loaded
