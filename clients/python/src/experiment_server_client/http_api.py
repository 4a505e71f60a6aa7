"""Requests to a server's REST interface, with the standard library only."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from urllib.parse import quote

from experiment_server_client.values import JsonObject, JsonValue

Answer = tuple[bool, JsonValue]

# The delay before an unanswered request is repeated; it doubles each time.
_RETRY_DELAY_S = 0.25

# The number of characters that a message quotes of an answer from another server, such as HTML.
_QUOTE_MAX_LENGTH = 200

# What an error of the server may add for programs.
_ADDED = ("snapshot", "record_id")


class HttpApi:
    """A server's REST interface; its methods return `(ok, data)`, and may be called by any thread.

    `data` is the server's JSON. If `ok` is false, it is as `failure` describes, with the members
    that the server adds to the error.
    """

    def __init__(
        self, url: str, token: str | None, timeout: float, *, through_proxies: bool = True
    ) -> None:
        self.url = url
        self._timeout = timeout
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        proxies = [] if through_proxies else [urllib.request.ProxyHandler({})]
        self._opener = urllib.request.build_opener(_NoRedirects(), *proxies)

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        retries: int = 0,
    ) -> Answer:
        """Send a request, and repeat it if no answer comes."""
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked by server_url
            f"{self.url}/api/{path}",
            data=body,
            method=method,
            headers={**self._headers, **(headers or {})},
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
            message = f"no answer from {self.url}: {reason}; is the server running?"
            return False, failure("unreachable", message)
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
                return failure(
                    f"http-{error.code}", text[:_QUOTE_MAX_LENGTH] or error.reason, error.code
                )
            where = error.headers.get("Location")
            return self._wrong_server(error.code, f"it leads to {where}" if where else error.reason)
        added = {name: problem[name] for name in _ADDED if name in problem}
        return {**failure(code, detail, error.code), **added}

    def _wrong_server(self, status: int, reason: str) -> JsonObject:
        """The failure for an answer of another server: a proxy, or a network's login page."""
        message = f"{reason}; it is not the server that answers at {self.url}"
        return failure("unreachable", message, status)


def api_path(action: str, *parameters: int | None) -> str:
    """The path of an operation; parameters that are None are left out."""
    given = [quote(str(parameter), safe="") for parameter in parameters if parameter is not None]
    return "/".join([action, *given])


def failure(code: str, message: str, status: int = 0) -> JsonObject:
    """`{"message", "code", "status"}`; the message begins with the status of an answer."""
    # The format of release 0.3: programs search for the number.
    text = f"status {status} with text: {message}" if status else message
    return {"message": text, "code": code, "status": status}


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, which would turn a move into a GET and reveal the token."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None
