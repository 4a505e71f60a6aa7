"""How a server ends: everybody is told, what is under way is finished, the log is closed."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import time

import aiohttp
import pytest

from experiment_server.store import records
from experiment_server.store.database import DatabaseAddress
from experiment_server.store.integrity import open_for_reading
from tests.conftest import SMALL_STUDY, server_running
from tests.server.conftest import PatientClient
from tests.waiting import PATIENCE

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to send")


@posix
@pytest.mark.parametrize("way", ["SIGINT", "SIGTERM", "SIGHUP", "shutdown"])
async def test_a_stop_tells_everybody_and_is_over_in_five_seconds(tmp_path, way):
    # In one of a few tries, since the machine itself may stand still.
    took = []
    while not took or (took[-1] >= 5 and len(took) < 3):
        study_file = tmp_path / str(len(took)) / "study.toml"
        study_file.parent.mkdir()
        study_file.write_text(SMALL_STUDY, encoding="utf-8")
        took.append(await stop_while_busy(study_file, way))
    assert took[-1] < 5, took


async def stop_while_busy(study_file, way):
    """Stop a server with twelve sockets and moves under way; the seconds that it took."""
    with server_running(study_file) as server:
        told: asyncio.Queue[str] = asyncio.Queue()
        clients = []
        for number in range(12):
            client = PatientClient(reconnection=False)
            namespace = "/" if number % 2 else "/dashboard"
            client.on("server-shutdown", lambda *_: told.put_nowait("told"), namespace=namespace)
            transports = ["websocket"] if number % 3 else ["polling"]
            await client.connect(server.url, namespaces=[namespace], transports=transports)
            clients.append(client)
        async with aiohttp.ClientSession(server.url) as http:
            moves = [
                asyncio.create_task(post(http, f"/api/move-to-block/{number % 5}"))
                for number in range(40)
            ]
            done, _ = await asyncio.wait(moves, return_when=asyncio.FIRST_COMPLETED)
            assert done
            if way == "shutdown":
                assert await post(http, "/api/shutdown") == 200
            else:
                server.process.send_signal(getattr(signal, way))
            stopping = time.monotonic()
            await asyncio.to_thread(server.process.communicate, timeout=PATIENCE)
            took = time.monotonic() - stopping
            errors = server.errors
            answers = await asyncio.gather(*moves, return_exceptions=True)
        assert server.process.returncode == 0, errors
        assert "Traceback" not in errors
        for _ in clients:
            await asyncio.wait_for(told.get(), PATIENCE)
        for client in clients:
            await client.disconnect()
    files = sorted(path.name for path in study_file.parent.glob("*.sqlite3*"))
    assert files == ["study.sqlite3", "study.sqlite3.lock"], "the log is checkpointed"
    with open_for_reading(DatabaseAddress.of(study_file.with_suffix(".sqlite3"))) as connection:
        kinds = [entry.type for entry in records.all_entries(connection, 1)]
    assert kinds[-1] == "server_stopped"
    assert kinds.count("connected") == kinds.count("disconnected") == 6
    assert kinds.count("moved") >= answers.count(200) > 0
    return took


@posix
def test_an_impatient_user_sees_no_traceback(study_file):
    with server_running(study_file) as server:
        while server.process.poll() is None:
            server.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.process.wait(0.02)
        assert server.process.returncode in (0, -signal.SIGINT)
        assert "Traceback" not in server.errors
    with server_running(study_file) as server:
        assert server.url, "the database is as good as ever"


@posix
def test_a_terminal_hangs_up_more_than_once(study_file):
    with server_running(study_file) as server:
        while server.process.poll() is None:
            server.process.send_signal(signal.SIGHUP)
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.process.wait(0.02)
        assert "Traceback" not in server.errors
    # Once all is closed, a signal may end what is left of the process.
    assert last_entry(study_file) == "server_stopped"


@posix
@pytest.mark.parametrize("when", ["at once", "later"])
def test_a_server_whose_output_nobody_reads_ends_in_order(study_file, when):
    command = [sys.executable, "-m", "experiment_server", "run", "-p", "0", str(study_file)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        if when == "later":
            lines = iter(process.stdout.readline, "")
            assert any("Database:" in line for line in lines), "the last line of its start"
        process.stdout.close()
        if when == "later":
            process.terminate()
        errors = process.stderr.read()
        assert process.wait(30) == 0, errors
    assert "Traceback" not in errors
    assert ("standard output was closed" in errors) == (when == "at once")
    assert last_entry(study_file) == "server_stopped"


def last_entry(study_file):
    with open_for_reading(DatabaseAddress.of(study_file.with_suffix(".sqlite3"))) as connection:
        return list(records.all_entries(connection, 1))[-1].type


async def post(http, path):
    async with http.post(path) as response:
        return response.status


async def test_a_loop_without_signal_handlers_is_stopped_all_the_same(study_file):
    """As on Windows, where asyncio has none: the interrupt is taken by the process."""
    script = (
        "import asyncio, signal, sys, threading\n"
        "from pathlib import Path\n"
        "from experiment_server.server.app import serve\n"
        "from experiment_server.server.settings import Settings\n"
        "asyncio.SelectorEventLoop.add_signal_handler = None\n"
        "interrupt = threading.Timer(0.1, signal.raise_signal, [signal.SIGINT])\n"
        "ready = lambda running: interrupt.start()\n"
        "asyncio.run(serve(Settings(Path(sys.argv[1]), port=0), ready))\n"
        "print('stopped')\n"
    )
    result = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", script, str(study_file)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert result.stdout == "stopped\n", result.stderr
