"""Records of the Python clients: each arrives once, whatever happens to whom."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from experiment_server import AsyncClient, Client, StudyError
from experiment_server_client import RecordProblem, RecordWarning
from experiment_server_client.http_api import HttpApi
from experiment_server_client.recorder import Recorder
from tests.conftest import server_running
from tests.faults import Proxy
from tests.waiting import PATIENCE

FIRST_TOKEN, SECOND_TOKEN = "the-first-token-of-them", "the-second-token-of-them"

# A participant's program, which does what its input says, line by line.
PROGRAM = """
import os, resource, sys
from experiment_server_client import Client
problems = []
client = Client(sys.argv[1], storage=sys.argv[2], on_record_problem=problems.append)
ok, block = client.get_state(1)
for line in sys.stdin:
    print(repr(eval(line)), flush=True)
"""


class Program:
    """A process that takes part as participant 1."""

    def __init__(self, url: str, storage: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, url, str(storage)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.do("ok") == "True"

    def do(self, expression: str) -> str:
        """What an expression gives in it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(expression + "\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline().strip()
        assert said, self.process.communicate()[1]
        return said

    def record(self, numbers: range) -> None:
        """Record numbers, each as a trial."""
        self.do(f"[block.record({{'i': i}}) for i in {numbers!r}]")

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.communicate()

    def end(self) -> None:
        """Let it end as programs do; it must not stay."""
        _, errors = self.process.communicate(timeout=PATIENCE)
        assert (self.process.returncode, errors) == (0, "")


@contextmanager
def proxy_to(url: str) -> Iterator[Proxy]:
    address = urlsplit(url)
    with Proxy(address.hostname, address.port) as proxy:
        proxy.url = f"http://{proxy.host}:{proxy.port}"
        yield proxy


@pytest.fixture
def storage(tmp_path):
    return tmp_path / "storage"


@pytest.fixture
def server(study_file):
    with server_running(study_file) as running:
        yield running


@pytest.fixture
def proxy(server):
    with proxy_to(server.url) as between:
        yield between


def stored(url, table="trials", token=None):
    """The records that the server has."""
    request = urllib.request.Request(f"{url}/api/results/{table}")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def numbers(url, token=None):
    """The numbers that the server has."""
    return [record["data"]["i"] for record in stored(url, token=token)]


def files(storage):
    """What is on the device."""
    return [path for path in storage.rglob("*") if path.is_file()]


def test_a_program_records_in_its_blocks(server, storage):
    with Client(server.url, storage=storage) as client:
        client.move_to_next()
        for block in client.blocks():
            block.record({"trial": 1, "name": block["block_name"]})
            client.record("answers", {"age": 30})
            ok, _ = block.finish()
            assert ok
        assert client.flush(PATIENCE)
        assert client.unsent == 0
    trials = stored(server.url)
    assert [record["data"]["name"] for record in trials] == ["Hello", "A", "B", "C", "D"]
    assert [record["block_name"] for record in trials] == ["Hello", "A", "B", "C", "D"]
    assert all(re.fullmatch(r"[0-9a-f]{16}-\d+", record["record_id"]) for record in trials)
    assert all(record["recorded_at"].endswith("Z") for record in trials)
    assert trials[0]["clock_offset_ms"] is None
    assert all(abs(record["clock_offset_ms"]) < 1000 * PATIENCE for record in trials[1:])
    assert len(stored(server.url, "answers")) == 5
    assert files(storage) == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["No Table", {}], "record-invalid", "no name of a table"),
        (["events", {}], "record-invalid", "every export"),
        (["trials"], "record-invalid", 'record("trials", {...})'),
        ([[1, 2]], "record-invalid", "record a dictionary"),
        ([{"seed": 2**64}], "record-invalid", "does not fit into 64 bits"),
        ([{"text": "a\0b"}], "record-invalid", "the character NUL"),
        ([{"rt": {1, 2}}], "record-invalid", "no value of JSON"),
        ([{"text": "\ud800"}], "record-invalid", "JSON"),
        ([{"text": "x" * 70_000}], "record-too-large", "at most 65,536"),
    ],
)
def test_what_the_server_would_never_take_is_refused_at_once(
    server, storage, arguments, code, words
):
    client = Client(server.url, storage=storage)
    _, block = client.get_state()
    with pytest.raises(StudyError, match=re.escape(words)) as refused:
        block.record(*arguments)
    assert refused.value.code == code
    assert client.unsent == 0
    assert files(storage) == []


def test_a_record_belongs_to_a_block_that_the_program_has_got(server, storage):
    client = Client(server.url, storage=storage)
    with pytest.raises(StudyError) as refused:
        client.record({"i": 1})
    assert refused.value.code == "not-ready"
    client.move_to_next()
    client.wait_for_block(timeout=PATIENCE)
    client.record({"i": 1})
    client.move_to_next()
    client.record({"i": 2})
    client.get_config()
    with pytest.raises(StudyError):
        client.record({"i": 3})
    assert client.flush(PATIENCE)
    assert [record["block_name"] for record in stored(server.url)] == ["Hello", "Hello"]
    client.close()
    with pytest.raises(StudyError) as refused:
        client.get_state()[1].record({"i": 4})
    assert refused.value.code == "closed"


def test_numbers_of_numpy_are_recorded(server, storage):
    numpy = pytest.importorskip("numpy")
    with Client(server.url, storage=storage) as client:
        _, block = client.get_state()
        block.record({"rt": numpy.float64(0.5), "key": numpy.int64(3), "xy": numpy.arange(2)})
        block.record({"rt": numpy.float64("nan"), "all": numpy.array([numpy.inf, 1]), "n": 10**18})
        assert client.flush(PATIENCE)
    assert [record["data"] for record in stored(server.url)] == [
        {"rt": 0.5, "key": 3, "xy": [0, 1]},
        {"rt": None, "all": [None, 1], "n": 10**18},
    ]


def test_late_records_belong_to_their_block(server, storage):
    with Client(server.url, storage=storage) as client:
        client.move_to_next()
        _, first = client.wait_for_block(timeout=PATIENCE)
        client.move_to_block(4)
        first.record({"i": 1})
        _, last = client.get_state()
        client.move_to_next(from_block=last)
        assert client.get_state()[1]["block_name"] == "END"
        first.record({"i": 2})
        last.record({"i": 3})
        assert client.flush(PATIENCE)
    blocks = [record["block_name"] for record in stored(server.url)]
    assert blocks == ["Hello", "Hello", last["block_name"]]


def test_records_wait_for_a_server_that_was_killed(study_file, storage):
    with server_running(study_file) as server:
        program = Program(server.url, storage)
        program.record(range(50))
        server.kill()
    program.record(range(50, 300))
    assert program.do("client.flush(0.01)") == "False"
    with server_running(study_file, "-p", str(urlsplit(server.url).port)) as again:
        assert program.do(f"client.flush({PATIENCE})") == "True"
        assert numbers(again.url) == list(range(300))
        program.end()
    assert files(storage) == []


def test_the_next_start_sends_what_a_killed_program_has_left(server, proxy, storage):
    program = Program(proxy.url, storage)
    program.record(range(10))
    assert program.do(f"client.flush({PATIENCE})") == "True"
    proxy.hold()
    program.record(range(10, 110))
    assert program.do("client.unsent") == "100"
    program.kill()
    proxy.cut()
    proxy.release()
    [file] = files(storage)
    with file.open("ab") as torn:
        torn.write(b'{"table":"trials","record":{"record_id":"')
    program = Program(proxy.url, storage)
    assert program.do(f"client.flush({PATIENCE})") == "True"
    assert sorted(numbers(server.url)) == list(range(110))
    assert numbers(server.url)[10:] == list(range(10, 110))
    program.end()
    assert files(storage) == []


def test_a_lost_answer_stores_no_record_twice(server, proxy, storage):
    with Client(proxy.url, storage=storage) as client:
        _, block = client.get_state()
        proxy.lose_answer(b'"record_id"')
        for number in range(250):
            block.record({"i": number})
        assert client.flush(PATIENCE)
        assert proxy.lost.is_set()
    assert numbers(server.url) == list(range(250))


def test_a_block_ends_once_where_the_answer_is_lost(server, proxy, storage):
    with Client(proxy.url, storage=storage, retries=0) as client:
        client.move_to_next()
        _, block = client.wait_for_block(timeout=PATIENCE)
        block.record({"i": 1})
        proxy.lose_answer(b"move-to-next")
        assert block.finish() == (True, {"name": "A"})
        assert proxy.lost.is_set()
        assert client.get_state()[1]["block_name"] == "A"
        ok, refused = block.finish()
        assert (ok, refused["code"]) == (False, "participant-elsewhere")


def test_the_end_of_a_block_does_not_wait_long_for_its_records(server, proxy, storage):
    with Client(server.url, storage=storage) as client:
        client.move_to_next()
        _, block = client.wait_for_block(timeout=PATIENCE)
    with Client(proxy.url, storage=storage) as client:
        _, block = client.get_state()
        proxy.lose_request(b"/api/results")
        block.record({"i": 1})
        assert proxy.lost.wait(PATIENCE)
        assert block.finish()[0]
        assert client.flush(PATIENCE)
    assert numbers(server.url) == [1]


def test_a_closed_client_waits_no_longer_for_a_server_that_is_away(study_file, storage):
    with server_running(study_file) as server:
        client = Client(server.url, storage=storage, retries=0)
        client.move_to_next()
        _, block = client.get_state()
    with ThreadPoolExecutor() as threads:
        ended, found = threads.submit(block.finish), threads.submit(client.wait_for_block)
        blocks = threads.submit(list, client.blocks())
        client.close()
        assert ended.result(PATIENCE)[1]["code"] == "unreachable"
        assert found.result(PATIENCE)[1]["code"] == "closed"
        assert blocks.result(PATIENCE) == []


def test_records_wait_while_the_token_is_refused(study_file, storage):
    problems: list[RecordProblem] = []
    with server_running(study_file, "--admin-token", FIRST_TOKEN) as server:
        url = server.url.partition("/login")[0]
        client = Client(url, token=FIRST_TOKEN, storage=storage, on_record_problem=problems.append)
        _, block = client.get_state()
    with server_running(study_file, "--admin-token", SECOND_TOKEN, "-p", str(urlsplit(url).port)):
        block.record({"i": 1})
        assert not client.flush(2)
        assert (client.unsent, [problem.kind for problem in problems]) == (1, ["refused"])
        assert "status 401 with text" in problems[0].message
        client.close()
        with Client(url, token=SECOND_TOKEN, storage=storage) as again:
            again.get_state()
            assert again.flush(PATIENCE)
        assert numbers(url, SECOND_TOKEN) == [1]


def test_a_full_disk_is_told_and_loses_nothing(server, proxy, storage):
    program = Program(proxy.url, storage)
    proxy.hold()
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, ({}, resource.RLIM_INFINITY))"
    program.do(limit.format(1000))
    program.record(range(100))
    [file] = files(storage)
    assert file.stat().st_size <= 1000
    assert program.do("client.unsent") == "100"
    assert program.do("[problem.kind for problem in problems]") == "['storage']"
    assert "only in memory" in program.do("problems[0].message")
    program.do(limit.format("resource.RLIM_INFINITY"))
    program.record(range(100, 101))
    program.kill()
    proxy.cut()
    proxy.release()
    program = Program(proxy.url, storage)
    assert program.do(f"client.flush({PATIENCE})") == "True"
    assert numbers(server.url) == list(range(101))
    program.end()


def test_records_of_a_device_without_storage_arrive(server, tmp_path):
    occupied = tmp_path / "a file"
    occupied.write_text("")
    with Client(server.url, storage=occupied) as client:
        _, block = client.get_state()
        with pytest.warns(RecordWarning, match="only in memory"):
            block.record({"i": 1})
        block.record({"i": 2})
        assert client.flush(PATIENCE)
    assert numbers(server.url) == [1, 2]


def test_programs_of_a_participant_record_at_once(study_file, storage):
    with server_running(study_file) as server:
        one, other = Program(server.url, storage), Program(server.url, storage)
        server.kill()
    one.record(range(10))
    other.record(range(10, 20))
    one.kill()
    with server_running(study_file, "-p", str(urlsplit(server.url).port)) as again:
        third = Program(again.url, storage)
        assert third.do("client.unsent <= 10") == "True", "the other one still runs"
        for program in (other, third):
            assert program.do(f"client.flush({PATIENCE})") == "True"
            program.end()
        assert sorted(numbers(again.url)) == list(range(20))
    assert files(storage) == []


def test_files_of_running_programs_are_left_to_them(server, proxy, storage):
    program = Program(proxy.url, storage)
    proxy.hold()
    program.record(range(10))
    [file] = files(storage)
    # As another program of the participant at the same address, which hears from the server.
    recorder = Recorder(HttpApi(proxy.url, None, 1), storage, None)
    recorder.start(1)
    assert recorder.unsent == 0
    recorder.close()
    assert files(storage) == [file]
    program.kill()
    recorder = Recorder(HttpApi(proxy.url, None, 1), storage, None)
    recorder.start(1)
    assert recorder.unsent == 10
    proxy.cut()
    proxy.release()
    recorder.close(PATIENCE)
    assert (numbers(server.url), files(storage)) == (list(range(10)), [])


def test_a_record_that_the_server_refuses_is_set_aside(server, storage):
    program = Program(server.url, storage)
    program.record(range(1))
    assert program.do(f"client.flush({PATIENCE})") == "True"
    program.kill()
    [file] = files(storage)
    # Another record has the id of the second one.
    lines = [
        {
            "table": "trials",
            "record": {"record_id": f"feed-{i}", "block_id": -1, "revision": 0, "data": {"i": i}},
        }
        for i in (1, 2, 3)
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    body = {"records": [{**lines[1]["record"], "data": {"i": "another"}}]}
    request = urllib.request.Request(f"{server.url}/api/results/1", json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    urllib.request.urlopen(request).close()

    program = Program(server.url, storage)
    assert program.do(f"client.flush({PATIENCE})") == "True"
    assert program.do("[(one.kind, one.record) for one in problems]") == "[('set-aside', {'i': 2})]"
    program.end()
    assert numbers(server.url) == [0, "another", 1, 3]
    [aside] = files(storage)
    kept = json.loads(aside.read_text())
    assert kept["record"] == lines[1]["record"]
    assert kept["error"]["code"] == "record-conflict"


def test_a_record_is_set_aside_if_the_error_does_not_name_it(server, storage):
    deep: list[object] = []
    for _ in range(100):
        deep = [deep]
    problems: list[RecordProblem] = []
    with Client(server.url, storage=storage, on_record_problem=problems.append) as client:
        _, block = client.get_state()
        block.record({"i": 0})
        for number in range(1, 40):
            block.record({"i": number if number != 23 else deep})
        assert client.flush(PATIENCE)
    assert [(problem.kind, problem.record) for problem in problems] == [("set-aside", {"i": deep})]
    assert numbers(server.url) == [number for number in range(40) if number != 23]


def test_the_end_of_a_program_sends_what_waits(server, storage):
    program = Program(server.url, storage)
    program.record(range(150))
    program.end()
    assert (numbers(server.url), files(storage)) == (list(range(150)), [])


def test_the_end_of_a_program_does_not_wait_for_a_server_that_says_nothing(proxy, storage):
    program = Program(proxy.url, storage)
    proxy.hold()
    program.record(range(3))
    program.end()
    assert len(files(storage)) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_process_records_for_itself(server, storage):
    program = Program(server.url, storage)
    program.record(range(10))
    program.do(
        "(lambda child: os.waitpid(child, 0) if child else "
        "(block.record({'i': 10}), client.flush(20), os._exit(0)))(os.fork())"
    )
    program.record(range(11, 20))
    assert program.do(f"client.flush({PATIENCE})") == "True"
    assert sorted(numbers(server.url)) == list(range(20))
    program.end()


async def test_an_asynchronous_program_records_in_its_blocks(server, storage):
    async with AsyncClient(server.url, storage=storage) as client:
        await client.next()
        async for block in client.blocks():
            block.record({"name": block["block_name"]})
            client.record("answers", {"age": 30})
            await block.finish()
        assert await client.flush(PATIENCE)
        assert client.unsent == 0
    trials = await asyncio.to_thread(stored, server.url)
    assert [record["data"]["name"] for record in trials] == ["Hello", "A", "B", "C", "D"]
    assert [record["block_name"] for record in trials] == ["Hello", "A", "B", "C", "D"]
    answers = await asyncio.to_thread(stored, server.url, "answers")
    assert [record["block_name"] for record in answers] == ["Hello", "A", "B", "C", "D"]
    assert files(storage) == []


async def test_records_are_sent_while_the_program_blocks_the_loop(server, storage):
    async with AsyncClient(server.url, storage=storage) as client:
        client.record({"i": 1})
        while not numbers(server.url):
            pass
        assert await client.flush(PATIENCE)


async def test_an_asynchronous_program_gives_up_waiting(server, proxy, storage):
    async with AsyncClient(proxy.url, storage=storage) as client:
        proxy.hold()
        client.record({"i": 1})
        assert not await client.flush(0.1)
        assert client.unsent == 1
        proxy.cut()
        proxy.release()
        assert await client.flush(PATIENCE)
    assert await asyncio.to_thread(numbers, server.url) == [1]


async def test_problems_are_told_on_the_loop(server, tmp_path):
    occupied = tmp_path / "a file"
    occupied.write_text("")
    told = asyncio.get_running_loop().create_future()
    async with AsyncClient(server.url, storage=occupied, on_record_problem=told.set_result) as us:
        us.record({"i": 1})
        problem = await asyncio.wait_for(told, PATIENCE)
        assert (problem.kind, problem.record) == ("storage", None)
        assert await us.flush(PATIENCE)
