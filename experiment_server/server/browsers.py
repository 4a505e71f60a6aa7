"""Protects the server from pages of other sites in a browser.

A server on loopback trusts all programs of its machine, but a browser there also runs other sites'
pages. Two checks refuse their requests. First, a page's Origin must equal the server's address.
Second, without tokens, the Host must be a name that can only mean this machine; otherwise an
attacker could point a domain to this server (DNS rebinding). Programs other than browsers send no
Origin and are accepted.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from aiohttp import web

from experiment_server.errors import OriginForeign
from experiment_server.server.addresses import is_own_name

# Another port of the same machine is the same site, but another server.
_OTHER_SITES = frozenset({"cross-site", "same-site"})


def page_policy(styles: str = "'self'") -> str:
    """The content security policy of the server's pages: no inline scripts, no other origins."""
    return (
        f"default-src 'none'; script-src 'self'; style-src {styles}; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )


PAGE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # With no-referrer, browsers would send the Origin "null" with the login form.
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": page_policy(),
}
"""The security headers of every response."""


def add_page_headers(response: web.StreamResponse) -> None:
    """Add those of `PAGE_HEADERS` that a response does not have."""
    for name, value in PAGE_HEADERS.items():
        response.headers.setdefault(name, value)


_METHODS = "GET, POST, PUT, PATCH"
_HEADERS = "Authorization, Content-Range, Content-Type, Idempotency-Key, If-Match, Repr-Digest"


@dataclass(frozen=True, slots=True)
class BrowserRules:
    """The rules for requests from browsers.

    `names` are the hosts that the server accepts, None for any. With `only_own_names` it accepts
    names of this machine, and `public_name`. `cors_origins` are the origins of other servers whose
    pages may call this one.
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
        """Raise OriginForeign for a browser's request from a page of another site.

        `host`, `origin` and `fetch_site` are the request's headers Host, Origin and
        Sec-Fetch-Site, None if absent. A socket's `handshake` counts as a change, so that an image
        tag of another site cannot open a socket.
        """
        hostname = _hostname(host)
        if self.names is not None and hostname not in self.names:
            raise OriginForeign(
                f"this server answers to localhost and 127.0.0.1, not to {hostname!r}; "
                "to serve other machines, start it with --host"
            )
        if self.only_own_names and not self._is_own_host(hostname or ""):
            raise OriginForeign(
                f"with --open, this server answers to its address, not to {hostname!r}; if that is "
                "the server's name, set it with --public-url"
            )
        if origin in self.cors_origins:
            return
        if origin is not None and not _same_address(origin, host):
            raise OriginForeign(
                f"a page of {origin!r} may not call this server; serve the page from this server, "
                f"for example with --app at {scheme}://{host}/app/, or start the server "
                f"with --cors-origin {origin}"
            )
        if fetch_site in _OTHER_SITES and (handshake or method not in ("GET", "HEAD")):
            raise OriginForeign("a page from another site may not change anything here")

    def check_request(self, request: web.Request, *, is_handshake: bool) -> None:
        """Apply `check` to a request."""
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
        """Whether this is a CORS preflight request from an allowed origin."""
        return request.method == "OPTIONS" and request.headers.get("Origin") in self.cors_origins

    def allow(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the CORS headers that allow a page of `cors_origins` to read the response."""
        if not self.cors_origins:
            return
        origin = request.headers.get("Origin")
        if origin is not None and origin in self.cors_origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Methods"] = _METHODS
            response.headers["Access-Control-Allow-Headers"] = _HEADERS
            response.headers["Vary"] = "Origin"

    def _is_own_host(self, hostname: str) -> bool:
        return hostname == self.public_name or is_own_name(hostname)


def announce_origins(app: web.Application, rules: BrowserRules) -> None:
    """Add CORS headers to streamed responses as well."""

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
    # A proxy may terminate https, so the default port follows from the page's scheme.
    try:
        page = urlsplit(origin)
        server = urlsplit(f"{page.scheme}://{host}")
        default = {"http": 80, "https": 443}
        return (
            page.scheme in default
            and page.hostname == server.hostname
            and (page.port or default[page.scheme]) == (server.port or default[page.scheme])
        )
    except (ValueError, KeyError):
        return False
