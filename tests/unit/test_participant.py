"""Where a participant stands: transitions, and what they leave alone."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.errors import BlockOutOfRange, NotInBlock, ParticipantIndexInvalid
from experiment_server.flow import participant as flow

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
LATER = NOON + timedelta(minutes=5)
moves = st.lists(st.sampled_from(["next", "back", 0, 1, 2]), max_size=30)


def walk(state, steps, count=3):
    for step in steps:
        if step == "next":
            state = flow.move_to_next(state, count, LATER)
        elif step == "back":
            state = flow.move_to_previous(state, count, LATER)
        else:
            state = flow.move_to_block(state, step, count, LATER)
    return state


@given(moves)
def test_a_participant_is_always_somewhere_and_every_change_is_a_revision(steps):
    state, place = flow.added(1, NOON), -1
    for step in steps:
        before = state
        state = walk(state, [step])
        place = {"next": min(place + 1, 3), "back": max(place - 1, -1)}.get(step, step)
        assert flow.position(state, 3) == place
        assert flow.is_active(state, 3) == (0 <= place < 3)
        assert state.ended == (place == 3)
        assert state.revision == before.revision + (state is not before)
        assert (state.block_started_at is None) == (place in (-1, 3))


def test_next_at_the_end_and_back_at_the_start_change_nothing():
    start = flow.added(1, NOON)
    assert flow.move_to_previous(start, 3, LATER) is start
    end = walk(start, ["next"] * 4)
    assert flow.move_to_next(end, 3, LATER) is end


def test_moving_to_the_current_block_starts_it_anew():
    state = flow.move_to_block(flow.added(1, NOON), 1, 3, NOON)
    again = flow.move_to_block(state, 1, 3, LATER)
    assert (again.block_started_at, again.revision) == (LATER, 2)


@pytest.mark.parametrize("block_id", [-1, 3, 99])
def test_a_block_that_is_not_there_is_refused(block_id):
    with pytest.raises(BlockOutOfRange, match="their blocks are 0 to 2"):
        flow.move_to_block(flow.added(4, NOON), block_id, 3, NOON)


@pytest.mark.parametrize("index", [0, -1, 2**31])
def test_an_index_out_of_range_is_refused(index):
    with pytest.raises(ParticipantIndexInvalid):
        flow.added(index, NOON)


def test_whoever_has_ended_stays_at_the_end_of_a_longer_study():
    end = walk(flow.added(1, NOON), ["next"] * 4)
    assert flow.fit_to_study(end, 8, LATER) is end
    assert flow.position(end, 8) == 8
    assert flow.block_name(flow.move_to_previous(end, 8, LATER), tuple("ABCDEFGH")) == "H"


def test_a_shorter_study_ends_whoever_is_beyond_it():
    state = flow.move_to_block(flow.added(1, NOON), 2, 3, NOON)
    assert flow.fit_to_study(state, 3, LATER) is state
    fitted = flow.fit_to_study(state, 2, LATER)
    assert (fitted.ended, fitted.revision, fitted.block_started_at) == (True, 2, None)


def test_a_config_is_only_there_in_a_block():
    def snapshot(place):
        return {"participant_index": 1, "block_id": place, "blocks_count": 2, "config": None}

    with pytest.raises(NotInBlock, match="move-to-next takes them to their first"):
        flow.config_of(snapshot(-1))
    with pytest.raises(NotInBlock, match="finished all 2"):
        flow.config_of(snapshot(2))


def test_times_are_written_in_utc_with_milliseconds():
    east = timezone(timedelta(hours=2))
    assert flow.timestamp(datetime(2026, 1, 1, 1, tzinfo=east)) == "2025-12-31T23:00:00.000Z"
    assert flow.timestamp(None) is None
