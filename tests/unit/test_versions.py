"""What a new version of the study does to those who are taking part."""

from datetime import datetime, timezone

from hypothesis import given
from hypothesis import strategies as st

from experiment_server.participants.blocks import BlockSequence
from experiment_server.participants.events import Cause
from experiment_server.participants.state import ParticipantState, position
from experiment_server.participants.versions import Migration, OnChange
from experiment_server.study.parse import parse
from experiment_server.wire.events import Actor

NOON = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
BEFORE = ("A", "B", "C", "D")


def sequence(names):
    blocks = "".join(
        f'[[blocks]]\nname = "{name}"\nconfig = {{ n = 1 }}\n' for name in sorted(set(names))
    )
    order = ", ".join(f'"{name}"' for name in names)
    return BlockSequence(parse(f"[configuration]\norder = [{order}]\n{blocks}").require(), 1, 1)


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
    served, next_one = sequence(BEFORE), sequence(after)
    found = Migration()
    for state in before:
        found.add(state, served, next_one, on_change, Cause(Actor.SERVER), NOON)
    changed = {old.participant_index: outcome.state for old, outcome in found.changed}
    for state in before:
        index = state.participant_index
        new = changed.get(index, state)
        started = state.ended or state.block_id >= 0
        keeps = {"all": False, "unstarted": started, "new": True}[on_change.value]
        assert (index in found.kept) is keeps
        if keeps:
            assert new.study == (state.study or served.study.digest)
            assert (new.block_id, new.ended) == (state.block_id, state.ended)
            continue
        assert new.study is None
        assert new.ended is (state.ended or state.block_id >= len(after))
        assert (index in found.ended) is (new.ended and not state.ended)
        assert (index in found.reordered) is (after != BEFORE)
        if not new.ended:
            assert position(new, len(after)) == position(state, len(BEFORE))
    for old, outcome in found.changed:
        new = outcome.state
        assert new.revision > old.revision, "who changes has a new revision"
