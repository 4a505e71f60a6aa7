"""Where a study's state is kept, and the connections to it that write and that read."""

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
from experiment_server.limits import SESSION_NAME_MAX_LENGTH
from experiment_server.store.options import MEMORY, Durability
from experiment_server.store.schema import serving, sessions


@dataclass(frozen=True, slots=True)
class Place:
    """Where a study's state is kept: a file of SQLite, the memory, or a PostgreSQL database."""

    url: URL

    @classmethod
    def of(cls, text: str | os.PathLike[str]) -> Place:
        """The place that a path, `:memory:` or `postgresql://...` names.

        Raises DatabaseUnusable for an address that is none, or of a database we do not speak.
        """
        text = os.fspath(text)
        if text == MEMORY:
            return cls(URL.create("sqlite"))
        # A Windows path like C:\studies has a colon too, but no two slashes behind it.
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
        """The file of SQLite, None for the other places."""
        if self.url.get_backend_name() != "sqlite" or self.url.database is None:
            return None
        return Path(self.url.database)

    @property
    def in_memory(self) -> bool:
        """Whether everything is gone when the process ends."""
        return self.url.get_backend_name() == "sqlite" and self.path is None

    def __str__(self) -> str:
        """The path, `:memory:`, or the address without its password."""
        if self.in_memory:
            return MEMORY
        if self.path:
            return str(self.path)
        return self.url.set(drivername="postgresql").render_as_string(hide_password=True)


def connect(place: Place, durability: Durability = Durability.FULL) -> Engine:
    """An engine that writes."""
    if place.url.get_backend_name() == "sqlite":
        engine = create_engine(place.url)
        level = "FULL" if durability is Durability.FULL else "NORMAL"

        def prepare(connection: sqlite3.Connection, _record: object) -> None:
            # The driver's own transaction handling does not know savepoints; ours begin below.
            connection.isolation_level = None
            connection.execute("PRAGMA busy_timeout = 5000")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {level}")
            connection.execute("PRAGMA foreign_keys = ON")

        event.listen(engine, "connect", prepare)
        # Taking the write lock at once: a transaction that upgrades later can be refused.
        event.listen(engine, "begin", lambda connection: _begin(connection, "BEGIN IMMEDIATE"))
        return engine
    engine = connect_to_server(place, keeps_connections=True)
    if durability is Durability.FAST:
        event.listen(engine, "begin", lambda connection: _begin(connection, _NO_WAITING))
    return engine


# PostgreSQL's own trade: a power cut may take the last moments, never the order or the whole.
_NO_WAITING = "SET LOCAL synchronous_commit = off"


def connect_to_read(place: Place, *, untouched: bool = False) -> Engine:
    """An engine that changes nothing that is kept, also while a server writes.

    With `untouched`, which only who holds the lock may ask for, not even the files beside the
    database are made or removed. Raises DatabaseUnusable where no database is.
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
        # Not read-only: a reader that is the last to leave then tidies up behind itself.
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
    # All that is read belongs to one moment.
    event.listen(engine, "begin", lambda connection: _begin(connection, "BEGIN"))
    return engine


def open_session(connection: Connection, name: str, now: datetime) -> int:
    """The id of a session, which is made if it is new."""
    found = session_id(connection, name)
    if found is not None:
        # A backup has none, and so no link from before lets anybody in.
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
    """The id of a session, None where there is none of this name."""
    found = connection.execute(select(sessions.c.id).where(sessions.c.name == name)).scalar()
    return None if found is None else int(found)


def announce(connection: Connection, session: int, address: str, now: datetime) -> None:
    """Write down who serves this session, for a second server to read."""
    connection.execute(delete(serving).where(serving.c.session_id == session))
    connection.execute(
        insert(serving).values(
            session_id=session, process_id=os.getpid(), address=address, started_at=now
        )
    )


def lock_family() -> ColumnElement[int]:
    """The first number of all advisory locks of this schema."""
    # A database has one set of advisory locks: ours are told from those of other programs, and of
    # studies in other schemas, by their first number.
    return func.hashtext("experiment-server " + func.current_schema())


def reason_of(error: Exception) -> str:
    """What the database says, without what SQLAlchemy adds to it."""
    return " ".join(str(getattr(error, "orig", None) or error).split())


def connect_to_server(place: Place, *, keeps_connections: bool) -> Engine:
    """An engine on a PostgreSQL server; raises ExtraMissing without its driver."""
    try:
        from experiment_server.store import postgresql
    except ModuleNotFoundError:
        raise ExtraMissing(
            "PostgreSQL needs one more package: pip install 'experiment-server[postgresql]'"
        ) from None
    return postgresql.engine(place.url, keeps_connections=keeps_connections)


def _begin(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement)
