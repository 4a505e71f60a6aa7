"""What every store keeps: all or nothing, at the revision that was read, in order."""

import sqlite3
from datetime import datetime, timezone

import pytest

from experiment_server.errors import (
    DatabaseInUse,
    DatabaseUnusable,
    RevisionConflict,
    StoreUnavailable,
)
from experiment_server.flow.participant import ParticipantState
from experiment_server.store.database import connect
from experiment_server.store.store import Change, Store

NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=timezone.utc)


def state(index, revision=0, **more):
    return ParticipantState(index, updated_at=NOON, revision=revision, **more)


def commit(store, *changes):
    return store.commit([Change(*change) for change in changes]).result(timeout=5)


@pytest.fixture(params=["file", "memory"])
def store(request, tmp_path):
    opened = Store(tmp_path / "study.sqlite3" if request.param == "file" else None)
    yield opened
    opened.close()


def test_what_is_committed_is_read_back(store):
    full = state(2, 3, block_id=4, ended=True, block_started_at=NOON)
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


def test_a_commit_of_several_changes_is_all_or_nothing(store):
    commit(store, (state(1), None), (state(2, 5), None))
    with pytest.raises(RevisionConflict):
        commit(store, (state(1, 1), 0), (state(2, 6), 4))
    assert store.load().result() == [state(1), state(2, 5)]


def test_commits_that_share_a_transaction_fail_alone_and_keep_their_order(store):
    commit(store, (state(1), None))
    waiting = [store.commit([Change(state(1, revision + 1), revision)]) for revision in range(300)]
    waiting.insert(150, store.commit([Change(state(1, 9), 4000)]))
    outcomes = [future.exception(timeout=5) for future in waiting]
    assert isinstance(outcomes.pop(150), RevisionConflict)
    assert set(outcomes) == {None}
    assert store.load().result() == [state(1, 300)]


def test_nothing_is_taken_after_closing(store):
    store.close()
    with pytest.raises(StoreUnavailable):
        commit(store, (state(1), None))


def test_a_file_is_there_again_when_it_is_opened_again(tmp_path):
    path = tmp_path / "study.sqlite3"
    for revision in range(3):
        opened = Store(path)
        commit(opened, (state(1, revision), revision - 1 if revision else None))
        opened.close()
    opened = Store(path)
    assert opened.load().result() == [state(1, 2)]
    opened.close()
    assert not path.with_name("study.sqlite3-wal").exists(), "closing checkpoints"


def test_the_file_is_kept_in_wal_mode_and_flushed(tmp_path):
    engine = connect(tmp_path / "study.sqlite3")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2, "2 is FULL"
    engine.dispose()


def test_a_second_store_on_the_file_is_refused_and_named(tmp_path):
    path = tmp_path / "study.sqlite3"
    first = Store(path, address="http://127.0.0.1:5000")
    with pytest.raises(DatabaseInUse, match=r"process \d+, http://127.0.0.1:5000.*--database"):
        Store(path)
    first.close()
    Store(path).close()


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "study.sqlite3"
    path.write_bytes(b"these are my field notes, not a database" * 100)
    before = path.read_bytes()
    with pytest.raises(DatabaseUnusable, match="not a database"):
        Store(path)
    assert path.read_bytes() == before


def test_a_database_of_a_newer_release_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "study.sqlite3"
    Store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(DatabaseUnusable, match="newer release"):
        Store(path)
    assert path.read_bytes() == before


def test_a_place_where_no_file_can_be_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseUnusable, match="--database"):
        Store(tmp_path / "file" / "study.sqlite3")


def test_migrations_bring_a_database_to_the_schema_that_the_code_uses(tmp_path):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlalchemy import create_engine

    from experiment_server.store.schema import metadata

    path = tmp_path / "study.sqlite3"
    Store(path).close()
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, metadata) == []
    engine.dispose()
