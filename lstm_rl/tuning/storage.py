"""Where a study is kept: opening it, and refusing what is no study of these settings."""

import json
import sys
from pathlib import Path
from typing import Any, Literal

import optuna
import sqlalchemy
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from lstm_rl.atomic import naming
from lstm_rl.checks import one_line

if sys.platform != "win32":
    import fcntl

SUFFIXES = (".log", ".db", ".sqlite", ".sqlite3")
"""Of files; the first is Optuna's journal."""
SHOWN = 60  # characters of a value in a message, at most


def open_storage(where: str) -> BaseStorage:
    """A storage of Optuna: a URL of a database, a .log file (Optuna's journal), or a .db or .sqlite3 file (SQLite).

    Raises:
        ValueError: There is something else, or nothing can be there.
        OSError: The file cannot be made.
    """
    if "://" not in where and Path(where).suffix not in SUFFIXES:  # a word that was meant for --study, say
        raise ValueError(f"storage must be a URL as sqlite:///tune.db, or a {', '.join(SUFFIXES)} file, got {where}")
    if "://" not in where:
        Path(where).parent.mkdir(parents=True, exist_ok=True)
    if "://" not in where and where.endswith(".log"):
        try:
            with naming(Path(where)):
                return JournalStorage(Journal(where) if sys.platform != "win32" else JournalFileBackend(where))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"storage must be a journal of Optuna, got {where}, which is another file") from error
    url = where if "://" in where else f"sqlite:///{where}"
    try:
        _check_database(url)
        storage = RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 60}} if _is_sqlite(url) else None)
    except (sqlalchemy.exc.SQLAlchemyError, ModuleNotFoundError) as error:
        raise ValueError(f"storage must be a database that Optuna can open, got {where}: {reason(error)}") from error
    if _is_sqlite(url):
        sqlalchemy.event.listen(storage.engine, "connect", _write_ahead)
        storage.engine.dispose()  # of connections that were made before
    return storage


class Journal(JournalFileBackend):
    """Optuna's journal under a lock that ends with its process, and without waiting for the disk at every number.

    What has been written outlives the process, if not a power failure.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write some entries."""
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with open(self.path, "ab", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(text.encode())


def _is_sqlite(url: str) -> bool:
    return url.startswith("sqlite")


def _check_database(url: str) -> None:
    """Refuse a database that holds other things, before Optuna adds its tables to them."""
    address = sqlalchemy.make_url(url)
    if _is_sqlite(url) and address.database:
        Path(address.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sqlalchemy.create_engine(address)
    try:
        tables = sqlalchemy.inspect(engine).get_table_names()
    finally:
        engine.dispose()
    if tables and "studies" not in tables:
        raise ValueError(f"storage must be a database of Optuna, got {url}, which holds {', '.join(sorted(tables))}")


def _write_ahead(connection: Any, _: Any) -> None:
    """SQLite otherwise waits for the disk several times per number: ten times as long as short trials learn."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def reason(error: Exception) -> str:
    """What a database's error says, in one line."""
    return one_line(str(getattr(error, "orig", None) or error).split("\n")[0])


def open_study(
    storage: BaseStorage, name: str, direction: Literal["maximize", "minimize"], identity: dict[str, Any]
) -> optuna.Study:
    """The study of this name, a new one if there is none.

    Args:
        storage: Where.
        name: Of the study.
        direction: "maximize" or "minimize".
        identity: What its values depend on, by name: what is stored as attributes and has to agree.

    Raises:
        ValueError: The study of this name is another one.
    """
    study = optuna.create_study(storage=storage, study_name=name, direction=direction, load_if_exists=True)
    asked, stored = json.loads(json.dumps(identity, default=str)), study.user_attrs
    if not stored and not study.get_trials(deepcopy=False):
        for key, value in asked.items():
            study.set_user_attr(key, value)
        return study
    for key, value in asked.items():
        if key not in stored:
            raise ValueError(
                f"study {name!r} must be one of lstm-rl tune, got one without {key}: choose another --study"
            )
        if stored[key] != value:
            raise ValueError(
                f"study {name!r} in the storage has {key} {_short(stored[key])}, asked is {_short(value)}: "
                "choose another --study or --storage"
            )
    return study


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
