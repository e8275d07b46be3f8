"""How this package compiles: one decorator, one place for the compiled code on disk.

Numba decides by the time stamp of a function's own file whether cached machine code is still good; a change in a
file that the function calls goes unnoticed. So the cache folder carries a digest of all our sources in its name:
an edit anywhere compiles anew, and two versions of the package never share machine code.
"""

import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import config

F = TypeVar("F", bound=Callable[..., Any])


@cache
def cache_folder() -> str:
    """The folder for machine code: ``NUMBA_CACHE_DIR`` if set, else the user's cache, plus a digest of our code."""
    package = Path(__file__).parent
    folders = (package, package / "streaming", package / "envs", package / "agents")  # where kernels live
    sources = sorted(path for folder in folders for path in folder.glob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    user_cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return str(Path(os.environ.get("NUMBA_CACHE_DIR", user_cache / "lstm_rl")) / digest)


def _into_cache(decorate: Callable[[F], Any], function: F) -> F:
    """Apply a Numba decorator while Numba's cache folder is ours; Numba fixes the folder at decoration."""
    before = config.CACHE_DIR
    config.CACHE_DIR = cache_folder()
    try:
        decorated: F = decorate(function)
    finally:
        config.CACHE_DIR = before
    return decorated


def compiled(function: F) -> F:
    """Compile on first call, keep the machine code on disk.

    No fastmath: floating-point results do not depend on where the code is inlined, which is what makes the compiled
    loop and the step-by-step path bit-equal. NumPy's error model (division by zero gives inf) lets loops vectorise.
    """
    return _into_cache(numba.njit(cache=True, error_model="numpy", nogil=True), function)


def compiled_rule(signature: Any) -> Callable[[F], F]:
    """Compile one rule of a world for a fixed signature, so that a loop can take it as an argument.

    The result is a first-class function: loops that call it are compiled once for all worlds.
    """
    return lambda function: _into_cache(numba.cfunc(signature, cache=True, error_model="numpy"), function)
