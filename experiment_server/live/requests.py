"""What stands behind a change: who asked for it, why, and how it is known again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Actor(str, Enum):
    """Through which door a change came in."""

    PARTICIPANT = "participant"
    DASHBOARD = "dashboard"
    REST = "rest"
    CLI = "cli"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody asks for a change.

    A request with a `key` is carried out once, however often it comes; `fingerprint` tells another
    request that uses the same key. `from_block` is where the participant has to be for it, and
    `from_started_at` when they have to have come there.
    """

    by: Actor
    operation: str = ""
    participant_index: int = 0
    key: str | None = None
    fingerprint: str = ""
    from_block: int | None = None
    from_started_at: str | None = None
    reason: str | None = None

    def told(self) -> dict[str, Any]:
        """What the log says of it."""
        reason = {} if self.reason is None else {"reason": self.reason}
        return {"by": self.by.value, **reason}


BY_SERVER = Request(Actor.SERVER)
