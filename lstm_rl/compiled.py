"""How this package compiles: decorators for functions that Python calls, for their parts, and for worlds' rules.

Numba compiles every function of a chain of calls on its own, optimises it, makes machine code of it, and then once more
inside each of its callers. Here parts are only translated; what Python calls is optimised once, as a whole. That takes
half the time, and the machine code is as fast. `lstm_rl.machine_code` keeps it on disk.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar, cast

import llvmlite.binding as llvm
import numba
import numpy as np
from numba.core import cgutils, types
from numba.core.ccallback import CFunc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.registry import CPUDispatcher
from numba.core.sigutils import normalize_signature
from numba.extending import intrinsic, overload

from lstm_rl.machine_code import MachineCode

F = TypeVar("F", bound=Callable[..., Any])


class _PartLibrary(JITCodeLibrary):
    """The code of a part, as it is translated: neither optimised nor made machine code of."""

    def _optimize_final_module(self) -> None:
        """Done in the whole."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        engine = self._codegen._engine
        prefix = "_ZN08NumbaEnv"  # of the pointers to what a function's exceptions need, which Numba sets at once
        pointers = [each.name for each in self._final_module.global_variables if each.name.startswith(prefix)]
        missing = [f'@"{name}" = common global i64 0' for name in pointers if not engine.is_symbol_defined(name)]
        self._pointers = llvm.parse_assembly("\n".join((f'target triple = "{llvm.get_process_triple()}"', *missing)))
        self._codegen._add_module(self._pointers)
        engine.finalize_object()
        self._finalized = True


class _Part(Compiler):
    def define_pipelines(self) -> Any:
        """Numba's own passes; only what becomes of the code is different."""
        self.state.library = _PartLibrary(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
        return super().define_pipelines()


_OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True, "_nrt": False, "no_cfunc_wrapper": True}
_PART: Any = _OPTIONS | {"forceinline": True, "no_cpython_wrapper": True, "pipeline_class": _Part}


def compiled(function: F) -> F:
    """Compile on first call, keep the machine code on disk: for functions that Python calls.

    - No fastmath: floating-point results do not depend on where code is inlined, which is what makes the compiled loop
      and the step-by-step path bit-equal.
    - NumPy's error model: division by zero gives inf, and loops with a division vectorise.
    - No reference counting, which costs more than a step of a small network. So compiled code may not allocate: no new
      arrays, no copies of one array into another by slices; views and loops are fine.
    """
    dispatcher: Any = numba.njit(**_OPTIONS)(function)
    dispatcher._cache = MachineCode(dispatcher.py_func, _OPTIONS)
    compile_alone = dispatcher.compile

    def compile_once(signature: Any) -> Any:
        with dispatcher._cache.alone(signature, dispatcher.targetctx):
            return compile_alone(signature)

    dispatcher.compile = compile_once
    return cast(F, dispatcher)


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


class _Kernel(CPUDispatcher):
    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Run in Python: there is no machine code to call."""
        return self.py_func(*arguments, **keywords)


def kernel(function: F) -> F:
    """Compile a part of compiled functions: always inlined. Called from Python it runs there, uncompiled."""
    dispatcher: Any = numba.njit(**_PART)(function)
    dispatcher.__class__ = _Kernel
    template = dispatcher.get_call_template

    def template_for_types(arguments: Any, keywords: Any) -> Any:  # else Numba translates f(i) and f(0) apart
        keywords = {name: types.unliteral(each) for name, each in keywords.items()}
        return template(tuple(map(types.unliteral, arguments)), keywords)

    dispatcher.get_call_template = template_for_types
    return cast(F, dispatcher)


class ByClass(Protocol):
    """What `by_class` makes."""

    def __call__(self, *arguments: Any) -> Any:
        """For compiled code only."""

    def register(self, *kinds: type) -> Callable[[F], F]:
        """Decorate the kernel for these classes; `object` stands for all that have none of their own."""


def by_class(function: Callable[..., Any]) -> ByClass:
    """A kernel that is chosen by the class of its first argument, a NamedTuple, when its caller is compiled.

    ``function`` gives name, arguments and docstring; each class registers its own kernel with the same arguments by
    ``@function.register(Class)``, as with `functools.singledispatch`. Arrays are of the class `numpy.ndarray`.
    """
    kernels: dict[type, Any] = {}

    def choose(*arguments: Any) -> Any:
        kind = np.ndarray if isinstance(arguments[0], types.Array) else object
        return kernels.get(getattr(arguments[0], "instance_class", kind), kernels.get(object))

    def register(*kinds: type) -> Callable[[F], F]:
        def decorate(implementation: F) -> F:
            kernels.update(dict.fromkeys(kinds, implementation))
            return kernel(implementation)

        return decorate

    choose.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    overload(function, jit_options=_PART, strict=False)(choose)  # strict would compare annotations, too
    function.register, function.kernels = register, kernels  # type: ignore[attr-defined]
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
        options = {"nopython": True, "error_model": "numpy"}
        rule: Any = CFunc(function, normalize_signature(signature), {}, options)
        rule._cache = MachineCode(rule._pyfunc, options)
        with rule._cache.alone(rule._sig, rule._targetdescr.target_context):
            rule.compile()
        return cast(F, rule)

    cgutils_: Any = cgutils  # untyped

    @intrinsic
    def at_address(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            value = cgutils_.create_struct_proxy(function_type)(context, builder)
            value.c_addr = builder.inttoptr(arguments[0], cgutils_.voidptr_t)
            value.py_addr = cgutils_.get_null_value(cgutils_.voidptr_t)
            value.jit_addr = cgutils_.get_null_value(cgutils_.voidptr_t)
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
    import torch  # who only steps a world needs none of it

    before = float(_DENORMAL * _ONE) == 0.0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)
