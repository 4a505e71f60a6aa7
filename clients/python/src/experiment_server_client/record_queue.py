"""The records of one participant that wait for the server, in memory and on the device."""

from __future__ import annotations

import itertools
import secrets
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from experiment_server_client.errors import StudyError
from experiment_server_client.record_files import RecordFile, RecordFolder
from experiment_server_client.records import Record, RecordContext, RecordProblem, new_record
from experiment_server_client.values import JsonObject, JsonValue

BATCH_MAX_RECORDS = 100
_BATCH_MAX_BYTES = 100_000


class Batch(NamedTuple):
    """Records of one table that are sent together; `unsent` is the number of those after them."""

    table: str
    records: list[Record]
    unsent: int

    @property
    def body(self) -> bytes:
        """The body of the request."""
        records = ",".join(record.text for record in self.records)
        return f'{{"table":"{self.table}","records":[{records}],"unsent":{self.unsent}}}'.encode()


class _Arrival(NamedTuple):
    """Somebody who waits until the server has all records, or those of a block."""

    future: Future[bool]
    block_id: int | None


class RecordQueue:
    """Keeps records until the server has them; its methods may be called by any thread.

    `changed` is notified when there is more to send. `report` is told of problems.
    """

    def __init__(self, folder: RecordFolder, report: Callable[[RecordProblem], None]) -> None:
        self.changed = threading.Condition()
        self.closed = False
        self._report = report
        self._folder = folder
        self._run = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        self._tables: OrderedDict[str, OrderedDict[str, Record]] = OrderedDict()
        self._of_blocks: Counter[int] = Counter()
        self._unsent = 0
        self._arrivals: list[_Arrival] = []
        self._file: RecordFile | None = None
        self._taken_over: list[RecordFile] = []
        self._only_in_memory: dict[str, Record] = {}
        self._storage_fails = False
        for path in folder.left_behind():
            self._take_over(path)

    @property
    def unsent(self) -> int:
        """The number of records that wait."""
        return self._unsent

    def add(
        self,
        context: RecordContext,
        table: str,
        data: Mapping[str, JsonValue],
        clock_offset_ms: float | None,
    ) -> None:
        """Store a record on the device, to be sent; raises StudyError."""
        record_id = f"{self._run}-{next(self._numbers)}"
        record = new_record(record_id, context, table, data, clock_offset_ms)
        with self.changed:
            if self.closed:
                raise StudyError("closed", "the client is closed")
            self._enqueue(record)
            problem = self._store(record)
            self.changed.notify_all()
        if problem:
            self._report(problem)

    def next_batch(self, most: int = BATCH_MAX_RECORDS) -> Batch:
        """The records to send next, at most so many; none if no record waits."""
        with self.changed:
            for table, waiting in self._tables.items():
                records: list[Record] = []
                size = 0
                for record in waiting.values():
                    size += len(record.text.encode())
                    if records and (size > _BATCH_MAX_BYTES or len(records) == most):
                        break
                    records.append(record)
                return Batch(table, records, self.unsent - len(records))
        return Batch("trials", [], 0)

    def postpone(self, table: str) -> None:
        """Send the records of other tables first."""
        with self.changed:
            if table in self._tables:
                self._tables.move_to_end(table)

    def remove(self, records: Iterable[Record]) -> None:
        """Forget records that the server has."""
        with self.changed:
            self._forget(records)
            self._remove_from_files({record.record_id for record in records})
            arrived = self._due()
        for arrival in arrived:
            _settle(arrival.future, True)

    def set_aside(self, record: Record, error: JsonObject) -> None:
        """Move a record that the server will never accept to a file of its own."""
        message = f"the server refuses a record of the table {record.table}: {error['message']}"
        try:
            path = self._folder.set_aside(self._run, record, error)
        except OSError as problem:
            # It stays in the queue's file, so that the next start tries again.
            message += f". It could not be stored apart: {problem}"
            with self.changed:
                self._forget([record])
                arrived = self._due()
            for arrival in arrived:
                _settle(arrival.future, True)
        else:
            message += f". It is in {path}"
            self.remove([record])
        self._report(RecordProblem("set-aside", message, record.content["data"]))

    def arrived(self, block_id: int | None = None) -> Future[bool]:
        """Done when the server has all records, or those of a block; False if it is closed."""
        arrival = _Arrival(Future(), block_id)
        with self.changed:
            self._arrivals.append(arrival)
            due = [arrival] if self.closed else self._due()
        for other in due:
            _settle(other.future, not self.closed)
        return arrival.future

    @property
    def somebody_waits(self) -> bool:
        """Whether somebody waits for an arrival."""
        return bool(self._arrivals)

    def close(self) -> None:
        """Close the files; what waits in them is sent at the next start."""
        with self.changed:
            if self.closed:
                return
            self.closed = True
            arrivals, self._arrivals = self._arrivals, []
            lost = len(self._only_in_memory)
            for file in self._files:
                with suppress(OSError):
                    file.close()
            self._file, self._taken_over = None, []
            self.changed.notify_all()
        for arrival in arrivals:
            _settle(arrival.future, False)
        self._folder.tidy()
        if lost:
            message = f"{lost} records are lost: they could neither be stored nor sent"
            self._report(RecordProblem("storage", message))

    def leave_to_parent(self) -> None:
        """In a forked process: close the files as they are."""
        for file in self._files:
            with suppress(OSError):
                file.release()

    @property
    def _files(self) -> list[RecordFile]:
        return [*self._taken_over, *([self._file] if self._file else [])]

    def _take_over(self, path: Path) -> None:
        try:
            file = self._folder.take_over(path)
            if file is None:
                return
            records = file.read()
        except OSError as error:
            message = f"records in {path} cannot be read, and are not sent: {error}"
            self._report(RecordProblem("storage", message))
            return
        if not records:
            file.close()
            return
        self._taken_over.append(file)
        for record in records:
            self._enqueue(record)

    def _enqueue(self, record: Record) -> None:
        self._tables.setdefault(record.table, OrderedDict())[record.record_id] = record
        self._of_blocks[record.block_id] += 1
        self._unsent += 1

    def _forget(self, records: Iterable[Record]) -> None:
        for record in records:
            waiting = self._tables.get(record.table, OrderedDict())
            if waiting.pop(record.record_id, None):
                self._of_blocks[record.block_id] -= 1
                self._unsent -= 1
            if not waiting:
                self._tables.pop(record.table, None)
            self._only_in_memory.pop(record.record_id, None)

    def _store(self, record: Record) -> RecordProblem | None:
        """Write a record to the device; the problem, if it is new."""
        backlog = self._only_in_memory
        backlog[record.record_id] = record
        try:
            if self._file is None:
                self._file = self._folder.create(self._run)
            # The newest first: it shows whether the device can store records again.
            self._file.add(record)
            del backlog[record.record_id]
            while backlog:
                unstored = next(iter(backlog.values()))
                self._file.add(unstored)
                del backlog[unstored.record_id]
        except OSError as error:
            if self._storage_fails:
                return None
            self._storage_fails = True
            return RecordProblem(
                "storage",
                f"records cannot be stored in {self._folder.path}, and are only in memory until "
                f"they are sent: {error}",
            )
        self._storage_fails = False
        return None

    def _remove_from_files(self, record_ids: set[str]) -> None:
        for file in self._files:
            # Otherwise the next start sends the records again, and the server knows them.
            with suppress(OSError):
                file.remove(record_ids)
        for file in [file for file in self._taken_over if file.is_empty]:
            self._taken_over.remove(file)
            with suppress(OSError):
                file.close()

    def _due(self) -> list[_Arrival]:
        """Remove and return those whose records have arrived."""
        due = [
            arrival
            for arrival in self._arrivals
            if not (self.unsent if arrival.block_id is None else self._of_blocks[arrival.block_id])
        ]
        self._arrivals = [arrival for arrival in self._arrivals if arrival not in due]
        return due


def _settle(future: Future[bool], result: bool) -> None:
    # Whoever waited may have given up.
    if future.set_running_or_notify_cancel():
        future.set_result(result)
