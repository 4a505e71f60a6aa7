"""One participant's blocks, out of a study.

A participant follows one row of the design, by default that of their index. All randomness of a
row comes from one generator, seeded with the study's seed plus the row, and is drawn in one fixed
order: groups, inside groups, init blocks, final blocks, then function calls in execution order. A
participant's blocks therefore never depend on who was expanded before.
"""

from __future__ import annotations

from collections.abc import Iterator

from experiment_server.study.model import NO_CELL, Block, Cell, Names, Study
from experiment_server.study.ordering import Step
from experiment_server.study.prepared import prepared_study


def block_order(study: Study, row: int) -> Names:
    """The names of the blocks of a row of the design, in order, without expanding them."""
    prepared = prepared_study(study)
    return tuple(prepared.names(prepared.draws(row)))


def condition_order(study: Study, row: int) -> Names:
    """The part of a row's block order that `order` rules: no init and final blocks."""
    return tuple(name for name, _ in condition_walk(study, row))


def condition_walk(study: Study, row: int) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """The blocks of `condition_order`, each with its way through the groups of the order."""
    prepared = prepared_study(study)
    _, order, _ = prepared.parts(row)
    return order.walk(prepared.turn(row), prepared.draws(row))


def expand(study: Study, participant_index: int, row: int | None = None) -> tuple[Block, ...]:
    """A participant's blocks, fully expanded; participants and rows count from 1.

    They follow the row of the design of their own index, or another one: its orders, cell and draws
    are theirs then, under their own index. Raises ExpansionFailed when a function call cannot be
    served. The values are the caller's own: nothing in them is shared with the study or with
    another expansion.
    """
    prepared = prepared_study(study)
    draws = prepared.draws(participant_index if row is None else row, participant_index)
    return tuple(prepared.expand(draws))


def configs_json(study: Study, participant_index: int) -> str:
    """The list of the configs of `expand` as JSON, without making the values; raises as it does."""
    prepared = prepared_study(study)
    return prepared.json(prepared.draws(participant_index))


def cell_of(study: Study, row: int) -> Cell:
    """The cell of the between-subjects factors that a row is in."""
    return study.between.cells[cell_place(study, row)] if study.between else NO_CELL


def cell_place(study: Study, row: int) -> int:
    """Which of the cells a row is in, 0 where there are none."""
    return prepared_study(study).cell(row)


def turn_of(study: Study, row: int) -> int:
    """The how-manyth of its cell a row is, from 0."""
    return prepared_study(study).turn(row)
