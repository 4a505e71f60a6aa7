"""Who may talk to the server.

A server on loopback trusts the machine it runs on, but a browser on that machine also runs the
pages of strangers. Two headers tell them apart: a page's Origin must be the address that it is
talking to, and on loopback that address must be a loopback name, or a stranger's domain could be
pointed here (DNS rebinding). Programs that are no browsers send no Origin and are let in.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from experiment_server.errors import OriginForeign

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether an address or name to listen on can only be reached from this machine."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_browser(
    listening_on: str, host: str | None, origin: str | None, fetch_site: str | None, method: str
) -> None:
    """Raise OriginForeign for a request that a browser sends on behalf of somebody else's page.

    `listening_on` is the address the server is bound to; the others are the request's headers
    Host, Origin and Sec-Fetch-Site, None where absent.
    """
    hostname = _hostname(host)
    if is_loopback(listening_on) and hostname not in LOOPBACK_NAMES | {listening_on}:
        raise OriginForeign(
            f"this server answers to localhost and 127.0.0.1, not to {hostname!r}; "
            "to serve other machines, start it with --host"
        )
    if origin is not None and not _same_address(origin, host):
        raise OriginForeign(
            f"a page of {origin!r} may not talk to this server; open it from the server itself, "
            f"for example with --app, at http://{host}/app/"
        )
    if fetch_site == "cross-site" and method not in ("GET", "HEAD"):
        raise OriginForeign("a page from another site may not change anything here")


def browser_guard(listening_on: str) -> Middleware:
    """Middleware that refuses what `check_browser` refuses, on every route and handshake."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        check_browser(
            listening_on,
            request.headers.get("Host"),
            request.headers.get("Origin"),
            request.headers.get("Sec-Fetch-Site"),
            request.method,
        )
        return await handler(request)

    return guard


@lru_cache(maxsize=64)
def _hostname(host: str | None) -> str | None:
    if host is None:
        return None
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _same_address(origin: str, host: str | None) -> bool:
    try:
        split = urlsplit(origin)
        here = urlsplit(f"{split.scheme}://{host}")
        default = {"http": 80, "https": 443}.get(split.scheme)
        return (
            default is not None
            and split.hostname == here.hostname
            and (split.port or default) == (here.port or default)
        )
    except ValueError:
        return False
