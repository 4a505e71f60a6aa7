"""The tables of results, each with its columns and the context of every record."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from sqlalchemy import Connection

from experiment_server.cli.exporting.columns import (
    OF_APP,
    OF_SERVER,
    OF_STUDY,
    Column,
    Kind,
    TableFacts,
    declared_columns,
)
from experiment_server.cli.exporting.people import Version
from experiment_server.cli.exporting.row_draft import RowDraft
from experiment_server.cli.output import progress
from experiment_server.participants.result_tables import (
    Columns,
    Participant,
    Stays,
    in_context,
    levels_in,
)
from experiment_server.participants.state import row_of
from experiment_server.store import records, result_records
from experiment_server.store.result_records import KeptRecord
from experiment_server.study.model import Study
from experiment_server.wire.events import Moved
from experiment_server.wire.results import StoredRecord
from experiment_server.wire.values import JsonObject


class ResultTables:
    """The tables of results of one session."""

    def __init__(
        self,
        connection: Connection,
        session: int,
        name: str,
        versions: Sequence[Version],
        folder: Path,
    ) -> None:
        self._folder = folder
        self._connection = connection
        self._session = session
        self._name = name
        self._studies = {version.number: version.study for version in versions}
        self.by_participant: dict[int, dict[str, int]] = {}
        self.counts: dict[str, int] = {}
        for item in result_records.counts(connection, session):
            own = self.by_participant.setdefault(item.participant_index, {})
            for counts in (own, self.counts):
                counts[item.table] = counts.get(item.table, 0) + item.records

    def read(self, table: str) -> tuple[list[Column], TableFacts, Iterator[JsonObject]]:
        """The columns of a table, the facts of their values, and its rows.

        The columns and their types are known at the end of the table only; meanwhile its rows are
        in a temporary file, which is faster to read again than the database.
        """
        columns, draft = Columns(), RowDraft(self._folder)
        facts, of_data = TableFacts(), TableFacts()
        count = self.counts[table]
        for record in progress(self._records(table), f"{table}: columns", count):
            row = columns.add(record)
            facts.take(row.named())
            of_data.take(row.data)
            draft.add(row)
        facts.include(of_data, columns.data)
        rows = map(columns.cells_of_rows(), progress(draft.rows(), table, count))
        return _described(columns.layout().columns, columns.factors, facts), facts, rows

    def _records(self, table: str) -> Iterator[StoredRecord]:
        found = result_records.all_records(self._connection, self._session, table)
        for index, kept in groupby(found, lambda item: item.key.participant_index):
            participant = self._participant(index)
            for item in kept:
                yield _in_context(participant, item, self._studies)

    def _participant(self, index: int) -> Participant:
        state = records.state(self._connection, self._session, index)
        moves = records.all_moves(self._connection, self._session, index)
        stays = Stays([entry.data_as(Moved) for entry in moves])
        return Participant(index, self._name, row_of(state) if state else index, stays)


def _in_context(
    participant: Participant, kept: KeptRecord, studies: Mapping[int, Study | None]
) -> StoredRecord:
    return in_context(
        participant,
        kept.record,
        kept.received_at,
        lambda stay: levels_in(studies.get(stay.version), stay.name),
    )


def _described(names: Iterable[str], factors: Container[str], facts: TableFacts) -> list[Column]:
    context = declared_columns(StoredRecord, f"{OF_SERVER}: context of the record")
    described = []
    for name in names:
        if name in factors:
            of_study = f"{OF_STUDY}: factor"
            described.append(
                Column(name, of_study, facts.of(name).kind, "The block's level of this factor.")
            )
        elif name in context:
            described.append(context[name])
        elif name == "more_data":
            described.append(
                Column(name, OF_APP, Kind.JSON, "The data beyond the largest number of columns.")
            )
        else:
            described.append(Column(name, OF_APP, facts.of(name).kind, ""))
    return described
