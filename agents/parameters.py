"""Arrays in the memory of a Torch module's parameters and buffers, for compiled code.

Torch, stable-baselines3 and users may replace parameters or their memory at any time, and an array in the old memory
would not show it. So addresses are compared before each call of compiled code, which costs 1 us.
"""

from collections.abc import Mapping
from itertools import chain
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_address: Any = Tensor.data_ptr


class NotFiniteError(ValueError):
    """Weights or statistics are NaN or infinite."""


Kinds = dict[str, tuple[torch.Size, torch.dtype]]
"""Shape and type of each of a module's own tensors."""


def addresses(module: nn.Module) -> list[int]:
    """Where the module's own parameters and buffers lie, without those of its submodules; nothing if one is None."""
    try:
        return [*map(_address, module._parameters.values()), *map(_address, module._buffers.values())]
    except TypeError:
        return []


def kinds(module: nn.Module) -> Kinds:
    """Shapes and types of the module's own parameters and buffers."""
    tensors = chain(module._parameters.items(), module._buffers.items())
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors if tensor is not None}


def array_of(module: nn.Module, name: str, shape: torch.Size, dtype: torch.dtype) -> NDArray[Any]:
    """The memory of a parameter or buffer, which first is put into the type and the order that compiled code wants.

    Args:
        module: Its owner.
        name: In ``module``.
        shape: That it must have.
        dtype: Of the array; a floating-point parameter of another type is cast.

    Raises:
        ValueError: There is no such tensor, or it is not what compiled code can work on.
    """
    tensor: Tensor | None = {**module._parameters, **module._buffers}.get(name)
    if tensor is None:
        raise ValueError(
            f"{name} must be a plain tensor of the policy, got none of this name: compiled code knows no pruning and "
            "no parametrisation, but the networks of TorchPolicy may have them"
        )
    if tensor.shape != shape or tensor.device.type != "cpu" or not tensor.is_floating_point():
        raise ValueError(
            f"{name} must be floating-point numbers of shape {tuple(shape)} on the CPU, got {tensor.dtype} of shape "
            f"{tuple(tensor.shape)} on {tensor.device}"
        )
    if tensor.dtype != dtype or not tensor.is_contiguous():
        tensor.data = tensor.detach().to(dtype).contiguous()
    array: NDArray[Any] = tensor.detach().numpy()
    return array


def check_numbers(named: Mapping[str, Any], called: str) -> None:
    """Refuse tensors that hold NaN or infinity; the message calls their owner as asked.

    Raises:
        NotFiniteError: A tensor holds NaN or infinity; the message names it.
    """
    for name, values in named.items():
        if isinstance(values, Tensor) and not values.isfinite().all():
            raise NotFiniteError(f"{called} must hold finite numbers, but {name} holds NaN or infinity")


def check_cast(cast: Any, dtype: torch.dtype) -> None:
    """Refuse what `torch.nn.Module` is about to do to all its tensors if compiled code cannot follow.

    Raises:
        ValueError: ``cast`` changes ``dtype``, or moves tensors away from the CPU.
    """
    got = cast(torch.zeros(1, dtype=dtype))
    if got.dtype != dtype or got.device.type != "cpu":
        raise ValueError(
            f"policy must stay {dtype} on the CPU, as Config.precision and its compiled code are, got {got.dtype} on "
            f"{got.device}"
        )


def check_learnable(module: nn.Module, unmoved: tuple[str, ...]) -> None:
    """Refuse frozen parameters, but those that learning does not move.

    Raises:
        ValueError: One of the module's own is frozen.
    """
    for name, parameter in module.named_parameters(recurse=False):
        if not parameter.requires_grad and name not in unmoved:
            raise ValueError(
                f"{name} must require a gradient to learn, got a frozen parameter: compiled code moves all weights; "
                "the networks of TorchPolicy may have frozen ones"
            )


def fill(module: nn.Module, vector: Tensor) -> None:
    """Fill all parameters from a vector, one after the other, in place; each keeps its type.

    Raises:
        ValueError: The vector is of another length.
    """
    parameters = list(module.parameters())
    count, start = sum(parameter.numel() for parameter in parameters), 0
    if vector.shape != (count,):
        raise ValueError(f"vector must be of shape ({count},), got {tuple(vector.shape)}")
    with torch.no_grad():
        for parameter in parameters:
            parameter.copy_(vector[start : start + parameter.numel()].view_as(parameter))
            start += parameter.numel()
