"""What a new version of the study does to those who are taking part."""

from datetime import datetime, timezone

from hypothesis import given
from hypothesis import strategies as st

from experiment_server.flow.participant import ParticipantState, position
from experiment_server.flow.versions import OnChange, fit

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
BEFORE = ("A", "B", "C", "D")


@st.composite
def states(draw):
    found = []
    for index in range(1, draw(st.integers(0, 6)) + 1):
        ended = draw(st.booleans())
        place = len(BEFORE) if ended else draw(st.integers(-1, len(BEFORE) - 1))
        kept = draw(st.sampled_from([None, "older"]))
        found.append(
            ParticipantState(index, NOON, place, ended, draw(st.integers(0, 3)), None, (), kept)
        )
    return found


@given(
    states(), st.lists(st.sampled_from("ABCDE"), min_size=1, max_size=6), st.sampled_from(OnChange)
)
def test_positions_are_kept_and_nobody_stands_beyond_the_end(before, names, on_change):
    after = tuple(names)
    found = fit(before, lambda _: BEFORE, lambda _: after, "served", on_change, NOON)
    changed = {new.participant_index: new for _, new in found.states}
    for state in before:
        index = state.participant_index
        new = changed.get(index, state)
        started = state.ended or state.block_id >= 0
        keeps = {"all": False, "unstarted": started, "new": True}[on_change.value]
        assert (index in found.kept) is keeps
        if keeps:
            assert new.study == (state.study or "served")
            assert (new.block_id, new.ended) == (state.block_id, state.ended)
            continue
        assert new.study is None
        assert new.ended is (state.ended or state.block_id >= len(after))
        assert (index in found.ended) is (new.ended and not state.ended)
        assert (index in found.reordered) is (after != BEFORE)
        if not new.ended:
            assert position(new, len(after)) == position(state, len(BEFORE))
    for old, new in found.states:
        assert new.revision > old.revision, "who changes has a new revision"
