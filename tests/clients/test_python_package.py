"""The Python clients' own distribution, for machines without a server."""

import os
import subprocess
import sys
import venv

import pytest

from tests.conftest import ROOT, server_running

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYTHON = ROOT / "clients" / "python"

TAKES_PART = """
import sys
from experiment_server_client import Client

client, seen = Client(sys.argv[1]), []
client.move_to_next()
ok, block = client.wait_for_block(timeout=20)
while ok and block["active"]:
    seen.append(block["block_name"])
    client.move_to_next(from_block=block)
    ok, block = client.wait_for_block(after=block, timeout=20)
print(*seen)
"""

TAKES_PART_LIVE = """
import asyncio, sys
from experiment_server_client import AsyncClient

async def main():
    async with AsyncClient(sys.argv[1]) as client:
        await client.next()
        print(*[block["block_name"] async for block in client.blocks() if await block.finish()])

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    program = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", program, str(folder)], cwd=PYTHON, check=True)
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture
def empty(tmp_path):
    """A Python that has nothing installed."""
    venv.create(tmp_path / "venv", symlinks=os.name != "nt")
    return tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"


def install(python, *what):
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", *what]
    return subprocess.run(pip, capture_output=True, text=True)


def run(python, program, *arguments):
    """What a program says that has only what is installed for it."""
    return subprocess.run(
        [python, "-I", "-W", "error", "-c", program, *arguments], capture_output=True, text=True
    )


def test_a_machine_without_network_and_server_takes_part(wheel, empty, study_file):
    installed = install(empty, "--no-index", wheel)
    assert installed.returncode == 0, installed.stderr
    with server_running(study_file) as server:
        took_part = run(empty, TAKES_PART, server.url)
    assert took_part.stdout == "Hello A B C D\n", took_part.stderr
    missing = run(empty, TAKES_PART_LIVE, server.url).stderr
    assert "pip install 'experiment-server-client[async]'" in missing
    assert run(empty, "import experiment_server").returncode == 1


def test_the_extra_has_what_the_live_client_needs(wheel, empty, study_file):
    installed = install(empty, f"{wheel}[async]")
    if installed.returncode:
        pytest.skip(f"no package index: {installed.stderr.strip().splitlines()[-1]}")
    with server_running(study_file) as server:
        took_part = run(empty, TAKES_PART_LIVE, server.url)
    assert took_part.stdout == "Hello A B C D\n", took_part.stderr


def test_the_two_distributions_agree():
    """The server's wheel has the same sources."""
    clients, server = (
        tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
        for folder in (PYTHON, ROOT)
    )
    assert clients["dependencies"] == []
    assert set(clients["optional-dependencies"]["async"]) <= set(server["dependencies"])
    for key in ("version", "requires-python", "license"):
        assert clients[key] == server[key]
    assert (PYTHON / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
