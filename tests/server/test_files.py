"""Files that apps send: in pieces, over a kill of the server, each stored once, none replaced."""

import asyncio
import hashlib
import io
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from base64 import b64decode, b64encode

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from experiment_server.errors import FileConflict, FileOffsetWrong, ParameterInvalid
from experiment_server.limits import results as limits
from experiment_server.server.app import serving
from experiment_server.server.settings import Settings
from experiment_server.session import file_log
from experiment_server.store import unfinished_files, uploaded_files
from experiment_server.store.unfinished_files import FilesInPieces, Upload
from experiment_server.store.uploaded_files import StoredFile, UploadedFiles
from tests.conftest import server_running
from tests.requests import add_participants, read_json, send
from tests.server.test_disk_full import small_disk as small_disk  # a fixture
from tests.server.test_uxf import files_in, folder, most_memory
from tests.server.test_uxf import post as post_uxf
from tests.waiting import PATIENCE, others_wait_less_than

ADMIN = "the-experimenters-own"
CONTENT = bytes(range(256)) * 40


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def digest_header(content):
    return {"Repr-Digest": f"sha-256=:{b64encode(hashlib.sha256(content).digest()).decode()}:"}


async def put(http, path, content, **options):
    place = path if isinstance(path, URL) else f"/api/files/{path}"
    body = io.BytesIO(content) if isinstance(content, bytes) else content
    return await send(http, "PUT", place, data=body, **options)


async def put_piece(http, path, content, start, end, headers=None):
    """Send the bytes from `start` to before `end`."""
    place = {"Content-Range": f"bytes {start}-{end - 1}/{len(content)}"}
    return await put(http, path, content[start:end], headers={**place, **(headers or {})})


async def ask(http, path, size, headers=None):
    place = {"Content-Range": f"bytes */{size}"}
    return await put(http, path, b"", headers={**place, **(headers or {})})


async def stored_entries(http):
    entries = await read_json(http, "/api/events?limit=1000")
    return [entry for entry in entries if entry["type"] == "file_stored"]


async def test_a_whole_file_is_stored_and_in_the_log(http, study_file):
    status, stored = await put(http, "trackers/hand.csv", CONTENT, headers=digest_header(CONTENT))
    assert (status, stored) == (201, {
        "participant_index": 1, "name": "trackers/hand.csv", "offset": len(CONTENT),
        "bytes": len(CONTENT), "sha256": sha256(CONTENT), "known": False,
    })  # fmt: skip
    path = folder(study_file) / "participant-1" / "trackers" / "hand.csv"
    assert path.read_bytes() == CONTENT
    (entry,) = await stored_entries(http)
    assert entry["participant_index"] == 1
    assert entry["data"] == {
        "by": "rest", "path": "participant-1/trackers/hand.csv", "bytes": len(CONTENT),
        "sha256": sha256(CONTENT),
    }  # fmt: skip


async def test_a_file_comes_in_pieces_and_the_answer_says_where_to_go_on(http, study_file):
    assert await ask(http, "1/gaze.bin", len(CONTENT)) == (202, {
        "participant_index": 1, "name": "gaze.bin", "offset": 0, "bytes": len(CONTENT),
        "sha256": None, "known": False,
    })  # fmt: skip
    for start, end in ((0, 4000), (4000, 10_000)):
        status, answer = await put_piece(http, "1/gaze.bin", CONTENT, start, end)
        assert (status, answer["offset"], answer["sha256"]) == (202, end, None)
    assert (await ask(http, "1/gaze.bin", len(CONTENT)))[1]["offset"] == 10_000
    assert await stored_entries(http) == []
    status, answer = await put_piece(http, "1/gaze.bin", CONTENT, 10_000, len(CONTENT))
    assert (status, answer["sha256"], answer["known"]) == (201, sha256(CONTENT), False)
    assert files_in(folder(study_file)) == [folder(study_file) / "participant-1" / "gaze.bin"]
    assert len(await stored_entries(http)) == 1


async def test_a_piece_at_a_wrong_offset_is_answered_with_the_right_one(http):
    await put_piece(http, "gaze.bin", CONTENT, 0, 4000)
    headers = {"Content-Range": f"bytes 5000-5999/{len(CONTENT)}"}
    async with http.put("/api/files/gaze.bin", data=b"x" * 1000, headers=headers) as response:
        problem = await response.json(content_type=None)
        assert (response.status, response.headers["Upload-Offset"]) == (409, "4000")
    assert (problem["code"], problem["offset"]) == ("file-offset", 4000)
    status, problem = await put_piece(http, "new.bin", CONTENT, 5000, len(CONTENT))
    assert (status, problem["offset"]) == (409, 0)


async def test_repeated_and_overlapping_pieces_change_nothing(http, study_file):
    await put_piece(http, "gaze.bin", CONTENT, 0, 4000)
    assert (await put_piece(http, "gaze.bin", CONTENT, 0, 4000))[1]["offset"] == 4000
    assert (await put_piece(http, "gaze.bin", CONTENT, 1000, 2000))[1]["offset"] == 4000
    assert (await put_piece(http, "gaze.bin", CONTENT, 3000, 6000))[1]["offset"] == 6000
    end = len(CONTENT)
    assert (await put_piece(http, "gaze.bin", CONTENT, 6000, end))[0] == 201
    # The answer to the last piece was lost.
    status, answer = await put_piece(http, "gaze.bin", CONTENT, 6000, end)
    assert (status, answer["known"], answer["sha256"]) == (200, True, sha256(CONTENT))
    assert len(files_in(folder(study_file))) == len(await stored_entries(http)) == 1


async def test_a_file_with_the_same_beginning_name_and_size_is_another_one(http, study_file):
    other = CONTENT[:5000] + bytes(reversed(CONTENT[5000:]))
    await put_piece(http, "gaze.bin", CONTENT, 0, 4000)
    await put_piece(http, "gaze.bin", CONTENT, 4000, len(CONTENT))
    # That file is complete, so this is the beginning of a new one, and not a repeat.
    assert (await put_piece(http, "gaze.bin", other, 0, 4000))[0] == 202
    status, answer = await put_piece(http, "gaze.bin", other, 4000, len(other))
    assert (status, answer["name"], answer["sha256"]) == (201, "gaze (2).bin", sha256(other))
    assert {path.read_bytes() for path in files_in(folder(study_file))} == {CONTENT, other}


async def test_two_unfinished_files_of_one_name_do_not_mix(http, study_file):
    other = bytes(reversed(CONTENT))
    await put_piece(http, "gaze.bin", CONTENT, 0, 4000)
    status, problem = await put_piece(http, "gaze.bin", other, 0, 4000)
    assert (status, problem["code"]) == (409, "file-conflict")
    assert "Repr-Digest" in problem["detail"]
    # With their hashes they are two files.
    for start, end in ((0, 4000), (4000, len(CONTENT))):
        for content in (CONTENT, other):
            status, _ = await put_piece(
                http, "both.bin", content, start, end, digest_header(content)
            )
            assert status == (201 if end == len(CONTENT) else 202)
    stored = {path.name: path.read_bytes() for path in files_in(folder(study_file))}
    assert stored["both.bin"] == CONTENT
    assert stored["both (2).bin"] == other


async def test_a_declared_hash_tells_whether_the_file_is_there(http):
    await put(http, "gaze.bin", CONTENT)
    # Without a hash it may be another file of this name and size.
    assert (await ask(http, "gaze.bin", len(CONTENT)))[0] == 202
    status, answer = await ask(http, "gaze.bin", len(CONTENT), digest_header(CONTENT))
    assert (status, answer["known"], answer["offset"]) == (200, True, len(CONTENT))
    assert (await ask(http, "gaze.bin", len(CONTENT), digest_header(b"other")))[0] == 202


@pytest.mark.parametrize("in_pieces", [False, True])
async def test_a_wrong_hash_is_refused_and_nothing_is_stored(http, study_file, in_pieces):
    wrong = digest_header(b"something else")
    if in_pieces:
        assert (await put_piece(http, "a.bin", CONTENT, 0, 100, wrong))[0] == 202
        status, problem = await put_piece(http, "a.bin", CONTENT, 100, len(CONTENT), wrong)
    else:
        status, problem = await put(http, "a.bin", CONTENT, headers=wrong)
    assert (status, problem["code"]) == (422, "file-hash-wrong")
    assert sha256(CONTENT) in problem["detail"]
    assert files_in(folder(study_file)) == []
    assert (await ask(http, "a.bin", len(CONTENT), wrong))[1]["offset"] == 0
    assert (await put(http, "a.bin", CONTENT, headers=digest_header(CONTENT)))[0] == 201


async def test_the_same_content_is_one_file_and_other_content_has_a_number(http, study_file):
    assert (await put(http, "notes.txt", b"one"))[0] == 201
    status, again = await put(http, "notes.txt", b"one")
    assert (status, again["name"], again["known"]) == (200, "notes.txt", True)
    status, other = await put(http, "notes.txt", b"two")
    assert (status, other["name"]) == (201, "notes (2).txt")
    assert (await put(http, "empty.txt", b""))[1]["sha256"] == sha256(b"")
    place = folder(study_file) / "participant-1"
    assert (place / "notes.txt").read_bytes() == b"one"
    listed = [(item["name"], item["bytes"]) for item in await read_json(http, "/api/files")]
    assert listed == [("notes.txt", 3), ("notes (2).txt", 3), ("empty.txt", 0)]


@pytest.mark.parametrize(("header", "value"), [
    ("Content-Range", "bytes 0-10"),
    ("Content-Range", "bytes 0-10/*"),
    ("Content-Range", "bytes 10-0/20"),
    ("Content-Range", "bytes 0-20/20"),
    ("Content-Range", "items 0-1/2"),
    ("Content-Range", "bytes 0-4/20"),
    ("Content-Range", "bytes 0-1/20"),
    ("Repr-Digest", "sha-256=abc"),
    ("Repr-Digest", "sha-256=:abc:"),
    ("Repr-Digest", "md5=:abc:, sha-256=:????:"),
])  # fmt: skip
async def test_headers_that_say_nothing_are_refused(http, study_file, header, value):
    status, problem = await put(http, "a.bin", b"four", headers={header: value})
    assert status in (400, 413), problem
    assert header in problem["detail"] or status == 413
    assert files_in(folder(study_file)) == []


async def test_other_algorithms_are_ignored(http):
    headers = {"Repr-Digest": f"sha-512=:abc=:, {digest_header(b'four')['Repr-Digest']}"}
    assert (await put(http, "a.bin", b"four", headers=headers))[0] == 201
    assert (await put(http, "b.bin", b"four", headers={"Repr-Digest": "md5=:abc=:"}))[0] == 201


@pytest.mark.parametrize(("path", "name"), [
    ("7/a.txt", "a.txt"),
    ("7/P%20one%2Ftrials.csv", "P one/trials.csv"),
    ("..%2F..%2Fetc%2Fpasswd", "etc/passwd"),
    ("7", "7"),
    ("line%0Abreak%00.csv", "line_break_.csv"),
    ("caf%C3%A9.txt", "caf\u00e9.txt"),
    ("7/con.csv", "con_.csv"),
    ("7/" + "x" * 300 + ".csv", "x" * 96 + ".csv"),
    ("%F0%9F%98%80" * 60 + ".csv", "\U0001f600" * 24 + ".csv"),
    ("y" * 95 + "%20" * 40 + "z.csv", "y" * 95 + ".csv"),
    ("a." + "b" * 300, "a." + "b" * 98),
])  # fmt: skip
async def test_names_are_made_safe(http, study_file, path, name):
    await add_participants(http, 7)
    status, stored = await put(http, URL(f"/api/files/{path}", encoded=True), b"1")
    assert status == 201, stored
    index = 7 if path.startswith("7/") else 1
    assert (stored["participant_index"], stored["name"]) == (index, name)
    (path,) = files_in(folder(study_file))
    assert path == folder(study_file) / f"participant-{index}" / name


@pytest.mark.parametrize("path", ["", "..", "1/", "%ff", "1/%2F%2E%2E"])
async def test_a_path_without_a_name_is_refused(http, path):
    status, problem = await put(http, URL(f"/api/files/{path}", encoded=True), b"1")
    assert status in (400, 404), problem


async def test_a_participant_who_is_not_there_has_no_files(http, study_file):
    for path in ("99/a.txt", "-1/a.txt", "0/a.txt"):
        status, problem = await put(http, path, b"1")
        assert (status, problem["code"]) == (406, "participant-unknown")
    assert files_in(folder(study_file)) == []


async def test_an_app_writes_its_own_participants_files_and_reads_none(study_file):
    async with (
        serving(Settings(study_file, port=0, admin_token=ADMIN)) as running,
        aiohttp.ClientSession(running.url) as http,
    ):
        experimenter = {"Authorization": f"Bearer {ADMIN}"}
        for path in ("/api/add-participant/2", "/api/add-participant/3"):
            assert (await send(http, "PUT", path, headers=experimenter))[0] == 200
        _, link = await send(http, "GET", "/api/participant-link/2", headers=experimenter)
        app = {"Authorization": f"Bearer {link['token']}"}
        assert (await put(http, "a.txt", b"1", headers=app))[1]["participant_index"] == 2
        assert (await put(http, "2/b.txt", b"2", headers=app))[0] == 201
        assert (await put(http, "3/a.txt", b"1", headers=app))[1]["code"] == "not-allowed"
        assert (await put(http, "a.txt", b"1"))[0] == 401
        for path in ("/api/files", "/api/files/2/a.txt", "/api/files/a.txt"):
            assert (await send(http, "GET", path, headers=app))[1]["code"] == "not-allowed"
            assert (await send(http, "GET", path))[0] == 401
        listed = (await send(http, "GET", "/api/files", headers=experimenter))[1]
        assert [(item["participant_index"], item["name"]) for item in listed] == [
            (2, "a.txt"),
            (2, "b.txt"),
        ]


async def test_a_page_of_a_stranger_cannot_send_or_read_files(http, study_file):
    stranger = {"Origin": "https://stranger.example"}
    status, problem = await put(http, "a.txt", b"1", headers=stranger)
    assert (status, problem["code"]) == (403, "origin-foreign")
    assert not folder(study_file).exists()


async def test_a_file_is_downloaded_and_never_shown_as_a_page(http, study_file):
    page = b"<script>alert(1)</script>"
    await put(http, "a/caf\u00e9 page.html", page)
    await put(http, "a/caf\u00e9 page.html.gz", b"not this one")
    async with http.get("/api/files/1/a/caf\u00e9 page.html") as response:
        assert await response.read() == page
        headers = response.headers
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"] == "attachment; filename*=UTF-8''caf%C3%A9%20page.html"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    hashed = headers["Repr-Digest"].removeprefix("sha-256=:").removesuffix(":")
    assert b64decode(hashed) == hashlib.sha256(page).digest()
    for path in ("nothing.txt", "2/a/page.html", "..%2Fstudy.toml", "0/a/page.html"):
        status, problem = await send(http, "GET", f"/api/files/{path}")
        assert (status, problem["code"]) == (404, "file-unknown")
    (folder(study_file) / "participant-1" / "a" / "caf\u00e9 page.html").unlink()
    status, problem = await send(http, "GET", "/api/files/1/a/caf\u00e9 page.html")
    assert (status, problem["code"]) == (404, "file-unknown")
    assert "is gone" in problem["detail"]


async def test_files_of_uxf_are_in_the_log_and_in_the_list(http):
    _, kept = await post_uxf(http)
    await post_uxf(http)
    (entry,) = await stored_entries(http)
    assert f"main/{entry['data']['path']}" == kept["path"]
    (listed,) = await read_json(http, "/api/files")
    assert (listed["participant_index"], listed["name"]) == (None, entry["data"]["path"])
    async with http.get(f"/api/files/0/{listed['name']}") as response:
        assert sha256(await response.read()) == listed["sha256"]


async def test_the_list_is_that_of_the_log_after_a_restart(study_file):
    async with (
        serving(Settings(study_file, port=0)) as running,
        aiohttp.ClientSession(running.url) as http,
    ):
        await put(http, "a.txt", b"1")
        await add_participants(http, 2)
        before = await read_json(http, "/api/files")
    async with (
        serving(Settings(study_file, port=0)) as running,
        aiohttp.ClientSession(running.url) as http,
    ):
        assert await read_json(http, "/api/files") == before
        assert (await put(http, "a.txt", b"1"))[0] == 200
        await put(http, "2/b.txt", b"2")
        running.session.drop_cache()
        assert len(await read_json(http, "/api/files")) == 2
        assert [item["name"] for item in await read_json(http, "/api/files?participant=2")] == [
            "b.txt"
        ]
        assert len(await stored_entries(http)) == 2


async def test_clients_that_send_the_same_file_at_once_store_it_once(http, study_file):
    async def upload():
        offset = 0
        while True:
            end = min(offset + 3000, len(CONTENT))
            status, answer = await put_piece(http, "gaze.bin", CONTENT, offset, end)
            if status in (200, 201):
                return answer["sha256"]
            assert status == 202 or answer["code"] == "file-offset", answer
            offset = answer["offset"]

    hashes = await asyncio.gather(*(upload() for _ in range(8)))
    assert set(hashes) == {sha256(CONTENT)}
    assert files_in(folder(study_file)) == [folder(study_file) / "participant-1" / "gaze.bin"]
    assert len(await stored_entries(http)) == 1


async def test_clients_that_send_different_files_of_one_name_at_once_lose_none(http, study_file):
    contents = [os.urandom(9000) for _ in range(8)]

    async def upload(content):
        hashed = digest_header(content)
        for start in range(0, 9000, 3000):
            status, answer = await put_piece(http, "g.bin", content, start, start + 3000, hashed)
        assert status == 201
        return answer["name"]

    names = await asyncio.gather(*map(upload, contents))
    assert len(set(names)) == 8
    stored = {path.name: path.read_bytes() for path in files_in(folder(study_file))}
    assert stored == dict(zip(names, contents, strict=True))


TEXTS = st.lists(
    st.one_of(st.text(max_size=120), st.sampled_from(["..", "/", "\\", "."])), max_size=6
).map("".join)


@settings(suppress_health_check=list(HealthCheck), max_examples=60)
@given(
    path=TEXTS,
    content=st.binary(min_size=1, max_size=400),
    cuts=st.lists(st.integers(1, 60), min_size=1),
    restarts=st.booleans(),
)
def test_any_file_in_any_pieces_is_whole_and_inside(
    tmp_path_factory, path, content, cuts, restarts
):
    root = tmp_path_factory.mktemp("files")
    files = UploadedFiles(root / "data", "main")
    pieces = FilesInPieces(files)
    try:
        upload = Upload(3, path, len(content))
    except ParameterInvalid:
        return
    offset, turn, outcome = 0, 0, 0
    while not isinstance(outcome, StoredFile):
        size = cuts[turn % len(cuts)]
        turn += 1
        # Some pieces repeat bytes before, others leave some out.
        start = max(0, offset - turn % 3)
        outcome = take(pieces, files, upload, start, content[start : offset + size])
        if restarts:
            pieces = FilesInPieces(files)
        if not isinstance(outcome, StoredFile):
            assert outcome == pieces.progress(upload)
            offset = outcome
            with pytest.raises(FileOffsetWrong):
                take(pieces, files, upload, offset + 1, b"x")
            with pytest.raises(FileConflict):
                take(pieces, files, upload, 0, bytes([content[0] ^ 1]))
    (stored,) = files_in(root)
    assert stored == root / "data" / outcome.path
    assert (root / "data" / "main" / "participant-3") in stored.parents
    assert stored.read_bytes() == content
    assert outcome.digest == hashlib.sha256(content).digest()


def take(pieces, files, upload, start, content):
    draft = files.draft()
    try:
        draft.write(content)
        return pieces.take(upload, start, draft)
    finally:
        draft.discard()


def request(server, path, content, **headers):
    """A request that needs no loop: the status and the answer."""
    asked = urllib.request.Request(f"{server.url}/api/files/{path}", content, headers, method="PUT")
    try:
        with urllib.request.urlopen(asked, timeout=PATIENCE) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_an_upload_goes_on_after_a_kill_of_the_server(study_file):
    content = os.urandom(3 << 20)
    half = 1 << 20

    def send_from(server, start, end):
        place = f"bytes {start}-{end - 1}/{len(content)}"
        return request(server, "gaze.bin", content[start:end], **{"Content-Range": place})

    with server_running(study_file) as server:
        assert send_from(server, 0, half)[1]["offset"] == half
        server.kill()
    (unfinished,) = files_in(folder(study_file))
    with unfinished.open("ab") as file:
        file.write(b"a piece that the kill interrupted")
    with server_running(study_file) as server:
        place = {"Content-Range": f"bytes */{len(content)}"}
        assert request(server, "gaze.bin", b"", **place)[1]["offset"] == half
        assert send_from(server, half, 2 * half)[1]["offset"] == 2 * half
        server.kill()
    with server_running(study_file) as server:
        status, answer = send_from(server, 2 * half, len(content))
        assert (status, answer["sha256"]) == (201, sha256(content))
        server.kill()
    (stored,) = files_in(folder(study_file))
    assert stored.read_bytes() == content
    with server_running(study_file) as server:
        assert request(server, "gaze.bin", content) == (200, {**answer, "known": True})


async def test_files_that_are_never_finished_are_removed_after_a_day(http, study_file):
    await put_piece(http, "a.bin", CONTENT, 0, 100)
    await put_piece(http, "b.bin", CONTENT, 0, 100)
    one, other = files_in(folder(study_file))
    old = time.time() - limits.RESULT_ABANDONED_AFTER_S - 1
    os.utime(one, (old, old))
    UploadedFiles(study_file.with_name("study-data"), "main")
    assert files_in(folder(study_file)) == [other]
    for name in ("a.bin", "b.bin"):
        offset = (await ask(http, name, len(CONTENT)))[1]["offset"]
        status, _ = await put_piece(http, name, CONTENT, offset, len(CONTENT))
        assert status == 201
    stored = files_in(folder(study_file))
    assert [path.read_bytes() for path in stored] == [CONTENT, CONTENT]


async def test_a_running_server_looks_for_abandoned_files_now_and_then(
    http, study_file, monkeypatch
):
    await put_piece(http, "a.bin", CONTENT, 0, 100)
    (abandoned,) = files_in(folder(study_file))
    os.utime(abandoned, (0, 0))
    monkeypatch.setattr(uploaded_files, "RESULT_ABANDONED_INTERVAL_S", 0)
    # The piece in question was there when it was sent, and the file is sent anew.
    status, problem = await put_piece(http, "a.bin", CONTENT, 100, len(CONTENT))
    assert (status, problem["offset"]) == (409, 0)
    assert files_in(folder(study_file)) == []
    assert (await put(http, "a.bin", CONTENT))[0] == 201


LIMITS = [
    (file_log, "PARTICIPANT_FILES_MAX", 1, "participant 1 has 1 files"),
    (file_log, "SESSION_FILES_MAX", 1, "at most 1 files"),
    (file_log, "SESSION_FILES_MAX_BYTES", 4, "the files of a session"),
    (unfinished_files, "UNFINISHED_FILES_MAX", 1, "1 unfinished files"),
]


@pytest.mark.parametrize(("module", "name", "most", "told"), LIMITS)
async def test_each_limit_refuses_with_its_reason(http, monkeypatch, module, name, most, told):
    await put(http, "a.txt", b"1234")
    await put_piece(http, "half.bin", CONTENT, 0, 10)
    monkeypatch.setattr(module, name, most)
    status, problem = await put_piece(http, "b.txt", b"12345", 0, 4)
    assert (status, problem["code"]) == (429, "limit-reached")
    assert told in problem["detail"]


async def test_too_large_files_and_pieces_are_refused_before_they_are_sent(http):
    for place, told in (
        (f"bytes */{limits.FILE_MAX_BYTES + 1}", "a file has at most"),
        (f"bytes 0-{limits.FILE_PIECE_MAX_BYTES}/{limits.FILE_MAX_BYTES}", "a piece has at most"),
    ):
        status, problem = await put(http, "a.bin", b"", headers={"Content-Range": place})
        assert (status, problem["code"]) == (413, "file-too-large")
        assert told in problem["detail"]


async def test_the_database_keeps_room_on_the_disk(http, study_file, monkeypatch):
    monkeypatch.setattr(uploaded_files, "DISK_RESERVE_BYTES", 1 << 60)
    for content, answer in (
        (b"1", await put(http, "a.txt", b"1")),
        (CONTENT, await put_piece(http, "b.bin", CONTENT, 0, 100)),
        (b"1", await post_uxf(http)),
    ):
        assert (answer[0], answer[1]["code"]) == (507, "storage-full"), content
    assert files_in(folder(study_file)) == []


@pytest.mark.parametrize("in_pieces", [False, True])
async def test_a_full_disk_is_said_and_leaves_nothing_half(
    study_file, small_disk, monkeypatch, in_pieces
):
    monkeypatch.setattr(uploaded_files, "DISK_RESERVE_BYTES", -(1 << 40))
    content = os.urandom(3 << 20)
    async with (
        serving(Settings(study_file, port=0, data=small_disk)) as running,
        aiohttp.ClientSession(running.url) as http,
    ):
        assert (await put(http, "small.bin", b"1"))[0] == 201
        if in_pieces:
            half = 1 << 19
            assert (await put_piece(http, "large.bin", content, 0, half))[0] == 202
            status, problem = await put_piece(http, "large.bin", content, half, 3 * half)
            offset = (await ask(http, "large.bin", len(content)))[1]["offset"]
            assert offset == half
        else:
            status, problem = await put(http, "large.bin", content)
        assert (status, problem["code"]) == (507, "storage-full"), problem
        assert (await put(http, "after.bin", b"2"))[0] == 201, "there is room again"
        names = [path.name for path in files_in(small_disk) if ".unfinished" not in path.parts]
        assert names == ["after.bin", "small.bin"]
        if in_pieces:
            larger = ["mount", "-o", "remount,size=8m", str(small_disk)]
            await asyncio.to_thread(subprocess.run, larger, check=True)
            status, answer = await put_piece(http, "large.bin", content, half, len(content))
            assert (status, answer["sha256"]) == (201, sha256(content))


async def test_what_cannot_be_written_is_said(http, study_file):
    study_file.with_name("study-data").write_text("a file is here", encoding="utf-8")
    for status, problem in (
        await put(http, "a.txt", b"1"),
        await put_piece(http, "a.txt", CONTENT, 0, 10),
    ):
        assert (status, problem["code"]) == (503, "store-unavailable")


async def test_a_large_file_holds_nobody_up_and_fills_no_memory(study_file):
    size, block = 200 << 20, os.urandom(1 << 20)
    expected = hashlib.sha256()
    for _ in range(200):
        expected.update(block)

    async def content():
        for _ in range(200):
            yield block

    with server_running(study_file) as server:
        before = most_memory(server.process.pid)
        timeout = aiohttp.ClientTimeout(total=240)
        async with aiohttp.ClientSession(server.url, timeout=timeout) as http:

            async def there_and_back():
                status, answer = await put(http, "large.bin", content())
                assert (status // 100, answer["sha256"]) == (2, expected.hexdigest())
                assert answer["bytes"] == size
                received = hashlib.sha256()
                async with http.get("/api/files/large.bin") as response:
                    async for chunk in response.content.iter_chunked(1 << 20):
                        received.update(chunk)
                assert received.digest() == expected.digest()

            assert await others_wait_less_than(1.0, http, there_and_back)
        assert most_memory(server.process.pid) - before < 60 << 20
