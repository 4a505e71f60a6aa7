"""Computes orders: a prepared group returns the ordered block names of any participant.

Classic orders and order trees use the same groups, with one difference: in a classic order whose
groups have no strategy, the inner orders advance by one row after as many turns as there are
groups.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, cast

from experiment_server.limits.study import GROUP_ORDERS_ITEMS_MAX
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
    """A group that contains a block, and the position of the block's item in the group.

    `item` is the item's index in the file, `position` its index in the participant's order, both
    from 0. `row` is the index of the participant's order among the `rows` orders of the group;
    they are 0 and 1 if the group has no cycle of orders.
    """

    group: Group
    item: int
    position: int
    row: int
    rows: int


class OrderedGroup:
    """A prepared group, which computes its order for any turn.

    `rows` is the number of its orders. After `cycle` turns, the groups inside advance by one row.
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
        self._cached_rows: dict[int, _Row] = {}

    def names(self, turn: int, draws: Draws) -> Sequence[str]:
        """The names of the blocks for a turn (0, 1, ...), in order.

        A group draws before the groups inside it.
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
        self, turn: int, draws: Draws, outer_steps: tuple[Step, ...] = ()
    ) -> Iterator[tuple[str, tuple[Step, ...]]]:
        """The names that `names` returns, each with its groups from the outermost one."""
        if self._shuffles:
            indices: Sequence[int] = (shuffled := list(range(len(self._items))))
            shuffle(shuffled, draws.generator)
        else:
            indices = self._row(turn % self.rows)[0]
        for position, index in enumerate(indices[: self._pick]):
            steps = (*outer_steps, Step(self.group, index, position, turn % self.rows, self.rows))
            item = self._items[index]
            if isinstance(item, str):
                yield item, steps
            else:
                yield from item.walk(turn // self.cycle, draws, steps)

    def period(self) -> int:
        """The number of turns after which the orders repeat."""
        groups = (item for item in self._items if isinstance(item, OrderedGroup))
        inside = math.lcm(1, *(group.period() for group in groups))
        return self.cycle * inside if inside > 1 else self.rows

    def _row(self, row: int) -> _Row:
        """The items in one of the orders, and their indices in the file."""
        cached = self._cached_rows.get(row)
        if cached is not None:
            return cached
        size = len(self._items)
        indices: Sequence[int] = range(size)
        if self.rows > 1:
            indices = dealt_row(self.group.strategy, size, row, self._seed)
        indices = indices[: self._pick]
        ordered = (indices, tuple(self._items[index] for index in indices))
        if (len(self._cached_rows) + 1) * size <= GROUP_ORDERS_ITEMS_MAX:
            self._cached_rows[row] = ordered
        return ordered


_Row = tuple[Sequence[int], tuple["str | OrderedGroup", ...]]


def ordered_row(
    order: Order, cell: int, left_out: frozenset[str], row: int, seed: int
) -> OrderedGroup:
    """The prepared order for one between-subjects cell and one row of an order table.

    `left_out` contains the names of the blocks that participants in the cell do not get.
    """
    if order.trees:
        return OrderedGroup(order.trees[cell], seed)
    groups = without(order.rows[row], left_out)
    # A group of a single block has only one order, so its block needs no group.
    items = (
        group[0] if len(group) == 1 else Group(group, order.within_groups_strategy)
        for group in groups
    )
    cycle = cycle_length(order.groups_strategy, len(groups)) or len(groups)
    return OrderedGroup(Group(tuple(items), order.groups_strategy), seed, cycle)


def ordered_ends(ends: EndBlocks, left_out: frozenset[str], row: int) -> OrderedGroup:
    """The prepared init or final blocks for one row of their table, without `left_out`."""
    names = (name for name in ends.rows[row] if name not in left_out)
    return OrderedGroup(Group(tuple(names), ends.strategy))


def whole_cycle(order: Order, between: Between | None, ends: Iterable[EndBlocks]) -> int:
    """The number of participants after which all tables and squares repeat, in all cells."""
    cells = between.cells if between else (NO_CELL,)
    rows = len(order.rows) or 1
    orders = (
        ordered_row(order, cell_index, cell.left_out, row, 0).period()
        for cell_index, cell in enumerate(cells)
        for row in range(rows)
    )
    cycle = math.lcm(rows, *orders)
    return math.lcm(len(cells) * cycle, *(len(part.rows) for part in ends))
