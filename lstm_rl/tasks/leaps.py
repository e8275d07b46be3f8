"""Whether a frozen network accepts a^n b^n c^n for any n: as `acceptance`, but equal steps are taken many at a time.

Where gates are saturated, a cell adds the same number in each step, and as long as its state s stays between two powers
of two, rounding to the grid of s makes of it the same multiple of that grid. So J steps are s + J d, which is exact:
all numbers are multiples of the grid, below 2^53 of it. Nothing is approximated: states are equal to those of single
steps, bit by bit. All is counted in periods of 60 steps, since a cell at rest may go round by its last bits, in 1 to 6
steps. A leap begins after two equal periods, ends before s leaves its powers of two, and counts only if the period
after it ends with the same activations, which change with s in one direction only.
"""

import math
from typing import Any

from lstm_rl.compiled import compiled, kernel
from lstm_rl.kernels.frozen import Frozen, frozen_reset, frozen_step
from lstm_rl.tasks.acceptance import is_right

PERIOD = 60


@kernel
def _steps_of_cell(s: float, gain: float, rounded: float) -> float:
    """How many periods a state may take before it leaves its powers of two; 0 where rounding goes either way."""
    if rounded == 0.0:
        return math.inf
    _, exponent = math.frexp(s)
    low, high = math.ldexp(0.5, exponent), math.ldexp(1.0, exponent)
    grid = math.ldexp(1.0, exponent - 53)
    if abs(gain / grid) % 1.0 == 0.5:
        return 0.0
    room = high - abs(s) if (s > 0.0) == (rounded > 0.0) else abs(s) - low
    return room / abs(rounded) - 2.0


@kernel
def _leap(frozen: Frozen, letter: int, most: int, memory: Any) -> int:
    """Take up to ``most`` periods at once; return how many.

    Rows of ``memory`` (4, 8): states two, one and no periods ago, and activations one period ago.
    """
    s, y = frozen.s, frozen.y
    steps = float(most)
    for v in range(2):
        rounded = memory[2, v] - memory[1, v]
        moves, is_open = rounded != 0.0, y[v] == 1.0 and y[2 + v] == 1.0
        if memory[1, v] - memory[0, v] != rounded or (moves and not is_open):
            return 0
        steps = min(steps, _steps_of_cell(s[v], y[6 + v], rounded))
    for j in range(8):
        if y[j] != memory[3, j]:
            return 0
    leap = int(max(steps, 0.0))
    while leap > 0:
        for v in range(2):
            s[v] = memory[2, v] + leap * (memory[2, v] - memory[1, v])
        for _ in range(PERIOD):
            frozen_step(frozen, letter)
        same = True
        for j in range(8):
            same &= y[j] == memory[3, j]
        if same:
            return leap + 1
        for v in range(2):
            s[v] = memory[2, v]
        for j in range(8):
            y[j] = memory[3, j]
        leap //= 2
    return 0


@compiled
def accepts_by_leaps(frozen: Frozen, runs: int, n: int, memory: Any) -> bool:
    """Whether a network accepts the string whose runs have n letters each.

    Args:
        frozen: The network; afterwards its state is that of the string's end, or of the first wrong step.
        runs: Of the language.
        n: Letters >= 1.
        memory: (4, 8) scratch.
    """
    s, outputs = frozen.s, frozen.outputs[0]
    frozen_reset(frozen)
    frozen_step(frozen, 0)
    right = is_right(outputs, 0, 1)
    for run in range(runs):
        letter, following, done, equal = run + 1, (run + 2) % (runs + 1), 0, 0
        while right and done < n:
            frozen_step(frozen, letter)
            done, equal = done + 1, equal + 1
            expected = letter if run > 0 and done < n else following
            right = is_right(outputs, expected, letter if run == 0 else expected)
            if equal % PERIOD != 0:
                continue
            for v in range(2):
                memory[0, v], memory[1, v], memory[2, v] = memory[1, v], memory[2, v], s[v]
            leap = _leap(frozen, letter, (n - done) // PERIOD - 2, memory) if right and equal > 2 * PERIOD else 0
            if leap > 0:
                done, equal = done + PERIOD * leap, 0
                right = is_right(outputs, letter, following if run == 0 else letter)
            for j in range(8):
                memory[3, j] = frozen.y[j]
    return right
