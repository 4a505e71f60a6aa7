"""One participant's blocks, out of a study.

A participant follows one row of the design, by default that of their index. All randomness of a
row comes from one generator, seeded with the study's seed plus the row, and is drawn in one fixed
order: groups, inside groups, init blocks, final blocks, then function calls in execution order. A
participant's blocks therefore never depend on who was expanded before.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import lru_cache
from weakref import WeakKeyDictionary

from experiment_server.study.blocks import PreparedBlock
from experiment_server.study.dealing import Dealer, Step, edge_dealer, order_dealer
from experiment_server.study.draws import Draws
from experiment_server.study.model import (
    NO_CELL,
    BetweenStrategy,
    Block,
    Cell,
    Names,
    Study,
)

KEPT_DEALERS = 2_000
"""Rows of tables that stay ready to be dealt; those of long tables are made anew."""


def block_order(study: Study, row: int) -> Names:
    """The names of the blocks of a row of the design, in order, without expanding them."""
    plan = _plan(study)
    return tuple(plan.names(plan.draws(row)))


def condition_order(study: Study, row: int) -> Names:
    """The part of a row's block order that `order` rules: no init and final blocks."""
    plan = _plan(study)
    _, dealer, _ = plan.dealers(row)
    return tuple(dealer.names(plan.turn(row), plan.draws(row)))


def condition_walk(study: Study, row: int) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """The blocks of `condition_order`, each with its way through the groups of the order."""
    plan = _plan(study)
    _, dealer, _ = plan.dealers(row)
    return dealer.walk(plan.turn(row), plan.draws(row))


def expand(study: Study, participant_index: int, row: int | None = None) -> tuple[Block, ...]:
    """A participant's blocks, fully expanded; participants and rows count from 1.

    They follow the row of the design of their own index, or another one: its orders, cell and draws
    are theirs then, under their own index. Raises ExpansionFailed when a function call cannot be
    served. The values are the caller's own: nothing in them is shared with the study or with
    another expansion.
    """
    plan = _plan(study)
    return tuple(
        plan.expand(plan.draws(participant_index if row is None else row, participant_index))
    )


def configs_json(study: Study, participant_index: int) -> str:
    """The list of the configs of `expand` as JSON, without making the values; raises as it does."""
    plan = _plan(study)
    return plan.json(plan.draws(participant_index))


def cell_of(study: Study, row: int) -> Cell:
    """The cell of the between-subjects factors that a row is in.

    The cells are gone through in turn, or, block-randomised, each run of as many rows as
    there are cells meets every cell once, in an order that only the study's seed decides.
    """
    return study.between.cells[cell_place(study, row)] if study.between else NO_CELL


def cell_place(study: Study, row: int) -> int:
    """Which of the cells a row is in, 0 where there are none."""
    return _plan(study).cell(row)


def turn_of(study: Study, row: int) -> int:
    """The how-manyth of its cell a row is, from 0.

    The orders are dealt anew in each cell, so that cell and order are crossed, not confounded.
    """
    return _plan(study).turn(row)


class _Plan:
    """A study that is ready to be expanded for any number of participants."""

    def __init__(self, study: Study) -> None:
        # Without the study itself: plans are kept for as long as their studies are.
        self._seed = study.random_seed
        self._order = study.order
        self._edges = (study.init_blocks, study.final_blocks)
        self._cells = study.between.cells if study.between else (NO_CELL,)
        self._strategy = study.between.strategy if study.between else BetweenStrategy.CYCLE
        self._templates = study.blocks
        self._blocks: dict[str, PreparedBlock] = {}
        self._dealers: dict[tuple[int, int, int], Dealer] = {}
        rows = (len(self._order.rows), *(len(edge.rows) for edge in self._edges))
        self._only: tuple[Dealer, Dealer, Dealer] | None = None
        if len(self._cells) == 1 and max(rows) == 1:
            self._only = self.dealers(1)

    def draws(self, row: int, participant_index: int | None = None) -> Draws:
        """What a row is drawn from, for the participant of its number or another one."""
        if row < 1:
            raise ValueError(f"rows of a design count from 1, got {row}")
        return Draws(self._seed, row, participant_index)

    def cell(self, row: int) -> int:
        cells = len(self._cells)
        run, place = divmod(row - 1, cells)
        if self._strategy is BetweenStrategy.BLOCK_RANDOMIZE:
            return _shuffled_cells(self._seed, run, cells)[place]
        return place

    def turn(self, row: int) -> int:
        return (row - 1) // len(self._cells)

    def dealers(self, row: int) -> tuple[Dealer, Dealer, Dealer]:
        """The dealers of a row's init blocks, order, and final blocks."""
        if self._only is not None:
            return self._only
        turn, cell = self.turn(row), self.cell(row)
        first, last = ((row - 1) % len(edge.rows) for edge in self._edges)
        return (
            self._dealer(_INIT, cell, first),
            self._dealer(_ORDER, cell, turn % (len(self._order.rows) or 1)),
            self._dealer(_FINAL, cell, last),
        )

    def names(self, draws: Draws) -> list[str]:
        """The names of a row's blocks."""
        row = draws.row
        first, order, last = self.dealers(row)
        ordered = order.names(self.turn(row), draws)
        names = first.names(row - 1, draws)
        names += ordered
        names += last.names(row - 1, draws)
        return names

    def expand(self, draws: Draws) -> Iterator[Block]:
        for block_id, name in enumerate(self.names(draws)):
            yield self._block(name).expand(draws, block_id)

    def json(self, draws: Draws) -> str:
        index = str(draws.participant_index)
        names = enumerate(self.names(draws))
        configs = [self._block(name).json(draws, index, block_id) for block_id, name in names]
        return f"[{', '.join(configs)}]"

    def _block(self, name: str) -> PreparedBlock:
        block = self._blocks.get(name)
        if block is None:
            block = self._blocks[name] = PreparedBlock(self._templates[name])
        return block

    def _dealer(self, part: int, cell: int, row: int) -> Dealer:
        """The dealer of init blocks, final blocks or the order, for a cell and a row of a table."""
        dealer = self._dealers.get((part, cell, row))
        if dealer is None:
            if len(self._dealers) >= KEPT_DEALERS:
                self._dealers.clear()
            left_out = self._cells[cell].left_out
            if part == _ORDER:
                dealer = order_dealer(self._order, cell, left_out, row, self._seed)
            else:
                dealer = edge_dealer(self._edges[part], left_out, row)
            self._dealers[part, cell, row] = dealer
        return dealer


_INIT, _FINAL, _ORDER = 0, 1, 2


@lru_cache(maxsize=64)
def _shuffled_cells(seed: int, run: int, cells: int) -> list[int]:
    """The cells of a run of rows, block-randomised."""
    return random.Random(f"between {seed} {run}").sample(range(cells), cells)


_plans: WeakKeyDictionary[Study, _Plan] = WeakKeyDictionary()


def _plan(study: Study) -> _Plan:
    plan = _plans.get(study)
    if plan is None:
        plan = _plans[study] = _Plan(study)
    return plan
