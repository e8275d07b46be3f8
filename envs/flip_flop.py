"""A flip-flop: hold a number between two events, after the first task of Schmidhuber (1990).

Description:
    Events A, B and X arrive one at a time. The agent's output should be 1 after a B until the next A, and 0 otherwise;
    X means nothing. It is judged at every step, and in the step of an event already by what holds after it.

    Without ``lag`` each step shows A, B or X at random, or nothing. With ``lag`` A and B take turns, so many steps
    apart, and X comes at random in between; the first B comes at one of the first ``lag`` steps.

Action Space: ``Box(0, 1, (1,), float32)``: the output y.

Observation Space: ``Box(0, 1, (3,), float32)``: (A, B, X), 1 for the event that arrives, no units.

Rewards: -(y - d)^2, where d is 0 or 1: the pain of 1990 with its sign changed.

Starting State: d = 0, no event.

Episode End: truncated after ``max_steps``; there is no success or failure.

Info: ``state`` = (desired, event, steps, last), event 0 none, 1 A, 2 B, 3 X, last = time of the last A or B.

Optimal Return: 0. Best Return Without Memory: exact: 0 where A, 1 where B is seen, else the number that is best for
    the whole episode; about -.18 per step by default.

Source: after J. Schmidhuber, "Making the world differentiable", FKI-126-90, TU Munich, 1990. We did not have
    the report: events and pain are as others describe them, rates those of a public re-implementation (.1, .15, .25).

Version History: v0, first release.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_float, check_int
from lstm_rl.envs.dynamics import (
    CONTINUES,
    MAX_COUNT,
    Marks,
    World,
    continuous_step_rule,
    observe_rule,
    reset_rule,
    step_limit,
)

DESIRED, EVENT, STEPS, LAST = range(4)  # the state's numbers
RATE_A, RATE_B, RATE_X, LAG = range(4)  # the constants
NONE, A, B, X = range(4)  # events
COUNTABLE = 10**7  # steps of an episode, times the lag, up to which the return without memory is worked out


@reset_rule
def flip_flop_reset(params: Any, noise: Any, state: Any) -> None:
    """Nothing has happened; with a lag the first B comes after 1 to so many steps, noise[0]."""
    state[:] = 0.0
    if params[LAG] > 0.0:
        state[LAST] = -float(int(noise[0] * params[LAG]))


@continuous_step_rule
def flip_flop_step(params: Any, noise: Any, action: Any, state: Any) -> tuple[float, int]:
    """Judge the output, then let the next event arrive, noise[0]."""
    pain = (action[0] - state[DESIRED]) ** 2
    state[STEPS] += 1.0
    rate_a, rate_b = params[RATE_A], params[RATE_B]
    if params[LAG] > 0.0:
        due = state[STEPS] - state[LAST] >= params[LAG]
        rate_a = 1.0 if due and state[DESIRED] == 1.0 else 0.0
        rate_b = 1.0 if due and state[DESIRED] == 0.0 else 0.0
    if noise[0] < rate_a:
        state[EVENT], state[DESIRED], state[LAST] = A, 0.0, state[STEPS]
    elif noise[0] < rate_a + rate_b:
        state[EVENT], state[DESIRED], state[LAST] = B, 1.0, state[STEPS]
    else:
        state[EVENT] = X if noise[0] < rate_a + rate_b + params[RATE_X] else NONE
    return -pain, CONTINUES


@observe_rule
def flip_flop_observe(params: Any, noise: Any, state: Any, observation: Any) -> None:
    """The event, one-hot."""
    observation[:] = 0.0
    if state[EVENT] != NONE:
        observation[int(state[EVENT]) - 1] = 1.0


def flip_flop_marks(params: NDArray[np.float64], states: NDArray[np.float64]) -> Marks:
    """The steps at which A or B arrives."""
    return {"cue": (states[:, EVENT] == A) | (states[:, EVENT] == B)}


def flip_flop(
    *,
    lag: int | None = None,
    rates: tuple[float, float, float] = (0.1, 0.15, 0.25),
    max_steps: int | None = 1000,
) -> World:
    """The flip-flop as a `World`; the module describes it.

    Args:
        lag: Steps in [2, 2^53] from an A to the next B and from a B to the next A; None: at random.
        rates: Probabilities of A, B and X per step, each in [0, 1], together at most 1; with ``lag`` of X only.
        max_steps: Steps in [1, 2^53] after which an episode is truncated; None: never.

    Raises:
        ValueError: An argument is out of its range.
    """
    if not isinstance(rates, (tuple, list)) or len(rates) != 3:
        raise ValueError(f"rates must be three numbers, got {rates!r}")
    a, b, x = (check_float("rates", rate, 0.0, 1.0) for rate in rates)
    if a + b + x > 1.0 + 1e-12:
        raise ValueError(f"rates must not exceed 1 together, got {rates!r}")
    every = 0 if lag is None else check_int("lag", lag, 2, MAX_COUNT)
    limit = step_limit(max_steps)
    return World(
        flip_flop_reset,
        flip_flop_step,
        flip_flop_observe,
        params=np.array([a, b, x, every], np.float64),
        state_names=("desired", "event", "steps", "last"),
        noise_size=1,
        observation_space=gym.spaces.Box(0.0, 1.0, (3,), np.float32),
        action_space=gym.spaces.Box(0.0, 1.0, (1,), np.float32),
        max_steps=limit,
        horizon=lag,
        optimal_return=0.0,
        memoryless_return=None
        if limit is None or limit * (every or 1) > COUNTABLE
        else _without_memory(a, b, every, limit),
        reward_range=(-1.0, 0.0),
        renderer="lstm_rl.envs.rendering_flip_flop",
        marks=flip_flop_marks,
    )


def _without_memory(a: float, b: float, lag: int, steps: int) -> float:
    """Expected return of the best constant where neither A nor B is seen."""
    t = np.arange(steps)
    if lag:  # B at first, first + lag, ...; `since` the last event, (starts, steps)
        since = t - (1 + np.arange(lag))[:, None]
        quiet = (since % lag != 0) | (since < 0)
        held = quiet & (since >= 0) & (since // lag % 2 == 0)
        share = quiet.mean(axis=0)  # probability that neither A nor B is seen at t
        on = held.mean(axis=0) / np.maximum(share, 1e-300)  # and of d = 1 then
    else:
        share = np.where(t == 0, 1.0, 1.0 - a - b)
        settled = b / (a + b) if a + b else 0.0
        on = settled * (1.0 - (1.0 - a - b) ** np.maximum(t - 1.0, 0.0))  # probability of d = 1 before t's event
    constant = float((share * on).sum() / share.sum())
    return -float((share * (on * (1.0 - constant) ** 2 + (1.0 - on) * constant**2)).sum())
