"""Starts servers for the tests by forking: what a server imports is loaded once, and not by each.

A server that is started here is a process of its own, which runs the command line as a user's does;
it only has not to load some hundred modules first. Where there is no fork, tests start them the
usual way.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TypedDict

CAN_FORK = hasattr(os, "fork")

_ORDER_SIZE = 1 << 20


class Order(TypedDict):
    """What a server is started with."""

    arguments: list[str]
    environment: dict[str, str]
    cwd: str


class Forked:
    """A process that was forked for us, with what the tests use of `subprocess.Popen`."""

    def __init__(self, status: int, stdout: int) -> None:
        self._status = os.fdopen(status, "rb", buffering=0)
        self.pid = int(self._line())
        self.returncode: int | None = None
        self.stdout: IO[str] = os.fdopen(stdout, "r", encoding="utf-8", errors="replace")

    def __del__(self) -> None:
        self._status.close()
        self.stdout.close()

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        self._await(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises TimeoutExpired."""
        self._await(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("server", timeout or 0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """Read what it still says, and wait for its end; raises TimeoutExpired."""
        end = None if timeout is None else time.monotonic() + timeout
        said = []
        while True:
            left = None if end is None else max(0.0, end - time.monotonic())
            if not select.select([self.stdout], [], [], left)[0]:
                raise subprocess.TimeoutExpired("server", timeout or 0)
            data = os.read(self.stdout.fileno(), 65536)
            if not data:
                break
            said.append(data.decode("utf-8", "replace"))
        self.wait(None if end is None else max(0.0, end - time.monotonic()))
        return "".join(said), None

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            # It may have ended since it was looked at.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def _await(self, timeout: float | None) -> None:
        if self.returncode is None and select.select([self._status], [], [], timeout)[0]:
            self.returncode = int(self._line())

    def _line(self) -> bytes:
        return self._status.readline()


def forked(arguments: Sequence[str], stderr: int, environment: Mapping[str, str]) -> Forked:
    """Start `experiment-server ARGUMENTS`; its standard output is a pipe."""
    said, says = os.pipe()
    status, tells = os.pipe()
    order = json.dumps(
        {"arguments": arguments, "environment": dict(environment), "cwd": str(Path.cwd())}
    )
    socket.send_fds(_launcher(), [order.encode()], [says, stderr, tells])
    os.close(says)
    os.close(tells)
    return Forked(status, said)


@functools.lru_cache(maxsize=1)
def _launcher() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ORDER_SIZE)
    process = subprocess.Popen([sys.executable, __file__], stdin=theirs.fileno())
    theirs.close()

    def stop() -> None:
        ours.close()
        process.wait()

    atexit.register(stop)
    return ours


def _serve(orders: socket.socket) -> None:
    """Fork for each order, until there are no more. Returns in the forked servers, too."""
    import experiment_server.cli.run
    import experiment_server.server.app  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        order, descriptors, *_ = socket.recv_fds(orders, _ORDER_SIZE, 3)
        if not order:
            return
        if os.fork() == 0:
            orders.close()
            if _watch(*descriptors):
                _become(json.loads(order), *descriptors)
                return
        for descriptor in descriptors:
            os.close(descriptor)


def _watch(_stdout: int, _stderr: int, tells: int) -> bool:
    """Fork once more and tell how that ends; true in the one that is to become the server."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return True
    os.write(tells, f"{pid}\n".encode())
    for descriptor in (_stdout, _stderr):
        os.close(descriptor)
    _, status = os.waitpid(pid, 0)
    os.write(tells, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(order: Order, stdout: int, stderr: int, tells: int) -> None:
    """Run the command line, as `python -m experiment_server` does."""
    from experiment_server.cli.main import main

    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    for descriptor in (stdout, stderr, tells):
        os.close(descriptor)
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", closefd=False)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["cwd"])
    sys.argv = ["experiment-server", *order["arguments"]]
    main()


if __name__ == "__main__":
    _serve(socket.socket(fileno=0))
