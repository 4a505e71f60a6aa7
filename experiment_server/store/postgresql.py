"""Connections to PostgreSQL on which nothing waits for ever."""

from __future__ import annotations

from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from experiment_server.limits import DATABASE_CONNECT_TIMEOUT_S, TRANSACTION_TIMEOUT_S

Result = TypeVar("Result")

# What the operating system looks after: a peer that went away without a word is noticed in time,
# also while nothing is asked of it. An address may say otherwise (?keepalives_idle=...).
_NETWORK: dict[str, int] = {
    "connect_timeout": int(DATABASE_CONNECT_TIMEOUT_S),
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": int(TRANSACTION_TIMEOUT_S * 1000),
}

# What the other side looks after: a transaction whose server has gone lets go of its rows.
_ORPHANS = f"SET idle_in_transaction_session_timeout = {int(TRANSACTION_TIMEOUT_S * 1000)}"


# psycopg looks this often whether it is to go on waiting, as it does by itself.
_WAIT_INTERVAL_S = 0.1


class _Bounded(psycopg.Connection[tuple[object, ...]]):
    """A connection that is closed when an answer does not come before its deadline."""

    deadline: float | None = None
    """When the current transaction has to be over; None outside of one, for each wait anew."""

    def wait(
        self, gen: PQGen[Result], interval: float = _WAIT_INTERVAL_S, timeout: float | None = None
    ) -> Result:
        """Wait for an answer; raises OperationalError at the deadline."""
        deadline = monotonic() + TRANSACTION_TIMEOUT_S if self.deadline is None else self.deadline
        return super().wait(self._until(deadline, gen), interval, timeout)

    def _until(self, deadline: float, gen: PQGen[Result]) -> PQGen[Result]:
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
            result: Result = stop.value
            return result


def engine(url: URL, *, keeps_connections: bool) -> Engine:
    """An engine whose transactions end, one way or the other, within TRANSACTION_TIMEOUT_S."""
    if keeps_connections:
        made = create_engine(url, pool_pre_ping=True)
    else:
        made = create_engine(url, poolclass=NullPool)
    event.listen(made, "do_connect", _connect)
    event.listen(made, "connect", _prepare)
    event.listen(made, "begin", lambda connection: allow(connection, TRANSACTION_TIMEOUT_S))
    event.listen(made, "checkin", _let_go)
    return made


def allow(connection: Connection, seconds: float) -> None:
    """Give a connection's transaction this long from now on."""
    bounded: object = connection.connection.dbapi_connection
    if isinstance(bounded, _Bounded):
        bounded.deadline = monotonic() + seconds


def _connect(
    _dialect: object, _record: object, arguments: list[str], parameters: dict[str, Any]
) -> _Bounded:
    return _Bounded.connect(*arguments, **{**_NETWORK, **parameters})


def _prepare(connection: _Bounded, _record: object) -> None:
    connection.execute(_ORPHANS)
    connection.commit()


def _let_go(connection: _Bounded | None, _record: object) -> None:
    if connection is not None:
        connection.deadline = None
