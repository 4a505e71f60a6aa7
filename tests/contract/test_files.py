"""SQLite files: how they are kept, and which are refused and left alone."""

import sqlite3

import pytest

from experiment_server.errors import DatabaseUnusable
from experiment_server.participants.state import ParticipantState
from experiment_server.store.commits import Commit
from experiment_server.store.database import Place, connect
from experiment_server.store.options import Durability
from experiment_server.store.statements import Change
from experiment_server.store.store import Store
from tests.contract.test_store import NOON, event


@pytest.fixture
def path(tmp_path):
    return tmp_path / "study.sqlite3"


def files(folder):
    return {item.name: item.read_bytes() for item in folder.iterdir() if item.suffix != ".lock"}


def refused(path, match):
    before = files(path.parent)
    with pytest.raises(DatabaseUnusable, match=match) as caught:
        Store(Place.of(path))
    assert files(path.parent) == before, "a refused database is left as it is"
    return str(caught.value)


@pytest.mark.parametrize(("durability", "level"), [(Durability.FULL, 2), (Durability.FAST, 1)])
def test_the_file_is_kept_in_wal_mode_and_flushed_as_asked(path, durability, level):
    engine = connect(Place.of(path), durability)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level
    engine.dispose()


def test_closing_checkpoints(path):
    store = Store(Place.of(path))
    store.commit(Commit(events=[event(1)])).result()
    store.close()
    assert not path.with_name("study.sqlite3-wal").exists()


def test_a_file_that_is_no_database_is_refused(path):
    path.write_bytes(b"these are my field notes, not a database" * 100)
    refused(path, "not a database")


def test_a_database_of_a_newer_release_is_refused(path):
    Store(Place.of(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    refused(path, "newer release.*update this one")


def test_a_damaged_database_is_refused(path):
    store = Store(Place.of(path))
    for number in range(200):
        store.commit(Commit(events=[event(1, number=number)])).result()
    store.close()
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4096] = b"\xff" * 4096
    path.write_bytes(content)
    assert "backup" in refused(path, "damaged|malformed")


def test_a_database_that_was_cut_short_is_refused(path):
    store = Store(Place.of(path))
    for number in range(200):
        store.commit(Commit(events=[event(1, number=number)])).result()
    store.close()
    path.write_bytes(path.read_bytes()[:20_000])
    assert "backup" in refused(path, "damaged|malformed|image")


def test_a_place_where_no_file_can_be_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseUnusable, match="--database"):
        Store(Place.of(tmp_path / "file" / "study.sqlite3"))


@pytest.mark.parametrize("address", ["mysql://root@localhost/test", "oracle://x"])
def test_a_database_that_we_do_not_speak_is_refused(address):
    with pytest.raises(DatabaseUnusable, match="postgresql://"):
        Place.of(address)


def test_a_password_is_not_shown():
    assert str(Place.of("postgresql://me:secret@host/study")) == "postgresql://me:***@host/study"


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
    store = Store(Place.of(path))
    assert store.load().result() == [
        ParticipantState(1, NOON, block_id=2, revision=3, block_started_at=NOON),
        ParticipantState(5, NOON, block_id=4, ended=True, revision=9),
    ]
    moved = ParticipantState(1, NOON, block_id=3, revision=4)
    store.commit(Commit([Change(moved, 3)], [event(1)])).result()
    store.close()
