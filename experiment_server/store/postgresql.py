"""Connections to PostgreSQL with a timeout for every answer."""

from __future__ import annotations

from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from experiment_server.limits.store import DATABASE_CONNECT_TIMEOUT_S, TRANSACTION_TIMEOUT_S

Result = TypeVar("Result")

# The operating system detects a peer that vanished, also while the connection is idle. An address
# can override these values (?keepalives_idle=...).
_NETWORK: dict[str, int] = {
    "connect_timeout": int(DATABASE_CONNECT_TIMEOUT_S),
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": int(TRANSACTION_TIMEOUT_S * 1000),
}

# The database ends a transaction, and so releases its rows, if our server has vanished.
_END_IDLE_TRANSACTIONS = (
    f"SET idle_in_transaction_session_timeout = {int(TRANSACTION_TIMEOUT_S * 1000)}"
)


# The interval at which psycopg checks whether to continue waiting; this is its own default.
_WAIT_INTERVAL_S = 0.1


class _Bounded(psycopg.Connection[tuple[object, ...]]):
    """A connection that closes itself if an answer does not arrive before its deadline."""

    deadline: float | None = None
    """The end of the current transaction's time; None outside: each wait gets its own."""

    def wait(
        self, gen: PQGen[Result], interval: float = _WAIT_INTERVAL_S, timeout: float | None = None
    ) -> Result:
        """Wait for an answer; raises OperationalError at the deadline."""
        deadline = monotonic() + TRANSACTION_TIMEOUT_S if self.deadline is None else self.deadline
        return super().wait(self._until(deadline, gen), interval, timeout)

    def _until(self, deadline: float, gen: PQGen[Result]) -> PQGen[Result]:
        # psycopg resumes its generators at each interval, even if nothing is ready.
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and monotonic() >= deadline:
                    # A late answer could be mistaken for the answer to the next query.
                    self.pgconn.finish()
                    raise psycopg.OperationalError("the database did not answer in time")
                wanted = gen.send(ready)
        except StopIteration as stop:
            result: Result = stop.value
            return result


def engine(url: URL, *, keeps_connections: bool) -> Engine:
    """An engine whose transactions succeed or fail within TRANSACTION_TIMEOUT_S."""
    if keeps_connections:
        made = create_engine(url, pool_pre_ping=True)
    else:
        made = create_engine(url, poolclass=NullPool)
    event.listen(made, "do_connect", _connect)
    event.listen(made, "connect", _prepare)
    event.listen(made, "begin", lambda connection: allow(connection, TRANSACTION_TIMEOUT_S))
    event.listen(made, "checkin", _clear_deadline)
    return made


def allow(connection: Connection, seconds: float) -> None:
    """Set the deadline of a connection's transaction to this many seconds from now."""
    bounded: object = connection.connection.dbapi_connection
    if isinstance(bounded, _Bounded):
        bounded.deadline = monotonic() + seconds


def _connect(
    _dialect: object, _record: object, arguments: list[str], parameters: dict[str, Any]
) -> _Bounded:
    return _Bounded.connect(*arguments, **{**_NETWORK, **parameters})


def _prepare(connection: _Bounded, _record: object) -> None:
    connection.execute(_END_IDLE_TRANSACTIONS)
    connection.commit()


def _clear_deadline(connection: _Bounded | None, _record: object) -> None:
    if connection is not None:
        connection.deadline = None
