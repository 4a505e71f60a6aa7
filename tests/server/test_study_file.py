"""The study over REST: read, saved, refused; its versions, and who gets which."""

import asyncio
import sqlite3
import stat

import aiohttp
import pytest

from experiment_server.participants.versions import OnChange
from experiment_server.server.app import serving
from experiment_server.server.settings import Settings
from experiment_server.study.parse import parse
from experiment_server.study.source import digest_of
from tests.conftest import SMALL_STUDY
from tests.requests import add_participants, read_json

FASTER = SMALL_STUDY.replace("speed = 1", "speed = 10")
SHORTER = SMALL_STUDY.replace('order = [["A", "B"], ["C", "D"]]', 'order = [["A"]]')
BROKEN = SMALL_STUDY.replace('"D"]', '"Q"]')


async def save(http, text, made_from=SMALL_STUDY, **headers):
    if made_from is not None:
        headers["If-Match"] = f'"{digest_of(made_from)}"'
    data = text.encode() if isinstance(text, str) else text
    async with http.put("/api/study/toml", data=data, headers=headers) as response:
        return response.status, await response.json()


async def move(http, index, block):
    async with http.post(f"/api/move-to-block/{index}/{block}") as response:
        assert response.status == 200


async def events_of(http, kind):
    return [item["data"] for item in await read_json(http, "/api/events") if item["type"] == kind]


async def test_the_text_is_read_with_the_tag_that_saving_asks_for(http):
    async with http.get("/api/study/toml") as response:
        assert await response.text() == SMALL_STUDY
        assert response.headers["ETag"] == f'"{digest_of(SMALL_STUDY)}"'


async def test_a_saved_study_is_on_disk_and_served_when_it_is_acknowledged(http, study_file):
    study_file.chmod(0o640)
    status, study = await save(http, FASTER)
    assert status == 200
    assert study["digest"] == digest_of(FASTER)
    assert [item["reason"] for item in study["versions"]] == ["start", "saved"]
    assert study_file.read_text(encoding="utf-8") == FASTER
    assert stat.S_IMODE(study_file.stat().st_mode) == 0o640
    assert sorted(item.name for item in study_file.parent.glob(".*")) == [], "no draft is left"
    assert (await read_json(http, "/api/all-configs"))[1]["speed"] == 10


async def test_a_saved_study_is_no_second_version_when_the_watcher_sees_it(
    connect, http, study_file
):
    dashboard = await connect("/dashboard")
    await save(http, FASTER)
    study_file.write_text(SHORTER, encoding="utf-8")
    shorter = digest_of(SHORTER)
    await dashboard.until("study-changed", lambda news: news["digest"] == shorter)
    study = await read_json(http, "/api/study")
    assert [item["version"] for item in study["versions"]] == [1, 2, 3]


async def test_a_study_that_was_changed_meanwhile_is_not_overwritten(http, study_file):
    study_file.write_text(SHORTER, encoding="utf-8")
    status, problem = await save(http, FASTER)
    assert (status, problem["code"]) == (412, "study-stale")
    assert study_file.read_text(encoding="utf-8") == SHORTER


async def test_who_does_not_say_what_they_edited_is_refused(http, study_file):
    status, problem = await save(http, FASTER, made_from=None)
    assert (status, problem["code"]) == (428, "precondition-missing")
    status, _ = await save(http, FASTER, made_from=None, **{"If-Match": "*"})
    assert status == 200


async def test_a_broken_study_is_refused_with_its_diagnostics_and_not_written(http, study_file):
    status, problem = await save(http, BROKEN)
    assert (status, problem["code"]) == (422, "study-invalid")
    assert [item["code"] for item in problem["diagnostics"]] == ["block-unknown"]
    assert study_file.read_text(encoding="utf-8") == SMALL_STUDY


async def test_what_is_no_text_is_refused(http, study_file):
    status, problem = await save(http, b"\xff\xfe\x00")
    assert (status, problem["code"]) == (400, "parameter-invalid")


async def test_a_study_behind_a_link_is_written_where_it_is(tmp_path):
    real = tmp_path / "real" / "study.toml"
    real.parent.mkdir()
    real.write_text(SMALL_STUDY, encoding="utf-8")
    link = tmp_path / "study.toml"
    link.symlink_to(real)
    async with (
        serving(Settings(link, port=0)) as running,
        aiohttp.ClientSession(running.url) as http,
    ):
        assert (await save(http, FASTER))[0] == 200
    assert link.is_symlink()
    assert real.read_text(encoding="utf-8") == FASTER


async def test_two_dashboards_that_save_at_once_do_not_overwrite_each_other(http):
    answers = await asyncio.gather(save(http, FASTER), save(http, SHORTER))
    assert sorted(status for status, _ in answers) == [200, 412]


async def test_a_dashboard_saves_over_its_socket(connect):
    dashboard = await connect("/dashboard")
    edit = {"text": FASTER, "made_from": digest_of(SMALL_STUDY)}
    assert (await dashboard.ask("save-study", edit))["data"]["version"] == 2
    answer = await dashboard.ask("save-study", {"text": BROKEN, "made_from": digest_of(FASTER)})
    assert answer["error"]["code"] == "study-invalid"
    assert answer["error"]["diagnostics"]
    answer = await dashboard.ask("save-study", {"text": "\ud800", "made_from": "*"})
    assert answer["error"]["code"] == "parameter-invalid"


async def test_a_new_version_says_who_is_affected(connect, http):
    await add_participants(http, 2, 3, 4)
    await move(http, 2, 1)
    await move(http, 3, 4)
    dashboard = await connect("/dashboard")
    await dashboard.expect("snapshot")
    await save(http, SHORTER)
    news = await dashboard.until("study-changed")
    assert (news["version"], news["reordered"], news["ended"]) == (2, [1, 2, 3, 4], [3])
    [_, loaded] = await events_of(http, "study_loaded")
    assert (loaded["reordered"], loaded["ended"], loaded["kept"]) == ([1, 2, 3, 4], [3], [])
    ended = (await events_of(http, "moved"))[-1]
    assert (ended["by"], ended["from"]["block_name"]) == ("server", "D")
    assert ended["to"] == {"block_id": 2, "block_name": "END"}
    assert "shorter" in ended["reason"]
    assert len(await events_of(http, "finished")) == 1


async def test_a_refused_file_is_logged(connect, http, study_file):
    dashboard = await connect("/dashboard")
    study_file.write_text(BROKEN, encoding="utf-8")
    await dashboard.until("event", lambda news: news[-1]["type"] == "study_refused")
    [event] = await events_of(http, "study_refused")
    assert (event["errors"], event["first"][0]["code"]) == (1, "block-unknown")


@pytest.mark.parametrize(
    ("on_change", "kept"), [("all", []), ("unstarted", [2, 3]), ("new", [1, 2, 3])]
)
async def test_who_gets_a_new_version_is_chosen_at_the_start(study_file, on_change, kept):
    settings = Settings(study_file, port=0, on_change=OnChange(on_change))
    for run in range(2):
        async with (
            serving(settings) as running,
            aiohttp.ClientSession(running.url) as http,
        ):
            if run == 0:
                await add_participants(http, 2, 3)
                await move(http, 2, 1)
                await move(http, 3, 4)
                assert (await save(http, SHORTER))[0] == 200
                await add_participants(http, 4)
            # After a restart too, everybody has the version that they had.
            names = {index: await running.session.row(index) for index in (1, 2, 3, 4)}
            for index, row in names.items():
                version = SMALL_STUDY if index in kept else SHORTER
                assert row.study == digest_of(version), index
                assert row.blocks_count == (5 if index in kept else 2)
            assert names[3].block_name == ("D" if 3 in kept else "END")
            [_, loaded] = await events_of(http, "study_loaded")
            assert loaded["kept"] == kept


async def test_who_keeps_a_version_is_not_told_of_another(study_file):
    from tests.server.conftest import Listener

    async with (
        serving(Settings(study_file, port=0, on_change=OnChange.UNSTARTED)) as running,
        aiohttp.ClientSession(running.url) as http,
    ):
        await add_participants(http, 2)
        await move(http, 2, 1)
        apps = [Listener("/"), Listener("/")]
        for index, app in enumerate(apps, 1):
            await app.client.connect(
                running.url, auth={"participant": index}, transports=["websocket"]
            )
            await app.expect("state")
        await save(http, FASTER)
        assert (await apps[0].expect("study-changed"))["digest"] == digest_of(FASTER)
        await apps[0].expect("config-changed")
        await move(http, 2, 3)
        state = await apps[1].expect("block-changed")
        assert (state["block_name"], state["config"]["speed"]) == ("A", 1)
        for app in apps:
            await app.client.disconnect()


async def test_a_file_that_changed_while_the_server_was_down_is_a_new_version(study_file):
    async with (
        serving(Settings(study_file, port=0)) as running,
        aiohttp.ClientSession(running.url) as http,
    ):
        await move(http, 1, 4)
    study_file.write_text(SHORTER, encoding="utf-8")
    async with (
        serving(Settings(study_file, port=0)) as running,
        aiohttp.ClientSession(running.url) as http,
    ):
        assert (await running.session.row(1)).block_name == "END"
        [_, loaded] = await events_of(http, "study_loaded")
        assert (loaded["reason"], loaded["ended"], loaded["reordered"]) == ("start", [1], [1])
    async with serving(Settings(study_file, port=0)) as running:
        assert running.session.study_file.served().version == 2


async def test_a_key_makes_saving_repeatable(http):
    headers = {"Idempotency-Key": "save-1"}
    first = await save(http, FASTER, **headers)
    assert first[0] == 200
    await save(http, SHORTER, made_from=FASTER)
    assert await save(http, FASTER, **headers) == first
    assert await read_json(http, "/api/blocks-count") == 2


async def test_saving_what_is_there_already_is_no_new_version(http):
    await save(http, FASTER)
    status, study = await save(http, FASTER)
    assert (status, study["version"]) == (200, 2)


async def test_an_edit_is_looked_at_before_it_is_saved(http, study_file):
    await add_participants(http, 2, 3)
    await move(http, 2, 4)
    async with http.post("/api/verify?participants=2", data=SHORTER.encode()) as response:
        outcome = await response.json()
    assert outcome["ok"]
    assert outcome["digest"] == digest_of(SHORTER)
    assert len(outcome["orders"]) == 2
    assert outcome["affected"]["reordered"] == [1, 2, 3]
    assert outcome["affected"]["ended"] == [2]
    assert study_file.read_text(encoding="utf-8") == SMALL_STUDY
    assert (await read_json(http, "/api/block-id/2")) == 4


async def test_a_broken_edit_is_told_where_it_is_broken(http):
    async with http.post("/api/verify", data=b"order = [") as response:
        outcome = await response.json()
    assert (outcome["ok"], outcome["orders"], outcome["affected"]) == (False, [], None)
    assert outcome["diagnostics"][0]["code"] == "toml-syntax"
    assert outcome["diagnostics"][0]["line"] == 1


async def test_the_design_is_reported_with_the_orders(http):
    report = await read_json(http, "/api/design?participants=4")
    assert report["participants"] == 4
    assert report["orders"][1] == ["Hello", "C", "D", "A", "B"]
    assert report["positions"] == [[2, 0, 2, 0], [0, 2, 0, 2], [2, 0, 2, 0], [0, 2, 0, 2]]
    assert (await read_json(http, "/api/design"))["participants"] == 2, "a whole cycle"


async def test_a_save_that_is_refused_is_neither_on_disk_nor_served(connect, http, study_file):
    dashboard = await connect("/dashboard")
    lock = sqlite3.connect(study_file.with_suffix(".sqlite3"), isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    saving = asyncio.create_task(save(http, FASTER))
    while not saving.done():
        assert study_file.read_text(encoding="utf-8") == SMALL_STUDY
        await asyncio.wait([saving], timeout=0.05)
    status, problem = saving.result()
    assert (status, problem["code"]) == (503, "store-unavailable")
    assert study_file.read_text(encoding="utf-8") == SMALL_STUDY
    assert sorted(item.name for item in study_file.parent.glob(".*")) == [], "no draft is left"
    lock.close()
    # Whoever watches the file has had their look once this change of it is served.
    study_file.write_text(SHORTER, encoding="utf-8")
    shorter = digest_of(SHORTER)
    await dashboard.until("study-changed", lambda news: news["digest"] == shorter)
    study = await read_json(http, "/api/study")
    assert [item["digest"] for item in study["versions"]] == [digest_of(SMALL_STUDY), shorter]
    assert "store-unavailable" not in [item["code"] for item in study["diagnostics"]]


async def test_what_an_app_is_told_of_a_new_study_is_in_the_order_of_revisions(
    connect, http, server
):
    await add_participants(http, *range(2, 31))
    apps = [await connect("/", auth={"participant": index}) for index in range(1, 31)]
    for number in range(20):
        text = FASTER if number % 2 == 0 else SMALL_STUDY
        await asyncio.gather(
            server.session.study_file.load(parse(text), "changed on disk"),
            *(move(http, 30, block) for block in (0, 1, 2, 3)),
        )
    await move(http, 30, 4)
    last, revisions = (await server.session.row(30)).revision, []
    while not revisions or revisions[-1] != last:
        event, snapshot = await apps[-1].next()
        if event in ("block-changed", "config-changed"):
            revisions.append(snapshot["revision"])
    assert revisions == sorted(revisions)
