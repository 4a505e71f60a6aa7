"""Memory for each connected participant, against python-socketio on aiohttp alone.

Run with `make bench`. Both run on the same event loop; the growth of the resident size over 1,000
sockets is compared, after some sockets that are not counted. A figure is the median of the rounds.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.participants import STUDY, fill
from tests.benchmarks.references import reference
from tests.benchmarks.sockets import crowd, raise_descriptor_limit
from tests.conftest import server_running

UNCOUNTED = 200
SOCKETS = 1_000
ROUNDS = 3
RATIO_AT_MOST = 1.1


def main() -> int:
    """Print the ratio."""
    raise_descriptor_limit()
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study.toml"
        study.write_text(STUDY, encoding="utf-8")
        for _ in range(ROUNDS):
            with server_running(
                study, "--database", ":memory:", "--max-connections-per-address", "10000"
            ) as server:
                port = int(server.url.rpartition(":")[2])
                fill(port, 1, UNCOUNTED + SOCKETS)
                ours.append(growth(server.process.pid, port))
            with reference("socketio") as (process, port, _):
                theirs.append(growth(process.pid, port))
    ratio = median(a / b for a, b in zip(ours, theirs, strict=True))
    verdict = "ok" if ratio <= RATIO_AT_MOST else "MISSED"
    print(
        f"memory of a connected participant: {median(ours) / 1024:.1f} KiB, python-socketio alone "
        f"{median(theirs) / 1024:.1f} KiB: {ratio:.2f}, at most {RATIO_AT_MOST}: {verdict}"
    )
    return 0


def growth(pid: int, port: int) -> float:
    """Bytes by which a server grows with each socket."""
    process = psutil.Process(pid)
    with crowd(port) as apps:
        apps.connect(1, UNCOUNTED)
        time.sleep(0.5)
        before = process.memory_info().rss
        apps.connect(UNCOUNTED + 1, UNCOUNTED + SOCKETS)
        time.sleep(0.5)
        return (process.memory_info().rss - before) / SOCKETS


if __name__ == "__main__":
    sys.exit(main())
