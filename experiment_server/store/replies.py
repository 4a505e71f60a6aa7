"""The stored replies to requests with an idempotency key."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError

from experiment_server.errors import RevisionConflict
from experiment_server.limits.session import IDEMPOTENCY_RETENTION_S
from experiment_server.store.schema import replies


@dataclass(frozen=True, slots=True)
class Scope:
    """The scope of an idempotency key. `participant_index` is 0 if the operation has none."""

    operation: str
    participant_index: int
    key: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to a request. `request` is the request's fingerprint, `text` the answer's JSON."""

    scope: Scope
    request: str
    text: str
    created_at: datetime


def find_reply(
    connection: Connection, session: int, scope: Scope, oldest: datetime
) -> Reply | None:
    """The reply to a request that is not older than `oldest`, None if there is none."""
    query = select(replies.c.request, replies.c.reply, replies.c.created_at).where(
        *_in_scope(session, scope), replies.c.created_at >= oldest
    )
    row = connection.execute(query).first()
    return Reply(scope, *row) if row else None


def insert_reply(connection: Connection, session: int, reply: Reply) -> None:
    """Insert a reply; raises RevisionConflict if the request has a reply already."""
    too_old = reply.created_at - timedelta(seconds=IDEMPOTENCY_RETENTION_S)
    connection.execute(
        delete(replies).where(*_in_scope(session, reply.scope), replies.c.created_at < too_old)
    )
    try:
        with connection.begin_nested():
            connection.execute(
                insert(replies).values(
                    session_id=session,
                    **asdict(reply.scope),
                    request=reply.request,
                    reply=reply.text,
                    created_at=reply.created_at,
                )
            )
    except IntegrityError:
        raise RevisionConflict("this request has a reply already") from None


def forget_replies(connection: Connection, session: int, oldest: datetime) -> int:
    """Delete replies older than `oldest`; returns their number."""
    deleted = connection.execute(
        delete(replies).where(replies.c.session_id == session, replies.c.created_at < oldest)
    )
    return deleted.rowcount


def _in_scope(session: int, scope: Scope) -> tuple[ColumnElement[bool], ...]:
    return (
        replies.c.session_id == session,
        replies.c.operation == scope.operation,
        replies.c.participant_index == scope.participant_index,
        replies.c.key == scope.key,
    )
