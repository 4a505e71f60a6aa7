"""Where a participant stands: changes, and what they leave alone."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.errors import BlockOutOfRange, NotInBlock, ParticipantIndexInvalid
from experiment_server.participants import moves
from experiment_server.participants.blocks import BlockSequence
from experiment_server.participants.events import Cause
from experiment_server.participants.state import is_active, position, timestamp
from experiment_server.study.parse import parse
from experiment_server.wire.events import Actor, Finished, Moved

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
LATER = NOON + timedelta(minutes=5)
EXPERIMENTER = Cause(Actor.DASHBOARD, "because")
steps = st.lists(st.sampled_from(["next", "back", 0, 1, 2]), max_size=30)


def sequence(count=3):
    blocks = "".join(
        f'[[blocks]]\nname = "{name}"\nconfig = {{ n = 1 }}\n' for name in "ABCDEFGH"[:count]
    )
    return BlockSequence(parse(blocks).require(), 4, 1)


THREE = sequence()


def added(index=1):
    return moves.add(index, EXPERIMENTER, NOON).state


def outcome(state, step, through=THREE, now=LATER):
    if step == "next":
        return moves.move_to_next(state, through, EXPERIMENTER, now)
    if step == "back":
        return moves.move_to_previous(state, through, EXPERIMENTER, now)
    return moves.move_to_block(state, through, EXPERIMENTER, now, block_id=step)


def walk(state, *taken, through=THREE):
    for step in taken:
        state = outcome(state, step, through).state
    return state


@given(steps)
def test_a_participant_is_always_somewhere_and_every_change_is_a_revision(taken):
    state, place = added(), -1
    for step in taken:
        before, change = state, outcome(state, step)
        state = change.state
        place = {"next": min(place + 1, 3), "back": max(place - 1, -1)}.get(step, step)
        assert position(state, 3) == place
        assert is_active(state, 3) == (0 <= place < 3)
        assert state.ended == (place == 3)
        assert state.revision == before.revision + (state is not before)
        assert (state.block_started_at is None) == (place in (-1, 3))
        assert bool(change.events) == (state is not before)


def test_a_move_tells_where_from_where_to_and_why():
    change = outcome(walk(added(), 1), "next")
    [event] = change.events
    assert event.data == Moved(
        revision=2,
        origin=moves.BlockPlace(1, "B"),
        destination=moves.BlockPlace(2, "C"),
        in_block=True,
        study_version=4,
        by=Actor.DASHBOARD,
        reason="because",
    )


def test_who_goes_past_the_last_block_has_finished_once():
    change = outcome(walk(added(), 2), "next")
    assert [type(event.data) for event in change.events] == [Moved, Finished]
    again = outcome(walk(change.state, "back"), "next")
    assert [type(event.data) for event in again.events] == [Moved, Finished]


def test_next_at_the_end_and_back_at_the_start_change_nothing():
    start = added()
    assert outcome(start, "back").state is start
    end = walk(start, "next", "next", "next", "next")
    assert outcome(end, "next").state is end


def test_moving_to_the_current_block_starts_it_anew():
    state = outcome(added(), 1, now=NOON).state
    again = outcome(state, 1, now=LATER).state
    assert (again.block_started_at, again.revision) == (LATER, 2)


@pytest.mark.parametrize("block_id", [-1, 3, 99])
def test_a_block_that_is_not_there_is_refused(block_id):
    with pytest.raises(BlockOutOfRange, match="their blocks are 0 to 2"):
        outcome(added(4), block_id)


@pytest.mark.parametrize("index", [0, -1, 2**31])
def test_an_index_out_of_range_is_refused(index):
    with pytest.raises(ParticipantIndexInvalid):
        added(index)


def test_whoever_has_ended_stays_at_the_end_of_a_longer_study():
    end = walk(added(), "next", "next", "next", "next")
    longer = sequence(8)
    assert moves.end_if_beyond(end, longer, EXPERIMENTER, LATER, THREE).state is end
    assert position(end, 8) == 8
    back = walk(end, "back", through=longer)
    assert moves.place_of(back, longer.names).block_name == "H"


def test_a_shorter_study_ends_whoever_is_beyond_it():
    state = walk(added(), 2)
    assert moves.end_if_beyond(state, THREE, EXPERIMENTER, LATER, THREE).state is state
    ended = moves.end_if_beyond(state, sequence(2), EXPERIMENTER, LATER, THREE).state
    assert (ended.ended, ended.revision, ended.block_started_at) == (True, 2, None)


def test_a_config_is_only_there_in_a_block():
    with pytest.raises(NotInBlock, match="move-to-next moves them to the first"):
        moves.require_active(added(), THREE)
    with pytest.raises(NotInBlock, match="finished all 3"):
        moves.require_active(walk(added(), 2, "next"), THREE)


def test_times_are_written_in_utc_with_milliseconds():
    east = timezone(timedelta(hours=2))
    assert timestamp(datetime(2026, 1, 1, 1, tzinfo=east)) == "2025-12-31T23:00:00.000Z"
