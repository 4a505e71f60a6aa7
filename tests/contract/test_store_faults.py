"""A database that fails under the store: what was acknowledged is kept, what was not is known."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest
from sqlalchemy.engine import make_url

from experiment_server.errors import DatabaseInUse, DatabaseUnusable, SessionLost, StoreUnavailable
from experiment_server.participants.events import Head, chain_error
from experiment_server.store import postgresql as driver
from experiment_server.store import writer
from experiment_server.store.commits import Commit
from experiment_server.store.database import DatabaseAddress
from experiment_server.store.statements import Change
from experiment_server.store.store import Store
from tests.contract.test_store import commit, event, state
from tests.contract.test_store_records import keep, names, numbered
from tests.faults import Proxy
from tests.waiting import PATIENCE


@pytest.fixture
def soon(monkeypatch):
    """Deadlines as short as a test likes them."""
    monkeypatch.setattr(driver, "TRANSACTION_TIMEOUT_S", 1.0)
    monkeypatch.setitem(driver._NETWORK, "connect_timeout", 2)
    monkeypatch.setattr(writer, "SESSION_CHECK_INTERVAL_S", 0.1)


@pytest.fixture
def proxy(postgresql):
    url = make_url(postgresql)
    with Proxy(url.host, url.port or 5432) as proxy:
        proxy.url = url.set(host=proxy.host, port=proxy.port).render_as_string(hide_password=False)
        yield proxy


@pytest.fixture
def store(proxy):
    opened = Store(DatabaseAddress.of(proxy.url))
    commit(opened, (state(1), None), events=[event(1)])
    yield opened
    opened.close()


def wait_for(holds):
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def a_commit(*changes):
    return Commit([Change(*change) for change in changes], [event(1)])


def expect_whole(store, entries):
    """The store goes on, and its log is one chain of so many entries and one more."""
    commit(store, events=[event(1)])
    log = store.entries().result()
    assert len(log) == entries + 1
    head = Head()
    for entry in log:
        assert chain_error(entry, head) is None
        head = Head(entry.id, entry.hash)


def test_a_commit_whose_answer_is_lost_is_acknowledged(store, proxy):
    proxy.lose_answer(b"COMMIT")
    written = commit(store, (state(1, 1), 0), events=[event(1)])
    assert proxy.lost.is_set()
    assert [entry.id for entry in written.entries] == [2]
    assert store.load().result() == [state(1, 1)]
    expect_whole(store, 2)


def test_a_commit_that_never_arrived_is_known_not_to_be_kept(store, proxy):
    proxy.lose_request(b"COMMIT")
    with pytest.raises(StoreUnavailable, match="nothing was changed"):
        commit(store, (state(1, 1), 0), events=[event(1)])
    assert proxy.lost.is_set()
    assert store.load().result() == [state(1)]
    expect_whole(store, 1)


def test_records_whose_answer_is_lost_are_acknowledged_and_kept_once(store, proxy):
    proxy.lose_answer(b"COMMIT")
    written = keep(store, numbered(1, 2))
    assert proxy.lost.is_set()
    assert ([entry.id for entry in written.entries], len(written.batch.records)) == ([2], 2)
    assert [item.record_id for item in keep(store, numbered(1, 2, 3)).batch.records] == ["r3"]
    assert names(store) == ["r1", "r2", "r3"]
    expect_whole(store, 3)


def test_records_that_never_arrived_are_new_when_they_are_sent_again(store, proxy):
    proxy.lose_request(b"COMMIT")
    with pytest.raises(StoreUnavailable, match="nothing was changed"):
        keep(store, numbered(1, 2))
    assert proxy.lost.is_set()
    assert names(store) == []
    assert len(keep(store, numbered(1, 2)).batch.records) == 2
    expect_whole(store, 2)


@pytest.mark.parametrize("lose", ["lose_answer", "lose_request"])
def test_nobody_is_told_what_nobody_knows(store, proxy, soon, lose):
    getattr(proxy, lose)(b"COMMIT")
    proxy.hold_when_lost()
    waiting = store.commit(a_commit((state(1, 1), 0)))
    assert proxy.lost.wait(PATIENCE)
    with pytest.raises(StoreUnavailable, match="nothing was changed"):
        store.commit(a_commit((state(1, 1), 0))).result(PATIENCE)
    assert not waiting.done()
    proxy.release()
    if lose == "lose_answer":
        assert [entry.id for entry in waiting.result(PATIENCE).entries] == [2]
        expect_whole(store, 2)
    else:
        assert isinstance(waiting.exception(PATIENCE), StoreUnavailable)
        expect_whole(store, 1)


def test_a_black_hole_is_left_behind_within_the_deadline(store, proxy, soon):
    proxy.hold()
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        store.commit(a_commit((state(1, 1), 0))).result(PATIENCE)
    assert time.monotonic() - started < 10
    proxy.release()
    wait_for(lambda: store.commit(a_commit()).exception(PATIENCE) is None)


def test_a_slow_network_only_takes_longer(store, proxy):
    proxy.delay(0.05)
    commit(store, (state(1, 1), 0), events=[event(1)])
    proxy.delay(0)
    expect_whole(store, 2)


def test_a_black_hole_is_no_place_to_start(proxy, soon):
    proxy.hold()
    with pytest.raises(DatabaseUnusable, match=r"cannot be used: .*timeout"):
        Store(DatabaseAddress.of(proxy.url))


def test_a_stop_does_not_wait_for_a_black_hole(store, proxy):
    proxy.hold()
    waiting = store.commit(a_commit((state(1, 1), 0)))
    started = time.monotonic()
    store.close()
    assert time.monotonic() - started < 5
    proxy.cut()
    proxy.release()
    with contextlib.suppress(StoreUnavailable):
        waiting.result(PATIENCE)


# Losing the session


_OURS = (
    "SELECT {} FROM pg_locks WHERE locktype = 'advisory' AND granted = {} AND classid::bigint = "
    "hashtext('experiment-server ' || current_schema)::bigint & 4294967295"
)


@pytest.fixture
def administrator(postgresql):
    """Whoever else works on the database: runs SQL, and says what it finds."""
    import psycopg

    with psycopg.connect(postgresql, autocommit=True) as connection:
        yield lambda sql: connection.execute(sql).fetchone()[0]


def end_lock(administrator):
    assert administrator(_OURS.format("pg_terminate_backend(pid)", "true"))


def test_a_lock_that_was_lost_is_taken_again(proxy, administrator, soon, caplog):
    store = Store(DatabaseAddress.of(proxy.url))
    end_lock(administrator)
    wait_for(lambda: "acquired again" in caplog.text)
    with pytest.raises(DatabaseInUse):
        Store(DatabaseAddress.of(proxy.url))
    commit(store, (state(1), None), events=[event(1)])
    expect_whole(store, 1)
    store.close()


def test_a_lock_that_somebody_else_has_got_ends_the_server(postgresql, administrator, soon):
    import psycopg

    store = Store(DatabaseAddress.of(postgresql))
    lost = threading.Event()
    store.on_lost(lost.set)
    lock = "SELECT pg_advisory_lock(hashtext('experiment-server ' || current_schema), 1)"
    with psycopg.connect(postgresql, autocommit=True) as other:
        queued = threading.Thread(target=other.execute, args=[lock])
        queued.start()
        wait_for(lambda: administrator(_OURS.format("count(*)", "false")) == 1)
        end_lock(administrator)
        queued.join(PATIENCE)
        assert lost.wait(PATIENCE)
    assert "taken over" in str(store.lost)
    with pytest.raises(SessionLost):
        commit(store, (state(1), None))
    store.close()


def taken_over(place, end_lock):
    """A store whose session another one has got, and the other one."""
    first = Store(place, address="first")
    commit(first, (state(1), None), events=[event(1)])
    end_lock()
    return first, Store(place, address="second")


@pytest.fixture(params=["sqlite", "postgresql"])
def both(request, tmp_path, monkeypatch):
    # So long that only a commit can find out.
    monkeypatch.setattr(writer, "SESSION_CHECK_INTERVAL_S", 3600)
    if request.param == "sqlite":
        place = DatabaseAddress.of(tmp_path / "study.sqlite3")
        stores = taken_over(place, lambda: (tmp_path / "study.sqlite3.lock").unlink())
    else:
        administrator = request.getfixturevalue("administrator")
        place = DatabaseAddress.of(request.getfixturevalue("postgresql"))
        stores = taken_over(place, lambda: end_lock(administrator))
    yield stores
    for store in stores:
        store.close()


@pytest.mark.parametrize("other_wrote", [False, True])
def test_a_server_whose_session_was_taken_over_keeps_nothing_more(both, other_wrote):
    first, second = both
    if other_wrote:
        commit(second, (state(1, 1), 0), events=[event(1)])
    with pytest.raises(SessionLost, match=r"second.*stops"):
        commit(first, (state(2), None), events=[event(2)])
    with pytest.raises(SessionLost):
        commit(first, (state(2), None))
    expect_whole(second, 1 + other_wrote)
    assert [item.participant_index for item in second.load().result()] == [1]


def test_a_lost_answer_is_not_taken_for_ours_once_another_server_has_written(
    proxy, postgresql, administrator, monkeypatch
):
    monkeypatch.setattr(writer, "SESSION_CHECK_INTERVAL_S", 3600)
    monkeypatch.setattr(driver, "TRANSACTION_TIMEOUT_S", 1.0)
    store = Store(DatabaseAddress.of(proxy.url))
    proxy.lose_answer(b"COMMIT")
    proxy.hold_when_lost()
    waiting = store.commit(a_commit((state(1), None)))
    assert proxy.lost.wait(PATIENCE)
    end_lock(administrator)
    second = Store(DatabaseAddress.of(postgresql))
    proxy.release()
    store.commit(a_commit())
    assert isinstance(waiting.exception(PATIENCE), SessionLost)
    second.close()
    store.close()


# Files of SQLite


@pytest.fixture
def file(tmp_path):
    folder = tmp_path / "db"
    folder.mkdir()
    return folder / "study.sqlite3"


@pytest.fixture
def on_file(file):
    opened = Store(DatabaseAddress.of(file))
    commit(opened, (state(1), None), events=[event(1)])
    yield opened
    opened.close()


@pytest.mark.parametrize("suffix", ["", "-wal"])
def test_a_file_that_was_deleted_takes_nothing_more_and_can_still_be_read(on_file, file, suffix):
    file.with_name(file.name + suffix).unlink()
    with pytest.raises(StoreUnavailable, match=f"study.sqlite3{suffix} was deleted or replaced"):
        commit(on_file, (state(1, 1), 0), events=[event(1)])
    assert on_file.load().result() == [state(1)]
    assert len(on_file.entries().result()) == 1


def test_a_file_that_was_replaced_takes_nothing_until_it_is_back(on_file, file, tmp_path):
    aside = tmp_path / "aside"
    file.rename(aside)
    file.write_bytes(aside.read_bytes())
    with pytest.raises(StoreUnavailable, match="put the file back"):
        commit(on_file, (state(1, 1), 0), events=[event(1)])
    aside.replace(file)
    commit(on_file, (state(1, 1), 0), events=[event(1)])
    expect_whole(on_file, 2)


def test_a_lock_file_that_was_deleted_is_made_again(on_file, file, soon, caplog):
    file.with_name("study.sqlite3.lock").unlink()
    wait_for(lambda: "created and locked it again" in caplog.text)
    with pytest.raises(DatabaseInUse):
        Store(DatabaseAddress.of(file))
    expect_whole(on_file, 1)


def test_refusals_leave_few_lines_in_the_log(on_file, file, caplog, monkeypatch):
    aside = file.with_name("aside")
    file.rename(aside)
    for _ in range(50):
        with pytest.raises(StoreUnavailable):
            commit(on_file, (state(1, 1), 0))
    aside.rename(file)
    commit(on_file, (state(1, 1), 0))
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2, lines
    assert "deleted or replaced" in lines[0]
    assert "49 more were" in lines[1]
