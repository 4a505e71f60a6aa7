"""A disk that is full: refused with a clear message, not acknowledged, and put right by itself."""

import json
import os
import resource
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from experiment_server.store import records
from experiment_server.store.check import check
from experiment_server.store.database import DatabaseAddress
from experiment_server.store.integrity import open_for_reading
from tests.conftest import server_running
from tests.waiting import PATIENCE

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="other systems set no limits on running processes"
)


class Quota:
    """Lets a server's files grow no further."""

    def __init__(self, folder, process):
        self.process = process
        self.before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)

    def fill(self, folder):
        largest = max(path.stat().st_size for path in folder.iterdir())
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (largest, self.before[1]))

    def free(self, folder):
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, self.before)


class Filler:
    """Takes all the room that is left on a small disk."""

    def __init__(self, folder, process):
        pass

    def fill(self, folder):
        with (folder / "filler").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass

    def free(self, folder):
        (folder / "filler").unlink()


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk takes more rights than this test has")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(params=[Quota, Filler])
def full(request, tmp_path):
    """The folder for the database, and what fills its disk."""
    folder = request.getfixturevalue("small_disk") if request.param is Filler else tmp_path / "db"
    folder.mkdir(exist_ok=True)
    return folder, request.param


def send(server, path, method="POST"):
    request = urllib.request.Request(server.url + path, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_a_full_disk_refuses_changes_and_goes_on_when_there_is_room(study_file, full):
    folder, filling = full
    place = folder / "study.sqlite3"
    with server_running(study_file, "--database", place) as server:
        assert send(server, "/api/move-to-next") == (200, {"name": "Hello"})
        disk = filling(folder, server.process)
        disk.fill(folder)
        refusals = [send(server, "/api/move-to-next?reason=" + "x" * 400) for _ in range(30)]
        status, problem = refusals[-1]
        assert (status, problem["code"]) == (503, "store-unavailable")
        assert "full disk?" in problem["detail"]
        acknowledged = [body["name"] for status, body in refusals if status == 200]
        before = send(server, "/api/state", "GET")[1]
        assert send(server, "/api/participants", "GET")[0] == 200, "reading goes on"
        assert send(server, "/readyz", "GET")[0] == 503
        refused = [line for line in server.errors.splitlines() if "full disk?" in line]
        assert refused, "the log says that changes are refused"
        assert len(refused) < 5, "and says it now and then only"
        disk.free(folder)
        assert send(server, "/api/move-to-block/3") == (200, 3)
        after = send(server, "/api/state", "GET")[1]
        assert after["revision"] == before["revision"] + 1
    with server_running(study_file, "--database", place) as server:
        again = send(server, "/api/state", "GET")[1]
        assert again == {**after, "connected": 0}
    with open_for_reading(DatabaseAddress.of(place)) as connection:
        entries = list(records.all_entries(connection, 1))
        assert check(connection, 1, entries).problem is None
    moved = [json.loads(entry.data)["to"] for entry in entries if entry.type == "moved"]
    names = [place["block_name"] for place in moved]
    assert names[1:-1] == acknowledged[: len(names) - 2]
