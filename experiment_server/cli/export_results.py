"""Exports tables of results as CSV, with the context of every record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby, islice
from typing import TextIO

from sqlalchemy import Connection

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
from experiment_server.study.parse import parse
from experiment_server.wire.events import Moved
from experiment_server.wire.results import StoredRecord
from experiment_server.wire.tables import csv_heading, csv_lines

_PAGE = 1000


class ResultTables:
    """The tables of results of one session, by name with their numbers of records."""

    def __init__(self, connection: Connection, session: int, name: str) -> None:
        self._connection = connection
        self._session = session
        self._name = name
        self.counts: dict[str, int] = {}
        for item in result_records.counts(connection, session):
            self.counts[item.table] = self.counts.get(item.table, 0) + item.records

    def write(self, table: str, out: TextIO) -> None:
        """Write a table as CSV; reads it twice, because the first line contains the columns."""
        columns = Columns()
        studies = {
            version.version: parse(version.source).study
            for version in records.versions(self._connection, self._session)
        }
        columns.take(self._rows(table, studies))
        layout = columns.layout()
        out.write(csv_heading(layout.columns, formula_safe=False))
        rows = progress(self._rows(table, studies), table, self.counts[table])
        while page := list(islice(rows, _PAGE)):
            out.write(csv_lines(map(layout.cells, page), layout.columns, formula_safe=False))

    def _rows(self, table: str, studies: Mapping[int, Study | None]) -> Iterator[StoredRecord]:
        found = result_records.all_records(self._connection, self._session, table)
        for index, kept in groupby(found, lambda item: item.key.participant_index):
            participant = self._participant(index)
            for item in kept:
                yield self._row(participant, item, studies)

    @staticmethod
    def _row(
        participant: Participant, kept: KeptRecord, studies: Mapping[int, Study | None]
    ) -> StoredRecord:
        return in_context(
            participant,
            kept.record,
            kept.received_at,
            lambda stay: levels_in(studies.get(stay.version), stay.name),
        )

    def _participant(self, index: int) -> Participant:
        state = records.state(self._connection, self._session, index)
        moves = records.all_moves(self._connection, self._session, index)
        stays = Stays([entry.data_as(Moved) for entry in moves])
        return Participant(index, self._name, row_of(state) if state else index, stays)
