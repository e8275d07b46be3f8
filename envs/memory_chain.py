"""The memory chain of bsuite (experiments memory_len and memory_size): repeat one of the bits shown at the start.

Description:
    The first two observations show ``bits`` random bits, the last one before the answer asks for one of them, and only
    the action taken then counts. All other actions have no effect. Every observation shows the time to live.

    As in bsuite a step returns the observation of the time before it is counted, so that the context is seen twice: in
    the observation of the reset and in that of the first step.

Action Space: ``Discrete(2)``: the bit.

Observation Space: ``Box(float32)`` of 2 + bits numbers, no units. t is the number of steps so far minus one, and 0 at
    the reset; L is the length

    | index | quantity      | shown                | range                      |
    |-------|---------------|----------------------|----------------------------|
    | 0     | time to live  | always               | 1 - t / L, 1 .. 0          |
    | 1     | query         | at t = L - 1, else 0 | 0 .. bits - 1              |
    | 2 ..  | context       | at t = 0, else 0     | -1 or 1 for the bits 0, 1  |

Rewards: at the end 1 for the right bit and -1 for the wrong one; 0 before.

Starting State: all bits and the query uniform and independent.

Episode End: terminated after L + 1 steps.

Arguments: bsuite's memory_len has ``bits=1`` and 23 lengths from 1 to 100; memory_size has ``length=2`` and 17 numbers
    of bits from 1 to 40. Both score 10,000 episodes.

Info: ``state`` = (steps, context, query), bit i of the integer ``context`` is the i-th bit; ``is_success`` at the end.

Optimal Return: 1, in L + 1 steps. Best Return Without Memory: 0; 1 for L = 1, where query and context are seen at once.

Source: I. Osband et al., "Behaviour Suite for Reinforcement Learning", ICLR 2020;
    ``bsuite/environments/memory_chain.py`` at https://github.com/google-deepmind/bsuite.

Version History: v0, first release.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_int
from lstm_rl.envs.dynamics import (
    CONTINUES,
    FAILED,
    MAX_COUNT,
    SUCCEEDED,
    Marks,
    World,
    observe_rule,
    reset_rule,
    step_limit,
    step_rule,
)

MAX_BITS = 40  # the largest of memory_size
STEPS, CONTEXT, QUERY = range(3)  # the state's numbers
LENGTH, BITS = range(2)  # the constants


@reset_rule
def chain_reset(params: Any, noise: Any, state: Any) -> None:
    """Draw all bits at once (noise[0]) and the query (noise[1])."""
    state[STEPS] = 0.0
    state[CONTEXT] = float(int(noise[0] * 2.0 ** params[BITS]))
    state[QUERY] = float(int(noise[1] * params[BITS]))


@step_rule
def chain_step(params: Any, noise: Any, action: int, state: Any) -> tuple[float, int]:
    """Count the step; the last one is the answer."""
    state[STEPS] += 1.0
    if state[STEPS] <= params[LENGTH]:
        return 0.0, CONTINUES
    if action == (int(state[CONTEXT]) >> int(state[QUERY])) & 1:
        return 1.0, SUCCEEDED
    return -1.0, FAILED


@observe_rule
def chain_observe(params: Any, noise: Any, state: Any, observation: Any) -> None:
    """Time to live, query, context."""
    time = max(state[STEPS] - 1.0, 0.0)
    observation[:] = 0.0
    observation[0] = 1.0 - time / params[LENGTH]
    if time == params[LENGTH] - 1.0:
        observation[1] = state[QUERY]
    if time == 0.0:
        for i in range(int(params[BITS])):
            observation[2 + i] = 2.0 * float((int(state[CONTEXT]) >> i) & 1) - 1.0


def chain_marks(params: NDArray[np.float64], states: NDArray[np.float64]) -> Marks:
    """The steps at which the context is shown, and the one that is answered."""
    return {"cue": states[:, STEPS] <= 1.0, "junction": states[:, STEPS] == params[LENGTH]}


def memory_chain(length: int = 10, bits: int = 1, *, max_steps: int | None = None) -> World:
    """The memory chain as a `World`; the module describes it.

    Args:
        length: L in [1, 2^53], bsuite's ``memory_length``.
        bits: In [1, 40], bsuite's ``num_bits``.
        max_steps: Steps in [1, 2^53] after which an episode is truncated; None: never.

    Raises:
        ValueError: An argument is out of its range.
    """
    length = check_int("length", length, 1, MAX_COUNT)
    bits = check_int("bits", bits, 1, MAX_BITS)
    low, high = np.full(2 + bits, -1.0, np.float32), np.ones(2 + bits, np.float32)
    low[:2], high[1] = 0.0, max(bits - 1, 1)
    return World(
        chain_reset,
        chain_step,
        chain_observe,
        params=np.array([length, bits], np.float64),
        state_names=("steps", "context", "query"),
        noise_size=2,
        observation_space=gym.spaces.Box(low, high),
        action_space=gym.spaces.Discrete(2),
        max_steps=step_limit(max_steps),
        horizon=length + 1,
        optimal_return=1.0,
        memoryless_return=1.0 if length == 1 else 0.0,
        renderer="lstm_rl.envs.rendering_cards",
        family="MemoryChain",
        marks=chain_marks,
    )
