"""Rewrites classic orders, lists of names, as order trees.

A tree may produce other orders than the list. The caller compares both before it suggests a tree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from experiment_server.study.families import Families, filled, is_same
from experiment_server.study.model import Binding, Names, Order, Strategy
from experiment_server.study.order import dealt_row
from experiment_server.wire.values import JsonObject

Item = str | JsonObject
"""An item of a tree as written in a file: a name, or a group."""

WRITTEN_BY_HAND = (Strategy.LATIN_SQUARE, Strategy.PERMUTATIONS, Strategy.LATIN_SQUARE_0_3)
"""Strategies whose orders people write out in tables, one row for each order."""


class Rewriter:
    """Builds trees from classic orders, whose blocks may be members of families."""

    def __init__(self, families: Families) -> None:
        self._families = families
        self._family_of = {name: family for family in families for name in families[family]}

    def trees(self, order: Order) -> Iterator[list[Item]]:
        """Trees that may produce the same orders as a classic order."""
        within = order.within_groups_strategy
        rows = [[_inside(names, within) for names in groups] for groups in order.rows]
        if len(rows) == 1:
            for group in self._ordered(rows[0], order.groups_strategy):
                yield [group]
            return
        table = Chunks([[item for group in row for item in group] for row in rows])
        first, last = (self._compressed(items, {}) for items in (table.first, table.last))
        for strategy in WRITTEN_BY_HAND if table.is_dealt else ():
            for group in self._ordered(_as_dealt(table.middle, strategy), strategy):
                yield [*first, group, *last]

    def _ordered(self, groups: Sequence[list[Item]], strategy: Strategy) -> Iterator[JsonObject]:
        """Tree groups that may produce these: one for each level of a factor, or one for all."""
        how = {} if strategy is Strategy.AS_IS else {"strategy": strategy.value}
        for factor, levels in self._families.factors.items():
            of_level = {self._level(group, factor): group for group in groups}
            if len(groups) != len(levels) or of_level.keys() != set(map(repr, levels)):
                continue
            inside = [self._compressed(of_level[repr(level)], {factor: level}) for level in levels]
            if all(items == inside[0] for items in inside):
                yield {"each": factor, **how, "blocks": inside[0]}
        if strategy is Strategy.AS_IS:
            return
        if all(len(group) == 1 for group in groups):
            yield {**how, "blocks": self._compressed([group[0] for group in groups], {})}
        else:
            compressed = (self._compressed(group, {}) for group in groups)
            items = [group[0] if len(group) == 1 else {"blocks": group} for group in compressed]
            yield {**how, "blocks": items}

    def _level(self, items: list[Item], factor: str) -> str | None:
        """The level of the first block that has the factor."""
        for item in items:
            if isinstance(item, dict):
                return self._level(item["blocks"], factor)
            level = self._families.levels.get(item, {}).get(factor)
            if level is not None:
                return repr(level)
        return None

    def _compressed(self, items: list[Item], bound: Binding) -> list[Item]:
        """Items in which members of a family, if they are in order, become the family's name."""
        found: list[Item] = []
        index = 0
        while index < len(items):
            item = items[index]
            if isinstance(item, dict):
                found.append({**item, "blocks": self._compressed(item["blocks"], bound)})
                index += 1
            else:
                name, length = self._family_at(items, index, item, bound)
                found.append(name)
                index += length
        return found

    def _family_at(
        self, items: list[Item], index: int, name: str, bound: Binding
    ) -> tuple[str, int]:
        """The shortest name for a block in groups with bound levels, and its number of items."""
        family, levels = self._family_of.get(name), self._families.levels.get(name, {})
        if family is None or any(
            not is_same(level, bound[factor]) for factor, level in levels.items() if factor in bound
        ):
            return name, 1
        members = [member.name for member in self._families.chosen(family, bound)]
        if items[index : index + len(members)] == members:
            return family, len(members)
        left = {factor: level for factor, level in levels.items() if factor not in bound}
        return filled(family, left), 1


class Chunks:
    """The rows of a table, divided into chunks of items that are together in all rows.

    `first` and `last` contain the items at the beginning and the end of every row, `middle` the
    chunks between them in the order of the first row. `is_dealt` is whether every row has the same
    items, each once, and more than one chunk to order.
    """

    def __init__(self, rows: list[list[Item]]) -> None:
        self.first: list[Item] = []
        self.last: list[Item] = []
        self.middle: list[list[Item]] = []
        numbers = [[repr(item) for item in row] for row in rows]
        self.is_dealt = all(
            Counter(row) == Counter(numbers[0]) and len(set(row)) == len(row) for row in numbers
        )
        if self.is_dealt:
            self._divide(rows[0], numbers)

    def _divide(self, items: list[Item], rows: list[list[str]]) -> None:
        together = set.intersection(*(set(pairwise(row)) for row in rows))
        chunks: list[list[str]] = []
        for name in rows[0]:
            if chunks and (chunks[-1][-1], name) in together:
                chunks[-1].append(name)
            else:
                chunks.append([name])
        written = dict(zip(rows[0], items, strict=True))
        middle = [[written[name] for name in chunk] for chunk in chunks]
        if len({row[0] for row in rows}) == 1:
            self.first = middle.pop(0)
        if middle and len({row[-1] for row in rows}) == 1:
            self.last = middle.pop()
        self.middle = middle
        self.is_dealt = len(middle) > 1


def _inside(names: Names, strategy: Strategy) -> list[Item]:
    """The content of a classic group as items of a tree."""
    if strategy is Strategy.AS_IS or len(names) < 2:
        return list(names)
    return [{"strategy": strategy.value, "blocks": list(names)}]


def _as_dealt(row: list[list[Item]], strategy: Strategy) -> list[list[Item]]:
    """The items that a strategy brings into the order of a row for the first participant."""
    dealt = dealt_row(strategy, len(row), 0, 0)
    return [row[dealt.index(index)] for index in range(len(row))]
