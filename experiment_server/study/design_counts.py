"""Counts the orders of a design, participant by participant."""

from __future__ import annotations

from collections.abc import Iterable

from experiment_server.study.conditions import conditions, group_orders, labels
from experiment_server.study.counts import OrderCounts
from experiment_server.study.expand import cell_index
from experiment_server.study.families import level_text
from experiment_server.study.model import Group, Names, Strategy, Study
from experiment_server.study.positions import Path


class DesignCounts:
    """The counts of all participants that were added."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self.all = OrderCounts()
        self.cells = [OrderCounts() for _ in (study.between.cells if study.between else ())]
        self.factors: dict[str, OrderCounts] = {}
        # The groups of a tree by their path in the file; the counts also by cell.
        self.groups: dict[Path, Group] = {}
        self._groups: dict[tuple[int, Path], OrderCounts] = {}

    def add(self, participant_index: int) -> None:
        """Add the conditions and groups of a participant."""
        study = self._study
        order = conditions(study, participant_index)
        self.all.add(order)
        self._add_factors(order)
        cell = cell_index(study, participant_index)
        if self.cells:
            self.cells[cell].add(order)
        for group_order in group_orders(study, participant_index) if study.order.trees else ():
            group = self.groups.setdefault(group_order.group.written, group_order.group)
            counts = self._groups.setdefault((cell, group.written), OrderCounts())
            counts.know(labels(study, group_order.group))
            counts.add(group_order.order)

    def _add_factors(self, order: Names) -> None:
        met: dict[str, list[str]] = {}
        for name in order:
            for factor, level in self._study.blocks[name].levels.items():
                met.setdefault(factor, []).append(level_text(level))
        for factor, levels in met.items():
            counts = self.factors.get(factor) or self._factor(factor)
            counts.add_order(tuple(dict.fromkeys(levels)))
            counts.add_pairs(tuple(levels))

    def _factor(self, factor: str) -> OrderCounts:
        counts = self.factors[factor] = OrderCounts()
        levels = (block.levels for block in self._study.blocks.values())
        counts.know(level_text(has[factor]) for has in levels if factor in has)
        return counts

    def of_group(self, group: Group) -> list[OrderCounts]:
        """The counts of a group, one for each cell."""
        return [counts for (_, at), counts in self._groups.items() if at == group.written]

    def parts(self) -> list[OrderCounts]:
        """The counts that the design has to balance, each by itself."""
        if not self._study.order.trees:
            return self.cells or [self.all]
        dealt = [group for group in self.groups.values() if is_dealt(group)]
        return [counts for group in dealt for counts in self.of_group(group)]

    def balanced(self) -> dict[str, bool]:
        """Whether each goal is met: `cells`, if there are any, and the goals of all parts."""
        met: dict[str, bool] = {}
        if self.cells:
            met["cells"] = len({counts.participants for counts in self.cells}) == 1
        return met | all_balanced(self.parts())


def all_balanced(parts: Iterable[OrderCounts]) -> dict[str, bool]:
    """Whether each goal is met by all parts that have the goal."""
    met: dict[str, bool] = {}
    for counts in parts:
        for goal, is_met in counts.balanced().items():
            met[goal] = met.get(goal, True) and is_met
    return met


def is_dealt(group: Group) -> bool:
    """Whether a group's strategy assigns orders systematically, so that it can balance them."""
    return group.strategy is not Strategy.RANDOMIZE
