"""The synchronous client: plain REST, one call at a time."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

Answer = tuple[bool, Any]

# How often a program that waits asks: soon enough for people. Seconds.
_ASKED_EVERY = 0.25


class Client:
    """Talks to a server for a participant's program; methods answer `(ok, data)`.

    `data` is the server's JSON; where `ok` is false it is `{"message", "code", "status"}`, with
    `status` 0 and the code "unreachable" if no server answered within `timeout` seconds. Without
    `participant_index` the server's default participant is meant. Servers that other machines can
    reach ask for a `token`.
    """

    def __init__(
        self,
        server_host: str = "127.0.0.1",
        server_port: str | int = 5000,
        timeout: float = 5.0,
        token: str | None = None,
    ) -> None:
        self._address = f"http://{server_host}:{server_port}/api"
        self._timeout = timeout
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def server_is_active(self, participant_index: int | None = None) -> Answer:
        """Whether the participant is in a block."""
        return self._ask("GET", "active", participant_index)

    def get_config(self, participant_index: int | None = None) -> Answer:
        """The current block's config; not ok before the first block and after the last."""
        return self._ask("GET", "config", participant_index)

    def get_all_configs(self, participant_index: int | None = None) -> Answer:
        """The configs of all the participant's blocks, in order."""
        return self._ask("GET", "all-configs", participant_index)

    def get_blocks_count(self, participant_index: int | None = None) -> Answer:
        """How many blocks the participant goes through."""
        return self._ask("GET", "blocks-count", participant_index)

    def get_state(self, participant_index: int | None = None) -> Answer:
        """The participant snapshot: where they are, with the config and the revision."""
        return self._ask("GET", "state", participant_index)

    def wait_for_block(
        self,
        participant_index: int | None = None,
        *,
        after: int | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Wait until the participant is in a block, and answer with their snapshot.

        With `after`, the `block_id` of the block that was just done, until they are in another one,
        or past the last. A server that does not answer is waited for. Not ok, with the code
        "timeout", after `timeout` seconds; None waits for as long as it takes.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            ok, state = self.get_state(participant_index)
            if ok and state["block_id"] != after and state["block_id"] >= 0:
                return True, state
            if not ok and state["code"] != "unreachable":
                return False, state
            if until is not None and time.monotonic() >= until:
                message = f"no block within {timeout:g} seconds"
                return False, {"message": message, "code": "timeout", "status": 0}
            time.sleep(_ASKED_EVERY)

    def move_to_next(self, participant_index: int | None = None) -> Answer:
        """Move one block on: `{"name": ...}`, with "END" after the last one."""
        return self._ask("POST", "move-to-next", participant_index)

    def move_to_block(self, block_id: int, participant_index: int | None = None) -> Answer:
        """Move to a block by its id, counted from 0; answers with the id."""
        return self._ask("POST", "move-to-block", participant_index, block_id)

    def new_participant(self) -> Answer:
        """Add the participant after the largest index; answers with the new index."""
        return self._ask("PUT", "new-participant")

    def add_participant(self, participant_index: int) -> Answer:
        """Add a participant by index; not ok if they exist."""
        return self._ask("PUT", "add-participant", participant_index)

    def shutdown(self) -> Answer:
        """Stop the server."""
        return self._ask("POST", "shutdown")

    def _ask(self, method: str, action: str, *parameters: int | None) -> Answer:
        given = [str(parameter) for parameter in parameters if parameter is not None]
        request = urllib.request.Request(  # noqa: S310 - the scheme is fixed above
            "/".join([self._address, action, *given]), method=method, headers=self._headers
        )
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as response:  # noqa: S310
                return True, _decode(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return False, _failure(error)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            message = f"no answer from {self._address}: {reason}; is the server running?"
            return False, {"message": message, "code": "unreachable", "status": 0}


def _decode(body: bytes) -> Any:
    return json.loads(body) if body else None


def _failure(error: urllib.error.HTTPError) -> dict[str, Any]:
    try:
        problem = _decode(error.read())
        return {
            "message": problem["detail"],
            "code": problem["code"],
            "status": error.code,
        }
    except (ValueError, KeyError, TypeError):
        return {"message": str(error), "code": f"http-{error.code}", "status": error.code}
