"""The two ways to a server: a socket, and where none is let through plain requests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

import aiohttp
import socketio

from experiment_server.client.errors import StudyError
from experiment_server.client.moves import Move
from experiment_server.client.snapshot import is_snapshot
from experiment_server.client.values import JsonObject, JsonValue

# The client asks again for an answer that has not come by then.
ANSWER_TIMEOUT_S = 5.0

# The client does not wait longer for a socket to close: nobody may be listening any more.
_CLOSE_TIMEOUT_S = 1.0

_PUSHED = ("state", "block-changed", "config-changed")


class NoAnswer(Exception):
    """Nobody knows whether the server has heard it: what answered, if anything, was not one."""


class SocketWay:
    """One Socket.IO connection, from its opening to its end; another one is another object."""

    def __init__(
        self,
        url: str,
        auth: Mapping[str, JsonValue],
        pushed: Callable[[SocketWay, JsonObject], None],
        lost: Callable[[SocketWay], None],
    ) -> None:
        self._url = url
        self._auth = dict(auth)
        self._pushed = pushed
        self._lost = lost
        self._refusal: StudyError | None = None
        self._gone = asyncio.Event()
        self._http = aiohttp.ClientSession()
        self._client = socketio.AsyncClient(
            reconnection=False,
            logger=False,
            http_session=self._http,
            # Its own handler would cancel every task of the program.
            handle_sigint=False,
            websocket_extra_options={
                "timeout": aiohttp.ClientWSTimeout(ws_close=_CLOSE_TIMEOUT_S),
                # A snapshot is as large as the study's configs are.
                "max_msg_size": 0,
            },
        )
        for event in _PUSHED:
            self._client.on(event, self._hear)
        self._client.on("connect_error", self._refused)
        self._client.on("disconnect", self._disconnected)

    async def open(self) -> None:
        """Connect; raises StudyError if the server says no, and NoAnswer if it says nothing."""
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
            # Not only the library's own errors: whatever stands there may speak anything.
            raise self._refusal or NoAnswer(str(error)) from error

    async def move(self, move: Move) -> JsonObject:
        """Make a move; returns where the participant is then, as StudyError or NoAnswer else."""
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

    async def end(self) -> None:
        """Wait until the connection has ended."""
        await self._gone.wait()

    def drop(self) -> None:
        """Take it for ended: it carries nothing any more."""
        if not self._gone.is_set():
            self._gone.set()
            self._lost(self)

    async def close(self) -> None:
        """End the connection, if it has not ended."""
        self.drop()
        try:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._client.disconnect(), 2 * _CLOSE_TIMEOUT_S)
        finally:
            await self._http.close()

    def _hear(self, members: JsonValue = None) -> None:
        if is_snapshot(members) and not self._gone.is_set():
            self._pushed(self, members)

    def _refused(self, error: JsonValue = None) -> None:
        match error:
            case {"data": {"code": str(code), "message": str(message)}}:
                self._refusal = StudyError(code, message)

    def _disconnected(self, *_reason: object) -> None:
        self.drop()


class PlainWay:
    """Requests, one by one."""

    def __init__(self, url: str, participant: int | None, token: str | None) -> None:
        self._url = url
        self._who = [] if participant is None else [str(participant)]
        self._tag: str | None = None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = aiohttp.ClientSession(
            headers=headers, timeout=aiohttp.ClientTimeout(ANSWER_TIMEOUT_S)
        )

    async def state(self) -> JsonObject | None:
        """Where the participant is; None if that is what was answered last.

        Raises StudyError and NoAnswer, as `move` does.
        """
        headers = {"If-None-Match": self._tag} if self._tag else {}
        status, tag, body = await self._ask("GET", ["state", *self._who], {}, headers)
        if status == 304:
            return None
        if not is_snapshot(body):
            raise NoAnswer(f"state was answered with {body!r}")
        self._tag = tag
        members: JsonObject = body
        return members

    async def move(self, move: Move) -> JsonObject:
        """Make a move; returns where the participant is then."""
        block = [] if move.block_id is None else [str(move.block_id)]
        path = [move.action, *self._who, *block]
        headers = {"Idempotency-Key": move.request_id}
        _, _, body = await self._ask("POST", path, move.parameters, headers)
        # A portal's answer is no move.
        if not (isinstance(body, int) if block else isinstance(body, dict) and "name" in body):
            raise NoAnswer(f"{move.action} was answered with {body!r}")
        self._tag = None
        members = await self.state()
        if members is None:
            raise NoAnswer("state was answered with nothing new, and nothing was known")
        return members

    async def close(self) -> None:
        """Ask nothing more."""
        await self._http.close()

    async def _ask(
        self,
        method: str,
        path: list[str],
        query: Mapping[str, JsonValue],
        headers: Mapping[str, str],
    ) -> tuple[int, str | None, JsonValue]:
        url = "/".join([self._url, "api", *path])
        try:
            # A redirection leads to somebody else, with the token.
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
