"""How long a server takes to answer with a million entries in its log, against one with none.

Run with `make bench`. Cold means that the system has let go of the database's pages.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

from experiment_server.participants.events import Event, Head, chain_entries
from experiment_server.wire.events import Actor, Moved
from experiment_server.wire.events import BlockPlace as Block
from tests.benchmarks.participants import STUDY, fill
from tests.conftest import server_running

ENTRIES = 1_000_000
PARTICIPANTS = 1_000
AT_ONCE = 10_000
ROUNDS = 3
SECONDS_AT_MOST = 1.5


def main() -> int:
    """Print how long starts take."""
    with tempfile.TemporaryDirectory() as folder:
        study, database = Path(folder) / "study.toml", Path(folder) / "study.db"
        study.write_text(STUDY, encoding="utf-8")
        with server_running(study, "--database", database) as server:
            fill(int(server.url.rpartition(":")[2]), 1, PARTICIPANTS)
        lengthen(database)
        starts: dict[str, Callable[[], float]] = {
            "an empty log": lambda: start(study, Path(":memory:")),
            "warm": lambda: start(study, database),
            "cold": lambda: start_cold(study, database),
        }
        print(f"start with {ENTRIES:,} entries ({database.stat().st_size / 1e6:.0f} MB), seconds")
        for name, measure in starts.items():
            seconds = median(measure() for _ in range(ROUNDS))
            verdict = "ok" if seconds <= SECONDS_AT_MOST else "MISSED"
            print(f"  {name:<14}{seconds:6.2f}   at most {SECONDS_AT_MOST}: {verdict}")
    return 0


def lengthen(database: Path) -> None:
    """Move participants until the log is as long as it has to be, past the server."""
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        last_id, digest = connection.execute("SELECT id, hash FROM heads").fetchone()
        head, now, moves = Head(last_id, digest), datetime.now(timezone.utc), 0
        while head.id < ENTRIES:
            more = min(AT_ONCE, ENTRIES - head.id)
            events = [_move(now, number) for number in range(moves, moves + more)]
            moves += len(events)
            entries, head = chain_entries(events, head)
            connection.executemany(
                "INSERT INTO events (session_id, id, time, type, participant_index, data, previous,"
                " hash) VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (e.id, e.time, e.type, e.participant_index, e.data, e.previous, e.hash)
                    for e in entries
                ],
            )
        connection.execute("UPDATE heads SET id = ?, hash = ?", (head.id, head.hash))
        last = [_move(now, number) for number in range(moves - PARTICIPANTS, moves)]
        connection.executemany(
            "UPDATE participants SET revision = ?, block_id = ? WHERE participant_index = ?",
            [
                (event.data.revision, event.data.destination.block_id, event.participant_index)
                for event in last
                if isinstance(event.data, Moved)
            ],
        )
    connection.close()


def _move(now: datetime, number: int) -> Event:
    turn, index = divmod(number, PARTICIPANTS)
    origin, destination = (
        Block(block_id, f"block{block_id}") for block_id in (turn % 2, 1 - turn % 2)
    )
    # The first revision is that of the move into the first block.
    data = Moved(
        by=Actor.REST, revision=turn + 2, origin=origin, destination=destination,
        in_block=True, study_version=1,
    )  # fmt: skip
    return Event(now, data, index + 1)


def start(study: Path, database: Path) -> float:
    """Seconds until a server answers; it is stopped then."""
    command = [sys.executable, "-m", "experiment_server", "run", str(study), "-p", "0"]
    begin = time.monotonic()
    with subprocess.Popen(
        [*command, "--database", str(database)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if "Dashboard:" in line:
                    return time.monotonic() - begin
        finally:
            process.terminate()
            process.communicate()
    raise RuntimeError("the server did not start")


def start_cold(study: Path, database: Path) -> float:
    """As `start`, with a database that has to be read from the disk."""
    forget(database)
    return start(study, database)


def forget(database: Path) -> None:
    """Have the system let go of a file's pages, so that they are read from the disk again."""
    descriptor = os.open(database, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
