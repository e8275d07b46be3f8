"""Which strings of a formal language a network accepts.

At each step the outputs of all legal symbols, and of no other, are above 0. Weights stay as they are; the string is
made while it is read, so that its length costs no memory.
"""

from typing import Any

from lstm_rl.compiled import by_class, compiled, kernel
from lstm_rl.kernels.approximator import forward, reset
from lstm_rl.kernels.frozen import Frozen, frozen_reset, frozen_step
from lstm_rl.tasks.languages import run_length


@by_class
def start(network: Any) -> None:
    """Put it to rest."""
    raise TypeError(f"{type(network).__name__} has no kernel for this")


@by_class
def read(network: Any, symbol: int, row: Any) -> None:
    """Read a symbol's number; ``row`` (I,) is scratch."""
    raise TypeError(f"{type(network).__name__} has no kernel for this")


@start.register(object)
def _start(network: Any) -> None:
    reset(network, 0)


@read.register(object)
def _read(network: Any, symbol: int, row: Any) -> None:
    for m in range(row.shape[0]):
        row[m] = 1.0 if m == symbol else -1.0
    forward(network, 0, row)


@start.register(Frozen)
def _start_frozen(network: Frozen) -> None:
    frozen_reset(network)


@read.register(Frozen)
def _read_frozen(network: Frozen, symbol: int, row: Any) -> None:
    frozen_step(network, symbol)


@kernel
def is_right(outputs: Any, first: int, second: int) -> bool:
    """Whether two symbols, or twice the same, and no other are above 0."""
    right = True
    for k in range(outputs.shape[0]):
        right &= (outputs[k] > 0.0) == (k == first or k == second)
    return right


@kernel
def right_steps(network: Any, runs: int, free: int, n: int, m: int, row: Any) -> tuple[int, bool]:
    """How many steps of a string are right before the first wrong one, and whether all of them are."""
    outputs, steps = network.outputs[0], 0
    start(network)
    read(network, 0, row)
    if not is_right(outputs, 0, 1):
        return steps, False
    for run in range(runs):
        letter, following, letters = run + 1, (run + 2) % (runs + 1), run_length(runs, free, run, n, m)
        other = following if run < free else letter
        for _ in range(letters - 1):
            read(network, letter, row)
            steps += 1
            if not is_right(outputs, letter, other):
                return steps, False
        read(network, letter, row)
        steps += 1
        if not is_right(outputs, letter if run < free else following, following):
            return steps, False
    return steps + 1, True


@compiled
def accepts(network: Any, runs: int, free: int, n: int, m: int, row: Any) -> bool:
    """Whether a network accepts a string.

    Args:
        network: An approximator, whose stream 0 is used, or a `Frozen` one.
        runs: Of the language, see `languages.Language`.
        free: Of the language.
        n: Letters in its first run.
        m: Letters in its second run, if that is free.
        row: (I,) scratch.
    """
    _, accepted = right_steps(network, runs, free, n, m, row)
    return accepted


@compiled
def accepted_range(network: Any, runs: int, free: int, low: int, high: int, row: Any) -> int:
    """Largest N for which all strings with counts low .. N are accepted, up to ``high``; low - 1 if there is none."""
    for n in range(low, high + 1):
        for m in range(low if free == 2 else n, n + 1):
            _, accepted = right_steps(network, runs, free, n, m, row)
            if accepted and m < n:
                _, accepted = right_steps(network, runs, free, m, n, row)
            if not accepted:
                return n - 1
    return high
