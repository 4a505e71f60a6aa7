"""The summary sentence of the design report."""

from __future__ import annotations

from collections.abc import Mapping

from experiment_server.study.counts import OrderCounts
from experiment_server.study.design_counts import DesignCounts, all_balanced, is_dealt
from experiment_server.study.model import Group, Strategy, Study

GOALS = {
    "cells": "the between-subjects cells",
    "position": "position",
    "carry_over": "carry-over",
}
"""The goals of a design, with their names in sentences."""


class DesignSentence:
    """The summary of a design; it keeps the counts of the moment when it was created."""

    def __init__(
        self, study: Study, counted: DesignCounts, balanced: Mapping[str, bool], participants: int
    ) -> None:
        self._balanced = balanced
        self._shuffles = _shuffles(study)
        self.cells = [counts.participants for counts in counted.cells]
        who = f"{participants} participant{'s' if participants > 1 else ''}"
        if study.order.trees:
            parts = self._cells(balanced)
            parts += [
                _of_group(group, counted.of_group(group)) for group in counted.groups.values()
            ]
            self._said = f"{who}: {'; '.join(parts)}" if parts else ""
        else:
            self._said = f"{who}: {', '.join(self._whole(counted, balanced))}" if balanced else ""
        self._nothing = f"{who}: there is nothing to balance."

    def with_better(self, better: tuple[int, ...]) -> str:
        """The sentence, with the numbers of participants that would meet more goals."""
        if not self._said:
            return self._nothing
        bad = not all(self._balanced.values())
        if better:
            return f"{self._said}; {' or '.join(map(str, better))} would balance more."
        if bad and self._shuffles:
            return f"{self._said}; shuffled orders balance only by chance."
        return f"{self._said}; no number nearby balances more." if bad else f"{self._said}."

    def _whole(self, counted: DesignCounts, balanced: Mapping[str, bool]) -> list[str]:
        extents = {"cells": (min(self.cells, default=0), max(self.cells, default=0))}
        extents |= _extents(counted.parts())
        return _goals(balanced, extents)

    def _cells(self, balanced: Mapping[str, bool]) -> list[str]:
        if not self.cells:
            return []
        extents = {"cells": (min(self.cells), max(self.cells))}
        return _goals({"cells": balanced["cells"]}, extents)


def _of_group(group: Group, parts: list[OrderCounts]) -> str:
    extents = _extents(parts)
    if not is_dealt(group):
        smallest, largest = extents["position"]
        counts = f"position counts from {smallest} to {largest}"
        return f"{group.name} shuffled for each participant ({counts})"
    goals = _goals(all_balanced(parts), extents)
    return f"{group.name} {', '.join(goals)}" if goals else f"{group.name} has a single item"


def _goals(balanced: Mapping[str, bool], extents: Mapping[str, tuple[int, int]]) -> list[str]:
    good = [GOALS[goal] for goal, met in balanced.items() if met]
    bad = [_unmet(goal, *extents[goal]) for goal, met in balanced.items() if not met]
    said = [f"balanced for {_listed(good)}"] if good else []
    return said + ([f"not balanced for {_listed(bad)}"] if bad else [])


def _extents(parts: list[OrderCounts]) -> dict[str, tuple[int, int]]:
    """The smallest and the largest count of each goal over all parts."""
    found = {}
    for goal in ("position", "carry_over"):
        extents = [counts.extent(goal) for counts in parts] or [(0, 0)]
        found[goal] = min(low for low, _ in extents), max(high for _, high in extents)
    return found


def _unmet(goal: str, smallest: int, largest: int) -> str:
    if smallest == largest:
        return GOALS[goal]
    return f"{GOALS[goal]} (counts from {smallest} to {largest})"


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _shuffles(study: Study) -> bool:
    strategies = (study.order.groups_strategy, study.order.within_groups_strategy)
    return Strategy.RANDOMIZE in strategies
