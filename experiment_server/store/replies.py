"""What was answered to requests with a key, for those that come again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError

from experiment_server.errors import RevisionConflict
from experiment_server.limits import IDEMPOTENCY_RETENTION_S
from experiment_server.store.schema import replies


@dataclass(frozen=True, slots=True)
class Scope:
    """What an idempotency key is unique in. `participant_index` is 0 where none is meant."""

    operation: str
    participant_index: int
    key: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered to a request. `request` is its fingerprint, `text` the answer's JSON."""

    scope: Scope
    request: str
    text: str
    created_at: datetime


def find_reply(
    connection: Connection, session: int, scope: Scope, oldest: datetime
) -> Reply | None:
    """What was answered to a request since a moment, None if it is new."""
    query = select(replies.c.request, replies.c.reply, replies.c.created_at).where(
        *_in_scope(session, scope), replies.c.created_at >= oldest
    )
    row = connection.execute(query).first()
    return Reply(scope, *row) if row else None


def keep_reply(connection: Connection, session: int, reply: Reply) -> None:
    """Keep a reply; raises RevisionConflict if the request has been answered before."""
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
        raise RevisionConflict("this request has been answered before") from None


def forget_replies(connection: Connection, session: int, oldest: datetime) -> int:
    """Remove the replies from before a moment; how many these were."""
    gone = connection.execute(
        delete(replies).where(replies.c.session_id == session, replies.c.created_at < oldest)
    )
    return gone.rowcount


def _in_scope(session: int, scope: Scope) -> tuple[ColumnElement[bool], ...]:
    return (
        replies.c.session_id == session,
        replies.c.operation == scope.operation,
        replies.c.participant_index == scope.participant_index,
        replies.c.key == scope.key,
    )
