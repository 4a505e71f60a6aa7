"""Changes that a program requests once, even if an answer is lost and it repeats the request."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlencode

from experiment_server_client.http_api import Answer, api_path
from experiment_server_client.snapshot import Place


class Change(NamedTuple):
    """A change that a program calls; a move may be restricted to one place."""

    action: str
    participant: int | None = None
    block: int | None = None
    place: Place | None = None
    method: str = "POST"

    def path(self, place: Place | None) -> str:
        """The path of the request, from a place."""
        query = "?" + urlencode(place.parameters()) if place else ""
        return api_path(self.action, self.participant, self.block) + query


class _KeyedRequest(NamedTuple):
    """The idempotency key and the place with which a change is requested."""

    key: str
    place: Place | None

    @classmethod
    def new(cls, place: Place | None) -> _KeyedRequest:
        return cls(uuid.uuid4().hex, place)


class Changes:
    """Requests changes with idempotency keys, and keeps the keys of those without an answer."""

    def __init__(self, ask: Callable[..., Answer], retries: int) -> None:
        self._ask = ask
        self._retries = retries
        self._unanswered: dict[Change, _KeyedRequest] = {}

    def make(self, change: Change) -> Answer:
        """Make a change once, even if its answer is lost and the program repeats the call."""
        # Removed, so that the same call in another thread is a change of its own.
        request = self._unanswered.pop(change, None) or _KeyedRequest.new(change.place)
        path = change.path(request.place)
        decided = False
        try:
            ok, data = self._ask(change.method, path, key=request.key, retries=self._retries)
            # After a failure of the server, it may turn out that the change was made.
            decided = ok or 400 <= data["status"] < 500
        finally:
            if not decided:
                self._unanswered[change] = request
        if ok and change.method == "POST":
            for other in self._unanswered_moves(change.participant):
                self._unanswered.pop(other, None)
        return ok, data

    def note_place(self, participant_index: int | None, place: Place) -> None:
        """Treat a repeated move as a new one from this place, which the program has read."""
        for change in self._unanswered_moves(participant_index):
            # The server may still execute the unanswered move; the place prevents a second move.
            self._unanswered[change] = _KeyedRequest.new(change.place or place)

    def _unanswered_moves(self, participant_index: int | None) -> list[Change]:
        return [
            change
            for change in list(self._unanswered)
            if change.method == "POST" and change.participant == participant_index
        ]
