"""Connections to PostgreSQL on which nothing waits for ever."""

from __future__ import annotations

from collections.abc import Generator
from time import monotonic
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL

from experiment_server.limits import CONNECT_TIMEOUT, TRANSACTION_TIMEOUT

Result = TypeVar("Result")

# What the operating system looks after: a peer that went away without a word is noticed in time,
# also while nothing is asked of it. An address may say otherwise (?keepalives_idle=...).
_NETWORK: dict[str, Any] = {
    "connect_timeout": int(CONNECT_TIMEOUT),
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": int(TRANSACTION_TIMEOUT * 1000),
}

# What the other side looks after: a transaction whose server has gone lets go of its rows.
_ORPHANS = f"SET idle_in_transaction_session_timeout = {int(TRANSACTION_TIMEOUT * 1000)}"


class _Bounded(psycopg.Connection[Any]):
    """A connection that is closed when an answer does not come before its deadline."""

    deadline: float | None = None
    """When the current transaction has to be over; None outside of one, for each wait anew."""

    def wait(self, gen: Generator[Any, Any, Result], *arguments: Any, **options: Any) -> Result:
        """Wait for an answer; raises OperationalError at the deadline."""
        deadline = monotonic() + TRANSACTION_TIMEOUT if self.deadline is None else self.deadline
        return super().wait(self._until(deadline, gen), *arguments, **options)

    def _until(
        self, deadline: float, gen: Generator[Any, Any, Result]
    ) -> Generator[Any, Any, Result]:
        # psycopg asks its generators ever so often, with nothing to tell, whether to go on.
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and monotonic() >= deadline:
                    # No answer can be told from one to the question before; it may still come.
                    self.pgconn.finish()
                    raise psycopg.OperationalError("the database did not answer in time")
                wanted = gen.send(ready)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]


def engine(url: URL, **options: Any) -> Engine:
    """An engine whose transactions are over, one way or the other, within TRANSACTION_TIMEOUT."""
    made = create_engine(url, **options)
    event.listen(made, "do_connect", _connect)
    event.listen(made, "connect", _prepare)
    event.listen(made, "begin", lambda connection: allow(connection, TRANSACTION_TIMEOUT))
    event.listen(made, "checkin", _let_go)
    return made


def allow(connection: Connection, seconds: float) -> None:
    """Give a connection's transaction this long from now on."""
    bounded: Any = connection.connection.dbapi_connection
    bounded.deadline = monotonic() + seconds


def _connect(
    _dialect: Any, _record: Any, arguments: list[Any], parameters: dict[str, Any]
) -> _Bounded:
    return _Bounded.connect(*arguments, **{**_NETWORK, **parameters})


def _prepare(connection: _Bounded, _record: Any) -> None:
    connection.execute(_ORPHANS)
    connection.commit()


def _let_go(connection: _Bounded | None, _record: Any) -> None:
    if connection is not None:
        connection.deadline = None
