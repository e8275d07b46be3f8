"""Values of a model as JSON and arrays, and back: data alone, so that reading them can run no code.

Numbers, text, lists and ``None`` stand for themselves; anything else is an object with one key, its kind: {"tuple":
[...]}, {"array": name}, {"Config": {...}}; {"rows": {...}} is a list of dictionaries with the same keys. Kinds are
listed here, and nothing else is read or written.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from lstm_rl.agents.config import Config
from lstm_rl.agents.schedule import LinearDecay
from lstm_rl.kernels.cells import Cells
from lstm_rl.nn.gru import GruNetwork
from lstm_rl.nn.introspective import IntrospectiveNetwork
from lstm_rl.nn.self_referential import SelfReferentialNetwork
from lstm_rl.nn.slstm import SlstmNetwork
from lstm_rl.topology import Topology

Arrays = dict[str, NDArray[Any]]

_RECORDS: dict[str, Any] = {kind.__name__: kind for kind in (Cells, Config, LinearDecay, Topology)}
_NETWORK_KINDS = (GruNetwork, SlstmNetwork, SelfReferentialNetwork, IntrospectiveNetwork)
_NETWORKS: dict[str, Any] = {kind.__name__: kind for kind in _NETWORK_KINDS}
_GENERATORS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (np.random.MT19937, np.random.PCG64, np.random.PCG64DXSM, np.random.Philox, np.random.SFC64)
}


class Code(NamedTuple):
    """Stands for what would be code, such as a function that builds a network: a file has its name alone."""

    name: str


def to_plain(value: Any, name: str, arrays: Arrays) -> Any:
    """A value as JSON; its arrays are put into ``arrays`` under names that begin with ``name``.

    Raises:
        ValueError: It is of no kind that is listed here; the message says where it stands.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(float(value))}
    if value is None or isinstance(value, (bool, int, float, str)):
        return float(value) if isinstance(value, float) else value  # NumPy's float64 is a float
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biuf" and value.itemsize <= 8:
        arrays[name] = np.asarray(value)
        return {"array" if isinstance(value, np.ndarray) else "scalar": name}

    def inside(parts: Any) -> Any:
        if isinstance(parts, Mapping):
            return {key: to_plain(part, f"{name}.{key}", arrays) for key, part in parts.items()}
        return [to_plain(part, f"{name}.{i}", arrays) for i, part in enumerate(parts)]

    kind = type(value).__name__
    if type(value) is list:
        alike = value and all(isinstance(part, dict) and part.keys() == value[0].keys() for part in value)
        return {"rows": inside({key: [part[key] for part in value] for key in value[0]})} if alike else inside(value)
    if type(value) is tuple:
        return {"tuple": inside(value)}
    if type(value) is deque:
        return {"deque": inside({"items": list(value), "maxlen": value.maxlen})}
    if type(value) in (dict, OrderedDict) and all(isinstance(key, str) for key in value):
        return {"dict": inside(value)}
    if isinstance(value, np.random.Generator) and type(value.bit_generator).__name__ in _GENERATORS:
        return {"Generator": inside(value.bit_generator.state)}
    if type(value) is _RECORDS.get(kind):
        return {kind: inside({field.name: getattr(value, field.name) for field in fields(value)})}
    if isinstance(value, spaces.Space):
        return {kind: inside(_space_arguments(value, name))}
    if isinstance(value, partial) and value.func in _NETWORKS.values() and not value.args:
        return {value.func.__name__: inside(value.keywords)}
    if name.endswith("policy_kwargs.network"):
        return {"code": f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', kind)}"}
    raise ValueError(f"{name} must be numbers, text, arrays and settings to be saved without code, got {value!r}")


def _space_arguments(space: Any, name: str) -> dict[str, Any]:
    """How a space is made."""
    if type(space) is spaces.Discrete:
        return {"n": int(space.n), "start": int(space.start)}
    if type(space) is spaces.MultiDiscrete:
        return {"nvec": space.nvec, "start": space.start}
    if type(space) is spaces.MultiBinary:
        return {"n": space.n if isinstance(space.n, int) else tuple(map(int, space.n))}
    if type(space) is spaces.Dict:
        return {"spaces": [(key, space.spaces[key]) for key in space.spaces]}
    if type(space) is spaces.Tuple:
        return {"spaces": list(space.spaces)}
    if type(space) is spaces.Box:
        bounds = {"low": space.low, "high": space.high}
        for side, values in bounds.items():
            if values.size and (values == values.flat[0]).all():  # most have the same bounds everywhere
                bounds[side] = values.flat[0].item()
        return bounds | {"shape": tuple(map(int, space.shape)), "dtype": space.dtype.name}
    raise ValueError(f"{name} must be made of Gymnasium's own spaces to be saved without code, got {space}")


_SPACES: dict[str, Any] = {
    "Discrete": spaces.Discrete,
    "MultiDiscrete": spaces.MultiDiscrete,
    "MultiBinary": spaces.MultiBinary,
    "Dict": lambda **given: spaces.Dict(dict(given["spaces"])),
    "Tuple": spaces.Tuple,
    "Box": lambda **given: spaces.Box(**given | {"dtype": np.dtype(given["dtype"]).type}),
}


def from_plain(value: Any, arrays: Arrays, used: set[str]) -> Any:
    """Undo `to_plain`; the names of arrays that are met are added to ``used``.

    Raises:
        ValueError: A kind that is not listed here, or what cannot be a value of it.
    """
    if isinstance(value, list):
        return [from_plain(part, arrays, used) for part in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise ValueError(f"an object must have one key, its kind, got {sorted(value)}")
    ((kind, plain),) = value.items()
    if kind in ("array", "scalar"):
        if plain not in arrays:
            raise ValueError(f"tensor {plain} is missing")
        used.add(plain)
        return arrays[plain] if kind == "array" else arrays[plain][()]
    if kind == "float":
        return float(plain)
    if kind == "code":
        return Code(str(plain))
    inside = {key: from_plain(part, arrays, used) for key, part in plain.items()} if isinstance(plain, dict) else plain
    try:
        return _made(kind, inside, arrays, used)
    except (TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"{kind} cannot be made of what the file holds: {error}") from error


def _made(kind: str, inside: Any, arrays: Arrays, used: set[str]) -> Any:
    if kind == "dict":
        return dict(inside)
    if kind == "tuple":
        return tuple(from_plain(inside, arrays, used))
    if kind == "rows":
        return [dict(zip(inside, row, strict=True)) for row in zip(*inside.values(), strict=True)]
    if kind == "deque":
        return deque(inside["items"], inside["maxlen"])
    if kind == "Generator":
        bits = _GENERATORS[inside["bit_generator"]]()
        bits.state = inside
        return np.random.Generator(bits)
    if kind in _NETWORKS:
        return partial(_NETWORKS[kind], **inside)
    if kind in _RECORDS and (lacking := {field.name for field in fields(_RECORDS[kind])} - inside.keys()):
        raise ValueError(f"{kind} lacks {', '.join(sorted(lacking))}: the file is of another version of lstm_rl")
    if kind in _RECORDS or kind in _SPACES:
        return (_RECORDS | _SPACES)[kind](**inside)
    raise ValueError(f"kind {kind} is unknown")
