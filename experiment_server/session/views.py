"""What is told of participants: their state, seen with their blocks and their presence."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable

from msgspec import Struct

from experiment_server.limits import MESSAGE_BLOCK_NAMES_MAX, SNAPSHOT_CACHE_MAX
from experiment_server.participants import snapshots
from experiment_server.participants.blocks import BlockSequence
from experiment_server.participants.moves import require_active
from experiment_server.participants.state import ParticipantState
from experiment_server.session.presence import Presence
from experiment_server.session.turns import in_turns
from experiment_server.session.versions import StudyVersions
from experiment_server.wire.encoding import Encoded
from experiment_server.wire.snapshots import ParticipantRow, ParticipantSnapshot
from experiment_server.wire.values import Config


class _Seen(Struct):
    """A snapshot, and what it was made from."""

    state: ParticipantState
    sequence: BlockSequence
    connected: int
    snapshot: Encoded[ParticipantSnapshot]
    config: Encoded[Config | None]


class ParticipantViews:
    """Makes rows and snapshots, and keeps the snapshots that were made last."""

    def __init__(self, versions: StudyVersions, presence: Presence) -> None:
        self._versions = versions
        self._presence = presence
        self._seen: OrderedDict[int, _Seen] = OrderedDict()

    def snapshot(self, state: ParticipantState) -> Encoded[ParticipantSnapshot]:
        """Where a participant stands, with their config; raises ExpansionFailed."""
        return self._see(state).snapshot

    def config(self, state: ParticipantState) -> Encoded[Config | None]:
        """The current block's config; raises NotInBlock and ExpansionFailed."""
        require_active(state, self._versions.sequence(state))
        return self._see(state).config

    def row(self, state: ParticipantState) -> ParticipantRow:
        """A participant as lists show them."""
        sequence = self._versions.sequence(state)
        return snapshots.row(state, sequence, self._presence.apps(state.participant_index))

    async def row_pages(
        self, states: Iterable[ParticipantState]
    ) -> AsyncIterator[list[ParticipantRow]]:
        """Rows, as many at a time as one message should have; others are served in between."""
        page: list[ParticipantRow] = []
        names = 0
        async for state in in_turns(states):
            row = self.row(state)
            if page and names + row.blocks_count > MESSAGE_BLOCK_NAMES_MAX:
                yield page
                page, names = [], 0
            page.append(row)
            names += row.blocks_count
        if page:
            yield page

    def all_configs(self, state: ParticipantState) -> list[Config]:
        """The configs of all blocks, overrides applied; raises ExpansionFailed."""
        return snapshots.all_configs(state, self._versions.sequence(state))

    def drop_cache(self) -> None:
        """Forget what can be worked out again."""
        self._seen.clear()

    def _see(self, state: ParticipantState) -> _Seen:
        index = state.participant_index
        sequence, connected = self._versions.sequence(state), self._presence.apps(index)
        seen = self._seen.get(index)
        if (
            seen is not None
            and seen.state is state
            and seen.sequence is sequence
            and seen.connected == connected
        ):
            self._seen.move_to_end(index)
            return seen
        made = snapshots.snapshot(state, sequence, connected)
        seen = _Seen(state, sequence, connected, Encoded(made), Encoded(made.config))
        self._seen[index] = seen
        if len(self._seen) > SNAPSHOT_CACHE_MAX:
            self._seen.popitem(last=False)
        return seen
