"""The single middleware, which runs before and after the handler of every request.

Separate middlewares for its tasks would be six nested awaits, and each would look up the route's
properties again. Here a table holds the properties of each route.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

from aiohttp import web
from aiohttp.hdrs import METH_ALL
from aiohttp.typedefs import Handler, Middleware

from experiment_server.server.bodies import require_plain_utf_8
from experiment_server.server.browsers import BrowserRules
from experiment_server.server.encoding import problem_of
from experiment_server.server.logs import REQUEST_ID, current_request, request_id_of
from experiment_server.server.metrics import Metrics
from experiment_server.server.proxy import unwrapped
from experiment_server.server.security import PUBLIC_PATHS, Authenticator


@dataclass(frozen=True, slots=True)
class _Route:
    """The properties of a route.

    `pattern` is its name in metrics. `is_public` says that it needs no token, and `has_sockets`
    that clients open sockets there.
    """

    pattern: str
    is_public: bool
    has_sockets: bool

    @classmethod
    def of(cls, path: str, pattern: str) -> _Route:
        """The properties of a path."""
        return cls(pattern, path in PUBLIC_PATHS, path.startswith("/socket.io"))

    def is_handshake(self, request: web.Request) -> bool:
        """Whether a request belongs to a socket, which sends its token later."""
        return self.has_sockets and "EIO" in request.query


class Dispatch:
    """Identifies, authorizes and counts requests. `proxies` are addresses of reverse proxies."""

    def __init__(
        self,
        authenticator: Authenticator,
        rules: BrowserRules,
        metrics: Metrics,
        proxies: Collection[str] = (),
    ) -> None:
        self._authenticator = authenticator
        self._rules = rules
        self._metrics = metrics
        self._proxies = proxies
        self._routes: dict[web.AbstractRoute, _Route] = {}

    def middleware(self) -> Middleware:
        """The middleware of the application."""

        @web.middleware
        async def dispatch(request: web.Request, handler: Handler) -> web.StreamResponse:
            started = time.perf_counter()
            request_id = request_id_of(request)
            token = current_request.set(request_id)
            route = self._route(request)
            try:
                try:
                    request = self._check_origin(request, route)
                    if self._rules.is_preflight(request):
                        response: web.StreamResponse = web.Response(status=204)
                    else:
                        self._authorize(request, route)
                        response = await handler(request)
                except Exception as error:  # noqa: BLE001 - it becomes the response
                    response = problem_of(request, error)
                if not response.prepared:
                    response.headers[REQUEST_ID] = request_id
                    self._rules.allow(request, response)
                method = request.method if request.method in METH_ALL else "other"
                self._metrics.count_response(method, route.pattern, response, started)
                return response
            finally:
                current_request.reset(token)

        return dispatch

    def _route(self, request: web.Request) -> _Route:
        route = request.match_info.route
        found = self._routes.get(route)
        if found is None:
            resource = route.resource
            if resource is None:
                # Unknown paths share one label, so that requests cannot fill the memory.
                return _Route.of(request.path, "unknown")
            found = self._routes[route] = _Route.of(resource.canonical, resource.canonical)
        return found

    def _check_origin(self, request: web.Request, route: _Route) -> web.Request:
        """The request as the client sent it to the proxy; raises OriginForeign."""
        if self._proxies:
            request = unwrapped(request, self._proxies)
        self._rules.check_request(request, is_handshake=route.is_handshake(request))
        return request

    def _authorize(self, request: web.Request, route: _Route) -> None:
        """Raise an error if the body's encoding or the caller is not allowed."""
        require_plain_utf_8(request)
        if not route.is_public and not route.is_handshake(request):
            self._authenticator.caller(request)
