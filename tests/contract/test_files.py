"""SQLite files: how they are kept, and which are refused and left alone."""

import re
import sqlite3
import threading

import pytest

from experiment_server.errors import DatabaseDamaged, DatabaseUnusable
from experiment_server.participants.state import ParticipantState
from experiment_server.store import integrity
from experiment_server.store.commits import Commit
from experiment_server.store.database import DatabaseAddress, connect
from experiment_server.store.options import Durability
from experiment_server.store.statements import Change
from experiment_server.store.store import Store
from tests.contract.test_store import NOON, event
from tests.waiting import PATIENCE


@pytest.fixture
def path(tmp_path):
    return tmp_path / "study.sqlite3"


def files(folder):
    return {item.name: item.read_bytes() for item in folder.iterdir() if item.suffix != ".lock"}


def refused(path, match):
    before = files(path.parent)
    with pytest.raises(DatabaseUnusable, match=match) as caught:
        Store(DatabaseAddress.of(path))
    assert files(path.parent) == before, "a refused database is left as it is"
    return str(caught.value)


@pytest.mark.parametrize(("durability", "level"), [(Durability.FULL, 2), (Durability.FAST, 1)])
def test_the_file_is_kept_in_wal_mode_and_flushed_as_asked(path, durability, level):
    engine = connect(DatabaseAddress.of(path), durability)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level
    engine.dispose()


def test_closing_checkpoints(path):
    store = Store(DatabaseAddress.of(path))
    store.commit(Commit(events=[event(1)])).result()
    store.close()
    assert not path.with_name("study.sqlite3-wal").exists()


def test_a_file_that_is_no_database_is_refused(path):
    path.write_bytes(b"these are my field notes, not a database" * 100)
    refused(path, "not a database")


def test_a_database_of_a_newer_release_is_refused(path):
    Store(DatabaseAddress.of(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    refused(path, "newer release.*update this one")


def test_a_damaged_database_is_refused(path):
    store = Store(DatabaseAddress.of(path))
    for number in range(200):
        store.commit(Commit(events=[event(1, number=number)])).result()
    store.close()
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4096] = b"\xff" * 4096
    path.write_bytes(content)
    assert "backup" in refused(path, "damaged|malformed")


def damaged_in_its_log(path, monkeypatch):
    """A database with an unreadable page in the midst of a log that is checked late."""
    monkeypatch.setattr(integrity, "START_CHECK_MAX_BYTES", 0)
    store = Store(DatabaseAddress.of(path))
    for number in range(200):
        store.commit(Commit(events=[event(1, number=number)])).result()
    store.close()
    with sqlite3.connect(path) as connection:
        (page,) = connection.execute(
            "SELECT pageno FROM dbstat WHERE name = 'events' AND pagetype = 'leaf' "
            "ORDER BY pageno LIMIT 1 OFFSET 3"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    content = bytearray(path.read_bytes())
    content[(page - 1) * size : page * size] = b"\xff" * size
    path.write_bytes(content)


def test_a_page_of_a_large_log_that_is_damaged_ends_what_is_kept(path, monkeypatch):
    damaged_in_its_log(path, monkeypatch)
    told = threading.Event()
    held = threading.Event()
    check = integrity.find_damage

    def checked_late(connection, *, without_log=False):
        if not without_log:
            held.wait(PATIENCE)
        return check(connection, without_log=without_log)

    monkeypatch.setattr(integrity, "find_damage", checked_late)
    store = Store(DatabaseAddress.of(path))
    store.on_lost(told.set)
    held.set()
    assert told.wait(PATIENCE)
    assert isinstance(store.lost, DatabaseDamaged)
    assert re.search("damaged.*Restore it from a backup", str(store.lost))
    with pytest.raises(DatabaseDamaged):
        store.commit(Commit([Change(ParticipantState(1, NOON), None)], [event(1)])).result()
    store.close()


def test_of_a_large_database_all_but_the_log_is_checked_before_it_is_served(path, monkeypatch):
    store = Store(DatabaseAddress.of(path))
    changes = [Change(ParticipantState(index, NOON), None) for index in range(1, 2000)]
    store.commit(Commit(changes)).result()
    store.close()
    monkeypatch.setattr(integrity, "START_CHECK_MAX_BYTES", 0)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4096] = b"\xff" * 4096
    path.write_bytes(content)
    assert "backup" in refused(path, "damaged|malformed")


def test_a_large_database_that_is_whole_is_served_on(path, monkeypatch):
    monkeypatch.setattr(integrity, "START_CHECK_MAX_BYTES", 0)
    Store(DatabaseAddress.of(path)).close()
    store = Store(DatabaseAddress.of(path))
    check = store._background_check
    assert check is not None
    check.ended.wait(PATIENCE)
    store.commit(Commit(events=[event(1)])).result()
    assert store.lost is None
    store.close()


def test_a_late_check_ends_with_its_store(path, monkeypatch):
    monkeypatch.setattr(integrity, "START_CHECK_MAX_BYTES", 0)
    Store(DatabaseAddress.of(path)).close()
    begun = threading.Event()

    def endless(connection, *, without_log=False):
        if without_log:
            return None
        begun.set()
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        return connection.exec_driver_sql(f"{numbers} SELECT max(i) FROM n").scalar()

    monkeypatch.setattr(integrity, "find_damage", endless)
    store = Store(DatabaseAddress.of(path))
    check = store._background_check
    assert check is not None
    assert begun.wait(PATIENCE)
    store.close()
    assert check.ended.wait(PATIENCE)
    assert store.lost is None


def test_a_database_that_was_cut_short_is_refused(path):
    store = Store(DatabaseAddress.of(path))
    for number in range(200):
        store.commit(Commit(events=[event(1, number=number)])).result()
    store.close()
    path.write_bytes(path.read_bytes()[:20_000])
    assert "backup" in refused(path, "damaged|malformed|image")


def test_a_place_where_no_file_can_be_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseUnusable, match="--database"):
        Store(DatabaseAddress.of(tmp_path / "file" / "study.sqlite3"))


@pytest.mark.parametrize("address", ["mysql://root@localhost/test", "oracle://x"])
def test_a_database_that_we_do_not_speak_is_refused(address):
    with pytest.raises(DatabaseUnusable, match="postgresql://"):
        DatabaseAddress.of(address)


def test_a_password_is_not_shown():
    assert (
        str(DatabaseAddress.of("postgresql://me:secret@host/study"))
        == "postgresql://me:***@host/study"
    )


def test_everybody_is_where_they_were_after_an_update_from_the_first_schema(path):
    with sqlite3.connect(path) as connection:
        connection.executescript(
            """
            CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);
            INSERT INTO alembic_version VALUES ('0001');
            CREATE TABLE participants (
                participant_index INTEGER NOT NULL, block_id INTEGER NOT NULL,
                ended BOOLEAN NOT NULL, revision INTEGER NOT NULL,
                block_started_at VARCHAR(32), updated_at VARCHAR(32) NOT NULL,
                PRIMARY KEY (participant_index)
            );
            INSERT INTO participants VALUES
                (1, 2, 0, 3, 'NOON', 'NOON'), (5, 4, 1, 9, NULL, 'NOON');
            CREATE TABLE serving (
                id INTEGER NOT NULL CHECK (id = 1), process_id INTEGER NOT NULL,
                address VARCHAR(255) NOT NULL, started_at VARCHAR(32) NOT NULL, PRIMARY KEY (id)
            );
            INSERT INTO serving VALUES (1, 42, 'here', 'NOON');
            """.replace("NOON", NOON.isoformat())
        )
    connection.close()
    store = Store(DatabaseAddress.of(path))
    assert store.load().result() == [
        ParticipantState(1, NOON, block_id=2, revision=3, block_started_at=NOON),
        ParticipantState(5, NOON, block_id=4, ended=True, revision=9),
    ]
    moved = ParticipantState(1, NOON, block_id=3, revision=4)
    store.commit(Commit([Change(moved, 3)], [event(1)])).result()
    store.close()
