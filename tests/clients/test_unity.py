"""The Unity package without Unity: its components compile, and take part, against stand-ins."""

import asyncio
import contextlib
import json
import re
import socket
import subprocess
import urllib.request
from urllib.parse import urlsplit

import pytest

from tests.clients.conformance import harness
from tests.clients.mono import CORE, UNITY, compiled, run_by_mono, sources, told_by
from tests.conftest import server_running

STUDY = """
[configuration]
order = [["Practice", "Slow", "Fast"]]
[[blocks]]
name = "Practice"
config = { instruction = "Look around", speed = 1.0, trials = 2 }
[[blocks]]
name = "Slow"
extends = "Practice"
config = { instruction = "Catch the ball", trials = 1 }
[[blocks]]
name = "Fast"
extends = "Slow"
config = { speed = 2.5, trials = 3 }
"""


@pytest.fixture(scope="session")
def scene(tmp_path_factory):
    """What starts a scene of core, components and samples, compiled as Unity would."""
    folder = tmp_path_factory.mktemp("scene")
    core = compiled(folder / "ExperimentServer.Core.dll", sources(CORE))
    stubs = compiled(folder / "Stubs.dll", sources(UNITY / "Tests" / "Stubs~"))
    client = compiled(
        folder / "ExperimentServer.dll", sources(UNITY / "Runtime" / "Unity"), core, stubs
    )
    # What is for headsets alone compiles, too.
    compiled(
        folder / "android" / "ExperimentServer.dll",
        sources(UNITY / "Runtime" / "Unity"),
        core,
        stubs,
        defines=["UNITY_ANDROID"],
    )
    files = sources(UNITY / "Samples~", UNITY / "Tests" / "Mono~" / "Scene.cs")
    return run_by_mono(compiled(folder / "scene.exe", files, core, stubs, client))


@pytest.fixture
def server(tmp_path):
    study = tmp_path / "study.toml"
    study.write_text(STUDY, encoding="utf-8")
    with server_running(study) as running:
        yield running


def change(url, patch):
    request = urllib.request.Request(
        f"{url}/api/config/1",
        json.dumps(patch).encode(),
        {"Content-Type": "application/json"},
        method="PATCH",
    )
    urllib.request.urlopen(request).close()


def test_a_scene_takes_part_from_begin_to_end(scene, server):
    with subprocess.Popen(
        [*scene, "first-block", server.url], stdout=subprocess.PIPE, text=True
    ) as program:
        told = []
        for line in program.stdout:
            told.append(line.strip())
            if line.startswith("ready"):
                change(server.url, {"speed": 4})
    assert program.returncode == 0, "\n".join(told)
    assert told == [
        "shown We are about to begin.",
        "connection Socket",
        "shown Practice | Look around",
        "ready for a change",
        "changed 4",
        "connection None",
        "connection Socket",
        "shown Slow | Catch the ball",
        "shown Fast | Catch the ball",
        "shown Thank you!",
        "after the end: not-connected",
        "logged warning: No move: participant 1 has no block 99; their blocks are 0 to 2",
    ]


def test_who_is_not_let_in_is_told_why(scene, server):
    done = subprocess.run(
        [*scene, "refused", server.url], capture_output=True, text=True, check=True
    )
    *refusals, unknown, address, participant = done.stdout.splitlines()
    assert refusals == [
        "refused participant-unknown",
        "refused address-invalid",
        "refused participant-invalid",
    ]
    assert "participant 99" in unknown
    assert "http://192.168.1.5:5000" in address, "the address that could be meant"
    assert "1 or more, and not -3" in participant


def got(url):
    with urllib.request.urlopen(url) as response:
        return json.load(response)


def test_blocks_become_those_of_uxf_and_trials_are_sent_as_they_end(scene, server, tmp_path):
    done = subprocess.run([*scene, "uxf", server.url], capture_output=True, text=True, check=True)
    practice = "instruction=Look around, speed=1, trials=2, participant_index=1, name=Practice"
    slow = "instruction=Catch the ball, trials=1, speed=1, participant_index=1, name=Slow"
    fast = "speed=2.5, trials=3, instruction=Catch the ball, participant_index=1, name=Fast"
    assert done.stdout.splitlines() == [
        *(f"trial {number} of 2: {practice}, block_id=0" for number in (1, 2)),
        f"trial 1 of 1: {slow}, block_id=1",
        *(f"trial {number} of 3: {fast}, block_id=2" for number in (1, 2, 3)),
        "session ended after 3 blocks",
        "all arrived: True",
    ]
    trials = got(f"{server.url}/api/results/trials")
    assert [(record["block_name"], record["data"]["trial_num"]) for record in trials] == [
        ("Practice", 1),
        ("Practice", 2),
        ("Slow", 3),
        *(("Fast", number) for number in (4, 5, 6)),
    ]
    assert trials[0]["data"] == {
        "trial_num": 1,
        "hit": None,
        "rt": 0.5,
        "hand": {"x": 0, "y": 1, "z": 2.5},
        "head_location_0": "pointing/P001/S001/trackers/head_T001.csv",
    }
    files = tmp_path / "study-data" / "main" / "participant-1" / "pointing" / "P001" / "S001"
    stored = sorted(path.relative_to(files).as_posix() for path in files.rglob("*.*"))
    assert stored == [
        "session_info/log.txt",
        "session_info/settings.json",
        *(f"trackers/head_T00{number}.csv" for number in range(1, 7)),
    ]
    assert (files / "trackers" / "head_T001.csv").read_text("utf-8") == "time,x\n0.1,1.5\n"
    assert json.loads((files / "session_info" / "settings.json").read_text("utf-8")) == {
        "hand": "left",
        "gain": 1.5,
    }


def test_a_scene_that_is_loaded_again_goes_on_with_the_first_client(scene, server):
    assert told_by(*scene, "scenes", server.url) == [
        "again: START",
        "late: START",
        "again: Practice",
        "late: Practice",
        "same participant: 1",
        "late: Slow",
        "taking part: False",
    ]


def test_a_device_says_who_it_is(scene):
    assert told_by(*scene, "identity") == [
        "http://192.168.1.5:5000 7 of-the-device",
        "refused participant-invalid",
        "by the script: 3",
        'logged error: Not let in: participants are numbers, 1 or more, and not "seven", which '
        "study-participant says on the command line, in the intent or in PlayerPrefs",
    ]


def test_the_command_line_says_more_than_the_device(scene):
    said = ("-study-participant", "12", "-study-server", "https://lab.example")
    first, *_ = told_by(*scene, "identity", *said)
    assert first == "https://lab.example 12 of-the-device"


def test_a_scene_records_and_waits_for_moves(scene, server, tmp_path):
    told = told_by("env", f"STORAGE={tmp_path / 'device'}", *scene, "records", server.url)
    assert told == [
        "not-connected",
        "finished: Slow, unsent 0",
        "block-out-of-range: participant 1 has no block 99; their blocks are 0 to 2",
    ]
    assert [record["data"] for record in got(f"{server.url}/api/results/trials")] == [{"rt": 0.5}]
    (answer,) = got(f"{server.url}/api/results/answers")
    assert (answer["block_name"], answer["data"]) == ("Practice", {"q1": 3})
    assert list((tmp_path / "device").rglob("participant-1")), "it is where Unity keeps data"


def test_mistakes_of_listeners_are_reported_and_stop_nothing(core, server):
    assert told_by(*core, "mistakes", server.url) == [
        "reported: no screen for START",
        "shown: START",
        "reported: no screen for Practice",
        "shown: Practice",
        "reported: no screen for Slow",
    ]


def test_a_listener_may_wait_for_its_own_move(core, server):
    assert told_by(*core, "blocking", server.url) == ["START", "Practice", "Slow", "Fast", "END"]


def test_a_listener_may_end_it_all(core, server):
    assert told_by(*core, "closing", server.url) == ["closed", "closed"]


def test_who_gives_up_before_a_server_answers_is_told(core):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert told_by(*core, "closed-early", url) == ["closed", "cancelled"]


@contextlib.asynccontextmanager
async def silent_to_the_first(url):
    """A way to a server on which the first connection is let in, and never answered."""
    upstream = urlsplit(url)
    connections = []

    async def connected(reader, writer):
        connections.append(writer)
        if writer is connections[0]:
            await reader.read()
            return
        there, back = await asyncio.open_connection(upstream.hostname, upstream.port)
        connections.append(back)
        await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)

    async def pump(source, target):
        while data := await source.read(65536):
            target.write(data)
        target.close()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        for writer in connections:
            writer.transport.abort()


async def test_a_socket_that_nobody_answers_makes_way_for_another(unity_harness, server, tmp_path):
    """Mono's does not end when it is cancelled, and once was waited for without end."""
    device = harness(*unity_harness, storage=tmp_path / "device")
    async with silent_to_the_first(server.url) as url, device as client:
        client.ask("connect", url=url, participant=1)
        for way in ("rest", "socket"):
            await asyncio.wait_for(client.hears({"event": "connection", "to": way}), 30)


def seen_by_unity():
    """What Unity imports: not what ends in ~, but copies of the samples."""
    for path in sorted(UNITY.rglob("*")):
        parts = path.relative_to(UNITY).parts
        if parts[0] == "Samples~":
            parts = parts[2:] or ("~",)
        if path.suffix != ".meta" and not any(part.endswith("~") for part in parts):
            yield path


def test_unity_finds_every_file_by_an_identifier_of_its_own():
    """A package's files without .meta are ignored by Unity, as its folder cannot be written to."""
    identifiers = {}
    for path in seen_by_unity():
        meta = path.with_name(f"{path.name}.meta")
        assert meta.exists(), f"python clients/unity/Tests/Mono~/meta.py makes {meta}"
        found = re.search(r"^guid: ([0-9a-f]{32})$", meta.read_text(encoding="utf-8"), re.M)
        assert found
        assert identifiers.setdefault(found[1], path) == path
    for meta in UNITY.rglob("*.meta"):
        assert meta.with_suffix("").exists(), f"{meta} is of nothing"


ASSETS = sorted(path for path in UNITY.rglob("*") if path.suffix in (".prefab", ".unity"))


@pytest.mark.parametrize("asset", ASSETS, ids=lambda path: path.name)
def test_assets_name_scripts_and_fields_that_there_are(asset):
    """Nothing here can open them: this is as far as they are tested."""
    text = asset.read_text("utf-8")
    scripts = {
        re.search("guid: (.*)", meta.read_text("utf-8"))[1]: meta.with_suffix("")
        for meta in UNITY.rglob("*.cs.meta")
    }
    objects = dict(re.findall(r"^--- !u!(?:\d+) &(\d+)\n(\w+):$", text, re.M))
    assert set(re.findall(r"\{fileID: (\d+)\}", text)) <= {"0", *objects}
    documents = text.split("--- !u!")[1:]
    behaviours = [part for part in documents if "m_Script:" in part]
    assert behaviours
    for behaviour in behaviours:
        script = scripts[re.search(r"m_Script: .*guid: (\w+)", behaviour)[1]]
        code = "".join(path.read_text("utf-8") for path in script.parent.glob(f"{script.stem}*.cs"))
        for name in re.findall(
            r"^  ([a-z]\w+):", behaviour.split("m_EditorClassIdentifier")[1], re.M
        ):
            assert re.search(rf"\w {name}( =|;)", code), f"{script.name} has no field {name}"


def test_the_package_says_what_is_in_it():
    package = json.loads((UNITY / "package.json").read_text(encoding="utf-8"))
    for sample in package["samples"]:
        assert any((UNITY / sample["path"]).glob("*.cs"))
    assert "com.unity.nuget.newtonsoft-json" in package["dependencies"]
    for definition in (UNITY / "Runtime").rglob("*.asmdef"):
        described = json.loads(definition.read_text(encoding="utf-8"))
        assert described["name"] == definition.stem
        assert described["noEngineReferences"] == (definition.parent == CORE)
