"""What pages in a browser may do here.

A server on loopback trusts the machine it runs on, but a browser on that machine also runs the
pages of strangers. Two headers tell them apart: a page's Origin must be the address that it is
talking to, and where no token protects, that address must be one that only means this machine, or
a stranger's domain could be pointed here (DNS rebinding). Programs that are no browsers send no
Origin and are let in.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from aiohttp import web

from experiment_server.errors import OriginForeign
from experiment_server.server.addresses import is_own_name

# Another port of the same machine is the same site, and not ours.
_ELSEWHERE = frozenset({"cross-site", "same-site"})


def page_policy(styles: str = "'self'") -> str:
    """Our pages run nothing that is written into a page, and nothing from elsewhere."""
    return (
        f"default-src 'none'; script-src 'self'; style-src {styles}; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )


PAGE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # With no-referrer, our own login form would come from an Origin of "null".
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": page_policy(),
}
"""What browsers are told with every response about what our pages may do."""

_METHODS = "GET, POST, PUT, PATCH"
_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match"


@dataclass(frozen=True, slots=True)
class BrowserRules:
    """Which pages are let in.

    `names` are the only names that the server answers to, None for any; with `only_own_names` it
    answers to those that only mean this machine, and to `public_name`. `cors_origins` are the pages
    of other servers that may talk to it.
    """

    names: Collection[str] | None = None
    only_own_names: bool = False
    public_name: str | None = None
    cors_origins: Collection[str] = ()

    def check(
        self,
        scheme: str,
        host: str | None,
        origin: str | None,
        fetch_site: str | None,
        method: str,
        *,
        handshake: bool = False,
    ) -> None:
        """Raise OriginForeign for what a browser sends on behalf of somebody else's page.

        `host`, `origin` and `fetch_site` are the request's headers Host, Origin and
        Sec-Fetch-Site, None where absent. A socket's `handshake` changes something, as it is
        counted: an image tag must not be enough for one.
        """
        hostname = _hostname(host)
        if self.names is not None and hostname not in self.names:
            raise OriginForeign(
                f"this server answers to localhost and 127.0.0.1, not to {hostname!r}; "
                "to serve other machines, start it with --host"
            )
        if self.only_own_names and not self._is_ours(hostname or ""):
            raise OriginForeign(
                f"with --open this server answers to its address, not to {hostname!r}; if that is "
                "its name, start it with --public-url"
            )
        if origin in self.cors_origins:
            return
        if origin is not None and not _same_address(origin, host):
            raise OriginForeign(
                f"a page of {origin!r} may not talk to this server; open it from the server "
                f"itself, for example with --app, at {scheme}://{host}/app/, or start the server "
                f"with --cors-origin {origin}"
            )
        if fetch_site in _ELSEWHERE and (handshake or method not in ("GET", "HEAD")):
            raise OriginForeign("a page from another site may not change anything here")

    def check_request(self, request: web.Request, *, is_handshake: bool) -> None:
        """`check` a request, which may begin a socket."""
        headers = request.headers
        self.check(
            request.scheme,
            request.host if "Host" in headers else None,
            headers.get("Origin"),
            headers.get("Sec-Fetch-Site"),
            request.method,
            handshake=is_handshake,
        )

    def is_preflight(self, request: web.Request) -> bool:
        """Whether a browser asks on behalf of another server's page what that may do."""
        return request.method == "OPTIONS" and request.headers.get("Origin") in self.cors_origins

    def allow(self, request: web.Request, response: web.StreamResponse) -> None:
        """Tell a browser that a page of `cors_origins` may read what it asked for."""
        if not self.cors_origins:
            return
        origin = request.headers.get("Origin")
        if origin is not None and origin in self.cors_origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Methods"] = _METHODS
            response.headers["Access-Control-Allow-Headers"] = _HEADERS
            response.headers["Vary"] = "Origin"

    def _is_ours(self, hostname: str) -> bool:
        return hostname == self.public_name or is_own_name(hostname)


def announce_origins(app: web.Application, rules: BrowserRules) -> None:
    """Tell browsers what `rules` allow also with responses that are sent piece by piece."""

    async def allow(request: web.Request, response: web.StreamResponse) -> None:
        rules.allow(request, response)

    app.on_response_prepare.append(allow)


@lru_cache(maxsize=64)
def _hostname(host: str | None) -> str | None:
    if host is None:
        return None
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _same_address(origin: str, host: str | None) -> bool:
    # A proxy may speak https for us: the page's own scheme says which port is meant.
    try:
        there = urlsplit(origin)
        here = urlsplit(f"{there.scheme}://{host}")
        default = {"http": 80, "https": 443}
        return (
            there.scheme in default
            and there.hostname == here.hostname
            and (there.port or default[there.scheme]) == (here.port or default[there.scheme])
        )
    except (ValueError, KeyError):
        return False
