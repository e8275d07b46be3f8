"""How this package compiles: one decorator, one place for the compiled code on disk.

Numba decides by the time stamp of a function's own file whether cached machine code is still good; a change in a
file that the function calls goes unnoticed. So the cache folder carries a digest of all our kernels' sources in its
name: an edit of any compiles all anew, and two versions of the package never share machine code.
"""

import hashlib
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import numba
import numpy as np
import torch
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

F = TypeVar("F", bound=Callable[..., Any])


@cache
def cache_folder() -> str:
    """The folder for machine code: ``NUMBA_CACHE_DIR`` if set, else the user's cache, plus a digest of our code."""
    package = Path(__file__).parent
    folders = (
        package,
        *(package / name for name in ("kernels", "nn", "tasks", "experiments/protocols", "envs", "agents")),
    )
    sources = [path.read_bytes() for folder in folders for path in sorted(folder.glob("*.py"))]
    marks = (b"lstm_rl.compiled", b"def compiled(", b"NamedTuple")  # kernels, this file, and what kernels take
    kernels = b"".join(source for source in sources if any(mark in source for mark in marks))
    digest = hashlib.sha256(kernels).hexdigest()[:16]
    user_cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return str(Path(os.environ.get("NUMBA_CACHE_DIR", user_cache / "lstm_rl")) / digest)


def _into_cache(decorate: Callable[[F], Any], function: F) -> F:
    """Apply a Numba decorator while Numba's cache folder is ours; Numba fixes the folder at decoration."""
    config: Any = numba.config
    before, config.CACHE_DIR = config.CACHE_DIR, cache_folder()
    try:
        decorated: F = decorate(function)
    finally:
        config.CACHE_DIR = before
    return decorated


_OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True, "_nrt": False}


def compiled(function: F) -> F:
    """Compile on first call, keep the machine code on disk: for functions that Python calls.

    - No fastmath: floating-point results do not depend on where code is inlined, which is what makes the compiled loop
      and the step-by-step path bit-equal.
    - NumPy's error model: division by zero gives inf, and loops with a division vectorise.
    - No reference counting, which costs more than a step of a small network. So compiled code may not allocate: no new
      arrays, no copies of one array into another by slices; views and loops are fine.
    """
    return _into_cache(numba.njit(cache=True, **_OPTIONS), function)


def entry_point(function: Callable[..., Any], *arguments: Any) -> Callable[..., Any]:
    """The machine code of a `compiled` function for arguments of exactly these types.

    A call of it skips the look at the types of all arguments: 4 us instead of 17 us for a learner's some 60 arrays. Use
    it only where the types cannot change.
    """
    dispatcher: Any = function
    typeof: Any = numba.typeof
    signature = tuple(typeof(argument) for argument in arguments)
    dispatcher.compile(signature)
    machine_code: Callable[..., Any] = dispatcher.get_overload(signature)
    return machine_code


def kernel(function: F) -> F:
    """Compile a part of compiled functions: always inlined, callable from compiled code only."""
    options: dict[str, Any] = _OPTIONS | {"forceinline": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return _into_cache(numba.njit(cache=True, **options), function)


class ByClass(Protocol):
    """What `by_class` makes."""

    def __call__(self, *arguments: Any) -> Any:
        """For compiled code only."""

    def register(self, *kinds: type) -> Callable[[F], F]:
        """Decorate the kernel for these classes; `object` stands for all that have none of their own."""


def by_class(function: Callable[..., Any]) -> ByClass:
    """A kernel that is chosen by the class of its first argument, a NamedTuple, when its caller is compiled.

    ``function`` gives name, arguments and docstring; each class registers its own kernel with the same arguments by
    ``@function.register(Class)``, as with `functools.singledispatch`.
    """
    kernels: dict[type, Any] = {}

    def choose(*arguments: Any) -> Any:
        return kernels.get(getattr(arguments[0], "instance_class", object), kernels.get(object))

    def register(*kinds: type) -> Callable[[F], F]:
        def decorate(implementation: F) -> F:
            kernels.update(dict.fromkeys(kinds, implementation))
            return kernel(implementation)

        return decorate

    choose.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    options: Any = _OPTIONS | {"forceinline": True}
    overload(function, jit_options=options, strict=False)(choose)  # strict would compare annotations, too
    function.register = register  # type: ignore[attr-defined]
    return cast(ByClass, function)


def rule_type(signature: Any) -> tuple[Callable[[F], F], Callable[[int], Any]]:
    """A kind of function that compiled loops take as a value: return (decorator, at_address).

    ``decorator`` compiles a function for the signature; its ``address`` is an integer that can stand in an array.
    ``at_address``, inside compiled code, turns the integer back into a function that can be called. So a loop over
    functions of one kind is compiled once for all of them, its machine code can be kept on disk, and passing the
    functions costs nothing (Numba's own passing of functions costs 5 us each).
    """
    function_type = types.FunctionType(signature)

    def decorator(function: F) -> F:
        return _into_cache(numba.cfunc(signature, cache=True, error_model="numpy"), function)

    llvm: Any = cgutils  # untyped

    @intrinsic
    def at_address(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            value = llvm.create_struct_proxy(function_type)(context, builder)
            value.c_addr = builder.inttoptr(arguments[0], llvm.voidptr_t)
            value.py_addr = llvm.get_null_value(llvm.voidptr_t)
            value.jit_addr = llvm.get_null_value(llvm.voidptr_t)
            return value._getvalue()

        return function_type(types.int64), generate

    return decorator, cast(Any, at_address)


_DENORMAL, _ONE = np.float32(1e-40), np.float32(1.0)


@contextmanager
def flushed() -> Iterator[None]:
    """Flush denormal numbers to zero, and leave the processor as it was.

    In a long corridor the partials of an input that stays 0 fade below the normal numbers, where an operation takes a
    hundred times as long.
    """
    before = float(_DENORMAL * _ONE) == 0.0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
