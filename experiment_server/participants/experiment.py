"""A study and its participants in memory, without a server."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import datetime
from functools import partial

from msgspec import to_builtins

from experiment_server.errors import ParticipantExists, ParticipantUnknown
from experiment_server.participants import moves, snapshots
from experiment_server.participants.blocks import BlockSequence
from experiment_server.participants.events import Cause
from experiment_server.participants.moves import Outcome, Transition
from experiment_server.participants.state import ParticipantState, is_active
from experiment_server.participants.versions import Migration, OnChange
from experiment_server.study.model import Study
from experiment_server.wire.events import Actor
from experiment_server.wire.values import Config, JsonObject

Listener = Callable[[JsonObject], None]
"""Called with the snapshot of a participant who was added or changed."""

_CALLER = Cause(Actor.SERVER)


class Experiment:
    """Moves participants through a study, synchronously and in memory.

    Methods take a participant's index, 1 and up; by default, that of the default participant, who
    exists from the start. `clock` returns the time in UTC. Methods raise ParticipantUnknown for an
    index that was never added.
    """

    def __init__(
        self, study: Study, clock: Callable[[], datetime], default_participant_index: int = 1
    ) -> None:
        self._study = study
        self._version = 1
        self._clock = clock
        self._states: dict[int, ParticipantState] = {}
        self._sequences: dict[int, BlockSequence] = {}
        self._listeners: list[Listener] = []
        self.default_participant_index = default_participant_index
        self.add_participant(default_participant_index)

    # Participants

    def participants(self) -> list[int]:
        """The indices of all participants, ascending."""
        return sorted(self._states)

    def add_participant(self, participant_index: int, row: int | None = None) -> None:
        """Add a participant, who follows a row of the design; the default row is the index.

        Raises ParticipantExists, or ParticipantIndexInvalid below 1.
        """
        if participant_index in self._states:
            raise ParticipantExists(participant_index)
        self._store(moves.add(participant_index, _CALLER, self._clock(), row))

    def add_participant_index(self, participant_index: int) -> bool:
        """Add a participant; return False if the participant exists already."""
        if participant_index in self._states:
            return False
        self.add_participant(participant_index)
        return True

    def new_participant(self) -> int:
        """Add a participant after the largest index, and return the new index."""
        participant_index = max(self._states) + 1
        self.add_participant(participant_index)
        return participant_index

    def get_next_participant(self) -> int:
        """Do what `new_participant` does; this is its name in release 0.3."""
        return self.new_participant()

    # Reading

    def get_state(self, participant_index: int | None = None) -> JsonObject:
        """The participant snapshot, as the server would push it."""
        state = self._state(participant_index)
        snapshot: JsonObject = to_builtins(
            snapshots.snapshot(state, self._sequence(state), connected=0)
        )
        return snapshot

    def is_active(self, participant_index: int | None = None) -> bool:
        """Whether the participant is in a block."""
        state = self._state(participant_index)
        return is_active(state, len(self._sequence(state)))

    def get_blocks_count(self, participant_index: int | None = None) -> int:
        """The number of the participant's blocks."""
        return len(self._sequence(self._state(participant_index)))

    def get_config(self, participant_index: int | None = None) -> Config:
        """The current block's config; raises NotInBlock before the first and after the last."""
        state = self._state(participant_index)
        return deepcopy(snapshots.current_config(state, self._sequence(state)))

    def get_all_configs(self, participant_index: int | None = None) -> list[Config]:
        """The configs of all the participant's blocks, in order."""
        state = self._state(participant_index)
        return deepcopy(snapshots.all_configs(state, self._sequence(state)))

    # Changing

    def move_to_next(self, participant_index: int | None = None) -> str:
        """Move one block on, and return the name of the block, or "END"."""
        return self._change(participant_index, moves.move_to_next)

    def move_to_previous(self, participant_index: int | None = None) -> str:
        """Move one block back, and return the name of the block, or "START"."""
        return self._change(participant_index, moves.move_to_previous)

    def move_to_block(self, block_id: int, participant_index: int | None = None) -> str:
        """Move to a block by its id, and return its name; raises BlockOutOfRange."""
        return self._change(participant_index, partial(moves.move_to_block, block_id=block_id))

    def move_all_to_block(self, block_id: int) -> list[int]:
        """Move all active participants to a block, all or none, and return their indices.

        Raises BlockOutOfRange if one of them has no such block. If nobody is active, the default
        participant is checked instead.
        """
        now = self._clock()
        active = [self._state(index) for index in self.participants() if self.is_active(index)]
        outcomes = [
            moves.move_to_block(state, self._sequence(state), _CALLER, now, block_id)
            for state in active or [self._state(None)]
        ]
        if not active:
            return []
        for outcome in outcomes:
            self._store(outcome)
        return [outcome.state.participant_index for outcome in outcomes]

    def reset_participant(self, participant_index: int | None = None) -> bool:
        """Remove all overrides of a participant's configs; the participant stays in the block."""
        self._change(participant_index, moves.reset)
        return True

    def on_change(self, listener: Listener) -> None:
        """Call `listener` with the snapshot of each participant who is added or changed."""
        self._listeners.append(listener)

    def use(self, study: Study) -> None:
        """Migrate all participants to another study version; they keep their positions."""
        now, migration = self._clock(), Migration()
        self._version += 1
        after = {
            index: BlockSequence(study, self._version, index, state.row)
            for index, state in self._states.items()
        }
        for state in self._states.values():
            before = self._sequence(state)
            migration.add(state, before, after[state.participant_index], OnChange.ALL, _CALLER, now)
        self._study, self._sequences = study, after
        for _, outcome in migration.changed:
            self._store(outcome)

    def _state(self, participant_index: int | None) -> ParticipantState:
        index = self.default_participant_index if participant_index is None else participant_index
        if index not in self._states:
            raise ParticipantUnknown(index)
        return self._states[index]

    def _sequence(self, state: ParticipantState) -> BlockSequence:
        index = state.participant_index
        if index not in self._sequences:
            self._sequences[index] = BlockSequence(self._study, self._version, index, state.row)
        return self._sequences[index]

    def _change(self, participant_index: int | None, transition: Transition) -> str:
        state = self._state(participant_index)
        sequence = self._sequence(state)
        outcome = transition(state, sequence, _CALLER, self._clock())
        if outcome.state is not state:
            self._store(outcome)
        return moves.place_of(outcome.state, sequence.names).block_name

    def _store(self, outcome: Outcome) -> None:
        index = outcome.state.participant_index
        self._states[index] = outcome.state
        for listener in self._listeners:
            listener(self.get_state(index))
