"""The routes of operations, found with one lookup.

aiohttp matches a path with patterns, and prepares each request for nested applications. Most
requests need neither: they are for an operation, with whole numbers in the path.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from experiment_server.server.security import PUBLIC_PATHS

Serve = Callable[[Sequence[str], web.Request], Awaitable[web.StreamResponse]]
"""A function that answers a request with the given path parameters."""

# Python's int() would also accept "١٢" and "1_0".
INTEGER = re.compile(r"-?[0-9]{1,18}")


# Longer paths are left to aiohttp. The longest operation has two indices of ten digits.
_PATH_MAX_LENGTH = 64

# The number of cached paths: a few for each of a thousand participants, with about 300 bytes each.
_CACHE_MAX = 4_096


@dataclass(frozen=True, slots=True)
class Route:
    """The properties of a route.

    `pattern` is its name in metrics. `is_public` says that it needs no token, and `has_sockets`
    that clients open sockets there.
    """

    pattern: str
    is_public: bool
    has_sockets: bool

    @classmethod
    def of(cls, path: str, pattern: str) -> Route:
        """The properties of a path."""
        return cls(pattern, path in PUBLIC_PATHS, path.startswith("/socket.io"))

    def is_handshake(self, request: web.Request) -> bool:
        """Whether a request belongs to a socket, which sends its token later."""
        return self.has_sockets and "EIO" in request.query


class OperationRoutes:
    """Finds operations by the method, the name and the number of parameters of a request.

    The paths that were found last are cached: apps send the same ones again and again.
    """

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str, int], tuple[Route, Serve]] = {}
        self._methods: set[str] = set()
        self._find = lru_cache(maxsize=_CACHE_MAX)(self._match)

    def add(self, method: str, path: str, serve: Serve) -> None:
        """Add a route such as `/api/config/{participant_index}`."""
        _, _, name, *parameters = path.split("/")
        self._routes[method, name, len(parameters)] = Route.of(path, path), serve
        self._methods.add(method)

    def find(self, request: web.BaseRequest) -> tuple[Route, Handler] | None:
        """The route and the handler of a request; None if aiohttp has to find or refuse it."""
        method, path = request.method, request.rel_url.raw_path
        # Paths that clients can invent are not cached.
        if method not in self._methods or len(path) > _PATH_MAX_LENGTH:
            return None
        return None if hdrs.EXPECT in request.headers else self._find(method, path)

    def _match(self, method: str, path: str) -> tuple[Route, Handler] | None:
        start, api, *parts = path.split("/")
        if start or api != "api" or not parts:
            return None
        name, *values = parts
        found = self._routes.get((method, name, len(values)))
        if found is None or not all(map(INTEGER.fullmatch, values)):
            return None
        route, serve = found
        return route, partial(serve, values)
