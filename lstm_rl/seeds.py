"""`lstm-rl train --seeds`: runs that differ only in their seed, some of them at a time, in one folder.

Each is a run as any other, in a run folder of its own; one that fails is reported, and the others go on.
"""

import sys
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple

import torch
from tqdm import tqdm

from lstm_rl.messages import sentence_of, show_warning
from lstm_rl.processes import over_processes
from lstm_rl.run_lock import LOCK, folder_lock
from lstm_rl.runs import check_folder
from lstm_rl.settings import Settings
from lstm_rl.signals import Stop, note_signals
from lstm_rl.training import Outcome, check, run


@dataclass(frozen=True)
class SeedRun:
    """What became of one run; neither outcome nor error: it has not begun, since all were asked to stop."""

    settings: Settings
    outcome: Outcome | None = None
    error: str | None = None

    @property
    def done(self) -> bool:
        """Whether it has come to its end."""
        return self.outcome is not None and self.outcome.signal is None


def check_group(settings: Settings, runs: Sequence[Settings]) -> list[Settings]:
    """The runs, of which those are resumed that have begun, if any; refuse what cannot be before anything is written.

    Raises:
        ValueError: Settings do not fit, or a folder holds something else.
    """
    group = settings.group
    if (group / "config.json").exists():
        raise ValueError(f"run folder {group} holds a single run: choose another --run-name for many seeds")
    if group.exists() and not group.is_dir():
        raise ValueError(f"run-name must be that of a folder, got {group}, which is a file")
    if settings.resume:
        runs = [replace(each, resume=(each.folder / "model.zip").is_file()) for each in runs]
        if not any(each.resume for each in runs):  # stopped before the first checkpoint, perhaps by a scheduler
            warnings.warn(f"no seed of {group} has a checkpoint to go on from: all begin", stacklevel=2)
    elif group.exists() and not any(group.glob("seed=*/config.json")):
        if any(path.name != LOCK for path in group.iterdir()):
            raise ValueError(f"{group} exists and holds no runs: choose another --run-name or --log-dir")
    for each in runs:
        check_folder(each)
    check(settings)
    return list(runs)


def run_seeds(group: Path, runs: Sequence[Settings], workers: int, progress: bool, stop: Stop) -> list[SeedRun]:
    """Do all runs.

    Args:
        group: The folder around their folders; one process at a time works in it.
        runs: Their settings, as `check_group` returned them.
        workers: Processes, each with one thread; with a single one the runs are done here.
        progress: Show one bar over the steps of all.
        stop: Where a request to stop may come from: all leave a checkpoint and end.

    Returns:
        What became of each, in the same order.
    """
    context = get_context("spawn")
    board = _Board(context.RawArray("q", len(runs)), context.RawValue("i", 0))
    total = sum(each.timesteps for each in runs)
    jobs = [_Job(index, replace(each, progress=False)) for index, each in enumerate(runs)]
    ended: dict[int, SeedRun] = {}
    stop.can_wait = True
    with (
        folder_lock(group),
        tqdm(total=total, unit="step", unit_scale=True, desc=group.name, disable=not progress, smoothing=0.05) as bar,
        _watched(board, bar, stop),
    ):
        bar.set_postfix_str("compiling, if this is the first run")
        try:
            for index, what in over_processes(min(workers, len(jobs)), _prepare, (board,))(_train, jobs):
                ended[index] = what
                bar.set_postfix_str(f"{sum(each.done for each in ended.values())} of {len(jobs)} runs")
                if what.error is not None:
                    tqdm.write(f"lstm-rl: {what.settings.folder}: {what.error}", file=sys.stderr)
        except BrokenProcessPool as error:
            tqdm.write(f"lstm-rl: {error}; --resume goes on with the runs that are not done", file=sys.stderr)
            ended |= {job.number: SeedRun(job.settings, error=str(error)) for job in jobs if job.number not in ended}
    stop.can_wait = False
    return [ended[index] for index in range(len(jobs))]


class _Job(NamedTuple):
    number: int
    settings: Settings


class _Board(NamedTuple):
    """Memory that all processes see."""

    steps: Any  # (R,) of each run so far
    signal: Any  # number of the signal that asks to stop; 0 for none


_board: _Board


def _prepare(board: _Board) -> None:
    global _board
    _board = board
    if parent_process() is None:
        return
    warnings.showwarning = show_warning
    torch.set_num_threads(1)
    note_signals(lambda number: setattr(board.signal, "value", number))  # schedulers send them to all processes


def _train(job: _Job) -> tuple[int, SeedRun]:
    index, settings = job
    if _board.signal.value:
        return index, SeedRun(settings)
    stop = Stop()

    def report(steps: int) -> None:
        _board.steps[index], stop.signal = steps, _board.signal.value or None

    try:
        outcome = run(settings, stop, report)
    except Exception as error:
        said = sentence_of(error)
        return index, SeedRun(settings, error=said[0] if said else f"{type(error).__name__}: {error}")
    if outcome.signal is None:  # some end before their time
        _board.steps[index] = settings.timesteps
    return index, SeedRun(settings, outcome)


@contextmanager
def _watched(board: _Board, bar: "tqdm[Any]", stop: Stop) -> Iterator[None]:
    """Pass a request to stop on to all processes, and their steps to the bar."""
    over = Event()

    def look() -> None:
        stop.signal = stop.signal or board.signal.value or None
        board.signal.value = stop.signal or 0
        bar.update(sum(board.steps) - bar.n)

    def watch() -> None:
        while not over.wait(0.1):
            look()

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        look()
