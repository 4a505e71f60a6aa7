"""An event with data of the tests' own, for what keeps and reads logs."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from experiment_server.participants.events import Event
from experiment_server.wire.events import EventData, EventType


class Noted(EventData, frozen=True, kw_only=True, omit_defaults=True):
    """An event that looks like a move to whoever reads the log, with anything in it."""

    type: ClassVar = EventType.MOVED
    number: int | None = None
    reason: object = None


def noted(
    moment: datetime,
    participant_index: int | None,
    number: int | None = None,
    reason: object = None,
) -> Event:
    """Such an event."""
    return Event(moment, Noted(number=number, reason=reason), participant_index)
