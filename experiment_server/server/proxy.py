"""Requests that come through a reverse proxy, as they were before it."""

from __future__ import annotations

from collections.abc import Collection

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware


def behind(proxies: Collection[str]) -> Middleware:
    """Middleware that believes the X-Forwarded headers of these addresses, and of no others."""

    @web.middleware
    async def unwrap(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.remote not in proxies:
            return await handler(request)
        believed: dict[str, str] = {}
        scheme = request.headers.get("X-Forwarded-Proto")
        if scheme in ("http", "https"):
            believed["scheme"] = scheme
        if host := request.headers.get("X-Forwarded-Host"):
            believed["host"] = host
        # The nearest address that is no proxy of ours: what stands before it, anybody can write.
        chain = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
        for address in reversed(chain):
            if address and address not in proxies:
                believed["remote"] = address
                break
        return await handler(request.clone(**believed))  # type: ignore[arg-type]

    return unwrap
