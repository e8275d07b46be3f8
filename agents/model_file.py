"""A model as one .safetensors file: tensors, and a description in JSON; reading it runs no code.

The tensors are the policy's parameters and statistics ("policy.NAME") and all arrays of the attributes below: states,
derivatives and traces of each stream, random generators, the environments' state as far as it is made of data. The
JSON in the file's metadata holds the attributes themselves, see `lstm_rl.agents.plain_data`. So acting and training
go on from it to the last bit, as from a model.zip, which pickles.

Left out are attributes that a user has added, TensorBoard's folder, which is no business of who gets the file, and an
environment's state that is not made of data: then training goes on with new episodes. Functions are refused, but a
network's builder: `load` is to be given it again.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from stable_baselines3.common.utils import check_for_correct_spaces

from lstm_rl.agents.parameters import check_numbers
from lstm_rl.agents.plain_data import Arrays, Code, from_plain, to_plain
from lstm_rl.agents.trainer import Trainer
from lstm_rl.atomic import atomic_write
from lstm_rl.checks import one_line

if TYPE_CHECKING:
    from lstm_rl.agents.advantage_learning import AdvantageLearning

FORMAT, VERSION = "lstm_rl model", "1"
SUFFIX = ".safetensors"
ATTRIBUTES = (
    *("policy_kwargs", "observation_space", "action_space", "n_envs", "seed", "verbose"),
    *("config", "horizon", "learning_rate", "num_timesteps", "_n_updates", "_episode_num", "_stats_window_size"),
    *("_total_timesteps", "_num_timesteps_at_start", "_current_progress_remaining", "_highest_progress"),
    *("ep_info_buffer", "ep_success_buffer", "_last_obs", "_last_episode_starts", "_position"),
)
_POLICY = "policy."


def is_model_file(path: Any) -> bool:
    """Whether a path leads to such a file, by its suffix or, whatever it is called, by how it begins."""
    if not isinstance(path, (str, Path)):
        return False
    if Path(path).suffix == SUFFIX:
        return True
    try:
        with Path(path).open("rb") as file:
            return file.read(9)[8:] == b"{"
    except OSError:
        return False


def write(model: "AdvantageLearning", path: Path, exclude: Any = None) -> None:
    """Write a model; the old file stays until the new one is complete.

    Raises:
        ValueError: An attribute is code; the message names it.
    """
    from lstm_rl import __version__

    names = {policy: name for name, policy in model.policy_aliases.items()}
    if type(model.policy) not in names:
        raise ValueError(
            f"policy must be one of {', '.join(model.policy_aliases)} to be saved without code, got "
            f"{type(model.policy).__name__}: save it as .zip, with its class"
        )
    if callable(model.learning_rate) and type(model.learning_rate).__name__ != "LinearDecay":
        raise ValueError(
            "learning_rate must be a number, or schedule='linear', to be saved without code, got a function: save the "
            "model as .zip, or set model.learning_rate"
        )
    tensors: Arrays = {f"{_POLICY}{name}": value.numpy() for name, value in model.policy.state_dict().items()}
    plain = dict[str, Any]()
    for name in ATTRIBUTES:
        value = None if name in (exclude or ()) else getattr(model, name)
        plain[name] = to_plain(_without_code(value) if name == "_position" else value, name, tensors)
    description = json.dumps(plain, separators=(",", ":"))
    metadata = {
        "format": FORMAT,
        "format_version": VERSION,
        "lstm_rl_version": __version__,
        "class": type(model).__name__,
        "policy": names[type(model.policy)],
        "network": str(model.policy.model),
        "model": description,
        "checksum": checksum(description, tensors),
    }
    with atomic_write(path) as part:
        part.write_bytes(save({name: np.ascontiguousarray(array) for name, array in tensors.items()}, metadata))


def checksum(description: str, tensors: Arrays) -> str:
    """Of all that makes the model, so that a bit that flipped on a disk or on its way is seen."""
    total = sha256(description.encode())
    for name in sorted(tensors):
        total.update(name.encode() + np.ascontiguousarray(tensors[name]).tobytes())
    return total.hexdigest()


def _without_code(position: dict[str, Any] | None) -> dict[str, Any] | None:
    """Where training stands, without the environments' state if that is not made of data."""
    try:
        to_plain(position, "", {})
    except ValueError:
        return {**(position or {}), "envs": None}
    return position


def read(path: Path, policies: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `write` has written: attributes, the policy's class among them, and its parameters.

    Args:
        path: The file.
        policies: Classes of policies by name.

    Raises:
        ValueError: The file is damaged, of another kind or version, or has other tensors than it describes.
    """
    wanted = f"{path} must be a model saved by AdvantageLearning as {SUFFIX}"
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors: Arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise
    except (SafetensorError, KeyError, OSError) as error:
        raise ValueError(f"{wanted}, but is damaged or of another kind: {one_line(error)}") from error
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{wanted}, but says nothing of one: it comes from something else")
    if metadata.get("format_version") != VERSION:
        raise ValueError(
            f"{wanted} in version {VERSION} of the format, got version {metadata.get('format_version')}, written by "
            f"lstm_rl {metadata.get('lstm_rl_version')}"
        )
    if metadata.get("checksum") != checksum(metadata.get("model", ""), tensors):
        raise ValueError(f"{wanted}, but is damaged: its checksum is not that of its numbers")
    used = set[str]()
    try:
        plain = json.loads(metadata["model"])
        data = {name: from_plain(plain[name], tensors, used) for name in ATTRIBUTES}
        data["policy_class"] = policies[metadata["policy"]]
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{wanted}, but its description does not fit: {error}") from error
    parameters = {
        name.removeprefix(_POLICY): torch.from_numpy(array.copy())
        for name, array in tensors.items()
        if name.startswith(_POLICY)
    }
    if extra := sorted(name for name in tensors if not name.startswith(_POLICY) and name not in used):
        raise ValueError(f"{wanted}, but has a tensor that its description does not name: {extra[0]}")
    return data, {"policy": parameters}


def restore(cls: Any, path: Path, data: dict[str, Any], parameters: Any, env: Any, given: dict[str, Any]) -> Any:
    """A model of class ``cls`` from what `read` has returned, as SB3's `BaseAlgorithm.load` makes it of a .zip.

    Args:
        cls: Of the model.
        path: For errors.
        data: Attributes.
        parameters: Of the policy.
        env: The environment, or ``None``.
        given: Attributes that replace those of the file. ``custom_objects``, of pickles, counts for nothing.

    Raises:
        ValueError: Parts of the file do not fit together, or the environment has other spaces.
    """
    force_reset = given.pop("force_reset", True)
    for name in ("custom_objects", "print_system_info"):
        given.pop(name, None)
    network = (given.get("policy_kwargs") or {}).get("network")
    if isinstance(code := (data["policy_kwargs"] or {}).get("network"), Code) and network is None:
        raise ValueError(
            f"policy_kwargs must give the network's builder, which is code and so not in {path}: "
            f'load(path, policy_kwargs={{"network": {code.name}}})'
        )
    if env is not None:
        env = cls._wrap_env(env, data["verbose"])
        check_for_correct_spaces(env, data["observation_space"], data["action_space"])
        data |= {"n_envs": env.num_envs} | ({"_last_obs": None} if force_reset else {})
    model = cls(data.pop("policy_class"), env, device="cpu", _init_setup_model=False)
    vars(model).update(data | given)
    try:
        model._setup_model()
        expected = model.policy.state_dict()
        _check_same(path, parameters["policy"], expected, "policy")
        model.set_parameters(parameters)
        if (position := data.get("_position")) is not None:
            rows = len(position["arrays"]["last_action"]["action"])
            arrays = Trainer(model.policy, rows, model.seed).arrays()
            _check_same(path, position["arrays"], arrays, "position")
            for part, own in arrays.items():
                _check_same(path, position["arrays"][part], own, part)
                check_numbers({n: torch.from_numpy(a) for n, a in position["arrays"][part].items()}, str(path))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} must be a model saved by {cls.__name__}, but its parts do not fit: {error}"
        ) from error
    return model


def _check_same(path: Path, got: Any, expected: Any, part: str) -> None:
    """Refuse arrays of other names, shapes or types than those that this network has."""
    if got.keys() != expected.keys():
        name = min(got.keys() ^ expected.keys())
        state = "lacks" if name in expected else "has a tensor too many,"
        raise ValueError(f"{path} must be a model of this network, but {state} {name} of {part}")
    for name, array in expected.items():
        if isinstance(array, dict):
            continue
        if (got[name].shape, got[name].dtype) != (array.shape, array.dtype):
            raise ValueError(
                f"{path} must be a model of this network, with {name} of shape {tuple(array.shape)} and {array.dtype}, "
                f"got {tuple(got[name].shape)} and {got[name].dtype}"
            )
