"""All operations on a session, each as one method."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from msgspec import structs

from experiment_server.errors import (
    BlockOutOfRange,
    NothingToUndo,
    NotInBlock,
    OverrideRefused,
    ParameterInvalid,
    ParticipantExists,
    StudyTooLarge,
)
from experiment_server.participants import moves, timings
from experiment_server.participants.events import LOG_COLUMNS, log_cells
from experiment_server.participants.overrides import checked_patch
from experiment_server.participants.state import ParticipantState
from experiment_server.session.answers import (
    Snapshot,
    block_id_reached,
    config_reached,
    name_reached,
    snapshot_tag,
)
from experiment_server.session.file_operations import FileOperations
from experiment_server.session.operations import (
    EVERYBODY,
    FROM_BLOCK,
    FROM_STARTED_AT,
    REASON,
    Table,
    operation,
    registry,
)
from experiment_server.session.parameters import (
    AfterEntry,
    BeforeEntry,
    BlockId,
    ConfigPatch,
    DesignRow,
    EntriesLimit,
    NewParticipant,
    OnlyParticipant,
    OwnParticipant,
)
from experiment_server.session.requests import Request
from experiment_server.session.result_operations import ResultOperations
from experiment_server.session.study_operations import StudyOperations
from experiment_server.wire.encoding import Encoded
from experiment_server.wire.events import LogEntry
from experiment_server.wire.explanations import ExplainedBlock
from experiment_server.wire.replies import BlocksCount, ParticipantLink, Visit
from experiment_server.wire.snapshots import ParticipantRow
from experiment_server.wire.tables import Layout
from experiment_server.wire.values import Config

_MOVE = (FROM_BLOCK, FROM_STARTED_AT, REASON)


class StudySession(StudyOperations, ResultOperations, FileOperations):
    """One session of a study: its participants, their moves, its study file, and its event log.

    Operations raise ParticipantUnknown for an index that was never added, and StoreUnavailable if
    a change could not be committed; nothing has changed then. A request with an idempotency key is
    executed once.
    """

    # Reading

    @operation("GET", "The number of the participant's blocks", roles=EVERYBODY)
    async def blocks_count(self, _request: Request, participant_index: OwnParticipant) -> int:
        """The number of a participant's blocks."""
        return (await self.row(participant_index)).blocks_count

    @operation("GET", "The current block's id: -1 before the first block", roles=EVERYBODY)
    async def block_id(self, _request: Request, participant_index: OwnParticipant) -> int:
        """The id of a participant's current block."""
        return (await self.row(participant_index)).block_id

    @operation("GET", "Whether the participant is in a block", roles=EVERYBODY)
    async def active(self, _request: Request, participant_index: OwnParticipant) -> bool:
        """Whether a participant is in a block."""
        return (await self.row(participant_index)).active

    @operation("GET", "The current block's config", roles=EVERYBODY, refusals=(NotInBlock,))
    async def config(
        self, _request: Request, participant_index: OwnParticipant
    ) -> Encoded[Config | None]:
        """The current block's config."""
        return self._views.config(await self._states.get(participant_index))

    @operation("GET", "The participant's index and number of blocks", roles=EVERYBODY)
    async def summary_data(
        self, _request: Request, participant_index: OwnParticipant
    ) -> BlocksCount:
        """A participant's index and number of blocks."""
        count = (await self.row(participant_index)).blocks_count
        return BlocksCount(participant_index, count, count)

    @operation("GET", "The configs of all blocks, in the participant's order", roles=EVERYBODY)
    async def all_configs(
        self, _request: Request, participant_index: OwnParticipant
    ) -> list[Config]:
        """The configs of all blocks of a participant."""
        return self._views.all_configs(await self._states.get(participant_index))

    @operation(
        "GET", "The current block as one line of text", roles=EVERYBODY, media_type="text/plain"
    )
    async def status_string(self, _request: Request, participant_index: OwnParticipant) -> str:
        """A participant's current block as one line of text."""
        row = await self.row(participant_index)
        return (
            f"Participant {row.participant_index}, "
            f"block {row.block_id} / {row.blocks_count}, {row.block_name}"
        )

    @operation("GET", "The participant snapshot", roles=EVERYBODY, tag=snapshot_tag)
    async def state(self, _request: Request, participant_index: OwnParticipant) -> Snapshot:
        """The participant snapshot; raises ExpansionFailed."""
        return self._views.snapshot(await self._states.get(participant_index))

    @operation("GET", "The origin of the blocks and their values", refusals=(StudyTooLarge,))
    async def explain(
        self, _request: Request, participant_index: OwnParticipant
    ) -> list[ExplainedBlock]:
        """The origin of a participant's blocks and values; raises ExpansionFailed."""
        return await self.study_file.explain(await self._states.get(participant_index))

    @operation("GET", "The rows of all participants")
    async def participants(self, _request: Request) -> list[ParticipantRow]:
        """The rows of all participants, ascending by index."""
        return await self.rows()

    # Moving

    @operation(
        "POST", "Move a block on; END follows the last block",
        roles=EVERYBODY, context=_MOVE, rest_body=name_reached,
    )  # fmt: skip
    async def move_to_next(self, request: Request, participant_index: OwnParticipant) -> Snapshot:
        """Move a participant to the next block; at END, nothing changes."""
        state = await self._repository.change(request, participant_index, moves.move_to_next)
        return await self._answer(state)

    @operation("POST", "Move a block back", roles=EVERYBODY, context=_MOVE, rest_body=name_reached)
    async def move_to_previous(
        self, request: Request, participant_index: OwnParticipant
    ) -> Snapshot:
        """Move a participant to the previous block; at START, nothing changes."""
        state = await self._repository.change(request, participant_index, moves.move_to_previous)
        return await self._answer(state)

    @operation(
        "POST", "Move to a block by its id",
        roles=EVERYBODY, context=_MOVE, rest_body=block_id_reached, refusals=(BlockOutOfRange,),
    )  # fmt: skip
    async def move_to_block(
        self, request: Request, participant_index: OwnParticipant, block_id: BlockId
    ) -> Snapshot:
        """Move a participant to a block by its id; raises BlockOutOfRange."""
        move = partial(moves.move_to_block, block_id=block_id)
        state = await self._repository.change(request, participant_index, move)
        return await self._answer(state)

    @operation(
        "POST", "Move all active participants to a block",
        context=(REASON,), refusals=(BlockOutOfRange,),
    )  # fmt: skip
    async def move_all_to_block(self, request: Request, block_id: BlockId) -> int:
        """Move all active participants to a block, all or none; raises BlockOutOfRange."""
        default = self.options.default_participant_index
        async with self._idempotency.once(request, list) as answered:
            if answered is None:
                await self._repository.move_all_to_block(request, block_id, default)
        return block_id

    @operation(
        "POST", "Undo the participant's last move",
        context=(REASON,), rest_body=name_reached, refusals=(NothingToUndo,),
    )  # fmt: skip
    async def undo(self, request: Request, participant_index: OwnParticipant) -> Snapshot:
        """Undo a participant's last move that was not undone yet.

        Raises NothingToUndo if there is none, or if the study no longer has the block before it.
        """
        async with self._idempotency.once(request, ParticipantState) as answered:
            state = answered or await self._undo(request, participant_index)
        return await self._answer(state)

    # Configs

    @operation(
        "PATCH", "Change the current block's config, for this participant only",
        context=_MOVE, rest_body=config_reached, path="config",
        refusals=(NotInBlock, OverrideRefused),
    )  # fmt: skip
    async def update_config(
        self, request: Request, participant_index: OwnParticipant, patch: ConfigPatch
    ) -> Snapshot:
        """Change the config of a participant's current block, for this participant only."""
        update = partial(moves.update_config, patch=checked_patch(patch))
        state = await self._repository.change(request, participant_index, update)
        return await self._answer(state)

    @operation(
        "POST", "Remove all changes of the participant's configs",
        context=(REASON,), rest_body=config_reached,
    )  # fmt: skip
    async def reset_participant(
        self, request: Request, participant_index: OwnParticipant
    ) -> Snapshot:
        """Remove all overrides of a participant's configs; the participant stays in the block."""
        state = await self._repository.change(request, participant_index, moves.reset)
        return await self._answer(state)

    # Adding

    @operation("GET", "A link that logs a participant's app in, until it expires")
    async def participant_link(
        self, _request: Request, participant_index: OwnParticipant
    ) -> ParticipantLink:
        """A link that logs a participant's app in, until it expires."""
        await self._states.get(participant_index)
        return self._link(participant_index)

    @operation("PUT", "Add a participant after the largest index")
    async def new_participant(self, request: Request) -> int:
        """Add a participant after the largest index; returns the new index."""
        async with self._idempotency.once(request, int) as answered:
            return answered or await self._repository.add_next(request)

    @operation("PUT", "Add a participant by index", refusals=(ParticipantExists,))
    async def add_participant(
        self, request: Request, participant_index: NewParticipant, row: DesignRow = None
    ) -> bool:
        """Add a participant; raises ParticipantExists."""
        async with self._idempotency.once(request, int) as answered:
            if answered is None:
                await self._repository.add(request, participant_index, row)
        return True

    # The log

    async def _event_pages(
        self, after: int, before: int | None, participant: int | None, _limit: int
    ) -> AsyncIterator[list[LogEntry]]:
        if before is not None:
            raise ParameterInvalid("a stream of the log starts after `after`; it takes no `before`")
        async for page in self._log.pages(after, participant):
            yield [entry.on_wire() for entry in page]

    @operation(
        "GET", "The event log, ascending", table=Table(Layout(LOG_COLUMNS, log_cells), _event_pages)
    )
    async def events(
        self,
        _request: Request,
        after: AfterEntry,
        before: BeforeEntry,
        participant: OnlyParticipant,
        limit: EntriesLimit,
    ) -> list[LogEntry]:
        """The next entries of the log after an id, or the last before an id."""
        entries = await self._log.entries(
            after=after, before=before, participant_index=participant, limit=limit
        )
        return [entry.on_wire() for entry in entries]

    def _visit_pages(self, participant: int | None) -> AsyncIterator[list[Visit]]:
        return self._log.visits(participant)

    @operation(
        "GET", "The time that participants spent in their blocks",
        table=Table(Layout(timings.COLUMNS, structs.asdict), _visit_pages),
    )  # fmt: skip
    async def timings(self, _request: Request, participant: OnlyParticipant) -> list[Visit]:
        """Every visit of a participant to a block."""
        return [visit async for page in self._log.visits(participant) for visit in page]

    @operation("POST", "Stop the server")
    async def shutdown(self, _request: Request) -> None:
        """Stop the server."""
        self.stopping.set()


OPERATIONS = registry(StudySession)
"""All operations, by their names for clients."""
