"""Records of results: kept once, in their block, and read as a table."""

import asyncio
import csv
import io
import json

import msgpack
import pytest

from experiment_server.limits.results import RECORD_MAX_BYTES, RESULT_COLUMNS_MAX
from experiment_server.session import result_counts
from tests.requests import add_participants, read_json, read_text, send


def a_record(number, block_id=0, revision=1, **more):
    return {
        "record_id": f"app-{number}",
        "block_id": block_id,
        "revision": revision,
        "recorded_at": "2026-11-24T09:30:00.000Z",
        "data": {"trial": number, "rt": number / 10, "hit": number % 2 == 0},
        **more,
    }


async def keep(http, *records, table="trials", participant=1, unsent=None):
    body = {"table": table, "records": list(records)}
    if unsent is not None:
        body["unsent"] = unsent
    return await send(http, "POST", f"/api/results/{participant}", json=body)


async def rows_of(http, table="trials"):
    return list(csv.DictReader(io.StringIO(await read_text(http, f"/api/results/{table}.csv"))))


async def test_records_are_kept_once_and_come_out_in_their_block(http):
    await send(http, "POST", "/api/move-to-next")
    status, kept = await keep(http, a_record(1), a_record(2))
    assert (status, kept["accepted"], kept["known"]) == (200, 2, 0)
    status, kept = await keep(http, a_record(2), a_record(3))
    assert (status, kept["accepted"], kept["known"]) == (200, 1, 1)
    rows = await rows_of(http)
    assert [row["trial"] for row in rows] == ["1", "2", "3"]
    assert {row["block_name"] for row in rows} == {"Hello"}
    assert {
        (row["participant_index"], row["session"], row["visit"], row["study_version"])
        for row in rows
    } == {("1", "main", "1", "1")}
    assert (rows[0]["rt"], rows[0]["hit"], rows[0]["recorded_at"]) == (
        "0.1",
        "FALSE",
        "2026-11-24T09:30:00.000Z",
    )


async def test_a_late_record_belongs_to_the_block_it_was_recorded_in(http):
    for _ in range(3):
        await send(http, "POST", "/api/move-to-next")
    await send(http, "POST", "/api/move-to-block/0")
    await keep(
        http,
        a_record(1, block_id=0, revision=1),
        a_record(2, block_id=1, revision=2),
        a_record(3, block_id=0, revision=4),
        a_record(4, block_id=-1, revision=0),
    )
    found = [(row["block_name"], row["visit"]) for row in await rows_of(http)]
    assert found == [("Hello", "1"), ("A", "2"), ("Hello", "4"), ("", "")]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"list": [1], "n": 2.0}, 200),
        ({"n": 2, "list": [1.0]}, 200),
        ({"n": 2, "list": [True]}, 409),
        ({"n": 2, "list": ["1"]}, 409),
        ({"n": 2, "list": [[1]]}, 409),
    ],
)
async def test_a_repeat_is_compared_by_the_values_of_json(http, data, status):
    await keep(http, a_record(1, data={"n": 2, "list": [1]}))
    assert (await keep(http, a_record(1, data=data)))[0] == status


async def test_another_record_under_a_known_id_is_refused_with_all_of_its_batch(http):
    await keep(http, a_record(1))
    status, problem = await keep(http, a_record(2), a_record(1, data={"trial": 99}))
    assert (status, problem["code"]) == (409, "record-conflict")
    assert "app-1" in problem["detail"]
    assert problem["record_id"] == "app-1"
    status, problem = await keep(http, a_record(3), a_record(3, block_id=1))
    assert (status, problem["code"]) == (409, "record-conflict")
    assert [row["trial"] for row in await rows_of(http)] == ["1"]
    # Another participant's ids are their own.
    await add_participants(http, 2)
    assert (await keep(http, a_record(1, data={"trial": 5}), participant=2))[0] == 200


@pytest.mark.parametrize(
    ("record", "status", "said"),
    [
        (a_record(1, data={"text": "x" * RECORD_MAX_BYTES}), 413, "record app-1 has"),
        (a_record(1, recorded_at="yesterday"), 422, "recorded_at 'yesterday' has to be a time"),
        (a_record(1, recorded_at="2026-11-24T09:30:00"), 422, "has to be a time"),
        (a_record(1, recorded_at="0001-01-01T00:00:00+23:59"), 422, "is out of range"),
        (a_record(1, block_id=-2), 400, "records[0].block_id: Expected `int` >= -1"),
        (a_record(1, revision="1"), 400, "records[0].revision: Expected `int`, got `str`"),
        (a_record(1, data=[1]), 400, "records[0].data: Expected `object`, got `array`"),
        (a_record(1, data={"\0": 1}), 400, "has the character NUL"),
        (a_record(1, data={"n": 2**64}), 400, "does not fit into 64 bits"),
        (
            a_record(1, record_id="x" * 101),
            400,
            "records[0].record_id: Expected `str` of length <= 100",
        ),
        ({"data": {}}, 400, "records[0]: Object missing required field `record_id`"),
    ],
)
async def test_what_is_no_record_is_named(http, record, status, said):
    got, problem = await keep(http, record)
    assert got == status
    assert said in problem["detail"]
    assert await read_json(http, "/api/results") == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"data": {"deep": [{"n": 2**64}]}},
        {"data": {"text": "\0"}},
        {"recorded_at": "\ud800"},
        {"data": [1]},
        {"revision": -1},
        {"block_id": None},
    ],
)
async def test_a_refusal_names_the_record_that_a_value_is_in(connect, http, wrong):
    app = await connect()
    sent = [a_record(1), a_record(2, **wrong), a_record(3, **wrong)]
    status, problem = await keep(http, *sent)
    assert (status, problem["code"], problem["record_id"]) == (400, "parameter-invalid", "app-2")
    refused = await app.ask("record", {"records": sent})
    assert (refused["error"]["code"], refused["error"]["record_id"]) == (problem["code"], "app-2")


@pytest.mark.parametrize("wrong", [7, "\ud800", "", [1], None])
async def test_a_refusal_of_an_id_that_is_none_has_no_other(http, wrong):
    status, problem = await keep(http, a_record(1), a_record(2, record_id=wrong))
    assert (status, problem["code"]) == (400, "parameter-invalid")
    assert "records[1].record_id" in problem["detail"]
    assert problem.get("record_id") != "app-1"


@pytest.mark.parametrize("table", ["", "Trials", "a/b", "ä", "x" * 65, "-a", "events"])
async def test_a_table_has_a_plain_name(http, table):
    assert (await keep(http, a_record(1), table=table))[0] in (400, 422)


async def test_a_body_that_is_no_batch_is_refused(http):
    for body in ([], 7, {"records": {}}, {"record": []}, {"table": 1, "records": []}):
        status, problem = await send(http, "POST", "/api/results", json=body)
        assert (status, problem["code"]) == (400, "parameter-invalid")


async def test_an_app_records_over_its_socket_for_itself_alone(connect, http):
    app = await connect()
    await add_participants(http, 2)
    answer = await app.ask("record", {"records": [a_record(1)]})
    assert answer["ok"]
    assert answer["data"]["accepted"] == 1
    refused = await app.ask("record", {"participant_index": 2, "records": [a_record(1)]})
    assert refused["error"]["code"] == "not-allowed"
    refused = await app.ask("results", {"table": "trials"})
    assert refused["error"]["code"] == "not-allowed"


async def test_a_socket_is_told_which_record_was_refused(connect, http):
    app = await connect()
    sent = [a_record(1), a_record(2, recorded_at="yesterday")]
    refused = await app.ask("record", {"records": sent})
    assert (refused["error"]["code"], refused["error"]["record_id"]) == ("record-invalid", "app-2")
    assert await read_json(http, "/api/results") == []


async def test_messagepack_is_as_good(http):
    body = msgpack.packb({"table": "answers", "records": [a_record(1)]})
    headers = {"Content-Type": "application/msgpack"}
    status, _ = await send(http, "POST", "/api/results", data=body, headers=headers)
    assert status == 200
    assert (await read_json(http, "/api/results/answers"))[0]["data"]["trial"] == 1


async def test_the_tables_are_listed_with_their_counts(server, http):
    await keep(http, a_record(1), a_record(2, block_id=1))
    await keep(http, a_record(3), table="answers")
    counts = [
        {
            "table": "answers",
            "records": 1,
            "blocks": [{"participant_index": 1, "block_id": 0, "records": 1}],
        },
        {
            "table": "trials",
            "records": 2,
            "blocks": [
                {"participant_index": 1, "block_id": 0, "records": 1},
                {"participant_index": 1, "block_id": 1, "records": 1},
            ],
        },
    ]
    assert await read_json(http, "/api/results") == counts
    server.session.drop_cache()
    assert await read_json(http, "/api/results") == counts


async def test_nested_keys_are_dotted_and_hide_no_context(http):
    await send(http, "POST", "/api/move-to-next")
    data = {"hand": {"x": 1, "y": {"z": [2, 3]}}, "block_name": "mine", "empty": {}}
    await keep(http, a_record(1, data=data))
    (row,) = await rows_of(http)
    assert (row["hand.x"], row["hand.y.z"], row["empty"]) == ("1", "[2,3]", "{}")
    assert (row["block_name"], row["data.block_name"]) == ("Hello", "mine")


async def test_texts_are_as_they_were_sent_unless_formulas_are_to_be_defused(http):
    await keep(http, a_record(1, data={"said": "=1+1", "=key": "-", "rt": -0.5}))
    assert '"=1+1","-",-0.5,' in await read_text(http, "/api/results/trials.csv")
    safe = await read_text(http, "/api/results/trials.csv?formula_safe=true")
    assert '"\'=1+1","\'-",-0.5,' in safe
    assert '"\'=key"' in safe
    text = await read_text(http, "/api/results/trials.jsonl?formula_safe=true")
    assert json.loads(text)["data"]["said"] == "=1+1"
    status, problem = await send(http, "GET", "/api/results/trials.csv?formula_safe=yes")
    assert (status, problem["code"]) == (400, "parameter-invalid")
    assert "formula_safe has to be true or false, got 'yes'" in problem["detail"]


async def test_the_factors_of_a_block_are_columns(http, study_file):
    study_file.write_text(
        '[configuration]\norder = ["{size}"]\n[configuration.factors]\nsize = ["small", "large"]\n'
        '[[blocks]]\nname = "{size}"\nfactors = ["size"]\nconfig = {}\n',
        encoding="utf-8",
    )
    text = study_file.read_text(encoding="utf-8")
    headers = {"If-Match": "*"}
    assert (await send(http, "PUT", "/api/study/toml", data=text, headers=headers))[0] == 200
    await send(http, "POST", "/api/move-to-next")
    await keep(http, a_record(1))
    (row,) = await rows_of(http)
    assert (row["size"], row["block_name"]) == ("small", "small")


async def test_batches_are_in_the_log_with_their_hash(http):
    await keep(http, a_record(1), a_record(2))
    await keep(http, a_record(1), a_record(2))  # nothing is new, so nothing happened
    entries = await read_json(http, "/api/events")
    (told,) = [entry["data"] for entry in entries if entry["type"] == "recorded"]
    assert (told["table"], told["count"], len(told["sha256"])) == ("trials", 2, 64)


async def test_the_same_record_sent_by_many_at_once_is_kept_once(http):
    async def sends(first):
        return await keep(http, *(a_record(number) for number in range(first, first + 20)))

    answers = await asyncio.gather(*(sends(first) for first in range(40)))
    assert {status for status, _ in answers} == {200}
    assert sum(kept["accepted"] for _, kept in answers) == 59
    (table,) = await read_json(http, "/api/results")
    assert table["records"] == 59
    rows = await read_json(http, "/api/results/trials")
    assert sorted(row["data"]["trial"] for row in rows) == list(range(59))


async def test_a_table_of_many_is_streamed_whole(http):
    await add_participants(http, *range(2, 6))
    for participant in range(1, 6):
        for start in range(0, 2500, 500):
            records = [a_record(number) for number in range(start, start + 500)]
            await keep(http, *records, participant=participant)
    rows = await rows_of(http)
    assert [(row["participant_index"], row["trial"]) for row in rows] == [
        (str(participant), str(number)) for participant in range(1, 6) for number in range(2500)
    ]
    lines = (await read_text(http, "/api/results/trials.jsonl?participant=3")).splitlines()
    assert [json.loads(line)["data"]["trial"] for line in lines] == list(range(2500))


async def test_records_that_fit_no_stay_are_kept_without_a_block(http):
    await send(http, "POST", "/api/move-to-next")
    sent = [
        a_record(1, block_id=0, revision=9),  # of a snapshot that is still to come
        a_record(2, block_id=7, revision=1),  # of a block that the study has not
        a_record(3, block_id=-1, revision=0),
    ]
    assert (await keep(http, *sent))[0] == 200
    names = [row["block_name"] for row in await rows_of(http)]
    assert names == ["Hello", "", ""]
    status, problem = await keep(http, a_record(1), participant=77)
    assert (status, problem["code"]) == (406, "participant-unknown")


async def test_a_table_of_ten_thousand_columns_has_what_is_beyond_the_bound_in_one(http):
    for start in range(0, 10_000, 1000):
        data = {f"key{number}": number for number in range(start, start + 1000)}
        assert (await keep(http, a_record(start, data=data)))[0] == 200
    rows = await rows_of(http)
    assert len(rows[0]) == RESULT_COLUMNS_MAX + 12
    found = [{**row, **json.loads(row["more_data"] or "{}")} for row in rows]
    starts = range(0, 10_000, 1000)
    assert [int(row[f"key{start}"]) for start, row in zip(starts, found, strict=True)] == [*starts]


async def test_a_batch_larger_than_a_body_is_refused_and_nothing_of_it_kept(http):
    large = [a_record(number, data={"text": "x" * 60_000}) for number in range(100)]

    async def sent(records):
        body = io.BytesIO(json.dumps({"records": records}).encode())
        headers = {"Content-Type": "application/json"}
        return await send(http, "POST", "/api/results/1", data=body, headers=headers)

    assert (await sent(large))[0] == 413
    assert await read_json(http, "/api/results") == []
    assert (await sent(large[:16]))[0] == 200
    assert len(await rows_of(http)) == 16


async def test_a_dashboard_gets_the_numbers_of_records_at_once_and_then_what_changes(connect, http):
    await add_participants(http, 2)
    await keep(http, a_record(1), a_record(2, block_id=1))
    dashboard = await connect("/dashboard")
    first = (await dashboard.expect("snapshot"))["results"]
    assert first == [
        {"participant_index": 1, "records": 2, "unsent": 0, "unsent_since": None},
    ]
    await keep(http, a_record(1), a_record(3, block_id=1), participant=2)
    await keep(http, a_record(3), a_record(4), a_record(1), table="answers")
    of_people: dict[int, int] = {}
    of_blocks: dict[tuple[int, str, int], int] = {}
    while of_people != {1: 4, 2: 2}:
        changed = await dashboard.until("results-changed")
        of_people |= {one["participant_index"]: one["records"] for one in changed["participants"]}
        for one in changed["blocks"]:
            of_blocks[one["participant_index"], one["table"], one["block_id"]] = one["records"]
    # Of what did not change nothing is said.
    assert of_blocks == {(2, "trials", 0): 1, (2, "trials", 1): 1, (1, "answers", 0): 2}


async def test_an_app_reports_the_records_that_wait_on_its_device(connect, http):
    app, dashboard = await connect(), await connect("/dashboard")
    assert (await dashboard.expect("snapshot"))["results"] == []

    async def reported():
        (one,) = (await dashboard.until("results-changed"))["participants"]
        return one["records"], one["unsent"], one["unsent_since"]

    answer = await app.ask("record", {"records": [a_record(1)], "unsent": 7})
    assert answer["data"]["accepted"] == 1
    _, unsent, since = await reported()
    while unsent != 7:
        _, unsent, since = await reported()
    assert since is not None
    # A report needs no records, and it is the newest that counts.
    status, kept = await send(http, "POST", "/api/results", json={"records": [], "unsent": 9})
    assert (status, kept["accepted"], kept["known"]) == (200, 0, 0)
    assert await reported() == (1, 9, since)
    later = await connect("/dashboard")
    (one,) = (await later.expect("snapshot"))["results"]
    assert (one["unsent"], one["unsent_since"]) == (9, since)
    # A batch without a report says nothing about what waits.
    await keep(http, a_record(2))
    assert await reported() == (2, 9, since)
    await keep(http, a_record(3), unsent=0)
    records, unsent, since = await reported()
    while unsent:
        records, unsent, since = await reported()
    assert (records, unsent, since) == (3, 0, None)


async def test_a_refused_batch_reports_nothing(connect, http):
    dashboard = await connect("/dashboard")
    await dashboard.expect("snapshot")
    assert (await keep(http, a_record(1, recorded_at="yesterday"), unsent=5))[0] == 422
    for wrong in (-1, "5", 2**31, 1.5):
        assert (await keep(http, a_record(1), unsent=wrong))[0] == 400
    assert (await keep(http, unsent=1, participant=77))[0] == 406
    await keep(http, unsent=4)
    (one,) = (await dashboard.until("results-changed"))["participants"]
    assert (one["participant_index"], one["unsent"]) == (1, 4)


async def test_many_numbers_come_in_messages_of_a_bounded_size(connect, http, monkeypatch):
    monkeypatch.setattr(result_counts, "DASHBOARD_RESULTS_MAX", 2)
    await add_participants(http, *range(2, 6))
    for participant in range(1, 6):
        await keep(http, a_record(1), participant=participant)
    dashboard = await connect("/dashboard")
    pages = [(await dashboard.expect("snapshot"))["results"]]
    while sum(map(len, pages)) < 5:
        pages.append((await dashboard.until("results-changed"))["participants"])
    assert [[one["participant_index"] for one in page] for page in pages] == [[1, 2], [3, 4], [5]]


async def test_the_latest_records_come_in_the_order_of_their_arrival(http):
    await add_participants(http, 2)
    await send(http, "POST", "/api/move-to-next/2")
    await keep(http, a_record(1), a_record(2))
    await keep(http, a_record(1), a_record(2), a_record(3), participant=2)
    await keep(http, a_record(4), table="answers")
    await keep(http, a_record(3))

    async def latest(query, table="trials"):
        rows = await read_json(http, f"/api/results/{table}?{query}")
        return [(row["participant_index"], row["data"]["trial"]) for row in rows]

    everything = [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (1, 3)]
    assert await latest("latest=100") == everything
    for number in range(1, 7):
        assert await latest(f"latest={number}") == everything[-number:]
    assert await latest("latest=2&participant=2") == [(2, 2), (2, 3)]
    assert await latest("latest=5", "answers") == [(1, 4)]
    assert await latest("latest=5", "other") == []
    rows = await read_json(http, "/api/results/trials?latest=2")
    assert [row["block_name"] for row in rows] == ["Hello", None]
    lines = csv.DictReader(io.StringIO(await read_text(http, "/api/results/trials.csv?latest=2")))
    assert [line["trial"] for line in lines] == ["3", "3"]
    for wrong in ("0", "101", "-1", "x"):
        status, problem = await send(http, "GET", f"/api/results/trials?latest={wrong}")
        assert (status, problem["code"]) == (400, "parameter-invalid")


async def test_a_table_is_downloaded_as_a_file_of_its_name(http):
    await keep(http, a_record(1))
    for file in ("trials.csv", "trials.jsonl"):
        async with http.get(f"/api/results/{file}") as response:
            assert response.headers["Content-Disposition"] == f'attachment; filename="{file}"'
    async with http.get("/api/events.csv") as response:
        assert response.headers["Content-Disposition"] == 'attachment; filename="events.csv"'
    for wrong in ("a%0d%0ab.csv", "a%22b.jsonl"):
        async with http.get(f"/api/results/{wrong}") as response:
            assert response.status == 422
