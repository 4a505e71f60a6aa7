"""The chain of the log, and the times that are worked out from it."""

from datetime import datetime, timedelta, timezone

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.participants.events import Event, Head, chain_entries, chain_error, hash_of
from experiment_server.participants.timings import all_visits
from experiment_server.wire.events import Actor, BlockPlace, Moved
from tests.noted import noted

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
EVENTS = st.lists(
    st.builds(
        noted,
        st.datetimes(timezones=st.just(timezone.utc)),
        st.none() | st.integers(1, 9),
        number=st.none() | st.integers(-9, 9),
        reason=st.none() | st.text(st.characters(codec="utf-8"), max_size=3),
    ),
    min_size=1,
    max_size=8,
)


def first_flaw(entries):
    head = Head()
    for entry in entries:
        problem = chain_error(entry, head)
        if problem:
            return problem
        head = Head(entry.id, entry.hash)
    return None


def test_an_entrys_hash_can_be_worked_out_by_anybody():
    import hashlib

    text = '[1,"2026-11-23T12:00:00.000Z","moved",7,"{\\"by\\":\\"größe\\"}","' + "0" * 64 + '"]'
    expected = hashlib.sha256(text.encode()).hexdigest()
    assert (
        hash_of(1, "2026-11-23T12:00:00.000Z", "moved", 7, '{"by":"größe"}', "0" * 64) == expected
    )


@given(EVENTS, st.integers(0, 8))
def test_a_log_is_whole_however_it_was_cut_into_commits(events, cut):
    first, head = chain_entries(events[:cut], Head())
    second, end = chain_entries(events[cut:], head)
    assert first_flaw(first + second) is None
    assert (first + second, end) == chain_entries(events, Head())


@given(EVENTS, st.data())
def test_whatever_is_changed_in_an_entry_is_found(events, data):
    entries, _ = chain_entries(events, Head())
    place = data.draw(st.integers(0, len(entries) - 1))
    entry = entries[place]
    name = data.draw(st.sampled_from(entry.__struct_fields__))
    value = getattr(entry, name)
    other = {
        "id": entry.id + data.draw(st.sampled_from([-1, 1, 5])),
        "participant_index": 99 if value is None else None,
    }.get(name, f"{value} ")
    entries[place] = msgspec.structs.replace(entry, **{name: other})
    assert first_flaw(entries) is not None


@given(EVENTS, st.data())
def test_an_entry_that_is_missing_or_put_elsewhere_is_found(events, data):
    entries, _ = chain_entries(events, Head())
    if len(entries) < 2:
        return
    place = data.draw(st.integers(0, len(entries) - 2))
    assert first_flaw(entries[:place] + entries[place + 1 :]) is not None
    swapped = list(entries)
    swapped[place], swapped[place + 1] = swapped[place + 1], swapped[place]
    assert first_flaw(swapped) is not None


def move(index, seconds, name, *, in_block=True, by="participant"):
    data = Moved(
        by=Actor(by),
        revision=1,
        origin=BlockPlace(-1, "START"),
        destination=BlockPlace(0, name),
        in_block=in_block,
        study_version=1,
    )
    return Event(NOON + timedelta(seconds=seconds), data, index)


def test_times_are_from_move_to_move_and_of_each_participant_alone():
    events = [
        move(1, 0, "A"),
        move(1, 1.5, "B"),
        move(1, 2, "START", in_block=False),
        move(1, 9, "B", by="dashboard"),
        move(2, 3, "A"),
        move(2, 3.25, "END", in_block=False, by="rest"),
    ]
    rows = list(all_visits(chain_entries(events, Head())[0]))
    found = [
        (row.participant_index, row.visit, row.block_name, row.seconds, row.left_to) for row in rows
    ]
    assert found == [
        (1, 1, "A", 1.5, "B"),
        (1, 2, "B", 0.5, "START"),
        (1, 3, "B", None, None),
        (2, 1, "A", 0.25, "END"),
    ]
    assert rows[3].moved_by == "rest"
