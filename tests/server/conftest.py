"""A server in the test's own loop, on a real port, with clients that talk to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import socketio

from experiment_server.server.app import Running, serving
from experiment_server.server.settings import Settings
from tests.waiting import PATIENCE


@pytest.fixture
def more_settings() -> dict[str, Any]:
    """What the server is started with besides; a test's parameters may say otherwise."""
    return {}


@pytest.fixture
async def server(study_file: Path, more_settings: dict[str, Any]) -> AsyncIterator[Running]:
    """The small study, served from a file database."""
    async with serving(Settings(study_file, port=0, **more_settings)) as running:
        yield running


@pytest.fixture
async def http(server: Running) -> AsyncIterator[aiohttp.ClientSession]:
    """A client whose addresses are relative to the server."""
    async with aiohttp.ClientSession(server.url) as session:
        yield session


class PatientClient(socketio.AsyncClient):  # type: ignore[misc]
    """The official client, which by itself gives a busy machine one second to let it in."""

    async def connect(self, url: str, **options: Any) -> None:
        """Connect, within the tests' patience."""
        await super().connect(url, **{"wait_timeout": PATIENCE, **options})


class Listener:
    """A Socket.IO client that keeps what it is told, in order."""

    def __init__(self, namespace: str, **options: Any) -> None:
        self.namespace = namespace
        self.client = PatientClient(reconnection=False, **options)
        self._heard: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.client.on("*", self._hear, namespace=namespace)

    async def _hear(self, event: str, *payload: Any) -> None:
        await self._heard.put((event, payload[0] if payload else None))

    async def next(self) -> tuple[str, Any]:
        """The next event."""
        return await asyncio.wait_for(self._heard.get(), PATIENCE)

    async def expect(self, event: str) -> Any:
        """The payload of the next event, which has to be this one."""
        heard, payload = await self.next()
        assert heard == event
        return payload

    async def until(self, event: str, wanted: Callable[[Any], bool] = lambda _: True) -> Any:
        """The payload of the next such event, past whatever else is heard."""
        while True:
            heard, payload = await self.next()
            if heard == event and wanted(payload):
                return payload

    async def ask(self, operation: str, payload: Any = None) -> Any:
        """The acknowledgement of an operation."""
        return await self.client.call(
            operation, payload, namespace=self.namespace, timeout=PATIENCE
        )


Connect = Callable[..., Awaitable[Listener]]


@pytest.fixture
async def connect(server: Running) -> AsyncIterator[Connect]:
    """Connects listeners: `await connect("/", participant=3, path="socket.io")`."""
    listeners = []

    async def _connect(
        namespace: str = "/", path: str = "socket.io", auth: Any = None, **options: Any
    ) -> Listener:
        serializer = "msgpack" if "msgpack" in path else "default"
        listener = Listener(namespace, serializer=serializer)
        listeners.append(listener)
        options.setdefault("transports", ["websocket"])
        await listener.client.connect(
            server.url, namespaces=[namespace], socketio_path=path, auth=auth, **options
        )
        return listener

    yield _connect
    for listener in listeners:
        await listener.client.disconnect()
