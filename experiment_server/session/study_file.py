"""The study file of a running session: loads new versions, refuses broken ones, and saves edits."""

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
    VersionUnknown,
)
from experiment_server.limits.session import DIAGNOSTICS_LOGGED_MAX
from experiment_server.participants.events import Event
from experiment_server.participants.state import ParticipantState, timestamp
from experiment_server.participants.versions import Migration, OnChange
from experiment_server.session.event_log import EventLog
from experiment_server.session.hub import DASHBOARD, Message
from experiment_server.session.notifier import Notifier
from experiment_server.session.parse_worker import ParseWorker
from experiment_server.session.participants import ParticipantRepository
from experiment_server.session.presence import Presence
from experiment_server.session.requests import BY_SERVER, Request
from experiment_server.session.states import ParticipantStates
from experiment_server.session.study_disk import StudyDisk
from experiment_server.session.version_change import VersionChange
from experiment_server.session.versions import StudyVersions
from experiment_server.store.records import StudyVersion
from experiment_server.store.study_file import StudyDraft
from experiment_server.study.diagnostics import Diagnostic
from experiment_server.study.parse import Parsed
from experiment_server.study.source import StudySource
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
    StudyTexts,
    TableText,
    Verified,
    VersionInfo,
)
from experiment_server.wire.values import JsonObject

AT_START, ON_DISK, SAVED = "start", "changed on disk", "saved"
"""The reasons for loading a version."""


class StudyFile:
    """The study file of a session; publishes its changes to participants and dashboards."""

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
        self._disk = StudyDisk(path, self._worker)
        self._change = VersionChange(on_change, versions, states, repository, clock)
        self._loading = asyncio.Lock()
        # The source that was loaded or refused last.
        self._processed: StudySource | None = None

    async def start(self) -> None:
        """Serve the study that was read at the start; a changed one becomes a new version."""
        await self.load(self._first, AT_START)

    async def stop(self) -> None:
        """Stop the process that parses studies."""
        await self._worker.close()

    # Reading

    @property
    def name(self) -> str:
        """The study's name, which is the file's name."""
        return self.path.name

    def served(self) -> ServedStudy:
        """The study version that is served."""
        versions = self._versions
        return ServedStudy(
            name=self.name, digest=versions.served.digest, version=versions.served_number
        )

    def info(self) -> StudyInfo:
        """The study's name, diagnostics and versions."""
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
        """The diagnostics of the text that was read last, whether it is served or not."""
        return [item.on_wire() for item in self._diagnostics]

    async def read(self) -> str:
        """Read the file's text from disk; raises StudyFileUnreadable."""
        return await self._disk.read_text()

    async def read_source(self) -> StudySource:
        """Read the file and its tables from disk; raises StudyFileUnreadable."""
        return await self._disk.read()

    async def texts(self, version: int | None) -> StudyTexts:
        """The texts of a version, or those on disk; raises VersionUnknown, StudyFileUnreadable."""
        source = await self.read_source() if version is None else self._version(version).source
        tables = [
            TableText(table.path, None if table.unreadable else table.text)
            for table in source.tables
        ]
        return StudyTexts(source.text, source.digest, tables)

    async def parse(self, source: StudySource) -> Parsed:
        """Parse a study without serving it. Reports its errors as diagnostics and never raises."""
        return await self._worker.parse(source)

    async def verify(
        self, text: str, participants: int, tables: JsonObject | None = None
    ) -> Verified:
        """Check a text, list the first participants' orders, and report whom it would affect.

        `tables` are texts that replace those of the tables on disk.
        """
        source = await self._disk.with_tables(text, tables)
        parsed, orders = await self._worker.preview(source, participants)
        return Verified(
            ok=parsed.study is not None,
            digest=source.digest,
            diagnostics=[item.on_wire() for item in parsed.diagnostics],
            orders=orders,
            affected=await self._change.affected(parsed.study) if parsed.study else None,
        )

    async def design(self, participants: int | None) -> DesignReport:
        """The design report of the served study; by default for a whole cycle of the orders."""
        last = self._versions.last
        return await self._worker.report(last.source if last else StudySource(""), participants)

    async def explain(self, state: ParticipantState) -> list[ExplainedBlock]:
        """The origin of a participant's blocks and values, in the participant's study version."""
        digest = self._versions.study_of(state).digest
        sources = {version.digest: version.source for version in self._versions.all}
        source = sources.get(digest, StudySource(""))
        return await self._worker.explanation(source, state.participant_index, state.row)

    def version_text(self, version: int) -> str:
        """The text of a study version; raises VersionUnknown."""
        return self._version(version).text

    def _version(self, version: int) -> StudyVersion:
        for item in self._versions.all:
            if item.version == version:
                return item
        raise VersionUnknown(
            f"there is no version {version}; the last one is {self._versions.served_number}"
        )

    def is_processed(self, source: StudySource) -> bool:
        """Whether this source was the last to be loaded or refused."""
        return source == self._processed

    def files(self) -> list[Path]:
        """The study file, and the tables that it named when it was last read."""
        return self._disk.files()

    # Changing

    async def load(self, parsed: Parsed, reason: str, request: Request = BY_SERVER) -> None:
        """Serve a changed study. If it has errors, report them and change nothing.

        Raises StoreUnavailable if the version cannot be committed; nothing has changed then.
        """
        async with self._loading:
            await self._load(parsed, reason, request)

    async def refuse(self, error: ExperimentServerError) -> None:
        """Report that the study file cannot be read; the last good study keeps running."""
        self._log_refusal((_as_diagnostic(error),), None, BY_SERVER)
        self._processed = None
        self._publish_to_dashboards()

    async def save(
        self,
        request: Request,
        text: str,
        edited_digest: str | None,
        tables: JsonObject | None = None,
    ) -> StudyInfo:
        """Write the file and the given tables, and serve them with the other tables on disk.

        `edited_digest` is the digest of the text that was edited, with or without its tables; with
        given tables it has to include them.

        Raises PreconditionMissing without a digest, StudyStale if a file has changed since,
        StudyInvalid for a study with errors, and StoreUnavailable. The files are unchanged then.
        """
        if edited_digest is None:
            raise PreconditionMissing(
                "send the digest of the edited text in If-Match; GET /api/study/toml "
                "gives it as the ETag"
            )
        source = await self._disk.with_tables(text, tables)
        parsed = await self.parse(source)
        parsed.require()
        async with self._loading:
            on_disk = await self._on_disk()
            written = [table for table in source.tables if table.path in (tables or {})]
            # If the same source is on disk already, it was saved, perhaps by this very request.
            if on_disk != source:
                await self._disk.require_seen(edited_digest, on_disk, written)
            # The version is committed before the files are replaced. If the commit fails, the
            # watcher must not find the new files. If the server ends in between, it starts with
            # the old files, as another version.
            draft = await self._disk.draft(source, written)
            try:
                await self._load(parsed, SAVED, request)
                await self._put_in_place(draft)
            finally:
                await asyncio.to_thread(draft.discard)
        return self.info()

    async def _put_in_place(self, draft: StudyDraft) -> None:
        try:
            await asyncio.to_thread(draft.publish)
        except StoreUnavailable:
            # The old file is still on disk, so the watcher has to serve it again.
            self._processed = None
            raise

    async def _load(self, parsed: Parsed, reason: str, request: Request) -> None:
        if parsed.study is None:
            self._log_refusal(parsed.diagnostics, parsed.source.digest, request)
            self._processed = parsed.source
            self._publish_to_dashboards()
            return
        try:
            migration = await self._change.make(parsed.study, parsed.source, reason, request)
        except StoreUnavailable as error:
            self._diagnostics = (_as_diagnostic(error),)
            self._publish_to_dashboards()
            raise
        self._diagnostics = parsed.diagnostics
        self._processed = parsed.source
        await self._publish_change(migration)

    async def _on_disk(self) -> StudySource:
        try:
            return await self.read_source()
        except StudyFileUnreadable:
            # No file can be overwritten, so the edit is compared with the served version.
            last = self._versions.last
            return last.source if last else StudySource("")

    def _log_refusal(
        self, diagnostics: tuple[Diagnostic, ...], digest: str | None, request: Request
    ) -> None:
        self._diagnostics = diagnostics
        errors = [item for item in diagnostics if item.severity == "error"]
        first = [
            RefusedLine(item.code, item.line, item.message, item.file)
            for item in errors[:DIAGNOSTICS_LOGGED_MAX]
        ]
        refused = StudyRefused(
            digest=digest, errors=len(errors), first=first, by=request.by, reason=request.reason
        )
        self._log.append(Event(self._clock(), refused))

    async def _publish_change(self, migration: Migration | None) -> None:
        """Publish a new version to the dashboards, and to the participants that it affects."""
        if migration is None:
            self._publish_to_dashboards()
            return
        kept = frozenset(migration.kept)
        change = StudyChangedForApp(self._versions.served.digest, self.name)
        connected = [index for index in self._presence.participants() if index not in kept]
        for index in connected:
            self._notifier.publish(Message(index, "study-changed", change))
        self._publish_to_dashboards(migration.report())
        states = [await self._states.get(index) for index in connected]
        self._notifier.push(("config-changed", state) for state in states)
        self._notifier.batch(changed=await self._states.all())

    def _publish_to_dashboards(self, affected: Affected | None = None) -> None:
        change = StudyChanged(
            name=self.name,
            digest=self._versions.served.digest,
            version=self._versions.served_number,
            diagnostics=self.diagnostics(),
            reordered=affected.reordered if affected else UNSET,
            ended=affected.ended if affected else UNSET,
            kept=affected.kept if affected else UNSET,
        )
        self._notifier.publish(Message(DASHBOARD, "study-changed", change))


def _as_diagnostic(error: ExperimentServerError) -> Diagnostic:
    return Diagnostic(error.code, "error", error.detail)
