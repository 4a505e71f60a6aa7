"""One server at a time: what keeps a second one away, and what notices that it no longer does."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from experiment_server.errors import DatabaseInUse, DatabaseUnusable
from experiment_server.store.database import (
    Place,
    connect_to_read,
    connect_to_server,
    lock_family,
    reason_of,
)
from experiment_server.store.schema import serving

log = logging.getLogger(__name__)


class Lock(Protocol):
    """What keeps a second server away."""

    def renew(self) -> None:
        """Take it again if it was lost; raises DatabaseInUse if somebody else has it now."""

    def release(self) -> None:
        """Let the next server in."""


class FileHeld:
    """Holds a database file for this process; the system frees it however the process ends.

    Raises DatabaseInUse, naming the other server, or DatabaseUnusable where no file can be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = Path(f"{path}.lock")
        # Not bound to a thread: it is let go of by another one.
        self._lock = FileLock(self._file, thread_local=False)
        self._take()

    def renew(self) -> None:
        """Take it again if the file was deleted or replaced; raises DatabaseInUse."""
        if identity(self._file) == self._identity:
            return
        self._lock.release()
        try:
            self._take()
        except DatabaseUnusable as error:
            log.warning("%s", error)
            return
        log.warning(
            "%s was deleted or replaced; this server has made and locked it again", self._file
        )

    def release(self) -> None:
        """Let the next server in."""
        self._lock.release()

    def _take(self) -> None:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise DatabaseInUse(_in_use(Place.of(self._path), None)) from None
        except OSError as error:
            raise DatabaseUnusable(
                f"{self._file} cannot be written: {error.strerror or error}; "
                "choose another place with --database, or :memory: to keep nothing"
            ) from None
        self._identity = identity(self._file)


class SessionLock:
    """Holds one session of a PostgreSQL database for as long as a connection of its own lasts.

    Raises DatabaseInUse, naming the other server.
    """

    def __init__(self, place: Place, session: int) -> None:
        self._place = place
        self._session = session
        self._engine = connect_to_server(place, keeps_connections=False)
        self._connection: Connection | None = self._take()

    def renew(self) -> None:
        """Take it again if its connection has ended; raises DatabaseInUse.

        While the database cannot be reached nobody knows, and nothing is done.
        """
        if self._connection is not None:
            try:
                with self._connection.begin():
                    self._connection.execute(select(1))
            except SQLAlchemyError as error:
                log.warning(
                    "the lock on session %d of %s was lost: %s",
                    self._session,
                    self._place,
                    reason_of(error),
                )
                self._close()
            else:
                return
        try:
            self._connection = self._take()
        except SQLAlchemyError:
            return
        log.warning("the lock on session %d of %s was taken again", self._session, self._place)

    def release(self) -> None:
        """Let the next server in."""
        self._close()
        self._engine.dispose()

    def _take(self) -> Connection:
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        with connection.begin():
            held = connection.execute(
                select(func.pg_try_advisory_lock(lock_family(), self._session))
            ).scalar()
        if not held:
            connection.close()
            raise DatabaseInUse(_in_use(self._place, self._session))
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(SQLAlchemyError):
                self._connection.close()
            self._connection = None


class Files:
    """The files of an open SQLite database, as they were when it was opened."""

    def __init__(self, path: Path) -> None:
        paths = (Path(f"{path}{suffix}") for suffix in ("", "-wal", "-shm"))
        self._identities = {file: identity(file) for file in paths}

    def problem(self) -> str | None:
        """What has become of a file that is no longer the one that was opened, None if all are."""
        for file, known in self._identities.items():
            if identity(file) != known:
                return (
                    f"{file} was deleted or replaced while the server ran, so nothing more can be "
                    "kept. What the server had kept before can still be read from it and exported; "
                    "put the file back, or export and start the server anew"
                )
        return None


def identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one of the same name, None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def other_server(place: Place, session: int | None) -> str:
    """The server that opened a session last: ` (process 12, port 5000 of lab)`, or nothing."""
    if place.path and not place.path.is_file():
        return ""
    query = select(serving).order_by(serving.c.started_at.desc())
    if session is not None:
        query = query.where(serving.c.session_id == session)
    engine = connect_to_read(place)
    try:
        with engine.connect() as connection:
            row = connection.execute(query).first()
    except SQLAlchemyError:
        return ""
    finally:
        engine.dispose()
    return f" (process {row.process_id}, {row.address})" if row else ""


def _in_use(place: Place, session: int | None) -> str:
    return (
        f"{place} is in use by another server{other_server(place, session)}; "
        "stop that one, or give this one its own state with --database"
    )
