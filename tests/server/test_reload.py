"""The study file changes on disk while it is served."""

from tests.conftest import SMALL_STUDY

FASTER = SMALL_STUDY.replace("speed = 1", "speed = 10")
SHORTER = SMALL_STUDY.replace('order = [["A", "B"], ["C", "D"]]', 'order = [["A"]]')


def errors(news):
    return [item["code"] for item in news["diagnostics"] if item["severity"] == "error"]


async def test_a_changed_study_is_served_to_all_and_positions_are_kept(connect, study_file, server):
    app, dashboard = await connect(), await connect("/dashboard")
    await app.ask("move-to-block", {"block_id": 1})
    await app.until("block-changed")
    await dashboard.expect("snapshot")
    study_file.write_text(FASTER, encoding="utf-8")
    news = await app.expect("study-changed")
    assert set(news) == {"digest", "name"}
    snapshot = await app.expect("config-changed")
    assert (snapshot["block_id"], snapshot["config"]["speed"]) == (1, 10)
    assert snapshot["study"] == news["digest"]
    assert (await dashboard.until("study-changed"))["digest"] == news["digest"]
    [row] = await dashboard.until("participants-changed", lambda rows: rows[0]["connected"])
    assert row["block_id"] == 1


async def test_a_file_renamed_over_the_study_is_served(connect, study_file, server):
    app = await connect()
    draft = study_file.with_name("draft")
    draft.write_text(FASTER, encoding="utf-8")
    draft.replace(study_file)
    await app.until("config-changed")
    assert server.service.blocks(1)[1].config["speed"] == 10


async def test_a_broken_study_changes_nothing_and_is_reported(connect, study_file, server):
    app, dashboard = await connect(), await connect("/dashboard")
    before = (await dashboard.expect("snapshot"))["study"]["digest"]
    study_file.write_text(SMALL_STUDY.replace('"D"]', '"Q"]'), encoding="utf-8")
    news = await dashboard.until("study-changed")
    assert news["digest"] == before
    assert errors(news) == ["block-unknown"]
    assert (await app.ask("move-to-next"))["data"]["block_name"] == "Hello"
    late = await (await connect("/dashboard")).expect("snapshot")
    assert late["diagnostics"] == news["diagnostics"]
    study_file.write_text(SMALL_STUDY, encoding="utf-8")
    assert errors(await dashboard.until("study-changed")) == []


async def test_a_study_file_that_is_gone_is_reported(connect, study_file, server):
    dashboard = await connect("/dashboard")
    study_file.unlink()
    news = await dashboard.until("study-changed")
    assert errors(news) == ["study-file-unreadable"]
    study_file.write_text(FASTER, encoding="utf-8")
    assert errors(await dashboard.until("study-changed")) == []


async def test_whoever_is_beyond_the_new_end_has_ended_and_stays_so(connect, study_file, server):
    app = await connect()
    await app.ask("move-to-block", {"block_id": 4})
    await app.until("block-changed")
    study_file.write_text(SHORTER, encoding="utf-8")
    snapshot = await app.until("config-changed")
    assert (snapshot["block_name"], snapshot["block_id"], snapshot["config"]) == ("END", 2, None)
    study_file.write_text(SMALL_STUDY, encoding="utf-8")
    snapshot = await app.until("config-changed")
    assert (snapshot["block_name"], snapshot["block_id"]) == ("END", 5)
