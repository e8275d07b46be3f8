"""An approximator that lives in Python: compiled loops call back for each of its steps.

So one learning rule serves networks that have no kernels here, as Torch modules (`lstm_rl.nn.streams`). A call back
costs some microseconds, little beside what Torch does in it. Exceptions cannot pass through compiled code: the first is
kept, later calls do nothing, and `reraising`, around the compiled function, raises it.

Dimensions: n streams, I inputs, K outputs.
"""

import ctypes
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import numpy as np
from numba import types
from numpy.typing import NDArray

from lstm_rl.compiled import by_class, rule_type
from lstm_rl.kernels.approximator import (
    RmsProp,
    Sgd,
    Update,
    accumulate_gradient,
    add_gradient,
    forward,
    learning_arrays,
    reset,
    state_arrays,
    update_weights,
)

FORWARD, RESET, UPDATE_WEIGHTS, ACCUMULATE_GRADIENT = range(4)
LEARNING_RATE, ERROR, DECAY, RMS_DECAY, RMS_EPSILON, RMS_FALLING = range(6)  # in `CallbackApproximator.arguments`
PLAIN = -1.0  # as RMS_DECAY: the optimizer is Sgd

_, _at_address = rule_type(types.void(types.int64, types.int64))
_Callback = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)


class Callbacks(Protocol):
    """What the Python side does; see `lstm_rl.kernels.approximator` for each."""

    def forward(self, i: int, x: NDArray[np.float64]) -> NDArray[Any]:
        """Return outputs (K,) for x (I,)."""

    def reset(self, i: int) -> None:
        """Put stream ``i`` to rest."""

    def update_weights(self, i: int, update: Update, decay: float) -> None:
        """Step all weights, then decay the traces."""

    def accumulate_gradient(self, i: int, errors: NDArray[np.float64]) -> None:
        """Add the gradient of errors (K,) times outputs to the traces."""


class CallbackApproximator(NamedTuple):
    """n streams through something in Python."""

    outputs: NDArray[Any]  # (n, K)
    x: NDArray[np.float64]  # (I,) the input that is handed over
    arguments: NDArray[np.float64]  # (6,) of an update
    errors: NDArray[np.float64]  # (K,)
    address: NDArray[np.int64]  # (1,) of the function to call back; keeps its owner alive


class _Callee:
    """Owner of the function that compiled code calls, as long as the array of its address lives."""

    def __init__(self, streams: Callbacks, n: int, inputs: int, outputs: int, dtype: Any) -> None:
        self.streams, self.exception = streams, None
        self.callback = _Callback(self._call)
        self._address = np.array([ctypes.cast(self.callback, ctypes.c_void_p).value], np.int64)
        self.__array_interface__ = self._address.__array_interface__  # arrays made of this object refer to it
        self.record = (np.zeros((n, outputs), dtype), np.zeros(inputs), np.zeros(6), np.zeros(outputs))

    exception: BaseException | None

    def _call(self, what: int, i: int) -> None:
        if self.exception is not None:
            return
        try:
            self._do(what, i)
        except BaseException as exception:  # raised again by `reraising`
            self.exception = exception

    def _do(self, what: int, i: int) -> None:
        outputs, x, arguments, errors = self.record
        if what == FORWARD:
            outputs[i] = self.streams.forward(i, x)
        elif what == RESET:
            self.streams.reset(i)
        elif what == UPDATE_WEIGHTS:
            learning_rate, error, decay, rms_decay, rms_epsilon, falling = arguments.tolist()
            optimizer = Sgd() if rms_decay == PLAIN else RmsProp(rms_decay, rms_epsilon, falling)
            self.streams.update_weights(i, Update(optimizer, learning_rate, error), decay)
        else:
            self.streams.accumulate_gradient(i, errors)


def make_callback_approximator(
    streams: Callbacks, n: int, inputs: int, outputs: int, dtype: Any
) -> CallbackApproximator:
    """Make n streams whose steps ``streams`` takes; it lives as long as the result."""
    callee = _Callee(streams, n, inputs, outputs, dtype)
    return CallbackApproximator(*callee.record, np.asarray(callee))


def streams_of(approximator: CallbackApproximator) -> Any:
    """The Python side."""
    callee: Any = approximator.address.base
    return callee.streams


@contextmanager
def reraising(approximator: Any) -> Iterator[None]:
    """Around compiled code that uses ``approximator``: raise what went wrong in Python, and interrupt only between."""
    if not isinstance(approximator, CallbackApproximator):
        yield
        return
    callee: Any = approximator.address.base
    with _uninterrupted():
        yield
    exception, callee.exception = callee.exception, None
    if exception is not None:
        raise exception


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait until the end, where the system can; else it ends the step that it falls into."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@state_arrays.register(CallbackApproximator)
def _state_arrays(approximator: CallbackApproximator) -> tuple[NDArray[Any], ...]:
    return streams_of(approximator).state


@learning_arrays.register(CallbackApproximator)
def _learning_arrays(approximator: CallbackApproximator) -> dict[str, NDArray[Any]]:
    return streams_of(approximator).arrays()


@forward.register(CallbackApproximator)
def _forward(approximator: CallbackApproximator, i: int, x: Any) -> None:
    for m in range(x.shape[0]):
        approximator.x[m] = x[m]
    _at_address(approximator.address[0])(FORWARD, i)


@reset.register(CallbackApproximator)
def _reset(approximator: CallbackApproximator, i: int) -> None:
    _at_address(approximator.address[0])(RESET, i)


@by_class
def _rms_numbers(optimizer: Any) -> tuple[float, float, float]:
    """What stands for the optimizer in the arguments: decay, epsilon and falling."""
    raise TypeError(f"{type(optimizer).__name__} has no kernel for this")


@_rms_numbers.register(Sgd)
def _numbers_of_sgd(optimizer: Sgd) -> tuple[float, float, float]:
    return PLAIN, 0.0, 0.0


@_rms_numbers.register(RmsProp)
def _numbers_of_rmsprop(optimizer: RmsProp) -> tuple[float, float, float]:
    return optimizer.decay, optimizer.epsilon, optimizer.falling


@update_weights.register(CallbackApproximator)
def _update_weights(approximator: CallbackApproximator, i: int, update: Update, decay: float) -> None:
    arguments = approximator.arguments
    arguments[LEARNING_RATE], arguments[ERROR], arguments[DECAY] = update.learning_rate, update.error, decay
    arguments[RMS_DECAY], arguments[RMS_EPSILON], arguments[RMS_FALLING] = _rms_numbers(update.optimizer)
    _at_address(approximator.address[0])(UPDATE_WEIGHTS, i)


@add_gradient.register(CallbackApproximator)
def _add_gradient(approximator: CallbackApproximator, i: int, k: int) -> None:
    approximator.errors[:] = 0.0
    approximator.errors[k] = 1.0
    _at_address(approximator.address[0])(ACCUMULATE_GRADIENT, i)


@accumulate_gradient.register(CallbackApproximator)
def _accumulate_gradient(approximator: CallbackApproximator, i: int, errors: Any) -> None:
    for k in range(errors.shape[0]):
        approximator.errors[k] = errors[k]
    _at_address(approximator.address[0])(ACCUMULATE_GRADIENT, i)
