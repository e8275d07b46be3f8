"""Files that are written as a whole or not at all."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def naming(path: Path, instead_of: Path | None = None) -> Iterator[None]:
    """Name the file in errors of the system that do not say for which file, as that of a full disk, or say another."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename in (None, instead_of, str(instead_of)):
            error.filename = str(path)
        raise


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends well; else the old file stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    with naming(path, instead_of=part):
        try:
            part.touch()  # where this fails, the writers' own messages are worse
            yield part
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def remove_parts(folder: Path) -> None:
    """Remove the temporary files of `atomic_write` whose processes were killed."""
    for part in folder.glob(".*.part*"):
        match = re.fullmatch(r"\..*\.(\d+)\.part(\.[^.]+)?", part.name)
        if match and not _is_alive(int(match[1])):
            part.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
