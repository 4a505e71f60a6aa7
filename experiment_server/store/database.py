"""Opening a database: one server at a time, brought to today's schema, flushed to the disk."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, create_engine, delete, event, insert, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from experiment_server.errors import DatabaseInUse, DatabaseUnusable
from experiment_server.store.schema import serving


def lock(path: Path) -> FileLock:
    """Hold the database for this process; the system frees it however the process ends.

    Raises DatabaseInUse, naming the other server, or DatabaseUnusable where no file can be made.
    """
    file_lock = FileLock(f"{path}.lock")
    try:
        file_lock.acquire(timeout=0)
    except Timeout:
        raise DatabaseInUse(
            f"{path} is in use by another server{_other_server(path)}; "
            "stop that one, or give this one its own state with --database"
        ) from None
    except OSError as error:
        raise DatabaseUnusable(
            f"cannot keep the study's state in {path}: {error.strerror or error}; "
            "choose another place with --database, or :memory: to keep nothing"
        ) from None
    return file_lock


def connect(path: Path | None) -> Engine:
    """An engine for a database file, or for one in memory that goes with the process."""
    engine = create_engine(URL.create("sqlite", database=str(path) if path else None))
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def migrate(connection: Connection, path: Path | None) -> None:
    """Bring the schema up to date, all of it or nothing.

    Raises DatabaseUnusable, with the file left as it is, when it is no database of ours or comes
    from a newer release.
    """
    config = Config()
    config.set_main_option("script_location", "experiment_server.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise DatabaseUnusable(
            f"{path} was written by a newer release of experiment-server ({error}); "
            "update this one, or choose another place with --database"
        ) from None
    except SQLAlchemyError as error:
        reason = getattr(error, "orig", None) or error
        raise DatabaseUnusable(
            f"{path} cannot be used as the study's database: {reason}; "
            "restore it from a backup, or choose another place with --database"
        ) from None


def announce(connection: Connection, address: str) -> None:
    """Write down who serves this database, for a second server to read."""
    connection.execute(delete(serving))
    connection.execute(
        insert(serving).values(
            id=1,
            process_id=os.getpid(),
            address=address,
            started_at=datetime.now(timezone.utc),
        )
    )


def _other_server(path: Path) -> str:
    engine = connect(path)
    try:
        with engine.connect() as connection:
            row = connection.execute(select(serving)).first()
    except SQLAlchemyError:
        return ""
    finally:
        engine.dispose()
    return f" (process {row.process_id}, {row.address})" if row else ""


def _prepare(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling does not know savepoints; ours begin in `_begin`.
    connection.isolation_level = None
    connection.execute("PRAGMA busy_timeout = 5000")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _begin(connection: Connection) -> None:
    # Taking the write lock at once, because a transaction that upgrades later can be refused.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
