"""A map over processes of this machine."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import wait
from threading import RLock, Thread
from typing import Any

from tqdm import tqdm


def over_processes(
    workers: int, prepare: Callable[..., object] | None = None, arguments: tuple[Any, ...] = ()
) -> Callable[[Callable[[Any], Any], Sequence[Any]], Iterator[Any]]:
    """A map over this many processes, results in the order in which they are ready; when it ends early, so do they.

    Args:
        workers: How many, >= 1; a single one is this process.
        prepare: Called first in each process, this one included where it is the only one.
        arguments: Of ``prepare``; here also what only a new process may be given, as shared memory.

    Raises:
        BrokenProcessPool: By the map, if somebody else has ended one of the processes.
    """

    def alone(function: Callable[[Any], Any], values: Sequence[Any]) -> Iterator[Any]:
        if prepare is not None:
            prepare(*arguments)
        yield from map(function, values)

    def run(function: Callable[[Any], Any], values: Sequence[Any]) -> Iterator[Any]:
        others = set(active_children())
        with ProcessPoolExecutor(workers, get_context("spawn"), _prepare_worker, (prepare, arguments)) as pool:
            try:
                for future in as_completed([pool.submit(function, value) for value in values]):
                    yield future.result()
            except BrokenProcessPool:
                raise BrokenProcessPool("a process was ended by somebody else, perhaps for want of memory") from None
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for process in set(active_children()) - others:
                    process.kill()  # what they write is written as a whole or not at all
                raise

    return alone if workers == 1 else run


def _prepare_worker(prepare: Callable[..., object] | None, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process answers an interrupt, and ends the workers
    tqdm.set_lock(RLock())  # tqdm's own would be a semaphore that an ended worker leaves behind
    Thread(target=_end_with_parent, daemon=True).start()
    if prepare is not None:
        prepare(*arguments)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
