"""What every network here is: `y, state = net(x, state, resets)`, the state explicit, resets inside the unroll.

Dimensions: T time, B batch, I inputs, K outputs. Time-major throughout. T = 1 acts, T = n learns. A state is a named
tuple of tensors whose first dimension is B; at rest all of them are 0.
"""

from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

State = TypeVar("State", bound=tuple[Tensor, ...])


class Network(Protocol):
    """The one interface of `LstmNetwork`, `GruNetwork`, `SlstmNetwork`, and of anybody's module that joins them."""

    @property
    def inputs(self) -> int:
        """I >= 1."""

    @property
    def outputs(self) -> int:
        """K >= 1."""

    def initial_state(self, batch: int) -> Any:
        """The state of ``batch`` rows at rest, all zeros."""

    def __call__(self, x: Tensor, state: Any = None, resets: Tensor | None = None) -> tuple[Tensor, Any]:
        """Unroll over T steps.

        Args:
            x: (T, B, I), finite, of the network's type; under autocast of any floating-point type.
            state: Before the first step; ``None``: at rest.
            resets: (T, B) bool, true where the state is put to rest before the step; ``None``: nowhere.

        Returns:
            Outputs (T, B, K) and the state after the last step, both of the network's type: inside, autocast is off,
            since sums over many steps need the precision.

        Raises:
            ValueError: An argument does not fit; the message names it.
        """

    def named(self, state: Any) -> dict[str, Tensor]:
        """The activations in a state by name, each (B, n), for people: gates, cell states, outputs of units."""


def traced() -> bool:
    """Whether Torch records or transforms what is called: torch.compile, torch.export, torch.func.

    Then no number may decide which code runs, and only Torch's own operations can be called.
    """
    functorch: Any = torch._C._functorch
    return torch.compiler.is_compiling() or functorch.peek_interpreter_stack() is not None


def unroll_checked(network: Any, x: Tensor, state: Any, resets: Tensor | None) -> tuple[Tensor, Any]:
    """Check the arguments of a network's call, and call its ``_unroll`` in the network's own type; see `Network`."""
    if not torch.is_autocast_enabled(x.device.type):
        return network._unroll(x, check_arguments(network, x, state, resets), resets)  # type: ignore[no-any-return]
    with torch.autocast(x.device.type, enabled=False):
        dtype = network.initial_state(1)[0].dtype
        if state is not None:
            state = type(state)(*(part.to(dtype) for part in state))
        x = x.to(dtype)
        return network._unroll(x, check_arguments(network, x, state, resets), resets)  # type: ignore[no-any-return]


def check_arguments(network: Any, x: Tensor, state: State | None, resets: Tensor | None) -> State:
    """Check the arguments of an unroll; return the state to begin with.

    Where Torch traces the call, numbers are not looked at: NaN then comes out as NaN.

    Args:
        network: A `Network`.
        x: As there.
        state: As there.
        resets: As there.

    Raises:
        ValueError: An argument does not fit, or is not finite.
    """
    if x.dim() != 3 or x.shape[2] != network.inputs or 0 in x.shape:
        raise ValueError(f"x must have shape (T, B, {network.inputs}) with T and B >= 1, got {tuple(x.shape)}")
    rest: State = network.initial_state(x.shape[1])
    if x.dtype != rest[0].dtype:
        raise ValueError(f"x must be of the network's type {rest[0].dtype}, got {x.dtype}")
    look = not traced()
    if look and not _finite(x):
        raise ValueError(f"x must be finite numbers, got NaN or infinity at (t, b, i) = {_first_odd(x)}")
    if resets is not None and (resets.shape != x.shape[:2] or resets.dtype != torch.bool):
        raise ValueError(
            f"resets must be bool of shape {tuple(x.shape[:2])}, got {resets.dtype} of shape {tuple(resets.shape)}"
        )
    if state is None:
        return rest
    shapes = [tuple(part.shape) for part in rest]
    if type(state) is not type(rest) or [tuple(part.shape) for part in state] != shapes:
        got = [tuple(part.shape) for part in state] if isinstance(state, tuple) else ""
        raise ValueError(
            f"state must be a {type(rest).__name__} of shapes {shapes}, that is, of this network and of as many rows "
            f"as x, got {type(state).__name__} {got}"
        )
    for name, part in zip(_names(rest), state, strict=True):
        if part.dtype != x.dtype:
            raise ValueError(f"state must be of the network's type {x.dtype}, got {part.dtype} in its part {name}")
        if look and not _finite(part):
            raise ValueError(f"state must be finite numbers, got NaN or infinity in its part {name}")
    return state


def _names(state: tuple[Tensor, ...]) -> tuple[str, ...]:
    names: tuple[str, ...] = getattr(state, "_fields", tuple(map(str, range(len(state)))))
    return names


def _finite(v: Tensor) -> bool:
    """Whether all numbers are finite; one sum tells in all but the rarest cases."""
    v = v.detach()
    return bool(torch.isfinite(v.sum())) or bool(torch.isfinite(v).all())


def _first_odd(x: Tensor) -> tuple[int, ...]:
    first = torch.nonzero(~torch.isfinite(x))[0]
    return tuple(int(index) for index in first)
