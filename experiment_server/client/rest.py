"""The synchronous client: plain REST, one call at a time."""

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

from experiment_server.client.address import server_url
from experiment_server.client.errors import StudyError
from experiment_server.client.snapshot import Place
from experiment_server.client.values import JsonObject, JsonValue

Answer = tuple[bool, JsonValue]

# A block by its `block_id`, or by the snapshot of a participant who is in it.
Block = int | Mapping[str, JsonValue]

# A program that waits asks this often: people do not notice the difference.
_POLL_INTERVAL_S = 0.25

# A call without an answer is made again after this time, and then after twice as long each time.
_RETRY_DELAY_S = 0.25

# A message quotes so many characters of a foreign answer: a page of HTML helps nobody.
_QUOTE_MAX_LENGTH = 200


class Client:
    """Talks to a server for a participant's program; methods answer `(ok, data)`.

    `data` is the server's JSON; where `ok` is false it is `{"message", "code", "status"}`, and the
    message begins with the status: "status 406 with text: ...". Where no server answered, the code
    is "unreachable", and `status` 0 or that of whatever answered in its place. Without
    `participant_index` the server's default participant is meant. Servers that other machines can
    reach ask for a `token`.

    `server_host` is a host or a URL, `Client("https://lab.example.org")`; a URL has its own port.
    Raises StudyError (`address-invalid`) for another one.

    A call waits `timeout` seconds for its answer, and is made `retries` times more if there is
    none. Changes are made once all the same, as each has a name; also if the program calls again
    what had no answer, unless it has asked for the participant's state or config in between.
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
        self._unanswered: dict[_Change, _Asked] = {}

    def server_is_active(self, participant_index: int | None = None) -> Answer:
        """Whether the participant is in a block."""
        return self._read("active", participant_index)

    def get_config(self, participant_index: int | None = None) -> Answer:
        """The current block's config; not ok before the first block and after the last."""
        ok, config = self._read("config", participant_index)
        if ok:
            self._seen(participant_index, Place(config["block_id"]))
        return ok, config

    def get_all_configs(self, participant_index: int | None = None) -> Answer:
        """The configs of all the participant's blocks, in order."""
        return self._read("all-configs", participant_index)

    def get_blocks_count(self, participant_index: int | None = None) -> Answer:
        """How many blocks the participant goes through."""
        return self._read("blocks-count", participant_index)

    def get_state(self, participant_index: int | None = None) -> Answer:
        """The participant snapshot: where they are, with the config and the revision."""
        return self._state(participant_index, self._retries)

    def wait_for_block(
        self,
        participant_index: int | None = None,
        *,
        after: Block | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Wait until the participant is in a block, and answer with their snapshot.

        With `after`, the snapshot of the block that was just done, until they are in another one,
        in the same one anew, or past the last; its `block_id` alone cannot tell a block begun anew.
        A server that does not answer is waited for. Not ok, with the code "timeout", after
        `timeout` seconds; None waits for as long as it takes.
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
        """Move one block on: `{"name": ...}`, with "END" after the last one.

        With `from_block` only from this block, a `block_id` or the snapshot of one that was just
        done: not ok (`participant-elsewhere`, with the `snapshot`) if the participant is in another
        one by now, or, where a snapshot says when it began, in the same one anew.
        """
        return self._change(_Change("move-to-next", participant_index, place=_place(from_block)))

    def move_to_block(
        self,
        block_id: int,
        participant_index: int | None = None,
        *,
        from_block: Block | None = None,
    ) -> Answer:
        """Move to a block by its id, counted from 0; answers with the id.

        `from_block` is as in `move_to_next`.
        """
        place = _place(from_block)
        return self._change(_Change("move-to-block", participant_index, block_id, place))

    def new_participant(self) -> Answer:
        """Add the participant after the largest index; answers with the new index."""
        return self._change(_Change("new-participant", method="PUT"))

    def add_participant(self, participant_index: int) -> Answer:
        """Add a participant by index; not ok if they exist."""
        return self._change(_Change("add-participant", participant_index, method="PUT"))

    def shutdown(self) -> Answer:
        """Stop the server."""
        # Once only: whoever answers the second time has just been started again.
        return self._ask("POST", "shutdown", {}, 0)

    def _state(self, participant_index: int | None, retries: int) -> Answer:
        ok, state = self._ask("GET", _path("state", participant_index), {}, retries)
        if ok:
            self._seen(participant_index, _place(state))
        return ok, state

    def _read(self, action: str, participant_index: int | None) -> Answer:
        return self._ask("GET", _path(action, participant_index), {}, self._retries)

    def _change(self, change: _Change) -> Answer:
        """Make a change once, however often its answer is lost and the program calls again."""
        # Taken out, so that another thread that makes the same change makes one of its own.
        asked = self._unanswered.pop(change, None) or _Asked.first(change.place)
        path = _path(change.action, change.participant, change.block) + _query(asked.place)
        decided = False
        try:
            ok, data = self._ask(change.method, path, {"Idempotency-Key": asked.key}, self._retries)
            # After one of its failures a server may find that the change was made all the same.
            decided = ok or 400 <= data["status"] < 500
        finally:
            if not decided:
                self._unanswered[change] = asked
        if ok and change.method == "POST":
            for other in self._unanswered_moves(change.participant):
                self._unanswered.pop(other, None)
        return ok, data

    def _seen(self, participant_index: int | None, place: Place) -> None:
        """The program knows where the participant is: what it calls now is meant from there."""
        for change in self._unanswered_moves(participant_index):
            # The server may get to what had no answer even now: without a place that makes two.
            self._unanswered[change] = _Asked.first(change.place or place)

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
            return False, self._foreign(200, "what came is no JSON")

    def _refusal(self, error: urllib.error.HTTPError) -> JsonObject:
        """What an answer with an error says, whoever gave it."""
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
            return self._foreign(error.code, f"it leads to {where}" if where else error.reason)
        more = {"snapshot": problem["snapshot"]} if "snapshot" in problem else {}
        return {**_failure(code, detail, error.code), **more}

    def _foreign(self, status: int, reason: str) -> JsonObject:
        """Somebody on the way has answered: a proxy without its server, or a network's login."""
        message = f"{reason}; it is not the server that answers at {self._url}"
        return _failure("unreachable", message, status)


class _Change(NamedTuple):
    """A change as a program calls for it; a move may be meant from one place only."""

    action: str
    participant: int | None = None
    block: int | None = None
    place: Place | None = None
    method: str = "POST"


class _Asked(NamedTuple):
    """A change as the server is asked for it, by its name."""

    key: str
    place: Place | None

    @classmethod
    def first(cls, place: Place | None) -> _Asked:
        return cls(uuid.uuid4().hex, place)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Takes a redirection for an answer: a move would arrive as a GET, the token at anybody's."""

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
    # As release 0.3 has it: programs look for the number.
    text = f"status {status} with text: {message}" if status else message
    return {"message": text, "code": code, "status": status}
