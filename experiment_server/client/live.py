"""The asynchronous client: one participant's place in a study, kept right over bad Wi-Fi."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp
import socketio

from experiment_server.client.errors import StudyError

Snapshot = dict[str, Any]
Connection = Literal["socket", "rest", "none"]

# Moves that wait for a connection. People press a button again and again when nothing happens.
MOVES_WAITING = 16

_ANSWER_WITHIN = 5.0
_POLLED_EVERY = 1.0
_SOCKET_WITHIN = 3.0
_TRIED_AGAIN = (0.25, 3.0)
_REFUSALS = frozenset(
    {"token-invalid", "token-missing", "not-allowed", "participant-unknown", "expansion-failed"}
)
_LATER = frozenset({"store-unavailable", "limit-reached", "internal-error"})


@dataclass(frozen=True, slots=True)
class Happening:
    """What an AsyncClient heard: `block`, `config`, `end` with a snapshot, or `connection`."""

    event: Literal["block", "config", "end", "connection"]
    snapshot: Snapshot | None = None
    connection: Connection = "none"


@dataclass(slots=True)
class _Waiting:
    action: str
    parameters: dict[str, Any]
    answer: asyncio.Future[Snapshot]
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)


class AsyncClient:
    """Takes part in a study as one participant, over Socket.IO or, without a way for that, REST.

        async with AsyncClient("http://127.0.0.1:5000", participant=7) as client:
            async for block in client.blocks():
                await show(block["block_name"], block["config"])
                await client.next()

    Entering waits until the participant's state is known, however long the server takes to answer;
    it raises StudyError when the server refuses (`token-invalid`, `token-missing`, `not-allowed`,
    `participant-unknown`, `expansion-failed`). Moves are made once, however often their answers are
    lost; without a connection they wait for one, in order.
    """

    def __init__(
        self, url: str, participant: int | None = None, *, token: str | None = None
    ) -> None:
        self._url = url.rstrip("/")
        self._participant = participant
        self._token = token
        self._snapshot: Snapshot | None = None
        self._connection: Connection = "none"
        self._comparable = False
        self._waiting: deque[_Waiting] = deque()
        self._listeners: set[asyncio.Queue[Happening]] = set()
        self._changed = asyncio.Event()
        self._gone = asyncio.Event()
        self._known: asyncio.Future[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._tag: str | None = None
        self._closed = False
        self._socket = socketio.AsyncClient(reconnection=False, logger=False)
        self._http: aiohttp.ClientSession | None = None
        for event in ("state", "block-changed", "config-changed"):
            self._socket.on(event, self._take)
        self._socket.on("connect_error", self._refused)
        self._socket.on("disconnect", self._lost)

    async def __aenter__(self) -> AsyncClient:
        self._known = asyncio.get_running_loop().create_future()
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        self._http = aiohttp.ClientSession(
            headers=headers, timeout=aiohttp.ClientTimeout(_ANSWER_WITHIN)
        )
        for work in (self._keep_socket(), self._poll(), self._send()):
            self._tasks.add(asyncio.create_task(work))
        try:
            await asyncio.shield(self._known)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop taking part. Moves that still wait raise StudyError with the code `closed`."""
        self._closed = True
        await self._socket.disconnect()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        # One that was just being opened.
        await self._socket.disconnect()
        self._reject(_closed())
        if self._http:
            await self._http.close()

    @property
    def snapshot(self) -> Snapshot:
        """Where the participant is: the snapshot of the wire contract."""
        if self._snapshot is None:
            raise StudyError("not-ready", "the state is not known yet")
        return self._snapshot

    @property
    def config(self) -> dict[str, Any] | None:
        """The current block's config; None before the first block and after the last."""
        config: dict[str, Any] | None = self.snapshot["config"]
        return config

    @property
    def connection(self) -> Connection:
        """How the server is reached: over a socket, by plain requests, or not at all for now."""
        return self._connection

    async def blocks(self) -> AsyncIterator[Snapshot]:
        """Each block that the participant is in, from the current one; ends after the last.

        Who takes long over one hears of the latest then, not of all that came between.
        """
        last: int | None = None
        while True:
            snapshot = self.snapshot
            if snapshot["block_id"] >= snapshot["blocks_count"]:
                return
            if snapshot["active"] and snapshot["block_id"] != last:
                last = snapshot["block_id"]
                yield snapshot
                continue
            if not snapshot["active"]:
                last = None
            self._changed.clear()
            await self._changed.wait()

    async def happenings(self) -> AsyncIterator[Happening]:
        """All that is heard from now on, in order."""
        heard: asyncio.Queue[Happening] = asyncio.Queue()
        self._listeners.add(heard)
        try:
            while True:
                yield await heard.get()
        finally:
            self._listeners.discard(heard)

    async def next(self) -> Snapshot:
        """One block on from where the client sees the participant; returns where they are then.

        Raises StudyError (`participant-elsewhere`) if somebody has moved them meanwhile: the client
        hears of that, and nothing is skipped.
        """
        return await self._ask("move-to-next", from_block=self._expected())

    async def previous(self) -> Snapshot:
        """One block back, like `next`."""
        return await self._ask("move-to-previous", from_block=self._expected())

    async def go_to(self, block_id: int) -> Snapshot:
        """To a block by its place in the participant's order, from 0."""
        return await self._ask("move-to-block", block_id=block_id)

    def _expected(self) -> int:
        """Where the participant is once the moves that wait are made."""
        at: int = self.snapshot["block_id"]
        for waiting in self._waiting:
            if "block_id" in waiting.parameters:
                at = waiting.parameters["block_id"]
            # What it does may be known already: the server tells everybody before it answers.
            elif waiting.parameters["from_block"] == at:
                step = 1 if waiting.action == "move-to-next" else -1
                at = min(max(at + step, -1), self.snapshot["blocks_count"])
        return at

    async def _ask(self, action: str, **parameters: Any) -> Snapshot:
        if self._closed:
            raise _closed()
        if len(self._waiting) >= MOVES_WAITING:
            raise StudyError("queue-full", f"{MOVES_WAITING} moves wait for a connection already")
        answer: asyncio.Future[Snapshot] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(action, parameters, answer))
        self._changed.set()
        return await answer

    async def _send(self) -> None:
        """Send what waits, in order, for as long as there is a way."""
        while True:
            while not self._waiting or self._connection == "none":
                self._changed.clear()
                await self._changed.wait()
            first = self._waiting[0]
            try:
                snapshot = await self._try(first)
            except StudyError as error:
                if error.code in _LATER:
                    await asyncio.sleep(_POLLED_EVERY)
                    continue
                self._waiting.popleft()
                _settle(first.answer, error)
                continue
            except (
                aiohttp.ClientError,
                asyncio.TimeoutError,
                socketio.exceptions.SocketIOError,
                OSError,
            ):
                # Nobody knows whether it was made: it is sent again, by its name.
                if self._connection == "rest":
                    self._become("none")
                await asyncio.sleep(_TRIED_AGAIN[0])
                continue
            self._waiting.popleft()
            self._take(snapshot)
            _settle(first.answer, snapshot)

    async def _try(self, move: _Waiting) -> Snapshot:
        if self._connection == "rest":
            where = [str(move.parameters[key]) for key in ("block_id",) if key in move.parameters]
            path = "/".join([*self._who(move.action), *where])
            if "from_block" in move.parameters:
                path += f"?from_block={move.parameters['from_block']}"
            await self._request("POST", path, {"Idempotency-Key": move.request_id})
            self._tag = None
            state: Snapshot = await self._state() or self.snapshot
            return state
        given = {**move.parameters, "request_id": move.request_id}
        answer = await self._socket.call(move.action, given, timeout=_ANSWER_WITHIN)
        if answer["ok"]:
            snapshot: Snapshot = answer["data"]
            return snapshot
        raise StudyError(answer["error"]["code"], answer["error"]["message"])

    async def _keep_socket(self) -> None:
        """Have a socket, and another one whenever it is lost."""
        pause = _TRIED_AGAIN[0]
        given = {"participant": self._participant, "token": self._token}
        auth = {name: value for name, value in given.items() if value is not None}
        # The library takes a cancellation for itself now and then, so that alone would not end it.
        while not self._closed:
            with contextlib.suppress(socketio.exceptions.SocketIOError, OSError, ValueError):
                self._gone.clear()
                await self._socket.connect(
                    self._url, auth=auth, transports=["websocket"], wait_timeout=_ANSWER_WITHIN
                )
                pause = _TRIED_AGAIN[0]
                await self._gone.wait()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _TRIED_AGAIN[1])

    async def _poll(self) -> None:
        """Ask over and over while there is no socket."""
        while True:
            await asyncio.sleep(_SOCKET_WITHIN if self._connection == "socket" else _POLLED_EVERY)
            if self._connection == "socket":
                continue
            if self._connection == "none":
                await asyncio.sleep(_SOCKET_WITHIN - _POLLED_EVERY)
            if self._socket.connected:
                continue
            try:
                snapshot = await self._state()
            except StudyError as error:
                if error.code in _REFUSALS:
                    self._refuse(error)
                continue
            except (aiohttp.ClientError, asyncio.TimeoutError, OSError):
                self._become("none")
                continue
            if not self._socket.connected:
                if snapshot:
                    self._take(snapshot)
                self._become("rest")

    async def _state(self) -> Snapshot | None:
        """Where the participant is; None if that is what was answered last."""
        headers = {"If-None-Match": self._tag} if self._tag else {}
        status, tag, body = await self._request("GET", "/".join(self._who("state")), headers)
        if status == 304:
            return None
        self._tag = tag
        snapshot: Snapshot = body
        return snapshot

    async def _request(
        self, method: str, path: str, headers: Mapping[str, str]
    ) -> tuple[int, str | None, Any]:
        if self._http is None:
            raise StudyError("closed", "enter the client first: async with AsyncClient(...)")
        async with self._http.request(
            method, f"{self._url}/api/{path}", headers=headers
        ) as response:
            body = await response.json(content_type=None) if response.status != 304 else None
            if response.status < 400:
                return response.status, response.headers.get("ETag"), body
            # Without one of the server's codes it was somebody on the way who answered.
            if not isinstance(body, dict) or "code" not in body:
                raise aiohttp.ClientError(f"{method} {path}: {response.status}")
            raise StudyError(body["code"], body.get("detail", ""))

    def _who(self, action: str) -> list[str]:
        return [action] if self._participant is None else [action, str(self._participant)]

    def _take(self, snapshot: Snapshot) -> None:
        """Take a snapshot in, from wherever it comes."""
        self._update(snapshot)
        if self._socket.connected:
            self._become("socket")

    def _update(self, snapshot: Snapshot) -> None:
        # One that is older than what is known is dropped.
        known = self._snapshot
        if known and self._comparable and snapshot["revision"] < known["revision"]:
            return
        self._comparable = True
        self._snapshot = snapshot
        if self._known and not self._known.done():
            self._known.set_result(None)
        place = ("block_id", "block_name")
        moved = known is None or any(known[key] != snapshot[key] for key in place)
        if not moved and known is not None and known["config"] == snapshot["config"]:
            return
        self._tell(Happening("block" if moved else "config", snapshot))
        if moved and snapshot["block_id"] >= snapshot["blocks_count"]:
            self._tell(Happening("end", snapshot))

    def _refused(self, error: Any) -> None:
        body = error.get("data") if isinstance(error, dict) else None
        if isinstance(body, dict) and body.get("code") in _REFUSALS:
            self._refuse(StudyError(body["code"], body.get("message", "")))

    def _refuse(self, error: StudyError) -> None:
        if self._known and not self._known.done():
            self._known.set_exception(error)
        self._reject(error)

    def _lost(self, *_reason: Any) -> None:
        self._gone.set()
        if self._connection == "socket":
            self._become("none")

    def _become(self, connection: Connection) -> None:
        if connection == "none":
            # A server that was gone may have another database, and count from zero.
            self._comparable = False
        if connection != self._connection:
            self._connection = connection
            self._tell(Happening("connection", connection=connection))

    def _tell(self, happening: Happening) -> None:
        self._changed.set()
        for heard in self._listeners:
            heard.put_nowait(happening)

    def _reject(self, error: StudyError) -> None:
        while self._waiting:
            _settle(self._waiting.popleft().answer, error)


def _closed() -> StudyError:
    return StudyError("closed", "the app has stopped taking part")


def _settle(answer: asyncio.Future[Snapshot], outcome: Snapshot | StudyError) -> None:
    if answer.done():
        return  # whoever asked has gone
    if isinstance(outcome, StudyError):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
