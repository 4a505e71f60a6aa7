"""Serves a new study version: migrates all participants to it in one commit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from experiment_server.errors import RevisionConflict, StoreUnavailable
from experiment_server.limits.store import COMMIT_ATTEMPTS_MAX
from experiment_server.participants.blocks import BlockSequence
from experiment_server.participants.events import Cause, Event
from experiment_server.participants.state import ParticipantState
from experiment_server.participants.versions import Migration, OnChange
from experiment_server.session.participants import ParticipantRepository, PlannedChange
from experiment_server.session.requests import BY_SERVER, Request
from experiment_server.session.states import ParticipantStates
from experiment_server.session.turns import in_turns
from experiment_server.session.versions import StudyVersions
from experiment_server.store.records import StudyVersion
from experiment_server.study.model import Study
from experiment_server.study.parse import parse
from experiment_server.study.source import StudySource
from experiment_server.wire.events import StudyLoaded
from experiment_server.wire.study import Affected

_SHORTENED = Cause(BY_SERVER.by, "the study became shorter")


class VersionChange:
    """Migrates participants to new study versions, according to `on_change`."""

    def __init__(
        self,
        on_change: OnChange,
        versions: StudyVersions,
        states: ParticipantStates,
        repository: ParticipantRepository,
        clock: Callable[[], datetime],
    ) -> None:
        self._on_change = on_change
        self._versions = versions
        self._states = states
        self._repository = repository
        self._clock = clock

    async def make(
        self, study: Study, source: StudySource, reason: str, request: Request
    ) -> Migration | None:
        """Serve a study and migrate all participants to it; None if it is served already.

        Raises StoreUnavailable if the version cannot be committed; nothing has changed then.
        """
        last = self._versions.last
        if last is not None and last.digest == study.digest:
            self._versions.serve(study)
            return None
        async with self._states.alone():
            if last is not None:
                self._serve_previous(last)
            for _ in range(COMMIT_ATTEMPTS_MAX):
                now = self._clock()
                number = self._versions.served_number + 1
                migration = await self._migration(study, number, now)
                version = StudyVersion(
                    number, study.digest, source.text, now, reason, source.tables
                )
                planned = [PlannedChange(before, outcome) for before, outcome in migration.changed]
                loaded = self._loaded(version, migration, request)
                try:
                    await self._repository.commit(
                        planned, events=[loaded], version=version, served=study
                    )
                except RevisionConflict:
                    self._states.drop_cache()
                    continue
                return migration
        raise StoreUnavailable(
            "other requests changed participants at the same time; save the file again"
        )

    async def affected(self, study: Study) -> Affected:
        """The participants whom serving a study would affect."""
        migration, now = Migration(), self._clock()
        states = await self._states.all()
        async for state in in_turns(states):
            self._migrate(migration, state, study, 0, now)
        return migration.report()

    def _serve_previous(self, last: StudyVersion) -> None:
        # At the start, the new study is served already, but the migration needs the previous one.
        if self._versions.served.digest != last.digest:
            before = parse(last.source).study
            if before is not None:
                self._versions.serve(before)

    async def _migration(self, study: Study, number: int, now: datetime) -> Migration:
        """The migration of all participants to a study, from their newest states."""
        while True:
            migration, states = Migration(), await self._states.newest()
            async for state in in_turns(states):
                self._migrate(migration, state, study, number, now)
            # Changes that were pending at the beginning may have succeeded or failed since.
            if all(map(self._states.is_newest, states)):
                return migration

    def _migrate(
        self,
        migration: Migration,
        state: ParticipantState,
        study: Study,
        number: int,
        now: datetime,
    ) -> None:
        before = self._versions.sequence(state)
        after = BlockSequence(study, number, state.participant_index, state.row)
        migration.add(state, before, after, self._on_change, _SHORTENED, now)

    def _loaded(self, version: StudyVersion, migration: Migration, request: Request) -> Event:
        data = StudyLoaded(
            version=version.version,
            digest=version.digest,
            on_change=self._on_change.value,
            reordered=migration.reordered,
            ended=migration.ended,
            kept=migration.kept,
            kept_study=self._versions.served.digest,
            by=request.by,
            reason=request.reason or version.reason,
        )
        return Event(version.loaded_at, data)
