"""Results of the Unity Experiment Framework: kept where they belong, and never lost."""

import asyncio
import io
from base64 import b64encode

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.errors import ParameterInvalid
from experiment_server.limits import RESULT_SIZE
from experiment_server.server.app import serving
from experiment_server.server.settings import Settings
from experiment_server.store.results import Results

ADMIN = "the-experimenters-own"
TABLE = "trial,rt\n1,0.512\n2,0.498\n"
PATH = "caf\u00e9_study/P001/S001/trackers/hand_T001.csv"


async def post(http, path=PATH, data=TABLE, **more):
    form = {"filepath": path, "data": data}
    async with http.post("/api/uxf", data=form, **more) as response:
        return response.status, await response.json()


def basic(password):
    return {"Authorization": f"Basic {b64encode(f'susan:{password}'.encode()).decode()}"}


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
        kept = Results(root / "data", "pilot").keep(path, b"1")
    except ParameterInvalid:
        return
    found = [item for item in root.rglob("*") if item.is_file()]
    assert found == [root / "data" / kept.path]
    assert (root / "data" / "pilot") in found[0].parents


@pytest.mark.parametrize(
    "form", [{"filepath": "a.csv"}, {"data": "1"}, {"filepath": "../..", "data": "1"}, {}]
)
async def test_a_form_without_what_is_needed_is_refused(http, form):
    async with http.post("/api/uxf", data=form) as response:
        assert response.status == 400
        assert (await response.json())["code"] == "parameter-invalid"


async def test_other_bodies_are_refused(http):
    async with http.post("/api/uxf", json={"filepath": "a", "data": "b"}) as response:
        assert response.status == 400
        assert "application/x-www-form-urlencoded" in (await response.json())["detail"]


async def test_a_multipart_form_is_one_too(http, study_file):
    form = aiohttp.FormData({"filepath": "P1/bytes.bin"})
    form.add_field("data", b"\xff\x00\xfe", filename="bytes.bin")
    async with http.post("/api/uxf", data=form) as response:
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
    size = RESULT_SIZE + more
    form = io.BytesIO(b"filepath=large.csv&data=" + b"9" * size)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with http.post("/api/uxf", data=form, headers=headers) as response:
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
    assert (tmp_path / "kept" / "main" / PATH).exists() == (status == 200)


@pytest.mark.parametrize("more", [{}, {"admin_token": ADMIN, "open": True}])
async def test_where_nobody_needs_a_token_uxfs_example_password_is_none(study_file, more):
    settings = Settings(study_file, port=0, **more)
    async with serving(settings) as running, aiohttp.ClientSession(running.url) as http:
        assert (await post(http, headers=basic("password")))[0] == 200


async def test_a_page_of_a_stranger_cannot_leave_files(http, study_file):
    status, problem = await post(http, headers={"Origin": "https://stranger.example"})
    assert (status, problem["code"]) == (403, "origin-foreign")
    assert not folder(study_file).exists()
