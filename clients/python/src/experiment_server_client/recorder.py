"""Records of a program for its participants: one queue for each, and their end with the program."""

from __future__ import annotations

import atexit
import os
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path

from experiment_server_client.http_api import HttpApi
from experiment_server_client.record_files import RecordFolder
from experiment_server_client.record_queue import RecordQueue
from experiment_server_client.record_sender import RecordSender
from experiment_server_client.records import (
    RecordContext,
    RecordProblem,
    RecordWarning,
    report_exception,
)
from experiment_server_client.values import JsonValue

OnRecordProblem = Callable[[RecordProblem], None]

# The time in which a closed client, and a program that ends, send what still waits.
CLOSE_TIMEOUT_S = 3.0

# The time that the end of a block waits for the records of the block.
FINISH_TIMEOUT_S = 3.0


class Recorder:
    """The queues of records of a client; its methods may be called by any thread.

    They store records in `storage`. Problems are told to `on_problem`, or are warnings.
    """

    def __init__(self, api: HttpApi, storage: Path, on_problem: OnRecordProblem | None) -> None:
        self._api = api
        self._storage = storage
        self._on_problem = on_problem
        self._lock = threading.RLock()
        self._queues: dict[int, tuple[RecordQueue, RecordSender]] = {}
        self._process = os.getpid()
        self._closed = False

    @property
    def unsent(self) -> int:
        """The number of records that wait, of all participants."""
        return sum(queue.unsent for queue, _ in self._own.values())

    def start(self, participant_index: int) -> None:
        """Send what earlier runs of the program have left for a participant."""
        if participant_index not in self._own:
            self._queue(participant_index)

    def record(
        self, snapshot: Mapping[str, JsonValue], table: str, data: Mapping[str, JsonValue]
    ) -> None:
        """Store a record on the device, to be sent; raises StudyError."""
        context = RecordContext.of(snapshot)
        queue, sender = self._queue(context.participant_index)
        _open.add(self)
        queue.add(context, table, data, sender.clock_offset_ms)
        sender.start()

    def arrived(self, participant_index: int, block_id: int) -> Future[bool] | None:
        """Done when the server has the records of a block; None if none was recorded."""
        found = self._own.get(participant_index)
        return found[1].arrived(block_id) if found else None

    def all_arrived(self) -> list[Future[bool]]:
        """Each is done when the server has all records of a participant."""
        return [sender.arrived() for _, sender in list(self._own.values())]

    def hurry(self) -> None:
        """Send without a further pause, because the server answers again."""
        for _, sender in list(self._own.values()):
            sender.hurry_if_unreachable()

    def close(self, timeout: float = CLOSE_TIMEOUT_S) -> None:
        """Send what waits, if the server answers, and close the queues."""
        own = self._own
        with self._lock:
            self._closed = True
            queues = list(own.values())
        _open.discard(self)
        until = time.monotonic() + timeout
        for _, sender in queues:
            sender.finish()
        for queue, sender in queues:
            sender.join(max(0, until - time.monotonic()))
            queue.close()

    def _queue(self, participant_index: int) -> tuple[RecordQueue, RecordSender]:
        own = self._own
        found = own.get(participant_index)
        if found is None:
            with self._lock:
                found = own.get(participant_index) or self._new(participant_index)
                own[participant_index] = found
        return found

    def _new(self, participant_index: int) -> tuple[RecordQueue, RecordSender]:
        folder = RecordFolder(self._storage, self._api.url, participant_index)
        queue = RecordQueue(folder, self._report)
        sender = RecordSender(queue, self._api, participant_index, self._report)
        if self._closed:
            queue.close()
        elif queue.unsent:
            sender.start()
            _open.add(self)
        return queue, sender

    @property
    def _own(self) -> dict[int, tuple[RecordQueue, RecordSender]]:
        """The queues of this process; after a fork, the parent has the others and their threads."""
        if self._process != os.getpid():
            for queue, _ in self._queues.values():
                queue.leave_to_parent()
            self._lock, self._queues, self._process = threading.RLock(), {}, os.getpid()
        return self._queues

    def _report(self, problem: RecordProblem) -> None:
        if self._on_problem is not None:
            try:
                self._on_problem(problem)
            except Exception as error:  # noqa: BLE001 - a record is kept also then
                report_exception(error)
        else:
            warnings.warn(problem.message, RecordWarning, stacklevel=2)


# Those with records, whose program may end before they are closed.
_open: set[Recorder] = set()


@atexit.register
def _close_all() -> None:
    until = time.monotonic() + CLOSE_TIMEOUT_S
    for recorder in list(_open):
        recorder.close(max(0, until - time.monotonic()))
