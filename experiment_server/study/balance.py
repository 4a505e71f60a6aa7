"""The design report: how often each condition stands where, and after what.

Counted over the conditions that `order` rules; init and final blocks frame them and are left out.
An order tree is reported group by group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from experiment_server.limits import DESIGN_PARTICIPANTS_MAX, DESIGN_SEARCH_PARTICIPANTS_MAX
from experiment_server.study.conditions import conditions, groups_met, labels
from experiment_server.study.counts import Counts, Matrix
from experiment_server.study.expand import cell_place
from experiment_server.study.families import in_name
from experiment_server.study.model import Binding, Group, Names, Strategy, Study
from experiment_server.study.ordering import whole_cycle
from experiment_server.study.positions import Path
from experiment_server.wire.values import JsonObject

USUAL_PARTICIPANTS = 24
"""Participants to report on where the design has no cycle of a size that studies have."""

GOALS = {
    "cells": "the between-subjects cells",
    "position": "position",
    "carry_over": "carry-over",
}
"""What a design can be balanced for, and what sentences call it."""


@dataclass(frozen=True, slots=True)
class CellCount:
    """How many participants are in one cell of the between-subjects factors."""

    levels: Binding
    participants: int


@dataclass(frozen=True, slots=True)
class Ordered:
    """What has an order: a group of an order tree, or a factor.

    `positions[item][position]` and `carry_over[item][next item]` are counts, in the order of
    `items`. A group counts each time that a participant meets it. Of a factor, `positions` count
    in which place a participant met a level for the first time, `carry_over` which level was
    followed by which from condition to condition. `balanced` is as in `Balance`; it is empty for
    what nothing deals, a shuffled group or a factor.
    """

    name: str
    strategy: str | None
    items: Names
    positions: Matrix
    carry_over: Matrix
    balanced: Mapping[str, bool]

    def as_dict(self) -> JsonObject:
        """The counts as JSON knows them."""
        return {
            "name": self.name,
            "strategy": self.strategy,
            "items": list(self.items),
            "positions": [list(row) for row in self.positions],
            "carry_over": [list(row) for row in self.carry_over],
            "balanced": dict(self.balanced),
        }


@dataclass(frozen=True, slots=True)
class Balance:
    """The design as participants 1 to `participants` meet it.

    `positions[condition][position]` and `carry_over[condition][next condition]` are counts, in the
    order of `conditions`; `repeats` counts neighbours that are the same condition. `groups` has
    the same for each group of an order tree that a strategy orders, `factors` for each factor.
    `balanced` has the goals that apply: `position` when each condition is equally often at each
    position, `carry_over` when each is followed equally often by each other one, both within
    every cell, and `cells` when every cell has as many participants; in a tree position and
    carry-over are those of the groups whose orders are dealt. `better` are the nearest numbers of
    participants, one smaller and one larger where there is one, that meet more goals.
    """

    participants: int
    conditions: Names
    positions: Matrix
    carry_over: Matrix
    cells: tuple[CellCount, ...]
    repeats: int
    groups: tuple[Ordered, ...]
    factors: tuple[Ordered, ...]
    balanced: Mapping[str, bool]
    better: tuple[int, ...]
    sentence: str

    def as_dict(self) -> JsonObject:
        """The report as JSON knows it."""
        return {
            "participants": self.participants,
            "conditions": list(self.conditions),
            "positions": [list(row) for row in self.positions],
            "carry_over": [list(row) for row in self.carry_over],
            "cells": [
                {"levels": dict(cell.levels), "participants": cell.participants}
                for cell in self.cells
            ],
            "repeats": self.repeats,
            "groups": [group.as_dict() for group in self.groups],
            "factors": [factor.as_dict() for factor in self.factors],
            "balanced": dict(self.balanced),
            "better": list(self.better),
            "sentence": self.sentence,
        }


class _Tally:
    """The counts of participants 1, 2, ..., as one after the other is added."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self.all = Counts()
        self.cells = [Counts() for _ in (study.between.cells if study.between else ())]
        self.factors: dict[str, Counts] = {}
        # The groups of a tree, by where they are written, in each cell.
        self.groups: dict[Path, Group] = {}
        self._groups: dict[tuple[int, Path], Counts] = {}

    def add(self, participant_index: int) -> None:
        study = self._study
        order = conditions(study, participant_index)
        self.all.add(order)
        self._add_factors(order)
        place = cell_place(study, participant_index)
        if self.cells:
            self.cells[place].add(order)
        for met in groups_met(study, participant_index) if study.order.trees else ():
            group = self.groups.setdefault(met.group.written, met.group)
            counts = self._groups.setdefault((place, group.written), Counts())
            counts.know(labels(study, met.group))
            counts.add(met.order)

    def _add_factors(self, order: Names) -> None:
        met: dict[str, list[str]] = {}
        for name in order:
            for factor, level in self._study.blocks[name].levels.items():
                met.setdefault(factor, []).append(in_name(level))
        for factor, levels in met.items():
            counts = self.factors.get(factor) or self._factor(factor)
            counts.add_order(tuple(dict.fromkeys(levels)))
            counts.add_pairs(tuple(levels))

    def _factor(self, factor: str) -> Counts:
        counts = self.factors[factor] = Counts()
        levels = (block.levels for block in self._study.blocks.values())
        counts.know(in_name(has[factor]) for has in levels if factor in has)
        return counts

    def of_group(self, group: Group) -> list[Counts]:
        """The counts of a group, one for each cell."""
        return [counts for (_, at), counts in self._groups.items() if at == group.written]

    def parts(self) -> list[Counts]:
        """What has to be balanced, each by itself."""
        if not self._study.order.trees:
            return self.cells or [self.all]
        dealt = [group for group in self.groups.values() if _is_dealt(group)]
        return [counts for group in dealt for counts in self.of_group(group)]

    def balanced(self) -> dict[str, bool]:
        met: dict[str, bool] = {}
        if self.cells:
            met["cells"] = len({counts.participants for counts in self.cells}) == 1
        return met | _all_balanced(self.parts())


def _all_balanced(parts: Iterable[Counts]) -> dict[str, bool]:
    met: dict[str, bool] = {}
    for counts in parts:
        for goal, is_met in counts.balanced().items():
            met[goal] = met.get(goal, True) and is_met
    return met


def _is_dealt(group: Group) -> bool:
    return group.strategy is not Strategy.RANDOMIZE


def usual_participants(study: Study) -> int:
    """One whole cycle of the design, or 24 where it has none, or one that no study completes."""
    cycle = whole_cycle(study.order, study.between, study.ends)
    return cycle if 1 < cycle <= DESIGN_PARTICIPANTS_MAX else USUAL_PARTICIPANTS


def balance(study: Study, participants: int) -> Balance:
    """The design report for participants 1 to `participants` (at least 1)."""
    tally = _Tally(study)
    history: list[int] = []
    for participant_index in range(1, participants + 1):
        tally.add(participant_index)
        history.append(sum(tally.balanced().values()))
    everything = tally.all
    names = tuple(name for name in study.blocks if name in everything.items)
    balanced = tally.balanced()
    positions, carry_over = everything.positions(names), everything.carry_over(names)
    groups = tuple(_group(tally, group) for group in tally.groups.values())
    factors = tuple(_ordered(factor, None, counts, {}) for factor, counts in tally.factors.items())
    sentence = _Sentence(study, tally, balanced, participants)
    # This goes on counting, so that all that is reported was taken before.
    better = () if all(balanced.values()) else _better(tally, history)
    cells = study.between.cells if study.between else ()
    return Balance(
        participants,
        names,
        positions,
        carry_over,
        tuple(
            CellCount(cell.levels, counts)
            for cell, counts in zip(cells, sentence.cells, strict=True)
        ),
        sum(carry_over[place][place] for place in range(len(names))),
        groups,
        factors,
        balanced,
        better,
        sentence.with_better(better),
    )


def _group(tally: _Tally, group: Group) -> Ordered:
    """A group's counts in all cells together; balanced is what is so in each."""
    parts = tally.of_group(group)
    together = Counts()
    for counts in parts:
        together.take(counts)
    balanced = _all_balanced(parts) if _is_dealt(group) else {}
    return _ordered(group.name, group.strategy.value, together, balanced)


def _ordered(
    name: str, strategy: str | None, counts: Counts, balanced: Mapping[str, bool]
) -> Ordered:
    items = tuple(counts.items)
    return Ordered(
        name, strategy, items, counts.positions(items), counts.carry_over(items), balanced
    )


def _better(tally: _Tally, history: list[int]) -> tuple[int, ...]:
    """The nearest numbers of participants, below and above, that meet most goals within reach."""
    here = len(history)
    above: dict[int, int] = {}
    for participants in range(here + 1, here + DESIGN_SEARCH_PARTICIPANTS_MAX + 1):
        tally.add(participants)
        met = tally.balanced()
        above.setdefault(sum(met.values()), participants)
        if all(met.values()):
            break
    below = {met: participants for participants, met in enumerate(history[:-1], 1)}
    most = max([*above, *below], default=0)
    if most <= history[-1]:
        return ()
    return tuple(found[most] for found in (below, above) if most in found)


class _Sentence:
    """What there is to say of a design, as it was when this was made."""

    def __init__(
        self, study: Study, tally: _Tally, balanced: Mapping[str, bool], participants: int
    ) -> None:
        self._balanced = balanced
        self._shuffles = _shuffles(study)
        self.cells = [counts.participants for counts in tally.cells]
        who = f"{participants} participant{'s' if participants > 1 else ''}"
        if study.order.trees:
            parts = self._cells(balanced)
            parts += [_of_group(group, tally.of_group(group)) for group in tally.groups.values()]
            self._said = f"{who}: {'; '.join(parts)}" if parts else ""
        else:
            self._said = f"{who}: {', '.join(self._whole(tally, balanced))}" if balanced else ""
        self._nothing = f"{who}: there is nothing to balance."

    def with_better(self, better: tuple[int, ...]) -> str:
        """The sentence, with the numbers of participants that balance more."""
        if not self._said:
            return self._nothing
        bad = not all(self._balanced.values())
        if better:
            return f"{self._said}; {' or '.join(map(str, better))} would balance more."
        if bad and self._shuffles:
            return f"{self._said}; shuffled orders balance only by chance."
        return f"{self._said}; no number nearby balances more." if bad else f"{self._said}."

    def _whole(self, tally: _Tally, balanced: Mapping[str, bool]) -> list[str]:
        extents = {"cells": (min(self.cells, default=0), max(self.cells, default=0))}
        extents |= _extents(tally.parts())
        return _goals(balanced, extents)

    def _cells(self, balanced: Mapping[str, bool]) -> list[str]:
        if not self.cells:
            return []
        extents = {"cells": (min(self.cells), max(self.cells))}
        return _goals({"cells": balanced["cells"]}, extents)


def _of_group(group: Group, parts: list[Counts]) -> str:
    extents = _extents(parts)
    if not _is_dealt(group):
        smallest, largest = extents["position"]
        counts = f"position counts from {smallest} to {largest}"
        return f"{group.name} shuffled for each participant ({counts})"
    goals = _goals(_all_balanced(parts), extents)
    return f"{group.name} {', '.join(goals)}" if goals else f"{group.name} has a single item"


def _goals(balanced: Mapping[str, bool], extents: Mapping[str, tuple[int, int]]) -> list[str]:
    good = [GOALS[goal] for goal, met in balanced.items() if met]
    bad = [_unmet(goal, *extents[goal]) for goal, met in balanced.items() if not met]
    said = [f"balanced for {_listed(good)}"] if good else []
    return said + ([f"not balanced for {_listed(bad)}"] if bad else [])


def _extents(parts: list[Counts]) -> dict[str, tuple[int, int]]:
    """The smallest and the largest count of each goal, in all parts."""
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
