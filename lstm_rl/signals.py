"""What the signals of people (Ctrl-C) and of schedulers (SIGTERM, SIGHUP) do: the exit code is 128 + the signal."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_Handler = Callable[[int, FrameType | None], None]
_TERMINATE = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


class Terminated(KeyboardInterrupt):
    """The process was asked to end by another signal than SIGINT; ``signal`` is its number."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.signal = number


def signal_of(error: KeyboardInterrupt) -> int:
    """The signal that an interrupt came from."""
    return error.signal if isinstance(error, Terminated) else signal.SIGINT


def describe(number: int) -> str:
    """What a signal did to a process, in a word or two."""
    return "interrupted" if number == signal.SIGINT else f"terminated by {signal.Signals(number).name}"


_raised = list[int]()


def raised_signal() -> int | None:
    """The last signal that raised an interrupt here; what it came upon may have made another error of it."""
    return _raised[-1] if _raised else None


def forget_signals() -> None:
    """None has raised an interrupt yet."""
    _raised.clear()


def _raise(number: int, _: FrameType | None) -> None:
    _raised.append(number)
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)


@contextmanager
def _handled(numbers: list[signal.Signals], handler: _Handler) -> Iterator[None]:
    """Handle signals in the block, in the main thread; those that are ignored (nohup) stay so."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: old for number in numbers if (old := signal.getsignal(number)) is not signal.SIG_IGN}
    try:
        for number in before:
            signal.signal(number, handler)
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def terminate_on_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into `Terminated`, so that all that is open is closed, other processes too."""
    with _handled(_TERMINATE, _raise):
        yield


def note_signals(note: Callable[[int], object]) -> None:
    """From here on, call ``note`` with the number of each SIGTERM and SIGHUP; those that are ignored stay so."""
    for number in _TERMINATE:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, _: note(number))


class Stop:
    """A request to stop. ``signal`` is the number of the signal that made it, None as long as there is none."""

    signal: int | None = None
    can_wait = False
    """Whether somebody looks at the request soon; otherwise a signal interrupts at once, and the second always."""

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if self.signal is not None or not self.can_wait:
            _raise(number, frame)
        self.signal = number


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Turn SIGINT, SIGTERM and SIGHUP into a request to stop."""
    stop = Stop()
    with _handled([signal.SIGINT, *_TERMINATE], stop.handle):
        yield stop
