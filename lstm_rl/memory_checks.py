"""The checks of `lstm_rl.testing`: each plays sequences again in another way and says what differs.

Dimensions: T steps, n rows (episodes side by side), K numbers per answer.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray

from lstm_rl.checks import one_line
from lstm_rl.envs.recall import RecallEnv
from lstm_rl.observations import count_rows, take_rows

EPISODES, ENOUGH = 200, 0.75  # that judge learning; guessing recalls as many in one case of 10^12


class Run:
    """An agent, the sequences that it is shown, and its answers to them: ``before`` and ``after`` the middle."""

    def __init__(self, agent: Any, values: Any, observations: list[Any], tolerance: float) -> None:
        self.agent, self.values, half = agent, values, len(observations) // 2
        self.past, self.future = observations[:half], observations[half:]
        self.before, self.state = self.play(self.past)  # (T / 2, n, K)
        self._middle = copy.deepcopy(self.state)
        self.after, _ = self.play(self.future, self.state)
        self.rows = np.arange(self.after.shape[1])
        self.started = self.rows % 2 == 1  # half of the rows, to start anew in the middle
        self.answers = np.concatenate([self.before, self.after])
        size = np.abs(self.answers).max(axis=(0, 1))
        self._slack = tolerance * np.ptp(self.answers, axis=(0, 1)) + 1e-6 * size + 1e-9  # (K,)

    @property
    def middle(self) -> Any:
        """The state in the middle, which nobody has touched."""
        return copy.deepcopy(self._middle)

    def play(
        self, observations: list[Any], state: Any = None, starts: Any = None, agent: Any = None
    ) -> tuple[NDArray[np.float64], Any]:
        """Answers (T, n, K) and the last state; ``starts`` (n,) at the first step: ``None`` is all without a state."""
        answers = []
        for t, observation in enumerate(observations):
            n = count_rows(observation)
            start = np.full(n, state is None) if starts is None else starts
            start = start if t == 0 else np.zeros(n, np.bool_)
            answer, state = _answer(agent or self.agent, self.values, observation, state, start)
            if answer.ndim == 0 or len(answer) != n:
                raise ValueError(f"predict must return {n} actions for {n} observations, got shape {answer.shape}")
            answers.append(answer.reshape(n, -1))
        return np.array(answers, np.float64), state

    def restart(self) -> tuple[list[Any], NDArray[np.float64]]:
        """New episodes in the started rows: what is shown to all rows, and the answers."""
        shown = [take_rows(x, np.where(self.started, self.rows // 2, self.rows)) for x in self.future]
        return shown, self.play(shown, self.middle, self.started)[0]

    def difference(self, answers: NDArray[np.float64], expected: NDArray[np.float64]) -> str:
        """Where answers (T, n, K) are others than expected, in words; empty if nowhere."""
        gap = np.abs(answers - expected)
        wrong = ~(gap <= self._slack).all(axis=(0, 2))
        return f"in {wrong.sum()} of {len(wrong)} rows, by up to {gap.max():.2g}" if wrong.any() else ""


def repeat(run: Run) -> Iterator[str]:
    """The same calls get the same answers, whatever was called in between."""
    if not np.isfinite(run.answers).all():
        yield "answers are not finite numbers"
        return
    again, _ = run.play(run.past)
    run.play([take_rows(x, run.rows[::-1]) for x in run.future + run.past])
    again = np.concatenate([again, run.play(run.future, run.middle)[0]])
    if where := run.difference(again, run.answers):
        yield f"the same calls get other answers the second time ({where}): memory, chance or dropout beside the state"


def history(run: Run) -> Iterator[str]:
    """What was seen before changes the answers."""
    _, other = run.play([take_rows(x, np.roll(run.rows, 1)) for x in run.past])
    if run.state is None:
        yield "predict returns None as the state: the agent has no memory"
    elif not run.difference(run.play(run.future, other)[0], run.after):
        yield "another history does not change the answers: no memory, or actions too coarse to show it (give values)"


def reset(run: Run) -> Iterator[str]:
    """Rows that start answer as in a first episode, while others go on."""
    shown, answers = run.restart()
    first, _ = run.play(shown)
    if where := run.difference(answers[:, run.started], first[:, run.started]):
        yield f"rows with episode_start are not answered as in a first episode ({where}): the state is not reset"


def leak(run: Run) -> Iterator[str]:
    """Rows and states do not change each other."""
    _, answers = run.restart()
    if where := run.difference(answers[:, ~run.started], run.after[:, ~run.started]):
        yield f"rows whose episode goes on are answered differently when others start ({where}): rows are not separate"
    if where := run.difference(run.play(run.future, copy.deepcopy(run.state))[0], run.after):
        yield f"a state that predict returned is changed by later calls ({where}): predict has to return a new one"


def batch(run: Run) -> Iterator[str]:
    """Each of the first rows is answered as alone."""
    some = run.rows[:8]
    alone = [run.play([take_rows(x, np.array([row])) for x in run.past + run.future])[0] for row in some]
    if where := run.difference(np.concatenate(alone, axis=1), run.answers[:, some]):
        yield f"rows are answered differently alone than together with others ({where})"


def order(run: Run) -> Iterator[str]:
    """Rows backwards get the same answers."""
    backwards = run.rows[::-1]
    answers, _ = run.play([take_rows(x, backwards) for x in run.past + run.future])
    if where := run.difference(answers[:, backwards], run.answers):
        yield f"rows are answered differently when their order is reversed ({where})"


def save(run: Run, reload: Callable[[Any], Any]) -> Iterator[str]:
    """The loaded agent answers as the saved one, also in mid-episode."""
    try:
        loaded = reload(run.agent)
    except Exception as error:  # whatever loading meets, it is the agent's failure and is told with the others
        yield f"the agent cannot be saved and loaded ({type(error).__name__}: {one_line(error)[:200]})"
        return
    if where := run.difference(run.play(run.past, agent=loaded)[0], run.before):
        yield f"the loaded agent answers differently from the first episode on ({where}): saving loses a part of it"
    elif where := run.difference(run.play(run.future, run.middle, agent=loaded)[0], run.after):
        yield f"the loaded agent cannot go on in mid-episode from the state ({where}): it does not hold all memory"


def learn(learns: Callable[[gym.Env[Any, Any]], Any], budget: int, seed: int) -> Iterator[str]:
    """After training, more cues are recalled than memory-less guessing can; one state for all episodes."""
    agent = learns(RecallEnv())
    if hasattr(agent, "learn"):
        agent.learn(budget)
    env, state, recalled = RecallEnv(), None, 0.0
    env.reset(seed=seed)
    for _ in range(EPISODES):
        observation, _ = env.reset()
        for start in (True, False):
            action, state = agent.predict(
                observation[None], state=state, episode_start=np.array([start]), deterministic=True
            )
            observation, reward, *_ = env.step(np.asarray(action).item())
        recalled += reward / EPISODES
    if recalled < ENOUGH:
        yield f"{recalled:.0%} of cues are recalled after {budget} steps, expected {ENOUGH:.0%} (without memory 50%)"


def _answer(agent: Any, values: Any, observation: Any, state: Any, start: Any) -> tuple[NDArray[Any], Any]:
    """The finest answers (n, ...) that the agent shows, and the state after `predict`."""
    policy = getattr(agent, "policy", agent)
    own = getattr(policy, "values", getattr(policy, "advantages", None))
    head = getattr(policy, "action_net", None)
    heard: list[Any] = []
    with ExitStack() as stack:
        if values is not None:
            heard.append(values(agent, observation, copy.deepcopy(state), start)[0])
        elif own is not None:
            heard.append(own(observation, copy.deepcopy(state), start)[0])
        elif isinstance(head, torch.nn.Module):
            hook = head.register_forward_hook(lambda *call: heard.append(call[2].float().cpu()))
            stack.callback(hook.remove)
        actions, after = agent.predict(observation, state=state, episode_start=start, deterministic=True)
    return np.asarray(heard[0] if heard else actions), after


CHECKS: dict[str, Callable[[Run], Iterator[str]]] = {
    "history": history,
    "reset": reset,
    "leak": leak,
    "batch": batch,
    "order": order,
}
"""What is checked of every agent that repeats its answers."""
