"""The synchronous client, which uses REST and makes one call at a time."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from typing import NamedTuple, overload
from urllib.parse import quote, urlencode

from experiment_server_client.address import server_url
from experiment_server_client.errors import StudyError
from experiment_server_client.snapshot import Place
from experiment_server_client.values import JsonObject, JsonValue

Answer = tuple[bool, JsonValue]

# A block by its `block_id`, or by the snapshot of a participant who is in it.
Block = int | Mapping[str, JsonValue]

# The interval of requests while a program waits; people do not notice a shorter one.
_POLL_INTERVAL_S = 0.25

# The delay before an unanswered call is repeated; it doubles each time.
_RETRY_DELAY_S = 0.25

# The number of characters that a message quotes of an answer from another server, such as HTML.
_QUOTE_MAX_LENGTH = 200


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
    """

    def __init__(
        self,
        server_host: str = "127.0.0.1",
        server_port: str | int | None = None,
        timeout: float = 5.0,
        token: str | None = None,
        *,
        retries: int = 2,
    ) -> None:
        self._url = _url(server_host, server_port)
        self._timeout = timeout
        self._retries = retries
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._opener = urllib.request.build_opener(_NoRedirects())
        self._unanswered: dict[_Change, _KeyedRequest] = {}

    def server_is_active(self, participant_index: int | None = None) -> Answer:
        """Whether the participant is in a block."""
        return self._read("active", participant_index)

    def get_config(self, participant_index: int | None = None) -> Answer:
        """The current block's config; not ok before the first block and after the last."""
        ok, config = self._read("config", participant_index)
        if ok:
            self._note_place(participant_index, Place(config["block_id"]))
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
        after: Block | None = None,
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
                return False, _failure("timeout", f"no block within {timeout:g} seconds")
            time.sleep(_POLL_INTERVAL_S)

    def move_to_next(
        self, participant_index: int | None = None, *, from_block: Block | None = None
    ) -> Answer:
        """Move to the next block; returns `{"name": ...}`, with "END" after the last one.

        With `from_block`, a `block_id` or the snapshot of the finished block, move only from this
        block. Returns not ok (`participant-elsewhere`, with the `snapshot`) if the participant is
        in another block, or, for a snapshot with the start of the block, has started it again.
        """
        return self._change(_Change("move-to-next", participant_index, place=_place(from_block)))

    def move_to_block(
        self,
        block_id: int,
        participant_index: int | None = None,
        *,
        from_block: Block | None = None,
    ) -> Answer:
        """Move to a block by its id, counted from 0; returns the id.

        `from_block` is as in `move_to_next`.
        """
        place = _place(from_block)
        return self._change(_Change("move-to-block", participant_index, block_id, place))

    def new_participant(self) -> Answer:
        """Add a participant after the largest index; returns the new index."""
        return self._change(_Change("new-participant", method="PUT"))

    def add_participant(self, participant_index: int) -> Answer:
        """Add a participant by index; returns not ok if they exist."""
        return self._change(_Change("add-participant", participant_index, method="PUT"))

    def shutdown(self) -> Answer:
        """Stop the server."""
        # Without retries: a server that answers the second time was just started again.
        return self._ask("POST", "shutdown", {}, 0)

    def _state(self, participant_index: int | None, retries: int) -> Answer:
        ok, state = self._ask("GET", _path("state", participant_index), {}, retries)
        if ok:
            self._note_place(participant_index, _place(state))
        return ok, state

    def _read(self, action: str, participant_index: int | None) -> Answer:
        return self._ask("GET", _path(action, participant_index), {}, self._retries)

    def _change(self, change: _Change) -> Answer:
        """Make a change once, even if its answer is lost and the program repeats the call."""
        # Removed, so that the same call in another thread is a change of its own.
        request = self._unanswered.pop(change, None) or _KeyedRequest.new(change.place)
        path = _path(change.action, change.participant, change.block) + _query(request.place)
        decided = False
        try:
            ok, data = self._ask(
                change.method, path, {"Idempotency-Key": request.key}, self._retries
            )
            # After a failure of the server, it may turn out that the change was made.
            decided = ok or 400 <= data["status"] < 500
        finally:
            if not decided:
                self._unanswered[change] = request
        if ok and change.method == "POST":
            for other in self._unanswered_moves(change.participant):
                self._unanswered.pop(other, None)
        return ok, data

    def _note_place(self, participant_index: int | None, place: Place) -> None:
        """Treat a repeated move as a new one from this place, which the program has read."""
        for change in self._unanswered_moves(participant_index):
            # The server may still execute the unanswered move; the place prevents a second move.
            self._unanswered[change] = _KeyedRequest.new(change.place or place)

    def _unanswered_moves(self, participant_index: int | None) -> list[_Change]:
        return [
            change
            for change in list(self._unanswered)
            if change.method == "POST" and change.participant == participant_index
        ]

    def _ask(self, method: str, path: str, headers: Mapping[str, str], retries: int) -> Answer:
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked by server_url
            f"{self._url}/api/{path}", method=method, headers={**self._headers, **headers}
        )
        ok, data = self._ask_once(request)
        for attempt in range(retries):
            if ok or data["code"] != "unreachable":
                break
            time.sleep(_RETRY_DELAY_S * 2**attempt)
            ok, data = self._ask_once(request)
        return ok, data

    def _ask_once(self, request: urllib.request.Request) -> Answer:
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                body = response.read()
            return True, json.loads(body) if body else None
        except urllib.error.HTTPError as error:
            with error:
                return False, self._refusal(error)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            message = f"no answer from {self._url}: {reason}; is the server running?"
            return False, _failure("unreachable", message)
        except ValueError:
            return False, self._wrong_server(200, "what came is no JSON")

    def _refusal(self, error: urllib.error.HTTPError) -> JsonObject:
        """The failure that an answer with an error status describes, from any server."""
        try:
            body = error.read()
        except (OSError, http.client.HTTPException):
            body = b""
        text = body.decode("utf-8", "replace")
        try:
            problem = json.loads(text)
            code, detail = problem["code"], problem["detail"]
        except (ValueError, KeyError, TypeError):
            if 400 <= error.code < 500:
                return _failure(
                    f"http-{error.code}", text[:_QUOTE_MAX_LENGTH] or error.reason, error.code
                )
            where = error.headers.get("Location")
            return self._wrong_server(error.code, f"it leads to {where}" if where else error.reason)
        more = {"snapshot": problem["snapshot"]} if "snapshot" in problem else {}
        return {**_failure(code, detail, error.code), **more}

    def _wrong_server(self, status: int, reason: str) -> JsonObject:
        """The failure for an answer of another server: a proxy, or a network's login page."""
        message = f"{reason}; it is not the server that answers at {self._url}"
        return _failure("unreachable", message, status)


class _Change(NamedTuple):
    """A change that a program calls; a move may be restricted to one place."""

    action: str
    participant: int | None = None
    block: int | None = None
    place: Place | None = None
    method: str = "POST"


class _KeyedRequest(NamedTuple):
    """The idempotency key and the place with which a change is requested."""

    key: str
    place: Place | None

    @classmethod
    def new(cls, place: Place | None) -> _KeyedRequest:
        return cls(uuid.uuid4().hex, place)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, which would turn a move into a GET and reveal the token."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def _url(host: str, port: str | int | None) -> str:
    if "://" not in host:
        name = f"[{host}]" if ":" in host and not host.startswith("[") else host
        return server_url(f"http://{name}:{5000 if port is None else port}")
    if port is not None:
        raise StudyError(
            "address-invalid", f"write the port into the URL: {server_url(host)}:{port}"
        )
    return server_url(host)


def _path(action: str, *parameters: int | None) -> str:
    given = [quote(str(parameter), safe="") for parameter in parameters if parameter is not None]
    return "/".join([action, *given])


def _query(place: Place | None) -> str:
    if place is None:
        return ""
    return "?" + urlencode(place.parameters())


@overload
def _place(block: Block) -> Place: ...
@overload
def _place(block: None) -> None: ...
def _place(block: Block | None) -> Place | None:
    if block is None:
        return None
    if isinstance(block, Mapping):
        return Place(block["block_id"], block["block_started_at"])
    return Place(block)


def _is_at(state: Mapping[str, JsonValue], place: Place | None) -> bool:
    if place is None or state["block_id"] != place.block_id:
        return False
    return place.started_at is None or state["block_started_at"] == place.started_at


def _failure(code: str, message: str, status: int = 0) -> JsonObject:
    # The format of release 0.3: programs search for the number.
    text = f"status {status} with text: {message}" if status else message
    return {"message": text, "code": code, "status": status}
