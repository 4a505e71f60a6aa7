"""A running study as a whole: its participants and its file, from start to stop."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from experiment_server.errors import StoreUnavailable
from experiment_server.flow.events import Event, EventType
from experiment_server.flow.participant import timestamp
from experiment_server.live.service import Service
from experiment_server.live.study import StudyDesk
from experiment_server.live.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Live:
    """What operations work on.

    `database` and `session` are for people to read; `has_app` tells whether the participants' app
    is served here, and `guarded` whether an app needs a token. `urls` tells where others reach the
    server, once it listens.
    """

    service: Service
    desk: StudyDesk
    tokens: Tokens
    database: str = ""
    session: str = ""
    has_app: bool = False
    guarded: bool = False
    urls: Callable[[], list[str]] = list

    async def start(self) -> None:
        """Take up where the session was left, and let everybody know who starts."""
        await self.service.start()
        self.service.history.log(
            Event(
                EventType.SERVER_STARTED,
                self.service.clock(),
                data={"release": version("experiment-server"), "session": self.session},
            )
        )
        await self.desk.start()
        await self.service.add_default_participant()

    async def stop(self) -> None:
        """Log that the server was stopped on purpose."""
        self.service.presence.close()
        self.service.history.log(Event(EventType.SERVER_STOPPED, self.service.clock()))
        with contextlib.suppress(StoreUnavailable):
            await self.service.history.answers()

    async def overview(self) -> AsyncIterator[dict[str, Any]]:
        """All that a dashboard needs to begin with, and then, where it is much, the rest of it.

        The first has everything but, in large sessions, the later participants; those that follow
        have only `participants`, of whom they are the rows.
        """
        pages = self.service.news.pages(self.service.roster.indices())
        yield self._beginning(await anext(pages, []))
        async for rows in pages:
            yield {"participants": rows}

    def _beginning(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "study": self.desk.served(),
            "diagnostics": self.desk.diagnostics(),
            "participants": rows,
            "default_participant": self.service.default_participant_index,
            "database": self.database,
            "session": self.session,
            "has_app": self.has_app,
            "guarded": self.guarded,
            "urls": self.urls(),
            "server_time": timestamp(self.service.clock()),
        }
