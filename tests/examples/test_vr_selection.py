"""The headset study, with participants that have none: compiled and run under Mono."""

import asyncio
import shutil
import subprocess
import urllib.request

import pytest

from experiment_server import Client
from tests.clients.mono import CORE, UNITY, compiled, newtonsoft, run_by_mono, sources
from tests.conftest import ROOT, need, server_running
from tests.examples.conftest import tables, trials_by_block

STUDY = ROOT / "examples" / "vr-selection-unity"
SCRIPTS = STUDY / "Assets" / "Scripts"
CONDITIONS = {"ray-4cm", "ray-12cm", "hand-4cm", "hand-12cm"}


@pytest.fixture
def server(tmp_path):
    study = tmp_path / "experiment.toml"
    shutil.copy(STUDY / "experiment.toml", study)
    with server_running(study) as running:
        yield running


@pytest.fixture(scope="module")
def headset(tmp_path_factory):
    """What starts a participant without a headset."""
    folder = tmp_path_factory.mktemp("headset")
    files = sources(CORE, SCRIPTS / "SelectionTask.cs", STUDY / "Headless")
    return run_by_mono(compiled(folder / "headless.exe", files))


def test_a_lab_full_of_headsets_takes_part(headset, server):
    host, _, port = server.url.removeprefix("http://").partition(":")
    rest = Client(host, port)
    for index in (2, 3, 4):
        rest.add_participant(index)
    commands = [[*headset, server.url, str(index), "60"] for index in (1, 2, 3, 4)]
    programs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands
    ]
    for index, program in enumerate(programs, 1):
        told, _ = program.communicate(timeout=60)
        assert program.returncode == 0, told
        assert told.splitlines()[-1] == f"participant {index}: finished"
        assert rest.get_state(index)[1]["block_name"] == "END"
        order = [config["name"] for config in rest.get_all_configs(index)[1]]
        blocks = trials_by_block(server.url, index)
        assert list(blocks) == order
        assert set(order) == {"practice", *CONDITIONS}
        trials = blocks[order[1]]
        assert [trial["trial"] for trial in trials] == list(range(1, 17))
        assert sorted(trial["direction"] for trial in trials) == sorted(2 * list(range(0, 360, 45)))
        assert all(trial["time_s"] > 0 and trial["error_m"] >= 0 for trial in trials)
        assert True in {trial["hit"] for block in blocks.values() for trial in block}
        levels = [row["factors"] for row in tables(server.url, index)["trials"]]
        assert {level["technique"] for level in levels if level} == {"ray", "hand"}


async def test_a_headset_is_moved_from_the_dashboard(headset, server, tmp_path):
    program = await asyncio.create_subprocess_exec(
        *headset, server.url, "1", "5", stdout=asyncio.subprocess.PIPE
    )
    try:
        line = await program.stdout.readline()
        assert b"practice" in line
        # Past two conditions in the middle of the first one.
        request = urllib.request.Request(f"{server.url}/api/move-to-block/1/4", method="POST")
        await asyncio.to_thread(lambda: urllib.request.urlopen(request).close())
        told = (await program.stdout.read()).decode().splitlines()
        assert [line.split()[2] for line in told] == ["hand-4cm", "finished"]
    finally:
        program.stdout._transport.close()
        await program.wait()


def test_the_scripts_compile_as_in_unity(tmp_path):
    core = compiled(tmp_path / "ExperimentServer.Core.dll", sources(CORE))
    stubs = compiled(tmp_path / "Stubs.dll", sources(UNITY / "Tests" / "Stubs~"))
    client = compiled(
        tmp_path / "ExperimentServer.dll", sources(UNITY / "Runtime" / "Unity"), core, stubs
    )
    compiled(tmp_path / "Game.dll", sources(SCRIPTS), core, stubs, client)


def test_the_script_of_the_readme_takes_part(server):
    newtonsoft()
    need(shutil.which("mcs"), "Mono's C# compiler")
    done = subprocess.run(
        [STUDY / "headless.sh", server.url, "1", "100"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("participant 1: finished\n")
    refused = subprocess.run(
        [STUDY / "headless.sh", server.url, "99"], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert "participant 99" in refused.stderr
    assert "Unhandled" not in refused.stderr
