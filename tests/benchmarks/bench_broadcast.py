"""Everybody moved at once, until the last app knows, against Node's own Socket.IO server.

Run with `make bench`. Both servers do the same work (tests/clients/node/reference_server.mjs) and
take turns; another client asks for a state every few milliseconds meanwhile. A figure is the
median of the rounds.
"""

from __future__ import annotations

import http.client
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.participants import STUDY, fill
from tests.benchmarks.references import announced
from tests.benchmarks.sockets import Crowd, crowd, raise_descriptor_limit
from tests.conftest import ROOT, server_running

CROWDS = (1_000, 3_000)
ROUNDS = 5
RATIO_AT_MOST = 1.2
OTHERS_AT_MOST = 0.050
ASKED_EVERY = 0.005


@dataclass
class Side:
    """A server with its apps, and what was measured of it."""

    name: str
    port: int
    apps: Crowd
    add: Callable[[int, int, int], None]
    moves: list[float] = field(default_factory=list)
    waits: list[list[float]] = field(default_factory=list)
    block: int = 0

    def move(self) -> tuple[float, list[float]]:
        """How long a move of everybody took, and the requests of another client meanwhile."""
        self.block = 1 + self.block % 2
        self.apps.expect(self.block)
        waits: list[float] = []
        done, asking = threading.Event(), threading.Event()
        other = threading.Thread(target=ask_on, args=(self.port, done, asking, waits))
        other.start()
        asking.wait()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.connect()
        begin = time.monotonic()
        connection.request("POST", f"/api/move-all-to-block/{self.block}")
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(f"{self.name}: {response.status} {response.read()!r}")
        took = self.apps.last_told() - begin
        done.set()
        other.join()
        connection.close()
        return took, waits


def ask_on(port: int, done: threading.Event, asking: threading.Event, waits: list[float]) -> None:
    """Ask for a state again and again, and note how long each answer took."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while not done.is_set():
        begin = time.monotonic()
        connection.request("GET", "/api/state/1")
        response = connection.getresponse()
        response.read()
        assert response.status == 200
        if asking.is_set():
            waits.append(time.monotonic() - begin)
        asking.set()
        done.wait(ASKED_EVERY)
    connection.close()


def main() -> int:
    """Print the ratios; 2 without Node."""
    raise_descriptor_limit()
    beside = Path(sys.executable).parent / "node"
    node = shutil.which("node") or (str(beside) if beside.exists() else None)
    modules = ROOT / "tests" / "clients" / "node"
    if node is None or not (modules / "node_modules" / "socket.io").is_dir():
        print("Node's Socket.IO server is missing; make bench installs it")
        return 2
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        study = Path(folder) / "study.toml"
        study.write_text(STUDY, encoding="utf-8")
        server = stack.enter_context(
            server_running(
                study, "--database", f"{folder}/ours.db",
                "--max-connections-per-address", str(2 * max(CROWDS)),
            )
        )  # fmt: skip
        script = [node, "--no-warnings", str(modules / "reference_server.mjs")]
        _, words = stack.enter_context(announced([*script, f"{folder}/theirs.db"]))
        ours, theirs = (
            Side(name, port, stack.enter_context(crowd(port)), add)
            for name, port, add in (
                ("ours", int(server.url.rpartition(":")[2]), fill),
                ("Node", int(words[0]), fill_reference),
            )
        )
        before = 0
        for people in CROWDS:
            measure(ours, theirs, before, people)
            report(people, ours, theirs)
            before = people
    return 0


def measure(ours: Side, theirs: Side, before: int, people: int) -> None:
    """Let more people in, and move everybody, the two servers in turn."""
    for side in (ours, theirs):
        side.add(side.port, before + 1, people)
        side.apps.connect(before + 1, people)
        side.moves, side.waits = [], []
        # To each block once, so that both have seen all that they keep.
        side.move()
        side.move()
    for _ in range(ROUNDS):
        for side in (ours, theirs):
            took, waits = side.move()
            side.moves.append(took)
            side.waits.append(waits)


def report(people: int, ours: Side, theirs: Side) -> None:
    """Print what was measured with so many people."""
    ratio = median(a / b for a, b in zip(ours.moves, theirs.moves, strict=True))
    verdict = "ok" if ratio <= RATIO_AT_MOST else "MISSED"
    print(
        f"move-all-to-block to {people} apps: {ratio:.2f} of Node's time, at most "
        f"{RATIO_AT_MOST}: {verdict}"
    )
    for side in (ours, theirs):
        longest = median(max(waits) for waits in side.waits)
        middle = median(wait for waits in side.waits for wait in waits)
        verdict = ""
        if side is ours:
            held = "ok" if longest <= OTHERS_AT_MOST else "MISSED"
            verdict = f", at most {1000 * OTHERS_AT_MOST:.0f}: {held}"
        print(
            f"  {side.name:<5}{1000 * median(side.moves):7.1f} ms; another client's requests "
            f"meanwhile: median {1000 * middle:.1f} ms, longest {1000 * longest:.1f} ms{verdict}"
        )


def fill_reference(port: int, _first: int, last: int) -> None:
    """Add participants to Node's server, in their first block."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("PUT", f"/api/fill/{last}")
    response = connection.getresponse()
    if response.status != 200:
        raise RuntimeError(f"Node: {response.status} {response.read()!r}")
    connection.close()


if __name__ == "__main__":
    sys.exit(main())
