"""What a participant goes through: the blocks of one version of the study."""

from __future__ import annotations

from functools import cached_property

from experiment_server.study.expand import block_order, expand
from experiment_server.study.model import Block, Names, Study


class BlockSequence:
    """A participant's blocks in one version of the study, in the participant's own order.

    `study` is that version and `version` its number; `row` is the row of the design that they
    follow, by default that of their index. Names are worked out at once, the blocks when they are
    first needed.
    """

    def __init__(
        self, study: Study, version: int, participant_index: int, row: int | None = None
    ) -> None:
        self.study = study
        self.version = version
        self.names: Names = block_order(study, participant_index if row is None else row)
        self._participant_index = participant_index
        self._row = row

    @cached_property
    def values(self) -> int:
        """About how many values the blocks' configs have, which tells what they take in memory."""
        return sum(self.study.blocks[name].values for name in self.names)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks as the study file has them, without overrides; raises ExpansionFailed."""
        return expand(self.study, self._participant_index, self._row)
