"""The T-maze of Bakker (2001) with moves that are vectors: many numbers say which of four moves is meant.

Description:
    As `lstm_rl.envs.tmaze`, but an action is a vector, and means the move whose code is nearest to it. The four codes
    are distinct rows of bits, drawn once from ``seed``: those of `lstm_rl.envs.wrappers.CodedActions`, so that this is
    that wrapper around TMaze-v0, compiled.

Action Space: ``Box(0, 1, (bits,), float32)``.

Observation Space, Rewards, Starting State, Info, Optimal Return, Best Return Without Memory: see `lstm_rl.envs.tmaze`.

Episode End: terminated by either turn at the junction; truncated after ``max_steps``.

Source: after B. Bakker, ADPRL (2007), whose actions are high-dimensional. We did not have the text; the code is ours.

Version History: v0, first release.
"""

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np

from lstm_rl.checks import check_int
from lstm_rl.envs.dynamics import World, continuous_step_rule
from lstm_rl.envs.tmaze import CUE_ON_RETURN, MOVES, move, tmaze

CODES = CUE_ON_RETURN + 1  # the constants after those of the T-maze: bits of the moves, one move after the other


@continuous_step_rule
def coded_tmaze_step(params: Any, noise: Any, action: Any, state: Any) -> tuple[float, int]:
    """Make the move whose code is nearest, the first of several."""
    bits, nearest, best = action.shape[0], 0, np.inf
    for k in range(MOVES):
        distance = 0.0
        for j in range(bits):
            distance += (params[CODES + k * bits + j] - action[j]) ** 2
        if distance < best:
            nearest, best = k, distance
    return move(params, nearest, state)


def draw_codes(count: int, bits: int, seed: int) -> Any:
    """Distinct codes of ``count`` moves as bits (count, bits).

    Raises:
        ValueError: There are too few bits, or a number is out of its range.
    """
    bits = check_int("bits", bits, 1, 60)
    if 2**bits < count:
        raise ValueError(f"bits must be enough for {count} codes, got {bits}")
    numbers = np.random.default_rng(check_int("seed", seed, 0)).choice(2**bits, count, replace=False)
    return (numbers[:, None] >> np.arange(bits)) & 1


def coded_tmaze(corridor_length: int = 10, *, bits: int = 8, code_seed: int = 0, **arguments: Any) -> World:
    """The T-maze with coded moves as a `World`; the module describes it.

    Args:
        corridor_length: Moves from start to junction, as in `lstm_rl.envs.tmaze.tmaze`.
        bits: Numbers of an action, in [2, 60].
        code_seed: Of the codes, >= 0.
        **arguments: Of `lstm_rl.envs.tmaze.tmaze`.

    Raises:
        ValueError: An argument is out of its range.
    """
    world, codes = tmaze(corridor_length, **arguments), draw_codes(MOVES, bits, code_seed)
    return replace(
        world,
        step=coded_tmaze_step,
        params=np.concatenate([world.params, codes.ravel().astype(np.float64)]),
        action_space=gym.spaces.Box(0.0, 1.0, (bits,), np.float32),
        family=None,
        reward_range=(float(world.params[1:5].min()), float(world.params[1:5].max())),
    )
