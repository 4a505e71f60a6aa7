"""A thread for long reads, so that an export of the whole log does not delay changes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from experiment_server.errors import StoreUnavailable
from experiment_server.store.database import DatabaseAddress, connect_to_read, reason_of

Result = TypeVar("Result")


class LogReader:
    """Reads committed data on its own thread and connection.

    A read sees all changes that were acknowledged before it.
    """

    def __init__(self, place: DatabaseAddress) -> None:
        self._place = place
        self._engine: Engine | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-reader")

    def read(self, query: Callable[[Connection], Result]) -> Future[Result]:
        """Run a query; the future fails with StoreUnavailable if the database refuses."""
        return self._thread.submit(self._read, query)

    def close(self) -> None:
        """Cancel queued reads; a running read finishes."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        if self._engine is not None:
            self._engine.dispose()

    def _read(self, query: Callable[[Connection], Result]) -> Result:
        try:
            if self._engine is None:
                self._engine = connect_to_read(self._place)
            with self._engine.connect() as connection, connection.begin():
                return query(connection)
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"the log cannot be read: {reason_of(error)}") from None
