"""Who calls, and what is known of a change that they ask for."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from experiment_server.participants.events import Cause
from experiment_server.wire.events import Actor


class Role(str, Enum):
    """What a caller is to the study."""

    EXPERIMENTER = "experimenter"
    PARTICIPANT = "participant"


class Caller(Struct, frozen=True):
    """Who calls, and by which way.

    A participant's app speaks for its own participant only, or where no index is known, for any.
    """

    role: Role
    actor: Actor
    participant_index: int | None = None


class Request(Struct, frozen=True):
    """Somebody asks for an operation.

    A request with a `key` is carried out once, however often it comes; `fingerprint` tells another
    request that uses the same key. `from_block` and `from_started_at` are where the participant
    has to be for it, and when that block has to have begun.
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
        """What the log says of who asked."""
        return Cause(self.by, self.reason)


BY_SERVER = Request(Actor.SERVER)
