"""A policy's acting alone, for other programs: ONNX, or a Torch program. Reading an ONNX file runs no code.

An acting module is one step of n rows: normaliser, network, greedy choice, the state explicit:

    action, advantages, next_state = module(observation, episode_start, state)

    observation    (n, I) float32, as `gymnasium.spaces.flatten` gives it
    episode_start  (n,) bool: true where the observation is the first of an episode; the state then counts for nothing
    state_0, ...   (n, size) each, what the last step returned as next_state_0, ...; zeros at first
    action         as the environment takes it: (n,) or (n, *shape of the space)
    advantages     (n, K); of an actor-critic all outputs, see `MemoryPolicy.advantages`

The names are those of the ONNX file's inputs and outputs; its metadata say the same, and the spaces.
"""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from lstm_rl.agents.memory_policy import MemoryPolicy
from lstm_rl.agents.models import Boxes, Module
from lstm_rl.agents.spaces import BoxDecoder
from lstm_rl.atomic import atomic_write
from lstm_rl.checks import needs_extra
from lstm_rl.kernels.cells import Cells
from lstm_rl.nn.cells import CellsNetwork
from lstm_rl.nn.lstm import LstmNetwork

State = tuple[Tensor, ...]


class ActingModule(nn.Module):
    """One greedy step of a policy; see above. It has copies of the policy's weights and statistics."""

    mean: Tensor  # (I,) of observations, as is the next
    deviation: Tensor

    def __init__(self, policy: MemoryPolicy) -> None:
        super().__init__()
        self.choices = policy.decoder.size  # of the outputs, those that the action is made of
        self.network = _network(policy)
        self.told = self.network.cells.actions if isinstance(self.network, CellsNetwork) else 0
        self.decoder = _decoder(policy)
        self.clip = policy.config.observation_clip if policy.config.normalize_observations else 0.0
        seen = policy.normaliser()
        deviation = np.sqrt(seen.square / max(seen.seen[0], 1.0) + 1e-8)  # as `lstm_rl.agents.learner.network_input`
        self.register_buffer("mean", torch.tensor(seen.mean))
        self.register_buffer("deviation", torch.tensor(deviation))

    def forward(self, observation: Tensor, episode_start: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """Actions, outputs and the next state."""
        x = observation.double()
        if self.clip > 0.0:
            x = ((x - self.mean) / self.deviation).clamp(-self.clip, self.clip)
        if isinstance(self.network, Table):
            bits = torch.where(episode_start[:, None], 0, state[0])
            outputs = self.network(x, bits)
            chosen = outputs.argmax(dim=1)
            return self.decoder(chosen // self.network.patterns), outputs, (chosen[:, None] % self.network.patterns,)
        dtype = state[0].dtype
        keep = (~episode_start).to(dtype)[:, None]  # (n, 1)
        parts, x = [part * keep for part in state], x.to(dtype)
        if self.told:  # the last action is an input, and a part of the state
            x = torch.cat([x, parts.pop()], dim=1)
        kind: Any = type(self.network.initial_state(1))  # a tuple, or a named one
        ys, after = self.network(x[None], kind(parts) if kind is tuple else kind(*parts))
        outputs, after = ys[0], tuple(after)
        if isinstance(self.decoder, Squash):
            return self.decoder(outputs[:, : self.choices]), outputs, after
        chosen = outputs[:, : self.choices].argmax(dim=1)
        if self.told:
            after = (*after, (chosen[:, None] == torch.arange(self.told)).to(dtype))
        return self.decoder(chosen), outputs, after


class Table(nn.Module):
    """`lstm_rl.kernels.table`: the values of the box that an observation lies in, with the memory bits."""

    values: Tensor  # (R, K)
    low: Tensor  # (I,), as are the next two
    width: Tensor
    places: Tensor

    def __init__(self, model: Boxes, values: Any) -> None:
        super().__init__()
        space: Any = model.space
        low, high = (bound.ravel().astype(np.float64) for bound in (space.low, space.high))
        self.patterns, self.regions = 2**model.bits, model.regions
        self.register_buffer("values", torch.tensor(values))
        self.register_buffer("low", torch.tensor(low))
        self.register_buffer("width", torch.tensor((high - low) / model.regions))
        self.register_buffer("places", model.regions ** torch.arange(len(low) - 1, -1, -1))

    def forward(self, x: Tensor, bits: Tensor) -> Tensor:
        """Values (n, K) for inputs (n, I) and bits (n, 1)."""
        region = torch.floor((x - self.low) / self.width).clamp(0, self.regions - 1).long()
        row = (region * self.places).sum(dim=1) * self.patterns + bits[:, 0]
        return self.values[row]


class Numbers(nn.Module):
    """`lstm_rl.agents.spaces.ActionDecoder`: from choices (n,) to actions."""

    counts: Tensor  # (d,) values of each number, as are the next two
    start: Tensor
    places: Tensor

    def __init__(self, decoder: Any) -> None:
        super().__init__()
        self.single = isinstance(decoder.space, spaces.Discrete)
        self.shape: tuple[int, ...] = decoder.space.shape or ()
        self.dtype = torch.from_numpy(np.zeros(1, decoder.space.dtype)).dtype
        counts = decoder.counts
        places = np.concatenate([np.cumprod(counts[::-1])[::-1][1:], [1]])
        for name, values in {"counts": counts, "start": decoder.start, "places": places}.items():
            self.register_buffer(name, torch.tensor(values))

    def forward(self, chosen: Tensor) -> Tensor:
        """Actions (n,) or (n, *shape)."""
        if self.single:
            return chosen + self.start[0]
        numbers = chosen[:, None] // self.places % self.counts + self.start
        return numbers.to(self.dtype).reshape(-1, *self.shape)


class Squash(nn.Module):
    """`lstm_rl.agents.spaces.BoxDecoder`: from means (n, d), the first half of an actor's outputs, to actions."""

    low: Tensor  # (*shape), as is the next
    high: Tensor

    def __init__(self, decoder: BoxDecoder) -> None:
        super().__init__()
        self.dimensions, self.shape = decoder.dimensions, decoder.space.shape
        self.whole = np.issubdtype(decoder.space.dtype, np.integer)
        self.dtype = torch.from_numpy(np.zeros(1, decoder.space.dtype)).dtype
        self.register_buffer("low", torch.tensor(decoder.space.low.astype(np.float64)))
        self.register_buffer("high", torch.tensor(decoder.space.high.astype(np.float64)))

    def forward(self, outputs: Tensor) -> Tensor:
        """Actions (n, *shape)."""
        share = (torch.tanh(outputs[:, : self.dimensions].double()) + 1.0) / 2.0
        share = share.reshape(-1, *self.shape)
        actions = (1.0 - share) * self.low + share * self.high
        return (torch.round(actions) if self.whole else actions).to(self.dtype)


def _decoder(policy: MemoryPolicy) -> Numbers | Squash:
    return Squash(policy.decoder) if isinstance(policy.decoder, BoxDecoder) else Numbers(policy.decoder)


def _network(policy: MemoryPolicy) -> Any:
    """The network with copies of the weights that act."""
    weights, model, dtype = policy.acting_weights(), policy.model, getattr(torch, policy.config.precision)
    if isinstance(model, Boxes):
        return Table(model, weights.values)
    if isinstance(model, Module):
        return deepcopy(policy.network).eval().requires_grad_(False)
    topology = model.topology
    network = CellsNetwork(topology, dtype=dtype) if isinstance(topology, Cells) else LstmNetwork(topology, dtype=dtype)
    with torch.no_grad():
        network.hidden_weights.copy_(torch.tensor(weights.hidden))
        network.output_weights.copy_(torch.tensor(weights.output))
    return network.requires_grad_(False)


def initial_state(policy: MemoryPolicy, n: int) -> State:
    """The state of n rows at the start of an episode, zeros."""
    return tuple(torch.from_numpy(part) for part in policy.initial_state(n)[:-1])  # without the explorer's part


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
        reason = " ".join(str(error).split("\n\n")[0].split())
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
