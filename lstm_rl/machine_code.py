"""Machine code on disk: compiled once per machine, never stale, shared by processes.

There is one file per function and types of its arguments. Its name carries a digest of all that the machine code
depends on: the byte code of the function and of everything it calls, in whatever module, the constants that they read,
the fields of the records that they take, the versions of Numba and NumPy, and the processor. So an edit compiles anew
what depends on it and nothing else, in this package and in a user's own, and two versions never share machine code.
(Numba's own cache looks at the function's own file only, and takes an edit of what it calls for nothing.)
"""

import atexit
import hashlib
import os
import pickle
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import EnumType
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import IO, Any

import llvmlite
import numba
import numpy as np
from numba.core.caching import NullCache
from numba.core.ccallback import CFunc
from numba.core.compiler import CompileResult
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher
from numba.core.extending import _Intrinsic
from numba.core.runtime.nrt import rtsys
from numba.core.serialize import dumps
from numba.core.sigutils import normalize_signature

from lstm_rl.atomic import atomic_write

try:
    import fcntl
except ImportError:  # Windows: processes that start together compile the same, each for itself
    fcntl = None  # type: ignore[assignment]

UNUSED_DAYS = 30  # after which a file is removed
SILENCE = 2.0  # seconds of waiting before the user is told
PATIENCE = 300.0  # seconds that a process waits for another one's machine code before it compiles its own
CHECKSUM = 32  # bytes of SHA-256 at the start of a file
_VERSIONS = (numba.__version__, llvmlite.__version__, np.__version__, sys.implementation.cache_tag, platform.machine())
_SETTINGS = (
    "OPT",
    "LOOP_VECTORIZE",
    "SLP_VECTORIZE",
    "BOUNDSCHECK",
    "ENABLE_AVX",
)  # Numba's own, from environment variables
_LIBRARIES = {*sys.stdlib_module_names, "numpy", "numba", "llvmlite"}  # whose functions a version stands for


@cache
def say(message: str) -> None:
    """Tell the user, once."""
    print(f"lstm_rl: {message}", file=sys.stderr, flush=True)


@cache
def cache_folder() -> Path:
    """The folder for machine code: in ``NUMBA_CACHE_DIR`` if set, else in the user's cache, else a temporary one."""
    try:
        named = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
        folder = (Path(named) if named else Path.home() / ".cache") / "lstm_rl"
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
        folder = Path(tempfile.mkdtemp(prefix="lstm_rl_"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        say(
            f"no folder to keep machine code in ({error}): compiled for this run only; set NUMBA_CACHE_DIR to change it"
        )
    return folder


@cache
def remove_unused(folder: Path) -> None:
    """Remove the files that nobody has used for `UNUSED_DAYS`; asked again, do nothing."""
    oldest = time.time() - UNUSED_DAYS * 86400
    with suppress(OSError):  # another process may remove the same ones
        for path in sorted(folder.rglob("*"), reverse=True):  # what a folder holds before the folder
            if path.is_dir():
                with suppress(OSError):  # it holds something
                    path.rmdir()
            elif path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)


# --- what machine code depends on ------------------------------------------------------------------------------------


def _function(value: Any) -> Any:
    """The Python function behind what Numba made of it; other values as they are."""
    for kind, name in ((Dispatcher, "py_func"), (CFunc, "_pyfunc"), (_Intrinsic, "_defn")):
        if isinstance(value, kind):
            return getattr(value, name)
    return value


def _name(value: Any) -> str:
    return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', type(value).__qualname__)}"


def _identity(value: Any) -> str:
    """A value as text that is the same in every process: functions and classes by name, constants by value."""
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, range, np.generic, np.dtype)):
        return repr(value)
    if isinstance(value, numba.types.Type):
        return str(value)
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}"
    if isinstance(value, tuple):
        return f"{type(value).__qualname__}({', '.join(map(_identity, value))})"
    if isinstance(value, frozenset):
        return repr(sorted(map(_identity, value)))
    if isinstance(value, CodeType):
        parts = (value.co_code, value.co_names, value.co_varnames, value.co_freevars, value.co_cellvars)
        numbers = (value.co_argcount, value.co_kwonlyargcount, value.co_flags, value.co_exceptiontable)
        return f"{parts} {numbers} {_identity(value.co_consts)}"
    if isinstance(value, EnumType):
        return f"{_name(value)} {value.__members__}"
    if isinstance(value, type) and issubclass(value, tuple):
        fields, defaults = getattr(value, "_fields", ()), getattr(value, "_field_defaults", {})
        return f"{_name(value)} {fields} {_identity(tuple(defaults.items()))}"
    return value.__name__ if isinstance(value, ModuleType) else _name(_function(value))


def _names(code: CodeType) -> set[str]:
    """Names of globals and attributes in a function's code and in that of functions inside it."""
    inner = (_names(each) for each in code.co_consts if isinstance(each, CodeType))
    return set(code.co_names).union(*inner)


def _read(function: FunctionType) -> dict[str, Any]:
    """What a function reads from outside, by name: globals, what it takes from modules, and enclosed variables."""
    names, values = _names(function.__code__), {}
    waiting, modules = [("", function.__globals__)], set()
    while waiting:
        place, inside = waiting.pop()
        for name in names & inside.keys():
            value = values[f"{place}.{name}"] = inside[name]
            if isinstance(value, ModuleType) and value not in modules:
                modules.add(value)
                waiting.append((value.__name__, vars(value)))
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return values | {f"enclosed {name}": cell.cell_contents for name, cell in cells}


def _reached(function: FunctionType, classes: set[type]) -> list[str]:
    """All that the machine code of a function depends on, for records of these classes; one text each, sorted."""
    texts, seen = set(), set()
    tables: list[dict[type, Any]] = []  # kernels by class, see `lstm_rl.compiled.by_class`
    waiting: list[Any] = [function, *classes]
    while waiting:
        value = _function(waiting.pop())
        if id(value) not in seen:
            seen.add(id(value))
            if isinstance(value, tuple):
                waiting += [type(value), *value]
            elif isinstance(value, type):
                classes.add(value)
                texts.add(_identity(value))
            elif isinstance(value, FunctionType) and (value.__module__ or "").partition(".")[0] not in _LIBRARIES:
                read = _read(value)
                bindings = sorted(f"{name} = {_identity(each)}" for name, each in read.items())
                defaults = _identity((value.__defaults__, *(value.__kwdefaults__ or {}).items()))
                texts.add(f"{_name(value)} {_identity(value.__code__)} {defaults} {bindings}")
                waiting += read.values()
                tables += [value.kernels] if hasattr(value, "kernels") else []
        if not waiting:  # which kernels are called depends on the classes, and these may tell of more classes
            chosen = [table[each] for table in tables for each in {*classes, object} & table.keys()]
            waiting = [kernel for kernel in chosen if id(kernel) not in seen]
    return sorted(texts)


@cache
def _compiler() -> bytes:
    """The source of what compiles functions."""
    return Path(__file__).with_name("compiled.py").read_bytes()


def _classes(numba_type: Any) -> Iterator[type]:
    """Classes of the records that an argument's type holds."""
    if hasattr(numba_type, "instance_class"):
        yield numba_type.instance_class
    for inner in set(numba_type) if isinstance(numba_type, Iterable) else ():
        yield from _classes(inner)


# --- files -----------------------------------------------------------------------------------------------------------


class MachineCode(NullCache):
    """Where a compiled function keeps its machine code: Numba asks `load_overload` first and `save_overload` last."""

    def __init__(self, function: FunctionType, options: dict[str, Any]) -> None:
        self.function, self.options = function, options
        self._paths: dict[Any, Path] = {}

    @property
    def cache_path(self) -> str:
        """The folder."""
        return str(cache_folder())

    def path(self, signature: Any, target_context: Any) -> Path:
        """The file for arguments of these types."""
        arguments, result = normalize_signature(signature)
        if (arguments, result) not in self._paths:
            settings = [getattr(numba.config, name, None) for name in _SETTINGS]
            machine, options = target_context.codegen().magic_tuple(), sorted(self.options.items())
            classes = {each for argument in arguments for each in _classes(argument)}
            key = (_VERSIONS, machine, settings, options, arguments, result, *_reached(self.function, classes))
            digest = hashlib.sha256("\n".join(map(str, key)).encode() + _compiler()).hexdigest()[:24]
            name = _name(self.function).removeprefix("lstm_rl.").replace("<", "").replace(">", "")
            self._paths[arguments, result] = cache_folder() / f"{name}-{digest}.nbc"
        return self._paths[arguments, result]

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What was compiled before, or None; a file that is not whole counts as none."""
        rtsys.initialize(target_context)
        path = self.path(sig, target_context)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(data[CHECKSUM:]).digest() != data[:CHECKSUM]:
            return None
        with suppress(OSError):  # a folder that only others may write to
            os.utime(path)  # used today
        try:
            return CompileResult._rebuild(target_context, *pickle.loads(data[CHECKSUM:]))
        except ImportError:  # of a function whose module is in no file, as in `exec`
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep it."""
        if data.library.has_dynamic_globals:
            return
        path = self.path(sig, data.target_context)
        content = dumps(data._reduce())
        try:
            with atomic_write(path) as part:
                part.write_bytes(hashlib.sha256(content).digest() + content)
        except OSError as error:
            say(f"machine code cannot be kept ({error}): the next run compiles it anew")
        remove_unused(path.parent)

    @contextmanager
    def alone(self, signature: Any, target_context: Any) -> Iterator[None]:
        """Around compiling: processes that start together wait for the one that is first, and then load its code."""
        with global_compiler_lock:  # first, as Numba holds it where one function compiles another
            path = self.path(signature, target_context)
            lock = None if fcntl is None or path.exists() else _lock(path.with_suffix(".lock"))
            try:
                yield
            finally:
                if lock is not None:
                    fcntl.flock(lock, fcntl.LOCK_UN)  # closing is not enough where a child process has it open
                    lock.close()


def _lock(path: Path) -> IO[str] | None:
    """Hold the lock on a file, which dies with the process; None after `PATIENCE`, or where files have no locks."""
    try:
        file = path.open("w")
    except OSError:
        return None
    begun = time.monotonic()
    while time.monotonic() < begun + PATIENCE:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            if time.monotonic() > begun + SILENCE:
                say("waiting for another process to compile")
            time.sleep(0.05)
        except OSError:
            break
    file.close()
    return None
