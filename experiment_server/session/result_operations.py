"""The operations on the results of a session: records sent by apps, and their tables."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable

from experiment_server.errors import RecordConflict, RecordInvalid, RecordTooLarge
from experiment_server.session.operations import EVERYBODY, Table, operation
from experiment_server.session.parameters import (
    FormulaSafe,
    Latest,
    OnlyParticipant,
    OwnParticipant,
    RecordedTable,
    Records,
    TableName,
    Unsent,
)
from experiment_server.session.requests import Request
from experiment_server.session.running import RunningSession
from experiment_server.wire.results import RecordsKept, ResultTable, StoredRecord
from experiment_server.wire.tables import Layout


class ResultOperations(RunningSession):
    """The operations on the results of a session."""

    @operation(
        "POST", "Keep records of results, each once", roles=EVERYBODY, path="results",
        refusals=(RecordInvalid, RecordTooLarge, RecordConflict),
    )  # fmt: skip
    async def record(
        self,
        request: Request,
        participant_index: OwnParticipant,
        table: RecordedTable,
        records: Records,
        unsent: Unsent,
    ) -> RecordsKept:
        """Keep records of a participant, each once, however often it is sent."""
        return await self._results.record(request, participant_index, table, records, unsent)

    @operation("GET", "The tables of results, and how many records they have", path="results")
    async def result_tables(self, _request: Request) -> list[ResultTable]:
        """The tables of results."""
        return await self._results.tables()

    def _record_pages(
        self, table: str, participant: int | None, latest: int | None, _formula_safe: bool
    ) -> AsyncIterator[list[StoredRecord]]:
        return self._results.pages(table, participant, latest)

    def _record_layout(
        self, table: str, participant: int | None, latest: int | None, formula_safe: bool
    ) -> Awaitable[Layout]:
        return self._results.layout(table, participant, latest, formula_safe=formula_safe)

    @operation(
        "GET", "The records of a table of results", path="results", refusals=(RecordInvalid,),
        table=Table(_record_layout, _record_pages),
    )  # fmt: skip
    async def results(
        self,
        _request: Request,
        table: TableName,
        participant: OnlyParticipant,
        latest: Latest,
        formula_safe: FormulaSafe,
    ) -> list[StoredRecord]:
        """The records of a table, each participant's together, or the latest ones."""
        pages = self._results.pages(table, participant, latest)
        return [record async for page in pages for record in page]
