"""Participants' apps as plain sockets, in a process of their own: they cost as little as can be.

Each speaks WebSocket, Engine.IO and Socket.IO just as far as it has to: it says who it is, answers
pings, and reads its own snapshots.
"""

from __future__ import annotations

import base64
import contextlib
import multiprocessing
import os
import resource
import selectors
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

PATIENCE = 60.0

# Sockets that shake hands at a time: fewer than a server keeps waiting.
AT_ONCE = 50


def raise_descriptor_limit() -> None:
    """Let this process, and those that it starts, open as many files as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Crowd:
    """A process with many apps, each of another participant."""

    def __init__(self, port: int) -> None:
        self._ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_run, args=(port, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def connect(self, first: int, last: int) -> None:
        """Connect participants' apps, and return once each has its state."""
        self._ours.send(("connect", first, last))
        self._answer()

    def expect(self, block_id: int) -> None:
        """From now on, wait until everybody is told to be in a block."""
        self._ours.send(("expect", block_id, 0))
        self._answer()

    def last_told(self) -> float:
        """When the last app had what was expected, by `time.monotonic`."""
        return float(self._answer())

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()

    def _answer(self) -> Any:
        if not self._ours.poll(PATIENCE):
            raise RuntimeError("the apps have waited for too long")
        answer = self._ours.recv()
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return answer


@contextlib.contextmanager
def crowd(port: int) -> Iterator[Crowd]:
    """Apps of a server, for as long as the context lasts."""
    apps = Crowd(port)
    try:
        yield apps
    finally:
        apps.close()


@dataclass(slots=True)
class _App:
    participant: int
    socket: socket.socket
    buffer: bytearray = field(default_factory=bytearray)
    greeted: bool = False
    waits: bool = False

    def send(self, text: str) -> None:
        """Send a short message; a client's frames are masked, here by nothing."""
        body = text.encode()
        assert len(body) < 126
        self.socket.sendall(bytes((0x81, 0x80 | len(body), 0, 0, 0, 0)) + body)

    def frames(self) -> Iterator[bytes]:
        """The bodies of the frames that are there as a whole; they are taken out."""
        buffer = self.buffer
        while len(buffer) >= 2:
            length, start = buffer[1], 2
            if length == 126:
                length, start = int.from_bytes(buffer[2:4], "big"), 4
            elif length == 127:
                length, start = int.from_bytes(buffer[2:10], "big"), 10
            if len(buffer) < start or len(buffer) < start + length:
                return
            yield bytes(buffer[start : start + length])
            del buffer[: start + length]


class _Apps:
    def __init__(self, port: int, orders: Connection) -> None:
        self._port = port
        self._orders = orders
        self._selector = selectors.DefaultSelector()
        self._selector.register(orders, selectors.EVENT_READ)
        self._apps: list[_App] = []
        self._ungreeted = self._untold = 0
        self._marks = (b"", b"")

    def run(self) -> None:
        while True:
            self._turn()

    def _turn(self) -> None:
        for key, _ in self._selector.select():
            if key.data is not None:
                self._read(key.data)
            else:
                self._obey(*self._orders.recv())

    def _obey(self, order: str, first: int, last: int) -> None:
        if order == "connect":
            for start in range(first, last + 1, AT_ONCE):
                for participant in range(start, min(start + AT_ONCE, last + 1)):
                    self._connect(participant)
                while self._ungreeted:
                    self._turn()
            self._orders.send(True)
            return
        self._marks = (b'"block_id":%d,' % first, b'"block_id":%d}' % first)
        for app in self._apps:
            app.waits = True
        self._untold = len(self._apps)
        self._orders.send(True)

    def _connect(self, participant: int) -> None:
        app = _App(participant, socket.create_connection(("127.0.0.1", self._port), PATIENCE))
        app.socket.sendall(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
            b"Host: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n"
            % (self._port, base64.b64encode(os.urandom(16)))
        )
        while b"\r\n\r\n" not in app.buffer:
            app.buffer += app.socket.recv(4096) or b"closed\r\n\r\n"
        head, _, rest = bytes(app.buffer).partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            raise RuntimeError(f"participant {participant} got {head!r}")
        app.buffer[:] = rest
        app.send(f'40{{"participant":{participant}}}')
        self._apps.append(app)
        self._ungreeted += 1
        self._selector.register(app.socket, selectors.EVENT_READ, app)
        self._take(app)

    def _read(self, app: _App) -> None:
        data = app.socket.recv(65536)
        if not data:
            raise RuntimeError(f"the app of participant {app.participant} was disconnected")
        app.buffer += data
        self._take(app)

    def _take(self, app: _App) -> None:
        for frame in app.frames():
            if frame == b"2":
                app.send("3")
            elif frame.startswith(b'42["state"'):
                self._ungreeted -= not app.greeted
                app.greeted = True
            elif app.waits and frame.startswith(b'42["block-changed"'):
                self._told(app, frame)

    def _told(self, app: _App, frame: bytes) -> None:
        if b'"participant_index":%d,' % app.participant not in frame:
            raise RuntimeError(f"participant {app.participant} was told {frame!r}")
        if any(mark in frame for mark in self._marks):
            app.waits = False
            self._untold -= 1
            if not self._untold:
                self._orders.send(time.monotonic())


def _run(port: int, orders: Connection) -> None:
    raise_descriptor_limit()
    try:
        _Apps(port, orders).run()
    except EOFError:
        pass
    except Exception as error:  # noqa: BLE001 - told to who waits
        orders.send(f"the apps failed: {error!r}")
