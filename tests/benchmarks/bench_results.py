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
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.bench_moves import load
from tests.benchmarks.participants import STUDY, fill
from tests.benchmarks.references import reference
from tests.conftest import server_running

APPS = 64
MOVERS = 16
# Far below the messages that one socket may send.
MOVE_INTERVAL_S = 0.1
BATCH = 10
SECONDS = 3.0
ROUNDS = 3
# An app that was held up longer than this does not make up for it.
_LATE_AT_MOST_S = 0.05
PARTICIPANTS, TRIALS = 300, 500
EXPORT_BATCH = 100

RECORDS_WANTED = 3000.0
MOVES_SLOWER_AT_MOST = 1.5
EXPORT_SECONDS_AT_MOST = 10.0
EXPORT_MB_AT_MOST = 200.0


Message = Callable[[str], list[object]]


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
        tell_rates(measured(study, folder), bare)
        seconds, megabytes = export_of_many(study, folder)
        print(f"export of {PARTICIPANTS} participants with {TRIALS} records each")
        most = EXPORT_SECONDS_AT_MOST
        tell("seconds", seconds, seconds <= most, f"at most {most:.0f}")
        most = EXPORT_MB_AT_MOST
        tell("memory, MB", megabytes, megabytes <= most, f"at most {most:.0f}")
    return 0


class Measured(NamedTuple):
    """Records a second of apps that send as fast as they can, and the seconds that moves took.

    `paced` is the rate of apps that send as many records as are wanted.
    """

    records: float
    paced: float
    alone: list[float]
    beside_paced: list[float]
    beside_all: list[float]


def measured(study: Path, folder: Path) -> Measured:
    """Measure records and moves on one server, in turns."""
    rates: tuple[list[float], list[float]] = [], []
    waits: tuple[list[float], list[float], list[float]] = [], [], []
    options = ["--database", os.environ.get("BENCH_DATABASE", str(folder / "rates.db"))]
    # The apps that record are another process, so that movers do not wait for their work.
    with (
        server_running(study, *options) as server,
        ProcessPoolExecutor(1, get_context("spawn")) as others,
    ):
        fill(int(server.url.rpartition(":")[2]), 1, APPS + MOVERS)
        interval = APPS * BATCH / RECORDS_WANTED
        for _ in range(ROUNDS):
            waits[0].extend(moves(server.url))
            for number, pause in enumerate((interval, 0.0)):
                recording = others.submit(records, server.url, pause)
                waits[number + 1].extend(moves(server.url))
                rates[number].append(recording.result())
    return Measured(median(rates[1]), median(rates[0]), *waits)


def tell_rates(figures: Measured, bare: float) -> None:
    """Print the rates of records, and what moves lose by them."""
    print(f"{APPS} apps that record {BATCH} at a time, as fast as they can; a second")
    print(f"  records are {figures.records / bare:.3f} of the moves that aiohttp alone answers")
    enough = figures.records >= RECORDS_WANTED
    tell("records", figures.records, enough, f"at least {RECORDS_WANTED:.0f}")
    print(f"{MOVERS} apps that move every {MOVE_INTERVAL_S * 1000:.0f} ms; milliseconds for a move")
    for what, waits in {
        "alone": figures.alone,
        f"beside {figures.paced:.0f} records a second": figures.beside_paced,
        f"beside {figures.records:.0f} records a second": figures.beside_all,
    }.items():
        most = quantiles(waits, n=20)[-1]
        print(f"  {what:<34} median {median(waits) * 1000:6.1f}, 95 % within {most * 1000:6.1f}")
    slower = median(figures.beside_paced) / median(figures.alone)
    most = MOVES_SLOWER_AT_MOST
    tell("times slower", slower, slower <= most, f"at most {most}, beside the records wanted")
    slower = median(figures.beside_all) / median(figures.alone)
    print(f"  times slower  {slower:8.1f}   beside as many records as can be")


def tell(what: str, figure: float, reached: bool, wanted: str) -> None:
    """Print a figure, what was wanted of it, and whether it was reached."""
    print(f"  {what:<14}{figure:8.1f}   {wanted}: {'ok' if reached else 'MISSED'}")


def records(url: str, interval: float) -> float:
    """Acknowledged records a second, by apps that send a batch at intervals of seconds."""
    waits = asyncio.run(_all(url, range(1, APPS + 1), interval, _records))
    return BATCH * len(waits) / SECONDS


def moves(url: str) -> list[float]:
    """The seconds that the moves of apps took that move at intervals."""
    return asyncio.run(_all(url, range(APPS + 1, APPS + MOVERS + 1), MOVE_INTERVAL_S, _move))


async def _all(url: str, apps: range, interval: float, message: Message) -> list[float]:
    loop = asyncio.get_running_loop()
    end = loop.time() + SECONDS
    async with aiohttp.ClientSession(url) as http:
        waits = await asyncio.gather(
            *(
                _app(http, who, loop.time() + interval * place / len(apps), end, interval, message)
                for place, who in enumerate(apps)
            )
        )
    return [wait for waits_of_app in waits for wait in waits_of_app]


async def _app(
    http: aiohttp.ClientSession,
    who: int,
    due: float,
    end: float,
    interval: float,
    message: Message,
) -> list[float]:
    """The seconds until each message of an app was answered; raises RuntimeError for a refusal.

    The app sends one message at a time, at intervals or later. A message that is late has waited
    from the time when it was due.
    """
    loop = asyncio.get_running_loop()
    waits: list[float] = []
    async with http.ws_connect("/socket.io/?EIO=4&transport=websocket") as socket:
        await socket.send_str(f'40{{"participant":{who}}}')
        run = os.urandom(4).hex()
        due = max(due, loop.time())
        while loop.time() < end:
            await asyncio.sleep(due - loop.time())
            sent = due if interval else loop.time()
            number = len(waits)
            await socket.send_str(f"42{number}{json.dumps(message(f'{run}-{number}'))}")
            expected = f"43{number}["
            while not (answer := str(await socket.receive_str())).startswith(expected):
                if answer == "2":
                    await socket.send_str("3")
            if '"ok":true' not in answer:
                raise RuntimeError(answer)
            waits.append(loop.time() - sent)
            due = max(due + interval, loop.time() - _LATE_AT_MOST_S)
    return waits


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
