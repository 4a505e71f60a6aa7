"""The design report: how often each condition stands where, and after what.

Counted over the blocks that `order` rules; init and final blocks frame them and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from experiment_server.limits import DESIGN_PARTICIPANTS, DESIGN_SEARCH
from experiment_server.study.expand import cell_of, condition_order
from experiment_server.study.model import Names, Strategy, Study
from experiment_server.study.order import whole_cycle

Matrix = tuple[tuple[int, ...], ...]

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

    levels: Mapping[str, Any]
    participants: int


@dataclass(frozen=True, slots=True)
class Balance:
    """The design as participants 1 to `participants` meet it.

    `positions[condition][position]` and `carry_over[condition][next condition]` are counts, in the
    order of `conditions`; `repeats` counts neighbours that are the same condition. `balanced` has
    the goals that apply: `position` when each condition is equally often at each position,
    `carry_over` when each is followed equally often by each other one, both within every cell,
    and `cells` when every cell has as many participants. `better` are the nearest numbers of
    participants, one smaller and one larger where there is one, that meet more goals.
    """

    participants: int
    conditions: Names
    positions: Matrix
    carry_over: Matrix
    cells: tuple[CellCount, ...]
    repeats: int
    balanced: Mapping[str, bool]
    better: tuple[int, ...]
    sentence: str

    def as_dict(self) -> dict[str, Any]:
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
            "balanced": dict(self.balanced),
            "better": list(self.better),
            "sentence": self.sentence,
        }


class _Counts:
    """The counts of one cell, or of everybody."""

    def __init__(self) -> None:
        self.participants = 0
        self.length = 0
        self.positions: dict[tuple[str, int], int] = {}
        self.carry_over: dict[tuple[str, str], int] = {}
        self.conditions: dict[str, None] = {}

    def add(self, order: Names) -> None:
        self.participants += 1
        self.length = max(self.length, len(order))
        for position, name in enumerate(order):
            self.conditions[name] = None
            self.positions[name, position] = self.positions.get((name, position), 0) + 1
        for pair in pairwise(order):
            self.carry_over[pair] = self.carry_over.get(pair, 0) + 1

    def position_balanced(self) -> bool:
        return all(
            self.positions.get((name, 0), 0) == self.positions.get((name, position), 0)
            for name in self.conditions
            for position in range(1, self.length)
        )

    def carry_over_balanced(self) -> bool:
        counts = (count for _, count in self.followers())
        first = next(counts, 0)
        return all(count == first for count in counts)

    def followers(self) -> Iterator[tuple[tuple[str, str], int]]:
        """How often each condition is followed by each other one."""
        for name in self.conditions:
            for other in self.conditions:
                if name != other:
                    yield (name, other), self.carry_over.get((name, other), 0)


class _Tally:
    """The counts of participants 1, 2, ..., as one after the other is added."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self.all = _Counts()
        cells = study.between.cells if study.between else ()
        self.cells = {id(cell): (cell, _Counts()) for cell in cells}

    def add(self, participant_index: int) -> None:
        order = condition_order(self._study, participant_index)
        self.all.add(order)
        if self.cells:
            self.cells[id(cell_of(self._study, participant_index))][1].add(order)

    def balanced(self) -> dict[str, bool]:
        parts = [counts for _, counts in self.cells.values()] or [self.all]
        met = {}
        if self.cells:
            met["cells"] = len({counts.participants for counts in parts}) == 1
        if max(counts.length for counts in parts) > 1:
            met["position"] = all(counts.position_balanced() for counts in parts)
            met["carry_over"] = all(counts.carry_over_balanced() for counts in parts)
        return met


def usual_participants(study: Study) -> int:
    """One whole cycle of the design, or 24 where it has none, or one that no study completes."""
    cycle = whole_cycle(study.order, study.between, (study.init_blocks, study.final_blocks))
    return cycle if 1 < cycle <= DESIGN_PARTICIPANTS else USUAL_PARTICIPANTS


def balance(study: Study, participants: int) -> Balance:
    """The design report for participants 1 to `participants` (at least 1)."""
    tally = _Tally(study)
    history: list[int] = []
    for participant_index in range(1, participants + 1):
        tally.add(participant_index)
        history.append(sum(tally.balanced().values()))
    everything = tally.all
    conditions = tuple(name for name in study.blocks if name in everything.conditions)
    balanced = tally.balanced()
    positions = tuple(
        tuple(
            everything.positions.get((name, position), 0) for position in range(everything.length)
        )
        for name in conditions
    )
    carry_over = tuple(
        tuple(everything.carry_over.get((name, other), 0) for other in conditions)
        for name in conditions
    )
    cells = tuple(
        CellCount(cell.levels, counts.participants) for cell, counts in tally.cells.values()
    )
    ranges = _ranges(tally)
    better = () if all(balanced.values()) else _better(tally, history)
    return Balance(
        participants,
        conditions,
        positions,
        carry_over,
        cells,
        sum(carry_over[place][place] for place in range(len(conditions))),
        balanced,
        better,
        _sentence(study, participants, balanced, ranges, better),
    )


def _ranges(tally: _Tally) -> Mapping[str, tuple[int, int]]:
    """The smallest and the largest count of each goal, within the cells."""
    parts = [counts for _, counts in tally.cells.values()] or [tally.all]
    counts = {
        "cells": [part.participants for part in parts],
        "position": [
            part.positions.get((name, position), 0)
            for part in parts
            for name in part.conditions
            for position in range(part.length)
        ],
        "carry_over": [count for part in parts for _, count in part.followers()],
    }
    return {goal: (min(found, default=0), max(found, default=0)) for goal, found in counts.items()}


def _better(tally: _Tally, history: list[int]) -> tuple[int, ...]:
    """The nearest numbers of participants, below and above, that meet most goals within reach."""
    here = len(history)
    above: dict[int, int] = {}
    for participants in range(here + 1, here + DESIGN_SEARCH + 1):
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


def _sentence(
    study: Study,
    participants: int,
    balanced: Mapping[str, bool],
    ranges: Mapping[str, tuple[int, int]],
    better: tuple[int, ...],
) -> str:
    who = f"{participants} participant{'s' if participants > 1 else ''}"
    if not balanced:
        return f"{who}: there is nothing to balance."
    good = [GOALS[goal] for goal, met in balanced.items() if met]
    bad = [_unmet(goal, *ranges[goal]) for goal, met in balanced.items() if not met]
    parts = [f"balanced for {_listed(good)}"] if good else []
    parts += [f"not balanced for {_listed(bad)}"] if bad else []
    said = f"{who}: {', '.join(parts)}"
    if better:
        return f"{said}; {' or '.join(map(str, better))} would balance more."
    if bad and _shuffles(study):
        return f"{said}; shuffled orders balance only by chance."
    return f"{said}; no number nearby balances more." if bad else f"{said}."


def _unmet(goal: str, smallest: int, largest: int) -> str:
    if smallest == largest:
        return GOALS[goal]
    return f"{GOALS[goal]} (counts from {smallest} to {largest})"


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _shuffles(study: Study) -> bool:
    strategies = (study.order.groups_strategy, study.order.within_groups_strategy)
    return Strategy.RANDOMIZE in strategies
