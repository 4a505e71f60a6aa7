"""The caller of an operation, and the request that it makes."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from experiment_server.participants.events import Cause
from experiment_server.wire.events import Actor


class Role(str, Enum):
    """The role of a caller, which decides what it may call."""

    EXPERIMENTER = "experimenter"
    PARTICIPANT = "participant"


class Caller(Struct, frozen=True):
    """The caller of an operation, and the interface that it uses.

    A participant's app may act for its own participant only. If its `participant_index` is None,
    it may act for any participant.
    """

    role: Role
    actor: Actor
    participant_index: int | None = None


class Request(Struct, frozen=True):
    """A request for an operation.

    A request with an idempotency `key` is executed once, however often it is sent. The
    `fingerprint` of its parameters detects another request with the same key. `from_block` and
    `from_started_at` are preconditions: the block that the participant has to be in, and the time
    when that block has to have started.
    """

    by: Actor
    operation: str = ""
    participant_index: int = 0
    key: str | None = None
    fingerprint: str = ""
    from_block: int | None = None
    from_started_at: str | None = None
    reason: str | None = None

    @property
    def cause(self) -> Cause:
        """The actor and the reason, for the event log."""
        return Cause(self.by, self.reason)


BY_SERVER = Request(Actor.SERVER)
