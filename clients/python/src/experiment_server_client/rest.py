"""The synchronous client, which uses REST and makes one call at a time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import wait
from typing import overload

from experiment_server_client.address import server_url
from experiment_server_client.changes import Change, Changes
from experiment_server_client.errors import StudyError
from experiment_server_client.http_api import Answer, HttpApi, api_path, failure
from experiment_server_client.record_files import storage_folder
from experiment_server_client.recorder import FINISH_TIMEOUT_S, OnRecordProblem, Recorder
from experiment_server_client.records import table_and_data
from experiment_server_client.snapshot import Place, RecordingSnapshot
from experiment_server_client.values import JsonValue

# A block by its `block_id`, or by the snapshot of a participant who is in it.
BlockReference = int | Mapping[str, JsonValue]

# The interval of requests while a program waits; people do not notice a shorter one.
_POLL_INTERVAL_S = 0.25

# Errors after which the end of a block is tried again.
_RETRIED = frozenset({"unreachable", "store-unavailable", "limit-reached", "internal-error"})


class Block(RecordingSnapshot):
    """A snapshot of a Client, as a dictionary that records results and moves on from its block."""

    def __init__(
        self,
        members: Mapping[str, JsonValue],
        recorder: Recorder,
        client: Client,
        participant_index: int | None,
        closed: threading.Event,
    ) -> None:
        super().__init__(members, recorder)
        self._client = client
        self._participant_index = participant_index
        self._closed = closed

    def finish(self) -> Answer:
        """Wait at most 3 seconds for the records of this block, and move to the next one.

        Records that have not arrived then are sent later. Repeats the move, which is made once,
        until the server answers or the client is closed. Returns as `move_to_next` with this block
        as `from_block`.
        """
        arrived = self._arrived()
        if arrived is not None:
            wait([arrived], FINISH_TIMEOUT_S)
        while True:
            ok, data = self._client.move_to_next(self._participant_index, from_block=self)
            if ok or data["code"] not in _RETRIED or self._closed.wait(_POLL_INTERVAL_S):
                return ok, data


class Client:
    """Calls a server for a participant's program; methods return `(ok, data)`.

    `data` is the server's JSON. If `ok` is false, it is `{"message", "code", "status"}`, and the
    message begins with the status: "status 406 with text: ...". If no server answered, the code is
    "unreachable", and `status` is 0, or the status of a proxy that answered instead. Without
    `participant_index`, the server's default participant is meant. Servers that other machines can
    reach require a `token`.

    `server_host` is a host or a URL, `Client("https://lab.example.org")`; a URL has its own port.
    Raises StudyError (`address-invalid`) for any other text.

    A call waits `timeout` seconds for its answer, and is repeated `retries` times if there is none.
    The server makes each change once, because each has a key. This also holds if the program
    repeats an unanswered call, unless it has read the participant's state or config in between.

    Records (`record`, `block.record`) are stored on the device, in the folder `storage`, by default
    `unsent-records` beside the script, and sent in the background by a thread. That thread calls
    `on_record_problem`; without it, problems are warnings.
    """

    def __init__(
        self,
        server_host: str = "127.0.0.1",
        server_port: str | int | None = None,
        timeout: float = 5.0,
        token: str | None = None,
        *,
        retries: int = 2,
        storage: str | os.PathLike[str] | None = None,
        on_record_problem: OnRecordProblem | None = None,
    ) -> None:
        self._api = HttpApi(_url(server_host, server_port), token, timeout)
        self._retries = retries
        self._recorder = Recorder(self._api, storage_folder(storage), on_record_problem)
        self._last: dict[int | None, Block] = {}
        self._changes = Changes(self._ask, retries)
        self._closed = threading.Event()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End recording: send waiting records for at most 3 seconds; the next start sends the rest.

        The end of the program does the same. Other threads no longer wait in `wait_for_block`,
        which returns not ok (`closed`), in `blocks`, which ends, and in `block.finish`.
        """
        self._closed.set()
        self._recorder.close()

    def server_is_active(self, participant_index: int | None = None) -> Answer:
        """Whether the participant is in a block."""
        return self._read("active", participant_index)

    def get_config(self, participant_index: int | None = None) -> Answer:
        """The current block's config; not ok before the first block and after the last."""
        ok, config = self._read("config", participant_index)
        if ok:
            last = self._last.get(participant_index)
            if last is not None and last["block_id"] != config["block_id"]:
                # What is recorded from now on is not of that block.
                del self._last[participant_index]
            self._changes.note_place(participant_index, Place(config["block_id"]))
        return ok, config

    def get_all_configs(self, participant_index: int | None = None) -> Answer:
        """The configs of all the participant's blocks, in order."""
        return self._read("all-configs", participant_index)

    def get_blocks_count(self, participant_index: int | None = None) -> Answer:
        """The number of the participant's blocks."""
        return self._read("blocks-count", participant_index)

    def get_state(self, participant_index: int | None = None) -> Answer:
        """The participant's snapshot, with their position, config and revision."""
        return self._state(participant_index, self._retries)

    def wait_for_block(
        self,
        participant_index: int | None = None,
        *,
        after: BlockReference | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Wait until the participant is in a block, and return their snapshot.

        With `after`, the snapshot of the finished block, wait until they are in another block, have
        started the same block again, or are past the last one. A `block_id` as `after` cannot
        detect a second start of the same block. If the server does not answer, the method continues
        to wait. After `timeout` seconds it returns not ok, with the code "timeout"; with None it
        waits without a limit.
        """
        left = _place(after)
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            ok, state = self._state(participant_index, 0)
            if ok and state["block_id"] >= 0 and not _is_at(state, left):
                return True, state
            if not ok and state["code"] != "unreachable":
                return False, state
            if until is not None and time.monotonic() >= until:
                return False, failure("timeout", f"no block within {timeout:g} seconds")
            if self._closed.wait(_POLL_INTERVAL_S):
                return False, failure("closed", "the client is closed")

    def blocks(self, participant_index: int | None = None) -> Iterator[Block]:
        """Wait for each block that the participant enters, from the current one to the last.

        Each has `record` and `finish`. Ends when the client is closed. Raises StudyError if the
        server refuses.
        """
        ok, block = self.wait_for_block(participant_index)
        while ok and block["active"]:
            yield block
            ok, block = self.wait_for_block(participant_index, after=block)
        if not ok and block["code"] != "closed":
            raise StudyError(block["code"], block["message"])

    @overload
    def record(
        self,
        table_or_data: Mapping[str, JsonValue],
        data: None = None,
        *,
        participant_index: int | None = None,
    ) -> None: ...
    @overload
    def record(
        self,
        table_or_data: str,
        data: Mapping[str, JsonValue],
        *,
        participant_index: int | None = None,
    ) -> None: ...
    def record(
        self,
        table_or_data: str | Mapping[str, JsonValue],
        data: Mapping[str, JsonValue] | None = None,
        *,
        participant_index: int | None = None,
    ) -> None:
        """Record results in the last block of `get_state`, `wait_for_block` or `blocks`.

        As `block.record`; raises StudyError (`not-ready`) if the program has got none of them, or
        another block of `get_config` since then.
        """
        block = self._last.get(participant_index)
        if block is None:
            raise StudyError("not-ready", "call get_state first: a record belongs to a block")
        self._recorder.record(block, *table_and_data(table_or_data, data))

    @property
    def unsent(self) -> int:
        """The number of records that wait on the device."""
        return self._recorder.unsent

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until no record waits, at most `timeout` seconds; whether none waits."""
        done, waiting = wait(self._recorder.all_arrived(), timeout)
        return not waiting and all(arrived.result() for arrived in done)

    def move_to_next(
        self,
        participant_index: int | None = None,
        *,
        from_block: BlockReference | None = None,
    ) -> Answer:
        """Move to the next block; returns `{"name": ...}`, with "END" after the last one.

        With `from_block`, a `block_id` or the snapshot of the finished block, move only from this
        block. Returns not ok (`participant-elsewhere`, with the `snapshot`) if the participant is
        in another block, or, for a snapshot with the start of the block, has started it again.
        """
        return self._changes.make(
            Change("move-to-next", participant_index, place=_place(from_block))
        )

    def move_to_block(
        self,
        block_id: int,
        participant_index: int | None = None,
        *,
        from_block: BlockReference | None = None,
    ) -> Answer:
        """Move to a block by its id, counted from 0; returns the id.

        `from_block` is as in `move_to_next`.
        """
        place = _place(from_block)
        return self._changes.make(Change("move-to-block", participant_index, block_id, place))

    def new_participant(self) -> Answer:
        """Add a participant after the largest index; returns the new index."""
        return self._changes.make(Change("new-participant", method="PUT"))

    def add_participant(self, participant_index: int) -> Answer:
        """Add a participant by index; returns not ok if they exist."""
        return self._changes.make(Change("add-participant", participant_index, method="PUT"))

    def shutdown(self) -> Answer:
        """Stop the server."""
        # Without retries: a server that answers the second time was just started again.
        return self._api.ask("POST", "shutdown")

    def _state(self, participant_index: int | None, retries: int) -> Answer:
        ok, state = self._ask("GET", api_path("state", participant_index), retries=retries)
        if not ok:
            return False, state
        block = Block(state, self._recorder, self, participant_index, self._closed)
        self._changes.note_place(participant_index, block.place)
        self._recorder.start(block["participant_index"])
        self._last[participant_index] = block
        return True, block

    def _read(self, action: str, participant_index: int | None) -> Answer:
        return self._ask("GET", api_path(action, participant_index), retries=self._retries)

    def _ask(self, method: str, path: str, *, key: str | None = None, retries: int) -> Answer:
        headers = {} if key is None else {"Idempotency-Key": key}
        ok, data = self._api.ask(method, path, headers=headers, retries=retries)
        if ok:
            self._recorder.hurry()
        return ok, data


def _url(host: str, port: str | int | None) -> str:
    if "://" not in host:
        name = f"[{host}]" if ":" in host and not host.startswith("[") else host
        return server_url(f"http://{name}:{5000 if port is None else port}")
    if port is not None:
        raise StudyError(
            "address-invalid", f"write the port into the URL: {server_url(host)}:{port}"
        )
    return server_url(host)


@overload
def _place(block: BlockReference) -> Place: ...
@overload
def _place(block: None) -> None: ...
def _place(block: BlockReference | None) -> Place | None:
    if block is None:
        return None
    if isinstance(block, Mapping):
        return Place(block["block_id"], block["block_started_at"])
    return Place(block)


def _is_at(state: Mapping[str, JsonValue], place: Place | None) -> bool:
    if place is None or state["block_id"] != place.block_id:
        return False
    return place.started_at is None or state["block_started_at"] == place.started_at
