"""One process at a time writes into a folder.

The lock is the operating system's (``flock``), on a file in the folder: it ends with its process, however that ends.
The file also says who holds it. It is removed at the end; one that a killed process left behind is taken over.
"""

import errno
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lstm_rl.atomic import naming

if sys.platform != "win32":  # there folders are not locked
    import fcntl

LOCK = ".lock"


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Make ``folder`` and hold it for the block; other processes, and other blocks of this one, are refused.

    A folder that was made here and is empty at the end is removed again.

    Raises:
        ValueError: Another process works in the folder, or one on another machine may do so.
        OSError: The folder or the lock file cannot be made.
    """
    path, made = folder / LOCK, not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        yield
        return
    file = _open_locked(path)
    try:
        holder = {"pid": os.getpid(), "host": platform.node(), "boot": boot_id(), "since": time.strftime("%F %T")}
        with naming(path):
            os.ftruncate(file, 0)
            os.pwrite(file, json.dumps(holder).encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(file)
        if made and folder.exists() and not any(folder.iterdir()):
            folder.rmdir()


def _open_locked(path: Path) -> int:
    """Open the lock file and lock it."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            with naming(path):
                _lock(file, path)
            if _is_at(file, path):  # not one that was removed meanwhile
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _lock(file: int, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        raise ValueError(f"{path.parent} is in use by {_holder(file)[0]}; wait for it to end, or end it") from None
    who, host, boot = _holder(file)
    if boot is not None and boot != boot_id() and host != platform.node():  # its file system may not pass locks on
        raise ValueError(f"{path.parent} is in use by {who}; if that is no longer so, delete {path}")


def _holder(file: int) -> tuple[str, str | None, str | None]:
    """Who wrote the lock file, in words, and the machine and its boot; None where nobody did."""
    try:
        told = json.loads(os.pread(file, 4096, 0))
        return f"process {told['pid']} on {told['host']} since {told['since']}", told["host"], told["boot"]
    except (ValueError, KeyError, TypeError):  # not written yet, or by a process that was killed while it wrote
        return "another process", None, None


def boot_id() -> str:
    """What tells this machine's present boot from all others, also through containers."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else platform.node()
