"""The operations on a session's study: its file, its versions, its check and its design report."""

from __future__ import annotations

from experiment_server.errors import (
    PreconditionMissing,
    StudyFileUnreadable,
    StudyInvalid,
    StudyStale,
    StudyTooLarge,
    VersionUnknown,
)
from experiment_server.session.operations import REASON, operation
from experiment_server.session.parameters import (
    EditedDigest,
    ListedOrders,
    ReportedParticipants,
    StudyText,
    TableTexts,
    VersionIfAny,
    VersionNumber,
)
from experiment_server.session.requests import Request
from experiment_server.session.running import RunningSession
from experiment_server.study.schema import json_schema
from experiment_server.study.source import digest_of
from experiment_server.wire.study import DesignReport, StudyInfo, StudyTexts, Verified
from experiment_server.wire.values import JsonObject


class StudyOperations(RunningSession):
    """The operations on a session's study."""

    @operation("GET", "The study's name, diagnostics and versions")
    async def study(self, _request: Request) -> StudyInfo:
        """The study's name, diagnostics and versions."""
        return self.study_file.info()

    @operation(
        "GET", "The study file on disk",
        media_type="text/plain", path="study/toml", tag=digest_of, refusals=(StudyFileUnreadable,),
    )  # fmt: skip
    async def study_text(self, _request: Request) -> str:
        """The study file on disk."""
        return await self.study_file.read()

    @operation(
        "GET", "The study file and its tables, as they are on disk or were in a version",
        path="study/source", refusals=(StudyFileUnreadable, VersionUnknown),
    )  # fmt: skip
    async def study_source(self, _request: Request, version: VersionIfAny) -> StudyTexts:
        """The study file and its tables, as they are on disk or were in a version."""
        return await self.study_file.texts(version)

    @operation(
        "PUT", "Write the study file, and serve it", context=(REASON,), path="study/toml",
        refusals=(PreconditionMissing, StudyStale, StudyInvalid),
    )  # fmt: skip
    async def save_study(
        self,
        request: Request,
        text: StudyText,
        made_from: EditedDigest,
        tables: TableTexts,
    ) -> StudyInfo:
        """Write the study file, and the tables that are given, and serve it."""
        async with self._idempotency.once(request, StudyInfo) as answered:
            return answered or await self._save(request, text, made_from, tables)

    @operation(
        "GET", "The text of a study version",
        media_type="text/plain", path="study/versions", refusals=(VersionUnknown,),
    )  # fmt: skip
    async def study_version(self, _request: Request, version: VersionNumber) -> str:
        """The text of a study version."""
        return self.study_file.version_text(version)

    @operation("GET", "The JSON Schema of a study file, for editors")
    async def schema(self, _request: Request) -> JsonObject:
        """The JSON Schema of a study file."""
        return json_schema()

    @operation("POST", "Check a study, and report whom serving it would affect")
    async def verify(
        self,
        _request: Request,
        text: StudyText,
        participants: ListedOrders,
        tables: TableTexts,
    ) -> Verified:
        """Check a study, and report whom serving it would affect."""
        return await self.study_file.verify(text, participants, tables)

    @operation("GET", "The design report of the served study", refusals=(StudyTooLarge,))
    async def design(self, _request: Request, participants: ReportedParticipants) -> DesignReport:
        """The design report of the served study."""
        return await self.study_file.design(participants)
