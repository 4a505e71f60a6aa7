"""Reads order trees: lists of blocks and groups, where each group has its own strategy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeGuard

from experiment_server.study.diagnostics import Findings, nearest, shown
from experiment_server.study.families import (
    PLACEHOLDER,
    Families,
    filled,
    level_text,
)
from experiment_server.study.keys import GROUP
from experiment_server.study.model import Binding, BlockTemplate, Group, Level, Names, Strategy
from experiment_server.study.reading import (
    Location,
    NamesCount,
    block_name,
    check_items,
    is_framing,
    read_strategy,
    report_separated,
    unknown_keys,
)
from experiment_server.wire.values import JsonValue


@dataclass(frozen=True, slots=True)
class _Item:
    """An item of a group, with its family and the levels that no `each` around it fixes."""

    item: str | Group
    label: str
    family: str | None = None
    open_levels: Binding | None = None


class TreeReader:
    """Reads the order tree of one between-subjects cell, with the levels of the cell."""

    def __init__(
        self,
        templates: Mapping[str, BlockTemplate],
        families: Families,
        cell: Binding,
        count: NamesCount,
        findings: Findings,
    ) -> None:
        self._templates = templates
        self._families = families
        self._cell = cell
        self._count = count
        self._findings = findings
        self._names = 0

    def read(self, location: Location, value: list[JsonValue]) -> Group:
        """The tree; its errors are added to the findings."""
        items = self._items(location, value, self._cell)
        self._count.add(self._names)
        return Group(tuple(item.item for item in items))

    def _items(self, location: Location, value: list[JsonValue], bound: Binding) -> list[_Item]:
        items: list[_Item] = []
        for index, item in enumerate(value):
            at = Location(f"{location.name}, item {index + 1}", (*location.at, index))
            if not self._count.has_room(location, self._names):
                return []
            if isinstance(item, dict):
                group = self._group(at, item, bound)
                if group is not None:
                    items.append(_Item(group, group.name))
            elif isinstance(item, list):
                self._findings.error(
                    "order-mixed",
                    f"{location.name} has groups that are tables, and a list among them",
                    f"write the list as a group too: {{ blocks = {shown(item)} }}",
                    at=at.at,
                )
            else:
                items += self._blocks(at, item, bound)
        return items

    def _blocks(self, location: Location, value: JsonValue, bound: Binding) -> list[_Item]:
        """The block with a name, or the members of the family that have the bound levels."""
        name = block_name(value)
        if name is None:
            self._findings.error(
                "type",
                f"{location.name} is {shown(value)}, which is no block name and no group",
                'write a name in quotes, or a group: { strategy = "randomize", blocks = [...] }',
                at=location.at,
            )
            return []
        found = self._families.named(name)
        if found is not None:
            family, written = found
            members = self._families.chosen(family, {**bound, **written})
            self._names += len(members)
            return [
                _Item(
                    member.name,
                    filled(family, {**written, **member.open_levels}),
                    family,
                    member.open_levels,
                )
                for member in members
            ]
        if name in self._templates:
            self._names += 1
            return [_Item(name, name)] if self._families.has_levels(name, self._cell) else []
        if self._templates:
            self._findings.error(
                "block-unknown",
                f'{location.name} names the unknown block "{name}"',
                nearest(name, [*self._families, *self._templates])
                or f"the blocks are {', '.join(self._templates)}",
                at=location.at,
            )
        return []

    def _group(
        self, location: Location, table: Mapping[str, JsonValue], bound: Binding
    ) -> Group | None:
        unknown_keys(table, GROUP, f"{location.name}, a group,", self._findings, at=location.at)
        value = table.get("blocks")
        if not isinstance(value, list) or not value:
            problem = "has no blocks" if not value else "has blocks that are no list"
            self._findings.error(
                "group-blocks",
                f"{location.name}, a group, {problem}",
                'write blocks = ["...", "..."] in it',
                at=(*location.at, "blocks") if "blocks" in table else location.at,
            )
            return None
        strategy = read_strategy(
            table.get("strategy", Strategy.AS_IS.value),
            "strategy",
            tuple(Strategy),
            self._findings,
            at=(*location.at, "strategy"),
        )
        inside = Location(f"{location.name}, blocks", (*location.at, "blocks"))
        factor = self._factor(location, table, bound)
        if factor is None:
            items = self._items(inside, value, bound)
        else:
            self._check_places(location, factor, value)
            items = []
            for level in self._levels(factor, bound):
                of_level = self._items(inside, value, {**bound, factor: level})
                if of_level:
                    instance = Group(tuple(item.item for item in of_level))
                    items.append(_Item(instance, level_text(level)))
        if not items:
            return None
        group = Group(
            tuple(item.item for item in items),
            strategy,
            self._pick(location, table, len(items)),
            self._name(location, table, factor, value),
            _labels(items),
            location.at,
        )
        self._check(location, group, items, has_strategy="strategy" in table)
        return group

    def _levels(self, factor: str, bound: Binding) -> Iterable[Level]:
        """The levels of a factor; a between-subjects cell has only one level of its factors."""
        return (bound[factor],) if factor in bound else self._families.factors[factor]

    def _factor(
        self, location: Location, table: Mapping[str, JsonValue], bound: Binding
    ) -> str | None:
        factor = table.get("each")
        at = (*location.at, "each")
        if factor is None:
            return None
        if not isinstance(factor, str) or factor not in self._families.factors:
            self._findings.error(
                "factor-unknown",
                f"{location.name}: each is {shown(factor)}, which is no factor",
                (isinstance(factor, str) and nearest(factor, self._families.factors))
                or "define it under [configuration.factors]",
                at=at,
            )
            return None
        if factor in bound and factor not in self._cell:
            self._findings.error(
                "factor-bound",
                f'{location.name}: each is "{factor}", and so is that of a group around it',
                "each level is met there already; remove one of the two",
                at=at,
            )
            return None
        return factor

    def _check_places(self, location: Location, factor: str, value: list[JsonValue]) -> None:
        if not any(factor in self._open_factors(name) for name in _names_in(value)):
            self._findings.warning(
                "each-without-effect",
                f'{location.name}: no block inside has a place for "{factor}", so that all levels '
                "mean the same blocks",
                f'write a block with {{{factor}}} in its name and factors = ["{factor}"], '
                "or remove each",
                at=(*location.at, "each"),
            )

    def _open_factors(self, name: str) -> set[str]:
        return set(PLACEHOLDER.findall(name)) if self._families.named(name) else set()

    def _pick(self, location: Location, table: Mapping[str, JsonValue], size: int) -> int | None:
        pick = table.get("pick")
        if pick is None:
            return None
        whole = isinstance(pick, int) and not isinstance(pick, bool)
        if whole and 1 <= pick <= size:
            return int(pick)
        self._findings.error(
            "group-pick",
            f"{location.name}: pick is {shown(pick)}, and the group has {size} items to take from",
            f"write a whole number from 1 to {size}",
            at=(*location.at, "pick"),
        )
        return None

    def _name(
        self,
        location: Location,
        table: Mapping[str, JsonValue],
        factor: str | None,
        value: list[JsonValue],
    ) -> str:
        label = table.get("label")
        if isinstance(label, str) and label:
            return label
        if label is not None:
            self._findings.error(
                "type",
                f"{location.name}: label has to be a text, got {shown(label)}",
                at=(*location.at, "label"),
            )
        if factor is not None:
            return factor
        names = [name for name in map(block_name, value) if name is not None]
        return ", ".join(names) if names else "groups"

    def _check(
        self, location: Location, group: Group, items: list[_Item], *, has_strategy: bool
    ) -> None:
        size = len(group.items)
        if not has_strategy:
            if group.pick is not None and group.pick < size:
                self._findings.warning(
                    "pick-without-strategy",
                    f"{location.name}: pick takes the same first items for everybody, because the "
                    "group has no strategy",
                    'add strategy = "latin_square" or another, or name only what is met',
                    at=(*location.at, "pick"),
                )
            return
        check_items("strategy", group.strategy, size, self._findings, at=(*location.at, "strategy"))
        if size < 2 and not self._cell:
            self._findings.warning(
                "strategy-without-effect",
                f"{location.name}: strategy has no effect: the group has a single item",
                "remove strategy, or name more blocks; what is inside a group keeps its own order",
                at=(*location.at, "strategy"),
            )
        elif group.strategy is not Strategy.AS_IS:
            self._check_framing(location, items)

    def _check_framing(self, location: Location, items: list[_Item]) -> None:
        report_separated(
            Location(location.name, (*location.at, "blocks")),
            [
                item.family or item.label
                for item in items
                if isinstance(item.item, str)
                and is_framing(self._templates[item.item], item.family or item.item)
            ],
            len(items),
            "put the conditions alone into a group with the strategy, and this before or after "
            'it; or give the group each = "..." and its blocks in their order',
            self._findings,
        )


def _labels(items: list[_Item]) -> Names:
    """The labels of items in reports: their levels if all items are of one family."""
    families = {item.family for item in items}
    if len(families) == 1 and None not in families and len(items) > 1:
        return tuple(
            ", ".join(level_text(level) for level in (item.open_levels or {}).values())
            or item.label
            for item in items
        )
    return tuple(item.label for item in items)


def _names_in(value: list[JsonValue]) -> Iterable[str]:
    """All block names in a list of blocks and groups, also inside the groups."""
    for item in value:
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict) and isinstance(item.get("blocks"), list):
            yield from _names_in(item["blocks"])


def is_tree(value: JsonValue) -> TypeGuard[list[JsonValue]]:
    """Whether an order is a tree: a list that contains groups as tables."""
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)
