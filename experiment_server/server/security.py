"""Who calls: experimenter, participant, or nobody we know.

On loopback whoever reaches the server is on its machine, and needs no token. From anywhere else
a token is needed for everything but the server's health: as a bearer, in a socket's handshake, or
as the cookie that a login link leaves.
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass, field
from functools import lru_cache
from time import time

from aiohttp import web

from experiment_server.errors import NotAllowed, TokenMissing
from experiment_server.session.requests import Caller, Role
from experiment_server.session.tokens import Tokens
from experiment_server.wire.events import Actor

COOKIE = "experiment_server"
"""The name of the cookie that a login link leaves."""

CLI_AGENT = "experiment-server-cli"
"""How the command line names itself in User-Agent."""

_CALLER = web.RequestKey("caller", Caller)

FOR_ALL = ("/", "/index", "/login", "/login.css", "/healthz", "/readyz")
"""What needs no token: health, and the pages that ask for one themselves."""


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Who was let in, and with which token, None for none."""

    caller: Caller
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Lets callers in.

    With `guarded`, tokens are needed; with `lets_participants_in`, not for what participants do.
    """

    tokens: Tokens
    guarded: bool
    lets_participants_in: bool = False

    def caller(self, request: web.Request) -> Caller:
        """Who sends a request, found out once for each request; raises as `authenticate`."""
        try:
            return request[_CALLER]
        except KeyError:
            caller = request[_CALLER] = self.authenticate(request).caller
            return caller

    def authenticate(
        self, request: web.Request, actor: Actor = Actor.REST, given: object = None
    ) -> Authenticated:
        """Who sends a request, and by which way; `given` is a token from a socket's handshake.

        Raises TokenMissing, and TokenInvalid: a wrong token is never taken for none.
        """
        token = given if isinstance(given, str) and given else _token(request)
        if token is None and self.guarded and not self.lets_participants_in:
            token = _password(request)
        if token is not None:
            if self.tokens.is_admin(token):
                return Authenticated(Caller(Role.EXPERIMENTER, _actor(request, actor)), token)
            index = self.tokens.participant_of(token)
            return Authenticated(Caller(Role.PARTICIPANT, Actor.PARTICIPANT, index), token)
        if not self.guarded:
            return _on_this_machine(_actor(request, actor))
        if self.lets_participants_in:
            return Authenticated(Caller(Role.PARTICIPANT, Actor.PARTICIPANT))
        raise TokenMissing(
            "this server lets nobody in without a token: open the link that it printed at its "
            "start, or send `Authorization: Bearer <token>`"
        )

    def authenticate_experimenter(
        self, request: web.Request, given: object = None
    ) -> Authenticated:
        """The caller as experimenter; raises what `authenticate` raises, and NotAllowed."""
        authenticated = self.authenticate(request, Actor.DASHBOARD, given)
        if authenticated.caller.role is not Role.EXPERIMENTER:
            if authenticated.caller.participant_index is None:
                raise TokenMissing("the dashboard is for experimenters: log in with their token")
            raise NotAllowed("the dashboard is for experimenters only")
        return authenticated

    def check(self, authenticated: Authenticated) -> None:
        """Raise TokenInvalid for who was let in with a token that is no longer good."""
        token = authenticated.token
        if token is not None and not self.tokens.is_admin(token):
            self.tokens.participant_of(token)

    def valid_for(self, authenticated: Authenticated) -> float | None:
        """For how many seconds more a token is good; None for ever."""
        token = authenticated.token
        if token is None or self.tokens.is_admin(token):
            return None
        return self.tokens.valid_until(token) - time()


@lru_cache
def _on_this_machine(actor: Actor) -> Authenticated:
    return Authenticated(Caller(Role.EXPERIMENTER, actor))


def _token(request: web.Request) -> str | None:
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and bearer.strip():
        return bearer.strip()
    return request.cookies.get(COOKIE) or None if "Cookie" in request.headers else None


def _password(request: web.Request) -> str | None:
    """The token of a program that can only send Basic credentials, as UXF.

    Where nobody needs one it is not looked at: UXF sends its example's password unless told not to.
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
