"""The design report: how often each condition stands where, and after what.

Counted over the conditions that `order` rules; init and final blocks frame them and are left out.
An order tree is reported group by group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from experiment_server.limits import DESIGN_PARTICIPANTS_MAX, DESIGN_SEARCH_PARTICIPANTS_MAX
from experiment_server.study.counts import Matrix, OrderCounts
from experiment_server.study.design_counts import DesignCounts, all_balanced, is_dealt
from experiment_server.study.design_sentence import DesignSentence
from experiment_server.study.model import Binding, Group, Names, Study
from experiment_server.study.ordering import whole_cycle
from experiment_server.wire.values import JsonObject

USUAL_PARTICIPANTS = 24
"""Participants to report on where the design has no cycle of a size that studies have."""


@dataclass(frozen=True, slots=True)
class CellParticipants:
    """How many participants are in one cell of the between-subjects factors."""

    levels: Binding
    participants: int


@dataclass(frozen=True, slots=True)
class OrderReport:
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
    cells: tuple[CellParticipants, ...]
    repeats: int
    groups: tuple[OrderReport, ...]
    factors: tuple[OrderReport, ...]
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


def usual_participants(study: Study) -> int:
    """One whole cycle of the design, or 24 where it has none, or one that no study completes."""
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
    # This goes on counting, so that all that is reported was taken before.
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
        sum(carry_over[place][place] for place in range(len(names))),
        groups,
        factors,
        balanced,
        better,
        sentence.with_better(better),
    )


def _group(counted: DesignCounts, group: Group) -> OrderReport:
    """A group's counts in all cells together; balanced is what is so in each."""
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
    """The nearest numbers of participants, below and above, that meet most goals within reach."""
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
