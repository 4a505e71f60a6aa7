"""Whose apps are connected, and what the log says of their coming and going."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from experiment_server.limits import PRESENCE_BURST_MAX, PRESENCE_INTERVAL_S
from experiment_server.participants.events import Event
from experiment_server.session.allowance import Allowance
from experiment_server.wire.events import AppConnected, AppDisconnected


@dataclass(slots=True)
class _Unlogged:
    """What a participant's apps did since the log was last told."""

    changes: int = 0
    last: type[AppConnected | AppDisconnected] = AppConnected
    allowance: Allowance = field(
        default_factory=lambda: Allowance(1 / PRESENCE_INTERVAL_S, PRESENCE_BURST_MAX)
    )
    waiting: asyncio.TimerHandle | None = None


class Presence:
    """Counts each participant's connected apps, and logs who comes and goes.

    The log has every change, unless a participant's apps come and go without end: then it has one
    entry every `PRESENCE_INTERVAL_S` seconds, the latest change, with how many before it were
    `left_out`.
    """

    def __init__(self, log: Callable[[Event], None], clock: Callable[[], datetime]) -> None:
        self._log = log
        self._clock = clock
        self._apps: Counter[int] = Counter()
        self._unlogged: dict[int, _Unlogged] = {}

    def apps(self, participant_index: int) -> int:
        """How many apps of a participant are connected."""
        return self._apps[participant_index]

    def participants(self) -> list[int]:
        """The participants of whom an app is connected."""
        return list(self._apps)

    def enter(self, participant_index: int) -> None:
        """Count an app that has connected."""
        self._apps[participant_index] += 1
        self._changed(participant_index, AppConnected)

    def leave(self, participant_index: int) -> None:
        """Count an app no longer that has gone."""
        self._apps[participant_index] -= 1
        self._changed(participant_index, AppDisconnected)
        if not self._apps[participant_index]:
            del self._apps[participant_index]

    def close(self) -> None:
        """Log what the log was not told yet."""
        for participant_index, unlogged in self._unlogged.items():
            if unlogged.waiting is not None:
                unlogged.waiting.cancel()
                self._tell(participant_index)

    def _changed(self, participant_index: int, kind: type[AppConnected | AppDisconnected]) -> None:
        unlogged = self._unlogged.setdefault(participant_index, _Unlogged())
        unlogged.changes += 1
        unlogged.last = kind
        if unlogged.waiting is not None:
            return
        if unlogged.allowance.take():
            self._tell(participant_index)
        else:
            loop = asyncio.get_running_loop()
            unlogged.waiting = loop.call_later(PRESENCE_INTERVAL_S, self._tell, participant_index)

    def _tell(self, participant_index: int) -> None:
        unlogged = self._unlogged[participant_index]
        if unlogged.waiting is not None:
            unlogged.waiting = None
            unlogged.allowance.take()
        apps, left_out = self._apps[participant_index], max(0, unlogged.changes - 1)
        unlogged.changes = 0
        told = unlogged.last(apps=apps, left_out=left_out)
        self._log(Event(self._clock(), told, participant_index))
