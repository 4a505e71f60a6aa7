"""Checks an order for strategies without effect, sizes of squares, and empty cells."""

from __future__ import annotations

from collections.abc import Mapping

from experiment_server.study.diagnostics import Findings, shown
from experiment_server.study.families import Families
from experiment_server.study.model import NO_CELL, Between, BlockTemplate, Names, Order, Strategy
from experiment_server.study.order import cycle_length
from experiment_server.study.reading import (
    SECTION,
    Location,
    check_items,
    is_framing,
    report_separated,
)
from experiment_server.wire.values import JsonValue

OLDER_NAMES = {"groups_strategy": "groups", "within_groups_strategy": "within_groups"}

SEPARATED_HINT = (
    "write order as a tree, in which a group keeps what is in it together: "
    '{ strategy = "...", blocks = [{ blocks = ["practice", "condition"] }, ...] }; '
    "or put this into init_blocks or final_blocks"
)
"""The hint for a practice or a questionnaire that a strategy separates from its condition."""


def written_as(configuration: Mapping[str, JsonValue], key: str) -> str:
    """The name of a key in the file: its current name, or its older one."""
    older = OLDER_NAMES.get(key)
    if older is None or older not in configuration or key in configuration:
        return key
    return older


class OrderChecks:
    """Checks orders against the rest of `[configuration]`, and adds errors to the findings."""

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
        self._family_of = {name: family for family in families for name in families[family]}
        self._between = between
        self._findings = findings

    def groups(self, order: Order, *, flat: bool) -> None:
        """Check a classic order; `flat` if the file has a list of names without groups."""
        self._effect(order, flat)
        self._squares(order)
        self.cells(order)
        self._separated(order)

    def _effect(self, order: Order, flat: bool) -> None:
        # After an error in a name, the order is incomplete and cannot be judged.
        if self._findings.has_errors:
            return
        within = order.within_groups_strategy
        if within is not Strategy.AS_IS and all(
            len(group) < 2 for groups in order.rows for group in groups
        ):
            why = "order is a flat list, which groups_strategy orders"
            self.no_effect(
                "within_groups_strategy", why if flat else "every group has a single block"
            )
        is_table = isinstance(self._configuration.get("order"), dict)
        if (
            order.groups_strategy is not Strategy.AS_IS
            and not is_table
            and (len(order.rows[0]) == 1)
        ):
            self.no_effect("groups_strategy", "there is only one group to put into an order")

    def no_effect(self, key: str, why: str) -> None:
        """Warn about a strategy that has fewer than two items to order."""
        written = written_as(self._configuration, key)
        self._findings.warning(
            "strategy-without-effect",
            f"{written} has no effect: {why}",
            f"remove {written}, or change what it should put into an order",
            at=(SECTION, written),
        )

    def cells(self, order: Order) -> None:
        """Report between-subjects cells in which a participant would get no blocks."""
        if self._findings.has_errors or self._between is None:
            return
        for index, cell in enumerate(self._between.cells):
            rows = order.without(cell.left_out).rows
            if not (any(order.trees[index].names()) if order.trees else all(rows)):
                levels = (f"{factor} = {shown(level)}" for factor, level in cell.levels.items())
                self._findings.error(
                    "cell-empty",
                    f"order has no blocks for {', '.join(levels)}",
                    "name a block for them, or take the level away",
                    at=(SECTION, "order"),
                )

    def _squares(self, order: Order) -> None:
        within = written_as(self._configuration, "within_groups_strategy")
        cells = self._between.cells if self._between else [NO_CELL]
        for groups in (row for cell in cells for row in order.without(cell.left_out).rows):
            sizes = {len(group) for group in groups}
            inside = order.within_groups_strategy
            if len(sizes) > 1 and cycle_length(inside, 1):
                self._findings.error(
                    "groups-unequal",
                    f'{within} = "{inside.value}" needs groups of one size, '
                    f"got groups of {', '.join(str(len(group)) for group in groups)} blocks",
                    "make the groups equal, or order them inside with randomize or as_is",
                    at=(SECTION, within),
                )
            self._size("groups_strategy", order.groups_strategy, len(groups))
            for size in sizes:
                self._size("within_groups_strategy", inside, size)

    def _size(self, key: str, strategy: Strategy, size: int) -> None:
        written = written_as(self._configuration, key)
        check_items(written, strategy, size, self._findings, at=(SECTION, written))
        if strategy is Strategy.LATIN_SQUARE and size % 2 and size > 1:
            self._findings.warning(
                "latin-square-odd",
                f"{written}: a balanced Latin square of {size} takes {2 * size} orders; "
                f"release 0.3 stopped after {size} and left it unbalanced",
                f"plan for a multiple of {2 * size} participants; a study that is already running "
                'keeps its old orders with "latin_square_0_3", and "williams" is the whole square '
                "without this warning",
                at=(SECTION, written),
            )

    def _separated(self, order: Order) -> None:
        """Warn about framing blocks that a strategy separates from their conditions."""
        if self._findings.has_errors:
            return
        is_table = isinstance(self._configuration.get("order"), dict)
        for number, groups in enumerate(order.rows, start=1):
            location = Location("order", (SECTION, "order"))
            if is_table:
                location = Location(f"order.{number}", (*location.at, str(number)))
            if order.groups_strategy is not Strategy.AS_IS:
                self._separated_among(
                    location, [group if len(group) == 1 else None for group in groups]
                )
            if order.within_groups_strategy is not Strategy.AS_IS:
                for index, group in enumerate(groups):
                    inside = location
                    if len(groups) > 1:
                        inside = Location(
                            f"{location.name}, group {index + 1}", (*location.at, index)
                        )
                    self._separated_among(inside, [(name,) for name in group])

    def _separated_among(self, location: Location, items: list[Names | None]) -> None:
        """Warn about framing blocks among items; an item is one block, or None for several."""
        names = [name for item in items for name in item or ()]
        labels = [self._family_of.get(name, name) for name in names]
        framing = [
            label
            for name, label in zip(names, labels, strict=True)
            if is_framing(self._templates[name], label)
        ]
        report_separated(location, framing, len(items), SEPARATED_HINT, self._findings)
