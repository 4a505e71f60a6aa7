"""Whether a database is whole and of this release, found out before anything is written to it.

Of a large database of SQLite the log, which is nearly all of it, is left for `LateCheck`, which
looks at it beside the server that has begun.
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
from experiment_server.limits import START_CHECK_MAX_BYTES
from experiment_server.store.database import Place, connect_to_read, reason_of
from experiment_server.store.migration import newest, revision_of, revisions
from experiment_server.store.schema import events

log = logging.getLogger(__name__)


@contextlib.contextmanager
def reading(place: Place) -> Iterator[Connection]:
    """A connection that reads one consistent state of an intact database of this release.

    Raises DatabaseUnusable.
    """
    engine = connect_to_read(place)
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ")
            connection.begin()
            found = examined(connection, place)
            if found != newest():
                raise DatabaseUnusable(
                    f"{place} was written by an older release; experiment-server run brings it "
                    "up to date"
                )
            yield connection
    except SQLAlchemyError as error:
        raise DatabaseUnusable(f"{place} cannot be read: {reason_of(error)}") from None
    finally:
        engine.dispose()


def inspect(place: Place, *, log_can_wait: bool = False) -> bool:
    """Look at a database before anything is written to it.

    Returns whether its log is still to be checked: where that can wait, it is left out if it is
    large. Raises DatabaseUnusable, with
    the database left as it is, when it is damaged, no database of ours, or from a newer release.
    """
    size = place.path.stat().st_size if place.path is not None and place.path.exists() else 0
    if place.path is not None and not size:
        return False
    without_log = log_can_wait and size > START_CHECK_MAX_BYTES
    engine = connect_to_read(place, untouched=True)
    try:
        with engine.connect() as connection:
            found = examined(connection, place, without_log=without_log)
            if without_log and found != newest():
                # A migration may rewrite the log, damage and all.
                examined(connection, place)
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


def examined(connection: Connection, place: Place, *, without_log: bool = False) -> str | None:
    """The revision of an intact database's schema, None for an empty database.

    Raises DatabaseUnusable for a damaged one, and one of a newer release.
    """
    if connection.dialect.name == "sqlite" and (
        finding := damage(connection, without_log=without_log)
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


def damage(connection: Connection, *, without_log: bool = False) -> str | None:
    """What is wrong with a database of SQLite, None where nothing is; may raise DatabaseError."""
    check = _CHECK_ALL_BUT_LOG if without_log else "PRAGMA quick_check(1)"
    finding = connection.exec_driver_sql(check).scalar()
    return None if finding in (None, "ok") else " ".join(str(finding).split())


# The log is nearly all of a database that is large; reading it takes as long.
_CHECK_ALL_BUT_LOG = f"""
    SELECT checked.quick_check FROM sqlite_schema AS kept
    JOIN pragma_quick_check(kept.name) AS checked
    WHERE kept.type = 'table' AND kept.name <> '{events.name}' AND checked.quick_check <> 'ok'
"""  # noqa: S608 - the name of a table of ours


class LateCheck:
    """Checks a whole database on a thread and a connection of its own, from now on.

    `damaged` is told on that thread what was found, and nothing if the database is whole; `ended`
    is set once it has ended.
    """

    def __init__(self, place: Place, damaged: Callable[[DatabaseDamaged], None]) -> None:
        self._place = place
        self._tell = damaged
        self._driver: sqlite3.Connection | None = None
        self._closed = False
        self.ended = threading.Event()
        threading.Thread(target=self._run, name="store-check", daemon=True).start()

    def close(self) -> None:
        """End the check, if it is still under way, within a second."""
        self._closed = True
        # An interruption that comes before a statement has begun does not concern it.
        for _ in range(100):
            self._interrupt()
            if self.ended.wait(0.01):
                return

    def _interrupt(self) -> None:
        if self._driver is not None:
            # It may have come to its end just now.
            with contextlib.suppress(sqlite3.ProgrammingError):
                self._driver.interrupt()

    def _run(self) -> None:
        finding = self._finding()
        self.ended.set()
        if finding is not None and not self._closed:
            self._tell(
                DatabaseDamaged(
                    f"{self._place} is damaged ({finding}), so nothing more is kept, and the "
                    "server stops. Restore it from a backup, or choose another place with "
                    "--database"
                )
            )

    def _finding(self) -> str | None:
        engine = connect_to_read(self._place)
        try:
            with engine.connect() as connection:
                self._driver = connection.connection.driver_connection
                return None if self._closed else damage(connection)
        except OperationalError as error:
            if not self._closed:
                log.warning("%s could not be checked: %s", self._place, reason_of(error))
            return None
        except SQLAlchemyError as error:
            return reason_of(error)
        finally:
            engine.dispose()
