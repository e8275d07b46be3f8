"""What a learner asks of whatever approximates its values, one step at a time, for n streams.

An approximator is a NamedTuple of arrays with ``outputs`` (n, K); its kernels register with these functions, which
compiled code then calls by the class of their first argument:

    lstm.py     a `Topology`, its truncated gradient carried forward: the work horse
    bptt.py     a `Topology`, its complete gradient: errors carried back through time at every step
    rtrl.py     a `Topology`, its complete gradient: all derivatives carried forward
    foreign.py  any Torch module of `lstm_rl.nn`'s interface, asked through Python
    table.py    a table over boxes of observations, with memory bits that actions switch (Peshkin et al. 1999)

Reinforcement learning asks for `sweep` after each `forward`, supervised learning for `blame`, or `carry` at a step
without a target.
"""

from typing import Any, NamedTuple

from lstm_rl.compiled import by_class


class Step(NamedTuple):
    """A step of all weights along their traces; ``alpha`` 0 with ``rms_decay`` 1 moves nothing."""

    normalised: bool  # divided by the running RMS of error x trace
    alpha: float
    error: float
    rms_decay: float


@by_class
def forward(approximator: Any, i: int, x: Any) -> None:
    """Move stream ``i`` by one step: input ``x`` (I,) to ``approximator.outputs[i]`` (K,)."""
    raise TypeError(f"{type(approximator).__name__} has no kernel for this")


@by_class
def reset(approximator: Any, i: int) -> None:
    """Put stream ``i`` to rest: state, partials and traces are cleared together, as an episode begins."""
    raise TypeError(f"{type(approximator).__name__} has no kernel for this")


@by_class
def move(approximator: Any, i: int, k: int) -> int:
    """Output ``k`` is executed; return the environment's action, which is ``k`` unless a part of it goes inside."""
    raise TypeError(f"{type(approximator).__name__} has no kernel for this")


@by_class
def step(approximator: Any, i: int, by: Step) -> None:
    """Step all weights along the traces of stream ``i``, which are over: nothing of them is left."""
    raise TypeError(f"{type(approximator).__name__} has no kernel for this")


@by_class
def sweep(approximator: Any, i: int, k: int, by: Step, decay: float) -> None:
    """Step all weights along the traces of stream ``i``; then e <- decay e + d outputs[k] / dw.

    One pass over the weights does both, for speed: the gradient is that of the step that `forward` made last, with the
    output weights as they are after the step.
    """
    raise TypeError(f"{type(approximator).__name__} has no kernel for this")


@by_class
def blame(approximator: Any, i: int, errors: Any) -> None:
    """E <- e + sum_k errors[k] d outputs[k] / dw, of the step that `forward` made last; ``errors`` (K,) are used up."""
    raise TypeError(f"{type(approximator).__name__} has no kernel for this")


@by_class
def carry(approximator: Any, i: int) -> None:
    """`blame` without an error: only carry on what later errors need of the step that `forward` made last."""
    raise TypeError(f"{type(approximator).__name__} has no kernel for this")
