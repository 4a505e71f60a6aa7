"""Durable records a second over 64 sockets, what moves lose by them, and how long an export takes.

Run with `make bench`. The rates are also printed as shares of what aiohttp alone answers under wrk,
as in bench_moves.py. Each server is a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.bench_moves import load
from tests.benchmarks.participants import STUDY, fill
from tests.benchmarks.references import reference
from tests.conftest import server_running

APPS = 64
MOVERS = 8
BATCH = 10
SECONDS = 4.0
PARTICIPANTS, TRIALS = 300, 500
EXPORT_BATCH = 100

RECORDS_WANTED = 3000.0
MOVES_SLOWER_AT_MOST = 1.5
EXPORT_SECONDS_AT_MOST = 10.0
EXPORT_MB_AT_MOST = 200.0


def main() -> int:
    """Print the figures; 2 without wrk."""
    wrk = shutil.which("wrk")
    if wrk is None:
        print("wrk makes the load, and is not here; apt install wrk, or brew install wrk")
        return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study = folder / "study.toml"
        study.write_text(STUDY, encoding="utf-8")
        with reference("aiohttp") as (_, port, _loop):
            bare = load(wrk, f"http://127.0.0.1:{port}", "move", counted=False)
        with server_running(study, "--database", str(folder / "rates.db")) as server:
            fill(int(server.url.rpartition(":")[2]), 1, APPS + MOVERS)
            _, moves_alone = asyncio.run(rates(server.url, 0, MOVERS))
            records, _ = asyncio.run(rates(server.url, APPS, 0))
            _, moves_beside = asyncio.run(rates(server.url, APPS, MOVERS))
        slower = moves_alone / moves_beside
        print(f"{APPS} apps that record {BATCH} at a time, {MOVERS} that move; a second")
        print(f"  records are {records / bare:.3f} of the moves that aiohttp alone answers")
        tell("records", records, records >= RECORDS_WANTED, f"at least {RECORDS_WANTED:.0f}")
        print(
            f"  moves: {moves_alone:.0f} alone, {moves_beside:.0f} beside as many records as can be"
        )
        most = MOVES_SLOWER_AT_MOST
        tell("times slower", slower, slower <= most, f"at most {most}")
        seconds, megabytes = export_of_many(study, folder)
        print(f"export of {PARTICIPANTS} participants with {TRIALS} records each")
        most = EXPORT_SECONDS_AT_MOST
        tell("seconds", seconds, seconds <= most, f"at most {most:.0f}")
        most = EXPORT_MB_AT_MOST
        tell("memory, MB", megabytes, megabytes <= most, f"at most {most:.0f}")
    return 0


def tell(what: str, figure: float, reached: bool, wanted: str) -> None:
    """Print a figure, what was wanted of it, and whether it was reached."""
    print(f"  {what:<14}{figure:8.1f}   {wanted}: {'ok' if reached else 'MISSED'}")


async def rates(url: str, recording: int, moving: int) -> tuple[float, float]:
    """Acknowledged records and moves a second, by apps that send one message at a time."""
    end = time.monotonic() + SECONDS
    async with aiohttp.ClientSession(url) as http:
        recorders = [_app(http, who, end, _records) for who in range(1, recording + 1)]
        movers = [_app(http, APPS + who, end, _move) for who in range(1, moving + 1)]
        answered = await asyncio.gather(*recorders, *movers)
    return (
        BATCH * sum(answered[:recording]) / SECONDS,
        sum(answered[recording:]) / SECONDS,
    )


async def _app(
    http: aiohttp.ClientSession, who: int, end: float, message: Callable[[str], list[object]]
) -> int:
    """The number of messages of an app that were answered; raises RuntimeError for a refusal."""
    answered = 0
    async with http.ws_connect("/socket.io/?EIO=4&transport=websocket") as socket:
        await socket.send_str(f'40{{"participant":{who}}}')
        run = os.urandom(4).hex()
        while time.monotonic() < end:
            await socket.send_str(f"42{answered}{json.dumps(message(f'{run}-{answered}'))}")
            expected = f"43{answered}["
            while not (answer := str(await socket.receive_str())).startswith(expected):
                if answer == "2":
                    await socket.send_str("3")
            if '"ok":true' not in answer:
                raise RuntimeError(answer)
            answered += 1
    return answered


def _records(name: str) -> list[object]:
    return ["record", {"records": batch(name, range(BATCH))}]


def _move(name: str) -> list[object]:
    return ["move-to-block", {"block_id": int(name.rpartition("-")[2]) % 3}]


def batch(name: str, trials: Sequence[int]) -> list[dict[str, object]]:
    """Records as an app of a reaction-time task sends them."""
    return [
        {
            "record_id": f"{name}-{trial}",
            "block_id": 0,
            "revision": 1,
            "recorded_at": "2026-11-24T09:30:00.000Z",
            "data": {"trial": trial, "rt": trial / 7, "hit": True, "hand": {"x": 0.25, "y": 1.5}},
        }
        for trial in trials
    ]


def export_of_many(study: Path, folder: Path) -> tuple[float, float]:
    """The seconds and the most megabytes of memory that an export takes."""
    database = folder / "export.db"
    options = ["--database", str(database), "--durability", "fast"]
    with server_running(study, *options) as server:
        fill(int(server.url.rpartition(":")[2]), 1, PARTICIPANTS)
        asyncio.run(_record_all(server.url))
    command = [sys.executable, "-m", "experiment_server", "export", str(database)]
    started = time.monotonic()
    process = subprocess.Popen([*command, "-d", str(folder / "out")], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"the export ended with {process.returncode}")
    seconds = time.monotonic() - started
    lines = sum(path.read_text().count("\n") for path in (folder / "out").rglob("*trials_data.csv"))
    if lines != PARTICIPANTS * TRIALS + 1:
        raise RuntimeError(f"the export has {lines} lines of records")
    return seconds, used.ru_maxrss / 1024


async def _record_all(url: str) -> None:
    async def work() -> None:
        for who, start in waiting:
            records = batch("trial", range(start, start + EXPORT_BATCH))
            body = {"table": "trials", "records": records}
            async with http.post(f"/api/results/{who}", json=body) as response:
                if response.status != 200:
                    raise RuntimeError(await response.text())

    waiting = (
        (who, start)
        for who in range(1, PARTICIPANTS + 1)
        for start in range(0, TRIALS, EXPORT_BATCH)
    )
    async with aiohttp.ClientSession(url) as http:
        await asyncio.gather(*(work() for _ in range(16)))


if __name__ == "__main__":
    sys.exit(main())
