"""A running session: creates its parts, starts and stops them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path

from experiment_server.errors import ParticipantExists, RevisionConflict, StoreUnavailable
from experiment_server.limits.session import LINK_LIFETIME_S
from experiment_server.participants import moves
from experiment_server.participants.events import Entry, Event
from experiment_server.participants.state import ParticipantState, timestamp
from experiment_server.participants.versions import OnChange
from experiment_server.session.answers import Snapshot
from experiment_server.session.clock import Clock
from experiment_server.session.event_log import EventLog
from experiment_server.session.file_log import FileLog
from experiment_server.session.hub import DASHBOARD, Hub, Message
from experiment_server.session.idempotency import Idempotency
from experiment_server.session.notifier import Notifier
from experiment_server.session.participants import ParticipantRepository
from experiment_server.session.presence import Presence
from experiment_server.session.requests import BY_SERVER, Request
from experiment_server.session.result_counts import TableBlock
from experiment_server.session.results import Results
from experiment_server.session.states import ParticipantStates
from experiment_server.session.study_file import StudyFile
from experiment_server.session.tasks import Tasks
from experiment_server.session.tokens import Tokens, login_path
from experiment_server.session.versions import StudyVersions
from experiment_server.session.views import ParticipantViews
from experiment_server.store.store import Store
from experiment_server.study.parse import Parsed
from experiment_server.wire.events import (
    ServerStarted,
    ServerStopped,
)
from experiment_server.wire.replies import ParticipantLink
from experiment_server.wire.results import ParticipantResults, ResultsChanged
from experiment_server.wire.snapshots import ParticipantRow
from experiment_server.wire.study import Overview, StudyInfo
from experiment_server.wire.values import JsonObject


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Options of a running session. `database` and `session` are names to display.

    `has_app` says whether this server also serves the participants' app, and `guarded` whether
    apps need a token.
    """

    default_participant_index: int = 1
    on_change: OnChange = OnChange.ALL
    database: str = ""
    session: str = ""
    has_app: bool = False
    guarded: bool = False
    urls: Callable[[], list[str]] = list


class RunningSession:
    """The parts of one session. Call `start` first."""

    def __init__(
        self,
        path: Path,
        parsed: Parsed,
        store: Store,
        hub: Hub,
        tasks: Tasks,
        tokens: Tokens,
        options: SessionOptions | None = None,
        stopping: asyncio.Event | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.options = options = options or SessionOptions()
        self.tokens = tokens
        self.stopping = stopping or asyncio.Event()
        self.clock = clock or Clock()
        self._store = store
        self._tasks = tasks
        self._log = EventLog(store, self._logged)
        self._presence = Presence(self._log.append, self.now)
        self._versions = StudyVersions(parsed.require())
        self._views = ParticipantViews(self._versions, self._presence)
        self._notifier = Notifier(hub, tasks, self._views, self._numbers)
        self._idempotency = Idempotency(store, self.now)
        self._states = ParticipantStates(store)
        self._results = Results(
            store,
            self._states,
            self._versions,
            options.session,
            self.now,
            self._logged,
            self._notifier.results_changed,
        )
        self.file_log = FileLog(store, self.now, self._logged)
        self._repository = ParticipantRepository(
            store,
            self._states,
            self._versions,
            self._views,
            self._idempotency,
            self.now,
            self._notifier.committed,
        )
        self.study_file = StudyFile(
            path,
            parsed,
            options.on_change,
            versions=self._versions,
            states=self._states,
            repository=self._repository,
            presence=self._presence,
            event_log=self._log,
            notifier=self._notifier,
            clock=self.now,
        )

    @property
    def default_participant_index(self) -> int:
        """The participant for requests that name none."""
        return self.options.default_participant_index

    async def start(self) -> None:
        """Load the session from the store, and serve the study file."""
        # The writer thread hands all results of one transaction to the event loop at once.
        loop = asyncio.get_running_loop()
        self._store.set_wake_scheduler(loop.call_soon)
        self._store.set_dispatcher(loop.call_soon_threadsafe)
        states = await self._states.all()
        self._versions.restore(await asyncio.wrap_future(self._store.versions()), states)
        self._tasks.start(self._idempotency.sweep(), "sweep-replies")
        started = ServerStarted(release=version("experiment-server"), session=self.options.session)
        self._log.append(Event(self.clock(), started))
        await self.study_file.start()
        with contextlib.suppress(ParticipantExists):
            await self._repository.add(BY_SERVER, self.options.default_participant_index)

    async def stop(self) -> None:
        """Log that the server stops."""
        self._presence.close()
        self._log.append(Event(self.clock(), ServerStopped()))
        with contextlib.suppress(StoreUnavailable):
            await self._log.flush()

    async def overview(self) -> AsyncIterator[Message]:
        """The messages with a dashboard's initial data: an overview, and more for a large session.

        In a small session, the overview has all participants and their numbers of records.
        """
        pages = self._views.row_pages(await self._states.all())
        result_pages = self._result_pages()
        first: list[ParticipantRow] = await anext(pages, [])
        overview = self._overview(first, await anext(result_pages, []))
        yield Message(DASHBOARD, "snapshot", overview)
        async for rows in pages:
            yield Message(DASHBOARD, "participants-changed", rows)
        async for results in result_pages:
            yield Message(DASHBOARD, "results-changed", ResultsChanged(results, []))

    async def _result_pages(self) -> AsyncIterator[list[ParticipantResults]]:
        # Dashboards work without the numbers that cannot be read from the database.
        with contextlib.suppress(StoreUnavailable):
            async for page in self._results.by_participant():
                yield page

    def _overview(self, rows: list[ParticipantRow], results: list[ParticipantResults]) -> Overview:
        return Overview(
            study=self.study_file.served(),
            diagnostics=self.study_file.diagnostics(),
            participants=rows,
            results=results,
            default_participant=self.options.default_participant_index,
            database=self.options.database,
            session=self.options.session,
            has_app=self.options.has_app,
            guarded=self.options.guarded,
            urls=self.options.urls(),
            server_time=timestamp(self.clock()),
        )

    # Presence

    async def connected(self, participant_index: int) -> None:
        """Record that an app of this participant connected; raises ParticipantUnknown."""
        state = await self._states.get(participant_index)
        self._presence.enter(participant_index)
        self._notifier.batch(changed=[state])

    async def disconnected(self, participant_index: int) -> None:
        """Record that an app of this participant disconnected."""
        self._presence.leave(participant_index)
        self._notifier.batch(changed=[await self._states.get(participant_index)])

    async def rows(self) -> list[ParticipantRow]:
        """The rows of all participants, ascending by index."""
        pages = self._views.row_pages(await self._states.all())
        return [row async for page in pages for row in page]

    def drop_cache(self) -> None:
        """Empty all caches; the session behaves as before."""
        self._states.drop_cache()
        self._versions.drop_cache()
        self._views.drop_cache()
        self._results.drop_cache()
        self.file_log.drop_cache()

    # Helpers of operations

    async def require_participant(self, participant_index: int) -> None:
        """Raise ParticipantUnknown if there is no such participant."""
        await self._states.get(participant_index)

    async def row(self, participant_index: int) -> ParticipantRow:
        """The row of one participant."""
        return self._views.row(await self._states.get(participant_index))

    async def _answer(self, state: ParticipantState) -> Snapshot:
        if state.study is not None:
            # A repeated request gets the blocks of the study version in which it was executed.
            await self._versions.require(state.study)
        return self._views.snapshot(state)

    async def _undo(self, request: Request, participant_index: int) -> ParticipantState:
        while True:
            state = await self._states.get(participant_index)
            # The store reads this after all pending commits of the participant.
            move = await self._log.last_move(participant_index, state.revision)
            try:
                undo = partial(moves.undo, move=move)
                return await self._repository.make(request, participant_index, undo)
            except RevisionConflict:
                continue

    def _link(self, participant_index: int) -> ParticipantLink:
        now, valid = self.clock(), timedelta(seconds=LINK_LIFETIME_S)
        token = self.tokens.participant(participant_index, now, valid)
        path = login_path(token)
        urls = [f"{url}{path}" for url in self.options.urls()]
        return ParticipantLink(path, urls, token, timestamp(now + valid))

    async def _save(
        self, request: Request, text: str, made_from: str | None, tables: JsonObject | None
    ) -> StudyInfo:
        saved = await self.study_file.save(request, text, made_from, tables)
        # The file is saved even if the reply is not: a repeat finds the same text on disk.
        with contextlib.suppress(StoreUnavailable):
            await self._idempotency.store_reply(request, saved)
        return saved

    def now(self) -> datetime:
        """The time in UTC, by the session's clock."""
        return self.clock()

    @property
    def participants_count(self) -> int:
        """The number of participants."""
        return self._states.known_count

    async def flush(self) -> None:
        """Wait until all logged events are durable; raises StoreUnavailable."""
        await self._log.flush()

    # Notifications

    def _logged(self, entries: list[Entry]) -> None:
        self._notifier.batch(entries=entries)

    async def _numbers(self, changed: Mapping[int, Collection[TableBlock]]) -> ResultsChanged:
        return await self._results.numbers(changed)
