"""What every store keeps of results: each record once, in its batch, under its entry in the log."""

import json
import threading
from itertools import pairwise

import pytest
from click.testing import CliRunner

from experiment_server.cli.main import main
from experiment_server.errors import RecordConflict, RevisionConflict
from experiment_server.limits.store import RECORDS_GROUP_MAX
from experiment_server.participants.events import Cause
from experiment_server.participants.results import Batch, Record, batch_hash
from experiment_server.store import database
from experiment_server.store.check import check
from experiment_server.store.commits import Commit
from experiment_server.store.database import connect
from experiment_server.store.records import all_entries
from experiment_server.store.result_records import FIRST
from experiment_server.store.statements import Change
from experiment_server.store.store import Store
from experiment_server.wire.events import Actor
from tests.contract.test_store import NOON, commit, event, one_group, state
from tests.waiting import PATIENCE

CAUSE = Cause(Actor.PARTICIPANT)


def record(number, data=None, block_id=0, **more):
    values = {"revision": 1, "recorded_at": None, "clock_offset_ms": 1.5, **more}
    return Record(f"r{number}", block_id, data=data or json.dumps({"n": number}), **values)


def batch(*records, participant=1, table="trials"):
    return Commit(batch=Batch(participant, table, NOON, CAUSE, records))


def numbered(*numbers, **more):
    return batch(*(record(number) for number in numbers), **more)


def keep(store, commit):
    return store.commit(commit).result(timeout=PATIENCE)


def records_in(store, **options):
    wanted = {"after": FIRST, "table": "trials", "participant_index": None, **options}
    return store.record_page(**wanted).result(timeout=PATIENCE)


def names(store, **options):
    return [item.record.record_id for item in records_in(store, **options)]


def expect_covered(store):
    """Each batch is kept under an entry of the log that has its number of records and its hash."""
    entries = store.entries(limit=1000).result(timeout=PATIENCE)
    told = {entry.id: entry.on_wire().data for entry in entries if entry.type == "recorded"}
    by_entry = {}
    for item in records_in(store):
        assert item.key.position == len(by_entry.setdefault(item.key.event_id, []))
        by_entry[item.key.event_id].append(item.record)
    assert by_entry.keys() == told.keys()
    for event_id, records in by_entry.items():
        assert told[event_id]["count"] == len(records)
        assert told[event_id]["sha256"] == batch_hash(records)


def test_a_record_is_kept_once_also_over_several_openings(kept):
    for _ in range(2):
        opened = Store(kept)
        keep(opened, numbered(1, 2, 2))
        written = keep(opened, numbered(2, 3))
        opened.close()
    assert (written.entries, written.batch.records) == ([], ())
    opened = Store(kept)
    assert names(opened) == ["r1", "r2", "r3"]
    expect_covered(opened)
    opened.close()


def test_what_a_record_holds_is_read_back(store):
    full = Record("größe", -1, 7, "2026-11-24T09:30:00.000Z", -0.25, '{"a":[1,"ü",null]}')
    keep(store, batch(full, record(1, clock_offset_ms=None)))
    first, second = records_in(store)
    assert (first.record, first.table, first.received_at) == (
        full,
        "trials",
        "2026-11-23T12:00:00.123Z",
    )
    assert second.record.clock_offset_ms is None


def test_batches_of_one_transaction_keep_each_record_once(store):
    with one_group(store):
        waiting = [
            store.commit(numbered(*range(start, start + 4), participant=who))
            for start in range(10)
            for who in (1, 2)
        ]
    accepted = [len(future.result(timeout=PATIENCE).batch.records) for future in waiting]
    assert accepted == [4, 4] + [1] * 18
    everyone = [f"r{number}" for number in range(13)]
    assert names(store) == everyone * 2
    assert names(store, participant_index=2) == everyone
    expect_covered(store)


def test_a_conflict_leaves_the_other_batches_of_its_transaction(store):
    keep(store, numbered(1))
    with one_group(store):
        waiting = [
            store.commit(item)
            for item in (
                numbered(2),
                batch(record(3), record(1, '{"n": 99}')),
                batch(record(3, '{"n": 5}')),
                batch(record(4), record(4, block_id=1)),
                numbered(4, 2),
            )
        ]
    outcomes = [future.exception(timeout=PATIENCE) for future in waiting]
    assert [type(outcome) for outcome in outcomes] == [
        type(None), RecordConflict, type(None), RecordConflict, type(None),
    ]  # fmt: skip
    assert outcomes[1].record_id == "r1"
    # What the refused batches had beside is not taken for known.
    assert [item.record.data for item in records_in(store)] == [
        '{"n": 1}', '{"n": 2}', '{"n": 5}', '{"n": 4}',
    ]  # fmt: skip
    expect_covered(store)


def test_records_are_kept_once_and_counted_beside_a_change_that_conflicts(store):
    commit(store, (state(1), None), events=[event(1)])
    with one_group(store):
        waiting = [
            store.commit(item)
            for item in (
                numbered(1, 2),
                Commit([Change(state(1, 1), 0)], [event(1, number=1)]),
                Commit([Change(state(1, 9), 8)], [event(1, number=-1)]),
                numbered(2, 3),
            )
        ]
        counts = store.record_counts()
        waiting.append(store.commit(numbered(3, 4)))
    outcomes = [future.exception(timeout=PATIENCE) for future in waiting]
    assert [type(outcome) for outcome in outcomes] == [
        type(None), type(None), RevisionConflict, type(None), type(None),
    ]  # fmt: skip
    # The counts include the batches that were sent before.
    assert [tuple(count) for count in counts.result(timeout=PATIENCE)] == [(1, "trials", 0, 3)]
    # A change goes before the batches that wait.
    assert [waiting[number].result().entries[0].id for number in (1, 0, 3, 4)] == [2, 3, 4, 5]
    assert names(store) == ["r1", "r2", "r3", "r4"]
    expect_covered(store)


def test_each_move_waits_for_one_group_of_records_at_most(store):
    commit(store, (state(1), None), events=[event(1)])
    size, moves = 10, 20
    moved, ids = threading.Event(), []

    def move_on(written):
        ids.append(written.entries[0].id)
        if len(ids) == moves:
            moved.set()
        else:
            send_move()

    def send_move():
        number = len(ids)
        store.send(
            Commit([Change(state(1, number + 1), number)], [event(1, number=number)]), move_on
        )

    with one_group(store):
        waiting = [
            store.commit(numbered(*range(start, start + size), participant=2))
            for start in range(0, 300 * size, size)
        ]
        send_move()
    assert moved.wait(timeout=PATIENCE)
    batches = [future.result(timeout=PATIENCE).entries[0].id for future in waiting]
    assert batches == sorted(batches)
    between = [later - earlier - 1 for earlier, later in pairwise([1, *ids])]
    assert max(between) <= RECORDS_GROUP_MAX // size


def test_the_entry_of_a_batch_comes_after_the_other_events_of_its_commit(store):
    both = Commit(events=[event(1), event(1)], batch=numbered(1).batch)
    with one_group(store):
        waiting = [store.commit(item) for item in (both, numbered(1, 2), both)]
    ids = [[entry.id for entry in future.result(timeout=PATIENCE).entries] for future in waiting]
    assert ids == [[1, 2, 3], [4], [5, 6]]
    assert [item.key.event_id for item in records_in(store)] == [3, 4]
    expect_covered(store)


@pytest.mark.parametrize(
    "spoiled",
    [record(9, data='{"n": "\ud800"}'), record(9, block_id=2**70), record("\ud800")],
    ids=["half a pair", "a number", "an id"],
)
def test_a_batch_that_cannot_be_written_fails_alone(store, spoiled):
    with one_group(store):
        before = store.commit(numbered(1, 2))
        outcome = store.commit(batch(record(3), spoiled))
        after = store.commit(numbered(2, 3))
    assert outcome.exception(timeout=PATIENCE) is not None
    assert [len(item.result(timeout=PATIENCE).batch.records) for item in (before, after)] == [2, 1]
    assert names(store) == ["r1", "r2", "r3"]
    expect_covered(store)


def test_a_refused_batch_takes_the_rest_of_its_commit_with_it(store):
    commit(store, (state(1), None))
    keep(store, numbered(1))
    with pytest.raises(RecordConflict):
        keep(
            store,
            Commit([Change(state(1, 1), 0)], [event(1)], batch=batch(record(1, block_id=5)).batch),
        )
    assert store.load().result() == [state(1)]
    assert len(store.entries().result()) == 1


def test_records_are_read_a_page_at_a_time_and_counted(store):
    for start in range(0, 30, 10):
        for who in (2, 1):
            for table in ("trials", "answers"):
                numbers = range(start, start + 10)
                records = [record(f"{table}{number}", block_id=number % 2) for number in numbers]
                keep(store, batch(*records, participant=who, table=table))
    found, after = [], FIRST
    while page := records_in(store, after=after, table="trials", limit=7):
        assert len(page) <= 7
        found += [(item.key.participant_index, item.record.record_id) for item in page]
        after = page[-1].key
    assert found == [(who, f"rtrials{number}") for who in (1, 2) for number in range(30)]
    counts = store.record_counts().result(timeout=PATIENCE)
    assert counts == [
        (who, table, block, 15)
        for who in (1, 2)
        for table in ("answers", "trials")
        for block in (0, 1)
    ]


def test_a_page_ends_after_a_megabyte(store):
    large = json.dumps({"text": "x" * 60_000})
    keep(store, batch(*(record(number, large) for number in range(40))))
    sizes, after = [], FIRST
    while page := records_in(store, after=after):
        sizes.append(len(page))
        after = page[-1].key
    assert sizes == [18, 18, 4]


def test_sessions_keep_records_of_their_own(kept):
    for name in ("pilot", "main"):
        opened = Store(kept, session=name)
        assert len(keep(opened, numbered(1)).batch.records) == 1
        assert names(opened) == ["r1"]
        opened.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DELETE FROM records WHERE record_id = 'r1'", "not those that were sent"),
        ("DELETE FROM records", "are in the log, and are gone"),
        ("UPDATE records SET data = '{\"n\":7}' WHERE record_id = 'r3'", "not those that were"),
        ("UPDATE records SET table_name = 'answers'", "not those that were sent"),
        ("UPDATE records SET block_id = 3 WHERE record_id = 'r2'", "not those that were sent"),
        ("UPDATE records SET event_id = event_id + 10", "the log does not know of them"),
    ],
)
def test_a_check_finds_whatever_was_changed_about_records(kept, change, said):
    opened = Store(kept)
    keep(opened, numbered(1, 2))
    keep(opened, numbered(3))
    opened.close()
    engine = connect(kept)
    with engine.begin() as connection:
        session = database.session_id(connection, "main")
        assert check(connection, session, all_entries(connection, session)).problem is None
        connection.exec_driver_sql(change)
        problem = check(connection, session, all_entries(connection, session)).problem
    engine.dispose()
    assert said in problem


def test_events_check_covers_the_records_on_postgresql(postgresql):
    opened = Store(database.DatabaseAddress.of(postgresql))
    keep(opened, numbered(1, 2))
    opened.close()
    assert CliRunner().invoke(main, ["events", postgresql, "--check"]).exit_code == 0
    engine = connect(database.DatabaseAddress.of(postgresql))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE records SET revision = 2 WHERE record_id = 'r2'")
    engine.dispose()
    checked = CliRunner().invoke(main, ["events", postgresql, "--check"])
    assert checked.exit_code == 1
    assert "are not those that were sent" in checked.output
