"""The two transports to a server: a socket, and polling with HTTP requests as the fallback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

import aiohttp
import socketio

from experiment_server_client.errors import StudyError
from experiment_server_client.moves import Move
from experiment_server_client.snapshot import is_snapshot
from experiment_server_client.values import JsonObject, JsonValue

# The client repeats a request that is not answered within this time.
ANSWER_TIMEOUT_S = 5.0

# The client does not wait longer for a socket to close, because the server may be unreachable.
_CLOSE_TIMEOUT_S = 1.0

_SNAPSHOT_EVENTS = ("state", "block-changed", "config-changed")


class NoAnswer(Exception):
    """The server did not answer, so it is unknown whether it executed the request."""


class SocketTransport:
    """One Socket.IO connection; a new connection needs a new object."""

    def __init__(
        self,
        url: str,
        auth: Mapping[str, JsonValue],
        on_snapshot: Callable[[SocketTransport, JsonObject], None],
        on_lost: Callable[[SocketTransport], None],
    ) -> None:
        self._url = url
        self._auth = dict(auth)
        self._on_snapshot = on_snapshot
        self._on_lost = on_lost
        self._refusal: StudyError | None = None
        self._ended = asyncio.Event()
        self._http = aiohttp.ClientSession()
        self._client = socketio.AsyncClient(
            reconnection=False,
            logger=False,
            http_session=self._http,
            # The library's handler would cancel every task of the program.
            handle_sigint=False,
            websocket_extra_options={
                "timeout": aiohttp.ClientWSTimeout(ws_close=_CLOSE_TIMEOUT_S),
                # A snapshot may be as large as the study's configs.
                "max_msg_size": 0,
            },
        )
        for event in _SNAPSHOT_EVENTS:
            self._client.on(event, self._on_message)
        self._client.on("connect_error", self._on_connect_error)
        self._client.on("disconnect", self._on_disconnect)

    async def open(self) -> None:
        """Connect; raises StudyError if the server refuses, and NoAnswer if it does not answer."""
        try:
            await asyncio.wait_for(
                self._client.connect(
                    self._url,
                    auth=self._auth,
                    transports=["websocket"],
                    wait_timeout=ANSWER_TIMEOUT_S,
                ),
                2 * ANSWER_TIMEOUT_S,
            )
        except Exception as error:
            # All errors, because another program may answer at this address.
            raise self._refusal or NoAnswer(str(error)) from error

    async def move(self, move: Move) -> JsonObject:
        """Make a move; returns the new snapshot's members; raises StudyError and NoAnswer."""
        given = {**move.parameters, "request_id": move.request_id}
        if move.block_id is not None:
            given["block_id"] = move.block_id
        try:
            answer = await self._client.call(move.action, given, timeout=ANSWER_TIMEOUT_S)
        except (socketio.exceptions.SocketIOError, OSError) as error:
            raise NoAnswer(str(error)) from error
        match answer:
            case {"ok": True, "data": data} if is_snapshot(data):
                members: JsonObject = data
                return members
            case {"ok": False, "error": {"code": str(code), "message": str(message)}}:
                raise StudyError(code, message)
        raise NoAnswer(f"{move.action} was answered with {answer!r}")

    async def wait_until_ended(self) -> None:
        """Wait until the connection has ended."""
        await self._ended.wait()

    def drop(self) -> None:
        """Treat the connection as ended; later messages are ignored."""
        if not self._ended.is_set():
            self._ended.set()
            self._on_lost(self)

    async def close(self) -> None:
        """Close the connection."""
        self.drop()
        try:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._client.disconnect(), 2 * _CLOSE_TIMEOUT_S)
        finally:
            await self._http.close()

    def _on_message(self, members: JsonValue = None) -> None:
        if is_snapshot(members) and not self._ended.is_set():
            self._on_snapshot(self, members)

    def _on_connect_error(self, error: JsonValue = None) -> None:
        match error:
            case {"data": {"code": str(code), "message": str(message)}}:
                self._refusal = StudyError(code, message)

    def _on_disconnect(self, *_reason: object) -> None:
        self.drop()


class PollingTransport:
    """Polls the state and makes moves with HTTP requests."""

    def __init__(self, url: str, participant: int | None, token: str | None) -> None:
        self._url = url
        self._participant_path = [] if participant is None else [str(participant)]
        self._tag: str | None = None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = aiohttp.ClientSession(
            headers=headers, timeout=aiohttp.ClientTimeout(ANSWER_TIMEOUT_S)
        )

    async def state(self) -> JsonObject | None:
        """The members of the snapshot; None if it has not changed since the last request.

        Raises StudyError and NoAnswer, as `move` does.
        """
        headers = {"If-None-Match": self._tag} if self._tag else {}
        status, tag, body = await self._request(
            "GET", ["state", *self._participant_path], {}, headers
        )
        if status == 304:
            return None
        if not is_snapshot(body):
            raise NoAnswer(f"state was answered with {body!r}")
        self._tag = tag
        members: JsonObject = body
        return members

    async def move(self, move: Move) -> JsonObject:
        """Make a move; returns the new snapshot's members."""
        block = [] if move.block_id is None else [str(move.block_id)]
        path = [move.action, *self._participant_path, *block]
        headers = {"Idempotency-Key": move.request_id}
        _, _, body = await self._request("POST", path, move.parameters, headers)
        # A captive portal may answer instead of the server.
        if not (isinstance(body, int) if block else isinstance(body, dict) and "name" in body):
            raise NoAnswer(f"{move.action} was answered with {body!r}")
        self._tag = None
        members = await self.state()
        if members is None:
            raise NoAnswer("state was answered with 304 although no state was known")
        return members

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _request(
        self,
        method: str,
        path: list[str],
        query: Mapping[str, JsonValue],
        headers: Mapping[str, str],
    ) -> tuple[int, str | None, JsonValue]:
        url = "/".join([self._url, "api", *path])
        try:
            # A redirect could send the token to another server.
            async with self._http.request(
                method, url, params=query, headers=headers, allow_redirects=False
            ) as response:
                status, tag = response.status, response.headers.get("ETag")
                body = None if status == 304 else await response.json(content_type=None)
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
            raise NoAnswer(f"{method} {url}: {error}") from error
        if 200 <= status < 300 or status == 304:
            return status, tag, body
        match body:
            case {"code": str(code), "detail": str(detail)}:
                raise StudyError(code, detail)
        raise NoAnswer(f"{method} {url}: {status}")
