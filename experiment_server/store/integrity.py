"""Checks before a start that a database is intact and that this release can use it.

The log is nearly all of a large SQLite database. `BackgroundCheck` checks it after the start.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from experiment_server.errors import DatabaseDamaged, DatabaseUnusable
from experiment_server.limits.store import START_CHECK_MAX_BYTES
from experiment_server.store.database import DatabaseAddress, connect_to_read, reason_of
from experiment_server.store.migration import newest, revision_of, revisions
from experiment_server.store.schema import events

log = logging.getLogger(__name__)


@contextlib.contextmanager
def open_for_reading(place: DatabaseAddress) -> Iterator[Connection]:
    """Open a read-only connection to one consistent state of an intact database.

    Raises DatabaseUnusable.
    """
    engine = connect_to_read(place)
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ")
            connection.begin()
            found = checked_revision(connection, place)
            if found != newest():
                raise DatabaseUnusable(
                    f"{place} was written by an older release; `experiment-server run` upgrades it"
                )
            yield connection
    except SQLAlchemyError as error:
        raise DatabaseUnusable(f"{place} cannot be read: {reason_of(error)}") from None
    finally:
        engine.dispose()


def inspect(place: DatabaseAddress, *, defer_log: bool = False) -> bool:
    """Check a database before anything is written to it.

    Returns whether the log still has to be checked: `defer_log` leaves out a large log. Raises
    DatabaseUnusable, without changing the database, if it is damaged, not a study's database, or
    from a newer release.
    """
    size = place.path.stat().st_size if place.path is not None and place.path.exists() else 0
    if place.path is not None and not size:
        return False
    without_log = defer_log and size > START_CHECK_MAX_BYTES
    engine = connect_to_read(place, untouched=True)
    try:
        with engine.connect() as connection:
            found = checked_revision(connection, place, without_log=without_log)
            if without_log and found != newest():
                # A migration may rewrite a damaged log, so the log is checked before.
                checked_revision(connection, place)
                return False
    except SQLAlchemyError as error:
        if place.path is None:
            raise DatabaseUnusable(f"{place} cannot be used: {reason_of(error)}") from None
        raise DatabaseUnusable(
            f"{place} cannot be used as the study's database: {reason_of(error)}; restore it from "
            "a backup, or choose another place with --database"
        ) from None
    finally:
        engine.dispose()
    return without_log


def checked_revision(
    connection: Connection, place: DatabaseAddress, *, without_log: bool = False
) -> str | None:
    """Check a database, and return its schema revision, None if it is empty.

    Raises DatabaseUnusable if it is damaged or from a newer release.
    """
    if connection.dialect.name == "sqlite" and (
        finding := find_damage(connection, without_log=without_log)
    ):
        raise DatabaseUnusable(
            f"{place} is damaged ({finding}); nothing was changed. Restore it from a backup, or "
            "choose another place with --database"
        )
    revision = revision_of(connection)
    if revision is not None and revision not in revisions():
        raise DatabaseUnusable(
            f"{place} was written by a newer release of experiment-server (schema {revision}); "
            "update this one, or choose another place with --database"
        )
    return revision


def find_damage(connection: Connection, *, without_log: bool = False) -> str | None:
    """Describe the damage of a SQLite database, None if it is intact; may raise DatabaseError."""
    check = _CHECK_ALL_BUT_LOG if without_log else "PRAGMA quick_check(1)"
    finding = connection.exec_driver_sql(check).scalar()
    return None if finding in (None, "ok") else " ".join(str(finding).split())


# The log is nearly all of a large database, so checking it takes most of the time.
_CHECK_ALL_BUT_LOG = f"""
    SELECT checked.quick_check FROM sqlite_schema AS kept
    JOIN pragma_quick_check(kept.name) AS checked
    WHERE kept.type = 'table' AND kept.name <> '{events.name}' AND checked.quick_check <> 'ok'
"""  # noqa: S608 - the name of a table of ours


class BackgroundCheck:
    """Checks a whole database on its own thread and connection.

    It calls `on_damage` on that thread if it finds damage, and sets `ended` at the end.
    """

    def __init__(
        self, place: DatabaseAddress, on_damage: Callable[[DatabaseDamaged], None]
    ) -> None:
        self._place = place
        self._on_damage = on_damage
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self.ended = threading.Event()
        threading.Thread(target=self._run, name="store-check", daemon=True).start()

    def close(self) -> None:
        """Stop a running check, within a second."""
        self._closed = True
        # An interrupt before the statement starts has no effect, so it is repeated.
        for _ in range(100):
            self._interrupt()
            if self.ended.wait(0.01):
                return

    def _interrupt(self) -> None:
        if self._connection is not None:
            # The check may have ended and closed the connection.
            with contextlib.suppress(sqlite3.ProgrammingError):
                self._connection.interrupt()

    def _run(self) -> None:
        finding = self._finding()
        self.ended.set()
        if finding is not None and not self._closed:
            self._on_damage(
                DatabaseDamaged(
                    f"{self._place} is damaged ({finding}), so the server accepts no changes and "
                    "stops. Restore it from a backup, or choose another place with --database"
                )
            )

    def _finding(self) -> str | None:
        engine = connect_to_read(self._place)
        try:
            with engine.connect() as connection:
                self._connection = connection.connection.driver_connection
                return None if self._closed else find_damage(connection)
        except OperationalError as error:
            if not self._closed:
                log.warning("%s could not be checked: %s", self._place, reason_of(error))
            return None
        except SQLAlchemyError as error:
            return reason_of(error)
        finally:
            engine.dispose()
