"""The study file of a running session: loading its versions, refusing broken ones, saving edits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from msgspec import UNSET

from experiment_server.errors import (
    ExperimentServerError,
    PreconditionMissing,
    StoreUnavailable,
    StudyFileUnreadable,
    StudyStale,
    VersionUnknown,
)
from experiment_server.limits import DIAGNOSTICS_LOGGED_MAX
from experiment_server.participants.events import Event
from experiment_server.participants.state import ParticipantState, timestamp
from experiment_server.participants.versions import Migration, OnChange
from experiment_server.session.event_log import EventLog
from experiment_server.session.hub import DASHBOARD, Message, participant_room
from experiment_server.session.notifier import Notifier
from experiment_server.session.parse_worker import ParseWorker
from experiment_server.session.participants import ParticipantRepository
from experiment_server.session.presence import Presence
from experiment_server.session.requests import BY_SERVER, Request
from experiment_server.session.states import ParticipantStates
from experiment_server.session.version_change import VersionChange
from experiment_server.session.versions import StudyVersions
from experiment_server.store.study_file import StudyDraft, read_text
from experiment_server.store.table_files import read_tables
from experiment_server.study.diagnostics import Diagnostic
from experiment_server.study.parse import Parsed
from experiment_server.study.source import StudySource, digest_of
from experiment_server.wire.events import RefusedLine, StudyRefused
from experiment_server.wire.explanations import ExplainedBlock
from experiment_server.wire.study import (
    Affected,
    DesignReport,
    DiagnosticInfo,
    ServedStudy,
    StudyChanged,
    StudyChangedForApp,
    StudyInfo,
    Verified,
    VersionInfo,
)

AT_START, ON_DISK, SAVED = "start", "changed on disk", "saved"
"""Why a version was loaded."""

ANY_VERSION = "*"


class StudyFile:
    """The file that a session's study comes from, and who gets what when it changes."""

    def __init__(
        self,
        path: Path,
        parsed: Parsed,
        on_change: OnChange,
        *,
        versions: StudyVersions,
        states: ParticipantStates,
        repository: ParticipantRepository,
        presence: Presence,
        event_log: EventLog,
        notifier: Notifier,
        clock: Callable[[], datetime],
    ) -> None:
        self.path = path
        self._first = parsed
        self._on_change = on_change
        self._versions = versions
        self._states = states
        self._presence = presence
        self._log = event_log
        self._notifier = notifier
        self._clock = clock
        self._diagnostics = parsed.diagnostics
        self._worker = ParseWorker()
        self._change = VersionChange(on_change, versions, states, repository, clock)
        self._loading = asyncio.Lock()
        # What was loaded or refused last: nothing is to be done about it any more.
        self._seen: StudySource | None = None
        # The text that was asked last for the tables that it names, and these.
        self._named: tuple[str, list[str]] = ("", [])

    async def start(self) -> None:
        """Load the file as it was read at the start, as a new version if it is one."""
        await self.load(self._first, AT_START)

    async def stop(self) -> None:
        """End the process that reads studies."""
        await self._worker.close()

    # Reading

    @property
    def name(self) -> str:
        """What people call the study: its file's name."""
        return self.path.name

    def served(self) -> ServedStudy:
        """The version that is served."""
        versions = self._versions
        return ServedStudy(
            name=self.name, digest=versions.served.digest, version=versions.served_number
        )

    def info(self) -> StudyInfo:
        """The study with its diagnostics and all versions that were loaded."""
        versions = [
            VersionInfo(item.version, item.digest, timestamp(item.loaded_at), item.reason)
            for item in self._versions.all
        ]
        return StudyInfo(
            name=self.name,
            digest=self._versions.served.digest,
            version=self._versions.served_number,
            diagnostics=self.diagnostics(),
            on_change=self._on_change.value,
            versions=versions,
        )

    def diagnostics(self) -> list[DiagnosticInfo]:
        """What was found in the text that was read last, whether it is served or not."""
        return [item.on_wire() for item in self._diagnostics]

    async def read(self) -> str:
        """The file's text as it is on disk; raises StudyFileUnreadable."""
        return await asyncio.to_thread(read_text, self.path)

    async def read_source(self) -> StudySource:
        """The file as it is on disk, with its tables; raises StudyFileUnreadable."""
        return await self._with_tables(await self.read())

    async def _with_tables(self, text: str) -> StudySource:
        """A text with the tables that it names, as they are on disk."""
        named_in, files = self._named
        if text != named_in:
            files = await self._worker.files(text)
            self._named = (text, files)
        if not files:
            return StudySource(text)
        return StudySource(text, await asyncio.to_thread(read_tables, self.path.parent, files))

    async def parse(self, source: StudySource) -> Parsed:
        """What is in a study, without loading it. Never raises for what is in it."""
        return await self._worker.parse(source)

    async def verify(self, text: str, participants: int) -> Verified:
        """What is in a text, the first participants' orders, and whom serving it would concern."""
        source = await self._with_tables(text)
        parsed, orders = await self._worker.preview(source, participants)
        return Verified(
            ok=parsed.study is not None,
            digest=source.digest,
            diagnostics=[item.on_wire() for item in parsed.diagnostics],
            orders=orders,
            affected=await self._change.affected(parsed.study) if parsed.study else None,
        )

    async def design(self, participants: int | None) -> DesignReport:
        """The design report of the served study; by default over a whole cycle of the orders."""
        last = self._versions.last
        return await self._worker.report(last.source if last else StudySource(""), participants)

    async def explain(self, state: ParticipantState) -> list[ExplainedBlock]:
        """Where a participant's blocks and values come from, in the version that they have."""
        digest = self._versions.study_of(state).digest
        sources = {version.digest: version.source for version in self._versions.all}
        source = sources.get(digest, StudySource(""))
        return await self._worker.explanation(source, state.participant_index, state.row)

    def version_text(self, version: int) -> str:
        """The text of a version that was served; raises VersionUnknown."""
        for item in self._versions.all:
            if item.version == version:
                return item.text
        raise VersionUnknown(
            f"there is no version {version}; the last one is {self._versions.served_number}"
        )

    def knows(self, source: StudySource) -> bool:
        """Whether this was loaded or refused already, and nothing else since."""
        return source == self._seen

    def concerns(self, file_name: str) -> bool:
        """Whether a file of this name in the study's folder is the study or one of its tables."""
        return file_name == self.name or file_name in self._named[1]

    # Changing

    async def load(self, parsed: Parsed, reason: str, request: Request = BY_SERVER) -> None:
        """Serve a changed study; a broken one is reported and changes nothing.

        Raises StoreUnavailable, with nothing changed, if it cannot be recorded.
        """
        async with self._loading:
            await self._load(parsed, reason, request)

    async def refuse(self, error: ExperimentServerError) -> None:
        """Report that the study file cannot be read; the last good study keeps running."""
        self._refused((_as_diagnostic(error),), None, BY_SERVER)
        self._seen = None
        self._tell_dashboards()

    async def save(self, request: Request, text: str, edited_digest: str | None) -> StudyInfo:
        """Write the file and serve it with its tables as they are on disk.

        `edited_digest` is of the text that was edited, or of that with its tables.

        Raises PreconditionMissing without that, StudyStale if the file is another by now,
        StudyInvalid for a study with errors, and StoreUnavailable; the file is as it was then.
        """
        if edited_digest is None:
            raise PreconditionMissing(
                "say with If-Match which text was edited: the digest that GET /api/study/toml "
                "gives as its ETag"
            )
        source = await self._with_tables(text)
        parsed = await self.parse(source)
        parsed.require()
        async with self._loading:
            on_disk = await self._on_disk()
            current = (digest_of(on_disk.text), on_disk.digest, ANY_VERSION)
            # What is there already has been saved, perhaps by this very request.
            if edited_digest not in current and on_disk != source:
                raise StudyStale(
                    f"{self.name} was changed meanwhile, so it was not overwritten; read it "
                    "again and put your changes into that"
                )
            # Recorded before it is put in place: what cannot be recorded must not be on disk,
            # where the watcher would find and serve it.
            # A server that ends in between starts with the file as it was, as a version after the
            # one that nobody was told of.
            draft = await asyncio.to_thread(StudyDraft, self.path, text)
            try:
                await self._load(parsed, SAVED, request)
                await self._publish(draft)
            finally:
                await asyncio.to_thread(draft.discard)
        return self.info()

    async def _publish(self, draft: StudyDraft) -> None:
        try:
            await asyncio.to_thread(draft.publish)
        except StoreUnavailable:
            # What is on disk counts: whoever watches the file serves it again.
            self._seen = None
            raise

    async def _load(self, parsed: Parsed, reason: str, request: Request) -> None:
        if parsed.study is None:
            self._refused(parsed.diagnostics, parsed.source.digest, request)
            self._seen = parsed.source
            self._tell_dashboards()
            return
        try:
            migration = await self._change.make(parsed.study, parsed.source, reason, request)
        except StoreUnavailable as error:
            self._diagnostics = (_as_diagnostic(error),)
            self._tell_dashboards()
            raise
        self._diagnostics = parsed.diagnostics
        self._seen = parsed.source
        await self._tell(migration)

    async def _on_disk(self) -> StudySource:
        try:
            return await self.read_source()
        except StudyFileUnreadable:
            # Nothing there that could be lost: what is served is what people have edited.
            last = self._versions.last
            return last.source if last else StudySource("")

    def _refused(
        self, diagnostics: tuple[Diagnostic, ...], digest: str | None, request: Request
    ) -> None:
        self._diagnostics = diagnostics
        errors = [item for item in diagnostics if item.severity == "error"]
        first = [
            RefusedLine(item.code, item.line, item.message, item.file)
            for item in errors[:DIAGNOSTICS_LOGGED_MAX]
        ]
        told = StudyRefused(
            digest=digest, errors=len(errors), first=first, by=request.by, reason=request.reason
        )
        self._log.append(Event(self._clock(), told))

    async def _tell(self, migration: Migration | None) -> None:
        """Tell the dashboards, and those participants whose study has changed."""
        if migration is None:
            self._tell_dashboards()
            return
        kept = frozenset(migration.kept)
        news = StudyChangedForApp(self._versions.served.digest, self.name)
        connected = [index for index in self._presence.participants() if index not in kept]
        for index in connected:
            self._notifier.publish(Message(participant_room(index), "study-changed", news))
        self._tell_dashboards(migration.report())
        states = [await self._states.get(index) for index in connected]
        self._notifier.push(("config-changed", state) for state in states)
        self._notifier.gather(changed=await self._states.all())

    def _tell_dashboards(self, affected: Affected | None = None) -> None:
        news = StudyChanged(
            name=self.name,
            digest=self._versions.served.digest,
            version=self._versions.served_number,
            diagnostics=self.diagnostics(),
            reordered=affected.reordered if affected else UNSET,
            ended=affected.ended if affected else UNSET,
            kept=affected.kept if affected else UNSET,
        )
        self._notifier.publish(Message(DASHBOARD, "study-changed", news))


def _as_diagnostic(error: ExperimentServerError) -> Diagnostic:
    return Diagnostic(error.code, "error", error.detail)
