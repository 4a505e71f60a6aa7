"""Records of the Unity client: on the device first, and from there to the server, each once."""

import asyncio
import contextlib
import json
import shutil
import signal
import urllib.request
from collections import Counter
from datetime import datetime

import pytest

from tests.clients.conformance import Network, harness
from tests.clients.mono import told_by
from tests.conftest import server_running
from tests.waiting import PATIENCE

STUDY = """
[configuration]
order = [["A", "B"]]
[[blocks]]
name = "A"
config = { speed = 1 }
[[blocks]]
name = "B"
extends = "A"
"""


@pytest.fixture
def server(tmp_path):
    study = tmp_path / "study.toml"
    study.write_text(STUDY, encoding="utf-8")
    with server_running(study) as running:
        yield running


@contextlib.asynccontextmanager
async def app(command, storage):
    """An app that keeps records in a folder; it is killed in the end, whatever it does."""
    async with harness(*command, storage=storage) as client:
        try:
            yield client
        finally:
            await client.kill()


async def done(client, do, **more):
    """What the app answers."""
    said = await asyncio.wait_for(client.ask(do, **more), PATIENCE)
    assert "error" not in said, said
    return said["state"]


async def in_block(client, url, block=0):
    """Take part as participant 1, and go to a block."""
    await done(client, "connect", url=url, participant=1)
    return await done(client, "goTo", block_id=block)


def records(server, table="trials"):
    """What the server has of participant 1, in the order of its arrival."""
    url = f"{server.url}/api/results/{table}?participant=1"
    with urllib.request.urlopen(url) as response:
        return json.load(response)


def numbers(server):
    return [record["data"]["i"] for record in records(server)]


def waiting_files(storage):
    return sorted(path for path in storage.rglob("records-*") if path.stat().st_size)


async def offline(client, network):
    await network.become("cut")
    await asyncio.wait_for(client.hears({"event": "connection", "to": "none"}), PATIENCE)


@contextlib.asynccontextmanager
async def between(server):
    """The network between apps and the server."""
    async with Network() as network:
        network.upstream = int(server.url.rsplit(":", 1)[1])
        yield network


async def test_records_arrive_with_their_context(unity_harness, server, tmp_path):
    async with app(unity_harness, tmp_path / "device") as client:
        state = await in_block(client, server.url)
        await done(client, "keep", **{"as": "A"})
        await done(client, "record", data={"rt": 0.43, "nested": {"hit": True}}, table="answers")
        await done(client, "next")
        await done(client, "record", of="A", data={"late": 1}, table="answers")
        assert await done(client, "flush") == {"unsent": 0}
    first, late = records(server, "answers")
    assert first["data"] == {"rt": 0.43, "nested": {"hit": True}}
    assert late["data"] == {"late": 1}
    assert [record["block_name"] for record in (first, late)] == ["A", "A"]
    assert [record["visit"] for record in (first, late)] == [1, 1]
    assert state["block_name"] == "A"
    run, counter = late["record_id"].rsplit("-", 1)
    assert (len(run), counter) == (16, "2")
    assert first["recorded_at"].endswith("Z")
    assert late["clock_offset_ms"] is not None, "known from the first acknowledgement"
    assert not waiting_files(tmp_path / "device")


async def test_records_of_a_killed_app_are_sent_by_its_next_start(unity_harness, server, tmp_path):
    device = tmp_path / "device"
    async with between(server) as network:
        async with app(unity_harness, device) as client:
            await in_block(client, network.url)
            await offline(client, network)
            await done(client, "record", count=100)
            assert await done(client, "unsent") == {"unsent": 100}
        # Killed while it wrote another.
        (file,) = waiting_files(device)
        with file.open("a", encoding="utf-8") as torn:
            torn.write('{"table":"trials","record":{"record_id":"abc-1","block_id":0,"data":{"i":')
        await network.become("whole")
        async with app(unity_harness, device) as client:
            await in_block(client, network.url, 1)
            await done(client, "record", first=100, count=1)
            assert await done(client, "flush") == {"unsent": 0}
    assert numbers(server) == list(range(101))
    blocks = [record["block_name"] for record in records(server)]
    assert Counter(blocks) == {"A": 100, "B": 1}
    assert not waiting_files(device)


async def test_two_apps_of_one_participant_lose_nothing(unity_harness, server, tmp_path):
    device = tmp_path / "device"
    async with between(server) as network:
        async with app(unity_harness, device) as one, app(unity_harness, device) as other:
            await in_block(one, network.url)
            await offline(one, network)
            await done(one, "record", count=50)
            # It stands still, and runs nevertheless: the other must not take its files.
            one.process.send_signal(signal.SIGSTOP)
            await network.become("whole")
            await done(other, "connect", url=network.url, participant=1)
            await done(other, "record", first=50, count=50)
            assert await done(other, "flush") == {"unsent": 0}
            assert numbers(server) == list(range(50, 100))
            assert len(waiting_files(device)) == 1
            one.process.send_signal(signal.SIGCONT)
            assert await done(one, "flush") == {"unsent": 0}
            await offline(one, network)
            await done(one, "record", first=100, count=10)
            await done(other, "record", first=110, count=10)
        assert len(waiting_files(device)) == 2, "one of each"
        await network.become("whole")
        async with app(unity_harness, device) as next_one:
            await done(next_one, "connect", url=network.url, participant=1)
            assert await done(next_one, "flush") == {"unsent": 0}
        assert not waiting_files(device)
    assert sorted(numbers(server)) == list(range(120))


async def test_a_refused_record_is_set_aside_and_the_others_arrive(unity_harness, server, tmp_path):
    device = tmp_path / "device"
    async with between(server) as network:
        async with app(unity_harness, device) as client:
            await in_block(client, network.url)
            await offline(client, network)
            await done(client, "record", count=3)
        # A record that this client would not make.
        (file,) = waiting_files(device)
        lines = file.read_text(encoding="utf-8").splitlines()
        bad = json.loads(lines[1])
        bad["record"]["recorded_at"] = "yesterday"
        lines[1] = json.dumps(bad, separators=(",", ":"))
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        await network.become("whole")
        async with app(unity_harness, device) as client:
            await done(client, "connect", url=network.url, participant=1)
            refused = {"event": "refused", "code": "record-invalid", "data": {"i": 1}}
            await asyncio.wait_for(client.hears(refused), PATIENCE)
            assert await done(client, "flush") == {"unsent": 0}
    assert numbers(server) == [0, 2]
    (kept,) = device.rglob("set-aside-*")
    aside = json.loads(kept.read_text(encoding="utf-8"))
    assert aside["record"]["data"] == {"i": 1}
    assert aside["code"] == "record-invalid"
    assert not waiting_files(device)


async def test_a_device_without_room_is_told_and_records_still_arrive(
    unity_harness, server, tmp_path
):
    device = tmp_path / "device"
    # A file where a folder has to be: nothing can be written there, whoever asks.
    device.write_text("", encoding="utf-8")
    async with between(server) as network, app(unity_harness, device) as client:
        await done(client, "connect", url=network.url, participant=1)
        await asyncio.wait_for(client.hears({"event": "storage"}), PATIENCE)
        await done(client, "goTo", block_id=0)
        await offline(client, network)
        await done(client, "record", count=5)
        assert await done(client, "unsent") == {"unsent": 5}
        device.unlink()
        await done(client, "record", first=5, count=1)
        (file,) = waiting_files(device)
        assert len(file.read_text(encoding="utf-8").splitlines()) == 6, "what waited is written too"
        await network.become("whole")
        assert await done(client, "flush") == {"unsent": 0}
    assert numbers(server) == list(range(6))


async def test_files_of_a_killed_app_are_sent_by_its_next_start(unity_harness, server, tmp_path):
    device = tmp_path / "device"
    content = "time,x\n0.1,1.5\n" * 1000
    async with between(server) as network:
        async with app(unity_harness, device) as client:
            await in_block(client, network.url)
            await offline(client, network)
            file = {"name": "trackers/head 1.csv", "content": content}
            assert await done(client, "file", **file) == {"stored": True}
            said = await asyncio.wait_for(client.ask("file", name="../x", content="x"), PATIENCE)
            assert said["error"] == "file-invalid"
        # A file that this client would not send.
        (waiting,) = device.rglob("*.waiting")
        waiting.with_name("bad.waiting").write_text('{"name": "/"}\nx', encoding="utf-8")
        await network.become("whole")
        async with app(unity_harness, device) as client:
            await done(client, "connect", url=network.url, participant=1)
            await asyncio.wait_for(client.hears({"event": "refused", "name": "/"}), PATIENCE)
            assert await done(client, "flush") == {"unsent": 0}
    (stored,) = (tmp_path / "study-data").rglob("head*")
    assert stored.relative_to(tmp_path).as_posix().endswith("participant-1/trackers/head 1.csv")
    assert stored.read_text("utf-8") == content
    assert not list(device.rglob("*.waiting"))
    assert len(list(device.rglob("*.set-aside"))) == 1


async def test_files_that_are_deleted_on_the_device_are_waited_for_no_longer(
    unity_harness, server, tmp_path
):
    device = tmp_path / "device"
    async with between(server) as network, app(unity_harness, device) as client:
        await in_block(client, network.url)
        await offline(client, network)
        assert await done(client, "file", name="gone.csv", content="x") == {"stored": True}
        shutil.rmtree(device)
        await network.become("whole")
        await done(client, "flush")


async def test_many_records_wait_in_several_files_which_go_when_they_are_sent(
    unity_harness, server, tmp_path
):
    device = tmp_path / "device"
    text = "x" * 10_000
    async with between(server) as network, app(unity_harness, device) as client:
        await in_block(client, network.url)
        await offline(client, network)
        await done(client, "record", data={"text": text}, count=60)
        assert len(waiting_files(device)) == 3
        await network.become("whole")
        assert await done(client, "flush") == {"unsent": 0}
        assert not waiting_files(device)
    assert len(records(server)) == 60


async def test_finish_goes_on_without_records_that_do_not_arrive(unity_harness, server, tmp_path):
    async with between(server) as network, app(unity_harness, tmp_path / "device") as client:
        await in_block(client, network.url)
        await done(client, "keep", **{"as": "A"})
        await offline(client, network)
        await done(client, "record", of="A", count=2)
        moving = client.ask("finish", of="A")
        assert await done(client, "flush", within=4) == {"unsent": 2}
        await network.become("whole")
        said = await asyncio.wait_for(moving, PATIENCE)
        assert said["state"]["block_name"] == "B"
        await done(client, "flush")
    assert [record["block_name"] for record in records(server)] == ["A", "A"]


def test_values_are_recorded_as_they_are_in_any_culture(core, server):
    refused = (
        'record-invalid: the value of "inside.study" is of the type Study: record texts, numbers, '
        "truth values, times, and lists and dictionaries of them"
    )
    assert told_by(*core, "values", server.url) == ["True", refused, "closed"] * 2
    for record, culture in zip(records(server), ("de-DE", "th-TH"), strict=True):
        assert record["data"] == {
            "culture": culture,
            "float": 0.1,
            "double": 1234.5,
            "large": 1e21,
            "decimal": 1.1,
            "none": None,
            "missing": None,
            "hit": True,
            "key": "A",
            "when": "2026-11-25T01:02:03.0000000Z",
            "text": '"\u00e4"',
            "path": [0.5, 1.5],
            "inside": {"x": 1},
            "json": {"date": "2026-11-25T01:02:03"},
        }
        recorded = datetime.fromisoformat(record["recorded_at"].replace("Z", "+00:00"))
        received = datetime.fromisoformat(record["received_at"].replace("Z", "+00:00"))
        assert recorded.year == received.year
    assert [record["data"] for record in records(server, "answers")] == [{"n": 1.5}] * 2
