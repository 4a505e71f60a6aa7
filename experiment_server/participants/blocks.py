"""The block sequence of a participant in one study version."""

from __future__ import annotations

from functools import cached_property

from experiment_server.study.expand import block_order, expand
from experiment_server.study.model import Block, Names, Study


class BlockSequence:
    """A participant's blocks in one study version, in the participant's order.

    `study` is that version and `version` its number. `row` is the row of the design, by default
    the index. The names are computed at once, the blocks when they are first read.
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
        """The approximate number of values in the configs, which estimates the memory use."""
        return sum(self.study.blocks[name].values for name in self.names)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The expanded blocks, without overrides; raises ExpansionFailed."""
        return expand(self.study, self._participant_index, self._row)
