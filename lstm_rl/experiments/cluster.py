"""The map over runs on a Ray cluster: a run is a task, whichever node has a free processor does it.

A node compiles once: `lstm_rl.machine_code` lets processes that start together wait for the first one's machine code.
A task whose process or node dies is tried again by Ray; the engine reports what raises, as on one machine.
"""

import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from lstm_rl.checks import needs_extra, one_line
from lstm_rl.experiments.engine import Plan, failure
from lstm_rl.signals import terminate_on_signals

Map = Callable[[Callable[[Any], Any], Sequence[Plan]], Iterator[Any]]

PATIENCE = 5.0  # seconds for an address to answer; Ray itself takes two minutes


@contextmanager
def ray_map(cluster: str, workers: int) -> Iterator[Map]:
    """A map over a Ray cluster, in the order in which results come; the connection ends with the block.

    Signals end the block in the way of `lstm_rl.signals`, and mean afterwards what they meant before.

    Args:
        cluster: "ray" starts a cluster on this machine; "HOST:PORT" or "ray://HOST:PORT" joins one that runs.
        workers: Processors of the cluster that is started; one that is joined says itself how many it has.

    Raises:
        ValueError: Ray is not installed, or nothing answers at the address.
    """
    address = _checked(cluster)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would tell its makers
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what a warning asks for
    try:
        import ray
    except ImportError:
        raise ValueError(needs_extra("cluster", "Ray", "ray")) from None

    if address is None:
        place: dict[str, Any] = {"address": "local", "num_cpus": workers, "include_dashboard": False}
    else:
        place = {"address": address}

    def run(function: Callable[[Any], Any], plans: Sequence[Plan]) -> Iterator[Any]:
        shared = ray.put(function)  # once, not with each task
        task = ray.remote(_call)
        tasks = {task.remote(shared, plan).future(): plan for plan in plans}
        for done in as_completed(tasks):
            try:
                yield done.result()
            except ray.exceptions.RayError as error:  # not the run: its process or its node died, again and again
                yield failure(tasks[done], error)

    with terminate_on_signals():  # whose end undoes what Ray does to handlers of signals
        try:
            ray.init(**place, log_to_driver=False, logging_level=logging.ERROR)
        except (Exception, SystemExit) as error:
            said = "no answer" if isinstance(error, SystemExit) else one_line(error)
            said += "; a cluster with a token wants RAY_AUTH_MODE=token" if "RAY_AUTH_MODE" not in os.environ else ""
            raise ValueError(f"cluster must be the address of a Ray cluster, got {cluster!r}: {said}") from None
        try:
            with terminate_on_signals():  # Ray has put a handler of its own in the place of ours
                yield run
        finally:
            ray.shutdown()


def _call(function: Callable[[Any], Any], plan: Plan) -> Any:
    return function(plan)


def _checked(cluster: str) -> str | None:
    """The address to join, None to start a cluster."""
    if cluster == "ray":
        return None
    try:
        parts = urlsplit(cluster if "://" in cluster else f"//{cluster}")
        if parts.scheme not in ("", "ray") or not parts.hostname or not parts.port or parts.path:
            raise ValueError
    except ValueError:
        raise ValueError(f"cluster must be ray, HOST:PORT or ray://HOST:PORT, got {cluster!r}") from None
    try:
        socket.create_connection((parts.hostname, parts.port), PATIENCE).close()
    except OSError as error:
        raise ValueError(f"cluster must be the address of a Ray cluster, got {cluster!r}: {error}") from None
    return cluster
