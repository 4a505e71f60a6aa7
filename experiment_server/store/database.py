"""The database of a study, and connections that write to it or read it."""

from __future__ import annotations

import os
import re
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from experiment_server.errors import DatabaseUnusable, ExtraMissing
from experiment_server.limits.session import SESSION_NAME_MAX_LENGTH
from experiment_server.store.options import MEMORY, Durability
from experiment_server.store.schema import serving, sessions


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """The location of a study's database: a SQLite file, the memory, or a PostgreSQL database."""

    url: URL

    @classmethod
    def of(cls, text: str | os.PathLike[str]) -> DatabaseAddress:
        """The location that a path, `:memory:` or `postgresql://...` names.

        Raises DatabaseUnusable for an invalid address, or one of an unsupported database.
        """
        text = os.fspath(text)
        if text == MEMORY:
            return cls(URL.create("sqlite"))
        # A Windows path like C:\studies has a colon too, but no two slashes after it.
        if not re.match(r"[a-z0-9+]+://", text):
            return cls(URL.create("sqlite", database=text))
        try:
            url = make_url(text)
        except ArgumentError:
            raise DatabaseUnusable(f"{text} is no address of a database") from None
        if url.get_backend_name() not in ("postgresql", "postgres"):
            raise DatabaseUnusable(
                f"{url.drivername} is not supported; give a file, or postgresql://user@host/name"
            )
        return cls(url.set(drivername="postgresql+psycopg"))

    @property
    def path(self) -> Path | None:
        """The SQLite file, None for the other locations."""
        if self.url.get_backend_name() != "sqlite" or self.url.database is None:
            return None
        return Path(self.url.database)

    @property
    def in_memory(self) -> bool:
        """Whether the data are lost when the process ends."""
        return self.url.get_backend_name() == "sqlite" and self.path is None

    def __str__(self) -> str:
        """The path, `:memory:`, or the address without its password."""
        if self.in_memory:
            return MEMORY
        if self.path:
            return str(self.path)
        return self.url.set(drivername="postgresql").render_as_string(hide_password=True)


def connect(place: DatabaseAddress, durability: Durability = Durability.FULL) -> Engine:
    """An engine that writes."""
    if place.url.get_backend_name() == "sqlite":
        engine = create_engine(place.url)
        level = "FULL" if durability is Durability.FULL else "NORMAL"

        def prepare(connection: sqlite3.Connection, _record: object) -> None:
            # The driver's own transactions do not support savepoints; ours begin below.
            connection.isolation_level = None
            connection.execute("PRAGMA busy_timeout = 5000")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {level}")
            connection.execute("PRAGMA foreign_keys = ON")

        event.listen(engine, "connect", prepare)
        # Take the write lock at once: SQLite can refuse it to a transaction that has read already.
        event.listen(engine, "begin", lambda connection: _begin(connection, "BEGIN IMMEDIATE"))
        return engine
    engine = connect_to_server(place, keeps_connections=True)
    if durability is Durability.FAST:
        event.listen(engine, "begin", lambda connection: _begin(connection, _ASYNCHRONOUS_COMMIT))
    return engine


# After a power failure, PostgreSQL may have lost the last transactions, but is consistent.
_ASYNCHRONOUS_COMMIT = "SET LOCAL synchronous_commit = off"


def connect_to_read(place: DatabaseAddress, *, untouched: bool = False) -> Engine:
    """An engine that changes no data, also while a server writes.

    With `untouched`, it does not even create or remove the files beside the database. Only the
    holder of the lock may use `untouched`. Raises DatabaseUnusable if there is no database.
    """
    if place.path is None:
        return connect_to_server(place, keeps_connections=False)
    if not place.path.is_file():
        raise DatabaseUnusable(
            f"there is no database {place.path} yet; experiment-server run makes it"
        )
    if untouched or not os.access(place.path, os.W_OK):
        has_log = place.path.with_name(f"{place.path.name}-wal").exists()
        query = {"mode": "ro"} if has_log else {"immutable": "1"}
    else:
        # Not read-only: the last reader then removes the files beside the database.
        query = {"mode": "rw"}
    engine = create_engine(
        URL.create(
            "sqlite",
            database=place.path.resolve().as_uri(),
            query={**query, "uri": "true"},
        ),
        poolclass=NullPool,
    )

    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA busy_timeout = 5000")

    event.listen(engine, "connect", prepare)
    # All reads of a transaction see the same moment.
    event.listen(engine, "begin", lambda connection: _begin(connection, "BEGIN"))
    return engine


def open_session(connection: Connection, name: str, now: datetime) -> int:
    """The id of a session; creates the session if it is new."""
    found = session_id(connection, name)
    if found is not None:
        # A backup has no key. With a new key, the earlier links are invalid.
        missing = (sessions.c.id == found) & sessions.c.signing_key.is_(None)
        connection.execute(update(sessions).where(missing).values(signing_key=_signing_key()))
        return found
    if not re.fullmatch(r"[\w. -]+", name) or len(name) > SESSION_NAME_MAX_LENGTH:
        raise DatabaseUnusable(
            f"{name!r} is no name for a session: it takes up to {SESSION_NAME_MAX_LENGTH} "
            "letters, digits, spaces, dots, dashes and underscores"
        )
    made = connection.execute(
        insert(sessions)
        .values(name=name, created_at=now, signing_key=_signing_key())
        .returning(sessions.c.id)
    )
    return int(made.scalar_one())


def _signing_key() -> str:
    return secrets.token_hex(32)


def session_id(connection: Connection, name: str) -> int | None:
    """The id of the session with this name, None if there is none."""
    found = connection.execute(select(sessions.c.id).where(sessions.c.name == name)).scalar()
    return None if found is None else int(found)


def announce(connection: Connection, session: int, address: str, now: datetime) -> None:
    """Store which server serves this session, so that a second server can name it."""
    connection.execute(delete(serving).where(serving.c.session_id == session))
    connection.execute(
        insert(serving).values(
            session_id=session, process_id=os.getpid(), address=address, started_at=now
        )
    )


def lock_family() -> ColumnElement[int]:
    """The first number of all advisory locks of this schema."""
    # A database has one set of advisory locks. The first number distinguishes ours from those of
    # other programs, and of studies in other schemas.
    return func.hashtext("experiment-server " + func.current_schema())


def reason_of(error: Exception) -> str:
    """The database's own message, without SQLAlchemy's additions."""
    return " ".join(str(getattr(error, "orig", None) or error).split())


def connect_to_server(place: DatabaseAddress, *, keeps_connections: bool) -> Engine:
    """An engine for a PostgreSQL server; raises ExtraMissing if the driver is not installed."""
    try:
        from experiment_server.store import postgresql
    except ModuleNotFoundError:
        raise ExtraMissing(
            "PostgreSQL needs one more package: pip install 'experiment-server[postgresql]'"
        ) from None
    return postgresql.engine(place.url, keeps_connections=keeps_connections)


def _begin(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement)
