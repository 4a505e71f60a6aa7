"""What every store keeps: all or nothing, at the revision that was read, in order."""

import contextlib
import threading
from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import text

from experiment_server.errors import DatabaseInUse, RevisionConflict, StoreUnavailable
from experiment_server.participants.events import Event, Head, chain_error
from experiment_server.participants.overrides import Override
from experiment_server.participants.state import ParticipantState
from experiment_server.store.commits import Commit
from experiment_server.store.database import connect
from experiment_server.store.records import StudyVersion
from experiment_server.store.replies import Reply, Scope
from experiment_server.store.statements import Change
from experiment_server.store.store import Store
from experiment_server.wire.events import AppConnected
from tests.noted import noted
from tests.waiting import PATIENCE

NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=timezone.utc)
KEY = Scope("move-to-next", 1, "key")


def state(index, revision=0, **more):
    return ParticipantState(index, updated_at=NOON, revision=revision, **more)


def event(index, **data):
    return noted(NOON, index, **data)


def answered(request="first", at=NOON, scope=KEY):
    return Reply(scope, request, '{"block_id": 0}', at)


def commit(store, *changes, **more):
    return store.commit(Commit([Change(*change) for change in changes], **more)).result(
        timeout=PATIENCE
    )


@contextlib.contextmanager
def one_group(store):
    """All that is submitted inside the context shares a transaction, apart from records.

    Those that are submitted share the next one.
    """
    submitted, held = threading.Event(), threading.Event()

    def hold(deliver):
        held.set()
        submitted.wait(timeout=PATIENCE)
        deliver()

    store.set_dispatcher(hold)
    store.read(0)
    assert held.wait(timeout=PATIENCE)
    yield
    store.set_dispatcher(lambda deliver: deliver())
    submitted.set()


def test_what_is_committed_is_read_back(store):
    full = state(
        2,
        3,
        block_id=4,
        ended=True,
        block_started_at=NOON,
        overrides=(Override("A", 1, {"speed": 5, "größe": None, "at": [1, {"x": 0.5}]}),),
        study="d" * 64,
    )
    commit(store, (state(7), None), (full, None))
    assert store.load().result() == [full, state(7)]
    assert store.read(7).result() == state(7)
    assert store.read(8).result() is None


def test_a_change_from_an_old_revision_is_refused(store):
    commit(store, (state(1), None))
    commit(store, (state(1, 1), 0))
    with pytest.raises(RevisionConflict):
        commit(store, (state(1, 1, block_id=5), 0))
    assert store.load().result() == [state(1, 1)]


def test_a_participant_is_added_once(store):
    commit(store, (state(1), None))
    with pytest.raises(RevisionConflict):
        commit(store, (state(1), None))
    with pytest.raises(RevisionConflict):
        commit(store, (state(2, 1), 0))


def test_a_commit_of_several_parts_is_all_or_nothing(store):
    commit(store, (state(1), None), (state(2, 5), None))
    version = StudyVersion(1, "d" * 64, "[configuration]", NOON, "start")
    with pytest.raises(RevisionConflict):
        commit(
            store,
            (state(1, 1), 0),
            (state(2, 6), 4),
            events=[event(1)],
            version=version,
            reply=answered(),
        )
    assert store.load().result() == [state(1), state(2, 5)]
    assert store.entries().result() == []
    assert store.versions().result() == []
    assert store.reply(KEY, NOON).result() is None


def test_commits_that_share_a_transaction_fail_alone_and_keep_their_order(store):
    commit(store, (state(1), None))
    waiting = [
        store.commit(Commit([Change(state(1, number + 1), number)], [event(1, number=number)]))
        for number in range(300)
    ]
    lost = store.commit(Commit([Change(state(1, 9), 4000)], [event(1, number=-1)]))
    waiting.insert(150, lost)
    outcomes = [future.exception(timeout=PATIENCE) for future in waiting]
    assert isinstance(outcomes.pop(150), RevisionConflict)
    assert set(outcomes) == {None}
    assert store.load().result() == [state(1, 300)]
    entries = store.entries(limit=1000).result()
    assert [entry.on_wire().data["number"] for entry in entries] == list(range(300))


def test_the_log_is_one_chain_also_over_several_openings(kept):
    for number in range(3):
        opened = Store(kept)
        written = commit(opened, events=[event(1, number=number), event(2)])
        assert [entry.id for entry in written.entries] == [2 * number + 1, 2 * number + 2]
        entries = opened.entries().result()
        opened.close()
    head = Head()
    for entry in entries:
        assert chain_error(entry, head) is None
        head = Head(entry.id, entry.hash)
    assert head.id == 6


def test_the_log_is_read_a_page_at_a_time_and_by_participant(store):
    commit(store, events=[event(number % 3 + 1) for number in range(30)])
    ids = []
    while page := store.entries(after=ids[-1] if ids else 0, participant_index=2, limit=4).result():
        ids += [entry.id for entry in page]
    assert ids == list(range(2, 31, 3))
    assert [entry.id for entry in store.last_moves(2, 20).result()] == [17, 14, 11, 8, 5, 2]


def test_moves_come_a_participants_together(store):
    commit(store, events=[event(number % 2 + 1) for number in range(6)])
    commit(store, events=[Event(NOON, AppConnected(apps=1), 1)])
    moves = [(entry.participant_index, entry.id) for entry in store.moves().result()]
    assert moves == [(1, 1), (1, 3), (1, 5), (2, 2), (2, 4), (2, 6)]
    assert [entry.id for entry in store.moves(after=(1, 3)).result()] == [5, 2, 4, 6]


def test_a_reply_is_kept_for_a_day_and_belongs_to_one_scope(store):
    commit(store, reply=answered())
    assert store.reply(KEY, NOON + timedelta(hours=23)).result() == answered()
    assert store.reply(KEY, NOON + timedelta(hours=25)).result() is None
    for other in (Scope("move-to-block", 1, "key"), Scope("move-to-next", 2, "key")):
        assert store.reply(other, NOON).result() is None


def test_a_request_is_answered_once_until_its_reply_is_too_old(store):
    commit(store, (state(1), None), reply=answered())
    with pytest.raises(RevisionConflict):
        commit(store, (state(1, 1), 0), reply=answered("again"))
    assert store.load().result() == [state(1)]
    later = NOON + timedelta(hours=25)
    commit(store, (state(1, 1), 0), reply=answered("again", later))
    assert store.reply(KEY, later).result().request == "again"


def test_old_replies_are_forgotten(store):
    for hour in range(3):
        scope = Scope("move-to-next", 1, str(hour))
        commit(store, reply=answered(at=NOON + timedelta(hours=hour), scope=scope))
    assert store.forget_replies(NOON + timedelta(hours=25, minutes=30)).result() == 2
    assert store.reply(Scope("move-to-next", 1, "2"), NOON).result() is not None


def test_versions_are_kept_in_full(store):
    versions = [
        StudyVersion(number, str(number) * 64, f"# größer {number}", NOON, "start")
        for number in (1, 2)
    ]
    for version in versions:
        commit(store, version=version)
    assert store.versions().result() == versions


def test_sessions_know_nothing_of_each_other(kept):
    for name, session in enumerate(("pilot", "main"), 1):
        opened = Store(kept, session=session)
        assert opened.load().result() == []
        written = commit(opened, (state(1, name), None), events=[event(1)], reply=answered())
        assert written.entries[0].id == 1
        opened.close()
    opened = Store(kept, session="pilot")
    assert opened.load().result() == [state(1, 1)]
    opened.close()


def test_nothing_is_taken_after_closing(store):
    store.close()
    with pytest.raises(StoreUnavailable):
        commit(store, (state(1), None))


def test_everything_is_there_again_when_it_is_opened_again(kept):
    for revision in range(3):
        opened = Store(kept)
        commit(opened, (state(1, revision), revision - 1 if revision else None))
        opened.close()
    opened = Store(kept)
    assert opened.load().result() == [state(1, 2)]
    opened.close()


def test_a_second_store_on_a_session_is_refused_and_named(kept):
    first = Store(kept, address="http://127.0.0.1:5000")
    with pytest.raises(DatabaseInUse, match=r"process \d+, http://127.0.0.1:5000.*--database"):
        Store(kept)
    first.close()
    Store(kept).close()


def test_a_log_that_somebody_else_went_on_with_takes_nothing_more(kept):
    store = Store(kept)
    commit(store, (state(1), None), events=[event(1)])
    engine = connect(kept)
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO events SELECT session_id, id + 1, time, type, participant_index, "
                "data, previous, hash FROM events"
            )
        )
    engine.dispose()
    with pytest.raises(StoreUnavailable):
        commit(store, (state(1, 1), 0), events=[event(1)])
    assert store.load().result() == [state(1)]
    store.close()


def test_migrations_bring_a_database_to_the_schema_that_the_code_uses(kept):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from experiment_server.store.schema import metadata

    Store(kept).close()
    engine = connect(kept)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


@pytest.mark.parametrize(
    "spoiled",
    [
        {"events": [event(1, reason="\ud800")]},
        {"changes": [Change(state(2, study="\0" * 8, overrides=()), None)]},
        {"reply": answered(scope=Scope("move-to-next", 1, "a\0\ud800"))},
        {"changes": [Change(state(2, block_id=2**70), None)]},
        {"events": [event(1, reason=object())]},
    ],
    ids=["half a pair", "NUL", "a key", "a number", "no JSON"],
)
def test_whatever_a_commit_raises_is_its_own_and_the_store_goes_on(store, spoiled):
    commit(store, (state(1), None))
    with one_group(store):
        before = store.commit(Commit([Change(state(1, 1), 0)], [event(1, number=1)]))
        outcome = store.commit(Commit(**{"events": [event(1)], **spoiled}))
        after = store.commit(Commit([Change(state(1, 2), 1)], [event(1, number=2)]))
    refused = outcome.exception(timeout=PATIENCE) is not None
    assert refused or "changes" in spoiled, "SQLite alone keeps NUL"
    for future in (before, after):
        assert future.exception(timeout=PATIENCE) is None
    assert store.read(1).result(timeout=PATIENCE).revision == 2
    numbers = [
        entry.on_wire().data.get("number") for entry in store.entries().result(timeout=PATIENCE)
    ]
    assert [number for number in numbers if number] == [1, 2]
    head = Head()
    for entry in store.entries().result(timeout=PATIENCE):
        assert chain_error(entry, head) is None
        head = Head(entry.id, entry.hash)


def test_a_callback_that_raises_takes_nothing_from_the_others(store, caplog):
    def fail(_outcome):
        raise RuntimeError("the one who waited has a mistake")

    store.send(Commit([Change(state(1), None)]), fail)
    commit(store, (state(2), None))
    assert [item.participant_index for item in store.load().result(timeout=PATIENCE)] == [1, 2]
    assert "could not be reported" in caplog.text


def test_a_delivery_that_raises_does_not_end_the_store(store):
    refused = threading.Event()

    def refuse(_deliver):
        refused.set()
        raise RuntimeError("the loop is closed")

    store.set_dispatcher(refuse)
    store.commit(Commit([Change(state(1), None)]))
    assert refused.wait(timeout=PATIENCE)
    store.set_dispatcher(lambda deliver: deliver())
    commit(store, (state(2), None))
    assert store.read(2).result(timeout=PATIENCE) == state(2)


def test_a_read_that_was_cancelled_takes_nothing_from_the_others(store):
    with one_group(store):
        reads = [store.read(1) for _ in range(4)]
        assert reads[1].cancel()
    for read in (reads[0], reads[2], reads[3]):
        assert read.result(timeout=PATIENCE) is None


def test_a_query_sees_the_log_of_what_was_committed_before_it(store):
    commit(store, (state(1), None))
    asked = []
    with one_group(store):
        for number in range(100):
            store.commit(Commit([Change(state(1, number + 1), number)], [event(1, number=number)]))
            asked.append(store.entries(after=number))
    for number, entries in enumerate(asked):
        found = [entry.on_wire().data["number"] for entry in entries.result(timeout=PATIENCE)]
        assert found == [number]


def test_ids_have_no_gap_after_a_refused_commit(store):
    commit(store, (state(1), None), events=[event(1)])
    for _ in range(3):
        with pytest.raises(RevisionConflict):
            commit(store, (state(1, 5), 4), events=[event(1)])
    commit(store, events=[event(1), event(1)])
    assert [entry.id for entry in store.entries().result()] == [1, 2, 3]


def test_who_reads_the_whole_log_neither_waits_for_the_writer_nor_holds_it_up(kept):
    store = Store(kept)
    try:
        commit(store, (state(1), None), events=[event(1, number=number) for number in range(3)])
        with one_group(store):
            page = store.log_page(after=1, participant_index=None).result(timeout=PATIENCE)
            moves = store.moves(after=(1, 2)).result(timeout=PATIENCE)
        assert [entry.id for entry in page] == [2, 3]
        assert [entry.id for entry in moves] == [3]
    finally:
        store.close()
