"""The event log: what is in it, how it is read, and that moves can be taken back."""

import asyncio
import csv
import io
import itertools
import json

import aiohttp

from experiment_server.participants.events import Entry, Head, chain_error
from experiment_server.server.app import serving
from experiment_server.server.settings import Settings
from tests.requests import read_text, send


async def events(http, query=""):
    return json.loads(await read_text(http, f"/api/events{query}"))


def kinds(entries):
    return [entry["type"] for entry in entries]


async def test_everything_that_happens_is_logged_with_who_did_it_and_why(connect, http):
    app, dashboard = await connect(), await connect("/dashboard")
    await app.ask("move-to-next")
    await send(http, "POST", "/api/move-to-next?reason=the+headset+froze")
    await dashboard.ask("move-to-block", {"participant_index": 1, "block_id": 4})
    async with http.post("/api/move-to-next", headers={"User-Agent": "experiment-server-cli/1"}):
        pass
    await app.client.disconnect()
    await dashboard.until("event", lambda news: "disconnected" in kinds(news))
    entries = await events(http)
    assert kinds(entries) == [
        "server_started",
        "study_loaded",
        "participant_added",
        "connected",
        "moved",
        "moved",
        "moved",
        "moved",
        "finished",
        "disconnected",
    ]
    moves = [entry["data"] for entry in entries if entry["type"] == "moved"]
    assert [move["by"] for move in moves] == ["participant", "rest", "dashboard", "cli"]
    assert moves[1]["reason"] == "the headset froze"
    assert moves[2]["from"] == {"block_id": 1, "block_name": "A"}
    assert moves[2]["to"] == {"block_id": 4, "block_name": "D"}
    assert [move["in_block"] for move in moves] == [True, True, True, False]


async def test_dashboards_hear_of_entries_as_they_come(connect, http):
    dashboard = await connect("/dashboard")
    await send(http, "POST", "/api/move-to-next")
    news = await dashboard.until("event", lambda news: news[-1]["type"] == "moved")
    assert news[-1] == (await events(http))[-1]


async def test_the_log_is_one_chain_over_restarts(study_file):
    for _ in range(2):
        async with (
            serving(Settings(study_file, port=0)) as running,
            aiohttp.ClientSession(running.url) as http,
        ):
            await send(http, "POST", "/api/move-to-next")
            entries = await events(http)
    assert kinds(entries)[4:] == ["server_stopped", "server_started", "moved"]
    head = Head()
    for entry in entries:
        data = json.dumps(entry["data"], ensure_ascii=False, separators=(",", ":"))
        written = Entry(**{**entry, "data": data})
        assert chain_error(written, head) is None
        head = Head(written.id, written.hash)


async def test_the_log_is_read_in_pages_and_by_participant(http):
    await send(http, "PUT", "/api/add-participant/2")
    for _ in range(3):
        await send(http, "POST", "/api/move-to-next/2")
    everything = await events(http)
    assert await events(http, "?after=3&limit=2") == everything[3:5]
    assert {entry["participant_index"] for entry in await events(http, "?participant=2")} == {2}


async def test_a_wrong_question_to_the_log_is_refused(http):
    for query in ("limit=0", "limit=1001", "after=-1", "after=x", "since=3", f"after={10**17}"):
        for path in ("/api/events", "/api/events.csv"):
            async with http.get(f"{path}?{query}") as response:
                assert response.status == 400, query
                assert (await response.json())["code"] == "parameter-invalid"


async def test_the_log_as_csv_and_json_lines(http):
    await send(http, "POST", "/api/move-to-next?reason=%3DHYPERLINK%28%22http%3A%2F%2Fx%22%29")
    await send(http, "POST", "/api/move-to-next")
    entries = await events(http)
    lines = (await read_text(http, "/api/events.jsonl")).splitlines()
    assert [json.loads(line) for line in lines] == entries
    rows = list(csv.DictReader(io.StringIO(await read_text(http, "/api/events.csv"))))
    assert [int(row["id"]) for row in rows] == [entry["id"] for entry in entries]
    assert rows[3]["reason"] == '\'=HYPERLINK("http://x")', "a spreadsheet must not run it"
    assert (rows[4]["from_block_name"], rows[4]["to_block_name"]) == ("Hello", "A")
    async with http.get("/api/events.csv") as response:
        assert response.headers["Content-Type"] == "text/csv; charset=utf-8"


async def test_a_long_log_is_streamed_whole(http, monkeypatch):
    monkeypatch.setattr("experiment_server.store.store.EVENTS_PAGE_MAX", 7)
    for number in range(40):
        await send(http, "POST", f"/api/move-to-block/{number % 5}")
    rows = list(csv.DictReader(io.StringIO(await read_text(http, "/api/events.csv"))))
    assert [int(row["id"]) for row in rows] == list(range(1, 44))


async def test_timings_have_a_row_for_each_stay_in_a_block(http):
    await send(http, "PUT", "/api/add-participant/2")
    for path in ("move-to-next/1", "move-to-next/2", "move-to-next/1", "move-to-previous/1"):
        await send(http, "POST", f"/api/{path}")
    await send(http, "POST", "/api/move-to-block/1/4")
    await send(http, "POST", "/api/move-to-next/1")
    rows = json.loads(await read_text(http, "/api/timings"))
    stays = [(row["participant_index"], row["visit"], row["block_name"]) for row in rows]
    assert stays == [(1, 1, "Hello"), (1, 2, "A"), (1, 3, "Hello"), (1, 4, "D"), (2, 1, "Hello")]
    assert [row["left_to"] for row in rows] == ["A", "Hello", "D", "END", None]
    assert all(row["seconds"] >= 0 for row in rows[:4])
    assert rows[4]["ended_at"] is None
    assert rows[4]["seconds"] is None
    for before, after in itertools.pairwise(rows[:4]):
        assert before["ended_at"] == after["started_at"]
    table = list(
        csv.DictReader(io.StringIO(await read_text(http, "/api/timings.csv?participant=1")))
    )
    assert [row["block_name"] for row in table] == ["Hello", "A", "Hello", "D"]


async def test_undo_takes_moves_back_one_after_the_other(http):
    await send(http, "POST", "/api/move-to-next")
    await send(http, "POST", "/api/move-to-block/4")
    await send(http, "POST", "/api/move-to-next")
    assert await send(http, "POST", "/api/undo") == (200, {"name": "D"})
    assert await send(http, "POST", "/api/undo") == (200, {"name": "Hello"})
    assert await send(http, "POST", "/api/move-to-block/2") == (200, 2)
    assert await send(http, "POST", "/api/undo/1") == (200, {"name": "Hello"})
    assert await send(http, "POST", "/api/undo") == (200, {"name": "START"})
    status, problem = await send(http, "POST", "/api/undo")
    assert (status, problem["code"]) == (409, "nothing-to-undo")
    undone = [entry["data"]["undoes"] for entry in await events(http) if "undoes" in entry["data"]]
    assert undone == [6, 5, 10, 4]


async def test_two_undos_at_once_take_back_two_moves(http):
    for _ in range(60):
        await send(http, "POST", "/api/move-to-next")
        await send(http, "POST", "/api/move-to-next")
        answers = await asyncio.gather(*(send(http, "POST", "/api/undo") for _ in range(2)))
        assert sorted(body["name"] for _, body in answers) == ["Hello", "START"]
    status, problem = await send(http, "POST", "/api/undo")
    assert (status, problem["code"]) == (409, "nothing-to-undo")
    undone = [entry["data"]["undoes"] for entry in await events(http, "?limit=1000")
              if "undoes" in entry["data"]]  # fmt: skip
    assert len(undone) == len(set(undone)) == 120


async def test_undo_takes_back_what_a_move_of_everybody_did_to_one(connect, http):
    app = await connect()
    await send(http, "PUT", "/api/add-participant/2")
    for index in (1, 2):
        await send(http, "POST", f"/api/move-to-next/{index}")
    await send(http, "POST", "/api/move-all-to-block/3")
    await send(http, "POST", "/api/undo/1")
    assert (await app.until("block-changed", lambda state: state["revision"] == 3))["block_id"] == 0
    async with http.get("/api/block-id/2") as response:
        assert await response.text() == "3"


async def test_a_move_whose_start_the_study_lost_cannot_be_taken_back(http, server, study_file):
    from experiment_server.study.parse import parse
    from tests.conftest import SMALL_STUDY

    await send(http, "POST", "/api/move-to-block/4")
    await send(http, "POST", "/api/move-to-block/0")
    shorter = parse(SMALL_STUDY.replace('order = [["A", "B"], ["C", "D"]]', 'order = [["A"]]'))
    await server.session.study_file.load(shorter, "changed on disk")
    status, problem = await send(http, "POST", "/api/undo")
    assert (status, problem["code"]) == (409, "nothing-to-undo")
