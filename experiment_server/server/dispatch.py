"""What happens to every request before and after its handler, in one place.

Middlewares of their own for each of these matters would await one another, six deep, and each would
find out anew about the route what never changes. What can be known of a route is in a table.
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
from experiment_server.server.logs import REQUEST_ID, current_request, name_of
from experiment_server.server.metrics import Metrics
from experiment_server.server.proxy import unwrapped
from experiment_server.server.security import FOR_ALL, Authenticator


@dataclass(frozen=True, slots=True)
class _Route:
    """What is known of a route before anybody asks for it.

    `pattern` names it in figures. `is_public` tells that it needs no token, and `has_sockets` that
    a socket may begin there.
    """

    pattern: str
    is_public: bool
    has_sockets: bool

    @classmethod
    def of(cls, path: str, pattern: str) -> _Route:
        """What is known of a path."""
        return cls(pattern, path in FOR_ALL, path.startswith("/socket.io"))

    def is_handshake(self, request: web.Request) -> bool:
        """Whether a request for it belongs to a socket, which shows its token later."""
        return self.has_sockets and "EIO" in request.query


class Dispatch:
    """Names, admits, answers and counts requests. `proxies` are addresses of reverse proxies."""

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
        """The one middleware of the application."""

        @web.middleware
        async def dispatch(request: web.Request, handler: Handler) -> web.StreamResponse:
            started = time.perf_counter()
            name = name_of(request)
            token = current_request.set(name)
            route = self._route(request)
            try:
                try:
                    request = self._checked(request, route)
                    if self._rules.is_preflight(request):
                        response: web.StreamResponse = web.Response(status=204)
                    else:
                        self._admit(request, route)
                        response = await handler(request)
                except Exception as error:  # noqa: BLE001 - it becomes the response
                    response = problem_of(request, error)
                if not response.prepared:
                    response.headers[REQUEST_ID] = name
                    self._rules.allow(request, response)
                method = request.method if request.method in METH_ALL else "other"
                self._metrics.answered(method, route.pattern, response, started)
                return response
            finally:
                current_request.reset(token)

        return dispatch

    def _route(self, request: web.Request) -> _Route:
        route = request.match_info.route
        known = self._routes.get(route)
        if known is None:
            resource = route.resource
            if resource is None:
                # The pattern, not the path: what anybody may ask for must not fill the memory.
                return _Route.of(request.path, "unknown")
            known = self._routes[route] = _Route.of(resource.canonical, resource.canonical)
        return known

    def _checked(self, request: web.Request, route: _Route) -> web.Request:
        """The request as its client sent it; raises OriginForeign."""
        if self._proxies:
            request = unwrapped(request, self._proxies)
        self._rules.check_request(request, is_handshake=route.is_handshake(request))
        return request

    def _admit(self, request: web.Request, route: _Route) -> None:
        """Raise what refuses a request for its body, or its caller."""
        require_plain_utf_8(request)
        if not route.is_public and not route.is_handshake(request):
            self._authenticator.caller(request)
