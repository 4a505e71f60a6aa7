"""The study file changes on disk while it is served."""

import asyncio
import os
import time

import pytest

from experiment_server.session.requests import BY_SERVER
from experiment_server.study.source import digest_of
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
    assert (await server.session.all_configs(BY_SERVER, 1))[1]["speed"] == 10


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


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are POSIX's")
async def test_a_pipe_in_place_of_the_study_stops_nobody(connect, http, study_file, server):
    dashboard = await connect("/dashboard")
    await dashboard.expect("snapshot")
    study_file.unlink()
    os.mkfifo(study_file)
    assert errors(await dashboard.until("study-changed", errors)) == ["study-file-unreadable"]
    async with http.get("/api/study/toml") as response:
        assert response.status == 422, await response.text()
    study_file.unlink()
    study_file.write_text(FASTER, encoding="utf-8")
    assert (await dashboard.until("study-changed", lambda news: not errors(news)))["digest"]


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


def in_place(path, text):
    path.write_text(text, encoding="utf-8")


def renamed_over(path, text):
    draft = path.with_name("draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def moved_away_and_written(path, text):
    path.rename(path.with_name("study.toml~"))
    time.sleep(0.1)
    path.write_text(text, encoding="utf-8")


def removed_and_written(path, text):
    path.unlink()
    time.sleep(0.1)
    path.write_text(text, encoding="utf-8")


def emptied_and_written(path, text):
    with path.open("w", encoding="utf-8") as file:
        time.sleep(0.4)
        file.write(text)


def written_in_pieces(path, text):
    # Each piece ends where a block ends: every one of them is a valid study.
    pieces = [f"[[blocks]]{piece}" for piece in text.split("[[blocks]]")[1:]]
    with path.open("w", encoding="utf-8") as file:
        for piece in pieces:
            file.write(piece)
            file.flush()
            time.sleep(0.1)


def written_over_from_the_start(path, text):
    with path.open("r+", encoding="utf-8") as file:
        half = len(text) // 2
        file.write(text[:half])
        file.flush()
        time.sleep(0.1)
        file.write(text[half:])
        file.truncate()


WAYS = [
    in_place,
    renamed_over,
    moved_away_and_written,
    removed_and_written,
    emptied_and_written,
    written_in_pieces,
    written_over_from_the_start,
]


@pytest.mark.parametrize("save", WAYS)
async def test_however_an_editor_saves_the_whole_file_is_loaded_once(
    connect, study_file, server, save
):
    flat = "".join(f'[[blocks]]\nname = "{name}"\nconfig = {{}}\n' for name in "PQRST")
    dashboard = await connect("/dashboard")
    await dashboard.expect("snapshot")
    await asyncio.to_thread(save, study_file, flat)
    news = await dashboard.until("study-changed")
    assert (news["digest"], errors(news)) == (digest_of(flat), [])
    study_file.write_text(SMALL_STUDY, encoding="utf-8")
    news = await dashboard.until("study-changed")
    assert news["version"] == 3, "nothing was loaded between the two"


async def test_a_file_that_stays_empty_is_reported(connect, study_file, server):
    dashboard = await connect("/dashboard")
    study_file.write_text("", encoding="utf-8")
    news = await dashboard.until("study-changed")
    assert errors(news)
    assert news["version"] == 1
