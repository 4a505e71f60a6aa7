"""Where everything meets: a study file, its database, the live service, and the transports."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from aiohttp import web

from experiment_server.errors import StartRefused
from experiment_server.limits import BODY_SIZE, SHUTDOWN_GRACE
from experiment_server.live.hub import Hub
from experiment_server.live.service import Service
from experiment_server.live.tasks import Tasks
from experiment_server.live.watch import watch
from experiment_server.server import dashboard, rest
from experiment_server.server.encoding import errors_as_problems
from experiment_server.server.realtime import Realtime
from experiment_server.server.security import browser_guard
from experiment_server.server.settings import MEMORY, Settings
from experiment_server.store.store import Store
from experiment_server.store.study_file import read_text
from experiment_server.study.parse import parse

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers. `url` is its address as a browser writes it."""

    url: str
    service: Service


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Running]:
    """Serve a study for as long as the context lasts.

    Raises StudyFileUnreadable, StudyInvalid, DatabaseInUse, DatabaseUnusable, and StartRefused
    when the address cannot be listened on or the app folder is none.
    """
    text = read_text(settings.config_file)
    parsed = parse(text)
    study = parsed.require()
    if settings.app is not None and not (settings.app / "index.html").is_file():
        raise StartRefused(f"the app folder {settings.app} has no index.html")
    database = settings.database_path
    store = Store(database, address=f"port {settings.port} of {settings.host}")
    tasks, hub = Tasks(), Hub()
    try:
        service = Service(
            study,
            settings.config_file.name,
            store,
            hub,
            tasks,
            diagnostics=parsed.diagnostics,
            database=str(database or MEMORY),
            default_participant_index=settings.default_participant_index,
        )
        await service.start()
        app = web.Application(
            middlewares=[errors_as_problems, browser_guard(settings.host)],
            client_max_size=BODY_SIZE,
        )
        dashboard.add_routes(app, service)
        if settings.app is not None:
            dashboard.add_app(app, settings.app)
        rest.add_routes(app, service)
        realtime = Realtime(app, service, hub, tasks)
        async with _listening(app, settings) as url:
            tasks.start(watch(settings.config_file, text, service), "watch-study-file")
            try:
                yield Running(url, service)
            finally:
                await realtime.close()
    finally:
        await tasks.close()
        await asyncio.to_thread(store.close)


@contextlib.asynccontextmanager
async def _listening(app: web.Application, settings: Settings) -> AsyncIterator[str]:
    runner = web.AppRunner(
        app, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_GRACE
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port)
        try:
            await site.start()
        except OSError as error:
            raise StartRefused(
                f"cannot listen on {settings.host} port {settings.port}: {_reason(error)}; "
                "choose another with --port or --host"
            ) from None
        port = runner.addresses[0][1]
        yield f"http://{_in_url(settings.host)}:{port}"
    finally:
        await runner.cleanup()


async def serve(settings: Settings, ready: Callable[[Running], None]) -> None:
    """Serve a study until SIGINT, SIGTERM or the shutdown operation; raises as `serving`.

    `ready` is called once the server answers.
    """
    async with serving(settings) as running:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            # Windows has no such handlers; there an interrupt ends the loop, and the contexts
            # close on the way out.
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, running.service.stopping.set)
        ready(running)
        await running.service.stopping.wait()


def _reason(error: OSError) -> str:
    # asyncio words it anew, with the address once more; the system's own words are shorter.
    if error.errno is not None and error.errno in errno.errorcode:
        return os.strerror(error.errno).lower()
    return error.strerror or str(error)


def _in_url(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104 - asked for by the user, only printed here
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
