"""The design report: how often each condition is at each position, and after each other condition.

It counts the conditions in `order`, without init and final blocks. An order tree is reported group
by group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from experiment_server.limits.study import DESIGN_PARTICIPANTS_MAX, DESIGN_SEARCH_PARTICIPANTS_MAX
from experiment_server.study.counts import Matrix, OrderCounts
from experiment_server.study.design_counts import DesignCounts, all_balanced, is_dealt
from experiment_server.study.design_sentence import DesignSentence
from experiment_server.study.model import Binding, Group, Names, Study
from experiment_server.study.ordering import whole_cycle
from experiment_server.wire.values import JsonObject

USUAL_PARTICIPANTS = 24
"""The number of participants in a report if the design has no cycle, or a very long one."""


@dataclass(frozen=True, slots=True)
class CellParticipants:
    """The number of participants in one between-subjects cell."""

    levels: Binding
    participants: int


@dataclass(frozen=True, slots=True)
class OrderReport:
    """The counts of a group of an order tree, or of a factor.

    `positions[item][position]` and `carry_over[item][next item]` are counts, in the order of
    `items`. A group is counted each time that a participant reaches it. For a factor, `positions`
    counts the order in which participants get its levels for the first time, and `carry_over`
    counts the changes of its level between successive conditions. `balanced` is as in `Balance`;
    it is empty for a shuffled group and for a factor.
    """

    name: str
    strategy: str | None
    items: Names
    positions: Matrix
    carry_over: Matrix
    balanced: Mapping[str, bool]

    def as_dict(self) -> JsonObject:
        """The counts as a JSON object."""
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
    """The design report for participants 1 to `participants`.

    `positions[condition][position]` and `carry_over[condition][next condition]` are counts, in the
    order of `conditions`; `repeats` counts conditions that directly follow themselves. `groups`
    has the same counts for each group of an order tree with a strategy, `factors` for each factor.
    `balanced` tells for each goal that applies whether it is met. `position`: each condition is at
    each position equally often; `carry_over`: each is followed by each other one equally often,
    both within every cell; `cells`: all cells have the same number of participants. In a tree,
    `position` and `carry_over` refer to the groups that are not shuffled. `better` contains the
    nearest smaller and the nearest larger number of participants that meet more goals, if any.
    """

    participants: int
    conditions: Names
    positions: Matrix
    carry_over: Matrix
    cells: tuple[CellParticipants, ...]
    repeats: int
    groups: tuple[OrderReport, ...]
    factors: tuple[OrderReport, ...]
    balanced: Mapping[str, bool]
    better: tuple[int, ...]
    sentence: str

    def as_dict(self) -> JsonObject:
        """The report as a JSON object."""
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


def usual_participants(study: Study) -> int:
    """One whole cycle of the design, or 24 if it has no cycle, or one that no study completes."""
    cycle = whole_cycle(study.order, study.between, study.ends)
    return cycle if 1 < cycle <= DESIGN_PARTICIPANTS_MAX else USUAL_PARTICIPANTS


def balance(study: Study, participants: int) -> Balance:
    """The design report for participants 1 to `participants` (at least 1)."""
    counted = DesignCounts(study)
    history: list[int] = []
    for participant_index in range(1, participants + 1):
        counted.add(participant_index)
        history.append(sum(counted.balanced().values()))
    everything = counted.all
    names = tuple(name for name in study.blocks if name in everything.items)
    balanced = counted.balanced()
    positions, carry_over = everything.positions(names), everything.carry_over(names)
    groups = tuple(_group(counted, group) for group in counted.groups.values())
    factors = tuple(
        _ordered(factor, None, counts, {}) for factor, counts in counted.factors.items()
    )
    sentence = DesignSentence(study, counted, balanced, participants)
    # `_better` adds more participants to the counts, so everything else is read before.
    better = () if all(balanced.values()) else _better(counted, history)
    cells = study.between.cells if study.between else ()
    return Balance(
        participants,
        names,
        positions,
        carry_over,
        tuple(
            CellParticipants(cell.levels, counts)
            for cell, counts in zip(cells, sentence.cells, strict=True)
        ),
        sum(carry_over[index][index] for index in range(len(names))),
        groups,
        factors,
        balanced,
        better,
        sentence.with_better(better),
    )


def _group(counted: DesignCounts, group: Group) -> OrderReport:
    """A group's counts in all cells together; a goal is balanced if it is in each cell."""
    parts = counted.of_group(group)
    together = OrderCounts()
    for counts in parts:
        together.take(counts)
    balanced = all_balanced(parts) if is_dealt(group) else {}
    return _ordered(group.name, group.strategy.value, together, balanced)


def _ordered(
    name: str, strategy: str | None, counts: OrderCounts, balanced: Mapping[str, bool]
) -> OrderReport:
    items = tuple(counts.items)
    return OrderReport(
        name, strategy, items, counts.positions(items), counts.carry_over(items), balanced
    )


def _better(counted: DesignCounts, history: list[int]) -> tuple[int, ...]:
    """The nearest smaller and larger numbers of participants that meet the most goals."""
    here = len(history)
    above: dict[int, int] = {}
    for participants in range(here + 1, here + DESIGN_SEARCH_PARTICIPANTS_MAX + 1):
        counted.add(participants)
        met = counted.balanced()
        above.setdefault(sum(met.values()), participants)
        if all(met.values()):
            break
    below = {met: participants for participants, met in enumerate(history[:-1], 1)}
    most = max([*above, *below], default=0)
    if most <= history[-1]:
        return ()
    return tuple(found[most] for found in (below, above) if most in found)
