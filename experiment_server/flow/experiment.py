"""A study and its participants in memory: the whole flow, without a server."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from experiment_server.errors import ParticipantExists, ParticipantUnknown
from experiment_server.flow import participant as flow
from experiment_server.flow.participant import ParticipantState
from experiment_server.study.expand import block_order, expand
from experiment_server.study.model import Config, Names, Study


class Experiment:
    """Moves participants through a study, synchronously and in memory.

    Participants are named by their index, 1 and up; where it is left out, the default participant
    is meant, who is there from the start. `clock` tells the time in UTC. Methods raise
    ParticipantUnknown for an index that was never added.
    """

    def __init__(
        self, study: Study, clock: Callable[[], datetime], default_participant_index: int = 1
    ) -> None:
        self._study = study
        self._clock = clock
        self._states: dict[int, ParticipantState] = {}
        self.default_participant_index = default_participant_index
        self.add_participant(default_participant_index)

    def participants(self) -> list[int]:
        """The indices of all participants, ascending."""
        return sorted(self._states)

    def add_participant(self, participant_index: int) -> None:
        """Add a participant; raises ParticipantExists, or ParticipantIndexInvalid below 1."""
        if participant_index in self._states:
            raise ParticipantExists(participant_index)
        self._states[participant_index] = flow.added(participant_index, self._clock())

    def new_participant(self) -> int:
        """Add the participant after the largest index, and return the new index."""
        participant_index = max(self._states) + 1
        self.add_participant(participant_index)
        return participant_index

    def get_state(self, participant_index: int | None = None) -> dict[str, Any]:
        """The participant snapshot, as the server would push it."""
        state = self._state(participant_index)
        blocks = expand(self._study, state.participant_index)
        return flow.snapshot(state, blocks, connected=0, study=self._study.digest)

    def is_active(self, participant_index: int | None = None) -> bool:
        """Whether the participant is in a block."""
        state = self._state(participant_index)
        return flow.is_active(state, len(self._names(state)))

    def get_blocks_count(self, participant_index: int | None = None) -> int:
        """How many blocks the participant goes through."""
        return len(self._names(self._state(participant_index)))

    def get_config(self, participant_index: int | None = None) -> Config:
        """The current block's config; raises NotInBlock before the first and after the last."""
        return flow.config_of(self.get_state(participant_index))

    def get_all_configs(self, participant_index: int | None = None) -> list[Config]:
        """The configs of all the participant's blocks, in order."""
        index = self._state(participant_index).participant_index
        return [block.config for block in expand(self._study, index)]

    def move_to_next(self, participant_index: int | None = None) -> str:
        """Move one block on, and return the name of the block, or "END"."""
        state = self._state(participant_index)
        return self._set(flow.move_to_next(state, len(self._names(state)), self._clock()))

    def move_to_previous(self, participant_index: int | None = None) -> str:
        """Move one block back, and return the name of the block, or "START"."""
        state = self._state(participant_index)
        return self._set(flow.move_to_previous(state, len(self._names(state)), self._clock()))

    def move_to_block(self, block_id: int, participant_index: int | None = None) -> str:
        """Move to a block by its id, and return its name; raises BlockOutOfRange."""
        state = self._state(participant_index)
        count = len(self._names(state))
        return self._set(flow.move_to_block(state, block_id, count, self._clock()))

    def move_all_to_block(self, block_id: int) -> list[int]:
        """Move every active participant, all or none, and return their indices."""
        now = self._clock()
        moved = [
            flow.move_to_block(state, block_id, len(self._names(state)), now)
            for index, state in sorted(self._states.items())
            if self.is_active(index)
        ]
        for state in moved:
            self._set(state)
        return [state.participant_index for state in moved]

    def _state(self, participant_index: int | None) -> ParticipantState:
        index = self.default_participant_index if participant_index is None else participant_index
        if index not in self._states:
            raise ParticipantUnknown(index)
        return self._states[index]

    def _names(self, state: ParticipantState) -> Names:
        return block_order(self._study, state.participant_index)

    def _set(self, state: ParticipantState) -> str:
        self._states[state.participant_index] = state
        return flow.block_name(state, self._names(state))
