"""Requests that come through a reverse proxy, as they were before it."""

from __future__ import annotations

from collections.abc import Collection

from aiohttp import web


def unwrapped(request: web.Request, proxies: Collection[str]) -> web.Request:
    """A request as its sender sent it.

    The X-Forwarded headers of these addresses are believed, and those of no others.
    """
    if request.remote not in proxies:
        return request
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
    return request.clone(**believed)  # type: ignore[arg-type]
