"""Restores the client's address, scheme and host of requests behind a reverse proxy."""

from __future__ import annotations

from collections.abc import Collection

from aiohttp import web


def unwrapped(request: web.Request, proxies: Collection[str]) -> web.Request:
    """The request as the client sent it.

    X-Forwarded headers are trusted only if the request comes from one of `proxies`.
    """
    if request.remote not in proxies:
        return request
    trusted: dict[str, str] = {}
    scheme = request.headers.get("X-Forwarded-Proto")
    if scheme in ("http", "https"):
        trusted["scheme"] = scheme
    if host := request.headers.get("X-Forwarded-Host"):
        trusted["host"] = host
    # The last address that is not a trusted proxy. The client can forge the addresses before it.
    chain = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    for address in reversed(chain):
        if address and address not in proxies:
            trusted["remote"] = address
            break
    return request.clone(**trusted)  # type: ignore[arg-type]
