"""The single function that runs before and after the handler of every request.

Separate middlewares for its tasks would be six nested awaits, and each would look up the route's
properties again. Here tables hold the routes of operations and the properties of all routes.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from aiohttp import web
from aiohttp.hdrs import METH_ALL
from aiohttp.typedefs import Handler, Middleware

from experiment_server.server.bodies import require_plain_utf_8
from experiment_server.server.browsers import BrowserRules, add_page_headers
from experiment_server.server.connections import ServerHandler
from experiment_server.server.encoding import problem_of
from experiment_server.server.logs import REQUEST_ID, current_request, request_id_of
from experiment_server.server.metrics import Metrics
from experiment_server.server.proxy import unwrapped
from experiment_server.server.responses import WholeResponse
from experiment_server.server.routes import OperationRoutes, Route
from experiment_server.server.security import Authenticator


class Dispatch:
    """Identifies, authorizes and counts requests. `proxies` are addresses of reverse proxies."""

    def __init__(
        self,
        authenticator: Authenticator,
        rules: BrowserRules,
        metrics: Metrics,
        operations: OperationRoutes,
        proxies: Collection[str] = (),
    ) -> None:
        self._authenticator = authenticator
        self._rules = rules
        self._metrics = metrics
        self._operations = operations
        self._proxies = proxies
        self._routes: dict[web.AbstractRoute, Route] = {}

    def entrance(self, handler: ServerHandler) -> ServerHandler:
        """The handler of a server: serves operations itself, and others with aiohttp's handler."""

        async def enter(request: web.BaseRequest) -> web.StreamResponse:
            found = self._operations.find(request)
            if found is None or not isinstance(request, web.Request):
                return await handler(request)
            return await self._answer(request, *found)

        return enter

    def middleware(self) -> Middleware:
        """The middleware of the application."""

        @web.middleware
        async def dispatch(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._answer(request, self._route(request), handler)

        return dispatch

    async def _answer(
        self, request: web.Request, route: Route, handler: Handler
    ) -> web.StreamResponse:
        started = time.perf_counter()
        request_id = request_id_of(request)
        token = current_request.set(request_id)
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
                if not isinstance(response, WholeResponse):
                    add_page_headers(response)
            method = request.method if request.method in METH_ALL else "other"
            self._metrics.count_response(method, route.pattern, response, started)
            return response
        finally:
            current_request.reset(token)

    def _route(self, request: web.Request) -> Route:
        route = request.match_info.route
        found = self._routes.get(route)
        if found is None:
            resource = route.resource
            if resource is None:
                # Unknown paths share one label, so that requests cannot fill the memory.
                return Route.of(request.path, "unknown")
            found = self._routes[route] = Route.of(resource.canonical, resource.canonical)
        return found

    def _check_origin(self, request: web.Request, route: Route) -> web.Request:
        """The request as the client sent it to the proxy; raises OriginForeign."""
        if self._proxies:
            request = unwrapped(request, self._proxies)
        self._rules.check_request(request, is_handshake=route.is_handshake(request))
        return request

    def _authorize(self, request: web.Request, route: Route) -> None:
        """Raise an error if the body's encoding or the caller is not allowed."""
        require_plain_utf_8(request)
        if not route.is_public and not route.is_handshake(request):
            self._authenticator.admit(request)
