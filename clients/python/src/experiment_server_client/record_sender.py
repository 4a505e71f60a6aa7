"""Sends the records of one participant, in a thread of its own."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime

from experiment_server_client.http_api import Answer, HttpApi, api_path, failure
from experiment_server_client.record_queue import BATCH_MAX_RECORDS, Batch, RecordQueue
from experiment_server_client.records import Record, RecordProblem, report_exception
from experiment_server_client.values import JsonObject, JsonValue

# The pause after a batch, in which records for the next one gather.
_GATHER_S = 0.05

# The pause after a failure doubles from the first to the second, and is up to a half shorter.
_RETRY_DELAYS_S = (0.25, 15.0)

# Acknowledgements from which the offset of the clock is estimated.
_EXCHANGES = 8

# Errors that are over some time without anybody's help.
_TRANSIENT_STATUSES = frozenset({408, 429})


class RecordSender:
    """Sends what waits in a queue, and sends it again until the server has it.

    The thread starts when there is something to send.
    """

    def __init__(
        self,
        queue: RecordQueue,
        api: HttpApi,
        participant_index: int,
        report: Callable[[RecordProblem], None],
    ) -> None:
        self._queue = queue
        self._api = api
        self._path = api_path("results", participant_index)
        self._report = report
        self._thread: threading.Thread | None = None
        self._not_before = 0.0
        self._delay = _RETRY_DELAYS_S[0]
        self._finishing = False
        self._most = BATCH_MAX_RECORDS
        self._unreachable = False
        self._exchanges: deque[tuple[float, float]] = deque(maxlen=_EXCHANGES)
        self.clock_offset_ms: float | None = None
        """Milliseconds to add to this clock to get the server's; None if it is not known."""
        self._reported = 0
        self._refusal = ""

    def start(self) -> None:
        """Start the thread, if it does not run."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="experiment-records", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return  # The interpreter ends; the next start sends what is stored.
            self._thread = thread

    def hurry(self) -> None:
        """Send without a further pause."""
        with self._queue.changed:
            self._not_before, self._delay = 0.0, _RETRY_DELAYS_S[0]
            self._queue.changed.notify_all()

    def hurry_if_unreachable(self) -> None:
        """Send without a further pause, if the pause is for a server that did not answer."""
        if self._unreachable:
            self.hurry()

    def arrived(self, block_id: int | None = None) -> Future[bool]:
        """As that of the queue; sends without a further pause."""
        arrived = self._queue.arrived(block_id)
        if not arrived.done():
            self.hurry()
        return arrived

    def finish(self) -> None:
        """End the thread when the server has all records, or does not answer."""
        with self._queue.changed:
            self._finishing = True
            self._queue.changed.notify_all()

    def join(self, timeout: float) -> None:
        """Wait for the end of the thread."""
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while self._wait():
            try:
                batch = self._queue.next_batch(self._most)
                arrived = self._handle(batch, *self._send(batch))
            except Exception as error:  # noqa: BLE001 - the thread must not end
                report_exception(error)
                arrived = self._back_off()
            if self._finishing and not arrived:
                return

    def _wait(self) -> bool:
        """Wait until there is something to send; False if the thread shall end."""
        queue = self._queue
        with queue.changed:
            while not queue.closed:
                something = queue.unsent or self._reported
                pause = self._not_before - time.monotonic()
                if something and (pause <= 0 or self._finishing):
                    return True
                if self._finishing:
                    return False
                queue.changed.wait(pause if something else None)
        return False

    def _send(self, batch: Batch) -> Answer:
        sent_at, started = time.time(), time.perf_counter()
        ok, data = self._api.ask(
            "POST", self._path, headers={"Content-Type": "application/json"}, body=batch.body
        )
        if ok:
            if not (isinstance(data, dict) and data.keys() >= {"accepted", "known"}):
                return False, failure("unreachable", f"another program answered: {data!r:.80}")
            self._note_clock(data.get("server_time"), sent_at, time.perf_counter() - started)
        return ok, data

    def _handle(self, batch: Batch, ok: bool, data: JsonValue) -> bool:
        """Remove what the server has or refuses for ever; whether anything came of it."""
        if ok:
            self._unreachable, self._refusal = False, ""
            self._reported = batch.unsent
            self._queue.remove(batch.records)
            gather = not self._queue.somebody_waits
            self._pause(_GATHER_S if gather else 0)
            self._delay = _RETRY_DELAYS_S[0]
            self._most = min(2 * self._most, BATCH_MAX_RECORDS)
            return True
        refused = _refused(batch, data)
        if refused:
            self._queue.set_aside(refused, data)
            return True
        if _is_about_a_record(data) and len(batch.records) > 1:
            # The error names no record: smaller batches find it.
            self._most = len(batch.records) // 2
            return True
        self._unreachable = data["code"] == "unreachable"
        if not self._unreachable:
            self._queue.postpone(batch.table)
            self._report_refusal(data)
        return self._back_off()

    def _back_off(self) -> bool:
        self._pause(self._delay * random.uniform(0.5, 1))
        self._delay = min(2 * self._delay, _RETRY_DELAYS_S[1])
        return False

    def _pause(self, seconds: float) -> None:
        with self._queue.changed:
            self._not_before = time.monotonic() + seconds

    def _report_refusal(self, data: JsonObject) -> None:
        status = data["status"]
        waits = 400 <= status < 500 and status not in _TRANSIENT_STATUSES
        if waits and self._refusal != data["code"]:
            self._refusal = data["code"]
            message = (
                f"records wait on the device, because the server refuses them: {data['message']}"
            )
            self._report(RecordProblem("refused", message))

    def _note_clock(self, server_time: JsonValue, sent_at: float, round_trip: float) -> None:
        try:
            server = datetime.fromisoformat(str(server_time).replace("Z", "+00:00")).timestamp()
        except ValueError:
            return
        self._exchanges.append((round_trip, 1000 * (server - sent_at - round_trip / 2)))
        self.clock_offset_ms = min(self._exchanges)[1]


def _refused(batch: Batch, data: JsonObject) -> Record | None:
    """The record that the server will never accept, if the error is about one."""
    for record in batch.records:
        if record.record_id == data.get("record_id"):
            return record
    return batch.records[0] if len(batch.records) == 1 and _is_about_a_record(data) else None


def _is_about_a_record(data: JsonObject) -> bool:
    """Whether an error is about some record, and not about the whole request."""
    return data["code"] == "parameter-invalid" and "records[" in data["message"]
