"""The numbers of records in memory: of stored ones, and of those that wait on the devices."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from experiment_server.limits.session import DASHBOARD_RESULTS_MAX
from experiment_server.session.turns import in_turns
from experiment_server.store.result_records import RecordCount
from experiment_server.wire.results import (
    BlockCount,
    ParticipantResults,
    ResultsChanged,
    ResultTable,
    TableBlockCount,
)

TableBlock: TypeAlias = tuple[str, int]
"""A table and a block's id."""

CountKey: TypeAlias = tuple[int, str, int]
"""A participant's index, a table and a block's id."""


class Counts:
    """The numbers of stored records by block, and their sums by participant."""

    def __init__(self) -> None:
        self.by_block: Counter[CountKey] = Counter()
        self.of_participants: Counter[int] = Counter()
        self.tables: set[str] = set()

    @classmethod
    async def of(cls, found: Iterable[RecordCount]) -> Counts:
        """The numbers that were read; other tasks run in between."""
        counts = cls()
        async for item in in_turns(found):
            counts.add(item[:3], item.records)
        return counts

    def add(self, key: CountKey, records: int = 1) -> None:
        """Add to the number of a block's records."""
        index, table, _ = key
        self.by_block[key] += records
        self.of_participants[index] += records
        self.tables.add(table)


class _Report(NamedTuple):
    records: int
    since: str


class UnsentReports:
    """The latest number of unsent records that each participant's apps have reported."""

    def __init__(self) -> None:
        self._reports: dict[int, _Report] = {}

    def report(self, participant_index: int, records: int, now: str) -> bool:
        """Keep a report; returns whether it differs from the one before."""
        before = self._reports.get(participant_index)
        if records == (before.records if before else 0):
            return False
        if records:
            self._reports[participant_index] = _Report(records, before.since if before else now)
        else:
            del self._reports[participant_index]
        return True

    def participants(self) -> Collection[int]:
        """The indices of participants whose apps have unsent records."""
        return self._reports.keys()

    def of(self, participant_index: int) -> tuple[int, str | None]:
        """The number of unsent records, and the time since when there are any."""
        return self._reports.get(participant_index, (0, None))


async def result_tables(counts: Counts) -> list[ResultTable]:
    """The tables, with the numbers of their records by participant and block."""
    by_table: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    async for (index, table, block_id), count in in_turns(list(counts.by_block.items())):
        by_table[table].append((index, block_id, count))
    tables = []
    for table, found in sorted(by_table.items()):
        found.sort()
        blocks = [BlockCount(*item) async for item in in_turns(found)]
        tables.append(ResultTable(table, sum(item[2] for item in found), blocks))
    return tables


def result_pages(counts: Counts, unsent: UnsentReports) -> Iterator[list[ParticipantResults]]:
    """The numbers of all participants who have records or whose apps have unsent ones.

    In pages that fit into one message.
    """
    indices = sorted({*counts.of_participants, *unsent.participants()})
    for start in range(0, len(indices), DASHBOARD_RESULTS_MAX):
        page = indices[start : start + DASHBOARD_RESULTS_MAX]
        yield [_of(index, counts, unsent) for index in page]


def changed_results(
    changed: Mapping[int, Collection[TableBlock]], counts: Counts, unsent: UnsentReports
) -> ResultsChanged:
    """The numbers of some participants, and of some of their blocks."""
    return ResultsChanged(
        [_of(index, counts, unsent) for index in sorted(changed)],
        [
            TableBlockCount(index, block_id, counts.by_block[index, table, block_id], table=table)
            for index in sorted(changed)
            for table, block_id in sorted(changed[index])
        ],
    )


def _of(index: int, counts: Counts, unsent: UnsentReports) -> ParticipantResults:
    return ParticipantResults(index, counts.of_participants.get(index, 0), *unsent.of(index))
