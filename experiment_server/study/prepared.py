"""A prepared study: returns the blocks of any row of the design, their configs and their JSON."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from functools import lru_cache
from weakref import WeakKeyDictionary

from experiment_server.limits.study import PREPARED_ROWS_MAX
from experiment_server.study.blocks import PreparedBlock
from experiment_server.study.draws import Draws
from experiment_server.study.model import NO_CELL, BetweenStrategy, Block, BlockTemplate, Study
from experiment_server.study.ordering import OrderedGroup, ordered_ends, ordered_row

_INIT, _FINAL, _ORDER = 0, 1, 2


class _Blocks(dict[str, PreparedBlock]):
    """The prepared blocks of a study; each is prepared at its first use."""

    def __init__(self, templates: Mapping[str, BlockTemplate]) -> None:
        super().__init__()
        self._templates = templates

    def __missing__(self, name: str) -> PreparedBlock:
        block = self[name] = PreparedBlock(self._templates[name])
        return block


Parts = tuple[OrderedGroup, OrderedGroup, OrderedGroup]
"""The init blocks, the order and the final blocks of a row of the design."""


class PreparedStudy:
    """A prepared study, which expands any row of its design, counted from 1."""

    def __init__(self, study: Study) -> None:
        # This keeps no reference to the study, so the cache entry ends with its study.
        self._seed = study.random_seed
        self._order = study.order
        self._ends = study.ends
        self._cells = study.between.cells if study.between else (NO_CELL,)
        self._strategy = study.between.strategy if study.between else BetweenStrategy.CYCLE
        self._blocks = _Blocks(study.blocks)
        self._parts: dict[tuple[int, int, int], OrderedGroup] = {}
        self._for_everybody: Parts | None = None
        if len(self._cells) == 1 and all(len(part.rows) < 2 for part in (self._order, *self._ends)):
            self._for_everybody = self.parts(1)

    def draws(self, row: int, participant_index: int | None = None) -> Draws:
        """The draws of a row, for the participant with the row's number or another index.

        Raises ValueError for a row below 1.
        """
        if row < 1:
            raise ValueError(f"rows of a design count from 1, got {row}")
        return Draws(self._seed, row, participant_index)

    def cell(self, row: int) -> int:
        """The index of a row's between-subjects cell, from 0.

        By default the rows go through the cells in turn. With block randomisation, each run of as
        many rows as there are cells contains every cell once, in an order drawn from the seed.
        """
        cells = len(self._cells)
        run, position = divmod(row - 1, cells)
        if self._strategy is BetweenStrategy.BLOCK_RANDOMIZE:
            return _shuffled_cells(self._seed, run, cells)[position]
        return position

    def turn(self, row: int) -> int:
        """The number of earlier rows in the same cell.

        Each cell counts its own turns, so that cell and order are crossed, not confounded.
        """
        return (row - 1) // len(self._cells)

    def parts(self, row: int) -> Parts:
        """The prepared init blocks, order and final blocks of a row."""
        if self._for_everybody is not None:
            return self._for_everybody
        turn, cell = self.turn(row), self.cell(row)
        first, last = ((row - 1) % len(ends.rows) for ends in self._ends)
        return (
            self._part(_INIT, cell, first),
            self._part(_ORDER, cell, turn % (len(self._order.rows) or 1)),
            self._part(_FINAL, cell, last),
        )

    def names(self, draws: Draws) -> list[str]:
        """The names of a row's blocks. The order draws before the init and final blocks."""
        row = draws.row
        first, order, last = self.parts(row)
        ordered = order.names(self.turn(row), draws)
        return [*first.names(row - 1, draws), *ordered, *last.names(row - 1, draws)]

    def expand(self, draws: Draws) -> Iterator[Block]:
        """A participant's blocks; raises ExpansionFailed."""
        for block_id, name in enumerate(self.names(draws)):
            yield self._blocks[name].expand(draws, block_id)

    def json(self, draws: Draws) -> str:
        """The list of a participant's configs as JSON; raises ExpansionFailed."""
        index = str(draws.participant_index)
        blocks = self._blocks
        names = enumerate(self.names(draws))
        configs = [blocks[name].json(draws, index, block_id) for block_id, name in names]
        return f"[{', '.join(configs)}]"

    def _part(self, part: int, cell: int, row: int) -> OrderedGroup:
        """The init blocks, the final blocks or the order, for a cell and a row of a table."""
        found = self._parts.get((part, cell, row))
        if found is None:
            if len(self._parts) >= PREPARED_ROWS_MAX:
                self._parts.clear()
            left_out = self._cells[cell].left_out
            if part == _ORDER:
                found = ordered_row(self._order, cell, left_out, row, self._seed)
            else:
                found = ordered_ends(self._ends[part], left_out, row)
            self._parts[part, cell, row] = found
        return found


@lru_cache(maxsize=64)
def _shuffled_cells(seed: int, run: int, cells: int) -> list[int]:
    """The cells of one run of rows, in a random order."""
    return random.Random(f"between {seed} {run}").sample(range(cells), cells)


_prepared: WeakKeyDictionary[Study, PreparedStudy] = WeakKeyDictionary()


def prepared_study(study: Study) -> PreparedStudy:
    """The prepared study, which is cached as long as the study exists."""
    found = _prepared.get(study)
    if found is None:
        found = _prepared[study] = PreparedStudy(study)
    return found
