"""Makes rows and snapshots from participants' states, their blocks and their presence."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable

from msgspec import Struct

from experiment_server.limits.session import (
    MESSAGE_BLOCK_NAMES_MAX,
    SEQUENCE_CACHE_VALUES_MAX,
    SNAPSHOT_CACHE_MAX,
)
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


class _CachedSnapshot(Struct, gc=False):
    """A snapshot, with the inputs that it was made from, and its config once it was asked for."""

    state: ParticipantState
    sequence: BlockSequence
    connected: int
    snapshot: Encoded[ParticipantSnapshot]
    config: Encoded[Config | None] | None = None


class ParticipantViews:
    """Makes rows and snapshots, and caches the latest snapshots."""

    def __init__(self, versions: StudyVersions, presence: Presence) -> None:
        self._versions = versions
        self._presence = presence
        self._cache: OrderedDict[int, _CachedSnapshot] = OrderedDict()
        # How many values the sequences have that the cache holds.
        self._values = 0

    def snapshot(self, state: ParticipantState) -> Encoded[ParticipantSnapshot]:
        """The snapshot of a participant; raises ExpansionFailed."""
        return self._cached(state, self._versions.sequence(state)).snapshot

    def config(self, state: ParticipantState) -> Encoded[Config | None]:
        """The current block's config; raises NotInBlock and ExpansionFailed."""
        sequence = self._versions.sequence(state)
        require_active(state, sequence)
        cached = self._cached(state, sequence)
        if cached.config is None:
            cached.config = Encoded(cached.snapshot.value.config)
        return cached.config

    def row(self, state: ParticipantState) -> ParticipantRow:
        """The row of a participant."""
        sequence = self._versions.sequence(state)
        return snapshots.row(state, sequence, self._presence.apps(state.participant_index))

    async def row_pages(
        self, states: Iterable[ParticipantState]
    ) -> AsyncIterator[list[ParticipantRow]]:
        """Rows in pages that fit into one message; other tasks run between two rows."""
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
        """The configs of all blocks, with overrides applied; raises ExpansionFailed."""
        return snapshots.all_configs(state, self._versions.sequence(state))

    def drop_cache(self) -> None:
        """Empty the cache."""
        self._cache.clear()
        self._values = 0

    def _cached(self, state: ParticipantState, sequence: BlockSequence) -> _CachedSnapshot:
        index = state.participant_index
        connected = self._presence.apps(index)
        cached = self._cache.get(index)
        if (
            cached is not None
            and cached.state is state
            and cached.sequence is sequence
            and cached.connected == connected
        ):
            self._cache.move_to_end(index)
            return cached
        snapshot = snapshots.snapshot(state, sequence, connected)
        cached = _CachedSnapshot(state, sequence, connected, Encoded(snapshot))
        replaced = self._cache.pop(index, None)
        self._values += sequence.values - (replaced.sequence.values if replaced else 0)
        self._cache[index] = cached
        # A snapshot holds the blocks that it was made from, also when no other cache has them.
        while len(self._cache) > 1 and (
            len(self._cache) > SNAPSHOT_CACHE_MAX or self._values > SEQUENCE_CACHE_VALUES_MAX
        ):
            _, removed = self._cache.popitem(last=False)
            self._values -= removed.sequence.values
        return cached
