"""Creates the parts of a server from its settings, starts them, and stops them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import secrets
import signal
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from experiment_server.errors import StartRefused
from experiment_server.limits.network import ADMIN_TOKEN_MIN_LENGTH, BODY_MAX_BYTES, CONNECTIONS_MAX
from experiment_server.server import dashboard, files, openapi, rest, uxf
from experiment_server.server.addresses import (
    LOOPBACK_NAMES,
    checked_public_url,
    url_for_this_machine,
    urls_for_others,
)
from experiment_server.server.browsers import BrowserRules, announce_origins
from experiment_server.server.connection_counts import (
    ConnectionCounter,
    Connections,
    connections_for,
    raise_descriptor_limit,
)
from experiment_server.server.connections import ServerHandler, listening
from experiment_server.server.dispatch import Dispatch
from experiment_server.server.garbage import short_collections
from experiment_server.server.login import add_login
from experiment_server.server.metrics import Metrics
from experiment_server.server.metrics import add_routes as add_metrics
from experiment_server.server.readiness import Readiness
from experiment_server.server.receiving import FileReceiver
from experiment_server.server.routes import OperationRoutes
from experiment_server.server.security import Authenticator
from experiment_server.server.settings import Settings
from experiment_server.server.sockets import SocketContext, SocketEndpoints
from experiment_server.session.hub import Hub
from experiment_server.session.running import SessionOptions
from experiment_server.session.session import StudySession
from experiment_server.session.tasks import Tasks
from experiment_server.session.tokens import Tokens
from experiment_server.session.watcher import watch
from experiment_server.store.database import DatabaseAddress
from experiment_server.store.store import Store
from experiment_server.store.study_file import read_source
from experiment_server.store.uploaded_files import UploadedFiles
from experiment_server.study.parse import parse

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """A running server.

    `url` is its address for programs on the same machine, and `urls` are its addresses for other
    machines. `database` names the database. `admin_token` is the experimenters' token, None if they
    need none.
    """

    url: str
    urls: list[str]
    session: StudySession
    database: str
    admin_token: str | None


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Running]:
    """Serve a study while the context is open.

    Raises StudyFileUnreadable, StudyInvalid, DatabaseInUse, DatabaseUnusable, and StartRefused if
    the server cannot listen on the address or the app folder is invalid. At the end, raises
    SessionLost if another server has taken over the session, and DatabaseDamaged if the database is
    damaged.
    """
    parsed = parse(read_source(settings.config_file))
    parsed.require()
    if settings.public_url is not None:
        checked_public_url(settings.public_url)
    place = DatabaseAddress.of(settings.place)
    if settings.app is not None:
        _check_app(settings.app, settings, place)
    store = Store(
        place,
        session=settings.session,
        durability=settings.durability,
        address=f"port {settings.port} of {settings.host}",
    )
    tasks, hub, port = Tasks(), Hub(), _Port(settings)
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    store.on_lost(lambda: loop.call_soon_threadsafe(stopping.set))
    session = None
    try:
        tokens = await _tokens(settings, store)
        options = SessionOptions(
            default_participant_index=settings.default_participant_index,
            on_change=settings.on_change,
            database=str(place),
            session=settings.session,
            has_app=settings.app is not None,
            guarded=settings.guarded and not settings.open,
            urls=port.urls_for_others,
        )
        session = StudySession(
            settings.config_file, parsed, store, hub, tasks, tokens, options, stopping
        )
        await session.start()
        authenticator = Authenticator(tokens, settings.guarded, settings.open)
        rules = _browser_rules(settings)
        metrics = Metrics(session, store)
        tasks.start(metrics.watch_lag(), "watch-lag")
        routes = OperationRoutes()
        dispatch = Dispatch(authenticator, rules, metrics, routes, settings.trusted_proxy)
        app = web.Application(middlewares=[dispatch.middleware()], client_max_size=BODY_MAX_BYTES)
        if rules.cors_origins:
            announce_origins(app, rules)
        dashboard.add_headers(app)
        add_login(app, authenticator, has_app=settings.app is not None)
        dashboard.add_routes(app, session, authenticator)
        if settings.app is not None:
            dashboard.add_app(app, settings.app)
        add_metrics(app, session, authenticator, metrics, Readiness(store))
        openapi.add_route(app)
        uploaded = UploadedFiles(settings.data_folder, settings.session)
        receiver = FileReceiver(app, session, uploaded)
        uxf.add_route(app, authenticator, receiver)
        files.add_routes(app, session, authenticator, receiver)
        rest.add_routes(app, routes, session, authenticator, metrics)
        connections = _connections(settings)
        metrics.count_connections(connections.count)
        connection_counter = ConnectionCounter(
            connections.total, settings.max_connections_per_address
        )
        endpoints = SocketEndpoints(
            app, SocketContext(session, authenticator, metrics, tasks, connection_counter), hub
        )
        async with _listening(app, dispatch.entrance, connections, settings) as port.number:
            tasks.start(watch(session.study_file), "watch-study-file")
            try:
                url, urls = port.url_for_this_machine(), port.urls_for_others()
                yield Running(url, urls, session, str(place), authenticator.tokens.admin)
            finally:
                await endpoints.close()
        await session.stop()
    finally:
        await tasks.close()
        if session is not None:
            await session.study_file.stop()
        await asyncio.to_thread(store.close)
    if store.lost:
        raise store.lost


class _Port:
    """The port that the server listens on, and the server's addresses."""

    def __init__(self, settings: Settings) -> None:
        self.number = settings.port
        self._settings = settings
        self._scheme = "https" if settings.tls_cert else "http"

    def url_for_this_machine(self) -> str:
        """The server's address for programs on this machine."""
        return url_for_this_machine(self._settings.host, self.number, self._scheme)

    def urls_for_others(self) -> list[str]:
        """The server's addresses for other machines; they change with the network."""
        settings = self._settings
        return urls_for_others(settings.host, self.number, self._scheme, settings.public_url)


async def _tokens(settings: Settings, store: Store) -> Tokens:
    token = settings.admin_token
    if token is not None and len(token) < ADMIN_TOKEN_MIN_LENGTH:
        raise StartRefused(
            f"the admin token has to have {ADMIN_TOKEN_MIN_LENGTH} characters or more; without "
            "--admin-token the server creates one"
        )
    if token is None and settings.guarded:
        token = secrets.token_urlsafe(32)
    key = await asyncio.wrap_future(store.signing_key())
    return Tokens(key, settings.session, token)


def _check_app(app: Path, settings: Settings, place: DatabaseAddress) -> None:
    """Raise StartRefused if the app folder has no app, or if it would publish private files."""
    if not (app / "index.html").is_file():
        raise StartRefused(f"the app folder {app} has no index.html")
    inside = {"the study": settings.config_file, "its data": settings.data_folder}
    if place.path is not None:
        inside["its database"] = place.path
    served = app.resolve()
    for what, path in inside.items():
        if path.resolve().is_relative_to(served):
            raise StartRefused(
                f"everybody could read {what}: {path} is in the app folder {app}. "
                "Give --app a folder that contains only the app"
            )
    # An uploaded file would be served as a page of this server.
    if served.is_relative_to(settings.data_folder.resolve()):
        raise StartRefused(
            f"the app folder {app} is in {settings.data_folder}, which stores the files that "
            "apps upload. Give --app or --data another folder"
        )


def _browser_rules(settings: Settings) -> BrowserRules:
    return BrowserRules(
        names=None if settings.guarded else LOOPBACK_NAMES | {settings.host},
        only_own_names=settings.guarded and settings.open,
        public_name=urlsplit(settings.public_url or "").hostname,
        cors_origins=frozenset(settings.cors_origin),
    )


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_cert is None and settings.tls_key is None:
        return None
    if settings.tls_cert is None:
        raise StartRefused("--tls-key needs --tls-cert")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise StartRefused(
            f"the certificate {settings.tls_cert} and its key cannot be used: {error}"
        ) from None
    return context


@contextlib.asynccontextmanager
async def _listening(
    app: web.Application,
    entrance: Callable[[ServerHandler], ServerHandler],
    connections: Connections,
    settings: Settings,
) -> AsyncIterator[int]:
    tls = _tls(settings)
    async with contextlib.AsyncExitStack() as stack:
        try:
            port = await stack.enter_async_context(
                listening(app, entrance, connections, settings.host, settings.port, tls)
            )
        except OSError as error:
            raise StartRefused(
                f"cannot listen on {settings.host} port {settings.port}: {_reason(error)}; "
                "choose another with --port or --host"
            ) from None
        yield port


def _connections(settings: Settings) -> Connections:
    """The connections, limited by the settings and by the system's file descriptors."""
    descriptors = raise_descriptor_limit()
    total = connections_for(settings.max_connections, descriptors)
    if total < min(settings.max_connections, CONNECTIONS_MAX):
        log.warning(
            "the system allows this process %s open files, so the server accepts %s connections; "
            "raise the limit with `ulimit -n` before the start",
            descriptors,
            total,
        )
    return Connections(total, settings.max_connections_per_address, settings.trusted_proxy)


async def serve(settings: Settings, ready: Callable[[Running], None]) -> None:
    """Serve a study until SIGINT, SIGTERM, SIGHUP or the shutdown operation; raises as `serving`.

    It calls `ready` when the server accepts requests.
    """
    with _signal_handlers(asyncio.get_running_loop()) as install_signal_handlers:
        async with serving(settings) as running:
            install_signal_handlers(running.session.stopping)
            with short_collections():
                ready(running)
                await running.session.stopping.wait()


@contextlib.contextmanager
def _signal_handlers(
    loop: asyncio.AbstractEventLoop,
) -> Iterator[Callable[[asyncio.Event], None]]:
    """Yield a function that makes signals set an event, while the context is open.

    The first SIGINT or SIGTERM stops the server, and the second one ends the process at once.
    Acknowledged changes are durable in both cases.
    """
    before: dict[int, signal._HANDLER] = {}

    def install_signal_handlers(stopping: asyncio.Event) -> None:
        def stop(number: int, _frame: object) -> None:
            # A closed terminal sends several hang-ups, so they do not end the process.
            if number != getattr(signal, "SIGHUP", None):
                signal.signal(number, signal.SIG_DFL)
            loop.call_soon_threadsafe(stopping.set)

        # Windows has no `loop.add_signal_handler`. Its Ctrl+Break is SIGBREAK.
        for name in ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is None or threading.current_thread() is not threading.main_thread():
                continue
            # nohup sets hang-ups to be ignored, and this keeps it so.
            if name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, stop)

    try:
        yield install_signal_handlers
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _reason(error: OSError) -> str:
    # asyncio's message repeats the address; the system's message is shorter.
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno).lower()
    return error.strerror or str(error)
