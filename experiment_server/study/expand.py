"""Expands a study: returns one participant's blocks.

A participant follows one row of the design, by default that of their index. All randomness of a
row comes from one generator, seeded with the study's seed plus the row, and is drawn in one fixed
order: groups, inside groups, init blocks, final blocks, then function calls in execution order. A
participant's blocks therefore never depend on earlier expansions of other participants.
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
    """The names of a row's blocks in order, without the init and final blocks."""
    return tuple(name for name, _ in condition_walk(study, row))


def condition_walk(study: Study, row: int) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """The blocks of `condition_order`, each with its groups from the outermost one."""
    prepared = prepared_study(study)
    _, order, _ = prepared.parts(row)
    return order.walk(prepared.turn(row), prepared.draws(row))


def expand(study: Study, participant_index: int, row: int | None = None) -> tuple[Block, ...]:
    """A participant's blocks, fully expanded; participants and rows count from 1.

    By default the row of the design is the participant's index. The order, the cell and the draws
    come from the row; the index in the configs is the participant's. Raises ExpansionFailed if a
    function call fails. The values are new: they share nothing with the study or with another
    expansion.
    """
    prepared = prepared_study(study)
    draws = prepared.draws(participant_index if row is None else row, participant_index)
    return tuple(prepared.expand(draws))


def configs_json(study: Study, participant_index: int) -> str:
    """The configs of `expand` as a JSON list, in less time; raises ExpansionFailed too."""
    prepared = prepared_study(study)
    return prepared.json(prepared.draws(participant_index))


def cell_of(study: Study, row: int) -> Cell:
    """The between-subjects cell of a row."""
    return study.between.cells[cell_index(study, row)] if study.between else NO_CELL


def cell_index(study: Study, row: int) -> int:
    """The index of a row's between-subjects cell, 0 if the study has no cells."""
    return prepared_study(study).cell(row)


def turn_of(study: Study, row: int) -> int:
    """The number of earlier rows in the same cell."""
    return prepared_study(study).turn(row)
