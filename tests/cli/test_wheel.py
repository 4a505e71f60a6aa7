"""The wheel: everything in it, and it serves the dashboard with no Node and no network."""

import os
import subprocess
import sys
import urllib.request
import zipfile

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    program = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", program, str(folder)], cwd=ROOT, check=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_has_what_the_package_reads_and_nothing_of_the_workshop(unpacked):
    files = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*")}
    for needed in (
        "experiment_server/py.typed",
        "experiment_server/cli/new_config.toml",
        "experiment_server/cli/templates/within.toml",
        "experiment_server/store/migrations/env.py",
        "experiment_server/store/migrations/versions/0001_participants.py",
        "experiment_server_client/py.typed",
        "experiment_server_client/live.py",
        "experiment_server/server/dashboard/index.html",
        "experiment_server/server/dashboard/socket.io/socket.io.esm.min.js",
    ):
        assert needed in files
    assert not any("node_modules" in name or name.startswith("tests") for name in files)


def test_an_installed_wheel_serves_the_dashboard_without_node(unpacked, study_file):
    process = subprocess.Popen(
        [sys.executable, "-m", "experiment_server", "run", str(study_file), "-p", "0"],
        cwd=study_file.parent,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(unpacked), "PYTHONUNBUFFERED": "1", "PATH": os.defpath},
    )
    with process:
        try:
            url = next(line.split()[-1] for line in process.stdout if "Dashboard:" in line)
            with urllib.request.urlopen(url) as response:
                page = response.read().decode()
            assert "study.toml - experiment-server" in page
            assert '"participant_index":1' in page, "the first snapshot is in the page"
            script = page.split('<script type="module"')[1].split('src="/')[1].split('"')[0]
            with urllib.request.urlopen(url + script) as response:
                assert len(response.read()) > 10_000
        finally:
            process.terminate()
