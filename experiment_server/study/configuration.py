"""Reads `[configuration]`: the orders, the init and final blocks, and the seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import starmap

from experiment_server.study.diagnostics import Findings, nearest, shown
from experiment_server.study.families import Families
from experiment_server.study.keys import END_STRATEGIES, GROUP
from experiment_server.study.model import (
    NO_CELL,
    Between,
    BlockTemplate,
    EndBlocks,
    Names,
    Order,
    Strategy,
)
from experiment_server.study.order_checks import OLDER_NAMES, OrderChecks, written_as
from experiment_server.study.ordering import whole_cycle
from experiment_server.study.reading import (
    SECTION,
    Location,
    NamesCount,
    block_name,
    read_strategy,
)
from experiment_server.study.tree_hint import hint_at_tree
from experiment_server.study.trees import TreeReader, is_tree
from experiment_server.wire.values import JsonObject, JsonValue

ORDER_SHAPES = (
    "a list of block names and groups, a list of lists of block names, "
    'or a table like { 1 = ["A", "B"] }'
)


class ConfigurationReader:
    """Reads `[configuration]`, and checks it against the blocks of the study."""

    def __init__(
        self,
        configuration: Mapping[str, JsonValue],
        templates: Mapping[str, BlockTemplate],
        families: Families,
        between: Between | None,
        findings: Findings,
    ) -> None:
        self._configuration = configuration
        self._templates = templates
        self._families = families
        self._between = between
        self._findings = findings
        self._count = NamesCount(findings)
        self._checks = OrderChecks(configuration, templates, families, between, findings)

    def order(self) -> Order:
        """The groups and their strategies."""
        groups_strategy = self._strategy("groups_strategy", tuple(Strategy))
        within = self._strategy("within_groups_strategy", tuple(Strategy))
        value = self._configuration.get("order")
        if is_tree(value):
            return self._tree(value)
        flat = value is None
        if isinstance(value, dict):
            if groups_strategy is not Strategy.AS_IS:
                self._findings.error(
                    "strategy-on-table",
                    f'order is a table, so groups_strategy has to be "as_is", '
                    f'not "{groups_strategy.value}"',
                    "the table itself says which participant gets which order",
                    at=(SECTION, written_as(self._configuration, "groups_strategy")),
                )
            rows = tuple(starmap(self._groups, self._rows_of_table("order", value))) or ((),)
        elif value is None:
            rows = (tuple((name,) for name in self._templates),)
        else:
            groups = self._groups(_location("order"), value)
            flat = bool(groups) and not any(map(self._is_group, value))
            if flat:
                groups = tuple((name,) for name in groups[0])
            rows = (groups,)
        order = Order(rows, groups_strategy, within)
        self._checks.groups(order, flat=flat)
        return order

    def _tree(self, value: list[JsonValue]) -> Order:
        for key in ("groups_strategy", "within_groups_strategy"):
            written = written_as(self._configuration, key)
            if written in self._configuration:
                self._findings.error(
                    "strategy-on-tree",
                    f"{written} is for lists of names, and order has groups that are tables",
                    'each group has a strategy of its own: { strategy = "latin_square", '
                    "blocks = [...] }",
                    at=(SECTION, written),
                )
        cells = self._between.cells if self._between else (NO_CELL,)
        trees = []
        for cell in cells:
            reader = TreeReader(
                self._templates, self._families, cell.levels, self._count, self._findings
            )
            trees.append(reader.read(_location("order"), value))
        order = Order((), trees=tuple(trees))
        self._checks.cells(order)
        return order

    def end_blocks(self, key: str) -> EndBlocks:
        """The blocks of init_blocks or final_blocks."""
        strategy = self._strategy(f"{key}_strategy", END_STRATEGIES)
        value = self._configuration.get(key, [])
        if isinstance(value, dict):
            rows = tuple(starmap(self._names, self._rows_of_table(key, value)))
            ends = EndBlocks(rows or ((),), strategy)
        else:
            ends = EndBlocks((self._names(_location(key), value),), strategy)
        if strategy is not Strategy.AS_IS and all(len(row) < 2 for row in ends.rows):
            self._checks.no_effect(f"{key}_strategy", f"{key} has nothing to put into an order")
        return ends

    def seed(self) -> int:
        """The random seed, 0 if the file has none."""
        seed = self._configuration.get("random_seed", 0)
        if isinstance(seed, int) and not isinstance(seed, bool):
            return seed
        self._findings.error(
            "type",
            f"random_seed has to be a whole number, got {shown(seed)}",
            at=(SECTION, "random_seed"),
        )
        return 0

    def report_cycle(self, order: Order, ends: Iterable[EndBlocks]) -> None:
        """Add a diagnostic with the cycle of the orders, if squares or tables have one."""
        if self._findings.has_errors:
            return
        cycle = whole_cycle(order, self._between, ends)
        if cycle > 1:
            self._findings.info(
                "cycle",
                f"the orders start over after {cycle} participants",
                f"plan for a multiple of {cycle}, so that each order is used equally often",
                at=(SECTION, "order"),
            )

    def hint_at_tree(self, order: Order) -> None:
        """Add a hint with an order tree, if it would be shorter than the classic order."""
        if self._between is None and not self._findings.has_errors:
            hint_at_tree(
                order, self._configuration, self._templates, self._families, self._findings
            )

    def _strategy(self, key: str, allowed: tuple[Strategy, ...]) -> Strategy:
        written = written_as(self._configuration, key)
        older = OLDER_NAMES.get(key)
        if written == key and key in self._configuration and older in self._configuration:
            self._findings.warning(
                "key-twice",
                f"{key} and its older name {older} are both given; {key} counts",
                f"remove {older}",
                at=(SECTION, str(older)),
                key=True,
            )
        value = self._configuration.get(written, Strategy.AS_IS.value)
        return read_strategy(value, written, allowed, self._findings, at=(SECTION, written))

    def _rows_of_table(self, key: str, table: JsonObject) -> list[tuple[Location, JsonValue]]:
        """The rows of a table with a row for each participant, each with its location."""
        expected = [str(number) for number in range(1, len(table) + 1)]
        if not table:
            self._findings.error("order-empty", f"{key} is an empty table", at=(SECTION, key))
        elif set(table) != set(expected):
            missing = next(number for number in expected if number not in table)
            self._findings.error(
                "order-keys",
                f"the keys of {key} have to be the participants 1 to {len(table)}, "
                f"got {', '.join(table)}",
                "a group stands in a list: order = [{ ... }]"
                if any(name in GROUP for name in table)
                else f"key {missing} is missing; later participants start over at key 1",
                at=(SECTION, key),
            )
        return [
            (Location(f"{key}.{number}", (SECTION, key, number)), table[number])
            for number in expected
            if number in table
        ]

    def _groups(self, location: Location, value: JsonValue) -> tuple[Names, ...]:
        """The groups in a list; a flat list is one group."""
        if not isinstance(value, list):
            self._findings.error(
                "type", f"{location.name} has to be {ORDER_SHAPES}", at=location.at
            )
            return ()
        if any(isinstance(item, dict) for item in value):
            self._findings.error(
                "order-mixed",
                f"{location.name} has a group that is a table",
                "such groups stand only in an order that is one list for everybody: "
                "order = [{ ... }]",
                at=location.at,
            )
            return ()
        nested = [self._is_group(item) for item in value]
        if any(nested) and not all(nested):
            odd_one = nested.index(False)
            self._findings.error(
                "order-mixed",
                f"{location.name} mixes block names and lists of block names",
                f"put {shown(value[odd_one])} into a list of its own: [{shown(value[odd_one])}]",
                at=(*location.at, odd_one),
            )
            return ()
        if not value or not all(value if any(nested) else [True]):
            what = "has an empty group" if value else "is empty"
            at = (*location.at, value.index([])) if value else location.at
            self._findings.error(
                "order-empty", f"{location.name} {what}", "name the blocks to run", at=at
            )
            return ()
        if not any(nested):
            return (self._names(location, value),)
        groups: list[Names] = []
        for index, group in enumerate(value):
            if not self._count.has_room(location, sum(map(len, groups))):
                return ()
            group_location = Location(f"{location.name}, group {index + 1}", (*location.at, index))
            groups.append(
                self._names(group_location, group if isinstance(group, list) else [group])
            )
        return tuple(groups)

    def _is_group(self, item: JsonValue) -> bool:
        """Whether an item is a group: a list, or the name of a factorial block."""
        return isinstance(item, list) or (isinstance(item, str) and item in self._families)

    def _names(self, location: Location, value: JsonValue) -> Names:
        if not isinstance(value, list):
            self._findings.error(
                "type", f"{location.name} has to be a list of block names", at=location.at
            )
            return ()
        names: list[str] = []
        for index, item in enumerate(value):
            at = (*location.at, index)
            name = block_name(item)
            if not self._count.has_room(location, len(names)):
                return ()
            if name is not None and name in self._families:
                names += self._families[name]
            elif name is None:
                self._findings.error(
                    "type",
                    f"{location.name} has {shown(item)}, which is no block name",
                    "block names are text in quotes",
                    at=at,
                )
            elif name not in self._templates:
                # A study without any block already has an error about that.
                if not self._templates:
                    continue
                self._findings.error(
                    "block-unknown",
                    f'{location.name} names the unknown block "{name}"',
                    nearest(name, [*self._families, *self._templates])
                    or f"the blocks are {', '.join(self._templates)}",
                    at=at,
                )
            else:
                names.append(name)
        self._count.add(len(names))
        return tuple(names)


def _location(key: str) -> Location:
    return Location(key, (SECTION, key))
