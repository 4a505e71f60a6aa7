"""The conditions of a participant, and the orders of groups, for the design report.

Practice, instructions, questionnaires and breaks are left out: blocks with `condition = false`, and
in a tree the items with a fixed position around an ordered group.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from experiment_server.study.expand import condition_order, condition_walk
from experiment_server.study.model import Group, Names, Strategy, Study
from experiment_server.study.ordering import Step


@dataclass(frozen=True, slots=True)
class GroupOrder:
    """A group, with the labels of its items in a participant's order."""

    group: Group
    order: Names


def conditions(study: Study, participant_index: int) -> Names:
    """The names of a participant's conditions, in order."""
    if not study.order.trees:
        names = condition_order(study, participant_index)
        return tuple(name for name in names if study.blocks[name].condition)
    return tuple(
        name
        for name, steps in condition_walk(study, participant_index)
        if study.blocks[name].condition and _has_ordered_position(steps)
    )


def group_orders(study: Study, participant_index: int) -> Iterator[GroupOrder]:
    """The ordered groups of a tree, once for each time that a participant reaches one."""
    found: dict[tuple[int, ...], tuple[Group, dict[int, int]]] = {}
    for _, steps in condition_walk(study, participant_index):
        for depth, step in enumerate(steps):
            if step.group.strategy is not Strategy.AS_IS:
                outer_positions = tuple(outer.position for outer in steps[:depth])
                found.setdefault(outer_positions, (step.group, {}))[1][step.position] = step.item
    for group, item_at in found.values():
        # The walk goes through the positions in order, so this is the order of the items.
        items = (item for item in item_at.values() if _is_condition(study, group.items[item]))
        yield GroupOrder(group, tuple(group.labels[item] for item in items))


def labels(study: Study, group: Group) -> Names:
    """The labels of a group's items that are conditions or groups."""
    return tuple(
        label
        for item, label in zip(group.items, group.labels, strict=True)
        if _is_condition(study, item)
    )


def _is_condition(study: Study, item: str | Group) -> bool:
    return isinstance(item, Group) or study.blocks[item].condition


def _has_ordered_position(steps: tuple[Step, ...]) -> bool:
    """Whether a strategy decides a block's position; False for fixed items around a group."""
    parent = steps[-1].group
    if parent.strategy is not Strategy.AS_IS:
        return True
    return not _has_strategy_inside(parent) and any(
        step.group.strategy is not Strategy.AS_IS for step in steps
    )


def _has_strategy_inside(group: Group) -> bool:
    return any(
        isinstance(item, Group)
        and (item.strategy is not Strategy.AS_IS or _has_strategy_inside(item))
        for item in group.items
    )
