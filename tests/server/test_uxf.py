"""Results of the Unity Experiment Framework: kept where they belong, and never lost."""

import asyncio
import io
import itertools
import os
import socket
import time
from base64 import b64encode
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.errors import ParameterInvalid
from experiment_server.limits.results import RESULT_FILE_MAX_BYTES
from experiment_server.server.app import serving
from experiment_server.server.forms import form_reader
from experiment_server.server.settings import Settings
from experiment_server.store.uploaded_files import UploadedFiles
from tests.conftest import server_running
from tests.waiting import PATIENCE, others_wait_less_than

ADMIN = "the-experimenters-own"
TABLE = "trial,rt\n1,0.512\n2,0.498\n"
PATH = "caf\u00e9_study/P001/S001/trackers/hand_T001.csv"


async def post(http, path=PATH, data=TABLE, **more):
    form_reader = {"filepath": path, "data": data}
    async with http.post("/api/uxf", data=form_reader, **more) as response:
        return response.status, await response.json()


def basic(password):
    return {"Authorization": f"Basic {b64encode(f'susan:{password}'.encode()).decode()}"}


def put(results, path, content, participant_index=None):
    draft = results.draft()
    try:
        draft.write(content)
        return results.store(draft, path, participant_index)
    finally:
        draft.discard()


def files_in(place):
    return sorted(path for path in place.rglob("*") if path.is_file())


def folder(study_file):
    return study_file.with_name("study-data") / "main"


async def test_a_file_is_where_uxf_wants_it(http, study_file):
    status, kept = await post(http)
    assert (status, kept) == (200, {"path": f"main/{PATH}", "known": False})
    assert (folder(study_file) / PATH).read_text(encoding="utf-8") == TABLE


async def test_nothing_is_overwritten_and_nothing_is_kept_twice(http, study_file):
    await post(http)
    assert (await post(http))[1] == {"path": f"main/{PATH}", "known": True}
    _, second = await post(http, data="another")
    assert second["path"].endswith("/hand_T001 (2).csv")
    assert (await post(http, data="another"))[1] == {**second, "known": True}
    files = [path for path in folder(study_file).rglob("*") if path.is_file()]
    assert sorted(path.read_text(encoding="utf-8") for path in files) == ["another", TABLE]


async def test_a_hundred_at_once_under_one_name_are_all_there(http, study_file):
    answers = await asyncio.gather(*(post(http, data=f"run {number}") for number in range(100)))
    assert len({kept["path"] for _, kept in answers}) == 100
    texts = {path.read_text(encoding="utf-8") for path in folder(study_file).rglob("*.csv")}
    assert texts == {f"run {number}" for number in range(100)}


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/cron.d/job", "etc/cron.d/job"),
        ("C:\\Users\\lab\\S1\\t.csv", "C_/Users/lab/S1/t.csv"),
        ("a/./b//c.csv", "a/b/c.csv"),
        ("P1/con.csv", "P1/con_.csv"),
        ('P1/a<b>:"c"?*.csv', "P1/a_b___c___.csv"),
        ("line\nbreak\0.csv", "line_break_.csv"),
        ("/".join("abcdefghijkl"), "e/f/g/h/i/j/k/l"),
    ],
)
async def test_no_path_leads_elsewhere(http, study_file, path, kept):
    before = {item for item in study_file.parent.rglob("*") if item.is_file()}
    status, answer = await post(http, path=path)
    assert (status, answer["path"]) == (200, f"main/{kept}")
    after = {item for item in study_file.parent.rglob("*") if item.is_file()} - before
    assert folder(study_file) / kept in after


@given(st.lists(st.one_of(st.text(max_size=300), st.sampled_from(["..", "/", "\\", "."]))))
def test_whatever_the_path_the_file_is_inside(tmp_path_factory, parts):
    root = tmp_path_factory.mktemp("results")
    path = "".join(parts)
    try:
        kept = put(UploadedFiles(root / "data", "pilot"), path, b"1")
    except ParameterInvalid:
        return
    found = [item for item in root.rglob("*") if item.is_file()]
    assert found == [root / "data" / kept.path]
    assert (root / "data" / "pilot") in found[0].parents


@pytest.mark.parametrize(
    "form_reader", [{"filepath": "a.csv"}, {"data": "1"}, {"filepath": "../..", "data": "1"}, {}]
)
async def test_a_form_without_what_is_needed_is_refused(http, form_reader):
    async with http.post("/api/uxf", data=form_reader) as response:
        assert response.status == 400
        assert (await response.json())["code"] == "parameter-invalid"


async def test_other_bodies_are_refused(http):
    async with http.post("/api/uxf", json={"filepath": "a", "data": "b"}) as response:
        assert response.status == 415
        assert "application/x-www-form-urlencoded" in (await response.json())["detail"]


URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
START = b'--x\r\nContent-Disposition: form-data; name="filepath"\r\n\r\na\r\n--x\r\n'


@pytest.mark.parametrize(("content_type", "body", "status"), [
    (URLENCODED, b"&" * 100_000, 400),
    (URLENCODED, b"x=1&" * 17 + b"filepath=a&data=b", 400),
    (URLENCODED, b"x" * 100_000, 400),
    (URLENCODED, b"data=1&filepath=" + b"x" * 100_000, 400),
    (URLENCODED, b"data=1&filepath=%ff", 400),
    ("multipart/form-data", START, 400),
    ("multipart/form-data; boundary=" + "x" * 500, START, 400),
    (MULTIPART, b"", 400),
    (MULTIPART, b"--y\r\n", 400),
    (MULTIPART, START + b'Content-Disposition: form-data; name="data"\r\n\r\nno end', 400),
    (MULTIPART, START + b"No-Name: x\r\n\r\n\r\n--x--\r\n", 400),
    (MULTIPART, START + b"Long: " + b"x" * 100_000 + b"\r\n\r\n\r\n--x--\r\n", 400),
    (MULTIPART, START + b"Many: x\r\n" + b"A: b\r\n" * 5000 + b"\r\n\r\n--x--\r\n", 400),
    (MULTIPART, START + b"Content-Type: text/plain; charset=punycode\r\n"
     b'Content-Disposition: form-data; name="data"\r\n\r\n-a\r\n--x--\r\n', 415),
    (MULTIPART, START + b"Content-Transfer-Encoding: base64\r\n"
     b'Content-Disposition: form-data; name="data"\r\n\r\n-a\r\n--x--\r\n', 415),
    (MULTIPART, b'--x\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\nutf-7\r\n'
     + START, 400),
])  # fmt: skip
async def test_a_form_that_cannot_be_read_is_refused(http, study_file, content_type, body, status):
    headers = {"Content-Type": content_type}
    async with http.post("/api/uxf", data=io.BytesIO(body), headers=headers) as response:
        assert response.status == status, await response.text()
    assert files_in(study_file.with_name("study-data")) == []


@given(
    st.dictionaries(st.text(max_size=5), st.binary(max_size=30), max_size=4),
    st.lists(st.integers(1, 9), min_size=1),
)
def test_a_form_is_read_alike_in_any_pieces(fields, sizes):
    found = {}

    def begin(name):
        return found.setdefault(name.encode(), bytearray()).extend

    reader = form_reader(URLENCODED, begin)
    body = urlencode(fields).encode()
    for size in itertools.cycle(sizes):
        reader.write(body[:size])
        body = body[size:]
        if not body:
            break
    reader.close()
    wanted = {name.encode(): content for name, content in fields.items()} or {b"": b""}
    assert found == wanted


async def test_a_multipart_form_is_one_too(http, study_file):
    form_reader = aiohttp.FormData({"filepath": "P1/bytes.bin"})
    form_reader.add_field("data", b"\xff\x00\xfe", filename="bytes.bin")
    async with http.post("/api/uxf", data=form_reader) as response:
        assert response.status == 200
    assert (folder(study_file) / "P1" / "bytes.bin").read_bytes() == b"\xff\x00\xfe"


async def test_bytes_that_are_no_text_come_as_they_were_sent(http, study_file):
    body = "filepath=raw.txt&data=%FF%FEabc"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with http.post("/api/uxf", data=body, headers=headers) as response:
        assert response.status == 200
    assert (folder(study_file) / "raw.txt").read_bytes() == b"\xff\xfeabc"


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 413)])
async def test_large_files_are_taken_up_to_the_limit(http, study_file, more, status):
    size = RESULT_FILE_MAX_BYTES + more
    form_reader = io.BytesIO(b"filepath=large.csv&data=" + b"9" * size)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with http.post("/api/uxf", data=form_reader, headers=headers) as response:
        assert response.status == status
    kept = [path.stat().st_size for path in folder(study_file).rglob("*.csv")]
    assert kept == ([size] if status == 200 else [])


async def test_what_cannot_be_written_is_said(http, study_file):
    study_file.with_name("study-data").write_text("a file is here", encoding="utf-8")
    status, problem = await post(http)
    assert (status, problem["code"]) == (503, "store-unavailable")
    assert "study-data" in problem["detail"]


@pytest.mark.parametrize(
    ("password", "status"), [(None, 401), ("password", 401), (ADMIN, 200), ("a participant", 200)]
)
async def test_uxf_shows_its_token_as_a_password(study_file, tmp_path, password, status):
    settings = Settings(study_file, port=0, admin_token=ADMIN, data=tmp_path / "kept")
    async with serving(settings) as running, aiohttp.ClientSession(running.url) as http:
        if password == "a participant":
            headers = {"Authorization": f"Bearer {ADMIN}"}
            async with http.get("/api/participant-link/1", headers=headers) as response:
                password = (await response.json())["token"]
        headers = basic(password) if password else {}
        assert (await post(http, headers=headers))[0] == status
    # Whatever a participant's app names its files, they are that participant's.
    place = "main/participant-1" if password not in (None, "password", ADMIN) else "main"
    assert (tmp_path / "kept" / place / PATH).exists() == (status == 200)


@pytest.mark.parametrize("more", [{}, {"admin_token": ADMIN, "open": True}])
async def test_where_nobody_needs_a_token_uxfs_example_password_is_none(study_file, more):
    settings = Settings(study_file, port=0, **more)
    async with serving(settings) as running, aiohttp.ClientSession(running.url) as http:
        assert (await post(http, headers=basic("password")))[0] == 200


async def test_a_page_of_a_stranger_cannot_leave_files(http, study_file):
    status, problem = await post(http, headers={"Origin": "https://stranger.example"})
    assert (status, problem["code"]) == (403, "origin-foreign")
    assert not folder(study_file).exists()


async def test_a_participant_cannot_name_another_ones_folder(tmp_path):
    results = UploadedFiles(tmp_path, "main")
    kept = put(results, "../participant-2/P002/trials.csv", b"1", participant_index=1)
    assert kept.path == "main/participant-1/participant-2/P002/trials.csv"


async def test_the_same_file_a_hundred_times_at_once_is_one_file(http, study_file):
    answers = await asyncio.gather(*(post(http) for _ in range(100)))
    assert {kept["path"] for _, kept in answers} == {f"main/{PATH}"}
    assert sum(not kept["known"] for _, kept in answers) == 1
    assert files_in(folder(study_file)) == [folder(study_file) / PATH]


async def test_a_file_that_is_named_like_a_folder_is_in_nobodys_way(http, study_file):
    asked = ["P1", "P1/trials.csv", "P1", "P2/a/b.csv", "P2/a", "P2/a/b.csv", "P1/trials.csv"]
    answers = [await post(http, path=path) for path in asked]
    assert [(status, kept["path"]) for status, kept in answers] == [
        (200, "main/P1"),
        (200, "main/P1 (2)/trials.csv"),
        (200, "main/P1"),
        (200, "main/P2/a/b.csv"),
        (200, "main/P2/a (2)"),
        (200, "main/P2/a/b.csv"),
        (200, "main/P1 (2)/trials.csv"),
    ]


def test_no_file_is_read_for_each_one_that_comes_later(tmp_path):
    counters = Path("/proc/self/io")
    if not counters.exists():
        pytest.skip("only Linux counts what a process reads")
    size, count = 20_000, 100

    def read():
        return int(counters.read_text(encoding="ascii").split()[1])

    results = UploadedFiles(tmp_path, "main")
    before = read()
    kept = [put(results, "a.csv", os.urandom(size)).path for _ in range(count)]
    # A server that starts anew reads each of them once.
    put(UploadedFiles(tmp_path, "main"), "a.csv", os.urandom(size))
    assert kept[-1] == f"main/a ({count}).csv"
    assert read() - before < 2 * size * count


async def test_large_forms_hold_nobody_up_and_fill_no_memory(study_file):
    body = b"filepath=large.txt&data=" + b"%41" * (10 << 20)
    with server_running(study_file) as server:
        before = most_memory(server.process.pid)

        async def upload(http):
            headers = {"Content-Type": URLENCODED}
            async with http.post("/api/uxf", data=io.BytesIO(body), headers=headers) as response:
                return response.status, (await response.json())["path"]

        timeout = aiohttp.ClientTimeout(total=120)
        async with aiohttp.ClientSession(server.url, timeout=timeout) as http:

            async def both():
                pair = await asyncio.gather(upload(http), upload(http))
                assert pair == [(200, "main/large.txt")] * 2

            assert await others_wait_less_than(1.0, http, both)
        assert most_memory(server.process.pid) - before < 100 << 20
    assert (folder(study_file) / "large.txt").read_bytes() == b"A" * (10 << 20)


def most_memory(pid):
    """The most memory that a process has ever had, in bytes."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("only Linux says how much memory a process had")
    (line,) = [item for item in status.read_text().splitlines() if item.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def test_a_kill_leaves_nothing_half(study_file):
    place = folder(study_file)
    with server_running(study_file) as server:
        address = urlsplit(server.url)
        with socket.create_connection((address.hostname, address.port), PATIENCE) as raw:
            head = (
                f"POST /api/uxf HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 1000000\r\n"
            )
            raw.sendall(f"{head}Content-Type: {URLENCODED}\r\n\r\n".encode())
            raw.sendall(b"filepath=P1/trials.csv&data=" + b"1" * 500_000)
            deadline = time.monotonic() + PATIENCE
            while not any(path.stat().st_size for path in files_in(place)):
                assert time.monotonic() < deadline, "nothing has been written"
            server.kill()
    (draft,) = files_in(place)
    assert draft.name.startswith(".")
    assert draft.parent == place
    os.utime(draft, (0, 0))
    with server_running(study_file):
        assert files_in(place) == [], "what was never finished is removed"
