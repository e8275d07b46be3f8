"""Settings from files of TOML or JSON, and to files of TOML.

A file holds any fields of `Settings` by name, with those of `Config` in a table ``config`` and the environment's
arguments in a table ``env_kwargs``, as the config.json of a run folder does. TOML has no null: there, as on the command
line, None is written "None".
"""

import json
import re
import tomllib
from dataclasses import fields, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from lstm_rl.agents.config import Config
from lstm_rl.atomic import atomic_write
from lstm_rl.checks import nearest
from lstm_rl.presets import add_replay
from lstm_rl.settings import Settings

Values = dict[str, Any]
"""Some fields of `Settings`; ``config`` is a dict of some fields of `Config`."""


def read_settings(path: Path) -> Values:
    """The fields that a file names; their types are right, whether they fit together is for `Settings` to say.

    Args:
        path: A .toml or .json file; the config.json of a run folder is one.

    Raises:
        ValueError: There is no such file, it is in another format, or a name or a type is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except IsADirectoryError:
        inside = " (its config.json is one)" if (path / "config.json").is_file() else ""
        raise ValueError(f"config must be a .toml or .json file, got {path}, a folder{inside}") from None
    except OSError as error:
        raise ValueError(f"config must be a file that can be read, got {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be text in UTF-8, but is not: {error.reason}") from error
    parsers = {".toml": tomllib.loads, ".json": json.loads}
    if path.suffix not in parsers:
        raise ValueError(f"config must be a .toml or .json file, got {path}")
    try:
        values: Any = parsers[path.suffix](text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} must be {path.suffix[1:].upper()}, but is not: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path} must hold settings by name, but holds {type(values).__name__}")
    values.pop("version", None)  # of the lstm_rl that wrote a config.json
    try:
        config = values.pop("config", {})
        checked = _checked(values, Settings, "")
        return checked | {"config": _checked(_table("config", config), Config, "config.")}
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def override(settings: Settings, values: Values, path: Path | None) -> Settings:
    """Settings with a file's values in the place of their own; arguments of the environment, and of replay, are added.

    Args:
        settings: What holds where the file says nothing.
        values: What `read_settings` returned.
        path: The file, for errors; None where there is none, and no values.

    Raises:
        ValueError: A value is out of its range.
    """
    try:
        config = replace(settings.config, **values.get("config", {}))
        added = {
            "env_kwargs": settings.env_kwargs | values.get("env_kwargs", {}),
            "replay": add_replay(settings.replay, values.get("replay", {})),
        }
        return replace(settings, **(values | {"config": config} | added))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def write_toml(settings: Settings, path: Path) -> None:
    """Write what a run's numbers depend on, each field of `Settings.recorded`, as a file for ``train --config``."""
    values = settings.recorded()
    tables = {name: values.pop(name) for name in ("env_kwargs", "config")}
    parts = [_lines(values), *(f"\n[{name}]\n{_lines(table)}" for name, table in tables.items())]
    with atomic_write(path) as part:
        part.write_text("".join(parts), encoding="utf-8")


# --- reading: names and types ----------------------------------------------------------------------------------------


def _checked(values: Values, owner: type, prefix: str) -> Values:
    hints = get_type_hints(owner, include_extras=True)
    hints.pop("config", None)
    if owner is Settings:
        hints |= {"env_kwargs": dict, "replay": dict}
    for name in values:
        if name not in hints:
            inner = {field.name for field in fields(Config)}
            where = "it belongs into the table [config]" if not prefix and name in inner else nearest(name, hints)
            raise ValueError(f"{prefix}{name} is no setting; {where}")
    return {name: _value(f"{prefix}{name}", value, hints[name]) for name, value in values.items()}


def _table(name: str, value: object) -> Values:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be a table, got {value!r}")
    return value


def _value(name: str, value: Any, hint: Any) -> Any:
    """A file's value as its field has it."""
    hint = _plain(hint)
    choices = [_plain(each) for each in get_args(hint)] if get_origin(hint) in (Union, UnionType) else [hint]
    if NoneType in choices and value in (None, "None"):
        return None
    for choice in choices:
        kind = str if get_origin(choice) is Literal else choice
        if kind is dict:
            return {key: None if each == "None" else each for key, each in _table(name, value).items()}
        if kind is Path and isinstance(value, str):
            return Path(value)
        if kind is float and type(value) is int:
            return float(value)
        if kind is int and type(value) is float and value.is_integer():
            return int(value)  # 20e6, as on the command line
        if type(value) is kind:
            return value
    words = {int: "a whole number", float: "a number", bool: "true or false", Path: "a path", NoneType: '"None"'}
    said = " or ".join(words.get(choice, "a string") for choice in choices)
    raise ValueError(f"{name} must be {said}, got {value!r}")


def _plain(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


# --- writing ---------------------------------------------------------------------------------------------------------


def _lines(table: Values) -> str:
    return "".join(f"{_key(name)} = {_toml(value)}\n" for name, value in table.items())


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def _toml(value: Any) -> str:
    """A value as TOML writes it; JSON's strings are TOML's, but for one character."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_key(name)} = {_toml(each)}' for name, each in value.items())}}}"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
