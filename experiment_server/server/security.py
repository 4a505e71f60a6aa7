"""Authentication: the caller is an experimenter or a participant.

On loopback all callers are on the server's machine and need no token. Otherwise every request needs
one, except for the server's health: as a bearer token, in a socket's handshake, or in the cookie
that a login link sets.
"""

from __future__ import annotations

import logging
from base64 import b64decode
from dataclasses import dataclass, field
from functools import lru_cache
from time import time

from aiohttp import web

from experiment_server.errors import NotAllowed, TokenInvalid, TokenMissing
from experiment_server.session.requests import Caller, Role
from experiment_server.session.tokens import Tokens
from experiment_server.wire.events import Actor

COOKIE = "experiment_server"
"""The name of the cookie that a login link sets."""

CLI_AGENT = "experiment-server-cli"
"""The command line's User-Agent."""

log = logging.getLogger(__name__)

_CALLER = web.RequestKey("caller", Caller)

PUBLIC_PATHS = ("/", "/index", "/login", "/login.css", "/healthz", "/readyz")
"""The paths that need no token: health, and the pages that ask for one."""


@dataclass(frozen=True, slots=True)
class Authenticated:
    """An authenticated caller, and its token, None if it has none."""

    caller: Caller
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Authenticates callers.

    If the server is `guarded`, callers need tokens. If it also `is_open`, participants need none.
    """

    tokens: Tokens
    guarded: bool
    is_open: bool = False

    def admit(self, request: web.Request) -> None:
        """Put the caller of a request into it, for `caller`; raises as `authenticate`."""
        request[_CALLER] = self.authenticate(request).caller

    def caller(self, request: web.Request) -> Caller:
        """The caller of a request, cached in the request; raises as `authenticate`."""
        try:
            return request[_CALLER]
        except KeyError:
            caller = request[_CALLER] = self.authenticate(request).caller
            return caller

    def authenticate(
        self, request: web.Request, actor: Actor = Actor.REST, given: object = None
    ) -> Authenticated:
        """Authenticate a request; `given` is the token of a socket's handshake.

        Raises TokenMissing, and TokenInvalid for a wrong token, even if no token is needed.
        """
        token = given if isinstance(given, str) and given else _token(request)
        if token is None and self.guarded and not self.is_open:
            token = _password(request)
        if token is not None:
            if self.tokens.is_admin(token):
                return Authenticated(Caller(Role.EXPERIMENTER, _actor(request, actor)), token)
            try:
                index = self.tokens.participant_of(token)
            except TokenInvalid:
                log_refused_token(request)
                raise
            return Authenticated(Caller(Role.PARTICIPANT, Actor.PARTICIPANT, index), token)
        if not self.guarded:
            return _on_this_machine(_actor(request, actor))
        if self.is_open:
            return Authenticated(Caller(Role.PARTICIPANT, Actor.PARTICIPANT))
        raise TokenMissing(
            "this server requires a token: open the link that it printed at its start, or send "
            "`Authorization: Bearer <token>`"
        )

    def authenticate_experimenter(
        self, request: web.Request, given: object = None
    ) -> Authenticated:
        """Authenticate an experimenter; raises as `authenticate`, and NotAllowed."""
        authenticated = self.authenticate(request, Actor.DASHBOARD, given)
        if authenticated.caller.role is not Role.EXPERIMENTER:
            if authenticated.caller.participant_index is None:
                raise TokenMissing("the dashboard is for experimenters: log in with their token")
            raise NotAllowed("the dashboard is for experimenters only")
        return authenticated

    def check(self, authenticated: Authenticated) -> None:
        """Raise TokenInvalid if the caller's token has expired."""
        token = authenticated.token
        if token is not None and not self.tokens.is_admin(token):
            self.tokens.participant_of(token)

    def seconds_valid(self, authenticated: Authenticated) -> float | None:
        """The seconds until the caller's token expires; None if it never does."""
        token = authenticated.token
        if token is None or self.tokens.is_admin(token):
            return None
        return self.tokens.valid_until(token) - time()


def log_refused_token(request: web.Request) -> None:
    """Log that a request has a wrong or expired token; the line omits the token."""
    log.warning("%s sent a token that is wrong or has expired", request.remote)


@lru_cache
def _on_this_machine(actor: Actor) -> Authenticated:
    return Authenticated(Caller(Role.EXPERIMENTER, actor))


def _token(request: web.Request) -> str | None:
    headers = request.headers
    if "Authorization" in headers:
        scheme, _, bearer = headers["Authorization"].partition(" ")
        if scheme.lower() == "bearer" and bearer.strip():
            return bearer.strip()
    return request.cookies.get(COOKIE) or None if "Cookie" in headers else None


def _password(request: web.Request) -> str | None:
    """The token from Basic credentials, for programs such as UXF that support nothing else.

    It is not read if no token is needed, because UXF sends an example password by default.
    """
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        _, _, password = b64decode(credentials, validate=True).decode().partition(":")
    except ValueError:
        return None
    return password or None


def _actor(request: web.Request, actor: Actor) -> Actor:
    by_cli = request.headers.get("User-Agent", "").startswith(CLI_AGENT)
    return Actor.CLI if by_cli and actor is Actor.REST else actor
