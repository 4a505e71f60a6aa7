"""Reading `[configuration]`: who gets which blocks in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from experiment_server.study.diagnostics import Findings, nearest
from experiment_server.study.model import BlockTemplate, Edge, Names, Order, Strategy
from experiment_server.study.order import square_rows

CONFIGURATION_KEYS = (
    "order",
    "groups_strategy",
    "within_groups_strategy",
    "groups",
    "within_groups",
    "init_blocks",
    "final_blocks",
    "init_blocks_strategy",
    "final_blocks_strategy",
    "random_seed",
    "variables",
)
EDGE_STRATEGIES = (Strategy.AS_IS, Strategy.RANDOMIZE)
ORDER_SHAPES = (
    'a list of block names, a list of lists of block names, or a table like { 1 = ["A", "B"] }'
)


class Reader:
    """Reads `[configuration]` against the blocks that exist."""

    def __init__(
        self,
        configuration: Mapping[str, Any],
        templates: Mapping[str, BlockTemplate],
        findings: Findings,
    ) -> None:
        self._configuration = configuration
        self._templates = templates
        self._findings = findings

    def order(self) -> Order:
        """The groups and their strategies."""
        groups_strategy = self._strategy("groups_strategy", "groups", tuple(Strategy))
        within = self._strategy("within_groups_strategy", "within_groups", tuple(Strategy))
        value = self._configuration.get("order")
        if isinstance(value, dict):
            if groups_strategy is not Strategy.AS_IS:
                self._findings.error(
                    "strategy-on-table",
                    f'order is a table, so groups_strategy has to be "as_is", '
                    f'not "{groups_strategy.value}"',
                    "the table itself says which participant gets which order",
                )
            rows = self._table("order", value, self._groups)
        elif value is None:
            rows = (tuple((name,) for name in self._templates),)
        else:
            groups = self._groups("order", value)
            if groups and not any(isinstance(item, list) for item in value):
                groups = tuple((name,) for name in groups[0])
            rows = (groups,)
        order = Order(rows, groups_strategy, within)
        self._check_squares(order)
        return order

    def edge(self, key: str) -> Edge:
        """The blocks of init_blocks or final_blocks."""
        strategy = self._strategy(f"{key}_strategy", None, EDGE_STRATEGIES)
        value = self._configuration.get(key, [])
        if isinstance(value, dict):
            return Edge(self._table(key, value, self._names), strategy)
        return Edge((self._names(key, value),), strategy)

    def seed(self) -> int:
        """The random seed, 0 where the file has none."""
        seed = self._configuration.get("random_seed", 0)
        if isinstance(seed, int) and not isinstance(seed, bool):
            return seed
        self._findings.error("type", f"random_seed has to be a whole number, got {seed!r}")
        return 0

    def _strategy(self, key: str, older_key: str | None, allowed: tuple[Strategy, ...]) -> Strategy:
        names = [strategy.value for strategy in allowed]
        if older_key is not None and older_key in self._configuration:
            if key in self._configuration:
                self._findings.warning(
                    "key-twice",
                    f"{key} and its older name {older_key} are both given; {key} counts",
                    f"remove {older_key}",
                )
            else:
                key = older_key
        value = self._configuration.get(key, Strategy.AS_IS.value)
        if value in names:
            return Strategy(value)
        self._findings.error(
            "strategy-unknown",
            f"{key} is {value!r}, which is no strategy for it",
            (isinstance(value, str) and nearest(value, names))
            or f"choose one of {', '.join(names)}",
        )
        return Strategy.AS_IS

    def _table(
        self, key: str, table: Mapping[str, Any], read: Callable[[str, Any], Any]
    ) -> tuple[Any, ...]:
        expected = [str(number) for number in range(1, len(table) + 1)]
        if not table:
            self._findings.error("order-empty", f"{key} is an empty table")
        elif set(table) != set(expected):
            missing = next(number for number in expected if number not in table)
            self._findings.error(
                "order-keys",
                f"the keys of {key} have to be the participants 1 to {len(table)}, "
                f"got {', '.join(table)}",
                f"key {missing} is missing; later participants start over at key 1",
            )
        return tuple(
            read(f"{key}.{number}", table[number]) for number in expected if number in table
        ) or ((),)

    def _groups(self, where: str, value: Any) -> tuple[Names, ...]:
        """The groups in a list; a flat list is one group."""
        if not isinstance(value, list):
            self._findings.error("type", f"{where} has to be {ORDER_SHAPES}")
            return ()
        nested = [isinstance(item, list) for item in value]
        if any(nested) and not all(nested):
            odd_one = value[nested.index(False)]
            self._findings.error(
                "order-mixed",
                f"{where} mixes block names and lists of block names",
                f"put {odd_one!r} into a list of its own, or take the inner lists away",
            )
            return ()
        if not value or not all(value if any(nested) else [True]):
            what = "has an empty group" if value else "is empty"
            self._findings.error("order-empty", f"{where} {what}", "name the blocks to run")
            return ()
        if not any(nested):
            return (self._names(where, value),)
        return tuple(
            self._names(f"{where}, group {number}", group)
            for number, group in enumerate(value, start=1)
        )

    def _names(self, where: str, value: Any) -> Names:
        if not isinstance(value, list):
            self._findings.error("type", f"{where} has to be a list of block names")
            return ()
        names = []
        for item in value:
            name = block_name(item)
            if name is None:
                self._findings.error("type", f"{where} has {item!r}, which is no block name")
            elif name not in self._templates:
                self._findings.error(
                    "block-unknown",
                    f'{where} names the unknown block "{name}"',
                    nearest(name, self._templates)
                    or f"the blocks are {', '.join(self._templates) or '(none)'}",
                )
            else:
                names.append(name)
        return tuple(names)

    def _check_squares(self, order: Order) -> None:
        for groups in order.rows:
            sizes = {len(group) for group in groups}
            inside = order.within_groups_strategy
            if len(sizes) > 1 and square_rows(inside, 1):
                self._findings.error(
                    "groups-unequal",
                    f'within_groups_strategy = "{inside.value}" needs groups of one size, '
                    f"got groups of {', '.join(str(len(group)) for group in groups)} blocks",
                    "make the groups equal, or order them inside with randomize or as_is",
                )
            self._check_odd("groups_strategy", order.groups_strategy, len(groups))
            for size in sizes:
                self._check_odd("within_groups_strategy", inside, size)

    def _check_odd(self, key: str, strategy: Strategy, size: int) -> None:
        if strategy is Strategy.LATIN_SQUARE and size % 2 and size > 1:
            self._findings.warning(
                "latin-square-odd",
                f"{key}: a balanced Latin square of {size} takes {2 * size} orders; "
                f"release 0.3 stopped after {size} and left it unbalanced",
                f"plan for a multiple of {2 * size} participants; a study that is already running "
                'keeps its old orders with "latin_square_0_3"',
            )


def block_name(value: Any) -> str | None:
    """A block's name; the field's files also write whole numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


def unknown_keys(
    table: Mapping[str, Any], known: Iterable[str], where: str, findings: Findings
) -> None:
    """Warn of the keys of a table that nobody reads."""
    for key in table:
        if key not in known:
            findings.warning(
                "key-unknown",
                f'{where} has the unknown key "{key}", which does nothing',
                nearest(key, known) or f"known here: {', '.join(known)}",
            )
