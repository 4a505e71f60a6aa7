"""Locks that allow one server per session at a time, and that detect when they are lost."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from experiment_server.errors import DatabaseInUse, DatabaseUnusable
from experiment_server.store.database import (
    DatabaseAddress,
    connect_to_read,
    connect_to_server,
    lock_family,
    reason_of,
)
from experiment_server.store.schema import serving

log = logging.getLogger(__name__)


class Lock(Protocol):
    """A lock against a second server."""

    def renew(self) -> None:
        """Acquire the lock again if it was lost; raises DatabaseInUse if another server has it."""

    def release(self) -> None:
        """Release the lock."""


class DatabaseFileLock:
    """A lock file for a SQLite database; the system releases it when the process ends.

    Raises DatabaseInUse, which names the other server, or DatabaseUnusable if the lock file
    cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = Path(f"{path}.lock")
        # Another thread releases the lock, so it must not be bound to one.
        self._lock = FileLock(self._file, thread_local=False)
        self._acquire()

    def renew(self) -> None:
        """Acquire the lock again if the file was deleted or replaced; raises DatabaseInUse."""
        if identity_of(self._file) == self._identity:
            return
        self._lock.release()
        try:
            self._acquire()
        except DatabaseUnusable as error:
            log.warning("%s", error)
            return
        log.warning(
            "%s was deleted or replaced; this server created and locked it again", self._file
        )

    def release(self) -> None:
        """Let the next server in."""
        self._lock.release()

    def _acquire(self) -> None:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise DatabaseInUse(_in_use(DatabaseAddress.of(self._path), None)) from None
        except OSError as error:
            raise DatabaseUnusable(
                f"{self._file} cannot be written: {error.strerror or error}; "
                "choose another place with --database, or :memory: to store nothing"
            ) from None
        self._identity = identity_of(self._file)


class SessionLock:
    """A lock on one session of a PostgreSQL database, held by its own connection.

    Raises DatabaseInUse, which names the other server.
    """

    def __init__(self, place: DatabaseAddress, session: int) -> None:
        self._place = place
        self._session = session
        self._engine = connect_to_server(place, keeps_connections=False)
        self._connection: Connection | None = self._acquire()

    def renew(self) -> None:
        """Acquire the lock again if its connection was lost; raises DatabaseInUse.

        If the database is unreachable, this does nothing.
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
            self._connection = self._acquire()
        except SQLAlchemyError:
            return
        log.warning("the lock on session %d of %s was acquired again", self._session, self._place)

    def release(self) -> None:
        """Let the next server in."""
        self._close()
        self._engine.dispose()

    def _acquire(self) -> Connection:
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        with connection.begin():
            acquired = connection.execute(
                select(func.pg_try_advisory_lock(lock_family(), self._session))
            ).scalar()
        if not acquired:
            connection.close()
            raise DatabaseInUse(_in_use(self._place, self._session))
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(SQLAlchemyError):
                self._connection.close()
            self._connection = None


class FileIdentities:
    """The identities of a SQLite database's files, recorded when it was opened."""

    def __init__(self, path: Path) -> None:
        paths = (f"{path}{suffix}" for suffix in ("", "-wal", "-shm"))
        self._identities = {file: identity_of(file) for file in paths}

    def problem(self) -> str | None:
        """Describe a file that was deleted or replaced, None if all are unchanged."""
        for file, identity in self._identities.items():
            if identity_of(file) != identity:
                return (
                    f"{file} was deleted or replaced while the server ran, so the server "
                    "accepts no more changes. It still serves and exports earlier changes; put the "
                    "file back, or export and restart the server"
                )
        return None


def identity_of(path: Path | str) -> tuple[int, int] | None:
    """The device and inode of a file, None if it does not exist."""
    try:
        # Each transaction checks three files twice, and os.stat is faster than Path.stat.
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return status.st_dev, status.st_ino


def other_server(place: DatabaseAddress, session: int | None) -> str:
    """The server that opened a session last: ` (process 12, port 5000 of lab)`, or ""."""
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


def _in_use(place: DatabaseAddress, session: int | None) -> str:
    return (
        f"{place} is in use by another server{other_server(place, session)}; "
        "stop that server, or choose another database with --database"
    )
