"""What a learner asks of whatever approximates its values, one step at a time, for n streams.

An approximator is a NamedTuple of arrays with ``outputs`` (n, K); its kernels register with these functions, which
compiled code then calls by the class of their first argument:

    truncated.py  a `Topology`, its truncated gradient carried forward: the work horse
    bptt.py       a `Topology`, its complete gradient: errors carried back through time at every step
    rtrl.py       a `Topology`, its complete gradient: all derivatives carried forward
    kalman.py     a `Topology`, its truncated gradient, by a Kalman filter in the place of gradient steps
    exact.py      cells without links between them, their exact gradient carried forward
    callback.py   any Torch module of `lstm_rl.nn`'s interface, asked through Python
    table.py      a table over boxes of observations, with memory bits that actions switch (Peshkin et al. 1999)

Reinforcement learning asks for `update_and_trace` after each `forward`, supervised learning for `accumulate_gradient`,
or `learn_step` where weights change after each step, or `advance` at a step without a target.
"""

from functools import singledispatch
from typing import Any, NamedTuple

from numpy.typing import NDArray

from lstm_rl.compiled import by_class


class Sgd(NamedTuple):
    """w <- w + learning_rate E e."""


class Momentum(NamedTuple):
    """w <- w + v, after v <- decay v + learning_rate E e; v begins at 0 where `RmsProp` keeps its mean squares."""

    decay: float  # in [0, 1)


class RmsProp(NamedTuple):
    """w <- w + learning_rate E e / (sqrt(v) + epsilon), after v <- v + (1 - decay) ((E e)^2 - v).

    Where v falls, its decay is the higher one of ``decay`` and ``falling``: the nearer ``falling`` is to 1, the longer
    v stays at its highest value, as AMSGrad's does for ever.
    """

    decay: float  # in [0, 1)
    epsilon: float = 1e-8  # > 0: below it, steps shrink with the gradients
    falling: float = 0.0  # in [0, 1)


class Kalman(NamedTuple):
    """Steps of the filter in `kalman.py`, whose noises go geometrically from their first to their last values.

    The defaults are (ours), of the order of what is remembered of the papers' (r from 100 to 1-3, q from 1e-2 to 1e-6);
    the papers do not say along which curve.
    """

    measurement_noise: tuple[float, float] = (100.0, 3.0)  # r > 0
    process_noise: tuple[float, float] = (1e-2, 1e-6)  # q > 0
    anneal_steps: int = 10_000  # steps with a target until the last values are reached


class Update(NamedTuple):
    """A step of all weights along their traces e, of an error E; the class of the optimizer is known when compiled."""

    optimizer: Any  # Sgd, Momentum, RmsProp or Kalman
    learning_rate: float
    error: float


@by_class
def forward(approximator: Any, i: int, x: Any) -> None:
    """Move stream ``i`` by one step: input ``x`` (I,) to ``approximator.outputs[i]`` (K,)."""
    raise TypeError(f"{type(approximator).__name__} has no kernel for this")


@by_class
def reset(approximator: Any, i: int) -> None:
    """Put stream ``i`` to rest: state, partials and traces are cleared together, as an episode begins."""
    raise TypeError(f"{type(approximator).__name__} has no kernel for this")


@by_class
def to_env_action(approximator: Any, i: int, k: int) -> int:
    """Output ``k`` is executed, and kept where it is an input of the next step; return the environment's action.

    That is ``k``, unless a part of it goes inside.
    """
    raise TypeError(f"{type(approximator).__name__} has no kernel for this")


@by_class
def update_weights(approximator: Any, i: int, update: Update, decay: float) -> None:
    """Step all weights along the traces of stream ``i``; then e <- decay e, 0 at the end of an episode."""
    raise TypeError(f"{type(approximator).__name__} has no kernel for this")


@by_class
def add_gradient(approximator: Any, i: int, k: int) -> None:
    """Add the gradient of one output, e <- e + d outputs[k] / dw, of the step that `forward` made last."""
    raise TypeError(f"{type(approximator).__name__} has no kernel for this")


@by_class
def update_and_trace(approximator: Any, i: int, k: int, update: Update, decay: float) -> None:
    """`update_weights`, then `add_gradient` by the weights after it; where that is faster, in one pass over them."""
    raise TypeError(f"{type(approximator).__name__} has no kernel for this")


@by_class
def accumulate_gradient(approximator: Any, i: int, errors: Any) -> None:
    """e <- e + sum_k errors[k] d outputs[k] / dw, of the step that `forward` made last; ``errors`` (K,) are used up."""
    raise TypeError(f"{type(approximator).__name__} has no kernel for this")


@by_class
def learn_step(approximator: Any, i: int, errors: Any, update: Update) -> None:
    """`accumulate_gradient`, then `update_weights` with decay 0; streams without traces may do it in one pass."""
    raise TypeError(f"{type(approximator).__name__} has no kernel for this")


@by_class
def advance(approximator: Any, i: int) -> None:
    """`accumulate_gradient` without an error: keep what later errors need of the step that `forward` made last."""
    raise TypeError(f"{type(approximator).__name__} has no kernel for this")


@singledispatch
def state_arrays(approximator: Any) -> tuple[NDArray[Any], ...]:
    """What acting carries from step to step, each (n, size); a network's unless registered. For Python, as the next."""
    return approximator.streams.y, approximator.streams.s, approximator.streams.y_cells


@singledispatch
def learning_arrays(approximator: Any) -> dict[str, NDArray[Any]]:
    """All that learning carries from step to step besides the weights, by name: a checkpoint keeps these arrays."""
    arrays: dict[str, NDArray[Any]] = approximator.streams._asdict()
    return arrays


@to_env_action.register(object)
def _same_action(approximator: Any, i: int, k: int) -> int:
    return k


@update_and_trace.register(object)
def _update_then_trace(approximator: Any, i: int, k: int, update: Update, decay: float) -> None:
    update_weights(approximator, i, update, decay)
    add_gradient(approximator, i, k)


@learn_step.register(object)
def _accumulate_then_update(approximator: Any, i: int, errors: Any, update: Update) -> None:
    accumulate_gradient(approximator, i, errors)
    update_weights(approximator, i, update, 0.0)


@advance.register(object)
def _nothing(approximator: Any, i: int) -> None:
    """`forward` keeps all that is needed."""
