"""Putting blocks into order: a group, made ready once, gives each participant its blocks.

The groups of a classic order are those of an order tree, with one difference: where no strategy
deals the groups of a classic order, what is inside them advances after as many turns as there are
groups.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, cast

from experiment_server.limits import GROUP_ORDERS_ITEMS_MAX
from experiment_server.study.draws import Draws
from experiment_server.study.model import (
    NO_CELL,
    Between,
    EndBlocks,
    Group,
    Order,
    Strategy,
    without,
)
from experiment_server.study.order import cycle_length, dealt_row, shuffle


class Step(NamedTuple):
    """A group on the way to a block: the item that the block is in, and how it came to its place.

    The item is the `item`-th of the group as written, and the `place`-th that the participant
    meets. `row` is which of `rows` orders the participant has, (0, 1) where nothing is dealt.
    """

    group: Group
    item: int
    place: int
    row: int
    rows: int


class OrderedGroup:
    """A group that is ready to be put into order.

    `rows` is the number of its orders, `cycle` the number of turns after which what is inside
    advances by one row.
    """

    def __init__(self, group: Group, seed: int = 0, cycle: int | None = None) -> None:
        size = len(group.items)
        self.group = group
        self.rows = cycle_length(group.strategy, size) or 1
        self.cycle = cycle or self.rows
        self._items = tuple(
            item if isinstance(item, str) else OrderedGroup(item, seed) for item in group.items
        )
        self._pick = group.pick or size
        self._seed = seed
        self._shuffles = group.strategy is Strategy.RANDOMIZE and size > 1
        self._is_flat = all(isinstance(item, str) for item in self._items)
        self._kept: dict[int, _Row] = {}

    def names(self, turn: int, draws: Draws) -> Sequence[str]:
        """The names of the blocks for a turn (0, 1, ...), in order.

        A group draws before those inside it.
        """
        items: Sequence[str | OrderedGroup]
        if self._shuffles:
            items = shuffled = list(self._items)
            shuffle(shuffled, draws.generator)
            if self._pick < len(shuffled):
                del shuffled[self._pick :]
        else:
            items = self._row(turn % self.rows)[1]
        if self._is_flat:
            return cast("Sequence[str]", items)
        names: list[str] = []
        for item in items:
            if isinstance(item, str):
                names.append(item)
            else:
                names += item.names(turn // self.cycle, draws)
        return names

    def walk(
        self, turn: int, draws: Draws, way: tuple[Step, ...] = ()
    ) -> Iterator[tuple[str, tuple[Step, ...]]]:
        """What `names` gives, each with its way through the groups from the outermost one."""
        if self._shuffles:
            places: Sequence[int] = (shuffled := list(range(len(self._items))))
            shuffle(shuffled, draws.generator)
        else:
            places = self._row(turn % self.rows)[0]
        for met, place in enumerate(places[: self._pick]):
            here = (*way, Step(self.group, place, met, turn % self.rows, self.rows))
            item = self._items[place]
            if isinstance(item, str):
                yield item, here
            else:
                yield from item.walk(turn // self.cycle, draws, here)

    def period(self) -> int:
        """After how many turns the orders start over."""
        groups = (item for item in self._items if isinstance(item, OrderedGroup))
        inside = math.lcm(1, *(group.period() for group in groups))
        return self.cycle * inside if inside > 1 else self.rows

    def _row(self, row: int) -> _Row:
        """The items that a participant meets in one of the orders, and their places as written."""
        kept = self._kept.get(row)
        if kept is not None:
            return kept
        size = len(self._items)
        places: Sequence[int] = range(size)
        if self.rows > 1:
            places = dealt_row(self.group.strategy, size, row, self._seed)
        places = places[: self._pick]
        made = (places, tuple(self._items[place] for place in places))
        if (len(self._kept) + 1) * size <= GROUP_ORDERS_ITEMS_MAX:
            self._kept[row] = made
        return made


_Row = tuple[Sequence[int], tuple["str | OrderedGroup", ...]]


def ordered_row(
    order: Order, cell: int, left_out: frozenset[str], row: int, seed: int
) -> OrderedGroup:
    """An order, ready for one between-subjects cell and one row of an order table.

    `left_out` names the blocks that the cell does not have.
    """
    if order.trees:
        return OrderedGroup(order.trees[cell], seed)
    groups = without(order.rows[row], left_out)
    # A single block needs no group around it: whatever the strategy, there is nothing to order.
    items = (
        group[0] if len(group) == 1 else Group(group, order.within_groups_strategy)
        for group in groups
    )
    cycle = cycle_length(order.groups_strategy, len(groups)) or len(groups)
    return OrderedGroup(Group(tuple(items), order.groups_strategy), seed, cycle)


def ordered_ends(ends: EndBlocks, left_out: frozenset[str], row: int) -> OrderedGroup:
    """Init or final blocks, ready for one row of their table, without some blocks."""
    names = (name for name in ends.rows[row] if name not in left_out)
    return OrderedGroup(Group(tuple(names), ends.strategy))


def whole_cycle(order: Order, between: Between | None, ends: Iterable[EndBlocks]) -> int:
    """After how many participants the rows of tables and squares start over, in all cells."""
    cells = between.cells if between else (NO_CELL,)
    rows = len(order.rows) or 1
    orders = (
        ordered_row(order, place, cell.left_out, row, 0).period()
        for place, cell in enumerate(cells)
        for row in range(rows)
    )
    cycle = math.lcm(rows, *orders)
    return math.lcm(len(cells) * cycle, *(len(part.rows) for part in ends))
