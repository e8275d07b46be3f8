"""The trained models that come with the package, by name: files without code, and a card for each.

``cards.json`` says of each what it plays, how it was trained and what it reaches; `scripts/pretrained.py` writes both.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from lstm_rl.checks import nearest, one_line

FOLDER = Path(__file__).parent
PREFIX = "model:"
HUB = "hub:"
"""What a name begins with where a run folder might stand as well."""

IN_FOLDERS = ("model.safetensors", "best_model.zip", "model.zip")
"""Names of a model in a folder, such as a run's; the first that is there counts."""


@cache
def cards() -> dict[str, Any]:
    """Name -> card: description, env, env_kwargs, command, seed, steps, version, score (value with a 95 % interval)."""
    read: dict[str, Any] = json.loads((FOLDER / "cards.json").read_text(encoding="utf-8"))
    return read


def model_file(name: str) -> Path:
    """The file of a model that comes with the package.

    Raises:
        ValueError: There is none of this name.
    """
    if name not in cards():
        near = nearest(name, cards())
        raise ValueError(f"model must be a file, a folder or one of `lstm-rl models`, got {name!r}: {near}")
    return FOLDER / f"{name}.safetensors"


def find(where: str | Path) -> Path:
    """The file of a model by what somebody calls it; downloads what is in a repository of the Hugging Face hub.

    Args:
        where: A name as in `cards`, with or without "model:"; a file; a folder with a model, such as a run's; or
            "hub:user/name", a repository that has a model.safetensors.

    Raises:
        ValueError: There is no such model, or the hub's client is not installed.
    """
    text = str(where).removeprefix(PREFIX)
    if text in cards():
        return model_file(text)
    if text.startswith(HUB):  # said aloud: a folder's name with a typo is not to leave this machine
        return _download(text.removeprefix(HUB))
    path = Path(where)
    if path.is_dir():
        for name in IN_FOLDERS:
            if (path / name).is_file():
                return path / name
        raise ValueError(f"model must be a folder with a {', '.join(IN_FOLDERS)}, got {where}")
    if path.is_file():
        return path
    return model_file(text)


def _download(repository: str) -> Path:
    """From a repository a file without code, and no other."""
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise ValueError(
            f"model {HUB}{repository} needs the client of the Hugging Face hub: pip install huggingface_hub"
        ) from error
    try:
        return Path(hf_hub_download(repository, "model.safetensors"))
    except (OSError, ValueError) as error:  # no such repository, no such file, no network
        raise ValueError(
            f"model must be a repository of the Hugging Face hub with a model.safetensors, got {repository}: "
            f"{one_line(error)}"
        ) from error
