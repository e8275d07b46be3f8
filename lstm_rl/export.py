"""A policy's acting alone, for other programs: ONNX, or a Torch program. Reading an ONNX file runs no code.

`lstm_rl.acting` says what goes in and comes out; its names are those of the ONNX file's inputs and outputs, with
``next_`` before those of the state that comes out. The file's metadata say the same, and the spaces.
"""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from lstm_rl.acting import ActingModule, initial_state
from lstm_rl.agents.memory_policy import MemoryPolicy
from lstm_rl.atomic import atomic_write
from lstm_rl.checks import needs_extra, one_line


def _program(policy: MemoryPolicy) -> tuple[ActingModule, Any, Any]:
    """The module, arguments to trace it with, and their dynamic shapes: the batch."""
    module, batch = ActingModule(policy).eval(), torch.export.Dim("batch", min=1)
    state = initial_state(policy, 2)
    arguments = torch.zeros(2, policy.sensors), torch.zeros(2, dtype=torch.bool), state
    return module, arguments, ({0: batch}, {0: batch}, tuple({0: batch} for _ in state))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what Torch and onnxscript say about their own parts."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def to_torch(policy: MemoryPolicy) -> torch.export.ExportedProgram:
    """The acting module as a Torch program that needs no code of this package; its batch is dynamic.

    Raises:
        ValueError: The network cannot be traced.
    """
    module, arguments, shapes = _program(policy)
    try:
        with _quiet():
            program = torch.export.export(module, arguments, dynamic_shapes=shapes)
    except Exception as error:  # whatever Torch makes of somebody's module
        reason = one_line(str(error).split("\n\n")[0])
        raise ValueError(
            f"network must be such that torch.export can trace it, got {policy.model}: {reason}"
        ) from error
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # where in this machine's files it stands
    return program


def to_onnx(policy: MemoryPolicy) -> Any:
    """The acting module as an ``onnx.ModelProto``.

    Raises:
        ValueError: The network cannot be traced, or the extra is not installed.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ValueError(needs_extra("onnx", str(error.name), "export")) from error
    program, parts = to_torch(policy), len(policy.initial_state(1)) - 1
    state = [f"state_{i}" for i in range(parts)]
    names = {
        "input_names": ["observation", "episode_start", *state],
        "output_names": ["action", "advantages", *(f"next_{name}" for name in state)],
    }
    with _quiet():
        proto: Any = torch.onnx.export(program, dynamo=True, verbose=False, **names).model_proto  # type: ignore
    for part in (*proto.graph.node, *proto.graph.value_info, *proto.graph.input, *proto.graph.output):
        part.ClearField("metadata_props")  # where in this machine's files the exporter met it
    for key, value in _metadata(policy).items():
        proto.metadata_props.add(key=key, value=value if isinstance(value, str) else json.dumps(value))
    return proto


def _metadata(policy: MemoryPolicy) -> dict[str, Any]:
    from lstm_rl import __version__

    sizes = [list(part.shape[1:]) for part in initial_state(policy, 1)]
    return {
        "producer": f"lstm_rl {__version__}",
        "policy": type(policy).__name__,
        "rule": policy.rule,
        "network": str(policy.model),
        "observation_space": str(policy.observation_space),
        "action_space": str(policy.action_space),
        "observation": "(n, I) float32, as gymnasium.spaces.flatten gives it",
        "episode_start": "(n,) bool, true at the first observation of an episode",
        "state": {f"state_{i}": size for i, size in enumerate(sizes)},
    }


def write_onnx(policy: MemoryPolicy, path: Path) -> None:
    """Write an .onnx file, as a whole or not at all; see `to_onnx`."""
    proto = to_onnx(policy)
    with atomic_write(path) as part:
        part.write_bytes(proto.SerializeToString())


def write_torch(policy: MemoryPolicy, path: Path) -> None:
    """Write a .pt2 file, as a whole or not at all; see `to_torch`."""
    program = to_torch(policy)
    with atomic_write(path) as part:
        torch.export.save(program, part)
