"""Health, readiness, and metrics in the Prometheus format."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from experiment_server.errors import ExperimentServerError, NotAllowed
from experiment_server.limits.session import LOOP_LAG_INTERVAL_S
from experiment_server.server.figures import Counts, Durations
from experiment_server.server.readiness import Readiness
from experiment_server.server.responses import WholeResponse
from experiment_server.server.security import Authenticator
from experiment_server.session.requests import Role
from experiment_server.session.session import StudySession
from experiment_server.store.store import Store
from experiment_server.wire.events import Actor

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """The metrics of one server."""

    def __init__(self, session: StudySession, store: Store) -> None:
        self._registry = CollectorRegistry()
        self._operations = Counts(
            "experiment_server_operations",
            "Operations by outcome: ok, or the code of the error",
            ["operation", "door", "outcome"],
            self._registry,
        )
        self._requests = Counts(
            "experiment_server_requests",
            "HTTP requests",
            ["method", "route", "status"],
            self._registry,
        )
        self._request_seconds = Durations(
            "experiment_server_request_seconds",
            "Time from a request to its response, without sockets and streams",
            "route",
            _SECONDS,
            self._registry,
        )
        self._commit_seconds = Histogram(
            "experiment_server_commit_seconds",
            "Time of one transaction with a group of changes",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._lag = Gauge(
            "experiment_server_event_loop_lag_seconds",
            "Delay of the event loop at the last measurement",
            registry=self._registry,
        )
        ProcessCollector(registry=self._registry)
        self._gauge("tasks", "Tasks of the event loop", lambda: float(len(asyncio.all_tasks())))
        store.on_commit(self._commit_seconds.observe)
        self._gauge(
            "commits_waiting", "Changes that wait for the disk", lambda: float(store.waiting)
        )
        self._gauge(
            "study_errors",
            "Errors in the study file on disk",
            lambda: float(
                sum(item.severity == "error" for item in session.study_file.diagnostics())
            ),
        )
        self._gauge("participants", "Participants", lambda: float(session.participants_count))

    def counted(self, operation: str, interface: Actor) -> _OperationCounter:
        """A context that counts an operation by its outcome."""
        return _OperationCounter(self._operations, operation, interface)

    def count_sockets(self, counts: Callable[[], Mapping[str, int]]) -> None:
        """Add gauges for sockets; `counts` returns their number by namespace."""
        for namespace in counts():
            self._gauge(
                f"sockets_{namespace}",
                f"Connected sockets, {namespace}",
                lambda namespace=namespace: float(counts()[namespace]),  # type: ignore[misc]
            )

    def count_connections(self, count: Callable[[], int]) -> None:
        """Add a gauge for connections; `count` returns their number."""
        self._gauge("connections", "Connections, whether used or idle", lambda: float(count()))

    def count_response(
        self, method: str, route: str, response: web.StreamResponse, started: float
    ) -> None:
        """Count a response and its time since `started`, a value of the performance counter."""
        self._requests.add(method, route, str(response.status))
        if isinstance(response, (WholeResponse, web.Response)):
            self._request_seconds.add(route, time.perf_counter() - started)

    async def watch_lag(self) -> None:
        """Measure the event loop's delay at intervals, until cancelled."""
        while True:
            started = time.perf_counter()
            await asyncio.sleep(LOOP_LAG_INTERVAL_S)
            self._lag.set(max(0.0, time.perf_counter() - started - LOOP_LAG_INTERVAL_S))

    def text(self) -> bytes:
        """All metrics in the Prometheus text format."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, summary: str, value: Callable[[], float]) -> None:
        gauge = Gauge(f"experiment_server_{name}", summary, registry=self._registry)
        gauge.set_function(value)


class _OperationCounter:
    """A context that counts an operation at its end."""

    __slots__ = ("_counts", "_interface", "_operation")

    def __init__(self, counts: Counts, operation: str, interface: Actor) -> None:
        self._counts = counts
        self._operation = operation
        self._interface = interface

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        outcome = "ok"
        if isinstance(error, ExperimentServerError):
            outcome = error.code
        elif isinstance(error, Exception):
            outcome = ExperimentServerError.code
        self._counts.add(self._operation, self._interface.value, outcome)


def add_routes(
    app: web.Application,
    session: StudySession,
    authenticator: Authenticator,
    metrics: Metrics,
    readiness: Readiness,
) -> None:
    """Serve /healthz, /readyz and /metrics."""

    async def health(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def ready(_request: web.Request) -> web.Response:
        if session.stopping.is_set():
            return web.json_response({"status": "stopping"}, status=503)
        problem = await readiness.problem()
        if problem is not None:
            return web.json_response({"status": problem}, status=503)
        return web.json_response({"status": "ready"})

    async def figures(request: web.Request) -> web.Response:
        if authenticator.caller(request).role is not Role.EXPERIMENTER:
            raise NotAllowed("the metrics are for experimenters only")
        return web.Response(body=metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app.router.add_get("/healthz", health)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", figures)
